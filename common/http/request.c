/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One request on the caller's thread: sent, logged in for, redirected and
 * repeated as its answers say.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/http/http_private.h"
#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/log.h"
#include "common/util/monotonic.h"

#define DEFAULT_MAX_BODY (16 * MIB)
#define MAX_REDIRECTS 5

struct exchange {
  struct http_client *client;
  const struct http_request *request;
  const struct http_sink *sink; /* or NULL */
  bool cut;
  char *path;
  unsigned redirects;

  /* Of the try that is running. */
  CURL *easy;
  char error[CURL_ERROR_SIZE];
  struct strbuf body, headers;
  unsigned status;
  unsigned generation;
  bool was_cut;
  bool handed_over;             /* bytes went to the sink */
  int sink_err;
  struct http_failure failure;  /* by our own callbacks; err 0: none */
};

static size_t
take_header (char *line, size_t size, size_t n, void *opaque)
{
  struct exchange *x = opaque;
  size_t len = n;

  if (n >= 5 && memcmp (line, "HTTP/", 5) == 0) {
    strbuf_free (&x->headers);  /* of a 100, or of a proxy */
    return n;
  }
  while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
    len--;
  if (x->headers.len + len >= HTTP_HEADERS_MAX) {
    http_fail (&x->failure, EIO, false, "the answer has more than %d bytes "
               "of headers", HTTP_HEADERS_MAX);
    return 0;
  }
  if (len > 0 && memchr (line, '\0', len) == NULL &&
      (strbuf_append_bytes (&x->headers, line, len) == -1 ||
       strbuf_append_char (&x->headers, '\n') == -1)) {
    http_fail (&x->failure, ENOMEM, false, "out of memory");
    return 0;
  }
  return n;
}

static size_t
take_body (char *data, size_t size, size_t n, void *opaque)
{
  struct exchange *x = opaque;
  const size_t max = x->request->max_body ? x->request->max_body :
    DEFAULT_MAX_BODY;
  long status = 0;

  curl_easy_getinfo (x->easy, CURLINFO_RESPONSE_CODE, &status);
  if (x->sink && status == 200) {
    x->handed_over = true;
    if (x->sink->data (x->sink->opaque, data, n) == 0)
      return n;
    x->sink_err = errno ? errno : EIO;
    return 0;
  }
  if (n > max - x->body.len) {
    if (x->cut || x->sink) {
      x->was_cut = true;
      n = max - x->body.len;
      if (strbuf_append_bytes (&x->body, data, n) == 0)
        return 0;
    }
    http_fail (&x->failure, EIO, false, "the answer is longer than the %zu "
               "bytes that are allowed", max);
    return 0;
  }
  if (strbuf_append_bytes (&x->body, data, n) == -1) {
    http_fail (&x->failure, ENOMEM, false, "out of memory");
    return 0;
  }
  return n;
}

static int
watch (void *opaque, curl_off_t dltotal, curl_off_t dlnow,
       curl_off_t ultotal, curl_off_t ulnow)
{
  struct exchange *x = opaque;

  if (x->client->closing)
    return 1;
  if (x->sink && x->sink->cancelled &&
      x->sink->cancelled (x->sink->opaque)) {
    http_fail (&x->failure, ECANCELED, false, "cancelled");
    return 1;
  }
  return 0;
}

static bool
has_header (const char *const *headers, const char *name)
{
  const size_t len = strlen (name);

  for (; headers && *headers; ++headers)
    if (strncasecmp (*headers, name, len) == 0 && (*headers)[len] == ':')
      return true;
  return false;
}

static CURLcode
set_method (CURL *easy, const struct http_request *request)
{
  const char *method = request->method ? request->method : "GET";
  CURLcode r = CURLE_OK;

  if (strcmp (method, "HEAD") == 0)
    return curl_easy_setopt (easy, CURLOPT_NOBODY, 1L);
  if (request->body || strcmp (method, "POST") == 0) {
    r = curl_easy_setopt (easy, CURLOPT_POST, 1L);
    if (r == CURLE_OK)
      r = curl_easy_setopt (easy, CURLOPT_POSTFIELDSIZE_LARGE,
                            (curl_off_t) request->body_len);
    if (r == CURLE_OK)
      r = curl_easy_setopt (easy, CURLOPT_POSTFIELDS,
                            request->body ? request->body : "");
  }
  if (r == CURLE_OK)
    r = curl_easy_setopt (easy, CURLOPT_CUSTOMREQUEST, method);
  return r;
}

