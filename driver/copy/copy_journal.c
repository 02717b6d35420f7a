/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The journal of a copy.  Opening reads the header and record after
 * record; the first one that is not whole and right ends the journal, and
 * what follows is cut off.  The SHA-256 of a record is made over that of
 * the record before it (the first: over that of the header) and the record
 * itself.  So a record counts only in its place: blocks of a file that was
 * deleted, which some file systems show after a power cut, or the rest of
 * a longer journal are never taken for one.
 *
 * Claims are bits that any thread may look at; the file is written by one
 * thread at a time.
 */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/util/digest.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/copy/copy_journal_private.h"

/* Runs of blocks in one record: more become several records. */
#define RUNS_MAX 1024

/* How often all blocks can be claimed (those that were found broken are
 * copied and claimed again): bounds the length of the file, and the time to
 * read it.
 */
#define CLAIMS_MAX 64

/* Followed by the runs and a sum.  Without runs: the copy is complete. */
struct record_head {
  uint8_t magic[4];
  uint32_t runs;
};

/* COUNT blocks from FIRST, which have all the digest that follows. */
struct run {
  uint64_t first;
  uint64_t count;
};

static const uint8_t record_magic[4] = "BLKS";

/* Bytes of a record with RUNS runs. */
static size_t
record_bytes (const struct copy_journal *j, size_t runs)
{
  return sizeof (struct record_head) + runs * j->run_bytes + SUM_BYTES;
}

static bool
get_claim (const struct copy_journal *j, uint64_t block)
{
  return j->claimed[block / 64] >> block % 64 & 1;
}

static void
set_claim (struct copy_journal *j, uint64_t block)
{
  const uint64_t bit = UINT64_C (1) << block % 64;

  if (!(atomic_fetch_or (&j->claimed[block / 64], bit) & bit))
    j->count++;
}

static void
clear_claim (struct copy_journal *j, uint64_t block)
{
  const uint64_t bit = UINT64_C (1) << block % 64;

  if (atomic_fetch_and (&j->claimed[block / 64], ~bit) & bit)
    j->count--;
}

/* The sum of N bytes of DATA that follow a part whose sum is BEFORE. */
static int
make_sum (struct copy_journal *j, const uint8_t *before, const void *data,
          size_t n, uint8_t *out)
{
  if (digest_update (j->digest, before, SUM_BYTES) == -1 ||
      digest_update (j->digest, data, n) == -1)
    return -1;
  return digest_final (j->digest, out);
}

static struct run
get_run (const struct copy_journal *j, size_t i)
{
  struct run r;

  memcpy (&r, j->record + sizeof (struct record_head) + i * j->run_bytes,
          sizeof r);
  r.first = le64toh (r.first);
  r.count = le64toh (r.count);
  return r;
}

static uint8_t *
run_digest (const struct copy_journal *j, size_t i)
{
  return j->record + sizeof (struct record_head) + i * j->run_bytes +
    sizeof (struct run);
}

/* Read the record at the end so far.  Its number of runs; -1 reported; or
 * -2 if there is no (good) one.
 */
static ssize_t
read_record (struct copy_journal *j, uint8_t *sum)
{
  struct record_head head;
  uint32_t runs;
  size_t rest;
  ssize_t n;

  n = journal_read_at (j, j->record, sizeof head, j->end);
  if (n == -1)
    return -1;
  memcpy (&head, j->record, sizeof head);
  if (n < (ssize_t) sizeof head ||
      memcmp (head.magic, record_magic, sizeof head.magic) != 0)
    return -2;
  runs = le32toh (head.runs);
  if (runs > RUNS_MAX)
    return -2;
  rest = record_bytes (j, runs) - sizeof head;
  n = journal_read_at (j, j->record + sizeof head, rest, j->end + sizeof head);
  if (n == -1)
    return -1;
  if (n < (ssize_t) rest)
    return -2;
  rest += sizeof head - SUM_BYTES;
  if (make_sum (j, j->sum, j->record, rest, sum) == -1)
    return -1;
  return memcmp (sum, j->record + rest, SUM_BYTES) == 0 ? (ssize_t) runs : -2;
}

/* Are the RUNS runs of the record inside of the disk?  *ROOM is the number
 * of blocks that may still be claimed.
 */
