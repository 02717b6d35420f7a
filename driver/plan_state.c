/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The state folder of a plan, seen from outside a run.  The lock tells
 * whether there is a run; a VM is cancelled by a file in its folder, since
 * that is where the run looks anyway and needs no other way to reach it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/include/cleanup.h"
#include "common/util/file_lock.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/plan_state.h"

static char *
path_in (const char *folder, const char *name)
{
  char *path;

  if (asprintf (&path, "%s/%s", folder, name) == -1) {
    log_oom ();
    return NULL;
  }
  return path;
}

/* The lock file, which every run leaves there. */
static int
open_lock (const char *folder)
{
  CLEANUP_FREE char *path = path_in (folder, "lock");
  int fd;

  if (path == NULL)
    return -1;
  fd = open (path, O_RDWR | O_CLOEXEC);
  if (fd == -1 && errno == ENOENT) {
    log_error ("no run of this plan is known in %s: see that --output or "
               "--state is the one of the run", printable (folder));
    errno = ENOENT;
  }
  else if (fd == -1)
    log_error ("%s: %m", printable (path));
  return fd;
}

int
plan_state_is_running (const char *folder)
{
  CLEANUP_CLOSE int fd = open_lock (folder);

  if (fd == -1)
    return -1;
  if (flock (fd, LOCK_EX | LOCK_NB) == 0)
    return 0;
  if (errno == EWOULDBLOCK)
    return 1;
  log_error ("%s/lock: cannot be locked: %m", printable (folder));
  return -1;
}

int
plan_state_lock (const char *folder)
{
  const int fd = open_lock (folder);

  if (fd == -1 || file_lock (fd) == 0)
    return fd;
  log_error ("%s/lock: another nbdlift has begun to run this plan: %m",
             printable (folder));
  close (fd);
  return -1;
}

int
plan_state_vms (const char *folder, string_vector *targets)
{
  CLEANUP_FREE char *path = path_in (folder, "vms");
  struct dirent *d;
  DIR *dir;
  int r = 0;

  if (path == NULL)
    return -1;
  dir = opendir (path);
  if (dir == NULL) {
    if (errno == ENOENT)
      return 0;
    log_error ("%s: %m", printable (path));
    return -1;
  }
  while (r == 0 && (d = readdir (dir)) != NULL)
    if (d->d_name[0] != '.')
      r = string_vector_append_dup (targets, d->d_name);
  closedir (dir);
  if (r == -1) {
    log_oom ();
    return -1;
  }
  string_vector_sort (targets);
  return 0;
}

int
plan_state_ask_cancel (const char *vm_folder)
{
  CLEANUP_FREE char *path = path_in (vm_folder, "cancel");
  CLEANUP_CLOSE int fd = -1;

  if (path == NULL)
    return -1;
  fd = open (path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd != -1)
    return 0;
  if (errno != ENOENT)          /* else it has been cancelled just now */
    log_error ("%s: cannot be made: %m", printable (path));
  return -1;
}

bool
plan_state_is_asked (const char *vm_folder)
{
  CLEANUP_FREE char *path = path_in (vm_folder, "cancel");

  return path && access (path, F_OK) == 0;
}

void
plan_state_withdraw_cancel (const char *vm_folder)
{
  CLEANUP_FREE char *path = path_in (vm_folder, "cancel");

  if (path)
    unlink (path);
}

static int
remove_entry (const char *path, const struct stat *st, int type,
              struct FTW *ftw)
{
  if (remove (path) == 0 || errno == ENOENT)
    return 0;
  log_error ("%s: cannot be removed: %m", printable (path));
  return -1;
}

int
plan_state_remove_tree (const char *path)
{
  if (access (path, F_OK) == -1 && errno == ENOENT)
    return 0;
  return nftw (path, remove_entry, 16, FTW_DEPTH | FTW_PHYS) == 0 ? 0 : -1;
}
