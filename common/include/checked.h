/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Arithmetic on sizes that come from outside.  Each function returns
 * true and sets *R, or returns false and leaves *R as it was when the
 * true result does not fit.
 */
#ifndef NBDLIFT_CHECKED_H
#define NBDLIFT_CHECKED_H

#include <stdbool.h>
#include <stdint.h>

static inline bool
checked_add (uint64_t a, uint64_t b, uint64_t *r)
{
  uint64_t v;

  if (__builtin_add_overflow (a, b, &v))
    return false;
  *r = v;
  return true;
}

static inline bool
checked_mul (uint64_t a, uint64_t b, uint64_t *r)
{
  uint64_t v;

  if (__builtin_mul_overflow (a, b, &v))
    return false;
  *r = v;
  return true;
}

/* Round A up to a multiple of UNIT, which must not be 0. */
static inline bool
checked_round_up (uint64_t a, uint64_t unit, uint64_t *r)
{
  uint64_t rest = a % unit;

  if (rest == 0) {
    *r = a;
    return true;
  }
  return checked_add (a, unit - rest, r);
}

/* True if [offset, offset+count) lies inside [0, size).  Never
 * overflows.
 */
static inline bool
range_inside (uint64_t offset, uint64_t count, uint64_t size)
{
  return offset <= size && count <= size - offset;
}

#endif /* NBDLIFT_CHECKED_H */
