/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the two kinds of ESXi snapshots (cowd.c, sesparse.c) have in
 * common: a directory of tables whose entries say for each grain that it
 * is the parent's, zero, or stored in this file.
 *
 * There is no reading of single grains here: the tables are walked once,
 * in order, and the chain keeps what it needs of them (chain.c).  So a
 * large snapshot takes few reads, and no table stays in memory.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/include/checked.h"
#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "common/vmdk/vmdk_private.h"

/* Tables that follow each other in the file are read together. */
#define BATCH_SIZE MIB

int
vmdk_delta_bad (const struct vmdk_delta *delta, const char *what,
                uint64_t value)
{
  log_error ("%s: in the header of this %s snapshot %s is %" PRIu64 "; the "
             "file is damaged or incomplete: consolidate the snapshots of "
             "the VM", printable (delta->blob->name), delta->kind, what,
             value);
  errno = EINVAL;
  return -1;
}

int
vmdk_delta_read (struct vmdk_delta *delta, const char *what, void *buf,
                 uint64_t count, uint64_t offset)
{
  if (!range_inside (offset, count, delta->blob->size)) {
    log_error ("%s: %s of this %s snapshot, %" PRIu64 " bytes at offset "
               "%" PRIu64 ", is past the end of the file of %" PRIu64
               " bytes; the file is damaged or incomplete",
               printable (delta->blob->name), what, delta->kind, count,
               offset, delta->blob->size);
    errno = EINVAL;
    return -1;
  }
  return blob_pread (delta->blob, buf, count, offset);
}

static uint64_t
table_bytes (const struct vmdk_delta *delta)
{
  return delta->table_entries * delta->entry_size;
}

/* Every table must lie inside of the file, and as tables do not share
 * space, all together must fit: so what the tables say is bounded by the
 * size of the file.
 */
static int
check_directory (const struct vmdk_delta *delta)
{
  const uint64_t bytes = table_bytes (delta);
  uint64_t i, used = 0;

  for (i = 0; i < delta->nr_tables; ++i) {
    if (delta->directory[i] == 0)
      continue;
    used++;
    if (!range_inside (delta->directory[i], bytes, delta->blob->size)) {
      log_error ("%s: grain table %" PRIu64 " of this %s snapshot is said "
                 "to be at offset %" PRIu64 ", past the end of the file of "
                 "%" PRIu64 " bytes; the file is damaged or incomplete",
                 printable (delta->blob->name), i, delta->kind,
                 delta->directory[i], delta->blob->size);
      errno = EINVAL;
      return -1;
    }
  }
  if (used > delta->blob->size / bytes) {
    log_error ("%s: the grain directory of this %s snapshot names %" PRIu64
               " grain tables, more than the file can hold; the file is "
               "damaged", printable (delta->blob->name), delta->kind, used);
    errno = EINVAL;
    return -1;
  }
  return 0;
}

struct vmdk_delta *
vmdk_delta_open (struct blob *blob, enum vmdk_part_type type)
{
  struct vmdk_delta *delta = calloc (1, sizeof *delta);
  int err;

  if (delta == NULL) {
    blob_close (blob);
    log_oom ();
    return NULL;
  }
  delta->blob = blob;
  if ((type == VMDK_PART_COWD ? vmdk_cowd_load (delta)
                              : vmdk_sesparse_load (delta)) == 0 &&
      check_directory (delta) == 0)
    return delta;
  err = errno;
  vmdk_delta_close (delta);
  errno = err;
  return NULL;
}

void
vmdk_delta_close (struct vmdk_delta *delta)
{
  if (delta == NULL)
    return;
  free (delta->directory);
  blob_close (delta->blob);
  free (delta);
}

/* Joins grains to runs. */
struct walk {
  struct vmdk_delta *delta;
  uint64_t offset, length;      /* the run so far */
  enum vmdk_grain kind;
  uint64_t where;
  vmdk_delta_fn fn;
  void *opaque;
};

