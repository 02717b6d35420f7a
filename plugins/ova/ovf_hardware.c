/* SPDX-License-Identifier: BSD-3-Clause
 *
 * VirtualHardwareSection: items of CIM resource types into CPUs, memory,
 * NICs, controllers and drives.
 *
 * All items of the default configuration are gathered first, because a
 * drive can stand before its controller.  Captions (ElementName,
 * Description) are in the exporter's language and are never looked at,
 * but for a NIC's name.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/digest.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "common/xml/xml.h"
#include "plugins/ova/ovf_reader.h"

/* CIM_ResourceAllocationSettingData.ResourceType */
enum {
  TYPE_OTHER = 1,
  TYPE_CPU = 3,
  TYPE_MEMORY = 4,
  TYPE_IDE = 5,
  TYPE_SCSI = 6,
  TYPE_NIC = 10,
  TYPE_DISK = 17,
  TYPE_OTHER_STORAGE = 20,
};

#define MAX_ITEMS 10000
#define MAX_CPUS 100000

struct item {
  xmlNodePtr node;
  char *instance;               /* InstanceID, or NULL */
  uint64_t type;
  bool named;                   /* has an ovf:configuration */
};
DEFINE_VECTOR_TYPE (item_vector, struct item);

struct controller {
  const struct item *item;
  enum vm_bus bus;
  char *model;
  uint64_t instance, address;   /* UINT64_MAX if not a number */
};
DEFINE_VECTOR_TYPE (controller_vector, struct controller);

struct hardware {
  item_vector items;
  controller_vector controllers;
};

static void
cleanup_hardware (struct hardware *h)
{
  size_t i;

  for (i = 0; i < h->items.len; i++)
    free (h->items.ptr[i].instance);
  item_vector_reset (&h->items);
  for (i = 0; i < h->controllers.len; i++)
    free (h->controllers.ptr[i].model);
  controller_vector_reset (&h->controllers);
}

/* Text of the child NAME of an item, which must be in one of the CIM
 * namespaces: vmw:Config and the like can have the same local name.
 */
static char *
cim_text (xmlNodePtr item, const char *name)
{
  xmlNodePtr child;

  for (child = xml_child (item, NULL, name); child;
       child = xml_next_element (child->next, NULL, name)) {
    if (child->ns && child->ns->href &&
        strncmp ((const char *) child->ns->href, CIM_NS_PREFIX,
                 strlen (CIM_NS_PREFIX)) == 0)
      return xml_text (child);
  }
  return NULL;
}

/* A number in a child, or UINT64_MAX. */
static uint64_t
cim_number (xmlNodePtr item, const char *name)
{
  CLEANUP_FREE char *text = cim_text (item, name);
  uint64_t n;

  return text && parse_u64 (text, &n) ? n : UINT64_MAX;
}

char *
ovf_canonical_model (const char *model)
{
  static const struct {
    const char *from, *to;
  } names[] = {
    { "virtualscsi", "pvscsi" },
    { "vmware.sata.ahci", "ahci" },
    { "vmware.nvme.controller", "nvme" },
  };
  /* The field can list alternatives: the first is the exporter's own. */
  const size_t n = strcspn (model, " \t\r\n,");
  char *copy = strndup (model, n);
  size_t i;

  if (copy == NULL)
    return NULL;
  /* Not tolower, which knows Turkish. */
  for (i = 0; copy[i]; i++) {
    if (copy[i] >= 'A' && copy[i] <= 'Z')
      copy[i] += 'a' - 'A';
  }
  for (i = 0; i < ARRAY_SIZE (names); i++) {
    if (strcmp (copy, names[i].from) == 0) {
      free (copy);
      return strdup (names[i].to);
    }
  }
  return copy;
}

