/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a hook is told of the plan and of the VM.
 *
 * Forklift writes both with a marshaller that knows nothing of JSON names:
 * keys are the names of the fields of its structs in lower case, and a
 * struct that is embedded is a key of its own (ref, vm1, vm0).  Playbooks
 * rely on that.  The embedded ones are repeated here on the level above,
 * where people look for them.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/json/json.h"
#include "common/util/log.h"
#include "driver/hook.h"

/* A new empty VALUE at KEY of OBJ; borrowed.  NULL reported. */
static json_t *
add (json_t *obj, const char *key, json_t *value)
{
  return json_set (obj, key, value) == -1 ? NULL : value;
}

/* VALUE at the end of ARRAY; borrowed.  NULL reported. */
static json_t *
append (json_t *array, json_t *value)
{
  if (json_array_append_new (array, value) == -1) {
    log_oom ();
    return NULL;
  }
  return value;
}

/* Go writes a string that is not set as "". */
static int
set_text (json_t *obj, const char *key, const char *s)
{
  return json_set_string (obj, key, s ? s : "");
}

/* plan.yml */

static int
add_object_ref (json_t *obj, const char *key, const struct object_ref *ref)
{
  json_t *j = add (obj, key, json_object ());

  if (j == NULL ||
      set_text (j, "kind", NULL) == -1 ||
      set_text (j, "namespace", ref->namespace_) == -1 ||
      set_text (j, "name", ref->name) == -1)
    return -1;
  return 0;
}

static int
fill_ref (json_t *j, const struct plan_ref *ref)
{
  if (set_text (j, "id", ref->id) == -1 ||
      set_text (j, "name", ref->name) == -1 ||
      set_text (j, "namespace", ref->namespace_) == -1 ||
      set_text (j, "type", ref->type) == -1)
    return -1;
  return 0;
}

static const char *
power_word (enum power_target power)
{
  static const char *const words[] = {
    [POWER_AUTO] = "auto", [POWER_ON] = "on", [POWER_OFF] = "off",
  };

  return words[power];
}

static int
fill_plan_vm (json_t *j, const struct plan_vm *vm)
{
  json_t *ref = add (j, "ref", json_object ()), *hooks, *hook;
  size_t i;

  if (ref == NULL || fill_ref (ref, &vm->ref) == -1 ||
      fill_ref (j, &vm->ref) == -1)
    return -1;
  hooks = add (j, "hooks", json_array ());
  for (i = 0; hooks && i < vm->hooks.len; i++) {
    hook = append (hooks, json_object ());
    if (hook == NULL ||
        set_text (hook, "step",
                  vm->hooks.ptr[i].post ? "PostHook" : "PreHook") == -1 ||
        add_object_ref (hook, "hook", &vm->hooks.ptr[i].hook) == -1)
      return -1;
  }
  if (hooks == NULL ||
      add_object_ref (j, "luks", &vm->luks) == -1 ||
      set_text (j, "rootdisk", vm->root_disk) == -1 ||
      set_text (j, "instancetype", vm->instance_type) == -1 ||
      set_text (j, "pvcnametemplate", vm->pvc_name_template) == -1 ||
      set_text (j, "volumenametemplate", vm->volume_name_template) == -1 ||
      set_text (j, "networknametemplate", vm->network_name_template) == -1 ||
      set_text (j, "targetname", vm->target_name) == -1 ||
      set_text (j, "targetpowerstate", power_word (vm->power)) == -1 ||
      json_set_bool (j, "deletevmonfailmigration",
                     vm->delete_vm_on_fail) == -1)
    return -1;
  return 0;
}

static int
fill_plan_vms (json_t *j, const struct plan *plan)
{
  json_t *vms = add (j, "vms", json_array ()), *vm;
  size_t i;

  for (i = 0; vms && i < plan->vms.len; i++) {
    vm = append (vms, json_object ());
    if (vm == NULL || fill_plan_vm (vm, &plan->vms.ptr[i]) == -1)
      return -1;
  }
  return vms ? 0 : -1;
}

