/* SPDX-License-Identifier: BSD-3-Clause
 *
 * driver/schedule.c: which VMs begin when others are done with disks.
 */
#include "tests/unit/capture.h"

#include "driver/schedule.h"

/* One VM of a test. */
struct spec {
  const char *host;
  unsigned disks;
};

static void
make (struct schedule *s, unsigned max, const struct spec *specs, size_t n)
{
  size_t i;

  assert_int_equal (schedule_init (s, max, n), 0);
  for (i = 0; i < n; i++)
    schedule_add (s, specs[i].host, specs[i].disks);
}

/* All VMs that can begin now, as letters in their order. */
static const char *
begin (struct schedule *s)
{
  static char letters[64];
  size_t i, n = 0;

  while ((i = schedule_next (s)) != SCHEDULE_NONE)
    letters[n++] = 'a' + i;
  letters[n] = '\0';
  return letters;
}

static void
test_order (void **state)
{
  static const struct spec specs[] = {
    { NULL, 1 }, { NULL, 2 }, { NULL, 1 }, { NULL, 1 }, { NULL, 1 },
  };
  struct schedule s;

  make (&s, 4, specs, 5);
  assert_int_equal (schedule_most (&s), 4);
  assert_string_equal (begin (&s), "abc");
  assert_string_equal (begin (&s), "");
  schedule_shrink (&s, 2, 0);
  assert_string_equal (begin (&s), "d");
  schedule_shrink (&s, 1, 1);
  assert_string_equal (begin (&s), "e");
  schedule_shrink (&s, 0, 0);
  assert_string_equal (begin (&s), "");
  assert_int_equal (schedule_host (&s, 4)->in_flight, 3);
  schedule_free (&s);
}

/* A VM with more disks than there is room for closes the way for those
 * behind it, though they would fit.
 */
static void
test_large_is_not_starved (void **state)
{
  static const struct spec specs[] = {
    { "h", 2 }, { "h", 2 }, { "h", 4 }, { "h", 1 }, { "h", 1 },
  };
  struct schedule s;

  make (&s, 5, specs, 5);
  assert_string_equal (begin (&s), "ab");
  schedule_shrink (&s, 0, 0);
  assert_string_equal (begin (&s), "");
  schedule_shrink (&s, 1, 1);
  assert_string_equal (begin (&s), "c");
  schedule_shrink (&s, 1, 0);
  assert_string_equal (begin (&s), "d");
  schedule_free (&s);
}

/* One with more disks than the limit runs alone. */
static void
test_larger_than_limit (void **state)
{
  static const struct spec specs[] = {
    { NULL, 1 }, { NULL, 100 }, { NULL, 1 },
  };
  struct schedule s;

  make (&s, 3, specs, 3);
  assert_int_equal (schedule_disks (&s, 1), 3);
  assert_string_equal (begin (&s), "a");
  schedule_shrink (&s, 0, 0);
  assert_string_equal (begin (&s), "b");
  assert_int_equal (schedule_host (&s, 1)->in_flight, 3);
  assert_string_equal (begin (&s), "");
  schedule_shrink (&s, 1, 2);
  assert_string_equal (begin (&s), "c");
  schedule_free (&s);
}

/* A host that is full stops nobody elsewhere. */
static void
test_hosts (void **state)
{
  static const struct spec specs[] = {
    { "h1", 2 }, { "h1", 1 }, { "h2", 1 }, { "h2", 2 }, { NULL, 2 },
    { "h1", 1 }, { "h2", 1 },
  };
  struct schedule s;

  make (&s, 2, specs, 7);
  assert_int_equal (schedule_most (&s), 6);
  assert_string_equal (begin (&s), "ace");
  schedule_shrink (&s, 2, 0);
  assert_string_equal (begin (&s), "d");
  schedule_shrink (&s, 0, 0);
  assert_string_equal (begin (&s), "bf");
  schedule_shrink (&s, 3, 1);
  assert_string_equal (begin (&s), "g");
  schedule_free (&s);
}

/* Never more than the limit, everybody begins, and in each host in order:
 * whatever the sizes, and in whatever order they end.
 */
