/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Run other programs.  Everything that allocates (the search along PATH,
 * the environment) is done before fork, because a child of a process
 * with threads may only call async-signal-safe functions.  The child
 * sends errno through a close-on-exec pipe when it cannot exec, so that
 * the parent reports the real reason.
 *
 * posix_spawn would be shorter, but can neither ask for PR_SET_PDEATHSIG
 * nor mark all other descriptors close-on-exec.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/log.h"
#include "common/util/monotonic.h"
#include "common/util/strbuf.h"
#include "common/util/subprocess.h"
#include "common/util/vector.h"

/* The file that argv[0] means, or NULL, reported. */
static char *
find_program (const char *name)
{
  CLEANUP_FREE char *path = NULL;
  const char *env = getenv ("PATH");
  char *dir, *next, *file;

  if (strchr (name, '/')) {
    file = strdup (name);
    if (file == NULL)
      log_oom ();
    return file;
  }

  path = strdup (env ? env : "/usr/bin:/bin");
  if (path == NULL) {
    log_oom ();
    return NULL;
  }
  for (dir = path; dir != NULL; dir = next) {
    next = strchr (dir, ':');
    if (next)
      *next++ = '\0';
    if (asprintf (&file, "%s/%s", *dir ? dir : ".", name) == -1) {
      log_oom ();
      return NULL;
    }
    if (access (file, X_OK) == 0)
      return file;
    free (file);
  }
  log_error ("%s: program not found in PATH: install the package that has "
             "it", printable (name));
  errno = ENOENT;
  return NULL;
}

/* True if the "NAME=value" entries A and B have the same NAME. */
static bool
same_variable (const char *a, const char *b)
{
  const size_t n = strcspn (a, "=");

  return strncmp (a, b, n) == 0 && b[n] == '=';
}

/* Our environment with EXTRA added or replaced.  The array is the
 * caller's, the strings are not.  NULL, reported.
 */
static const char **
make_environment (const char *const *extra)
{
  size_t nr = 0, nr_extra = 0, i, j, n = 0;
  const char **env;

  while (environ && environ[nr])
    nr++;
  while (extra && extra[nr_extra])
    nr_extra++;

  env = calloc (nr + nr_extra + 1, sizeof *env);
  if (env == NULL) {
    log_oom ();
    return NULL;
  }
  for (i = 0; i < nr; ++i) {
    for (j = 0; j < nr_extra; ++j)
      if (same_variable (extra[j], environ[i]))
        break;
    if (j == nr_extra)
      env[n++] = environ[i];
  }
  for (j = 0; j < nr_extra; ++j)
    env[n++] = extra[j];
  return env;
}

/* The child, between fork and exec: async-signal-safe calls only. */

static void __attribute__ ((noreturn))
child_fail (int fd)
{
  const int err = errno;

  if (write (fd, &err, sizeof err) != sizeof err)
    _exit (126);
  _exit (127);
}

/* Make FD (or, if it is -1, INSTEAD unless that is NULL) the child's
 * descriptor TARGET.
 */
static int
child_redirect (int fd, const char *instead, int target)
{
  if (fd == -1) {
    if (instead == NULL)
      return 0;
    fd = open (instead, O_RDWR | O_CLOEXEC);
    if (fd == -1)
      return -1;
  }
  return dup2 (fd, target);
}

static void
child_signals (void)
{
  struct sigaction sa;
  sigset_t none;
  int sig;

  for (sig = 1; sig < NSIG; ++sig) {
    if (sigaction (sig, NULL, &sa) == -1)
      continue;
    if (sa.sa_handler == SIG_DFL ||
        (sa.sa_handler == SIG_IGN && sig != SIGPIPE && sig != SIGXFSZ))
      continue;
    memset (&sa, 0, sizeof sa);
    sa.sa_handler = SIG_DFL;
    sigaction (sig, &sa, NULL);
  }
  sigemptyset (&none);
  sigprocmask (SIG_SETMASK, &none, NULL);
}

