/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Command lines of nbdkit and qemu-nbd, and NBD URIs.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/serve_private.h"

/* nbdkit has so many threads for each connection, and a copy opens four
 * (copy.h).  What keeps them busy is to decode, so more than there are
 * processors only wait for each other with cold caches: with 16 on two
 * processors a copy costs a fifth more CPU time.  Each also holds a buffer
 * of the largest request and one of the source's.
 */
#define MIN_THREADS 2
#define MAX_THREADS 4

static unsigned
default_threads (void)
{
  cpu_set_t usable;
  unsigned n = MAX_THREADS;

  /* Fails if there are more processors than the set has room for. */
  if (sched_getaffinity (0, sizeof usable, &usable) == 0)
    n = CPU_COUNT (&usable);
  return MIN (MAX (n, (unsigned) MIN_THREADS), (unsigned) MAX_THREADS);
}

/* Secrets never stand in an argument list, which everybody can read. */
static char *
write_value (const char *folder, const char *prefix, const char *key,
             const char *value)
{
  CLEANUP_CLOSE int fd = -1;
  char *path;
  const size_t len = strlen (value);

  if (asprintf (&path, "%s/%s%s", folder, prefix, key) == -1) {
    log_oom ();
    return NULL;
  }
  /* A start that failed can have left one: the folder is ours alone. */
  fd = open (path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
             0600);
  if (fd == -1 || write (fd, value, len) != (ssize_t) len) {
    log_error ("%s: %m", printable (path));
    free (path);
    return NULL;
  }
  return path;
}

/* Put VALUE into a file and append KEY=MARKFILE.  SECRET_FILES, unless NULL,
 * takes its name; other files go with their folder.
 */
static int
add_value (const char *key, const char *value, const char *mark,
           const char *folder, const char *prefix,
           string_vector *secret_files, string_vector *argv)
{
  CLEANUP_FREE char *path = write_value (folder, prefix, key, value);

  if (path == NULL)
    return -1;
  if ((secret_files &&
       string_vector_append_dup (secret_files, path) == -1) ||
      string_vector_append_format (argv, "%s=%s%s", key, mark, path) == -1) {
    unlink (path);
    log_oom ();
    return -1;
  }
  return 0;
}

static int
add_secrets (const struct source_server *spec, const char *folder,
             const char *prefix, string_vector *secret_files,
             string_vector *argv)
{
  size_t i;

  for (i = 0; i < spec->secret_keys.len; ++i) {
    const char *key = spec->secret_keys.ptr[i];

    if (strpbrk (spec->secret_values.ptr[i], "\r\n")) {
      log_error ("the secret '%s' has a line break in it, which nbdkit cannot "
                 "read", printable (key));
      errno = EINVAL;
      return -1;
    }
    if (add_value (key, spec->secret_values.ptr[i], "+", folder, prefix,
                   secret_files, argv) == -1)
      return -1;
  }
  for (i = 0; i < spec->file_keys.len; ++i)
    if (add_value (spec->file_keys.ptr[i], spec->file_values.ptr[i], "",
                   folder, prefix, NULL, argv) == -1)
      return -1;
  return 0;
}

static bool
is_option (const char *arg)
{
  return arg[0] == '-';
}

/* Append those of LIST that are options (or those that are not). */
static int
add_some (string_vector *argv, const char *const *list, bool want_options)
{
  for (; list && *list; ++list)
    if (is_option (*list) == want_options &&
        string_vector_append_dup (argv, *list) == -1)
      return -1;
  return 0;
}

/* argv of SPEC: filters, the plugin's name, its parameters. */
static int
add_plugin (const struct source_server *spec, string_vector *argv)
{
  bool have_plugin = false;
  size_t i;
  int r;

  for (i = 0; i < spec->argv.len; ++i) {
    const char *arg = spec->argv.ptr[i];

    if (!have_plugin && !is_option (arg)) {
      CLEANUP_FREE char *path = strchr (arg, '/') ? strdup (arg)
                                                  : plugin_path (arg);

      have_plugin = true;
      r = path ? string_vector_append_dup (argv, path) : -1;
    }
    else
      r = string_vector_append_dup (argv, arg);
    if (r == -1)
      return -1;
  }
  return 0;
}

