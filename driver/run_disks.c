/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The volumes of a VM and the step DiskTransfer: one thread per disk,
 * under the limits of the VM and of the run.
 *
 * A disk counts as copied when its bytes, and then the journal's line
 * about it, are on stable storage.  One that is not is begun again.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/cancel.h"
#include "driver/convert.h"
#include "driver/copy/copy.h"
#include "driver/copy/digest_tree.h"
#include "driver/run.h"
#include "driver/serve.h"

char *
run_owner (const struct run_vm *rv, size_t i)
{
  const struct object_meta *plan = &rv->run->session->plan->meta;
  char *owner;

  if (asprintf (&owner, "plan %s/%s vm %s disk %s",
                plan->namespace_ ? plan->namespace_ : "default", plan->name,
                rv->pre->vm.id, rv->pre->vm.disks.ptr[i].id) == -1) {
    log_oom ();
    return NULL;
  }
  return owner;
}

static int
make_volume (struct run_vm *rv, size_t i)
{
  const struct session *s = rv->run->session;
  const struct vm_disk *d = &rv->pre->vm.disks.ptr[i];
  const struct storage_map_row *row =
    plan_map_storage (s->storages, d->storage.id, d->storage.name,
                      s->provider->meta.name);
  const struct target_volume_spec spec = {
    .namespace_ = s->plan->target_namespace,
    .name = rv->pre->names.pvc[i],
    .size = vm_volume_size (d->capacity),
    .storage_class = row ? row->storage_class : NULL,
    .access_mode = row ? row->access_mode : NULL,
    .volume_mode = row ? row->volume_mode : NULL,
  };
  CLEANUP_FREE char *owner = run_owner (rv, i);

  if (owner)
    rv->volumes[i] = rv->run->target_ops->create (rv->run->target, &spec,
                                                  owner);
  return rv->volumes[i] ? 0 : -1;
}

static int
remove_volume (struct run_vm *rv, size_t i)
{
  CLEANUP_FREE char *owner = run_owner (rv, i);

  if (owner == NULL)
    return -1;
  target_volume_free (rv->volumes[i]);
  rv->volumes[i] = NULL;
  return rv->run->target_ops->remove (rv->run->target,
                                      rv->run->session->plan->
                                      target_namespace,
                                      rv->pre->names.pvc[i], owner);
}

static int
make_all (struct run_vm *rv)
{
  size_t i;

  for (i = 0; i < rv->pre->vm.disks.len; i++)
    if (!rv->pre->vm.disks.ptr[i].lun && rv->volumes[i] == NULL &&
        make_volume (rv, i) == -1)
      return -1;
  return 0;
}

static bool
is_converted (const struct run_vm *rv)
{
  json_t *conversion = journal_conversion (rv->journal);

  json_decref (conversion);
  return conversion != NULL;
}

/* Does the target still hold what the journal says of disk I?  1 yes, 0
 * no: it must be copied again; -1 the target holds more than the journal
 * knows, reported.
 */
static int
still_there (struct run_vm *rv, size_t i)
{
  const struct target_volume *v = rv->volumes[i];
  const bool ready = !rv->converts || is_converted (rv);

  switch (journal_disk_state (rv->journal, i)) {
  case JOURNAL_DISK_FINISHED:
    return v->complete;
  case JOURNAL_DISK_COPIED:
    /* Complete: we were killed between the rename and the journal. */
    if (!v->complete)
      return !v->is_zero || rv->pre->vm.disks.ptr[i].blank;
    if (ready)
      return 1;
    break;
  case JOURNAL_DISK_NEW:
  case JOURNAL_DISK_CREATED:
    if (!v->complete)
      return 1;                 /* nothing was promised */
    break;
  }
  log_error ("%s is there and complete, but the journal in %s does not know "
             "of it; move it away, or use another output folder",
             v->final_path, rv->folder);
  return -1;
}

/* Forget what is gone.  The disks of a guest that is converted belong
 * together, and the others may be converted already, in part even: then
 * all are begun again.
 */
static int
forget_missing (struct run_vm *rv)
{
  bool any = false;
  size_t i;
  int r;

  for (i = 0; i < rv->pre->vm.disks.len; i++) {
    if (rv->volumes[i] == NULL)
      continue;
    r = still_there (rv, i);
    if (r == -1)
      return -1;
    if (r == 1)
      continue;
    log_warning ("%s, which an earlier run has made, is gone: it is made "
                 "again", rv->volumes[i]->final_path);
    any = true;
    if (journal_forget_disk (rv->journal, i) == -1)
      return -1;
  }
  if (!any || (!rv->converts && !is_converted (rv)))
    return 0;

  for (i = 0; i < rv->pre->vm.disks.len; i++)
    if (rv->volumes[i] && remove_volume (rv, i) == -1)
      return -1;
  if (journal_forget_all (rv->journal) == -1)
    return -1;
  return make_all (rv);
}

int
run_make_volumes (struct run_vm *rv)
{
  if (make_all (rv) == -1 || forget_missing (rv) == -1) {
    rv->result = STATUS_TARGET;
    return -1;
  }
  return 0;
}

bool
run_must_copy (const struct run_vm *rv, size_t i)
{
  return rv->volumes[i] != NULL &&
    journal_disk_state (rv->journal, i) < JOURNAL_DISK_COPIED &&
    !rv->volumes[i]->complete;
}

