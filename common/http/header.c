/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The headers of replies: what they say is checked here, before a byte of
 * the body is taken.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/http/http_private.h"
#include "common/include/minmax.h"

/* RFC 9110 5.6.2: the characters of a token. */
static bool
is_token_char (char c)
{
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
    (c >= '0' && c <= '9') || (c && strchr ("!#$%&'*+-.^_`|~", c));
}

static bool
is_space (char c)
{
  return c == ' ' || c == '\t';
}

bool
http_header_split (const char *line, size_t len, const char **name,
                   size_t *name_len, const char **value, size_t *value_len)
{
  size_t start, end = len, n = 0;

  while (end > 0 && (line[end - 1] == '\n' || line[end - 1] == '\r' ||
                     is_space (line[end - 1])))
    end--;
  while (n < end && is_token_char (line[n]))
    n++;
  if (n == 0 || n == end || line[n] != ':')
    return false;
  for (start = n + 1; start < end && is_space (line[start]); ++start)
    ;
  *name = line;
  *name_len = n;
  *value = line + start;
  *value_len = end - start;
  return true;
}

/* Read digits at *P; *P is after them then. */
static bool
take_number (const char **p, const char *end, uint64_t *r)
{
  const char *start = *p;

  while (*p < end && **p >= '0' && **p <= '9')
    (*p)++;
  return *p > start && parse_u64_n (start, *p - start, 10, r);
}

static bool
take_char (const char **p, const char *end, char c)
{
  if (*p == end || **p != c)
    return false;
  (*p)++;
  return true;
}

bool
http_parse_content_range (const char *value, size_t len,
                          struct http_content_range *r)
{
  struct http_content_range range = { 0 };
  const char *p = value, *end = value + len;

  if (len < 6 || strncasecmp (p, "bytes", 5) != 0 || !is_space (p[5]))
    return false;
  for (p += 5; p < end && is_space (*p); ++p)
    ;
  if (!take_char (&p, end, '*')) {
    range.has_range = true;
    if (!take_number (&p, end, &range.first) || !take_char (&p, end, '-') ||
        !take_number (&p, end, &range.last) || range.first > range.last)
      return false;
  }
  if (!take_char (&p, end, '/'))
    return false;
  if (!take_char (&p, end, '*')) {
    range.has_total = true;
    if (!take_number (&p, end, &range.total))
      return false;
  }
  if (p != end || (!range.has_range && !range.has_total) ||
      (range.has_range && range.has_total && range.last >= range.total))
    return false;
  *r = range;
  return true;
}

/* Keep VALUE for a later comparison; of a long one the tail is replaced
 * by a hash (FNV-1a), which is good enough to see a change.
 */
static void
keep_value (char *to, size_t size, const char *value, size_t len)
{
  uint64_t hash = UINT64_C (0xcbf29ce484222325);
  size_t i;

  if (len < size) {
    memcpy (to, value, len);
    to[len] = '\0';
    return;
  }
  for (i = 0; i < len; ++i)
    hash = (hash ^ (unsigned char) value[i]) * UINT64_C (0x100000001b3);
  snprintf (to, size, "%.*s#%016" PRIx64, (int) (size - 18), value, hash);
}

static bool
is_name (const char *name, size_t len, const char *wanted)
{
  return len == strlen (wanted) && strncasecmp (name, wanted, len) == 0;
}

static void
take_length (struct http_range_reply *reply, const char *value, size_t len)
{
  uint64_t length;

  if (!parse_u64_n (value, len, 10, &length) ||
      (reply->has_length && length != reply->length))
    reply->bad_length = true;
  else {
    reply->has_length = true;
    reply->length = length;
  }
}

void
http_range_reply_add (struct http_range_reply *reply, const char *line,
                      size_t len)
{
  const char *name, *value;
  size_t name_len, value_len;
  uint64_t status;

  if (len >= 5 && memcmp (line, "HTTP/", 5) == 0) {
    const char *space = memchr (line, ' ', len);

    memset (reply, 0, sizeof *reply);
    if (space && line + len - space >= 4 &&
        parse_u64_n (space + 1, 3, 10, &status))
      reply->status = status;
    return;
  }
  if (!http_header_split (line, len, &name, &name_len, &value, &value_len))
    return;
  if (is_name (name, name_len, "Content-Range")) {
    struct http_content_range range;

    if (reply->has_range ||
        !http_parse_content_range (value, value_len, &range))
      reply->bad_range = true;
    else {
      reply->has_range = true;
      reply->range = range;
    }
  }
  else if (is_name (name, name_len, "Content-Length"))
    take_length (reply, value, value_len);
  else if (is_name (name, name_len, "Content-Encoding")) {
    if (!is_name (value, value_len, "identity"))
      reply->encoded = true;
  }
  else if (is_name (name, name_len, "ETag"))
    keep_value (reply->etag, sizeof reply->etag, value, value_len);
  else if (is_name (name, name_len, "Last-Modified"))
    keep_value (reply->modified, sizeof reply->modified, value, value_len);
}

/* A value that is there now and was there at first must be the same. */
static bool
same_identity (const char *what, const char *now, const char *before,
               struct http_failure *failure)
{
  if (*now == '\0' || *before == '\0' || strcmp (now, before) == 0)
    return true;
  http_fail (failure, EIO, true, "the file has changed since it was opened: "
             "its %s was %s and is %s", what, printable (before),
             printable (now));
  return false;
}

bool
http_range_reply_check (const struct http_range_reply *reply,
                        uint64_t first, uint64_t length, uint64_t size,
                        const char *etag, const char *modified,
                        struct http_failure *failure)
{
  const struct http_content_range *r = &reply->range;

  if (reply->status == 200) {
    if (first != 0 || length != size) {
      http_fail (failure, EIO, true, "the server ignored the range: it "
                 "answered 200 with the whole file");
      return false;
    }
  }
  else if (reply->bad_range || !reply->has_range || !r->has_range) {
    http_fail (failure, EIO, true, "the answer 206 has %s Content-Range",
               reply->bad_range || reply->has_range ? "a wrong" : "no");
    return false;
  }
  else if (r->first != first || r->last != first + length - 1) {
    http_fail (failure, EIO, true, "the answer has bytes %" PRIu64 "-%"
               PRIu64 " instead of %" PRIu64 "-%" PRIu64, r->first, r->last,
               first, first + length - 1);
    return false;
  }
  else if (r->has_total && r->total != size) {
    http_fail (failure, EIO, true, "the file has changed since it was "
               "opened: its size was %" PRIu64 " and is %" PRIu64, size,
               r->total);
    return false;
  }
  if (reply->bad_length || (reply->has_length && reply->length != length)) {
    http_fail (failure, EIO, true, "the answer has a wrong Content-Length");
    return false;
  }
  if (reply->encoded) {
    http_fail (failure, EIO, true, "the answer has a Content-Encoding that "
               "was not asked for");
    return false;
  }
  return same_identity ("ETag", reply->etag, etag, failure) &&
    same_identity ("Last-Modified", reply->modified, modified, failure);
}
