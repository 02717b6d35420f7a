/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Changed blocks: QueryChangedDiskAreas, called again until all of the
 * disk is covered.
 *
 * A server answers with the span that an answer covers and with areas in
 * it, some thousand at a time.  Anything that we do not understand makes
 * the answer useless: an area that is missed would be lost data.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/checked.h"
#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "plugins/vsphere/vim_private.h"

struct query {
  struct vim *vim;
  const char *vm, *snapshot, *change_id;
  int device_key;
  uint64_t capacity;
  int (*fn) (void *opaque, uint64_t offset, uint64_t length);
  void *opaque;

  uint64_t start, end;          /* the area that is not handed out yet;
                                   none if start == end */
};

static int
bad_answer (const struct query *q, const char *why)
{
  log_debug ("%s: changed areas of disk %d of %s: %s: the whole disk counts "
             "as changed", http_client_origin (q->vim->http), q->device_key,
             printable (q->vm), why);
  errno = EINVAL;
  return -1;
}

static int
flush (struct query *q)
{
  const uint64_t start = q->start, end = q->end;

  q->start = q->end = 0;
  return start == end ? 0 : q->fn (q->opaque, start, end - start);
}

/* Areas touch or overlap when a server merges its own lists. */
static int
add_area (struct query *q, uint64_t start, uint64_t length)
{
  uint64_t end;

  if (!checked_add (start, length, &end))
    return bad_answer (q, "an area wraps around");
  end = MIN (end, q->capacity);
  if (start >= end)
    return 0;
  if (q->start != q->end && start < q->start)
    return bad_answer (q, "the areas are not in order");
  if (q->start != q->end && start <= q->end) {
    q->end = MAX (q->end, end);
    return 0;
  }
  if (flush (q) == -1)
    return -1;
  q->start = start;
  q->end = end;
  return 0;
}

static int
write_args (const struct query *q, uint64_t offset, struct strbuf *args)
{
  if (q->snapshot &&
      vim_add_ref (args, "snapshot", "VirtualMachineSnapshot",
                   q->snapshot) == -1)
    return -1;
  if (strbuf_printf (args, "<deviceKey>%d</deviceKey>"
                     "<startOffset>%" PRIu64 "</startOffset>",
                     q->device_key, offset) == -1) {
    log_oom ();
    return -1;
  }
  return vim_add_text (args, "changeId", q->change_id);
}

/* Ask from OFFSET on; *NEXT is where the answer ends. */
static int
ask (struct query *q, uint64_t offset, uint64_t *next)
{
  CLEANUP_STRBUF struct strbuf args = { 0 };
  CLEANUP_XMLDOC xmlDocPtr doc = NULL;
  xmlNodePtr returnval, node;
  uint64_t start, length, area, covered_end;

  if (write_args (q, offset, &args) == -1 ||
      vim_invoke (q->vim, LOG_LEVEL_DEBUG, "QueryChangedDiskAreas",
                  "VirtualMachine", q->vm, args.ptr, &doc, &returnval,
                  NULL) == -1)
    return -1;
  if (!vim_child_u64 (returnval, "startOffset", &start) ||
      !vim_child_u64 (returnval, "length", &length))
    return bad_answer (q, "the answer covers nothing");
  if (start > offset || !checked_add (start, length, &covered_end) ||
      covered_end <= offset)
    return bad_answer (q, "the answer covers another part of the disk");
  for (node = vim_child (returnval, "changedArea"); node;
       node = vim_next (node, "changedArea")) {
    if (!vim_child_u64 (node, "start", &area) ||
        !vim_child_u64 (node, "length", &length))
      return bad_answer (q, "an area has no start or no length");
    if (add_area (q, area, length) == -1)
      return -1;
  }
  *next = covered_end;
  return 0;
}

int
vim_changed_areas (struct vim *vim, const char *vm, const char *snapshot,
                   int device_key, uint64_t capacity, const char *change_id,
                   int (*fn) (void *opaque, uint64_t offset,
                              uint64_t length),
                   void *opaque)
{
  struct query q = {
    .vim = vim, .vm = vm, .snapshot = snapshot, .change_id = change_id,
    .device_key = device_key, .capacity = capacity, .fn = fn,
    .opaque = opaque,
  };
  uint64_t offset = 0;

  /* To ask at the end of the disk is a fault. */
  while (offset < capacity)
    if (ask (&q, offset, &offset) == -1)
      return -1;
  return flush (&q);
}
