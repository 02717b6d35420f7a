/* SPDX-License-Identifier: BSD-3-Clause
 *
 * flock knows no time limit, so it is tried again and again.
 */
#include <errno.h>
#include <sys/file.h>
#include <time.h>

#include "common/util/file_lock.h"

#define TRIES 60
#define PAUSE_NS 50000000       /* 50 ms */

int
file_lock (int fd)
{
  const struct timespec pause = { .tv_nsec = PAUSE_NS };
  unsigned i;

  for (i = 0; i < TRIES; i++) {
    if (flock (fd, LOCK_EX | LOCK_NB) == 0)
      return 0;
    if (errno != EWOULDBLOCK)
      return -1;
    nanosleep (&pause, NULL);
  }
  errno = EWOULDBLOCK;
  return -1;
}
