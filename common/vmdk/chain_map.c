/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Where each byte of a chain is stored: a sorted list of pieces that is
 * made once, from the base to the top.  Each link takes the list of what
 * is below it and puts its own grains over it.  Reading is then a search
 * in one list, however many links there are, and extents come from the
 * list alone.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/checked.h"
#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "common/vmdk/chain_private.h"

/* One link over the list of those below it. */
struct overlay {
  const chain_piece_vector *below; /* NULL: there are none */
  uint64_t size;                /* of the disk */
  size_t next;                  /* in below: where we are */
  chain_piece_vector map;       /* what becomes of it */
  const struct chain_part *part;
};

static int
add_piece (struct overlay *o, uint64_t offset, struct blob *blob,
           uint64_t where)
{
  const struct chain_piece piece = {
    .offset = offset, .blob = blob, .where = where
  };

  if (o->map.len > 0) {
    const struct chain_piece *last = &o->map.ptr[o->map.len - 1];

    if (last->blob == blob &&
        (blob == NULL || last->where + (offset - last->offset) == where))
      return 0;
  }
  if (chain_piece_vector_append (&o->map, piece) == -1) {
    log_oom ();
    return -1;
  }
  return 0;
}

static uint64_t
piece_end (const chain_piece_vector *map, size_t i, uint64_t size)
{
  return i + 1 < map->len ? map->ptr[i + 1].offset : size;
}

/* [offset, offset+length) is as it is below; called in ascending order. */
static int
add_parent (struct overlay *o, uint64_t offset, uint64_t length)
{
  const uint64_t end = offset + length;

  if (o->below == NULL)
    return add_piece (o, offset, NULL, 0);
  while (piece_end (o->below, o->next, o->size) <= offset)
    o->next++;
  while (offset < end) {
    const struct chain_piece *piece = &o->below->ptr[o->next];

    if (add_piece (o, offset, piece->blob,
                   piece->where + (offset - piece->offset)) == -1)
      return -1;
    offset = piece_end (o->below, o->next, o->size);
    if (offset < end)
      o->next++;
  }
  return 0;
}

/* A run of a delta, whose end can be past that of its part. */
static int
add_run (void *opaque, uint64_t offset, uint64_t length,
         enum vmdk_grain kind, uint64_t where)
{
  struct overlay *o = opaque;
  const struct chain_part *part = o->part;

  if (offset >= part->size)
    return 0;
  length = MIN (length, part->size - offset);
  offset += part->start;
  switch (kind) {
  case VMDK_GRAIN_PARENT:
    return add_parent (o, offset, length);
  case VMDK_GRAIN_ZERO:
    return add_piece (o, offset, NULL, 0);
  case VMDK_GRAIN_DATA:
    return add_piece (o, offset, part->delta->blob, where);
  }
  abort ();
}

/* A piece of what the platform says of a flat part. */
static int
add_flat (void *opaque, uint64_t offset, uint64_t length, uint32_t type)
{
  struct overlay *o = opaque;
  const struct chain_part *part = o->part;

  if (type & EXTENT_HOLE)
    return add_piece (o, offset, NULL, 0);
  return add_piece (o, offset, part->blob,
                    part->offset + (offset - part->start));
}

static int
add_part (struct overlay *o, const struct extents *allocated)
{
  const struct chain_part *part = o->part;

  switch (part->type) {
  case VMDK_PART_COWD:
  case VMDK_PART_SESPARSE:
    return vmdk_delta_walk (part->delta, add_run, o);
  case VMDK_PART_FLAT:
    /* Known of what the disk shows, which for this part is what the base
     * holds where no snapshot is above it.
     */
    if (allocated && o->below == NULL)
      return extents_foreach (allocated, part->start, part->size, false,
                              add_flat, o);
    return add_flat (o, part->start, part->size, EXTENT_DATA);
  case VMDK_PART_ZERO:
    return add_piece (o, part->start, NULL, 0);
  case VMDK_PART_SPARSE:
    break;
  }
  abort ();
}

int
vmdk_chain_load (struct vmdk_chain *chain, const struct extents *allocated)
{
  struct overlay o = { .size = chain->size };
  chain_piece_vector below = EMPTY_VECTOR;
  size_t i, j;
  int r = 0;

  if (allocated && allocated->size != chain->size) {
    log_error ("a map of %" PRIu64 " bytes for a disk of %" PRIu64,
               allocated->size, chain->size);
    errno = EINVAL;
    return -1;
  }
  for (i = chain->links.len; i-- > 0 && r == 0;) {
    const chain_part_vector *parts = &chain->links.ptr[i].parts;

    memset (&o.map, 0, sizeof o.map);
    o.next = 0;
    for (j = 0; j < parts->len && r == 0; ++j) {
      o.part = &parts->ptr[j];
      r = add_part (&o, allocated);
    }
    chain_piece_vector_reset (&below);
    below = o.map;
    o.below = &below;
  }
  if (r == -1) {
    chain_piece_vector_reset (&below);
    return -1;
  }
  chain_piece_vector_reset (&chain->map);
  chain->map = below;
  return 0;
}

/* The piece that holds OFFSET, which is inside of the disk. */
static size_t
find_piece (const struct vmdk_chain *chain, uint64_t offset)
{
  size_t low = 0, high = chain->map.len, middle;

  while (high - low > 1) {
    middle = low + (high - low) / 2;
    if (chain->map.ptr[middle].offset <= offset)
      low = middle;
    else
      high = middle;
  }
  return low;
}

