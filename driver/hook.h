/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Hooks: what a user lets run before or after the migration of a VM.
 *
 * A playbook is run by this machine's ansible-playbook; an image without
 * a playbook by podman.  As in Forklift's pods the files plan.yml,
 * workload.yml and playbook.yml are beside each other: in a private
 * folder, which is the playbook's working directory, or at /tmp/hook in
 * the container.
 */
#ifndef NBDLIFT_HOOK_H
#define NBDLIFT_HOOK_H

#include <stdbool.h>

#include <jansson.h>

#include "common/vm/vm.h"
#include "driver/plan/plan.h"

struct hook_input {
  const struct plan_hook *hook;
  const char *step;             /* "PreHook" or "PostHook" */
  const struct plan *plan;
  const struct plan_provider *provider;         /* the source */
  const struct vm *vm;
  const char *folder;           /* of the VM's state, mode 0700: the log
                                   STEP.log stays there, all else that is
                                   made in it is removed at the end */
  bool (*cancelled) (void *opaque);     /* polled */
  void *opaque;
};

/* The program that runs HOOK: "ansible-playbook" or "podman". */
extern const char *hook_program (const struct plan_hook *hook);

/* Run the hook to its end.  0 if it succeeded; else -1 with errno, and a
 * report that holds the last lines of its output: EIO it failed,
 * ETIMEDOUT its deadline has passed, ECANCELED unreported.  Nothing that
 * it has started is running then, but for what left its process group.
 */
extern int hook_run (const struct hook_input *in);

/* The last lines of a hook's output as one line for people (malloc'ed):
 * printable, without Ansible's recap, and not too long.  "" when there
 * was no output.  NULL reported.
 */
extern char *hook_tail (const char *text, size_t len);

/* hook_data.c: the content of plan.yml and of workload.yml, as Forklift
 * writes them: the names of Go's fields in lower case, and the parts of a
 * VM both flat and nested (vm.name and vm.vm1.vm0.name).  No secret is
 * among them.  A new reference; NULL reported.
 */
extern json_t *hook_plan_data (const struct plan *plan);
extern json_t *hook_workload_data (const struct plan_provider *provider,
                                   const struct vm *vm);

#endif /* NBDLIFT_HOOK_H */
