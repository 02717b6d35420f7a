/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inventory: vms, networks, storages and disks of all packages.
 *
 * Objects are gathered with their sort key and put into the array at the
 * end.  VMs are vm_to_json plus the keys that only Forklift's OVA objects
 * have; a disk object has Forklift's Go-cased keys as well, because plans
 * and scripts written for it read those.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/json/json.h"
#include "common/util/digest.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "plugins/ova/inventory.h"

DEFINE_VECTOR_TYPE (object_vector, json_t *);

static void
free_objects (object_vector *v)
{
  size_t i;

  for (i = 0; i < v->len; i++)
    json_decref (v->ptr[i]);
  object_vector_reset (v);
}
#define CLEANUP_OBJECTS __attribute__ ((cleanup (free_objects)))

/* Takes OBJ, also when it fails. */
static int
append (object_vector *v, json_t *obj)
{
  if (object_vector_append (v, obj) == -1) {
    json_decref (obj);
    log_oom ();
    return -1;
  }
  return 0;
}

static int
compare_objects (const void *av, const void *bv)
{
  const json_t *a = *(json_t *const *) av, *b = *(json_t *const *) bv;
  int c = strcmp (json_get_string (a, "name", ""),
                  json_get_string (b, "name", ""));

  if (c == 0)
    c = strcmp (json_get_string (a, "id", ""), json_get_string (b, "id", ""));
  if (c == 0)
    c = strcmp (json_get_string (a, "path", ""),
                json_get_string (b, "path", ""));
  return c;
}

/* An object with these members; the last two may be NULL. */
static json_t *
new_object (const char *id, const char *name, const char *path,
            const char *description)
{
  CLEANUP_JSON json_t *obj = json_object ();
  json_t *ret;

  if (obj == NULL) {
    log_oom ();
    return NULL;
  }
  if (json_set_string (obj, "id", id) == -1 ||
      json_set_string (obj, "name", name) == -1 ||
      json_set_string (obj, "path", path) == -1 ||
      json_set_string (obj, "description", description) == -1)
    return NULL;
  ret = obj;
  obj = NULL;
  return ret;
}

static int
add_vm (object_vector *v, const struct ova_vm *ova_vm)
{
  const struct ova_package *package = ova_vm->package;
  CLEANUP_VM struct vm vm;
  CLEANUP_JSON json_t *obj = NULL;
  json_t *given;

  vm_init (&vm);
  if (ova_vm_fill (ova_vm, &vm) == -1)
    return -1;
  obj = vm_to_json (&vm);
  if (obj == NULL ||
      json_set_string (obj, "ovaPath", package->package->path) == -1 ||
      json_set_string (obj, "ovaSource",
                       ovf_exporter_name (package->ovf->exporter)) == -1 ||
      json_set_string (obj, "osType", vm.os) == -1 ||
      json_set_string (obj, "memoryUnits", "byte * 2^20") == -1)
    return -1;
  given = obj;
  obj = NULL;
  return append (v, given);
}

/* Add the network NAME unless it is there; a DESCRIPTION that comes later
 * is kept out.
 */
static int
add_network (object_vector *v, const char *name, const char *description)
{
  const char *strings[] = { "network", name };
  char id[UUID_TEXT_SIZE];
  json_t *obj;
  size_t i;

  for (i = 0; i < v->len; i++) {
    if (strcmp (json_get_string (v->ptr[i], "name", ""), name) == 0)
      return 0;
  }
  if (uuid_of_strings (strings, 2, id) == -1)
    return -1;
  obj = new_object (id, name, NULL, description);
  return obj ? append (v, obj) : -1;
}

static int
add_networks (object_vector *v, const struct ova *ova)
{
  size_t i, j;

  for (i = 0; i < ova->packages.len; i++) {
    const ovf_network_vector *n = &ova->packages.ptr[i]->ovf->networks;

    for (j = 0; j < n->len; j++) {
      if (add_network (v, n->ptr[j].name, n->ptr[j].description) == -1)
        return -1;
    }
  }
  /* NICs can name one that NetworkSection forgot. */
  for (i = 0; i < ova->vms.len; i++) {
    const vm_nic_vector *nics = &ova->vms.ptr[i]->system->vm.nics;

    for (j = 0; j < nics->len; j++) {
      if (nics->ptr[j].network.name &&
          add_network (v, nics->ptr[j].network.name, NULL) == -1)
        return -1;
    }
  }
  return 0;
}

/* "x.ova::disk1.vmdk", as Forklift writes the place of a disk. */
static int
disk_path (struct strbuf *b, const struct ova_vm *vm, size_t i)
{
  const struct ovf_file *file = ova_vm_file (vm, i);

  if (strbuf_printf (b, "%s::%s", vm->package->package->path,
                     file ? file->href : ova_vm_disk (vm, i)->id) == -1) {
    log_oom ();
    return -1;
  }
  return 0;
}

