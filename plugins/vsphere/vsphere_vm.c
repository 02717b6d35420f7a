/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One VM: from the properties of the API to struct vsphere_vm.
 *
 * Everything of a VM comes in one reply; names of what it refers to
 * (folders, networks, its host and its cluster) take four more.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/include/checked.h"
#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "plugins/vsphere/vim_private.h"
#include "plugins/vsphere/vsphere_private.h"

#define MAX_DEVICES 4096U       /* vSphere allows some hundred */

const char *const vsphere_vm_paths[] = {
  "name", "parent", "parentVApp",
  "config.uuid", "config.instanceUuid", "config.guestId",
  "config.guestFullName", "config.annotation", "config.template",
  "config.firmware", "config.bootOptions", "config.changeTrackingEnabled",
  "config.cpuHotAddEnabled", "config.cpuHotRemoveEnabled",
  "config.memoryHotAddEnabled", "config.nestedHVEnabled",
  "config.cpuAffinity", "config.ftInfo", "config.keyId",
  "config.extraConfig", "config.hardware",
  "summary.config.tpmPresent", "summary.storage.committed",
  "runtime.host", "runtime.powerState", "runtime.connectionState",
  "runtime.consolidationNeeded", "snapshot", "layoutEx", "datastore",
  "network", "guest.net", "guest.ipStack", "guest.disk", "guest.hostName",
  "guest.ipAddress", "guest.guestFullName", "guest.toolsStatus",
  "guest.toolsRunningStatus", "guest.toolsVersionStatus2",
  NULL
};

const char *const vsphere_network_paths[] = { "name", "summary", NULL };

void
vsphere_vm_init (struct vsphere_vm *vm)
{
  memset (vm, 0, sizeof *vm);
  vm_init (&vm->vm);
}

void
vsphere_disk_free (struct vsphere_disk *disk)
{
  string_vector_free (&disk->chain);
  free (disk->datastore);
  free (disk->uuid);
  free (disk->object_id);
  free (disk->mode);
  free (disk->change_id);
}

void
vsphere_vm_free (struct vsphere_vm *vm)
{
  size_t i;

  for (i = 0; i < vm->disks.len; i++)
    vsphere_disk_free (&vm->disks.ptr[i]);
  vsphere_disk_vector_reset (&vm->disks);
  free (vm->datacenter);
  free (vm->snapshot);
  free (vm->tools);
  free (vm->connection_state);
  vm_free (&vm->vm);
  vsphere_vm_init (vm);
}

char *
vsphere_extra_config (const struct vim_object *object, const char *key)
{
  xmlNodePtr node = vim_child (vim_object_get (object, "config.extraConfig"),
                               "OptionValue");

  for (; node; node = vim_next (node, "OptionValue")) {
    CLEANUP_FREE char *this = vim_child_text (node, "key");

    if (this && strcasecmp (this, key) == 0)
      return vim_child_text (node, "value");
  }
  return NULL;
}

static enum vm_power
read_power (const struct vim_object *object)
{
  static const struct {
    const char *name;
    enum vm_power power;
  } states[] = {
    { "poweredOn", VM_POWER_ON },
    { "poweredOff", VM_POWER_OFF },
    { "suspended", VM_POWER_SUSPENDED },
  };
  CLEANUP_FREE char *text = vim_object_text (object, "runtime.powerState");
  size_t i;

  for (i = 0; text && i < ARRAY_SIZE (states); i++)
    if (strcmp (text, states[i].name) == 0)
      return states[i].power;
  return VM_POWER_UNKNOWN;
}

static enum vm_firmware
read_firmware (const struct vim_object *object)
{
  CLEANUP_FREE char *text = vim_object_text (object, "config.firmware");

  if (text && strcmp (text, "efi") == 0)
    return VM_FIRMWARE_UEFI;
  return text && strcmp (text, "bios") == 0 ? VM_FIRMWARE_BIOS
                                             : VM_FIRMWARE_UNKNOWN;
}

static bool
object_bool (const struct vim_object *object, const char *name)
{
  return vim_node_bool (vim_object_get (object, name));
}

/* CPUs and memory.  ESXi can choose the cores of a socket itself, and then
 * says 0.
 */
