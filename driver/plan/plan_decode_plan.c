/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Plan: which VMs, and how.
 */
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/plan/decode.h"

/* spec.vms[].hooks[] */

static int
check_step (struct decoder *d, const struct yaml_node *node, void *base)
{
  struct plan_vm_hook *hook = base;

  if (node->type != YAML_STRING)
    return 0;
  if (strcmp (node->text, "PreHook") == 0)
    hook->post = false;
  else if (strcmp (node->text, "PostHook") == 0)
    hook->post = true;
  else
    return decode_problem (d, PROBLEM_CRITICAL, "HookStepNotValid", node,
                           NULL, NULL, "'%s' is neither PreHook nor "
                           "PostHook", printable (node->text));
  return 0;
}

static const struct field vm_hook_fields[] = {
  { .name = "hook", .type = FIELD_REF, .flags = FIELD_REQUIRED,
    .offset = offsetof (struct plan_vm_hook, hook),
    .condition = "HookNotValid" },
  { .name = "step", .type = FIELD_STRING,
    .flags = FIELD_REQUIRED | FIELD_NOT_STORED,
    .condition = "HookStepNotValid", .check = check_step },
  { .name = NULL }
};

static int
check_vm_hook (struct decoder *d, const struct yaml_node *node,
               void *element)
{
  struct plan_vm_hook *hook = element;

  if (hook->hook.where.line == 0)
    hook->hook.where = decode_where (d, node);
  return 0;
}

/* Templates of names, of a plan and of its VMs. */

static int
check_pvc_template (struct decoder *d, const struct yaml_node *node,
                    void *base)
{
  struct plan *plan = base;

  return decode_check_template (d, node, TEMPLATE_PVC,
                                &plan->pvc_template_where);
}

static int
check_volume_template (struct decoder *d, const struct yaml_node *node,
                       void *base)
{
  struct plan *plan = base;

  return decode_check_template (d, node, TEMPLATE_VOLUME,
                                &plan->volume_template_where);
}

static int
check_network_template (struct decoder *d, const struct yaml_node *node,
                        void *base)
{
  struct plan *plan = base;

  return decode_check_template (d, node, TEMPLATE_NETWORK,
                                &plan->network_template_where);
}

static int
check_vm_pvc_template (struct decoder *d, const struct yaml_node *node,
                       void *base)
{
  struct plan_vm *vm = base;

  return decode_check_template (d, node, TEMPLATE_PVC,
                                &vm->pvc_template_where);
}

static int
check_vm_volume_template (struct decoder *d, const struct yaml_node *node,
                          void *base)
{
  struct plan_vm *vm = base;

  return decode_check_template (d, node, TEMPLATE_VOLUME,
                                &vm->volume_template_where);
}

static int
check_vm_network_template (struct decoder *d, const struct yaml_node *node,
                           void *base)
{
  struct plan_vm *vm = base;

  return decode_check_template (d, node, TEMPLATE_NETWORK,
                                &vm->network_template_where);
}

/* spec.vms[] */

static const struct field_word power_words[] = {
  { "auto", POWER_AUTO }, { "on", POWER_ON }, { "off", POWER_OFF },
  { NULL, 0 }
};

static int
check_vm_power (struct decoder *d, const struct yaml_node *node, void *base)
{
  struct plan_vm *vm = base;

  vm->has_power = true;
  return 0;
}


static int
check_root_disk (struct decoder *d, const struct yaml_node *node,
                 void *base)
{
  static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
  const char *s = node->text;

  if (node->type != YAML_STRING)
    return 0;
  if (strncmp (s, "/dev/", 5) == 0 && strchr ("shv", s[5]) &&
      s[5] != '\0' && s[6] == 'd' && strspn (s + 7, letters) > 0) {
    s += 7 + strspn (s + 7, letters);
    if (s[strspn (s, "0123456789")] == '\0')
      return 0;
  }
  return decode_problem (d, PROBLEM_CRITICAL, "NotValid", node, NULL,
                         "write /dev/sda for the first disk, /dev/sdb for "
                         "the second", "'%s' is no disk of the VM",
                         printable (node->text));
}

