/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What went wrong, in words, as an errno, and whether it is worth another
 * try.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/http/http_private.h"
#include "common/include/cleanup.h"

void
http_fail (struct http_failure *failure, int err, bool again,
           const char *fmt, ...)
{
  va_list args;

  failure->err = err;
  failure->again = again;
  failure->reported = false;
  va_start (args, fmt);
  vsnprintf (failure->cause, sizeof failure->cause, fmt, args);
  va_end (args);
}

const char *
http_printable_path (const char *path)
{
  CLEANUP_FREE char *plain = strndup (path, strcspn (path, "?"));

  return plain ? printable (plain) : "?";
}

static void
fail_connect (struct http_client *client, CURL *easy, const char *text,
              struct http_failure *failure)
{
  long os_error = 0;

  /* A mistake in the configuration is told at once; a server that was
   * there may come back.
   */
  curl_easy_getinfo (easy, CURLINFO_OS_ERRNO, &os_error);
  http_fail (failure, os_error ? (int) os_error : EIO, client->reached,
             "no connection: %s", printable (text));
}

static void
fail_timeout (struct http_client *client, CURL *easy, const char *text,
              struct http_failure *failure)
{
  curl_off_t sent = 0;

  curl_easy_getinfo (easy, CURLINFO_PRETRANSFER_TIME_T, &sent);
  http_fail (failure, ETIMEDOUT, client->reached, sent > 0 ?
             "%s; if the server is only slow, set a longer timeout" : "%s",
             printable (text));
}

void
http_fail_curl (struct http_client *client, CURL *easy, CURLcode code,
                const char *error, struct http_failure *failure)
{
  const char *text = *error ? error : curl_easy_strerror (code);
  long proxy_status = 0;

  if (client->closing) {
    http_fail (failure, ESHUTDOWN, false, "the client is being closed");
    return;
  }
  curl_easy_getinfo (easy, CURLINFO_HTTP_CONNECTCODE, &proxy_status);
  if (proxy_status == 403 || proxy_status == 407) {
    http_fail (failure, EPERM, false, "the proxy refuses the connection "
               "(status %ld); it may want a user and a password in its URL",
               proxy_status);
    return;
  }
  switch (code) {
  case CURLE_COULDNT_RESOLVE_HOST:
  case CURLE_COULDNT_RESOLVE_PROXY:
    http_fail (failure, EHOSTUNREACH, client->reached, "%s",
               printable (text));
    return;
  case CURLE_COULDNT_CONNECT:
  case CURLE_PROXY:
    fail_connect (client, easy, text, failure);
    return;
  case CURLE_OPERATION_TIMEDOUT:
    fail_timeout (client, easy, text, failure);
    return;
  case CURLE_PEER_FAILED_VERIFICATION:
    http_tls_explain (client, text, failure);
    return;
  case CURLE_SSL_CONNECT_ERROR:
    http_fail (failure, EIO, client->reached, "no TLS connection: %s",
               printable (text));
    return;
  case CURLE_OUT_OF_MEMORY:
    http_fail (failure, ENOMEM, false, "out of memory");
    return;
  case CURLE_PARTIAL_FILE:
    http_fail (failure, EIO, true, "the answer was cut short: %s",
               printable (text));
    return;
  case CURLE_GOT_NOTHING:
  case CURLE_SEND_ERROR:
  case CURLE_RECV_ERROR:
    http_fail (failure, EIO, true, "the connection was lost: %s",
               printable (text));
    return;
  case CURLE_UNSUPPORTED_PROTOCOL:
  case CURLE_WEIRD_SERVER_REPLY:
  case CURLE_HTTP2:
    http_fail (failure, EIO, true, "the answer is not HTTP: %s",
               printable (text));
    return;
  case CURLE_URL_MALFORMAT:
  case CURLE_BAD_FUNCTION_ARGUMENT:
  case CURLE_UNKNOWN_OPTION:
  case CURLE_SSL_CACERT_BADFILE:
  case CURLE_SSL_CIPHER:
    http_fail (failure, EINVAL, false, "%s", printable (text));
    return;
  default:
    http_fail (failure, EIO, true, "%s", printable (text));
    return;
  }
}

static const char *
words_of_status (unsigned status)
{
  switch (status) {
  case 400: return "the server does not understand the request";
  case 401: return "the server does not accept the user and password, or "
      "the session has ended";
  case 403: return "this user is not allowed to do that";
  case 404: return "there is no such object";
  case 407: return "the proxy wants a user and a password";
  case 408: return "the server waited too long for the request";
  case 410: return "the object is gone";
  case 416: return "the range is not in the file; has it become shorter?";
  case 429: return "there were too many requests; use fewer connections";
  case 500: return "the server has an internal error";
  case 502:
  case 504: return "the gateway cannot reach the server behind it";
  case 503: return "the server is too busy, or has too many sessions or "
      "connections; use fewer connections";
  default: return "that is not what was expected";
  }
}

void
http_fail_status (unsigned status, const char *location,
                  struct http_failure *failure)
{
  const bool again = status == 408 || status == 429 ||
    (status >= 500 && status != 501 && status != 505);
  const int err = status == 401 || status == 403 || status == 407 ? EPERM :
    status == 404 || status == 410 ? ENOENT : EIO;

  if (status >= 300 && status < 400 && location)
    http_fail (failure, EIO, false, "status %u, redirected to %s, which is "
               "not followed; give that host if it is the right one",
               status, http_printable_path (location));
  else
    http_fail (failure, err, again, "status %u: %s", status,
               words_of_status (status));
}
