/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Waiting, by a clock that nobody sets.
 */
#include <time.h>

#include "common/util/monotonic.h"
#include "plugins/vsphere/vim_private.h"

void
vim_sleep_ms (unsigned ms)
{
  const struct timespec t = { ms / 1000, ms % 1000 * 1000000L };

  nanosleep (&t, NULL);
}

bool
vim_cond_wait (pthread_cond_t *cond, pthread_mutex_t *lock,
               const bool *closing, unsigned seconds)
{
  const int64_t until = monotonic_ms () + seconds * INT64_C (1000);

  while (!*closing && monotonic_ms () < until)
    monotonic_cond_wait (cond, lock, until);
  return *closing;
}
