/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The reading loop.
 *
 * The disk is cut into chunks of request_size (rounded up to whole
 * digest blocks).  For each chunk that holds data one thread sends NBD
 * reads, of the data parts only, and takes the answers as they come; a
 * chunk whose reads have all ended goes to the sink, and its buffer is used
 * again when the sink has ended it.  The number of buffers bounds memory and
 * the requests in flight.  Chunks that the server says are zero go to the sink
 * without a buffer, many at once.
 *
 * Nothing here waits longer than READER_TICK_MS.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "common/include/minmax.h"
#include "common/util/log.h"
#include "common/util/monotonic.h"
#include "common/util/strbuf.h"
#include "driver/copy/digest_tree.h"
#include "driver/copy/reader_private.h"

#define DEFAULT_REQUESTS 16
#define DEFAULT_REQUEST_SIZE (2 * MIB)
#define MAX_REQUEST_SIZE (32 * MIB)

/* A zero range given to the sink at once: bounds how long one call on a
 * slow target delays a cancel.
 */
#define MAX_ZERO_RUN (64 * MIB)

/* Ask those who limit us for leave to read LEN bytes for r->ready. */
static bool
may_read (struct reader *r, uint64_t len)
{
  const struct reader_sink *sink = r->sink;

  if (!r->granted && sink->hold) {
    r->wait_ms = sink->hold (sink->opaque, len);
    if (r->wait_ms > 0)
      return false;
  }
  r->granted = true;
  if (r->options->budget) {
    r->wait_ms = budget_take_bytes (r->options->budget, len);
    if (r->wait_ms > 0)
      return false;
  }
  r->granted = false;
  r->wait_ms = READER_TICK_MS;
  return true;
}

/* Full copies read whole pages: a zero part gives way to the data around
 * it.
 */
static void
align_part (const struct reader *r, struct chunk_part *part, uint64_t end)
{
  uint64_t part_end = part->offset + part->len;

  if (part_end == end)
    return;
  part_end -= part_end % r->align;
  if (part->kind == EXTENT_DATA && part_end < part->offset + part->len)
    part_end += r->align;
  if (part_end <= part->offset) {
    part->kind = EXTENT_DATA;
    part_end = part->offset + (r->align - part->offset % r->align);
  }
  part->len = MIN (part_end, end) - part->offset;
}

/* What the map says of [r->next, END), the range of CHUNK. */
static int
find_parts (struct reader *r, struct chunk *chunk, uint64_t end)
{
  struct chunk_part part = { .offset = r->next }, *last = NULL;

  chunk->offset = r->next;
  chunk->len = end - r->next;
  chunk->parts.len = 0;
  for (; part.offset < end; part.offset += part.len) {
    part.len = alloc_map_find (&r->map, part.offset, &part.kind);
    part.len = MIN (part.len, end) - part.offset;
    if (!r->options->delta)
      align_part (r, &part, end);
    if (last && last->kind == part.kind) {
      last->len += part.len;
      continue;
    }
    if (chunk_parts_append (&chunk->parts, part) == -1) {
      log_oom ();
      return -1;
    }
    last = &chunk->parts.ptr[chunk->parts.len - 1];
  }
  return 0;
}

/* The next chunk to begin, in r->ready: NULL when there is nothing to do
 * for what was found.  1; 0 when that is not known yet; -1 reported.
 */
