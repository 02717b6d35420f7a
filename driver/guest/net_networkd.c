/* SPDX-License-Identifier: BSD-3-Clause
 *
 * systemd-networkd: the .network files in /etc/systemd/network,
 * systemd.network(5).
 */
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "driver/guest/net_private.h"

#define FOLDER "/etc/systemd/network"

/* What a NIC may have in common with others, or loses on its way. */
static const char *const match_keys[] = {
  "Name", "OriginalName", "Driver", "Path", "Property",
  "PermanentMACAddress", "MACAddress", NULL
};

static int
rebind (const struct guest_files *files, const struct net_iface *iface,
        const char *mac)
{
  CLEANUP_FREE char *text = files->read (files->opaque, iface->file);
  CLEANUP_FREE char *new = NULL;

  if (text == NULL)
    return -1;
  new = net_rewrite_ini (text, "Match", match_keys, "Match", "MACAddress",
                         mac);
  if (new == NULL || files->write (files->opaque, iface->file, new) == -1)
    return -1;
  return 1;
}

static int
take_match (struct net_iface *iface, const char *key, char *value)
{
  char *word;

  if (strcmp (key, "Name") == 0) {
    if (net_is_name (value))
      return net_set (&iface->name, value) == -1 ||
        net_set (&iface->id, value) == -1 ? -1 : 0;
    iface->fragile |= *value != '\0';
  }
  else if (strcmp (key, "MACAddress") == 0 ||
           strcmp (key, "PermanentMACAddress") == 0) {
    word = net_word (&value, " \t");
    free (iface->mac);
    iface->mac = word && *value == '\0' ? vm_canonical_mac (word) : NULL;
  }
  else if (strcmp (key, "Driver") == 0 || strcmp (key, "Path") == 0 ||
           strcmp (key, "OriginalName") == 0 ||
           strcmp (key, "Property") == 0)
    iface->fragile |= *value != '\0';
  return 0;
}

static int
take_network (struct guest_net *g, struct net_iface *iface, const char *key,
              const char *value)
{
  if (strcmp (key, "Address") == 0)
    return net_add_address (iface, value, NULL);
  if ((strcmp (key, "Bond") == 0 || strcmp (key, "Bridge") == 0 ||
       strcmp (key, "VLAN") == 0 || strcmp (key, "MACVLAN") == 0 ||
       strcmp (key, "IPVLAN") == 0) && net_is_name (value))
    return net_add_pair (&g->links, value, iface->id);
  return 0;
}

static int
read_network (struct guest_net *g, const char *path)
{
  CLEANUP_FREE char *text = NULL;
  char section[16] = "", *p, *line, *key, *value;
  struct net_iface *iface;
  int r = net_read (g, path, &text);

  if (r != 1)
    return r;
  iface = net_add_iface (g, path, path);
  if (iface == NULL)
    return -1;
  iface->rebind = rebind;
  for (p = text; (line = net_line (&p)) != NULL; ) {
    if (*line == '[') {
      snprintf (section, sizeof section, "%s", line);
      continue;
    }
    if (!net_key_value (line, &key, &value))
      continue;
    if (strcmp (section, "[Match]") == 0)
      r = take_match (iface, key, value);
    else if (strcmp (section, "[Network]") == 0 ||
             strcmp (section, "[Address]") == 0)
      r = take_network (g, iface, key, value);
    if (r == -1)
      return -1;
  }
  return 0;
}

/* A device that the guest makes itself: its name is no NIC's. */
static int
read_netdev (struct guest_net *g, const char *path)
{
  CLEANUP_FREE char *text = NULL;
  bool inside = false;
  char *p, *line, *key, *value;
  struct net_iface *iface;
  int r = net_read (g, path, &text);

  if (r != 1)
    return r;
  for (p = text; (line = net_line (&p)) != NULL; ) {
    if (*line == '[')
      inside = strcmp (line, "[NetDev]") == 0;
    else if (inside && net_key_value (line, &key, &value) &&
             strcmp (key, "Name") == 0 && net_is_name (value)) {
      iface = net_add_iface (g, path, value);
      if (iface == NULL)
        return -1;
      iface->is_virtual = true;
    }
  }
  return 0;
}

int
net_read_networkd (struct guest_net *g)
{
  if (net_read_folder (g, FOLDER, ".network", read_network) == -1)
    return -1;
  return net_read_folder (g, FOLDER, ".netdev", read_netdev);
}
