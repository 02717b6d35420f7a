/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The driver's log sink.  The lowest level reports an error once and
 * does not know for which VM it works: the thread's scope does.  A scope
 * can hold errors back, because the reason of a client's "Input/output
 * error" is in the server's log, which only the caller can look at, and
 * because an error that our own cancelling causes is none.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/include/cleanup.h"
#include "common/util/strbuf.h"
#include "driver/driver_log.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static enum log_level max_level = LOG_LEVEL_INFO;
static log_writer current_writer;
static void *current_opaque;

void
log_records_free (struct log_records *records)
{
  size_t i;

  for (i = 0; i < records->list.len; i++) {
    free (records->list.ptr[i].step);
    free (records->list.ptr[i].disk);
    free (records->list.ptr[i].text);
  }
  log_record_vector_reset (&records->list);
}

static char *
dup_or_null (const char *s)
{
  return s ? strdup (s) : NULL;
}

/* Short memory loses the record, never the message on the terminal. */
static void
keep_record (struct log_records *records, enum log_level level,
             const struct log_scope *scope, const char *text)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&records->lock);
  struct log_record r = {
    .level = level,
    .step = dup_or_null (scope->step),
    .disk = dup_or_null (scope->disk),
    .text = strdup (text),
  };

  if (r.text == NULL ||
      log_record_vector_append (&records->list, r) == -1) {
    free (r.step);
    free (r.disk);
    free (r.text);
  }
}

bool
wants_color (FILE *fp)
{
  const char *no_color = getenv ("NO_COLOR");
  const char *term = getenv ("TERM");

  return isatty (fileno (fp)) && (no_color == NULL || *no_color == '\0') &&
    term != NULL && strcmp (term, "dumb") != 0;
}

void
driver_log_format (FILE *fp, bool color, enum log_level level,
                   const struct log_scope *scope, const char *text)
{
  static const struct {
    const char *name, *color;
  } levels[] = {
    [LOG_LEVEL_ERROR] = { "error: ", "\033[1;31m" },
    [LOG_LEVEL_WARNING] = { "warning: ", "\033[1;33m" },
    [LOG_LEVEL_INFO] = { "", "" },
    [LOG_LEVEL_DEBUG] = { "debug: ", "" },
  };
  const bool paint = color && levels[level].color[0] != '\0';

  fprintf (fp, "nbdlift: %s%s%s", paint ? levels[level].color : "",
           levels[level].name, paint ? "\033[0m" : "");
  if (scope && scope->vm)
    fprintf (fp, "%s: ", printable (scope->vm));
  if (scope && scope->step && level <= LOG_LEVEL_WARNING)
    fprintf (fp, "%s: ", scope->step);
  fprintf (fp, "%s\n", text);
  fflush (fp);
}

static void
write_message (enum log_level level, const struct log_scope *scope,
               const char *text)
{
  if (level > max_level)
    return;

  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&lock);
  if (current_writer)
    current_writer (level, scope, text, current_opaque);
  else
    driver_log_format (stderr, wants_color (stderr), level, scope, text);
}

static void
report (enum log_level level, struct log_scope *scope, const char *text)
{
  if (scope && scope->records && level <= LOG_LEVEL_WARNING)
    keep_record (scope->records, level, scope, text);
  write_message (level, scope, text);
}

/* Threads that work for one VM share its scope. */
static bool
hold_back (struct log_scope *scope, const char *text)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&lock);

  return string_vector_append_dup (&scope->held, text) == 0;
}

static void
sink (enum log_level level, const char *text, void *opaque)
{
  struct log_scope *scope = log_context ();

  if (scope && scope->hold && level == LOG_LEVEL_ERROR &&
      hold_back (scope, text))
    return;
  report (level, scope, text);
}

void
log_scope_enter (struct log_scope *scope)
{
  scope->outer = log_context ();
  log_set_context (scope);
}

void
log_scope_leave (struct log_scope *scope)
{
  log_scope_release (scope, NULL);
  log_set_context (scope->outer);
}

void
log_scope_release (struct log_scope *scope, const char *reason)
{
  const int saved_errno = errno;
  size_t i;

  scope->hold = false;
  for (i = 0; i < scope->held.len; i++) {
    CLEANUP_FREE char *joined = NULL;

    if (reason &&
        asprintf (&joined, "%s: %s", scope->held.ptr[i], reason) == -1)
      joined = NULL;
    report (LOG_LEVEL_ERROR, scope, joined ? joined : scope->held.ptr[i]);
  }
  string_vector_free (&scope->held);
  errno = saved_errno;
}

void
log_scope_drop (struct log_scope *scope)
{
  const int saved_errno = errno;
  size_t i;

  scope->hold = false;
  for (i = 0; i < scope->held.len; i++)
    write_message (LOG_LEVEL_DEBUG, scope, scope->held.ptr[i]);
  string_vector_free (&scope->held);
  errno = saved_errno;
}

char *
log_scope_take (struct log_scope *scope)
{
  CLEANUP_STRBUF struct strbuf text = { 0 };
  const int saved_errno = errno;
  size_t i;
  char *r = NULL;

  scope->hold = false;
  for (i = 0; i < scope->held.len; i++)
    if (strbuf_printf (&text, "%s%s", i > 0 ? "; " : "",
                       scope->held.ptr[i]) == -1)
      break;
  if (scope->held.len > 0)
    r = strbuf_steal (&text);
  string_vector_free (&scope->held);
  errno = saved_errno;
  return r;
}

void
driver_log_init (enum log_level level)
{
  max_level = level;
  log_set_sink (sink, NULL);
}

void
driver_log_set_level (enum log_level level)
{
  max_level = level;
}

void
driver_log_set_writer (log_writer writer, void *opaque)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&lock);

  current_writer = writer;
  current_opaque = opaque;
}
