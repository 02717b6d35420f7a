/* SPDX-License-Identifier: BSD-3-Clause
 *
 * netplan(5): the YAML files in /etc/netplan.
 *
 * Files are read as YAML, and changed as text, so that comments and the
 * order stay; what was changed is read again before it is written.
 */
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "driver/guest/net_private.h"
#include "driver/plan/plan.h"
#include "driver/plan/yaml.h"

#define FOLDER "/etc/netplan"

struct document {
  struct yaml_arena *arena;
  struct yaml_document doc;
  problem_vector problems;
};

static void
cleanup_document (struct document *d)
{
  yaml_arena_free (d->arena);
  problem_vector_free (&d->problems);
}
#define CLEANUP_DOCUMENT __attribute__ ((cleanup (cleanup_document)))

/* The first document of TEXT.  1, 0 if it is not YAML, -1 reported. */
static int
parse (const char *path, const char *text, struct document *d)
{
  char *copy = strdup (text);
  struct yaml_stream *stream;
  int r;

  if (copy == NULL) {
    log_oom ();
    return -1;
  }
  d->arena = yaml_arena_new ();
  if (d->arena == NULL) {
    free (copy);
    return -1;
  }
  stream = yaml_open (path, copy, strlen (copy), &d->problems);
  if (stream == NULL)
    return -1;
  r = yaml_next (stream, d->arena, &d->doc);
  yaml_close (stream);
  if (r == 1 && d->problems.len > 0)
    r = 0;
  return r;
}

static const char *
text_of (const struct yaml_node *node)
{
  return node && (node->type == YAML_STRING || node->type == YAML_INT ||
                  node->type == YAML_FLOAT) ? node->text : NULL;
}

/* The key MATCH of interface ID. */
static const struct yaml_pair *
find_match (const struct document *d, const char *id)
{
  const struct yaml_node *node =
    yaml_get (yaml_get (yaml_get (d->doc.root, "network"), "ethernets"), id);
  size_t i;

  for (i = 0; node && node->type == YAML_MAP && i < node->nr; i++)
    if (strcmp (node->pairs[i].key, "match") == 0)
      return &node->pairs[i];
  return NULL;
}

/* Where line NUMBER (from 1) of TEXT begins. */
static const char *
find_line (const char *text, unsigned number)
{
  while (number-- > 1) {
    text += strcspn (text, "\n");
    text += *text == '\n';
  }
  return text;
}

/* The first line after TEXT that is not indented by more than INDENT. */
static const char *
end_of_block (const char *text, size_t indent)
{
  size_t n;

  while (*text) {
    n = strspn (text, " ");
    if (text[n] != '\n' && text[n] != '#' && text[n] != '\0' && n <= indent)
      break;
    text += strcspn (text, "\n");
    text += *text == '\n';
  }
  return text;
}

/* TEXT with the value of MATCH replaced.  NULL reported. */
static char *
replace_match (const char *text, const struct yaml_pair *match,
               const char *mac)
{
  const char *line = find_line (text, match->line);
  const char *colon = strchr (line, ':');
  const size_t indent = match->column - 1;
  const char *rest;
  char *new;

  if (match->value->line == match->line)
    rest = line + strcspn (line, "\n") + 1;
  else
    rest = end_of_block (find_line (text, match->line + 1), indent);
  if (colon == NULL || rest > text + strlen (text))
    rest = text + strlen (text);
  if (asprintf (&new, "%.*s:\n%*smacaddress: \"%s\"\n%s",
                (int) ((colon ? colon : line) - text), text,
                (int) indent + 2, "", mac, rest) == -1) {
    log_oom ();
    return NULL;
  }
  return new;
}

static int
rebind (const struct guest_files *files, const struct net_iface *iface,
        const char *mac)
{
  CLEANUP_DOCUMENT struct document old = { .arena = NULL };
  CLEANUP_DOCUMENT struct document changed = { .arena = NULL };
  CLEANUP_FREE char *text = files->read (files->opaque, iface->file);
  CLEANUP_FREE char *new = NULL;
  const struct yaml_pair *match;
  const char *after;
  int r;

  if (text == NULL)
    return -1;
  r = parse (iface->file, text, &old);
  if (r != 1)
    return r;
  match = find_match (&old, iface->id);
  if (match == NULL)
    return 0;
  new = replace_match (text, match, mac);
  if (new == NULL)
    return -1;

  /* The one change, and nothing else. */
  r = parse (iface->file, new, &changed);
  if (r != 1)
    return r;
  match = find_match (&changed, iface->id);
  after = match ? text_of (yaml_get (match->value, "macaddress")) : NULL;
  if (after == NULL || strcmp (after, mac) != 0 || match->value->nr != 1 ||
      find_match (&old, iface->id)->value->weight -
      match->value->weight != old.doc.root->weight -
      changed.doc.root->weight)
    return 0;
  return files->write (files->opaque, iface->file, new) == -1 ? -1 : 1;
}

