/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The queue of ranged reads and the one thread that works it off.
 *
 * Readers put fetches into the queue and sleep; the worker starts as many
 * transfers as the limit allows, those that a reader waits for first,
 * and lets curl's multi interface drive them.  The limit begins at the
 * number of connections; a server that says that it is busy halves it,
 * and it grows by one with each GROW_AFTER successes.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "common/http/http_private.h"
#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/log.h"
#include "common/util/monotonic.h"

void
http_wake (struct http_client *client)
{
  if (client->multi)
    curl_multi_wakeup (client->multi);
}

static struct fetch_list *
queue_of (struct http_client *client, struct fetch *f)
{
  if (f->state == FETCH_WAITING)
    return &client->waiting;
  return f->ahead ? &client->ahead : &client->demand;
}

static void
enqueue (struct http_client *client, struct fetch *f)
{
  f->state = FETCH_QUEUED;
  client->queued_bytes += f->length - f->done;
  TAILQ_INSERT_TAIL (queue_of (client, f), f, entry);
}

static void
dequeue (struct http_client *client, struct fetch *f)
{
  if (f->state == FETCH_QUEUED)
    client->queued_bytes -= f->length - f->done;
  TAILQ_REMOVE (queue_of (client, f), f, entry);
}

void
http_fetch_queue (struct http_client *client, struct fetch *f)
{
  if (!f->ahead)
    client->nr_wanted++;
  enqueue (client, f);
}

void
http_fetch_promote (struct http_client *client, struct fetch *f)
{
  if (!f->ahead || f->state == FETCH_DONE || f->state == FETCH_FAILED)
    return;
  if (f->state == FETCH_QUEUED)
    dequeue (client, f);
  f->ahead = false;
  client->nr_wanted++;
  if (f->state == FETCH_QUEUED)
    enqueue (client, f);
}

/* It has come to its end, one way or the other. */
static void
settle (struct http_client *client, struct fetch *f, enum fetch_state state)
{
  f->state = state;
  if (!f->ahead)
    client->nr_wanted--;
  pthread_cond_broadcast (f->changed);
  if (f->block)
    http_block_settle (client, f->block);
}

void
http_fetch_done (struct http_client *client, struct fetch *f)
{
  settle (client, f, FETCH_DONE);
}

void
http_fetch_fail (struct http_client *client, struct fetch *f, int err,
                 const struct http_failure *failure)
{
  if (failure && f->failure == NULL) {
    f->failure = malloc (sizeof *failure);
    if (f->failure)
      *f->failure = *failure;
  }
  f->err = err;
  settle (client, f, FETCH_FAILED);
}

void
http_fetch_remove (struct http_client *client, struct fetch *f)
{
  if (f->state == FETCH_QUEUED || f->state == FETCH_WAITING)
    dequeue (client, f);
  if (f->state != FETCH_DONE && f->state != FETCH_FAILED)
    http_fetch_fail (client, f, ECANCELED, NULL);
}

void
http_fetch_give_up (struct http_client *client, struct fetch *f, int err,
                    const struct http_failure *failure)
{
  switch (f->state) {
  case FETCH_QUEUED:
  case FETCH_WAITING:
    dequeue (client, f);
    http_fetch_fail (client, f, err, failure);
    break;
  case FETCH_LOGIN:
    http_fetch_fail (client, f, err, failure);
    break;
  case FETCH_ACTIVE:
    f->abandoned = true;
    break;
  case FETCH_DONE:
  case FETCH_FAILED:
    break;
  }
}

void
http_fetch_again (struct http_client *client, struct fetch *f,
                  unsigned delay)
{
  f->due = monotonic_ms () + delay;
  f->state = FETCH_WAITING;
  TAILQ_INSERT_TAIL (&client->waiting, f, entry);
  if (f->file->hopeless)
    pthread_cond_broadcast (f->changed);
}

/* Put those back into the queue whose time has come.  Milliseconds until
 * the next one's.
 */
static int
queue_due (struct http_client *client)
{
  const int64_t now = monotonic_ms ();
  int64_t wait = 60000;
  struct fetch *f, *next;

  for (f = TAILQ_FIRST (&client->waiting); f; f = next) {
    next = TAILQ_NEXT (f, entry);
    if (f->due <= now) {
      dequeue (client, f);
      enqueue (client, f);
    }
    else
      wait = MIN (wait, f->due - now);
  }
  if (client->paused_until > now)
    wait = MIN (wait, client->paused_until - now);
  return wait;
}

static struct fetch *
next_fetch (struct http_client *client)
{
  struct fetch *f = TAILQ_FIRST (&client->demand);

  return f ? f : TAILQ_FIRST (&client->ahead);
}

static struct transfer *
take_spare (struct http_client *client)
{
  struct transfer *t = LIST_FIRST (&client->spare);

  if (t)
    LIST_REMOVE (t, entry);
  else
    t = http_transfer_new (client);
  return t;
}

/* Prepare one transfer, if there is work and a connection for it. */
static struct transfer *
next_transfer (struct http_client *client)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&client->lock);

  struct fetch *f = next_fetch (client);
  struct transfer *t;
  uint64_t share;

  if (f == NULL || client->nr_active >= client->limit ||
      client->logging_in || monotonic_ms () < client->paused_until)
    return NULL;
  t = take_spare (client);
  if (t == NULL) {
    dequeue (client, f);
    http_fetch_fail (client, f, ENOMEM, NULL);
    return NULL;
  }
  /* A long queue makes long requests, a short one is spread over all the
   * connections.
   */
  share = client->queued_bytes / (client->limit - client->nr_active);
  share = MAX (MIN (share, HTTP_RUN_MAX), client->block);
  dequeue (client, f);
  http_transfer_take (t, f, share);
  LIST_INSERT_HEAD (&client->active, t, entry);
  client->nr_active++;
  client->stats.active_max = MAX (client->stats.active_max,
                                  client->nr_active);
  return t;
}

