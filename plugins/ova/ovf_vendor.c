/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What VMware and VirtualBox add to OVF: firmware, secure boot, TPM, boot
 * order, and VirtualBox's whole machine description.
 *
 * Also the concerns that the descriptor alone gives rise to.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "common/xml/xml.h"
#include "plugins/ova/ovf_reader.h"

static bool
is_true (const char *text)
{
  return strcasecmp (text, "true") == 0 || strcmp (text, "1") == 0;
}

static enum vm_firmware
firmware_of_name (const char *name)
{
  if (strncasecmp (name, "efi", 3) == 0 || strcasecmp (name, "uefi") == 0)
    return VM_FIRMWARE_UEFI;
  if (strcasecmp (name, "bios") == 0)
    return VM_FIRMWARE_BIOS;
  return VM_FIRMWARE_UNKNOWN;
}

/* One vmw:Config or vmw:ExtraConfig: both are seen with these keys. */
static void
read_config (const struct ovf_reader *r, xmlNodePtr node, struct vm *vm,
             bool *hot_plug)
{
  static const char *const hot_plug_keys[] = {
    "cpuHotAddEnabled", "cpuHotRemoveEnabled", "memoryHotAddEnabled",
    "vcpu.hotadd", "vcpu.hotremove", "mem.hotadd",
  };
  CLEANUP_FREE char *key = xml_attribute (node, NULL, "key");
  CLEANUP_FREE char *value = xml_attribute (node, NULL, "value");
  size_t i;

  if (key == NULL || value == NULL)
    return;
  if (strcmp (key, "firmware") == 0) {
    vm->firmware = firmware_of_name (value);
    if (vm->firmware == VM_FIRMWARE_UNKNOWN)
      ovf_warning (r, node, "the firmware '%s' is neither bios nor efi: the "
                   "guest will tell", printable (value));
  }
  else if (strcmp (key, "bootOptions.efiSecureBootEnabled") == 0 ||
           strcmp (key, "uefi.secureBoot.enabled") == 0)
    vm->secure_boot = is_true (value);
  else if (strcmp (key, "vtpm.present") == 0)
    vm->tpm = vm->tpm || is_true (value);
  else if (strcmp (key, "nestedHVEnabled") == 0 ||
           strcmp (key, "vhv.enable") == 0)
    vm->nested_virt = is_true (value);
  for (i = 0; i < ARRAY_SIZE (hot_plug_keys); i++) {
    if (strcmp (key, hot_plug_keys[i]) == 0 && is_true (value))
      *hot_plug = true;
  }
}

/* Move the first drive at or after FRONT with this InstanceID to FRONT.
 * True if there is one.
 */
static bool
move_to_front (ovf_drive_vector *drives, size_t front, const char *instance,
               size_t len)
{
  struct ovf_drive drive;
  size_t i;

  for (i = front; i < drives->len; i++) {
    const char *own = drives->ptr[i].instance;

    if (own && strlen (own) == len && memcmp (own, instance, len) == 0)
      break;
  }
  if (i == drives->len)
    return false;
  drive = drives->ptr[i];
  memmove (&drives->ptr[front + 1], &drives->ptr[front],
           (i - front) * sizeof drive);
  drives->ptr[front] = drive;
  return true;
}

/* vmw:BootOrderSection: InstanceIDs of boot devices, best first. */
static void
apply_boot_order (xmlNodePtr node, struct ovf_system *system)
{
  xmlNodePtr section = xml_child (node, VMW_NS, "BootOrderSection");
  CLEANUP_FREE char *list = NULL;
  const char *word;
  size_t len, front = 0;

  if (section == NULL)
    return;
  list = xml_attribute (section, NULL, "instanceId");
  for (word = list; word && *word; word += len) {
    word += strspn (word, " \t\r\n");
    len = strcspn (word, " \t\r\n");
    if (len > 0 && move_to_front (&system->drives, front, word, len))
      front++;
  }
}

/* Forklift's rule for names that can be kept: letters, digits, dots and
 * dashes, the latter two not at the ends, less than 64.
 */
