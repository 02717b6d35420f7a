/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the files of the copy journal share.
 */
#ifndef NBDLIFT_COPY_JOURNAL_PRIVATE_H
#define NBDLIFT_COPY_JOURNAL_PRIVATE_H

#include <stdatomic.h>
#include <sys/types.h>

#include "driver/copy/copy_journal.h"

#define SUM_BYTES 32            /* SHA-256 */

struct digest;

struct journal_header {
  uint8_t magic[8];
  uint32_t version;
  uint32_t flags;
  uint64_t size;                /* bytes of the disk */
  uint64_t block_size;          /* DIGEST_BLOCK */
  uint32_t digest_type;         /* enum block_digest */
  uint32_t identity_length;
  uint8_t key[DIGEST_KEY_BYTES];
  char identity[COPY_IDENTITY_MAX];
  uint8_t sum[SUM_BYTES];       /* of all before it */
};

struct copy_journal {
  char *path;
  int fd;
  struct digest_tree *tree;     /* borrowed */
  uint64_t blocks;
  size_t run_bytes;             /* of a run and its digest */
  struct digest *digest;        /* for sums */
  uint8_t *record;              /* room for one record of RUNS_MAX runs */

  _Atomic uint64_t *claimed;    /* a bit for each block */
  _Atomic uint64_t count;
  uint64_t room;                /* claims that the file may still take */
  bool resumed;
  bool complete;

  uint64_t end;                 /* of the last good record, */
  uint8_t sum[SUM_BYTES];       /* and its sum */
};

/* Read what there is of N bytes at OFFSET.  The number, or -1 reported. */
extern ssize_t journal_read_at (const struct copy_journal *j, void *data,
                                size_t n, uint64_t offset);

/* Write N bytes at OFFSET; make all of the file durable; cut it.  0, or -1
 * reported.
 */
extern int journal_write_at (const struct copy_journal *j, const void *data,
                             size_t n, uint64_t offset);
extern int journal_sync (const struct copy_journal *j);
extern int journal_cut (const struct copy_journal *j, uint64_t length);

/* Open and lock the file at j->path, and look at its header.  A file that
 * is new, or has none, is begun.  0 with the header in H and *SIZE bytes in
 * the file; or -1 reported with errno as copy_journal_open.
 */
extern int journal_open_file (struct copy_journal *j, const char *identity,
                              bool delta, struct journal_header *h,
                              uint64_t *size);

#endif /* NBDLIFT_COPY_JOURNAL_PRIVATE_H */
