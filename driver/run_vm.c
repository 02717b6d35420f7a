/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The steps of one VM, in one thread.  Each step asks the journal what
 * is left to do, so that a run started again walks through the same
 * code and does only what is missing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/json/json.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/cancel.h"
#include "driver/plan_state.h"
#include "driver/run_shared.h"

bool
run_vm_cancelled (const struct run_vm *rv)
{
  return cancel_requested () || atomic_load (&rv->cancel);
}

bool
run_vm_stopped (void *opaque)
{
  const struct run_vm *rv = opaque;

  return run_vm_cancelled (rv) || atomic_load (&rv->stop);
}

/* Forklift has no word for a VM that is suspended. */
static const char *
power_word (enum vm_power power)
{
  return power == VM_POWER_ON || power == VM_POWER_OFF ?
    vm_power_name (power) : vm_power_name (VM_POWER_UNKNOWN);
}

int
run_vm_prepare (struct run_vm *rv)
{
  log_scope_enter (&rv->scope);
  rv->volumes = calloc (rv->pre->vm.disks.len + 1, sizeof *rv->volumes);
  rv->shared = calloc (rv->pre->vm.disks.len + 1, sizeof *rv->shared);
  if (rv->volumes == NULL || rv->shared == NULL)
    log_oom ();
  else
    rv->journal = journal_open (rv->folder, &rv->pre->vm);
  if (rv->journal)
    rv->status.restore_power = power_word (run_power_before (rv));
  /* A request that a run which was killed did not come to. */
  plan_state_withdraw_cancel (rv->folder);
  if (rv->journal)
    run_shared_forget (rv);
  if (rv->journal == NULL ||
      journal_check_source (rv->journal, &rv->pre->vm) == -1)
    rv->result = STATUS_FAILED;
  log_scope_leave (&rv->scope);
  return rv->result == STATUS_OK ? 0 : -1;
}

void
run_vm_free (struct run_vm *rv)
{
  size_t i;

  for (i = 0; rv->volumes && i < rv->pre->vm.disks.len; i++)
    target_volume_free (rv->volumes[i]);
  free (rv->volumes);
  free (rv->shared);
  journal_close (rv->journal);
  vm_status_free (&rv->status);
  free (rv->folder);
}

struct verify_progress {
  struct run_vm *rv;
  struct progress_line *line;
  struct progress_item *item;
};

static bool
verify_progress (void *opaque, uint64_t done, uint64_t total)
{
  struct verify_progress *v = opaque;

  if (v->item == NULL)
    v->item = progress_item_new (v->line, NULL, PROGRESS_BYTES, total);
  progress_set (v->item, done);
  return !run_vm_stopped (v->rv);
}

/* Check the source's own checksums before its data is trusted.  Not
 * again when they were right and the source is the same, nor when there
 * is nothing left to copy.
 */
static int
verify_source (struct run_vm *rv, struct progress_line *line)
{
  const struct session *s = rv->run->session;
  struct verify_progress v = { .rv = rv, .line = line };

  if (s->ops->verify == NULL || rv->copied_before ||
      journal_verified (rv->journal))
    return 0;
  if (!rv->run->options->verify_manifest) {
    log_warning ("the source's checksums are not verified: "
                 "--no-verify-manifest was given");
    rv->manifest_skipped = true;
    return 0;
  }
  if (s->ops->verify (s->source, &rv->pre->vm, verify_progress, &v) == -1) {
    rv->result = errno == ECANCELED ? STATUS_CANCELLED : STATUS_SOURCE;
    return -1;
  }
  if (journal_set_verified (rv->journal) == -1) {
    rv->result = STATUS_FAILED;
    return -1;
  }
  return 0;
}

/* Is there a disk that has still to be copied? */
static bool
nothing_to_copy (const struct run_vm *rv)
{
  size_t i;

  for (i = 0; i < rv->pre->vm.disks.len; i++)
    if (run_must_copy (rv, i))
      return false;
  return rv->pre->vm.disks.len > 0;
}