static const struct field vm_fields[] = {
  { .name = "id", .type = FIELD_STRING, .condition = "VMRefNotValid",
    .offset = offsetof (struct plan_vm, ref.id) },
  { .name = "name", .type = FIELD_STRING, .condition = "VMRefNotValid",
    .offset = offsetof (struct plan_vm, ref.name) },
  { .name = "namespace", .type = FIELD_STRING,
    .condition = "VMRefNotValid",
    .offset = offsetof (struct plan_vm, ref.namespace_) },
  { .name = "type", .type = FIELD_STRING, .flags = FIELD_INTERNAL,
    .offset = offsetof (struct plan_vm, ref.type) },
  { .name = "hooks", .type = FIELD_LIST,
    .offset = offsetof (struct plan_vm, hooks), .fields = vm_hook_fields,
    .element = sizeof (struct plan_vm_hook), .check = check_vm_hook,
    .condition = "HookNotValid" },
  { .name = "targetName", .type = FIELD_STRING, .condition = "NotValid",
    .offset = offsetof (struct plan_vm, target_name),
    .check = decode_check_name },
  { .name = "pvcNameTemplate", .type = FIELD_STRING,
    .offset = offsetof (struct plan_vm, pvc_name_template),
    .condition = "NotValid", .check = check_vm_pvc_template },
  { .name = "volumeNameTemplate", .type = FIELD_STRING,
    .offset = offsetof (struct plan_vm, volume_name_template),
    .condition = "NotValid", .check = check_vm_volume_template },
  { .name = "networkNameTemplate", .type = FIELD_STRING,
    .offset = offsetof (struct plan_vm, network_name_template),
    .condition = "NotValid", .check = check_vm_network_template },
  { .name = "luks", .type = FIELD_REF,
    .offset = offsetof (struct plan_vm, luks) },
  { .name = "rootDisk", .type = FIELD_STRING,
    .offset = offsetof (struct plan_vm, root_disk),
    .check = check_root_disk },
  { .name = "instanceType", .type = FIELD_STRING,
    .offset = offsetof (struct plan_vm, instance_type),
    .check = decode_check_name },
  { .name = "targetPowerState", .type = FIELD_ENUM, .words = power_words,
    .offset = offsetof (struct plan_vm, power), .check = check_vm_power },
  { .name = "deleteVmOnFailMigration", .type = FIELD_BOOL,
    .offset = offsetof (struct plan_vm, delete_vm_on_fail) },
  { .name = "nbdeClevis", .type = FIELD_ANY, .flags = FIELD_UNUSED,
    .note = "known to Forklift from 2.10 (unlock disks by network)" },
  { .name = "enableNestedVirtualization", .type = FIELD_ANY,
    .flags = FIELD_UNUSED, .note = "known to Forklift from 2.10" },
  { .name = "migrateSharedDisks", .type = FIELD_ANY, .flags = FIELD_UNUSED,
    .note = "known to Forklift from 2.10 (the plan's field of that name is "
    "used)" },
  { .name = "rdmAsLun", .type = FIELD_ANY, .flags = FIELD_UNUSED,
    .note = "known to Forklift from 2.11" },
  { .name = "scsiReservation", .type = FIELD_ANY, .flags = FIELD_UNUSED,
    .note = "known to Forklift from 2.12" },
  { .name = NULL }
};

static int
check_vm (struct decoder *d, const struct yaml_node *node, void *element)
{
  struct plan_vm *vm = element;
  const struct yaml_node *hooks = yaml_get (node, "hooks");
  size_t i, nr[2] = { 0, 0 };

  vm->ref.where = decode_where (d, node);
  if (!yaml_given (node, "id") && !yaml_given (node, "name") &&
      decode_problem (d, PROBLEM_CRITICAL, "VMRefNotValid", node, NULL,
                      "give the id or the name of the VM",
                      "names no VM") == -1)
    return -1;

  for (i = 0; i < vm->hooks.len; ++i)
    if (nr[vm->hooks.ptr[i].post]++ == 1 &&
        decode_problem (d, PROBLEM_CRITICAL, "HookStepNotValid",
                        hooks->items[i], "hooks", "join them in one "
                        "playbook", "more than one %s for one VM",
                        vm->hooks.ptr[i].post ? "PostHook"
                        : "PreHook") == -1)
      return -1;
  return 0;
}

/* spec */

