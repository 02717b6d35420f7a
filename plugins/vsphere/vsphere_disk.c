/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Disks of a VM: controllers, backings with their chains of parents, and
 * the files behind them.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/include/checked.h"
#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "plugins/vsphere/vsphere_private.h"

struct controller {
  int key;
  int bus_number;
  enum vm_bus bus;
  const char *model;
  bool shared;
};
DEFINE_VECTOR_TYPE (controller_vector, struct controller);

/* A file of layoutEx. */
struct extent {
  int key;
  uint64_t size;
};
DEFINE_VECTOR_TYPE (extent_vector, struct extent);

/* What the disks of a VM are read with. */
struct hardware {
  const struct vim_object *object;
  controller_vector controllers;
  extent_vector extents;
};

static const struct {
  const char *type;
  enum vm_bus bus;
  const char *model;
} controllers[] = {
  { "VirtualIDEController", VM_BUS_IDE, "ide" },
  { "VirtualBusLogicController", VM_BUS_SCSI, "buslogic" },
  { "VirtualLsiLogicController", VM_BUS_SCSI, "lsilogic" },
  { "VirtualLsiLogicSASController", VM_BUS_SCSI, "lsisas1068" },
  { "ParaVirtualSCSIController", VM_BUS_SCSI, "pvscsi" },
  { "VirtualSCSIController", VM_BUS_SCSI, "lsilogic" },
  { "VirtualAHCIController", VM_BUS_SATA, "ahci" },
  { "VirtualSATAController", VM_BUS_SATA, "ahci" },
  { "VirtualNVMEController", VM_BUS_NVME, "nvme" },
};

static int
read_controller (xmlNodePtr node, controller_vector *list)
{
  CLEANUP_FREE char *type = vim_xsi_type (node), *sharing = NULL;
  struct controller c = { 0 };
  size_t i;

  for (i = 0; type && i < ARRAY_SIZE (controllers); i++)
    if (strcmp (type, controllers[i].type) == 0)
      break;
  if (type == NULL || i == ARRAY_SIZE (controllers) ||
      !vim_child_int (node, "key", &c.key))
    return 0;
  c.bus = controllers[i].bus;
  c.model = controllers[i].model;
  vim_child_int (node, "busNumber", &c.bus_number);
  sharing = vim_child_text (node, "sharedBus");
  if (sharing == NULL)          /* NVMe, from 8.0 on */
    sharing = vim_child_text (node, "sharing");
  c.shared = sharing && (strcmp (sharing, "virtualSharing") == 0 ||
                         strcmp (sharing, "physicalSharing") == 0);
  if (controller_vector_append (list, c) == -1) {
    log_oom ();
    return -1;
  }
  return 0;
}

static const struct controller *
find_controller (const controller_vector *list, int key)
{
  size_t i;

  for (i = 0; i < list->len; i++)
    if (list->ptr[i].key == key)
      return &list->ptr[i];
  return NULL;
}

/*---- backings ----*/

static enum vsphere_backing
backing_of (xmlNodePtr node)
{
  static const struct {
    const char *type;
    enum vsphere_backing backing;
  } types[] = {
    { "VirtualDiskFlatVer2BackingInfo", VSPHERE_BACKING_FLAT },
    { "VirtualDiskSeSparseBackingInfo", VSPHERE_BACKING_SESPARSE },
    { "VirtualDiskSparseVer2BackingInfo", VSPHERE_BACKING_SPARSE },
    { "VirtualDiskRawDiskVer2BackingInfo", VSPHERE_BACKING_RDM_PHYSICAL },
  };
  CLEANUP_FREE char *type = vim_xsi_type (node), *mode = NULL;
  size_t i;

  if (type && strcmp (type, "VirtualDiskRawDiskMappingVer1BackingInfo") == 0) {
    mode = vim_child_text (node, "compatibilityMode");
    return mode && strcmp (mode, "virtualMode") == 0 ?
      VSPHERE_BACKING_RDM_VIRTUAL : VSPHERE_BACKING_RDM_PHYSICAL;
  }
  for (i = 0; type && i < ARRAY_SIZE (types); i++)
    if (strcmp (type, types[i].type) == 0)
      return types[i].backing;
  return VSPHERE_BACKING_OTHER;
}

