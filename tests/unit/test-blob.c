/* SPDX-License-Identifier: BSD-3-Clause
 *
 * common/util/blob: every kind, and reads at and past every edge.
 */
#include "tests/unit/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/util/blob.h"

static char path[] = "/tmp/nbdlift-test-blob.XXXXXX";

static int
setup (void **state)
{
  const int fd = mkstemp (path);

  if (fd == -1 || write (fd, "0123456789", 10) != 10)
    return -1;
  close (fd);
  return 0;
}

static int
teardown (void **state)
{
  return unlink (path);
}

static void
check (struct blob *blob, uint64_t offset, size_t count, const char *expect)
{
  char buf[64] = "";

  assert_int_equal (blob_pread (blob, buf, count, offset), 0);
  buf[count] = '\0';
  assert_string_equal (buf, expect);
}

static void
check_outside (struct blob *blob, uint64_t offset, size_t count)
{
  char buf[64];

  capture_start ();
  errno = 0;
  assert_int_equal (blob_pread (blob, buf, count, offset), -1);
  assert_int_equal (errno, EIO);
  assert_error ("outside");
}

static void
test_file (void **state)
{
  CLEANUP_BLOB struct blob *b = blob_open_file (path);

  assert_non_null (b);
  assert_int_equal (b->size, 10);
  assert_string_equal (b->name, path);
  check (b, 0, 10, "0123456789");
  check (b, 9, 1, "9");
  check (b, 10, 0, "");
  check_outside (b, 0, 11);
  check_outside (b, 10, 1);
  check_outside (b, UINT64_MAX, 1);
  check_outside (b, UINT64_MAX, 0);
}

static void
test_file_errors (void **state)
{
  capture_start ();
  assert_null (blob_open_file ("/nonexistent/file"));
  assert_int_equal (errno, ENOENT);
  assert_error ("/nonexistent/file: No such file");

  capture_start ();
  assert_null (blob_open_file ("/tmp"));
  assert_error ("neither a file nor a block device");

  capture_start ();
  assert_null (blob_open_file ("/dev/null"));
  assert_error ("neither a file nor a block device");
}

/* A file that is cut while it is open. */
static void
test_file_shrinks (void **state)
{
  CLEANUP_BLOB struct blob *b = blob_open_file (path);
  char buf[10];

  assert_non_null (b);
  assert_int_equal (truncate (path, 4), 0);
  check (b, 0, 4, "0123");
  capture_start ();
  assert_int_equal (blob_pread (b, buf, 6, 2), -1);
  assert_int_equal (errno, EIO);
  assert_error ("ends at offset 4");
}

static void
test_window (void **state)
{
  CLEANUP_BLOB struct blob *m = blob_open_memory ("0123456789", 10, "mem");
  CLEANUP_BLOB struct blob *w = blob_open_window (m, false, 2, 5, "win");
  struct blob *inner;

  assert_non_null (w);
  check (w, 0, 5, "23456");
  check (w, 4, 1, "6");
  check_outside (w, 4, 2);
  inner = blob_open_window (w, false, 1, 3, "inner");
  check (inner, 0, 3, "345");
  blob_close (inner);
  inner = blob_open_window (w, false, 5, 0, "empty");
  assert_non_null (inner);
  check (inner, 0, 0, "");
  blob_close (inner);

  capture_start ();
  assert_null (blob_open_window (w, false, 1, 5, "over"));
  assert_int_equal (errno, EINVAL);
  assert_error ("over");
  capture_start ();
  assert_null (blob_open_window (w, false, UINT64_MAX, 2, "wraps"));
  assert_error ("wraps");
}

/* Owned parents are closed on success and on failure (leak checkers
 * see it).
 */
static void
test_window_owns (void **state)
{
  struct blob *w;

  w = blob_open_window (blob_open_memory ("abc", 3, "m"), true, 1, 1, "w");
  check (w, 0, 1, "b");
  blob_close (w);
  capture_start ();
  assert_null (blob_open_window (blob_open_memory ("abc", 3, "m"), true,
                                 4, 1, "w"));
}

static void
test_joined (void **state)
{
  struct blob *parts[4];
  CLEANUP_BLOB struct blob *j = NULL;
  char all[12] = "", buf[12];
  size_t offset, count;

  parts[0] = blob_open_memory ("abc", 3, "p0");
  parts[1] = blob_open_memory ("", 0, "p1");
  parts[2] = blob_open_memory ("d", 1, "p2");
  parts[3] = blob_open_memory ("efghij", 6, "p3");
  j = blob_open_joined (parts, 4, "joined");
  assert_non_null (j);
  assert_int_equal (j->size, 10);
  check (j, 0, 10, "abcdefghij");
  memcpy (all, "abcdefghij", 10);
  for (offset = 0; offset <= 10; ++offset)
    for (count = 0; offset + count <= 10; ++count) {
      memset (buf, '.', sizeof buf);
      assert_int_equal (blob_pread (j, buf, count, offset), 0);
      assert_memory_equal (buf, all + offset, count);
      assert_int_equal (buf[count], '.');
    }
  check_outside (j, 5, 6);
}

static void
test_joined_too_large (void **state)
{
  struct blob *parts[2];

  parts[0] = blob_open_memory ("a", 1, "p0");
  parts[1] = blob_open_memory ("b", 1, "p1");
  parts[0]->size = UINT64_MAX;
  capture_start ();
  assert_null (blob_open_joined (parts, 2, "sum"));
  assert_int_equal (errno, EINVAL);
  assert_error ("sum");
}

static void
test_empty (void **state)
{
  CLEANUP_BLOB struct blob *j = blob_open_joined (NULL, 0, "nothing");
  CLEANUP_BLOB struct blob *m = blob_open_memory (NULL, 0, "none");

  check (j, 0, 0, "");
  check_outside (j, 0, 1);
  check_outside (m, 0, 1);
  blob_close (NULL);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_file),
    cmocka_unit_test (test_file_errors),
    cmocka_unit_test (test_window),
    cmocka_unit_test (test_window_owns),
    cmocka_unit_test (test_joined),
    cmocka_unit_test (test_joined_too_large),
    cmocka_unit_test (test_empty),
    cmocka_unit_test (test_file_shrinks),
  };

  return cmocka_run_group_tests (tests, setup, teardown);
}
