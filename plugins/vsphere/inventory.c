/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inventory: vms, networks, datastores, disks and hosts.
 *
 * Each collection is read as a whole, page by page, and the folders once
 * for all paths.  VMs are vm_to_json plus the keys that only Forklift's
 * vSphere objects have.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/json/json.h"
#include "plugins/vsphere/inventory.h"
#include "plugins/vsphere/inventory_private.h"
#include "plugins/vsphere/vsphere_private.h"

struct list {
  struct vim *vim;
  const char *provider;
  const char *collection;       /* in Forklift's URLs */
  struct vim_objects folders;
  struct vim_objects objects;
  struct vim_objects networks;  /* the last three: of VMs only */
  struct vim_objects hosts;
  struct vim_objects clusters;
  json_t *array;
};

static void
list_free (struct list *l)
{
  vim_objects_free (&l->folders);
  vim_objects_free (&l->objects);
  vim_objects_free (&l->networks);
  vim_objects_free (&l->hosts);
  vim_objects_free (&l->clusters);
  json_decref (l->array);
}

static int
append (struct list *l, json_t *obj)
{
  if (json_array_append_new (l->array, obj) == -1) {
    log_oom ();
    return -1;
  }
  return 0;
}

/* {"kind": "Folder", "id": "group-v3"} at KEY, if NODE is a reference. */
static int
set_ref (json_t *obj, const char *key, xmlNodePtr node)
{
  CLEANUP_VIM_REF struct vim_ref ref = { NULL, NULL };
  json_t *value;

  if (vim_node_ref (node, &ref) == -1)
    return 0;
  value = json_object ();
  if (json_set (obj, key, value) == -1 ||
      json_set_string (value, "kind", ref.type) == -1 ||
      json_set_string (value, "id", ref.id) == -1)
    return -1;
  return 0;
}

int
inventory_set_text (json_t *obj, const char *key, xmlNodePtr node,
                    const char *child)
{
  CLEANUP_FREE char *text = vim_child_text (node, child);

  return json_set_string (obj, key, text);
}

int
inventory_set_number (json_t *obj, const char *key, xmlNodePtr node,
                      const char *child)
{
  uint64_t n;

  return vim_child_u64 (node, child, &n) ? json_set_u64 (obj, key, n) : 0;
}

/* Keys that all objects have. */
static int
set_base (const struct list *l, const struct vim_object *object, json_t *obj)
{
  CLEANUP_FREE char *name = vim_object_text (object, "name");
  CLEANUP_FREE char *parent = vim_object_text (object, "parent");
  CLEANUP_FREE char *plain = NULL, *path = NULL, *link = NULL;

  if (parent == NULL)
    parent = vim_object_text (object, "parentVApp");
  plain = vim_unescape_name (name ? name : object->ref.id);
  path = vim_path_in (l->vim, &l->folders, name ? name : object->ref.id,
                      parent);
  if (plain == NULL || path == NULL)
    return -1;
  if (asprintf (&link, "providers/vsphere/%s/%s/%s", l->provider,
                l->collection, object->ref.id) == -1) {
    link = NULL;
    log_oom ();
    return -1;
  }
  if (json_set_string (obj, "id", object->ref.id) == -1 ||
      set_ref (obj, "parent", vim_object_get (object, "parent")) == -1 ||
      json_set_string (obj, "path", path) == -1 ||
      json_set_string (obj, "name", plain) == -1 ||
      json_set_string (obj, "selfLink", link) == -1)
    return -1;
  return 0;
}

static int
get_objects (struct list *l, const char *type, const char *const *paths)
{
  if (vim_all_folders (l->vim, &l->folders) == -1)
    return -1;
  return vim_get_all (l->vim, type, paths, &l->objects);
}

/*---- virtual machines ----*/

static int
extend_disk (json_t *obj, const struct vsphere_disk *disk)
{
  if (json_set (obj, "key", json_integer (disk->key)) == -1 ||
      json_set_string (obj, "mode", disk->mode) == -1 ||
      json_set_bool (obj, "changeTrackingEnabled",
                     disk->change_tracking) == -1 ||
      json_set_string (obj, "parent", disk->chain.len > 1 ?
                       disk->chain.ptr[1] : NULL) == -1)
    return -1;
  return 0;
}

/* [{"kind": "VirtualTPM"}, ...] */
static int
add_devices (const struct vim_object *object, json_t *obj)
{
  xmlNodePtr node = vim_child (vim_object_get (object, "config.hardware"),
                               "device");
  json_t *array = json_array ();

  if (json_set (obj, "devices", array) == -1)
    return -1;
  for (; node; node = vim_next (node, "device")) {
    CLEANUP_FREE char *type = vim_xsi_type (node);
    json_t *device = json_object ();

    if (json_array_append_new (array, device) == -1) {
      log_oom ();
      return -1;
    }
    if (json_set_string (device, "kind", type) == -1)
      return -1;
  }
  return 0;
}