/* A disk without a file is known by its key.  The depth of the document
 * limits the number of parents.
 */
static int
read_chain (xmlNodePtr backing, struct vsphere_disk *disk)
{
  for (; backing; backing = vim_child (backing, "parent")) {
    char *file = vim_child_text (backing, "fileName");

    if (file == NULL)
      file = vim_child_text (backing, "descriptorFileName");
    if (file == NULL)
      break;
    if (string_vector_append (&disk->chain, file) == -1) {
      free (file);
      goto oom;
    }
  }
  if (disk->chain.len == 0 &&
      string_vector_append_format (&disk->chain, "disk with key %d",
                                   disk->key) == -1)
    goto oom;
  return 0;

 oom:
  log_oom ();
  return -1;
}

/*---- files ----*/

static int
compare_extents (const void *av, const void *bv)
{
  const struct extent *a = av, *b = bv;

  return (a->key > b->key) - (a->key < b->key);
}

/* The plain files with data, in the order of their keys. */
static int
read_extents (const struct vim_object *object, extent_vector *extents)
{
  xmlNodePtr node = vim_child (vim_object_get (object, "layoutEx"), "file");

  for (; node; node = vim_next (node, "file")) {
    CLEANUP_FREE char *type = vim_child_text (node, "type");
    struct extent e = { 0 };

    if (type == NULL || strcmp (type, "diskExtent") != 0 ||
        !vim_child_int (node, "key", &e.key))
      continue;
    if (!vim_child_u64 (node, "uniqueSize", &e.size))
      vim_child_u64 (node, "size", &e.size);
    if (extent_vector_append (extents, e) == -1) {
      log_oom ();
      return -1;
    }
  }
  if (extents->len > 0)
    qsort (extents->ptr, extents->len, sizeof *extents->ptr,
           compare_extents);
  return 0;
}

/* True if one of the files of a link is an extent; adds their sizes. */
static bool
link_has_extent (xmlNodePtr link, const extent_vector *extents,
                 uint64_t *allocated)
{
  xmlNodePtr node = vim_child (link, "fileKey");
  bool found = false;

  for (; node && extents->len > 0; node = vim_next (node, "fileKey")) {
    const struct extent *e;
    struct extent wanted = { 0 };
    uint64_t key;

    if (!vim_node_u64 (node, &key) || key > INT32_MAX)
      continue;
    wanted.key = key;
    e = bsearch (&wanted, extents->ptr, extents->len, sizeof *extents->ptr,
                 compare_extents);
    if (e == NULL)
      continue;
    found = true;
    checked_add (*allocated, e->size, allocated);
  }
  return found;
}

/* If all links of the disk with this key have plain files, and how much
 * these take.  A server that does not tell is believed to have them.
 */
static void
read_layout (const struct vim_object *object, const extent_vector *extents,
             const struct vsphere_disk *disk, bool *has_extents,
             uint64_t *allocated)
{
  xmlNodePtr layout = vim_object_get (object, "layoutEx"), node, link;
  int k;

  *has_extents = true;
  for (node = vim_child (layout, "disk"); node;
       node = vim_next (node, "disk"))
    if (vim_child_int (node, "key", &k) && k == disk->key)
      break;
  for (link = vim_child (node, "chain"); link;
       link = vim_next (link, "chain"))
    if (!link_has_extent (link, extents, allocated))
      *has_extents = false;
}

/*---- disks ----*/

static bool
says (xmlNodePtr node, const char *name, const char *value)
{
  CLEANUP_FREE char *text = vim_child_text (node, name);

  return text && strcmp (text, value) == 0;
}