static const struct field plan_provider_fields[] = {
  { .name = "source", .type = FIELD_REF, .flags = FIELD_REQUIRED,
    .offset = offsetof (struct plan, source),
    .condition = "ProviderNotValid" },
  { .name = "destination", .type = FIELD_REF, .flags = FIELD_REQUIRED,
    .offset = offsetof (struct plan, destination),
    .condition = "DestinationProviderNotValid" },
  { .name = NULL }
};

static const struct field plan_map_fields[] = {
  { .name = "network", .type = FIELD_REF, .flags = FIELD_REQUIRED,
    .offset = offsetof (struct plan, network_map),
    .condition = "NetworkMapRefNotValid" },
  { .name = "storage", .type = FIELD_REF, .flags = FIELD_REQUIRED,
    .offset = offsetof (struct plan, storage_map),
    .condition = "StorageRefNotValid" },
  { .name = NULL }
};

static const struct field_word plan_types[] = {
  { "cold", PLAN_TYPE_COLD }, { "warm", PLAN_TYPE_WARM },
  { "conversion", PLAN_TYPE_CONVERSION }, { "live", PLAN_TYPE_LIVE },
  { NULL, 0 }
};

static int
check_plan_type (struct decoder *d, const struct yaml_node *node,
                 void *base)
{
  const struct plan *plan = base;

  if (plan->type == PLAN_TYPE_CONVERSION || plan->type == PLAN_TYPE_LIVE)
    return decode_problem (d, PROBLEM_CRITICAL, "MigrationTypeNotValid",
                           node, NULL, "write cold or warm",
                           "nbdlift has no migration of type %s",
                           printable (node->text));
  return 0;
}

#define NEWER(NAME, NOTE)                                               \
  { .name = (NAME), .type = FIELD_ANY, .flags = FIELD_UNUSED,             \
    .note = "known to Forklift " NOTE }

static const struct field plan_spec_fields[] = {
  { .name = "provider", .type = FIELD_OBJECT, .flags = FIELD_REQUIRED,
    .fields = plan_provider_fields, .condition = "ProviderNotValid" },
  { .name = "map", .type = FIELD_OBJECT, .flags = FIELD_REQUIRED,
    .fields = plan_map_fields, .condition = "NetworkMapRefNotValid" },
  { .name = "targetNamespace", .type = FIELD_STRING,
    .flags = FIELD_REQUIRED,
    .offset = offsetof (struct plan, target_namespace),
    .condition = "NamespaceNotValid", .check = decode_check_label },
  { .name = "vms", .type = FIELD_LIST, .flags = FIELD_REQUIRED,
    .offset = offsetof (struct plan, vms), .fields = vm_fields,
    .element = sizeof (struct plan_vm), .check = check_vm,
    .condition = "VMRefNotValid" },
  { .name = "type", .type = FIELD_ENUM, .words = plan_types,
    .offset = offsetof (struct plan, type),
    .condition = "MigrationTypeNotValid", .check = check_plan_type },
  { .name = "warm", .type = FIELD_BOOL,
    .offset = offsetof (struct plan, warm) },
  { .name = "preserveStaticIPs", .type = FIELD_BOOL,
    .offset = offsetof (struct plan, preserve_static_ips) },
  { .name = "preserveClusterCpuModel", .type = FIELD_BOOL,
    .offset = offsetof (struct plan, preserve_cluster_cpu_model) },
  { .name = "migrateSharedDisks", .type = FIELD_BOOL,
    .offset = offsetof (struct plan, migrate_shared_disks) },
  { .name = "pvcNameTemplate", .type = FIELD_STRING,
    .offset = offsetof (struct plan, pvc_name_template),
    .condition = "NotValid", .check = check_pvc_template },
  { .name = "pvcNameTemplateUseGenerateName", .type = FIELD_BOOL,
    .offset = offsetof (struct plan, pvc_name_use_generate_name) },
  { .name = "volumeNameTemplate", .type = FIELD_STRING,
    .offset = offsetof (struct plan, volume_name_template),
    .condition = "NotValid", .check = check_volume_template },
  { .name = "networkNameTemplate", .type = FIELD_STRING,
    .offset = offsetof (struct plan, network_name_template),
    .condition = "NotValid", .check = check_network_template },
  { .name = "transferNetwork", .type = FIELD_REF,
    .offset = offsetof (struct plan, transfer_network),
    .condition = "TransferNetworkNotValid" },
  { .name = "description", .type = FIELD_STRING,
    .offset = offsetof (struct plan, description) },
  { .name = "archived", .type = FIELD_BOOL,
    .offset = offsetof (struct plan, archived) },
  { .name = "skipGuestConversion", .type = FIELD_BOOL,
    .offset = offsetof (struct plan, skip_guest_conversion) },
  { .name = "useCompatibilityMode", .type = FIELD_BOOL,
    .offset = offsetof (struct plan, use_compatibility_mode) },
  { .name = "deleteVmOnFailMigration", .type = FIELD_BOOL,
    .offset = offsetof (struct plan, delete_vm_on_fail) },
  { .name = "targetPowerState", .type = FIELD_ENUM, .words = power_words,
    .offset = offsetof (struct plan, power) },
  { .name = "targetLabels", .type = FIELD_STRINGS,
    .offset = offsetof (struct plan, target_labels) },
  { .name = "targetNodeSelector", .type = FIELD_STRINGS,
    .offset = offsetof (struct plan, target_node_selector) },
  NEWER ("diskBus", "2.7.10, without effect"),
  NEWER ("installLegacyDrivers", "from 2.8.5 (drivers of old Windows)"),
  NEWER ("deleteGuestConversionPod", "from 2.9"),
  NEWER ("targetAffinity", "from 2.10"),
  NEWER ("convertorLabels", "from 2.10"),
  NEWER ("convertorNodeSelector", "from 2.10"),
  NEWER ("convertorAffinity", "from 2.10"),
  NEWER ("enableNestedVirtualization", "from 2.10"),
  NEWER ("runPreflightInspection", "from 2.10"),
  NEWER ("virtV2vImage", "from 2.10"),
  NEWER ("xfsCompatibility", "from 2.10"),
  NEWER ("conversionTempStorageClass", "from 2.11"),
  NEWER ("conversionTempStorageSize", "from 2.11"),
  NEWER ("customizationScripts", "from 2.11"),
  NEWER ("rdmAsLun", "from 2.11"),
  NEWER ("serviceAccount", "from 2.11"),
  NEWER ("skipZoneNodeSelector", "from 2.11"),
  NEWER ("scsiReservation", "from 2.12"),
  NEWER ("tagMapping", "from 2.12"),
  { .name = NULL }
};