enum vm_bus
ovf_bus_of_model (const char *model, enum vm_bus other)
{
  static const struct {
    const char *part;
    enum vm_bus bus;
  } parts[] = {
    { "nvme", VM_BUS_NVME }, { "scsi", VM_BUS_SCSI },
    { "sas", VM_BUS_SCSI }, { "lsilogic", VM_BUS_SCSI },
    { "buslogic", VM_BUS_SCSI }, { "virtio", VM_BUS_VIRTIO },
    { "ahci", VM_BUS_SATA }, { "sata", VM_BUS_SATA },
    { "piix", VM_BUS_IDE }, { "ich6", VM_BUS_IDE },
  };
  size_t i;

  for (i = 0; model && i < ARRAY_SIZE (parts); i++) {
    if (strstr (model, parts[i].part))
      return parts[i].bus;
  }
  return other;
}

/* Take one Item, StorageItem or EthernetPortItem into H, if it is part of
 * the default configuration.
 */
static int
gather_item (const struct ovf_reader *r, xmlNodePtr node, struct hardware *h)
{
  CLEANUP_FREE char *type = NULL, *bound = NULL;
  struct item item = { .node = node };

  if (!ovf_in_configuration (r, node, &item.named))
    return 0;
  /* Limits of a range; the value itself is "normal" or has no bound. */
  bound = xml_attribute (node, NULL, "bound");
  if (bound && strcmp (bound, "normal") != 0)
    return 0;

  type = cim_text (node, "ResourceType");
  if (strcmp ((const char *) node->name, "EthernetPortItem") == 0)
    item.type = TYPE_NIC;
  else if (type == NULL || !parse_u64 (type, &item.type))
    return ovf_error (r, node, "the ResourceType of this %s is %s%s%s",
                      (const char *) node->name, type ? "'" : "missing",
                      type ? printable (type) : "",
                      type ? "', not a number" : "");
  if (h->items.len >= MAX_ITEMS)
    return ovf_error (r, node, "more than %d hardware items", MAX_ITEMS);
  item.instance = cim_text (node, "InstanceID");
  if (item_vector_append (&h->items, item) == -1) {
    free (item.instance);
    log_oom ();
    return -1;
  }
  return 0;
}

/* An item of the chosen configuration stands in for the one with the same
 * InstanceID that is for all configurations.
 */
static void
drop_overridden (struct hardware *h)
{
  item_vector *v = &h->items;
  size_t i, j;

  for (i = 0; i < v->len; i++) {
    if (!v->ptr[i].named || v->ptr[i].instance == NULL)
      continue;
    for (j = 0; j < v->len; j++) {
      if (!v->ptr[j].named && v->ptr[j].instance &&
          v->ptr[j].type == v->ptr[i].type &&
          strcmp (v->ptr[j].instance, v->ptr[i].instance) == 0) {
        free (v->ptr[j].instance);
        item_vector_remove (v, j);
        if (j < i)
          i--;
        j--;
      }
    }
  }
}

static int
read_cpu (const struct ovf_reader *r, xmlNodePtr node, struct vm *vm,
          bool first)
{
  const uint64_t n = cim_number (node, "VirtualQuantity");
  CLEANUP_FREE char *cores = xml_child_text (node, VMW_NS, "CoresPerSocket");
  uint64_t c;

  if (n == 0 || n > MAX_CPUS)
    return ovf_error (r, node, "the VirtualQuantity of the CPU Item is not "
                      "a number of CPUs");
  vm->cpus = first ? n : MIN (vm->cpus + n, (uint64_t) MAX_CPUS);
  if (cores) {
    if (parse_u64 (cores, &c) && c >= 1 && c <= vm->cpus &&
        vm->cpus % c == 0)
      vm->cores_per_socket = c;
    else
      ovf_warning (r, node, "CoresPerSocket '%s' does not divide the %u "
                   "CPUs: 1 core per socket is assumed",
                   printable (cores), vm->cpus);
  }
  /* Several CPU Items add up. */
  if (vm->cpus % vm->cores_per_socket != 0)
    vm->cores_per_socket = 1;
  return 0;
}