static int
take_match (const struct yaml_node *match, struct net_iface *iface)
{
  const char *name = text_of (yaml_get (match, "name"));
  const char *mac = text_of (yaml_get (match, "macaddress"));

  if (mac)
    iface->mac = vm_canonical_mac (mac);
  iface->fragile = yaml_given (match, "driver") || yaml_given (match, "path");
  if (name && net_is_name (name))
    return net_set (&iface->name, name);
  iface->fragile |= name != NULL;
  return 0;
}

static int
take_addresses (const struct yaml_node *list, struct net_iface *iface)
{
  size_t i;

  for (i = 0; list && list->type == YAML_LIST && i < list->nr; i++) {
    const struct yaml_node *item = list->items[i];
    const char *text = text_of (item);

    /* "- 10.0.2.50/24: {label: x}" */
    if (item->type == YAML_MAP && item->nr == 1)
      text = item->pairs[0].key;
    if (text && net_add_address (iface, text, NULL) == -1)
      return -1;
  }
  return 0;
}

static int
take_lowers (struct guest_net *g, const char *id,
             const struct yaml_node *node)
{
  const struct yaml_node *list = yaml_get (node, "interfaces");
  const char *lower = text_of (yaml_get (node, "link"));
  size_t i;

  if (lower && net_add_pair (&g->links, id, lower) == -1)
    return -1;
  for (i = 0; list && list->type == YAML_LIST && i < list->nr; i++) {
    lower = text_of (list->items[i]);
    if (lower && net_add_pair (&g->links, id, lower) == -1)
      return -1;
  }
  return 0;
}

static int
take_iface (struct guest_net *g, const char *path, const char *id,
            const struct yaml_node *node, bool is_virtual)
{
  const struct yaml_node *match = yaml_get (node, "match");
  struct net_iface *iface = net_add_iface (g, path, id);

  if (iface == NULL)
    return -1;
  iface->is_virtual = is_virtual;
  iface->rebind = rebind;
  if (match && match->type == YAML_MAP && !is_virtual) {
    if (take_match (match, iface) == -1)
      return -1;
  }
  else if (net_is_name (id) && net_set (&iface->name, id) == -1)
    return -1;
  if (take_addresses (yaml_get (node, "addresses"), iface) == -1 ||
      net_add_networkd_drop_ins (g, id, iface) == -1)
    return -1;
  return is_virtual ? take_lowers (g, id, node) : 0;
}

static int
read_file (struct guest_net *g, const char *path)
{
  static const char *const kinds[] = {
    "ethernets", "bonds", "bridges", "vlans", NULL
  };
  CLEANUP_DOCUMENT struct document d = { .arena = NULL };
  CLEANUP_FREE char *text = NULL;
  const struct yaml_node *network, *group;
  size_t i, k;
  int r = net_read (g, path, &text);

  if (r != 1)
    return r;
  r = parse (path, text, &d);
  if (r == -1)
    return -1;
  if (r == 0) {
    if (d.problems.len > 0 &&
        string_vector_append_format (&g->report->lost, "%s in the guest is "
                                     "no YAML that can be read: what it says "
                                     "of addresses is not looked at",
                                     printable (path)) == -1) {
      log_oom ();
      return -1;
    }
    return 0;
  }
  network = yaml_get (d.doc.root, "network");
  for (k = 0; kinds[k]; k++) {
    group = yaml_get (network, kinds[k]);
    for (i = 0; group && group->type == YAML_MAP && i < group->nr; i++)
      if (take_iface (g, path, group->pairs[i].key, group->pairs[i].value,
                      k > 0) == -1)
        return -1;
  }
  return 0;
}

int
net_read_netplan (struct guest_net *g)
{
  return net_read_folder (g, FOLDER, ".yaml", read_file);
}
