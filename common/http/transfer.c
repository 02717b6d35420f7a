/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One ranged GET: a run of fetches that are neighbours in the file.
 *
 * No byte is taken before the headers were checked.  What has arrived of
 * an answer that is then cut short is kept, and the rest is asked for
 * again on another connection; what does not pass the checks is thrown
 * away as a whole.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/http/http_private.h"
#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/log.h"
#include "common/util/monotonic.h"

#define BUFFER_SIZE (256L << 10)
/* Body bytes of an error that are read to keep the connection. */
#define MAX_IGNORED 65536
/* An answer that does not pass the checks is asked for again this often. */
#define MAX_WRONG 5U
/* So many bytes of progress forgive the failures before. */
#define PROGRESS 65536
/* Successes for one more connection, after there were too many. */
#define GROW_AFTER 32

struct transfer *
http_transfer_new (struct http_client *client)
{
  struct transfer *t = calloc (1, sizeof *t);

  if (t == NULL)
    return NULL;
  t->client = client;
  t->easy = curl_easy_init ();
  TAILQ_INIT (&t->run);
  if (t->easy == NULL) {
    free (t);
    return NULL;
  }
  return t;
}

void
http_transfer_free (struct transfer *t)
{
  curl_easy_cleanup (t->easy);
  free (t);
}

static struct fetch *
find_next (struct fetch_list *list, const struct transfer *t)
{
  struct fetch *f;

  TAILQ_FOREACH (f, list, entry)
    if (f->file == t->file && f->offset == t->end && f->done == 0 &&
        f->tries == 0)
      return f;
  return NULL;
}

static void
add_to_run (struct transfer *t, struct fetch *f)
{
  f->state = FETCH_ACTIVE;
  f->generation = t->generation;
  TAILQ_INSERT_TAIL (&t->run, f, entry);
  t->end = f->offset + f->length;
}

void
http_transfer_take (struct transfer *t, struct fetch *f, size_t wanted)
{
  struct http_client *client = t->client;
  struct fetch_list *list = f->ahead ? &client->ahead : &client->demand;

  t->file = f->file;
  t->first = t->pos = f->offset + f->done;
  t->retry = f->tries > 0;
  t->fresh = f->fresh;
  t->epoch = client->epoch;
  t->generation = client->generation;
  t->current = f;
  t->file->transfers++;
  add_to_run (t, f);
  while (t->end - t->first < wanted && !t->retry &&
         (f = find_next (list, t)) != NULL &&
         f->offset + f->length - t->first <= HTTP_RUN_MAX) {
    TAILQ_REMOVE (list, f, entry);
    client->queued_bytes -= f->length;
    add_to_run (t, f);
  }
}

static size_t
take_header (char *line, size_t size, size_t n, void *opaque)
{
  struct transfer *t = opaque;

  http_range_reply_add (&t->reply, line, n);
  return n;
}

static bool
check (struct transfer *t)
{
  const struct http_file *file = t->file;

  if (!http_range_reply_check (&t->reply, t->first, t->end - t->first,
                               file->size, file->etag, file->modified,
                               &t->failure))
    return false;
  t->checked = true;
  t->exact = t->reply.has_length;
  return true;
}

/* Give N bytes to the fetches of the run.  One that is complete goes to
 * its reader at once if the rest of the answer cannot be wrong any more.
 */
static void
scatter (struct transfer *t, const char *data, size_t n)
{
  while (n > 0) {
    struct fetch *f = t->current;
    const size_t m = MIN (n, f->length - f->done);

    memcpy (f->buf + f->done, data, m);
    f->done += m;
    t->pos += m;
    data += m;
    n -= m;
    if (f->done < f->length)
      continue;
    t->current = TAILQ_NEXT (f, entry);
    if (t->exact) {
      ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&t->client->lock);
      TAILQ_REMOVE (&t->run, f, entry);
      http_fetch_done (t->client, f);
    }
  }
}

static size_t
take_body (char *data, size_t size, size_t n, void *opaque)
{
  struct transfer *t = opaque;

  if (t->reply.status != 206 && t->reply.status != 200) {
    t->ignored += n;
    return t->ignored <= MAX_IGNORED ? n : 0;
  }
  if (!t->checked && !check (t))
    return 0;
  if (n > t->end - t->pos) {
    http_fail (&t->failure, EIO, true, "the answer is longer than the %"
               PRIu64 " bytes that were asked for", t->end - t->first);
    return 0;
  }
  scatter (t, data, n);
  return n;
}

