/* SPDX-License-Identifier: BSD-3-Clause
 *
 * common/http: how ranged reads are spread, joined and read ahead, as the
 * server saw them, and that they keep to their limits.
 */
#include "tests/unit/http_server.h"

#include <pthread.h>

static struct http_file *
open_disk (struct http_client *client, const char *query)
{
  char path[512];
  const char *paths[] = { path };
  const struct http_file_options o = { .paths = paths, .nr_paths = 1 };
  struct http_file *f;

  snprintf (path, sizeof path, "/disk?%s", query);
  f = http_file_open (client, &o);
  assert_non_null (f);
  return f;
}

static void
read_right (struct http_file *f, size_t count, uint64_t offset)
{
  CLEANUP_FREE uint8_t *buf = malloc (count);

  memset (buf, 0xee, count);
  assert_int_equal (http_file_pread (f, buf, count, offset), 0);
  check_bytes (buf, count, offset);
}

/* One read of 4 MiB is in flight on several connections at once, cut at
 * the multiples of a block, straight into the caller's buffer.
 */
static void
test_split (void **state)
{
  struct http_options o = default_options ();
  CLEANUP_CLIENT struct http_client *client = http_client_new (&o);
  CLEANUP_HTTP_FILE struct http_file *f = NULL;
  struct http_stats stats;
  json_t *counters, *ranges, *range;
  size_t i;

  f = open_disk (client, "key=split&size=100000000&delay=20");
  read_right (f, 4 * MIB, 8 * MIB);
  http_client_stats (client, &stats);
  assert_int_equal (stats.active_max, 4);
  assert_int_equal (stats.copied, 0);
  assert_int_equal (stats.memory_max, 0);
  counters = server_counters ("split");
  ranges = json_object_get (counters, "ranges");
  json_array_foreach (ranges, i, range) {
    assert_int_equal (json_integer_value (json_array_get (range, 1)), MIB);
    assert_int_equal (json_integer_value (json_array_get (range, 0)) % MIB,
                      0);
  }
  json_decref (counters);

  /* A larger one has the same connections, and larger requests. */
  read_right (f, 32 * MIB, 32 * MIB);
  http_client_stats (client, &stats);
  assert_int_equal (stats.active_max, 8);
  assert_true (server_count ("split", "max_in_flight") <= 8);
  assert_true (server_count ("split", "data") < 4 + 32);
  assert_true (server_count ("split", "connections") <= 9);
}

static void
test_limit (void **state)
{
  struct http_options o = default_options ();
  CLEANUP_CLIENT struct http_client *client = NULL;
  CLEANUP_HTTP_FILE struct http_file *f = NULL;
  struct http_stats stats;

  o.connections = 3;
  o.block = 64 * KIB;
  client = http_client_new (&o);
  f = open_disk (client, "key=limit&size=100000000&delay=5");
  read_right (f, 32 * MIB, 12345);
  assert_true (server_count ("limit", "max_in_flight") <= 3);
  http_client_stats (client, &stats);
  assert_int_equal (stats.active_max, 3);
  assert_true (server_count ("limit", "connections") <= 4);
}

/* A reader of small pieces, one at a time, has several requests on the
 * way and gets most of its bytes from blocks.
 */
static void
test_ahead (void **state)
{
  struct http_options o = default_options ();
  CLEANUP_CLIENT struct http_client *client = http_client_new (&o);
  CLEANUP_HTTP_FILE struct http_file *f = NULL;
  struct http_stats stats;
  uint64_t offset;

  f = open_disk (client, "key=ahead&size=30000000&delay=20");
  for (offset = 0; offset + 65536 <= 30000000; offset += 65536)
    read_right (f, 65536, offset);
  read_right (f, 30000000 - offset, offset);
  assert_true (server_count ("ahead", "max_in_flight") > 1);
  /* 458 reads; every byte was asked for once, but for the first ones. */
  assert_true (server_count ("ahead", "data") <= 40);
  http_client_stats (client, &stats);
  assert_true (stats.bytes < 30000000 + MIB);
  assert_true (stats.ahead_blocks >= 20);
  assert_true (stats.ahead_hits >= stats.ahead_blocks - 1);

  /* Not if it is switched off. */
  o.no_readahead = true;
  http_file_close (f);
  http_client_free (client);
  client = http_client_new (&o);
  f = open_disk (client, "key=noahead&size=30000000");
  for (offset = 0; offset < 10 * MIB; offset += MIB)
    read_right (f, MIB, offset);
  assert_int_equal (server_count ("noahead", "data"), 10);
  assert_int_equal (server_count ("noahead", "max_in_flight"), 1);
}

