/* SPDX-License-Identifier: BSD-3-Clause
 *
 * common/util/subprocess: what a child gets, and that none is left.
 */
#include "tests/unit/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/include/cleanup.h"
#include "common/util/subprocess.h"

#define SH(script) (const char *const[]) { "sh", "-c", (script), NULL }

static void
check_output (const char *script, const struct subprocess_options *o,
              const char *expect)
{
  CLEANUP_FREE char *out = NULL;
  int status = -1;

  out = subprocess_output (SH (script), o, 65536, &status);
  assert_non_null (out);
  assert_int_equal (status, 0);
  assert_string_equal (out, expect);
}

static void
test_output (void **state)
{
  struct subprocess_options o = SUBPROCESS_OPTIONS_INIT;
  CLEANUP_FREE char *out = NULL;
  int status;

  check_output ("echo hello; echo second", NULL, "hello\nsecond\n");
  check_output (":", NULL, "");
  /* Standard input is empty unless it is given. */
  check_output ("cat; echo end", NULL, "end\n");
  o.cwd = "/usr";
  check_output ("pwd", &o, "/usr\n");

  out = subprocess_output (SH ("echo x; exit 3"), NULL, 100, &status);
  assert_string_equal (out, "x\n");
  assert_string_equal (subprocess_status (status), "exit code 3");
}

static void
test_output_limit (void **state)
{
  int status;

  capture_start ();
  assert_null (subprocess_output (SH ("while :; do echo y; done"), NULL,
                                  1000, &status));
  assert_int_equal (errno, EFBIG);
  assert_error ("more than 1000 bytes");
  assert_int_equal (waitpid (-1, NULL, WNOHANG), -1);
}

static void
test_environment (void **state)
{
  static const char *const env[] = {
    "NBDLIFT_TEST_A=new", "NBDLIFT_TEST_B=b=c", NULL
  };
  struct subprocess_options o = SUBPROCESS_OPTIONS_INIT;

  setenv ("NBDLIFT_TEST_A", "old", 1);
  setenv ("NBDLIFT_TEST_AA", "other", 1);
  o.env = env;
  check_output ("echo $NBDLIFT_TEST_A $NBDLIFT_TEST_AA $NBDLIFT_TEST_B; "
                "env | grep -c ^NBDLIFT_TEST_A=", &o,
                "new other b=c\n1\n");
}

/* Descriptors of ours are not handed on, save those that are named. */
static void
test_descriptors (void **state)
{
  CLEANUP_CLOSE int leaky = open ("/dev/null", O_RDONLY);
  CLEANUP_CLOSE int kept = open ("/dev/null", O_RDONLY | O_CLOEXEC);
  const int keep[] = { kept, -1 };
  struct subprocess_options o = SUBPROCESS_OPTIONS_INIT;
  char script[200];

  o.keep_fds = keep;
  snprintf (script, sizeof script,
            "test ! -e /proc/self/fd/%d && echo closed; "
            "test -e /proc/self/fd/%d && echo kept", leaky, kept);
  check_output (script, &o, "closed\nkept\n");
  /* Ours stay as they were. */
  assert_int_equal (fcntl (leaky, F_GETFD), 0);
  assert_int_equal (fcntl (kept, F_GETFD), FD_CLOEXEC);
}

/* Redirections that cross: standard output of the child is our
 * descriptor 2 and the other way round.
 */
static void
test_redirect (void **state)
{
  struct subprocess_options o = SUBPROCESS_OPTIONS_INIT;
  int in[2], err[2], status, saved;
  char buf[32] = "";
  ssize_t r;
  pid_t pid;

  assert_int_equal (pipe2 (in, O_CLOEXEC), 0);
  assert_int_equal (pipe2 (err, O_CLOEXEC), 0);
  assert_int_equal (write (in[1], "line\n", 5), 5);
  close (in[1]);
  saved = dup (2);
  dup2 (err[1], 2);
  o.stdin_fd = in[0];
  o.stdout_fd = 2;
  o.stderr_fd = 1;
  pid = subprocess_start (SH ("cat"), &o);
  dup2 (saved, 2);
  close (saved);
  close (in[0]);
  close (err[1]);
  assert_true (pid > 0);
  r = read (err[0], buf, sizeof buf - 1);
  assert_int_equal (r, 5);
  assert_string_equal (buf, "line\n");
  close (err[0]);
  assert_int_equal (subprocess_wait (pid, -1, &status), 1);
  assert_int_equal (status, 0);
}

