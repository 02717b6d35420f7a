/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The allocation map of an export as a queue of runs.  The server may
 * answer with less than was asked: the next question starts where the
 * answer ended.  Only NBD_STATE_ZERO promises zeroes; a hole without it
 * has content that must be read.
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

void
alloc_map_init (struct alloc_map *m, struct nbd_client *client,
                const char *name)
{
  memset (m, 0, sizeof *m);
  m->client = client;
  m->name = name;
  m->failed = !client->extents;
}

void
alloc_map_free (struct alloc_map *m)
{
  alloc_runs_reset (&m->runs);
}

static int
add_run (struct alloc_map *m, uint64_t length, bool zero)
{
  struct alloc_run run = { .zero = zero };

  run.end = m->known + MIN (length, m->client->size - m->known);
  if (m->runs.len > m->first && m->runs.ptr[m->runs.len - 1].zero == zero)
    m->runs.ptr[m->runs.len - 1].end = run.end;
  else if (alloc_runs_append (&m->runs, run) == -1)
    return -1;
  m->known = run.end;
  return 0;
}

static int
got_extents (void *opaque, const char *context, uint64_t offset,
             uint32_t *entries, size_t nr_entries, int *error)
{
  struct alloc_map *m = opaque;
  size_t i;

  if (strcmp (context, LIBNBD_CONTEXT_BASE_ALLOCATION) != 0)
    return 0;
  if (offset != m->known) {
    *error = EPROTO;
    return -1;
  }
  for (i = 0; i + 1 < nr_entries && m->known < m->client->size; i += 2) {
    if (entries[i] == 0) {
      *error = EPROTO;
      return -1;
    }
    if (add_run (m, entries[i],
                 (entries[i + 1] & LIBNBD_STATE_ZERO) != 0) == -1) {
      *error = ENOMEM;
      return -1;
    }
  }
  return 0;
}

static int
answered (void *opaque, int *error)
{
  struct alloc_map *m = opaque;

  m->asking = false;
  if (*error == 0 && m->known == m->asked)
    *error = EPROTO;            /* nothing said: we would ask for ever */
  if (*error == ENOTCONN || *error == ESHUTDOWN)
    m->failed = true;           /* the reads will say it */
  else if (*error != 0) {
    log_warning ("disk %s: source: the server can not tell from offset "
                 "%" PRIu64 " on which parts are empty (%s): reading all "
                 "of them", printable (m->name), m->known,
                 strerror (*error));
    m->failed = true;
  }
  return m->sending ? 0 : 1;    /* retire the command; as in reader.c */
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
alloc_map_find (struct alloc_map *m, uint64_t offset, bool *zero)
{
  while (m->first < m->runs.len && m->runs.ptr[m->first].end <= offset)
    m->first++;
  if (m->first == m->runs.len) {
    *zero = false;
    return m->client->size;
  }
  *zero = m->runs.ptr[m->first].zero;
  return m->runs.ptr[m->first].end;
}
