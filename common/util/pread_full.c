/* SPDX-License-Identifier: BSD-3-Clause
 *
 * pread may give less than it was asked for: 2 GiB at the most, and what
 * there is when a signal comes.
 */
#include <errno.h>
#include <unistd.h>

#include "common/util/pread_full.h"

int
pread_full (int fd, void *buf, size_t n, uint64_t offset, size_t *got)
{
  char *p = buf;
  ssize_t r;

  *got = 0;
  while (*got < n) {
    r = pread (fd, p + *got, n - *got, offset + *got);
    if (r == 0)
      break;
    if (r > 0)
      *got += r;
    else if (errno != EINTR)
      return -1;
  }
  return 0;
}
