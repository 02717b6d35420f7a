/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The allocation map of an export as a queue of runs.  The server may
 * answer with less than was asked: the next question starts where the
 * answer ended.  With two contexts each is answered for itself, with its
 * own lengths: what both tell is taken, the rest is asked again.
 *
 * Only NBD_STATE_ZERO promises zeroes; a hole without it has content
 * that must be read, unless this is a delta.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "common/include/minmax.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/copy/alloc_map.h"

/* Not near 4 GiB: nbdkit before 1.44 dies of a request for 2^32-1 bytes
 * (CVE-2025-47711).
 */
#define WINDOW GIB
#define AHEAD (WINDOW / 2)

/* Forget runs behind us when there are so many. */
#define FORGET 4096

/* NBD "qemu:dirty-bitmap:" */
#define STATE_DIRTY 1

void
alloc_map_init (struct alloc_map *m, struct nbd_client *client,
                const char *name, bool delta)
{
  memset (m, 0, sizeof *m);
  m->client = client;
  m->name = name;
  m->delta = delta;
  m->failed = !client->extents && !client->delta_context;
}

void
alloc_map_free (struct alloc_map *m)
{
  size_t i;

  for (i = 0; i < ALLOC_NR_CONTEXTS; i++)
    alloc_runs_reset (&m->answers[i]);
  alloc_runs_reset (&m->runs);
}

/* Add a run to RUNS, or make the last one longer; those before FIRST are
 * out of use.
 */
static int
add_run (alloc_runs *runs, size_t first, uint64_t end, enum extent_kind kind)
{
  const struct alloc_run run = { .end = end, .kind = kind };

  if (runs->len > first && runs->ptr[runs->len - 1].kind == kind) {
    runs->ptr[runs->len - 1].end = end;
    return 0;
  }
  return alloc_runs_append (runs, run);
}

static enum extent_kind
kind_of (const struct alloc_map *m, unsigned context, uint32_t flags)
{
  if (context == ALLOC_DELTA)
    return flags & STATE_DIRTY ? EXTENT_DATA : EXTENT_UNCHANGED;
  if (flags & LIBNBD_STATE_ZERO)
    return EXTENT_ZERO;
  if (m->delta && !m->client->delta_context && (flags & LIBNBD_STATE_HOLE))
    return EXTENT_UNCHANGED;
  return EXTENT_DATA;
}

/* Called once for each context. */
static int
got_extents (void *opaque, const char *context, uint64_t offset,
             uint32_t *entries, size_t nr_entries, int *error)
{
  struct alloc_map *m = opaque;
  const uint64_t size = m->client->size;
  uint64_t end = m->known;
  alloc_runs *answer;
  unsigned which;
  size_t i;

  if (strcmp (context, LIBNBD_CONTEXT_BASE_ALLOCATION) == 0)
    which = ALLOC_BASE;
  else if (m->client->delta_context &&
           strcmp (context, m->client->delta_context) == 0)
    which = ALLOC_DELTA;
  else
    return 0;

  answer = &m->answers[which];
  if (offset != m->known || answer->len > 0) {
    *error = EPROTO;
    return -1;
  }
  for (i = 0; i + 1 < nr_entries && end < size; i += 2) {
    if (entries[i] == 0) {
      *error = EPROTO;
      return -1;
    }
    end += MIN (entries[i], size - end);
    if (add_run (answer, 0, end, kind_of (m, which, entries[i + 1])) == -1) {
      *error = ENOMEM;
      return -1;
    }
  }
  return 0;
}

/* Move what all contexts have said to the runs.  0, or -1 with errno. */
static int
merge (struct alloc_map *m)
{
  const struct alloc_run all = { .end = m->client->size,
                                 .kind = EXTENT_DATA };
  const bool asked[] = { m->client->extents,
                         m->client->delta_context != NULL };
  size_t next[ALLOC_NR_CONTEXTS] = { 0 };
  struct alloc_run run[ALLOC_NR_CONTEXTS];
  enum extent_kind kind;
  uint64_t end;
  size_t i;

  while (m->known < m->client->size) {
    end = m->client->size;
    for (i = 0; i < ALLOC_NR_CONTEXTS; i++) {
      const alloc_runs *answer = &m->answers[i];

      while (next[i] < answer->len && answer->ptr[next[i]].end <= m->known)
        next[i]++;
      if (asked[i] && next[i] == answer->len)
        return 0;
      run[i] = asked[i] ? answer->ptr[next[i]] : all;
      end = MIN (end, run[i].end);
    }
    kind = run[ALLOC_DELTA].kind == EXTENT_UNCHANGED ?
      EXTENT_UNCHANGED : run[ALLOC_BASE].kind;
    if (add_run (&m->runs, m->first, end, kind) == -1)
      return -1;
    m->known = end;
  }
  return 0;
}

static int
answered (void *opaque, int *error)
{
  struct alloc_map *m = opaque;
  int err = *error;
  size_t i;

  m->asking = false;
  if (err == 0 && merge (m) == -1)
    err = errno;
  if (err == 0 && m->known == m->asked)
    err = EPROTO;               /* nothing said: we would ask for ever */
  for (i = 0; i < ALLOC_NR_CONTEXTS; i++)
    alloc_runs_reset (&m->answers[i]);

  if (err == ENOTCONN || err == ESHUTDOWN)
    m->failed = true;           /* the reads will say it */
  else if (err != 0) {
    log_warning ("disk %s: source: the server can not tell from offset "
                 "%" PRIu64 " on which parts are %s (%s): reading all "
                 "of them", printable (m->name), m->known,
                 m->delta ? "unchanged" : "empty", strerror (err));
    m->failed = true;
  }
  return m->sending ? 0 : 1;    /* retire the command; as in reader_chunk.c */
}

static void
forget (struct alloc_map *m)
{
  if (m->first < FORGET || m->first < m->runs.len / 2)
    return;
  memmove (m->runs.ptr, &m->runs.ptr[m->first],
           (m->runs.len - m->first) * sizeof *m->runs.ptr);
  m->runs.len -= m->first;
  m->first = 0;
}

void
alloc_map_ask (struct alloc_map *m, uint64_t offset)
{
  const uint64_t size = m->client->size;
  uint64_t count;
  int64_t cookie;

  if (m->failed || m->asking || m->known == size ||
      (m->known > offset && m->known - offset > AHEAD))
    return;

  forget (m);
  count = MIN (WINDOW, size - m->known);
  m->asking = true;
  m->asked = m->known;
  m->sending = true;
  cookie = nbd_aio_block_status (m->client->nbd[0], count, m->known,
                                 (nbd_extent_callback) {
                                   .callback = got_extents,
                                   .user_data = m },
                                 (nbd_completion_callback) {
                                   .callback = answered, .user_data = m },
                                 0);
  m->sending = false;
  if (cookie == -1) {
    /* libnbd may have called `answered' or not: either way is the end. */
    m->asking = false;
    m->failed = true;
  }
}

uint64_t
alloc_map_find (struct alloc_map *m, uint64_t offset,
                enum extent_kind *kind)
{
  while (m->first < m->runs.len && m->runs.ptr[m->first].end <= offset)
    m->first++;
  if (m->first == m->runs.len) {
    *kind = EXTENT_DATA;
    return m->client->size;
  }
  *kind = m->runs.ptr[m->first].kind;
  return m->runs.ptr[m->first].end;
}
