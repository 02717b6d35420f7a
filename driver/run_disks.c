/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The step DiskTransfer: one thread per disk, under the limits of the VM
 * and of the run.
 *
 * A disk counts as copied when its bytes, and then the journal's line
 * about it, are on stable storage.  One that is not goes on where the
 * journal of its copy says.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/convert.h"
#include "driver/copy/copy.h"
#include "driver/copy/copy_stream.h"
#include "driver/copy/digest_tree.h"
#include "driver/run_shared.h"
#include "driver/serve.h"

/* Bytes of a part of an identity: three fit COPY_IDENTITY_MAX, also if
 * all of them had to be escaped.
 */
#define IDENTITY_PART 330

/* A server has threads, with buffers of their own, for each connection.
 * With many copies at once one connection each is enough, and smaller requests.
 */
#define MAX_CONNECTIONS 4
#define ALL_CONNECTIONS 8

/* What the disk threads of one VM share. */
struct transfer {
  struct run_vm *rv;
  struct progress_line *line;
  struct served_vm *served;     /* NULL if all are blank */
  pthread_mutex_t lock;         /* of served_error */
  struct limit disks;           /* of this VM in flight */
  atomic_uint left;             /* disks that are not done */
};

struct disk_job {
  struct transfer *t;
  size_t i;
  struct run_disk place;
  struct progress_item *item;
  pthread_t thread;
  bool has_thread;
  bool resumed;                 /* an earlier run has begun it */
  enum exit_status result;
};

static bool
copy_progress (void *opaque, const struct copy_progress *progress)
{
  struct disk_job *job = opaque;

  struct task_status *task = &job->t->rv->status.tasks[job->i];

  progress_set (job->item, progress->done);
  atomic_store (&task->done, progress->done);
  atomic_store (&task->read, progress->read);
  return !run_vm_stopped (job->t->rv);
}

/* A disk that its source hands over: what its sink needs. */
struct import {
  struct disk_job *job;
  struct copy_stream *stream;
  uint64_t done;                /* bytes: the furthest */
  bool target_failed;
};

/* No faster than --rate allows. */
static void
keep_rate (struct run_vm *rv, size_t len)
{
  int ms;

  while (!run_vm_stopped (rv) &&
         (ms = budget_take_bytes (&rv->run->budget, len)) > 0) {
    const long most = MIN (ms, 500);
    const struct timespec pause = { .tv_nsec = most * 1000000 };

    nanosleep (&pause, NULL);
  }
}

static int
import_data (void *opaque, uint64_t offset, const void *buf, size_t count)
{
  struct import *im = opaque;
  struct run_vm *rv = im->job->t->rv;

  keep_rate (rv, count);
  if (copy_stream_data (im->stream, offset, buf, count) == -1) {
    im->target_failed = true;
    return -1;
  }
  im->done = MAX (im->done, offset + count);
  progress_set (im->job->item, im->done);
  atomic_store (&rv->status.tasks[im->job->i].done, im->done);
  atomic_fetch_add (&rv->status.tasks[im->job->i].read, count);
  atomic_fetch_add (&rv->bytes_read, count);
  return 0;
}

static bool
import_cancelled (void *opaque)
{
  const struct import *im = opaque;

  return run_vm_stopped (im->job->t->rv);
}

/* The root of the digests that a copy has written, hex. */
static int
read_root (const char *path, char *hex)
{
  struct digest_tree *tree = digest_tree_load (path);
  int r;

  if (tree == NULL)
    return -1;
  r = digest_tree_root (tree, hex);
  digest_tree_free (tree);
  return r;
}

/* Give the volume its full size and put it on stable storage. */
static int
complete_volume (int fd, const struct target_volume *v)
{
  if (!v->block && ftruncate (fd, v->size) == -1) {
    log_error ("%s: cannot give it its size: %m", v->path);
    return -1;
  }
  if (fsync (fd) == -1) {
    log_error ("%s: cannot flush it: %m", v->path);
    return -1;
  }
  return 0;
}

/* The errors of a copy are held: here the reason of a source's is added,
 * and those that our own stopping caused are dropped.
 */
static void
explain_failure (struct disk_job *job, struct log_scope *scope,
                 const struct copy_result *result)
{
  struct transfer *t = job->t;
  CLEANUP_FREE char *reason = NULL;

  if (run_vm_cancelled (t->rv)) {
    log_scope_drop (scope);
    return;
  }
  if (result->failed_side == COPY_SIDE_SOURCE) {
    ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&t->lock);
    reason = served_error (t->served, job->i);
  }
  log_scope_release (scope, reason);
}

