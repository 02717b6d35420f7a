/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the status of a run repeats of the plan, as Forklift does: the
 * entry of each VM, and which objects the run was of, by name and uid.
 */
#include <stddef.h>

#include "common/include/cleanup.h"
#include "common/json/json.h"
#include "common/util/log.h"
#include "driver/run_status.h"

/* A new reference, empty if there is no object. */
static json_t *
ref_to_json (const struct object_meta *meta)
{
  CLEANUP_JSON json_t *j = json_object ();

  if (j == NULL) {
    log_oom ();
    return NULL;
  }
  if (meta && (json_set_string (j, "namespace", meta->namespace_) == -1 ||
               json_set_string (j, "name", meta->name) == -1 ||
               json_set_string (j, "uid", meta->uid) == -1))
    return NULL;
  return json_incref (j);
}

static json_t *
name_to_json (const struct object_ref *ref)
{
  CLEANUP_JSON json_t *j = json_object ();

  if (j == NULL) {
    log_oom ();
    return NULL;
  }
  if (json_set_string (j, "namespace", ref->namespace_) == -1 ||
      json_set_string (j, "name", ref->name) == -1)
    return NULL;
  return json_incref (j);
}

static json_t *
hooks_to_json (const plan_vm_hook_vector *hooks)
{
  CLEANUP_JSON json_t *list = json_array ();
  size_t i;

  for (i = 0; list && i < hooks->len; i++) {
    const struct plan_vm_hook *hook = &hooks->ptr[i];
    json_t *name = name_to_json (&hook->hook);

    if (name == NULL)
      return NULL;
    if (json_array_append_new
        (list, json_pack ("{s:o, s:s}", "hook", name, "step",
                          hook->post ? "PostHook" : "PreHook")) == -1) {
      log_oom ();
      return NULL;
    }
  }
  return json_incref (list);
}

int
run_status_plan_vm (json_t *j, const struct plan_vm *pvm)
{
  if (json_set_string (j, "namespace", pvm->ref.namespace_) == -1 ||
      json_set_string (j, "type", pvm->ref.type) == -1 ||
      json_set_string (j, "targetName", pvm->target_name) == -1 ||
      json_set_string (j, "rootDisk", pvm->root_disk) == -1 ||
      json_set_string (j, "instanceType", pvm->instance_type) == -1)
    return -1;
  if (pvm->hooks.len > 0 &&
      json_set (j, "hooks", hooks_to_json (&pvm->hooks)) == -1)
    return -1;
  return pvm->luks.name ? json_set (j, "luks", name_to_json (&pvm->luks)) : 0;
}

json_t *
run_status_history (const struct session *s, json_t *conditions)
{
  const struct plan *plan = s->plan;
  const struct plan_provider *to =
    plan_find_provider (&s->set, &plan->destination, plan->meta.namespace_);
  const struct {
    const char *key;
    const struct object_meta *meta;
  } provider[] = {
    { "source", &s->provider->meta }, { "destination", to ? &to->meta : NULL },
  }, map[] = {
    { "network", &s->networks->meta }, { "storage", &s->storages->meta },
  };
  CLEANUP_JSON json_t *providers = json_object (), *maps = json_object ();
  CLEANUP_JSON json_t *j = json_object ();
  size_t i;

  if (providers == NULL || maps == NULL || j == NULL) {
    log_oom ();
    return NULL;
  }
  for (i = 0; i < 2; i++)
    if (json_set (providers, provider[i].key,
                  ref_to_json (provider[i].meta)) == -1 ||
        json_set (maps, map[i].key, ref_to_json (map[i].meta)) == -1)
      return NULL;
  if (json_set (j, "provider", json_incref (providers)) == -1 ||
      json_set (j, "plan", ref_to_json (&plan->meta)) == -1 ||
      (s->migration &&
       json_set (j, "migration", ref_to_json (&s->migration->meta)) == -1) ||
      json_set (j, "map", json_incref (maps)) == -1 ||
      json_set (j, "conditions", json_incref (conditions)) == -1)
    return NULL;
  return json_incref (j);
}
