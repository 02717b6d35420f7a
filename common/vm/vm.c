/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Life of a struct vm, and the names of its enumerations.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/hex.h"
#include "common/util/log.h"
#include "common/vm/vm.h"

void
vm_init (struct vm *vm)
{
  memset (vm, 0, sizeof *vm);
  vm->cpus = vm->cores_per_socket = vm->threads_per_core = 1;
}

static void
free_ref (struct vm_ref *ref)
{
  free (ref->id);
  free (ref->name);
}

static void
free_disk (struct vm_disk *disk)
{
  free (disk->id);
  free (disk->name);
  free (disk->file);
  free (disk->version);
  free (disk->format);
  free_ref (&disk->storage);
  free (disk->controller_model);
  free (disk->serial);
  free (disk->drive_letter);
  free (disk->identity);
}

static void
free_nic (struct vm_nic *nic)
{
  size_t i;

  free (nic->id);
  free (nic->name);
  free_ref (&nic->network);
  free (nic->mac);
  free (nic->model);
  for (i = 0; i < nic->ips.len; ++i) {
    free (nic->ips.ptr[i].address);
    free (nic->ips.ptr[i].gateway);
    string_vector_free (&nic->ips.ptr[i].dns);
  }
  vm_ip_vector_reset (&nic->ips);
}

static void
free_concern (struct vm_concern *concern)
{
  free (concern->id);
  free (concern->label);
  free (concern->category);
  free (concern->assessment);
}

void
vm_free (struct vm *vm)
{
  size_t i;

  free (vm->id);
  free (vm->name);
  free (vm->uuid);
  free (vm->path);
  free (vm->description);
  free (vm->os);
  free (vm->os_name);
  free (vm->hostname);
  free (vm->timezone);
  free (vm->host);
  for (i = 0; i < vm->disks.len; ++i)
    free_disk (&vm->disks.ptr[i]);
  vm_disk_vector_reset (&vm->disks);
  for (i = 0; i < vm->nics.len; ++i)
    free_nic (&vm->nics.ptr[i]);
  vm_nic_vector_reset (&vm->nics);
  for (i = 0; i < vm->concerns.len; ++i)
    free_concern (&vm->concerns.ptr[i]);
  vm_concern_vector_reset (&vm->concerns);
  vm_init (vm);
}

struct vm_disk *
vm_add_disk (struct vm *vm)
{
  const struct vm_disk empty = { 0 };

  if (vm_disk_vector_append (&vm->disks, empty) == -1) {
    log_oom ();
    return NULL;
  }
  return &vm->disks.ptr[vm->disks.len - 1];
}

struct vm_nic *
vm_add_nic (struct vm *vm)
{
  const struct vm_nic empty = { 0 };

  if (vm_nic_vector_append (&vm->nics, empty) == -1) {
    log_oom ();
    return NULL;
  }
  return &vm->nics.ptr[vm->nics.len - 1];
}

int
vm_add_concern (struct vm *vm, const char *id, const char *label,
                const char *category, const char *assessment)
{
  struct vm_concern concern = {
    .id = strdup (id),
    .label = strdup (label),
    .category = strdup (category),
    .assessment = strdup (assessment),
  };

  if (!concern.id || !concern.label || !concern.category ||
      !concern.assessment ||
      vm_concern_vector_append (&vm->concerns, concern) == -1) {
    free_concern (&concern);
    log_oom ();
    return -1;
  }
  return 0;
}

/* How many digits stand between two separators: 2 in "00:50:...", 4 in
 * Cisco's "0050.56aa.bb01", 12 where there are none.
 */
static size_t
digits_per_group (char separator)
{
  switch (separator) {
  case ':':
  case '-':
    return 2;
  case '.':
    return 4;
  default:
    return 12;
  }
}

char *
vm_canonical_mac (const char *text)
{
  static const char digits[] = "0123456789abcdef";
  char mac[18];
  const char *separator = text + strcspn (text, ":-.");
  const size_t group = digits_per_group (*separator);
  size_t n = 0, out = 0;
  const char *p = text;
  int value;

  for (n = 0; n < 12; ++n) {
    if (n > 0 && n % group == 0 && *p++ != *separator)
      goto invalid;
    value = hex_digit (*p++);
    if (value == -1)
      goto invalid;
    if (n > 0 && n % 2 == 0)
      mac[out++] = ':';
    mac[out++] = digits[value];
  }
  if (*p != '\0')
    goto invalid;
  mac[out] = '\0';
  return strdup (mac);

 invalid:
  errno = EINVAL;
  return NULL;
}

const char *
vm_firmware_name (enum vm_firmware firmware)
{
  static const char *const names[] = {
    [VM_FIRMWARE_UNKNOWN] = "unknown",
    [VM_FIRMWARE_BIOS] = "bios",
    [VM_FIRMWARE_UEFI] = "uefi",
  };

  return names[firmware];
}

const char *
vm_power_name (enum vm_power power)
{
  static const char *const names[] = {
    [VM_POWER_UNKNOWN] = "Unknown",
    [VM_POWER_OFF] = "Off",
    [VM_POWER_ON] = "On",
    [VM_POWER_SUSPENDED] = "Suspended",
  };

  return names[power];
}

const char *
vm_bus_name (enum vm_bus bus)
{
  static const char *const names[] = {
    [VM_BUS_UNKNOWN] = "unknown",
    [VM_BUS_IDE] = "ide",
    [VM_BUS_SCSI] = "scsi",
    [VM_BUS_SATA] = "sata",
    [VM_BUS_NVME] = "nvme",
    [VM_BUS_VIRTIO] = "virtio",
  };

  return names[bus];
}