static enum exit_status
copy_failure (struct run_vm *rv, int err, enum copy_side side)
{
  if (err == ECANCELED)
    return STATUS_CANCELLED;
  if (side == COPY_SIDE_SOURCE)
    return STATUS_SOURCE;
  if (side != COPY_SIDE_TARGET)
    return STATUS_FAILED;
  /* The other disks go to the same place. */
  atomic_store (&rv->stop, true);
  return STATUS_TARGET;
}

/* What tells the source's state, beside the disk's size, which the
 * journal of a copy knows.  NULL reported.
 */
static char *
source_identity (const struct vm_disk *d, const char *id)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };
  char *text = NULL;

  if (strbuf_append (&b, "version ") == 0 &&
      strbuf_append_printable (&b, d->version ? d->version : "-",
                               IDENTITY_PART) == 0 &&
      strbuf_append (&b, ", id ") == 0 &&
      strbuf_append_printable (&b, id, IDENTITY_PART) == 0 &&
      strbuf_append (&b, ", at ") == 0 &&
      strbuf_append_printable (&b, d->file ? d->file : "-",
                               IDENTITY_PART) == 0)
    text = strbuf_steal (&b);
  if (text == NULL)
    log_oom ();
  return text;
}

/* After a copy that failed: one that has written nothing is no reason to
 * keep the volume.
 */
static void
forget_empty (const struct disk_job *job, const struct copy_result *result)
{
  if (!job->resumed && result->progress.written == 0)
    journal_forget_disk (job->place.journal, job->place.index);
}

static enum exit_status
copy_volume (struct disk_job *job, int fd, struct log_scope *scope)
{
  struct run_vm *rv = job->t->rv;
  const struct vm_disk *d = &rv->pre->vm.disks.ptr[job->i];
  const struct run_disk *place = &job->place;
  const struct target_volume *v = place->volume;
  CLEANUP_FREE char *digest_path = run_digest_path (place->folder,
                                                    place->index);
  CLEANUP_FREE char *journal_path = run_copy_journal_path (place->folder,
                                                           place->index);
  CLEANUP_FREE char *identity = source_identity (d, place->id);
  const struct copy_source source = {
    .uri = served_uri (job->t->served, job->i),
    .name = d->name,
  };
  const unsigned share = MAX (ALL_CONNECTIONS / rv->run->copies, 1U);
  const unsigned connections = MIN (share, (unsigned) MAX_CONNECTIONS);
  const struct copy_options options = {
    .connections = connections,
    /* nbdkit keeps a buffer of this size for each of its threads. */
    .request_size = rv->run->copies > ALL_CONNECTIONS / 2 ? MIB : 0,
    .target_is_zero = !job->resumed && (v->is_zero || !v->block),
    .progress = copy_progress,
    .opaque = job,
    .digest_file = digest_path,
    .journal_file = journal_path,
    .identity = identity,
    .budget = &rv->run->budget,
  };
  struct copy_result result;
  char hex[65];
  int r;

  if (digest_path == NULL || journal_path == NULL || identity == NULL)
    return STATUS_FAILED;
  scope->hold = true;
  r = copy_disk (&source, fd, v->path, &options, &result);
  atomic_fetch_add (&rv->bytes_read, result.progress.read);
  atomic_fetch_add (&rv->bytes_kept, result.progress.kept);
  if (r == -1) {
    const enum exit_status status =
      copy_failure (rv, errno, result.failed_side);

    explain_failure (job, scope, &result);
    forget_empty (job, &result);
    return status;
  }
  log_scope_release (scope, NULL);
  if (result.progress.kept > 0)
    log_info ("%s were already there and right",
              human_size (result.progress.kept));
  if (complete_volume (fd, v) == -1)
    return STATUS_TARGET;
  if (read_root (digest_path, hex) == -1 ||
      journal_disk_copied (place->journal, place->index, hex) == -1 ||
      run_forget_copy (place->folder, place->index) == -1)
    return STATUS_FAILED;
  return STATUS_OK;
}

/* Have the source hand the disk over, and make what came last. */
static int
import_to (struct import *im, const char *digest_path)
{
  const struct session *s = im->job->t->rv->run->session;
  const struct source_sink sink = {
    .data = import_data,
    .cancelled = import_cancelled,
    .opaque = im,
  };

  if (s->ops->import_disk (s->source, &im->job->t->rv->pre->vm, im->job->i,
                           &sink) == -1)
    return -1;
  im->target_failed = true;
  return copy_stream_finish (im->stream, digest_path);
}

