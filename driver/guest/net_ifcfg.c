/* SPDX-License-Identifier: BSD-3-Clause
 *
 * ifcfg files: /etc/sysconfig/network-scripts of Red Hat (those of
 * initscripts and of NetworkManager's ifcfg-rh) and /etc/sysconfig/network
 * of SUSE (ifcfg(5)).  They are assignments of the shell; what is more
 * than a word or a word in quotes is not evaluated.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "driver/guest/net_private.h"

#define RED_HAT "/etc/sysconfig/network-scripts"
#define SUSE "/etc/sysconfig/network"
#define PREFIX "ifcfg-"

/* Addresses that one file may number. */
#define MAX_ADDRESSES 64

struct ifcfg {
  string_vector keys, values;
};

static void
cleanup_ifcfg (struct ifcfg *c)
{
  string_vector_free (&c->keys);
  string_vector_free (&c->values);
}

/* The value of KEY with SUFFIX, or NULL.  The last one counts, as in the
 * shell.
 */
static const char *
get (const struct ifcfg *c, const char *key, const char *suffix)
{
  const size_t n = strlen (key);
  size_t i;

  for (i = c->keys.len; i-- > 0; )
    if (strncmp (c->keys.ptr[i], key, n) == 0 &&
        strcmp (c->keys.ptr[i] + n, suffix) == 0 && *c->values.ptr[i])
      return c->values.ptr[i];
  return NULL;
}

static void
unquote (char *value)
{
  const char quote = *value;

  if (quote == '"' || quote == '\'') {
    memmove (value, value + 1, strlen (value));
    value[strcspn (value, quote == '"' ? "\"" : "'")] = '\0';
  }
  else
    value[strcspn (value, " \t#;")] = '\0';
}

static int
parse (char *text, struct ifcfg *c)
{
  char *line, *key, *value;

  while ((line = net_line (&text)) != NULL) {
    if (strncmp (line, "export ", 7) == 0)
      line += 7;
    if (!net_key_value (line, &key, &value))
      continue;
    unquote (value);
    if (string_vector_append_dup (&c->keys, key) == -1 ||
        string_vector_append_dup (&c->values, value) == -1) {
      log_oom ();
      return -1;
    }
  }
  return 0;
}

/* IPADDR, IPADDR0..., IPADDR_0..., with PREFIX, PREFIXLEN or NETMASK. */
static int
take_addresses (const struct ifcfg *c, struct net_iface *iface)
{
  CLEANUP_FREE char *more = NULL;
  const char *address, *mask;
  char suffix[8], *list, *word;
  int i;

  for (i = -1; i < 2 * MAX_ADDRESSES; i++) {
    if (i == -1)
      suffix[0] = '\0';
    else
      snprintf (suffix, sizeof suffix, "%s%d", i % 2 ? "_" : "", i / 2);
    address = get (c, "IPADDR", suffix);
    mask = get (c, "PREFIX", suffix);
    if (mask == NULL)
      mask = get (c, "PREFIXLEN", suffix);
    if (mask == NULL)
      mask = get (c, "NETMASK", suffix);
    if (address && net_add_address (iface, address, mask) == -1)
      return -1;
  }
  address = get (c, "IPV6ADDR", "");
  if (address && net_add_address (iface, address, NULL) == -1)
    return -1;
  address = get (c, "IPV6ADDR_SECONDARIES", "");
  more = strdup (address ? address : "");
  if (more == NULL) {
    log_oom ();
    return -1;
  }
  for (list = more; (word = net_word (&list, " \t")) != NULL; )
    if (net_add_address (iface, word, NULL) == -1)
      return -1;
  return 0;
}

static bool
is_yes (const char *value)
{
  return value && (strcasecmp (value, "yes") == 0 ||
                   strcasecmp (value, "true") == 0 ||
                   strcmp (value, "1") == 0);
}

/* The NICs or names under this one, and the one on top. */
static int
take_links (struct guest_net *g, const struct ifcfg *c,
            struct net_iface *iface)
{
  static const char *const uppers[] = {
    "MASTER", "BRIDGE", "TEAM_MASTER", "MASTER_UUID", "BRIDGE_UUID", NULL
  };
  const char *type = get (c, "TYPE", ""), *dot, *value;
  char name[32];
  size_t i;

