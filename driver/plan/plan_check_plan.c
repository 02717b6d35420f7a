/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What Plans and Migrations refer to.
 */
#include <stdio.h>
#include <string.h>

#include "common/util/strbuf.h"
#include "driver/plan/plan_check.h"
#include "driver/plan/plan_secret.h"

static const char *
namespace_of (const struct object_ref *ref, const struct object_meta *owner)
{
  return ref->namespace_ ? ref->namespace_ : owner->namespace_;
}

/* A ref of PLAN and one of a map mean the same object. */
static bool
same_object (const struct object_ref *a, const struct object_meta *a_owner,
             const struct object_ref *b, const struct object_meta *b_owner)
{
  return a->name && b->name && strcmp (a->name, b->name) == 0 &&
    strcmp (namespace_of (a, a_owner), namespace_of (b, b_owner)) == 0;
}

/* The map that PLAN names by REF is META, made for SOURCE and
 * DESTINATION.
 */
static int
check_map_providers (const struct checker *c, const struct plan *plan,
                     const struct object_ref *ref, const char *path,
                     const char *kind, const char *type,
                     const struct object_meta *meta,
                     const struct object_ref *source,
                     const struct object_ref *destination)
{
  if (source->name && plan->source.name &&
      !same_object (&plan->source, &plan->meta, source, meta) &&
      check_problem (c, PROBLEM_CRITICAL, type, "Plan", &plan->meta,
                     &ref->where, path, NULL, "the %s %s is for the source "
                     "provider %s/%s, not for %s/%s of this plan", kind,
                     printable (meta->name),
                     printable (namespace_of (source, meta)),
                     printable (source->name),
                     printable (namespace_of (&plan->source, &plan->meta)),
                     printable (plan->source.name)) == -1)
    return -1;
  if (destination->name && plan->destination.name &&
      !same_object (&plan->destination, &plan->meta, destination, meta))
    return check_problem (c, PROBLEM_CRITICAL, type, "Plan", &plan->meta,
                          &ref->where, path, NULL, "the %s %s is for the "
                          "destination provider %s/%s, not for %s/%s of "
                          "this plan", kind, printable (meta->name),
                          printable (namespace_of (destination, meta)),
                          printable (destination->name),
                          printable (namespace_of (&plan->destination,
                                                   &plan->meta)),
                          printable (plan->destination.name));
  return 0;
}

static int
check_maps (const struct checker *c, const struct plan *plan)
{
  const char *ns = plan->meta.namespace_;
  const struct plan_network_map *networks;
  const struct plan_storage_map *storages;
  int r = 0;

  networks = plan_find_network_map (c->set, &plan->network_map, ns);
  if (networks)
    r = check_map_providers (c, plan, &plan->network_map,
                             "spec.map.network", "NetworkMap",
                             "NetworkMapRefNotValid", &networks->meta,
                             &networks->source, &networks->destination);
  else if (plan->network_map.name)
    r = check_missing (c, c->missing, "NetworkMapRefNotValid", "Plan",
                       &plan->meta, &plan->network_map, "spec.map.network",
                       "NetworkMap");
  if (r == -1)
    return -1;

  storages = plan_find_storage_map (c->set, &plan->storage_map, ns);
  if (storages)
    return check_map_providers (c, plan, &plan->storage_map,
                                "spec.map.storage", "StorageMap",
                                "StorageRefNotValid", &storages->meta,
                                &storages->source, &storages->destination);
  if (plan->storage_map.name)
    return check_missing (c, c->missing, "StorageRefNotValid", "Plan",
                          &plan->meta, &plan->storage_map,
                          "spec.map.storage", "StorageMap");
  return 0;
}

/* Has an entry of spec.vms before I the same Secret? */
static bool
luks_seen (const struct checker *c, const struct plan *plan, size_t i,
           const struct plan_secret *secret)
{
  size_t j;

  for (j = 0; j < i; ++j)
    if (plan_find_secret (c->set, &plan->vms.ptr[j].luks,
                          plan->meta.namespace_) == secret)
      return true;
  return false;
}

