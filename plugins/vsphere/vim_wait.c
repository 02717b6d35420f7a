/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Waiting, by a clock that nobody sets.
 */
#include <time.h>

#include "plugins/vsphere/vim_private.h"

uint64_t
vim_now_ms (void)
{
  struct timespec t;

  clock_gettime (CLOCK_MONOTONIC, &t);
  return t.tv_sec * UINT64_C (1000) + t.tv_nsec / 1000000;
}

void
vim_sleep_ms (unsigned ms)
{
  const struct timespec t = { ms / 1000, ms % 1000 * 1000000L };

  nanosleep (&t, NULL);
}

void
vim_cond_init (pthread_cond_t *cond)
{
  pthread_condattr_t attr;

  pthread_condattr_init (&attr);
  pthread_condattr_setclock (&attr, CLOCK_MONOTONIC);
  pthread_cond_init (cond, &attr);
  pthread_condattr_destroy (&attr);
}

bool
vim_cond_wait (pthread_cond_t *cond, pthread_mutex_t *lock,
               const bool *closing, unsigned seconds)
{
  struct timespec until;

  clock_gettime (CLOCK_MONOTONIC, &until);
  until.tv_sec += seconds;
  while (!*closing && pthread_cond_timedwait (cond, lock, &until) == 0)
    ;
  return *closing;
}
