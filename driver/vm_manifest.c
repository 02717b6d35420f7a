/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The VirtualMachine (kubevirt.io/v1).  Each function fills one part of
 * the object that its caller made, in the order in which people read a
 * manifest.
 *
 * There is no spec.preference: KubeVirt refuses a VM whose preference the
 * cluster does not have, and nobody asks a cluster here.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/include/minmax.h"
#include "common/json/json.h"
#include "common/util/digest.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/vm_manifest.h"
#include "driver/vm_manifest_meta.h"

/* The guest has no virtio drivers: SATA, e1000e and USB, which every
 * system knows.
 */
static bool
is_compatible (const struct vm_manifest_input *in)
{
  if (in->converted)
    return !in->virtio;
  return in->plan->skip_guest_conversion && in->plan->use_compatibility_mode;
}

/* BYTES as a quantity in the largest binary unit that is exact. */
static int
set_quantity (json_t *obj, const char *key, uint64_t bytes)
{
  static const char *const units[] = { "", "Ki", "Mi", "Gi" };
  unsigned unit = 0;
  char text[32];

  while (unit + 1 < ARRAY_SIZE (units) && bytes % 1024 == 0) {
    bytes /= 1024;
    unit++;
  }
  snprintf (text, sizeof text, "%" PRIu64 "%s", bytes, units[unit]);
  return json_set_string (obj, key, text);
}

/* An object at KEY of OBJ with one boolean. */
static int
add_flag (json_t *obj, const char *key, const char *flag, bool value)
{
  json_t *child = json_add (obj, key, json_object ());

  return child ? json_set_bool (child, flag, value) : -1;
}

static int
fill_cpu (json_t *domain, const struct vm *vm)
{
  const unsigned threads = MAX (vm->threads_per_core, 1U);
  const unsigned cores = MAX (vm->cores_per_socket, 1U);
  static const char *const nested[] = { "vmx", "svm" };
  json_t *cpu, *features, *feature;
  size_t i;

  cpu = json_add (domain, "cpu", json_object ());
  if (cpu == NULL ||
      json_set_u64 (cpu, "sockets",
                    MAX (vm->cpus / cores / threads, 1U)) == -1 ||
      json_set_u64 (cpu, "cores", cores) == -1)
    return -1;
  if (threads > 1 && json_set_u64 (cpu, "threads", threads) == -1)
    return -1;
  if (!vm->nested_virt)
    return 0;

  features = json_add (cpu, "features", json_array ());
  for (i = 0; features && i < ARRAY_SIZE (nested); ++i) {
    feature = json_append_object (features);
    if (feature == NULL ||
        json_set_string (feature, "name", nested[i]) == -1 ||
        json_set_string (feature, "policy", "optional") == -1)
      return -1;
  }
  return features ? 0 : -1;
}

static int
fill_memory (json_t *domain, const struct vm *vm)
{
  json_t *memory;

  if (vm->memory == 0) {
    log_error ("VM %s: the source says nothing of its memory size",
               printable (vm->name));
    errno = EINVAL;
    return -1;
  }
  memory = json_add (domain, "memory", json_object ());
  return memory ? set_quantity (memory, "guest", vm->memory) : -1;
}

/* The UUID is both the system's UUID and its serial number, as VMware
 * shows it to the guest.  Secure boot needs system management mode:
 * KubeVirt's webhook refuses it without.
 */