static int
add_disk (object_vector *v, const struct ova_vm *vm, size_t i)
{
  const struct ovf_disk *disk = ova_vm_disk (vm, i);
  const struct ovf_file *file = ova_vm_file (vm, i);
  CLEANUP_STRBUF struct strbuf path = { 0 };
  CLEANUP_JSON json_t *obj = NULL;
  json_t *given;

  if (disk_path (&path, vm, i) == -1)
    return -1;
  obj = new_object (vm->disk_ids.ptr[i], vm->disk_names.ptr[i], path.ptr,
                    NULL);
  if (obj == NULL ||
      json_set_string (obj, "vm", vm->system->vm.id) == -1 ||
      json_set_u64 (obj, "capacity", disk->capacity) == -1 ||
      json_set_bool (obj, "blank", file == NULL) == -1 ||
      json_set_string (obj, "FilePath", path.ptr) == -1 ||
      json_set_u64 (obj, "Capacity", disk->capacity) == -1 ||
      json_set_string (obj, "CapacityAllocationUnits", "byte") == -1 ||
      json_set_string (obj, "DiskId", disk->id) == -1 ||
      json_set_string (obj, "FileRef", file ? file->id : "") == -1 ||
      json_set_string (obj, "Format", disk->format) == -1 ||
      json_set_u64 (obj, "PopulatedSize", disk->populated) == -1)
    return -1;
  given = obj;
  obj = NULL;
  return append (v, given);
}

static int
add_storage (object_vector *v, const struct ova_vm *vm, size_t i)
{
  CLEANUP_STRBUF struct strbuf path = { 0 };
  json_t *obj;

  if (disk_path (&path, vm, i) == -1)
    return -1;
  obj = new_object (vm->disk_ids.ptr[i], vm->disk_names.ptr[i], path.ptr,
                    NULL);
  return obj ? append (v, obj) : -1;
}

/* The one storage that a plan may name instead of each disk. */
static int
add_dummy_storage (object_vector *v, const char *provider)
{
  CLEANUP_STRBUF struct strbuf name = { 0 };
  const char *strings[] = { "storage", provider };
  char id[UUID_TEXT_SIZE];
  json_t *obj;

  if (uuid_of_strings (strings, 2, id) == -1)
    return -1;
  if (strbuf_printf (&name, "Dummy storage for source provider %s",
                     provider) == -1) {
    log_oom ();
    return -1;
  }
  obj = new_object (id, name.ptr, NULL, NULL);
  return obj ? append (v, obj) : -1;
}

/* Call ADD for each disk of each VM. */
static int
for_each_disk (object_vector *v, const struct ova *ova,
               int (*add) (object_vector *, const struct ova_vm *, size_t))
{
  size_t i, j;

  for (i = 0; i < ova->vms.len; i++) {
    for (j = 0; j < ova->vms.ptr[i]->system->drives.len; j++) {
      if (add (v, ova->vms.ptr[i], j) == -1)
        return -1;
    }
  }
  return 0;
}

json_t *
ova_inventory (const struct ova *ova, const char *provider,
               enum source_collection collection)
{
  CLEANUP_OBJECTS object_vector v = EMPTY_VECTOR;
  CLEANUP_JSON json_t *array = NULL;
  json_t *ret;
  size_t i;
  int r = 0;

  switch (collection) {
  case SOURCE_VMS:
    for (i = 0; i < ova->vms.len && r == 0; i++)
      r = add_vm (&v, ova->vms.ptr[i]);
    break;
  case SOURCE_NETWORKS:
    r = add_networks (&v, ova);
    break;
  case SOURCE_STORAGES:
    r = add_dummy_storage (&v, provider);
    if (r == 0)
      r = for_each_disk (&v, ova, add_storage);
    break;
  case SOURCE_DISKS:
    r = for_each_disk (&v, ova, add_disk);
    break;
  case SOURCE_HOSTS:
    log_error ("provider '%s': a source of type ova has no hosts",
               printable (provider));
    errno = ENOTSUP;
    return NULL;
  }
  if (r == -1)
    return NULL;

  if (v.len > 0)
    qsort (v.ptr, v.len, sizeof (json_t *), compare_objects);
  array = json_array ();
  for (i = 0; i < v.len && array; i++) {
    if (json_array_append (array, v.ptr[i]) == -1) {
      log_oom ();
      return NULL;
    }
  }
  if (array == NULL) {
    log_oom ();
    return NULL;
  }
  ret = array;
  array = NULL;
  return ret;
}