static int
add_pair (json_t *obj, const char *key, const char *first_key,
          const struct object_ref *first, const char *second_key,
          const struct object_ref *second)
{
  json_t *j = add (obj, key, json_object ());

  if (j == NULL || add_object_ref (j, first_key, first) == -1 ||
      add_object_ref (j, second_key, second) == -1)
    return -1;
  return 0;
}

static int
add_key_values (json_t *obj, const char *key, const key_value_vector *v)
{
  json_t *j = add (obj, key, json_object ());
  size_t i;

  for (i = 0; j && i < v->len; i++)
    if (set_text (j, v->ptr[i].key, v->ptr[i].value) == -1)
      return -1;
  return j ? 0 : -1;
}

static int
fill_plan (json_t *j, const struct plan *plan)
{
  if (set_text (j, "description", plan->description) == -1 ||
      set_text (j, "targetnamespace", plan->target_namespace) == -1 ||
      add_pair (j, "provider", "source", &plan->source, "destination",
                &plan->destination) == -1 ||
      add_pair (j, "map", "network", &plan->network_map, "storage",
                &plan->storage_map) == -1 ||
      fill_plan_vms (j, plan) == -1 ||
      json_set_bool (j, "warm", plan->warm) == -1 ||
      add_object_ref (j, "transfernetwork", &plan->transfer_network) == -1 ||
      json_set_bool (j, "archived", plan->archived) == -1 ||
      json_set_bool (j, "preserveclustercpumodel",
                     plan->preserve_cluster_cpu_model) == -1 ||
      json_set_bool (j, "preservestaticips",
                     plan->preserve_static_ips) == -1)
    return -1;
  if (set_text (j, "pvcnametemplate", plan->pvc_name_template) == -1 ||
      json_set_bool (j, "pvcnametemplateusegeneratename",
                     plan->pvc_name_use_generate_name) == -1 ||
      set_text (j, "volumenametemplate", plan->volume_name_template) == -1 ||
      set_text (j, "networknametemplate",
                plan->network_name_template) == -1 ||
      json_set_bool (j, "migrateshareddisks",
                     plan->migrate_shared_disks) == -1 ||
      json_set_bool (j, "skipguestconversion",
                     plan->skip_guest_conversion) == -1 ||
      json_set_bool (j, "usecompatibilitymode",
                     plan->use_compatibility_mode) == -1 ||
      json_set_bool (j, "deletevmonfailmigration",
                     plan->delete_vm_on_fail) == -1 ||
      set_text (j, "targetpowerstate", power_word (plan->power)) == -1 ||
      add_key_values (j, "targetlabels", &plan->target_labels) == -1 ||
      add_key_values (j, "targetnodeselector",
                      &plan->target_node_selector) == -1)
    return -1;
  return 0;
}

json_t *
hook_plan_data (const struct plan *plan)
{
  CLEANUP_JSON json_t *j = json_object ();

  if (j == NULL) {
    log_oom ();
    return NULL;
  }
  return fill_plan (j, plan) == -1 ? NULL : json_incref (j);
}

/* workload.yml */

static json_t *lower_case (const json_t *j);

static json_t *
lower_case_object (const json_t *j)
{
  CLEANUP_JSON json_t *r = json_object ();
  const char *key;
  const json_t *value;

  json_object_foreach ((json_t *) j, key, value) {
    char name[64];
    size_t i;

    for (i = 0; key[i] && i + 1 < sizeof name; i++)
      name[i] = tolower ((unsigned char) key[i]);
    name[i] = '\0';
    if (json_object_set_new (r, name, lower_case (value)) == -1)
      return NULL;
  }
  return json_incref (r);
}

/* A copy of J with all keys in lower case, or NULL, not reported. */
static json_t *
lower_case (const json_t *j)
{
  CLEANUP_JSON json_t *r = NULL;
  const json_t *value;
  size_t i;

  if (json_is_object (j))
    return lower_case_object (j);
  if (!json_is_array (j))
    return json_copy ((json_t *) j);
  r = json_array ();
  json_array_foreach (j, i, value)
    if (json_array_append_new (r, lower_case (value)) == -1)
      return NULL;
  return json_incref (r);
}

