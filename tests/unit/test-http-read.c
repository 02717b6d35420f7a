/* SPDX-License-Identifier: BSD-3-Clause
 *
 * common/http: ranged reads against a server that misbehaves.  Right
 * bytes or one clear error, never wrong bytes.
 */
#include "tests/unit/http_server.h"

#include <pthread.h>

static struct http_file *
open_disk (struct http_client *client, const char *query)
{
  char path[512];
  const char *paths[] = { path };
  const struct http_file_options o = { .paths = paths, .nr_paths = 1 };

  snprintf (path, sizeof path, "/disk?%s", query);
  return http_file_open (client, &o);
}

/* Read a MiB of a disk that meets FAULT with retries left: all is well,
 * after at least MIN_RETRIES.
 */
static void
survives (const char *name, const char *fault, unsigned min_retries)
{
  struct http_options o = default_options ();
  CLEANUP_CLIENT struct http_client *client = NULL;
  CLEANUP_HTTP_FILE struct http_file *f = NULL;
  CLEANUP_FREE uint8_t *buf = malloc (MIB);
  struct http_stats stats;
  char query[256];
  int i;

  capture_start ();
  o.stall_timeout = 1;
  client = http_client_new (&o);
  snprintf (query, sizeof query, "key=survive-%s&size=5000000&%s", name,
            fault);
  f = open_disk (client, query);
  assert_non_null (f);
  memset (buf, 0xee, MIB);
  if (http_file_pread (f, buf, MIB, 1000003) == -1)
    fail_msg ("%s: %s", fault, captured);
  check_bytes (buf, MIB, 1000003);
  /* The reader has its bytes a little before they are counted. */
  for (i = 0; i < 100; ++i) {
    http_client_stats (client, &stats);
    if (stats.retries >= min_retries)
      break;
    usleep (10000);
  }
  if (stats.retries < min_retries)
    fail_msg ("%s: %u retries", fault, (unsigned) stats.retries);
  assert_int_equal (captured_errors, 0);
}

static const char *const faults[] = {
  "ignore-range", "wrong-start", "wrong-total", "shifted", "bad-range",
  "no-range", "short", "short-length", "short-close", "long", "garbage",
  "reset", "close", "etag", "modified", "gzip", "500", "502", "503", "429",
};

static void
test_survives (void **state)
{
  char fault[64];
  size_t i;

  for (i = 0; i < ARRAY_SIZE (faults); ++i) {
    snprintf (fault, sizeof fault, "fault=%s:0:2", faults[i]);
    survives (faults[i], fault, 1);
  }
}

static void
test_survives_stall (void **state)
{
  survives ("drip", "fault=drip:0:1", 1);
  survives ("stall", "fault=stall:0:1", 1);
}

/* Each reply is cut in half: every try brings the next piece. */
static void
test_continues (void **state)
{
  json_t *counters, *ranges;

  survives ("continue", "fault=short:0:3", 3);
  counters = server_counters ("survive-continue");
  ranges = json_object_get (counters, "ranges");
  /* The second begins in the first, behind what it had brought. */
  assert_true (json_integer_value (json_array_get (json_array_get (ranges,
                                     json_array_size (ranges) - 1), 0)) >
               1000003);
  json_decref (counters);
}

/* The same without an end: one error, with an errno and these words. */
static void
fails (const char *fault, int err, const char *words)
{
  struct http_options o = default_options ();
  CLEANUP_CLIENT struct http_client *client = NULL;
  CLEANUP_HTTP_FILE struct http_file *f = NULL;
  uint8_t buf[4096];
  char query[256];

  o.retries = 2;
  o.stall_timeout = 1;
  client = http_client_new (&o);
  snprintf (query, sizeof query, "key=fail-%s&size=1000000&fault=%s", fault,
            fault);
  f = open_disk (client, query);
  assert_non_null (f);
  capture_start ();
  assert_int_equal (http_file_pread (f, buf, sizeof buf, 8192), -1);
  assert_int_equal (errno, err);
  assert_error (words);
  assert_error ("/disk: cannot read");
  assert_error ("at offset ");
  assert_null (strstr (captured, "key="));
}

