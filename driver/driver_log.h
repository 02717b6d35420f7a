/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The driver's end of common/util/log.h: messages get the VM, step and
 * disk that the calling thread works on, are kept for the status of the
 * run, and are written by whoever owns the terminal at the moment.
 */
#ifndef NBDLIFT_DRIVER_LOG_H
#define NBDLIFT_DRIVER_LOG_H

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>

#include "common/util/log.h"
#include "common/util/vector.h"

/* A message that was kept. */
struct log_record {
  enum log_level level;         /* error or warning */
  char *step;                   /* or NULL */
  char *disk;                   /* or NULL */
  char *text;
};
DEFINE_VECTOR_TYPE (log_record_vector, struct log_record);

/* The errors and warnings of one VM.  Start with LOG_RECORDS_INIT. */
struct log_records {
  pthread_mutex_t lock;         /* for reading while threads run */
  log_record_vector list;
};
#define LOG_RECORDS_INIT { PTHREAD_MUTEX_INITIALIZER, EMPTY_VECTOR }
extern void log_records_free (struct log_records *records);

/* What the calling thread is at.  A variable of the thread's stack;
 * scopes nest, and are the log_context of common/util/log.h, by which
 * threads that work for this one share them.  The strings must live as
 * long as the scope, and can be changed by its own thread.
 */
struct log_scope {
  const char *vm;               /* or NULL */
  const char *step;             /* or NULL */
  const char *disk;             /* or NULL */
  struct log_records *records;  /* or NULL: not kept */
  bool hold;                    /* errors wait for log_scope_release */
  string_vector held;
  struct log_scope *outer;      /* private */
};
extern void log_scope_enter (struct log_scope *scope);
extern void log_scope_leave (struct log_scope *scope);

/* Report the held errors of the innermost scope, each followed by
 * REASON if that is not NULL, and stop holding.
 */
extern void log_scope_release (struct log_scope *scope, const char *reason);

/* Forget the held errors, and stop holding. */
extern void log_scope_drop (struct log_scope *scope);

/* The held errors as one text (malloc'ed), and stop holding.  NULL when
 * there was none.
 */
extern char *log_scope_take (struct log_scope *scope);

/* Writes one message.  SCOPE may be NULL.  Called with the log's lock
 * held: one at a time.
 */
typedef void (*log_writer) (enum log_level level,
                            const struct log_scope *scope,
                            const char *text, void *opaque);

/* Messages up to LEVEL are written: LOG_LEVEL_WARNING for -q,
 * LOG_LEVEL_DEBUG for -v.  Called once at the start.
 */
extern void driver_log_init (enum log_level level);
extern void driver_log_set_level (enum log_level level);

/* NULL restores the writer to standard error. */
extern void driver_log_set_writer (log_writer writer, void *opaque);

/* "nbdlift: error: VM: STEP: TEXT" with a newline, to FP, in colour if
 * wanted.
 */
extern void driver_log_format (FILE *fp, bool color, enum log_level level,
                               const struct log_scope *scope,
                               const char *text);

/* True if FP is a terminal that wants colours (NO_COLOR, TERM=dumb). */
extern bool wants_color (FILE *fp);

#endif /* NBDLIFT_DRIVER_LOG_H */
