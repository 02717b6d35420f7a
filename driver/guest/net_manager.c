/* SPDX-License-Identifier: BSD-3-Clause
 *
 * NetworkManager's keyfiles: nm-settings-keyfile(5).
 */
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "driver/guest/net_private.h"

#define FOLDER "/etc/NetworkManager/system-connections"

static const char *const match_keys[] = {
  "path", "driver", "interface-name", NULL
};

static int
rebind (const struct guest_files *files, const struct net_iface *iface,
        const char *mac)
{
  CLEANUP_FREE char *text = files->read (files->opaque, iface->file);
  CLEANUP_FREE char *new = NULL;

  if (text == NULL)
    return -1;
  new = net_rewrite_ini (text, "match", match_keys, "ethernet",
                         "mac-address", mac);
  if (new == NULL || files->write (files->opaque, iface->file, new) == -1)
    return -1;
  return 1;
}

/* One connection, as far as it has been read. */
struct connection {
  struct net_iface *iface;
  char *uuid, *controller, *parent;
  char section[32];
};

static void
cleanup_connection (struct connection *c)
{
  free (c->uuid);
  free (c->controller);
  free (c->parent);
}

static int
take_connection (struct connection *c, const char *key, const char *value)
{
  if (strcmp (key, "uuid") == 0)
    return net_set (&c->uuid, value);
  if (strcmp (key, "interface-name") == 0 && net_is_name (value))
    return net_set (&c->iface->name, value) == -1 ||
      net_set (&c->iface->id, value) == -1 ? -1 : 0;
  if (strcmp (key, "master") == 0 || strcmp (key, "controller") == 0)
    return net_set (&c->controller, value);
  if (strcmp (key, "type") == 0)
    c->iface->is_virtual = strcmp (value, "ethernet") != 0 &&
      strcmp (value, "802-3-ethernet") != 0;
  return 0;
}

/* "address1=10.0.2.50/24,10.0.2.2", and of old
 * "addresses1=10.0.2.50;24;10.0.2.2;".
 */
static int
take_address (struct connection *c, char *value)
{
  char *list = value;
  char *address = net_word (&list, ",; \t");
  char *prefix = net_word (&list, ",; \t");

  return address ? net_add_address (c->iface, address, prefix) : 0;
}

static int
take (struct connection *c, const char *key, char *value)
{
  const char *s = c->section;

  if (strcmp (s, "[connection]") == 0)
    return take_connection (c, key, value);
  if (strcmp (s, "[ethernet]") == 0 || strcmp (s, "[802-3-ethernet]") == 0) {
    if (strcmp (key, "mac-address") == 0) {
      free (c->iface->mac);
      c->iface->mac = vm_canonical_mac (value);
    }
  }
  else if (strcmp (s, "[match]") == 0)
    c->iface->fragile |= strcmp (key, "path") == 0 ||
      strcmp (key, "driver") == 0 || strcmp (key, "interface-name") == 0;
  else if (strcmp (s, "[vlan]") == 0) {
    if (strcmp (key, "parent") == 0)
      return net_set (&c->parent, value);
  }
  else if ((strcmp (s, "[ipv4]") == 0 || strcmp (s, "[ipv6]") == 0) &&
           strncmp (key, "address", 7) == 0 &&
           key[strcspn (key, "-")] == '\0')
    return take_address (c, value);
  return 0;
}

static int
read_connection (struct guest_net *g, const char *path)
{
  __attribute__ ((cleanup (cleanup_connection))) struct connection c = {
    .iface = NULL,
  };
  CLEANUP_FREE char *text = NULL;
  char *p, *line, *key, *value;
  int r = net_read (g, path, &text);

  if (r != 1)
    return r;
  c.iface = net_add_iface (g, path, path);
  if (c.iface == NULL)
    return -1;
  c.iface->rebind = rebind;
  for (p = text; (line = net_line (&p)) != NULL; )
    if (*line == '[')
      snprintf (c.section, sizeof c.section, "%s", line);
    else if (net_key_value (line, &key, &value) &&
             take (&c, key, value) == -1)
      return -1;

  if (c.uuid && net_add_pair (&g->aliases, c.iface->id, c.uuid) == -1)
    return -1;
  if (c.controller &&
      net_add_pair (&g->links, c.controller, c.iface->id) == -1)
    return -1;
  if (c.parent && net_add_pair (&g->links, c.iface->id, c.parent) == -1)
    return -1;
  return 0;
}

int
net_read_manager (struct guest_net *g)
{
  return net_read_folder (g, FOLDER, NULL, read_connection);
}
