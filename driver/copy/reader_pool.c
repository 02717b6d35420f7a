/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reading for those who just want the bytes, in worker threads.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "driver/copy/reader.h"
#include "driver/copy/workers.h"

#define DEFAULT_WORKERS 2

struct pool {
  const struct reader_consumer *consumer;
  struct workers workers;
};

static int
work (void *opaque, struct job *job)
{
  const struct reader_consumer *consumer = opaque;
  const struct chunk *chunk = (const struct chunk *) job;

  if (chunk->kind == CHUNK_ZERO)
    return consumer->zero (consumer->opaque, chunk->offset, chunk->len);
  return consumer->data (consumer->opaque, chunk->offset, chunk->buf,
                         chunk->len);
}

static void
give (void *opaque, struct chunk *chunk)
{
  struct pool *pool = opaque;

  workers_give (&pool->workers, &chunk->job);
}

static struct job *
ended (void *opaque)
{
  struct pool *pool = opaque;

  return workers_ended (&pool->workers);
}

int
reader_run (struct nbd_client *client, const char *name,
            const struct reader_consumer *consumer,
            const struct copy_options *options, struct copy_result *result)
{
  struct pool pool = { .consumer = consumer };
  struct reader_sink sink = { .give = give, .ended = ended,
                              .opaque = &pool };
  struct reader *r;
  int ret = -1, err;

  if (workers_start (&pool.workers,
                     options->workers ? options->workers : DEFAULT_WORKERS,
                     work, (void *) consumer, -1) == -1) {
    err = errno;
    nbd_client_close (client);
    errno = err;
    return -1;
  }
  sink.wake_fd = pool.workers.wake_fd;
  r = reader_new (client, name, &sink, options, result);
  if (r)
    ret = reader_loop (r);
  err = errno;
  if (ret == -1)
    nbd_client_close (client);
  /* First those who use the buffers, then the buffers. */
  workers_stop (&pool.workers);
  reader_free (r);
  errno = err;
  return ret;
}