static int
read_memory (const struct ovf_reader *r, xmlNodePtr node, struct vm *vm)
{
  CLEANUP_FREE char *quantity = cim_text (node, "VirtualQuantity");
  CLEANUP_FREE char *units = cim_text (node, "AllocationUnits");
  uint64_t bytes;

  if (quantity == NULL)
    return ovf_error (r, node, "the memory Item has no VirtualQuantity");
  if (units == NULL) {
    ovf_warning (r, node, "the memory Item has no AllocationUnits: "
                 "MegaBytes are assumed");
    units = strdup ("MegaBytes");
    if (units == NULL) {
      log_oom ();
      return -1;
    }
  }
  if (ovf_read_quantity (r, node, "the memory size", quantity, units,
                         &bytes) == -1)
    return -1;
  if (bytes > INT64_MAX - vm->memory)
    return ovf_error (r, node, "the memory size is more than 2^63-1 bytes");
  vm->memory += bytes;
  return 0;
}

static int
read_nic (const struct ovf_reader *r, const struct item *item,
          struct vm *vm)
{
  CLEANUP_FREE char *mac = cim_text (item->node, "Address");
  CLEANUP_FREE char *model = cim_text (item->node, "ResourceSubType");
  CLEANUP_FREE char *connected = cim_text (item->node,
                                           "AutomaticAllocation");
  struct vm_nic *nic = vm_add_nic (vm);

  if (nic == NULL)
    return -1;
  nic->name = cim_text (item->node, "ElementName");
  if (nic->name == NULL)
    nic->name = cim_text (item->node, "Caption");
  if (item->instance && (nic->id = strdup (item->instance)) == NULL)
    goto oom;
  if (model && (nic->model = ovf_canonical_model (model)) == NULL)
    goto oom;
  nic->connected = connected == NULL || strcmp (connected, "false") != 0;
  if (mac) {
    nic->mac = vm_canonical_mac (mac);
    if (nic->mac == NULL)
      ovf_warning (r, item->node, "'%s' is not a MAC address: the NIC will "
                   "get a new one", printable (mac));
  }
  nic->network.name = cim_text (item->node, "Connection");
  if (nic->network.name) {
    const char *strings[] = { "network", nic->network.name };
    char id[UUID_TEXT_SIZE];

    if (uuid_of_strings (strings, 2, id) == -1)
      return -1;
    nic->network.id = strdup (id);
    if (nic->network.id == NULL)
      goto oom;
  }
  return 0;

 oom:
  log_oom ();
  return -1;
}

static int
read_controller (const struct ovf_reader *r, const struct item *item,
                 struct hardware *h)
{
  CLEANUP_FREE char *model = cim_text (item->node, "ResourceSubType");
  struct controller c = { .item = item };
  size_t i;

  for (i = 0; item->instance && i < h->controllers.len; i++) {
    const struct item *other = h->controllers.ptr[i].item;

    if (other->instance && strcmp (other->instance, item->instance) == 0)
      return ovf_error (r, item->node, "the InstanceID '%s' of this "
                        "controller is already that of line %lu",
                        printable (item->instance), xml_line (other->node));
  }
  if (model && (c.model = ovf_canonical_model (model)) == NULL)
    goto oom;
  if (item->type == TYPE_IDE)
    c.bus = VM_BUS_IDE;
  else if (item->type == TYPE_SCSI)
    c.bus = VM_BUS_SCSI;
  else
    c.bus = ovf_bus_of_model (c.model, VM_BUS_SATA);
  if (item->instance == NULL || !parse_u64 (item->instance, &c.instance))
    c.instance = UINT64_MAX;
  c.address = cim_number (item->node, "Address");
  if (controller_vector_append (&h->controllers, c) == -1)
    goto oom;
  return 0;

 oom:
  free (c.model);
  log_oom ();
  return -1;
}

/* The disk that HostResource means: "ovf:/disk/ID", "/disk/ID",
 * "ovf:/file/ID".  A file used directly gets a disk entry of its own.
 */