static void
end_transfer (struct http_client *client, struct transfer *t, CURLcode code)
{
  http_transfer_end (t, code);

  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&client->lock);

  LIST_REMOVE (t, entry);
  LIST_INSERT_HEAD (&client->spare, t, entry);
  client->nr_active--;
}

static bool
is_to_abort (const struct transfer *t)
{
  const struct fetch *f;

  if (t->file->closing)
    return true;
  TAILQ_FOREACH (f, &t->run, entry)
    if (f->aborted)
      return true;
  return false;
}

/* One that works for a file that is being closed, or for a reader that was
 * stopped.
 */
static struct transfer *
next_abort (struct http_client *client)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&client->lock);

  struct transfer *t;

  LIST_FOREACH (t, &client->active, entry)
    if (is_to_abort (t))
      return t;
  return NULL;
}

static void
abort_transfers (struct http_client *client)
{
  struct transfer *t;

  while ((t = next_abort (client)) != NULL) {
    curl_multi_remove_handle (client->multi, t->easy);
    end_transfer (client, t, CURLE_ABORTED_BY_CALLBACK);
  }
}

static void
begin_transfers (struct http_client *client)
{
  struct transfer *t;

  while ((t = next_transfer (client)) != NULL) {
    CURLcode code = http_transfer_begin (t);

    if (code == CURLE_OK &&
        curl_multi_add_handle (client->multi, t->easy) != CURLM_OK)
      code = CURLE_OUT_OF_MEMORY;
    if (code != CURLE_OK)
      end_transfer (client, t, code);
  }
}

/* True if something ended. */
static bool
end_transfers (struct http_client *client)
{
  bool ended = false;
  CURLMsg *message;
  int left;

  while ((message = curl_multi_info_read (client->multi, &left)) != NULL) {
    struct transfer *t;
    CURLcode code = message->data.result;
    CURL *easy = message->easy_handle;

    if (message->msg != CURLMSG_DONE)
      continue;
    curl_easy_getinfo (easy, CURLINFO_PRIVATE, &t);
    curl_multi_remove_handle (client->multi, easy);
    end_transfer (client, t, code);
    ended = true;
  }
  return ended;
}

static void *
work (void *opaque)
{
  struct http_client *client = opaque;
  long kept = 0;
  int wait, running;

  while (!client->closing) {
    {
      ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&client->lock);
      wait = queue_due (client);
      if (kept != (long) client->limit) {
        kept = client->limit;
        curl_multi_setopt (client->multi, CURLMOPT_MAXCONNECTS, kept);
      }
    }
    abort_transfers (client);
    begin_transfers (client);
    curl_multi_perform (client->multi, &running);
    if (!end_transfers (client))
      curl_multi_poll (client->multi, NULL, 0, wait, NULL);
  }
  return NULL;
}

int
http_client_start (struct http_client *client)
{
  sigset_t all, before;
  int err;

  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&client->lock);

  if (client->closing) {
    errno = ESHUTDOWN;
    return -1;
  }
  if (client->started)
    return 0;
  client->multi = curl_multi_init ();
  if (client->multi == NULL) {
    log_oom ();
    return -1;
  }
  /* Signals are for the program's own threads. */
  sigfillset (&all);
  pthread_sigmask (SIG_SETMASK, &all, &before);
  err = pthread_create (&client->thread, NULL, work, client);
  pthread_sigmask (SIG_SETMASK, &before, NULL);
  if (err != 0) {
    errno = err;
    log_error ("%s: no thread for its reads: %m", client->origin);
    curl_multi_cleanup (client->multi);
    client->multi = NULL;
    return -1;
  }
  client->started = true;
  return 0;
}

static void
fail_list (struct http_client *client, struct fetch_list *list)
{
  struct fetch *f;

  while ((f = TAILQ_FIRST (list)) != NULL) {
    dequeue (client, f);
    http_fetch_fail (client, f, ESHUTDOWN, NULL);
  }
}

/* The worker has ended: nobody else touches its transfers. */
static void
stop_transfers (struct http_client *client, CURLM *multi)
{
  struct transfer *t;

  while ((t = LIST_FIRST (&client->active)) != NULL) {
    curl_multi_remove_handle (multi, t->easy);
    end_transfer (client, t, CURLE_ABORTED_BY_CALLBACK);
  }
  while ((t = LIST_FIRST (&client->spare)) != NULL) {
    LIST_REMOVE (t, entry);
    http_transfer_free (t);
  }
  curl_multi_cleanup (multi);
}

/* Tell everybody.  The multi handle if this is to end the worker. */
static CURLM *
begin_shutdown (struct http_client *client)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&client->lock);

  CURLM *multi = client->started ? client->multi : NULL;

  client->closing = true;
  client->started = false;
  pthread_cond_broadcast (&client->changed);
  pthread_cond_broadcast (&client->request_done);
  pthread_cond_broadcast (&client->login_done);
  http_wake (client);
  return multi;
}

void
http_client_shutdown (struct http_client *client)
{
  CURLM *multi = begin_shutdown (client);

  if (multi) {
    pthread_join (client->thread, NULL);
    {
      ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&client->lock);
      client->multi = NULL;
    }
    stop_transfers (client, multi);
  }

  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&client->lock);

  fail_list (client, &client->demand);
  fail_list (client, &client->ahead);
  fail_list (client, &client->waiting);
  while (client->calls > 0)
    pthread_cond_wait (&client->changed, &client->lock);
}