/* The passphrases of entry I. */
static int
check_luks (const struct checker *c, const struct plan *plan, size_t i)
{
  const struct object_ref *ref = &plan->vms.ptr[i].luks;
  const struct plan_secret *secret =
    plan_find_secret (c->set, ref, plan->meta.namespace_);
  char path[64];

  if (ref->name == NULL)
    return 0;
  snprintf (path, sizeof path, "spec.vms[%zu].luks", i);
  if (secret == NULL)
    return check_missing (c, c->missing, "SecretNotValid", "Plan",
                          &plan->meta, ref, path, "Secret");
  if (plan->skip_guest_conversion &&
      check_problem (c, PROBLEM_ADVISORY, "FieldNotUsed", "Plan",
                     &plan->meta, &ref->where, path, NULL,
                     "has no effect with skipGuestConversion: disks are "
                     "copied as they are") == -1)
    return -1;
  return luks_seen (c, plan, i, secret) ? 0 :
    plan_secret_check_luks (secret, c->problems);
}

static int
check_vms (const struct checker *c, const struct plan *plan)
{
  const char *ns = plan->meta.namespace_;
  const struct plan_vm *vm;
  const struct object_ref *ref;
  char path[96];
  size_t i, j;

  for (i = 0; i < plan->vms.len; ++i) {
    vm = &plan->vms.ptr[i];
    for (j = 0; j < vm->hooks.len; ++j) {
      ref = &vm->hooks.ptr[j].hook;
      if (ref->name == NULL || plan_find_hook (c->set, ref, ns))
        continue;
      snprintf (path, sizeof path, "spec.vms[%zu].hooks[%zu].hook", i, j);
      if (check_missing (c, c->missing, "HookNotValid", "Plan", &plan->meta,
                         ref, path, "Hook") == -1)
        return -1;
    }
    if (check_luks (c, plan, i) == -1)
      return -1;
  }
  return 0;
}

/* What the source's type cannot do, or makes of no effect. */
static int
check_source_type (const struct checker *c, const struct plan *plan,
                   const struct plan_provider *source)
{
  const char *type = source->type;

  if (plan->warm && strcmp (type, "vsphere") != 0 &&
      strcmp (type, "ovirt") != 0 &&
      check_problem (c, PROBLEM_CRITICAL, "WarmMigrationNotReady", "Plan",
                     &plan->meta, NULL, "spec.warm", "set warm to false",
                     "a provider of type %s has no warm migration",
                     printable (type)) == -1)
    return -1;
  if (plan->preserve_cluster_cpu_model && strcmp (type, "ovirt") != 0)
    return check_problem (c, PROBLEM_ADVISORY, "FieldNotUsed", "Plan",
                          &plan->meta, NULL, "spec.preserveClusterCpuModel",
                          NULL, "has an effect for type ovirt only");
  return 0;
}

/* Behind masquerade a guest has another address than its own. */
static int
check_static_ips (const struct checker *c, const struct plan *plan)
{
  const struct plan_network_map *map =
    plan_find_network_map (c->set, &plan->network_map,
                           plan->meta.namespace_);
  size_t i;

  for (i = 0; map && plan->preserve_static_ips && i < map->rows.len; ++i)
    if (map->rows.ptr[i].kind == NETWORK_POD)
      return check_problem (c, PROBLEM_WARN,
                            "NetMapPreservingIPsOnPodNetwork", "Plan",
                            &plan->meta, &plan->network_map.where,
                            "spec.preserveStaticIPs", "map it to a network "
                            "of type multus", "a guest cannot use its own "
                            "addresses on the pod network, to which "
                            "spec.map[%zu] of NetworkMap %s leads", i,
                            printable (map->meta.name));
  return 0;
}

