/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the files of the digest tree share.
 */
#ifndef NBDLIFT_DIGEST_TREE_PRIVATE_H
#define NBDLIFT_DIGEST_TREE_PRIVATE_H

#include <stdint.h>

#include "driver/copy/digest_tree.h"

#define DIGEST_BYTES 32         /* SHA-256 */

struct digest_tree {
  uint64_t size;                /* bytes of the disk */
  uint64_t blocks;
  uint8_t (*digest)[DIGEST_BYTES];
  uint8_t *known;               /* bytes, not bits: set by several threads */
};

/* The first bytes of a digest file, and of what the root is made of.
 * Numbers are little endian.
 */
struct digest_header {
  uint8_t magic[8];             /* "NBDLIFTD" */
  uint64_t version;             /* 1: SHA-256 */
  uint64_t size;
  uint64_t block;               /* DIGEST_BLOCK */
};

extern void digest_header_make (const struct digest_tree *t,
                                struct digest_header *header);

/* DIGEST_BYTES to ROOT.  0, or -1 reported. */
extern int digest_tree_raw_root (const struct digest_tree *t, uint8_t *root);

#endif /* NBDLIFT_DIGEST_TREE_PRIVATE_H */
