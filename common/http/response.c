/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The public forms of an exchange, and what can be asked of its answer.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/http/http_private.h"
#include "common/include/cleanup.h"
#include "common/util/log.h"

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