/* Addresses, one an element, of all NICs. */
static int
add_guest_networks (json_t *vm_data, const struct vm *vm)
{
  json_t *networks = add (vm_data, "guestnetworks", json_array ());
  json_t *stacks = add (vm_data, "guestipstacks", json_array ());
  const char *first = NULL;
  char device[24];
  size_t i, j, k;

  if (!networks || !stacks)
    return -1;
  for (i = 0; i < vm->nics.len; i++)
    for (j = 0; j < vm->nics.ptr[i].ips.len; j++) {
      const struct vm_nic *nic = &vm->nics.ptr[i];
      const struct vm_ip *ip = &nic->ips.ptr[j];
      json_t *net = append (networks, json_object ()), *stack, *dns;

      snprintf (device, sizeof device, "%zu", i);
      if (net == NULL || set_text (net, "device", device) == -1 ||
          set_text (net, "mac", nic->mac) == -1 ||
          set_text (net, "ip", ip->address) == -1 ||
          set_text (net, "origin", ip->is_static ? "manual" : "dhcp") == -1 ||
          json_set_u64 (net, "prefix", ip->prefix) == -1 ||
          set_text (net, "network", nic->network.name) == -1)
        return -1;
      dns = add (net, "dns", json_array ());
      for (k = 0; dns && k < ip->dns.len; k++)
        if (append (dns, json_string (ip->dns.ptr[k])) == NULL)
          return -1;
      if (dns == NULL)
        return -1;
      /* The address that people mean: IPv4 if there is one. */
      if (ip->address && (first == NULL || (strchr (first, ':') &&
                                            !strchr (ip->address, ':'))))
        first = ip->address;
      if (ip->gateway == NULL)
        continue;
      stack = append (stacks, json_object ());
      if (stack == NULL || set_text (stack, "device", device) == -1 ||
          set_text (stack, "gateway", ip->gateway) == -1 ||
          json_set_u64 (stack, "prefix", ip->prefix) == -1)
        return -1;
    }
  return set_text (vm_data, "ipaddress", first);
}

/* The structs that VM embeds in Forklift: VM1 and, in that, VM0. */
static int
add_embedded (json_t *vm_data, const struct vm *vm)
{
  static const char *const lists[] = { "disks", "networks", "concerns" };
  json_t *vm1 = add (vm_data, "vm1", json_object ());
  json_t *vm0 = vm1 ? add (vm1, "vm0", json_object ()) : NULL;
  size_t i;

  if (vm0 == NULL || set_text (vm0, "id", vm->id) == -1 ||
      set_text (vm0, "path", vm->path) == -1 ||
      set_text (vm0, "name", vm->name) == -1 ||
      set_text (vm0, "selflink", NULL) == -1 ||
      set_text (vm1, "host", vm->host) == -1 ||
      set_text (vm1, "powerstate",
                json_get_string (vm_data, "powerstate", NULL)) == -1)
    return -1;
  for (i = 0; i < sizeof lists / sizeof lists[0]; i++)
    if (json_set (vm1, lists[i],
                  json_deep_copy (json_object_get (vm_data,
                                                   lists[i]))) == -1)
      return -1;
  return 0;
}

json_t *
hook_workload_data (const struct plan_provider *provider,
                    const struct vm *vm)
{
  CLEANUP_JSON json_t *j = json_object (), *source = vm_to_json (vm);
  json_t *vm_data, *host;

  if (j == NULL || source == NULL) {
    if (j == NULL)
      log_oom ();
    return NULL;
  }
  if (set_text (j, "selflink", NULL) == -1)
    return NULL;
  vm_data = add (j, "vm", lower_case (source));
  host = add (j, "host", json_object ());
  if (!vm_data || !host || set_text (host, "id", vm->host) == -1 ||
      add_guest_networks (vm_data, vm) == -1 ||
      add_embedded (vm_data, vm) == -1 ||
      /* Ours: which kind of source the above is from. */
      set_text (j, "providertype", provider->type) == -1)
    return NULL;
  return json_incref (j);
}