static void
test_cannot_start (void **state)
{
  static const char *const absent[] = { "nbdlift-no-such-program", NULL };
  static const char *const path[] = { "/nonexistent/program", NULL };
  static const char *const folder[] = { "/tmp", NULL };
  struct subprocess_options o = SUBPROCESS_OPTIONS_INIT;

  capture_start ();
  assert_int_equal (subprocess_start (absent, NULL), -1);
  assert_int_equal (errno, ENOENT);
  assert_error ("nbdlift-no-such-program: program not found in PATH");
  capture_start ();
  assert_int_equal (subprocess_start (path, NULL), -1);
  assert_int_equal (errno, ENOENT);
  assert_error ("/nonexistent/program");
  capture_start ();
  assert_int_equal (subprocess_start (folder, NULL), -1);
  assert_int_equal (errno, EACCES);
  assert_error ("/tmp");
  capture_start ();
  o.cwd = "/nonexistent";
  assert_int_equal (subprocess_start (SH (":"), &o), -1);
  assert_int_equal (errno, ENOENT);
  /* Nothing left to be reaped. */
  assert_int_equal (waitpid (-1, NULL, WNOHANG), -1);
}

static double
seconds_since (const struct timespec *start)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return now.tv_sec - start->tv_sec + (now.tv_nsec - start->tv_nsec) / 1e9;
}

static void
test_wait_timeout (void **state)
{
  struct timespec start;
  int status = -1;
  pid_t pid = subprocess_start (SH ("exec sleep 60"), NULL);

  assert_true (pid > 0);
  clock_gettime (CLOCK_MONOTONIC, &start);
  assert_int_equal (subprocess_wait (pid, 0, &status), 0);
  assert_int_equal (subprocess_wait (pid, 50, &status), 0);
  assert_true (seconds_since (&start) >= 0.05);
  kill (pid, SIGKILL);
  assert_int_equal (subprocess_wait (pid, 10000, &status), 1);
  assert_string_equal (subprocess_status (status), "signal 9 (Killed)");
}

/* A child that ignores SIGTERM, with a grandchild, all in a group. */
static void
test_stop_group (void **state)
{
  struct subprocess_options o = SUBPROCESS_OPTIONS_INIT;
  int fds[2];
  char c;
  pid_t pid;

  assert_int_equal (pipe2 (fds, O_CLOEXEC), 0);
  o.own_group = true;
  o.stdout_fd = fds[1];
  pid = subprocess_start (SH ("trap '' TERM; sleep 60 & echo; wait; "
                              "sleep 60"), &o);
  close (fds[1]);
  assert_true (pid > 0);
  assert_int_equal (read (fds[0], &c, 1), 1);
  subprocess_stop (pid, true, 100);
  /* End of file: the grandchild, which holds the pipe, is gone. */
  assert_int_equal (read (fds[0], &c, 1), 0);
  close (fds[0]);
  assert_int_equal (waitpid (-1, NULL, WNOHANG), -1);
}

/* A leader that ends and leaves a child behind. */
static void
test_wait_group (void **state)
{
  struct subprocess_options o = SUBPROCESS_OPTIONS_INIT;
  int fds[2], status;
  char c;
  pid_t pid;

  assert_int_equal (pipe2 (fds, O_CLOEXEC), 0);
  o.own_group = true;
  o.stdout_fd = fds[1];
  pid = subprocess_start (SH ("sleep 60 & exit 5"), &o);
  close (fds[1]);
  assert_int_equal (subprocess_wait_group (pid, -1, &status), 1);
  assert_string_equal (subprocess_status (status), "exit code 5");
  assert_int_equal (read (fds[0], &c, 1), 0);
  close (fds[0]);
}

/* One that ends on SIGTERM needs no grace. */
static void
test_stop_quick (void **state)
{
  struct timespec start;
  pid_t pid = subprocess_start (SH ("exec sleep 60"), NULL);

  clock_gettime (CLOCK_MONOTONIC, &start);
  subprocess_stop (pid, false, 30000);
  assert_true (seconds_since (&start) < 20);
}

/* Blocked signals and an ignored SIGPIPE of ours do not reach it.  Signals
 * 32 and 33 are glibc's own and stay ignored if they were (make starts its
 * children so): nobody can change that.
 */
static void
test_signals (void **state)
{
  sigset_t set, old;

  signal (SIGPIPE, SIG_IGN);
  sigemptyset (&set);
  sigaddset (&set, SIGTERM);
  sigprocmask (SIG_BLOCK, &set, &old);
  check_output ("grep -E '^Sig(Blk|Ign):' /proc/self/status | "
                "tr -d '\\t' | "
                "sed 's/Sig...://; s/0000000180000000/0000000000000000/'",
                NULL,
                "0000000000000000\n0000000000000000\n");
  sigprocmask (SIG_SETMASK, &old, NULL);
  signal (SIGPIPE, SIG_DFL);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_output),
    cmocka_unit_test (test_output_limit),
    cmocka_unit_test (test_environment),
    cmocka_unit_test (test_descriptors),
    cmocka_unit_test (test_redirect),
    cmocka_unit_test (test_cannot_start),
    cmocka_unit_test (test_wait_timeout),
    cmocka_unit_test (test_stop_group),
    cmocka_unit_test (test_wait_group),
    cmocka_unit_test (test_stop_quick),
    cmocka_unit_test (test_signals),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