static int
fill_firmware (json_t *domain, const struct vm_manifest_input *in)
{
  const struct vm *vm = in->vm;
  const enum vm_firmware firmware =
    in->firmware != VM_FIRMWARE_UNKNOWN ? in->firmware : vm->firmware;
  json_t *obj, *bootloader, *features;

  obj = json_add (domain, "firmware", json_object ());
  if (obj == NULL)
    return -1;
  if (vm->uuid && is_uuid (vm->uuid) &&
      (json_set_string (obj, "uuid", vm->uuid) == -1 ||
       json_set_string (obj, "serial", vm->uuid) == -1))
    return -1;
  bootloader = json_add (obj, "bootloader", json_object ());
  if (bootloader == NULL)
    return -1;
  if (firmware != VM_FIRMWARE_UEFI)
    return json_set (bootloader, "bios", json_object ());

  if (add_flag (bootloader, "efi", "secureBoot", vm->secure_boot) == -1)
    return -1;
  if (!vm->secure_boot)
    return 0;
  features = json_add (domain, "features", json_object ());
  return features ? add_flag (features, "smm", "enabled", true) : -1;
}

static int
fill_disk (json_t *disk, const struct vm_manifest_input *in, size_t i)
{
  const struct vm_disk *source = &in->vm->disks.ptr[i];
  json_t *target;

  if (json_set_string (disk, "name", in->names->volume[i]) == -1)
    return -1;
  if (i == vm_root_disk (in->pvm, in->vm) &&
      json_set_u64 (disk, "bootOrder", 1) == -1)
    return -1;
  target = json_add (disk, "disk", json_object ());
  if (target == NULL ||
      json_set_string (target, "bus",
                       is_compatible (in) ? "sata" : "virtio") == -1 ||
      json_set_string (disk, "serial", source->serial) == -1)
    return -1;
  if (source->shared &&
      (json_set_bool (disk, "shareable", true) == -1 ||
       json_set_string (disk, "cache", "none") == -1))
    return -1;
  return 0;
}

static int
fill_interface (json_t *nic, const struct vm_manifest_input *in,
                const struct vm_nic *source, const char *name,
                const struct network_map_row *row)
{
  if (json_set_string (nic, "name", name) == -1 ||
      json_set_string (nic, "model",
                       is_compatible (in) ? "e1000e" : "virtio") == -1 ||
      json_set_string (nic, "macAddress", source->mac) == -1)
    return -1;
  if (!source->connected && json_set_string (nic, "state", "down") == -1)
    return -1;
  return json_set (nic, row->kind == NETWORK_POD ? "masquerade" : "bridge",
                   json_object ());
}

static int
fill_network (json_t *network, const char *name,
              const struct network_map_row *row)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };
  json_t *multus;

  if (json_set_string (network, "name", name) == -1)
    return -1;
  if (row->kind == NETWORK_POD)
    return json_set (network, "pod", json_object ());

  multus = json_add (network, "multus", json_object ());
  if (multus == NULL)
    return -1;
  if ((row->namespace_ &&
       strbuf_printf (&b, "%s/", row->namespace_) == -1) ||
      strbuf_append (&b, row->name ? row->name : "") == -1) {
    log_oom ();
    return -1;
  }
  return json_set_string (multus, "networkName", b.ptr);
}

/* Each NIC is an interface of the domain and a network of the pod. */
static int
fill_nics (json_t *devices, json_t *pod, const struct vm_manifest_input *in)
{
  const struct network_map_row *row;
  json_t *interfaces, *networks, *nic, *network;
  const char *name;
  size_t i, n = 0;

  interfaces = json_add (devices, "interfaces", json_array ());
  networks = json_add (pod, "networks", json_array ());
  if (!interfaces || !networks)
    return -1;
  for (i = 0; i < in->vm->nics.len; ++i) {
    const struct vm_nic *source = &in->vm->nics.ptr[i];

    row = plan_map_network (in->networks, source->network.id,
                            source->network.name);
    if (row == NULL) {
      log_error ("VM %s: no row of NetworkMap %s fits network %s: add one",
                 printable (in->vm->name),
                 printable (in->networks->meta.name),
                 printable (source->network.name ? source->network.name
                            : source->network.id));
      errno = ENOENT;
      return -1;
    }
    if (row->kind == NETWORK_IGNORED)
      continue;
    name = in->names->network[i];
    n++;
    nic = json_append_object (interfaces);
    network = json_append_object (networks);
    if (!nic || !network ||
        fill_interface (nic, in, source, name, row) == -1 ||
        fill_network (network, name, row) == -1)
      return -1;
  }

  /* Else KubeVirt gives a VM without NICs one on the pod's network. */
  if (n == 0)
    return json_set_bool (devices, "autoattachPodInterface", false);
  return 0;
}

