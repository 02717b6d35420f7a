/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The reading loop.
 *
 * The disk is cut into chunks of request_size (rounded up to whole
 * digest blocks).  For each chunk that holds data one thread sends NBD
 * reads, of the data parts only, and takes the answers as they come; a
 * chunk whose reads have all ended goes to the workers, who write it and
 * make its digests, and its buffer is used again.  The number of buffers
 * bounds memory and the requests in flight.  Chunks that the server says
 * are zero go to the workers without a buffer, many at once.
 *
 * Nothing here waits longer than READER_TICK_MS.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/minmax.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/copy/alloc_map.h"
#include "driver/copy/digest_tree.h"
#include "driver/copy/reader.h"
#include "driver/copy/workers.h"

#define DEFAULT_REQUESTS 16
#define DEFAULT_REQUEST_SIZE (1 * MIB)
#define MAX_REQUEST_SIZE (32 * MIB)
#define DEFAULT_WORKERS 2

/* Data parts that are this close are read at once. */
#define JOIN_GAP (32 * KIB)

/* Reads begin and end at multiples of this (or at the end of the disk),
 * whatever the extents say: servers like pages.
 */
#define READ_ALIGN (4 * KIB)

/* A zero range given to a worker at once: bounds how long one call on a
 * slow target delays a cancel.
 */
#define MAX_ZERO_RUN (64 * MIB)

struct reader;

struct chunk {
  struct job job;               /* first, for the workers */
  struct chunk *next_free;
  struct reader *reader;
  uint64_t offset, len;
  bool zero;                    /* all of it; buf is not used */
  unsigned pending;             /* reads in flight, and 1 while they are
                                   being sent */
  bool broken;                  /* one of them failed */
  uint8_t *buf;                 /* chunk_size bytes, when first needed */
};

/* What one nbd_aio_pread needs to know when it ends. */
struct part {
  struct chunk *chunk;
  uint64_t offset, len;
};

struct reader {
  struct nbd_client *client;
  const char *name;
  const struct reader_consumer *consumer;
  const struct copy_options *options;
  uint64_t chunk_size;          /* a multiple of DIGEST_BLOCK */
  uint64_t max_read;            /* bytes of one request */
  uint64_t align;               /* of requests; divides both */
  struct alloc_map map;
  struct workers workers;

  struct chunk *chunks;         /* all of them */
  unsigned nr_chunks;
  struct chunk *free_chunks;    /* the last used first: warm in the cache */
  unsigned busy;                /* chunks not free */
  unsigned next_connection;
  uint64_t next;                /* offset of the next chunk to begin */

  bool sending;                 /* in nbd_aio_pread */
  unsigned in_flight;           /* reads */
  int read_errno;               /* of the first failed read */
  uint64_t read_errno_offset;

  int64_t last_alive;           /* when the server last sent something */
  int64_t last_tick;
  struct copy_result *result;
};

static void
put_chunk (struct reader *r, struct chunk *chunk)
{
  chunk->next_free = r->free_chunks;
  r->free_chunks = chunk;
  r->busy--;
}

/* One part of CHUNK is there, or all of them are sent. */
static void
part_ended (struct chunk *chunk)
{
  if (--chunk->pending > 0)
    return;
  if (chunk->broken)
    put_chunk (chunk->reader, chunk);
  else
    workers_give (&chunk->reader->workers, &chunk->job);
}

static int
read_ended (void *opaque, int *error)
{
  struct part *part = opaque;
  struct reader *r = part->chunk->reader;

  r->in_flight--;
  if (*error == 0)
    r->result->progress.read += part->len;
  else {
    part->chunk->broken = true;
    if (r->read_errno == 0) {
      r->read_errno = *error;
      r->read_errno_offset = part->offset;
    }
  }
  part_ended (part->chunk);
  /* Retire the command; but libnbd 1.14 reads it once more at the end of
   * nbd_aio_pread, when that is where it failed.
   */
  return r->sending ? 0 : 1;
}

