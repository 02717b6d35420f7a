/* SPDX-License-Identifier: BSD-3-Clause
 *
 * common/http: requests, logins, cookies, redirects, proxies and streams,
 * against a real server.
 */
#include "tests/unit/http_server.h"

#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>

/* What /echo saw, as JSON. */
static json_t *
echo (struct http_client *client, const struct http_request *request)
{
  CLEANUP_HTTP_RESPONSE struct http_response response = { 0 };
  json_t *ret;

  assert_int_equal (http_request (client, request, &response), 0);
  assert_int_equal (response.status, 200);
  ret = json_loads (response.body, 0, NULL);
  assert_non_null (ret);
  return ret;
}

static const char *
text (json_t *echoed, const char *key)
{
  return json_string_value (json_object_get (echoed, key));
}

static const char *
header (json_t *echoed, const char *name)
{
  return text (json_object_get (echoed, "headers"), name);
}

static void
test_methods (void **state)
{
  static const char *const methods[] = { "GET", "POST", "PUT", "DELETE" };
  struct http_options o = default_options ();
  CLEANUP_CLIENT struct http_client *client = http_client_new (&o);
  const char *headers[] = { "Content-Type: text/xml", "X-One: 1", NULL };
  struct http_request request = {
    .path = "/echo?a=%20b", .headers = headers,
  };
  json_t *echoed;
  size_t i;

  for (i = 0; i < ARRAY_SIZE (methods); ++i) {
    request.method = methods[i];
    request.body = i == 1 || i == 2 ? "<body/>" : NULL;
    request.body_len = request.body ? 7 : 0;
    echoed = echo (client, &request);
    assert_string_equal (text (echoed, "method"), methods[i]);
    assert_string_equal (text (echoed, "target"), "/echo?a=%20b");
    assert_string_equal (text (echoed, "body"), request.body ?
                         "<body/>" : "");
    assert_string_equal (header (echoed, "content-type"), "text/xml");
    assert_string_equal (header (echoed, "x-one"), "1");
    assert_non_null (strstr (header (echoed, "user-agent"), "nbdlift/"));
    assert_null (header (echoed, "expect"));
    json_decref (echoed);
  }
}

static void
test_response (void **state)
{
  struct http_options o = default_options ();
  CLEANUP_CLIENT struct http_client *client = http_client_new (&o);
  struct http_request request = { .method = "HEAD", .path = "/echo" };
  CLEANUP_HTTP_RESPONSE struct http_response response = { 0 };
  CLEANUP_HTTP_RESPONSE struct http_response bad = { 0 };
  CLEANUP_FREE char *value = NULL;

  capture_start ();
  assert_int_equal (http_request (client, &request, &response), 0);
  assert_int_equal (response.len, 0);
  value = http_response_header (&response, "x-TEST");
  assert_string_equal (value, "some value");
  assert_null (http_response_header (&response, "X-Tes"));
  assert_int_equal (http_check_status (client, &request, &response), 0);
  assert_int_equal (captured_errors, 0);

  /* Any status is an answer; whether it is an error, the caller says. */
  request = (struct http_request) { .path = "/status?code=403&key=x" };
  assert_int_equal (http_request (client, &request, &bad), 0);
  assert_int_equal (bad.status, 403);
  assert_string_equal (bad.body, "text of the error");
  assert_int_equal (http_check_status (client, &request, &bad), -1);
  assert_int_equal (errno, EPERM);
  assert_error ("/status: status 403: this user is not allowed");
}

static void
test_too_long (void **state)
{
  struct http_options o = default_options ();
  CLEANUP_CLIENT struct http_client *client = http_client_new (&o);
  struct http_request request = { .path = "/disk?key=l&size=100000" };
  CLEANUP_HTTP_RESPONSE struct http_response response = { 0 };

  request.max_body = 100000;
  assert_int_equal (http_request (client, &request, &response), 0);
  assert_int_equal (response.len, 100000);
  check_bytes ((uint8_t *) response.body, response.len, 0);
  capture_start ();
  request.max_body = 99999;
  http_response_free (&response);
  assert_int_equal (http_request (client, &request, &response), -1);
  assert_int_equal (errno, EIO);
  assert_error ("longer than the 99999 bytes");
}

