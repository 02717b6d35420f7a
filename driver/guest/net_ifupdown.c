/* SPDX-License-Identifier: BSD-3-Clause
 *
 * /etc/network/interfaces of Debian's ifupdown, and the files that it
 * draws in: interfaces(5).
 */
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "driver/guest/net_private.h"

#define MAIN_FILE "/etc/network/interfaces"
#define BLANKS " \t"

/* A file may draw in files that draw in files. */
#define MAX_DEPTH 4

/* The stanza that is being read. */
struct stanza {
  struct guest_net *g;
  const char *file;
  char *name;                   /* of its interface, or NULL */
  bool is_static;
  char *address, *netmask;
  unsigned depth;
};

static int
add_link (struct guest_net *g, const char *upper, const char *lower)
{
  return net_is_name (lower) && strcmp (lower, "none") != 0 ?
    net_add_pair (&g->links, upper, lower) : 0;
}

/* What the name tells: "ens192.100" is a VLAN, "vlan100" too (with an
 * option), and "ens192:1" a second address.
 */
static int
begin_iface (struct stanza *s, const char *name)
{
  const char *dot = strchr (name, '.');
  struct net_iface *iface;
  char *lower;
  int r;

  if (net_set (&s->name, name) == -1)
    return -1;
  s->name[strcspn (s->name, ":")] = '\0';
  if (dot && net_is_name (s->name)) {
    lower = strndup (s->name, dot - name);
    if (lower == NULL) {
      log_oom ();
      return -1;
    }
    r = add_link (s->g, s->name, lower);
    free (lower);
    if (r == -1)
      return -1;
  }
  iface = net_add_iface (s->g, s->file, s->name);
  if (iface == NULL)
    return -1;
  return net_is_name (s->name) ? net_set (&iface->name, s->name) : 0;
}

/* The stanza ends. */
static int
end_stanza (struct stanza *s)
{
  int r = 0;

  if (s->name && s->is_static && s->address)
    r = net_add_address (&s->g->ifaces.ptr[s->g->ifaces.len - 1],
                         s->address, s->netmask);
  free (s->name);
  free (s->address);
  free (s->netmask);
  s->name = s->address = s->netmask = NULL;
  s->is_static = false;
  return r;
}

static void
cleanup_stanza (struct stanza *s)
{
  free (s->name);
  free (s->address);
  free (s->netmask);
}

/* The interfaces that one on top of others has. */
static int
lower_ports (struct stanza *s, char *rest)
{
  char *port;

  while ((port = net_word (&rest, BLANKS)) != NULL)
    if (add_link (s->g, s->name, port) == -1)
      return -1;
  return 0;
}

static bool
is_option (const char *word, const char *name)
{
  size_t i;

  /* Both spellings are taken: bridge_ports, bridge-ports. */
  for (i = 0; name[i]; i++)
    if (word[i] != name[i] && !(name[i] == '-' && word[i] == '_'))
      return false;
  return word[i] == '\0';
}

static int
option (struct stanza *s, const char *word, char *rest)
{
  rest += strspn (rest, BLANKS);
  if (strcmp (word, "address") == 0) {
    rest[strcspn (rest, BLANKS)] = '\0';
    return net_set (&s->address, rest);
  }
  if (strcmp (word, "netmask") == 0) {
    rest[strcspn (rest, BLANKS)] = '\0';
    return net_set (&s->netmask, rest);
  }
  if (is_option (word, "bridge-ports") || is_option (word, "bond-slaves") ||
      is_option (word, "vlan-raw-device"))
    return lower_ports (s, rest);
  if (is_option (word, "bond-master") && net_is_name (rest) &&
      net_is_name (s->name))
    return net_add_pair (&s->g->links, rest, s->name);
  return 0;
}

static int read_file (struct guest_net *g, const char *path, unsigned depth);

/* source PATTERN, source-directory FOLDER: the pattern is a folder and
 * all of its files, or one file.
 */
static int
draw_in (struct guest_net *g, char *rest, bool folder, unsigned depth)
{
  CLEANUP_STRING_VECTOR string_vector names = EMPTY_VECTOR;
  CLEANUP_FREE char *path = NULL;
  char *pattern = net_word (&rest, BLANKS), *slash;
  size_t i;
  int r;

  if (pattern == NULL || depth >= MAX_DEPTH)
    return 0;
  r = asprintf (&path, "%s%s", *pattern == '/' ? "" : "/etc/network/",
                pattern);
  if (r == -1) {
    path = NULL;
    log_oom ();
    return -1;
  }
  if (!folder && strpbrk (path, "*?[") == NULL)
    return read_file (g, path, depth + 1);

  slash = strrchr (path, '/');
  if (!folder)
    *slash = '\0';
  if (strpbrk (path, "*?[") ||
      g->files->list (g->files->opaque, path, &names) == -1)
    return strpbrk (path, "*?[") ? 0 : -1;
  for (i = 0; i < names.len; i++) {
    CLEANUP_FREE char *name = NULL;

    /* As run-parts: nothing that an editor or a package left. */
    if (names.ptr[i][0] == '.' || strchr (names.ptr[i], '~') ||
        strstr (names.ptr[i], ".dpkg-"))
      continue;
    r = asprintf (&name, "%s/%s", path, names.ptr[i]);
    if (r == -1) {
      name = NULL;
      log_oom ();
      return -1;
    }
    if (read_file (g, name, depth + 1) == -1)
      return -1;
  }
  return 0;
}

static int
take_line (struct stanza *s, char *line)
{
  char *word = net_word (&line, BLANKS), *name, *method;

  if (word == NULL)
    return 0;
  if (strcmp (word, "iface") == 0) {
    if (end_stanza (s) == -1)
      return -1;
    name = net_word (&line, BLANKS);
    if (net_word (&line, BLANKS) == NULL)
      return 0;
    method = net_word (&line, BLANKS);
    if (method == NULL)
      return 0;
    s->is_static = strcmp (method, "static") == 0;
    return begin_iface (s, name);
  }
  if (strcmp (word, "source") == 0 || strcmp (word, "source-directory") == 0)
    return end_stanza (s) == -1 ? -1 :
      draw_in (s->g, line, word[6] == '-', s->depth);
  if (strcmp (word, "auto") == 0 || strncmp (word, "allow-", 6) == 0 ||
      strcmp (word, "mapping") == 0 || strncmp (word, "no-", 3) == 0)
    return end_stanza (s);
  return s->name ? option (s, word, line) : 0;
}

/* A backslash at its end joins a line with the next one. */
static void
join_lines (char *text)
{
  char *p;

  for (p = text; (p = strstr (p, "\\\n")) != NULL; p += 2)
    p[0] = p[1] = ' ';
}

static int
read_file (struct guest_net *g, const char *path, unsigned depth)
{
  __attribute__ ((cleanup (cleanup_stanza))) struct stanza s = {
    .g = g, .file = path, .depth = depth,
  };
  CLEANUP_FREE char *text = NULL;
  char *p, *line;
  int r = net_read (g, path, &text);

  if (r != 1)
    return r;
  join_lines (text);
  for (p = text; (line = net_line (&p)) != NULL; )
    if (*line != '#' && take_line (&s, line) == -1)
      return -1;
  return end_stanza (&s);
}

int
net_read_ifupdown (struct guest_net *g)
{
  return read_file (g, MAIN_FILE, 0);
}