static enum exit_status
import_volume (struct disk_job *job, int fd, struct log_scope *scope)
{
  struct run_vm *rv = job->t->rv;
  const struct vm_disk *d = &rv->pre->vm.disks.ptr[job->i];
  const struct run_disk *place = &job->place;
  const struct target_volume *v = place->volume;
  CLEANUP_FREE char *digest_path = run_digest_path (place->folder,
                                                    place->index);
  const struct copy_stream_options options = {
    .disk = d->name,
    .target = v->path,
    .size = d->capacity,
    .target_is_zero = v->is_zero || !v->block,
  };
  struct import im = { .job = job, .target_failed = true };
  struct copy_result result = { .failed_side = COPY_SIDE_TARGET };
  enum exit_status status;
  char hex[65];
  int r = -1;

  if (digest_path == NULL ||
      run_forget_copy (place->folder, place->index) == -1)
    return STATUS_FAILED;
  scope->hold = true;
  im.stream = copy_stream_begin (fd, &options);
  if (im.stream) {
    im.target_failed = false;
    r = import_to (&im, digest_path);
  }
  if (r == -1) {
    status = copy_failure (rv, errno, im.target_failed ? COPY_SIDE_TARGET :
                           COPY_SIDE_SOURCE);
    explain_failure (job, scope, &result);
    forget_empty (job, &result);
  }
  else {
    log_scope_release (scope, NULL);
    status = complete_volume (fd, v) == -1 ? STATUS_TARGET :
      read_root (digest_path, hex) == -1 ||
      journal_disk_copied (place->journal, place->index,
                           hex) == -1 ? STATUS_FAILED : STATUS_OK;
  }
  copy_stream_free (im.stream);
  return status;
}

/* The journal says that the disk is being filled. */
static int
note_created (const struct disk_job *job)
{
  const struct run_vm *rv = job->t->rv;

  if (rv->shared[job->i])
    return run_shared_created (rv, job->i);
  return journal_disk_created (rv->journal, job->i,
                               &rv->pre->vm.disks.ptr[job->i]);
}

static enum exit_status
transfer_disk (struct disk_job *job, struct log_scope *scope)
{
  struct run_vm *rv = job->t->rv;
  const struct vm_disk *d = &rv->pre->vm.disks.ptr[job->i];
  const struct run_disk *place = &job->place;
  const struct target_volume *v;
  CLEANUP_CLOSE int fd = -1;

  job->place = run_disk_place (rv, job->i);
  v = place->volume;
  job->resumed = run_can_resume (place, d);
  if (job->resumed && rv->pre->path.import) {
    log_info ("is copied again from its beginning: a stream cannot go on "
              "in its middle");
    job->resumed = false;
  }
  if (!job->resumed && note_created (job) == -1)
    return STATUS_FAILED;
  fd = open (v->path, O_RDWR | O_CLOEXEC);
  if (fd == -1) {
    log_error ("cannot open %s: %m", v->path);
    return STATUS_TARGET;
  }
  if (!job->resumed && !v->block &&
      (ftruncate (fd, 0) == -1 || ftruncate (fd, v->size) == -1)) {
    log_error ("%s: cannot empty it: %m", v->path);
    return STATUS_TARGET;
  }
  if (!d->blank)
    return rv->pre->path.import ? import_volume (job, fd, scope) :
      copy_volume (job, fd, scope);
  if (complete_volume (fd, v) == -1)
    return STATUS_TARGET;
  return journal_disk_copied (place->journal, place->index, NULL) == 0 ?
    STATUS_OK : STATUS_FAILED;
}

/* A disk of the VM alone: under the VM's limit. */
static void
transfer_own (struct disk_job *job, struct log_scope *scope)
{
  struct transfer *t = job->t;
  struct run_vm *rv = t->rv;

  if (!limit_acquire (&t->disks, run_vm_stopped, rv))
    return;
  if (limit_acquire (&rv->run->disks, run_vm_stopped, rv)) {
    task_status_begin (&rv->status.tasks[job->i]);
    job->result = transfer_disk (job, scope);
    limit_release (&rv->run->disks);
  }
  limit_release (&t->disks);
}

/* A disk that others have too: when it is the VM's turn. */
static void
transfer_shared (struct disk_job *job, struct log_scope *scope)
{
  struct run_vm *rv = job->t->rv;
  const int r = run_shared_begin (rv, job->i, &job->result);

  if (r != 1)
    return;
  job->result = STATUS_CANCELLED;
  if (run_vm_take_disk (rv)) {
    if (limit_acquire (&rv->run->disks, run_vm_stopped, rv)) {
      task_status_begin (&rv->status.tasks[job->i]);
      job->result = transfer_disk (job, scope);
      limit_release (&rv->run->disks);
    }
    run_vm_give_disk (rv);
  }
  job->result = run_shared_end (rv, job->i, job->result);
}

