/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Names that interfaces get by their MAC addresses: rules of udev
 * (udev(7)) and .link files of systemd (systemd.link(5)).
 *
 * Both kinds are written where systemd runs the guest's udev, with the
 * same names: versions differ in which of them has the last word.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "driver/guest/net_private.h"

#define RULES_FOLDER "/etc/udev/rules.d"
#define LINKS_FOLDER "/etc/systemd/network"

/* Ours sort before those of the system. */
#define OUR_RULES RULES_FOLDER "/70-nbdlift-net.rules"
#define OUR_LINK_PREFIX LINKS_FOLDER "/10-nbdlift-"

#define HEADER "# Written by nbdlift: the names that this machine's network\n" \
  "# cards had before it was migrated.\n"

/* The text in quotes after KEY in a line of rules: KEY=="VALUE".  It is cut
 * out of a copy, which the caller frees.
 */
static char *
rule_value (const char *line, const char *key)
{
  const char *p = strstr (line, key), *end;

  if (p == NULL)
    return NULL;
  p += strlen (key);
  end = strchr (p, '"');
  return end ? strndup (p, end - p) : NULL;
}

/* True if the rule asks for something that the new hardware has not. */
static bool
rule_is_fragile (const char *line)
{
  CLEANUP_FREE char *driver = rule_value (line, "DRIVERS==\"");

  return (driver && strcmp (driver, "?*") != 0) || strstr (line, "KERNELS==")
    || strstr (line, "DEVPATH==") || strstr (line, "ENV{ID_PATH}==");
}

static int
read_rules (struct guest_net *g, const char *path)
{
  CLEANUP_FREE char *text = NULL;
  char *p, *line;
  int r;

  if (strcmp (path, OUR_RULES) == 0)
    return 0;
  r = net_read (g, path, &text);
  if (r != 1)
    return r;
  for (p = text; (line = net_line (&p)) != NULL; ) {
    CLEANUP_FREE char *address = NULL, *mac = NULL, *name = NULL;

    if (*line == '#' || rule_is_fragile (line))
      continue;
    address = rule_value (line, "ATTR{address}==\"");
    name = rule_value (line, "NAME=\"");
    mac = address ? vm_canonical_mac (address) : NULL;
    if (mac && name && net_is_name (name) &&
        net_add_pair (&g->names, name, mac) == -1)
      return -1;
  }
  return 0;
}

/* A link that is matched by the MAC address alone. */
static int
read_link (struct guest_net *g, const char *path, char *text)
{
  CLEANUP_FREE char *mac = NULL, *name = NULL;
  bool match = false, link = false, other = false;
  char *line, *key, *value;

  if (strncmp (path, OUR_LINK_PREFIX, strlen (OUR_LINK_PREFIX)) == 0)
    return 0;
  while ((line = net_line (&text)) != NULL) {
    if (*line == '[') {
      match = strcmp (line, "[Match]") == 0;
      link = strcmp (line, "[Link]") == 0;
      continue;
    }
    if (!net_key_value (line, &key, &value))
      continue;
    if (match && (strcmp (key, "MACAddress") == 0 ||
                  strcmp (key, "PermanentMACAddress") == 0)) {
      free (mac);
      mac = vm_canonical_mac (value);
    }
    else if (match)
      other = true;
    if (link && strcmp (key, "Name") == 0 && net_set (&name, value) == -1)
      return -1;
    /* Policies go before the name. */
    if (link && strcmp (key, "NamePolicy") == 0)
      other |= *value != '\0';
  }
  return mac && name && !other && net_is_name (name) ?
    net_add_pair (&g->names, name, mac) : 0;
}

int
net_read_names (struct guest_net *g)
{
  if (net_read_folder (g, RULES_FOLDER, ".rules", read_rules) == -1)
    return -1;
  return net_read_units (g, ".link", read_link);
}

/* 1 if PATH is there, 0 if not, -1 reported. */
static int
is_there (struct guest_net *g, const char *path)
{
  CLEANUP_FREE char *text = g->files->read (g->files->opaque, path);

  if (text || errno == EFBIG)
    return 1;
  return errno == ENOENT ? 0 : -1;
}

static int
has_systemd_links (struct guest_net *g)
{
  const int r = is_there (g, "/usr/lib/systemd/network/99-default.link");

  return r ? r : is_there (g, "/lib/systemd/network/99-default.link");
}

static int
write_link (struct guest_net *g, const struct net_pair *name)
{
  CLEANUP_FREE char *path = NULL, *text = NULL;

  if (asprintf (&path, OUR_LINK_PREFIX "%s.link", name->a) == -1) {
    path = NULL;
    goto oom;
  }
  if (asprintf (&text, HEADER "[Match]\nMACAddress=%s\n\n[Link]\nName=%s\n",
                name->b, name->a) == -1) {
    text = NULL;
    goto oom;
  }
  return g->files->write (g->files->opaque, path, text);

 oom:
  log_oom ();
  return -1;
}

int
net_write_names (struct guest_net *g, const net_pair_vector *names)
{
  CLEANUP_STRBUF struct strbuf rules = { 0 };
  int links;
  size_t i;

  if (names->len == 0)
    return 0;
  links = has_systemd_links (g);
  if (links == -1)
    return -1;
  if (strbuf_append (&rules, HEADER) == -1)
    goto oom;
  for (i = 0; i < names->len; i++) {
    if (strbuf_printf (&rules, "SUBSYSTEM==\"net\", ACTION==\"add\", "
                       "DRIVERS==\"?*\", ATTR{address}==\"%s\", "
                       "ATTR{type}==\"1\", NAME=\"%s\"\n",
                       names->ptr[i].b, names->ptr[i].a) == -1)
      goto oom;
    if (links && write_link (g, &names->ptr[i]) == -1)
      return -1;
  }
  return g->files->write (g->files->opaque, OUR_RULES, rules.ptr);

 oom:
  log_oom ();
  return -1;
}

/*---- cloud-init ----*/

#define CLOUD_FOLDER "/etc/cloud/cloud.cfg.d"
#define CLOUD_FILE CLOUD_FOLDER "/99-nbdlift-network.cfg"

int
net_stop_cloud_init (struct guest_net *g)
{
  int r = is_there (g, "/etc/cloud/cloud.cfg");

  if (r == 1)
    r = is_there (g, "/etc/cloud/cloud-init.disabled") ? 0 : 1;
  if (r != 1)
    return r;
  return g->files->write (g->files->opaque, CLOUD_FILE,
                          "# Written by nbdlift: the network stays as it was "
                          "before the migration.\n"
                          "network: {config: disabled}\n");
}
