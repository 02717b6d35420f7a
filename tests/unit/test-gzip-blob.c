/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Random access into gzip streams, compared with what was compressed.
 */
#include "tests/unit/capture.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>

#include <zlib.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/blob.h"
#include "plugins/ova/gzip_blob.h"

/* The same numbers on every run. */
static uint64_t
next_random (uint64_t *state)
{
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

/* Text that compresses to about a third, with long empty parts. */
static void
fill (uint8_t *data, size_t n)
{
  uint64_t state = 88172645463325252;
  size_t i;

  for (i = 0; i < n; ++i)
    data[i] = i / (3 * MIB) % 3 == 2 ? 0 : "etaoin shrdlu\n"
      [next_random (&state) % 14];
}

/* Compress DATA as one gzip member, at the end of OUT. */
static void
compress_to (uint8_t *out, size_t *len, size_t cap, const uint8_t *data,
             size_t n)
{
  z_stream z = { 0 };

  assert_int_equal (deflateInit2 (&z, 1, Z_DEFLATED, 15 + 16, 8,
                                  Z_DEFAULT_STRATEGY), Z_OK);
  z.next_in = (uint8_t *) data;
  z.avail_in = n;
  z.next_out = out + *len;
  z.avail_out = cap - *len;
  assert_int_equal (deflate (&z, Z_FINISH), Z_STREAM_END);
  *len = cap - z.avail_out;
  deflateEnd (&z);
}

#define SIZE (40 * MIB + 12345)
static uint8_t *plain, *packed;
static size_t packed_len;
static const size_t packed_cap = 48 * MIB;

/* PLAIN as three members, the second one empty. */
static int
setup (void **state)
{
  plain = malloc (SIZE);
  packed = malloc (packed_cap);
  if (plain == NULL || packed == NULL)
    return -1;
  fill (plain, SIZE);
  compress_to (packed, &packed_len, packed_cap, plain, 23 * MIB + 1);
  compress_to (packed, &packed_len, packed_cap, plain, 0);
  compress_to (packed, &packed_len, packed_cap, plain + 23 * MIB + 1,
               SIZE - (23 * MIB + 1));
  return 0;
}

static int
teardown (void **state)
{
  free (plain);
  free (packed);
  return 0;
}

/* A stream that counts how much of it is read. */
struct counting_blob {
  struct blob blob;
  _Atomic uint64_t bytes;
};

static int
counting_pread (struct blob *blob, void *buf, size_t count, uint64_t offset)
{
  struct counting_blob *c = (struct counting_blob *) blob;

  c->bytes += count;
  memcpy (buf, packed + offset, count);
  return 0;
}

static void
counting_close (struct blob *blob)
{
}

static const struct blob_ops counting_ops = { counting_pread,
                                              counting_close };

static struct blob *
open_packed (struct counting_blob *c)
{
  struct blob *blob;

  *c = (struct counting_blob) {
    .blob = { &counting_ops, packed_len, strdup ("x.gz") }
  };
  capture_start ();
  blob = gzip_blob_open (&c->blob, "x.gz");
  assert_non_null (blob);
  assert_int_equal (blob->size, SIZE);
  assert_int_equal (captured_errors, 0);
  return blob;
}

static void
check_read (struct blob *blob, uint64_t offset, size_t count)
{
  uint8_t *buf = malloc (count);

  assert_non_null (buf);
  if (blob_pread (blob, buf, count, offset) == -1)
    fail_msg ("read of %zu at %" PRIu64 ": %s", count, offset, captured);
  if (memcmp (buf, plain + offset, count) != 0)
    fail_msg ("wrong bytes in [%" PRIu64 ", +%zu)", offset, count);
  free (buf);
}

static void
test_random (void **state)
{
  struct counting_blob c;
  CLEANUP_BLOB struct blob *blob = open_packed (&c);
  uint64_t seed = 42;
  unsigned i;

  for (i = 0; i < 300; ++i) {
    const uint64_t offset = next_random (&seed) % SIZE;
    const size_t max = i % 10 == 0 ? 9 * MIB : 100 * KIB;

    check_read (blob, offset,
                MIN (1 + next_random (&seed) % max, SIZE - offset));
  }
  check_read (blob, SIZE - 1, 1);
  check_read (blob, 0, SIZE);
  check_read (blob, 23 * MIB, 2);       /* over the edge of the members */
  assert_int_equal (blob_pread (blob, &seed, 2, SIZE - 1), -1);
}

/* Ascending reads decode nothing twice. */
static void
test_ascending (void **state)
{
  struct counting_blob c;
  CLEANUP_BLOB struct blob *blob = open_packed (&c);
  const size_t step = 100 * KIB;
  uint64_t offset;

  assert_true (c.bytes < packed_len + 100);
  c.bytes = 0;
  for (offset = 0; offset < SIZE; offset += step)
    check_read (blob, offset, MIN (step, SIZE - offset));
  assert_true (c.bytes < packed_len + 100);

  /* Two readers side by side. */
  c.bytes = 0;
  for (offset = 0; offset < SIZE / 2; offset += step) {
    check_read (blob, offset, step);
    check_read (blob, SIZE / 2 + offset, MIN (step, SIZE / 2 - offset));
  }
  assert_true (c.bytes < packed_len + 2 * MIB);
}

/* Threads that share one ascending row of requests, as nbdkit's do. */
struct row {
  struct blob *blob;
  _Atomic uint64_t next;
  bool wrong;
};

static void *
row_worker (void *opaque)
{
  struct row *r = opaque;
  const size_t step = 256 * KIB;
  uint8_t *buf = malloc (step);
  uint64_t offset;

  while ((offset = atomic_fetch_add (&r->next, step)) < SIZE) {
    const size_t n = MIN (step, SIZE - offset);

    if (blob_pread (r->blob, buf, n, offset) == -1 ||
        memcmp (buf, plain + offset, n) != 0)
      r->wrong = true;
  }
  free (buf);
  return NULL;
}

static void
test_threads (void **state)
{
  struct counting_blob c;
  CLEANUP_BLOB struct blob *blob = open_packed (&c);
  struct row row = { .blob = blob };
  pthread_t t[16];
  size_t i;

  c.bytes = 0;
  for (i = 0; i < ARRAY_SIZE (t); ++i)
    assert_int_equal (pthread_create (&t[i], NULL, row_worker, &row), 0);
  for (i = 0; i < ARRAY_SIZE (t); ++i)
    pthread_join (t[i], NULL);
  assert_false (row.wrong);
  /* Not quite in order, but far from once per thread. */
  assert_true (c.bytes < 2 * packed_len);
}

/* Threads that read anywhere. */
static void *
anywhere_worker (void *opaque)
{
  struct row *r = opaque;
  uint64_t seed = atomic_fetch_add (&r->next, 1) + 7;
  uint8_t *buf = malloc (MIB);
  unsigned i;

  for (i = 0; i < 30; ++i) {
    const uint64_t offset = next_random (&seed) % (SIZE - MIB);
    const size_t n = 1 + next_random (&seed) % (MIB - 1);

    if (blob_pread (r->blob, buf, n, offset) == -1 ||
        memcmp (buf, plain + offset, n) != 0)
      r->wrong = true;
  }
  free (buf);
  return NULL;
}

static void
test_threads_anywhere (void **state)
{
  struct counting_blob c;
  CLEANUP_BLOB struct blob *blob = open_packed (&c);
  struct row row = { .blob = blob };
  pthread_t t[8];
  size_t i;

  for (i = 0; i < ARRAY_SIZE (t); ++i)
    assert_int_equal (pthread_create (&t[i], NULL, anywhere_worker, &row), 0);
  for (i = 0; i < ARRAY_SIZE (t); ++i)
    pthread_join (t[i], NULL);
  assert_false (row.wrong);
}

/* More than GZIP_MAX_POINTS times the first distance, so that points are
 * thinned out.  The plain bytes are a pattern that needs no memory.
 */
#define HUGE (5 * GIB / 4)

static uint8_t
pattern (uint64_t offset)
{
  return offset % (64 * KIB) == 0 ? offset >> 16 : 0;
}

static void
test_huge (void **state)
{
  const size_t cap = 32 * MIB;
  CLEANUP_FREE uint8_t *out = malloc (cap);
  static uint8_t chunk[MIB];
  CLEANUP_BLOB struct blob *blob = NULL;
  z_stream z = { 0 };
  uint64_t offset, seed = 99;
  const char *san = getenv ("SAN");
  size_t i;

  if (san && strcmp (san, "valgrind") == 0)
    skip ();                    /* minutes */
  assert_non_null (out);
  assert_int_equal (deflateInit2 (&z, 1, Z_DEFLATED, 15 + 16, 8,
                                  Z_DEFAULT_STRATEGY), Z_OK);
  z.next_out = out;
  z.avail_out = cap;
  for (offset = 0; offset < HUGE; offset += sizeof chunk) {
    for (i = 0; i < sizeof chunk; i += 64 * KIB)
      chunk[i] = pattern (offset + i);
    z.next_in = chunk;
    z.avail_in = sizeof chunk;
    assert_int_equal (deflate (&z, offset + sizeof chunk == HUGE
                               ? Z_FINISH : Z_FULL_FLUSH),
                      offset + sizeof chunk == HUGE ? Z_STREAM_END : Z_OK);
  }
  capture_start ();
  blob = gzip_blob_open (blob_open_memory (out, z.total_out, "h.gz"), "h.gz");
  deflateEnd (&z);
  assert_non_null (blob);
  assert_int_equal (blob->size, HUGE);
  for (i = 0; i < 40; ++i) {
    size_t j;

    offset = next_random (&seed) % (HUGE - 128 * KIB);
    assert_int_equal (blob_pread (blob, chunk, 128 * KIB, offset), 0);
    for (j = 0; j < 128 * KIB; ++j)
      if (chunk[j] != pattern (offset + j))
        fail_msg ("wrong byte at %" PRIu64, offset + j);
  }
}

/* Damage.  */

static void
refused (const void *data, size_t len, const char *error)
{
  capture_start ();
  assert_null (gzip_blob_open (blob_open_memory (data, len, "x.gz"),
                               "x.gz"));
  assert_int_equal (errno, EINVAL);
  assert_error (error);
}

static void
test_damage (void **state)
{
  static uint8_t small[300000], gz[400000], bad[400000];
  size_t len = 0, i;

  fill (small, sizeof small);
  compress_to (gz, &len, sizeof gz, small, sizeof small);

  refused ("", 0, "is not compressed with gzip");
  refused ("\x1f", 1, "is not compressed with gzip");
  refused ("plain text", 10, "is not compressed with gzip");
  refused ("\x1f\x8b\x07 whatever", 12, "damaged at offset");

  for (i = 2; i < len; i += i < 40 || i > len - 12 ? 1 : 4099)
    refused (gz, i, "it was cut short");

  memcpy (bad, gz, len);
  bad[len - 8] ^= 1;
  refused (bad, len, "incorrect data check");
  memcpy (bad, gz, len);
  bad[len - 1] ^= 1;
  refused (bad, len, "incorrect length check");
  for (i = 0; i < 20; ++i) {
    memcpy (bad, gz, len);
    bad[20 + i * (len - 40) / 20] ^= 0x10;
    refused (bad, len, "gzip stream is damaged at offset");
  }

  /* A second member that is damaged. */
  memcpy (bad, gz, len);
  memcpy (bad + len, "\x1f\x8b\x08\0\0\0\0\0\0\0garbage", 18);
  refused (bad, len + 18, "gzip stream is damaged at offset");
}

static void
test_trailing (void **state)
{
  static uint8_t small[300000], gz[400000], buf[300000];
  CLEANUP_BLOB struct blob *zeros = NULL, *garbage = NULL;
  size_t len = 0;

  fill (small, sizeof small);
  compress_to (gz, &len, sizeof gz, small, sizeof small);

  capture_start ();
  memset (gz + len, 0, 512);
  zeros = gzip_blob_open (blob_open_memory (gz, len + 512, "x.gz"), "x.gz");
  assert_non_null (zeros);
  assert_int_equal (zeros->size, sizeof small);
  assert_null (strstr (captured, "ignored"));

  gz[len + 3] = 'x';
  garbage = gzip_blob_open (blob_open_memory (gz, len + 512, "x.gz"),
                            "x.gz");
  assert_non_null (garbage);
  assert_int_equal (garbage->size, sizeof small);
  assert_int_equal (captured_errors, 0);
  assert_non_null (strstr (captured, "512 bytes after the end"));
  assert_int_equal (blob_pread (garbage, buf, sizeof buf, 0), 0);
  assert_memory_equal (buf, small, sizeof buf);
}

static void
test_empty (void **state)
{
  CLEANUP_BLOB struct blob *blob = NULL;
  uint8_t gz[100] = { 0 };
  size_t len = 0;

  compress_to (gz, &len, sizeof gz, gz, 0);
  capture_start ();
  blob = gzip_blob_open (blob_open_memory (gz, len, "x.gz"), "x.gz");
  assert_non_null (blob);
  assert_int_equal (blob->size, 0);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_random),
    cmocka_unit_test (test_ascending),
    cmocka_unit_test (test_threads),
    cmocka_unit_test (test_threads_anywhere),
    cmocka_unit_test (test_huge),
    cmocka_unit_test (test_damage),
    cmocka_unit_test (test_trailing),
    cmocka_unit_test (test_empty),
  };

  return cmocka_run_group_tests (tests, setup, teardown);
}