static void *
disk_thread (void *opaque)
{
  struct disk_job *job = opaque;
  struct transfer *t = job->t;
  struct run_vm *rv = t->rv;
  struct task_status *task = &rv->status.tasks[job->i];
  struct log_scope scope = {
    .vm = rv->scope.vm,
    .step = rv->scope.step,
    .disk = rv->pre->vm.disks.ptr[job->i].name,
    .records = rv->scope.records,
  };

  job->result = STATUS_CANCELLED;
  log_scope_enter (&scope);
  if (rv->shared[job->i])
    transfer_shared (job, &scope);
  else
    transfer_own (job, &scope);
  if (job->result == STATUS_OK) {
    progress_set (job->item, task->total);
    task_status_end (task);
  }
  log_scope_leave (&scope);
  if (rv->shared[job->i] == NULL)
    run_vm_shrink (rv, atomic_fetch_sub (&t->left, 1) - 1);
  return NULL;
}

/* Run a job per disk that must be copied; JOBS has room for all. */
static void
run_jobs (struct transfer *t, struct disk_job *jobs)
{
  const size_t nr_disks = t->rv->pre->vm.disks.len;
  size_t i;
  int r;

  for (i = 0; i < nr_disks; i++) {
    if (!run_must_copy (t->rv, i))
      continue;
    jobs[i].t = t;
    jobs[i].i = i;
    jobs[i].item = progress_item_new (t->line,
                                      t->rv->pre->vm.disks.ptr[i].name,
                                      PROGRESS_BYTES,
                                      t->rv->status.tasks[i].total);
    if (t->rv->shared[i] == NULL)
      atomic_fetch_add (&t->left, 1);
  }
  /* Shared ones take room when their turn has come. */
  run_vm_shrink (t->rv, atomic_load (&t->left));
  for (i = 0; i < nr_disks; i++) {
    if (jobs[i].t == NULL)
      continue;
    r = pthread_create (&jobs[i].thread, NULL, disk_thread, &jobs[i]);
    if (r == 0)
      jobs[i].has_thread = true;
    else
      disk_thread (&jobs[i]);
  }
  for (i = 0; i < nr_disks; i++)
    if (jobs[i].has_thread)
      pthread_join (jobs[i].thread, NULL);
}

/* The result of the VM: a disk that failed, not one that was stopped
 * because of it.
 */
static enum exit_status
worst (const struct disk_job *jobs, size_t nr_disks)
{
  enum exit_status status = STATUS_OK;
  size_t i;

  for (i = 0; i < nr_disks; i++)
    if (jobs[i].t && jobs[i].result != STATUS_OK &&
        (status == STATUS_OK || status == STATUS_CANCELLED))
      status = jobs[i].result;
  return status;
}

static bool
must_serve (const struct run_vm *rv)
{
  size_t i;

  for (i = 0; i < rv->pre->vm.disks.len; i++)
    if (run_must_copy (rv, i) && !rv->pre->vm.disks.ptr[i].blank)
      return true;
  return false;
}

static int
forget_conversion (const struct run_vm *rv)
{
  CLEANUP_FREE char *work_dir = run_convert_dir (rv->folder);

  return work_dir ? convert_forget (work_dir) : -1;
}

int
run_transfer (struct run_vm *rv, struct progress_line *line)
{
  const struct session *s = rv->run->session;
  const size_t nr_disks = rv->pre->vm.disks.len;
  const struct serve_options options = { .log_dir = rv->folder };
  struct transfer t = { .rv = rv, .line = line };
  CLEANUP_FREE struct disk_job *jobs = calloc (nr_disks + 1, sizeof *jobs);

  if (jobs == NULL) {
    log_oom ();
    return -1;
  }
  if (rv->converts && forget_conversion (rv) == -1)
    return -1;
  if (rv->pre->path.name)
    log_info ("disks are read by way of %s: %s", rv->pre->path.name,
              rv->pre->path.reason);
  if (must_serve (rv) && !rv->pre->path.import) {
    /* A signal from the terminal reaches the servers as well. */
    rv->scope.hold = true;
    t.served = serve_vm (s->ops, s->source, &rv->pre->vm, &options);
    if (run_vm_cancelled (rv))
      log_scope_drop (&rv->scope);
    else
      log_scope_release (&rv->scope, NULL);
    if (t.served == NULL) {
      rv->result = STATUS_SOURCE;
      return -1;
    }
  }
  pthread_mutex_init (&t.lock, NULL);
  limit_init (&t.disks, run_vm_disks (rv));
  run_jobs (&t, jobs);
  limit_destroy (&t.disks);
  pthread_mutex_destroy (&t.lock);
  if (t.served)
    serve_stop (t.served);

  rv->result = worst (jobs, nr_disks);
  return rv->result == STATUS_OK ? 0 : -1;
}
