/* SPDX-License-Identifier: BSD-3-Clause
 *
 * common/vmdk against qemu-img: what it writes, we read; and what our
 * generator writes, both read alike.  Bytes and holes.
 */
#include "tests/unit/vmdk_files.h"

#include <jansson.h>

#define RAW_SIZE (70 * MIB + 5 * SECTOR_SIZE)
#define LARGE_SIZE (UINT64_C (4500) * MIB)      /* three extents */

static int
setup (void **state)
{
  if (make_dir () == -1)
    return -1;
  make_raw ("raw", RAW_SIZE);
  make_raw ("large", LARGE_SIZE);
  return 0;
}

/* Bytes that "qemu-img map" calls data. */
static uint64_t
qemu_data_bytes (const char *name)
{
  CLEANUP_FREE char *path = NULL;
  json_t *map, *piece;
  uint64_t sum = 0;
  size_t i;

  assert_int_equal (run ("qemu-img map --output=json %s > map", name), 0);
  assert_true (asprintf (&path, "%s/map", dir) >= 0);
  map = json_load_file (path, 0, NULL);
  assert_non_null (map);
  json_array_foreach (map, i, piece) {
    if (json_is_true (json_object_get (piece, "data")))
      sum += json_integer_value (json_object_get (piece, "length"));
  }
  json_decref (map);
  return sum;
}

static void
compare_with_qemu (const char *raw, uint64_t size, bool holes)
{
  struct vmdk *vmdk;
  uint64_t data;

  /* Our test image is what qemu-img reads from the file. */
  assert_int_equal (run ("qemu-img convert -f vmdk -O raw disk.vmdk again"
                         " && qemu-img compare -q -f raw -F raw %s again",
                         raw), 0);
  capture_start ();
  vmdk = open_vmdk ("disk.vmdk");
  assert_no_error ();
  assert_non_null (vmdk);
  data = compare_by_extents (vmdk, "again", size);
  assert_no_error ();
  assert_true (data == (holes ? qemu_data_bytes ("disk.vmdk") : size));
  vmdk_close (vmdk);
  assert_int_equal (run ("rm -f disk*.vmdk again"), 0);
}

struct qemu_case {
  const char *subformat, *raw;
  uint64_t size;
  bool holes;
};

static const struct qemu_case qemu_cases[] = {
  { "streamOptimized", "raw", RAW_SIZE, true },
  { "streamOptimized", "large", LARGE_SIZE, true },
  { "monolithicSparse", "raw", RAW_SIZE, true },
  { "monolithicSparse,zeroed_grain=on", "raw", RAW_SIZE, true },
  { "monolithicSparse", "large", LARGE_SIZE, true },
  { "monolithicFlat", "raw", RAW_SIZE, false },
  { "twoGbMaxExtentSparse", "raw", RAW_SIZE, true },
  { "twoGbMaxExtentSparse", "large", LARGE_SIZE, true },
  { "twoGbMaxExtentFlat", "raw", RAW_SIZE, false },
};

static void
test_qemu_writes (void **state)
{
  const struct qemu_case *c;
  size_t i;

  for (i = 0; i < ARRAY_SIZE (qemu_cases); ++i) {
    c = &qemu_cases[i];
    print_message ("%s %s\n", c->subformat, c->raw);
    assert_int_equal (run ("qemu-img convert -f raw -O vmdk -o subformat=%s "
                           "%s disk.vmdk", c->subformat, c->raw), 0);
    compare_with_qemu (c->raw, c->size, c->holes);
  }
}

static void
test_both_read (void **state)
{
  static const struct {
    const char *args;
    bool holes;
  } cases[] = {
    { "stream", true },
    { "stream --zeroed", true },
    { "stream-front", true },
    { "sparse", true },
    { "sparse --zeroed --grain-size 8192", true },
    { "flat --extent-size 19998720", false },
    { "two-gb-sparse --extent-size 19988480", true },
    { "two-gb-flat --extent-size 19998720", false },
    { "vmfs", false },
  };
  size_t i;

  for (i = 0; i < ARRAY_SIZE (cases); ++i) {
    print_message ("%s\n", cases[i].args);
    assert_int_equal (run (MAKE_VMDK "--type %s raw disk.vmdk",
                           cases[i].args), 0);
    compare_with_qemu ("raw", RAW_SIZE, cases[i].holes);
  }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_qemu_writes),
    cmocka_unit_test (test_both_read),
  };

  if (system ("qemu-img --version >/dev/null 2>&1") != 0) {
    puts ("SKIP: qemu-img is not installed");
    return 77;
  }
  return cmocka_run_group_tests_name ("vmdk-qemu", tests, setup, remove_dir);
}