static void
test_retry (void **state)
{
  struct http_options o = default_options ();
  CLEANUP_CLIENT struct http_client *client = http_client_new (&o);
  struct http_request request = {
    .path = "/status?key=retry&code=503&until=2&after=1",
  };
  CLEANUP_HTTP_RESPONSE struct http_response response = { 0 };
  const uint64_t start = now_ms ();

  capture_start ();
  assert_int_equal (http_request (client, &request, &response), 0);
  assert_int_equal (response.status, 200);
  assert_string_equal (response.body, "at last");
  assert_true (now_ms () - start >= 2000); /* Retry-After, twice */
  http_response_free (&response);

  /* What may have changed something is not sent twice. */
  request.method = "POST";
  request.path = "/status?key=post&code=503&until=2";
  assert_int_equal (http_request (client, &request, &response), 0);
  assert_int_equal (response.status, 503);
  http_response_free (&response);
  request.idempotent = true;
  request.path = "/status?key=post-again&code=503&until=2";
  assert_int_equal (http_request (client, &request, &response), 0);
  assert_int_equal (response.status, 200);
  http_response_free (&response);

  /* The answer to a SOAP fault; never retried. */
  request.path = "/status?key=fault&code=500";
  assert_int_equal (http_request (client, &request, &response), 0);
  assert_int_equal (response.status, 500);
  assert_int_equal (server_count ("fault", "requests"), 1);
  assert_int_equal (captured_errors, 0);
}

static void
test_timeouts (void **state)
{
  struct http_options o = default_options ();
  CLEANUP_CLIENT struct http_client *client = NULL;
  struct http_request request = { .path = "/hang?seconds=5" };
  CLEANUP_HTTP_RESPONSE struct http_response response = { 0 };

  o.retries = HTTP_NO_RETRY;
  client = http_client_new (&o);
  capture_start ();
  request.timeout = 1;
  assert_int_equal (http_request (client, &request, &response), -1);
  assert_int_equal (errno, ETIMEDOUT);
  assert_error ("GET https://127.0.0.1");
  assert_error ("/hang: Operation timed out");
  capture_start ();
  request.timeout = 0;
  request.stall_timeout = 1;
  assert_int_equal (http_request (client, &request, &response), -1);
  assert_int_equal (errno, ETIMEDOUT);
  assert_error ("too slow");
}

