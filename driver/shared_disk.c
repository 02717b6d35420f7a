/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Names and users of shared disks.  A user is an empty file whose name is
 * made from plan and VM: adding one twice, or removing one that is not
 * there, changes nothing, so that both can be done again after any end.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/digest.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/journal.h"
#include "driver/plan_state.h"
#include "driver/shared_disk.h"

#define SHARED_FOLDER ".shared"

static const char *
plan_namespace (const struct plan *plan)
{
  return plan->meta.namespace_ ? plan->meta.namespace_ : "default";
}

int
shared_disk_identity (const struct plan_provider *provider,
                      const struct vm_disk *d, char **identity)
{
  const char *const texts[] = {
    "shared disk", provider->type ? provider->type : "",
    provider->url ? provider->url : "", d->identity,
  };
  char uuid[UUID_TEXT_SIZE];

  *identity = NULL;
  if (d->identity == NULL || d->lun)
    return 0;
  if (uuid_of_strings (texts, ARRAY_SIZE (texts), uuid) == -1)
    return -1;
  *identity = strdup (uuid);
  if (*identity == NULL)
    log_oom ();
  return *identity ? 0 : -1;
}

/* No owner is the beginning of another one: the identity comes last, and
 * all are of one length.
 */
char *
shared_disk_owner (const char *namespace_, const char *identity)
{
  return format_text ("shared disk in %s %s", namespace_, identity);
}

/* "STATE/.shared" for "STATE/NAMESPACE/PLAN". */
static char *
root_folder (const char *plan_folder)
{
  CLEANUP_FREE char *state = format_text ("%s", plan_folder);
  char *slash;
  int i;

  for (i = 0; state && i < 2; i++) {
    slash = strrchr (state, '/');
    if (slash)
      *slash = '\0';
  }
  return state ? format_text ("%s/" SHARED_FOLDER, state) : NULL;
}

char *
shared_disk_folder (const char *plan_folder, const char *namespace_,
                    const char *identity)
{
  CLEANUP_FREE char *root = root_folder (plan_folder);

  return root ? format_text ("%s/%s/%s", root, namespace_, identity) : NULL;
}

char *
shared_disk_plan_label (const struct plan *plan)
{
  return format_text ("%s/%s", plan_namespace (plan), plan->meta.name);
}

/*---- users ----*/

static char *
users_folder (const char *folder)
{
  return format_text ("%s/users", folder);
}

static int
user_name (const struct plan *plan, const char *target,
           char name[UUID_TEXT_SIZE])
{
  const char *const texts[] = {
    plan_namespace (plan), plan->meta.name, target,
  };

  return uuid_of_strings (texts, ARRAY_SIZE (texts), name);
}

static char *
user_path (const char *folder, const struct plan *plan, const char *target)
{
  CLEANUP_FREE char *users = users_folder (folder);
  char name[UUID_TEXT_SIZE];

  if (users == NULL || user_name (plan, target, name) == -1)
    return NULL;
  return format_text ("%s/%s", users, name);
}

int
shared_disk_add_user (const char *folder, const struct plan *plan,
                      const char *target)
{
  CLEANUP_FREE char *users = users_folder (folder);
  CLEANUP_FREE char *path = user_path (folder, plan, target);
  CLEANUP_CLOSE int fd = -1;

  if (users == NULL || path == NULL)
    return -1;
  if (mkdir (users, 0700) == 0 || errno == EEXIST)
    fd = open (path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd != -1)
    return 0;
  log_error ("%s: cannot be made: %m", printable (path));
  return -1;
}

int
shared_disk_remove_user (const char *folder, const struct plan *plan,
                         const char *target)
{
  CLEANUP_FREE char *path = user_path (folder, plan, target);

  if (path == NULL)
    return -1;
  if (unlink (path) == 0 || errno == ENOENT)
    return 0;
  log_error ("%s: cannot be removed: %m", printable (path));
  return -1;
}

int
shared_disk_has_users (const char *folder, const struct plan *plan,
                       const char *but_target)
{
  CLEANUP_FREE char *users = users_folder (folder);
  char name[UUID_TEXT_SIZE] = "";
  struct dirent *d;
  DIR *dir;
  int r = 0;

  if (users == NULL ||
      (but_target && user_name (plan, but_target, name) == -1))
    return -1;
  dir = opendir (users);
  if (dir == NULL && errno == ENOENT)
    return 0;
  if (dir == NULL) {
    log_error ("%s: %m", printable (users));
    return -1;
  }
  while (r == 0 && (d = readdir (dir)) != NULL)
    r = d->d_name[0] != '.' && strcmp (d->d_name, name) != 0;
  closedir (dir);
  return r;
}

