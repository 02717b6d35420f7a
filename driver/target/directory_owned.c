/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The volumes that somebody made, found by their owners' files: nothing
 * that only the source could tell is needed for that.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/include/cleanup.h"
#include "common/json/json.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/target/directory_private.h"

struct search {
  struct directory *d;
  const char *prefix;
  bool keep_finished;
  string_vector *removed;
};

/* Call FN for each entry of the folder PATH that can be a folder of ours.
 * 0, or -1 reported.
 */
static int
each_entry (const char *path, int (*fn) (const struct search *s,
                                         const char *parent,
                                         const char *name),
            const char *parent, const struct search *s)
{
  DIR *dir = opendir (path);
  struct dirent *e;
  int r = 0;

  if (dir == NULL) {
    if (errno == ENOENT || errno == ENOTDIR)
      return 0;
    log_error ("%s: %m", printable (path));
    return -1;
  }
  while (r == 0 && (e = readdir (dir)) != NULL)
    if (e->d_name[0] != '.')
      r = fn (s, parent, e->d_name);
  closedir (dir);
  return r;
}

/* Who made the volume in FOLDER.  1 with *OWNER (malloc'ed, NULL if that is
 * not said), 0 not one of ours, -1 reported.
 */
static int
read_owner (const char *folder, char **owner)
{
  CLEANUP_FREE char *file = NULL;
  CLEANUP_JSON json_t *j = NULL;
  const char *text;
  struct stat st;
  int there;

  *owner = NULL;
  if (lstat (folder, &st) == -1 || !S_ISDIR (st.st_mode))
    return 0;
  file = format_text ("%s/.owner.json", folder);
  if (file == NULL)
    return -1;
  there = look_for_file (file, NULL);
  if (there <= 0)
    return there;
  j = json_read_file (file, 1);
  if (j == NULL)
    return -1;
  text = json_get_string (j, "owner", NULL);
  if (text == NULL)
    return 0;
  *owner = format_text ("%s", text);
  return *owner ? 1 : -1;
}

/* Is the volume in FOLDER finished?  1, 0, or -1 reported. */
static int
is_finished (const char *folder)
{
  CLEANUP_FREE char *image = format_text ("%s/disk.img", folder);

  return image ? look_for_file (image, NULL) : -1;
}

static int
look_at_volume (const struct search *s, const char *namespace_,
                const char *name)
{
  CLEANUP_FREE char *folder = format_text ("%s/%s/%s", s->d->path,
                                           namespace_, name);
  CLEANUP_FREE char *owner = NULL;
  int r;

  if (folder == NULL)
    return -1;
  r = read_owner (folder, &owner);
  if (r <= 0)
    return r;
  if (strncmp (owner, s->prefix, strlen (s->prefix)) != 0)
    return 0;
  if (s->keep_finished && is_finished (folder) != 0)
    return 0;
  if (directory_remove (s->d, namespace_, name, owner) == -1)
    return -1;
  if (string_vector_append_dup (s->removed, folder) == -1) {
    log_oom ();
    return -1;
  }
  return 0;
}

static int
look_at_namespace (const struct search *s, const char *parent,
                   const char *name)
{
  CLEANUP_FREE char *path = format_text ("%s/%s", parent, name);

  return path ? each_entry (path, look_at_volume, name, s) : -1;
}

int
directory_remove_owned (void *target, const char *prefix, bool keep_finished,
                        string_vector *removed)
{
  struct directory *d = target;
  const struct search s = { d, prefix, keep_finished, removed };

  return each_entry (d->path, look_at_namespace, d->path, &s);
}

char *
directory_find (const char *spec, const char *namespace_, const char *owner,
                bool *complete)
{
  CLEANUP_FREE char *parent = NULL;
  char *name = NULL;
  struct dirent *e;
  int r = 0, err;
  DIR *dir;

  if (!safe_name ("namespace", namespace_))
    return NULL;
  parent = format_text ("%s/%s", spec, namespace_);
  if (parent == NULL)
    return NULL;
  dir = opendir (parent);
  if (dir == NULL) {
    if (errno == ENOENT || errno == ENOTDIR)
      errno = ENOENT;
    else
      log_error ("%s: %m", printable (parent));
    return NULL;
  }
  errno = ENOENT;
  while (r == 0 && name == NULL && (e = readdir (dir)) != NULL) {
    CLEANUP_FREE char *folder = NULL, *is_of = NULL;

    if (e->d_name[0] == '.')
      continue;
    folder = format_text ("%s/%s", parent, e->d_name);
    r = folder ? read_owner (folder, &is_of) : -1;
    if (r == 1) {
      r = 0;
      if (strcmp (is_of, owner) == 0) {
        r = is_finished (folder);
        *complete = r == 1;
        name = r == -1 ? NULL : format_text ("%s", e->d_name);
        r = name ? 0 : -1;
      }
    }
    if (r == 0)
      errno = ENOENT;
  }
  err = errno;
  closedir (dir);
  errno = err;
  return name;
}
