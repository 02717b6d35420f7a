/* SPDX-License-Identifier: BSD-3-Clause
 *
 * common/vmdk on files of our own generator: every kind, in all ways of
 * reading.
 */
#include "tests/unit/vmdk_files.h"

#include <limits.h>
#include <pthread.h>

/* Two grain tables, the last grain short, the last sector too. */
#define RAW_SIZE (40 * MIB + 3 * SECTOR_SIZE)

static int
setup (void **state)
{
  if (make_dir () == -1)
    return -1;
  make_raw ("raw", RAW_SIZE);
  make_raw ("small", 3 * MIB);
  return 0;
}

/* Bytes of the grains of DIR/raw that are not zero. */
static uint64_t
data_bytes (void)
{
  CLEANUP_FREE unsigned char *buf = malloc (GRAIN);
  CLEANUP_FREE char *path = NULL;
  CLEANUP_CLOSE int fd = -1;
  uint64_t offset, n, sum = 0;

  assert_true (asprintf (&path, "%s/raw", dir) >= 0);
  fd = open (path, O_RDONLY | O_CLOEXEC);
  for (offset = 0; offset < RAW_SIZE; offset += n) {
    n = MIN (GRAIN, RAW_SIZE - offset);
    assert_true (pread (fd, buf, n, offset) == (ssize_t) n);
    if (buf[0] != 0 || memcmp (buf, buf + 1, n - 1) != 0)
      sum += n;
  }
  return sum;
}

struct reader {
  struct vmdk *vmdk;
  unsigned number;
  int fd;
  pthread_t thread;
};

/* Pieces of odd sizes at odd places, another sequence in each thread. */
static void *
read_at_random (void *arg)
{
  const struct reader *r = arg;
  uint64_t x = r->number + 1, offset, count;
  unsigned i;

  for (i = 0; i < 100; ++i) {
    x = x * UINT64_C (6364136223846793005) + 1442695040888963407;
    offset = (x >> 20) % RAW_SIZE;
    count = i % 10 == 0 ? (x >> 7) % (3 * MIB) : (x >> 9) % 9000;
    compare_range (r->vmdk, r->fd, MIN (count, RAW_SIZE - offset), offset);
  }
  return NULL;
}

static void
compare_all_ways (struct vmdk *vmdk)
{
  static const size_t steps[] = { 4096, 3 * GRAIN / 2, 5 * MIB + 1 };
  struct reader readers[4];
  CLEANUP_FREE char *path = NULL;
  CLEANUP_CLOSE int fd = -1;
  uint64_t offset;
  size_t i;

  assert_true (asprintf (&path, "%s/raw", dir) >= 0);
  fd = open (path, O_RDONLY | O_CLOEXEC);
  assert_true (fd >= 0);
  for (i = 0; i < ARRAY_SIZE (steps); ++i) {
    for (offset = 0; offset < RAW_SIZE; offset += steps[i])
      compare_range (vmdk, fd, MIN (steps[i], RAW_SIZE - offset), offset);
  }
  compare_range (vmdk, fd, 0, RAW_SIZE);

  for (i = 0; i < ARRAY_SIZE (readers); ++i) {
    readers[i] = (struct reader) { .vmdk = vmdk, .number = i, .fd = fd };
    assert_int_equal (pthread_create (&readers[i].thread, NULL,
                                      read_at_random, &readers[i]), 0);
  }
  for (i = 0; i < ARRAY_SIZE (readers); ++i)
    pthread_join (readers[i].thread, NULL);
}

struct good_case {
  const char *args;
  const char *create_type;
  bool holes;
};

static const struct good_case good_cases[] = {
  { "--type stream", "streamOptimized", true },
  { "--type stream --level 9 --pad-last", "streamOptimized", true },
  { "--type stream --zeroed", "streamOptimized", true },
  { "--type stream --grain-size 65536 --entries 100", "streamOptimized",
    true },
  { "--type stream --fixed", "streamOptimized", true },
  { "--type stream-front", "streamOptimized", true },
  { "--type stream-front --reverse --fixed", "streamOptimized", true },
  { "--type stream-front --zeroed", "streamOptimized", true },
  { "--type sparse", "monolithicSparse", true },
  { "--type sparse --zeroed", "monolithicSparse", true },
  { "--type sparse --reverse", "monolithicSparse", true },
  { "--type flat", "monolithicFlat", false },
  { "--type flat --extent-size 9999872", "monolithicFlat", false },
  { "--type vmfs", "vmfs", false },
  { "--type two-gb-sparse --extent-size 16777216", "twoGbMaxExtentSparse",
    true },
  { "--type two-gb-flat --extent-size 16777216", "twoGbMaxExtentFlat",
    false },
};

