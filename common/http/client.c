/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The client: its options, the pool of handles for requests, and the
 * counters.
 *
 * Cookies live in a curl share object, so that all handles, those of the
 * worker too, send the same ones.  Nothing else is shared: each handle
 * that works keeps one connection.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/http/http_private.h"
#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/log.h"
#include "common/util/monotonic.h"

/* Handles that are kept, each with its connection, between requests. */
#define KEEP_IDLE 2
#define MAX_BACKOFF_MS UINT64_C (10000)
/* Slower than this, in bytes a second, is no progress. */
#define STALL_RATE 1000L

int
http_global_init (void)
{
  if (curl_global_init (CURL_GLOBAL_DEFAULT) != CURLE_OK) {
    log_error ("libcurl cannot be initialised");
    errno = EIO;
    return -1;
  }
  return 0;
}

static void
lock_share (CURL *easy, curl_lock_data data, curl_lock_access access,
            void *opaque)
{
  struct http_client *client = opaque;

  pthread_mutex_lock (&client->share_locks[data]);
}

static void
unlock_share (CURL *easy, curl_lock_data data, void *opaque)
{
  struct http_client *client = opaque;

  pthread_mutex_unlock (&client->share_locks[data]);
}

static int
init_share (struct http_client *client)
{
  client->share = curl_share_init ();
  if (client->share == NULL ||
      curl_share_setopt (client->share, CURLSHOPT_USERDATA, client) ||
      curl_share_setopt (client->share, CURLSHOPT_LOCKFUNC, lock_share) ||
      curl_share_setopt (client->share, CURLSHOPT_UNLOCKFUNC,
                         unlock_share) ||
      curl_share_setopt (client->share, CURLSHOPT_SHARE,
                         CURL_LOCK_DATA_COOKIE)) {
    log_oom ();
    return -1;
  }
  return 0;
}

static int
copy_text (char **to, const char *from)
{
  if (from == NULL)
    return 0;
  *to = strdup (from);
  if (*to == NULL) {
    log_oom ();
    return -1;
  }
  return 0;
}

static int
copy_options (struct http_client *client, const struct http_options *o)
{
  client->login = o->login;
  client->login_opaque = o->login_opaque;
  client->proxy_from_environment = o->proxy_from_environment;
  client->connections = o->connections ? o->connections : 8;
  client->connect_timeout = o->connect_timeout ? o->connect_timeout : 30;
  client->stall_timeout = o->stall_timeout ? o->stall_timeout : 120;
  client->retries = o->retries == HTTP_NO_RETRY ? 0 :
    o->retries ? o->retries : 8;
  client->retry_delay_ms = o->retry_delay_ms ? o->retry_delay_ms : 250;
  client->retry_after_max = o->retry_after_max ? o->retry_after_max : 30;
  client->block = o->block ? o->block : MIB;
  client->memory = o->memory ? o->memory : 64 * MIB;
  client->no_readahead = o->no_readahead;
  client->limit = client->connections;
  if (client->block < 64 * KIB || client->block > HTTP_RUN_MAX ||
      (client->block & (client->block - 1)) != 0) {
    log_error ("the block size of HTTP reads is %zu: it must be a power of "
               "two from 64K to 4M", client->block);
    errno = EINVAL;
    return -1;
  }
  if (o->user && strchr (o->user, ':')) {
    log_error ("the user name for %s has a colon, which basic "
               "authentication cannot send", client->origin);
    errno = EINVAL;
    return -1;
  }
  if (copy_text (&client->user, o->user) == -1 ||
      copy_text (&client->password, o->password) == -1 ||
      copy_text (&client->proxy, o->proxy) == -1)
    return -1;

  if (o->insecure)
    client->trust = TRUST_NOTHING;
  else if (o->thumbprint) {
    client->trust = TRUST_PIN;
    client->pin_len = http_parse_thumbprint (o->thumbprint, client->pin);
    if (client->pin_len == 0) {
      log_error ("the thumbprint '%s' for %s is not one: it must be 20 "
                 "(SHA-1) or 32 (SHA-256) bytes in hexadecimal, such as "
                 "AA:BB:...", printable (o->thumbprint), client->origin);
      errno = EINVAL;
      return -1;
    }
  }
  else if (o->ca_pem || o->ca_file) {
    client->trust = TRUST_CA;
    if (copy_text (&client->ca_pem, o->ca_pem) == -1 ||
        (!o->ca_pem && copy_text (&client->ca_file, o->ca_file) == -1))
      return -1;
    return http_tls_check (client);
  }
  return 0;
}

