/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The mark is a file with the process id, the time when that process was
 * started (so that another process with the same id is told apart), and
 * the namespace that the id is of: /tmp can be shared with containers,
 * whose processes are not seen from here.
 *
 * Everything is done relative to file descriptors of folders that were
 * checked: what somebody puts in the place of a name is not touched.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/atomic_file.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/leftovers.h"

#define MARK ".nbdlift-owner"
#define MARK_WORD "nbdlift"

/* How long a server that was asked to end, and one that was killed, is
 * waited for.
 */
#define TERM_MS 3000
#define KILL_MS 1000

/* Folders in folders: more than any tool makes. */
#define MAX_DEPTH 16

const char *
leftovers_base (size_t n)
{
  const char *const bases[] = { getenv ("XDG_RUNTIME_DIR"),
                                getenv ("TMPDIR"), "/tmp" };
  size_t i;

  for (i = 0; i < ARRAY_SIZE (bases); i++)
    if (bases[i] && bases[i][0] == '/' && n-- == 0)
      return bases[i];
  return NULL;
}

/* Read a small file below DIR (AT_FDCWD) to BUF as a string. */
static int
read_small (int dir, const char *path, char *buf, size_t size)
{
  CLEANUP_CLOSE int fd = openat (dir, path, O_RDONLY | O_NOFOLLOW |
                                 O_NONBLOCK | O_CLOEXEC);
  ssize_t n;

  if (fd == -1)
    return -1;
  n = read (fd, buf, size - 1);
  if (n == -1)
    return -1;
  buf[n] = '\0';
  return 0;
}

/* Word number N of TEXT, counted from 0; *LEN is 0 if there is none. */
static const char *
word (const char *text, unsigned n, size_t *len)
{
  const char *p = text + strspn (text, " \n");

  while (n-- > 0) {
    p += strcspn (p, " \n");
    p += strspn (p, " \n");
  }
  *len = strcspn (p, " \n");
  return p;
}

/* When PID was started, in ticks (proc(5), field 22 of stat).  -1 with
 * errno: ENOENT, there is no such process.
 */
static int
start_time (uint64_t pid, uint64_t *ticks)
{
  char path[64], stat[1024];
  const char *p;
  size_t len;

  snprintf (path, sizeof path, "/proc/%" PRIu64 "/stat", pid);
  if (read_small (AT_FDCWD, path, stat, sizeof stat) == -1)
    return -1;
  /* The name before that can contain anything. */
  p = strrchr (stat, ')');
  if (p) {
    p = word (p + 1, 19, &len);
    if (parse_u64_n (p, len, 10, ticks))
      return 0;
  }
  errno = EINVAL;
  return -1;
}

/* "pid:[4026531836]" */
static int
own_namespace (char *buf, size_t size)
{
  const ssize_t n = readlink ("/proc/self/ns/pid", buf, size - 1);

  if (n == -1)
    return -1;
  buf[n] = '\0';
  return 0;
}

int
leftovers_mark (const char *folder)
{
  CLEANUP_ATOMIC_FILE struct atomic_file f = { 0 };
  CLEANUP_FREE char *path = NULL;
  char namespace_[64];
  uint64_t ticks;

  /* Without /proc nothing is ever removed. */
  if (start_time (getpid (), &ticks) == -1 ||
      own_namespace (namespace_, sizeof namespace_) == -1)
    return 0;
  if (asprintf (&path, "%s/" MARK, folder) == -1) {
    path = NULL;
    log_oom ();
    return -1;
  }
  if (atomic_file_open (&f, path, 0600) == -1)
    return -1;
  fprintf (f.fp, MARK_WORD " %ld %" PRIu64 " %s\n", (long) getpid (), ticks,
           namespace_);
  return atomic_file_commit (&f);
}

/* Does the mark say that the folder is of a process that is gone? */
static bool
is_abandoned (int folder)
{
  char mark[256], namespace_[64];
  uint64_t pid, ticks, now;
  const char *p;
  size_t len;

  if (read_small (folder, MARK, mark, sizeof mark) == -1 ||
      own_namespace (namespace_, sizeof namespace_) == -1)
    return false;
  p = word (mark, 0, &len);
  if (len != strlen (MARK_WORD) || strncmp (p, MARK_WORD, len) != 0)
    return false;
  p = word (mark, 1, &len);
  if (!parse_u64_n (p, len, 10, &pid))
    return false;
  p = word (mark, 2, &len);
  if (!parse_u64_n (p, len, 10, &ticks))
    return false;
  p = word (mark, 3, &len);
  if (len != strlen (namespace_) || strncmp (p, namespace_, len) != 0)
    return false;
  if (start_time (pid, &now) == 0)
    return now != ticks;
  return errno == ENOENT || errno == ESRCH;
}

/* Is the process, of which PROC is the folder in /proc, a server of ours
 * that works in FOLDER?
 */
