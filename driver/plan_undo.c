/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Undo what a run that is over made for a VM.  The volumes are known by
 * their owners, so that the source is needed only for a VM that we have
 * powered off.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/include/cleanup.h"
#include "common/json/json.h"
#include "common/util/log.h"
#include "driver/plan_state.h"
#include "driver/power.h"
#include "driver/run.h"
#include "driver/shared_disk.h"

int
plan_state_remove_volumes (const struct target_ops *ops, void *target,
                           const struct plan *plan, const char *id,
                           bool keep_finished, string_vector *removed)
{
  CLEANUP_FREE char *prefix = NULL;

  /* As run_owner makes them. */
  if (asprintf (&prefix, "plan %s/%s vm %s disk ", plan->meta.namespace_ ?
                plan->meta.namespace_ : "default", plan->meta.name,
                id) == -1) {
    prefix = NULL;
    log_oom ();
    return -1;
  }
  return ops->remove_owned (target, prefix, keep_finished, removed);
}

const char *
plan_undo_id (const json_t *status, const struct journal *j,
              const char *target)
{
  const json_t *vms =
    json_object_get (json_object_get (json_object_get (status, "status"),
                                      "migration"), "vms");
  const json_t *vm;
  size_t i;

  if (j)
    return journal_vm_text (j, "id");
  json_array_foreach (vms, i, vm) {
    const char *name = json_get_string (vm, "newName",
                                        json_get_string (vm, "name", ""));

    if (strcmp (name, target) == 0)
      return json_get_string (vm, "id", NULL);
  }
  return NULL;
}

bool
plan_undo_is_called (const json_t *status, const struct journal *j,
                     const char *target, const char *name)
{
  const char *id = plan_undo_id (status, j, target);
  const char *own = j ? journal_vm_text (j, "name") : NULL;

  return strcmp (target, name) == 0 || (id && strcmp (id, name) == 0) ||
    (own && strcmp (own, name) == 0);
}

int
plan_undo_mark_cancelled (json_t *status, const char *id)
{
  json_t *migration =
    json_object_get (json_object_get (status, "status"), "migration");
  json_t *vm;
  char now[32];
  size_t i;

  format_rfc3339 (time (NULL), now);
  json_array_foreach (json_object_get (migration, "vms"), i, vm)
    if (id && strcmp (json_get_string (vm, "id", ""), id) == 0 &&
        (json_set_string (vm, "phase", "Completed") == -1 ||
         json_set_string (vm, "completed", now) == -1 ||
         json_set (vm, "conditions",
                   json_pack ("[{s:s, s:s, s:s, s:s, s:s}]", "type",
                              "Canceled", "status", "True", "category",
                              "Advisory", "reason", "UserRequested",
                              "lastTransitionTime", now)) == -1))
      return -1;
  return 0;
}

int
plan_state_remove_manifest (const struct target_ops *ops, void *target,
                            const struct plan *plan, const struct journal *j,
                            const char *target_name, string_vector *removed)
{
  if (j == NULL || !journal_publishing (j))
    return 0;
  return ops->unpublish (target, plan->target_namespace, target_name,
                         removed);
}

/* Power the VM on again that we have powered off. */
static int
restore_power (struct plan_undo *u, struct journal *j, const char *id)
{
  const struct source_ref ref = { .id = (char *) id };
  const struct power_options options = { 0 };
  struct session *s = u->session;
  CLEANUP_VM struct vm vm;
  struct power p;

  vm_init (&vm);
  if (s->source == NULL && session_open (s) == -1)
    return -1;
  if (s->ops->describe (s->source, &ref, &vm) == -1)
    return -1;
  p = (struct power) {
    .ops = s->ops,
    .session = s->source,
    .vm = &vm,
    .journal = j,
    .options = &options,
  };
  return power_restore (&p);
}

int
plan_undo_vm (struct plan_undo *u, struct journal *j, const char *target,
              bool keep_finished, enum exit_status *status)
{
  CLEANUP_FREE char *folder = run_vm_folder (u->folder, target);
  const char *id = plan_undo_id (u->status, j, target);
  bool ours = false;

  *status = STATUS_TARGET;
  if (folder == NULL ||
      plan_state_remove_manifest (u->ops, u->target, u->session->plan, j,
                                  target, &u->removed) == -1)
    return -1;
  if (id && plan_state_remove_volumes (u->ops, u->target, u->session->plan,
                                       id, keep_finished,
                                       &u->removed) == -1)
    return -1;
  if (shared_disk_release_all (u->ops, u->target, u->folder,
                               u->session->plan, target, keep_finished,
                               &u->removed) == -1)
    return -1;
  if (j)
    journal_power (j, &ours);
  if (ours && restore_power (u, j, id) == -1) {
    log_error ("%s: the VM was powered off for its migration and cannot be "
               "powered on again: see that the source can be reached, and "
               "start again", target);
    *status = STATUS_SOURCE;
    return -1;
  }
  if (plan_state_remove_tree (folder) == -1)
    return -1;
  *status = STATUS_OK;
  return 0;
}