/* "[::1]:8443" -> "::1": as curl keeps it with a cookie. */
static char *
host_of_origin (const char *origin)
{
  const char *start = strstr (origin, "://") + 3;

  if (*start == '[')
    return strndup (start + 1, strcspn (start + 1, "]"));
  return strndup (start, strcspn (start, ":"));
}

void
http_free_secret (char *s)
{
  if (s) {
    explicit_bzero (s, strlen (s));
    free (s);
  }
}

struct http_client *
http_client_new (const struct http_options *o)
{
  struct http_client *client = calloc (1, sizeof *client);
  CLEANUP_FREE char *path = NULL;
  size_t i;

  if (client == NULL) {
    log_oom ();
    return NULL;
  }
  pthread_mutex_init (&client->lock, NULL);
  for (i = 0; i < ARRAY_SIZE (client->share_locks); ++i)
    pthread_mutex_init (&client->share_locks[i], NULL);
  pthread_cond_init (&client->request_done, NULL);
  pthread_cond_init (&client->changed, NULL);
  pthread_cond_init (&client->login_done, NULL);
  TAILQ_INIT (&client->demand);
  TAILQ_INIT (&client->ahead);
  TAILQ_INIT (&client->waiting);
  TAILQ_INIT (&client->lru);
  client->seed = monotonic_ms () ^ (unsigned) getpid () << 16;

  if (http_split_url (o->url, &client->origin, &path) == -1)
    goto err;
  client->https = strncasecmp (client->origin, "https:", 6) == 0;
  client->host = host_of_origin (client->origin);
  if (client->host == NULL) {
    log_oom ();
    goto err;
  }
  if (copy_options (client, o) == -1 || init_share (client) == -1)
    goto err;
  return client;

 err:
  http_client_free (client);
  return NULL;
}

void
http_client_free (struct http_client *client)
{
  size_t i;

  if (client == NULL)
    return;
  http_client_shutdown (client);
  while (client->idle) {
    struct http_handle *handle = client->idle;

    client->idle = handle->next;
    curl_easy_cleanup (handle->easy);
    free (handle);
  }
  http_buffers_free (client);
  if (client->share)
    curl_share_cleanup (client->share);
  for (i = 0; i < client->headers.len; ++i)
    http_free_secret (client->headers.ptr[i]);
  string_vector_reset (&client->headers);
  http_free_secret (client->user);
  http_free_secret (client->password);
  http_free_secret (client->proxy);  /* may hold a password */
  free (client->ca_pem);
  free (client->ca_file);
  free (client->origin);
  free (client->host);
  pthread_cond_destroy (&client->request_done);
  pthread_cond_destroy (&client->changed);
  pthread_cond_destroy (&client->login_done);
  for (i = 0; i < ARRAY_SIZE (client->share_locks); ++i)
    pthread_mutex_destroy (&client->share_locks[i]);
  pthread_mutex_destroy (&client->lock);
  free (client);
}

const char *
http_client_origin (const struct http_client *client)
{
  return client->origin;
}

int
http_enter (struct http_client *client)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&client->lock);

  if (client->closing) {
    errno = ESHUTDOWN;
    return -1;
  }
  client->calls++;
  return 0;
}

void
http_leave (struct http_client *client)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&client->lock);

  if (--client->calls == 0)
    pthread_cond_broadcast (&client->changed);
}

/* Requests at once: as many as ranged reads.  A login does not wait for
 * those that wait for it.
 */
struct http_handle *
http_handle_get (struct http_client *client, bool urgent)
{
  struct http_handle *handle;

  {
    ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&client->lock);

    while (!urgent && client->nr_requests >= client->connections &&
           !client->closing)
      pthread_cond_wait (&client->request_done, &client->lock);
    if (client->closing) {
      errno = ESHUTDOWN;
      return NULL;
    }
    client->nr_requests++;
    handle = client->idle;
    if (handle) {
      client->idle = handle->next;
      client->nr_idle--;
      return handle;
    }
  }

  handle = calloc (1, sizeof *handle);
  if (handle)
    handle->easy = curl_easy_init ();
  if (handle == NULL || handle->easy == NULL) {
    log_oom ();
    http_handle_put (client, handle);
    errno = ENOMEM;
    return NULL;
  }
  return handle;
}

