/* SPDX-License-Identifier: BSD-3-Clause
 *
 * common/vmdk/vmdk_import.c: a stream in pieces of any size is the disk;
 * one that lies is refused.
 */
#include "tests/unit/capture.h"

#include <errno.h>

#include <libdeflate.h>

#include "common/include/minmax.h"
#include "common/vmdk/vmdk_import.h"

#define SECTOR SECTOR_SIZE
#define GRAIN (64 * KIB)
#define GRAINS 20
/* The last grain is not whole. */
#define CAPACITY (GRAINS * GRAIN - 8 * SECTOR)

enum { EOS, GT, GD, FOOTER };

static uint8_t stream[4 << 20];
static size_t stream_len;
static uint8_t disk[GRAINS * GRAIN], got[GRAINS * GRAIN];
static unsigned given;

static void
le (uint8_t *p, uint64_t v, unsigned bytes)
{
  unsigned i;

  for (i = 0; i < bytes; i++)
    p[i] = v >> 8 * i;
}

static void
add_header (void)
{
  uint8_t *p = stream;

  memset (stream, 0, sizeof stream);
  le (p, 0x564d444b, 4);
  le (p + 4, 3, 4);
  le (p + 8, 0x30001, 4);
  le (p + 12, CAPACITY / SECTOR, 8);
  le (p + 20, GRAIN / SECTOR, 8);
  le (p + 28, 1, 8);            /* descriptor */
  le (p + 36, 20, 8);
  le (p + 44, 512, 4);
  le (p + 56, UINT64_MAX, 8);
  le (p + 64, 128, 8);          /* overhead */
  memcpy (p + 73, "\n \r\n", 4);
  le (p + 77, 1, 2);
  stream_len = 128 * SECTOR;
}

static void
add_grain (unsigned grain)
{
  struct libdeflate_compressor *c = libdeflate_alloc_compressor (1);
  uint8_t *p = stream + stream_len;
  size_t n;

  n = libdeflate_zlib_compress (c, disk + grain * GRAIN, GRAIN, p + 12,
                                2 * GRAIN);
  libdeflate_free_compressor (c);
  le (p, grain * (GRAIN / SECTOR), 8);
  le (p + 8, n, 4);
  stream_len += (12 + n + SECTOR - 1) / SECTOR * SECTOR;
}

static void
add_marker (unsigned type, unsigned sectors)
{
  uint8_t *p = stream + stream_len;

  le (p, sectors, 8);
  le (p + 12, type, 4);
  stream_len += (1 + sectors) * SECTOR;
}

static void
add_tail (void)
{
  add_marker (GT, 4);
  add_marker (GD, 1);
  add_marker (FOOTER, 1);
  add_marker (EOS, 0);
}

static int
data (void *opaque, uint64_t offset, const void *buf, size_t count)
{
  given++;
  assert_true (offset + count <= CAPACITY);
  memcpy (got + offset, buf, count);
  return 0;
}

/* Feed the stream in pieces of STEP.  0, or -1 with errno. */
static int
import (size_t step)
{
  struct vmdk_import *m = vmdk_import_new ("x.vmdk", CAPACITY, data, NULL);
  size_t at, n;
  int r = 0, err;

  assert_non_null (m);
  memset (got, 0, sizeof got);
  given = 0;
  for (at = 0; at < stream_len && r == 0; at += n) {
    n = step < stream_len - at ? step : stream_len - at;
    r = vmdk_import_feed (m, stream + at, n);
  }
  if (r == 0)
    r = vmdk_import_end (m);
  err = errno;
  vmdk_import_free (m);
  errno = err;
  return r;
}

static int
setup (void **state)
{
  size_t i;

  srandom (1);
  for (i = 0; i < sizeof disk; i++)
    disk[i] = i < CAPACITY && i / GRAIN % 3 != 1 ? random () : 0;
  capture_start ();
  return 0;
}

