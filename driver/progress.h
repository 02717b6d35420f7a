/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How far a run is, for people and for programs: one line per VM and
 * step, redrawn on a terminal, repeated now and then elsewhere, and JSON
 * lines (nbdlift(1), MACHINE READABLE OUTPUT).  It owns standard error
 * while it lives, so that messages do not tear the lines.
 */
#ifndef NBDLIFT_PROGRESS_H
#define NBDLIFT_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include "driver/driver_log.h"

enum progress_style {
  PROGRESS_SILENT,              /* messages alone */
  PROGRESS_TERMINAL,            /* redrawn, at most 5 times a second */
  PROGRESS_PLAIN,               /* a line every 10 s or 5 % */
};

enum progress_unit {
  PROGRESS_BYTES,
  PROGRESS_PERCENT,             /* total is 100 */
};

struct progress_options {
  enum progress_style style;
  FILE *human;                  /* or NULL: nothing for people at all */
  FILE *machine;                /* or NULL */
  bool color;
  unsigned columns, rows;       /* of the terminal; 0: ask it */
};

struct progress;
struct progress_line;           /* a VM and a step */
struct progress_item;           /* a part of it, such as a disk */

/* NULL reported.  Nothing is drawn before progress_start or
 * progress_tick.
 */
extern struct progress *progress_new (const struct progress_options *options);

/* From now on JSON lines have this "plan", which must live as long. */
extern void progress_set_plan (struct progress *p, const char *plan);

/* Draw from a thread of its own from now on.  0, or -1 reported. */
extern int progress_start (struct progress *p);

/* Draw what is due at NOW (nanoseconds of any clock that only goes
 * forward).  Called by that thread, and by tests.
 */
extern void progress_tick (struct progress *p, uint64_t now);

/* End the thread and erase the lines. */
extern void progress_free (struct progress *p);

/* A step of a VM begins.  VM and STEP must live until progress_finish.
 * NULL (short of memory, not reported) is allowed in all the functions
 * below: progress is then not shown.
 */
extern struct progress_line *progress_begin (struct progress *p,
                                             const char *vm,
                                             const char *step);
/* Add to a step something of TOTAL bytes or percents.  DISK, which is
 * copied, may be NULL.
 */
extern struct progress_item *progress_item_new (struct progress_line *line,
                                                const char *disk,
                                                enum progress_unit unit,
                                                uint64_t total);
extern void progress_set (struct progress_item *item, uint64_t done);

/* The step ends, well or not.  LINE and its items are gone. */
extern void progress_finish (struct progress_line *line, bool ok);

/* A log_writer whose opaque is the struct progress. */
extern void progress_message (enum log_level level,
                              const struct log_scope *scope,
                              const char *text, void *opaque);

/* Write one JSON line {"ts", "type": TYPE, "plan", ...FIELDS} if they
 * were asked for.  FIELDS is not taken.
 */
extern void progress_event (struct progress *p, const char *type,
                            const json_t *fields);

#endif /* NBDLIFT_PROGRESS_H */
