/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a server said of an error.  An NBD client only learns "Input/output
 * error"; the reason is in the log of the server.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/serve_private.h"

/* How much of the log's end is looked at, and how many lines are told. */
#define TAIL 65536
#define MAX_LINES 3

/* The end of what SERVER has logged, NUL-terminated, or NULL. */
static char *
read_tail (const struct server *server)
{
  CLEANUP_CLOSE int fd = open (server->log_file, O_RDONLY | O_CLOEXEC);
  struct stat st;
  off_t start = server->log_start;
  ssize_t r;
  char *text;

  if (fd == -1 || fstat (fd, &st) == -1)
    return NULL;
  if (st.st_size - start > TAIL)
    start = st.st_size - TAIL;
  text = malloc (TAIL + 1);
  if (text == NULL)
    return NULL;
  r = pread (fd, text, TAIL, start);
  text[MAX (r, 0)] = '\0';
  return text;
}

/* What nbdkit says when its client went away is not a reason for
 * anything.
 */
static bool
is_echo (const char *message)
{
  static const char *const echoes[] = {
    "write reply", "write data", "write error reply", "read request",
    "read data",
  };
  size_t i;

  for (i = 0; i < ARRAY_SIZE (echoes); ++i)
    if (strncmp (message, echoes[i], strlen (echoes[i])) == 0)
      return true;
  return false;
}

/* The message in LINE if it is an error, else NULL.  nbdkit writes
 * "nbdkit: PLUGIN[N]: error: MESSAGE", qemu-nbd "qemu-nbd: MESSAGE".
 */
static const char *
error_in_line (const struct server *server, const char *line)
{
  const size_t len = strlen (server->program);
  const char *message;

  if (strncmp (line, server->program, len) != 0 || line[len] != ':' ||
      strstr (line, ": debug: ") || strstr (line, "Assertion"))
    return NULL;
  if (strcmp (server->program, "nbdkit") != 0)
    return strstr (line, "warning:") ? NULL : line + len + 2;
  message = strstr (line, "error: ");
  if (message == NULL)
    return NULL;
  message += strlen ("error: ");
  return is_echo (message) ? NULL : message;
}

char *
serve_log_errors (const struct server *server)
{
  CLEANUP_FREE char *text = read_tail (server);
  CLEANUP_STRBUF struct strbuf b = { 0 };
  const char *found[MAX_LINES];
  size_t n = 0, i;
  char *rest = text, *line;

  if (text == NULL)
    return NULL;
  while ((line = strsep (&rest, "\n")) != NULL) {
    const char *message = error_in_line (server, line);

    if (message == NULL)
      continue;
    /* Several requests fail for one reason. */
    for (i = 0; i < n; ++i)
      if (strcmp (found[i], message) == 0)
        break;
    if (i < n)
      continue;
    if (n == MAX_LINES)
      memmove (&found[0], &found[1], --n * sizeof found[0]);
    found[n++] = message;
  }
  for (i = 0; i < n; ++i)
    if (strbuf_append (&b, i > 0 ? "; " : "") == -1 ||
        strbuf_append_printable (&b, found[i], 2000) == -1)
      return NULL;
  return n > 0 ? strbuf_steal (&b) : NULL;
}