/* Two blocks in sixteen hold data. */
static uint64_t
allocated (void *opaque, uint64_t offset, uint64_t count)
{
  assert_true (offset % MIB == 0 && count <= MIB);
  return offset / MIB % 16 < 2 ? count : 0;
}

/* What a sparse file does not hold is not read ahead, and a reader that
 * passes over it is still one in order.
 */
static void
test_sparse (void **state)
{
  struct http_options o = default_options ();
  CLEANUP_CLIENT struct http_client *client = http_client_new (&o);
  CLEANUP_HTTP_FILE struct http_file *f = NULL;
  struct http_stats stats;
  uint64_t offset;

  f = open_disk (client, "key=sparse&size=268435456&delay=5");
  http_file_set_allocated (f, allocated, NULL);
  for (offset = 0; offset < 256 * MIB; offset += 128 * KIB)
    if (offset / MIB % 16 < 2)
      read_right (f, 128 * KIB, offset);
  http_client_stats (client, &stats);
  assert_true (stats.bytes < 33 * MIB);
  assert_true (stats.ahead_hits > 25);
  /* The rest can be read all the same. */
  read_right (f, 4096, 100 * MIB);
}

/* Random reads take what they ask for and nothing else; what was read
 * ahead before is dropped.
 */
static void
test_random (void **state)
{
  struct http_options o = default_options ();
  CLEANUP_CLIENT struct http_client *client = http_client_new (&o);
  CLEANUP_HTTP_FILE struct http_file *f = NULL;
  struct http_stats before, after;
  uint64_t x = 12345, offset;
  int i;

  f = open_disk (client, "key=random&size=1000000000");
  for (offset = 0; offset < 4 * MIB; offset += 256 * KIB)
    read_right (f, 256 * KIB, offset);
  do {                          /* what is under way arrives */
    http_client_stats (client, &before);
    usleep (300000);
    http_client_stats (client, &after);
  } while (after.bytes != before.bytes ||
           server_count ("random", "in_flight") > 0);
  assert_true (before.ahead_blocks > 0);
  for (i = 0; i < 100; ++i) {
    x = x * UINT64_C (6364136223846793005) + 1442695040888963407;
    read_right (f, 4096, 100000000 + (x >> 33) % 890000000 / 512 * 512);
  }
  http_client_stats (client, &after);
  assert_true (after.bytes - before.bytes <= 20 * MIB);
}

struct reader {
  struct http_file *f;
  uint64_t first, step, end;
  size_t count;
  unsigned pause;               /* us after each, as a writer's */
};

static void *
read_stripe (void *opaque)
{
  struct reader *r = opaque;
  uint64_t offset;

  for (offset = r->first; offset < r->end; offset += r->step) {
    read_right (r->f, r->count, offset);
    usleep (r->pause);
  }
  return NULL;
}

/* Sixteen threads share one sequential copy, as nbdkit's do. */
static void
test_neighbours (void **state)
{
  struct http_options o = default_options ();
  CLEANUP_CLIENT struct http_client *client = http_client_new (&o);
  CLEANUP_HTTP_FILE struct http_file *f = NULL;
  struct http_stats stats;
  struct reader readers[16];
  pthread_t threads[16];
  size_t i;

  f = open_disk (client, "key=neighbours&size=67108864&delay=10");
  for (i = 0; i < 16; ++i) {
    readers[i] = (struct reader) {
      .f = f, .first = i * 64 * KIB, .step = MIB,
      .end = 64 * MIB, .count = 64 * KIB,
    };
    pthread_create (&threads[i], NULL, read_stripe, &readers[i]);
  }
  for (i = 0; i < 16; ++i)
    pthread_join (threads[i], NULL);
  /* 1024 reads of 64 blocks. */
  assert_true (server_count ("neighbours", "data") <= 120);
  http_client_stats (client, &stats);
  if (stats.bytes >= 72 * MIB)
    fail_msg ("%llu bytes", (unsigned long long) stats.bytes);
  assert_true (server_count ("neighbours", "max_in_flight") > 1);
  assert_true (server_count ("neighbours", "max_in_flight") <= 8);
}

