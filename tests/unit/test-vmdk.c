/* SPDX-License-Identifier: BSD-3-Clause
 *
 * common/vmdk on files of our own generator: every kind whole, in all
 * ways of reading, and every damaged kind.
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

/* What a damaged file must lead to.  ERR 0: it can be read all the same,
 * with a warning if TEXT.  AT_OPEN: else the table or the grain is found
 * out later.
 */
struct bad_case {
  const char *args;
  int err;
  bool at_open;
  const char *text;
};

static const struct bad_case bad_cases[] = {
  { "--type stream --damage header-capacity", EINVAL, true,
    "the capacity in sectors is 9223372036854775808" },
  { "--type sparse --damage header-capacity", EINVAL, true,
    "the capacity in sectors is 9223372036854775808" },
  { "--type sparse --damage header-capacity-bytes", EINVAL, true,
    "the capacity in sectors is 18014398509481984" },
  { "--type stream --capacity 140737488355328", EINVAL, true,
    "above what a VMDK can have" },
  { "--type stream --damage header-capacity-directory", EINVAL, true,
    "too much for a grain directory inside of the file" },
  { "--type sparse --damage header-capacity-directory", EINVAL, true,
    "too much for a grain directory inside of the file" },
  { "--type sparse --damage header-grain-size", EINVAL, true,
    "the grain size in sectors is 100" },
  { "--type sparse --damage header-grain-huge", ENOTSUP, true,
    "the grain size in sectors is 1048576" },
  { "--type sparse --damage header-entries", EINVAL, true,
    "entries of a grain table is 0" },
  { "--type sparse --entries 8192", ENOTSUP, true,
    "entries of a grain table is 8192" },
  { "--type sparse --damage header-version", ENOTSUP, true,
    "the version is 4" },
  { "--type stream --damage header-compression", ENOTSUP, true,
    "the compression algorithm is 2" },
  { "--type stream --damage header-flags", EINVAL, true, "contradicts" },
  { "--type stream --damage header-no-markers", ENOTSUP, true,
    "compressed grains without markers" },
  { "--type sparse --damage header-no-gd", EINVAL, true,
    "there is no grain directory" },
  { "--type stream-front --damage header-no-gd", 0, true,
    "no grain directory" },
  { "--type stream --damage header-newline", EINVAL, true, "binary mode" },
  { "--type sparse --damage header-unclean", 0, true,
    "not closed properly" },
  { "--type sparse --damage header-cowd", ENOTSUP, true,
    "snapshot (delta) disk (COWD)" },
  { "--type sparse --damage header-sesparse", ENOTSUP, true,
    "snapshot (delta) disk (SEsparse)" },
  { "--type two-gb-sparse --damage header-cowd", EINVAL, true,
    "the magic number" },

  { "--type stream --damage gd-past-end", EINVAL, true,
    "at sector 1099511627776 does not fit before the footer" },
  { "--type stream-front --damage gd-past-end", EINVAL, true,
    "at sector 1099511627776 does not fit before the end of the file" },
  { "--type stream --capacity 274877906944 --damage gd-too-many", EINVAL,
    true, "more than the file can hold" },
  { "--type stream --damage gt-past-end", EINVAL, true,
    "grain table 0 is said to be at sector 4294967280" },
  { "--type stream-front --damage gt-past-end", EINVAL, true,
    "grain table 0 is said to be at sector 4294967280" },
  { "--type stream --damage gte-past-end", EIO, false,
    "grain 0 is said to be at sector 4294967280" },
  { "--type sparse --damage gte-past-end", EIO, false,
    "grain 0 is said to be at sector 4294967280" },
  { "--type sparse --damage gte-in-header", EIO, false,
    "grain 0 is said to be at sector 2" },

  { "--type stream --damage grain-lba", EIO, false,
    "says that it is at disk sector 256 instead of 128" },
  { "--type stream-front --damage grain-lba", EIO, false,
    "says that it is at disk sector 256 instead of 128" },
  { "--type stream --damage grain-size", EIO, false,
    "4294967280 compressed bytes, too many" },
  { "--type stream --damage grain-marker", EIO, false, "is not there" },
  { "--type stream --damage grain-adler", EIO, false,
    "cannot be inflated" },
  { "--type stream --damage grain-data", EIO, false, "cannot be inflated" },
  { "--type stream --damage grain-cut", EIO, false, "cannot be inflated" },
  { "--type stream --damage grain-short", EIO, false,
    "inflates to 65024 bytes instead of 65536" },
  { "--type stream --damage grain-long", EIO, false,
    "inflates to more than 65536 bytes" },

  { "--type stream --damage footer-overlap", EINVAL, true,
    "does not fit before the footer" },
  { "--type stream --damage footer-contradicts", EINVAL, true,
    "contradict each other" },
  { "--type stream --damage footer-bad-magic", EINVAL, true,
    "the magic number" },
  { "--type stream --damage footer-no-gd", 0, true, "no grain directory" },
  { "--type stream --damage footer-missing", 0, true,
    "no grain directory" },
  { "--type stream --damage tail-padded", 0, true, "no grain directory" },
  { "--type stream --damage tail-cut", EINVAL, true,
    "past the end of the data" },
  { "--type stream --damage tail-zero", EINVAL, true,
    "there are only zeroes" },
  { "--type stream-front --damage tail-cut", EIO, false,
    "outside of the data" },
  { "--type sparse --damage tail-cut", EIO, false, "outside of the data" },
  { "--type stream --damage scan-loop", EINVAL, true,
    "the unit ends past the end of the file" },
  { "--type stream --damage scan-absurd", EINVAL, true,
    "length of a marker is absurd" },
  { "--type stream --damage scan-twice", EINVAL, true, "a second time" },
  { "--type stream --damage scan-unknown", EINVAL, true,
    "unknown marker" },
  { "--type stream --damage scan-outside", EINVAL, true,
    "outside of the disk" },

  { "--type stream --damage descriptor-past-end", EINVAL, true,
    "descriptor of 20 sectors at sector 1099511627776" },
  { "--type stream --damage scan-no-end", EINVAL, true,
    "ends without an end marker" },
  { "--type stream --damage scan-overhead", EINVAL, true,
    "data begins past the end" },
  { "--type stream --damage descriptor-huge", EINVAL, true,
    "have 1049088 bytes, more than 1048576" },
  { "--type stream --damage descriptor-two", ENOTSUP, true,
    "names other files as well" },
  { "--type stream --damage descriptor-mismatch", 0, true,
    "taking the header's" },
  { "--type stream --damage descriptor-none", 0, true, "no descriptor" },
  { "--type stream --damage descriptor-parent", ENOTSUP, true,
    "line 4 of the VMDK descriptor: this is a snapshot (delta) disk" },
  { "--type sparse --damage descriptor-hint", ENOTSUP, true,
    "this is a snapshot (delta) disk" },
  { "--type vmfs --damage descriptor-parent", ENOTSUP, true,
    "this is a snapshot (delta) disk" },
  { "--type flat --damage descriptor-encrypted", ENOTSUP, true,
    "the disk is encrypted" },
  { "--type stream --damage descriptor-encrypted", ENOTSUP, true,
    "the disk is encrypted" },
  { "--type flat --damage descriptor-noaccess", ENOTSUP, true,
    "NOACCESS" },
  { "--type flat --damage descriptor-type", ENOTSUP, true,
    "extents of type \"VMFSRDM\" are not supported" },
  { "--type flat --damage descriptor-vmfssparse", ENOTSUP, true,
    "is an ESXi snapshot (delta) disk" },
  { "--type flat --damage descriptor-path", EINVAL, true,
    "the extent \"../../etc/passwd\"" },
  { "--type two-gb-sparse --damage descriptor-path", EINVAL, true,
    "the extent \"../../etc/passwd\"" },
  { "--type stream --damage descriptor-path", 0, true, NULL },
  { "--type two-gb-flat --damage descriptor-dotdot", EINVAL, true,
    "the extent \"..\"" },
  { "--type two-gb-sparse --extent-size 1048576 --damage descriptor-twice",
    EINVAL, true, "the sparse extent \"bad-s001.vmdk\" twice" },
  { "--type flat --damage descriptor-sectors", EINVAL, true,
    "the number of sectors is not a number" },
  { "--type flat --damage descriptor-text", EINVAL, true,
    "line 2 of the VMDK descriptor is neither" },
  { "--type two-gb-flat --extent-size 1048576 --damage extent-missing",
    ENOENT, true, "bad-f003.vmdk" },
  { "--type two-gb-sparse --extent-size 1048576 --damage extent-missing",
    ENOENT, true, "bad-s003.vmdk" },
  { "--type two-gb-flat --extent-size 1048576 --damage extent-short",
    EINVAL, true, "1048576 bytes, but there are only 1048064" },
  { "--type flat --extent-size 1048576 --damage extent-short",
    EINVAL, true, "1048576 bytes, but there are only 1048064" },
  { "--type two-gb-sparse --extent-size 1048576 --damage extent-short",
    EINVAL, true, "the file has only 0 bytes" },
};