static void
test_good (void **state)
{
  const uint64_t data = data_bytes ();
  struct vmdk *vmdk;
  uint64_t allocated;
  size_t i;

  for (i = 0; i < ARRAY_SIZE (good_cases); ++i) {
    const struct good_case *c = &good_cases[i];

    print_message ("%s\n", c->args);
    assert_int_equal (run (MAKE_VMDK "%s raw disk.vmdk", c->args), 0);
    capture_start ();
    vmdk = open_vmdk ("disk.vmdk");
    assert_no_error ();
    assert_non_null (vmdk);
    assert_string_equal (vmdk_create_type (vmdk), c->create_type);
    allocated = compare_by_extents (vmdk, "raw", RAW_SIZE);
    assert_true (allocated == (c->holes ? data : RAW_SIZE));
    compare_all_ways (vmdk);
    assert_no_error ();
    vmdk_close (vmdk);
    assert_int_equal (run ("rm -f disk*.vmdk"), 0);
  }
}

/* Other grain sizes, down to the smallest and up to the largest. */
static void
test_grain_sizes (void **state)
{
  static const unsigned sizes[] = { 4096, 131072, 1048576 };
  static const char *const types[] = { "stream", "sparse" };
  struct vmdk *vmdk;
  size_t i, j;

  for (i = 0; i < ARRAY_SIZE (sizes); ++i) {
    for (j = 0; j < ARRAY_SIZE (types); ++j) {
      assert_int_equal (run (MAKE_VMDK "--type %s --grain-size %u raw "
                             "disk.vmdk", types[j], sizes[i]), 0);
      capture_start ();
      vmdk = open_vmdk ("disk.vmdk");
      assert_non_null (vmdk);
      compare_by_extents (vmdk, "raw", RAW_SIZE);
      compare_all_ways (vmdk);
      assert_no_error ();
      vmdk_close (vmdk);
    }
  }
}

static void
test_zero_extent (void **state)
{
  unsigned char buf[16];
  struct vmdk *vmdk;

  assert_int_equal (run (MAKE_VMDK "--type two-gb-sparse --zero-extent "
                         "1073741824 raw disk.vmdk && cp raw longer && "
                         "truncate -s +1G longer"), 0);
  capture_start ();
  vmdk = open_vmdk ("disk.vmdk");
  assert_non_null (vmdk);
  assert_true (compare_by_extents (vmdk, "longer", RAW_SIZE + GIB) ==
               data_bytes ());
  /* Across the border of two parts, and outside of the disk. */
  assert_int_equal (vmdk_pread (vmdk, buf, 16, RAW_SIZE - 8), 0);
  assert_true (buf[0] != 0 && buf[8] == 0);
  assert_no_error ();
  errno = 0;
  assert_int_equal (vmdk_pread (vmdk, buf, 16, RAW_SIZE + GIB - 15), -1);
  assert_int_equal (errno, EINVAL);
  assert_error ("outside of the disk");
  vmdk_close (vmdk);
}

struct one_piece {
  unsigned calls;
  uint64_t offset, length;
};

static int
keep_piece (void *opaque, uint64_t offset, uint64_t length, uint32_t type)
{
  struct one_piece *p = opaque;

  p->calls++;
  p->offset = offset;
  p->length = length;
  return 0;
}

static int
refuse_piece (void *opaque, uint64_t offset, uint64_t length, uint32_t type)
{
  ++*(unsigned *) opaque;
  return -1;
}

