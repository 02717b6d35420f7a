/* SPDX-License-Identifier: BSD-3-Clause
 *
 * nbdlift cancel, seen from the run that goes on.  A VM that works is
 * stopped as by a signal, which powers its source on again; once it has
 * ended, what was made for it is removed.  And what the Migration cancels
 * at its beginning.
 */
#include <errno.h>

#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "driver/cancel.h"
#include "driver/plan_state.h"
#include "driver/run_shared.h"

/* Its threads have ended. */
static void
undo (struct run_vm *rv)
{
  CLEANUP_STRING_VECTOR string_vector removed = EMPTY_VECTOR;
  CLEANUP_FREE char *manifest =
    rv->journal ? journal_published (rv->journal) : NULL;
  bool ours = false;

  if (manifest) {
    log_warning ("is not cancelled: it has been migrated already");
    plan_state_withdraw_cancel (rv->folder);
    return;
  }
  if (rv->journal)
    journal_power (rv->journal, &ours);
  if (plan_state_remove_manifest (rv->run->target_ops, rv->run->target,
                                  rv->run->session->plan, rv->journal,
                                  rv->pre->names.vm, &removed) == -1) {
    plan_state_withdraw_cancel (rv->folder);
    return;
  }
  if (ours || (rv->journal && journal_forget_all (rv->journal) == -1) ||
      plan_state_remove_volumes (rv->run->target_ops, rv->run->target,
                                 rv->run->session->plan, rv->pre->vm.id,
                                 false, &removed) == -1 ||
      run_shared_release (rv) == -1 ||
      plan_state_remove_tree (rv->folder) == -1) {
    if (ours)
      log_error ("the VM is still off on the source: nbdlift cancel, after "
                 "the end of this run, tries once more to power it on");
    plan_state_withdraw_cancel (rv->folder);
    return;
  }
  rv->result = STATUS_CANCELLED;
  rv->status.cancelled = true;
  vm_status_outcome (&rv->status, OUTCOME_CANCELED);
  log_info ("cancelled; what was made for it is removed");
}

/* Does the Migration cancel the VM in TARGET's folder? */
static bool
is_cancelled (const struct run *run, const struct journal *j,
              const char *target)
{
  const struct plan_migration *m = run->session->migration;
  size_t i;

  for (i = 0; i < m->cancel.len; i++) {
    const struct plan_ref *ref = &m->cancel.ptr[i];

    if (plan_undo_is_called (run->before, j, target,
                             ref->id ? ref->id : ref->name))
      return true;
  }
  return false;
}

/* J can be NULL: nothing is known of the VM. */
static enum exit_status
undo_one (struct run *run, struct plan_undo *u, struct journal *j,
          const char *target)
{
  CLEANUP_FREE char *manifest = j ? journal_published (j) : NULL;
  enum exit_status status = STATUS_OK;

  if (manifest) {
    log_warning ("%s: is in the Migration's spec.cancel, but has been "
                 "migrated already: it is left alone", target);
    return STATUS_OK;
  }
  if (plan_undo_mark_cancelled (run->before,
                                plan_undo_id (run->before, j, target)) == -1)
    return STATUS_FAILED;
  if (plan_undo_vm (u, j, target, false, &status) == 0)
    log_info ("%s: cancelled; what was made for it is removed", target);
  return status;
}

enum exit_status
run_undo_cancelled (struct run *run)
{
  CLEANUP_STRING_VECTOR string_vector targets = EMPTY_VECTOR;
  struct plan_undo u = {
    .session = run->session,
    .ops = run->target_ops,
    .target = run->target,
    .folder = run->folder,
    .status = run->before,
  };
  enum exit_status status = STATUS_OK, r;
  size_t i;

  if (run->session->migration == NULL ||
      run->session->migration->cancel.len == 0)
    return STATUS_OK;
  if (plan_state_vms (run->folder, &targets) == -1)
    return STATUS_FAILED;
  for (i = 0; i < targets.len; i++) {
    const char *target = targets.ptr[i];
    CLEANUP_FREE char *folder = run_vm_folder (run->folder, target);
    struct journal *j = folder ? journal_load (folder) : NULL;

    if (folder == NULL || (j == NULL && errno != ENOENT))
      r = STATUS_FAILED;
    else
      r = is_cancelled (run, j, target) ? undo_one (run, &u, j, target) :
        STATUS_OK;
    if (r != STATUS_OK)
      status = r;
    journal_close (j);
  }
  string_vector_free (&u.removed);
  return status;
}

void
run_look_for_cancels (struct run *run)
{
  size_t i;

  if (cancel_requested ())
    run_schedule_wake (run);
  for (i = 0; i < run->nr_vms; i++) {
    struct run_vm *rv = &run->vms[i];

    if (!plan_state_is_asked (rv->folder))
      continue;
    if (!atomic_exchange (&rv->cancel, true))
      run_schedule_wake (run);
    if (!atomic_load (&rv->ended))
      continue;
    log_scope_enter (&rv->scope);
    undo (rv);
    log_scope_leave (&rv->scope);
  }
}