/* Fails with the error of C, and only that one. */
static void
assert_bad (const struct bad_case *c, int r)
{
  const int err = errno;

  assert_int_equal (r, -1);
  assert_error (c->text);
  /* Every report names the file. */
  assert_non_null (strstr (captured, "/bad"));
  assert_int_equal (err, c->err);
}

static void
check_bad (const struct bad_case *c)
{
  CLEANUP_FREE unsigned char *buf = malloc (3 * MIB);
  struct vmdk *vmdk;
  uint64_t bytes;

  assert_int_equal (run ("rm -f bad*; " MAKE_VMDK "%s small bad.vmdk",
                         c->args), 0);
  capture_start ();
  errno = 0;
  vmdk = open_vmdk ("bad.vmdk");
  if (c->err != 0 && c->at_open) {
    assert_bad (c, vmdk ? 0 : -1);
    return;
  }
  assert_non_null (vmdk);
  if (c->err == 0) {
    assert_int_equal (captured_errors, 0);
    if (c->text)
      assert_non_null (strstr (captured, c->text));
    capture_start ();
    compare_by_extents (vmdk, "small", 3 * MIB);
    assert_no_error ();
  }
  else {
    /* Whole grains and parts take different ways. */
    assert_no_error ();
    assert_bad (c, vmdk_pread (vmdk, buf, 3 * MIB, 0));
    capture_start ();
    if (strstr (c->args, " grain-"))
      assert_bad (c, vmdk_pread (vmdk, buf, 100, GRAIN + 1));
    else {
      assert_bad (c, vmdk_pread (vmdk, buf, 100, 1));
      capture_start ();
      assert_bad (c, vmdk_allocated (vmdk, &bytes));
    }
  }
  vmdk_close (vmdk);
}