static int
fill_disks (json_t *devices, json_t *pod, const struct vm_manifest_input *in)
{
  json_t *disks, *volumes, *disk, *volume, *claim;
  size_t i;

  disks = json_add (devices, "disks", json_array ());
  volumes = json_add (pod, "volumes", json_array ());
  if (!disks || !volumes)
    return -1;
  for (i = 0; i < in->vm->disks.len; ++i) {
    if (!vm_disk_has_volume (&in->vm->disks.ptr[i]))
      continue;
    disk = json_append_object (disks);
    volume = json_append_object (volumes);
    if (!disk || !volume || fill_disk (disk, in, i) == -1 ||
        json_set_string (volume, "name", in->names->volume[i]) == -1)
      return -1;
    claim = json_add (volume, "persistentVolumeClaim", json_object ());
    if (claim == NULL ||
        json_set_string (claim, "claimName", in->names->pvc[i]) == -1)
      return -1;
  }
  return 0;
}

static int
fill_devices (json_t *domain, json_t *pod,
              const struct vm_manifest_input *in)
{
  json_t *devices, *inputs, *tablet;

  devices = json_add (domain, "devices", json_object ());
  if (devices == NULL || fill_disks (devices, pod, in) == -1 ||
      fill_nics (devices, pod, in) == -1)
    return -1;

  inputs = json_add (devices, "inputs", json_array ());
  tablet = inputs ? json_append_object (inputs) : NULL;
  if (tablet == NULL ||
      json_set_string (tablet, "type", "tablet") == -1 ||
      json_set_string (tablet, "name", "tablet") == -1 ||
      json_set_string (tablet, "bus",
                       is_compatible (in) ? "usb" : "virtio") == -1)
    return -1;

  /* Said also when there is none: a preference could bring one. */
  return in->vm->tpm ? add_flag (devices, "tpm", "persistent", true)
    : add_flag (devices, "tpm", "enabled", false);
}

static int
fill_domain (json_t *domain, json_t *pod, const struct vm_manifest_input *in)
{
  const struct vm *vm = in->vm;
  json_t *clock;

  /* An instance type brings CPU and memory, and excludes ours. */
  if (in->pvm->instance_type == NULL &&
      (fill_cpu (domain, vm) == -1 || fill_memory (domain, vm) == -1))
    return -1;
  clock = json_add (domain, "clock", json_object ());
  if (clock == NULL ||
      json_set_string (clock, "timezone",
                       vm->timezone ? vm->timezone : "UTC") == -1)
    return -1;
  if (fill_firmware (domain, in) == -1)
    return -1;
  return fill_devices (domain, pod, in);
}

static int
fill_node_selector (json_t *pod, const key_value_vector *selector)
{
  json_t *obj;
  size_t i;

  if (selector->len == 0)
    return 0;
  obj = json_add (pod, "nodeSelector", json_object ());
  for (i = 0; obj && i < selector->len; ++i)
    if (json_set_string (obj, selector->ptr[i].key,
                         selector->ptr[i].value) == -1)
      return -1;
  return obj ? 0 : -1;
}

static int
fill_template (json_t *template, const struct vm_manifest_input *in)
{
  json_t *meta, *labels, *annotations, *pod, *domain;

  meta = json_add (template, "metadata", json_object ());
  if (meta == NULL)
    return -1;
  labels = json_add (meta, "labels", json_object ());
  annotations = json_add (meta, "annotations", json_object ());
  if (!labels || !annotations ||
      json_set_string (labels, "app", in->names->vm) == -1 ||
      json_set_string (annotations, "vm.kubevirt.io/flavor", "") == -1 ||
      json_set_string (annotations, "vm.kubevirt.io/os",
                       in->osinfo ? in->osinfo : "") == -1 ||
      json_set_string (annotations, "vm.kubevirt.io/workload", "") == -1)
    return -1;

  pod = json_add (template, "spec", json_object ());
  if (pod == NULL || fill_node_selector (pod, &in->plan->target_node_selector)
      == -1)
    return -1;
  domain = json_add (pod, "domain", json_object ());
  return domain ? fill_domain (domain, pod, in) : -1;
}

