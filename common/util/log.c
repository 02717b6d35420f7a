/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The one way out for messages.  A message is formatted on the caller's
 * thread (so that %m sees the caller's errno) and handed to the sink as
 * one string.  When there is no memory to format it, the bare format
 * string still goes out: a failure is never silent.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/include/cleanup.h"
#include "common/util/log.h"

static void
sink_stderr (enum log_level level, const char *text, void *opaque)
{
  switch (level) {
  case LOG_LEVEL_DEBUG:
    return;
  case LOG_LEVEL_WARNING:
    fprintf (stderr, "nbdlift: warning: %s\n", text);
    return;
  case LOG_LEVEL_ERROR:
  case LOG_LEVEL_INFO:
    fprintf (stderr, "nbdlift: %s\n", text);
    return;
  }
}

static log_sink current_sink = sink_stderr;
static void *current_opaque;
static __thread void *current_context;

void
log_set_sink (log_sink sink, void *opaque)
{
  current_sink = sink ? sink : sink_stderr;
  current_opaque = opaque;
}

void *
log_context (void)
{
  return current_context;
}

void
log_set_context (void *context)
{
  current_context = context;
}

void
log_message (enum log_level level, const char *fmt, va_list args)
{
  const int saved_errno = errno;
  CLEANUP_FREE char *text = NULL;

  if (vasprintf (&text, fmt, args) == -1)
    text = NULL;
  current_sink (level, text ? text : fmt, current_opaque);
  errno = saved_errno;
}

void
log_error (const char *fmt, ...)
{
  va_list args;

  va_start (args, fmt);
  log_message (LOG_LEVEL_ERROR, fmt, args);
  va_end (args);
}

void
log_warning (const char *fmt, ...)
{
  va_list args;

  va_start (args, fmt);
  log_message (LOG_LEVEL_WARNING, fmt, args);
  va_end (args);
}

void
log_info (const char *fmt, ...)
{
  va_list args;

  va_start (args, fmt);
  log_message (LOG_LEVEL_INFO, fmt, args);
  va_end (args);
}

void
log_debug (const char *fmt, ...)
{
  va_list args;

  va_start (args, fmt);
  log_message (LOG_LEVEL_DEBUG, fmt, args);
  va_end (args);
}

void
log_oom (void)
{
  log_error ("out of memory");
  errno = ENOMEM;
}
