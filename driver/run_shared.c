/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Volumes and journals of the shared disks of a run, and who uses them.
 * run_shared_turn.c copies and attaches.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/include/checked.h"
#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/plan_state.h"
#include "driver/run_shared_private.h"
#include "driver/shared_disk.h"

int
run_shared_as_vm (const struct run_shared *rs, const struct vm_disk *d,
                  struct vm *vm)
{
  struct vm_disk *to;

  vm_init (vm);
  to = vm_add_disk (vm);
  if (to == NULL)
    return -1;
  vm->id = strdup (rs->identity);
  vm->name = shared_disk_plan_label (rs->run->session->plan);
  to->id = strdup (rs->identity);
  to->name = strdup (d->name);
  to->file = d->file ? strdup (d->file) : NULL;
  to->version = d->version ? strdup (d->version) : NULL;
  to->capacity = d->capacity;
  if (vm->id && vm->name && to->id && to->name &&
      (to->file || !d->file) && (to->version || !d->version))
    return 0;
  vm_free (vm);
  log_oom ();
  return -1;
}

static int
open_journal (struct run_shared *rs, const struct vm_disk *d)
{
  CLEANUP_VM struct vm vm;

  if (run_shared_as_vm (rs, d, &vm) == -1)
    return -1;
  rs->journal = journal_open (rs->folder, &vm);
  return rs->journal ? 0 : -1;
}

/* There is a complete volume, and nothing tells of which state of the
 * source.
 */
static int
take_as_it_is (struct run_shared *rs, const struct vm_disk *d)
{
  log_warning ("shared disk %s is attached as %s holds it: what would tell if "
               "it has changed on the source since is not in this state "
               "folder (another --state, or cleaned up)", printable (d->name),
               rs->volume->final_path);
  journal_close (rs->journal);
  rs->journal = NULL;
  atomic_store (&rs->complete, true);
  return plan_state_remove_tree (rs->folder);
}

/* Bring volume and journal together. */
static int
settle (struct run_vm *rv, size_t i, struct run_shared *rs)
{
  const struct vm_disk *d = &rv->pre->vm.disks.ptr[i];
  const enum journal_disk_state state = journal_disk_state (rs->journal, 0);

  if (rs->volume->complete) {
    if (state == JOURNAL_DISK_NEW)
      return take_as_it_is (rs, d);
    if (state == JOURNAL_DISK_FINISHED || state == JOURNAL_DISK_COPIED) {
      atomic_store (&rs->complete, state == JOURNAL_DISK_FINISHED);
      return 0;
    }
    log_error ("%s is there and complete, but the journal in %s does not know "
               "of it; move it away, or use another output folder",
               rs->volume->final_path, rs->folder);
    return -1;
  }
  if (state == JOURNAL_DISK_FINISHED ||
      (state == JOURNAL_DISK_COPIED && rs->volume->is_zero && !d->blank)) {
    log_warning ("%s, which an earlier run has made, is gone: it is made "
                 "again", rs->volume->final_path);
    return journal_forget_all (rs->journal);
  }
  return 0;
}

static int
open_shared (struct run_vm *rv, size_t i, struct run_shared *rs)
{
  const struct run *run = rv->run;
  const char *ns = run->session->plan->target_namespace;

  rs->run = rv->run;
  rs->identity = strdup (rv->pre->disks[i].shared);
  if (rs->identity == NULL) {
    log_oom ();
    return -1;
  }
  rs->owner = shared_disk_owner (ns, rs->identity);
  rs->folder = shared_disk_folder (run->folder, ns, rs->identity);
  if (rs->owner == NULL || rs->folder == NULL ||
      run_make_folders (rs->folder) == -1 ||
      open_journal (rs, &rv->pre->vm.disks.ptr[i]) == -1)
    return -1;
  if (run_create_volume (rv, i, rs->owner, &rs->volume) == -1)
    return -1;
  return settle (rv, i, rs);
}