static bool
is_portable_name (const char *name)
{
  static const char alnum[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "abcdefghijklmnopqrstuvwxyz0123456789";
  const size_t len = strlen (name);
  size_t i;

  for (i = 0; i < len; i++) {
    if (strchr (alnum, name[i]) == NULL &&
        (i == 0 || i == len - 1 || strchr ("-.", name[i]) == NULL))
      return false;
  }
  return len < 64;
}

/* Warnings that the plan and its user should see. */
static int
add_concerns (const struct ovf_reader *r, struct ovf_system *system,
              bool hot_plug)
{
  struct vm *vm = &system->vm;

  if (r->ovf->exporter != OVF_EXPORTER_VMWARE &&
      vm_add_concern (vm, "ova.source.unsupported",
                      "OVA not exported by VMware", "Warning",
                      "The package does not look like one that VMware "
                      "wrote. It is read all the same, but check CPU, "
                      "memory, firmware and NICs of the new VM.") == -1)
    return -1;
  if (!is_portable_name (vm->name) &&
      vm_add_concern (vm, "ova.name.invalid", "Name not usable as it is",
                      "Warning",
                      "The VM's name has characters or a length that "
                      "Kubernetes does not allow: the new VM gets a name "
                      "made from it. Set targetName to choose one.") == -1)
    return -1;
  if (hot_plug &&
      vm_add_concern (vm, "ova.cpu_memory.hotplug.enabled",
                      "CPU or memory hot plug is enabled", "Warning",
                      "The new VM does not have CPU or memory hot plug: "
                      "set it up there if it is needed.") == -1)
    return -1;
  if (vm->memory == 0 &&
      vm_add_concern (vm, "ova.memory.missing", "No memory size",
                      "Critical",
                      "The OVF has no memory Item, so that no VM can be "
                      "made of it: add one to the OVF.") == -1)
    return -1;
  if (system->drives.len > 165 &&
      vm_add_concern (vm, "ova.disk.count.exceeds.limit",
                      "More than 165 disks", "Warning",
                      "KubeVirt cannot attach that many disks to one "
                      "VM.") == -1)
    return -1;
  return 0;
}

int
ovf_read_vmware (struct ovf_reader *r, xmlNodePtr node, xmlNodePtr hw,
                 struct ovf_system *system)
{
  xmlNodePtr child;
  bool hot_plug = false;

  for (child = hw ? xml_child (hw, VMW_NS, NULL) : NULL; child;
       child = xml_next_element (child->next, VMW_NS, NULL)) {
    const char *name = (const char *) child->name;

    if (strcmp (name, "Config") == 0 || strcmp (name, "ExtraConfig") == 0)
      read_config (r, child, &system->vm, &hot_plug);
  }
  apply_boot_order (node, system);
  return add_concerns (r, system, hot_plug);
}

/* Adapters of vbox:Machine/Hardware/Network that are enabled are, in
 * their order, the NICs of the hardware section, which has no addresses.
 */
static void
read_vbox_adapters (xmlNodePtr hardware, struct vm *vm)
{
  xmlNodePtr network = xml_child (hardware, NULL, "Network"), adapter;
  size_t i = 0;

  if (network == NULL)
    return;
  for (adapter = xml_child (network, NULL, "Adapter");
       adapter && i < vm->nics.len;
       adapter = xml_next_element (adapter->next, NULL, "Adapter")) {
    CLEANUP_FREE char *enabled = xml_attribute (adapter, NULL, "enabled");
    CLEANUP_FREE char *cable = xml_attribute (adapter, NULL, "cable");
    CLEANUP_FREE char *mac = xml_attribute (adapter, NULL, "MACAddress");
    struct vm_nic *nic = &vm->nics.ptr[i];

    if (enabled == NULL || !is_true (enabled))
      continue;
    i++;
    if (cable && !is_true (cable))
      nic->connected = false;
    if (nic->mac == NULL && mac)
      nic->mac = vm_canonical_mac (mac);
  }
}

/* Drives whose Item names no controller: StorageControllers knows it, by
 * the disk's UUID.
 */
static void
read_vbox_controllers (const struct ovf_reader *r, xmlNodePtr machine,
                       struct ovf_system *system)
{
  xmlNodePtr list = xml_child (machine, NULL, "StorageControllers");
  xmlNodePtr hardware = xml_child (machine, NULL, "Hardware");
  xmlNodePtr controller, device, image;
  size_t i;

  if (list == NULL && hardware)
    list = xml_child (hardware, NULL, "StorageControllers");
  if (list == NULL)
    return;
  for (controller = xml_child (list, NULL, "StorageController"); controller;
       controller = xml_next_element (controller->next, NULL,
                                      "StorageController")) {
    CLEANUP_FREE char *type = xml_attribute (controller, NULL, "type");

    for (device = xml_child (controller, NULL, "AttachedDevice");
         type && device;
         device = xml_next_element (device->next, NULL, "AttachedDevice")) {
      CLEANUP_FREE char *uuid = NULL, *port = NULL;
      uint64_t unit = 0;

      image = xml_child (device, NULL, "Image");
      if (image == NULL || (uuid = xml_attribute (image, NULL,
                                                  "uuid")) == NULL)
        continue;
      port = xml_attribute (device, NULL, "port");
      for (i = 0; i < system->drives.len; i++) {
        struct ovf_drive *drive = &system->drives.ptr[i];
        const char *own = r->ovf->disks.ptr[drive->disk].uuid;

        if (drive->bus != VM_BUS_UNKNOWN || own == NULL ||
            strcasestr (uuid, own) == NULL)
          continue;
        free (drive->controller_model);
        drive->controller_model = ovf_canonical_model (type);
        drive->bus = ovf_bus_of_model (drive->controller_model,
                                       VM_BUS_UNKNOWN);
        if (port && parse_u64 (port, &unit) && unit <= UINT16_MAX)
          drive->unit = unit;
      }
    }
  }
}

int
ovf_read_virtualbox (struct ovf_reader *r, xmlNodePtr node,
                     struct ovf_system *system)
{
  xmlNodePtr machine = xml_child (node, VBOX_NS, "Machine");
  xmlNodePtr hardware, firmware, child;
  struct vm *vm = &system->vm;

  if (machine == NULL)
    return 0;
  read_vbox_controllers (r, machine, system);
  hardware = xml_child (machine, NULL, "Hardware");
  if (hardware == NULL)
    return 0;
  read_vbox_adapters (hardware, vm);

  /* VirtualBox writes Firmware only when it is not the default, BIOS. */
  vm->firmware = VM_FIRMWARE_BIOS;
  firmware = xml_child (hardware, NULL, "Firmware");
  if (firmware) {
    CLEANUP_FREE char *type = xml_attribute (firmware, NULL, "type");

    if (type)
      vm->firmware = firmware_of_name (type);
    child = xml_child (firmware, NULL, "SecureBoot");
    if (child) {
      CLEANUP_FREE char *enabled = xml_attribute (child, NULL, "enabled");

      vm->secure_boot = enabled && is_true (enabled);
    }
  }
  child = xml_child (hardware, NULL, "TrustedPlatformModule");
  if (child) {
    CLEANUP_FREE char *type = xml_attribute (child, NULL, "type");

    vm->tpm = type && strcasecmp (type, "none") != 0;
  }
  return 0;
}
