/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One run of a hook.
 *
 * The program gets a process group of its own, so that what it starts can
 * be ended with it.  All output goes straight into a log that stays; the
 * error of a hook that failed has the last lines of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/json/json.h"
#include "common/util/log.h"
#include "common/util/monotonic.h"
#include "common/util/strbuf.h"
#include "common/util/subprocess.h"
#include "driver/hook.h"

/* How often to look for its end, a cancellation, and the deadline. */
#define TICK_MS 200

/* For a playbook to come to an end when it is told to. */
#define STOP_GRACE_MS 10000

/* Of the log, for the error. */
#define TAIL_BYTES 16384
#define TAIL_LINES 6
#define TAIL_LINE_LENGTH 300

struct running {
  const struct hook_input *in;
  char *label;                  /* "mig/announce" */
  char *dir, *log, *cid_file;
};

static void
cleanup_running (struct running *r)
{
  free (r->label);
  free (r->dir);
  free (r->log);
  free (r->cid_file);
}

const char *
hook_program (const struct plan_hook *hook)
{
  return hook->playbook ? "ansible-playbook" : "podman";
}

static int
make_names (struct running *r)
{
  const struct hook_input *in = r->in;
  const struct object_meta *meta = &in->hook->meta;

  if (asprintf (&r->label, "%s/%s",
                meta->namespace_ ? meta->namespace_ : "default",
                meta->name) == -1) {
    r->label = NULL;
    goto oom;
  }
  if (asprintf (&r->dir, "%s/%s.d", in->folder, in->step) == -1) {
    r->dir = NULL;
    goto oom;
  }
  if (asprintf (&r->log, "%s/%s.log", in->folder, in->step) == -1) {
    r->log = NULL;
    goto oom;
  }
  if (asprintf (&r->cid_file, "%s/%s.cid", in->folder, in->step) == -1) {
    r->cid_file = NULL;
    goto oom;
  }
  return 0;

 oom:
  log_oom ();
  return -1;
}

static int
remove_entry (const char *path, const struct stat *st, int type,
              struct FTW *ftw)
{
  return remove (path);
}

/* What this run, or one that was killed, has made. */
static int
remove_files (const struct running *r)
{
  const int err = errno;

  if ((nftw (r->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS) == -1 &&
       errno != ENOENT) ||
      (unlink (r->cid_file) == -1 && errno != ENOENT)) {
    log_error ("%s: cannot be removed: %m", printable (r->dir));
    return -1;
  }
  errno = err;
  return 0;
}

