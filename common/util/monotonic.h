/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The clock for time limits, which nobody sets.
 */
#ifndef NBDLIFT_MONOTONIC_H
#define NBDLIFT_MONOTONIC_H

#include <pthread.h>
#include <stdint.h>

/* Milliseconds since some time in the past. */
extern int64_t monotonic_ms (void);

/* Wait for COND with LOCK held, until that clock says UNTIL at the latest.
 * Can return earlier, as pthread_cond_wait can.
 */
extern void monotonic_cond_wait (pthread_cond_t *cond, pthread_mutex_t *lock,
                                 int64_t until);

#endif /* NBDLIFT_MONOTONIC_H */
