/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What happens to a chunk that was read: its digest is made, it is
 * written, and its blocks are given to the next checkpoint.
 *
 * Where the target is written past the page cache the copying thread does
 * this itself: a Poly1305 costs less than handing a chunk to another
 * processor.  Else (a copy into the page cache, SHA-256, looking at what
 * an earlier copy has left) it is work for threads.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/include/minmax.h"
#include "common/util/log.h"
#include "common/util/pread_full.h"
#include "driver/copy/copy_private.h"

/* In a delta: clear what is not changed data, which reads as it likes. */
static void
clear_others (struct chunk *chunk)
{
  size_t i;

  for (i = 0; i < chunk->parts.len; i++)
    if (chunk->parts.ptr[i].kind != EXTENT_DATA)
      memset (chunk->buf + (chunk->parts.ptr[i].offset - chunk->offset), 0,
              chunk->parts.ptr[i].len);
}

/* Is CHUNK, block for block, what the digests say? */
static bool
is_as_recorded (const struct copy *copy, const struct chunk *chunk)
{
  uint64_t at, n;

  for (at = 0; at < chunk->len; at += n) {
    n = MIN (chunk->len - at, DIGEST_BLOCK);
    if (!digest_tree_matches (copy->digests,
                              (chunk->offset + at) / DIGEST_BLOCK,
                              chunk->buf + at, n))
      return false;
  }
  return true;
}

/* The digests of CHUNK, which was read.  0, or -1 with errno. */
static int
make_digests (struct copy *copy, struct chunk *chunk)
{
  if (copy->digests == NULL)
    return 0;
  if (copy->options->delta)
    clear_others (chunk);
  if (chunk->probe) {
    if (is_as_recorded (copy, chunk))
      return 0;
    if (!atomic_exchange (&copy->source_changed, true))
      copy->changed_offset = chunk->offset;
    errno = ESTALE;
    return -1;
  }
  return digest_tree_add (copy->digests, chunk->offset, chunk->buf,
                          chunk->len);
}

static int
zero_parts (struct copy *copy, const struct chunk *chunk)
{
  size_t i;

  for (i = 0; i < chunk->parts.len; i++) {
    const struct chunk_part *part = &chunk->parts.ptr[i];

    if (part->kind == EXTENT_ZERO &&
        disk_output_zero (&copy->output, part->offset, part->len) == -1)
      return -1;
  }
  return 0;
}

static int
write_parts (struct copy *copy, const struct chunk *chunk)
{
  size_t i;

  for (i = 0; i < chunk->parts.len; i++) {
    const struct chunk_part *part = &chunk->parts.ptr[i];

    if (part->kind == EXTENT_DATA &&
        disk_output_data (&copy->output, part->offset,
                          chunk->buf + (part->offset - chunk->offset),
                          part->len) == -1)
      return -1;
  }
  return zero_parts (copy, chunk);
}

/* Read from the target what CHUNK should have. */
static int
read_target (struct copy *copy, uint64_t offset, uint8_t *buf, uint64_t len)
{
  size_t got;

  if (pread_full (copy->output.fd, buf, len, offset, &got) == -1)
    return disk_output_failed (&copy->output, "read", offset + got);
  /* Was it cut?  Zeroes will not match. */
  memset (buf + got, 0, len - got);
  posix_fadvise (copy->output.fd, offset, len, POSIX_FADV_DONTNEED);
  return 0;
}

/* Does the target hold what the journal says of CHUNK? */
static int
check_claim (struct copy *copy, struct chunk *chunk)
{
  size_t i;

  for (i = 0; i < chunk->parts.len; i++) {
    const struct chunk_part *part = &chunk->parts.ptr[i];

    if ((part->kind == EXTENT_DATA || !copy->options->delta) &&
        read_target (copy, part->offset,
                     chunk->buf + (part->offset - chunk->offset),
                     part->len) == -1)
      return -1;
  }
  if (copy->options->delta)
    clear_others (chunk);
  chunk->wrong = !is_as_recorded (copy, chunk);
  return copy->options->delta ? zero_parts (copy, chunk) : 0;
}

int
copy_work (void *opaque, struct job *job)
{
  struct copy *copy = opaque;
  struct chunk *chunk = (struct chunk *) job;

  switch (chunk->kind) {
  case CHUNK_ZERO:
    return disk_output_zero (&copy->output, chunk->offset, chunk->len);
  case CHUNK_CLAIMED:
    return check_claim (copy, chunk);
  case CHUNK_DATA:
    break;
  }
  if (make_digests (copy, chunk) == -1)
    return -1;
  return copy->direct ? 0 : write_parts (copy, chunk);
}

static void
give_back (struct copy *copy, struct chunk *chunk)
{
  chunk->job.next = copy->ended;
  copy->ended = &chunk->job;
}

/* The same at once, before the loop has begun to wait. */
static void
give_back_now (struct copy *copy, struct chunk *chunk)
{
  static const uint64_t one = 1;

  if (copy->ended == NULL &&
      write (copy->wake_fd, &one, sizeof one) == -1)
    log_debug ("eventfd: %m");
  give_back (copy, chunk);
}

