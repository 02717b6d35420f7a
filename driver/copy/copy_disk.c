/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One disk: the reader in front; the output, the digests and the journal
 * behind it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/copy/copy.h"
#include "driver/copy/copy_private.h"
#include "driver/copy/nbd_client.h"

/* One is enough on a Unix socket, where more cost more than they bring;
 * across a network each has a congestion window of its own.
 */
#define DEFAULT_CONNECTIONS 4

#define DEFAULT_WORKERS 2

static bool
copy_tick (void *opaque, const struct copy_progress *read)
{
  struct copy *copy = opaque;
  struct copy_progress progress = *read;

  progress.written = atomic_load (&copy->output.written);
  progress.kept = copy->kept;
  return copy->options->progress (copy->options->opaque, &progress);
}

static bool
keep_on (void *opaque)
{
  const struct copy_options *options = opaque;
  const struct copy_progress nothing = { 0 };

  return options->progress (options->opaque, &nothing);
}

/* How this target is written. */
static int
choose_output (struct copy *copy)
{
  const enum copy_cache cache = copy->options->cache;
  const char *why = NULL;

  if (cache == COPY_CACHE_WRITEBACK)
    return 0;
  if (cache == COPY_CACHE_NONE ||
      direct_output_pays (copy->output.fd, &why))
    copy->direct = direct_output_open (&copy->output, copy->wake_fd, &why);
  if (copy->direct)
    return 0;
  if (cache == COPY_CACHE_NONE) {
    log_error ("disk %s: target %s: cannot be written with --cache=none "
               "(%s)", printable (copy->name), printable (copy->output.target),
               why);
    errno = ENOTSUP;
    return -1;
  }
  log_debug ("disk %s: target %s: is written through the page cache (%s)",
             printable (copy->name), printable (copy->output.target), why);
  return 0;
}

/* The digests and the journal, as far as they are wanted. */
static int
open_records (struct copy *copy, uint64_t size)
{
  const struct copy_options *o = copy->options;

  copy->size = size;
  if (o->delta && o->digest_file) {
    copy->touched = calloc (size / DIGEST_BLOCK + 1, 1);
    if (copy->touched == NULL) {
      log_oom ();
      return -1;
    }
  }
  if (o->journal_file == NULL && (o->digest_file == NULL || o->delta))
    return 0;
  copy->digests = digest_tree_new (size, o->digest);
  if (copy->digests == NULL)
    return -1;
  if (o->journal_file == NULL)
    return 0;
  copy->journal = copy_journal_open (o->journal_file, copy->digests,
                                     o->identity ? o->identity : "",
                                     o->delta);
  if (copy->journal == NULL)
    return -1;
  copy_choose_probes (copy);
  return 0;
}

/* All bytes are written: make that last. */
static int
finish (struct copy *copy, struct copy_result *result)
{
  const struct copy_options *o = copy->options;

  result->failed_side = COPY_SIDE_TARGET;
  if (disk_output_flush (&copy->output) == -1)
    return -1;
  if (copy->checkpoint && checkpoint_finish (copy->checkpoint) == -1)
    return -1;
  if (o->digest_file && copy_save_digests (copy) == -1)
    return -1;
  if (copy->journal && copy_journal_finish (copy->journal) == -1)
    return -1;
  result->failed_side = COPY_SIDE_NONE;
  return 0;
}

/* With the source, the target and the records open. */
static int
run (struct copy *copy, struct nbd_client *client, struct copy_result *result)
{
  const struct reader_sink sink = {
    .give = copy_give,
    .ended = copy_ended,
    .claimed = copy->journal ? copy_claimed : NULL,
    .hold = copy->checkpoint ? copy_hold : NULL,
    .tick = copy->checkpoint ? copy_checkpoint : NULL,
    .wake_fd = copy->wake_fd,
    .opaque = copy,
  };
  struct copy_options options = *copy->options;
  struct reader *reader;
  int ret = -1, err;

  if (options.progress) {
    options.progress = copy_tick;
    options.opaque = copy;
  }
  if (choose_output (copy) == -1) {
    result->failed_side = COPY_SIDE_TARGET;
    return -1;
  }
  result->direct = copy->direct != NULL;
  if (workers_start (&copy->workers,
                     options.workers ? options.workers : DEFAULT_WORKERS,
                     copy_work, copy, copy->wake_fd) == 0) {
    reader = reader_new (client, copy->name, &sink, &options, result);
    if (reader && reader_loop (reader) == 0)
      ret = finish (copy, result);
    err = errno;
    /* First those who use the buffers, then the buffers. */
    nbd_client_close (client);
    workers_stop (&copy->workers);
    direct_output_close (copy->direct);
    reader_free (reader);
    errno = err;
  }
  else
    direct_output_close (copy->direct);
  return ret;
}