static bool
check_runs (const struct copy_journal *j, size_t runs, uint64_t *room)
{
  struct run r;
  size_t i;

  for (i = 0; i < runs; i++) {
    r = get_run (j, i);
    if (r.count == 0 || r.first >= j->blocks ||
        r.count > j->blocks - r.first || r.count > *room)
      return false;
    *room -= r.count;
  }
  return true;
}

static int
read_records (struct copy_journal *j)
{
  uint64_t room, block;
  uint8_t sum[SUM_BYTES];
  ssize_t runs, i;
  struct run r;

  while ((runs = read_record (j, sum)) >= 0) {
    room = j->room;
    /* A second end is never written. */
    if (runs == 0 && j->complete)
      break;
    if (!check_runs (j, runs, &room))
      break;
    for (i = 0; i < runs; i++) {
      r = get_run (j, i);
      for (block = r.first; block < r.first + r.count; block++) {
        digest_tree_restore (j->tree, block, run_digest (j, i));
        set_claim (j, block);
      }
    }
    j->room = room;
    j->complete = runs == 0;
    j->end += record_bytes (j, runs);
    memcpy (j->sum, sum, sizeof sum);
  }
  return runs == -1 ? -1 : 0;
}

/* Memory for what its tree's size asks for. */
static int
allocate (struct copy_journal *j, const char *path)
{
  j->path = strdup (path);
  j->record = malloc (record_bytes (j, RUNS_MAX));
  /* Never of 0 bytes, for which calloc may return NULL. */
  j->claimed = calloc (j->blocks / 64 + 1, sizeof *j->claimed);
  if (j->path == NULL || j->record == NULL || j->claimed == NULL) {
    log_oom ();
    return -1;
  }
  j->room = j->blocks * CLAIMS_MAX;
  j->digest = digest_new (DIGEST_SHA256);
  return j->digest ? 0 : -1;
}

/* Read what the file holds, or begin it. */
static int
load (struct copy_journal *j, const char *identity, bool delta)
{
  struct journal_header h;
  uint64_t size;

  if (journal_open_file (j, identity, delta, &h, &size) == -1)
    return -1;
  digest_tree_set_key (j->tree, h.key);
  memcpy (j->sum, h.sum, sizeof j->sum);
  j->end = sizeof h;
  if (read_records (j) == -1)
    return -1;
  if (size > j->end) {
    log_debug ("%s: %" PRIu64 " bytes after the last whole record are cut "
               "off", printable (j->path), size - j->end);
    if (journal_cut (j, j->end) == -1)
      return -1;
  }
  j->resumed = j->count > 0;
  return 0;
}

struct copy_journal *
copy_journal_open (const char *path, struct digest_tree *tree,
                   const char *identity, bool delta)
{
  struct copy_journal *j;
  int err;

  if (strlen (identity) > COPY_IDENTITY_MAX) {
    log_error ("%s: the identity of the source has %zu bytes, %d are "
               "allowed", printable (path), strlen (identity),
               COPY_IDENTITY_MAX);
    errno = EINVAL;
    return NULL;
  }
  j = calloc (1, sizeof *j);
  if (j == NULL) {
    log_oom ();
    return NULL;
  }
  j->fd = -1;
  j->tree = tree;
  j->blocks = digest_tree_blocks (tree);
  j->run_bytes = sizeof (struct run) + digest_tree_digest_size (tree);
  if (allocate (j, path) == -1 || load (j, identity, delta) == -1) {
    err = errno;
    copy_journal_close (j);
    errno = err;
    return NULL;
  }
  return j;
}

void
copy_journal_close (struct copy_journal *j)
{
  if (j == NULL)
    return;
  if (j->fd >= 0)
    close (j->fd);
  if (j->digest)
    digest_free (j->digest);
  free (j->claimed);
  free (j->record);
  free (j->path);
  free (j);
}

bool
copy_journal_resumed (const struct copy_journal *j)
{
  return j->resumed;
}

bool
copy_journal_complete (const struct copy_journal *j)
{
  return j->complete;
}

bool
copy_journal_has (const struct copy_journal *j, uint64_t block)
{
  return block < j->blocks && get_claim (j, block);
}

uint64_t
copy_journal_count (const struct copy_journal *j)
{
  return j->count;
}

