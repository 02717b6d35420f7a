/* SPDX-License-Identifier: BSD-3-Clause
 *
 * common/vmdk on damaged and strange files: what is refused, when, with
 * which errno and words; what is read all the same; and the probe.
 */
#include "tests/unit/vmdk_files.h"

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

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_bad),
    cmocka_unit_test (test_neighbours),
    cmocka_unit_test (test_no_callback),
    cmocka_unit_test (test_descriptor_forms),
    cmocka_unit_test (test_probe),
  };

  return cmocka_run_group_tests_name ("vmdk-bad", tests, setup, remove_dir);
}