static void
test_fails (void **state)
{
  fails ("ignore-range", EIO, "ignored the range");
  fails ("wrong-start", EIO, "bytes 8193-12288 instead of 8192-12287");
  fails ("wrong-total", EIO, "its size was 1000000 and is 1000512");
  fails ("bad-range", EIO, "a wrong Content-Range");
  fails ("no-range", EIO, "no Content-Range");
  fails ("short-length", EIO, "wrong Content-Length");
  fails ("long", EIO, "longer than the 4096 bytes");
  fails ("garbage", EIO, "HTTP/0.9");
  fails ("etag", EIO, "its ETag was \"one\" and is \"two\"");
  fails ("modified", EIO, "its Last-Modified was Mon, 23");
  fails ("gzip", EIO, "Content-Encoding");
  fails ("close", EIO, "(tried 3 times)");
  fails ("500", EIO, "status 500");
  fails ("503", EIO, "status 503: the server is too busy");
  fails ("401", EPERM, "status 401");
  fails ("403", EPERM, "status 403");
  fails ("404", ENOENT, "status 404");
  fails ("416", EIO, "status 416");
  fails ("redirect", EIO, "redirected to https://other.invalid/secret,");
  fails ("stall", ETIMEDOUT, "Operation too slow");
  /* These are not worth another try. */
  assert_int_equal (server_count ("fail-403", "data"), 1);
  assert_int_equal (server_count ("fail-404", "data"), 1);
  assert_int_equal (server_count ("fail-416", "data"), 1);
  assert_int_equal (server_count ("fail-redirect", "data"), 1);
}

static void
test_open (void **state)
{
  struct http_options o = default_options ();
  CLEANUP_CLIENT struct http_client *client = http_client_new (&o);
  const char *paths[] = { "/none", "/disk?key=open&size=12345" };
  struct http_file_options options = { .paths = paths, .nr_paths = 2 };
  struct http_file *f;
  uint8_t byte;

  capture_start ();
  f = http_file_open (client, &options);
  assert_non_null (f);
  assert_int_equal (http_file_size (f), 12345);
  assert_int_equal (http_file_path_index (f), 1);
  assert_int_equal (captured_errors, 0);
  assert_int_equal (http_file_pread (f, &byte, 1, 12345), -1);
  assert_error ("not in the file");
  capture_start ();
  assert_int_equal (http_file_pread (f, &byte, 1, 12344), 0);
  check_bytes (&byte, 1, 12344);
  http_file_close (f);

  options.nr_paths = 1;
  assert_null (http_file_open (client, &options));
  assert_int_equal (errno, ENOENT);
  assert_error ("/none: status 404");

  f = open_disk (client, "key=empty&size=0");
  assert_non_null (f);
  assert_int_equal (http_file_size (f), 0);
  assert_int_equal (http_file_pread (f, NULL, 0, 0), 0);
  http_file_close (f);
}

static void
open_refused (struct http_client *client, const char *fault, int err,
              const char *words)
{
  char query[128];

  snprintf (query, sizeof query, "key=probe-%s&size=100000&probe=1&fault=%s",
            fault, fault);
  capture_start ();
  assert_null (open_disk (client, query));
  assert_int_equal (errno, err);
  assert_error (words);
}

static void
test_open_refused (void **state)
{
  struct http_options o = default_options ();
  CLEANUP_CLIENT struct http_client *client = NULL;

  o.retries = HTTP_NO_RETRY;
  client = http_client_new (&o);
  open_refused (client, "ignore-range", ENOTSUP, "ignores ranges");
  open_refused (client, "wrong-start", EIO, "another range");
  open_refused (client, "bad-range", EIO, "another range");
  open_refused (client, "no-range", EIO, "another range");
  open_refused (client, "huge", EIO, "larger than any file");
  open_refused (client, "gzip", EIO, "Content-Encoding");
  open_refused (client, "403", EPERM, "status 403");
  open_refused (client, "503", EIO, "status 503");
  open_refused (client, "close", EIO, "connection");
  open_refused (client, "redirect", EIO, "https://other.invalid/secret,");
}