/* The shared disk that disk I of RV is.  NULL reported. */
static struct run_shared *
find_or_open (struct run_vm *rv, size_t i)
{
  struct run *run = rv->run;
  const char *identity = rv->pre->disks[i].shared;
  struct run_shared *rs;
  size_t j;

  for (j = 0; j < run->nr_shared; j++)
    if (strcmp (run->shared[j]->identity, identity) == 0)
      return run->shared[j];
  rs = calloc (1, sizeof *rs);
  if (rs == NULL) {
    log_oom ();
    return NULL;
  }
  pthread_mutex_init (&rs->lock, NULL);
  rs->broken = open_shared (rv, i, rs) == -1;
  if (rs->identity)
    run->shared[run->nr_shared++] = rs;
  return rs->identity ? rs : NULL;
}

static int
open_disks (struct run_vm *rv)
{
  const struct plan *plan = rv->run->session->plan;
  size_t i;

  for (i = 0; i < rv->pre->vm.disks.len; i++) {
    struct run_shared *rs;

    if (rv->pre->vm.disks.ptr[i].left_out) {
      if (!journal_disk_left_out (rv->journal, i) &&
          journal_disk_leave_out (rv->journal, i) == -1)
        return -1;
      continue;
    }
    if (rv->pre->disks[i].shared == NULL)
      continue;
    rs = find_or_open (rv, i);
    if (rs == NULL || rs->broken)
      return -1;
    if (rs->journal &&
        shared_disk_add_user (rs->folder, plan, rv->pre->names.vm) == -1)
      return -1;
    rv->shared[i] = rs;
  }
  return 0;
}

void
run_shared_open (struct run *run)
{
  size_t i, n = 0;

  for (i = 0; i < run->nr_vms; i++)
    n += run->vms[i].pre->vm.disks.len;
  run->shared = calloc (n + 1, sizeof *run->shared);
  if (run->shared == NULL)
    log_oom ();
  for (i = 0; i < run->nr_vms; i++) {
    struct run_vm *rv = &run->vms[i];

    if (rv->result != STATUS_OK)
      continue;
    log_scope_enter (&rv->scope);
    if (run->shared == NULL || open_disks (rv) == -1)
      rv->result = STATUS_TARGET;
    log_scope_leave (&rv->scope);
  }
}

static void
shared_free (struct run_shared *rs)
{
  target_volume_free (rs->volume);
  journal_close (rs->journal);
  pthread_mutex_destroy (&rs->lock);
  free (rs->identity);
  free (rs->owner);
  free (rs->folder);
  free (rs);
}

/* Nothing was copied to it. */
static void
remove_unused (struct run_shared *rs)
{
  CLEANUP_STRING_VECTOR string_vector removed = EMPTY_VECTOR;

  if (rs->volume == NULL || rs->journal == NULL || rs->volume->complete ||
      journal_disk_state (rs->journal, 0) != JOURNAL_DISK_NEW)
    return;
  if (rs->run->target_ops->remove_owned (rs->run->target, rs->owner, true,
                                         &removed) == 0)
    shared_disk_remove_folder (rs->folder);
}

void
run_shared_close (struct run *run)
{
  size_t i;

  for (i = 0; i < run->nr_shared; i++) {
    remove_unused (run->shared[i]);
    shared_free (run->shared[i]);
  }
  free (run->shared);
  run->shared = NULL;
  run->nr_shared = 0;
}

void
run_shared_forget (struct run_vm *rv)
{
  CLEANUP_FREE char *manifest = journal_published (rv->journal);
  size_t i;

  for (i = 0; manifest == NULL && i < rv->pre->vm.disks.len; i++)
    if (i < journal_nr_disks (rv->journal) && rv->pre->disks[i].shared &&
        journal_disk_state (rv->journal, i) != JOURNAL_DISK_NEW)
      journal_forget_disk (rv->journal, i);
}

static uint64_t
missing_bytes (const struct run_shared *rs, const struct vm_disk *d)
{
  struct stat st;
  uint64_t there;

  if (rs->volume == NULL || rs->volume->complete || rs->volume->block ||
      d->blank)
    return 0;
  there = stat (rs->volume->path, &st) == 0 ?
    (uint64_t) st.st_blocks * 512 : 0;
  return there < d->allocated ? d->allocated - there : 0;
}