static int
fill_metadata (json_t *meta, const struct vm_manifest_input *in)
{
  const key_value_vector *target_labels = &in->plan->target_labels;
  json_t *labels, *annotations;
  size_t i;

  if (json_set_string (meta, "name", in->names->vm) == -1 ||
      json_set_string (meta, "namespace", in->plan->target_namespace) == -1)
    return -1;
  labels = json_add (meta, "labels", json_object ());
  if (labels == NULL)
    return -1;
  for (i = 0; i < target_labels->len; ++i)
    if (json_set_string (labels, target_labels->ptr[i].key,
                         target_labels->ptr[i].value) == -1)
      return -1;
  if (manifest_set_labels (labels, in) == -1 ||
      json_set_string (labels, "guestConverted",
                       in->converted ? "true" : "false") == -1)
    return -1;

  if (!in->names->renamed)
    return 0;
  annotations = json_add (meta, "annotations", json_object ());
  if (annotations == NULL ||
      json_set_string (annotations, "openshift.io/display-name",
                       in->vm->name) == -1 ||
      json_set_string (annotations, "original-ID", in->vm->id) == -1)
    return -1;
  return 0;
}

static const char *
run_strategy (const struct vm_manifest_input *in)
{
  const enum vm_power before =
    in->power != VM_POWER_UNKNOWN ? in->power : in->vm->power;

  switch (in->pvm->power) {
  case POWER_ON:
    return "Always";
  case POWER_OFF:
    return "Halted";
  case POWER_AUTO:
    break;
  }
  return before == VM_POWER_ON ? "Always" : "Halted";
}

static int
fill_vm (json_t *vm, const struct vm_manifest_input *in)
{
  json_t *meta, *spec, *instance_type, *template;

  if (json_set_string (vm, "apiVersion", "kubevirt.io/v1") == -1 ||
      json_set_string (vm, "kind", "VirtualMachine") == -1)
    return -1;
  meta = json_add (vm, "metadata", json_object ());
  if (meta == NULL || fill_metadata (meta, in) == -1)
    return -1;

  spec = json_add (vm, "spec", json_object ());
  if (spec == NULL ||
      json_set_string (spec, "runStrategy", run_strategy (in)) == -1)
    return -1;
  if (in->pvm->instance_type) {
    instance_type = json_add (spec, "instancetype", json_object ());
    if (instance_type == NULL ||
        json_set_string (instance_type, "kind",
                         "VirtualMachineClusterInstancetype") == -1 ||
        json_set_string (instance_type, "name",
                         in->pvm->instance_type) == -1)
      return -1;
  }
  template = json_add (spec, "template", json_object ());
  return template ? fill_template (template, in) : -1;
}

json_t *
vm_manifest (const struct vm_manifest_input *in)
{
  CLEANUP_JSON json_t *objects = json_array ();
  json_t *vm, *ret;
  size_t i;

  if (objects == NULL) {
    log_oom ();
    return NULL;
  }
  for (i = 0; i < in->vm->disks.len; ++i)
    if (vm_disk_has_volume (&in->vm->disks.ptr[i]) &&
        !(in->foreign && in->foreign[i]) &&
        manifest_append_pvc (objects, in, i) == -1)
      return NULL;
  vm = json_append_object (objects);
  if (vm == NULL || fill_vm (vm, in) == -1)
    return NULL;

  ret = objects;
  objects = NULL;
  return ret;
}