static void __attribute__ ((noreturn))
child (const char *file, const char *const *argv, const char **env,
       const struct subprocess_options *o, pid_t parent, int error_fd)
{
  int fds[3] = { o->stdin_fd, o->stdout_fd, o->stderr_fd };
  size_t i;

  if (o->own_group && setpgid (0, 0) == -1)
    child_fail (error_fd);
  if (prctl (PR_SET_PDEATHSIG, SIGTERM) == -1)
    child_fail (error_fd);
  if (getppid () != parent)     /* it ended before prctl */
    _exit (127);
  child_signals ();

  /* First above 2, so that no redirection overwrites the next one's
   * source.
   */
  for (i = 0; i < ARRAY_SIZE (fds); ++i) {
    if (fds[i] == -1)
      continue;
    fds[i] = fcntl (fds[i], F_DUPFD_CLOEXEC, 3);
    if (fds[i] == -1)
      child_fail (error_fd);
  }
  if (child_redirect (fds[0], "/dev/null", 0) == -1 ||
      child_redirect (fds[1], NULL, 1) == -1 ||
      child_redirect (fds[2], NULL, 2) == -1)
    child_fail (error_fd);

  /* Libraries open descriptors without O_CLOEXEC.  A kernel before 5.11
   * has no CLOSE_RANGE_CLOEXEC: there our own care has to do.
   */
  close_range (3, ~0U, CLOSE_RANGE_CLOEXEC);
  for (i = 0; o->keep_fds && o->keep_fds[i] != -1; ++i)
    if (fcntl (o->keep_fds[i], F_SETFD, 0) == -1)
      child_fail (error_fd);

  if (o->cwd && chdir (o->cwd) == -1)
    child_fail (error_fd);
  execve (file, (char **) argv, (char **) env);
  child_fail (error_fd);
}

/* Fork with all signals blocked: a handler of ours must not run in the
 * child.
 */
static pid_t
start_child (const char *file, const char *const *argv, const char **env,
             const struct subprocess_options *o, int error_fd)
{
  const pid_t self = getpid ();
  sigset_t all, old;
  pid_t pid;
  int err;

  sigfillset (&all);
  pthread_sigmask (SIG_SETMASK, &all, &old);
  pid = fork ();
  if (pid == 0)
    child (file, argv, env, o, self, error_fd);
  err = errno;
  pthread_sigmask (SIG_SETMASK, &old, NULL);
  errno = err;
  return pid;
}

pid_t
subprocess_start (const char *const *argv,
                  const struct subprocess_options *options)
{
  static const struct subprocess_options defaults = SUBPROCESS_OPTIONS_INIT;
  const struct subprocess_options *o = options ? options : &defaults;
  CLEANUP_FREE char *file = find_program (argv[0]);
  CLEANUP_FREE const char **env = NULL;
  CLEANUP_CLOSE int read_end = -1;
  int pipe_fds[2], err, status;
  ssize_t r;
  pid_t pid;

  if (file == NULL)
    return -1;
  env = make_environment (o->env);
  if (env == NULL)
    return -1;
  if (pipe2 (pipe_fds, O_CLOEXEC) == -1) {
    log_error ("%s: cannot be started: pipe: %m", printable (argv[0]));
    return -1;
  }
  read_end = pipe_fds[0];

  pid = start_child (file, argv, env, o, pipe_fds[1]);
  err = errno;
  close (pipe_fds[1]);
  if (pid == -1) {
    errno = err;
    log_error ("%s: cannot be started: fork: %m", printable (argv[0]));
    return -1;
  }

  do
    r = read (read_end, &err, sizeof err);
  while (r == -1 && errno == EINTR);
  if (r == 0)                   /* closed by exec */
    return pid;

  subprocess_wait (pid, -1, &status);
  errno = r == sizeof err ? err : EIO;
  log_error ("%s: cannot be started: %m", printable (file));
  return -1;
}

/* Wait until PID has ended, but leave it to be reaped, so that neither
 * its number nor its group's can be given to somebody else yet.  1, 0
 * when the time is up, -1.
 */
static int
wait_for_end (pid_t pid, int timeout_ms)
{
  const int64_t end = monotonic_ms () + timeout_ms;
  struct timespec pause = { 0, 1000000 };
  siginfo_t info;

  for (;;) {
    info.si_pid = 0;
    if (waitid (P_PID, pid, &info,
                WEXITED | WNOWAIT | (timeout_ms < 0 ? 0 : WNOHANG)) == -1) {
      if (errno == EINTR)
        continue;
      return -1;
    }
    if (info.si_pid == pid)
      return 1;
    if (timeout_ms >= 0 && monotonic_ms () >= end)
      return 0;
    nanosleep (&pause, NULL);
    if (pause.tv_nsec < 32000000)
      pause.tv_nsec *= 2;
  }
}

