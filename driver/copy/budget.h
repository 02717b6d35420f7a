/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What all copies of a process share: memory for buffers, and bytes per
 * second.
 */
#ifndef NBDLIFT_BUDGET_H
#define NBDLIFT_BUDGET_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Buffers of all copies together, by default. */
#define BUDGET_MEMORY (UINT64_C (96) << 20)

struct copy_budget {
  uint64_t memory;              /* bytes of buffers in all */
  uint64_t rate;                /* bytes per second read; 0: no limit */

  pthread_mutex_t lock;         /* of: */
  unsigned copies;              /* that have joined */
  int64_t due_ns;               /* when the bytes granted so far are paid
                                   for (CLOCK_MONOTONIC) */
};

/* The functions below can be called from any thread.
 *
 * MEMORY 0: BUDGET_MEMORY.
 */
extern void budget_init (struct copy_budget *b, uint64_t memory,
                         uint64_t rate);
extern void budget_destroy (struct copy_budget *b);

/* A copy begins, and ends. */
extern void budget_join (struct copy_budget *b);
extern void budget_leave (struct copy_budget *b);

/* Bytes of buffers that each copy may hold now: all have the same.  A copy
 * that holds more gives buffers back as it is done with them; one can
 * always have one buffer, so that all go on, however many there are.
 */
extern uint64_t budget_share (struct copy_budget *b);

/* 0: LEN bytes may be read now, and are counted; else try again in so many
 * milliseconds.
 */
extern int budget_take_bytes (struct copy_budget *b, uint64_t len);

#endif /* NBDLIFT_BUDGET_H */
