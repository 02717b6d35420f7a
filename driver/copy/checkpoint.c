/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Two lists of blocks: those that were written since the running sync
 * began, and those that it will claim.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "common/util/monotonic.h"
#include "common/util/vector.h"
#include "driver/copy/checkpoint.h"
#include "driver/copy/workers.h"

DEFINE_VECTOR_TYPE (blocks, uint64_t);

/* How long the copy waits, at most, before it asks again. */
#define HOLD_MS 100

struct checkpoint {
  struct copy_journal *journal;
  const struct digest_tree *digests;
  struct disk_output *output;
  struct workers thread;
  struct job sync;
  bool running;
  int error;                    /* errno of a sync that has failed */

  blocks written;               /* durable with the next sync */
  uint64_t written_bytes;       /* that were read for them */
  blocks syncing;               /* of the running one */
  uint64_t syncing_bytes;
  uint64_t unclaimed;           /* bytes that were begun to be read for
                                   blocks that are not claimed */
  int64_t last;                 /* when the last sync began, ms */
};

/* In the thread. */
static int
sync_and_claim (void *opaque, struct job *job)
{
  struct checkpoint *c = opaque;
  const size_t size = digest_tree_digest_size (c->digests);
  CLEANUP_FREE uint8_t *digests = malloc (c->syncing.len * size + 1);
  size_t i;

  if (digests == NULL) {
    log_oom ();
    errno = ENOMEM;
    return -1;
  }
  for (i = 0; i < c->syncing.len; i++)
    memcpy (digests + i * size,
            digest_tree_get (c->digests, c->syncing.ptr[i]), size);
  if (disk_output_checkpoint (c->output) == -1)
    return -1;
  return copy_journal_append (c->journal, c->syncing.ptr, digests,
                              c->syncing.len);
}

struct checkpoint *
checkpoint_new (struct copy_journal *journal,
                const struct digest_tree *digests,
                struct disk_output *output, int wake_fd)
{
  struct checkpoint *c = calloc (1, sizeof *c);

  if (c == NULL) {
    log_oom ();
    return NULL;
  }
  c->journal = journal;
  c->digests = digests;
  c->output = output;
  c->last = monotonic_ms ();
  if (workers_start (&c->thread, 1, sync_and_claim, c, wake_fd) == -1) {
    free (c);
    return NULL;
  }
  return c;
}

void
checkpoint_free (struct checkpoint *c)
{
  if (c == NULL)
    return;
  workers_stop (&c->thread);
  blocks_reset (&c->written);
  blocks_reset (&c->syncing);
  free (c);
}

int
checkpoint_hold (struct checkpoint *c, uint64_t len)
{
  /* One chunk at least, however large. */
  if (c->unclaimed > 0 && c->unclaimed + len > CHECKPOINT_UNCLAIMED)
    return HOLD_MS;
  c->unclaimed += len;
  return 0;
}

int
checkpoint_written (struct checkpoint *c, uint64_t offset, uint64_t len,
                    uint64_t len_read)
{
  const uint64_t end = offset + len;

  for (; offset < end; offset += DIGEST_BLOCK)
    if (blocks_append (&c->written, offset / DIGEST_BLOCK) == -1) {
      log_oom ();
      errno = ENOMEM;
      return -1;
    }
  c->written_bytes += len_read;
  return 0;
}

static void
begin_sync (struct checkpoint *c)
{
  const blocks empty = c->syncing;

  c->syncing = c->written;
  c->syncing_bytes = c->written_bytes;
  c->written = empty;
  c->written.len = 0;
  c->written_bytes = 0;
  c->running = true;
  c->last = monotonic_ms ();
  workers_give (&c->thread, &c->sync);
}

/* Has the running sync ended? */
static void
look (struct checkpoint *c)
{
  if (!c->running || workers_ended (&c->thread) == NULL)
    return;
  c->running = false;
  if (c->sync.error == 0)
    c->unclaimed -= c->syncing_bytes;
  else if (c->error == 0)
    c->error = c->sync.error;
}

int
checkpoint_tick (struct checkpoint *c)
{
  look (c);
  if (c->error != 0) {
    errno = c->error;
    return -1;
  }
  if (!c->running && c->written.len > 0 &&
      (c->written_bytes >= CHECKPOINT_BYTES ||
       monotonic_ms () - c->last >= CHECKPOINT_MS))
    begin_sync (c);
  return 0;
}

static void
wait_for_sync (struct checkpoint *c)
{
  if (c->running)
    workers_wait (&c->thread);
  look (c);
}

int
checkpoint_finish (struct checkpoint *c)
{
  wait_for_sync (c);
  if (c->error == 0 && c->written.len > 0) {
    begin_sync (c);
    wait_for_sync (c);
  }
  if (c->error == 0)
    return 0;
  errno = c->error;
  return -1;
}
