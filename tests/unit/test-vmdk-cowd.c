/* SPDX-License-Identifier: BSD-3-Clause
 *
 * common/vmdk: chains, and COWD snapshots.  Bytes and holes are compared
 * with qemu, which reads them too.
 */
#include "tests/unit/chain_files.h"

static int
setup (void **state)
{
  if (make_states (state) == -1)
    return -1;
  make_base ();
  return 0;
}

static void
test_base (void **state)
{
  struct vmdk_chain *chain;

  compare_chain_with_qemu ("x.vmdk", "base", 1);
  capture_start ();
  chain = open_chain ("x.vmdk");
  assert_non_null (chain);
  assert_string_equal (vmdk_chain_kind (chain), "VMFS");
  vmdk_chain_close (chain);
}

static void
test_cowd (void **state)
{
  make_snapshot (1, "--type cowd");
  compare_chain_with_qemu ("x-1.vmdk", "mid", 2);
  make_snapshot (2, "--type cowd");
  compare_chain_with_qemu ("x-2.vmdk", "top", 3);
  make_snapshot (1, "--type cowd --cowd-grain 8");
  make_snapshot (2, "--type cowd --cowd-grain 128");
  compare_chain_with_qemu ("x-2.vmdk", "top", 3);
}

static void
test_several_extents (void **state)
{
  assert_int_equal (run ("rm x*.vmdk && " MAKE_VMDK "--type two-gb-flat "
                         "--extent-size 10485760 base x.vmdk && "
                         "for f in x-f*; do cp --sparse=never $f flat; "
                         "mv flat $f; done"), 0);
  compare_chain_with_qemu ("x.vmdk", "base", 1);
  make_snapshot (1, "--type cowd");
  compare_chain_with_qemu ("x-1.vmdk", "mid", 2);
  make_base ();
}

/* What the platform says of the base holds where no snapshot is above. */
static void
test_allocated (void **state)
{
  struct vmdk_chain *chain;
  struct extents *map;
  uint64_t data;

  make_snapshot (1, "--type cowd");
  capture_start ();
  chain = open_chain ("x-1.vmdk");
  assert_non_null (chain);
  map = extents_new (DISK_SIZE, EXTENT_DATA);
  /* There is nothing in the base from 7 to 31 MiB. */
  assert_int_equal (extents_set (map, 8 * MIB + 777, 20 * MIB, 3), 0);
  assert_int_equal (vmdk_chain_load (chain, map), 0);
  data = compare_chain (chain, "mid");
  assert_true (data < DISK_SIZE - 19 * MIB);
  assert_true (data > DISK_SIZE - 20 * MIB);
  extents_free (map);

  /* It can be read again, and a map that does not fit is refused. */
  assert_int_equal (vmdk_chain_load (chain, NULL), 0);
  assert_true (compare_chain (chain, "mid") == DISK_SIZE);
  assert_no_error ();
  map = extents_new (DISK_SIZE - 1, EXTENT_DATA);
  assert_int_equal (vmdk_chain_load (chain, map), -1);
  assert_int_equal (errno, EINVAL);
  assert_error ("for a disk of");
  extents_free (map);
  vmdk_chain_close (chain);
}

static int
count_piece (void *opaque, uint64_t offset, uint64_t length, uint32_t type)
{
  *(uint64_t *) opaque += length;
  return 0;
}

static void
test_ranges (void **state)
{
  struct vmdk_chain *chain;
  unsigned char c;
  uint64_t n = 0;

  capture_start ();
  chain = open_chain ("x.vmdk");
  assert_int_equal (vmdk_chain_load (chain, NULL), 0);
  assert_int_equal (vmdk_chain_extents (chain, 1000, DISK_SIZE - 1000, true,
                                        count_piece, &n), 0);
  assert_true (n == 1000);
  assert_no_error ();
  assert_int_equal (vmdk_chain_pread (chain, &c, 1, DISK_SIZE), -1);
  assert_error ("outside of the disk");
  assert_int_equal (vmdk_chain_extents (chain, 2, DISK_SIZE - 1, true,
                                        count_piece, &n), -1);
  vmdk_chain_close (chain);
}

static const struct chain_damage damages[] = {
  { "--type cowd --damage cowd-magic", EINVAL, true, "the magic number" },
  { "--type cowd --damage cowd-version", ENOTSUP, true, "COWD version 2" },
  { "--type cowd --damage cowd-capacity", EINVAL, true,
    "the capacity in sectors is 0" },
  { "--type cowd --damage cowd-grain", EINVAL, true,
    "the grain size in sectors is 3" },
  { "--type cowd --damage cowd-gd-header", EINVAL, true,
    "the sector of the grain directory is 3" },
  { "--type cowd --damage cowd-gd-past-end", EINVAL, true,
    "grain directory that does not fit" },
  { "--type cowd --damage cowd-gd-few", EINVAL, true,
    "too few for the capacity" },
  { "--type cowd --damage cowd-gt-past-end", EINVAL, true,
    "grain table 0 of this COWD snapshot is said to be at offset" },
  { "--type cowd --damage cowd-gte-past-end", EIO, false,
    "does not lead to data inside of the file" },
  { "--type cowd --damage cowd-gte-header", EIO, false,
    "the table entry 0x1 of grain 0 " },
  { "--type cowd --damage cowd-cut", EINVAL, true, "past the end" },

  { "--type cowd --damage chain-cid", EINVAL, true,
    "the content ID (CID) of this disk was 87654321" },
  { "--type cowd --damage chain-no-parent-cid", EINVAL, true,
    "but not its content ID" },
  { "--type cowd --damage chain-size", EINVAL, true,
    "the snapshot above it 41940480" },
  { "--type cowd --damage descriptor-mismatch", EINVAL, true,
    "there are only" },
  { "--type cowd --damage chain-vsan", ENOTSUP, true,
    "on vsan there is no file" },
  { "--type cowd --damage chain-rdm-physical", ENOTSUP, true,
    "raw device mapping in physical mode" },
  { "--type cowd --damage chain-sparse", ENOTSUP, true, "(SPARSE)" },
  { "--type cowd --damage chain-path", EINVAL, true,
    "is not a plain file name" },
  { "--type cowd --damage descriptor-encrypted", ENOTSUP, true,
    "encrypted" },
  { "--type cowd --damage descriptor-noaccess", ENOTSUP, true, "NOACCESS" },
  { "--type cowd --damage descriptor-text", EINVAL, true,
    "neither a setting nor an extent" },
};

