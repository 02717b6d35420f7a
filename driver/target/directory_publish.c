/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The manifests of a VM as one YAML file, ready for kubectl apply.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/json/json.h"
#include "common/util/atomic_file.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/target/directory_private.h"

/* How we know our own file again. */
#define MARK "# Written by nbdlift."

/* 0 if there is no file at PATH, or one of ours. */
static int
check_ours (const char *path)
{
  CLEANUP_FCLOSE FILE *fp = NULL;
  char line[sizeof MARK];
  const int there = look_for_file (path, NULL);

  if (there <= 0)
    return there;
  fp = fopen (path, "re");
  if (fp == NULL) {
    log_error ("%s: %m", printable (path));
    return -1;
  }
  if (fgets (line, sizeof line, fp) != NULL && strcmp (line, MARK) == 0)
    return 0;
  log_error ("%s was not written by nbdlift: it is left as it is; choose "
             "another output directory, or remove it", printable (path));
  errno = EEXIST;
  return -1;
}

int
directory_publish (void *target, const char *namespace_, const char *vm,
                   const json_t *objects, char **where)
{
  struct directory *d = target;
  CLEANUP_ATOMIC_FILE struct atomic_file f = { 0 };
  CLEANUP_FREE char *folder = NULL;
  CLEANUP_FREE char *path = NULL;
  json_t *object;
  size_t i;

  if (!safe_name ("namespace", namespace_) ||
      !safe_name ("virtual machine", vm))
    return -1;
  folder = path_format ("%s/%s", d->path, namespace_);
  if (folder == NULL)
    return -1;
  path = path_format ("%s/%s.yaml", folder, vm);
  if (path == NULL || check_ours (path) == -1 ||
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
