/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The manifests of a VM as one YAML file, ready for kubectl apply.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/include/cleanup.h"
#include "common/json/json.h"
#include "common/util/atomic_file.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/target/directory_private.h"

/* How we know our own file again. */
#define MARK "# Written by nbdlift."

enum whose { NOBODYS, OURS, THEIRS };

/* Who has written the file at PATH?  0, or -1 reported. */
static int
look_whose (const char *path, enum whose *whose)
{
  CLEANUP_FCLOSE FILE *fp = NULL;
  char line[sizeof MARK];
  const int there = look_for_file (path, NULL);

  *whose = NOBODYS;
  if (there <= 0)
    return there;
  fp = fopen (path, "re");
  if (fp == NULL) {
    log_error ("%s: %m", printable (path));
    return -1;
  }
  *whose = fgets (line, sizeof line, fp) != NULL &&
    strcmp (line, MARK) == 0 ? OURS : THEIRS;
  return 0;
}

/* 0 if there is no file at PATH, or one of ours. */
static int
check_ours (const char *path)
{
  enum whose whose;

  if (look_whose (path, &whose) == -1)
    return -1;
  if (whose != THEIRS)
    return 0;
  log_error ("%s was not written by nbdlift: it is left as it is; choose "
             "another output directory, or remove it", printable (path));
  errno = EEXIST;
  return -1;
}

/* malloc'ed, NULL reported. */
static char *
manifest_path (const struct directory *d, const char *namespace_,
               const char *vm)
{
  if (!safe_name ("namespace", namespace_) ||
      !safe_name ("virtual machine", vm))
    return NULL;
  return format_text ("%s/%s/%s.yaml", d->path, namespace_, vm);
}

int
directory_publish (void *target, const char *namespace_, const char *vm,
                   const json_t *objects, char **where)
{
  struct directory *d = target;
  CLEANUP_ATOMIC_FILE struct atomic_file f = { 0 };
  CLEANUP_FREE char *path = manifest_path (d, namespace_, vm);
  CLEANUP_FREE char *folder = NULL;
  json_t *object;
  size_t i;

  if (path == NULL)
    return -1;
  folder = format_text ("%s/%s", d->path, namespace_);
  if (folder == NULL || check_ours (path) == -1 ||
      make_folder (folder, 0755, NULL) == -1 ||
      atomic_file_open (&f, path, 0644) == -1)
    return -1;

  fprintf (f.fp, MARK "  Use: kubectl apply -f %s.yaml\n", vm);
  /* One document each: json_write_yaml begins with "---". */
  json_array_foreach (objects, i, object)
    if (json_write_yaml (object, f.fp) == -1)
      return -1;
  if (atomic_file_commit (&f) == -1)
    return -1;
  *where = path;
  path = NULL;
  return 0;
}

/* The value on LINE, "    vmID: VALUE" or "    vmID: \"VALUE\"", as
 * json_write_yaml writes a label; in place, NULL if it is another line.
 */
static char *
vm_id_of (char *line)
{
  static const char key[] = "    vmID: ";
  char *value = line + sizeof key - 1;
  size_t n;

  if (strncmp (line, key, sizeof key - 1) != 0)
    return NULL;
  value[strcspn (value, "\n")] = '\0';
  n = strlen (value);
  if (n >= 2 && value[0] == '"' && value[n - 1] == '"') {
    value[n - 1] = '\0';
    value++;
  }
  return value;
}

int
directory_published (void *target, const char *namespace_, const char *vm,
                     char **id)
{
  CLEANUP_FREE char *path = manifest_path (target, namespace_, vm);
  CLEANUP_FCLOSE FILE *fp = NULL;
  CLEANUP_FREE char *line = NULL;
  char *value;
  size_t cap = 0;
  enum whose whose;

  *id = NULL;
  if (path == NULL || check_ours (path) == -1 ||
      look_whose (path, &whose) == -1)
    return -1;
  if (whose == NOBODYS)
    return 0;
  fp = fopen (path, "re");
  if (fp == NULL) {
    log_error ("%s: %m", printable (path));
    return -1;
  }
  while (getline (&line, &cap, fp) != -1) {
    value = vm_id_of (line);
    if (value) {
      *id = format_text ("%s", value);
      return *id ? 0 : -1;
    }
  }
  return 0;
}

int
directory_unpublish (void *target, const char *namespace_, const char *vm,
                     string_vector *removed)
{
  CLEANUP_FREE char *path = manifest_path (target, namespace_, vm);
  enum whose whose;

  if (path == NULL || look_whose (path, &whose) == -1)
    return -1;
  if (whose == THEIRS)
    log_warning ("%s was not written by nbdlift: it is left as it is",
                 printable (path));
  if (whose != OURS)
    return 0;
  if (unlink (path) == -1) {
    log_error ("%s: cannot be removed: %m", printable (path));
    return -1;
  }
  if (string_vector_append_dup (removed, path) == -1) {
    log_oom ();
    return -1;
  }
  return 0;
}
