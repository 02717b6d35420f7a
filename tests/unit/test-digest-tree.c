/* SPDX-License-Identifier: BSD-3-Clause
 *
 * driver/copy/digest_*.c: digests of blocks, their file, and digests of
 * what a file holds.
 */
#include "tests/unit/nbd_server.h"

#include <errno.h>

#include "common/include/minmax.h"
#include "common/util/digest.h"
#include "driver/copy/digest_tree.h"

static uint8_t block[DIGEST_BLOCK];

static void
write_file (const char *path, const void *data, size_t len)
{
  int fd = open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

  assert_true (fd >= 0);
  assert_int_equal (write (fd, data, len), len);
  close (fd);
}

static size_t
read_file (const char *path, uint8_t *data, size_t max)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC);
  ssize_t r = read (fd, data, max);

  close (fd);
  assert_true (r >= 0);
  return r;
}

/* Two blocks and 100 bytes: data, zeroes, data. */
static struct digest_tree *
make_tree (void)
{
  struct digest_tree *t = digest_tree_new (2 * DIGEST_BLOCK + 100);

  assert_non_null (t);
  memset (block, 'x', sizeof block);
  assert_int_equal (digest_tree_set (t, 0, block, DIGEST_BLOCK), 0);
  assert_int_equal (digest_tree_set_zero (t, 1), 0);
  assert_int_equal (digest_tree_set (t, 2, block, 100), 0);
  return t;
}

static void
test_set_and_compare (void **state)
{
  struct digest_tree *a = make_tree (), *b = make_tree ();
  struct digest_tree *c = digest_tree_new (5);

  capture_start ();
  assert_int_equal (digest_tree_size (a), 2 * DIGEST_BLOCK + 100);
  assert_int_equal (digest_tree_compare (a, b), -1);
  assert_int_equal (digest_tree_compare (a, c), -2);
  assert_true (digest_tree_matches (a, 0, block, DIGEST_BLOCK));
  assert_false (digest_tree_matches (a, 0, block, 100));
  assert_false (digest_tree_matches (a, 3, block, 100));
  assert_true (digest_tree_matches (a, 2, block, 100));

  block[DIGEST_BLOCK - 1] ^= 1;
  assert_false (digest_tree_matches (a, 0, block, DIGEST_BLOCK));
  assert_int_equal (digest_tree_set (b, 0, block, DIGEST_BLOCK), 0);
  assert_int_equal (digest_tree_compare (a, b), 0);
  digest_tree_free (b);

  b = make_tree ();
  assert_int_equal (digest_tree_set_zero (b, 2), 0);
  assert_int_equal (digest_tree_compare (a, b), 2);
  assert_no_error ();
  digest_tree_free (a);
  digest_tree_free (b);
  digest_tree_free (c);
}

/* The digest of zeroes is the same whether they were known or read. */
static void
test_zero_is_zero (void **state)
{
  struct digest_tree *a = digest_tree_new (DIGEST_BLOCK + 7);
  struct digest_tree *b = digest_tree_new (DIGEST_BLOCK + 7);
  struct digest_tree *c = digest_tree_new (DIGEST_BLOCK + 7);

  memset (block, 0, sizeof block);
  assert_int_equal (digest_tree_set (a, 0, block, DIGEST_BLOCK), 0);
  assert_int_equal (digest_tree_set (a, 1, block, 7), 0);
  assert_int_equal (digest_tree_add_zero (b, 0, DIGEST_BLOCK + 7), 0);
  assert_int_equal (digest_tree_add (c, 0, block, DIGEST_BLOCK), 0);
  assert_int_equal (digest_tree_add (c, DIGEST_BLOCK, block, 7), 0);
  assert_int_equal (digest_tree_compare (a, b), -1);
  assert_int_equal (digest_tree_compare (a, c), -1);
  digest_tree_free (a);
  digest_tree_free (b);
  digest_tree_free (c);
}