void
http_handle_put (struct http_client *client, struct http_handle *handle)
{
  {
    ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&client->lock);

    client->nr_requests--;
    pthread_cond_signal (&client->request_done);
    if (handle && handle->easy && client->nr_idle < KEEP_IDLE) {
      handle->next = client->idle;
      client->idle = handle;
      client->nr_idle++;
      return;
    }
  }
  if (handle)
    curl_easy_cleanup (handle->easy);
  free (handle);
}

/* curl_easy_reset alone would leak the list of cookie files. */
void
http_reset (CURL *easy)
{
  curl_easy_setopt (easy, CURLOPT_COOKIEFILE, NULL);
  curl_easy_reset (easy);
}

CURLcode
http_setup (struct http_client *client, CURL *easy, const char *path,
            unsigned stall_timeout)
{
  CLEANUP_FREE char *url = NULL;
  CURLcode r = CURLE_OK;

  if (asprintf (&url, "%s%s", client->origin, path) == -1) {
    url = NULL;
    return CURLE_OUT_OF_MEMORY;
  }
  http_reset (easy);
#define SET(option, value)                                              \
  do {                                                                  \
    if (r == CURLE_OK)                                                  \
      r = curl_easy_setopt (easy, CURLOPT_##option, value);             \
  } while (0)
  SET (URL, url);
  /* "/folder/a..b" and "//" go out as the caller wrote them. */
  SET (PATH_AS_IS, 1L);
  SET (PROTOCOLS_STR, "http,https");
  SET (HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
  SET (HTTP09_ALLOWED, 0L);
  SET (FOLLOWLOCATION, 0L);
  SET (SUPPRESS_CONNECT_HEADERS, 1L);
  SET (NOSIGNAL, 1L);
  SET (TCP_KEEPALIVE, 1L);
  SET (USERAGENT, "nbdlift/" NBDLIFT_VERSION);
  SET (CONNECTTIMEOUT, (long) client->connect_timeout);
  SET (LOW_SPEED_LIMIT, STALL_RATE);
  SET (LOW_SPEED_TIME, (long) (stall_timeout ? stall_timeout :
                               client->stall_timeout));
  SET (SHARE, client->share);
  SET (COOKIEFILE, "");         /* switches cookies on */
  if (client->proxy || !client->proxy_from_environment)
    SET (PROXY, client->proxy ? client->proxy : "");
  if (client->user) {
    SET (HTTPAUTH, (long) CURLAUTH_BASIC);
    SET (USERNAME, client->user);
    SET (PASSWORD, client->password ? client->password : "");
  }
#undef SET
  if (r == CURLE_OK && client->https)
    r = http_tls_setup (client, easy);
  return r;
}

unsigned
http_backoff_ms (struct http_client *client, unsigned try,
                 uint64_t retry_after)
{
  uint64_t delay = client->retry_delay_ms;

  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&client->lock);

  while (--try > 0 && delay < MAX_BACKOFF_MS)
    delay *= 2;
  delay = MIN (delay, MAX_BACKOFF_MS);
  delay = delay / 2 + rand_r (&client->seed) % (delay / 2 + 1);
  retry_after = MIN (retry_after, client->retry_after_max) * 1000;
  return MAX (delay, retry_after);
}

void
http_count_transfer (struct http_client *client, CURL *easy, bool retry)
{
  long connections = 0;
  curl_off_t bytes = 0;

  curl_easy_getinfo (easy, CURLINFO_NUM_CONNECTS, &connections);
  curl_easy_getinfo (easy, CURLINFO_SIZE_DOWNLOAD_T, &bytes);

  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&client->lock);

  client->stats.requests++;
  client->stats.connections += connections;
  client->stats.bytes += bytes;
  if (retry)
    client->stats.retries++;
}

void
http_client_stats (struct http_client *client, struct http_stats *stats)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&client->lock);

  *stats = client->stats;
}
