/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Who copies a shared disk, and when.
 *
 * A VM that waits for its turn holds nothing that another one waits for:
 * each disk is waited for by a thread of its own, and room on the host is
 * taken only with the turn.  So any arrangement of VMs and disks comes to
 * its end, cycles too.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/copy/digest_tree.h"
#include "driver/run_shared_private.h"
#include "driver/shared_disk.h"

static const char *
name_of (const struct run_vm *rv)
{
  return printable (rv->pre->vm.name);
}

/* Also one that could not be prepared. */
static bool
has_disk (const struct run_vm *rv, const struct run_shared *rs)
{
  size_t i;

  for (i = 0; i < rv->pre->vm.disks.len; i++) {
    const char *identity = rv->pre->disks[i].shared;

    if (identity && strcmp (identity, rs->identity) == 0)
      return true;
  }
  return false;
}

/* A VM of the run that has the disk and may still be on; NULL: all are off,
 * or never will be.
 */
static const struct run_vm *
not_off_yet (const struct run_shared *rs, const struct run_vm *rv)
{
  const struct run *run = rs->run;
  size_t i;

  for (i = 0; i < run->nr_vms; i++) {
    const struct run_vm *other = &run->vms[i];

    if (other != rv && has_disk (other, rs) && !atomic_load (&other->off) &&
        !atomic_load (&other->ended))
      return other;
  }
  return NULL;
}

/* True if it is RV's turn now. */
static bool
try_turn (struct run_shared *rs, struct run_vm *rv,
          const struct run_vm **waits_for)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&rs->lock);

  *waits_for = rs->worker;
  if (rs->worker == NULL && !atomic_load (&rs->complete))
    *waits_for = not_off_yet (rs, rv);
  if (*waits_for)
    return false;
  rs->worker = rv;
  return true;
}

static bool
take_turn (struct run_shared *rs, struct run_vm *rv, const char *name)
{
  const struct timespec pause = { .tv_nsec = 100000000 };
  const struct run_vm *waits_for;
  bool told = false;

  while (!run_vm_stopped (rv)) {
    if (try_turn (rs, rv, &waits_for))
      return true;
    if (!told)
      log_info ("shared disk %s: waits for VM %s, which has it too",
                printable (name), name_of (waits_for));
    told = true;
    nanosleep (&pause, NULL);
  }
  return false;
}

static void
give_turn (struct run_shared *rs)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&rs->lock);

  rs->worker = NULL;
}

/* All VMs of the run that have the disk must be off; that of RV is looked
 * after elsewhere.  STATUS_OK, or reported.
 */
static enum exit_status
check_power (const struct run_shared *rs, const struct run_vm *rv)
{
  const struct run *run = rs->run;
  const struct source_ops *ops = run->session->ops;
  enum vm_power state = VM_POWER_ON;
  bool goes_on;
  size_t i;

  for (i = 0; ops->power_state && i < run->nr_vms; i++) {
    const struct run_vm *other = &run->vms[i];

    if (other == rv || !has_disk (other, rs))
      continue;
    goes_on = atomic_load (&other->goes_on);
    if (!goes_on && ops->power_state (run->session->source, &other->pre->vm,
                                      &state) == -1)
      return STATUS_SOURCE;
    if (!goes_on && state == VM_POWER_OFF)
      continue;
    log_error ("VM %s, which has this shared disk too, is not off%s: the copy "
               "would be torn; shut that VM down and start again",
               name_of (other), goes_on ? " any more, since its migration "
               "has failed or was cancelled" : "");
    return STATUS_SOURCE;
  }
  return STATUS_OK;
}

/* Has the disk changed on the source since its journal was written? */
static int
has_changed (const struct run_shared *rs, const struct vm_disk *d)
{
  struct log_scope scope = { .hold = true };
  CLEANUP_VM struct vm vm;
  int r;

  vm_init (&vm);
  if (rs->journal == NULL)
    return 0;
  if (run_shared_as_vm (rs, d, &vm) == -1)
    return -1;
  log_scope_enter (&scope);
  r = journal_check_source (rs->journal, &vm);
  log_scope_drop (&scope);
  log_scope_leave (&scope);
  if (r == -1 && errno != ESTALE)
    log_oom ();
  return r == 0 ? 0 : errno == ESTALE ? 1 : -1;
}

/* Forget what is on the target: an empty volume, as if new. */
static enum exit_status
begin_again (struct run_vm *rv, size_t i)
{
  struct run_shared *rs = rv->shared[i];
  struct run *run = rv->run;

  atomic_store (&rs->complete, false);
  if (run_forget_copy (rs->folder, 0) == -1)
    return STATUS_FAILED;
  if (run->target_ops->remove (run->target,
                               run->session->plan->target_namespace,
                               rv->pre->names.pvc[i], rs->owner) == -1)
    return STATUS_TARGET;
  target_volume_free (rs->volume);
  if (run_create_volume (rv, i, rs->owner, &rs->volume) == -1)
    return STATUS_TARGET;
  return journal_forget_all (rs->journal) == -1 ? STATUS_FAILED : STATUS_OK;
}

