/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Threads that work set numbers; one thread looks at them five times a
 * second and draws (progress_draw.c, progress_json.c).  On a terminal the
 * lines in flight are at the bottom and are drawn over; finished steps and
 * messages scroll above them.
 *
 * The rate is that of the last ten seconds, so that a stall shows.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "driver/progress_private.h"

#define TICK (SECOND / 5)

static uint64_t
clock_now (void)
{
  struct timespec ts;

  clock_gettime (CLOCK_MONOTONIC, &ts);
  return (uint64_t) ts.tv_sec * SECOND + ts.tv_nsec;
}

struct progress *
progress_new (const struct progress_options *options)
{
  struct progress *p = calloc (1, sizeof *p);

  if (p == NULL) {
    log_oom ();
    return NULL;
  }
  pthread_mutex_init (&p->lock, NULL);
  pthread_mutex_init (&p->stop_lock, NULL);
  pthread_cond_init (&p->stopped, NULL);
  p->options = *options;
  if (options->human == NULL)
    p->options.style = PROGRESS_SILENT;
  return p;
}

void
progress_set_plan (struct progress *p, const char *plan)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&p->lock);

  p->plan = plan;
}

struct progress_sum
progress_sum_of (const struct progress_line *line)
{
  const struct progress_item *item;
  struct progress_sum sum = { .unit = PROGRESS_BYTES };

  for (item = line->items; item; item = item->next) {
    sum.done += atomic_load (&item->done);
    sum.total += item->total;
    sum.unit = item->unit;
    sum.items++;
  }
  return sum;
}

uint64_t
progress_rate (const struct progress_line *line, uint64_t done, uint64_t now)
{
  if (line->nr_samples == 0 || now <= line->samples[0].when ||
      done < line->samples[0].done)
    return 0;
  return (double) (done - line->samples[0].done) * SECOND /
    (now - line->samples[0].when);
}

static void
take_sample (struct progress_line *line, uint64_t done, uint64_t now)
{
  if (line->nr_samples > 0 &&
      now - line->samples[line->nr_samples - 1].when < SECOND)
    return;
  if (line->nr_samples == NR_SAMPLES) {
    memmove (&line->samples[0], &line->samples[1],
             (NR_SAMPLES - 1) * sizeof line->samples[0]);
    line->nr_samples--;
  }
  line->samples[line->nr_samples].when = now;
  line->samples[line->nr_samples].done = done;
  line->nr_samples++;
}

void
progress_tick (struct progress *p, uint64_t now)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&p->lock);
  struct progress_line *line;
  struct progress_item *item;

  p->now = now;
  for (line = p->lines; line; line = line->next) {
    if (line->started == 0)
      line->started = line->last_plain = now;
    take_sample (line, progress_sum_of (line).done, now);
    for (item = line->items; item; item = item->next) {
      const uint64_t done = atomic_load (&item->done);

      if (done != item->last_done && now - item->last_event >= SECOND)
        progress_emit_item (item, done, now);
    }
    if (p->options.style == PROGRESS_PLAIN)
      progress_draw_plain (line, now);
  }
  if (p->options.style == PROGRESS_TERMINAL)
    progress_draw_terminal (p, now);
}

/* Wait for the next tick.  False when it is time to stop. */
static bool
wait_for_tick (struct progress *p)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&p->stop_lock);
  const uint64_t until = clock_now () + TICK;
  const struct timespec deadline = { .tv_sec = until / SECOND,
                                     .tv_nsec = until % SECOND };
  int r = 0;

  while (!p->stop && r == 0)
    r = pthread_cond_clockwait (&p->stopped, &p->stop_lock, CLOCK_MONOTONIC,
                                &deadline);
  return !p->stop;
}

static void *
draw_thread (void *opaque)
{
  struct progress *p = opaque;

  do
    progress_tick (p, clock_now ());
  while (wait_for_tick (p));
  return NULL;
}

int
progress_start (struct progress *p)
{
  const int r = pthread_create (&p->thread, NULL, draw_thread, p);

  if (r != 0) {
    errno = r;
    log_error ("cannot start a thread: %m");
    return -1;
  }
  p->has_thread = true;
  return 0;
}

static void
line_free (struct progress_line *line)
{
  struct progress_item *item;

  while ((item = line->items) != NULL) {
    line->items = item->next;
    free (item->disk);
    free (item);
  }
  free (line);
}

void
progress_free (struct progress *p)
{
  struct progress_line *line;

  if (p == NULL)
    return;
  if (p->has_thread) {
    pthread_mutex_lock (&p->stop_lock);
    p->stop = true;
    pthread_cond_signal (&p->stopped);
    pthread_mutex_unlock (&p->stop_lock);
    pthread_join (p->thread, NULL);
  }
  if (p->options.style == PROGRESS_TERMINAL) {
    progress_erase (p);
    fflush (p->options.human);
  }
  while ((line = p->lines) != NULL) {
    p->lines = line->next;
    line_free (line);
  }
  pthread_cond_destroy (&p->stopped);
  pthread_mutex_destroy (&p->stop_lock);
  pthread_mutex_destroy (&p->lock);
  free (p);
}

struct progress_line *
progress_begin (struct progress *p, const char *vm, const char *step)
{
  struct progress_line *line = calloc (1, sizeof *line), **end;

  if (line == NULL)
    return NULL;
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&p->lock);
  line->p = p;
  line->vm = vm;
  line->step = step;
  line->started = line->last_plain = p->has_thread ? clock_now () : p->now;
  for (end = &p->lines; *end; end = &(*end)->next)
    ;
  *end = line;
  progress_emit_phase (line, "Running");
  return line;
}

struct progress_item *
progress_item_new (struct progress_line *line, const char *disk,
                   enum progress_unit unit, uint64_t total)
{
  struct progress_item *item, **end;

  if (line == NULL)
    return NULL;
  item = calloc (1, sizeof *item);
  if (item == NULL)
    return NULL;
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&line->p->lock);
  item->line = line;
  item->disk = disk ? strdup (disk) : NULL;
  item->unit = unit;
  item->total = total;
  for (end = &line->items; *end; end = &(*end)->next)
    ;
  *end = item;
  return item;
}

void
progress_set (struct progress_item *item, uint64_t done)
{
  if (item)
    atomic_store (&item->done, done < item->total ? done : item->total);
}

void
progress_finish (struct progress_line *line, bool ok)
{
  struct progress *p;
  struct progress_line **at;
  struct progress_item *item;
  uint64_t now;

  if (line == NULL)
    return;
  p = line->p;
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&p->lock);
  now = p->has_thread ? clock_now () : p->now;
  for (item = line->items; item; item = item->next)
    if (atomic_load (&item->done) != item->last_done)
      progress_emit_item (item, atomic_load (&item->done), now);
  progress_emit_phase (line, ok ? "Completed" : "Failed");
  if (p->options.style == PROGRESS_TERMINAL)
    progress_erase (p);
  if (ok && p->options.style != PROGRESS_SILENT)
    progress_print_finished (line, now);
  for (at = &p->lines; *at != line; at = &(*at)->next)
    ;
  *at = line->next;
  line_free (line);
}

void
progress_message (enum log_level level, const struct log_scope *scope,
                  const char *text, void *opaque)
{
  struct progress *p = opaque;
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&p->lock);

  if (p->options.human) {
    progress_erase (p);
    driver_log_format (p->options.human, p->options.color, level, scope,
                       text);
  }
  progress_emit_message (p, level, scope, text);
}

void
progress_event (struct progress *p, const char *type, const json_t *fields)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&p->lock);

  progress_emit (p, type, fields);
}
