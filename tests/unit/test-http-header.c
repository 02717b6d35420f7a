/* SPDX-License-Identifier: BSD-3-Clause
 *
 * common/http: the parsers of headers, thumbprints and URLs.
 */
#include "tests/unit/capture.h"

#include <errno.h>

#include "common/http/http_private.h"
#include "common/include/cleanup.h"
#include "common/include/minmax.h"

static bool
parse (const char *value, struct http_content_range *r)
{
  return http_parse_content_range (value, strlen (value), r);
}

static void
test_content_range (void **state)
{
  static const char *const bad[] = {
    "", "bytes", "bytes ", "bytes 0-0", "bytes 0-0/", "bytes 0-0/1x",
    "bytes 1-0/5", "bytes 0-5/5", "bytes -5/10", "bytes 5-/10",
    "bytes */*", "bytes *", "lines 0-0/1", "bytes=0-0/1", "bytes0-0/1",
    "bytes 0-0/1,", "bytes 0 -0/1", "bytes 0-0 /1", "bytes +0-0/1",
    "bytes 0-18446744073709551616/*", "bytes 0x0-1/2", "0-0/1",
  };
  struct http_content_range r;
  size_t i;

  assert_true (parse ("bytes 0-0/1", &r));
  assert_true (r.has_range && r.has_total);
  assert_true (r.first == 0 && r.last == 0 && r.total == 1);
  assert_true (parse ("Bytes   5-9/18446744073709551615", &r));
  assert_true (r.first == 5 && r.last == 9 && r.total == UINT64_MAX);
  assert_true (parse ("bytes 5-9/*", &r));
  assert_true (r.has_range && !r.has_total);
  assert_true (parse ("bytes */0", &r));
  assert_true (!r.has_range && r.has_total && r.total == 0);

  for (i = 0; i < ARRAY_SIZE (bad); ++i) {
    memset (&r, 0x55, sizeof r);
    if (parse (bad[i], &r))
      fail_msg ("'%s' was taken", bad[i]);
    assert_int_equal (r.first, UINT64_C (0x5555555555555555));
  }
  /* LEN counts, not what follows. */
  assert_false (http_parse_content_range ("bytes 0-0/1", 10, &r));
}

static void
test_split (void **state)
{
  static const char *const bad[] = { "", ":", ": x", "a b: c", "a", "\r\n",
                                     " a: b", "\x80: x" };
  const char *name, *value;
  size_t n, v, i;

  assert_true (http_header_split ("ETag:  \"x y\" \r\n", 15, &name, &n,
                                  &value, &v));
  assert_int_equal (n, 4);
  assert_int_equal (v, 5);
  assert_memory_equal (value, "\"x y\"", 5);
  assert_true (http_header_split ("A:", 2, &name, &n, &value, &v));
  assert_int_equal (v, 0);
  for (i = 0; i < ARRAY_SIZE (bad); ++i)
    assert_false (http_header_split (bad[i], strlen (bad[i]), &name, &n,
                                     &value, &v));
}

static void
add (struct http_range_reply *reply, const char *line)
{
  http_range_reply_add (reply, line, strlen (line));
}

static bool
check (const struct http_range_reply *reply, uint64_t first, uint64_t length)
{
  struct http_failure failure = { 0 };
  const bool ret = http_range_reply_check (reply, first, length, 1000,
                                           "\"e\"", "date", &failure);

  assert_int_equal (failure.err, ret ? 0 : EIO);
  assert_true (ret || failure.cause[0]);
  return ret;
}

