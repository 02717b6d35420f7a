/* SPDX-License-Identifier: BSD-3-Clause
 *
 * For unit tests of common/http: tests/tools/http-faults.py, started once
 * for a group of tests, and helpers to ask it.
 */
#ifndef NBDLIFT_TESTS_HTTP_SERVER_H
#define NBDLIFT_TESTS_HTTP_SERVER_H

#include "tests/unit/capture.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "common/http/http.h"
#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/subprocess.h"

#define PERIOD 1048583          /* of the pattern, as in the server */

static char folder[64];
static pid_t server_pid;
static json_t *ports;
static uint8_t pattern[PERIOD];

static inline const char *
in_folder (const char *name)
{
  static char path[128];

  snprintf (path, sizeof path, "%s/%s", folder, name);
  return path;
}

static inline int
server_setup (void **state)
{
  const char *tmp = getenv ("TMPDIR");
  const char *argv[] = { "/usr/bin/python3", "tests/tools/http-faults.py",
                         folder, NULL };
  struct subprocess_options options = SUBPROCESS_OPTIONS_INIT;
  size_t i;
  int status;

  for (i = 0; i < PERIOD; ++i)
    pattern[i] = i * i * 31 + i * 7 + (i >> 8);
  snprintf (folder, sizeof folder, "%s/u-XXXXXX",
            tmp && strlen (tmp) < 40 ? tmp : "/tmp");
  if (mkdtemp (folder) == NULL || http_global_init () == -1)
    return -1;
  server_pid = subprocess_start (argv, &options);
  for (i = 0; i < 600; ++i) {
    ports = json_load_file (in_folder ("ready.json"), 0, NULL);
    if (ports)
      return 0;
    if (subprocess_wait (server_pid, 100, &status) != 0)
      break;
  }
  fprintf (stderr, "http-faults.py did not start\n");
  return -1;
}

static inline int
server_teardown (void **state)
{
  const char *argv[] = { "rm", "-rf", folder, NULL };
  int status;
  pid_t pid;

  subprocess_stop (server_pid, false, 1000);
  json_decref (ports);
  pid = subprocess_start (argv, NULL);
  subprocess_wait (pid, -1, &status);
  return 0;
}

/* The URL of one of its listeners. */
static inline const char *
server_url (const char *listener)
{
  static char urls[5][64];
  const json_t *port = json_object_get (ports, listener);
  const bool plain = strcmp (listener, "http") == 0 ||
    strcmp (listener, "proxy") == 0;
  size_t i;

  for (i = 0; i < ARRAY_SIZE (urls); ++i) {
    char url[64];

    snprintf (url, sizeof url, "%s://127.0.0.1:%d",
              plain ? "http" : "https", (int) json_integer_value (port));
    if (urls[i][0] == '\0')
      memcpy (urls[i], url, sizeof url);
    if (strcmp (urls[i], url) == 0)
      return urls[i];
  }
  fail_msg ("too many listeners");
  return NULL;
}

static inline void
cleanup_client (struct http_client **client)
{
  http_client_free (*client);
}
#define CLEANUP_CLIENT __attribute__ ((cleanup (cleanup_client)))

/* What most tests use: right CA, quick retries. */
static inline struct http_options
default_options (void)
{
  static char ca[128];

  snprintf (ca, sizeof ca, "%s/ca.pem", folder);
  return (struct http_options) {
    .url = server_url ("https"), .ca_file = ca, .retry_delay_ms = 10,
    .retries = 4,
  };
}

static inline int
get (struct http_client *client, const char *path,
     struct http_response *response)
{
  const struct http_request request = { .path = path };

  return http_request (client, &request, response);
}

/* One of the counters of KEY. */
static inline json_t *
server_counters (const char *key)
{
  struct http_options o = { .url = server_url ("http") };
  CLEANUP_CLIENT struct http_client *client = http_client_new (&o);
  CLEANUP_HTTP_RESPONSE struct http_response response = { 0 };
  char path[128];
  json_t *ret;

  snprintf (path, sizeof path, "/counters?key=%s", key);
  assert_int_equal (get (client, path, &response), 0);
  ret = json_loads (response.body, 0, NULL);
  assert_non_null (ret);
  return ret;
}

static inline int
server_count (const char *key, const char *counter)
{
  json_t *counters = server_counters (key);
  const int ret = json_integer_value (json_object_get (counters, counter));

  json_decref (counters);
  return ret;
}

/* BUF holds the right bytes of a disk. */
static inline void
check_bytes (const uint8_t *buf, size_t count, uint64_t offset)
{
  size_t i = 0, n;

  while (i < count) {
    const size_t start = (offset + i) % PERIOD;

    n = MIN (count - i, PERIOD - start);
    if (memcmp (buf + i, pattern + start, n) != 0)
      fail_msg ("wrong bytes near %llu",
                (unsigned long long) (offset + i));
    i += n;
  }
}

static inline uint64_t
now_ms (void)
{
  struct timespec ts;

  clock_gettime (CLOCK_MONOTONIC, &ts);
  return (uint64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

#endif /* NBDLIFT_TESTS_HTTP_SERVER_H */