static int
step_initialize (struct run_vm *rv, struct progress_line *line)
{
  rv->copied_before = nothing_to_copy (rv);
  if (rv->copied_before)
    log_info ("nothing to copy: all disks are complete since an earlier "
              "run");
  if (verify_source (rv, line) == -1)
    return -1;
  if (!rv->copied_before && run_power_down (rv) == -1)
    return -1;
  atomic_store (&rv->off, true);
  return 0;
}

static int
step_transfer (struct run_vm *rv, struct progress_line *line)
{
  size_t i;

  for (i = 0; i < rv->pre->vm.disks.len; i++)
    if (!run_must_copy (rv, i)) {
      struct task_status *task = &rv->status.tasks[i];

      atomic_store (&task->done, task->total);
      atomic_store (&task->phase, PHASE_COMPLETED);
    }
  if (rv->copied_before)
    return 0;
  if (run_transfer (rv, line) == -1) {
    if (rv->result == STATUS_SOURCE && !run_vm_cancelled (rv))
      run_power_check (rv);
    return -1;
  }
  return run_power_check (rv);
}

static int
step_create_vm (struct run_vm *rv, struct progress_line *line)
{
  return run_finish (rv) == 0 ? run_power_done (rv) : -1;
}

static const struct {
  enum run_step step;
  int (*run) (struct run_vm *rv, struct progress_line *line);
} pipeline[] = {
  { STEP_PRE_HOOK, run_pre_hook },      /* before anything is touched */
  { STEP_INITIALIZE, step_initialize },
  { STEP_DISK_TRANSFER, step_transfer },
  { STEP_IMAGE_CONVERSION, run_convert },
  { STEP_VM_CREATION, step_create_vm },
  { STEP_POST_HOOK, run_post_hook },
};

/* Run one step with its status and progress. */
static int
run_step (struct run_vm *rv, size_t i)
{
  const enum run_step step = pipeline[i].step;
  struct progress_line *line;
  int r = -1;

  rv->scope.step = run_step_name (step);
  vm_status_begin (&rv->status, step);
  line = progress_begin (rv->run->progress, rv->scope.vm, rv->scope.step);
  if (run_vm_cancelled (rv))
    rv->result = STATUS_CANCELLED;
  else
    r = pipeline[i].run (rv, line);
  progress_finish (line, r == 0);
  vm_status_end (&rv->status, step, r == 0);
  return r;
}

/* Is the VM on the target, whatever comes after that? */
static bool
is_created (const struct run_vm *rv)
{
  const struct step_status *s = &rv->status.steps[STEP_VM_CREATION];

  return s->phase == PHASE_COMPLETED && !s->failed;
}

void
run_vm_pipeline (struct run_vm *rv)
{
  size_t i;
  int r = 0;

  log_scope_enter (&rv->scope);
  for (i = 0; i < sizeof pipeline / sizeof pipeline[0] && r == 0; i++)
    if (rv->status.steps[pipeline[i].step].present) {
      r = run_step (rv, i);
      /* The next VM of its host can begin. */
      if (pipeline[i].step == STEP_DISK_TRANSFER)
        run_vm_shrink (rv, 0);
    }
  if (r == -1) {
    /* What fails because we are being cancelled is no failure. */
    if (run_vm_cancelled (rv))
      rv->result = STATUS_CANCELLED;
    else if (rv->result == STATUS_OK)
      rv->result = STATUS_FAILED;
    /* A PostHook comes when the VM is on the target, and on the source it
     * is to stay off.
     */
    if (!is_created (rv)) {
      run_power_restore (rv);
      run_clean_up (rv);
    }
    if (rv->result == STATUS_CANCELLED && !atomic_load (&rv->cancel))
      log_info ("cancelled; %s", rv->discarded ?
                "the next run copies everything again, because the VM is on" :
                "what was copied is kept for the next run");
  }
  vm_status_outcome (&rv->status, r == 0 ? OUTCOME_SUCCEEDED :
                     rv->result == STATUS_CANCELLED ? OUTCOME_CANCELED :
                     OUTCOME_FAILED);
  log_scope_leave (&rv->scope);
  atomic_store (&rv->ended, true);
}
