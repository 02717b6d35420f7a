/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Write a temporary file beside the old one, fsync, rename, fsync the
 * folder.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/include/cleanup.h"
#include "common/util/atomic_file.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"

static int
failed (struct atomic_file *f)
{
  const int err = errno;

  log_error ("%s: cannot be written: %m", printable (f->path));
  atomic_file_abort (f);
  errno = err;
  return -1;
}

int
atomic_file_open (struct atomic_file *f, const char *path, mode_t mode)
{
  int fd;

  memset (f, 0, sizeof *f);
  f->path = strdup (path);
  if (f->path == NULL || asprintf (&f->tmp, "%s.tmp", path) == -1) {
    f->tmp = NULL;
    atomic_file_abort (f);
    log_oom ();
    return -1;
  }
  fd = open (f->tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
             mode);
  if (fd == -1 || fchmod (fd, mode) == -1 ||
      (f->fp = fdopen (fd, "w")) == NULL) {
    failed (f);
    if (fd >= 0)
      close (fd);
    return -1;
  }
  return 0;
}

int
atomic_file_commit (struct atomic_file *f)
{
  FILE *fp = f->fp;
  int ret;

  if (ferror (fp) || fflush (fp) == EOF || fsync (fileno (fp)) == -1)
    return failed (f);
  f->fp = NULL;
  if (fclose (fp) == EOF || rename (f->tmp, f->path) == -1)
    return failed (f);
  free (f->tmp);
  f->tmp = NULL;
  ret = sync_folder_of (f->path);
  atomic_file_abort (f);
  return ret;
}

void
atomic_file_abort (struct atomic_file *f)
{
  if (f->fp)
    fclose (f->fp);
  if (f->tmp)
    unlink (f->tmp);
  free (f->tmp);
  free (f->path);
  memset (f, 0, sizeof *f);
}

int
sync_folder_of (const char *path)
{
  CLEANUP_FREE char *folder = strdup (path);
  CLEANUP_CLOSE int fd = -1;
  char *slash;

  if (folder == NULL) {
    log_oom ();
    return -1;
  }
  slash = strrchr (folder, '/');
  if (slash)
    slash[slash == folder ? 1 : 0] = '\0';
  fd = open (slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  /* Some network file systems do not know fsync of a folder. */
  if (fd == -1 || (fsync (fd) == -1 && errno != EINVAL)) {
    log_error ("%s: cannot be flushed to the disk: %m", printable (path));
    return -1;
  }
  return 0;
}
