/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One server process: its files, its start, its end.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/log.h"
#include "common/util/monotonic.h"
#include "common/util/strbuf.h"
#include "common/util/subprocess.h"
#include "driver/cancel.h"
#include "driver/leftovers.h"
#include "driver/serve_private.h"

/* A server that ends is seen at once.  One that is slow may be reading a
 * gzip-compressed disk, which it does once, whole.
 */
#define DEFAULT_SECONDS 3600

/* How long between two looks at the pid file. */
#define LOOK_MS 10

/* A free port can be taken by somebody else before the server has it. */
#define PORT_TRIES 5

/* Names of sockets in our folder are shorter than this. */
#define SOCKET_NAME_MAX 16

char *
serve_folder (void)
{
  const size_t room = sizeof ((struct sockaddr_un *) NULL)->sun_path -
    SOCKET_NAME_MAX;
  const char *base;
  size_t i;
  char *path;

  for (i = 0; (base = leftovers_base (i)) != NULL; ++i) {
    if (asprintf (&path, "%s/" LEFTOVERS_TEMPLATE, base) == -1) {
      log_oom ();
      return NULL;
    }
    if (strlen (path) < room && mkdtemp (path)) {
      if (leftovers_mark (path) == 0)
        return path;
      serve_folder_remove (path);
      free (path);
      return NULL;
    }
    free (path);
  }
  log_error ("cannot make a folder for sockets in /tmp: %m");
  return NULL;
}

/* The folder is flat: all that is in it was made by us and the servers. */
void
serve_folder_remove (const char *folder)
{
  DIR *dir = opendir (folder);
  struct dirent *d;

  if (dir) {
    while ((d = readdir (dir)) != NULL)
      if (strcmp (d->d_name, ".") != 0 && strcmp (d->d_name, "..") != 0)
        unlinkat (dirfd (dir), d->d_name, 0);
    closedir (dir);
  }
  if (rmdir (folder) == -1)
    log_warning ("%s: cannot be removed: %m", printable (folder));
}

bool
server_has_ended (struct server *server)
{
  if (server->pid != 0 &&
      subprocess_wait (server->pid, 0, &server->status) == 1) {
    server->pid = 0;
    server->ended = true;
  }
  return server->ended;
}

/* A port of 127.0.0.1 that nobody has now.  0 reported. */
static unsigned
free_port (void)
{
  struct sockaddr_in addr = { .sin_family = AF_INET };
  socklen_t len = sizeof addr;
  CLEANUP_CLOSE int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  addr.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  if (fd == -1 || bind (fd, (struct sockaddr *) &addr, len) == -1 ||
      getsockname (fd, (struct sockaddr *) &addr, &len) == -1) {
    log_error ("no free TCP port on localhost: %m");
    return 0;
  }
  return ntohs (addr.sin_port);
}

static int
spawn (struct server *server, const char *const *argv)
{
  CLEANUP_CLOSE int fd = open (server->log_file,
                               O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
                               0600);
  struct subprocess_options o = SUBPROCESS_OPTIONS_INIT;
  struct stat st;

  if (fd == -1 || fstat (fd, &st) == -1) {
    log_error ("%s: %m", printable (server->log_file));
    return -1;
  }
  server->log_start = st.st_size;
  o.stdout_fd = o.stderr_fd = fd;
  o.own_group = true;
  server->pid = subprocess_start (argv, &o);
  if (server->pid == -1) {
    server->pid = 0;
    return -1;
  }
  return 0;
}

static bool
pid_file_written (const struct server *server)
{
  struct stat st;

  return stat (server->pid_file, &st) == 0 && st.st_size > 0;
}

/* Until the pid file is there: 0; -1 with errno: ESHUTDOWN the server
 * has ended, ETIMEDOUT, ECANCELED.
 */
static int
await_pid_file (struct server *server, unsigned seconds)
{
  const int64_t deadline = monotonic_ms () + (int64_t) seconds * 1000;

  while (!pid_file_written (server)) {
    if (server_has_ended (server)) {
      errno = ESHUTDOWN;
      return -1;
    }
    if (cancel_requested ()) {
      errno = ECANCELED;
      return -1;
    }
    if (monotonic_ms () >= deadline) {
      errno = ETIMEDOUT;
      return -1;
    }
    usleep (LOOK_MS * 1000);
  }
  return 0;
}

static int
start_failed (const struct server *server, const char *why, int err)
{
  CLEANUP_FREE char *reason = serve_log_errors (server);

  log_error ("%s %s%s%s", server->program, why, reason ? ": " : "",
             reason ? reason : "");
  errno = err;
  return -1;
}

/* One try.  1 when the port was not free after all. */
static int
start_once (struct served_vm *s, struct server *server,
            const struct source_server *spec, const char *export,
            const struct serve_options *options, const char *prefix)
{
  CLEANUP_STRING_VECTOR string_vector argv = EMPTY_VECTOR;
  CLEANUP_STRING_VECTOR string_vector secret_files = EMPTY_VECTOR;
  const unsigned seconds = options->seconds ? options->seconds
                                            : DEFAULT_SECONDS;
  char why[120];
  size_t i;
  int r, err;

  if (options->tcp && (server->port = free_port ()) == 0)
    return -1;
  r = serve_argv (spec, server, export, options, s->folder, prefix,
                  &secret_files, &argv);
  if (r == 0)
    r = spawn (server, (const char *const *) argv.ptr);
  if (r == 0) {
    r = await_pid_file (server, seconds);
    if (r == -1 && errno == ESHUTDOWN) {
      CLEANUP_FREE char *reason = serve_log_errors (server);

      if (options->tcp && reason && strstr (reason, strerror (EADDRINUSE)))
        r = 1;
      else {
        snprintf (why, sizeof why, "ended before it was ready, with %s",
                  subprocess_status (server->status));
        start_failed (server, why, EIO);
      }
    }
    else if (r == -1 && errno == ETIMEDOUT) {
      snprintf (why, sizeof why, "was not ready within %u seconds", seconds);
      start_failed (server, why, ETIMEDOUT);
    }
  }
  err = errno;
  /* Once the server is ready it has read them. */
  for (i = 0; i < secret_files.len; ++i)
    unlink (secret_files.ptr[i]);
  errno = err;
  return r;
}

int
serve_start (struct served_vm *s, size_t i,
             const struct source_server *spec, const char *export,
             const struct serve_options *options)
{
  struct server *server = &s->servers[i];
  const char *logs = options->log_dir ? options->log_dir : s->folder;
  char prefix[32];
  unsigned tries;
  int r;

  server->program = spec->kind == SOURCE_SERVER_QEMU_NBD ? "qemu-nbd"
                                                         : "nbdkit";
  snprintf (prefix, sizeof prefix, "secret-%zu-", i);
  if (asprintf (&server->pid_file, "%s/pid%zu", s->folder, i) == -1) {
    server->pid_file = NULL;
    goto oom;
  }
  if (asprintf (&server->log_file, "%s/%s-%zu.log", logs, server->program,
                i) == -1) {
    server->log_file = NULL;
    goto oom;
  }
  if (!options->tcp &&
      asprintf (&server->socket, "%s/s%zu", s->folder, i) == -1) {
    server->socket = NULL;
    goto oom;
  }
  for (tries = 0; tries < PORT_TRIES; ++tries) {
    server->ended = false;
    r = start_once (s, server, spec, export, options, prefix);
    if (r <= 0)
      return r;
  }
  return start_failed (server, "found no free TCP port on localhost",
                       EADDRINUSE);

 oom:
  log_oom ();
  return -1;
}
