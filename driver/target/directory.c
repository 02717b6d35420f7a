/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The directory target: volumes and manifests as files, no cluster.
 *
 *   DIR/NAMESPACE/PVC/disk.img             a volume, as on a PVC of mode
 *                                          Filesystem; also for PVCs of
 *                                          mode Block
 *   DIR/NAMESPACE/PVC/.disk.img.partial    one that is not yet complete
 *   DIR/NAMESPACE/PVC/.owner.json          what made it
 *   DIR/NAMESPACE/PVC/disk.img.digests     its digests
 *   DIR/NAMESPACE/VM.yaml                  PVCs and VirtualMachine
 *   DIR/.nbdlift/                          journal and lock
 *
 * Images and digests have mode 0660, as CDI makes them: the qemu group
 * can run them where they are, others can not read them.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/include/cleanup.h"
#include "common/util/file_lock.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/target/directory_private.h"

static char *
lock_path (const struct directory *d)
{
  return format_text ("%s/lock", d->state);
}

/* Take the lock that keeps two runs from one directory.  The file may
 * be removed by the run that had it, between our open and flock: then
 * what we hold is not the lock any more.
 */
static int
lock_directory (struct directory *d)
{
  CLEANUP_FREE char *path = lock_path (d);
  struct stat ours, there;

  if (path == NULL)
    return -1;
  for (;;) {
    d->lock_fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
                       0600);
    if (d->lock_fd == -1) {
      log_error ("%s: %m", printable (path));
      return -1;
    }
    if (file_lock (d->lock_fd) == -1) {
      if (errno == EWOULDBLOCK) {
        log_error ("%s: another nbdlift is using this output directory: "
                   "wait for it to end, or choose another directory",
                   printable (d->path));
        errno = EBUSY;
        return -1;
      }
      log_warning ("%s: cannot be locked (%m): make sure that no other "
                   "nbdlift uses this output directory",
                   printable (d->path));
      return 0;
    }
    if (fstat (d->lock_fd, &ours) == 0 && stat (path, &there) == 0 &&
        ours.st_dev == there.st_dev && ours.st_ino == there.st_ino)
      return 0;
    close (d->lock_fd);
  }
}

/* Leave nothing behind that has no content: a mere check makes no
 * folders that stay.
 */
static void
directory_close (void *target)
{
  struct directory *d = target;
  CLEANUP_FREE char *lock = NULL;

  if (d->lock_fd >= 0) {
    lock = lock_path (d);
    if (lock)
      unlink (lock);
    close (d->lock_fd);
    rmdir (d->state);
    if (d->made)
      rmdir (d->path);
  }
  free (d->state);
  free (d->path);
  free (d);
}

static void *
directory_open (const char *spec)
{
  struct directory *d = calloc (1, sizeof *d);
  CLEANUP_FREE char *cwd = NULL;
  int err;

  if (d == NULL) {
    log_oom ();
    return NULL;
  }
  d->lock_fd = -1;
  if (spec[0] == '\0') {
    log_error ("the output directory has no name");
    errno = EINVAL;
    goto err;
  }
  if (spec[0] == '/')
    d->path = format_text ("%s", spec);
  else {
    cwd = getcwd (NULL, 0);
    if (cwd == NULL) {
      log_error ("getcwd: %m");
      goto err;
    }
    d->path = format_text ("%s/%s", cwd, spec);
  }
  if (d->path == NULL)
    goto err;
  while (strlen (d->path) > 1 && d->path[strlen (d->path) - 1] == '/')
    d->path[strlen (d->path) - 1] = '\0';
  d->state = format_text ("%s/.nbdlift", d->path);
  if (d->state == NULL ||
      make_folder (d->path, 0755, &d->made) == -1 ||
      make_folder (d->state, 0700, NULL) == -1 ||
      lock_directory (d) == -1)
    goto err;
  return d;

 err:
  err = errno;
  if (d->lock_fd >= 0)
    close (d->lock_fd);
  d->lock_fd = -1;
  directory_close (d);
  errno = err;
  return NULL;
}

static int
directory_check (void *target, uint64_t needed)
{
  struct directory *d = target;
  struct statvfs vfs;
  uint64_t available;

  if (access (d->path, R_OK | W_OK | X_OK) == -1 ||
      statvfs (d->path, &vfs) == -1) {
    log_error ("output directory %s cannot be used: %m",
               printable (d->path));
    return -1;
  }
  if (__builtin_mul_overflow ((uint64_t) vfs.f_bavail,
                              (uint64_t) vfs.f_frsize, &available))
    available = UINT64_MAX;
  if (needed > available) {
    log_error ("output directory %s has %s free, but the disks hold %s of "
               "data: make room, or choose another directory",
               printable (d->path), human_size (available),
               human_size (needed));
    errno = ENOSPC;
    return -1;
  }
  return 0;
}

char *
directory_state_dir (void *target)
{
  const struct directory *d = target;

  return format_text ("%s", d->state);
}

void
target_volume_free (struct target_volume *v)
{
  if (v == NULL)
    return;
  free (v->path);
  free (v->final_path);
  free (v->digest_path);
  free (v);
}

const struct target_ops target_directory = {
  .type = "directory",
  .open = directory_open,
  .close = directory_close,
  .check = directory_check,
  .create = directory_create,
  .finish = directory_finish,
  .publish = directory_publish,
  .published = directory_published,
  .unpublish = directory_unpublish,
  .remove = directory_remove,
  .remove_owned = directory_remove_owned,
  .find = directory_find,
  .state_dir = directory_state_dir,
};
