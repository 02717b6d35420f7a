/* SPDX-License-Identifier: BSD-3-Clause
 *
 * driver/copy/copy_stream.c: what is handed in is in the file, the rest is
 * zero, and the digests are those of the file.
 */
#include "tests/unit/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/include/minmax.h"
#include "driver/copy/copy_stream.h"
#include "driver/copy/digest_tree.h"

#define SIZE (5 * MIB + 12288)

static char folder[64], file[80], digests[80];
static uint8_t disk[SIZE], there[SIZE];
static int fd;

static int
setup (void **state)
{
  snprintf (folder, sizeof folder, "/tmp/stream-XXXXXX");
  if (mkdtemp (folder) == NULL)
    return -1;
  snprintf (file, sizeof file, "%s/disk", folder);
  snprintf (digests, sizeof digests, "%s/digests", folder);
  fd = open (file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  memset (disk, 0, sizeof disk);
  srandom (1);
  capture_start ();
  return fd == -1 ? -1 : 0;
}

static int
teardown (void **state)
{
  close (fd);
  unlink (file);
  unlink (digests);
  return rmdir (folder);
}

static struct copy_stream *
begin (bool is_zero)
{
  const struct copy_stream_options o = {
    .disk = "d", .target = file, .size = SIZE, .target_is_zero = is_zero,
  };
  struct copy_stream *s = copy_stream_begin (fd, &o);

  assert_non_null (s);
  return s;
}

/* Make data of [offset, offset+len) of the disk, and hand it in. */
static void
give (struct copy_stream *s, uint64_t offset, size_t len)
{
  size_t i;

  for (i = 0; i < len; i++)
    disk[offset + i] = random () | 1;
  assert_int_equal (copy_stream_data (s, offset, disk + offset, len), 0);
}

static void
finish (struct copy_stream *s)
{
  struct digest_tree *a, *b;
  struct stat st;

  assert_int_equal (copy_stream_finish (s, digests), 0);
  copy_stream_free (s);
  assert_int_equal (fstat (fd, &st), 0);
  assert_int_equal (st.st_size, SIZE);
  assert_int_equal (pread (fd, there, SIZE, 0), SIZE);
  assert_memory_equal (there, disk, SIZE);
  a = digest_tree_load (digests);
  assert_non_null (a);
  b = digest_tree_of_fd (fd, a, file, NULL, NULL);
  assert_non_null (b);
  assert_int_equal (digest_tree_compare (a, b), -1);
  digest_tree_free (a);
  digest_tree_free (b);
  assert_no_error ();
}

static void
test_ascending (void **state)
{
  struct copy_stream *s = begin (true);

  give (s, 0, 65536);
  give (s, 65536, 65536);
  give (s, MIB - 65536, 131072);        /* across blocks */
  give (s, 4 * MIB, 65536);
  give (s, SIZE - 4096, 4096);
  finish (s);
}

static void
test_any_order (void **state)
{
  struct copy_stream *s = begin (true);

  give (s, 4 * MIB, 65536);
  give (s, 0, 65536);
  give (s, 4 * MIB + 65536, 65536);     /* a block that was written */
  give (s, 65536, 65536);
  give (s, SIZE - 8192, 4096);
  give (s, 2 * MIB, 3 * MIB - 4096 - 2 * MIB);
  give (s, SIZE - 4096, 4096);
  finish (s);
}

static void
test_nothing (void **state)
{
  finish (begin (true));
}

/* What the target held before is gone. */
static void
test_not_zero (void **state)
{
  struct copy_stream *s;

  memset (there, 0xee, SIZE);
  assert_int_equal (pwrite (fd, there, SIZE, 0), SIZE);
  s = begin (false);
  give (s, MIB, 65536);
  give (s, 3 * MIB, 100);
  finish (s);
}

static void
test_past_end (void **state)
{
  struct copy_stream *s = begin (true);

  assert_int_equal (copy_stream_data (s, SIZE, disk, 1), -1);
  assert_int_equal (errno, EINVAL);
  assert_error ("past its end");
  copy_stream_free (s);
}

/* Zeroes that are given are holes, too. */
static void
test_holes (void **state)
{
  struct copy_stream *s = begin (true);
  struct stat st;

  assert_int_equal (copy_stream_data (s, 0, disk, SIZE), 0);
  finish (s);
  assert_int_equal (fstat (fd, &st), 0);
  assert_int_equal (st.st_blocks, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown (f, setup, teardown)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    TEST (test_ascending),
    TEST (test_any_order),
    TEST (test_nothing),
    TEST (test_not_zero),
    TEST (test_past_end),
    TEST (test_holes),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
