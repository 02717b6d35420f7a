/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Between progress*.c.  The functions are called with the lock held.
 */
#ifndef NBDLIFT_PROGRESS_PRIVATE_H
#define NBDLIFT_PROGRESS_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

#include "driver/progress.h"

#define SECOND UINT64_C (1000000000)
#define NR_SAMPLES 11           /* one per second */

struct progress_item {
  struct progress_item *next;
  struct progress_line *line;
  char *disk;                   /* or NULL */
  enum progress_unit unit;
  uint64_t total;
  atomic_uint_least64_t done;
  uint64_t last_event;          /* when, and what it said */
  uint64_t last_done;
};

struct progress_line {
  struct progress_line *next;
  struct progress *p;
  const char *vm, *step;
  struct progress_item *items;
  uint64_t started;
  uint64_t last_plain;          /* when, and the percentage it said */
  unsigned last_percent;
  struct { uint64_t when, done; } samples[NR_SAMPLES];
  size_t nr_samples;
};

struct progress {
  pthread_mutex_t lock;
  struct progress_options options;
  const char *plan;
  struct progress_line *lines;  /* in the order of their beginning */
  unsigned drawn;               /* lines on the terminal */
  uint64_t now;                 /* of the last tick */
  pthread_t thread;
  bool has_thread;

  pthread_mutex_t stop_lock;    /* of: */
  pthread_cond_t stopped;
  bool stop;
};

/* Sum of the items of a line. */
struct progress_sum {
  uint64_t done, total;
  unsigned items;
  enum progress_unit unit;
};

/*---- progress.c ----*/

extern struct progress_sum progress_sum_of (const struct progress_line *line);

/* Bytes per second over the samples, 0 while unknown. */
extern uint64_t progress_rate (const struct progress_line *line,
                               uint64_t done, uint64_t now);

/*---- progress_draw.c: for people ----*/

extern void progress_draw_terminal (struct progress *p, uint64_t now);
extern void progress_draw_plain (struct progress_line *line, uint64_t now);
/* What progress_draw_terminal has drawn. */
extern void progress_erase (struct progress *p);

/* "nbdlift: web: DiskTransfer: done in 0:12, 10 GiB, 850 MiB/s". */
extern void progress_print_finished (const struct progress_line *line,
                                     uint64_t now);

/*---- progress_json.c: for programs ----*/

/* As progress_event. */
extern void progress_emit (struct progress *p, const char *type,
                           const json_t *fields);
extern void progress_emit_item (struct progress_item *item, uint64_t done,
                                uint64_t now);
extern void progress_emit_phase (const struct progress_line *line,
                                 const char *phase);
extern void progress_emit_message (struct progress *p, enum log_level level,
                                   const struct log_scope *scope,
                                   const char *text);

#endif /* NBDLIFT_PROGRESS_PRIVATE_H */
