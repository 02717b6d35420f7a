/* SPDX-License-Identifier: BSD-3-Clause
 *
 * common/util/pread_full.c: all that is there, the end of a file, and what
 * was read before an error.
 */
#include "tests/unit/capture.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/include/minmax.h"
#include "common/util/pread_full.h"

#define SIZE 10000

static uint8_t content[SIZE];
static int fd;

static int
setup (void **state)
{
  size_t i;

  for (i = 0; i < SIZE; i++)
    content[i] = i * 7;
  fd = memfd_create ("pread-full", MFD_CLOEXEC);
  return fd >= 0 && write (fd, content, SIZE) == SIZE ? 0 : -1;
}

static int
teardown (void **state)
{
  return close (fd);
}

static void
test_all (void **state)
{
  uint8_t buf[SIZE];
  size_t got = 99;

  assert_int_equal (pread_full (fd, buf, 300, 9700, &got), 0);
  assert_int_equal (got, 300);
  assert_memory_equal (buf, content + 9700, 300);
  assert_int_equal (pread_full (fd, buf, 0, 5, &got), 0);
  assert_int_equal (got, 0);
}

static void
test_end (void **state)
{
  uint8_t buf[SIZE];
  size_t got;

  assert_int_equal (pread_full (fd, buf, 301, 9700, &got), 0);
  assert_int_equal (got, 300);
  assert_memory_equal (buf, content + 9700, 300);
  assert_int_equal (pread_full (fd, buf, 1, UINT64_C (1) << 40, &got), 0);
  assert_int_equal (got, 0);
}

/* The second page of the buffer cannot be written to. */
static void
test_broken (void **state)
{
  const size_t page = sysconf (_SC_PAGESIZE);
  uint8_t *buf = aligned_alloc (page, 2 * page);
  size_t got;

  assert_non_null (buf);
  assert_int_equal (mprotect (buf + page, page, PROT_READ), 0);
  assert_int_equal (pread_full (fd, buf, page + 100, 1, &got), -1);
  assert_int_equal (errno, EFAULT);
  assert_true (got <= page);
  assert_memory_equal (buf, content + 1, got);
  assert_int_equal (mprotect (buf + page, page, PROT_READ | PROT_WRITE), 0);
  free (buf);

  assert_int_equal (pread_full (-1, content, 1, 0, &got), -1);
  assert_int_equal (errno, EBADF);
  assert_int_equal (got, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown (f, setup, teardown)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    TEST (test_all),
    TEST (test_end),
    TEST (test_broken),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
