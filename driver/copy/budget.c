/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Memory is divided by the number of copies.
 *
 * Bytes per second: each grant moves the moment when all grants are paid
 * for, and the next one is made when it has passed.  A debt of one request
 * is allowed, and a small credit, so that a copy which comes back some
 * milliseconds too late does not fall behind for ever.
 */
#include <limits.h>
#include <time.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "driver/copy/budget.h"

#define NS_PER_SECOND INT64_C (1000000000)
#define NS_PER_MS INT64_C (1000000)

/* The longest time whose bytes can be kept for later.  More would make
 * the rate of single seconds wrong.
 */
#define CREDIT_NS (50 * NS_PER_MS)

/* Nobody needs to wait longer for anything; keeps sums in range. */
#define DEBT_NS (INT64_C (1000000) * NS_PER_SECOND)

static int64_t
now_ns (void)
{
  struct timespec ts;

  clock_gettime (CLOCK_MONOTONIC, &ts);
  return ts.tv_sec * NS_PER_SECOND + ts.tv_nsec;
}

void
budget_init (struct copy_budget *b, uint64_t memory, uint64_t rate)
{
  b->memory = memory ? memory : BUDGET_MEMORY;
  b->rate = rate;
  pthread_mutex_init (&b->lock, NULL);
  b->copies = 0;
  b->due_ns = now_ns ();
}

void
budget_destroy (struct copy_budget *b)
{
  pthread_mutex_destroy (&b->lock);
}

void
budget_join (struct copy_budget *b)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&b->lock);

  b->copies++;
}

void
budget_leave (struct copy_budget *b)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&b->lock);

  b->copies--;
}

uint64_t
budget_share (struct copy_budget *b)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&b->lock);

  return b->memory / MAX (b->copies, 1U);
}

/* How long LEN bytes take. */
static int64_t
cost_ns (uint64_t len, uint64_t rate)
{
  const unsigned __int128 ns = (unsigned __int128) len * NS_PER_SECOND / rate;

  return MIN (ns, (unsigned __int128) DEBT_NS);
}

int
budget_take_bytes (struct copy_budget *b, uint64_t len)
{
  int64_t now, wait_ms;

  if (b->rate == 0)
    return 0;
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&b->lock);
  now = now_ns ();
  if (b->due_ns > now) {
    wait_ms = (b->due_ns - now + NS_PER_MS - 1) / NS_PER_MS;
    return MIN (wait_ms, (int64_t) INT_MAX);
  }
  b->due_ns = MAX (b->due_ns, now - CREDIT_NS) + cost_ns (len, b->rate);
  return 0;
}
