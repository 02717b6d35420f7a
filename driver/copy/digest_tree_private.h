/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the files of the digest tree share.
 */
#ifndef NBDLIFT_DIGEST_TREE_PRIVATE_H
#define NBDLIFT_DIGEST_TREE_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "driver/copy/digest_tree.h"

/* The root is always SHA-256. */
#define ROOT_BYTES 32

struct digest_tree {
  enum block_digest type;
  uint8_t key[DIGEST_KEY_BYTES];
  uint64_t size;                /* bytes of the disk */
  uint64_t blocks;
  size_t digest_size;
  uint8_t *digests;             /* of block after block */
  uint8_t *known;               /* bytes, not bits: set by several threads */

  /* The digest of a whole block of zeroes, made when first needed. */
  atomic_bool zero_made;
  pthread_mutex_t zero_lock;    /* held while it is made */
  uint8_t zero[DIGEST_BYTES_MAX];
};

/* The first bytes of a digest file, and of what the root is made of.
 * Numbers are little endian.
 */
struct digest_header {
  uint8_t magic[8];             /* "NBDLIFTD" */
  uint64_t version;             /* 2 */
  uint64_t type;                /* enum block_digest */
  uint64_t size;
  uint64_t block;               /* DIGEST_BLOCK */
  uint8_t key[DIGEST_KEY_BYTES];
};

/* All blocks unknown; KEY NULL: zeroes.  NULL reported. */
extern struct digest_tree *digest_tree_make (uint64_t size,
                                             enum block_digest type,
                                             const uint8_t *key);

extern void digest_header_make (const struct digest_tree *t,
                                struct digest_header *header);

/* ROOT_BYTES to ROOT.  0, or -1 reported. */
extern int digest_tree_raw_root (const struct digest_tree *t, uint8_t *root);

/* Bytes of a digest of TYPE; whether TYPE has a key. */
extern size_t block_digest_size (enum block_digest type);
extern bool block_digest_has_key (enum block_digest type);

/* The digest of LEN bytes of DATA, or of LEN zeroes, to OUT, which is
 * untouched on failure.  Any thread.  0, or -1 with errno and a report.
 */
extern int block_digest_of (enum block_digest type, const uint8_t *key,
                            const void *data, size_t len, uint8_t *out);
extern int block_digest_of_zeroes (enum block_digest type,
                                   const uint8_t *key, size_t len,
                                   uint8_t *out);

#endif /* NBDLIFT_DIGEST_TREE_PRIVATE_H */
