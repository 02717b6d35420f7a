/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Read all of an NBD export (or what a delta says has changed), as fast
 * as it comes and in any order, and hand it to a sink that writes it or
 * makes digests of it.
 */
#ifndef NBDLIFT_READER_H
#define NBDLIFT_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/util/vector.h"
#include "driver/copy/alloc_map.h"
#include "driver/copy/copy.h"
#include "driver/copy/nbd_client.h"
#include "driver/copy/workers.h"

/* Buffers can be written with O_DIRECT: their addresses are multiples of
 * this.
 */
#define READER_ALIGN UINT64_C (4096)

/* Part of a chunk; ends where the next begins. */
struct chunk_part {
  uint64_t offset, len;         /* bytes, in the disk */
  enum extent_kind kind;
};
DEFINE_VECTOR_TYPE (chunk_parts, struct chunk_part);

enum chunk_kind {
  CHUNK_DATA,                   /* was read into buf */
  CHUNK_ZERO,                   /* all of it; has no content in buf */
  CHUNK_CLAIMED,                /* the sink has it already, and shall
                                   look whether that is true; buf can be
                                   used for it */
};

/* Begins at a multiple of DIGEST_BLOCK and ends at one or at the end of
 * the disk.
 */
struct chunk {
  struct job job;               /* first, for worker threads; error is set
                                   by whom the chunk was given to */
  enum chunk_kind kind;
  uint64_t offset, len;         /* bytes */
  chunk_parts parts;            /* all of it, in order */
  uint8_t *buf;                 /* len bytes; what the source's map calls
                                   zero is zero; in a delta, what is not
                                   EXTENT_DATA is undefined */

  /* For the sink: */
  bool wrong;                   /* CHUNK_CLAIMED: set to have it read */
  bool probe;                   /* as sink->claimed said */
  unsigned writes;              /* in flight */

  /* For the reader: */
  struct reader *reader;
  unsigned pending;             /* reads in flight, and 1 while they are
                                   being sent */
  bool broken;                  /* one of them failed */
};

/* Bytes of CHUNK that must be read. */
static inline uint64_t
chunk_data_bytes (const struct chunk *chunk)
{
  uint64_t sum = 0;
  size_t i;

  for (i = 0; i < chunk->parts.len; i++)
    if (chunk->parts.ptr[i].kind == EXTENT_DATA)
      sum += chunk->parts.ptr[i].len;
  return sum;
}

enum claim {
  CLAIM_NONE,                   /* read it */
  CLAIM_CHECK,                  /* give it as CHUNK_CLAIMED */
  CLAIM_PROBE,                  /* read it, with chunk->probe set */
};

/* What the reader calls, all in the thread that called reader_run, and
 * never while one of them runs.
 */
struct reader_sink {
  /* Take CHUNK, until it is returned by ended. */
  void (*give) (void *opaque, struct chunk *chunk);

  /* All chunks that have ended since the last call, linked by job.next;
   * job.error is the errno of a failure, which ends the reading.
   */
  struct job *(*ended) (void *opaque);

  /* How to treat the data at [offset, offset+len).  NULL: read all. */
  enum claim (*claimed) (void *opaque, uint64_t offset, uint64_t len);

  /* May LEN bytes be read now (0), or not before something ended or so
   * many milliseconds have passed?  They are counted when it says 0.
   * NULL: always.
   */
  int (*hold) (void *opaque, uint64_t len);

  /* Called again and again, at least every READER_TICK_MS; 0, or -1 with
   * errno.  NULL: not needed.
   */
  int (*tick) (void *opaque);

  int wake_fd;                  /* readable when ended has something */
  void *opaque;
};

struct reader;

/* To read the export of CLIENT, called NAME in messages, with the numbers
 * (connections excepted), the budget and the progress function of
 * OPTIONS.  All are borrowed until reader_free.  NULL reported.
 */
extern struct reader *reader_new (struct nbd_client *client,
                                  const char *name,
                                  const struct reader_sink *sink,
                                  const struct copy_options *options,
                                  struct copy_result *result);

/* 0: all chunks have ended; or -1 with errno and a report: the client is
 * then closed, and chunks that were given and have not ended are still
 * the sink's, which must be done with them before reader_free.  Nothing
 * is reported for ECANCELED and for an error of the sink
 * (COPY_SIDE_TARGET).  Sets of *RESULT what the sink does not know.
 */
extern int reader_loop (struct reader *r);
extern void reader_free (struct reader *r);

/* The same for those who just want the bytes: both functions are called
 * from worker threads, several at once, each byte of the disk once.  0, or
 * -1 with errno, which ends the reading.  They should not report: messages
 * belong to the thread that called reader_run.
 */
struct reader_consumer {
  int (*data) (void *opaque, uint64_t offset, const uint8_t *data,
               size_t len);
  int (*zero) (void *opaque, uint64_t offset, uint64_t len);
  void *opaque;
};

/* reader_new, reader_loop and reader_free with threads of its own. */
extern int reader_run (struct nbd_client *client, const char *name,
                       const struct reader_consumer *consumer,
                       const struct copy_options *options,
                       struct copy_result *result);

/* Progress once every so many milliseconds; also how long a cancel may
 * wait.
 */
#define READER_TICK_MS 200

#endif /* NBDLIFT_READER_H */
