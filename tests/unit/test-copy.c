/* SPDX-License-Identifier: BSD-3-Clause
 *
 * driver/copy/ with real servers: every byte and hole as nbdcopy copies
 * them, whatever the server's shape, the request size and the state of
 * the target.  Failures are in test-copy-faults.c.
 */
#include "tests/unit/nbd_server.h"

#include <errno.h>

#include "common/include/minmax.h"
#include "driver/copy/copy.h"
#include "driver/copy/digest_tree.h"

static struct copy_result result;
static const char *nbdcopy_option = "--sparse=4096"; /* its default */

static int
copy_to (const char *path, const struct copy_options *options)
{
  const struct copy_source source = { .uri = server_uri, .name = "disk1" };
  int fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC, 0600), r;

  assert_true (fd >= 0);
  capture_start ();
  r = copy_disk (&source, fd, path, options, &result);
  close (fd);
  return r;
}

static off_t
size_of (const char *path)
{
  struct stat st;

  assert_int_equal (stat (path, &st), 0);
  return st.st_size;
}

static off_t
allocated (const char *path)
{
  struct stat st;

  assert_int_equal (stat (path, &st), 0);
  return st.st_blocks * 512;
}

static void
assert_same_bytes (const char *a, const char *b)
{
  assert_int_equal (RUN ("cmp", a, b), 0);
}

/* Copy with OPTIONS into a new file; compare with nbdcopy's result and
 * the digests with those of both ends.
 */
static void
check_copy (const struct copy_options *given)
{
  const char *ours = in_folder ("ours"), *theirs = in_folder ("theirs");
  const char *digests = in_folder ("digests");
  struct copy_options options = *given;
  struct digest_tree *saved, *of_file, *of_nbd;
  off_t slack;
  int fd;

  unlink (ours);
  unlink (theirs);
  options.digest_file = digests;
  options.target_is_zero = true;
  assert_int_equal (copy_to (ours, &options), 0);
  assert_no_error ();
  assert_int_equal (result.failed_side, COPY_SIDE_NONE);
  assert_int_equal (RUN ("nbdcopy", nbdcopy_option, server_uri, theirs), 0);
  assert_same_bytes (ours, theirs);
  slack = allocated (theirs) / 50;
  assert_true (allocated (ours) <= allocated (theirs) + slack);
  assert_int_equal (result.progress.size, size_of (ours));
  assert_int_equal (result.progress.done, size_of (ours));

  saved = digest_tree_load (digests);
  assert_non_null (saved);
  fd = open (theirs, O_RDONLY | O_CLOEXEC);
  of_file = digest_tree_of_fd (fd, saved, theirs, NULL, NULL);
  close (fd);
  of_nbd = digest_tree_of_nbd (server_uri, saved, "disk1", NULL, NULL);
  assert_non_null (of_file);
  assert_non_null (of_nbd);
  assert_int_equal (digest_tree_compare (saved, of_file), -1);
  assert_int_equal (digest_tree_compare (saved, of_nbd), -1);
  digest_tree_free (saved);
  digest_tree_free (of_file);
  digest_tree_free (of_nbd);
}

static void
check_server (void)
{
  const struct copy_options defaults = { 0 };

  check_copy (&defaults);
  stop_server ();
}

static void
test_options (void **state)
{
  static const struct copy_options variants[] = {
    { .connections = 1 },
    { .connections = 8, .requests = 3 },
    { .connections = 1, .requests = 1, .workers = 1 },
    { .request_size = 64 * KIB },
    { .request_size = 3 * MIB, .requests = 5 },
    { .request_size = 32 * MIB },
    { .workers = 8, .requests = 64 },
    { .cache = COPY_CACHE_WRITEBACK },
    { .cache = COPY_CACHE_WRITEBACK, .requests = 2, .connections = 1 },
    { .digest = BLOCK_DIGEST_SHA256 },
    { .digest = BLOCK_DIGEST_SHA256, .cache = COPY_CACHE_WRITEBACK },
  };
  size_t i;

  START_SERVER ("sparse-random", "size=30M", "percent=20", "seed=7");
  for (i = 0; i < ARRAY_SIZE (variants); i++)
    check_copy (&variants[i]);
  stop_server ();
}

static void
test_odd_sizes (void **state)
{
  static const char *const sizes[] = {
    "0", "8", "504", "512", "1048568", "1048576", "1048584", "5243400",
  };
  char arg[32];
  size_t i;

  for (i = 0; i < ARRAY_SIZE (sizes); i++) {
    snprintf (arg, sizeof arg, "size=%s", sizes[i]);
    START_SERVER ("pattern", arg);
    check_server ();
    START_SERVER ("memory", arg);
    check_server ();
  }
}

/* Data at places that are not aligned to anything. */
static void
test_unaligned_data (void **state)
{
  START_SERVER ("data", "data= 1 @511 2 @4095 3 4 @40000 5*100000 "
                "@0xfffff 6 7 @0x7fffff 8", "size=8388608");
  check_server ();
}