static CURLcode
set_exchange (struct exchange *x, struct curl_slist *headers, bool fresh)
{
  CURL *easy = x->easy;
  CURLcode r;

  r = http_setup (x->client, easy, x->path, x->request->stall_timeout);
#define SET(option, value)                                              \
  do {                                                                  \
    if (r == CURLE_OK)                                                  \
      r = curl_easy_setopt (easy, CURLOPT_##option, value);             \
  } while (0)
  SET (ERRORBUFFER, x->error);
  SET (HTTPHEADER, headers);
  SET (HEADERFUNCTION, take_header);
  SET (HEADERDATA, x);
  SET (WRITEFUNCTION, take_body);
  SET (WRITEDATA, x);
  SET (XFERINFOFUNCTION, watch);
  SET (XFERINFODATA, x);
  SET (NOPROGRESS, 0L);
  SET (TIMEOUT, (long) x->request->timeout);
  /* A server that makes its answer as it goes may be slow. */
  if (x->sink)
    SET (LOW_SPEED_LIMIT, 1L);
  SET (FRESH_CONNECT, fresh ? 1L : 0L);
#undef SET
  return r == CURLE_OK ? set_method (easy, x->request) : r;
}

/* One try.  True if there is a status. */
static bool
perform (struct exchange *x, bool retry, unsigned *retry_after,
         struct http_failure *failure)
{
  static const char *const quiet[] = { "Expect:", "Content-Type:", NULL };
  const size_t nr_quiet = has_header (x->request->headers, "Content-Type") ?
    1 : 2;
  struct curl_slist *headers;
  struct http_handle *handle;
  curl_off_t wait = 0;
  long status = 0;
  bool oom;
  CURLcode r;
  size_t i;

  strbuf_free (&x->body);
  strbuf_free (&x->headers);
  x->error[0] = '\0';
  x->failure.err = 0;
  x->sink_err = 0;
  x->was_cut = false;
  handle = http_handle_get (x->client, x->request->no_login);
  if (handle == NULL) {
    failure->err = errno;
    failure->again = false;
    failure->reported = true;
    return false;
  }
  x->easy = handle->easy;
  headers = http_header_list (x->client, x->request->headers, &oom);
  for (i = 0; i < nr_quiet && !oom; ++i) {
    struct curl_slist *longer = curl_slist_append (headers, quiet[i]);

    oom = longer == NULL;
    headers = longer ? longer : headers;
  }
  r = oom ? CURLE_OUT_OF_MEMORY : set_exchange (x, headers, retry);
  if (r == CURLE_OK) {
    r = curl_easy_perform (x->easy);
    http_count_transfer (x->client, x->easy, retry);
  }
  curl_easy_getinfo (x->easy, CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo (x->easy, CURLINFO_RETRY_AFTER, &wait);
  if (status != 0)
    x->client->reached = true;
  x->status = status;
  *retry_after = MIN (MAX (wait, 0), 3600);

  if (r == CURLE_WRITE_ERROR && x->was_cut)
    r = CURLE_OK;
  if (x->sink_err) {
    failure->err = x->sink_err;
    failure->again = false;
    failure->reported = true;
  }
  else if (r != CURLE_OK && x->failure.err)
    *failure = x->failure;
  else if (r != CURLE_OK)
    http_fail_curl (x->client, x->easy, r, x->error, failure);
  http_reset (x->easy);         /* forget pointers into X */
  curl_slist_free_all (headers);
  http_handle_put (x->client, handle);
  return r == CURLE_OK;
}

/* Take over the path of a redirect that may be followed. */
static bool
follow (struct exchange *x)
{
  const struct http_response r = { .headers = x->headers.ptr };
  CLEANUP_FREE char *location = http_response_header (&r, "Location");
  CLEANUP_FREE char *origin = NULL, *path = NULL;

  if (x->status < 301 || x->status > 308 || location == NULL ||
      x->status == 304 || !x->request->follow || x->request->body ||
      ++x->redirects > MAX_REDIRECTS)
    return false;
  if (location[0] == '/' && location[1] != '/') {
    free (x->path);
    x->path = strndup (location, strcspn (location, "#"));
    return x->path != NULL;
  }
  if (http_split (location, &origin, &path) != NULL ||
      strcasecmp (origin, x->client->origin) != 0)
    return false;
  free (x->path);
  x->path = path;
  path = NULL;
  return true;
}

/* False, with FAILURE, when the client is being closed. */
static bool
back_off (struct http_client *client, unsigned try, unsigned retry_after,
          struct http_failure *failure)
{
  const int64_t until = monotonic_ms () +
    http_backoff_ms (client, try, retry_after);

  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&client->lock);

  while (!client->closing && monotonic_ms () < until)
    monotonic_cond_wait (&client->changed, &client->lock, until);
  if (client->closing)
    failure->err = ESHUTDOWN;
  return !client->closing;
}

static bool
is_busy (unsigned status)
{
  return status == 429 || status == 502 || status == 503 || status == 504;
}

/* The tries of one exchange.  0 when there is a status to hand back. */
static int
run (struct exchange *x, struct http_failure *failure, unsigned *tries)
{
  const char *method = x->request->method ? x->request->method : "GET";
  const bool idempotent = x->request->idempotent ||
    strcmp (method, "GET") == 0 || strcmp (method, "HEAD") == 0;
  unsigned retry_after = 0, logins = 0;
  bool retry = false;

  for (;;) {
    if (!x->request->no_login)
      x->generation = http_wait_login (x->client);
    else
      x->generation = http_client_generation (x->client);

    if (perform (x, retry, &retry_after, failure)) {
      log_debug ("%s %s%s: status %u, %zu bytes", method, x->client->origin,
                 http_printable_path (x->path), x->status, x->body.len);
      if (x->status == 401 && x->client->login && !x->request->no_login &&
          logins++ < HTTP_MAX_LOGINS) {
        if (http_client_login (x->client, x->generation) == 0)
          continue;
        failure->err = errno;
        failure->reported = true;
        return -1;
      }
      if (follow (x))
        continue;
      if (!is_busy (x->status))
        return 0;
      if (!idempotent || *tries >= x->client->retries)
        return 0;
    }
    else {
      if (!failure->again || !idempotent || x->handed_over ||
          *tries >= x->client->retries)
        return -1;
      log_debug ("%s %s%s: %s; trying again", method, x->client->origin,
                 http_printable_path (x->path), failure->cause);
    }
    retry = true;
    if (!back_off (x->client, ++*tries, retry_after, failure))
      return -1;
  }
}

static void
report (struct http_client *client, const struct http_request *request,
        const char *path, const struct http_failure *failure,
        unsigned tries)
{
  if (!failure->reported && failure->err == ENOMEM)
    log_oom ();
  else if (!failure->reported && failure->err != ESHUTDOWN &&
           failure->err != ECANCELED) {
    if (tries > 0)
      log_error ("%s %s%s: %s (tried %u times)",
                 request->method ? request->method : "GET", client->origin,
                 http_printable_path (path), failure->cause, tries + 1);
    else
      log_error ("%s %s%s: %s", request->method ? request->method : "GET",
                 client->origin, http_printable_path (path),
                 failure->cause);
  }
  errno = failure->err;
}

int
http_exchange (struct http_client *client,
               const struct http_request *request,
               const struct http_sink *sink, bool cut,
               struct http_response *response, char **final_path)
{
  struct exchange x = {
    .client = client, .request = request, .sink = sink, .cut = cut,
    .path = strdup (request->path),
  };
  struct http_failure failure = { 0 };
  unsigned tries = 0;
  int r = -1;

  if (http_enter (client) == -1) {
    free (x.path);
    return -1;
  }
  if (x.path == NULL)
    failure.err = ENOMEM;
  else
    r = run (&x, &failure, &tries);
  if (r == 0) {
    response->status = x.status;
    response->generation = x.generation;
    response->len = x.body.len;
    response->body = strbuf_steal (&x.body);
    response->headers = strbuf_steal (&x.headers);
    if (response->body == NULL || response->headers == NULL) {
      http_response_free (response);
      failure.err = ENOMEM;
      r = -1;
    }
  }
  if (r == -1)
    report (client, request, x.path ? x.path : "", &failure, tries);
  else if (final_path) {
    *final_path = x.path;
    x.path = NULL;
  }
  strbuf_free (&x.body);
  strbuf_free (&x.headers);
  free (x.path);
  http_leave (client);
  return r;
}

int
http_request (struct http_client *client,
              const struct http_request *request,
              struct http_response *response)
{
  return http_exchange (client, request, NULL, false, response, NULL);
}

int
http_stream (struct http_client *client, const struct http_request *request,
             const struct http_sink *sink)
{
  CLEANUP_HTTP_RESPONSE struct http_response response = { 0 };

  if (http_exchange (client, request, sink, false, &response, NULL) == -1)
    return -1;
  if (response.status == 200)
    return 0;
  if (http_check_status (client, request, &response) == 0) {
    log_error ("%s%s: status %u instead of 200", client->origin,
               http_printable_path (request->path), response.status);
    errno = EIO;
  }
  return -1;
}

void
http_response_free (struct http_response *response)
{
  free (response->body);
  free (response->headers);
  response->body = response->headers = NULL;
}

char *
http_response_header (const struct http_response *response,
                      const char *name)
{
  const char *line = response->headers;

  while (line && *line) {
    const size_t len = strcspn (line, "\n");
    const char *found, *value;
    size_t found_len, value_len;

    if (http_header_split (line, len, &found, &found_len, &value,
                           &value_len) &&
        found_len == strlen (name) &&
        strncasecmp (found, name, found_len) == 0)
      return strndup (value, value_len);
    line += len + (line[len] == '\n');
  }
  return NULL;
}

int
http_check_status (struct http_client *client,
                   const struct http_request *request,
                   const struct http_response *response)
{
  CLEANUP_FREE char *location = NULL;
  struct http_failure failure;

  if (response->status >= 200 && response->status < 300)
    return 0;
  location = http_response_header (response, "Location");
  http_fail_status (response->status, location, &failure);
  log_error ("%s %s%s: %s", request->method ? request->method : "GET",
             client->origin, http_printable_path (request->path),
             failure.cause);
  errno = failure.err;
  return -1;
}