static void
test_all_begin (void **state)
{
  enum { N = 200, HOSTS = 3, MAX = 7 };
  static const char *const hosts[HOSTS] = { "h1", "h2", NULL };
  uint32_t x = 12345;
  size_t i, round, nr_begun = 0, last[HOSTS];
  bool ended[N] = { false };
  struct schedule s;

  assert_int_equal (schedule_init (&s, MAX, N), 0);
  for (i = 0; i < N; i++) {
    x = x * 1664525 + 1013904223;
    schedule_add (&s, hosts[(x >> 16) % HOSTS], (x >> 20) % 12);
  }
  for (i = 0; i < HOSTS; i++)
    last[i] = 0;
  for (round = 0; nr_begun < N; round++) {
    assert_true (round < UINT64_C (10) * N);
    while ((i = schedule_next (&s)) != SCHEDULE_NONE) {
      const size_t host = s.vms[i].host;

      assert_true (nr_begun == 0 || i >= last[host]);
      last[host] = i;
      nr_begun++;
    }
    for (i = 0; i < HOSTS; i++)
      assert_true (s.hosts[i].in_flight <= MAX);
    /* One of those that have begun ends. */
    x = x * 1664525 + 1013904223;
    for (i = (x >> 8) % N; !s.vms[i].begun || ended[i]; i = (i + 1) % N)
      ;
    ended[i] = true;
    schedule_shrink (&s, i, 0);
  }
  schedule_free (&s);
}

/* One that is cancelled takes no room, and gives none back. */
static void
test_skip (void **state)
{
  static const struct spec specs[] = { { NULL, 2 }, { NULL, 2 }, { NULL, 1 } };
  struct schedule s;

  make (&s, 2, specs, 3);
  assert_string_equal (begin (&s), "a");
  schedule_skip (&s, 1);
  assert_int_equal (schedule_disks (&s, 1), 0);
  assert_string_equal (begin (&s), "");
  schedule_shrink (&s, 1, 0);
  assert_int_equal (schedule_host (&s, 1)->in_flight, 2);
  schedule_skip (&s, 0);        /* has begun: nothing happens */
  assert_int_equal (schedule_host (&s, 0)->in_flight, 2);
  schedule_shrink (&s, 0, 5);   /* no more than it has */
  assert_int_equal (schedule_host (&s, 0)->in_flight, 2);
  schedule_shrink (&s, 0, 0);
  assert_string_equal (begin (&s), "c");
  schedule_free (&s);
}

/* A shared disk takes room of the host, beside the VMs; and before those
 * that have not begun.
 */
static void
test_take (void **state)
{
  static const struct spec specs[] = {
    { "a", 1 }, { "a", 2 }, { "a", 1 }, { "b", 2 },
  };
  struct schedule s;

  make (&s, 2, specs, 4);
  assert_string_equal (begin (&s), "ad");
  schedule_wait (&s, 0);
  assert_true (schedule_take (&s, 0));
  schedule_wait (&s, 0);
  assert_false (schedule_take (&s, 0));
  schedule_shrink (&s, 0, 0);
  assert_string_equal (begin (&s), "");
  assert_true (schedule_take (&s, 0));
  schedule_give (&s, 0);
  assert_string_equal (begin (&s), "");
  schedule_wait (&s, 0);
  schedule_give (&s, 0);
  assert_string_equal (begin (&s), "");
  schedule_leave (&s, 0);
  assert_string_equal (begin (&s), "b");
  schedule_shrink (&s, 1, 1);
  schedule_wait (&s, 1);
  assert_string_equal (begin (&s), "");
  assert_true (schedule_take (&s, 1));
  schedule_give (&s, 1);
  assert_string_equal (begin (&s), "c");
  schedule_free (&s);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_order),
    cmocka_unit_test (test_large_is_not_starved),
    cmocka_unit_test (test_larger_than_limit),
    cmocka_unit_test (test_hosts),
    cmocka_unit_test (test_all_begin),
    cmocka_unit_test (test_take),
    cmocka_unit_test (test_skip),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