/* A new file NAME in the hook's folder.  NULL reported. */
static FILE *
create (const struct running *r, const char *name, char **path)
{
  FILE *fp = NULL;
  int fd;

  if (asprintf (path, "%s/%s", r->dir, name) == -1) {
    *path = NULL;
    log_oom ();
    return NULL;
  }
  fd = open (*path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  /* In a container another user may read them; the folder around theirs
   * is closed to everybody else.
   */
  if (fd >= 0 &&
      (r->in->hook->playbook || fchmod (fd, 0644) == 0))
    fp = fdopen (fd, "w");
  if (fp)
    return fp;
  log_error ("%s: %m", printable (*path));
  if (fd >= 0)
    close (fd);
  return NULL;
}

/* Close FP.  0, or -1 reported if not everything could be written. */
static int
finish (FILE *fp, const char *path, bool ok)
{
  ok = fflush (fp) == 0 && ok;
  if (fclose (fp) == 0 && ok)
    return 0;
  log_error ("%s: cannot be written: %m", printable (path));
  return -1;
}

static int
write_data (const struct running *r, const char *name, json_t *data)
{
  CLEANUP_FREE char *path = NULL;
  FILE *fp;
  int w;

  if (data == NULL)
    return -1;
  fp = create (r, name, &path);
  if (fp == NULL)
    return -1;
  /* The names of a source must not become code. */
  w = r->in->hook->playbook ? json_write_yaml_ansible (data, fp)
    : json_write_yaml (data, fp);       /* have reported */
  return finish (fp, path, true) == 0 ? w : -1;
}

static int
write_playbook (const struct running *r)
{
  CLEANUP_FREE char *path = NULL;
  FILE *fp;

  if (r->in->hook->playbook == NULL)
    return 0;
  fp = create (r, "playbook.yml", &path);
  if (fp == NULL)
    return -1;
  return finish (fp, path, fputs (r->in->hook->playbook, fp) != EOF);
}

static int
write_files (const struct running *r)
{
  CLEANUP_JSON json_t *plan = hook_plan_data (r->in->plan);
  CLEANUP_JSON json_t *workload = hook_workload_data (r->in->provider,
                                                      r->in->vm);

  if (remove_files (r) == -1)
    return -1;
  if (mkdir (r->dir, 0700) == -1 ||
      (!r->in->hook->playbook && chmod (r->dir, 0755) == -1)) {
    log_error ("%s: %m", printable (r->dir));
    return -1;
  }
  if (write_data (r, "plan.yml", plan) == -1 ||
      write_data (r, "workload.yml", workload) == -1)
    return -1;
  return write_playbook (r);
}

static pid_t
start_playbook (const struct running *r, int log_fd)
{
  CLEANUP_FREE char *temp = NULL, *tmpdir = NULL;
  static const char *const argv[] = {
    "ansible-playbook", "playbook.yml", NULL
  };
  struct subprocess_options o = SUBPROCESS_OPTIONS_INIT;

  if (asprintf (&temp, "ANSIBLE_LOCAL_TEMP=%s/tmp", r->dir) == -1) {
    temp = NULL;
    log_oom ();
    return -1;
  }
  /* Ansible's modules leave files there when they are killed. */
  if (asprintf (&tmpdir, "TMPDIR=%s", r->dir) == -1) {
    tmpdir = NULL;
    log_oom ();
    return -1;
  }
  /* The user's own configuration (keys, collections) stays in force. */
  const char *const env[] = {
    temp, tmpdir, "LC_ALL=C.UTF-8",
    "ANSIBLE_NOCOLOR=1", "ANSIBLE_FORCE_COLOR=0",
    "ANSIBLE_RETRY_FILES_ENABLED=0", "ANSIBLE_LOCALHOST_WARNING=0",
    "ANSIBLE_INVENTORY_UNPARSED_WARNING=0", "PYTHONUNBUFFERED=1", NULL
  };

  o.stdout_fd = o.stderr_fd = log_fd;
  o.own_group = true;
  o.env = env;
  o.cwd = r->dir;
  return subprocess_start (argv, &o);
}

/* The container's end is not that of the program that we start: it is
 * told apart by its id.
 */
static pid_t
start_container (const struct running *r, int log_fd)
{
  CLEANUP_FREE char *dir = realpath (r->dir, NULL);
  CLEANUP_FREE char *volume = NULL;
  struct subprocess_options o = SUBPROCESS_OPTIONS_INIT;

  if (dir == NULL) {
    log_error ("%s: %m", printable (r->dir));
    return -1;
  }
  /* --mount takes a path with a colon, but none with a comma. */
  if (strpbrk (dir, ",\"")) {
    log_error ("%s: podman cannot be given a folder with such a name: "
               "choose another one with --state", printable (dir));
    errno = EINVAL;
    return -1;
  }
  if (asprintf (&volume, "type=bind,source=%s,target=/tmp/hook,ro=true,"
                "relabel=private", dir) == -1) {
    volume = NULL;
    log_oom ();
    return -1;
  }
  const char *const argv[] = {
    "podman", "run", "--rm", "--cidfile", r->cid_file, "--mount", volume,
    "--", r->in->hook->image, NULL
  };

  o.stdout_fd = o.stderr_fd = log_fd;
  o.own_group = true;
  return subprocess_start (argv, &o);
}

/* Without a word: podman may have ended it, and removed it, already. */
static void
remove_container (const struct running *r)
{
  const char *const argv[] = {
    "podman", "rm", "--force", "--time", "0", "--cidfile", r->cid_file, NULL
  };
  struct subprocess_options o = SUBPROCESS_OPTIONS_INIT;
  CLEANUP_CLOSE int null = open ("/dev/null", O_WRONLY | O_CLOEXEC);
  int status;
  pid_t pid;

  if (access (r->cid_file, F_OK) == -1)
    return;
  o.stdout_fd = o.stderr_fd = null;
  o.own_group = true;
  pid = subprocess_start (argv, &o);
  if (pid != -1 && subprocess_wait_group (pid, 60000, &status) != 1)
    subprocess_stop (pid, true, 0);
}

/* 0 with *STATUS, or -1 with errno ETIMEDOUT or ECANCELED, or another one
 * that is reported; the program has ended in any case.
 */
static int
follow (const struct running *r, pid_t pid, int *status)
{
  const uint64_t deadline = r->in->hook->deadline;
  const int64_t start = monotonic_ms ();
  int err, w;

  for (;;) {
    w = subprocess_wait_group (pid, TICK_MS, status);
    if (w == 1)
      return 0;
    err = errno;
    if (w == 0 && r->in->cancelled (r->in->opaque))
      err = ECANCELED;
    else if (w == 0 && deadline > 0 &&
             (uint64_t) (monotonic_ms () - start) / 1000 >= deadline)
      err = ETIMEDOUT;
    else if (w == 0)
      continue;
    subprocess_stop (pid, true, STOP_GRACE_MS);
    if (r->in->hook->playbook == NULL)
      remove_container (r);
    errno = err;
    return -1;
  }
}

/* Start of the last line of TEXT[0..*LEN) that has something to say, and
 * *LEN without it; its length in *N.  NULL when there is none.
 */
static const char *
last_line (const char *text, size_t *len, size_t *n)
{
  size_t begin, end = *len;

  while (end > 0) {
    while (end > 0 && strchr (" \t\r\n", text[end - 1]) && text[end - 1])
      end--;
    for (begin = end; begin > 0 && text[begin - 1] != '\n'; begin--)
      ;
    if (begin == end)
      break;
    *len = begin;
    *n = end - begin;
    return text + begin;
  }
  *len = 0;
  return NULL;
}

/* Without blanks around it, and the stars of Ansible's headings. */
static int
append_line (struct strbuf *b, const char *line, size_t n)
{
  CLEANUP_FREE char *copy = NULL;

  for (; n > 0 && (*line == ' ' || *line == '\t'); n--)
    line++;
  while (n > 0 && (line[n - 1] == '*' || line[n - 1] == ' '))
    n--;
  copy = strndup (line, n);
  return copy ? strbuf_append_printable (b, copy, TAIL_LINE_LENGTH) : -1;
}

char *
hook_tail (const char *text, size_t len)
{
  static const char recap[] = "\nPLAY RECAP ";
  CLEANUP_STRBUF struct strbuf b = { 0 };
  const char *lines[TAIL_LINES], *p;
  size_t sizes[TAIL_LINES], n = 0, i;
  char *s;

  p = len > 0 ? memmem (text, len, recap, strlen (recap)) : NULL;
  if (p)
    len = p - text;
  while (n < TAIL_LINES && len > 0) {
    lines[n] = last_line (text, &len, &sizes[n]);
    if (lines[n] == NULL)
      break;
    n++;
  }
  if (strbuf_append (&b, "") == -1)
    goto oom;
  for (i = n; i-- > 0;)
    if ((b.len > 0 && strbuf_append (&b, " / ") == -1) ||
        append_line (&b, lines[i], sizes[i]) == -1)
      goto oom;
  s = strbuf_steal (&b);
  if (s)
    return s;
 oom:
  log_oom ();
  return NULL;
}

/* The end of the log, as hook_tail. */
static char *
read_tail (int log_fd)
{
  CLEANUP_FREE char *text = malloc (TAIL_BYTES);
  struct stat st;
  ssize_t n = 0;

  if (text == NULL) {
    log_oom ();
    return NULL;
  }
  if (fstat (log_fd, &st) == 0)
    n = pread (log_fd, text, TAIL_BYTES,
               MAX (st.st_size, (off_t) TAIL_BYTES) - TAIL_BYTES);
  return hook_tail (text, n > 0 ? n : 0);
}

static void
report (const struct running *r, int log_fd, const char *what)
{
  const int err = errno;
  CLEANUP_FREE char *tail = read_tail (log_fd);

  log_error ("hook %s %s%s%s (log: %s)", printable (r->label), what,
             tail && *tail ? ": " : "", tail ? tail : "",
             printable (r->log));
  errno = err;
}

static int
run (const struct running *r, int log_fd)
{
  char text[80];
  int status;
  pid_t pid = r->in->hook->playbook ? start_playbook (r, log_fd)
    : start_container (r, log_fd);

  if (pid == -1)
    return -1;
  if (follow (r, pid, &status) == -1) {
    if (errno == ETIMEDOUT) {
      snprintf (text, sizeof text, "was ended after its deadline of %" PRIu64
                " s", r->in->hook->deadline);
      report (r, log_fd, text);
    }
    return -1;
  }
  if (status == 0)
    return 0;
  snprintf (text, sizeof text, "failed with %s", subprocess_status (status));
  errno = EIO;
  report (r, log_fd, text);
  return -1;
}

int
hook_run (const struct hook_input *in)
{
  __attribute__ ((cleanup (cleanup_running))) struct running r = {
    .in = in,
  };
  CLEANUP_CLOSE int log_fd = -1;
  int ret, err;

  if (make_names (&r) == -1)
    return -1;
  if (in->hook->playbook == NULL && in->hook->image == NULL) {
    log_error ("hook %s has neither an image nor a playbook to run",
               printable (r.label));
    errno = EINVAL;
    return -1;
  }
  if (unlink (r.log) == -1 && errno != ENOENT) {
    log_error ("%s: %m", printable (r.log));
    return -1;
  }
  log_fd = open (r.log, O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC,
                 0600);
  if (log_fd == -1) {
    log_error ("%s: %m", printable (r.log));
    return -1;
  }
  ret = write_files (&r);
  if (ret == 0)
    ret = run (&r, log_fd);
  err = errno;
  if (remove_files (&r) == -1 && ret == 0)
    ret = -1;
  else
    errno = err;
  return ret;
}
