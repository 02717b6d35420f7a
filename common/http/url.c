/* SPDX-License-Identifier: BSD-3-Clause
 *
 * URLs, with curl's own parser.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/http/http_private.h"
#include "common/include/cleanup.h"
#include "common/util/log.h"

static void
cleanup_curlu (CURLU **u)
{
  curl_url_cleanup (*u);
}

static void
cleanup_curl_free (char **s)
{
  curl_free (*s);
}
#define CLEANUP_CURL_FREE __attribute__ ((cleanup (cleanup_curl_free)))

const char *
http_split (const char *url, char **origin, char **path)
{
  __attribute__ ((cleanup (cleanup_curlu))) CURLU *u = curl_url ();
  CLEANUP_CURL_FREE char *user = NULL, *scheme = NULL, *host = NULL;
  CLEANUP_CURL_FREE char *port = NULL, *file = NULL, *query = NULL;
  char *new_origin = NULL;
  CURLUcode r;

  if (u == NULL)
    return "out of memory";
  r = curl_url_set (u, CURLUPART_URL, url, CURLU_PATH_AS_IS);
  if (r != CURLUE_OK)
    return curl_url_strerror (r);
  if (curl_url_get (u, CURLUPART_USER, &user, 0) == CURLUE_OK)
    return "it has a user name or a password in it; give them apart from "
      "it";
  if (curl_url_get (u, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
      curl_url_get (u, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
      curl_url_get (u, CURLUPART_PATH, &file, 0) != CURLUE_OK)
    return "it must be https://HOST";
  if (strcasecmp (scheme, "http") != 0 && strcasecmp (scheme, "https") != 0)
    return "only http and https can be read";
  curl_url_get (u, CURLUPART_PORT, &port, CURLU_NO_DEFAULT_PORT);
  curl_url_get (u, CURLUPART_QUERY, &query, 0);

  if (asprintf (&new_origin, "%s://%s%s%s", scheme, host, port ? ":" : "",
                port ? port : "") == -1)
    return "out of memory";
  if (asprintf (path, "%s%s%s", file, query ? "?" : "",
                query ? query : "") == -1) {
    *path = NULL;
    free (new_origin);
    return "out of memory";
  }
  *origin = new_origin;
  return NULL;
}

int
http_split_url (const char *url, char **origin, char **path)
{
  const char *why = http_split (url, origin, path);

  if (why == NULL)
    return 0;
  /* It may hold a password. */
  if (strchr (url, '@'))
    log_error ("a URL is not usable: %s", why);
  else
    log_error ("the URL '%s' is not usable: %s", printable (url), why);
  errno = EINVAL;
  return -1;
}

char *
http_escape (const char *s, const char *keep)
{
  static const char unreserved[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
  struct strbuf b = { 0 };

  for (; *s; ++s) {
    const bool plain = strchr (unreserved, *s) || strchr (keep, *s);

    if ((plain ? strbuf_append_char (&b, *s) :
         strbuf_printf (&b, "%%%02X", (unsigned char) *s)) == -1) {
      strbuf_free (&b);
      errno = ENOMEM;
      return NULL;
    }
  }
  return strbuf_steal (&b);
}