static void
test_extents (void **state)
{
  struct one_piece p = { 0 };
  struct vmdk *vmdk;
  unsigned calls = 0;

  assert_int_equal (run (MAKE_VMDK "--type stream raw disk.vmdk"), 0);
  capture_start ();
  vmdk = open_vmdk ("disk.vmdk");
  assert_non_null (vmdk);
  /* ONE: the whole of the first piece, but no more than was asked for. */
  assert_int_equal (vmdk_extents (vmdk, 4 * MIB, 7, true, keep_piece, &p),
                    0);
  assert_int_equal (p.calls, 1);
  assert_true (p.offset == 7 && p.length == MIB + GRAIN - 7);
  assert_int_equal (vmdk_extents (vmdk, 100, MIB, true, keep_piece, &p), 0);
  assert_int_equal (p.calls, 2);
  assert_true (p.offset == MIB && p.length == 100);
  assert_int_equal (vmdk_extents (vmdk, 0, 0, false, keep_piece, &p), 0);
  assert_int_equal (p.calls, 2);
  assert_no_error ();

  assert_int_equal (vmdk_extents (vmdk, RAW_SIZE, 0, false, refuse_piece,
                                  &calls), -1);
  assert_int_equal (calls, 1);
  assert_no_error ();
  assert_int_equal (vmdk_extents (vmdk, 2, RAW_SIZE - 1, false, keep_piece,
                                  &p), -1);
  assert_error ("outside of the disk");
  vmdk_close (vmdk);
}

/* VirtualBox rounds the header's capacity up to a grain. */
static void
test_nominal_size (void **state)
{
  struct vmdk *vmdk;

  assert_int_equal (run (MAKE_VMDK "--type stream --damage "
                         "descriptor-rounded raw disk.vmdk"), 0);
  capture_start ();
  vmdk = open_vmdk ("disk.vmdk");
  assert_non_null (vmdk);
  compare_by_extents (vmdk, "raw", RAW_SIZE - 3 * SECTOR_SIZE);
  assert_no_error ();
  vmdk_close (vmdk);
}

/* A blob that counts reads, and fails from a given one on. */
struct counting_blob {
  struct blob blob;
  struct blob *inner;
};
static unsigned reads, fail_at = UINT_MAX;
static uint64_t bytes_read;

static int
counting_pread (struct blob *blob, void *buf, size_t count, uint64_t offset)
{
  struct counting_blob *c = (struct counting_blob *) blob;

  bytes_read += count;
  if (++reads >= fail_at) {
    log_error ("injected");
    errno = EIO;
    return -1;
  }
  return blob_pread (c->inner, buf, count, offset);
}

static void
counting_close (struct blob *blob)
{
  struct counting_blob *c = (struct counting_blob *) blob;

  blob_close (c->inner);
  free (c);
}

static const struct blob_ops counting_ops = {
  .pread = counting_pread,
  .close = counting_close,
};

static struct blob *
open_counting (void *opaque, const char *name)
{
  struct counting_blob *c = calloc (1, sizeof *c);

  assert_non_null (c);
  c->inner = open_in_dir (NULL, name);
  assert_non_null (c->inner);
  c->blob.ops = &counting_ops;
  c->blob.size = c->inner->size;
  c->blob.name = strdup (name);
  return &c->blob;
}

/* A 2 TiB disk: what is read at open, and for all of its extents. */
static void
test_large (void **state)
{
  static const struct {
    const char *type;
    unsigned open_reads, walk_reads;
  } cases[] = {
    { "stream", 5, 12 },
    { "stream-front", 4, 513 },
    { "sparse", 4, 513 },
  };
  const uint64_t size = UINT64_C (2) << 40;
  struct vmdk *vmdk;
  size_t i;

  for (i = 0; i < ARRAY_SIZE (cases); ++i) {
    assert_int_equal (run (MAKE_VMDK "--type %s --capacity %" PRIu64
                           " raw large.vmdk && cp raw longer && "
                           "truncate -s 2T longer", cases[i].type, size), 0);
    capture_start ();
    reads = 0;
    bytes_read = 0;
    vmdk = vmdk_open (open_counting (NULL, "large.vmdk"), NULL, NULL);
    assert_non_null (vmdk);
    if (reads > cases[i].open_reads || bytes_read > 512 * KIB)
      fail_msg ("%s: open took %u reads, %" PRIu64 " bytes", cases[i].type,
                reads, bytes_read);
    reads = 0;
    assert_true (vmdk_size (vmdk) == size);
    compare_by_extents (vmdk, "longer", size);
    reads = 0;
    compare_by_extents (vmdk, "longer", size);
    assert_true (reads < 200);  /* the tables are there already */
    assert_no_error ();
    vmdk_close (vmdk);

    /* Once more without data being read. */
    vmdk = vmdk_open (open_counting (NULL, "large.vmdk"), NULL, NULL);
    assert_non_null (vmdk);
    reads = 0;
    assert_int_equal (vmdk_allocated (vmdk, &bytes_read), 0);
    if (reads > cases[i].walk_reads)
      fail_msg ("%s: the extents took %u reads", cases[i].type, reads);
    vmdk_close (vmdk);
  }
  assert_int_equal (run ("rm -f large.vmdk longer"), 0);
}

