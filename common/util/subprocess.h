/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Run other programs: never through a shell, never with a secret in
 * argv, always ended with us.
 */
#ifndef NBDLIFT_SUBPROCESS_H
#define NBDLIFT_SUBPROCESS_H

#include <stdbool.h>
#include <sys/types.h>

struct subprocess_options {
  int stdin_fd;                 /* -1: /dev/null */
  int stdout_fd;                /* -1: inherited */
  int stderr_fd;                /* -1: inherited */
  bool own_group;               /* put it in a process group of its own,
                                   so that a signal reaches its children */
  const char *const *env;       /* "NAME=value" entries to add or replace,
                                   NULL-terminated, or NULL */
  const char *cwd;              /* or NULL */
  const int *keep_fds;          /* other fds to hand on, -1-terminated, or
                                   NULL; all others are close-on-exec */
};

#define SUBPROCESS_OPTIONS_INIT                                         \
  { .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1 }

/* Start ARGV[0] (looked up on PATH).  Returns the pid, or -1 with errno
 * and a report that names the program.  An exec that fails is reported
 * here, not by a strange exit code.  The child gets SIGTERM if the
 * thread that started it ends (PR_SET_PDEATHSIG).
 */
extern pid_t subprocess_start (const char *const *argv,
                               const struct subprocess_options *options);

/* Wait for the end.  TIMEOUT_MS < 0 waits for ever.  Returns 1 if it
 * ended (*STATUS as of waitpid), 0 if the time is up, -1 on error.
 */
extern int subprocess_wait (pid_t pid, int timeout_ms, int *status);

/* The same for one that was started with own_group.  When it has ended,
 * whatever is left of its group is killed, before the group's number can
 * be given to somebody else.
 */
extern int subprocess_wait_group (pid_t pid, int timeout_ms, int *status);

/* SIGTERM, up to GRACE_MS to end, then SIGKILL; reaps it.  With GROUP
 * the signals go to the whole process group.
 */
extern void subprocess_stop (pid_t pid, bool group, int grace_ms);

/* Run to the end and return what it wrote to standard output (at most
 * MAX bytes), NUL-terminated, which the caller frees.  *STATUS as of
 * waitpid.  NULL with errno and a report.
 */
extern char *subprocess_output (const char *const *argv,
                                const struct subprocess_options *options,
                                size_t max, int *status);

/* "exit code 1", "signal 9 (Killed)" in a static thread-local buffer. */
extern const char *subprocess_status (int status);

#endif /* NBDLIFT_SUBPROCESS_H */
