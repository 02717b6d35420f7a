/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One copy, shared by copy_disk.c (its beginning and end), copy_sink.c
 * (what happens to each chunk) and copy_digests.c.
 */
#ifndef NBDLIFT_COPY_PRIVATE_H
#define NBDLIFT_COPY_PRIVATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "driver/copy/checkpoint.h"
#include "driver/copy/copy.h"
#include "driver/copy/copy_journal.h"
#include "driver/copy/digest_tree.h"
#include "driver/copy/direct_output.h"
#include "driver/copy/disk_output.h"
#include "driver/copy/reader.h"
#include "driver/copy/workers.h"

/* Claimed blocks that are read from the source again. */
#define COPY_PROBES 4

struct copy {
  const struct copy_options *options;
  const char *name;             /* of the disk, for messages */
  uint64_t size;                /* bytes of the disk */
  int wake_fd;                  /* eventfd: a chunk or a sync has ended */
  struct disk_output output;
  struct direct_output *direct; /* or NULL */
  struct workers workers;
  struct job *ended;            /* chunks that needed no work */

  /* Of what was read: in a delta, of the changed parts of each block with
   * everything else zero, for the journal alone.  NULL if not wanted.
   */
  struct digest_tree *digests;
  struct copy_journal *journal; /* or NULL */
  struct checkpoint *checkpoint;
  uint64_t probes[COPY_PROBES]; /* block numbers */
  unsigned nr_probes;
  uint64_t kept;                /* bytes */

  atomic_bool source_changed;   /* a probe was not what the journal says */
  uint64_t changed_offset;

  /* In a delta with a digest file: what was not EXTENT_UNCHANGED, one byte
   * per block.
   */
  uint8_t *touched;
};

/* Of struct reader_sink. */
extern void copy_give (void *opaque, struct chunk *chunk);
extern struct job *copy_ended (void *opaque);
extern enum claim copy_claimed (void *opaque, uint64_t offset, uint64_t len);
extern int copy_hold (void *opaque, uint64_t len);
extern int copy_checkpoint (void *opaque);

/* What the worker threads do. */
extern int copy_work (void *opaque, struct job *job);

/* Which claimed blocks to read from the source again. */
extern void copy_choose_probes (struct copy *copy);

/* Write the digest file.  0, or -1 with errno and a report. */
extern int copy_save_digests (struct copy *copy);

#endif /* NBDLIFT_COPY_PRIVATE_H */