static void
test_reply (void **state)
{
  struct http_range_reply reply = { .etag = "rest" };
  char longer[600];

  add (&reply, "HTTP/1.1 206 Partial Content\r\n");
  assert_int_equal (reply.status, 206);
  assert_string_equal (reply.etag, "");
  assert_false (check (&reply, 10, 5)); /* nothing said */
  add (&reply, "content-range: bytes 10-14/1000\r\n");
  assert_true (check (&reply, 10, 5));
  assert_false (check (&reply, 11, 4));
  assert_false (check (&reply, 10, 4));
  assert_false (check (&reply, 9, 5));
  add (&reply, "Content-Length: 5\r\n");
  add (&reply, "ETag: \"e\"\r\n");
  add (&reply, "Content-Encoding: identity\r\n");
  assert_true (check (&reply, 10, 5));
  add (&reply, "Content-Length: 6\r\n"); /* two that differ */
  assert_false (check (&reply, 10, 5));

  add (&reply, "HTTP/1.1 206 OK\r\n");
  add (&reply, "Content-Range: bytes 10-14/1000\r\n");
  add (&reply, "Content-Range: bytes 10-14/1000\r\n");
  assert_false (check (&reply, 10, 5));

  add (&reply, "HTTP/1.1 206 OK\r\n");
  add (&reply, "Content-Range: bytes 10-14/*\r\n");
  assert_true (check (&reply, 10, 5));
  add (&reply, "Last-Modified: another date\r\n");
  assert_false (check (&reply, 10, 5));

  /* 200 for all of it, and for nothing else. */
  add (&reply, "HTTP/1.1 200 OK\r\n");
  assert_true (check (&reply, 0, 1000));
  assert_false (check (&reply, 0, 999));
  assert_false (check (&reply, 1, 999));

  /* The end of a long ETag counts too. */
  memset (longer, 'x', sizeof longer);
  memcpy (longer, "ETag: ", 6);
  http_range_reply_add (&reply, longer, sizeof longer);
  assert_int_equal (strlen (reply.etag), sizeof reply.etag - 1);
  memcpy (longer, reply.etag, sizeof reply.etag);
  {
    char other[600];
    struct http_range_reply second = { 0 };

    memset (other, 'x', sizeof other);
    memcpy (other, "ETag: ", 6);
    other[599] = 'y';
    http_range_reply_add (&second, other, sizeof other);
    assert_string_not_equal (second.etag, longer);
  }
  add (&reply, "HTTP/nonsense");
  assert_int_equal (reply.status, 0);
}

static void
test_thumbprint (void **state)
{
  static const char sha1[] =
    "00:11:22:33:44:55:66:77:88:99:aA:Bb:cc:dd:ee:ff:00:11:22:33";
  static const char *const bad[] = {
    "", ":", "00", "0011223344556677889900112233445566778899aa",
    "00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff:00:11:22:3",
    "00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff:00:11:22:33:",
    ":00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff:00:11:22:33",
    "0:011:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff:00:11:22:33",
    "gg112233445566778899aabbccddeeff00112233",
  };
  uint8_t pin[HTTP_PIN_MAX];
  size_t i;

  assert_int_equal (http_parse_thumbprint (sha1, pin), 20);
  assert_int_equal (pin[0], 0);
  assert_int_equal (pin[10], 0xaa);
  assert_int_equal (pin[19], 0x33);
  assert_int_equal (http_parse_thumbprint ("00112233445566778899AABBCCDDEEFF"
                                           "00112233445566778899aabbccddeeff",
                                           pin), 32);
  for (i = 0; i < ARRAY_SIZE (bad); ++i)
    if (http_parse_thumbprint (bad[i], pin) != 0)
      fail_msg ("'%s' was taken", bad[i]);
}

static void
split (const char *url, const char *origin, const char *path)
{
  CLEANUP_FREE char *o = NULL, *p = NULL;

  assert_int_equal (http_split_url (url, &o, &p), 0);
  assert_string_equal (o, origin);
  assert_string_equal (p, path);
}

static void
test_url (void **state)
{
  static const char *const bad[] = {
    "", "host/path", "https://u@host/", "https://u:p@host/", "file:///etc",
    "http://[::1", "gopher://h/", "https://h:99999/",
  };
  char *o = (char *) "untouched", *p = (char *) "untouched", *s;
  size_t i;

  split ("https://vcenter.example/sdk", "https://vcenter.example", "/sdk");
  split ("https://h:443", "https://h", "/");
  split ("https://h:8443/a/../b%20c?x=%2f&y#z", "https://h:8443",
         "/a/../b%20c?x=%2f&y");
  split ("http://[::1]:80/?q", "http://[::1]", "/?q");
  split ("HTTPS://Host", "https://Host", "/");
  for (i = 0; i < ARRAY_SIZE (bad); ++i) {
    capture_start ();
    if (http_split_url (bad[i], &o, &p) != -1)
      fail_msg ("'%s' was taken", bad[i]);
    assert_int_equal (errno, EINVAL);
    assert_int_equal (captured_errors, 1);
    assert_null (strstr (captured, "u:p"));
    assert_string_equal (o, "untouched");
    assert_string_equal (p, "untouched");
  }

  s = http_escape ("[ds 1] a/b-flat.vmdk?\xc3\xa4%", "/");
  assert_string_equal (s, "%5Bds%201%5D%20a/b-flat.vmdk%3F%C3%A4%25");
  free (s);
  s = http_escape ("a/b&c=d+e~", "");
  assert_string_equal (s, "a%2Fb%26c%3Dd%2Be~");
  free (s);
  s = http_escape ("", "");
  assert_string_equal (s, "");
  free (s);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_content_range),
    cmocka_unit_test (test_split),
    cmocka_unit_test (test_reply),
    cmocka_unit_test (test_thumbprint),
    cmocka_unit_test (test_url),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