static int
find_disk (struct ovf_reader *r, xmlNodePtr node, const char *resource,
           size_t *index)
{
  struct ovf *ovf = r->ovf;
  const char *p = strncmp (resource, "ovf:", 4) == 0 ? resource + 4
                                                     : resource;
  struct ovf_disk disk = { .line = xml_line (node), .file = OVF_NO_FILE };
  size_t i;

  if (strncmp (p, "/disk/", 6) == 0) {
    for (i = 0; i < ovf->disks.len; i++) {
      if (strcmp (ovf->disks.ptr[i].id, p + 6) == 0) {
        *index = i;
        return 0;
      }
    }
    return ovf_error (r, node, "HostResource '%s' names a disk that "
                      "DiskSection does not have", printable (resource));
  }
  if (strncmp (p, "/file/", 6) != 0)
    return ovf_error (r, node, "HostResource '%s' is not of the form "
                      "ovf:/disk/ID or ovf:/file/ID", printable (resource));

  for (i = 0; i < ovf->files.len && disk.file == OVF_NO_FILE; i++) {
    if (strcmp (ovf->files.ptr[i].id, p + 6) == 0)
      disk.file = i;
  }
  if (disk.file == OVF_NO_FILE)
    return ovf_error (r, node, "HostResource '%s' names a file that "
                      "References does not have", printable (resource));
  for (i = 0; i < ovf->disks.len; i++) {
    if (ovf->disks.ptr[i].file == disk.file) {
      *index = i;
      return 0;
    }
  }
  disk.id = strdup (p + 6);
  if (disk.id == NULL || ovf_disk_vector_append (&ovf->disks, disk) == -1) {
    free (disk.id);
    log_oom ();
    return -1;
  }
  *index = ovf->disks.len - 1;
  return 0;
}

/* A drive while it is sorted. */
struct place {
  struct ovf_drive drive;
  uint64_t bus_rank;            /* lowest InstanceID of the bus */
  uint64_t address, instance;   /* of the controller */
  uint64_t unit;
  size_t order;                 /* in the document */
};
DEFINE_VECTOR_TYPE (place_vector, struct place);

static int
compare_u64 (uint64_t a, uint64_t b)
{
  return a < b ? -1 : a > b;
}

static int
compare_places (const void *av, const void *bv)
{
  const struct place *a = av, *b = bv;
  int c;

  if ((c = compare_u64 (a->bus_rank, b->bus_rank)) != 0 ||
      (c = compare_u64 (a->drive.bus, b->drive.bus)) != 0 ||
      (c = compare_u64 (a->address, b->address)) != 0 ||
      (c = compare_u64 (a->instance, b->instance)) != 0 ||
      (c = compare_u64 (a->unit, b->unit)) != 0)
    return c;
  return compare_u64 (a->order, b->order);
}

/* Fill the parts of P that come from its controller. */
static void
place_on_controller (const struct ovf_reader *r, const struct hardware *h,
                     const struct item *item, struct place *p)
{
  CLEANUP_FREE char *parent = cim_text (item->node, "Parent");
  const struct controller *c = NULL;
  size_t i;

  p->bus_rank = p->address = p->instance = UINT64_MAX;
  if (parent == NULL)
    return;
  for (i = 0; i < h->controllers.len && c == NULL; i++) {
    const struct item *other = h->controllers.ptr[i].item;

    if (other->instance && strcmp (other->instance, parent) == 0)
      c = &h->controllers.ptr[i];
  }
  if (c == NULL) {
    ovf_warning (r, item->node, "the disk's Parent '%s' is not a controller "
                 "of this VM: the disk comes after the others",
                 printable (parent));
    return;
  }
  p->drive.bus = c->bus;
  if (c->model)
    p->drive.controller_model = strdup (c->model);
  p->drive.controller = c->address <= UINT16_MAX ? c->address : 0;
  p->address = c->address;
  p->instance = c->instance;
  for (i = 0; i < h->controllers.len; i++) {
    if (h->controllers.ptr[i].bus == c->bus)
      p->bus_rank = MIN (p->bus_rank, h->controllers.ptr[i].instance);
  }
}

