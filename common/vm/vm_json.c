/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A struct vm as a JSON object, in the keys of Forklift's inventory
 * service where it has one (camelCase throughout).  What the source does
 * not say is left out; numbers and booleans are always there.
 */
#include <stdbool.h>
#include <string.h>

#include "common/include/minmax.h"
#include "common/json/json.h"
#include "common/util/log.h"
#include "common/vm/vm.h"

static int
append_string (json_t *array, const char *s)
{
  if (json_array_append_new (array, json_string (s)) == -1) {
    log_oom ();
    return -1;
  }
  return 0;
}

static int
fill_ref (json_t *j, const struct vm_ref *ref)
{
  if (json_set_string (j, "id", ref->id) == -1 ||
      json_set_string (j, "name", ref->name) == -1)
    return -1;
  return 0;
}

static int
set_ref (json_t *j, const char *key, const struct vm_ref *ref)
{
  json_t *obj;

  if (ref->id == NULL && ref->name == NULL)
    return 0;
  obj = json_add (j, key, json_object ());
  return obj ? fill_ref (obj, ref) : -1;
}

static int
fill_disk (json_t *j, const struct vm_disk *disk)
{
  if (json_set_string (j, "id", disk->id) == -1 ||
      json_set_string (j, "name", disk->name) == -1 ||
      json_set_string (j, "file", disk->file) == -1 ||
      json_set_string (j, "format", disk->format) == -1 ||
      set_ref (j, "datastore", &disk->storage) == -1 ||
      json_set_u64 (j, "capacity", disk->capacity) == -1 ||
      json_set_u64 (j, "allocated", disk->allocated) == -1 ||
      json_set_string (j, "bus", vm_bus_name (disk->bus)) == -1 ||
      json_set_string (j, "controllerModel", disk->controller_model) == -1 ||
      json_set_u64 (j, "controllerKey", disk->controller) == -1 ||
      json_set_u64 (j, "unitNumber", disk->unit) == -1 ||
      json_set_string (j, "serial", disk->serial) == -1 ||
      json_set_string (j, "winDriveLetter", disk->drive_letter) == -1 ||
      json_set_bool (j, "shared", disk->shared) == -1 ||
      json_set_bool (j, "rdm", disk->lun) == -1 ||
      json_set_bool (j, "blank", disk->blank) == -1)
    return -1;
  return 0;
}

static int
fill_ip (json_t *j, const struct vm_ip *ip)
{
  json_t *dns;
  size_t i;

  if (json_set_string (j, "ip", ip->address) == -1 ||
      json_set_u64 (j, "prefix", ip->prefix) == -1 ||
      json_set_string (j, "gateway", ip->gateway) == -1 ||
      json_set_string (j, "origin", ip->is_static ? "manual" : "dhcp") == -1)
    return -1;
  dns = json_add (j, "dns", json_array ());
  if (dns == NULL)
    return -1;
  for (i = 0; i < ip->dns.len; ++i)
    if (append_string (dns, ip->dns.ptr[i]) == -1)
      return -1;
  return 0;
}

static int
fill_nic (json_t *j, const struct vm_nic *nic)
{
  json_t *ips, *ip;
  size_t i;

  if (json_set_string (j, "id", nic->id) == -1 ||
      json_set_string (j, "name", nic->name) == -1 ||
      set_ref (j, "network", &nic->network) == -1 ||
      json_set_string (j, "mac", nic->mac) == -1 ||
      json_set_string (j, "model", nic->model) == -1 ||
      json_set_bool (j, "startConnected", nic->connected) == -1)
    return -1;
  ips = json_add (j, "ips", json_array ());
  if (ips == NULL)
    return -1;
  for (i = 0; i < nic->ips.len; ++i) {
    ip = json_append_object (ips);
    if (ip == NULL || fill_ip (ip, &nic->ips.ptr[i]) == -1)
      return -1;
  }
  return 0;
}

static bool
same_text (const char *a, const char *b)
{
  return a == b || (a && b && strcmp (a, b) == 0);
}

