/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Are these bytes all zero?
 */
#ifndef NBDLIFT_IS_ZERO_H
#define NBDLIFT_IS_ZERO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/include/minmax.h"

static inline bool
is_all_zero (const uint8_t *data, size_t len)
{
  const size_t head = MIN (len, (size_t) 16);
  size_t i;

  for (i = 0; i < head; ++i)
    if (data[i] != 0)
      return false;
  /* Zero at the beginning, and each byte equal to the one 16 before: the
   * C library's memcmp is the fastest loop at hand.
   */
  return memcmp (data, data + head, len - head) == 0;
}

#endif /* NBDLIFT_IS_ZERO_H */
