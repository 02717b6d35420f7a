/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reading ahead of sequential readers.
 *
 * A file remembers where its last few readers were.  A read near the end
 * of another one continues it; nbdkit's threads and a client's
 * connections deliver the reads of one copy in slightly mixed order, so
 * near is near enough.  From the second such read on, whole blocks after
 * it are fetched, two at first, twice as many each time, up to two for
 * each connection.  Connections that a reader waits for are never taken
 * for this, and a reader that itself asks for enough to keep all of them
 * busy gets no help: its bytes go straight into its buffers, while those
 * of a block are copied once more.
 *
 * A read that continues nothing takes the place of the reader that has
 * not been seen for longest, and what was read ahead of that one is
 * dropped.  So a few random reads between do no harm, and many end it.
 */
#include "common/http/http_private.h"
#include "common/include/minmax.h"

#define HITS_TO_BEGIN 2
/* Blocks without data that are passed over in one go. */
#define MAX_PASSED 256

/* What a reader asked for at once is forgotten in so many reads. */
#define DEPTH_MEMORY 64

/* What was read ahead for S continues S, too. */
static bool
continues (const struct http_stream_pos *s, uint64_t offset, uint64_t slack)
{
  return s->used != 0 && s->next <= offset + slack &&
    offset <= MAX (s->next + slack, s->ahead);
}

struct http_stream_pos *
http_ahead_note (struct http_file *f, uint64_t offset, size_t count)
{
  const size_t block = f->client->block;
  const uint64_t slack = MIN ((uint64_t) count * 16, 4 * block);
  struct http_stream_pos *s, *oldest = &f->streams[0];
  size_t i;

  for (i = 0; i < HTTP_STREAMS; ++i) {
    s = &f->streams[i];
    if (continues (s, offset, slack)) {
      s->next = MAX (s->next, offset + count);
      s->depth = MAX (f->reading, s->depth - s->depth / DEPTH_MEMORY);
      s->used = ++f->tick;
      s->hits++;
      return s;
    }
    if (s->used < oldest->used)
      oldest = s;
  }

  if (http_block_find (f, offset / block))
    return NULL;                /* one that lags behind another */
  s = oldest;
  if (s->window > 0)
    http_blocks_drop (f, s->next / block, s->ahead / block + 1, false);
  *s = (struct http_stream_pos) {
    .next = offset + count, .used = ++f->tick,
  };
  return NULL;
}

void
http_ahead_plan (struct http_file *f, struct http_stream_pos *s)
{
  struct http_client *client = f->client;
  const size_t block = client->block;
  const unsigned most = 2 * client->limit;
  uint64_t index, end;
  unsigned passed = 0;

  if (client->no_readahead || s->hits < HITS_TO_BEGIN ||
      s->depth >= (uint64_t) client->limit * block)
    return;
  if (s->window == 0)
    s->window = 1;
  if (s->ahead < s->next + (uint64_t) s->window * block)
    s->window = MIN (s->window * 2, most);

  index = MAX (s->ahead, s->next) / block;
  end = MIN (f->size, s->next + (uint64_t) s->window * block);
  for (; index * block < end && client->nr_wanted < client->limit; ++index) {
    if (http_block_find (f, index))
      continue;
    if (!http_block_worth (f, index)) {
      if (passed++ < MAX_PASSED)
        end = MIN (f->size, end + block);
      continue;
    }
    if (http_block_new (f, index, true) == NULL)
      break;
  }
  s->ahead = MAX (s->ahead, MIN (index * block, f->size));
}