/* True if an earlier NIC than I is on the same network. */
static bool
network_seen (const struct vm *vm, size_t i)
{
  const struct vm_ref *ref = &vm->nics.ptr[i].network;
  size_t j;

  for (j = 0; j < i; ++j)
    if (same_text (ref->id, vm->nics.ptr[j].network.id) &&
        same_text (ref->name, vm->nics.ptr[j].network.name))
      return true;
  return false;
}

static int
fill_concern (json_t *j, const struct vm_concern *concern)
{
  if (json_set_string (j, "id", concern->id) == -1 ||
      json_set_string (j, "label", concern->label) == -1 ||
      json_set_string (j, "category", concern->category) == -1 ||
      json_set_string (j, "assessment", concern->assessment) == -1)
    return -1;
  return 0;
}

static int
fill_lists (json_t *j, const struct vm *vm)
{
  json_t *disks, *nics, *networks, *concerns, *obj;
  size_t i;

  disks = json_add (j, "disks", json_array ());
  nics = json_add (j, "nics", json_array ());
  networks = json_add (j, "networks", json_array ());
  concerns = json_add (j, "concerns", json_array ());
  if (!disks || !nics || !networks || !concerns)
    return -1;

  for (i = 0; i < vm->disks.len; ++i) {
    obj = json_append_object (disks);
    if (obj == NULL || fill_disk (obj, &vm->disks.ptr[i]) == -1)
      return -1;
  }
  for (i = 0; i < vm->nics.len; ++i) {
    obj = json_append_object (nics);
    if (obj == NULL || fill_nic (obj, &vm->nics.ptr[i]) == -1)
      return -1;
    if (network_seen (vm, i))
      continue;
    obj = json_append_object (networks);
    if (obj == NULL || fill_ref (obj, &vm->nics.ptr[i].network) == -1)
      return -1;
  }
  for (i = 0; i < vm->concerns.len; ++i) {
    obj = json_append_object (concerns);
    if (obj == NULL || fill_concern (obj, &vm->concerns.ptr[i]) == -1)
      return -1;
  }
  return 0;
}

static int
fill_vm (json_t *j, const struct vm *vm)
{
  if (json_set_string (j, "id", vm->id) == -1 ||
      json_set_string (j, "name", vm->name) == -1 ||
      json_set_string (j, "path", vm->path) == -1 ||
      json_set_string (j, "uuid", vm->uuid) == -1 ||
      json_set_string (j, "description", vm->description) == -1 ||
      json_set_string (j, "guestId", vm->os) == -1 ||
      json_set_string (j, "guestName", vm->os_name) == -1 ||
      json_set_string (j, "hostName", vm->hostname) == -1 ||
      json_set_string (j, "timezone", vm->timezone) == -1 ||
      json_set_string (j, "host", vm->host) == -1 ||
      json_set_string (j, "powerState", vm_power_name (vm->power)) == -1 ||
      json_set_string (j, "firmware",
                       vm_firmware_name (vm->firmware)) == -1 ||
      json_set_bool (j, "secureBoot", vm->secure_boot) == -1 ||
      json_set_bool (j, "tpmEnabled", vm->tpm) == -1 ||
      json_set_bool (j, "nestedHVEnabled", vm->nested_virt) == -1 ||
      json_set_u64 (j, "cpuCount", vm->cpus) == -1 ||
      json_set_u64 (j, "coresPerSocket", vm->cores_per_socket) == -1 ||
      json_set_u64 (j, "threadsPerCore", vm->threads_per_core) == -1 ||
      json_set_u64 (j, "memoryMB", vm->memory / MIB) == -1)
    return -1;
  return fill_lists (j, vm);
}

json_t *
vm_to_json (const struct vm *vm)
{
  json_t *j = json_object ();

  if (j == NULL) {
    log_oom ();
    return NULL;
  }
  if (fill_vm (j, vm) == -1) {
    json_decref (j);
    return NULL;
  }
  return j;
}
