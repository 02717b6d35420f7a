/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The hooks of a VM in the pipeline.  One that has succeeded is in the
 * journal and is not run again, whatever happens to the VM after it; but
 * for a PreHook when the source VM has run on since, because what it has
 * prepared there is gone.
 */
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/hook.h"
#include "driver/run.h"

static const struct plan_hook *
find_hook (const struct run_vm *rv, bool post)
{
  const struct session *s = rv->run->session;
  const plan_vm_hook_vector *hooks = &rv->pre->pvm->hooks;
  size_t i;

  for (i = 0; i < hooks->len; i++)
    if (hooks->ptr[i].post == post)
      return plan_find_hook (&s->set, &hooks->ptr[i].hook,
                             s->plan->meta.namespace_);
  return NULL;
}

static char *
hook_label (const struct plan_hook *hook)
{
  char *label;

  if (asprintf (&label, "%s/%s", hook->meta.namespace_ ?
                hook->meta.namespace_ : "default", hook->meta.name) == -1) {
    log_oom ();
    return NULL;
  }
  return label;
}

static int
run_hook (struct run_vm *rv, enum run_step step)
{
  const struct session *s = rv->run->session;
  const struct plan_hook *hook = find_hook (rv, step == STEP_POST_HOOK);
  const struct hook_input in = {
    .hook = hook,
    .step = run_step_name (step),
    .plan = s->plan,
    .provider = s->provider,
    .vm = &rv->pre->vm,
    .folder = rv->folder,
    .cancelled = run_vm_stopped,
    .opaque = rv,
  };
  CLEANUP_FREE char *label = NULL, *done = NULL;

  if (hook == NULL) {           /* plan_check has refused that */
    log_error ("the %s of this VM is not in the plan's files", in.step);
    return -1;
  }
  label = hook_label (hook);
  if (label == NULL)
    return -1;
  done = journal_hook (rv->journal, in.step);
  if (done && strcmp (done, label) == 0) {
    log_info ("hook %s is not run again: it has succeeded in an earlier "
              "run", printable (label));
    return 0;
  }
  log_info ("hook %s is run by %s", printable (label), hook_program (hook));
  if (hook_run (&in) == -1)
    return -1;
  return journal_set_hook (rv->journal, in.step, label);
}

int
run_pre_hook (struct run_vm *rv, struct progress_line *line)
{
  CLEANUP_FREE char *manifest = journal_published (rv->journal);
  bool migrated = manifest != NULL;
  size_t i;

  for (i = 0; i < rv->pre->vm.disks.len; i++)
    migrated &= !run_must_copy (rv, i);
  if (migrated) {
    log_info ("the PreHook is not run: the VM has been migrated already");
    return 0;
  }
  return run_hook (rv, STEP_PRE_HOOK);
}

int
run_post_hook (struct run_vm *rv, struct progress_line *line)
{
  return run_hook (rv, STEP_POST_HOOK);
}

int
run_forget_pre_hook (struct run_vm *rv)
{
  return journal_forget_hook (rv->journal, run_step_name (STEP_PRE_HOOK));
}