static int
extend_vm (const struct vim_object *object, const struct vsphere_vm *vm,
           json_t *obj)
{
  static const struct {
    const char *key, *property;
  } flags[] = {
    { "isTemplate", "config.template" },
    { "cpuHotAddEnabled", "config.cpuHotAddEnabled" },
    { "cpuHotRemoveEnabled", "config.cpuHotRemoveEnabled" },
    { "memoryHotAddEnabled", "config.memoryHotAddEnabled" },
    { "consolidationNeeded", "runtime.consolidationNeeded" },
  };
  static const struct {
    const char *key, *property;
  } texts[] = {
    { "instanceUuid", "config.instanceUuid" },
    { "ipAddress", "guest.ipAddress" },
    { "guestNameFromVmwareTools", "guest.guestFullName" },
    { "toolsStatus", "guest.toolsStatus" },
    { "toolsRunningStatus", "guest.toolsRunningStatus" },
    { "toolsVersionStatus2", "guest.toolsVersionStatus2" },
    { "connectionState", "runtime.connectionState" },
  };
  json_t *disks = json_object_get (obj, "disks");
  CLEANUP_FREE char *uuids =
    vsphere_extra_config (object, "disk.EnableUUID");
  uint64_t used;
  size_t i;

  for (i = 0; i < ARRAY_SIZE (flags); i++)
    if (json_set_bool (obj, flags[i].key,
                       vim_node_bool (vim_object_get
                                      (object, flags[i].property))) == -1)
      return -1;
  for (i = 0; i < ARRAY_SIZE (texts); i++) {
    CLEANUP_FREE char *text = vim_object_text (object, texts[i].property);

    if (json_set_string (obj, texts[i].key, text) == -1)
      return -1;
  }
  if (vim_node_u64 (vim_object_get (object, "summary.storage.committed"),
                    &used) && json_set_u64 (obj, "storageUsed", used) == -1)
    return -1;
  if (json_set_bool (obj, "changeTrackingEnabled",
                     vm->change_tracking) == -1 ||
      json_set_bool (obj, "diskEnableUuid",
                     uuids && strcasecmp (uuids, "true") == 0) == -1 ||
      json_set_bool (obj, "faultToleranceEnabled",
                     vim_object_get (object, "config.ftInfo") != NULL) == -1 ||
      add_devices (object, obj) == -1 ||
      inventory_add_guest (obj, object) == -1 ||
      set_ref (obj, "snapshot",
               vim_child (vim_object_get (object, "snapshot"),
                          "currentSnapshot")) == -1)
    return -1;
  for (i = 0; i < vm->disks.len; i++)
    if (extend_disk (json_array_get (disks, i), &vm->disks.ptr[i]) == -1)
      return -1;
  return 0;
}

/* Fill *VM with OBJECT.  0 also if it cannot be read, which is reported. */
static int
read_vm (const struct list *l, const struct vim_object *object,
         struct vsphere_vm *vm)
{
  if (vsphere_fill (l->vim, object, &l->folders, &l->networks, vm) == 0)
    return 0;
  if (errno == ENOMEM)
    return -1;
  vsphere_vm_free (vm);
  return 0;
}

static int
add_cluster (const struct list *l, struct vsphere_vm *vm)
{
  const struct vim_object *host = vim_objects_find (&l->hosts, vm->vm.host);
  CLEANUP_FREE char *id = host ? vsphere_cluster_of (host) : NULL;
  const struct vim_object *cluster = vim_objects_find (&l->clusters, id);

  return cluster ? vsphere_add_cluster_concerns (cluster, vm) : 0;
}

static int
add_vm (struct list *l, const struct vim_object *object)
{
  CLEANUP_VSPHERE_VM struct vsphere_vm vm;
  CLEANUP_JSON json_t *obj = NULL;

  vsphere_vm_init (&vm);
  if (read_vm (l, object, &vm) == -1 || add_cluster (l, &vm) == -1)
    return -1;
  obj = vm.vm.id ? vm_to_json (&vm.vm) : json_object ();
  if (obj == NULL || set_base (l, object, obj) == -1 ||
      (vm.vm.id && extend_vm (object, &vm, obj) == -1))
    return -1;
  return append (l, json_incref (obj));
}