/* The manual of MTV prints preserveClusterCpuModel under metadata.  This
 * table's struct begins at the meta of a struct plan.
 */
_Static_assert (offsetof (struct plan, meta) == 0,
                "metadata can set a field of the plan");

static int
check_misplaced_cpu_model (struct decoder *d, const struct yaml_node *node,
                           void *base)
{
  return decode_problem (d, PROBLEM_WARN, "MisplacedField", node, NULL,
                         "move it to spec.preserveClusterCpuModel",
                         "belongs under spec; Forklift would drop it, "
                         "nbdlift takes it as meant");
}

static const struct field plan_metadata_fields[] = {
  METADATA_FIELDS,
  { .name = "preserveClusterCpuModel", .type = FIELD_BOOL,
    .offset = offsetof (struct plan, preserve_cluster_cpu_model),
    .flags = FIELD_INTERNAL, .check = check_misplaced_cpu_model },
  { .name = NULL }
};

static const struct field plan_fields[] = {
  COMMON_FIELDS (plan, plan_metadata_fields),
  { .name = "spec", .type = FIELD_OBJECT, .flags = FIELD_REQUIRED,
    .fields = plan_spec_fields },
  { .name = NULL }
};

static void
init_plan (void *object)
{
  struct plan *plan = object;

  plan->migrate_shared_disks = true;
  plan->use_compatibility_mode = true;
  plan->pvc_name_use_generate_name = true;
}

/* For finding VMs and names that stand twice. */
struct named_vm {
  const char *space, *name;     /* names are unique in their space */
  size_t i;
};

static int
compare_named (const void *a, const void *b)
{
  const struct named_vm *x = a, *y = b;
  int r = strcmp (x->space, y->space);

  if (r == 0)
    r = strcmp (x->name, y->name);
  if (r == 0)
    r = x->i < y->i ? -1 : 1;
  return r;
}