void
copy_journal_drop (struct copy_journal *j, uint64_t block)
{
  if (!copy_journal_has (j, block))
    return;
  clear_claim (j, block);
  digest_tree_forget (j->tree, block);
}

/* Make a record of as many of the NR blocks as it has room for.  Returns
 * their number; the record has *RUNS runs.
 */
static size_t
fill_record (struct copy_journal *j, const uint64_t *blocks,
             const uint8_t *digests, size_t nr, size_t *runs)
{
  const size_t digest_bytes = j->run_bytes - sizeof (struct run);
  struct record_head head;
  struct run r;
  size_t i = 0, n;

  for (*runs = 0; i < nr && *runs < RUNS_MAX; ++*runs) {
    for (n = 1; i + n < nr && blocks[i + n] == blocks[i] + n &&
           memcmp (digests + (i + n) * digest_bytes,
                   digests + i * digest_bytes, digest_bytes) == 0; n++)
      ;
    r.first = htole64 (blocks[i]);
    r.count = htole64 (n);
    memcpy (run_digest (j, *runs) - sizeof r, &r, sizeof r);
    memcpy (run_digest (j, *runs), digests + i * digest_bytes, digest_bytes);
    i += n;
  }
  memcpy (head.magic, record_magic, sizeof head.magic);
  head.runs = htole32 (*runs);
  memcpy (j->record, &head, sizeof head);
  return i;
}

/* Write NR claims, or the end if NR is 0.  On success *END is where they
 * end and SUM their sum.
 */
static int
write_records (struct copy_journal *j, const uint64_t *blocks,
               const uint8_t *digests, size_t nr, uint64_t *end,
               uint8_t *sum)
{
  const size_t digest_bytes = j->run_bytes - sizeof (struct run);
  size_t n, runs, len;

  do {
    n = fill_record (j, blocks, digests, nr, &runs);
    len = record_bytes (j, runs);
    if (make_sum (j, sum, j->record, len - SUM_BYTES, sum) == -1)
      return -1;
    memcpy (j->record + len - SUM_BYTES, sum, SUM_BYTES);
    if (journal_write_at (j, j->record, len, *end) == -1)
      return -1;
    *end += len;
    blocks += n;
    digests += n * digest_bytes;
    nr -= n;
  } while (nr > 0);
  return journal_sync (j);
}

static int
append (struct copy_journal *j, const uint64_t *blocks,
        const uint8_t *digests, size_t nr)
{
  uint64_t end = j->end;
  uint8_t sum[SUM_BYTES];
  int err;

  memcpy (sum, j->sum, sizeof sum);
  if (write_records (j, blocks, digests, nr, &end, sum) == -1) {
    err = errno;
    /* If this fails, too, nothing is lost: what is there is broken, or a
     * claim that is true.
     */
    if (ftruncate (j->fd, j->end) == -1)
      log_debug ("%s: cannot be cut back: %m", printable (j->path));
    errno = err;
    return -1;
  }
  j->end = end;
  memcpy (j->sum, sum, sizeof sum);
  j->complete = nr == 0;
  return 0;
}

int
copy_journal_append (struct copy_journal *j, const uint64_t *blocks,
                     const uint8_t *digests, size_t nr)
{
  size_t i;

  if (nr == 0)
    return 0;
  for (i = 0; i < nr; i++)
    if (blocks[i] >= j->blocks) {
      log_error ("%s: block %" PRIu64 " of a disk that has %" PRIu64,
                 printable (j->path), blocks[i], j->blocks);
      errno = EINVAL;
      return -1;
    }
  if (nr > j->room) {
    log_error ("%s: the journal holds each block %d times; remove it to copy "
               "from the beginning", printable (j->path), CLAIMS_MAX);
    errno = EFBIG;
    return -1;
  }
  if (append (j, blocks, digests, nr) == -1)
    return -1;
  j->room -= nr;
  for (i = 0; i < nr; i++)
    set_claim (j, blocks[i]);
  return 0;
}

int
copy_journal_finish (struct copy_journal *j)
{
  const uint64_t no_block = 0;
  const uint8_t no_digest = 0;

  return j->complete ? 0 : append (j, &no_block, &no_digest, 0);
}
