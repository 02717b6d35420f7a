/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the files of the chain reader share: chain.c opens the links,
 * chain_map.c finds out where each byte is and reads it.
 */
#ifndef NBDLIFT_VMDK_CHAIN_PRIVATE_H
#define NBDLIFT_VMDK_CHAIN_PRIVATE_H

#include "common/vmdk/chain.h"
#include "common/vmdk/vmdk_private.h"

/* An extent of a link. */
struct chain_part {
  enum vmdk_part_type type;
  uint64_t start, size;         /* bytes of the disk */
  struct vmdk_delta *delta;     /* COWD, SESPARSE */
  struct blob *blob;            /* FLAT */
  uint64_t offset;              /* FLAT: bytes in blob */
};
DEFINE_VECTOR_TYPE (chain_part_vector, struct chain_part);

struct chain_link {
  chain_part_vector parts;
};
DEFINE_VECTOR_TYPE (chain_link_vector, struct chain_link);

/* Where the bytes from OFFSET of the disk up to the next piece are. */
struct chain_piece {
  uint64_t offset;
  struct blob *blob;            /* NULL: they are zero */
  uint64_t where;               /* in blob */
};
DEFINE_VECTOR_TYPE (chain_piece_vector, struct chain_piece);

struct vmdk_chain {
  uint64_t size;
  chain_link_vector links;      /* the base last */
  chain_piece_vector map;       /* of all of [0, size), once loaded */
  char *kind;
};

#endif /* NBDLIFT_VMDK_CHAIN_PRIVATE_H */