/* The root is SHA-256 of header and digests, so any tool can make it. */
static void
test_root (void **state)
{
  static const char header[32] =
    "NBDLIFTD" "\1\0\0\0\0\0\0\0" "\3\0\0\0\0\0\0\0" "\0\0\x10\0\0\0\0";
  uint8_t all[64], root[32];
  char hex[65], expected[65];
  struct digest_tree *t = digest_tree_new (3);

  capture_start ();
  assert_int_equal (digest_tree_root (t, hex), -1);
  assert_error ("the block at offset 0 was not read");

  assert_int_equal (digest_tree_set (t, 0, "abc", 3), 0);
  memcpy (all, header, 32);
  assert_int_equal (digest_once (DIGEST_SHA256, "abc", 3, all + 32), 0);
  assert_int_equal (digest_once (DIGEST_SHA256, all, 64, root), 0);
  hex_of_bytes (root, 32, expected);
  assert_int_equal (digest_tree_root (t, hex), 0);
  assert_string_equal (hex, expected);
  digest_tree_free (t);
}

static void
test_misfit (void **state)
{
  struct digest_tree *t = make_tree ();

  capture_start ();
  assert_int_equal (digest_tree_set (t, 2, block, 101), -1);
  assert_int_equal (errno, EINVAL);
  assert_error ("digest of block 2");
  assert_int_equal (digest_tree_set_zero (t, 3), -1);
  assert_int_equal (digest_tree_set (t, UINT64_MAX, block, 1), -1);
  digest_tree_free (t);
}

static void
test_save_and_load (void **state)
{
  const char *path = in_folder ("digests");
  struct digest_tree *t = make_tree (), *u;
  char a[65], b[65];
  struct stat st;

  capture_start ();
  assert_int_equal (digest_tree_save (t, path), 0);
  assert_int_equal (stat (path, &st), 0);
  assert_int_equal (st.st_mode & 0777, 0660);
  u = digest_tree_load (path);
  assert_non_null (u);
  assert_int_equal (digest_tree_compare (t, u), -1);
  assert_int_equal (digest_tree_root (t, a), 0);
  assert_int_equal (digest_tree_root (u, b), 0);
  assert_string_equal (a, b);
  digest_tree_free (t);
  digest_tree_free (u);

  t = digest_tree_new (0);
  assert_int_equal (digest_tree_save (t, path), 0);
  u = digest_tree_load (path);
  assert_non_null (u);
  assert_int_equal (digest_tree_compare (t, u), -1);
  digest_tree_free (t);
  digest_tree_free (u);
  assert_no_error ();
  assert_int_equal (access (in_folder ("digests.tmp"), F_OK), -1);
}

/* An unfinished tree is not saved, and an old file stays. */
static void
test_save_incomplete (void **state)
{
  const char *path = in_folder ("digests");
  struct digest_tree *t = digest_tree_new (10);

  write_file (path, "old", 3);
  capture_start ();
  assert_int_equal (digest_tree_save (t, path), -1);
  assert_error ("was not read");
  assert_int_equal (read_file (path, block, sizeof block), 3);
  digest_tree_free (t);
}

/* Every single changed byte, and every length, is noticed. */
static void
test_load_damaged (void **state)
{
  const char *path = in_folder ("digests");
  struct digest_tree *t = make_tree ();
  static uint8_t file[1024];
  size_t len, i;

  assert_int_equal (digest_tree_save (t, path), 0);
  digest_tree_free (t);
  len = read_file (path, file, sizeof file);
  assert_int_equal (len, 32 + 3 * 32 + 32);
  for (i = 0; i < len; i++) {
    file[i] ^= 0x40;
    write_file (path, file, len);
    file[i] ^= 0x40;
    capture_start ();
    assert_null (digest_tree_load (path));
    assert_int_equal (errno, EINVAL);
    assert_error ("not a digest file of nbdlift, or damaged");
  }
  for (i = 0; i < len; i++) {
    write_file (path, file, i);
    capture_start ();
    assert_null (digest_tree_load (path));
    assert_error ("not a digest file of nbdlift, or damaged");
  }
  write_file (path, file, len + 1);
  capture_start ();
  assert_null (digest_tree_load (path));

  /* A size that would need 2^59 bytes of digests. */
  memset (file + 16, 0xff, 8);
  write_file (path, file, len);
  capture_start ();
  assert_null (digest_tree_load (path));
  assert_error ("its length does not fit");

  unlink (path);
  capture_start ();
  assert_null (digest_tree_load (path));
  assert_int_equal (errno, ENOENT);
  assert_error ("digests: No such file or directory");
}

