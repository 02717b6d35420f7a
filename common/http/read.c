/* SPDX-License-Identifier: BSD-3-Clause
 *
 * http_file_pread.
 *
 * A read is cut at the boundaries of blocks.  A part whose block is there
 * or on its way is copied from it.  A small part of a sequential reader
 * makes a block, which its neighbours will find.  Every other part is
 * fetched straight into the caller's buffer; the worker joins such parts
 * again when there are more of them than connections.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/http/http_private.h"
#include "common/include/cleanup.h"
#include "common/include/checked.h"
#include "common/include/minmax.h"
#include "common/util/log.h"
#include "common/util/monotonic.h"

#define SEGMENT (32 * MIB)      /* read at once */
#define STOP_MS 1000

struct part {
  struct block *block;          /* or the fetch: */
  struct fetch fetch;
  size_t offset, length;        /* in the block */
  uint8_t *dst;
};

struct read {
  struct http_file *file;
  struct part *parts;
  size_t nr_parts;
  pthread_cond_t changed;
  bool stopped;                 /* nobody wants the bytes any more */
};

static void
report (struct http_file *f, const struct fetch *fetch)
{
  const struct http_failure *failure = fetch->failure;

  if (fetch->err == ENOMEM)
    log_oom ();
  else if (fetch->err != ESHUTDOWN && fetch->err != ECANCELED &&
           (failure == NULL || !failure->reported))
    log_error ("%s%s: cannot read %zu bytes at offset %" PRIu64 ": %s "
               "(tried %u times)", f->client->origin,
               http_printable_path (f->path), fetch->length - fetch->done,
               fetch->offset + fetch->done,
               failure ? failure->cause : "out of memory",
               fetch->tries + 1);
  errno = fetch->err;
}

/* The lock is held, and given up meanwhile. */
static void
log_in (struct http_client *client, struct fetch *f)
{
  struct http_failure failure = { .reported = true };
  const unsigned generation = f->generation;
  int r, err;

  pthread_mutex_unlock (&client->lock);
  r = http_client_login (client, generation);
  err = errno;
  pthread_mutex_lock (&client->lock);

  if (f->state != FETCH_LOGIN)  /* another reader of its block did it */
    return;
  if (client->closing)
    http_fetch_fail (client, f, ESHUTDOWN, NULL);
  else if (r == -1)
    http_fetch_fail (client, f, err, &failure);
  else {
    f->logins++;
    http_fetch_again (client, f, 0);
    http_wake (client);
  }
}

static bool
has_ended (const struct fetch *f)
{
  return f->state == FETCH_DONE || f->state == FETCH_FAILED;
}

/* Is it of any use to try F again?  The lock is held, and given up
 * meanwhile.
 */
static void
ask_hopeless (struct http_client *client, struct fetch *f)
{
  struct http_failure failure = { .reported = true };
  struct http_file *file = f->file;
  const unsigned status = f->status;
  bool hopeless;

  f->asked = true;
  pthread_mutex_unlock (&client->lock);
  hopeless = file->hopeless (file->opaque, status);
  pthread_mutex_lock (&client->lock);
  if (hopeless)
    http_fetch_give_up (client, f, EBUSY, &failure);
}

/* Nobody tells the reader that its client has gone or that the program is
 * to end: it asks.
 */
static void
wait_or_stop (struct read *read, struct fetch *f)
{
  struct http_file *file = read->file;
  const int64_t until = monotonic_ms () + STOP_MS;

  if (file->stopped == NULL) {
    pthread_cond_wait (f->changed, &file->client->lock);
    return;
  }
  monotonic_cond_wait (f->changed, &file->client->lock, until);
  if (monotonic_ms () < until || has_ended (f))
    return;
  pthread_mutex_unlock (&file->client->lock);
  read->stopped = file->stopped (file->opaque);
  pthread_mutex_lock (&file->client->lock);
}

/* Wait for the end of F, or until the reader is stopped.  The lock is
 * held.
 */
static int
wait_fetch (struct read *read, struct fetch *f)
{
  struct http_client *client = read->file->client;

  while (!has_ended (f) && !read->stopped) {
    if (f->state == FETCH_LOGIN)
      log_in (client, f);
    else if (f->state == FETCH_WAITING && f->file->hopeless && !f->asked &&
             f->status != 0)
      ask_hopeless (client, f);
    else
      wait_or_stop (read, f);
  }
  return f->state == FETCH_DONE ? 0 : -1;
}

static void
use_block (struct http_client *client, struct part *part, struct block *b)
{
  part->block = b;
  b->users++;
  if (b->fetch.ahead && !b->hit)
    client->stats.ahead_hits++;
  b->hit = true;
  http_fetch_promote (client, &b->fetch);
}