void
run_remove_partial (struct run_vm *rv)
{
  const bool everything = rv->run->session->plan->delete_vm_on_fail &&
    rv->result != STATUS_CANCELLED;
  size_t i;

  for (i = 0; i < rv->pre->vm.disks.len; i++) {
    if (rv->volumes[i] == NULL ||
        (!everything && !run_must_copy (rv, i)))
      continue;
    if (remove_volume (rv, i) == 0 &&
        journal_disk_state (rv->journal, i) != JOURNAL_DISK_NEW)
      journal_forget_disk (rv->journal, i);
  }
  if (everything && rv->journal)
    journal_forget_all (rv->journal);
}

/* What the disk threads of one VM share. */
struct transfer {
  struct run_vm *rv;
  struct progress_line *line;
  struct served_vm *served;     /* NULL if all are blank */
  pthread_mutex_t lock;         /* of served_error */
  struct limit disks;           /* of this VM in flight */
};

struct disk_job {
  struct transfer *t;
  size_t i;
  struct progress_item *item;
  pthread_t thread;
  bool has_thread;
  enum exit_status result;
};

static bool
copy_progress (void *opaque, const struct copy_progress *progress)
{
  struct disk_job *job = opaque;

  progress_set (job->item, progress->done);
  atomic_store (&job->t->rv->status.tasks[job->i].done, progress->done);
  return !run_vm_stopped (job->t->rv);
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

  if (cancel_requested ()) {
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

static enum exit_status
copy_volume (struct disk_job *job, int fd, struct log_scope *scope)
{
  struct run_vm *rv = job->t->rv;
  const struct vm_disk *d = &rv->pre->vm.disks.ptr[job->i];
  const struct target_volume *v = rv->volumes[job->i];
  CLEANUP_FREE char *digest_path = run_digest_path (rv->folder, job->i);
  const struct copy_source source = {
    .uri = served_uri (job->t->served, job->i),
    .name = d->name,
  };
  const struct copy_options options = {
    .target_is_zero = v->is_zero || !v->block,
    .progress = copy_progress,
    .opaque = job,
    .digest_file = digest_path,
  };
  struct copy_result result;
  char hex[65];
  int r;

  if (digest_path == NULL)
    return STATUS_FAILED;
  scope->hold = true;
  r = copy_disk (&source, fd, v->path, &options, &result);
  atomic_fetch_add (&rv->bytes_read, result.progress.read);
  if (r == -1) {
    const enum exit_status status =
      copy_failure (rv, errno, result.failed_side);

    explain_failure (job, scope, &result);
    return status;
  }
  log_scope_release (scope, NULL);
  if (complete_volume (fd, v) == -1)
    return STATUS_TARGET;
  if (read_root (digest_path, hex) == -1 ||
      journal_disk_copied (rv->journal, job->i, hex) == -1)
    return STATUS_FAILED;
  return STATUS_OK;
}

static enum exit_status
transfer_disk (struct disk_job *job, struct log_scope *scope)
{
  struct run_vm *rv = job->t->rv;
  const struct vm_disk *d = &rv->pre->vm.disks.ptr[job->i];
  const struct target_volume *v = rv->volumes[job->i];
  CLEANUP_CLOSE int fd = -1;

  if (journal_disk_created (rv->journal, job->i, d) == -1)
    return STATUS_FAILED;
  fd = open (v->path, O_RDWR | O_CLOEXEC);
  if (fd == -1) {
    log_error ("cannot open %s: %m", v->path);
    return STATUS_TARGET;
  }
  /* An interrupted copy is begun again, from an empty file. */
  if (!v->block && ftruncate (fd, 0) == -1) {
    log_error ("%s: cannot empty it: %m", v->path);
    return STATUS_TARGET;
  }
  if (!d->blank)
    return copy_volume (job, fd, scope);
  if (complete_volume (fd, v) == -1)
    return STATUS_TARGET;
  return journal_disk_copied (rv->journal, job->i, NULL) == 0 ?
    STATUS_OK : STATUS_FAILED;
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
  if (!limit_acquire (&t->disks, run_vm_stopped, rv))
    return NULL;
  if (limit_acquire (&rv->run->disks, run_vm_stopped, rv)) {
    log_scope_enter (&scope);
    atomic_store (&task->phase, PHASE_RUNNING);
    job->result = transfer_disk (job, &scope);
    if (job->result == STATUS_OK) {
      progress_set (job->item, task->total);
      atomic_store (&task->done, task->total);
      atomic_store (&task->phase, PHASE_COMPLETED);
    }
    log_scope_leave (&scope);
    limit_release (&rv->run->disks);
  }
  limit_release (&t->disks);
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
  }
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
  if (must_serve (rv)) {
    /* A signal from the terminal reaches the servers as well. */
    rv->scope.hold = true;
    t.served = serve_vm (s->ops, s->source, &rv->pre->vm, &options);
    if (cancel_requested ())
      log_scope_drop (&rv->scope);
    else
      log_scope_release (&rv->scope, NULL);
    if (t.served == NULL) {
      rv->result = STATUS_SOURCE;
      return -1;
    }
  }
  pthread_mutex_init (&t.lock, NULL);
  limit_init (&t.disks, MAX_DISKS_PER_VM);
  run_jobs (&t, jobs);
  limit_destroy (&t.disks);
  pthread_mutex_destroy (&t.lock);
  if (t.served)
    serve_stop (t.served);

  rv->result = worst (jobs, nr_disks);
  return rv->result == STATUS_OK ? 0 : -1;
}
