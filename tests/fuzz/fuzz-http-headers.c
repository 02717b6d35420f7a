/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The headers of a ranged reply, any bytes cut at their newlines.  A reply
 * that passes the checks must say so in all its parts, and a range that is
 * taken must be read the same when it is written again.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/http/http_private.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

#define FIRST 4096
#define LENGTH 512
#define SIZE 1000000

static void
check_range (const char *value, size_t len)
{
  struct http_content_range r, again;
  char text[128];
  int n;

  if (!http_parse_content_range (value, len, &r))
    return;
  if (r.has_range && (r.first > r.last ||
                      (r.has_total && r.last >= r.total)))
    abort ();
  if (r.has_range)
    n = snprintf (text, sizeof text, "bytes %" PRIu64 "-%" PRIu64 "/",
                  r.first, r.last);
  else
    n = snprintf (text, sizeof text, "bytes */");
  if (r.has_total)
    snprintf (text + n, sizeof text - n, "%" PRIu64, r.total);
  else
    snprintf (text + n, sizeof text - n, "*");
  if (!http_parse_content_range (text, strlen (text), &again) ||
      again.has_range != r.has_range || again.has_total != r.has_total ||
      again.first != r.first || again.last != r.last ||
      again.total != r.total)
    abort ();
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  const char *text = (const char *) data;
  struct http_range_reply reply = { 0 };
  struct http_failure failure = { 0 };
  uint8_t pin[HTTP_PIN_MAX];
  size_t done = 0;

  check_range (text, size);
  while (done < size) {
    const char *newline = memchr (text + done, '\n', size - done);
    const size_t len = newline ? (size_t) (newline + 1 - text) - done :
      size - done;
    /* Copies of their own, so that reading past their end is noticed. */
    char *hex = strndup (text + done, len);
    char *line = malloc (len);

    if (line == NULL || hex == NULL)
      abort ();
    memcpy (line, text + done, len);
    http_parse_thumbprint (hex, pin);
    http_range_reply_add (&reply, line, len);
    free (hex);
    free (line);
    done += len;
  }
  if (http_range_reply_check (&reply, FIRST, LENGTH, SIZE, "\"e\"", "date",
                              &failure)) {
    if (reply.status == 200 || reply.bad_range || !reply.has_range ||
        reply.range.first != FIRST ||
        reply.range.last != FIRST + LENGTH - 1 || reply.encoded ||
        (reply.has_length && reply.length != LENGTH))
      abort ();
  }
  else if (failure.err == 0 || failure.cause[0] == '\0')
    abort ();
  return 0;
}
