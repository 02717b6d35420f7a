/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Blocks: aligned pieces of files that several readers share, or that
 * are read before anybody asks.  All of them together stay below the
 * client's limit of memory; a block that finds no room is simply not
 * made, and its reader fetches its own bytes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/http/http_private.h"
#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/monotonic.h"

/* What was read ahead and not asked for in this time can be pushed out
 * by what is read ahead now.
 */
#define STALE_MS 10000

static struct block_bucket *
bucket_of (struct http_file *f, uint64_t index)
{
  const uint64_t key = (uintptr_t) f / sizeof *f + index;

  return &f->client->buckets[key % HTTP_BUCKETS];
}

struct block *
http_block_find (struct http_file *f, uint64_t index)
{
  struct block *b;

  LIST_FOREACH (b, bucket_of (f, index), bucket)
    if (b->fetch.file == f && b->index == index)
      return b;
  return NULL;
}

/* Buffers are used again: memory that is new to the process costs a page
 * fault for each 4 KiB.  All are of the size of a whole block, and there
 * are never more than the limit of memory allows.
 */
struct spare_buffer {
  struct spare_buffer *next;
};

static void *
take_buffer (struct http_client *client)
{
  struct spare_buffer *spare = client->spare_buffers;

  if (spare == NULL)
    return malloc (client->block);
  client->spare_buffers = spare->next;
  return spare;
}

static void
keep_buffer (struct http_client *client, void *buf)
{
  struct spare_buffer *spare = buf;

  spare->next = client->spare_buffers;
  client->spare_buffers = spare;
}

void
http_buffers_free (struct http_client *client)
{
  while (client->spare_buffers)
    free (take_buffer (client));
}

static void
free_block (struct http_client *client, struct block *b)
{
  client->held -= client->block;
  keep_buffer (client, b->fetch.buf);
  pthread_cond_destroy (&b->changed);
  free (b->fetch.failure);
  free (b);
}

static void
unhash (struct http_client *client, struct block *b)
{
  if (!b->hashed)
    return;
  LIST_REMOVE (b, bucket);
  TAILQ_REMOVE (&client->lru, b, lru);
  b->hashed = false;
}

static bool
has_ended (const struct block *b)
{
  return b->fetch.state == FETCH_DONE || b->fetch.state == FETCH_FAILED;
}

void
http_block_drop (struct http_client *client, struct block *b)
{
  unhash (client, b);
  if (b->users > 0)
    return;
  if (has_ended (b))
    free_block (client, b);
  else if (b->fetch.state == FETCH_ACTIVE)
    b->fetch.abandoned = true;
  else
    http_fetch_remove (client, &b->fetch); /* frees it: see settle */
}

void
http_block_settle (struct http_client *client, struct block *b)
{
  if (b->fetch.state == FETCH_FAILED)
    unhash (client, b);
  if (!b->hashed && b->users == 0)
    free_block (client, b);
}

void
http_block_put (struct http_client *client, struct block *b,
                size_t consumed)
{
  b->consumed += consumed;
  if (--b->users > 0)
    return;
  if (!b->hashed) {
    http_block_drop (client, b);
    return;
  }
  TAILQ_REMOVE (&client->lru, b, lru);
  if (b->consumed >= b->fetch.length)
    TAILQ_INSERT_HEAD (&client->lru, b, lru);
  else
    TAILQ_INSERT_TAIL (&client->lru, b, lru);
}

/* Free one block that is not needed, for the sake of one to be read AHEAD
 * or of one that a reader waits for.
 */
static bool
evict (struct http_client *client, bool ahead)
{
  const int64_t now = monotonic_ms ();
  struct block *b;

  TAILQ_FOREACH (b, &client->lru, lru) {
    if (b->users > 0 || b->fetch.state == FETCH_ACTIVE ||
        (ahead && !b->hit && now - b->born < STALE_MS))
      continue;
    http_block_drop (client, b);
    return true;
  }
  return false;
}

bool
http_block_worth (struct http_file *f, uint64_t index)
{
  const uint64_t offset = index * f->client->block;
  const uint64_t length = MIN (f->client->block, f->size - offset);

  return f->allocated == NULL ||
    f->allocated (f->allocated_opaque, offset, length) >= length / 2;
}

struct block *
http_block_new (struct http_file *f, uint64_t index, bool ahead)
{
  struct http_client *client = f->client;
  const uint64_t offset = index * client->block;
  const size_t length = MIN (client->block, f->size - offset);
  struct block *b;

  if (client->block > client->memory)
    return NULL;
  while (client->held > client->memory - client->block)
    if (!evict (client, ahead))
      return NULL;

  b = calloc (1, sizeof *b);
  if (b == NULL)
    return NULL;
  b->fetch.buf = take_buffer (client);
  if (b->fetch.buf == NULL) {
    free (b);
    return NULL;
  }
  pthread_cond_init (&b->changed, NULL);
  b->fetch.file = f;
  b->fetch.block = b;
  b->fetch.offset = offset;
  b->fetch.length = length;
  b->fetch.ahead = ahead;
  b->fetch.changed = &b->changed;
  b->index = index;
  b->born = monotonic_ms ();
  b->hashed = true;
  LIST_INSERT_HEAD (bucket_of (f, index), b, bucket);
  TAILQ_INSERT_TAIL (&client->lru, b, lru);
  client->held += client->block;
  client->stats.memory_max = MAX (client->stats.memory_max, client->held);
  if (ahead)
    client->stats.ahead_blocks++;
  http_fetch_queue (client, &b->fetch);
  return b;
}

void
http_blocks_drop (struct http_file *f, uint64_t first, uint64_t last,
                  bool also_hit)
{
  struct block *b, *next;

  for (b = TAILQ_FIRST (&f->client->lru); b; b = next) {
    next = TAILQ_NEXT (b, lru);
    if (b->fetch.file == f && b->index >= first && b->index < last &&
        b->users == 0 && (also_hit || !b->hit))
      http_block_drop (f->client, b);
  }
}