/* "scsi0:1.ctkEnabled"; without it what is said of the VM counts. */
static bool
read_change_tracking (const struct vim_object *object,
                      const struct vsphere_vm *vm, const struct vm_disk *disk,
                      const struct controller *controller)
{
  CLEANUP_FREE char *key = NULL, *value = NULL;

  if (!vm->change_tracking || controller == NULL)
    return vm->change_tracking;
  if (asprintf (&key, "%s%d:%u.ctkEnabled", vm_bus_name (disk->bus),
                controller->bus_number, disk->unit) == -1) {
    key = NULL;
    return false;
  }
  value = vsphere_extra_config (object, key);
  return value == NULL || strcasecmp (value, "true") == 0;
}

/* Changes with the content, as far as the server tells: the content id
 * with the first write after each opening, the change id with all.
 */
static char *
make_version (xmlNodePtr backing, const struct vsphere_disk *disk,
              uint64_t capacity)
{
  CLEANUP_FREE char *content = vim_child_text (backing, "contentId");
  CLEANUP_STRBUF struct strbuf b = { 0 };
  char *ret = NULL;
  size_t i;
  int r;

  r = strbuf_printf (&b, "%" PRIu64 " %s %s", capacity,
                     content ? content : "-",
                     disk->change_id ? disk->change_id : "-");
  for (i = 0; i < disk->chain.len && r == 0; i++)
    r = strbuf_printf (&b, " %s", disk->chain.ptr[i]);
  if (r == 0)
    ret = strbuf_steal (&b);
  if (ret == NULL)
    log_oom ();
  return ret;
}

static int
read_capacity (xmlNodePtr node, const char *name, uint64_t *capacity)
{
  uint64_t kib;

  if (vim_child_u64 (node, "capacityInBytes", capacity) && *capacity > 0)
    return 0;
  if (vim_child_u64 (node, "capacityInKB", &kib) &&
      checked_mul (kib, KIB, capacity))
    return 0;
  log_error ("disk %s: the server does not say its capacity",
             printable (name));
  errno = EINVAL;
  return -1;
}

/* The name of the datastore in "[ds] dir/x.vmdk". */
static char *
datastore_name (const char *file)
{
  const char *end = file[0] == '[' ? strchr (file, ']') : NULL;

  return end ? strndup (file + 1, end - file - 1) : NULL;
}

static int
read_disk (const struct hardware *h, xmlNodePtr node, struct vsphere_vm *vm,
           struct vsphere_disk *disk, struct vm_disk *to)
{
  xmlNodePtr backing = vim_child (node, "backing");
  const struct controller *c;
  const char *name;
  int key = 0, unit = 0;

  disk->backing = backing_of (backing);
  if (read_chain (backing, disk) == -1)
    return -1;
  name = disk->chain.ptr[0];
  disk->datastore = vim_child_text (backing, "datastore");
  disk->uuid = vim_child_text (backing, "uuid");
  disk->object_id = vim_child_text (node, "diskObjectId");
  disk->mode = vim_child_text (backing, "diskMode");
  disk->change_id = vim_child_text (backing, "changeId");
  disk->encrypted = vim_child (backing, "keyId") != NULL;
  disk->independent =
    disk->mode && strncmp (disk->mode, "independent_", 12) == 0;

  if (read_capacity (node, name, &to->capacity) == -1)
    return -1;
  read_layout (h->object, &h->extents, disk, &disk->has_extents,
               &to->allocated);
  to->allocated = MIN (to->allocated, to->capacity);
  vim_child_int (node, "controllerKey", &key);
  vim_child_int (node, "unitNumber", &unit);
  to->controller = MAX (key, 0);
  to->unit = MAX (unit, 0);
  c = find_controller (&h->controllers, key);
  if (c) {
    to->bus = c->bus;
    to->controller_model = strdup (c->model);
  }
  disk->change_tracking = read_change_tracking (h->object, vm, to, c);
  to->shared = (c && c->shared) ||
    says (backing, "sharing", "sharingMultiWriter");
  to->lun = disk->backing == VSPHERE_BACKING_RDM_VIRTUAL ||
    disk->backing == VSPHERE_BACKING_RDM_PHYSICAL;
  to->name = strdup (name);
  to->file = strdup (name);
  to->format = strdup ("vmdk");
  to->serial = disk->uuid ? strdup (disk->uuid) : NULL;
  to->storage.id = disk->datastore ? strdup (disk->datastore) : NULL;
  to->storage.name = datastore_name (name);
  to->version = make_version (backing, disk, to->capacity);
  if (disk->datastore &&
      asprintf (&to->identity, "%s %s", disk->datastore, name) == -1)
    goto oom;
  if (asprintf (&to->id, "%s:%d", vm->vm.id, disk->key) == -1)
    to->id = NULL;
  if (to->name == NULL || to->file == NULL || to->format == NULL ||
      to->version == NULL || to->id == NULL ||
      (c && to->controller_model == NULL))
    goto oom;
  return 0;

