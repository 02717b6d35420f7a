/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Between reader.c and reader_chunk.c.
 */
#ifndef NBDLIFT_READER_PRIVATE_H
#define NBDLIFT_READER_PRIVATE_H

#include "driver/copy/reader.h"

struct reader {
  struct nbd_client *client;
  const char *name;
  const struct reader_sink *sink;
  const struct copy_options *options;
  uint64_t chunk_size;          /* a multiple of DIGEST_BLOCK */
  uint64_t max_read;            /* bytes of one request */
  uint64_t align;               /* of requests; divides both */
  struct alloc_map map;

  struct chunk *chunks;         /* all of them */
  unsigned nr_chunks;
  struct job *free_chunks;      /* the last used first: warm in the cache */
  struct job *again;            /* were claimed, and must be read */
  unsigned busy;                /* chunks not free */
  uint64_t buffers;             /* bytes of all bufs */
  unsigned next_connection;
  uint64_t next;                /* offset of the next chunk */
  struct chunk *ready;          /* the one before it: waits to be begun */
  bool granted;                 /* by the sink, for r->ready */
  int wait_ms;                  /* until we are let go on */

  bool sending;                 /* in nbd_aio_pread */
  unsigned in_flight;           /* reads */
  int read_errno;               /* of the first failed read */
  uint64_t read_errno_offset;

  int64_t last_alive;           /* when the server last sent something */
  int64_t last_tick;
  struct copy_result *result;
};

/*---- reader_chunk.c ----*/

/* CHUNK is free again. */
extern void reader_put_chunk (struct reader *r, struct chunk *chunk);

/* May CHUNK have a buffer, within what this copy may use? */
extern bool reader_may_have_buffer (struct reader *r, struct chunk *chunk);

/* See that CHUNK has one.  0, or -1 reported. */
extern int reader_make_buffer (struct reader *r, struct chunk *chunk);

/* Read CHUNK, whose buffer is there; the sink gets it when that ended.  0,
 * or -1 with errno and a report.
 */
extern int reader_read_chunk (struct reader *r, struct chunk *chunk);

/* Report that the connection was lost, WHY, near OFFSET.  -1 with errno. */
extern int reader_lost (struct reader *r, uint64_t offset, const char *why);

#endif /* NBDLIFT_READER_PRIVATE_H */