static int
next_chunk (struct reader *r)
{
  const uint64_t size = r->client->size;
  struct chunk *chunk = (struct chunk *) r->free_chunks;
  uint64_t end = r->next + MIN (r->chunk_size, size - r->next), run_end;
  enum extent_kind kind;

  alloc_map_ask (&r->map, r->next);
  if (chunk == NULL || !alloc_map_knows (&r->map, end))
    return 0;

  run_end = alloc_map_find (&r->map, r->next, &kind);
  if (kind != EXTENT_DATA && run_end >= end) {
    end = MIN (run_end, r->next + MAX_ZERO_RUN);
    if (end < size)
      end -= end % r->chunk_size;
  }
  if (kind == EXTENT_UNCHANGED && run_end >= end) {
    r->result->progress.done += end - r->next;
    r->next = end;
    return 1;
  }
  if (find_parts (r, chunk, end) == -1)
    return -1;
  r->free_chunks = chunk->job.next;
  r->busy++;
  chunk->kind = kind == EXTENT_ZERO && run_end >= end ? CHUNK_ZERO
                                                      : CHUNK_DATA;
  chunk->job.error = 0;
  chunk->wrong = chunk->probe = false;
  chunk->writes = 0;
  r->next = end;
  if (chunk->kind == CHUNK_DATA && r->sink->claimed &&
      chunk_data_bytes (chunk) > 0) {
    enum claim claim = r->sink->claimed (r->sink->opaque, chunk->offset,
                                         chunk->len);

    chunk->probe = claim == CLAIM_PROBE;
    if (claim == CLAIM_CHECK)
      chunk->kind = CHUNK_CLAIMED;
  }
  r->ready = chunk;
  return 1;
}

/* As next_chunk, for one that the sink has found to be wrong. */
static bool
next_again (struct reader *r)
{
  struct chunk *chunk = (struct chunk *) r->again;

  if (chunk == NULL)
    return false;
  r->again = chunk->job.next;
  chunk->job.error = 0;
  chunk->kind = CHUNK_DATA;
  r->ready = chunk;
  return true;
}

/* Begin as many chunks as there are buffers and the map knows of. */
static int
begin_chunks (struct reader *r)
{
  struct chunk *chunk;
  int ret;

  r->wait_ms = READER_TICK_MS;
  for (;;) {
    while (r->ready == NULL && !next_again (r)) {
      ret = r->next < r->client->size ? next_chunk (r) : 0;
      if (ret != 1)
        return ret;
    }
    chunk = r->ready;
    if (chunk->kind != CHUNK_ZERO) {
      if (!reader_may_have_buffer (r, chunk) ||
          (chunk->kind == CHUNK_DATA &&
           !may_read (r, chunk_data_bytes (chunk))))
        return 0;
      if (reader_make_buffer (r, chunk) == -1)
        return -1;
    }
    r->ready = NULL;
    if (chunk->kind != CHUNK_DATA)
      r->sink->give (r->sink->opaque, chunk);
    else if (reader_read_chunk (r, chunk) == -1)
      return -1;
  }
}

/* Take back what the sink has done. */
static int
end_chunks (struct reader *r)
{
  struct job *job, *next;
  int err = 0;

  for (job = r->sink->ended (r->sink->opaque); job; job = next) {
    struct chunk *chunk = (struct chunk *) job;

    next = job->next;
    if (job->error == 0 && chunk->wrong) {
      chunk->wrong = false;
      job->next = r->again;
      r->again = job;
      continue;
    }
    if (job->error == 0)
      r->result->progress.done += chunk->len;
    else if (err == 0)
      err = job->error;
    reader_put_chunk (r, chunk);
  }
  if (err == 0)
    return 0;
  r->result->failed_side = COPY_SIDE_TARGET;
  errno = err;
  return -1;
}

static int
source_failed (struct reader *r, int err)
{
  r->result->failed_side = COPY_SIDE_SOURCE;
  errno = err;
  return -1;
}

