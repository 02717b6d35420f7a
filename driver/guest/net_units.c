/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Where systemd has its network configuration: systemd.network(5), and in
 * the same words systemd.netdev(5) and systemd.link(5).
 *
 * A unit is a main file and its drop-ins, in folders of which the first
 * goes before the others: a file hides those of the same name in later
 * folders.  One that is empty or leads to /dev/null means that there is
 * none.  Of the guest's disk only; what is in /run is made when it boots.
 */
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/log.h"
#include "driver/guest/net_private.h"

#define PLACE "systemd/network"

/* The last is the one before it where /lib is a link to /usr/lib. */
static const char *const folders[] = {
  "/etc/" PLACE, "/usr/local/lib/" PLACE, "/usr/lib/" PLACE, "/lib/" PLACE,
};

/* The names in each folder. */
struct listing {
  string_vector names[ARRAY_SIZE (folders)];
};

static void
cleanup_listing (struct listing *l)
{
  size_t i;

  for (i = 0; i < ARRAY_SIZE (folders); i++)
    string_vector_free (&l->names[i]);
}
#define CLEANUP_LISTING __attribute__ ((cleanup (cleanup_listing)))

static int
list_all (const struct guest_files *files, struct listing *l)
{
  size_t i;

  for (i = 0; i < ARRAY_SIZE (folders); i++)
    if (files->list (files->opaque, folders[i], &l->names[i]) == -1)
      return -1;
  return 0;
}

/* Append to NAMES those of FROM that end in SUFFIX and are not in it, so
 * that they stay sorted.
 */
static int
add_names (string_vector *names, const string_vector *from,
           const char *suffix)
{
  size_t i;

  for (i = 0; i < from->len && names->len < NET_MAX_FILES; i++) {
    const char *name = from->ptr[i];

    if (name[0] == '.' || !net_ends_in (name, suffix) ||
        string_vector_has (names, name))
      continue;
    if (string_vector_append_dup (names, name) == -1) {
      log_oom ();
      return -1;
    }
  }
  string_vector_sort (names);
  return 0;
}

static int
add_path (string_vector *paths, const char *folder, const char *sub,
          const char *name)
{
  if (string_vector_append_format (paths, "%s/%s%s", folder, sub,
                                   name) == 0)
    return 0;
  log_oom ();
  return -1;
}

/* Append the drop-ins of the unit NAME. */
static int
add_drop_ins (const struct guest_files *files, const struct listing *l,
              const char *name, string_vector *paths)
{
  CLEANUP_LISTING struct listing inside = { .names[0] = EMPTY_VECTOR };
  CLEANUP_STRING_VECTOR string_vector names = EMPTY_VECTOR;
  CLEANUP_FREE char *sub = format_text ("%s.d/", name);
  size_t i, k;

  if (sub == NULL)
    return -1;
  for (k = 0; k < ARRAY_SIZE (folders); k++) {
    CLEANUP_FREE char *path = format_text ("%s/%s.d", folders[k], name);

    if (path == NULL)
      return -1;
    if (!string_vector_has (&l->names[k], strrchr (path, '/') + 1))
      continue;
    if (files->list (files->opaque, path, &inside.names[k]) == -1 ||
        add_names (&names, &inside.names[k], ".conf") == -1)
      return -1;
  }
  for (i = 0; i < names.len; i++) {
    for (k = 0; !string_vector_has (&inside.names[k], names.ptr[i]); k++)
      ;
    if (add_path (paths, folders[k], sub, names.ptr[i]) == -1)
      return -1;
  }
  return 0;
}

/* Append the main file of the unit NAME, if there is one, and its
 * drop-ins.
 */
static int
add_parts (const struct guest_files *files, const struct listing *l,
           const char *name, string_vector *paths)
{
  size_t k;

  for (k = 0; k < ARRAY_SIZE (folders); k++)
    if (string_vector_has (&l->names[k], name)) {
      if (add_path (paths, folders[k], "", name) == -1)
        return -1;
      break;
    }
  return add_drop_ins (files, l, name, paths);
}

int
net_unit_parts (const struct guest_files *files, const char *name,
                string_vector *paths)
{
  CLEANUP_LISTING struct listing l = { .names[0] = EMPTY_VECTOR };

  return list_all (files, &l) == -1 ? -1 : add_parts (files, &l, name, paths);
}

char *
net_unit_in_etc (const char *path)
{
  const char *place = strstr (path, "/" PLACE "/");

  return format_text ("/etc%s", place ? place : path);
}

/* The text of a unit.  1 with *TEXT; 0 if there is none; -1 reported. */
static int
merge_parts (struct guest_net *g, const string_vector *paths, char **text)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };
  size_t i;
  int r;

  for (i = 0; i < paths->len; i++) {
    CLEANUP_FREE char *part = NULL;

    r = net_read (g, paths->ptr[i], &part);
    if (r == -1)
      return -1;
    if (i == 0 && (r == 0 || *part == '\0'))
      return 0;
    if (r == 0)
      continue;
    if (b.len + strlen (part) > GUEST_MAX_FILE)
      return net_too_large (g, paths->ptr[i]);
    /* Each part begins outside of any section. */
    if (strbuf_printf (&b, "%s\n[]\n", part) == -1)
      goto oom;
  }
  if (b.len == 0)
    return 0;
  *text = strbuf_steal (&b);
  if (*text)
    return 1;

 oom:
  log_oom ();
  return -1;
}

int
net_read_units (struct guest_net *g, const char *suffix,
                int (*read) (struct guest_net *g, const char *path,
                             char *text))
{
  CLEANUP_LISTING struct listing l = { .names[0] = EMPTY_VECTOR };
  CLEANUP_STRING_VECTOR string_vector names = EMPTY_VECTOR;
  size_t i;
  int r;

  if (list_all (g->files, &l) == -1)
    return -1;
  for (i = 0; i < ARRAY_SIZE (folders); i++)
    if (add_names (&names, &l.names[i], suffix) == -1)
      return -1;
  for (i = 0; i < names.len; i++) {
    CLEANUP_STRING_VECTOR string_vector paths = EMPTY_VECTOR;
    CLEANUP_FREE char *text = NULL;

    if (add_parts (g->files, &l, names.ptr[i], &paths) == -1)
      return -1;
    r = merge_parts (g, &paths, &text);
    if (r == 1)
      r = read (g, paths.ptr[0], text);
    if (r == -1)
      return -1;
  }
  return 0;
}
