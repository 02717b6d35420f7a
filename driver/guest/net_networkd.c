/* SPDX-License-Identifier: BSD-3-Clause
 *
 * systemd-networkd: .network and .netdev units, systemd.network(5).
 *
 * Of the units that match an interface the first one is of effect, by
 * their names.  They are read wherever the guest's disk has them; what is
 * changed outside of /etc is changed in a copy there, which hides it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/log.h"
#include "driver/guest/net_private.h"

/* Keys of [Match].  Those before the end of the list are what a NIC may
 * have in common with others, or loses on its way.
 */
enum {
  NAME, MAC_ADDRESS, PERMANENT_MAC, ORIGINAL_NAME, DRIVER, BUS_PATH, PROPERTY,
  VIRTUALIZATION, END_OF_LIST, TYPE, KIND, NR_MATCH_KEYS
};

static const char *const match_keys[NR_MATCH_KEYS] = {
  "Name", "MACAddress", "PermanentMACAddress", "OriginalName", "Driver",
  "Path", "Property", "Virtualization", NULL, "Type", "Kind",
};

/* [Match] of one unit. */
struct match {
  struct strbuf values[NR_MATCH_KEYS];
  bool others;                  /* there are other keys */
};

static void
cleanup_match (struct match *m)
{
  size_t i;

  for (i = 0; i < NR_MATCH_KEYS; i++)
    strbuf_free (&m->values[i]);
}

/*---- rebind ----*/

/* The part of a unit in PATH asks for MAC (NULL: for none) and for no other
 * hardware.
 */
static int
rebind_part (const struct guest_files *files, const char *path,
             const char *mac)
{
  CLEANUP_FREE char *text = files->read (files->opaque, path);
  CLEANUP_FREE char *new = NULL, *to = NULL, *copy = NULL;

  if (text == NULL)
    return errno == ENOENT || errno == EFBIG ? 0 : -1;
  new = net_rewrite_ini (text, "Match", match_keys, "Match",
                         mac ? "MACAddress" : NULL, mac);
  if (new == NULL)
    return -1;
  if (strcmp (new, text) == 0)
    return 0;
  to = net_unit_in_etc (path);
  if (to == NULL)
    return -1;
  if (strcmp (to, path) != 0) {
    copy = format_text ("# Written by nbdlift: %s, for the network card with "
                        "its MAC address.\n%s", path, new);
    if (copy == NULL)
      return -1;
  }
  return files->write (files->opaque, to, copy ? copy : new);
}

static int
rebind (const struct guest_files *files, const struct net_iface *iface,
        const char *mac)
{
  CLEANUP_STRING_VECTOR string_vector paths = EMPTY_VECTOR;
  size_t i;

  if (net_unit_parts (files, strrchr (iface->file, '/') + 1, &paths) == -1)
    return -1;
  for (i = 0; i < paths.len; i++)
    if (rebind_part (files, paths.ptr[i], i == 0 ? mac : NULL) == -1)
      return -1;
  return 1;
}

/*---- .network ----*/

/* Lines with the same key make one list, an empty one begins it anew. */
static int
take_match (struct match *m, const char *key, const char *value)
{
  size_t i;

  for (i = 0; i < NR_MATCH_KEYS; i++) {
    struct strbuf *b = &m->values[i];

    if (match_keys[i] == NULL || strcmp (key, match_keys[i]) != 0)
      continue;
    if (*value == '\0')
      strbuf_free (b);
    else if (strbuf_printf (b, "%s%s", b->len ? " " : "", value) == -1) {
      log_oom ();
      return -1;
    }
    return 0;
  }
  m->others |= *value != '\0';
  return 0;
}

/* A unit for interfaces that a guest or a container makes, or for machines
 * that a VMware host does not run.
 */
static bool
is_for_no_nic (const struct match *m)
{
  static const char *const kinds[] = {
    "yes", "true", "on", "1", "vm", "vmware", NULL
  };
  const char *type = m->values[TYPE].ptr, *kind = m->values[KIND].ptr;
  const char *virt = m->values[VIRTUALIZATION].ptr;
  size_t i;

  if ((kind && *kind != '!') ||
      (type && *type != '!' && strchr (type, '*') == NULL &&
       strstr (type, "ether") == NULL))
    return true;
  if (virt == NULL || *virt == '!')
    return false;
  for (i = 0; kinds[i]; i++)
    if (strcmp (virt, kinds[i]) == 0)
      return false;
  return true;
}

/* True if M asks for what is different under KubeVirt. */
static bool
is_fragile (const struct match *m)
{
  static const int keys[] = { DRIVER, BUS_PATH, ORIGINAL_NAME, PROPERTY };
  const char *name = m->values[NAME].ptr;
  const char *virt = m->values[VIRTUALIZATION].ptr;
  size_t i;

  for (i = 0; i < ARRAY_SIZE (keys); i++)
    if (m->values[keys[i]].len > 0)
      return true;
  return (name && !net_is_name (name)) ||
    (virt && (strcmp (virt, "vmware") == 0 || strcmp (virt, "!kvm") == 0));
}

