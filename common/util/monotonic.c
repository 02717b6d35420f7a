/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The wall clock can be set while somebody waits; this one cannot.
 */
#include <time.h>

#include "common/util/monotonic.h"

int64_t
monotonic_ms (void)
{
  struct timespec ts;

  clock_gettime (CLOCK_MONOTONIC, &ts);
  return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void
monotonic_cond_wait (pthread_cond_t *cond, pthread_mutex_t *lock,
                     int64_t until)
{
  const struct timespec ts = {
    .tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000,
  };

  pthread_cond_clockwait (cond, lock, CLOCK_MONOTONIC, &ts);
}