static int
read_size (const struct vim_object *object, struct vm *vm)
{
  xmlNodePtr hardware = vim_object_get (object, "config.hardware");
  uint64_t cpus = 1, cores = 1, mib = 0;

  vim_child_u64 (hardware, "numCPU", &cpus);
  vim_child_u64 (hardware, "numCoresPerSocket", &cores);
  vim_child_u64 (hardware, "memoryMB", &mib);
  if (cpus == 0 || cpus > UINT16_MAX || cores > UINT16_MAX ||
      !checked_mul (mib, MIB, &vm->memory)) {
    log_error ("VM %s: the server says that it has %" PRIu64 " CPUs, %" PRIu64
               " cores in each socket, and %" PRIu64 " MiB of memory",
               printable (vm->id), cpus, cores, mib);
    errno = EINVAL;
    return -1;
  }
  vm->cpus = cpus;
  vm->cores_per_socket = cores > 0 && cpus % cores == 0 ? cores : 1;
  return 0;
}

/* Lists of them are gone through in ways that take the square of it. */
static int
check_number_of_devices (const struct vim_object *object, const struct vm *vm)
{
  xmlNodePtr node = vim_child (vim_object_get (object, "config.hardware"),
                               "device");
  unsigned n;

  for (n = 0; node; node = vim_next (node, "device"))
    n++;
  if (n <= MAX_DEVICES)
    return 0;
  log_error ("VM %s: the server lists %u devices, more than the %u that are "
             "allowed", printable (vm->path), n, MAX_DEVICES);
  errno = EINVAL;
  return -1;
}

static bool
has_device (const struct vim_object *object, const char *type)
{
  xmlNodePtr node = vim_child (vim_object_get (object, "config.hardware"),
                               "device");

  for (; node; node = vim_next (node, "device"))
    if (vim_node_is_a (node, type))
      return true;
  return false;
}

static void
lower (char *s)
{
  for (; s && *s; s++)
    *s = tolower ((unsigned char) *s);
}

static int
read_names (const struct vim *vim, const struct vim_object *object,
            const struct vim_objects *folders, struct vsphere_vm *vm)
{
  CLEANUP_FREE char *name = vim_object_text (object, "name");
  CLEANUP_FREE char *parent = vim_object_text (object, "parent");
  struct vm *v = &vm->vm;

  if (parent == NULL)
    parent = vim_object_text (object, "parentVApp");
  v->id = strdup (object->ref.id);
  v->name = name ? vim_unescape_name (name) : strdup (object->ref.id);
  if (v->id == NULL || v->name == NULL) {
    log_oom ();
    return -1;
  }
  v->path = vim_path_in (vim, folders, name ? name : v->id, parent);
  if (v->path == NULL)
    return -1;
  if (parent || !vim_is_vcenter (vim))
    vm->datacenter = vim_datacenter_in (vim, folders, parent);
  else {
    log_error ("VM %s: the server does not say in which folder it is",
               printable (v->path));
    errno = EINVAL;
  }
  return vm->datacenter ? 0 : -1;
}

int
vsphere_fill (const struct vim *vim, const struct vim_object *object,
              const struct vim_objects *folders,
              const struct vim_objects *networks, struct vsphere_vm *vm)
{
  struct vm *v = &vm->vm;

  if (read_names (vim, object, folders, vm) == -1)
    return -1;
  v->uuid = vim_object_text (object, "config.uuid");
  lower (v->uuid);
  v->description = vim_object_text (object, "config.annotation");
  v->os = vim_object_text (object, "config.guestId");
  v->os_name = vim_object_text (object, "config.guestFullName");
  v->hostname = vim_object_text (object, "guest.hostName");
  v->host = vim_object_text (object, "runtime.host");
  v->power = read_power (object);
  v->firmware = read_firmware (object);
  v->secure_boot =
    vim_child_bool (vim_object_get (object, "config.bootOptions"),
                    "efiSecureBootEnabled");
  v->tpm = object_bool (object, "summary.config.tpmPresent") ||
    has_device (object, "VirtualTPM");
  v->nested_virt = object_bool (object, "config.nestedHVEnabled");
  vm->change_tracking = object_bool (object, "config.changeTrackingEnabled");
  vm->snapshot = vim_child_text (vim_object_get (object, "snapshot"),
                                 "currentSnapshot");
  vm->tools = vim_object_text (object, "guest.toolsRunningStatus");
  vm->connection_state = vim_object_text (object, "runtime.connectionState");
  if (read_size (object, v) == -1 ||
      check_number_of_devices (object, v) == -1 ||
      vsphere_read_disks (object, vm) == -1 ||
      vsphere_read_drives (object, vm) == -1 ||
      vsphere_read_nics (object, networks, vm) == -1 ||
      vsphere_read_addresses (object, vm) == -1)
    return -1;
  return vsphere_add_concerns (object, vm);
}

/*---- one VM ----*/

DEFINE_VECTOR_TYPE (ref_vector, struct vim_ref);