/* Sorts NAMED and reports every second one of the same name. */
static int
report_twins (struct decoder *d, const struct yaml_node *vms,
              struct named_vm *named, size_t nr, const char *field,
              const char *what)
{
  const struct named_vm *first = named;
  char path[64];
  size_t i;

  qsort (named, nr, sizeof *named, compare_named);
  for (i = 1; i < nr; ++i) {
    if (strcmp (named[i].space, first->space) != 0 ||
        strcmp (named[i].name, first->name) != 0) {
      first = &named[i];
      continue;
    }
    snprintf (path, sizeof path, "spec.vms[%zu]%s", named[i].i, field);
    if (decode_problem (d, PROBLEM_CRITICAL, "DuplicateVM",
                        vms->items[named[i].i], path, NULL,
                        "%s '%s' stands already in spec.vms[%zu], line %u",
                        what, printable (named[i].name), first->i,
                        vms->items[first->i]->line) == -1)
      return -1;
  }
  return 0;
}

static int
check_duplicate_vms (struct decoder *d, const struct plan *plan,
                     const struct yaml_node *vms)
{
  CLEANUP_FREE struct named_vm *named = NULL;
  const struct plan_vm *vm;
  size_t i, nr;

  named = calloc (plan->vms.len + 1, sizeof *named);
  if (named == NULL) {
    log_oom ();
    return -1;
  }
  for (i = nr = 0; i < plan->vms.len; ++i) {
    vm = &plan->vms.ptr[i];
    if (vm->ref.id)
      named[nr++] = (struct named_vm) { "", vm->ref.id, i };
    else if (vm->ref.name)      /* no namespace is "", and no id is "/" */
      named[nr++] = (struct named_vm) {
        vm->ref.namespace_ ? vm->ref.namespace_ : "/", vm->ref.name, i };
  }
  if (report_twins (d, vms, named, nr, "", "the VM") == -1)
    return -1;

  for (i = nr = 0; i < plan->vms.len; ++i)
    if (plan->vms.ptr[i].target_name)
      named[nr++] = (struct named_vm) {
        "", plan->vms.ptr[i].target_name, i };
  return report_twins (d, vms, named, nr, ".targetName",
                       "the target name");
}

static int
settle_type (struct decoder *d, const struct yaml_node *spec,
             struct plan *plan)
{
  const struct yaml_node *type = yaml_get (spec, "type");

  if (plan->type != PLAN_TYPE_COLD && plan->type != PLAN_TYPE_WARM)
    return 0;
  if (plan->type == PLAN_TYPE_COLD && plan->warm &&
      decode_problem (d, PROBLEM_WARN, "MigrationTypeNotValid", type,
                      "spec.type", "remove spec.warm", "is cold although "
                      "spec.warm is true; the type is what counts") == -1)
    return -1;
  plan->warm = plan->type == PLAN_TYPE_WARM;
  return 0;
}

static int
check_plan_object (struct decoder *d, const struct yaml_node *node,
                   void *object)
{
  struct plan *plan = object;
  const struct yaml_node *spec = yaml_get (node, "spec");
  const struct yaml_node *static_ips =
    yaml_get (spec, "preserveStaticIPs");
  const struct yaml_node *vms = yaml_get (spec, "vms");
  size_t i;

  if (static_ips && static_ips->type == YAML_NULL &&
      decode_problem (d, PROBLEM_ADVISORY, "DefaultUsed", static_ips,
                      "spec.preserveStaticIPs", "write true or false",
                      "is empty, which is taken as false; newer Forklift "
                      "takes it as true") == -1)
    return -1;
  if (settle_type (d, spec, plan) == -1)
    return -1;
  if (vms && vms->type == YAML_LIST && vms->nr == 0 &&
      decode_problem (d, PROBLEM_WARN, "VMRefNotValid", vms, "spec.vms",
                      NULL, "is empty: there is nothing to migrate") == -1)
    return -1;

  for (i = 0; i < plan->vms.len; ++i) {
    if (!plan->vms.ptr[i].has_power)
      plan->vms.ptr[i].power = plan->power;
    if (plan->delete_vm_on_fail)
      plan->vms.ptr[i].delete_vm_on_fail = true;
  }
  return vms ? check_duplicate_vms (d, plan, vms) : 0;
}

const struct plan_kind plan_kind_plan = {
  .kind = "Plan", .group = "forklift.konveyor.io", .version = "v1beta1",
  .fields = plan_fields, .size = sizeof (struct plan),
  .offset = offsetof (struct plan_set, plans),
  .init = init_plan, .check = check_plan_object,
};
