/* SPDX-License-Identifier: BSD-3-Clause
 *
 * NICs of a VM, and the addresses that VMware Tools report of them.
 *
 * What a NIC is on is said in three ways: a reference to a network, the
 * key of a distributed portgroup (which is its id), or an id of NSX that
 * the network has in its summary.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "plugins/vsphere/vsphere_private.h"

static const struct {
  const char *type;
  const char *model;
} models[] = {
  { "VirtualE1000", "e1000" },
  { "VirtualE1000e", "e1000e" },
  { "VirtualPCNet32", "pcnet32" },
  { "VirtualVmxnet", "vmxnet" },
  { "VirtualVmxnet2", "vmxnet2" },
  { "VirtualVmxnet3", "vmxnet3" },
  { "VirtualVmxnet3Vrdma", "vmxnet3vrdma" },
  { "VirtualSriovEthernetCard", "sriov" },
};

/* NULL: not a NIC. */
static const char *
model_of (xmlNodePtr node)
{
  CLEANUP_FREE char *type = vim_xsi_type (node);
  size_t i;

  for (i = 0; type && i < ARRAY_SIZE (models); i++)
    if (strcmp (type, models[i].type) == 0)
      return models[i].model;
  /* One that is newer than this table. */
  return vim_child (node, "macAddress") ? "unknown" : NULL;
}

static const struct vim_object *
network_with (const struct vim_objects *networks, const char *id,
              const char *opaque_id)
{
  size_t i;

  for (i = 0; i < networks->list.len; i++) {
    const struct vim_object *network = networks->list.ptr[i];
    CLEANUP_FREE char *opaque = NULL;

    if (id && strcmp (network->ref.id, id) == 0)
      return network;
    if (opaque_id)
      opaque = vim_child_text (vim_object_get (network, "summary"),
                               "opaqueNetworkId");
    if (opaque && strcmp (opaque, opaque_id) == 0)
      return network;
  }
  return NULL;
}

/* 0, or -1 with errno ENOMEM. */
static int
read_network (xmlNodePtr backing, const struct vim_objects *networks,
              struct vm_ref *to)
{
  CLEANUP_FREE char *id = vim_child_text (backing, "network");
  CLEANUP_FREE char *opaque_id = vim_child_text (backing, "opaqueNetworkId");
  CLEANUP_FREE char *name = NULL;
  const struct vim_object *network;

  if (id == NULL)
    id = vim_child_text (vim_child (backing, "port"), "portgroupKey");
  network = network_with (networks, id, opaque_id);
  if (network)
    name = vim_object_text (network, "name");
  else                          /* a name is better than nothing */
    name = vim_child_text (backing, "deviceName");
  to->name = name ? vim_unescape_name (name) : NULL;
  if (network)
    to->id = strdup (network->ref.id);
  else if (id || opaque_id)
    to->id = strdup (id ? id : opaque_id);
  return (name && to->name == NULL) ||
    ((network || id || opaque_id) && to->id == NULL) ? -1 : 0;
}

static int
read_nic (xmlNodePtr node, const char *model,
          const struct vim_objects *networks, struct vm_nic *nic)
{
  CLEANUP_FREE char *mac = vim_child_text (node, "macAddress");
  xmlNodePtr connectable = vim_child (node, "connectable");

  nic->id = vim_child_text (node, "key");
  nic->name = vim_child_text (vim_child (node, "deviceInfo"), "label");
  nic->connected = connectable == NULL ||
    vim_child_bool (connectable, "startConnected");
  nic->model = strdup (model);
  errno = 0;
  if (mac)
    nic->mac = vm_canonical_mac (mac);
  if (nic->mac == NULL && errno == EINVAL) {
    log_error ("NIC %s: '%s' is not a MAC address",
               nic->name ? printable (nic->name) : "without a name",
               printable (mac));
    return -1;
  }
  if (nic->model == NULL || (mac && nic->mac == NULL) ||
      read_network (vim_child (node, "backing"), networks,
                    &nic->network) == -1) {
    log_oom ();
    return -1;
  }
  return 0;
}

int
vsphere_read_nics (const struct vim_object *object,
                   const struct vim_objects *networks, struct vsphere_vm *vm)
{
  xmlNodePtr node = vim_child (vim_object_get (object, "config.hardware"),
                               "device");

  for (; node; node = vim_next (node, "device")) {
    const char *model = model_of (node);
    struct vm_nic *nic;

    if (model == NULL)
      continue;
    nic = vm_add_nic (&vm->vm);
    if (nic == NULL || read_nic (node, model, networks, nic) == -1)
      return -1;
  }
  return 0;
}

