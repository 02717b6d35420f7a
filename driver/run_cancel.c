/* SPDX-License-Identifier: BSD-3-Clause
 *
 * nbdlift cancel, seen from the run that goes on.  A VM that works is
 * stopped as by a signal, which powers its source on again; once it has
 * ended, what was made for it is removed.
 */
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