/* Let RV's journal know the volume, and what was read of the source. */
static int
record (struct run_vm *rv, size_t i)
{
  const struct target_volume *v = rv->shared[i]->volume;
  CLEANUP_FREE char *path = run_digest_path (rv->folder, i);
  struct digest_tree *tree = path ? digest_tree_load (v->digest_path) : NULL;
  char hex[65];
  int r;

  if (tree == NULL)
    return -1;
  r = digest_tree_save (tree, path);
  if (r == 0)
    r = digest_tree_root (tree, hex);
  digest_tree_free (tree);
  if (r == -1 ||
      journal_disk_created (rv->journal, i,
                            &rv->pre->vm.disks.ptr[i]) == -1 ||
      journal_disk_copied (rv->journal, i, hex) == -1)
    return -1;
  return journal_disk_finished (rv->journal, i, v->final_path,
                                v->digest_path, hex, false);
}

static enum exit_status
attach (struct run_vm *rv, size_t i)
{
  CLEANUP_FREE char *manifest = journal_published (rv->journal);

  if (manifest && access (manifest, F_OK) == 0)
    log_warning ("the VM was made without this disk: to have it attached, "
                 "remove %s and start again", printable (manifest));
  return record (rv, i) == -1 ? STATUS_FAILED : STATUS_OK;
}

/* The copy is on the target: give it its name. */
static enum exit_status
finish (struct run_vm *rv, size_t i)
{
  struct run_shared *rs = rv->shared[i];
  const struct run_disk place = run_disk_place (rv, i);

  if (run_finish_disk (rv, &place, &rv->pre->vm.disks.ptr[i], false) == -1)
    return rv->result == STATUS_OK ? STATUS_FAILED : rv->result;
  atomic_store (&rs->complete, true);
  return attach (rv, i);
}

/* The disk has changed since it was copied.  Nobody else must use that
 * copy, if it is complete.  0, or -1 reported.
 */
static int
check_unused (const struct run_vm *rv, const struct run_shared *rs)
{
  CLEANUP_FREE char *plan = journal_published (rs->journal);
  int used;

  if (!atomic_load (&rs->complete))
    return 0;
  used = shared_disk_has_users (rs->folder, rv->run->session->plan,
                                rv->pre->names.vm);
  if (used == -1)
    return -1;
  if (plan == NULL && used == 0)
    return 0;
  log_error ("this shared disk has changed on the source since it was copied, "
             "and another VM uses that copy: cancel that VM or remove it with "
             "%s, or use another output folder", rs->volume->final_path);
  return -1;
}

/* In RV's turn.  As run_shared_begin. */
static int
decide (struct run_vm *rv, size_t i, enum exit_status *status)
{
  struct run_shared *rs = rv->shared[i];
  const struct vm_disk *d = &rv->pre->vm.disks.ptr[i];
  const int changed = has_changed (rs, d);

  *status = STATUS_FAILED;
  if (changed == -1)
    return -1;
  if (atomic_load (&rs->complete) && !changed) {
    log_info ("shared disk %s: is attached as %s, since it has been copied "
              "already", printable (d->name), rv->pre->names.pvc[i]);
    *status = attach (rv, i);
    return *status == STATUS_OK ? 0 : -1;
  }
  if (changed && check_unused (rv, rs) == -1)
    return -1;
  if (!rv->run->session->plan->migrate_shared_disks) {
    log_error ("this shared disk %s, and migrateSharedDisks is false: set it "
               "to true to have it copied", changed ?
               "has changed on the source since it was copied" :
               "is not on the target any more");
    return -1;
  }
  *status = check_power (rs, rv);
  if (*status == STATUS_OK && changed) {
    log_warning ("this shared disk has changed on the source since it was "
                 "copied: it is copied again");
    *status = begin_again (rv, i);
  }
  if (*status != STATUS_OK)
    return -1;
  if (journal_disk_state (rs->journal, 0) != JOURNAL_DISK_COPIED)
    return 1;
  *status = finish (rv, i);     /* an earlier run was killed before that */
  return *status == STATUS_OK ? 0 : -1;
}

int
run_shared_begin (struct run_vm *rv, size_t i, enum exit_status *status)
{
  struct run_shared *rs = rv->shared[i];
  int r;

  *status = STATUS_CANCELLED;
  if (!take_turn (rs, rv, rv->pre->vm.disks.ptr[i].name))
    return -1;
  r = decide (rv, i, status);
  if (r != 1)
    give_turn (rs);
  return r;
}

int
run_shared_created (const struct run_vm *rv, size_t i)
{
  const struct run_shared *rs = rv->shared[i];
  CLEANUP_VM struct vm vm;

  if (run_shared_as_vm (rs, &rv->pre->vm.disks.ptr[i], &vm) == -1)
    return -1;
  return journal_disk_created (rs->journal, 0, &vm.disks.ptr[0]);
}

enum exit_status
run_shared_end (struct run_vm *rv, size_t i, enum exit_status status)
{
  struct run_shared *rs = rv->shared[i];

  if (status == STATUS_OK) {
    status = check_power (rs, rv);
    if (status != STATUS_OK)
      begin_again (rv, i);
  }
  if (status == STATUS_OK)
    status = finish (rv, i);
  give_turn (rs);
  return status;
}