uint64_t
run_shared_needed_space (const struct run *run)
{
  uint64_t sum = 0;
  size_t i, j, k;

  for (k = 0; k < run->nr_shared; k++) {
    bool counted = false;

    for (i = 0; i < run->nr_vms && !counted; i++) {
      const struct run_vm *rv = &run->vms[i];

      for (j = 0; j < rv->pre->vm.disks.len && !counted; j++) {
        if (rv->shared == NULL || rv->shared[j] != run->shared[k])
          continue;
        counted = true;
        if (!checked_add (sum, missing_bytes (run->shared[k],
                                              &rv->pre->vm.disks.ptr[j]),
                          &sum))
          return UINT64_MAX;
      }
    }
  }
  return sum;
}

bool
run_shared_is_attached (const struct run_vm *rv, size_t i)
{
  return atomic_load (&rv->shared[i]->complete) &&
    journal_disk_state (rv->journal, i) == JOURNAL_DISK_FINISHED;
}

void
run_shared_withdraw (struct run_vm *rv)
{
  const struct timespec pause = { .tv_nsec = 100000000 };
  size_t i;

  /* Before the wait: who takes the turn after it sees this. */
  atomic_store (&rv->goes_on, true);
  for (i = 0; rv->shared && i < rv->pre->vm.disks.len; i++) {
    struct run_shared *rs = rv->shared[i];
    bool busy = rs != NULL;

    while (busy) {
      pthread_mutex_lock (&rs->lock);
      busy = rs->worker != NULL;
      pthread_mutex_unlock (&rs->lock);
      if (busy)
        nanosleep (&pause, NULL);
    }
  }
}

/* RV does not use RS any more. */
static int
release (struct run_vm *rv, struct run_shared *rs)
{
  CLEANUP_STRING_VECTOR string_vector removed = EMPTY_VECTOR;
  struct run *run = rv->run;
  bool gone;

  if (rs->journal == NULL)
    return 0;
  if (shared_disk_release (run->target_ops, run->target, rs->folder,
                           run->session->plan, rv->pre->names.vm, false,
                           &removed, &gone) == -1)
    return -1;
  if (!gone)
    return 0;
  atomic_store (&rs->complete, false);
  journal_close (rs->journal);
  rs->journal = NULL;
  target_volume_free (rs->volume);
  rs->volume = NULL;
  return 0;
}

int
run_shared_release (struct run_vm *rv)
{
  int r = 0;
  size_t i;

  for (i = 0; rv->shared && i < rv->pre->vm.disks.len; i++) {
    struct run_shared *rs = rv->shared[i];

    if (rs == NULL)
      continue;
    ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&rs->lock);
    if (release (rv, rs) == -1)
      r = -1;
  }
  return r;
}

void
run_shared_foreign (const struct run_vm *rv, bool *foreign)
{
  CLEANUP_FREE char *label =
    shared_disk_plan_label (rv->run->session->plan);
  size_t i;

  for (i = 0; i < rv->pre->vm.disks.len; i++) {
    const struct run_shared *rs = rv->shared[i];
    CLEANUP_FREE char *plan =
      rs && rs->journal ? journal_published (rs->journal) : NULL;

    foreign[i] = rs && (rs->journal == NULL ||
                        (plan && label && strcmp (plan, label) != 0));
  }
}

int
run_shared_published (struct run_vm *rv)
{
  CLEANUP_FREE char *label =
    shared_disk_plan_label (rv->run->session->plan);
  size_t i;

  for (i = 0; label && i < rv->pre->vm.disks.len; i++) {
    struct journal *j = rv->shared[i] ? rv->shared[i]->journal : NULL;
    CLEANUP_FREE char *plan = j ? journal_published (j) : NULL;

    if (j && plan == NULL && journal_set_published (j, label) == -1)
      return -1;
  }
  return label ? 0 : -1;
}
