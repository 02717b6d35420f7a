/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A sorted map of what a disk holds: a list of (offset, length, type)
 * without gaps or overlaps, in which neighbours of one type are merged.
 *
 * Types are the flags of NBD's base:allocation context (NBD protocol,
 * "Base metadata context"): 0 = data, EXTENT_HOLE | EXTENT_ZERO = reads
 * as zeroes and need not be read, EXTENT_ZERO alone = allocated zeroes,
 * EXTENT_HOLE alone = (delta exports) not changed since the base.
 */
#ifndef NBDLIFT_EXTENTS_H
#define NBDLIFT_EXTENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/util/vector.h"

#define EXTENT_DATA 0
#define EXTENT_HOLE 1           /* = NBDKIT_EXTENT_HOLE, LIBNBD_STATE_HOLE */
#define EXTENT_ZERO 2           /* = NBDKIT_EXTENT_ZERO, LIBNBD_STATE_ZERO */

struct extent {
  uint64_t offset;              /* bytes */
  uint64_t length;              /* bytes, never 0 */
  uint32_t type;
};

DEFINE_VECTOR_TYPE (extent_vector, struct extent);

/* A map of [0, size).  Not thread safe while it is built; read-only use
 * from several threads is safe.
 */
struct extents {
  uint64_t size;
  extent_vector list;
};

/* A new map of SIZE bytes that has type TYPE everywhere.  NULL with
 * errno ENOMEM, reported.  A size of 0 gives an empty list.
 */
extern struct extents *extents_new (uint64_t size, uint32_t type);
extern void extents_free (struct extents *e);

/* Give [offset, offset+length) the type TYPE.  In amortised constant
 * time when called with ascending offsets.  0, or -1 with errno (EINVAL
 * outside of the map, ENOMEM), reported.
 */
extern int extents_set (struct extents *e, uint64_t offset, uint64_t length,
                        uint32_t type);

/* Index of the extent that holds OFFSET (which must be < size): binary
 * search.
 */
extern size_t extents_find (const struct extents *e, uint64_t offset);

/* A new map with, at each byte, COMBINE (type in A, type in B).  Both
 * must be of one size (EINVAL).
 */
extern struct extents *extents_combine (const struct extents *a,
                                        const struct extents *b,
                                        uint32_t (*combine) (uint32_t,
                                                             uint32_t));

/* Sum of the lengths whose type has no EXTENT_ZERO and no EXTENT_HOLE. */
extern uint64_t extents_data_bytes (const struct extents *e);

/* Call FN for each piece of [offset, offset+length), cut to it, in
 * ascending order; stop when FN returns -1 and return -1, or after the
 * first piece when ONE.
 */
extern int extents_foreach (const struct extents *e, uint64_t offset,
                            uint64_t length, bool one,
                            int (*fn) (void *opaque, uint64_t offset,
                                       uint64_t length, uint32_t type),
                            void *opaque);

static inline void
cleanup_extents (struct extents **e)
{
  extents_free (*e);
}
#define CLEANUP_EXTENTS __attribute__ ((cleanup (cleanup_extents)))

#endif /* NBDLIFT_EXTENTS_H */