/* Zeroes that the source told of. */
static int
note_zero (struct copy *copy, const struct chunk *chunk)
{
  if (copy->digests == NULL || copy->options->delta)
    return 0;
  return digest_tree_add_zero (copy->digests, chunk->offset, chunk->len);
}

static void
touch (struct copy *copy, const struct chunk *chunk)
{
  const uint64_t first = chunk->offset / DIGEST_BLOCK;

  memset (&copy->touched[first], 1,
          (chunk->len + DIGEST_BLOCK - 1) / DIGEST_BLOCK);
}

void
copy_give (void *opaque, struct chunk *chunk)
{
  struct copy *copy = opaque;

  if (copy->touched)
    touch (copy, chunk);
  if (chunk->kind == CHUNK_ZERO) {
    if (note_zero (copy, chunk) == -1)
      chunk->job.error = errno;
    if (chunk->job.error != 0 || copy->output.is_zero)
      give_back_now (copy, chunk);
    else
      workers_give (&copy->workers, &chunk->job);
    return;
  }
  if (chunk->kind == CHUNK_CLAIMED || copy->direct == NULL ||
      (copy->digests && digest_tree_type (copy->digests) !=
       BLOCK_DIGEST_POLY1305)) {
    workers_give (&copy->workers, &chunk->job);
    return;
  }
  if (make_digests (copy, chunk) == 0)
    direct_output_give (copy->direct, chunk);
  else {
    chunk->job.error = errno;
    give_back_now (copy, chunk);
  }
}

/* CHUNK is written, or was found to be. */
static void
note_ended (struct copy *copy, struct chunk *chunk)
{
  const uint64_t len_read = chunk_data_bytes (chunk);
  uint64_t block = chunk->offset / DIGEST_BLOCK;
  const uint64_t last = (chunk->offset + chunk->len - 1) / DIGEST_BLOCK;

  if (chunk->job.error != 0 || copy->journal == NULL || len_read == 0 ||
      chunk->kind == CHUNK_ZERO)
    return;
  if (chunk->kind == CHUNK_DATA) {
    if (checkpoint_written (copy->checkpoint, chunk->offset, chunk->len,
                            len_read) == -1)
      chunk->job.error = errno;
  }
  else if (!chunk->wrong)
    copy->kept += len_read;
  else
    for (; block <= last; block++)
      copy_journal_drop (copy->journal, block);
}

/* What the threads have done of LIST: the end of it, or the beginning of
 * its way to the target.
 */
static void
sort_worked (struct copy *copy, struct job *list)
{
  struct job *next;

  for (; list; list = next) {
    struct chunk *chunk = (struct chunk *) list;

    next = list->next;
    if (copy->direct && chunk->kind == CHUNK_DATA && list->error == 0)
      direct_output_give (copy->direct, chunk);
    else
      give_back (copy, chunk);
  }
}

struct job *
copy_ended (void *opaque)
{
  struct copy *copy = opaque;
  struct job *ended, *job, *next;
  uint64_t count;

  if (read (copy->wake_fd, &count, sizeof count) == -1 && errno != EAGAIN)
    log_debug ("eventfd: %m");
  sort_worked (copy, workers_ended (&copy->workers));
  if (copy->direct)
    for (job = direct_output_ended (copy->direct); job; job = next) {
      next = job->next;
      give_back (copy, (struct chunk *) job);
    }
  ended = copy->ended;
  copy->ended = NULL;
  for (job = ended; job; job = job->next)
    note_ended (copy, (struct chunk *) job);
  return ended;
}

int
copy_hold (void *opaque, uint64_t len)
{
  struct copy *copy = opaque;

  return checkpoint_hold (copy->checkpoint, len);
}

int
copy_checkpoint (void *opaque)
{
  struct copy *copy = opaque;

  return checkpoint_tick (copy->checkpoint);
}

enum claim
copy_claimed (void *opaque, uint64_t offset, uint64_t len)
{
  struct copy *copy = opaque;
  const uint64_t last = (offset + len - 1) / DIGEST_BLOCK;
  uint64_t block = offset / DIGEST_BLOCK;
  enum claim claim = CLAIM_CHECK;
  unsigned i;

  for (; block <= last; block++) {
    if (!copy_journal_has (copy->journal, block))
      return CLAIM_NONE;
    for (i = 0; i < copy->nr_probes; i++)
      if (copy->probes[i] == block)
        claim = CLAIM_PROBE;
  }
  return claim;
}

/* The first, the last and some between.  Not if all is claimed: then
 * nothing of another source can be mixed with it.
 */
void
copy_choose_probes (struct copy *copy)
{
  const uint64_t count = copy_journal_count (copy->journal);
  const uint64_t blocks = digest_tree_blocks (copy->digests);
  uint64_t block, nth = 0;

  if (count == 0 || copy_journal_complete (copy->journal))
    return;
  for (block = 0; block < blocks && copy->nr_probes < COPY_PROBES; block++)
    if (copy_journal_has (copy->journal, block)) {
      if (nth >= (count - 1) * copy->nr_probes / (COPY_PROBES - 1))
        copy->probes[copy->nr_probes++] = block;
      nth++;
    }
}