static void
fetch_directly (struct read *read, struct part *part, uint64_t offset)
{
  part->fetch = (struct fetch) {
    .file = read->file, .offset = offset, .length = part->length,
    .buf = part->dst, .changed = &read->changed,
  };
  http_fetch_queue (read->file->client, &part->fetch);
}

/* Cut the read and queue what is missing.  The lock is held. */
static void
begin_read (struct read *read, uint8_t *buf, size_t count, uint64_t offset)
{
  struct http_file *f = read->file;
  struct http_client *client = f->client;
  const size_t size = client->block;
  struct http_stream_pos *s = http_ahead_note (f, offset, count);

  while (count > 0) {
    struct part *part = &read->parts[read->nr_parts++];
    const uint64_t index = offset / size;
    struct block *b = http_block_find (f, index);

    part->offset = offset % size;
    part->length = MIN (count, size - part->offset);
    part->dst = buf;
    /* From half a block on the copy costs more than a request saves. */
    if (b == NULL && s && part->length < size / 2 &&
        http_block_worth (f, index))
      b = http_block_new (f, index, false);
    if (b)
      use_block (client, part, b);
    else
      fetch_directly (read, part, offset);
    buf += part->length;
    offset += part->length;
    count -= part->length;
  }
  if (s)
    http_ahead_plan (f, s);
  http_wake (client);
}

/* Let go of a part; the lock is held.  Its buffer is the caller's again
 * afterwards.
 */
static void
end_part (struct read *read, struct part *part, size_t consumed)
{
  struct http_client *client = read->file->client;
  struct fetch *f = &part->fetch;

  if (part->block) {
    http_block_put (client, part->block, consumed);
    return;
  }
  f->abandoned = true;
  if (read->stopped && f->state == FETCH_ACTIVE) {
    f->aborted = true;
    http_wake (client);
  }
  while (f->state == FETCH_ACTIVE)
    pthread_cond_wait (f->changed, &client->lock);
  http_fetch_remove (client, f);
  free (f->failure);
}

/* The lock is held. */
static int
finish_part (struct read *read, struct part *part)
{
  struct http_client *client = read->file->client;
  struct fetch *f = part->block ? &part->block->fetch : &part->fetch;

  if (wait_fetch (read, f) == -1) {
    if (has_ended (f))
      report (read->file, f);
    else
      errno = ECANCELED;
    return -1;
  }
  if (part->block) {
    pthread_mutex_unlock (&client->lock);
    memcpy (part->dst, f->buf + part->offset, part->length);
    pthread_mutex_lock (&client->lock);
    client->stats.copied += part->length;
  }
  return 0;
}

static int
read_segment (struct http_file *f, void *buf, size_t count,
              uint64_t offset)
{
  struct http_client *client = f->client;
  const size_t max_parts = count / client->block + 2;
  CLEANUP_FREE struct part *parts = calloc (max_parts, sizeof *parts);
  struct read read = { .file = f, .parts = parts };
  int r = 0, err = 0;
  size_t i;

  if (parts == NULL) {
    log_oom ();
    return -1;
  }
  pthread_cond_init (&read.changed, NULL);
  {
    ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&client->lock);

    if (client->closing) {
      err = ESHUTDOWN;
      r = -1;
    }
    else {
      f->reading += count;
      begin_read (&read, buf, count, offset);
    }
    for (i = 0; i < read.nr_parts; ++i) {
      const bool right = r == 0 && finish_part (&read, &parts[i]) == 0;

      if (!right && r == 0) {
        err = errno;
        r = -1;
      }
      end_part (&read, &parts[i], right ? parts[i].length : 0);
      f->reading -= parts[i].length;
    }
  }
  pthread_cond_destroy (&read.changed);
  if (r == -1)
    errno = err;
  return r;
}

int
http_file_pread (struct http_file *f, void *buf, size_t count,
                 uint64_t offset)
{
  CLEANUP_HTTP_LEAVE struct http_client *client = NULL;
  uint8_t *p = buf;

  if (!range_inside (offset, count, f->size)) {
    log_error ("%s%s: %zu bytes at offset %" PRIu64 " are not in the file, "
               "which has %" PRIu64, f->client->origin,
               http_printable_path (f->path), count, offset, f->size);
    errno = EIO;
    return -1;
  }
  if (http_enter (f->client) == -1)
    return -1;
  client = f->client;
  if (http_client_start (client) == -1)
    return -1;
  while (count > 0) {
    const size_t n = MIN (count, SEGMENT);

    if (read_segment (f, p, n, offset) == -1)
      return -1;
    p += n;
    offset += n;
    count -= n;
  }
  return 0;
}