static void
test_pieces (void **state)
{
  static const size_t steps[] = { 1, 7, 511, 512, 4096, 1 << 20, 4 << 20 };
  size_t i;
  unsigned g;

  add_header ();
  for (g = 0; g < GRAINS; g++)
    if (g % 3 != 1)
      add_grain (g);
  add_tail ();
  for (i = 0; i < sizeof steps / sizeof steps[0]; i++) {
    assert_int_equal (import (steps[i]), 0);
    assert_memory_equal (got, disk, CAPACITY);
  }
  assert_no_error ();
}

static void
test_any_order (void **state)
{
  unsigned g;

  add_header ();
  for (g = GRAINS; g-- > 0;)
    add_grain (g);
  add_tail ();
  assert_int_equal (import (1000), 0);
  assert_memory_equal (got, disk, CAPACITY);
}

static void
test_empty (void **state)
{
  add_header ();
  add_tail ();
  assert_int_equal (import (100), 0);
  assert_int_equal (given, 0);
}

static void
expect_bad (int err, const char *text)
{
  capture_start ();
  assert_int_equal (import (1000), -1);
  assert_int_equal (errno, err);
  assert_error (text);
}

/* Wherever the stream is cut, that is noticed. */
static void
test_cut (void **state)
{
  size_t whole, at;

  add_header ();
  add_grain (0);
  add_grain (2);
  add_tail ();
  whole = stream_len;
  for (at = 0; at < whole; at += 509) {
    stream_len = at;
    expect_bad (EINVAL, "ends before its end marker");
  }
}

static void
test_lies (void **state)
{
  add_header ();
  add_grain (3);
  add_grain (3);
  add_tail ();
  expect_bad (EINVAL, "comes a second time");

  add_header ();
  add_grain (3);
  le (stream + 128 * SECTOR, GRAINS * (GRAIN / SECTOR), 8);
  expect_bad (EINVAL, "none of this disk");
  le (stream + 128 * SECTOR, 3, 8);
  expect_bad (EINVAL, "none of this disk");
  le (stream + 128 * SECTOR, UINT64_MAX, 8);
  expect_bad (EINVAL, "none of this disk");

  add_header ();
  add_grain (3);
  stream[128 * SECTOR + 5000] ^= 1;
  expect_bad (EINVAL, "cannot be inflated");

  add_header ();
  add_grain (3);
  le (stream + 128 * SECTOR + 8, UINT32_MAX, 4);
  expect_bad (EINVAL, "too many");

  add_header ();
  add_marker (9, 0);
  expect_bad (EINVAL, "unknown marker 9");

  add_header ();
  add_marker (EOS, 0);
  expect_bad (EINVAL, "without a directory");

  add_header ();
  add_marker (GT, 0);
  le (stream + 128 * SECTOR, UINT64_MAX, 8);
  expect_bad (EINVAL, "announces");

  add_header ();
  add_tail ();
  stream_len += SECTOR;
  expect_bad (EINVAL, "after the end marker");
}

static void
test_other_kinds (void **state)
{
  add_header ();
  add_tail ();
  le (stream + 12, CAPACITY / SECTOR + 128, 8);
  expect_bad (EINVAL, "the source that it has");

  add_header ();
  le (stream + 8, 1, 4);        /* no markers, not compressed */
  le (stream + 77, 0, 2);
  le (stream + 56, 21, 8);
  expect_bad (ENOTSUP, "not streamOptimized");

  memset (stream, 'x', SECTOR);
  stream_len = 4096;
  capture_start ();
  assert_int_equal (import (1000), -1);
  assert_int_equal (captured_errors, 1);
}

#define TEST(f) cmocka_unit_test_setup (f, setup)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    TEST (test_pieces),
    TEST (test_any_order),
    TEST (test_empty),
    TEST (test_cut),
    TEST (test_lies),
    TEST (test_other_kinds),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