static void
test_bad (void **state)
{
  size_t i;

  for (i = 0; i < ARRAY_SIZE (bad_cases); ++i) {
    print_message ("%s\n", bad_cases[i].args);
    check_bad (&bad_cases[i]);
  }
}

/* The undamaged neighbours of a broken grain can be read. */
static void
test_neighbours (void **state)
{
  CLEANUP_FREE char *path = NULL;
  CLEANUP_CLOSE int fd = -1;
  struct vmdk *vmdk;

  assert_int_equal (run (MAKE_VMDK "--type stream --damage grain-adler "
                         "raw bad.vmdk"), 0);
  assert_true (asprintf (&path, "%s/raw", dir) >= 0);
  fd = open (path, O_RDONLY | O_CLOEXEC);
  capture_start ();
  vmdk = open_vmdk ("bad.vmdk");
  assert_non_null (vmdk);
  compare_range (vmdk, fd, GRAIN, 0);
  compare_range (vmdk, fd, RAW_SIZE - 2 * GRAIN, 2 * GRAIN);
  compare_range (vmdk, fd, 1, 2 * GRAIN);
  assert_no_error ();
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

static void
test_no_callback (void **state)
{
  assert_int_equal (run (MAKE_VMDK "--type flat small disk.vmdk"), 0);
  capture_start ();
  assert_null (vmdk_open (open_in_dir (NULL, "disk.vmdk"), NULL, NULL));
  assert_int_equal (errno, ENOTSUP);
  assert_error ("only the descriptor");
}

static void
test_descriptor_forms (void **state)
{
  /* Line ends of Windows, blanks, quotes, keys in another case, and what
   * follows a NUL does not count.
   */
  static const char good[] =
    "# Disk DescriptorFile\r\nVersion=1\r\n\r\n  ParentCID = FFFFFFFF \r\n"
    "CREATETYPE = \"twoGbMaxExtentFlat\"\r\n"
    "\trw\t2  flat \"a = b.vmdk\"\t1 \r\n"
    "RDONLY 1 ZERO\r\nddb.adapterType = \"ide\"\r\n\0rubbish\n";
  static const struct {
    const char *text, *error;
  } bad[] = {
    { "RW 2 FLAT x.vmdk 0", "the file name in quotes is missing" },
    { "RW 2 FLAT \"x.vmdk 0", "the file name in quotes is missing" },
    { "RW 2 FLAT \"x.vmdk\" -1", "the offset is not a number" },
    { "RW 0 FLAT \"x.vmdk\" 0", "the number of sectors" },
    { "RW -1 FLAT \"x.vmdk\" 0", "the number of sectors" },
    { "RW 99999999999999999999 FLAT \"x\" 0", "the number of sectors" },
    { "RW", "the number of sectors" },
    { "RW 1", "extents of type \"\" are not supported" },
    { "RW 1 FLAT \"\" 0", "not a plain file name" },
    { "RW 1 FLAT \"raw\" 18446744073709551615", "there are only 0" },
    { "RW 1 FLAT \"raw\" 36028797018963968", "there are only 0" },
    { "RW 36028797018963968 ZERO", "impossibly large" },
    { "RW 18014398509481983 ZERO\nRW 1 ZERO", "impossibly large" },
    { "CID=1", "names no extents" },
  };
  CLEANUP_FREE char *text = NULL;
  unsigned char buf[1536];
  struct vmdk *vmdk;
  size_t i;

  assert_int_equal (run ("tr '\\0' x < /dev/zero | head -c 1536 > "
                         "'a = b.vmdk'"), 0);
  capture_start ();
  vmdk = vmdk_open (blob_open_memory (good, sizeof good, "good"),
                    open_in_dir, NULL);
  assert_no_error ();
  assert_non_null (vmdk);
  assert_string_equal (vmdk_create_type (vmdk), "twoGbMaxExtentFlat");
  assert_true (vmdk_size (vmdk) == 1536);
  assert_int_equal (vmdk_pread (vmdk, buf, 1536, 0), 0);
  assert_true (buf[1023] == 'x' && buf[1024] == 0);
  vmdk_close (vmdk);

  for (i = 0; i < ARRAY_SIZE (bad); ++i) {
    free (text);
    assert_true (asprintf (&text, "# Disk DescriptorFile\n%s\n",
                           bad[i].text) >= 0);
    capture_start ();
    vmdk = vmdk_open (blob_open_memory (text, strlen (text), "bad"),
                      open_in_dir, NULL);
    assert_null (vmdk);
    assert_error (bad[i].error);
  }
}

static void
test_probe (void **state)
{
  static const struct {
    const char *data;
    size_t len;
    enum disk_format format;
    const char *name;
  } cases[] = {
    { "", 0, DISK_FORMAT_RAW, "raw" },
    { "K", 1, DISK_FORMAT_RAW, "raw" },
    { "KDMV", 4, DISK_FORMAT_VMDK_SPARSE, "vmdk" },
    { "# Disk DescriptorFile\n", 22, DISK_FORMAT_VMDK_DESCRIPTOR, "vmdk" },
    { "# Disk Descriptor", 17, DISK_FORMAT_RAW, "raw" },
    { "COWD", 4, DISK_FORMAT_VMDK_COWD, "vmdk" },
    { "\xbe\xba\xfe\xca\0\0\0\0", 8, DISK_FORMAT_VMDK_SESPARSE, "vmdk" },
    { "\xbe\xba\xfe\xca", 4, DISK_FORMAT_RAW, "raw" },
    { "QFI\xfb", 4, DISK_FORMAT_QCOW2, "qcow2" },
    { "vhdxfile", 8, DISK_FORMAT_VHDX, "vhdx" },
    { "conectix", 8, DISK_FORMAT_VHD, "vpc" },
    { "\x1f\x8b", 2, DISK_FORMAT_GZIP, "gzip" },
  };
  unsigned char big[2048] = { 0 };
  enum disk_format format;
  struct blob *blob;
  size_t i;

  capture_start ();
  for (i = 0; i < ARRAY_SIZE (cases); ++i) {
    blob = blob_open_memory (cases[i].data, cases[i].len, "x");
    assert_int_equal (disk_format_probe (blob, &format), 0);
    assert_int_equal (format, cases[i].format);
    assert_string_equal (disk_format_name (format), cases[i].name);
    blob_close (blob);
  }

  memcpy (big + 64, "\x7f\x10\xda\xbe", sizeof "\x7f\x10\xda\xbe");
  blob = blob_open_memory (big, sizeof big, "x");
  assert_int_equal (disk_format_probe (blob, &format), 0);
  assert_string_equal (disk_format_name (format), "vdi");
  blob_close (blob);
  memset (big, 0, sizeof big);
  memcpy (big + 1536, "conectix", sizeof "conectix");
  blob = blob_open_memory (big, sizeof big, "x");
  assert_int_equal (disk_format_probe (blob, &format), 0);
  assert_string_equal (disk_format_name (format), "vpc");
  blob_close (blob);
  assert_no_error ();

  assert_null (vmdk_open (blob_open_memory ("QFI\xfb", 4, "x.vmdk"), NULL,
                          NULL));
  assert_int_equal (errno, EINVAL);
  assert_error ("x.vmdk: this is not a VMDK (it looks like qcow2)");
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
    cmocka_unit_test (test_bad),
    cmocka_unit_test (test_neighbours),
    cmocka_unit_test (test_nominal_size),
    cmocka_unit_test (test_no_callback),
    cmocka_unit_test (test_descriptor_forms),
    cmocka_unit_test (test_probe),
    cmocka_unit_test (test_large),
    cmocka_unit_test (test_reads),
    cmocka_unit_test (test_failing_reads),
  };

  return cmocka_run_group_tests_name ("vmdk", tests, setup, remove_dir);
}