static int
lost (struct reader *r, uint64_t offset, const char *why)
{
  log_error ("disk %s: source: the connection to the NBD server was lost "
             "near offset %" PRIu64 ": %s", printable (r->name), offset, why);
  errno = EIO;
  return -1;
}

/* Read [offset, end) of CHUNK, in several requests if need be. */
static int
send_reads (struct reader *r, struct chunk *chunk, uint64_t offset,
            uint64_t end)
{
  struct nbd_handle *nbd = r->client->nbd[r->next_connection];
  struct part *part;
  uint64_t n;
  int64_t cookie;

  for (; offset < end; offset += n) {
    if (nbd_aio_is_dead (nbd) || nbd_aio_is_closed (nbd))
      return lost (r, offset, "the server closed the connection");
    n = MIN (end - offset, r->max_read);
    part = malloc (sizeof *part);
    if (part == NULL) {
      log_oom ();
      return -1;
    }
    part->chunk = chunk;
    part->offset = offset;
    part->len = n;

    chunk->pending++;
    r->in_flight++;
    r->sending = true;
    cookie = nbd_aio_pread (nbd, chunk->buf + (offset - chunk->offset), n,
                            offset,
                            (nbd_completion_callback) {
                              .callback = read_ended, .user_data = part,
                              .free = free },
                            0);
    r->sending = false;
    if (cookie == -1) {
      log_error ("disk %s: source: cannot read %" PRIu64 " bytes at offset "
                 "%" PRIu64 ": %s", printable (r->name), n, offset,
                 printable (nbd_get_error ()));
      errno = EIO;
      return -1;
    }
  }
  return 0;
}

/* Send the reads for the data parts of CHUNK, and clear the others. */
static int
fill_chunk (struct reader *r, struct chunk *chunk)
{
  const uint64_t end = chunk->offset + chunk->len;
  uint64_t at, run_end;
  uint64_t from = 0, to = 0;    /* data that is not yet sent */
  uint64_t filled = chunk->offset; /* sent or cleared up to here */
  bool zero;

  for (at = chunk->offset; at < end; at = run_end) {
    run_end = MIN (alloc_map_find (&r->map, at, &zero), end);
    if (zero)
      continue;
    if (to == 0 || at - MIN (at, to) >= JOIN_GAP) {
      if (to != 0) {
        if (send_reads (r, chunk, from, to) == -1)
          return -1;
        filled = to;
      }
      from = MAX (at - at % r->align, filled);
      memset (chunk->buf + (filled - chunk->offset), 0, from - filled);
    }
    to = MIN ((run_end + r->align - 1) / r->align * r->align, end);
  }
  if (to != 0) {
    if (send_reads (r, chunk, from, to) == -1)
      return -1;
    filled = to;
  }
  memset (chunk->buf + (filled - chunk->offset), 0, end - filled);
  return 0;
}

/* Begin as many chunks as there are buffers and the map knows of. */
static int
begin_chunks (struct reader *r)
{
  const uint64_t size = r->client->size;
  struct chunk *chunk;
  uint64_t end, run_end;
  bool zero;
  int ret;

  while (r->next < size) {
    alloc_map_ask (&r->map, r->next);
    chunk = r->free_chunks;
    end = r->next + MIN (r->chunk_size, size - r->next);
    if (chunk == NULL || !alloc_map_knows (&r->map, end))
      return 0;

    run_end = alloc_map_find (&r->map, r->next, &zero);
    zero = zero && run_end >= end;
    if (zero) {
      end = MIN (run_end, r->next + MAX_ZERO_RUN);
      if (end < size)
        end -= end % r->chunk_size;
    }

    if (!zero && chunk->buf == NULL &&
        (errno = posix_memalign ((void **) &chunk->buf, READ_ALIGN,
                                 r->chunk_size)) != 0) {
      chunk->buf = NULL;
      log_oom ();
      return -1;
    }
    r->free_chunks = chunk->next_free;
    r->busy++;
    chunk->offset = r->next;
    chunk->len = end - r->next;
    chunk->zero = zero;
    chunk->broken = false;
    chunk->pending = 1;
    r->next = end;

    ret = zero ? 0 : fill_chunk (r, chunk);
    if (ret == -1)
      chunk->broken = true;
    r->next_connection = (r->next_connection + 1) % r->client->nr;
    part_ended (chunk);
    if (ret == -1)
      return -1;
  }
  return 0;
}