/* The networks that the VM is on. */
static int
get_networks (struct vim *vim, const struct vim_object *object,
              struct vim_objects *networks)
{
  ref_vector refs = EMPTY_VECTOR;
  xmlNodePtr node = vim_child (vim_object_get (object, "network"),
                               "ManagedObjectReference");
  struct vim_ref ref;
  size_t i;
  int r = 0;

  for (; node && r == 0; node = vim_next (node, "ManagedObjectReference")) {
    if (vim_node_ref (node, &ref) == 0 &&
        ref_vector_append (&refs, ref) == -1) {
      vim_ref_free (&ref);
      log_oom ();
      r = -1;
    }
  }
  if (r == 0)
    r = vim_get_refs (vim, "Network", refs.ptr, refs.len,
                      vsphere_network_paths, networks);
  for (i = 0; i < refs.len; i++)
    vim_ref_free (&refs.ptr[i]);
  ref_vector_reset (&refs);
  return r;
}

/* What is of use to know of the host and of its cluster, and no must:
 * faults do not count.
 */
static int
add_cluster (struct vim *vim, const char *id, struct vsphere_vm *vm)
{
  CLEANUP_VIM_OBJECTS struct vim_objects cluster = { 0 };
  CLEANUP_VIM_FAULT struct vim_fault fault = { 0 };
  const int r = vim_try_get (vim, "ClusterComputeResource", id,
                             vsphere_cluster_paths, &cluster, &fault);

  if (r != 0)
    return r == 1 ? 0 : -1;
  return vsphere_add_cluster_concerns (cluster.list.ptr[0], vm);
}

static int
add_host (struct vim *vim, struct vsphere_vm *vm)
{
  CLEANUP_VIM_OBJECTS struct vim_objects hosts = { 0 };
  CLEANUP_VIM_FAULT struct vim_fault fault = { 0 };
  CLEANUP_FREE char *cluster = NULL;
  const struct vim_object *host;
  int r;

  if (vm->vm.host == NULL)
    return 0;
  r = vim_try_get (vim, "HostSystem", vm->vm.host, vsphere_host_paths,
                   &hosts, &fault);
  if (r != 0)
    return r == 1 ? 0 : -1;
  host = hosts.list.ptr[0];
  /* It sets the clock of the VM. */
  vm->vm.timezone =
    vim_child_text (vim_child (vim_object_get (host, "config.dateTimeInfo"),
                               "timeZone"), "name");
  cluster = vsphere_cluster_of (host);
  return cluster ? add_cluster (vim, cluster, vm) : 0;
}

/* Without its hardware there is nothing to migrate. */
static int
check_readable (const struct vim *vim, const struct vim_object *object,
                const struct vsphere_vm *vm)
{
  size_t i;

  if (vim_object_get (object, "config.hardware"))
    return 0;
  for (i = 0; i < object->denied.len; i++) {
    if (strcmp (object->denied.ptr[i], "config.hardware") == 0) {
      log_error ("VM %s: no permission: user '%s' may not read its hardware: "
                 "the privilege System.Read is needed on it or above",
                 printable (vm->vm.path), printable (vim->user));
      errno = EPERM;
      return -1;
    }
  }
  log_error ("VM %s: the server knows nothing of its hardware, its connection "
             "state is '%s': make its host and its datastore reachable",
             printable (vm->vm.path), vm->connection_state ?
             printable (vm->connection_state) : "unknown");
  errno = EINVAL;
  return -1;
}

int
vsphere_describe (struct vim *vim, const struct source_ref *ref,
                  struct vsphere_vm *out)
{
  CLEANUP_VIM_OBJECTS struct vim_objects objects = { 0 };
  CLEANUP_VIM_OBJECTS struct vim_objects folders = { 0 };
  CLEANUP_VIM_OBJECTS struct vim_objects networks = { 0 };
  CLEANUP_VSPHERE_VM struct vsphere_vm vm;
  CLEANUP_FREE char *id = NULL;
  const struct vim_object *object;

  vsphere_vm_init (&vm);
  if (vim_find_vm (vim, ref, &id) == -1 ||
      vim_get (vim, "VirtualMachine", id, vsphere_vm_paths, &objects) == -1)
    return -1;
  object = objects.list.ptr[0];
  if (vim_ancestors (vim, "VirtualMachine", id, &folders) == -1 ||
      get_networks (vim, object, &networks) == -1 ||
      vsphere_fill (vim, object, &folders, &networks, &vm) == -1 ||
      check_readable (vim, object, &vm) == -1 ||
      add_host (vim, &vm) == -1)
    return -1;
  *out = vm;
  vsphere_vm_init (&vm);
  return 0;
}