/* A reader that asks for enough at once is not helped, even while it does
 * something else: its bytes would be copied twice.
 */
static void
test_deep (void **state)
{
  struct http_options o = default_options ();
  CLEANUP_CLIENT struct http_client *client = NULL;
  CLEANUP_HTTP_FILE struct http_file *f = NULL;
  struct http_stats stats;
  struct reader readers[8];
  pthread_t threads[8];
  size_t i;

  o.connections = 4;
  client = http_client_new (&o);
  f = open_disk (client, "key=deep&size=134217728&delay=10");
  for (i = 0; i < 8; ++i) {
    readers[i] = (struct reader) {
      .f = f, .first = i * 2 * MIB, .step = 16 * MIB,
      .end = 128 * MIB, .count = 2 * MIB, .pause = 30000,
    };
    pthread_create (&threads[i], NULL, read_stripe, &readers[i]);
  }
  for (i = 0; i < 8; ++i)
    pthread_join (threads[i], NULL);
  http_client_stats (client, &stats);
  /* Some before that is known. */
  assert_true (stats.ahead_blocks <= 4);
  assert_true (stats.copied <= 4 * MIB);
  assert_int_equal (server_count ("deep", "max_in_flight"), 4);
}

/* Many sequential readers with little memory: all right, and no more
 * than that memory.
 */
static void
test_memory (void **state)
{
  struct http_options o = default_options ();
  CLEANUP_CLIENT struct http_client *client = NULL;
  struct http_file *f[4];
  struct http_stats stats;
  struct reader readers[8];
  pthread_t threads[8];
  size_t i;

  o.memory = 3 * MIB;
  o.block = 256 * KIB;
  client = http_client_new (&o);
  for (i = 0; i < 4; ++i)
    f[i] = open_disk (client, "key=memory&size=20000000&delay=2");
  for (i = 0; i < 8; ++i) {
    readers[i] = (struct reader) {
      .f = f[i / 2], .first = i % 2 * 8 * MIB, .step = 50000,
      .end = i % 2 * 8 * MIB + 6 * MIB, .count = 50000,
    };
    pthread_create (&threads[i], NULL, read_stripe, &readers[i]);
  }
  for (i = 0; i < 8; ++i)
    pthread_join (threads[i], NULL);
  http_client_stats (client, &stats);
  assert_true (stats.memory_max <= 3 * MIB);
  assert_true (stats.memory_max >= 2 * MIB);
  assert_true (stats.ahead_blocks > 0);
  for (i = 0; i < 4; ++i)
    http_file_close (f[i]);

  /* None at all: each read is a request of its own. */
  http_client_free (client);
  o.memory = 1;
  client = http_client_new (&o);
  f[0] = open_disk (client, "key=none&size=20000000");
  for (i = 0; i < 10; ++i)
    read_right (f[0], 10000, i * 10000);
  assert_int_equal (server_count ("none", "data"), 10);
  http_file_close (f[0]);
}

/* A file with reads ahead that hang can be closed at once. */
static void
test_close (void **state)
{
  struct http_options o = default_options ();
  CLEANUP_CLIENT struct http_client *client = http_client_new (&o);
  struct http_file *f;
  struct http_stats stats;
  uint64_t offset, start;

  o.block = 64 * KIB;
  f = open_disk (client, "key=close&size=100000000&fault=stall:5:1000");
  for (offset = 0; offset < 256 * KIB; offset += 64 * KIB)
    read_right (f, 64 * KIB, offset);
  http_client_stats (client, &stats);
  assert_true (stats.ahead_blocks > 0);
  usleep (100000);
  start = now_ms ();
  http_file_close (f);
  assert_true (now_ms () - start < 2000);
  f = open_disk (client, "key=close2&size=100000000");
  read_right (f, MIB, 5);
  http_file_close (f);
}