static bool
count_progress (void *opaque, uint64_t done, uint64_t total)
{
  uint64_t *last = opaque;

  assert_true (done >= *last && done <= total);
  *last = done;
  return true;
}

static bool
say_no (void *opaque, uint64_t done, uint64_t total)
{
  return false;
}

static void
test_of_fd (void **state)
{
  const uint64_t size = 20 * MIB + 1000;
  const char *path = in_folder ("file");
  struct digest_tree *t, *u = digest_tree_new (size);
  int fd = open (path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  uint64_t last = 0;
  char byte;

  capture_start ();
  memset (block, 'y', sizeof block);
  assert_int_equal (digest_tree_add_zero (u, 0, size), 0);
  assert_int_equal (ftruncate (fd, size), 0);
  assert_int_equal (pwrite (fd, block, DIGEST_BLOCK, 5 * DIGEST_BLOCK),
                    DIGEST_BLOCK);
  assert_int_equal (digest_tree_set (u, 5, block, DIGEST_BLOCK), 0);
  assert_int_equal (pwrite (fd, block, 1000, 20 * DIGEST_BLOCK), 1000);
  assert_int_equal (digest_tree_set (u, 20, block, 1000), 0);

  t = digest_tree_of_fd (fd, size, path, count_progress, &last);
  assert_non_null (t);
  assert_int_equal (digest_tree_compare (t, u), -1);
  assert_int_equal (last, size);
  digest_tree_free (t);

  /* One bit, in a hole. */
  byte = 1;
  assert_int_equal (pwrite (fd, &byte, 1, 13 * DIGEST_BLOCK + 77), 1);
  t = digest_tree_of_fd (fd, size, path, NULL, NULL);
  assert_int_equal (digest_tree_compare (t, u), 13);
  digest_tree_free (t);
  assert_no_error ();

  assert_null (digest_tree_of_fd (fd, size, path, say_no, NULL));
  assert_int_equal (errno, ECANCELED);
  assert_no_error ();

  assert_null (digest_tree_of_fd (fd, size + 1, path, NULL, NULL));
  assert_error ("file has 20972520 bytes, the disk has 20972521");
  close (fd);

  fd = open (path, O_WRONLY | O_CLOEXEC);
  capture_start ();
  assert_null (digest_tree_of_fd (fd, size, path, NULL, NULL));
  assert_int_equal (errno, EBADF);
  assert_error ("file: cannot read at offset ");
  close (fd);
  digest_tree_free (u);
}

static void
test_of_nbd (void **state)
{
  struct digest_tree *t, *u = digest_tree_new (3 * MIB + 512);
  uint64_t last = 0;

  capture_start ();
  memset (block, 1, sizeof block);
  assert_int_equal (digest_tree_add_zero (u, 0, 3 * MIB + 512), 0);
  assert_int_equal (digest_tree_set (u, 1, block, DIGEST_BLOCK), 0);
  START_SERVER ("data", "data= @1048576 1*1048576", "size=3146240");
  t = digest_tree_of_nbd (server_uri, "disk1", count_progress, &last);
  assert_non_null (t);
  assert_int_equal (digest_tree_compare (t, u), -1);
  assert_int_equal (last, 3 * MIB + 512);
  digest_tree_free (t);
  digest_tree_free (u);

  assert_null (digest_tree_of_nbd (server_uri, "disk1", say_no, NULL));
  assert_int_equal (errno, ECANCELED);
  assert_no_error ();
  stop_server ();
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_set_and_compare),
    cmocka_unit_test (test_zero_is_zero),
    cmocka_unit_test (test_root),
    cmocka_unit_test (test_misfit),
    cmocka_unit_test (test_save_and_load),
    cmocka_unit_test (test_save_incomplete),
    cmocka_unit_test (test_load_damaged),
    cmocka_unit_test (test_of_fd),
    cmocka_unit_test (test_of_nbd),
  };

  return cmocka_run_group_tests (tests, folder_setup, folder_teardown);
}
