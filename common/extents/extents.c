/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A sorted map of what a disk holds.  The list always covers [0, size)
 * without a gap, and no two neighbours have one type; every function
 * keeps that.  extents_set replaces the pieces that the new one touches
 * by at most three, in place.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/extents/extents.h"
#include "common/include/checked.h"
#include "common/include/minmax.h"
#include "common/util/log.h"

struct extents *
extents_new (uint64_t size, uint32_t type)
{
  const struct extent all = { .offset = 0, .length = size, .type = type };
  struct extents *e;

  e = calloc (1, sizeof *e);
  if (e == NULL || (size > 0 && extent_vector_append (&e->list, all) == -1)) {
    free (e);
    log_oom ();
    return NULL;
  }
  e->size = size;
  return e;
}

void
extents_free (struct extents *e)
{
  if (e == NULL)
    return;
  extent_vector_reset (&e->list);
  free (e);
}

static uint64_t
end_of (const struct extent *x)
{
  return x->offset + x->length;
}

size_t
extents_find (const struct extents *e, uint64_t offset)
{
  size_t low = 0, high = e->list.len, mid;

  /* Maps are mostly built and walked in order: try the end first. */
  if (high > 0 && e->list.ptr[high - 1].offset <= offset)
    return high - 1;

  while (high - low > 1) {
    mid = low + (high - low) / 2;
    if (e->list.ptr[mid].offset <= offset)
      low = mid;
    else
      high = mid;
  }
  return low;
}

/* Replace the COUNT pieces at FIRST by the N of PIECES. */
static int
splice (extent_vector *v, size_t first, size_t count,
        const struct extent *pieces, size_t n)
{
  while (v->len - count + n > v->cap)
    if (generic_vector_grow ((void **) &v->ptr, v->len, &v->cap,
                             sizeof *v->ptr) == -1)
      return -1;

  memmove (&v->ptr[first + n], &v->ptr[first + count],
           (v->len - first - count) * sizeof *v->ptr);
  memcpy (&v->ptr[first], pieces, n * sizeof *v->ptr);
  v->len = v->len - count + n;
  return 0;
}

int
extents_set (struct extents *e, uint64_t offset, uint64_t length,
             uint32_t type)
{
  struct extent piece = { .offset = offset, .length = length, .type = type };
  struct extent pieces[3];
  const uint64_t end = offset + length;
  size_t first, last, n = 0;
  const struct extent *x;
  uint64_t rest;

  if (!range_inside (offset, length, e->size)) {
    log_error ("extent of %" PRIu64 " bytes at offset %" PRIu64
               " is outside of the disk, which has %" PRIu64 " bytes",
               length, offset, e->size);
    errno = EINVAL;
    return -1;
  }
  if (length == 0)
    return 0;

  first = extents_find (e, offset);
  last = first;
  while (end_of (&e->list.ptr[last]) < end)
    last++;

  /* What is left of the first piece: its own, or joins ours. */
  x = &e->list.ptr[first];
  if (x->offset < offset) {
    if (x->type == type) {
      piece.length += offset - x->offset;
      piece.offset = x->offset;
    }
    else
      pieces[n++] = (struct extent) {
        .offset = x->offset, .length = offset - x->offset, .type = x->type
      };
  }
  else if (first > 0 && e->list.ptr[first - 1].type == type) {
    first--;
    x = &e->list.ptr[first];
    piece.length += x->length;
    piece.offset = x->offset;
  }
  pieces[n++] = piece;

  /* The same at the other end. */
  x = &e->list.ptr[last];
  rest = end_of (x) - end;
  if (rest > 0) {
    if (x->type == type)
      pieces[n - 1].length += rest;
    else
      pieces[n++] = (struct extent) {
        .offset = end, .length = rest, .type = x->type
      };
  }
  else if (last + 1 < e->list.len && e->list.ptr[last + 1].type == type) {
    last++;
    pieces[n - 1].length += e->list.ptr[last].length;
  }

  if (splice (&e->list, first, last - first + 1, pieces, n) == -1) {
    log_oom ();
    return -1;
  }
  return 0;
}

/* Append at the end of an unfinished map. */
static int
append (struct extents *e, uint64_t length, uint32_t type)
{
  struct extent piece = { .offset = 0, .length = length, .type = type };
  struct extent *x;

  if (e->list.len > 0) {
    x = &e->list.ptr[e->list.len - 1];
    if (x->type == type) {
      x->length += length;
      return 0;
    }
    piece.offset = end_of (x);
  }
  return extent_vector_append (&e->list, piece);
}

struct extents *
extents_combine (const struct extents *a, const struct extents *b,
                 uint32_t (*combine) (uint32_t, uint32_t))
{
  CLEANUP_EXTENTS struct extents *e = NULL;
  const struct extent *x, *y;
  struct extents *ret;
  size_t i = 0, j = 0;
  uint64_t offset = 0, end;

  if (a->size != b->size) {
    log_error ("two maps of one disk differ in size: %" PRIu64 " and %"
               PRIu64 " bytes", a->size, b->size);
    errno = EINVAL;
    return NULL;
  }
  e = extents_new (0, EXTENT_DATA);
  if (e == NULL)
    return NULL;
  e->size = a->size;

  while (offset < e->size) {
    x = &a->list.ptr[i];
    y = &b->list.ptr[j];
    end = MIN (end_of (x), end_of (y));
    if (append (e, end - offset, combine (x->type, y->type)) == -1) {
      log_oom ();
      return NULL;
    }
    if (end_of (x) == end)
      i++;
    if (end_of (y) == end)
      j++;
    offset = end;
  }

  ret = e;
  e = NULL;
  return ret;
}

uint64_t
extents_data_bytes (const struct extents *e)
{
  uint64_t sum = 0;
  size_t i;

  for (i = 0; i < e->list.len; ++i)
    if ((e->list.ptr[i].type & (EXTENT_ZERO | EXTENT_HOLE)) == 0)
      sum += e->list.ptr[i].length;
  return sum;
}

int
extents_foreach (const struct extents *e, uint64_t offset, uint64_t length,
                 bool one,
                 int (*fn) (void *opaque, uint64_t offset, uint64_t length,
                            uint32_t type),
                 void *opaque)
{
  uint64_t n;
  size_t i;

  if (!range_inside (offset, length, e->size)) {
    log_error ("extents of %" PRIu64 " bytes at offset %" PRIu64
               " were asked for, but the disk has %" PRIu64 " bytes",
               length, offset, e->size);
    errno = EINVAL;
    return -1;
  }
  if (length == 0)
    return 0;

  for (i = extents_find (e, offset); length > 0; ++i) {
    n = MIN (end_of (&e->list.ptr[i]) - offset, length);
    if (fn (opaque, offset, n, e->list.ptr[i].type) == -1)
      return -1;
    if (one)
      break;
    offset += n;
    length -= n;
  }
  return 0;
}
