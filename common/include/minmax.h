/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Small macros that every part uses.  MIN and MAX evaluate their
 * arguments once.
 */
#ifndef NBDLIFT_MINMAX_H
#define NBDLIFT_MINMAX_H

#undef MIN
#undef MAX
#define MIN(x, y)                                                       \
  ({ __typeof__ (x) min_x_ = (x); __typeof__ (y) min_y_ = (y);          \
     min_x_ < min_y_ ? min_x_ : min_y_; })
#define MAX(x, y)                                                       \
  ({ __typeof__ (x) max_x_ = (x); __typeof__ (y) max_y_ = (y);          \
     max_x_ > max_y_ ? max_x_ : max_y_; })

#define ARRAY_SIZE(a) (sizeof (a) / sizeof ((a)[0]))

#define KIB (UINT64_C (1) << 10)
#define MIB (UINT64_C (1) << 20)
#define GIB (UINT64_C (1) << 30)
#define SECTOR_SIZE UINT64_C (512)

#endif /* NBDLIFT_MINMAX_H */