/* Small reads in a row inflate a grain once, large ones are few. */
static void
test_reads (void **state)
{
  CLEANUP_FREE unsigned char *buf = malloc (2 * MIB);
  struct vmdk *vmdk;
  uint64_t offset;

  assert_int_equal (run (MAKE_VMDK "--type stream raw disk.vmdk"), 0);
  capture_start ();
  vmdk = vmdk_open (open_counting (NULL, "disk.vmdk"), NULL, NULL);
  assert_non_null (vmdk);
  assert_int_equal (vmdk_pread (vmdk, buf, 1, 0), 0);
  reads = 0;
  for (offset = 0; offset < MIB; offset += 4096)
    assert_int_equal (vmdk_pread (vmdk, buf, 4096, offset), 0);
  assert_int_equal (reads, MIB / GRAIN - 1);    /* the first was there */
  reads = 0;
  bytes_read = 0;
  assert_int_equal (vmdk_pread (vmdk, buf, MIB, 0), 0);
  assert_true (reads <= 2);     /* incompressible: more than 1 MiB */
  assert_true (bytes_read < MIB + 4 * GRAIN);
  reads = 0;
  assert_int_equal (vmdk_pread (vmdk, buf, MIB - GRAIN, 2 * MIB + GRAIN),
                    0);
  assert_int_equal (reads, 1);
  vmdk_close (vmdk);

  assert_int_equal (run (MAKE_VMDK "--type sparse raw disk.vmdk"), 0);
  vmdk = vmdk_open (open_counting (NULL, "disk.vmdk"), NULL, NULL);
  assert_non_null (vmdk);
  assert_int_equal (vmdk_pread (vmdk, buf, 1, 0), 0);
  reads = 0;
  assert_int_equal (vmdk_pread (vmdk, buf, MIB - 1, 1), 0);
  assert_int_equal (reads, 1);
  assert_no_error ();
  vmdk_close (vmdk);
}

/* Each read in turn fails: an error each time, once, and no leak. */
static void
test_failing_reads (void **state)
{
  static const char *const types[] = {
    "stream", "stream-front", "sparse", "two-gb-flat",
    "stream --damage footer-no-gd",
  };
  CLEANUP_FREE unsigned char *buf = malloc (RAW_SIZE);
  struct vmdk *vmdk;
  size_t i;
  int r;

  for (i = 0; i < ARRAY_SIZE (types); ++i) {
    assert_int_equal (run (MAKE_VMDK "--type %s small disk.vmdk", types[i]),
                      0);
    for (fail_at = 1;; fail_at++) {
      r = -1;
      reads = 0;
      capture_start ();
      vmdk = vmdk_open (open_counting (NULL, "disk.vmdk"), open_counting,
                        NULL);
      if (vmdk)
        r = vmdk_pread (vmdk, buf, 3 * MIB, 0);
      if (r == -1)
        assert_int_equal (errno, EIO);
      vmdk_close (vmdk);
      if (r == 0)
        break;
      assert_int_equal (captured_errors, 1);
      assert_non_null (strstr (captured, "injected"));
    }
    assert_true (fail_at > 2);
    fail_at = UINT_MAX;
  }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_good),
    cmocka_unit_test (test_grain_sizes),
    cmocka_unit_test (test_zero_extent),
    cmocka_unit_test (test_extents),
    cmocka_unit_test (test_nominal_size),
    cmocka_unit_test (test_large),
    cmocka_unit_test (test_reads),
    cmocka_unit_test (test_failing_reads),
  };

  return cmocka_run_group_tests_name ("vmdk", tests, setup, remove_dir);
}