/*---- the end of one ----*/

/* The last part of PATH, which is not empty. */
static const char *
base_name (const char *path)
{
  const char *slash = strrchr (path, '/');

  return slash ? slash + 1 : path;
}

/* Remove the folder that holds PATH, if it is empty now. */
static void
remove_parent (const char *path)
{
  CLEANUP_FREE char *parent = format_text ("%s", path);
  char *slash = parent ? strrchr (parent, '/') : NULL;

  if (slash) {
    *slash = '\0';
    rmdir (parent);
  }
}

int
shared_disk_remove_folder (const char *folder)
{
  CLEANUP_FREE char *parent = format_text ("%s", folder);
  char *slash = parent ? strrchr (parent, '/') : NULL;

  if (slash == NULL || plan_state_remove_tree (folder) == -1)
    return -1;
  *slash = '\0';
  if (rmdir (parent) == 0)
    remove_parent (parent);
  return 0;
}

/* Nobody uses it.  FOLDER is .../NAMESPACE/IDENTITY. */
static int
remove_disk (const struct target_ops *ops, void *target, const char *folder,
             bool keep_finished, string_vector *removed)
{
  CLEANUP_FREE char *parent = format_text ("%s", folder);
  CLEANUP_FREE char *owner = NULL, *published = NULL;
  struct journal *j = journal_load (folder);
  char *slash = parent ? strrchr (parent, '/') : NULL;

  if (slash == NULL || (j == NULL && errno != ENOENT)) {
    journal_close (j);
    return -1;
  }
  published = j ? journal_published (j) : NULL;
  journal_close (j);
  *slash = '\0';
  owner = shared_disk_owner (base_name (parent), base_name (folder));
  if (owner == NULL ||
      ops->remove_owned (target, owner, keep_finished || published,
                         removed) == -1)
    return -1;
  return shared_disk_remove_folder (folder);
}

int
shared_disk_release (const struct target_ops *ops, void *target,
                     const char *folder, const struct plan *plan,
                     const char *vm, bool keep_finished,
                     string_vector *removed, bool *gone)
{
  int r;

  if (gone)
    *gone = false;
  if (shared_disk_remove_user (folder, plan, vm) == -1)
    return -1;
  r = shared_disk_has_users (folder, plan, NULL);
  if (r != 0)
    return r == -1 ? -1 : 0;
  if (remove_disk (ops, target, folder, keep_finished, removed) == -1)
    return -1;
  if (gone)
    *gone = true;
  return 0;
}

/* Append the folders in FOLDER.  0, or -1 reported. */
static int
list_folders (const char *folder, string_vector *list)
{
  DIR *dir = opendir (folder);
  struct dirent *d;
  char *path;
  int r = 0;

  if (dir == NULL && errno == ENOENT)
    return 0;
  if (dir == NULL) {
    log_error ("%s: %m", printable (folder));
    return -1;
  }
  while (r == 0 && (d = readdir (dir)) != NULL) {
    if (d->d_name[0] == '.')
      continue;
    path = format_text ("%s/%s", folder, d->d_name);
    r = path ? string_vector_append (list, path) : -1;
    if (r == -1)
      free (path);
  }
  closedir (dir);
  return r;
}

int
shared_disk_release_all (const struct target_ops *ops, void *target,
                         const char *plan_folder, const struct plan *plan,
                         const char *vm, bool keep_finished,
                         string_vector *removed)
{
  CLEANUP_FREE char *root = root_folder (plan_folder);
  CLEANUP_STRING_VECTOR string_vector namespaces = EMPTY_VECTOR;
  CLEANUP_STRING_VECTOR string_vector disks = EMPTY_VECTOR;
  size_t i;

  if (root == NULL || list_folders (root, &namespaces) == -1)
    return -1;
  for (i = 0; i < namespaces.len; i++)
    if (list_folders (namespaces.ptr[i], &disks) == -1)
      return -1;
  for (i = 0; i < disks.len; i++) {
    CLEANUP_FREE char *user = user_path (disks.ptr[i], plan, vm);

    if (user == NULL)
      return -1;
    if (access (user, F_OK) == 0 &&
        shared_disk_release (ops, target, disks.ptr[i], plan, vm,
                             keep_finished, removed, NULL) == -1)
      return -1;
  }
  return 0;
}