/* Faults while blocks are shared and read ahead. */
static void
test_ahead_faults (void **state)
{
  static const char *const faults[] = { "short", "reset", "wrong-start",
                                        "503", "long", "close" };
  size_t i;

  for (i = 0; i < ARRAY_SIZE (faults); ++i) {
    struct http_options o = default_options ();
    CLEANUP_CLIENT struct http_client *client = NULL;
    CLEANUP_HTTP_FILE struct http_file *f = NULL;
    struct reader readers[4];
    pthread_t threads[4];
    char query[256];
    size_t j;

    capture_start ();
    o.block = 64 * KIB;
    o.retries = 20;
    client = http_client_new (&o);
    snprintf (query, sizeof query, "key=af-%s&size=5000000&fault=%s:3:2&"
              "fault=%s:9:3&fault=%s:20:2", faults[i], faults[i], faults[i],
              faults[i]);
    f = open_disk (client, query);
    for (j = 0; j < 4; ++j) {
      readers[j] = (struct reader) {
        .f = f, .first = j * 20000, .step = 80000, .end = 4900000,
        .count = 20000,
      };
      pthread_create (&threads[j], NULL, read_stripe, &readers[j]);
    }
    for (j = 0; j < 4; ++j)
      pthread_join (threads[j], NULL);
    assert_int_equal (captured_errors, 0);
  }
}

/* Everything at once: readers in order and at random, sessions that end
 * and one answer in twelve that is wrong.
 */
static int
log_in (struct http_client *client, void *opaque)
{
  const struct http_request request = {
    .method = "POST", .path = "/login?key=chaos", .no_login = true,
    .idempotent = true,
  };
  CLEANUP_HTTP_RESPONSE struct http_response response = { 0 };

  if (http_request (client, &request, &response) == -1)
    return -1;
  return http_check_status (client, &request, &response);
}

static void *
read_anywhere (void *opaque)
{
  struct reader *r = opaque;
  uint64_t x = r->first + 99;
  int i;

  for (i = 0; i < 60; ++i) {
    x = x * UINT64_C (6364136223846793005) + 1442695040888963407;
    read_right (r->f, 1 + (x >> 13) % r->count, (x >> 33) % 19000000);
  }
  return NULL;
}

static void
test_chaos (void **state)
{
  struct http_options o = default_options ();
  CLEANUP_CLIENT struct http_client *client = NULL;
  struct http_file *f;
  struct http_stats stats;
  struct reader readers[8];
  pthread_t threads[8];
  size_t i;

  capture_start ();
  o.retries = 50;
  o.retry_delay_ms = 1;
  o.block = 64 * KIB;
  o.memory = 2 * MIB;
  o.login = log_in;
  client = http_client_new (&o);
  f = open_disk (client, "key=chaos&size=20000000&chaos=8&auth=cookie&"
                 "expire=100");
  for (i = 0; i < 8; ++i) {
    readers[i] = (struct reader) {
      .f = f, .first = i * MIB, .step = 30000, .end = (i + 2) * MIB,
      .count = i < 4 ? 30000 : 900000,
    };
    pthread_create (&threads[i], NULL, i < 4 ? read_stripe : read_anywhere,
                    &readers[i]);
  }
  for (i = 0; i < 8; ++i)
    pthread_join (threads[i], NULL);
  http_client_stats (client, &stats);
  assert_true (stats.retries > 5);
  assert_int_equal (stats.logins, 2);
  assert_true (stats.memory_max <= 2 * MIB);
  assert_int_equal (captured_errors, 0);
  http_file_close (f);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_split),
    cmocka_unit_test (test_limit),
    cmocka_unit_test (test_ahead),
    cmocka_unit_test (test_sparse),
    cmocka_unit_test (test_random),
    cmocka_unit_test (test_neighbours),
    cmocka_unit_test (test_deep),
    cmocka_unit_test (test_memory),
    cmocka_unit_test (test_close),
    cmocka_unit_test (test_ahead_faults),
    cmocka_unit_test (test_chaos),
  };

  return cmocka_run_group_tests (tests, server_setup, server_teardown);
}