/* A blob, so that the readers of disk formats can use it. */
static void
test_blob (void **state)
{
  struct http_options o = default_options ();
  CLEANUP_CLIENT struct http_client *client = http_client_new (&o);
  struct blob *blob;
  uint8_t buf[1000];

  blob = http_file_blob (open_disk (client, "key=blob&size=5000"));
  assert_non_null (blob);
  assert_int_equal (blob->size, 5000);
  assert_non_null (strstr (blob->name, "/disk"));
  assert_null (strstr (blob->name, "key="));
  assert_int_equal (blob_pread (blob, buf, 1000, 4000), 0);
  check_bytes (buf, 1000, 4000);
  blob_close (blob);
}

/* A server that is busy gets half the connections, after the pause that
 * it asks for; more of them come back with time.
 */
static void
test_busy (void **state)
{
  struct http_options o = default_options ();
  CLEANUP_CLIENT struct http_client *client = NULL;
  CLEANUP_HTTP_FILE struct http_file *f = NULL;
  CLEANUP_FREE uint8_t *buf = malloc (16 * MIB);
  const uint64_t start = now_ms ();
  struct http_stats stats;

  o.block = 64 * KIB;
  client = http_client_new (&o);
  f = open_disk (client, "key=busy&size=50000000&fault=503-after:4:6");
  assert_int_equal (http_file_pread (f, buf, 16 * MIB, 0), 0);
  check_bytes (buf, 16 * MIB, 0);
  http_client_stats (client, &stats);
  assert_true (stats.shrinks >= 1);
  assert_true (stats.retries >= 6);
  assert_true (now_ms () - start >= 1000);
  assert_true (now_ms () - start < 20000);
}

/*---- sessions ----*/

static int
log_in (struct http_client *client, void *opaque)
{
  const struct http_request request = {
    .method = "POST", .path = opaque, .no_login = true,
  };
  CLEANUP_HTTP_RESPONSE struct http_response response = { 0 };

  if (http_request (client, &request, &response) == -1)
    return -1;
  return http_check_status (client, &request, &response);
}

struct reader {
  struct http_file *f;
  uint64_t offset;
  size_t count;                 /* of one read */
  unsigned reads;
  bool backwards;
  int r, err;
};

static void *
read_much (void *opaque)
{
  struct reader *reader = opaque;
  CLEANUP_FREE uint8_t *buf = malloc (reader->count);
  unsigned i;

  for (i = 0; i < reader->reads; ++i) {
    const unsigned n = reader->backwards ? reader->reads - 1 - i : i;
    const uint64_t offset = reader->offset + n * reader->count;

    reader->r = http_file_pread (reader->f, buf, reader->count, offset);
    if (reader->r == -1) {
      reader->err = errno;
      break;
    }
    check_bytes (buf, reader->count, offset);
  }
  return NULL;
}

/* Many threads lose one session: one login. */
static void
test_session (void **state)
{
  struct http_options o = default_options ();
  CLEANUP_CLIENT struct http_client *client = NULL;
  CLEANUP_HTTP_FILE struct http_file *f = NULL;
  struct reader readers[16];
  pthread_t threads[16];
  CLEANUP_FREE char *cookie = NULL;
  struct http_stats stats;
  size_t i;

  capture_start ();
  o.login = log_in;
  o.login_opaque = (char *) "/login?key=session&delay=200";
  o.memory = 1;                 /* each read is a request */
  client = http_client_new (&o);
  f = open_disk (client,
                 "key=session&size=40000000&auth=cookie&expire=40&delay=5");
  assert_non_null (f);
  for (i = 0; i < 16; ++i) {
    readers[i] = (struct reader) {
      .f = f, .offset = i * 2000000, .count = 100000, .reads = 10,
      .backwards = true,
    };
    assert_int_equal (pthread_create (&threads[i], NULL, read_much,
                                      &readers[i]), 0);
  }
  for (i = 0; i < 16; ++i) {
    pthread_join (threads[i], NULL);
    assert_int_equal (readers[i].r, 0);
  }
  /* One to begin with, one for the session that ended. */
  assert_int_equal (server_count ("session", "logins"), 2);
  http_client_stats (client, &stats);
  assert_int_equal (stats.logins, 2);
  assert_int_equal (http_client_generation (client), 2);
  cookie = http_client_get_cookie (client, "test_session");
  assert_string_equal (cookie, "\"session-2\"");
  assert_int_equal (captured_errors, 0);
}

