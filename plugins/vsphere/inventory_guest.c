/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What VMware Tools say of the guest, in the keys of Forklift's inventory:
 * guestNetworks, guestIpStacks and guestDisks.
 */
#include <stdlib.h>

#include "common/include/cleanup.h"
#include "common/json/json.h"
#include "plugins/vsphere/inventory_private.h"
#include "plugins/vsphere/vsphere_private.h"

/* The texts of NODE and of those of the same name after it. */
static int
set_texts (json_t *obj, const char *key, xmlNodePtr node)
{
  json_t *array = json_add (obj, key, json_array ());

  if (array == NULL)
    return -1;
  for (; node; node = vim_next (node, (const char *) node->name)) {
    CLEANUP_FREE char *text = xml_text (node);

    if (text && json_array_append_new (array, json_string (text)) == -1) {
      log_oom ();
      return -1;
    }
  }
  return 0;
}

/* One entry for each address. */
static int
add_networks (json_t *array, xmlNodePtr nic, unsigned number)
{
  xmlNodePtr node = vim_child (vim_child (nic, "ipConfig"), "ipAddress");

  for (; node; node = vim_next (node, "ipAddress")) {
    json_t *obj = json_append_object (array);
    char device[16];

    snprintf (device, sizeof device, "%u", number);
    if (obj == NULL || json_set_string (obj, "device", device) == -1 ||
        inventory_set_number (obj, "deviceConfigId", nic,
                              "deviceConfigId") == -1 ||
        inventory_set_text (obj, "mac", nic, "macAddress") == -1 ||
        inventory_set_text (obj, "ip", node, "ipAddress") == -1 ||
        inventory_set_text (obj, "origin", node, "origin") == -1 ||
        inventory_set_number (obj, "prefix", node, "prefixLength") == -1 ||
        set_texts (obj, "dns", vim_child (vim_child (nic, "dnsConfig"),
                                          "ipAddress")) == -1 ||
        inventory_set_text (obj, "network", nic, "network") == -1)
      return -1;
  }
  return 0;
}

/* One entry for each route with a gateway. */
static int
add_routes (json_t *array, xmlNodePtr stack)
{
  xmlNodePtr node = vim_child (vim_child (stack, "ipRouteConfig"), "ipRoute");

  for (; node; node = vim_next (node, "ipRoute")) {
    xmlNodePtr gateway = vim_child (node, "gateway");
    json_t *obj;

    if (vim_child (gateway, "ipAddress") == NULL)
      continue;
    obj = json_append_object (array);
    if (obj == NULL ||
        inventory_set_text (obj, "device", gateway, "device") == -1 ||
        inventory_set_text (obj, "gateway", gateway, "ipAddress") == -1 ||
        inventory_set_text (obj, "network", node, "network") == -1 ||
        inventory_set_number (obj, "prefix", node, "prefixLength") == -1 ||
        set_texts (obj, "dns", vim_child (vim_child (stack, "dnsConfig"),
                                          "ipAddress")) == -1)
      return -1;
  }
  return 0;
}

static int
add_disk (json_t *array, xmlNodePtr node)
{
  json_t *obj = json_append_object (array);

  if (obj == NULL ||
      inventory_set_number (obj, "key", vim_child (node, "mappings"),
                            "key") == -1 ||
      inventory_set_text (obj, "diskPath", node, "diskPath") == -1 ||
      inventory_set_number (obj, "capacity", node, "capacity") == -1 ||
      inventory_set_number (obj, "freeSpace", node, "freeSpace") == -1 ||
      inventory_set_text (obj, "filesystemType", node,
                          "filesystemType") == -1)
    return -1;
  return 0;
}

int
inventory_add_guest (json_t *obj, const struct vim_object *object)
{
  json_t *networks = json_add (obj, "guestNetworks", json_array ());
  json_t *stacks = json_add (obj, "guestIpStacks", json_array ());
  json_t *disks = json_add (obj, "guestDisks", json_array ());
  xmlNodePtr node;
  unsigned i = 0;

  if (networks == NULL || stacks == NULL || disks == NULL)
    return -1;
  for (node = vim_child (vim_object_get (object, "guest.net"),
                         "GuestNicInfo"); node;
       node = vim_next (node, "GuestNicInfo"))
    if (add_networks (networks, node, i++) == -1)
      return -1;
  for (node = vim_child (vim_object_get (object, "guest.ipStack"),
                         "GuestStackInfo"); node;
       node = vim_next (node, "GuestStackInfo"))
    if (add_routes (stacks, node) == -1)
      return -1;
  for (node = vim_child (vim_object_get (object, "guest.disk"),
                         "GuestDiskInfo"); node;
       node = vim_next (node, "GuestDiskInfo"))
    if (add_disk (disks, node) == -1)
      return -1;
  return 0;
}