static void
test_damages (void **state)
{
  size_t i;

  for (i = 0; i < ARRAY_SIZE (damages); ++i)
    check_damage (&damages[i]);
}

/* So many tables that several threads read them. */
static void
test_many_tables (void **state)
{
  struct vmdk_chain *chain;
  uint64_t o;

  assert_int_equal (run ("truncate -s 400M old new"), 0);
  for (o = 0; o < 399 * MIB; o += 7 * MIB + 5 * SECTOR_SIZE)
    overwrite ("new", o, 70000, false);
  overwrite ("new", 400 * MIB - 1, 1, false);
  assert_int_equal (run (MAKE_VMDK "--type vmfs old w.vmdk && "
                         MAKE_VMDK "--type cowd --parent w.vmdk "
                         "--parent-raw old new w-1.vmdk && "
                         "qemu-img convert -f vmdk -O raw w-1.vmdk again && "
                         "cmp again new && rm again"), 0);
  capture_start ();
  chain = open_chain ("w-1.vmdk");
  assert_non_null (chain);
  assert_int_equal (vmdk_chain_load (chain, NULL), 0);
  assert_true (compare_chain (chain, "new") == 400 * MIB);
  assert_no_error ();
  vmdk_chain_close (chain);

  assert_int_equal (run (MAKE_VMDK "--type cowd --parent w.vmdk "
                         "--parent-raw old --damage cowd-gte-past-end new "
                         "w-1.vmdk"), 0);
  capture_start ();
  chain = open_chain ("w-1.vmdk");
  assert_non_null (chain);
  assert_int_equal (vmdk_chain_load (chain, NULL), -1);
  assert_int_equal (errno, EIO);
  assert_error ("does not lead to data");
  vmdk_chain_close (chain);
  assert_int_equal (run ("rm old new w*"), 0);
}

/* Tables that many entries of the directory share: in a file so small that
 * they could not be there one by one.
 */
static void
test_shared_tables (void **state)
{
  struct vmdk_chain *chain;

  assert_int_equal (run ("head -c 1000 base >small && " MAKE_VMDK
                         "--type cowd --damage cowd-gt-many --capacity "
                         "8589934592 small y.vmdk"), 0);
  capture_start ();
  chain = open_chain ("y.vmdk");
  assert_null (chain);
  assert_int_equal (errno, EINVAL);
  assert_error ("more than the file can hold");
}

static void
test_cuts (void **state)
{
  static const uint64_t sizes[] = { 0, 1, 31, 32, 2047, 2048, 2100, 5000,
                                    20000, 900000 };

  check_cuts ("--type cowd", "x-1-delta.vmdk", sizes, ARRAY_SIZE (sizes));
}

/* A chain that comes back to itself. */
static struct blob *
open_itself (void *opaque, size_t link)
{
  return open_in_dir (NULL, "x-1.vmdk");
}

static int
find_itself (void *opaque, size_t link, const char *hint)
{
  return 0;
}

static void
test_circle (void **state)
{
  const struct vmdk_chain_files files = {
    .open_descriptor = open_itself, .open_extent = open_chain_extent,
    .find_parent = find_itself,
  };

  make_snapshot (1, "--type cowd");
  assert_int_equal (run ("sed -i 's/^CID=.*/CID=12345678/; "
                         "s/^parentCID=.*/parentCID=12345678/' x-1.vmdk"),
                    0);
  capture_start ();
  assert_null (vmdk_chain_open (&files));
  assert_int_equal (errno, ENOTSUP);
  assert_error ("more than 256 links");
}

/* The base is not a descriptor. */
static void
test_not_a_descriptor (void **state)
{
  make_snapshot (1, "--type cowd");
  assert_int_equal (run ("cp x.vmdk keep && cp x-1-delta.vmdk x.vmdk"), 0);
  capture_start ();
  assert_null (open_chain ("x-1.vmdk"));
  assert_int_equal (errno, EINVAL);
  assert_error ("not a VMDK descriptor");
  assert_int_equal (run ("mv keep x.vmdk && sed 's/^CID=.*//' x.vmdk >y && "
                         "cp x.vmdk keep && cp y x.vmdk"), 0);
  capture_start ();
  assert_null (open_chain ("x-1.vmdk"));
  assert_error ("but it is not given");
  assert_int_equal (run ("mv keep x.vmdk"), 0);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_base),
    cmocka_unit_test (test_cowd),
    cmocka_unit_test (test_several_extents),
    cmocka_unit_test (test_allocated),
    cmocka_unit_test (test_ranges),
    cmocka_unit_test (test_damages),
    cmocka_unit_test (test_cuts),
    cmocka_unit_test (test_circle),
    cmocka_unit_test (test_not_a_descriptor),
    cmocka_unit_test (test_shared_tables),
    cmocka_unit_test (test_many_tables),
  };

  return cmocka_run_group_tests_name ("vmdk-cowd", tests, setup, remove_dir);
}
