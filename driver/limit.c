/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A counting semaphore whose waiters look up now and then whether there
 * is still something to wait for.
 */
#include "common/include/cleanup.h"
#include "common/util/monotonic.h"
#include "driver/limit.h"

#define LOOK_UP_MS 200

void
limit_init (struct limit *l, unsigned n)
{
  pthread_mutex_init (&l->lock, NULL);
  pthread_cond_init (&l->cond, NULL);
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

  for (;;) {
    if (stop (opaque))
      return false;
    if (l->free > 0) {
      l->free--;
      return true;
    }
    monotonic_cond_wait (&l->cond, &l->lock, monotonic_ms () + LOOK_UP_MS);
  }
}

void
limit_release (struct limit *l)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&l->lock);

  l->free++;
  pthread_cond_signal (&l->cond);
}