/*---- addresses ----*/

static bool
is_v6 (const char *address)
{
  return strchr (address, ':') != NULL;
}

/* The gateway of the default route of the same family over NIC NUMBER of
 * the guest, or NULL.
 */
static char *
find_gateway (const struct vim_object *object, unsigned number, bool v6)
{
  xmlNodePtr stack = vim_child (vim_object_get (object, "guest.ipStack"),
                                "GuestStackInfo"), route;

  for (; stack; stack = vim_next (stack, "GuestStackInfo")) {
    for (route = vim_child (vim_child (stack, "ipRouteConfig"), "ipRoute");
         route; route = vim_next (route, "ipRoute")) {
      xmlNodePtr gateway = vim_child (route, "gateway");
      CLEANUP_FREE char *network = vim_child_text (route, "network");
      CLEANUP_FREE char *address = vim_child_text (gateway, "ipAddress");
      uint64_t prefix = 0, device;

      vim_child_u64 (route, "prefixLength", &prefix);
      if (network && address && prefix == 0 && is_v6 (network) == v6 &&
          is_v6 (address) == v6 &&
          vim_child_u64 (gateway, "device", &device) && device == number)
        return strdup (address);
    }
  }
  return NULL;
}

/* Those of the NIC, or else of the guest. */
static int
read_dns (const struct vim_object *object, xmlNodePtr guest_nic,
          string_vector *dns)
{
  xmlNodePtr stack = vim_child (vim_object_get (object, "guest.ipStack"),
                                "GuestStackInfo");
  xmlNodePtr node = vim_child (vim_child (guest_nic, "dnsConfig"),
                               "ipAddress");

  if (node == NULL)
    node = vim_child (vim_child (stack, "dnsConfig"), "ipAddress");
  for (; node; node = vim_next (node, "ipAddress")) {
    char *text = xml_text (node);

    if (text && string_vector_append (dns, text) == -1) {
      free (text);
      return -1;
    }
  }
  return 0;
}

static bool
is_origin (const char *origin, const char *name)
{
  return origin && strcmp (origin, name) == 0;
}

/* 0, or -1 with errno ENOMEM. */
static int
read_address (const struct vim_object *object, xmlNodePtr guest_nic,
              unsigned number, xmlNodePtr node, struct vm_nic *nic)
{
  CLEANUP_FREE char *origin = vim_child_text (node, "origin");
  CLEANUP_FREE char *address = vim_child_text (node, "ipAddress");
  uint64_t prefix = 0;
  struct vm_ip *ip;

  /* These the guest makes itself. */
  if (address == NULL || is_origin (origin, "linklayer") ||
      is_origin (origin, "random"))
    return 0;
  if (vm_ip_vector_append (&nic->ips, (struct vm_ip) { 0 }) == -1)
    return -1;
  ip = &nic->ips.ptr[nic->ips.len - 1];
  ip->address = address;
  address = NULL;
  vim_child_u64 (node, "prefixLength", &prefix);
  ip->prefix = MIN (prefix, UINT64_C (128));
  ip->is_static = is_origin (origin, "manual");
  ip->gateway = find_gateway (object, number, is_v6 (ip->address));
  return read_dns (object, guest_nic, &ip->dns);
}

static struct vm_nic *
nic_with_mac (struct vm *vm, const char *mac)
{
  size_t i;

  for (i = 0; i < vm->nics.len; i++)
    if (vm->nics.ptr[i].mac && strcmp (vm->nics.ptr[i].mac, mac) == 0)
      return &vm->nics.ptr[i];
  return NULL;
}

int
vsphere_read_addresses (const struct vim_object *object,
                        struct vsphere_vm *vm)
{
  xmlNodePtr node = vim_child (vim_object_get (object, "guest.net"),
                               "GuestNicInfo"), ip;
  unsigned number;

  for (number = 0; node; node = vim_next (node, "GuestNicInfo"), number++) {
    CLEANUP_FREE char *text = vim_child_text (node, "macAddress");
    CLEANUP_FREE char *mac = text ? vm_canonical_mac (text) : NULL;
    struct vm_nic *nic = mac ? nic_with_mac (&vm->vm, mac) : NULL;

    for (ip = nic ? vim_child (vim_child (node, "ipConfig"), "ipAddress")
                  : NULL; ip; ip = vim_next (ip, "ipAddress")) {
      if (read_address (object, node, number, ip, nic) == -1) {
        log_oom ();
        return -1;
      }
    }
  }
  return 0;
}