static void
test_single_connection (void **state)
{
  START_SERVER ("--filter=multi-conn", "--filter=noparallel", "pattern",
                "size=20M", "multi-conn-mode=disable");
  check_server ();
}

static void
test_no_extents (void **state)
{
  START_SERVER ("--filter=noextents", "sparse-random", "size=40M",
                "percent=10", "seed=3");
  check_server ();
  assert_int_equal (result.progress.read, 40 * MIB);
}

/* The server's limits on requests are kept to. */
static void
test_small_maximum (void **state)
{
  START_SERVER ("--filter=blocksize-policy", "pattern", "size=20M",
                "blocksize-minimum=512", "blocksize-preferred=4096",
                "blocksize-maximum=65536", "blocksize-error-policy=error");
  nbdcopy_option = "--request-size=65536";
  check_server ();
  nbdcopy_option = "--sparse=4096";
}

/* And so is its smallest unit. */
static void
test_large_minimum (void **state)
{
  const struct copy_options options = { .target_is_zero = true };

  START_SERVER ("--filter=blocksize-policy", "data",
                "data= 1 @70000 2 @200000 3*300000 @3000000 4",
                "size=4M", "blocksize-minimum=65536",
                "blocksize-preferred=65536", "blocksize-maximum=262144",
                "blocksize-error-policy=error");
  unlink (in_folder ("ours"));
  assert_int_equal (copy_to (in_folder ("ours"), &options), 0);
  assert_no_error ();
  stop_server ();
  START_SERVER ("data", "data= 1 @70000 2 @200000 3*300000 @3000000 4",
                "size=4M");
  unlink (in_folder ("theirs"));
  assert_int_equal (RUN ("nbdcopy", server_uri, in_folder ("theirs")), 0);
  assert_same_bytes (in_folder ("ours"), in_folder ("theirs"));
  stop_server ();
}

/* A file with N times 4 KiB of data after a hole of 4 KiB. */
static void
make_stripes (const char *path, int n)
{
  static uint8_t block[4096];
  int fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC, 0600), i;

  memset (block, 0x5a, sizeof block);
  for (i = 0; i < n; i++)
    assert_int_equal (pwrite (fd, block, sizeof block, i * 8192 + 4096),
                      sizeof block);
  close (fd);
}

static void
test_many_extents (void **state)
{
  const char *disk = in_folder ("many");

  make_stripes (disk, 4096);
  START_SERVER ("file", disk);
  check_server ();
  unlink (disk);
}

/* 4 KiB of zeroes in data that the server says is allocated. */
static void
test_hidden_zeroes (void **state)
{
  const char *disk = in_folder ("hidden");

  make_stripes (disk, 1024);
  START_SERVER ("--filter=noextents", "file", disk);
  check_server ();
  assert_int_equal (result.progress.read, size_of (disk));
  assert_int_equal (result.progress.written, 1024 * 4096);
  unlink (disk);
}

/* Only ZERO promises zeroes: a hole is read, as in a delta export. */
static void
test_hole_is_read (void **state)
{
  const struct copy_options options = { .target_is_zero = true };

  START_SERVER ("eval", "get_size=echo 3145728",
                "pread=head -c $3 /dev/zero | tr '\\0' x",
                "extents=echo 0 3145728 hole");
  unlink (in_folder ("ours"));
  assert_int_equal (copy_to (in_folder ("ours"), &options), 0);
  assert_no_error ();
  assert_int_equal (result.progress.read, 3 * MIB);
  assert_int_equal (result.progress.written, 3 * MIB);
  assert_int_equal (allocated (in_folder ("ours")), 3 * MIB);
  stop_server ();
}

/* What the server says is zero is not read: reading would fail. */
static void
test_zero_is_not_read (void **state)
{
  const struct copy_options options = { .target_is_zero = true };

  START_SERVER ("eval", "get_size=echo 1099511627776",
                "pread=echo EIO no >&2; exit 1",
                "extents=echo $4 $3 hole,zero");
  unlink (in_folder ("ours"));
  assert_int_equal (copy_to (in_folder ("ours"), &options), 0);
  assert_no_error ();
  assert_int_equal (result.progress.read, 0);
  assert_int_equal (result.progress.done, UINT64_C (1) << 40);
  assert_int_equal (allocated (in_folder ("ours")), 0);
  stop_server ();
}

/* A server whose block status fails half way is read as data. */
static void
test_extents_fail (void **state)
{
  const struct copy_options options = { .target_is_zero = true };

  START_SERVER ("eval", "get_size=echo 4194304",
                "pread=head -c $3 /dev/zero | tr '\\0' x",
                "extents=if [ $4 -lt 2097152 ]; then "
                "echo 0 2097152 hole,zero; else echo EIO no >&2; exit 1; fi");
  unlink (in_folder ("ours"));
  assert_int_equal (copy_to (in_folder ("ours"), &options), 0);
  assert_int_equal (captured_errors, 0);
  assert_non_null (strstr (captured, "disk disk1: source: the server can "
                           "not tell from offset 2097152 on"));
  assert_int_equal (result.progress.read, 2 * MIB);
  stop_server ();
}