/* datapath=0: with -v, say nothing of each single read. */
static int
nbdkit_argv (const struct source_server *spec, const struct server *server,
             const char *export, const struct serve_options *options,
             string_vector *argv)
{
  const char *program = getenv ("NBDLIFT_NBDKIT");
  const unsigned threads = options->threads ? options->threads
                                            : default_threads ();
  const char *const common[] = {
    program && *program ? program : "nbdkit", "--exit-with-parent", "-f", "-r",
    "-D", "nbdkit.backend.datapath=0", "-P", server->pid_file,
    options->verbose ? "-v" : NULL, NULL };
  size_t i;

  for (i = 0; common[i]; ++i)
    if (string_vector_append_dup (argv, common[i]) == -1)
      return -1;
  if (string_vector_append_format (argv, "--threads=%u", threads) == -1)
    return -1;
  if (server->socket) {
    if (string_vector_append_dup (argv, "-U") == -1 ||
        string_vector_append_dup (argv, server->socket) == -1)
      return -1;
  }
  else if (string_vector_append_dup (argv, "-i") == -1 ||
           string_vector_append_dup (argv, "127.0.0.1") == -1 ||
           string_vector_append_format (argv, "--port=%u",
                                        server->port) == -1)
    return -1;
  if (add_some (argv, options->filters, true) == -1 ||
      add_plugin (spec, argv) == -1 ||
      add_some (argv, options->filters, false) == -1)
    return -1;
  if (export && *export &&
      string_vector_append_format (argv, "disk=%s", export) == -1)
    return -1;
  return 0;
}

static int
qemu_nbd_argv (const struct source_server *spec, const struct server *server,
               string_vector *argv)
{
  size_t i;

  if (string_vector_append_dup (argv, "qemu-nbd") == -1 ||
      string_vector_append_format (argv, "--pid-file=%s",
                                   server->pid_file) == -1)
    return -1;
  if (server->socket) {
    if (string_vector_append_format (argv, "--socket=%s",
                                     server->socket) == -1)
      return -1;
  }
  else if (string_vector_append_dup (argv, "--bind=127.0.0.1") == -1 ||
           string_vector_append_format (argv, "--port=%u",
                                        server->port) == -1)
    return -1;
  for (i = 0; i < spec->argv.len; ++i)
    if (string_vector_append_dup (argv, spec->argv.ptr[i]) == -1)
      return -1;
  return 0;
}

int
serve_argv (const struct source_server *spec, const struct server *server,
            const char *export, const struct serve_options *options,
            const char *folder, const char *prefix,
            string_vector *secret_files, string_vector *argv)
{
  int r;

  if (spec->kind == SOURCE_SERVER_QEMU_NBD)
    r = qemu_nbd_argv (spec, server, argv);
  else
    r = nbdkit_argv (spec, server, export, options, argv);
  if (r == -1) {
    log_oom ();
    return -1;
  }
  if (add_secrets (spec, folder, prefix, secret_files, argv) == -1)
    return -1;
  if (string_vector_append (argv, NULL) == -1) {
    log_oom ();
    return -1;
  }
  return 0;
}

/* RFC 3986: all but the unreserved characters. */
static int
append_percent_encoded (struct strbuf *b, const char *s)
{
  for (; *s; ++s) {
    const unsigned char c = *s;
    int r;

    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
        (c >= '0' && c <= '9') || strchr ("-._~", c))
      r = strbuf_append_char (b, c);
    else
      r = strbuf_printf (b, "%%%02X", c);
    if (r == -1)
      return -1;
  }
  return 0;
}

char *
serve_uri (const struct server *server, const char *export)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };
  int r;
  char *uri;

  if (server->socket)
    r = strbuf_append (&b, "nbd+unix:///");
  else
    r = strbuf_printf (&b, "nbd://127.0.0.1:%u/", server->port);
  if (r == 0)
    r = append_percent_encoded (&b, export);
  if (r == 0 && server->socket) {
    r = strbuf_append (&b, "?socket=");
    if (r == 0)
      r = append_percent_encoded (&b, server->socket);
  }
  uri = r == 0 ? strbuf_steal (&b) : NULL;
  if (uri == NULL)
    log_oom ();
  return uri;
}
