/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Packages on the local file system.
 *
 * The root is held as a file descriptor: nbdkit changes its working
 * directory to / after it starts.
 *
 * A file is first opened with O_PATH, which touches nothing (a device or
 * a FIFO that somebody put there stays quiet).  The kernel then tells in
 * /proc/self/fd where the symbolic links on the way have led, and only a
 * regular file inside of the package's folder is opened in earnest,
 * through the same descriptor, so that nothing can be swapped in between.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "common/util/pread_full.h"
#include "common/util/strbuf.h"
#include "plugins/ova/store.h"

struct local_store {
  struct package_store store;
  int fd;                       /* the root */
};

static const char *
or_dot (const char *path)
{
  return path[0] != '\0' ? path : ".";
}

static void
stat_of (const struct stat *st, struct store_stat *r)
{
  r->kind = S_ISREG (st->st_mode) ? STORE_FILE
    : S_ISDIR (st->st_mode) ? STORE_FOLDER : STORE_OTHER;
  r->size = st->st_size;
  r->mtime = st->st_mtim.tv_sec;
  r->mtime_nsec = st->st_mtim.tv_nsec;
}

/* Where the kernel says that FD is.  Filled on success only. */
static int
path_of_fd (int fd, char path[PATH_MAX])
{
  char link[64];
  ssize_t n;

  snprintf (link, sizeof link, "/proc/self/fd/%d", fd);
  n = readlink (link, path, PATH_MAX - 1);
  if (n == -1)
    return -1;
  path[n] = '\0';
  return 0;
}

/* Reads that notice a change of the file. */

struct local_blob {
  struct blob blob;
  int fd;
  struct store_stat seen;
};

static int
local_pread (struct blob *blob, void *buf, size_t count, uint64_t offset)
{
  struct local_blob *b = (struct local_blob *) blob;
  struct store_stat now;
  struct stat st;
  size_t got;

  if (pread_full (b->fd, buf, count, offset, &got) == -1) {
    log_error ("%s: read of %zu bytes at offset %" PRIu64 ": %m",
               printable (blob->name), count - got, offset + got);
    return -1;
  }

  /* After the read, so that no change before its end is missed. */
  if (fstat (b->fd, &st) == -1) {
    log_error ("%s: fstat: %m", printable (blob->name));
    return -1;
  }
  stat_of (&st, &now);
  if (got < count || !store_is_same (&now, &b->seen)) {
    log_error ("%s: changed while it was read (%" PRIu64 " bytes before, %"
               PRIu64 " now): start again when nothing writes to it any more",
               printable (blob->name), b->seen.size, now.size);
    errno = EIO;
    return -1;
  }
  return 0;
}

static void
local_blob_close (struct blob *blob)
{
  struct local_blob *b = (struct local_blob *) blob;

  close (b->fd);
  free (b);
}

static const struct blob_ops local_blob_ops = {
  .pread = local_pread,
  .close = local_blob_close,
};

/* 0 if the file open as FD is inside of the folder open as FOLDER_FD. */
static int
check_inside (int folder_fd, int fd, const char *name)
{
  char folder[PATH_MAX], path[PATH_MAX];
  size_t n;

  if (path_of_fd (folder_fd, folder) == -1 || path_of_fd (fd, path) == -1) {
    log_error ("%s: cannot learn where it is, is /proc mounted? %m",
               printable (name));
    return -1;
  }
  n = strlen (folder);
  while (n > 0 && folder[n - 1] == '/')
    n--;
  if (strncmp (folder, path, n) == 0 && path[n] == '/')
    return 0;

  log_error ("%s: is a symbolic link to '%s', outside of the package's "
             "folder: refused; put the file itself there", printable (name),
             printable (path));
  errno = EINVAL;
  return -1;
}