/* The login is refused in mid-run: every reader fails, there is one
 * report, and no thread tries it again.
 */
static void
test_session_refused (void **state)
{
  struct http_options o = default_options ();
  CLEANUP_CLIENT struct http_client *client = NULL;
  CLEANUP_HTTP_FILE struct http_file *f = NULL;
  uint8_t byte;

  o.login = log_in;
  o.login_opaque = (char *) "/login?key=refused&refuse=1";
  client = http_client_new (&o);
  f = open_disk (client, "key=refused&size=1000000&fault=401");
  assert_non_null (f);
  capture_start ();
  assert_int_equal (http_file_pread (f, &byte, 1, 4096), -1);
  assert_int_equal (errno, EPERM);
  assert_error ("POST https://127.0.0.1");
  assert_error ("/login: status 401");
  capture_start ();
  assert_int_equal (http_file_pread (f, &byte, 1, 4096), -1);
  assert_int_equal (errno, EPERM);
  assert_error ("a short time ago");
  assert_int_equal (server_count ("refused", "refused"), 1);
}

/* A login that helps nothing is not repeated for ever. */
static void
test_session_useless (void **state)
{
  struct http_options o = default_options ();
  CLEANUP_CLIENT struct http_client *client = NULL;
  CLEANUP_HTTP_FILE struct http_file *f = NULL;
  uint8_t byte;

  o.login = log_in;
  o.login_opaque = (char *) "/login?key=useless";
  client = http_client_new (&o);
  f = open_disk (client, "key=useless&size=1000000&fault=401");
  capture_start ();
  assert_int_equal (http_file_pread (f, &byte, 1, 4096), -1);
  assert_int_equal (errno, EPERM);
  assert_error ("status 401");
  assert_int_equal (server_count ("useless", "logins"), 2);
}

/*---- the end ----*/

/* Readers that wait get ESHUTDOWN, unreported, within a second or so. */
static void
test_shutdown (void **state)
{
  struct http_options o = default_options ();
  CLEANUP_CLIENT struct http_client *client = http_client_new (&o);
  CLEANUP_HTTP_FILE struct http_file *f = NULL;
  struct reader readers[12];
  pthread_t threads[12];
  uint64_t start;
  size_t i;

  capture_start ();
  f = open_disk (client, "key=shutdown&size=100000000&delay=5&"
                 "fault=stall:5:1000");
  for (i = 0; i < 12; ++i) {
    readers[i] = (struct reader) {
      .f = f, .offset = i * 5000000, .count = 1000000, .reads = 5,
    };
    pthread_create (&threads[i], NULL, read_much, &readers[i]);
  }
  usleep (300000);
  start = now_ms ();
  http_client_shutdown (client);
  assert_true (now_ms () - start < 2000);
  for (i = 0; i < 12; ++i) {
    pthread_join (threads[i], NULL);
    assert_int_equal (readers[i].r, -1);
    assert_int_equal (readers[i].err, ESHUTDOWN);
  }
  assert_int_equal (captured_errors, 0);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_survives),
    cmocka_unit_test (test_survives_stall),
    cmocka_unit_test (test_continues),
    cmocka_unit_test (test_fails),
    cmocka_unit_test (test_open),
    cmocka_unit_test (test_open_refused),
    cmocka_unit_test (test_blob),
    cmocka_unit_test (test_busy),
    cmocka_unit_test (test_session),
    cmocka_unit_test (test_session_refused),
    cmocka_unit_test (test_session_useless),
    cmocka_unit_test (test_shutdown),
  };

  return cmocka_run_group_tests (tests, server_setup, server_teardown);
}
