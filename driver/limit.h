/* SPDX-License-Identifier: BSD-3-Clause
 *
 * At most so many at a time.
 */
#ifndef NBDLIFT_LIMIT_H
#define NBDLIFT_LIMIT_H

#include <pthread.h>
#include <stdbool.h>

struct limit {
  pthread_mutex_t lock;
  pthread_cond_t cond;
  unsigned free;
};

extern void limit_init (struct limit *l, unsigned n);
extern void limit_destroy (struct limit *l);

/* Wait for a place.  False, and no place, once STOP (OPAQUE) is true; it
 * is asked about 5 times a second.
 */
extern bool limit_acquire (struct limit *l, bool (*stop) (void *opaque),
                           void *opaque);
extern void limit_release (struct limit *l);

#endif /* NBDLIFT_LIMIT_H */
