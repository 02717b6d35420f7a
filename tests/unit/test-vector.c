/* SPDX-License-Identifier: BSD-3-Clause
 *
 * common/util/vector.
 */
#include "tests/unit/capture.h"

#include "common/util/vector.h"

DEFINE_VECTOR_TYPE (ints, int);

static void
test_append (void **state)
{
  ints v = EMPTY_VECTOR;
  int i;

  for (i = 0; i < 1000; ++i)
    assert_int_equal (ints_append (&v, i), 0);
  assert_int_equal (v.len, 1000);
  for (i = 0; i < 1000; ++i)
    assert_int_equal (v.ptr[i], i);
  ints_reset (&v);
  assert_null (v.ptr);
  assert_int_equal (v.len, 0);
  assert_int_equal (v.cap, 0);
}

static void
test_insert_remove (void **state)
{
  ints v = EMPTY_VECTOR;

  assert_int_equal (ints_insert (&v, 3, 0), 0);
  assert_int_equal (ints_insert (&v, 1, 0), 0);
  assert_int_equal (ints_insert (&v, 2, 1), 0);
  assert_int_equal (v.len, 3);
  assert_int_equal (v.ptr[0], 1);
  assert_int_equal (v.ptr[1], 2);
  assert_int_equal (v.ptr[2], 3);
  ints_remove (&v, 1);
  assert_int_equal (v.len, 2);
  assert_int_equal (v.ptr[0], 1);
  assert_int_equal (v.ptr[1], 3);
  ints_remove (&v, 1);
  ints_remove (&v, 0);
  assert_int_equal (v.len, 0);
  ints_reset (&v);
}

/* Sizes that do not fit leave the vector as it was. */
static void
test_overflow (void **state)
{
  void *ptr = NULL;
  size_t cap = 7;

  errno = 0;
  assert_int_equal (generic_vector_grow (&ptr, SIZE_MAX / 2, &cap, 16), -1);
  assert_int_equal (errno, ENOMEM);
  assert_int_equal (generic_vector_grow (&ptr, SIZE_MAX - 2, &cap, 1), -1);
  assert_null (ptr);
  assert_int_equal (cap, 7);
}

static void
test_strings (void **state)
{
  string_vector v = EMPTY_VECTOR;
  char text[] = "one";

  assert_int_equal (string_vector_append_dup (&v, text), 0);
  text[0] = 'X';
  assert_int_equal (string_vector_append_format (&v, "%d-%s", 2, "two"), 0);
  assert_string_equal (v.ptr[0], "one");
  assert_string_equal (v.ptr[1], "2-two");
  string_vector_free (&v);
  assert_int_equal (v.len, 0);
  assert_null (v.ptr);
}

static void
test_sort (void **state)
{
  CLEANUP_STRING_VECTOR string_vector v = EMPTY_VECTOR;

  string_vector_sort (&v);
  assert_false (string_vector_has (&v, "b"));
  assert_int_equal (string_vector_append_dup (&v, "b"), 0);
  assert_int_equal (string_vector_append_dup (&v, "\303\244"), 0);
  assert_int_equal (string_vector_append_dup (&v, "B"), 0);
  string_vector_sort (&v);
  assert_string_equal (v.ptr[0], "B");
  assert_string_equal (v.ptr[1], "b");
  assert_string_equal (v.ptr[2], "\303\244");
  assert_true (string_vector_has (&v, "b"));
  assert_false (string_vector_has (&v, "bb"));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_append),
    cmocka_unit_test (test_insert_remove),
    cmocka_unit_test (test_overflow),
    cmocka_unit_test (test_strings),
    cmocka_unit_test (test_sort),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
