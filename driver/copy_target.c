/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The target of 'nbdlift copy'.  A file is written as PATH.partial beside
 * PATH, locked, and renamed when it is complete and flushed: under its own
 * name there is always a whole copy, or what was there before.  Only a
 * delta, and the repair of a complete copy by its journal, change a file
 * in place.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/include/cleanup.h"
#include "common/util/atomic_file.h"
#include "common/util/file_lock.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/copy/copy_journal.h"
#include "driver/copy_target.h"
#include "driver/driver_log.h"

#define PERMISSIONS 0777

static const char *
kind_of (mode_t mode)
{
  switch (mode & S_IFMT) {
  case S_IFDIR: return "a folder";
  case S_IFCHR: return "a character device";
  case S_IFIFO: return "a pipe";
  case S_IFSOCK: return "a socket";
  default: return "of an unknown kind";
  }
}

/* Find out what PATH is; st_mode is 0 if it is not there.  A symbolic link
 * is followed once, here, so that the file is replaced and not the link.
 */
static int
find_target (struct copy_target *t, const char *path, struct stat *st)
{
  const size_t len = strlen (path);

  if (lstat (path, st) == -1) {
    memset (st, 0, sizeof *st);
    if (errno != ENOENT || len == 0 || path[len - 1] == '/') {
      log_error ("target %s: %m", printable (path));
      return -1;
    }
    t->path = strdup (path);
    if (t->path == NULL)
      log_oom ();
    return t->path ? 0 : -1;
  }
  if (S_ISLNK (st->st_mode))
    t->path = realpath (path, NULL);
  else
    t->path = strdup (path);
  if (t->path == NULL || lstat (t->path, st) == -1) {
    log_error ("target %s: %m", printable (path));
    return -1;
  }
  if (S_ISREG (st->st_mode) || S_ISBLK (st->st_mode))
    return 0;
  log_error ("target %s is %s: give a file or a block device",
             printable (path), kind_of (st->st_mode));
  errno = EINVAL;
  return -1;
}

/* Lock what is open as PATH, and make sure that it still has that name:
 * a copy that had it until now may have renamed it.
 */
static int
lock_target (const struct copy_target *t, const char *path)
{
  struct stat st, named;

  if (file_lock (t->fd) == -1) {
    if (errno == EWOULDBLOCK)
      log_error ("target %s: another process has locked it: is it being "
                 "copied to?", printable (path));
    else
      log_error ("target %s: cannot lock it: %m", printable (path));
    return -1;
  }
  if (fstat (t->fd, &st) == -1 || lstat (path, &named) == -1 ||
      st.st_dev != named.st_dev || st.st_ino != named.st_ino) {
    log_error ("target %s: another copy has just finished with it",
               printable (path));
    errno = EBUSY;
    return -1;
  }
  return 0;
}

static int
open_device (struct copy_target *t)
{
  t->fd = open (t->path, O_RDWR | O_EXCL | O_CLOEXEC);
  if (t->fd >= 0)
    return 0;
  if (errno == EBUSY)
    log_error ("target %s: the device is in use (mounted, or part of "
               "another one)", printable (t->path));
  else
    log_error ("target %s: %m", printable (t->path));
  return -1;
}

static int
open_in_place (struct copy_target *t)
{
  t->fd = open (t->path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
  if (t->fd == -1) {
    log_error ("target %s: %m", printable (t->path));
    return -1;
  }
  return lock_target (t, t->path);
}

/* Does the journal say that a copy of SIZE bytes is complete?  What is
 * wrong with it copy_disk will say.
 */
static bool
is_complete (const struct copy_options *options, uint64_t size)
{
  struct digest_tree *tree = digest_tree_new (size, options->digest);
  struct log_scope scope = { .hold = true };
  struct copy_journal *j;
  bool complete;

  if (tree == NULL)
    return false;
  log_scope_enter (&scope);
  j = copy_journal_open (options->journal_file, tree, options->identity ?
                         options->identity : "", options->delta);
  complete = j && copy_journal_complete (j);
  copy_journal_close (j);
  log_scope_drop (&scope);
  log_scope_leave (&scope);
  digest_tree_free (tree);
  return complete;
}

/* KEPT: a journal will tell what it holds.  It may be there without one: a
 * copy that was killed had not begun its journal.
 */
static int
open_partial (struct copy_target *t, bool kept)
{
  struct stat st;

  t->fd = open (t->partial, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW |
                O_CLOEXEC, 0666);
  t->created = t->fd >= 0;
  if (t->fd == -1 && errno == EEXIST && kept)
    t->fd = open (t->partial, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
  else if (t->fd == -1 && errno == EEXIST) {
    log_error ("%s is there already: if no copy to %s is going on, remove "
               "it, or give the --journal that it was made with",
               printable (t->partial), printable (t->path));
    return -1;
  }
  if (t->fd == -1) {
    log_error ("%s: %m", printable (t->partial));
    return -1;
  }
  if (fstat (t->fd, &st) == -1 || !S_ISREG (st.st_mode)) {
    log_error ("%s is not a file", printable (t->partial));
    errno = EINVAL;
    return -1;
  }
  if (lock_target (t, t->partial) == -1) {
    t->created = false;         /* no longer ours */
    return -1;
  }
  /* A journal must not outlive the file that it is of. */
  return kept ? sync_folder_of (t->partial) : 0;
}

static int
open_file (struct copy_target *t, const struct stat *target,
           const struct copy_options *options)
{
  const bool exists = target->st_mode != 0;
  const bool has_journal =
    options->journal_file && access (options->journal_file, F_OK) == 0;
  struct stat st;
  int err;

  if (asprintf (&t->partial, "%s.partial", t->path) == -1) {
    t->partial = NULL;
    log_oom ();
    return -1;
  }
  if (exists && has_journal && lstat (t->partial, &st) == -1 &&
      is_complete (options, target->st_size)) {
    free (t->partial);
    t->partial = NULL;
    return open_in_place (t);
  }
  if (open_partial (t, options->journal_file != NULL) == 0) {
    /* What takes a file's place has its permissions. */
    if (!exists || fchmod (t->fd, target->st_mode & PERMISSIONS) == 0)
      return 0;
    log_error ("%s: cannot give it the permissions of %s: %m",
               printable (t->partial), printable (t->path));
  }
  err = errno;
  copy_target_abandon (t, false);
  errno = err;
  return -1;
}

int
copy_target_open (struct copy_target *t, const char *path,
                  const struct copy_options *options)
{
  struct stat st;

  if (find_target (t, path, &st) == -1)
    return -1;
  if (S_ISBLK (st.st_mode))
    return open_device (t);
  if (!options->delta)
    return open_file (t, &st, options);
  if (st.st_mode != 0)
    return open_in_place (t);
  log_error ("target %s is not there: a delta changes a copy that was made "
             "before; copy without --delta first", printable (path));
  errno = ENOENT;
  return -1;
}

int
copy_target_finish (struct copy_target *t)
{
  if (t->partial == NULL)
    return 0;
  if (rename (t->partial, t->path) == -1) {
    log_error ("cannot rename %s to %s: %m; it is complete",
               printable (t->partial), printable (t->path));
    return -1;
  }
  free (t->partial);
  t->partial = NULL;
  return sync_folder_of (t->path);
}

void
copy_target_abandon (struct copy_target *t, bool keep)
{
  if (t->created && t->partial && !keep)
    unlink (t->partial);
}

void
copy_target_close (struct copy_target *t)
{
  if (t->fd >= 0)
    close (t->fd);
  t->fd = -1;
  free (t->path);
  free (t->partial);
  t->path = t->partial = NULL;
}