CURLcode
http_transfer_begin (struct transfer *t)
{
  CURL *easy = t->easy;
  char range[64];
  CURLcode r;
  bool oom;

  t->error[0] = '\0';
  memset (&t->reply, 0, sizeof t->reply);
  t->checked = t->exact = false;
  t->ignored = 0;
  t->failure.err = 0;
  snprintf (range, sizeof range, "%" PRIu64 "-%" PRIu64, t->first,
            t->end - 1);
  t->headers = http_header_list (t->client,
                                 (const char *const *) t->file->headers.ptr,
                                 &oom);
  if (oom)
    return CURLE_OUT_OF_MEMORY;
  r = http_setup (t->client, easy, t->file->path, 0);
#define SET(option, value)                                              \
  do {                                                                  \
    if (r == CURLE_OK)                                                  \
      r = curl_easy_setopt (easy, CURLOPT_##option, value);             \
  } while (0)
  SET (PRIVATE, t);
  SET (ERRORBUFFER, t->error);
  SET (HTTPHEADER, t->headers);
  SET (RANGE, range);
  SET (HEADERFUNCTION, take_header);
  SET (HEADERDATA, t);
  SET (WRITEFUNCTION, take_body);
  SET (WRITEDATA, t);
  SET (BUFFERSIZE, BUFFER_SIZE);
  SET (FRESH_CONNECT, t->fresh ? 1L : 0L);
#undef SET
  return r;
}

/* The server wants fewer connections; once for all the transfers that
 * were under way.  With the lock held.
 */
static void
shrink (struct http_client *client, const struct transfer *t,
        uint64_t retry_after)
{
  retry_after = MIN (retry_after, client->retry_after_max);
  if (retry_after > 0)
    client->paused_until = monotonic_ms () + retry_after * 1000;
  if (t->epoch != client->epoch)
    return;
  client->epoch++;
  client->since_shrink = 0;
  client->stats.shrinks++;
  client->limit = MAX (client->limit / 2, 1U);
  log_debug ("%s: is busy; %u connections from now on", client->origin,
             client->limit);
}

static void
grow (struct http_client *client)
{
  if (client->limit < client->connections &&
      ++client->since_shrink >= GROW_AFTER) {
    client->since_shrink = 0;
    client->limit++;
  }
}

/* Forget what T brought: it may be wrong. */
static void
roll_back (struct transfer *t)
{
  struct fetch *f;

  TAILQ_FOREACH (f, &t->run, entry)
    f->done = t->first > f->offset ? t->first - f->offset : 0;
}

/* What happened?  0 if all is well. */
static int
judge (struct transfer *t, CURLcode code, struct http_failure *failure)
{
  char *location = NULL;

  failure->err = 0;
  if (t->failure.err)
    *failure = t->failure;
  else if (code != CURLE_OK &&
           !(code == CURLE_WRITE_ERROR && t->ignored > MAX_IGNORED))
    http_fail_curl (t->client, t->easy, code, t->error, failure);
  else if (t->reply.status != 206 && t->reply.status != 200) {
    curl_easy_getinfo (t->easy, CURLINFO_REDIRECT_URL, &location);
    http_fail_status (t->reply.status, location, failure);
  }
  else if (!t->checked && !check (t))
    *failure = t->failure;
  else if (t->pos != t->end)
    http_fail (failure, EIO, true, "the answer was cut short: %" PRIu64
               " bytes of %" PRIu64, t->pos - t->first, t->end - t->first);
  return failure->err;
}

/* One fetch of a transfer that failed.  With the lock held. */
static void
retry (struct transfer *t, struct fetch *f,
       const struct http_failure *failure, unsigned delay)
{
  struct http_client *client = t->client;
  const bool wrong = t->failure.err != 0;

  if (f->done == f->length)
    http_fetch_done (client, f);
  else if (client->closing)
    http_fetch_fail (client, f, ESHUTDOWN, NULL);
  else if (t->reply.status == 401 && client->login && !f->abandoned &&
           !f->ahead && f->logins < HTTP_MAX_LOGINS) {
    f->state = FETCH_LOGIN;
    pthread_cond_broadcast (f->changed);
  }
  else {
    if (!wrong && t->pos - t->first >= PROGRESS)
      f->tries = 0;
    if (wrong)
      f->wrong++;
    if (!failure->again || f->abandoned || f->tries >= client->retries ||
        f->wrong > MAX_WRONG || (f->ahead && t->reply.status == 401))
      http_fetch_fail (client, f, failure->err, failure);
    else {
      f->tries++;
      /* Where there are too many connections another one does not help. */
      f->fresh = t->reply.status != 429 && t->reply.status != 503;
      f->status = t->reply.status;
      http_fetch_again (client, f, delay);
    }
  }
}

void
http_transfer_end (struct transfer *t, CURLcode code)
{
  struct http_client *client = t->client;
  struct http_failure failure;
  curl_off_t retry_after = 0;
  unsigned delay = 0;
  struct fetch *f;

  judge (t, code, &failure);
  http_count_transfer (client, t->easy, t->retry);
  curl_easy_getinfo (t->easy, CURLINFO_RETRY_AFTER, &retry_after);
  curl_slist_free_all (t->headers);
  t->headers = NULL;
  if (t->reply.status != 0)
    client->reached = true;
  if (t->failure.err)
    roll_back (t);
  if (failure.err) {
    f = TAILQ_FIRST (&t->run);
    delay = http_backoff_ms (client, f ? f->tries + 1 : 1,
                             MAX (retry_after, 0));
    log_debug ("GET %s%s bytes %" PRIu64 "-%" PRIu64 ": %s", client->origin,
               http_printable_path (t->file->path), t->first, t->end - 1,
               failure.cause);
  }

  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&client->lock);

  if (failure.err == 0)
    grow (client);
  else if (t->reply.status == 429 || t->reply.status == 503)
    shrink (client, t, MAX (retry_after, 0));
  while ((f = TAILQ_FIRST (&t->run)) != NULL) {
    TAILQ_REMOVE (&t->run, f, entry);
    if (failure.err == 0)
      http_fetch_done (client, f);
    else
      retry (t, f, &failure, delay);
  }
  t->file->transfers--;
  pthread_cond_broadcast (&client->changed);
}