/* True if a unit before this has the interface NAME, and no doubt of it. */
static bool
is_taken (const struct guest_net *g, const char *name)
{
  size_t i;

  for (i = 0; i < g->ifaces.len; i++)
    if (g->ifaces.ptr[i].by_name_only &&
        strcmp (g->ifaces.ptr[i].name, name) == 0)
      return true;
  return false;
}

/* The interface that the unit PATH configures: 1 with *IFACE, 0 if it is of
 * no effect, -1 reported.
 */
static int
add_iface (struct guest_net *g, const char *path, const struct match *m,
           struct net_iface **iface)
{
  const char *name = m->values[NAME].ptr;
  const char *mac = m->values[MAC_ADDRESS].ptr;
  const char *permanent = m->values[PERMANENT_MAC].ptr;
  struct net_iface *new;

  if (name && !net_is_name (name))
    name = NULL;
  if (name && is_taken (g, name))
    return 0;
  new = net_add_iface (g, path, name ? name : path);
  if (new == NULL || (name && net_set (&new->name, name) == -1))
    return -1;
  new->changed = net_unit_in_etc (path);
  if (new->changed == NULL)
    return -1;
  new->rebind = rebind;
  new->is_virtual = is_for_no_nic (m);
  new->fragile = is_fragile (m);
  /* More than one is none. */
  if (mac || permanent)
    new->mac = vm_canonical_mac (mac ? mac : permanent);
  new->by_name_only = name && !mac && !permanent && !m->others &&
    !new->is_virtual && !new->fragile;
  *iface = new;
  return 1;
}

static int
take_network (struct guest_net *g, struct net_iface *iface,
              const char *section, const char *key, const char *value)
{
  const bool network = strcmp (section, "[Network]") == 0;

  if (!network && strcmp (section, "[Address]") != 0)
    return 0;
  if (strcmp (key, "Address") == 0) {
    if (network && *value == '\0')
      string_vector_free (&iface->addresses);
    return net_add_address (iface, value, NULL);
  }
  if (network &&
      (strcmp (key, "Bond") == 0 || strcmp (key, "Bridge") == 0 ||
       strcmp (key, "VLAN") == 0 || strcmp (key, "MACVLAN") == 0 ||
       strcmp (key, "IPVLAN") == 0) && net_is_name (value))
    return net_add_pair (&g->links, value, iface->id);
  return 0;
}

/* The sections of TEXT, into M, or else, if that is NULL, IFACE. */
static int
take_sections (struct guest_net *g, char *text, struct match *m,
               struct net_iface *iface)
{
  char section[16] = "", *line, *key, *value;
  int r = 0;

  while (r == 0 && (line = net_line (&text)) != NULL) {
    if (*line == '[')
      snprintf (section, sizeof section, "%s", line);
    else if (!net_key_value (line, &key, &value))
      continue;
    else if (m == NULL)
      r = take_network (g, iface, section, key, value);
    else if (strcmp (section, "[Match]") == 0)
      r = take_match (m, key, value);
  }
  return r;
}

/* [Match] first, wherever it is: who is on top of the interface is told
 * by its name.
 */
static int
read_network (struct guest_net *g, const char *path, char *text)
{
  __attribute__ ((cleanup (cleanup_match))) struct match m = {
    .others = false,
  };
  CLEANUP_FREE char *copy = strdup (text);
  struct net_iface *iface;
  int r;

  if (copy == NULL) {
    log_oom ();
    return -1;
  }
  if (take_sections (g, copy, &m, NULL) == -1)
    return -1;
  r = add_iface (g, path, &m, &iface);
  return r == 1 ? take_sections (g, text, NULL, iface) : r;
}

int
net_add_networkd_drop_ins (struct guest_net *g, const char *id,
                           struct net_iface *iface)
{
  CLEANUP_STRING_VECTOR string_vector paths = EMPTY_VECTOR;
  CLEANUP_FREE char *name = NULL;
  size_t i;
  int r;

  if (strchr (id, '/'))
    return 0;
  name = format_text ("10-netplan-%s.network", id);
  if (name == NULL || net_unit_parts (g->files, name, &paths) == -1)
    return -1;
  for (i = 0; i < paths.len; i++) {
    CLEANUP_FREE char *text = NULL;

    r = net_read (g, paths.ptr[i], &text);
    if (r == 1)
      r = take_sections (g, text, NULL, iface);
    if (r == -1)
      return -1;
  }
  return 0;
}

/*---- .netdev ----*/

/* A device that the guest makes itself: its name is no NIC's. */
static int
read_netdev (struct guest_net *g, const char *path, char *text)
{
  bool inside = false;
  char *line, *key, *value;
  struct net_iface *iface;

  while ((line = net_line (&text)) != NULL) {
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
  if (net_read_units (g, ".network", read_network) == -1)
    return -1;
  return net_read_units (g, ".netdev", read_netdev);
}
