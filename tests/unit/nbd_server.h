/* SPDX-License-Identifier: BSD-3-Clause
 *
 * For unit tests: a temporary folder, and real nbdkit servers in it.
 */
#ifndef NBDLIFT_TESTS_NBD_SERVER_H
#define NBDLIFT_TESTS_NBD_SERVER_H

#include "tests/unit/capture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/util/subprocess.h"

static char folder[64];

/* The path of NAME below the folder, always the same one. */
static const char *__attribute__ ((noinline, unused))
in_folder (const char *name)
{
  static char paths[32][128];
  char path[128];
  size_t i;

  snprintf (path, sizeof path, "%s/%s", folder, name);
  for (i = 0; i < sizeof paths / sizeof paths[0]; i++) {
    if (paths[i][0] == '\0')
      memcpy (paths[i], path, sizeof path);
    if (strcmp (paths[i], path) == 0)
      return paths[i];
  }
  fail_msg ("too many names");
  return NULL;
}

static inline int
folder_setup (void **state)
{
  const char *tmp = getenv ("TMPDIR");

  snprintf (folder, sizeof folder, "%s/u-XXXXXX",
            tmp && strlen (tmp) < 40 ? tmp : "/tmp");
  return mkdtemp (folder) ? 0 : -1;
}

/* Run ARGV and return its exit status. */
static inline int
run (const char *const *argv)
{
  int status;
  pid_t pid = subprocess_start (argv, NULL);

  assert_true (pid > 0);
  assert_int_equal (subprocess_wait (pid, -1, &status), 1);
  return WIFEXITED (status) ? WEXITSTATUS (status) : -1;
}
#define RUN(...) run ((const char *const[]) { __VA_ARGS__, NULL })

static inline int
folder_teardown (void **state)
{
  return RUN ("rm", "-rf", folder);
}

static pid_t server_pid;
static char server_uri[256];

/* nbdkit with ARGS; server_uri is its default export. */
static inline void
start_server (const char *const *args)
{
  const char *argv[40] = { "nbdkit", "-f", "--exit-with-parent", "-U",
                           in_folder ("sock"), "-P", in_folder ("pid") };
  struct subprocess_options o = SUBPROCESS_OPTIONS_INIT;
  size_t n = 7;
  struct stat st;
  int i, status;

  unlink (argv[4]);
  unlink (argv[6]);
  while (*args)
    argv[n++] = *args++;
  argv[n] = NULL;
  o.stderr_fd = open (in_folder ("server.log"),
                      O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  server_pid = subprocess_start (argv, &o);
  close (o.stderr_fd);
  assert_true (server_pid > 0);
  for (i = 0; i < 3000; i++) {
    if (stat (in_folder ("pid"), &st) == 0 && st.st_size > 0)
      break;
    if (subprocess_wait (server_pid, 0, &status) != 0) {
      RUN ("cat", in_folder ("server.log"));
      fail_msg ("nbdkit did not start");
    }
    usleep (10000);
  }
  snprintf (server_uri, sizeof server_uri, "nbd+unix:///?socket=%s",
            in_folder ("sock"));
}
#define START_SERVER(...) \
  start_server ((const char *const[]) { __VA_ARGS__, NULL })

static inline void
stop_server (void)
{
  kill (server_pid, SIGCONT);
  subprocess_stop (server_pid, false, 2000);
  server_pid = 0;
}

#endif /* NBDLIFT_TESTS_NBD_SERVER_H */
