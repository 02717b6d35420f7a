/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The one way out for messages.  Code in common/ and in a source does
 * not know whether it runs inside nbdkit or inside the driver: a plugin
 * sets a sink that calls nbdkit_error and nbdkit_debug, the driver sets
 * one that writes to standard error and keeps the text for the journal.
 *
 * House rule: the lowest level that knows the object (file, disk, URL
 * without secrets, offset) reports once, with place and remedy, and
 * returns -1 or NULL; callers add nothing.  Secrets are never passed to
 * these functions.
 */
#ifndef NBDLIFT_LOG_H
#define NBDLIFT_LOG_H

#include <stdarg.h>

enum log_level {
  LOG_LEVEL_ERROR,
  LOG_LEVEL_WARNING,
  LOG_LEVEL_INFO,
  LOG_LEVEL_DEBUG,
};

/* TEXT is one message without prefix and without a newline at its end.
 * Called from any thread, possibly from several at once.
 */
typedef void (*log_sink) (enum log_level level, const char *text,
                          void *opaque);

/* Set before any thread starts.  The default writes "nbdlift: TEXT" to
 * standard error and drops LOG_LEVEL_DEBUG.
 */
extern void log_set_sink (log_sink sink, void *opaque);

/* printf-like; %m works.  errno is preserved by all of them. */
extern void log_error (const char *fmt, ...)
  __attribute__ ((format (printf, 1, 2)));
extern void log_warning (const char *fmt, ...)
  __attribute__ ((format (printf, 1, 2)));
extern void log_info (const char *fmt, ...)
  __attribute__ ((format (printf, 1, 2)));
extern void log_debug (const char *fmt, ...)
  __attribute__ ((format (printf, 1, 2)));
extern void log_message (enum log_level level, const char *fmt, va_list args)
  __attribute__ ((format (printf, 2, 0)));

/* What the calling thread works for, in terms of the sink; NULL at
 * first.  A thread that works for another one takes over its context
 * before it reports anything, so that the message is put down to the
 * right object.  The other one waits for it to end.
 */
extern void *log_context (void);
extern void log_set_context (void *context);

/* log_error ("out of memory") and errno = ENOMEM. */
extern void log_oom (void);

#endif /* NBDLIFT_LOG_H */