/* A port where nobody listens is told at once, not after all retries. */
static void
test_refused (void **state)
{
  struct sockaddr_in a = { .sin_family = AF_INET,
                           .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  socklen_t len = sizeof a;
  const int fd = socket (AF_INET, SOCK_STREAM, 0);
  char url[64];
  struct http_options o = { .url = url };
  CLEANUP_CLIENT struct http_client *client = NULL;
  CLEANUP_HTTP_RESPONSE struct http_response response = { 0 };
  const uint64_t start = now_ms ();

  assert_int_equal (bind (fd, (struct sockaddr *) &a, len), 0);
  assert_int_equal (getsockname (fd, (struct sockaddr *) &a, &len), 0);
  snprintf (url, sizeof url, "https://127.0.0.1:%d", ntohs (a.sin_port));
  client = http_client_new (&o);
  capture_start ();
  assert_int_equal (get (client, "/", &response), -1);
  assert_int_equal (errno, ECONNREFUSED);
  assert_error ("no connection");
  assert_true (now_ms () - start < 3000);
  close (fd);
}

static void
test_bad_path (void **state)
{
  struct http_options o = default_options ();
  CLEANUP_CLIENT struct http_client *client = http_client_new (&o);
  CLEANUP_HTTP_RESPONSE struct http_response response = { 0 };

  capture_start ();
  assert_int_equal (get (client, "/a b\033", &response), -1);
  assert_int_equal (errno, EINVAL);
  assert_error ("/a b\\x1b: ");
}

static void
test_bad_options (void **state)
{
  static const struct {
    struct http_options o;
    const char *error;
  } bad[] = {
    { { .url = "https://user:geheim@host/" }, "user name or a password" },
    { { .url = "ftp://host/" }, "only http and https" },
    { { .url = "https://" }, "not usable" },
    { { .url = "" }, "not usable" },
    { { .url = "https://h", .user = "a:b" }, "colon" },
    { { .url = "https://h", .thumbprint = "AA:BB" }, "'AA:BB'" },
    { { .url = "https://h", .ca_pem = "no" }, "no certificate in PEM" },
    { { .url = "https://h", .ca_file = "/none.pem" }, "/none.pem" },
    { { .url = "https://h", .ca_file = "/dev/null" }, "/dev/null" },
    { { .url = "https://h", .block = 100000 }, "100000" },
  };
  size_t i;

  for (i = 0; i < ARRAY_SIZE (bad); ++i) {
    capture_start ();
    assert_null (http_client_new (&bad[i].o));
    assert_int_equal (errno, EINVAL);
    assert_error (bad[i].error);
    assert_null (strstr (captured, "geheim"));
  }
}

static void
test_basic_and_headers (void **state)
{
  struct http_options o = default_options ();
  CLEANUP_CLIENT struct http_client *client = NULL;
  const struct http_request request = { .path = "/echo" };
  json_t *echoed;

  capture_start ();
  o.user = "DOMAIN\\user@x";
  o.password = "p:#!@ \xc3\xa4";
  client = http_client_new (&o);
  echoed = echo (client, &request);
  assert_string_equal (header (echoed, "authorization"),
                       "Basic RE9NQUlOXHVzZXJAeDpwOiMhQCDDpA==");
  json_decref (echoed);

  assert_int_equal (http_client_set_header (client, "X-Auth-Token", "one"),
                    0);
  assert_int_equal (http_client_set_header (client, "x-auth-token", "two"),
                    0);
  echoed = echo (client, &request);
  assert_string_equal (header (echoed, "x-auth-token"), "two");
  json_decref (echoed);
  assert_int_equal (http_client_set_header (client, "X-Auth-Token", NULL),
                    0);
  echoed = echo (client, &request);
  assert_null (header (echoed, "x-auth-token"));
  json_decref (echoed);
  /* Nothing of it is in a message for debugging. */
  assert_int_equal (captured_errors, 0);
  assert_null (strstr (captured, "p:#"));
  assert_null (strstr (captured, "RE9N"));

  capture_start ();
  assert_int_equal (http_client_set_header (client, "A", "b\r\nC: d"), -1);
  assert_error ("the header A");
}

static void
test_cookies (void **state)
{
  struct http_options o = default_options ();
  CLEANUP_CLIENT struct http_client *client = http_client_new (&o);
  const struct http_request request = { .path = "/echo" };
  char *cookie;
  json_t *echoed;

  assert_null (http_client_get_cookie (client, "vmware_soap_session"));
  assert_int_equal (http_client_set_cookie (client, "vmware_soap_session",
                                            "\"52ab-cd\""), 0);
  cookie = http_client_get_cookie (client, "vmware_soap_session");
  assert_string_equal (cookie, "\"52ab-cd\"");
  free (cookie);
  echoed = echo (client, &request);
  assert_string_equal (header (echoed, "cookie"),
                       "vmware_soap_session=\"52ab-cd\"");
  json_decref (echoed);
  /* The one that /echo set, with a space in it. */
  cookie = http_client_get_cookie (client, "echo");
  assert_string_equal (cookie, "\"a b=c\"");
  free (cookie);

  http_client_clear_cookies (client);
  assert_null (http_client_get_cookie (client, "echo"));
  echoed = echo (client, &request);
  assert_null (header (echoed, "cookie"));
  json_decref (echoed);

  capture_start ();
  assert_int_equal (http_client_set_cookie (client, "a", "b; c"), -1);
  assert_error ("the cookie a");
}

static void
test_redirect (void **state)
{
  struct http_options o = default_options ();
  CLEANUP_CLIENT struct http_client *client = http_client_new (&o);
  char path[512];
  struct http_request request = { .path = path, .follow = true };
  CLEANUP_HTTP_RESPONSE struct http_response response = { 0 };
  CLEANUP_HTTP_RESPONSE struct http_response other = { 0 };

  capture_start ();
  snprintf (path, sizeof path, "/redirect?to=/redirect%%3fto%%3d%s/echo",
            server_url ("https"));
  assert_int_equal (http_request (client, &request, &response), 0);
  assert_int_equal (response.status, 200);
  assert_non_null (strstr (response.body, "\"target\": \"/echo\""));

  snprintf (path, sizeof path, "/redirect?to=%s/echo%%3fsecret",
            server_url ("wrongname"));
  assert_int_equal (http_request (client, &request, &other), 0);
  assert_int_equal (other.status, 302);
  assert_int_equal (captured_errors, 0);
  assert_int_equal (http_check_status (client, &request, &other), -1);
  assert_error ("redirected to https://127.0.0.1:");
  assert_error ("not followed");
  assert_null (strstr (captured, "secret"));
  http_response_free (&other);

  /* No loop for ever, and nothing unless asked for. */
  snprintf (path, sizeof path, "/redirect?key=loop&to=/redirect?key=loop");
  assert_int_equal (http_request (client, &request, &other), 0);
  assert_true (server_count ("loop", "requests") < 10);
  http_response_free (&other);
  request.follow = false;
  assert_int_equal (http_request (client, &request, &other), 0);
  assert_int_equal (other.status, 302);
}

static void
test_proxy (void **state)
{
  struct http_options o = default_options ();
  struct http_client *client;
  CLEANUP_HTTP_RESPONSE struct http_response response = { 0 };
  const int before = server_count ("", "proxied");

  /* The environment does not matter unless asked for. */
  unsetenv ("no_proxy");
  unsetenv ("NO_PROXY");
  setenv ("https_proxy", "http://127.0.0.1:1", 1);
  client = http_client_new (&o);
  assert_int_equal (get (client, "/echo", &response), 0);
  http_response_free (&response);
  http_client_free (client);

  o.proxy = server_url ("proxy");
  client = http_client_new (&o);
  assert_int_equal (get (client, "/echo", &response), 0);
  assert_int_equal (response.status, 200);
  http_response_free (&response);
  http_client_free (client);
  assert_int_equal (server_count ("", "proxied"), before + 1);

  capture_start ();
  o.url = "https://refused.invalid";
  client = http_client_new (&o);
  assert_int_equal (get (client, "/echo", &response), -1);
  assert_int_equal (errno, EPERM);
  assert_error ("the proxy refuses the connection (status 407)");
  http_client_free (client);

  o.url = server_url ("https");
  o.proxy = NULL;
  o.proxy_from_environment = true;
  setenv ("https_proxy", server_url ("proxy"), 1);
  client = http_client_new (&o);
  assert_int_equal (get (client, "/echo", &response), 0);
  http_client_free (client);
  assert_int_equal (server_count ("", "proxied"), before + 2);
  unsetenv ("https_proxy");
}

/*---- login ----*/

struct login {
  const char *path;
  unsigned calls;
};

static int
log_in (struct http_client *client, void *opaque)
{
  struct login *login = opaque;
  const struct http_request request = {
    .method = "POST", .path = login->path, .no_login = true,
  };
  CLEANUP_HTTP_RESPONSE struct http_response response = { 0 };

  login->calls++;               /* one thread at a time */
  if (http_request (client, &request, &response) == -1)
    return -1;
  return http_check_status (client, &request, &response);
}

struct worker {
  struct http_client *client;
  const char *path;
  unsigned requests;
  int bad;
};

static void *
send_many (void *opaque)
{
  struct worker *w = opaque;
  unsigned i;

  for (i = 0; i < w->requests; ++i) {
    CLEANUP_HTTP_RESPONSE struct http_response response = { 0 };

    if (get (w->client, w->path, &response) == -1 ||
        response.status != 200 || response.len != 100)
      w->bad++;
  }
  return NULL;
}

static void
test_login (void **state)
{
  struct login login = { .path = "/login?key=login&delay=100" };
  struct http_options o = default_options ();
  CLEANUP_CLIENT struct http_client *client = NULL;
  struct worker workers[12];
  pthread_t threads[12];
  size_t i;

  capture_start ();
  o.login = log_in;
  o.login_opaque = &login;
  o.connections = 4;
  client = http_client_new (&o);
  for (i = 0; i < 12; ++i) {
    workers[i] = (struct worker) {
      .client = client, .requests = 10,
      .path = "/disk?key=login&size=100&auth=cookie&expire=50&delay=3",
    };
    pthread_create (&threads[i], NULL, send_many, &workers[i]);
  }
  for (i = 0; i < 12; ++i) {
    pthread_join (threads[i], NULL);
    assert_int_equal (workers[i].bad, 0);
  }
  assert_int_equal (server_count ("login", "logins"), 2);
  assert_true (server_count ("login", "max_in_flight") <= 5);
  assert_int_equal (captured_errors, 0);
}

/* As SOAP clients do it: the first login, then one for an old session. */
static void
test_login_by_hand (void **state)
{
  struct login login = { .path = "/login?key=hand" };
  struct http_options o = default_options ();
  CLEANUP_CLIENT struct http_client *client = NULL;

  o.login = log_in;
  o.login_opaque = &login;
  client = http_client_new (&o);
  assert_int_equal (http_client_generation (client), 0);
  assert_int_equal (http_client_login (client, 0), 0);
  assert_int_equal (http_client_login (client, 0), 0); /* done already */
  assert_int_equal (login.calls, 1);
  assert_int_equal (http_client_login (client, 1), 0);
  assert_int_equal (login.calls, 2);
  assert_int_equal (http_client_generation (client), 2);
}

/*---- streams ----*/

struct sink {
  uint64_t bytes, fail_at, cancel_at;
};

static int
take (void *opaque, const void *buf, size_t count)
{
  struct sink *s = opaque;

  check_bytes (buf, count, s->bytes);
  s->bytes += count;
  if (s->fail_at && s->bytes >= s->fail_at) {
    log_error ("the disk is full");
    errno = ENOSPC;
    return -1;
  }
  return 0;
}

static bool
cancelled (void *opaque)
{
  const struct sink *s = opaque;

  return s->cancel_at && s->bytes >= s->cancel_at;
}

static int
stream (struct http_client *client, const char *path, struct sink *s)
{
  const struct http_request request = { .path = path };
  const struct http_sink sink = {
    .data = take, .cancelled = cancelled, .opaque = s,
  };

  capture_start ();
  return http_stream (client, &request, &sink);
}

static void
test_stream (void **state)
{
  struct login login = { .path = "/login?key=stream" };
  struct http_options o = default_options ();
  CLEANUP_CLIENT struct http_client *client = NULL;
  struct sink s = { 0 };

  o.stall_timeout = 1;
  o.login = log_in;
  o.login_opaque = &login;
  client = http_client_new (&o);
  assert_int_equal (stream (client, "/big?size=5000000", &s), 0);
  assert_int_equal (s.bytes, 5000000);

  s.bytes = 0;
  assert_int_equal (stream (client, "/disk?key=stream&size=70000&"
                            "auth=cookie", &s), 0);
  assert_int_equal (s.bytes, 70000);
  assert_int_equal (login.calls, 1);

  s.bytes = 0;
  assert_int_equal (stream (client, "/big?size=131072&pause=20000", &s), -1);
  assert_int_equal (errno, ETIMEDOUT);
  assert_int_equal (s.bytes, 65536);
  assert_error ("too slow");

  s.bytes = 0;
  assert_int_equal (stream (client, "/big?size=5000000&cut=1000000", &s),
                    -1);
  assert_int_equal (errno, EIO);
  assert_true (s.bytes < 1000000);
  assert_error ("/big: ");

  s = (struct sink) { .fail_at = 100000 };
  assert_int_equal (stream (client, "/big?size=5000000", &s), -1);
  assert_int_equal (errno, ENOSPC);
  assert_error ("the disk is full");

  s = (struct sink) { .cancel_at = 100000 };
  assert_int_equal (stream (client, "/big?size=50000000&pause=20", &s), -1);
  assert_int_equal (errno, ECANCELED);
  assert_int_equal (captured_errors, 0);

  s = (struct sink) { 0 };
  assert_int_equal (stream (client, "/status?key=s404&code=404", &s), -1);
  assert_int_equal (errno, ENOENT);
  assert_error ("status 404");
  assert_int_equal (stream (client, "/status?key=s206&code=206", &s), -1);
  assert_error ("status 206 instead of 200");
  assert_int_equal (s.bytes, 0);
}

/* Requests that wait end with the client. */
static void *
shut_down (void *opaque)
{
  usleep (300000);
  http_client_shutdown (opaque);
  return NULL;
}

static void
test_shutdown (void **state)
{
  struct http_options o = default_options ();
  CLEANUP_CLIENT struct http_client *client = http_client_new (&o);
  CLEANUP_HTTP_RESPONSE struct http_response response = { 0 };
  const uint64_t start = now_ms ();
  pthread_t thread;

  capture_start ();
  pthread_create (&thread, NULL, shut_down, client);
  assert_int_equal (get (client, "/hang", &response), -1);
  assert_int_equal (errno, ESHUTDOWN);
  assert_true (now_ms () - start < 3000);
  pthread_join (thread, NULL);
  assert_int_equal (get (client, "/echo", &response), -1);
  assert_int_equal (errno, ESHUTDOWN);
  assert_int_equal (captured_errors, 0);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_methods),
    cmocka_unit_test (test_response),
    cmocka_unit_test (test_too_long),
    cmocka_unit_test (test_retry),
    cmocka_unit_test (test_timeouts),
    cmocka_unit_test (test_refused),
    cmocka_unit_test (test_bad_path),
    cmocka_unit_test (test_bad_options),
    cmocka_unit_test (test_basic_and_headers),
    cmocka_unit_test (test_cookies),
    cmocka_unit_test (test_redirect),
    cmocka_unit_test (test_proxy),
    cmocka_unit_test (test_login),
    cmocka_unit_test (test_login_by_hand),
    cmocka_unit_test (test_stream),
    cmocka_unit_test (test_shutdown),
  };

  return cmocka_run_group_tests (tests, server_setup, server_teardown);
}