/* With the source and the records open: nothing of the target is changed
 * before they are.
 */
static int
copy_to (struct copy *copy, int fd, const char *target,
         struct nbd_client *client, struct copy_result *result)
{
  const bool is_zero = copy->options->target_is_zero &&
    !(copy->journal && copy_journal_resumed (copy->journal));
  int ret = -1, err;

  if (disk_output_open (&copy->output, fd, copy->name, target, copy->size,
                        is_zero) == -1) {
    result->failed_side = COPY_SIDE_TARGET;
    return -1;
  }
  if (copy->journal)
    copy->checkpoint = checkpoint_new (copy->journal, copy->digests,
                                       &copy->output, copy->wake_fd);
  if (copy->journal == NULL || copy->checkpoint)
    ret = run (copy, client, result);
  err = errno;

  if (ret == -1 && copy->source_changed) {
    log_error ("disk %s: source: what is at offset %" PRIu64 " is not what "
               "an earlier run has copied from there: the source has changed "
               "since; remove %s to copy it from the beginning",
               printable (copy->name), copy->changed_offset,
               printable (copy->options->journal_file));
    result->failed_side = COPY_SIDE_SOURCE;
  }
  else if (ret == -1 && result->failed_side == COPY_SIDE_TARGET)
    disk_output_report (&copy->output);
  result->progress.written = atomic_load (&copy->output.written);
  checkpoint_free (copy->checkpoint);
  disk_output_close (&copy->output);
  errno = err;
  return ret;
}

/* With the source open. */
static int
copy_open_disk (struct copy *copy, int fd, const char *target,
                struct nbd_client *client, struct copy_result *result)
{
  int ret = -1, err;

  copy->wake_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (copy->wake_fd == -1) {
    log_error ("eventfd: %m");
    return -1;
  }
  if (open_records (copy, client->size) == 0)
    ret = copy_to (copy, fd, target, client, result);
  err = errno;
  copy_journal_close (copy->journal);
  digest_tree_free (copy->digests);
  free (copy->touched);
  close (copy->wake_fd);
  errno = err;
  return ret;
}

int
copy_disk (const struct copy_source *source, int fd, const char *target,
           const struct copy_options *options, struct copy_result *result)
{
  const unsigned connections = options->connections ? options->connections
                                                    : DEFAULT_CONNECTIONS;
  const unsigned patience = options->stall_seconds ? options->stall_seconds
                                                   : NBD_CLIENT_STALL_SECONDS;
  /* Without any context a server would be asked for all of the disk. */
  const char *const delta_context = options->delta_context ?
    options->delta_context : LIBNBD_CONTEXT_BASE_ALLOCATION;
  struct copy copy = { .options = options, .name = source->name };
  struct nbd_client client;
  int ret, err;

  memset (result, 0, sizeof *result);

  if (nbd_client_open (&client, source->uri, connections,
                       options->delta ? delta_context : NULL,
                       patience, options->progress ? keep_on : NULL,
                       (void *) options) == -1) {
    if (errno != ECANCELED) {
      result->failed_side = COPY_SIDE_SOURCE;
      log_error ("disk %s: source: %s", printable (source->name),
                 client.failure);
    }
    return -1;
  }
  if (options->budget)
    budget_join (options->budget);
  ret = copy_open_disk (&copy, fd, target, &client, result);
  err = errno;
  if (options->budget)
    budget_leave (options->budget);

  result->progress.kept = copy.kept;
  nbd_client_close (&client);
  errno = err;
  return ret;
}
