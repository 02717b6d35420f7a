/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Walking the tables of a snapshot.
 *
 * Tables that follow each other in the file are read together.  In COWD
 * they do not: each stands before the data that were written first to its
 * 2 MiB.  As the file is far away, several threads read them, each a slice
 * of the directory at a time, and the runs of all slices are then handed
 * on in order.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/include/checked.h"
#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "common/vmdk/vmdk_private.h"

#define BATCH_SIZE MIB
#define SLICE_TABLES 64
#define MAX_THREADS 8

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

/* Walk the table INDEX, which is in the file, and those before LAST that
 * follow it in the file as well as in the directory; *N says how many.
 */
static int
walk_batch (struct walk *w, uint64_t index, uint64_t last,
            unsigned char *batch, uint64_t *n)
{
  struct vmdk_delta *delta = w->delta;
  const uint64_t bytes = vmdk_delta_table_bytes (delta);
  const uint64_t start = delta->directory[index];
  uint64_t i;

  *n = 1;
  while (index + *n < last && (*n + 1) * bytes <= BATCH_SIZE &&
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

/*---- slices ----*/

struct run {
  uint64_t offset, length;
  enum vmdk_grain kind;
  uint64_t where;
};
DEFINE_VECTOR_TYPE (run_vector, struct run);

struct job {
  struct vmdk_delta *delta;
  run_vector *slices;           /* of SLICE_TABLES tables each */
  uint64_t nr_slices;
  atomic_uint_least64_t next;   /* to be walked */
  atomic_int err;               /* an errno, once a thread has failed */
  void *context;                /* of log.h */
};

static int
keep_run (void *opaque, uint64_t offset, uint64_t length,
          enum vmdk_grain kind, uint64_t where)
{
  const struct run run = {
    .offset = offset, .length = length, .kind = kind, .where = where
  };

  if (run_vector_append (opaque, run) == -1) {
    log_oom ();
    return -1;
  }
  return 0;
}

static int
walk_slice (const struct job *job, uint64_t slice, unsigned char *batch)
{
  struct vmdk_delta *delta = job->delta;
  const uint64_t span = delta->table_entries * delta->grain_size;
  const uint64_t first = slice * SLICE_TABLES;
  const uint64_t last = MIN (first + SLICE_TABLES, delta->nr_tables);
  struct walk w = {
    .delta = delta, .offset = first * span, .fn = keep_run,
    .opaque = &job->slices[slice],
  };
  uint64_t i, n;

  for (i = first; i < last; i += n) {
    if (delta->directory[i] == 0) {
      n = 1;
      if (add_grains (&w, MIN (span, delta->capacity - i * span),
                      VMDK_GRAIN_PARENT, 0) == -1)
        return -1;
    }
    else if (walk_batch (&w, i, last, batch, &n) == -1)
      return -1;
  }
  return keep_run (w.opaque, w.offset, w.length, w.kind, w.where);
}

static void
walk_slices (struct job *job)
{
  CLEANUP_FREE unsigned char *batch = malloc (BATCH_SIZE);
  uint64_t slice;

  if (batch == NULL) {
    log_oom ();
    job->err = ENOMEM;
    return;
  }
  while (job->err == 0 && (slice = job->next++) < job->nr_slices) {
    if (walk_slice (job, slice, batch) == -1)
      job->err = errno;
  }
}

static void *
walker (void *opaque)
{
  struct job *job = opaque;

  log_set_context (job->context);
  walk_slices (job);
  return NULL;
}

/* The caller walks as well, so no thread is needed. */
static void
run_job (struct job *job)
{
  pthread_t threads[MAX_THREADS - 1];
  size_t n = 0, i;

  while (n + 1 < MIN (job->nr_slices, (uint64_t) MAX_THREADS) &&
         pthread_create (&threads[n], NULL, walker, job) == 0)
    n++;
  walk_slices (job);
  for (i = 0; i < n; ++i)
    pthread_join (threads[i], NULL);
}

/* Runs of neighbouring slices can be one. */
static int
hand_on (const struct job *job, vmdk_delta_fn fn, void *opaque)
{
  struct walk w = { .delta = job->delta, .fn = fn, .opaque = opaque };
  uint64_t i;
  size_t j;

  for (i = 0; i < job->nr_slices; ++i) {
    for (j = 0; j < job->slices[i].len; ++j) {
      const struct run *run = &job->slices[i].ptr[j];

      if (add_grains (&w, run->length, run->kind, run->where) == -1)
        return -1;
    }
  }
  return fn (opaque, w.offset, w.length, w.kind, w.where);
}

int
vmdk_delta_walk (struct vmdk_delta *delta, vmdk_delta_fn fn, void *opaque)
{
  struct job job = {
    .delta = delta, .context = log_context (),
    .nr_slices = (delta->nr_tables + SLICE_TABLES - 1) / SLICE_TABLES,
  };
  uint64_t i;
  int r = -1;

  job.slices = calloc (job.nr_slices, sizeof *job.slices);
  if (job.slices == NULL) {
    log_oom ();
    return -1;
  }
  run_job (&job);
  if (job.err == 0)
    r = hand_on (&job, fn, opaque);
  for (i = 0; i < job.nr_slices; ++i)
    run_vector_reset (&job.slices[i]);
  free (job.slices);
  if (job.err != 0)
    errno = job.err;
  return r;
}