  for (i = 0; uppers[i]; i++) {
    value = get (c, uppers[i], "");
    if (value && net_add_pair (&g->links, value, iface->id) == -1)
      return -1;
  }
  value = get (c, "UUID", "");
  if (value && net_add_pair (&g->aliases, iface->id, value) == -1)
    return -1;

  iface->is_virtual = (type && strcasecmp (type, "Ethernet") != 0) ||
    is_yes (get (c, "VLAN", "")) || is_yes (get (c, "BONDING_MASTER", "")) ||
    get (c, "ETHERDEVICE", "") || is_yes (get (c, "BRIDGE", ""));
  value = get (c, "PHYSDEV", "");
  if (value == NULL)
    value = get (c, "ETHERDEVICE", "");
  dot = strchr (iface->id, '.');
  if (value == NULL && dot) {
    iface->is_virtual = true;
    snprintf (name, sizeof name, "%.*s", (int) (dot - iface->id),
              iface->id);
    value = name;
  }
  if (value && net_is_name (value) &&
      net_add_pair (&g->links, iface->id, value) == -1)
    return -1;

  /* SUSE. */
  for (i = 0; i < MAX_ADDRESSES; i++) {
    snprintf (name, sizeof name, "%zu", i);
    value = get (c, "BONDING_SLAVE", name);
    if (value == NULL) {
      snprintf (name, sizeof name, "_%zu", i);
      value = get (c, "BONDING_SLAVE", name);
    }
    if (value && net_is_name (value) &&
        net_add_pair (&g->links, iface->id, value) == -1)
      return -1;
  }
  return 0;
}

static int
bridge_ports (struct guest_net *g, const struct ifcfg *c,
              struct net_iface *iface)
{
  const char *ports = get (c, "BRIDGE_PORTS", "");
  CLEANUP_FREE char *copy = strdup (ports ? ports : "");
  char *list = copy, *word;

  if (copy == NULL) {
    log_oom ();
    return -1;
  }
  while ((word = net_word (&list, " \t")) != NULL) {
    iface->is_virtual = true;
    if (net_is_name (word) &&
        net_add_pair (&g->links, iface->id, word) == -1)
      return -1;
  }
  return 0;
}

static int
read_ifcfg (struct guest_net *g, const char *path)
{
  __attribute__ ((cleanup (cleanup_ifcfg))) struct ifcfg c = {
    .keys = EMPTY_VECTOR,
  };
  CLEANUP_FREE char *text = NULL, *name = NULL;
  const char *base = strrchr (path, '/') + 1, *value;
  const bool suse = strncmp (path, SUSE "/", sizeof SUSE) == 0;
  struct net_iface *iface;
  int r;

  if (strncmp (base, PREFIX, strlen (PREFIX)) != 0 ||
      strcmp (base, PREFIX "lo") == 0)
    return 0;
  r = net_read (g, path, &text);
  if (r != 1)
    return r;
  if (parse (text, &c) == -1)
    return -1;

  value = suse ? NULL : get (&c, "DEVICE", "");
  /* NetworkManager takes a file without DEVICE for any NIC, or that of
   * HWADDR; of old the name was that of the file.
   */
  if (value == NULL && (suse || get (&c, "HWADDR", "") == NULL))
    value = base + strlen (PREFIX);
  if (net_set (&name, value ? value : path) == -1)
    return -1;
  if (value)
    name[strcspn (name, ":")] = '\0';
  iface = net_add_iface (g, path, name);
  if (iface == NULL)
    return -1;
  if (value && net_is_name (name) && net_set (&iface->name, name) == -1)
    return -1;
  value = get (&c, "HWADDR", "");
  if (value)
    iface->mac = vm_canonical_mac (value);
  if (take_links (g, &c, iface) == -1 || bridge_ports (g, &c, iface) == -1)
    return -1;
  return take_addresses (&c, iface);
}

int
net_read_ifcfg (struct guest_net *g)
{
  if (net_read_folder (g, RED_HAT, NULL, read_ifcfg) == -1)
    return -1;
  return net_read_folder (g, SUSE, NULL, read_ifcfg);
}