/* A host has none. */
static int
get_clusters (struct list *l)
{
  if (!vim_is_vcenter (l->vim))
    return 0;
  return vim_get_all (l->vim, "HostSystem", vsphere_host_paths,
                      &l->hosts) == -1 ? -1 :
    vim_get_all (l->vim, "ClusterComputeResource", vsphere_cluster_paths,
                 &l->clusters);
}

static int
list_vms (struct list *l)
{
  size_t i;

  l->collection = "vms";
  if (get_objects (l, "VirtualMachine", vsphere_vm_paths) == -1 ||
      vim_get_all (l->vim, "Network", vsphere_network_paths,
                   &l->networks) == -1 ||
      get_clusters (l) == -1)
    return -1;
  for (i = 0; i < l->objects.list.len; i++)
    if (add_vm (l, l->objects.list.ptr[i]) == -1)
      return -1;
  return 0;
}

static int
add_disks (struct list *l, const struct vim_object *object)
{
  CLEANUP_VSPHERE_VM struct vsphere_vm vm;
  CLEANUP_JSON json_t *described = NULL;
  json_t *disks;
  size_t i;

  vsphere_vm_init (&vm);
  if (read_vm (l, object, &vm) == -1)
    return -1;
  described = vm_to_json (&vm.vm);
  if (described == NULL)
    return -1;
  disks = json_object_get (described, "disks");
  for (i = 0; i < vm.disks.len; i++) {
    json_t *obj = json_array_get (disks, i);

    if (extend_disk (obj, &vm.disks.ptr[i]) == -1 ||
        json_set_string (obj, "vm", vm.vm.id) == -1 ||
        json_set_string (obj, "path", vm.vm.path) == -1 ||
        append (l, json_incref (obj)) == -1)
      return -1;
  }
  return 0;
}

static int
list_disks (struct list *l)
{
  size_t i;

  if (get_objects (l, "VirtualMachine", vsphere_vm_paths) == -1)
    return -1;
  for (i = 0; i < l->objects.list.len; i++)
    if (add_disks (l, l->objects.list.ptr[i]) == -1)
      return -1;
  return 0;
}

/*---- what VMs are on ----*/

static int
add_network (struct list *l, const struct vim_object *object)
{
  static const struct {
    const char *type, *variant;
  } variants[] = {
    { "Network", "Standard" },
    { "DistributedVirtualPortgroup", "DvPortGroup" },
    { "OpaqueNetwork", "OpaqueNetwork" },
  };
  CLEANUP_JSON json_t *obj = json_object ();
  const char *variant = object->ref.type;
  size_t i;

  for (i = 0; i < ARRAY_SIZE (variants); i++)
    if (strcmp (object->ref.type, variants[i].type) == 0)
      variant = variants[i].variant;
  if (json_set_string (obj, "variant", variant) == -1 ||
      set_base (l, object, obj) == -1 ||
      inventory_set_text (obj, "key", vim_object_get (object, "summary"),
                          "opaqueNetworkId") == -1)
    return -1;
  return append (l, json_incref (obj));
}

static int
list_networks (struct list *l)
{
  static const char *const paths[] = { "name", "parent", "summary", NULL };
  size_t i;

  l->collection = "networks";
  if (get_objects (l, "Network", paths) == -1)
    return -1;
  for (i = 0; i < l->objects.list.len; i++)
    if (add_network (l, l->objects.list.ptr[i]) == -1)
      return -1;
  return 0;
}

static int
list_datastores (struct list *l)
{
  static const char *const paths[] = { "name", "parent", "summary", NULL };
  size_t i;

  l->collection = "datastores";
  if (get_objects (l, "Datastore", paths) == -1)
    return -1;
  for (i = 0; i < l->objects.list.len; i++) {
    const struct vim_object *object = l->objects.list.ptr[i];
    xmlNodePtr summary = vim_object_get (object, "summary");
    CLEANUP_JSON json_t *obj = json_object ();

    if (set_base (l, object, obj) == -1 ||
        inventory_set_text (obj, "type", summary, "type") == -1 ||
        inventory_set_number (obj, "capacity", summary, "capacity") == -1 ||
        inventory_set_number (obj, "free", summary, "freeSpace") == -1 ||
        inventory_set_text (obj, "maintenance", summary,
                            "maintenanceMode") == -1 ||
        append (l, json_incref (obj)) == -1)
      return -1;
  }
  return 0;
}

/*---- hosts ----*/