/* Take back what the workers have done. */
static int
end_chunks (struct reader *r)
{
  struct job *job, *next;
  int err = 0;

  for (job = workers_ended (&r->workers); job; job = next) {
    struct chunk *chunk = (struct chunk *) job;

    next = job->next;
    if (job->error == 0)
      r->result->progress.done += chunk->len;
    else if (err == 0)
      err = job->error;
    put_chunk (r, chunk);
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

  if (nbd_client_poll (r->client, r->workers.wake_fd, READER_TICK_MS,
                       &alive) == -1) {
    lost (r, r->read_errno ? r->read_errno_offset : r->next,
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

static int
work (void *opaque, struct job *job)
{
  const struct reader_consumer *consumer = opaque;
  const struct chunk *chunk = (const struct chunk *) job;

  if (chunk->zero)
    return consumer->zero (consumer->opaque, chunk->offset, chunk->len);
  return consumer->data (consumer->opaque, chunk->offset, chunk->buf,
                         chunk->len);
}

static int
loop (struct reader *r)
{
  r->last_alive = monotonic_ms ();
  for (;;) {
    if (begin_chunks (r) == -1)
      return source_failed (r, errno);
    if (r->next == r->client->size && r->busy == 0)
      return tick (r, true);
    if (wait_for_source (r) == -1 || end_chunks (r) == -1 ||
        tick (r, false) == -1)
      return -1;
  }
}

int
reader_run (struct nbd_client *client, const char *name,
            const struct reader_consumer *consumer,
            const struct copy_options *options, struct copy_result *result)
{
  const unsigned nr_workers = options->workers ? options->workers
                                               : DEFAULT_WORKERS;
  struct reader r = { .client = client, .name = name,
                      .consumer = consumer, .options = options,
                      .result = result };
  const uint64_t request_size = options->request_size ?
    MIN (options->request_size, MAX_REQUEST_SIZE) : DEFAULT_REQUEST_SIZE;
  int ret = -1, err;
  unsigned i;

  result->progress.size = client->size;
  /* A minimum is at most 64 KiB, and a maximum a multiple of it (NBD
   * protocol, "Block size constraints").
   */
  r.align = MAX (READ_ALIGN, MIN (client->min_request, 64 * KIB));
  r.max_read = MIN (request_size, client->max_request);
  if (r.max_read > r.align)
    r.max_read -= r.max_read % r.align;
  r.chunk_size = (request_size + DIGEST_BLOCK - 1) / DIGEST_BLOCK *
    DIGEST_BLOCK;
  r.nr_chunks = options->requests ? options->requests : DEFAULT_REQUESTS;
  r.chunks = calloc (r.nr_chunks, sizeof *r.chunks);
  if (r.chunks == NULL) {
    log_oom ();
    nbd_client_close (client);
    errno = ENOMEM;
    return -1;
  }
  r.busy = r.nr_chunks;
  for (i = 0; i < r.nr_chunks; ++i) {
    r.chunks[i].reader = &r;
    put_chunk (&r, &r.chunks[i]);
  }
  alloc_map_init (&r.map, client, name);

  if (workers_start (&r.workers, nr_workers, work,
                     (void *) consumer) == 0) {
    ret = loop (&r);
    err = errno;
    /* First those who use the buffers, then the buffers. */
    if (ret == -1)
      nbd_client_close (client);
    workers_stop (&r.workers);
    errno = err;
  }
  err = errno;
  if (ret == -1)
    nbd_client_close (client);
  alloc_map_free (&r.map);
  for (i = 0; i < r.nr_chunks; ++i)
    free (r.chunks[i].buf);
  free (r.chunks);
  errno = err;
  return ret;
}