static int
check_transfer_network (const struct checker *c, const struct plan *plan)
{
  const struct object_ref *ref = &plan->transfer_network;
  const struct plan_nad *nad;

  if (ref->name == NULL)
    return 0;
  nad = plan_find_nad (c->set, ref, plan->meta.namespace_);
  /* It may well be in the cluster alone. */
  if (nad == NULL)
    return check_missing (c, PROBLEM_ADVISORY, "TransferNetworkNotValid",
                          "Plan", &plan->meta, ref, "spec.transferNetwork",
                          "NetworkAttachmentDefinition");
  if (nad->route || nad->default_route)
    return 0;
  return check_problem (c, PROBLEM_WARN, "TransferNetworkMissingDefaultRoute",
                        "Plan", &plan->meta, &ref->where,
                        "spec.transferNetwork", "give the address of its "
                        "gateway in the annotation forklift.konveyor.io/route, "
                        "or none", "NetworkAttachmentDefinition %s has no "
                        "route", printable (nad->meta.name));
}

static int
check_plan (const struct checker *c, const struct plan *plan)
{
  const struct plan_provider *source;

  if (check_provider_pair (c, "Plan", &plan->meta, &plan->source,
                           &plan->destination, &source) == -1)
    return -1;
  if (source && source->type &&
      check_source_type (c, plan, source) == -1)
    return -1;
  if (check_maps (c, plan) == -1 || check_static_ips (c, plan) == -1 ||
      check_vms (c, plan) == -1)
    return -1;
  return check_transfer_network (c, plan);
}

static bool
vm_matches (const struct plan_vm *vm, const struct plan_ref *ref)
{
  /* One of the two may have only the id, the other only the name: only
   * the source can tell whether they are the same.
   */
  if (ref->id && vm->ref.id)
    return strcmp (ref->id, vm->ref.id) == 0;
  if (ref->name && vm->ref.name)
    return strcmp (ref->name, vm->ref.name) == 0;
  return true;
}

/* An entry of spec.cancel must mean one VM of the plan. */
static int
check_cancel (const struct checker *c, const struct plan_migration *m,
              const struct plan *plan, size_t i)
{
  const struct plan_ref *ref = &m->cancel.ptr[i];
  char path[64];
  size_t j, fits = 0, named = 0;

  for (j = 0; j < plan->vms.len; ++j) {
    fits += vm_matches (&plan->vms.ptr[j], ref);
    named += ref->id == NULL && ref->name && plan->vms.ptr[j].ref.name &&
      strcmp (ref->name, plan->vms.ptr[j].ref.name) == 0 &&
      (ref->namespace_ == NULL || plan->vms.ptr[j].ref.namespace_ == NULL ||
       strcmp (ref->namespace_, plan->vms.ptr[j].ref.namespace_) == 0);
  }
  snprintf (path, sizeof path, "spec.cancel[%zu]", i);
  if (fits == 0)
    return check_problem (c, PROBLEM_WARN, "VMNotFound", "Migration",
                          &m->meta, &ref->where, path, NULL,
                          "the plan has no such VM");
  if (named > 1)
    return check_problem (c, PROBLEM_WARN, "VMNotUnique", "Migration",
                          &m->meta, &ref->where, path, "give its id, or its "
                          "namespace", "%zu VMs of the plan are called '%s'",
                          named, printable (ref->name));
  return 0;
}

static int
check_migration (const struct checker *c, const struct plan_migration *m)
{
  const struct plan *plan;
  size_t i;

  if (m->plan.name == NULL)
    return 0;
  plan = plan_find_plan (c->set, &m->plan, m->meta.namespace_);
  if (plan == NULL)
    return check_missing (c, c->missing, "PlanNotValid", "Migration",
                          &m->meta, &m->plan, "spec.plan", "Plan");

  if (m->cutover && !plan->warm &&
      check_problem (c, PROBLEM_ADVISORY, "FieldNotUsed", "Migration",
                     &m->meta, NULL, "spec.cutover", NULL,
                     "has no effect, since the plan is not warm") == -1)
    return -1;
  for (i = 0; i < m->cancel.len; ++i)
    if (check_cancel (c, m, plan, i) == -1)
      return -1;
  return 0;
}

int
check_plans (const struct checker *c)
{
  size_t i;

  for (i = 0; i < c->set->plans.len; ++i)
    if (check_plan (c, &c->set->plans.ptr[i]) == -1)
      return -1;
  for (i = 0; i < c->set->migrations.len; ++i)
    if (check_migration (c, &c->set->migrations.ptr[i]) == -1)
      return -1;
  return 0;
}
