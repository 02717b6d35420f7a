/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One cookie at a time, read from and put into curl's jar.
 *
 * curl lists cookies in Netscape's format: seven fields with tabs
 * between them.  That form also sets one for a host whose name has no dot,
 * which "Set-Cookie: ...; domain=" does not.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/http/http_private.h"
#include "common/include/cleanup.h"
#include "common/util/log.h"

/* Field I of LINE, up to the next tab; *LEN is its length. */
static const char *
field (const char *line, unsigned i, size_t *len)
{
  while (i-- > 0) {
    line = strchr (line, '\t');
    if (line == NULL)
      return NULL;
    line++;
  }
  *len = strcspn (line, "\t");
  return line;
}

char *
http_client_get_cookie (struct http_client *client, const char *name)
{
  struct http_handle *handle;
  struct curl_slist *cookies = NULL, *cookie;
  char *ret = NULL;

  handle = http_handle_get (client, true);
  if (handle == NULL)
    return NULL;
  curl_easy_setopt (handle->easy, CURLOPT_SHARE, client->share);
  curl_easy_getinfo (handle->easy, CURLINFO_COOKIELIST, &cookies);
  for (cookie = cookies; cookie && !ret; cookie = cookie->next) {
    size_t name_len, value_len;
    const char *found = field (cookie->data, 5, &name_len);
    const char *value = field (cookie->data, 6, &value_len);

    if (found && value && name_len == strlen (name) &&
        memcmp (found, name, name_len) == 0)
      ret = strndup (value, value_len);
  }
  curl_slist_free_all (cookies);
  http_handle_put (client, handle);
  return ret;
}

static CURLcode
change_jar (struct http_client *client, const char *what)
{
  struct http_handle *handle = http_handle_get (client, true);
  CURLcode r = CURLE_OUT_OF_MEMORY;

  if (handle == NULL)
    return r;
  r = curl_easy_setopt (handle->easy, CURLOPT_SHARE, client->share);
  if (r == CURLE_OK)
    r = curl_easy_setopt (handle->easy, CURLOPT_COOKIELIST, what);
  http_handle_put (client, handle);
  return r;
}

int
http_client_set_cookie (struct http_client *client, const char *name,
                        const char *value)
{
  CLEANUP_FREE char *line = NULL;

  if (*name == '\0' || *value == '\0' || strpbrk (name, "=;\t\r\n ") ||
      strpbrk (value, ";\t\r\n")) {
    log_error ("the cookie %s for %s has characters that HTTP does not "
               "allow", printable (name), client->origin);
    errno = EINVAL;
    return -1;
  }
  if (asprintf (&line, "%s\tFALSE\t/\t%s\t0\t%s\t%s", client->host,
                client->https ? "TRUE" : "FALSE", name, value) == -1)
    line = NULL;
  if (line == NULL || change_jar (client, line) != CURLE_OK) {
    log_oom ();
    return -1;
  }
  return 0;
}

void
http_client_clear_cookies (struct http_client *client)
{
  change_jar (client, "ALL");
}
