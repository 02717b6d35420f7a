/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One disk: the reader in front, the output and the digests behind it.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/copy/copy.h"
#include "driver/copy/digest_tree.h"
#include "driver/copy/nbd_client.h"
#include "driver/copy/disk_output.h"
#include "driver/copy/reader.h"

#define DEFAULT_CONNECTIONS 4

struct copy {
  const struct copy_options *options;
  struct disk_output output;
  struct digest_tree *digests;  /* or NULL */
};

static int
copy_data (void *opaque, uint64_t offset, const uint8_t *data, size_t len)
{
  struct copy *copy = opaque;

  if (copy->digests &&
      digest_tree_add (copy->digests, offset, data, len) == -1)
    return -1;
  return disk_output_data (&copy->output, offset, data, len);
}

static int
copy_zero (void *opaque, uint64_t offset, uint64_t len)
{
  struct copy *copy = opaque;

  if (copy->digests &&
      digest_tree_add_zero (copy->digests, offset, len) == -1)
    return -1;
  return disk_output_zero (&copy->output, offset, len);
}

static bool
copy_tick (void *opaque, const struct copy_progress *read)
{
  struct copy *copy = opaque;
  struct copy_progress progress = *read;

  progress.written = atomic_load (&copy->output.written);
  return copy->options->progress (copy->options->opaque, &progress);
}

static bool
keep_on (void *opaque)
{
  const struct copy_options *options = opaque;
  const struct copy_progress nothing = { 0 };

  return options->progress (options->opaque, &nothing);
}

/* With the source and the target open. */
static int
copy_open_disk (struct copy *copy, struct nbd_client *client,
                const char *name, struct copy_result *result)
{
  const struct reader_consumer consumer = {
    .data = copy_data, .zero = copy_zero, .opaque = copy };
  struct copy_options options = *copy->options;

  if (options.progress) {
    options.progress = copy_tick;
    options.opaque = copy;
  }
  if (reader_run (client, name, &consumer, &options, result) == -1)
    return -1;

  result->failed_side = COPY_SIDE_TARGET;
  if (disk_output_flush (&copy->output) == -1)
    return -1;
  if (copy->digests &&
      digest_tree_save (copy->digests, options.digest_file) == -1)
    return -1;
  result->failed_side = COPY_SIDE_NONE;
  return 0;
}

int
copy_disk (const struct copy_source *source, int fd, const char *target,
           const struct copy_options *options, struct copy_result *result)
{
  const unsigned connections = options->connections ? options->connections
                                                    : DEFAULT_CONNECTIONS;
  const unsigned patience = options->stall_seconds ? options->stall_seconds
                                                   : NBD_CLIENT_STALL_SECONDS;
  struct copy copy = { .options = options };
  struct nbd_client client;
  int ret = -1, err;

  memset (result, 0, sizeof *result);

  if (nbd_client_open (&client, source->uri, connections, patience,
                       options->progress ? keep_on : NULL,
                       (void *) options) == -1) {
    if (errno != ECANCELED) {
      result->failed_side = COPY_SIDE_SOURCE;
      log_error ("disk %s: source: %s", printable (source->name),
                 client.failure);
    }
    return -1;
  }
  if (disk_output_open (&copy.output, fd, source->name, target, client.size,
                   options->target_is_zero) == -1) {
    result->failed_side = COPY_SIDE_TARGET;
    err = errno;
    goto close;
  }
  if (options->digest_file == NULL ||
      (copy.digests = digest_tree_new (client.size)) != NULL)
    ret = copy_open_disk (&copy, &client, source->name, result);
  err = errno;

  if (result->failed_side == COPY_SIDE_TARGET)
    disk_output_report (&copy.output);
  result->progress.written = atomic_load (&copy.output.written);
  digest_tree_free (copy.digests);
  disk_output_close (&copy.output);
 close:
  nbd_client_close (&client);
  errno = err;
  return ret;
}