static bool
is_server (int proc, const char *folder)
{
  char name[32], cmdline[4096];
  const char *p, *end;
  struct stat st;
  CLEANUP_CLOSE int fd = -1;
  ssize_t n;

  if (fstat (proc, &st) == -1 || st.st_uid != geteuid () ||
      read_small (proc, "comm", name, sizeof name) == -1 ||
      (strcmp (name, "nbdkit\n") != 0 && strcmp (name, "qemu-nbd\n") != 0))
    return false;
  fd = openat (proc, "cmdline", O_RDONLY | O_CLOEXEC);
  n = fd == -1 ? -1 : read (fd, cmdline, sizeof cmdline - 1);
  if (n <= 0)
    return false;
  cmdline[n] = '\0';
  for (p = cmdline, end = cmdline + n; p < end; p += strlen (p) + 1) {
    const char *found = strstr (p, folder);

    if (found && found[strlen (folder)] == '/')
      return true;
  }
  return false;
}

static bool
ends_within (int pidfd, int ms)
{
  struct pollfd p = { .fd = pidfd, .events = POLLIN };

  return poll (&p, 1, ms) == 1;
}

/* End the server that has written its process id to the file NAME. */
static void
end_server (int dir, const char *folder, const char *name)
{
  char text[32], path[64];
  const char *p;
  uint64_t pid;
  size_t len;
  CLEANUP_CLOSE int pidfd = -1, proc = -1;

  if (read_small (dir, name, text, sizeof text) == -1)
    return;
  p = word (text, 0, &len);
  if (!parse_u64_n (p, len, 10, &pid) || pid <= 1 || pid > INT_MAX)
    return;
  /* From here on the number cannot become another process's. */
  pidfd = pidfd_open (pid, 0);
  snprintf (path, sizeof path, "/proc/%" PRIu64, pid);
  proc = pidfd == -1 ? -1 : open (path, O_DIRECTORY | O_CLOEXEC);
  if (proc == -1 || !is_server (proc, folder))
    return;
  if (pidfd_send_signal (pidfd, SIGTERM, NULL, 0) == 0 &&
      !ends_within (pidfd, TERM_MS) &&
      pidfd_send_signal (pidfd, SIGKILL, NULL, 0) == 0)
    ends_within (pidfd, KILL_MS);
}

/* Call FN for each entry of the folder FD, which stays open. */
static void
each_entry (int fd, void (*fn) (int fd, const char *name, void *opaque),
            void *opaque)
{
  const int copy = openat (fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *dir = copy == -1 ? NULL : fdopendir (copy);
  struct dirent *d;

  if (dir == NULL) {
    if (copy != -1)
      close (copy);
    return;
  }
  while ((d = readdir (dir)) != NULL)
    if (strcmp (d->d_name, ".") != 0 && strcmp (d->d_name, "..") != 0)
      fn (fd, d->d_name, opaque);
  closedir (dir);
}

/* OPAQUE is how deep we are.  What cannot be removed stays. */
static void
remove_entry (int fd, const char *name, void *opaque)
{
  unsigned depth = *(unsigned *) opaque + 1;
  CLEANUP_CLOSE int sub = -1;

  /* The mark goes last, so that what is interrupted can be done again. */
  if (depth == 1 && strcmp (name, MARK) == 0)
    return;
  if (unlinkat (fd, name, 0) == 0 || errno != EISDIR || depth > MAX_DEPTH)
    return;
  sub = openat (fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (sub != -1)
    each_entry (sub, remove_entry, &depth);
  unlinkat (fd, name, AT_REMOVEDIR);
}

/* OPAQUE is a number: of what is there beside the mark. */
static void
count_entry (int fd, const char *name, void *opaque)
{
  size_t *n = opaque;

  if (strcmp (name, MARK) != 0)
    ++*n;
}

static void
look_for_server (int fd, const char *name, void *opaque)
{
  if (strncmp (name, "pid", 3) == 0)
    end_server (fd, opaque, name);
}

struct search {
  const char *base;             /* name of a folder */
  string_vector *removed;       /* or NULL */
};

static void
look_at (int base, const char *name, void *opaque)
{
  struct search *s = opaque;
  CLEANUP_FREE char *path = NULL;
  CLEANUP_CLOSE int fd = -1;
  unsigned depth = 0;
  size_t left = 0;
  struct stat st;

  if (strlen (name) != strlen (LEFTOVERS_TEMPLATE) ||
      strncmp (name, LEFTOVERS_TEMPLATE, strlen ("nbdlift-")) != 0)
    return;
  fd = openat (base, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd == -1 || fstat (fd, &st) == -1 || st.st_uid != geteuid () ||
      (st.st_mode & 07777) != 0700 || !is_abandoned (fd))
    return;
  if (asprintf (&path, "%s/%s", s->base, name) == -1) {
    path = NULL;
    return;
  }
  each_entry (fd, look_for_server, path);
  each_entry (fd, remove_entry, &depth);
  each_entry (fd, count_entry, &left);
  if (left == 0 && unlinkat (fd, MARK, 0) == 0 &&
      unlinkat (base, name, AT_REMOVEDIR) == 0 && s->removed &&
      string_vector_append (s->removed, path) == 0)
    path = NULL;
}

void
leftovers_remove (string_vector *removed)
{
  struct search s = { .removed = removed };
  size_t i;

  for (i = 0; (s.base = leftovers_base (i)) != NULL; i++) {
    CLEANUP_CLOSE int fd = open (s.base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd != -1)
      each_entry (fd, look_at, &s);
  }
}
