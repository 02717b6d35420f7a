/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Concerns: what of a VM cannot or can only partly be migrated.  Ids and
 * categories are those of Forklift's rules for vSphere, which plans and
 * scripts know; the ids under "vmware.nbdlift." are ours.
 *
 * Not here: those of its cluster (cluster.c), and maps of the plan (the
 * driver's preflight).
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "plugins/vsphere/vsphere_private.h"

#define MAX_DISKS 165

struct look {
  const struct vim_object *object;
  struct vsphere_vm *vm;
};

static int
add (const struct look *look, const char *id, const char *label,
     const char *category, const char *assessment)
{
  return vm_add_concern (&look->vm->vm, id, label, category, assessment);
}

/* A concern of disk I, whose name follows the label. */
static int
add_disk (const struct look *look, size_t i, const char *id,
          const char *label, const char *category, const char *assessment)
{
  const char *name = look->vm->vm.disks.ptr[i].name;
  CLEANUP_FREE char *text = NULL;

  if (asprintf (&text, "%s: %s", label, name) == -1) {
    text = NULL;
    log_oom ();
    return -1;
  }
  return add (look, id, text, category, assessment);
}

static bool
is_true (const struct look *look, const char *name)
{
  return vim_node_bool (vim_object_get (look->object, name));
}

/* Any child of the property NAME. */
static bool
has_child (const struct look *look, const char *name, const char *child)
{
  return vim_child (vim_object_get (look->object, name), child) != NULL;
}

/*---- properties of the VM ----*/

static const struct {
  const char *property;
  const char *id, *label, *category, *assessment;
} flags[] = {
  { "runtime.consolidationNeeded", "vmware.consolidation_needed",
    "Disks need consolidation", "Warning",
    "Files of removed snapshots are still part of the disks.  They are read "
    "as they are, but consolidate the disks to read less." },
  { "config.cpuHotAddEnabled", "vmware.cpu_memory.hotplug.enabled",
    "CPU or memory hot-plug is enabled", "Warning",
    "The new VM has the CPUs and the memory of now; hot-plug is not set up "
    "for it." },
  { "config.keyId", "vmware.nbdlift.encrypted",
    "The VM is encrypted", "Critical",
    "Its disks cannot be read: decrypt the VM on vSphere first." },
};

/* A flag, or a structure that is there at all. */
static bool
is_set (const struct look *look, const char *name)
{
  xmlNodePtr node = vim_object_get (look->object, name);

  return node && (xml_child (node, NULL, NULL) || vim_node_bool (node));
}

static int
check_flags (const struct look *look)
{
  size_t i;

  for (i = 0; i < ARRAY_SIZE (flags); i++)
    if (is_set (look, flags[i].property) &&
        add (look, flags[i].id, flags[i].label, flags[i].category,
             flags[i].assessment) == -1)
      return -1;
  if (!is_true (look, "config.cpuHotAddEnabled") &&
      (is_true (look, "config.cpuHotRemoveEnabled") ||
       is_true (look, "config.memoryHotAddEnabled")) &&
      add (look, flags[1].id, flags[1].label, flags[1].category,
           flags[1].assessment) == -1)
    return -1;
  return 0;
}

static int
check_placement (const struct look *look)
{
  CLEANUP_FREE char *numa =
    vsphere_extra_config (look->object, "numa.nodeAffinity");

  if (has_child (look, "config.cpuAffinity", "affinitySet") &&
      add (look, "vmware.cpu_affinity.detected", "CPUs are pinned",
           "Warning", "The new VM runs on any CPU: set dedicated CPUs for it "
           "if it needs them.") == -1)
    return -1;
  if (numa && *numa &&
      add (look, "vmware.numa_affinity.detected", "NUMA nodes are pinned",
           "Warning", "The new VM runs on any NUMA node: set dedicated CPUs "
           "and NUMA passthrough for it if it needs them.") == -1)
    return -1;
  if (is_set (look, "config.ftInfo") &&
      add (look, "vmware.fault_tolerance.enabled",
           "Fault tolerance is enabled", "Information",
           "KubeVirt has no fault tolerance; turn it off before the "
           "migration.") == -1)
    return -1;
  return 0;
}

static int
check_state (const struct look *look)
{
  const struct vsphere_vm *vm = look->vm;
  const bool readable =
    vim_object_get (look->object, "config.hardware") != NULL;

  if ((!readable || (vm->connection_state &&
                     strcmp (vm->connection_state, "connected") != 0)) &&
      add (look, "vmware.nbdlift.unreachable",
           "The VM cannot be reached", "Critical",
           "The server does not know its hardware, or has lost its host: "
           "make host and datastore reachable.") == -1)
    return -1;
  if (!readable)
    return 0;
  if (vm->snapshot &&
      add (look, "vmware.snapshot.detected", "The VM has snapshots",
           "Information", "Its disks are migrated as they are now; the "
           "snapshots stay behind.") == -1)
    return -1;
  if (vm->vm.power == VM_POWER_ON &&
      (vm->tools == NULL || strcmp (vm->tools, "guestToolsRunning") != 0) &&
      add (look, "vmware.nbdlift.tools.not_running",
           "The VM is on and VMware Tools do not run", "Warning",
           "It cannot be shut down from outside: shut the guest down by hand "
           "before the migration, or start VMware Tools.") == -1)
    return -1;
  if (vm->vm.power == VM_POWER_SUSPENDED &&
      add (look, "vmware.nbdlift.suspended", "The VM is suspended",
           "Critical", "The memory that it was suspended with would be lost: "
           "resume it and shut it down.") == -1)
    return -1;
  if (vm->vm.power == VM_POWER_OFF &&
      add (look, "vmware.vm_powered_off.detected", "The VM is off",
           "Warning", "Its IP addresses are not known: without them "
           "preserveStaticIPs goes by the guest's own files, and for Windows "
           "has no effect. Check the plan while it runs.") == -1)
    return -1;
  return 0;
}

static int
check_guest (const struct look *look)
{
  const struct vm *vm = &look->vm->vm;

  if (vm->power == VM_POWER_ON && vm->hostname == NULL &&
      add (look, "vmware.hostname.empty", "The guest has no host name",
           "Warning", "VMware Tools report none; software that needs the old "
           "name may fail in the new VM.") == -1)
    return -1;
  if (vm->hostname && strcmp (vm->hostname, "localhost.localdomain") == 0 &&
      add (look, "vmware.hostname.default",
           "The guest's host name is localhost.localdomain", "Warning",
           "It may be called otherwise on the new network: set a host "
           "name.") == -1)
    return -1;
  if (vm->tpm &&
      add (look, "vmware.tpm.detected", "The VM has a TPM", "Warning",
           "The new VM gets an empty one: what is sealed in the old one "
           "(BitLocker keys) is lost, so keep recovery keys at hand.") == -1)
    return -1;
  return 0;
}

/* Letters, digits, "-" and ".", from a letter or digit to one. */
static int
check_name (const struct look *look)
{
  const char *name = look->vm->vm.name;
  static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";
  const size_t len = strlen (name);

  if (strspn (name, allowed) == len && len > 0 && len < 64 &&
      !strchr ("-.", name[0]) && !strchr ("-.", name[len - 1]))
    return 0;
  return add (look, "vmware.vm.name.invalid",
              "The name of the VM is no DNS name", "Warning",
              "The new VM gets a name that is made from it; set targetName in "
              "the plan to choose another.");
}

/* Guest ids that virt-v2v and KubeVirt are known to take. */
static int
check_os (const struct look *look)
{
  static const char *const prefixes[] = {
    "rhel7", "rhel8", "rhel9", "rhel10", "windows9", "windows11",
    "windows12", "windows2019", "windows2022", "windows2025",
  };
  const char *os = look->vm->vm.os;
  size_t i;

  for (i = 0; os && i < ARRAY_SIZE (prefixes); i++)
    if (strncasecmp (os, prefixes[i], strlen (prefixes[i])) == 0)
      return 0;
  return add (look, "vmware.os.unsupported",
              "The guest's system is not on Forklift's list", "Warning",
              "It is converted if virt-v2v knows it; other systems are copied "
              "as they are only with skipGuestConversion.");
}

/*---- devices ----*/

static const struct {
  const char *type;
  const char *id, *label, *category, *assessment;
} devices[] = {
  { "VirtualPCIPassthrough", "vmware.passthrough_device.detected",
    "A host's device is passed through", "Critical",
    "The new VM does not get it: remove the device from the VM, and add one "
    "to the new VM by hand." },
  { "VirtualSriovEthernetCard", "vmware.device.sriov.detected",
    "A NIC is an SR-IOV device", "Warning",
    "The new VM gets an emulated NIC; map its network to an SR-IOV network "
    "by hand afterwards." },
  { "VirtualUSBController", "vmware.usb_controller.detected",
    "The VM has a USB controller", "Warning",
    "USB devices of the host are not passed on." },
  { "VirtualUSBXHCIController", "vmware.usb_controller.detected",
    "The VM has a USB controller", "Warning",
    "USB devices of the host are not passed on." },
};

/* Each kind once. */
static int
check_devices (const struct look *look)
{
  xmlNodePtr first =
    vim_child (vim_object_get (look->object, "config.hardware"), "device");
  xmlNodePtr node;
  size_t i;

  for (i = 0; i < ARRAY_SIZE (devices); i++) {
    for (node = first; node; node = vim_next (node, "device"))
      if (vim_node_is_a (node, devices[i].type))
        break;
    if (node && add (look, devices[i].id, devices[i].label,
                     devices[i].category, devices[i].assessment) == -1)
      return -1;
  }
  return 0;
}

/*---- disks ----*/

static int
check_backing (const struct look *look, size_t i)
{
  const struct vsphere_disk *disk = &look->vm->disks.ptr[i];
  const struct vm_disk *v = &look->vm->vm.disks.ptr[i];

  if (v->lun &&
      add_disk (look, i, "vmware.disk.rdm.detected",
                "Raw device mapping", "Warning",
                "It is a LUN of the storage array, which is not copied: "
                "detach it, and attach the LUN to the new VM.") == -1)
    return -1;
  if (disk->backing == VSPHERE_BACKING_OTHER &&
      add_disk (look, i, "vmware.nbdlift.disk.backing",
                "A disk of a kind that cannot be read", "Critical",
                "It is neither a VMDK nor a raw device mapping: detach it, or "
                "move its content to an ordinary disk.") == -1)
    return -1;
  if (disk->encrypted &&
      add_disk (look, i, "vmware.nbdlift.disk.encrypted",
                "A disk is encrypted", "Critical",
                "It cannot be read: decrypt it on vSphere first.") == -1)
    return -1;
  if (!disk->has_extents && !v->lun &&
      add_disk (look, i, "vmware.nbdlift.disk.no_extent",
                "A disk is an object of vSAN or of a virtual volume",
                "Information", "It has no file that could be read; it is "
                "exported as a stream, or read with VDDK.") == -1)
    return -1;
  return 0;
}

static int
check_disk (const struct look *look, size_t i)
{
  const struct vsphere_disk *disk = &look->vm->disks.ptr[i];
  const struct vm_disk *v = &look->vm->vm.disks.ptr[i];

  if (check_backing (look, i) == -1)
    return -1;
  if (v->bus == VM_BUS_NVME &&
      add_disk (look, i, "vmware.disk.nvme.detected", "NVMe disk",
                "Warning", "Forklift 2.9 refuses such disks.  It is copied "
                "as all others and is a virtio disk of the new VM.") == -1)
    return -1;
  if (disk->independent &&
      add_disk (look, i, "vmware.disk_mode.independent",
                "Independent disk", "Warning",
                "It is left out of snapshots: it can be migrated cold "
                "only.") == -1)
    return -1;
  if (v->shared &&
      add_disk (look, i, "vmware.disk.shared.detected", "Shared disk",
                "Warning", "Power off all VMs that share it before the "
                "migration, or its copy is not consistent.") == -1)
    return -1;
  if (disk->datastore == NULL && disk->backing != VSPHERE_BACKING_OTHER &&
      add_disk (look, i, "vmware.datastore.missing",
                "A disk has no datastore", "Critical",
                "The datastore is not mounted any more: mount it, or detach "
                "the disk.") == -1)
    return -1;
  if (v->capacity == 0 &&
      add_disk (look, i, "vmware.disk.capacity.invalid",
                "A disk has no capacity", "Critical",
                "Detach the disk, or give it a size.") == -1)
    return -1;
  if (look->vm->change_tracking && !disk->change_tracking && !v->lun &&
      add_disk (look, i, "vmware.changed_block_tracking.disk.disabled",
                "Changed block tracking is off for a disk", "Warning",
                "Warm migration needs it; a cold one reads the whole "
                "disk.") == -1)
    return -1;
  return 0;
}

static int
check_disks (const struct look *look)
{
  const struct vsphere_vm *vm = look->vm;
  CLEANUP_FREE char *uuids =
    vsphere_extra_config (look->object, "disk.EnableUUID");
  bool scsi = false;
  size_t i;

  for (i = 0; i < vm->disks.len; i++) {
    scsi = scsi || vm->vm.disks.ptr[i].bus == VM_BUS_SCSI;
    if (check_disk (look, i) == -1)
      return -1;
  }
  if (!vm->change_tracking &&
      add (look, "vmware.changed_block_tracking.disabled",
           "Changed block tracking is off", "Warning",
           "Warm migration needs it; a cold one does not, but reads less "
           "with it.") == -1)
    return -1;
  if (vm->disks.len > MAX_DISKS &&
      add (look, "vmware.disk.count.exceeds.limit",
           "The VM has more than 165 disks", "Warning",
           "The new VM may not start with so many disks.") == -1)
    return -1;
  if (uuids && strcasecmp (uuids, "true") == 0 && scsi &&
      add (look, "vmware.disk_serial.truncated",
           "The guest sees serial numbers of its disks", "Information",
           "They are cut to 20 characters on virtio and SATA: names below "
           "/dev/disk/by-id change.") == -1)
    return -1;
  return 0;
}

/* Free space that a conversion needs, in MiB, by where it is mounted. */
static uint64_t
space_needed (const char *path)
{
  if (strcmp (path, "/") == 0 || strcasecmp (path, "C:\\") == 0)
    return 100;
  return strcmp (path, "/boot") == 0 ? 50 : 10;
}

static int
check_space (const struct look *look)
{
  xmlNodePtr node = vim_child (vim_object_get (look->object, "guest.disk"),
                               "GuestDiskInfo");

  for (; node; node = vim_next (node, "GuestDiskInfo")) {
    CLEANUP_FREE char *path = vim_child_text (node, "diskPath"), *label = NULL;
    uint64_t space;

    if (path == NULL || !vim_child_u64 (node, "freeSpace", &space) ||
        space >= space_needed (path) * MIB)
      continue;
    if (asprintf (&label, "Too little free space in %s", path) == -1) {
      label = NULL;
      log_oom ();
      return -1;
    }
    if (add (look, "vmware.guestDisks.freespace", label, "Critical",
             "The conversion writes drivers and a new boot image there: make "
             "room (100 MiB in / and C:\\, 50 in /boot, 10 "
             "elsewhere).") == -1)
      return -1;
  }
  return 0;
}

/* Drives of Windows that VMware Tools put on no disk. */
static int
check_drives (const struct look *look)
{
  xmlNodePtr node = vim_child (vim_object_get (look->object, "guest.disk"),
                               "GuestDiskInfo");
  const char *os = look->vm->vm.os;

  if (os == NULL || strncasecmp (os, "windows", 7) != 0)
    return 0;
  for (; node; node = vim_next (node, "GuestDiskInfo"))
    if (vim_child (node, "mappings") == NULL)
      return add (look, "vmware.guestDisks.key.not_found",
                  "It is not known which disk a drive of Windows is on",
                  "Information",
                  "Compare the drive letters after the migration.");
  return 0;
}

static int
check_addresses (const struct look *look)
{
  const struct vm *vm = &look->vm->vm;
  size_t i;

  for (i = 0; i < vm->nics.len; i++)
    if (vm->nics.ptr[i].ips.len > 0)
      return 0;
  if (vm->power != VM_POWER_ON || vm->nics.len == 0)
    return 0;
  return add (look, "vmware.vm_missing_ip.detected",
              "The addresses of the guest are not known", "Warning",
              "VMware Tools report none: preserveStaticIPs goes by the "
              "guest's own files, and for Windows has no effect.");
}

int
vsphere_add_concerns (const struct vim_object *object, struct vsphere_vm *vm)
{
  static int (*const checks[]) (const struct look *) = {
    check_state, check_disks, check_devices, check_guest, check_addresses,
    check_space, check_drives, check_flags, check_placement, check_name,
    check_os,
  };
  const struct look look = { .object = object, .vm = vm };
  size_t i;

  for (i = 0; i < ARRAY_SIZE (checks); i++) {
    if (checks[i] (&look) == -1)
      return -1;
    if (i == 0 && vim_object_get (object, "config.hardware") == NULL)
      return 0;
  }
  return 0;
}
