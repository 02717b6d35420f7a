/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What makes a session: the headers and cookies that go with every
 * request, and the login.
 *
 * curl lists cookies in Netscape's format: seven fields with tabs
 * between them.  That form also sets one for a host whose name has no dot,
 * which "Set-Cookie: ...; domain=" does not.
 *
 * There is one login for all.  Sessions end under many readers at once;
 * the first one to notice logs in, the others wait for it and share its
 * result.  A login that was refused is not tried again for a while by the
 * readers that come after: servers lock an account after some wrong
 * passwords.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/http/http_private.h"
#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "common/util/monotonic.h"

#define REFUSED_MS 30000

struct curl_slist *
http_header_list (struct http_client *client, const char *const *extra,
                  bool *oom)
{
  struct curl_slist *list = NULL, *longer;
  size_t i;

  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&client->lock);

  *oom = false;
  for (i = 0; i < client->headers.len || (extra && *extra); ++i) {
    longer = curl_slist_append (list, i < client->headers.len ?
                                client->headers.ptr[i] : *extra++);
    if (longer == NULL) {
      curl_slist_free_all (list);
      *oom = true;
      return NULL;
    }
    list = longer;
  }
  return list;
}

static bool
is_header_name (const char *name)
{
  return *name && name[strspn (name, "abcdefghijklmnopqrstuvwxyz"
                               "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                               "0123456789-_")] == '\0';
}

int
http_client_set_header (struct http_client *client, const char *name,
                        const char *value)
{
  const size_t len = strlen (name);
  char *line = NULL;
  size_t i;

  if (!is_header_name (name) || (value && strpbrk (value, "\r\n"))) {
    log_error ("the header %s for %s has characters that HTTP does not "
               "allow", printable (name), client->origin);
    errno = EINVAL;
    return -1;
  }
  if (value && asprintf (&line, "%s: %s", name, value) == -1) {
    log_oom ();
    return -1;
  }

  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&client->lock);

  for (i = 0; i < client->headers.len; ++i)
    if (strncasecmp (client->headers.ptr[i], name, len) == 0 &&
        client->headers.ptr[i][len] == ':') {
      http_free_secret (client->headers.ptr[i]);
      string_vector_remove (&client->headers, i);
      break;
    }
  if (line && string_vector_append (&client->headers, line) == -1) {
    http_free_secret (line);
    log_oom ();
    return -1;
  }
  return 0;
}

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

unsigned
http_wait_login (struct http_client *client)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&client->lock);

  while (client->logging_in && !client->closing)
    pthread_cond_wait (&client->login_done, &client->lock);
  return client->generation;
}

unsigned
http_client_generation (struct http_client *client)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&client->lock);

  return client->generation;
}

/* With the lock held: 1 if the caller is to log in, 0 if there is nothing
 * to do any more, -1 with errno.
 */
static int
begin_login (struct http_client *client, unsigned generation)
{
  const unsigned attempts = client->login_attempts;

  while (client->logging_in && !client->closing)
    pthread_cond_wait (&client->login_done, &client->lock);
  if (client->closing) {
    errno = ESHUTDOWN;
    return -1;
  }
  if (client->generation != generation)
    return 0;
  if (client->login_attempts != attempts) {
    errno = client->login_err;  /* reported by the one we waited for */
    return -1;
  }
  if (client->login_err == EPERM &&
      monotonic_ms () - client->login_refused_at < REFUSED_MS) {
    log_error ("%s: the login was refused a short time ago; it is not "
               "tried again for %d seconds", client->origin,
               REFUSED_MS / 1000);
    errno = EPERM;
    return -1;
  }
  client->logging_in = true;
  return 1;
}

int
http_client_login (struct http_client *client, unsigned generation)
{
  int r;

  if (client->login == NULL) {
    log_error ("%s: the server wants a login, and there is none for it",
               client->origin);
    errno = EPERM;
    return -1;
  }
  {
    ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&client->lock);
    r = begin_login (client, generation);
  }
  if (r <= 0)
    return r;

  log_debug ("%s: logging in", client->origin);
  errno = 0;
  r = client->login (client, client->login_opaque);

  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&client->lock);

  client->logging_in = false;
  client->login_attempts++;
  client->login_err = r == 0 ? 0 : errno ? errno : EIO;
  if (r == 0) {
    client->generation++;
    client->stats.logins++;
  }
  else if (client->login_err == EPERM)
    client->login_refused_at = monotonic_ms ();
  pthread_cond_broadcast (&client->login_done);
  http_wake (client);
  return r;
}
