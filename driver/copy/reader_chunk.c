/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One chunk: its buffer, and the NBD reads that fill it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/minmax.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/copy/reader_private.h"

/* Data parts that are this close are read at once. */
#define JOIN_GAP (32 * KIB)

/* What one nbd_aio_pread needs to know when it ends. */
struct part {
  struct chunk *chunk;
  uint64_t offset, len;
};

void
reader_put_chunk (struct reader *r, struct chunk *chunk)
{
  r->busy--;
  /* Other copies have begun, and we hold more than our share. */
  if (chunk->buf && r->buffers > r->chunk_size && r->options->budget &&
      r->buffers > budget_share (r->options->budget)) {
    free (chunk->buf);
    chunk->buf = NULL;
    r->buffers -= r->chunk_size;
  }
  chunk->job.next = r->free_chunks;
  r->free_chunks = &chunk->job;
}

/* If not a new one, that of a chunk which is done with: no other may come
 * free.
 */
bool
reader_may_have_buffer (struct reader *r, struct chunk *chunk)
{
  struct job *job;

  if (chunk->buf || r->buffers == 0 || r->options->budget == NULL ||
      r->buffers + r->chunk_size <= budget_share (r->options->budget))
    return true;
  for (job = r->free_chunks; job; job = job->next) {
    struct chunk *other = (struct chunk *) job;

    if (other->buf) {
      chunk->buf = other->buf;
      other->buf = NULL;
      return true;
    }
  }
  return false;
}

int
reader_make_buffer (struct reader *r, struct chunk *chunk)
{
  void *buf;

  if (chunk->buf)
    return 0;
  if ((errno = posix_memalign (&buf, READER_ALIGN, r->chunk_size)) != 0) {
    log_oom ();
    return -1;
  }
  chunk->buf = buf;
  r->buffers += r->chunk_size;
  return 0;
}

/* One part of CHUNK is there, or all of them are sent. */
static void
part_ended (struct chunk *chunk)
{
  if (--chunk->pending > 0)
    return;
  if (chunk->broken)
    reader_put_chunk (chunk->reader, chunk);
  else
    chunk->reader->sink->give (chunk->reader->sink->opaque, chunk);
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

int
reader_lost (struct reader *r, uint64_t offset, const char *why)
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
      return reader_lost (r, offset, "the server closed the connection");
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
  uint64_t from = 0, to = 0;    /* data that is not yet sent */
  uint64_t filled = chunk->offset; /* sent or cleared up to here */
  size_t i;

  for (i = 0; i < chunk->parts.len; i++) {
    const struct chunk_part *part = &chunk->parts.ptr[i];

    if (part->kind != EXTENT_DATA)
      continue;
    if (to == 0 || part->offset - MIN (part->offset, to) >= JOIN_GAP) {
      if (to != 0) {
        if (send_reads (r, chunk, from, to) == -1)
          return -1;
        filled = to;
      }
      from = MAX (part->offset - part->offset % r->align, filled);
      memset (chunk->buf + (filled - chunk->offset), 0, from - filled);
    }
    to = part->offset + part->len;
    to = MIN ((to + r->align - 1) / r->align * r->align, end);
  }
  if (to != 0) {
    if (send_reads (r, chunk, from, to) == -1)
      return -1;
    filled = to;
  }
  memset (chunk->buf + (filled - chunk->offset), 0, end - filled);
  return 0;
}

int
reader_read_chunk (struct reader *r, struct chunk *chunk)
{
  int ret;

  chunk->kind = CHUNK_DATA;
  chunk->broken = false;
  chunk->pending = 1;
  ret = fill_chunk (r, chunk);
  if (ret == -1)
    chunk->broken = true;
  r->next_connection = (r->next_connection + 1) % r->client->nr;
  part_ended (chunk);
  return ret;
}
