/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A counting semaphore whose waiters look up now and then whether there
 * is still something to wait for.
 */
#include <time.h>

#include "common/include/cleanup.h"
#include "driver/limit.h"

#define LOOK_UP_NS 200000000L

void
limit_init (struct limit *l, unsigned n)
{
  pthread_condattr_t attr;

  pthread_mutex_init (&l->lock, NULL);
  pthread_condattr_init (&attr);
  pthread_condattr_setclock (&attr, CLOCK_MONOTONIC);
  pthread_cond_init (&l->cond, &attr);
  pthread_condattr_destroy (&attr);
  l->free = n;
}

void
limit_destroy (struct limit *l)
{
  pthread_cond_destroy (&l->cond);
  pthread_mutex_destroy (&l->lock);
}

bool
limit_acquire (struct limit *l, bool (*stop) (void *opaque), void *opaque)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&l->lock);
  struct timespec until;

  for (;;) {
    if (stop (opaque))
      return false;
    if (l->free > 0) {
      l->free--;
      return true;
    }
    clock_gettime (CLOCK_MONOTONIC, &until);
    until.tv_nsec += LOOK_UP_NS;
    if (until.tv_nsec >= 1000000000L) {
      until.tv_nsec -= 1000000000L;
      until.tv_sec++;
    }
    pthread_cond_timedwait (&l->cond, &l->lock, &until);
  }
}

void
limit_release (struct limit *l)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&l->lock);

  l->free++;
  pthread_cond_signal (&l->cond);
}