/* Wait for something to happen, and look at what did. */
static int
wait_for_source (struct reader *r)
{
  const unsigned stall = r->options->stall_seconds ?
    r->options->stall_seconds : NBD_CLIENT_STALL_SECONDS;
  const char *name = printable (r->name);
  bool alive = false;
  int64_t now;

  if (nbd_client_poll (r->client, r->sink->wake_fd,
                       MIN (r->wait_ms, READER_TICK_MS), &alive) == -1) {
    reader_lost (r, r->read_errno ? r->read_errno_offset : r->next,
                 r->client->failure);
    return source_failed (r, EIO);
  }
  if (r->read_errno != 0) {
    errno = r->read_errno;
    log_error ("disk %s: source: cannot read at offset %" PRIu64 ": %m",
               name, r->read_errno_offset);
    return source_failed (r, r->read_errno);
  }

  now = monotonic_ms ();
  if (alive || (r->in_flight == 0 && !r->map.asking))
    r->last_alive = now;
  else if (now - r->last_alive >= (int64_t) stall * 1000) {
    log_error ("disk %s: source: the NBD server sent nothing for %u seconds "
               "(%u reads wait, up to offset %" PRIu64 "): it hangs, or its "
               "own source does", name, stall, r->in_flight, r->next);
    return source_failed (r, ETIMEDOUT);
  }
  return 0;
}

static int
tick (struct reader *r, bool last)
{
  const int64_t now = monotonic_ms ();

  if (r->options->progress == NULL ||
      (!last && now - r->last_tick < READER_TICK_MS))
    return 0;
  r->last_tick = now;
  if (r->options->progress (r->options->opaque, &r->result->progress))
    return 0;
  errno = ECANCELED;
  return -1;
}

int
reader_loop (struct reader *r)
{
  int ret = -1, err;

  r->last_alive = monotonic_ms ();
  for (;;) {
    if (begin_chunks (r) == -1) {
      source_failed (r, errno);
      break;
    }
    if (r->next == r->client->size && r->busy == 0) {
      ret = tick (r, true);
      break;
    }
    if (wait_for_source (r) == -1 || end_chunks (r) == -1 ||
        tick (r, false) == -1)
      break;
    if (r->sink->tick && r->sink->tick (r->sink->opaque) == -1) {
      r->result->failed_side = COPY_SIDE_TARGET;
      break;
    }
  }
  if (ret == -1) {
    err = errno;
    nbd_client_close (r->client);
    errno = err;
  }
  return ret;
}

struct reader *
reader_new (struct nbd_client *client, const char *name,
            const struct reader_sink *sink,
            const struct copy_options *options, struct copy_result *result)
{
  const uint64_t request_size = options->request_size ?
    MIN (options->request_size, MAX_REQUEST_SIZE) : DEFAULT_REQUEST_SIZE;
  struct reader *r = calloc (1, sizeof *r);
  unsigned i;

  if (r == NULL) {
    log_oom ();
    return NULL;
  }
  r->client = client;
  r->name = name;
  r->sink = sink;
  r->options = options;
  r->result = result;
  result->progress.size = client->size;
  /* A minimum is at most 64 KiB, and a maximum a multiple of it (NBD
   * protocol, "Block size constraints").
   */
  r->align = MAX (READER_ALIGN, MIN (client->min_request, 64 * KIB));
  r->max_read = MIN (request_size, client->max_request);
  if (r->max_read > r->align)
    r->max_read -= r->max_read % r->align;
  r->chunk_size = (request_size + DIGEST_BLOCK - 1) / DIGEST_BLOCK *
    DIGEST_BLOCK;
  r->nr_chunks = options->requests ? options->requests : DEFAULT_REQUESTS;
  alloc_map_init (&r->map, client, name, options->delta);
  r->chunks = calloc (r->nr_chunks, sizeof *r->chunks);
  if (r->chunks == NULL) {
    log_oom ();
    reader_free (r);
    return NULL;
  }
  r->busy = r->nr_chunks;
  for (i = 0; i < r->nr_chunks; ++i) {
    r->chunks[i].reader = r;
    reader_put_chunk (r, &r->chunks[i]);
  }
  return r;
}

void
reader_free (struct reader *r)
{
  unsigned i;

  if (r == NULL)
    return;
  alloc_map_free (&r->map);
  for (i = 0; r->chunks && i < r->nr_chunks; ++i) {
    free (r->chunks[i].buf);
    chunk_parts_reset (&r->chunks[i].parts);
  }
  free (r->chunks);
  free (r);
}