 oom:
  log_oom ();
  return -1;
}

static unsigned
bus_rank (enum vm_bus bus)
{
  static const enum vm_bus order[] = {
    VM_BUS_SATA, VM_BUS_IDE, VM_BUS_SCSI, VM_BUS_NVME
  };
  size_t i;

  for (i = 0; i < ARRAY_SIZE (order); i++)
    if (order[i] == bus)
      break;
  return i;
}

static bool
comes_before (const struct vm_disk *a, const struct vm_disk *b)
{
  if (a->bus != b->bus)
    return bus_rank (a->bus) < bus_rank (b->bus);
  if (a->controller != b->controller)
    return a->controller < b->controller;
  return a->unit < b->unit;
}

/* Both vectors, by insertion: a VM has few disks. */
static void
sort_disks (struct vsphere_vm *vm)
{
  size_t i, j;

  for (i = 1; i < vm->disks.len; i++) {
    const struct vsphere_disk disk = vm->disks.ptr[i];
    const struct vm_disk to = vm->vm.disks.ptr[i];

    for (j = i; j > 0 && comes_before (&to, &vm->vm.disks.ptr[j - 1]); j--) {
      vm->disks.ptr[j] = vm->disks.ptr[j - 1];
      vm->vm.disks.ptr[j] = vm->vm.disks.ptr[j - 1];
    }
    vm->disks.ptr[j] = disk;
    vm->vm.disks.ptr[j] = to;
  }
}

static int
add_disk (const struct hardware *h, xmlNodePtr node, struct vsphere_vm *vm)
{
  struct vsphere_disk disk = { 0 };
  struct vm_disk *to;
  size_t i;

  if (!vim_child_int (node, "key", &disk.key)) {
    log_error ("VM %s: the server lists a disk without a key",
               printable (vm->vm.path));
    errno = EINVAL;
    return -1;
  }
  for (i = 0; i < vm->disks.len; i++) {
    if (vm->disks.ptr[i].key == disk.key) {
      log_error ("VM %s: the server lists two disks with the key %d",
                 printable (vm->vm.path), disk.key);
      errno = EINVAL;
      return -1;
    }
  }
  to = vm_add_disk (&vm->vm);
  if (to == NULL)
    return -1;
  if (vsphere_disk_vector_append (&vm->disks, disk) == -1) {
    log_oom ();
    return -1;
  }
  return read_disk (h, node, vm, &vm->disks.ptr[vm->disks.len - 1], to);
}

int
vsphere_read_disks (const struct vim_object *object, struct vsphere_vm *vm)
{
  xmlNodePtr first = vim_child (vim_object_get (object, "config.hardware"),
                                "device");
  struct hardware h = { .object = object };
  xmlNodePtr node;
  int r;

  r = read_extents (object, &h.extents);
  for (node = first; node && r == 0; node = vim_next (node, "device"))
    r = read_controller (node, &h.controllers);
  for (node = first; node && r == 0; node = vim_next (node, "device"))
    if (vim_node_is_a (node, "VirtualDisk"))
      r = add_disk (&h, node, vm);
  controller_vector_reset (&h.controllers);
  extent_vector_reset (&h.extents);
  if (r == 0)
    sort_disks (vm);
  return r;
}