/* [{"name", "ipAddress", "subnetMask"}]: where disks can be read. */
static int
add_adapters (json_t *obj, xmlNodePtr network)
{
  json_t *array = json_array ();
  xmlNodePtr node = vim_child (network, "vnic");

  if (json_set (obj, "networkAdapters", array) == -1)
    return -1;
  for (; node; node = vim_next (node, "vnic")) {
    xmlNodePtr ip = vim_child (vim_child (node, "spec"), "ip");
    json_t *adapter = json_object ();

    if (json_array_append_new (array, adapter) == -1) {
      log_oom ();
      return -1;
    }
    if (inventory_set_text (adapter, "name", node, "device") == -1 ||
        inventory_set_text (adapter, "ipAddress", ip, "ipAddress") == -1 ||
        inventory_set_text (adapter, "subnetMask", ip, "subnetMask") == -1)
      return -1;
  }
  return 0;
}

static int
add_host (struct list *l, const struct vim_object *object)
{
  xmlNodePtr summary = vim_object_get (object, "summary.config");
  xmlNodePtr hardware = vim_object_get (object, "summary.hardware");
  xmlNodePtr product = vim_child (summary, "product");
  CLEANUP_JSON json_t *obj = json_object ();
  CLEANUP_FREE char *status = vim_object_text (object, "overallStatus");

  if (set_base (l, object, obj) == -1 ||
      set_ref (obj, "cluster", vim_object_get (object, "parent")) == -1 ||
      json_set_string (obj, "status", status) == -1 ||
      json_set_bool (obj, "inMaintenance",
                     vim_node_bool (vim_object_get
                                    (object,
                                     "runtime.inMaintenanceMode"))) == -1 ||
      inventory_set_text (obj, "thumbprint", summary, "sslThumbprint") == -1 ||
      inventory_set_text (obj, "timezone",
                          vim_child (vim_object_get (object,
                                                     "config.dateTimeInfo"),
                                     "timeZone"), "name") == -1 ||
      inventory_set_number (obj, "cpuSockets", hardware, "numCpuPkgs") == -1 ||
      inventory_set_number (obj, "cpuCores", hardware, "numCpuCores") == -1 ||
      inventory_set_number (obj, "memoryBytes", hardware, "memorySize") == -1 ||
      inventory_set_text (obj, "productName", product, "name") == -1 ||
      inventory_set_text (obj, "productVersion", product, "version") == -1 ||
      add_adapters (obj, vim_object_get (object, "config.network")) == -1)
    return -1;
  return append (l, json_incref (obj));
}

static int
list_hosts (struct list *l)
{
  static const char *const paths[] = {
    "name", "parent", "overallStatus", "runtime.inMaintenanceMode",
    "summary.config", "summary.hardware", "config.dateTimeInfo",
    "config.network", NULL
  };
  size_t i;

  l->collection = "hosts";
  if (get_objects (l, "HostSystem", paths) == -1)
    return -1;
  for (i = 0; i < l->objects.list.len; i++)
    if (add_host (l, l->objects.list.ptr[i]) == -1)
      return -1;
  return 0;
}

/*---- all of them ----*/

static int
compare (const void *av, const void *bv)
{
  const json_t *a = *(json_t *const *) av, *b = *(json_t *const *) bv;
  int c = strcmp (json_get_string (a, "name", ""),
                  json_get_string (b, "name", ""));

  if (c == 0)
    c = strcmp (json_get_string (a, "id", ""), json_get_string (b, "id", ""));
  return c;
}

/* A new array of the elements of ARRAY in order.  NULL reported. */
static json_t *
sorted (const json_t *array)
{
  const size_t n = json_array_size (array);
  CLEANUP_FREE json_t **elements = calloc (n + 1, sizeof *elements);
  CLEANUP_JSON json_t *ret = json_array ();
  size_t i;

  if (elements == NULL || ret == NULL) {
    log_oom ();
    return NULL;
  }
  for (i = 0; i < n; i++)
    elements[i] = json_array_get (array, i);
  qsort (elements, n, sizeof *elements, compare);
  for (i = 0; i < n; i++) {
    if (json_array_append (ret, elements[i]) == -1) {
      log_oom ();
      return NULL;
    }
  }
  return json_incref (ret);
}

json_t *
vsphere_inventory (struct vim *vim, const char *provider,
                   enum source_collection collection)
{
  __attribute__ ((cleanup (list_free))) struct list l = {
    .vim = vim, .provider = provider, .array = json_array (),
  };
  int r = -1;

  if (l.array == NULL) {
    log_oom ();
    return NULL;
  }
  switch (collection) {
  case SOURCE_VMS:
    r = list_vms (&l);
    break;
  case SOURCE_NETWORKS:
    r = list_networks (&l);
    break;
  case SOURCE_STORAGES:
    r = list_datastores (&l);
    break;
  case SOURCE_DISKS:
    r = list_disks (&l);
    break;
  case SOURCE_HOSTS:
    r = list_hosts (&l);
    break;
  }
  return r == 0 ? sorted (l.array) : NULL;
}
