/* SPDX-License-Identifier: BSD-3-Clause
 *
 * common/extents, against a plain array of one type per byte.
 */
#include "tests/unit/capture.h"

#include <errno.h>

#include "common/extents/extents.h"

#define SIZE 64

/* The map says what MODEL says, has no gaps and no equal neighbours. */
static void
check_map (const struct extents *e, const uint32_t *model, size_t size)
{
  uint64_t offset = 0, i;
  size_t n;

  for (n = 0; n < e->list.len; ++n) {
    const struct extent *x = &e->list.ptr[n];

    assert_int_equal (x->offset, offset);
    assert_true (x->length > 0);
    if (n > 0)
      assert_int_not_equal (x->type, e->list.ptr[n - 1].type);
    for (i = offset; i < offset + x->length; ++i) {
      assert_int_equal (x->type, model[i]);
      assert_int_equal (extents_find (e, i), n);
    }
    offset += x->length;
  }
  assert_int_equal (offset, size);
}

static void
test_random (void **state)
{
  struct extents *e;
  uint32_t model[SIZE];
  unsigned round, step, seed = 1;
  size_t i;

  for (round = 0; round < 200; ++round) {
    e = extents_new (SIZE, EXTENT_DATA);
    memset (model, 0, sizeof model);
    for (step = 0; step < 50; ++step) {
      const uint64_t offset = rand_r (&seed) % (SIZE + 1);
      const uint64_t length = rand_r (&seed) % (SIZE - offset + 1);
      const uint32_t type = rand_r (&seed) % 4;

      assert_int_equal (extents_set (e, offset, length, type), 0);
      for (i = offset; i < offset + length; ++i)
        model[i] = type;
      check_map (e, model, SIZE);
    }
    extents_free (e);
  }
}

/* A large map built in order, and memory in step with it. */
static void
test_ascending (void **state)
{
  const uint64_t n = 200000, grain = 65536;
  CLEANUP_EXTENTS struct extents *e =
    extents_new (n * grain, EXTENT_HOLE | EXTENT_ZERO);
  uint64_t i;

  for (i = 0; i < n; i += 2)
    assert_int_equal (extents_set (e, i * grain, grain, EXTENT_DATA), 0);
  assert_int_equal (e->list.len, n);
  assert_int_equal (extents_data_bytes (e), n / 2 * grain);
  assert_int_equal (extents_find (e, 12345 * grain + 1), 12345);
}

static void
test_limits (void **state)
{
  CLEANUP_EXTENTS struct extents *e = extents_new (10, EXTENT_DATA);
  CLEANUP_EXTENTS struct extents *empty = extents_new (0, EXTENT_DATA);
  CLEANUP_EXTENTS struct extents *huge =
    extents_new (UINT64_MAX, EXTENT_ZERO);

  capture_start ();
  assert_int_equal (extents_set (e, 5, 6, EXTENT_HOLE), -1);
  assert_int_equal (errno, EINVAL);
  assert_error ("outside");
  capture_start ();
  assert_int_equal (extents_set (e, UINT64_MAX, 2, EXTENT_HOLE), -1);
  assert_error ("outside");
  assert_int_equal (e->list.len, 1);

  assert_int_equal (empty->list.len, 0);
  assert_int_equal (extents_set (empty, 0, 0, EXTENT_HOLE), 0);
  assert_int_equal (empty->list.len, 0);

  assert_int_equal (extents_set (huge, UINT64_MAX - 1, 1, EXTENT_DATA), 0);
  assert_int_equal (huge->list.len, 2);
  assert_int_equal (extents_data_bytes (huge), 1);
}

static uint32_t
both (uint32_t a, uint32_t b)
{
  return a & b;
}

static void
test_combine (void **state)
{
  struct extents *a, *b, *c;
  uint32_t model_a[SIZE], model_b[SIZE], model_c[SIZE];
  unsigned round, seed = 7;
  size_t i;

  for (round = 0; round < 200; ++round) {
    a = extents_new (SIZE, 3);
    b = extents_new (SIZE, 3);
    for (i = 0; i < SIZE; ++i) {
      model_a[i] = rand_r (&seed) % 4;
      model_b[i] = rand_r (&seed) % 4;
      model_c[i] = model_a[i] & model_b[i];
      assert_int_equal (extents_set (a, i, 1, model_a[i]), 0);
      assert_int_equal (extents_set (b, i, 1, model_b[i]), 0);
    }
    c = extents_combine (a, b, both);
    assert_non_null (c);
    check_map (c, model_c, SIZE);
    extents_free (a);
    extents_free (b);
    extents_free (c);
  }
}

static void
test_combine_sizes (void **state)
{
  CLEANUP_EXTENTS struct extents *a = extents_new (10, 0);
  CLEANUP_EXTENTS struct extents *b = extents_new (11, 0);

  capture_start ();
  assert_null (extents_combine (a, b, both));
  assert_int_equal (errno, EINVAL);
  assert_error ("differ in size");
}

struct walk {
  uint64_t next, total;
  unsigned calls, stop_at;
};

static int
step (void *opaque, uint64_t offset, uint64_t length, uint32_t type)
{
  struct walk *w = opaque;

  assert_int_equal (offset, w->next);
  w->next += length;
  w->total += length;
  return ++w->calls == w->stop_at ? -1 : 0;
}

static void
test_foreach (void **state)
{
  CLEANUP_EXTENTS struct extents *e = extents_new (100, EXTENT_DATA);
  struct walk w = { .next = 5 };

  extents_set (e, 10, 10, EXTENT_HOLE);
  extents_set (e, 50, 50, EXTENT_ZERO);
  assert_int_equal (extents_foreach (e, 5, 60, false, step, &w), 0);
  assert_int_equal (w.total, 60);
  assert_int_equal (w.calls, 4);

  w = (struct walk) { .next = 12 };
  assert_int_equal (extents_foreach (e, 12, 60, true, step, &w), 0);
  assert_int_equal (w.calls, 1);
  assert_int_equal (w.total, 8);

  w = (struct walk) { .stop_at = 2 };
  assert_int_equal (extents_foreach (e, 0, 100, false, step, &w), -1);
  assert_int_equal (w.calls, 2);

  w = (struct walk) { .next = 100 };
  assert_int_equal (extents_foreach (e, 100, 0, false, step, &w), 0);
  assert_int_equal (w.calls, 0);
  capture_start ();
  assert_int_equal (extents_foreach (e, 100, 1, false, step, &w), -1);
  assert_error ("the disk has 100 bytes");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_random),
    cmocka_unit_test (test_ascending),
    cmocka_unit_test (test_limits),
    cmocka_unit_test (test_combine),
    cmocka_unit_test (test_combine_sizes),
    cmocka_unit_test (test_foreach),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