/* Returns a file descriptor, and fills *ST. */
static int
open_inside (int root, const char *folder, const char *path,
             const char *name, struct stat *st)
{
  CLEANUP_CLOSE int folder_fd = -1, fd = -1;
  char link[64];
  int r;

  fd = openat (root, path, O_PATH | O_CLOEXEC);
  if (fd == -1 || fstat (fd, st) == -1) {
    log_error ("%s: %m", printable (name));
    return -1;
  }
  if (!S_ISREG (st->st_mode)) {
    log_error ("%s: is not a regular file", printable (name));
    errno = EINVAL;
    return -1;
  }
  folder_fd = openat (root, or_dot (folder),
                      O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (folder_fd == -1) {
    log_error ("%s: its folder: %m", printable (name));
    return -1;
  }
  if (check_inside (folder_fd, fd, name) == -1)
    return -1;

  snprintf (link, sizeof link, "/proc/self/fd/%d", fd);
  r = open (link, O_RDONLY | O_CLOEXEC);
  if (r == -1)
    log_error ("%s: %m", printable (name));
  return r;
}

static struct blob *
local_open (struct package_store *store, const char *folder,
            const char *path, const struct store_stat *expected,
            struct store_stat *stat_r)
{
  struct local_store *s = (struct local_store *) store;
  CLEANUP_FREE char *name = store_display_name (store, path);
  CLEANUP_CLOSE int fd = -1;
  struct store_stat now;
  struct local_blob *b;
  struct stat st;

  if (name == NULL)
    return NULL;
  fd = open_inside (s->fd, folder, path, name, &st);
  if (fd == -1)
    return NULL;
  stat_of (&st, &now);
  if (expected && !store_is_same (&now, expected)) {
    store_changed (name, expected, &now);
    return NULL;
  }

  b = calloc (1, sizeof *b);
  if (b == NULL) {
    log_oom ();
    return NULL;
  }
  b->blob.ops = &local_blob_ops;
  b->blob.size = st.st_size;
  b->blob.name = name;
  name = NULL;
  b->fd = fd;
  fd = -1;
  b->seen = now;
  if (stat_r)
    *stat_r = now;
  return &b->blob;
}

/* What the entry NAME of the open folder FD is.  A link to a file counts
 * as the file; a link to a folder is not entered, so that there are no
 * loops.
 */
static void
entry_of (int fd, const char *name, struct store_entry *e)
{
  struct stat st;
  struct store_stat s;

  e->kind = STORE_OTHER;
  e->size = 0;
  if (fstatat (fd, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
    return;
  if (S_ISLNK (st.st_mode) &&
      (fstatat (fd, name, &st, 0) == -1 || S_ISDIR (st.st_mode)))
    return;
  stat_of (&st, &s);
  e->kind = s.kind;
  e->size = s.size;
}

static int
list_dir (DIR *dir, const char *name, store_entry_vector *entries)
{
  struct store_entry e;
  struct dirent *d;

  for (;;) {
    errno = 0;
    d = readdir (dir);
    if (d == NULL) {
      if (errno == 0)
        return 0;
      log_error ("%s: %m", printable (name));
      return -1;
    }
    if (strcmp (d->d_name, ".") == 0 || strcmp (d->d_name, "..") == 0)
      continue;
    if (entries->len >= STORE_MAX_ENTRIES) {
      log_error ("%s: more than %d entries: put the packages into a folder "
                 "of their own", printable (name), STORE_MAX_ENTRIES);
      errno = EINVAL;
      return -1;
    }
    entry_of (dirfd (dir), d->d_name, &e);
    e.name = strdup (d->d_name);
    if (e.name == NULL || store_entry_vector_append (entries, e) == -1) {
      free (e.name);
      log_oom ();
      return -1;
    }
  }
}

static int
local_list (struct package_store *store, const char *folder,
            store_entry_vector *entries)
{
  struct local_store *s = (struct local_store *) store;
  CLEANUP_FREE char *name = store_display_name (store, folder);
  int fd, r;
  DIR *dir;

  if (name == NULL)
    return -1;
  fd = openat (s->fd, or_dot (folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  dir = fd >= 0 ? fdopendir (fd) : NULL;
  if (dir == NULL) {
    log_error ("%s: %m", printable (name));
    if (fd >= 0)
      close (fd);
    return -1;
  }
  r = list_dir (dir, name, entries);
  closedir (dir);
  return r;
}

static int
local_stat (struct package_store *store, const char *path,
            struct store_stat *stat_r)
{
  struct local_store *s = (struct local_store *) store;
  CLEANUP_FREE char *name = NULL;
  struct stat st;

  if (fstatat (s->fd, or_dot (path), &st, 0) == 0) {
    stat_of (&st, stat_r);
    return 0;
  }
  if (errno == ENOENT || errno == ENOTDIR) {
    errno = ENOENT;
    return -1;
  }
  name = store_display_name (store, path);
  if (name)
    log_error ("%s: %m", printable (name));
  return -1;
}

static char *
local_local_path (struct package_store *store, const char *path)
{
  return store_display_name (store, path);
}

static void
local_close (struct package_store *store)
{
  struct local_store *s = (struct local_store *) store;

  close (s->fd);
  free (s);
}

static const struct store_ops local_ops = {
  .list = local_list,
  .stat = local_stat,
  .open = local_open,
  .local_path = local_local_path,
  .close = local_close,
};

struct package_store *
store_open_local (const char *path, char **file)
{
  /* Links in what the user typed are followed: the user asked for it. */
  CLEANUP_FREE char *root = realpath (path, NULL);
  CLEANUP_FREE char *base = NULL;
  CLEANUP_CLOSE int fd = -1;
  struct local_store *s;
  struct stat st;
  char *slash;

  if (root == NULL || stat (root, &st) == -1) {
    log_error ("%s: %m", printable (path));
    return NULL;
  }
  if (!S_ISDIR (st.st_mode)) {
    slash = strrchr (root, '/');
    base = strdup (slash + 1);
    if (base == NULL) {
      log_oom ();
      return NULL;
    }
    slash[slash == root ? 1 : 0] = '\0';
  }

  fd = open (root, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd == -1) {
    log_error ("%s: %m", printable (root));
    return NULL;
  }
  s = calloc (1, sizeof *s);
  if (s == NULL) {
    log_oom ();
    return NULL;
  }
  s->store.ops = &local_ops;
  s->store.name = root;
  root = NULL;
  s->fd = fd;
  fd = -1;
  *file = base;
  base = NULL;
  return &s->store;
}