static int
add_grains (struct walk *w, uint64_t length, enum vmdk_grain kind,
            uint64_t where)
{
  if (w->length > 0 && w->kind == kind &&
      (kind != VMDK_GRAIN_DATA || w->where + w->length == where)) {
    w->length += length;
    return 0;
  }
  if (w->length > 0 &&
      w->fn (w->opaque, w->offset, w->length, w->kind, w->where) == -1)
    return -1;
  w->offset += w->length;
  w->length = length;
  w->kind = kind;
  w->where = where;
  return 0;
}

static int
bad_entry (const struct vmdk_delta *delta, uint64_t grain,
           const unsigned char *p)
{
  const uint64_t entry = delta->entry_size == 8 ? get_le64 (p)
                                                : get_le32 (p);

  log_error ("%s: the table entry 0x%" PRIx64 " of grain %" PRIu64 " (disk "
             "offset %" PRIu64 ") of this %s snapshot does not lead to data "
             "inside of the file of %" PRIu64 " bytes; the file is damaged "
             "or incomplete", printable (delta->blob->name), entry, grain,
             grain * delta->grain_size, delta->kind, delta->blob->size);
  errno = EIO;
  return -1;
}

static int
walk_table (struct walk *w, uint64_t index, const unsigned char *table)
{
  const struct vmdk_delta *delta = w->delta;
  uint64_t grain = index * delta->table_entries;
  uint64_t offset = grain * delta->grain_size, where, n;
  const unsigned char *p = table;
  enum vmdk_grain kind;
  uint32_t i;

  for (i = 0; i < delta->table_entries && offset < delta->capacity;
       ++i, ++grain, offset += n, p += delta->entry_size) {
    n = MIN (delta->grain_size, delta->capacity - offset);
    where = 0;
    if (!delta->decode (delta, p, &kind, &where) ||
        (kind == VMDK_GRAIN_DATA &&
         (where < delta->grains_start ||
          !range_inside (where, n, delta->blob->size))))
      return bad_entry (delta, grain, p);
    if (add_grains (w, n, kind, where) == -1)
      return -1;
  }
  return 0;
}

/* Walk the table INDEX, which is in the file, and those that follow it in
 * the file as well as in the directory; *N says how many.
 */
static int
walk_batch (struct walk *w, uint64_t index, unsigned char *batch,
            uint64_t *n)
{
  struct vmdk_delta *delta = w->delta;
  const uint64_t bytes = table_bytes (delta);
  const uint64_t start = delta->directory[index];
  uint64_t i;

  *n = 1;
  while (index + *n < delta->nr_tables && (*n + 1) * bytes <= BATCH_SIZE &&
         delta->directory[index + *n] == start + *n * bytes)
    ++*n;
  if (blob_pread (delta->blob, batch, *n * bytes, start) == -1)
    return -1;
  for (i = 0; i < *n; ++i) {
    if (walk_table (w, index + i, batch + i * bytes) == -1)
      return -1;
  }
  return 0;
}

int
vmdk_delta_walk (struct vmdk_delta *delta, vmdk_delta_fn fn, void *opaque)
{
  const uint64_t span = delta->table_entries * delta->grain_size;
  CLEANUP_FREE unsigned char *batch = malloc (BATCH_SIZE);
  struct walk w = { .delta = delta, .fn = fn, .opaque = opaque };
  uint64_t i, n;

  if (batch == NULL) {
    log_oom ();
    return -1;
  }
  for (i = 0; i < delta->nr_tables; i += n) {
    if (delta->directory[i] == 0) {
      n = 1;
      if (add_grains (&w, MIN (span, delta->capacity - i * span),
                      VMDK_GRAIN_PARENT, 0) == -1)
        return -1;
    }
    else if (walk_batch (&w, i, batch, &n) == -1)
      return -1;
  }
  return w.length > 0 ? fn (opaque, w.offset, w.length, w.kind, w.where) : 0;
}
