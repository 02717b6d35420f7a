/* SPDX-License-Identifier: BSD-3-Clause
 *
 * common/vmdk: seSparse snapshots, alone and mixed with COWD, compared
 * with qemu.
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
test_sesparse (void **state)
{
  struct vmdk_chain *chain;

  make_snapshot (1, "--type sesparse");
  compare_chain_with_qemu ("x-1.vmdk", "mid", 2);
  make_snapshot (2, "--type sesparse");
  compare_chain_with_qemu ("x-2.vmdk", "top", 3);
  make_snapshot (1, "--type sesparse --unmapped --tight");
  make_snapshot (2, "--type sesparse --unmapped");
  compare_chain_with_qemu ("x-2.vmdk", "top", 3);
  chain = open_chain ("x-2.vmdk");
  assert_string_equal (vmdk_chain_kind (chain),
                       "VMFS, 2 snapshots (seSparse)");
  vmdk_chain_close (chain);
}

static void
test_mixed (void **state)
{
  make_snapshot (1, "--type sesparse");
  make_snapshot (2, "--type cowd");
  compare_chain_with_qemu ("x-2.vmdk", "top", 3);
  make_snapshot (1, "--type cowd");
  make_snapshot (2, "--type sesparse");
  compare_chain_with_qemu ("x-2.vmdk", "top", 3);
}

static const struct chain_damage damages[] = {
  { "--type sesparse --damage se-magic", EINVAL, true, "the magic number" },
  { "--type sesparse --damage se-version", ENOTSUP, true,
    "the version is 0x300000001" },
  { "--type sesparse --damage se-grain", ENOTSUP, true, "the grain size" },
  { "--type sesparse --damage se-table", ENOTSUP, true,
    "the size of a table is 0x80" },
  { "--type sesparse --damage se-flags", ENOTSUP, true, "a field of flags" },
  { "--type sesparse --damage se-capacity", EINVAL, true,
    "the capacity in sectors is 0" },
  { "--type sesparse --damage se-grains", EINVAL, true,
    "the sector of the grains" },
  { "--type sesparse --damage se-volatile", EINVAL, true,
    "the magic number of the volatile header" },
  { "--type sesparse --damage se-volatile-past-end", EINVAL, true,
    "the sector of the volatile header" },
  { "--type sesparse --damage se-journal", ENOTSUP, true,
    "was not closed properly" },
  { "--type sesparse --damage se-gd-past-end", EINVAL, true,
    "grain directory that does not fit" },
  { "--type sesparse --damage se-gd-small --capacity 34359738368", EINVAL,
    true, "too small for the capacity" },
  { "--type sesparse --damage se-gde-kind", EINVAL, true,
    "entry 0 of the grain directory of this seSparse snapshot is "
    "0x2000000000000000" },
  { "--type sesparse --damage se-gt-past-end", EINVAL, true,
    "grain table 0 of this seSparse snapshot is said to be at offset" },
  { "--type sesparse --damage se-gt-many --capacity 34359738368", EINVAL,
    true, "more than the file can hold" },
  { "--type sesparse --damage se-tables", EINVAL, true,
    "the sector of the grain tables" },
  { "--type sesparse --damage se-gte-kind", EIO, false,
    "the table entry 0x4000000000000000" },
  { "--type sesparse --damage se-gte-low", EIO, false,
    "the table entry 0x5 of grain" },
  { "--type sesparse --damage se-gte-past-end", EIO, false,
    "does not lead to data inside of the file" },
  { "--type sesparse --damage se-gte-overflow", EIO, false,
    "the table entry 0x3fffffffffffffff" },
  { "--type sesparse --damage se-cut", EIO, false,
    "does not lead to data inside of the file" },
  { "--type sesparse --damage chain-cid", EINVAL, true,
    "the content ID (CID) of this disk was 87654321" },
};

static void
test_damages (void **state)
{
  size_t i;

  for (i = 0; i < ARRAY_SIZE (damages); ++i)
    check_damage (&damages[i]);
}

static void
test_cuts (void **state)
{
  static const uint64_t sizes[] = { 0, 1, 511, 512, 1023, 1024, 1536, 2000,
                                    10000, 900000 };

  check_cuts ("--type sesparse --tight", "x-1-sesparse.vmdk", sizes,
              ARRAY_SIZE (sizes));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_sesparse),
    cmocka_unit_test (test_mixed),
    cmocka_unit_test (test_damages),
    cmocka_unit_test (test_cuts),
  };

  return cmocka_run_group_tests_name ("vmdk-sesparse", tests, setup,
                                      remove_dir);
}