static int
check_range (const struct vmdk_chain *chain, uint64_t count, uint64_t offset)
{
  if (range_inside (offset, count, chain->size))
    return 0;
  log_error ("%" PRIu64 " bytes at offset %" PRIu64 " are outside of the "
             "disk of %" PRIu64 " bytes", count, offset, chain->size);
  errno = EINVAL;
  return -1;
}

/*---- reading ----*/

/* A request can lie across many small pieces.  Reads of one file that are
 * near each other become one, so that a disk with snapshots does not take a
 * round trip for each grain.
 */
#define MAX_SPANS 256           /* looked at together */
#define MAX_GAP (64 * KIB)      /* read for nothing */

struct span {
  struct blob *blob;            /* NULL: done */
  uint64_t where, length;
  unsigned char *to;
};

/* Does SPAN belong to a read of BLOB that has come to END? */
static bool
joins (const struct span *span, const struct blob *blob, uint64_t end)
{
  return span->blob == blob && span->where >= end &&
    span->where - end <= MAX_GAP;
}

/* Read the first of N spans, and those that join it. */
static int
read_spans (struct span *spans, size_t n)
{
  struct blob *blob = spans[0].blob;
  const uint64_t start = spans[0].where;
  CLEANUP_FREE unsigned char *buf = NULL;
  uint64_t end = start + spans[0].length, all;
  bool alone = true;
  size_t i;

  for (i = 1; i < n; ++i) {
    if (joins (&spans[i], blob, end)) {
      end = spans[i].where + spans[i].length;
      alone = false;
    }
  }
  if (alone) {
    spans[0].blob = NULL;
    return blob_pread (blob, spans[0].to, spans[0].length, start);
  }
  all = end - start;
  buf = malloc (all);
  if (buf == NULL) {
    log_oom ();
    return -1;
  }
  if (blob_pread (blob, buf, all, start) == -1)
    return -1;
  for (i = 0, end = start; i < n; ++i) {
    if (joins (&spans[i], blob, end)) {
      memcpy (spans[i].to, buf + (spans[i].where - start), spans[i].length);
      end = spans[i].where + spans[i].length;
      spans[i].blob = NULL;
    }
  }
  return 0;
}

int
vmdk_chain_pread (struct vmdk_chain *chain, void *buf, size_t count,
                  uint64_t offset)
{
  struct span spans[MAX_SPANS];
  unsigned char *p = buf;
  uint64_t length;
  size_t i, n = 0, j;

  if (check_range (chain, count, offset) == -1)
    return -1;
  for (i = find_piece (chain, offset); count > 0; ++i) {
    const struct chain_piece *piece = &chain->map.ptr[i];

    length = MIN ((uint64_t) count,
                  piece_end (&chain->map, i, chain->size) - offset);
    if (piece->blob == NULL)
      memset (p, 0, length);
    else
      spans[n++] = (struct span) {
        .blob = piece->blob, .length = length, .to = p,
        .where = piece->where + (offset - piece->offset),
      };
    p += length;
    count -= length;
    offset += length;
    if (n < MAX_SPANS && count > 0)
      continue;
    for (j = 0; j < n; ++j) {
      if (spans[j].blob && read_spans (spans + j, n - j) == -1)
        return -1;
    }
    n = 0;
  }
  return 0;
}

int
vmdk_chain_extents (const struct vmdk_chain *chain, uint64_t count,
                    uint64_t offset, bool one,
                    int (*fn) (void *opaque, uint64_t offset,
                               uint64_t length, uint32_t type),
                    void *opaque)
{
  const chain_piece_vector *map = &chain->map;
  const uint64_t end = offset + count;
  uint64_t next;
  bool zero;
  size_t i;

  if (check_range (chain, count, offset) == -1)
    return -1;
  if (count == 0)
    return 0;
  i = find_piece (chain, offset);
  while (offset < end) {
    zero = map->ptr[i].blob == NULL;
    do
      next = piece_end (map, i++, chain->size);
    while (next < end && zero == (map->ptr[i].blob == NULL));
    next = MIN (next, end);
    if (fn (opaque, offset, next - offset,
            zero ? EXTENT_HOLE | EXTENT_ZERO : EXTENT_DATA) == -1)
      return -1;
    if (one)
      break;
    offset = next;
  }
  return 0;
}

/* The pieces of the flat part PART. */
static int
part_used (const struct vmdk_chain *chain, const struct chain_part *part,
           int (*fn) (void *opaque, struct blob *blob, uint64_t offset,
                      uint64_t length),
           void *opaque)
{
  const chain_piece_vector *map = &chain->map;
  const uint64_t end = part->start + part->size;
  size_t i;

  for (i = find_piece (chain, part->start);
       i < map->len && map->ptr[i].offset < end; i++) {
    const struct chain_piece *piece = &map->ptr[i];
    const uint64_t from = MAX (piece->offset, part->start);
    const uint64_t to = MIN (piece_end (map, i, chain->size), end);

    if (piece->blob == part->blob &&
        fn (opaque, part->blob, piece->where + (from - piece->offset),
            to - from) == -1)
      return -1;
  }
  return 0;
}

int
vmdk_chain_used (const struct vmdk_chain *chain,
                 int (*fn) (void *opaque, struct blob *blob, uint64_t offset,
                            uint64_t length),
                 void *opaque)
{
  size_t i, j;

  for (i = 0; i < chain->links.len; i++) {
    const chain_part_vector *parts = &chain->links.ptr[i].parts;

    for (j = 0; j < parts->len; j++)
      if (parts->ptr[j].type == VMDK_PART_FLAT && parts->ptr[j].size > 0 &&
          part_used (chain, &parts->ptr[j], fn, opaque) == -1)
        return -1;
  }
  return 0;
}