static int
read_drive (struct ovf_reader *r, const struct hardware *h,
            const struct item *item, place_vector *places)
{
  CLEANUP_FREE char *resource = cim_text (item->node, "HostResource");
  struct place p = { .order = places->len };
  size_t i;

  if (resource == NULL) {
    ovf_warning (r, item->node, "a disk drive without HostResource is left "
                 "out");
    return 0;
  }
  if (find_disk (r, item->node, resource, &p.drive.disk) == -1)
    return -1;
  for (i = 0; i < places->len; i++) {
    if (places->ptr[i].drive.disk == p.drive.disk)
      return ovf_error (r, item->node, "disk '%s' is attached to this VM "
                        "twice", printable (resource));
  }
  p.unit = cim_number (item->node, "AddressOnParent");
  p.drive.unit = p.unit <= UINT16_MAX ? p.unit : 0;
  place_on_controller (r, h, item, &p);
  if (item->instance && (p.drive.instance = strdup (item->instance)) == NULL)
    goto oom;
  if (place_vector_append (places, p) == -1)
    goto oom;
  return 0;

 oom:
  free (p.drive.instance);
  free (p.drive.controller_model);
  log_oom ();
  return -1;
}

static int
read_drives (struct ovf_reader *r, const struct hardware *h,
             struct ovf_system *system)
{
  place_vector places = EMPTY_VECTOR;
  size_t i;
  int ret = 0;

  for (i = 0; i < h->items.len && ret == 0; i++) {
    if (h->items.ptr[i].type == TYPE_DISK)
      ret = read_drive (r, h, &h->items.ptr[i], &places);
  }
  if (places.len > 0)
    qsort (places.ptr, places.len, sizeof places.ptr[0], compare_places);
  /* Handed over also after an error: the system owns and frees them. */
  for (i = 0; i < places.len; i++) {
    if (ovf_drive_vector_append (&system->drives, places.ptr[i].drive) == -1) {
      free (places.ptr[i].drive.instance);
      free (places.ptr[i].drive.controller_model);
      if (ret == 0)
        log_oom ();
      ret = -1;
    }
  }
  place_vector_reset (&places);
  return ret;
}

int
ovf_read_hardware (struct ovf_reader *r, xmlNodePtr hw,
                   struct ovf_system *system)
{
  __attribute__ ((cleanup (cleanup_hardware))) struct hardware h = { 0 };
  bool cpu = false, memory = false;
  xmlNodePtr node;
  size_t i;
  int ret = 0;

  for (node = xml_child (hw, r->ns, NULL); node && ret == 0;
       node = xml_next_element (node->next, r->ns, NULL)) {
    const char *name = (const char *) node->name;

    if (strcmp (name, "Item") == 0 || strcmp (name, "StorageItem") == 0 ||
        strcmp (name, "EthernetPortItem") == 0)
      ret = gather_item (r, node, &h);
  }
  drop_overridden (&h);

  for (i = 0; i < h.items.len && ret == 0; i++) {
    const struct item *item = &h.items.ptr[i];

    switch (item->type) {
    case TYPE_CPU:
      ret = read_cpu (r, item->node, &system->vm, !cpu);
      cpu = true;
      break;
    case TYPE_MEMORY:
      ret = read_memory (r, item->node, &system->vm);
      memory = true;
      break;
    case TYPE_NIC:
      ret = read_nic (r, item, &system->vm);
      break;
    case TYPE_IDE: case TYPE_SCSI: case TYPE_OTHER_STORAGE:
      ret = read_controller (r, item, &h);
      break;
    case TYPE_OTHER: {
      CLEANUP_FREE char *subtype = cim_text (item->node, "ResourceSubType");

      if (subtype && strcasecmp (subtype, "vmware.vtpm") == 0)
        system->vm.tpm = true;
      break;
    }
    default:
      break;                    /* nothing that we carry over */
    }
  }
  if (ret == 0)
    ret = read_drives (r, &h, system);
  if (ret == -1)
    return -1;
  if (!cpu)
    ovf_warning (r, hw, "VM '%s' has no CPU Item: 1 CPU is assumed",
                 printable (system->vm.name));
  if (!memory)
    ovf_warning (r, hw, "VM '%s' has no memory Item",
                 printable (system->vm.name));
  return 0;
}
