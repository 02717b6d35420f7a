/* SPDX-License-Identifier: BSD-3-Clause
 *
 * driver/copy/budget.c: the rate holds, for one and for several threads,
 * and copies share the memory.
 */
#include "tests/unit/capture.h"

#include <poll.h>
#include <time.h>

#include "common/include/minmax.h"
#include "driver/copy/budget.h"

static double
now (void)
{
  struct timespec ts;

  clock_gettime (CLOCK_MONOTONIC, &ts);
  return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void
test_memory (void **state)
{
  struct copy_budget b;

  budget_init (&b, 10 * MIB, 0);
  assert_int_equal (budget_share (&b), 10 * MIB);
  budget_join (&b);
  assert_int_equal (budget_share (&b), 10 * MIB);
  budget_join (&b);
  assert_int_equal (budget_share (&b), 5 * MIB);
  budget_leave (&b);
  assert_int_equal (budget_share (&b), 10 * MIB);
  budget_leave (&b);
  assert_int_equal (budget_share (&b), 10 * MIB);
  budget_destroy (&b);

  budget_init (&b, 0, 0);
  assert_int_equal (b.memory, BUDGET_MEMORY);
  budget_destroy (&b);
}

static void
test_no_limit (void **state)
{
  struct copy_budget b;
  int i;

  budget_init (&b, 0, 0);
  for (i = 0; i < 1000; i++)
    assert_int_equal (budget_take_bytes (&b, UINT64_MAX), 0);
  budget_destroy (&b);
}

/* What a copy does: LEN bytes at a time until the time is over.  Returns
 * the bytes that it was given.
 */
struct taker {
  struct copy_budget *b;
  uint64_t len, taken;
  double end;
};

static void *
take_until (void *opaque)
{
  struct taker *t = opaque;
  int wait;

  while (now () < t->end) {
    wait = budget_take_bytes (t->b, t->len);
    if (wait == 0)
      t->taken += t->len;
    else
      poll (NULL, 0, wait);
  }
  return NULL;
}

/* THREADS of them for SECONDS.  The bytes in all must be what the rate
 * allows: never more, and not much less, even if the machine is busy.
 */
static void
check_rate (uint64_t rate, uint64_t len, unsigned threads, double seconds)
{
  pthread_t thread[8];
  struct taker t[8];
  struct copy_budget b;
  uint64_t taken = 0;
  double start;
  unsigned i;

  budget_init (&b, 0, rate);
  start = now ();
  for (i = 0; i < threads; i++) {
    t[i] = (struct taker) { &b, len, 0, start + seconds };
    assert_int_equal (pthread_create (&thread[i], NULL, take_until, &t[i]),
                      0);
  }
  for (i = 0; i < threads; i++) {
    pthread_join (thread[i], NULL);
    taken += t[i].taken;
  }
  seconds = now () - start;
  budget_destroy (&b);
  if (taken > rate * seconds + len)
    fail_msg ("%g bytes in %g s, rate %g", (double) taken, seconds,
              (double) rate);
  if (taken < rate * seconds * 0.5)
    fail_msg ("only %g bytes in %g s, rate %g", (double) taken, seconds,
              (double) rate);
}

static void
test_rate (void **state)
{
  /* Requests of 1 ms and of 50 ms. */
  check_rate (1000 * MIB, MIB, 1, 1);
  check_rate (20 * MIB, MIB, 1, 1);
  check_rate (200 * MIB, MIB, 8, 1);
}

/* A request that takes longer than a second is granted, once. */
static void
test_large_request (void **state)
{
  struct copy_budget b;
  int wait;

  budget_init (&b, 0, MIB);
  assert_int_equal (budget_take_bytes (&b, 32 * MIB), 0);
  wait = budget_take_bytes (&b, 1);
  assert_in_range (wait, 31000, 32000);
  budget_destroy (&b);

  budget_init (&b, 0, 1);
  assert_int_equal (budget_take_bytes (&b, UINT64_MAX), 0);
  assert_true (budget_take_bytes (&b, UINT64_MAX) > 1000000);
  budget_destroy (&b);

  budget_init (&b, 0, UINT64_MAX);
  assert_int_equal (budget_take_bytes (&b, UINT64_MAX / 2), 0);
  assert_in_range (budget_take_bytes (&b, 1), 1, 501);
  budget_destroy (&b);
}

/* After a pause no more than a small credit can be taken at once. */
static void
test_burst (void **state)
{
  const uint64_t rate = 100 * MIB;
  struct copy_budget b;
  uint64_t taken = 0;
  double start, seconds;

  budget_init (&b, 0, rate);
  poll (NULL, 0, 700);
  start = now ();
  while (budget_take_bytes (&b, MIB) == 0)
    taken += MIB;
  seconds = now () - start;
  assert_true (taken >= 5 * MIB);
  assert_true (taken <= (0.25 + seconds) * rate + MIB);
  budget_destroy (&b);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_memory),
    cmocka_unit_test (test_no_limit),
    cmocka_unit_test (test_rate),
    cmocka_unit_test (test_large_request),
    cmocka_unit_test (test_burst),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