static int
reap (pid_t pid, int *status)
{
  pid_t r;

  do
    r = waitpid (pid, status, 0);
  while (r == -1 && errno == EINTR);
  return r == -1 ? -1 : 0;
}

static int
wait_and_reap (pid_t pid, bool group, int timeout_ms, int *status)
{
  int r = wait_for_end (pid, timeout_ms);

  if (r == 1 && group)
    kill (-pid, SIGKILL);
  if (r == 1 && reap (pid, status) == -1)
    r = -1;
  if (r == -1)
    log_error ("cannot wait for process %ld: %m", (long) pid);
  return r;
}

int
subprocess_wait (pid_t pid, int timeout_ms, int *status)
{
  return wait_and_reap (pid, false, timeout_ms, status);
}

int
subprocess_wait_group (pid_t pid, int timeout_ms, int *status)
{
  return wait_and_reap (pid, true, timeout_ms, status);
}

void
subprocess_stop (pid_t pid, bool group, int grace_ms)
{
  const pid_t target = group ? -pid : pid;
  int status;

  kill (target, SIGTERM);
  if (wait_for_end (pid, MAX (grace_ms, 0)) != 1)
    kill (target, SIGKILL);
  else if (group)               /* those that outlived their leader */
    kill (target, SIGKILL);
  reap (pid, &status);
}

/* Read FD to its end.  -1 with errno EFBIG when there are more than MAX
 * bytes.
 */
static int
read_all (int fd, size_t max, struct strbuf *b)
{
  char buf[4096];
  ssize_t r;

  for (;;) {
    r = read (fd, buf, sizeof buf);
    if (r == -1) {
      if (errno == EINTR)
        continue;
      return -1;
    }
    if (r == 0)
      return 0;
    if ((size_t) r > max - b->len) {
      errno = EFBIG;
      return -1;
    }
    if (strbuf_append_bytes (b, buf, r) == -1)
      return -1;
  }
}

char *
subprocess_output (const char *const *argv,
                   const struct subprocess_options *options,
                   size_t max, int *status)
{
  struct subprocess_options o = SUBPROCESS_OPTIONS_INIT;
  CLEANUP_STRBUF struct strbuf b = { 0 };
  CLEANUP_CLOSE int read_end = -1;
  int pipe_fds[2];
  char *text;
  pid_t pid;

  if (options)
    o = *options;
  if (pipe2 (pipe_fds, O_CLOEXEC) == -1) {
    log_error ("%s: cannot be started: pipe: %m", printable (argv[0]));
    return NULL;
  }
  read_end = pipe_fds[0];
  o.stdout_fd = pipe_fds[1];
  pid = subprocess_start (argv, &o);
  close (pipe_fds[1]);
  if (pid == -1)
    return NULL;

  if (read_all (read_end, max, &b) == -1) {
    const int err = errno;

    subprocess_stop (pid, o.own_group, 1000);
    errno = err;
    if (err == EFBIG)
      log_error ("%s: wrote more than %zu bytes to its standard output",
                 printable (argv[0]), max);
    else
      log_error ("%s: cannot read its standard output: %m",
                 printable (argv[0]));
    return NULL;
  }
  if (subprocess_wait (pid, -1, status) == -1)
    return NULL;
  text = strbuf_steal (&b);
  if (text == NULL)
    log_oom ();
  return text;
}

const char *
subprocess_status (int status)
{
  static __thread char text[80];
  const char *name;

  if (WIFEXITED (status))
    snprintf (text, sizeof text, "exit code %d", WEXITSTATUS (status));
  else if (WIFSIGNALED (status)) {
    name = sigdescr_np (WTERMSIG (status));
    snprintf (text, sizeof text, "signal %d (%s)", WTERMSIG (status),
              name ? name : "unknown");
  }
  else
    snprintf (text, sizeof text, "wait status 0x%x", (unsigned) status);
  return text;
}