/* A file of SIZE bytes of 0xff. */
static void
make_ones (const char *path, off_t size)
{
  static uint8_t ones[65536];
  int fd = open (path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  off_t at;

  memset (ones, 0xff, sizeof ones);
  for (at = 0; at < size; at += sizeof ones)
    assert_int_equal (pwrite (fd, ones, sizeof ones, at), sizeof ones);
  assert_int_equal (fsync (fd), 0);
  close (fd);
}

/* A target with other content, larger than the source: all of it goes,
 * and its space is given back.
 */
static void
test_used_target (void **state)
{
  const struct copy_options options = { 0 };
  const char *ours = in_folder ("ours"), *theirs = in_folder ("theirs");

  make_ones (ours, 40 * MIB);
  START_SERVER ("sparse-random", "size=32505864", "percent=20", "seed=1",
                "runlength=65536");
  assert_int_equal (copy_to (ours, &options), 0);
  assert_no_error ();
  unlink (theirs);
  assert_int_equal (RUN ("nbdcopy", server_uri, theirs), 0);
  assert_int_equal (size_of (ours), 40 * MIB);
  assert_int_equal (truncate (theirs, 40 * MIB), 0);
  assert_same_bytes (ours, theirs);
  assert_true (allocated (ours) <=
               allocated (theirs) + allocated (theirs) / 50);
  stop_server ();
}

static char loop[64];

static bool
attach_loop (const char *file)
{
  const char *const argv[] = { "losetup", "--find", "--show", file, NULL };
  char *name;
  int status;

  if (geteuid () != 0)
    return false;
  name = subprocess_output (argv, NULL, 64, &status);
  if (name == NULL || status != 0) {
    free (name);
    return false;
  }
  name[strcspn (name, "\n")] = '\0';
  snprintf (loop, sizeof loop, "%s", name);
  free (name);
  return true;
}

static void
test_block_device (void **state)
{
  const struct copy_options options = { 0 };
  const char *backing = in_folder ("backing"), *theirs = in_folder ("theirs");
  bool too_small;

  make_ones (backing, 40 * MIB);
  if (!attach_loop (backing)) {
    print_message ("SKIP: no loop device here\n");
    skip ();
  }
  START_SERVER ("sparse-random", "size=32505856", "percent=20", "seed=5");
  assert_int_equal (copy_to (loop, &options), 0);
  assert_no_error ();
  unlink (theirs);
  assert_int_equal (RUN ("nbdcopy", server_uri, theirs), 0);
  assert_int_equal (RUN ("cmp", "-n", "32505856", loop, theirs), 0);
  stop_server ();

  START_SERVER ("memory", "size=41M");
  too_small = copy_to (loop, &options) == -1 && errno == ENOSPC;
  stop_server ();
  RUN ("losetup", "--detach", loop);
  assert_true (too_small);
  assert_int_equal (result.failed_side, COPY_SIDE_TARGET);
  assert_error ("has only 41943040 bytes, the disk has 42991616");
}

struct watch {
  unsigned calls;
  uint64_t last;
};

static bool
watch_progress (void *opaque, const struct copy_progress *progress)
{
  struct watch *watch = opaque;

  watch->calls++;
  assert_true (progress->done >= watch->last);
  assert_true (progress->done <= progress->size || progress->size == 0);
  watch->last = progress->done;
  return true;
}

static void
test_progress (void **state)
{
  struct watch watch = { 0 };
  const struct copy_options options = {
    .progress = watch_progress, .opaque = &watch, .target_is_zero = true };

  START_SERVER ("--filter=delay", "pattern", "size=64M", "rdelay=200ms");
  assert_int_equal (copy_to (in_folder ("ours"), &options), 0);
  stop_server ();
  assert_true (watch.calls >= 3);
  assert_int_equal (watch.last, 64 * MIB);
  assert_int_equal (result.progress.read, 64 * MIB);
  assert_int_equal (result.progress.written, 64 * MIB);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_options),
    cmocka_unit_test (test_odd_sizes),
    cmocka_unit_test (test_unaligned_data),
    cmocka_unit_test (test_single_connection),
    cmocka_unit_test (test_no_extents),
    cmocka_unit_test (test_small_maximum),
    cmocka_unit_test (test_large_minimum),
    cmocka_unit_test (test_many_extents),
    cmocka_unit_test (test_hidden_zeroes),
    cmocka_unit_test (test_hole_is_read),
    cmocka_unit_test (test_zero_is_not_read),
    cmocka_unit_test (test_extents_fail),
    cmocka_unit_test (test_used_target),
    cmocka_unit_test (test_block_device),
    cmocka_unit_test (test_progress),
  };

  return cmocka_run_group_tests (tests, folder_setup, folder_teardown);
}
