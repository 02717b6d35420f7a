/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Threads that work set numbers; one thread looks at them five times a
 * second and draws.  On a terminal the lines in flight are at the bottom
 * and are drawn over; finished steps and messages scroll above them.
 *
 * The rate is that of the last ten seconds, so that a stall shows.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "common/include/cleanup.h"
#include "common/json/json.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/progress.h"

#define SECOND UINT64_C (1000000000)
#define TICK (SECOND / 5)
#define PLAIN_INTERVAL (10 * SECOND)
#define PLAIN_PERCENT 5
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
struct sum {
  uint64_t done, total;
  unsigned items;
  enum progress_unit unit;
};

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

static struct sum
sum_of (const struct progress_line *line)
{
  const struct progress_item *item;
  struct sum sum = { .unit = PROGRESS_BYTES };

  for (item = line->items; item; item = item->next) {
    sum.done += atomic_load (&item->done);
    sum.total += item->total;
    sum.unit = item->unit;
    sum.items++;
  }
  return sum;
}

static unsigned
percent_of (uint64_t done, uint64_t total)
{
  return total == 0 ? 0 : (unsigned) ((double) done * 100 / total);
}

/* Bytes per second over the samples, 0 while unknown. */
static uint64_t
rate_of (const struct progress_line *line, uint64_t done, uint64_t now)
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

/* "1:02:03" or "2:03". */
static void
format_time (char *buf, size_t len, uint64_t seconds)
{
  if (seconds >= 3600)
    snprintf (buf, len, "%" PRIu64 ":%02u:%02u", seconds / 3600,
              (unsigned) (seconds / 60 % 60), (unsigned) (seconds % 60));
  else
    snprintf (buf, len, "%u:%02u", (unsigned) (seconds / 60),
              (unsigned) (seconds % 60));
}

/* "web: DiskTransfer: 45 %, 4.5 GiB of 10 GiB, 312 MiB/s, ETA 0:18". */
static void
format_line (struct strbuf *b, const struct progress_line *line,
             uint64_t now)
{
  const struct sum sum = sum_of (line);
  const uint64_t rate = rate_of (line, sum.done, now);
  char eta[32];

  strbuf_printf (b, "%s: %s", printable (line->vm), line->step);
  if (sum.items == 0)
    return;
  strbuf_printf (b, ": %u %%", percent_of (sum.done, sum.total));
  if (sum.unit == PROGRESS_PERCENT)
    return;
  strbuf_printf (b, ", %s of %s", human_size (sum.done),
                 human_size (sum.total));
  if (rate > 0) {
    format_time (eta, sizeof eta, (sum.total - sum.done) / rate);
    strbuf_printf (b, ", %s/s, ETA %s", human_size (rate), eta);
  }
}

/* Current time as "2026-11-23T00:35:41.123Z". */
static void
format_now (char *buf, size_t len)
{
  struct timespec ts;
  struct tm tm;
  char seconds[32];

  clock_gettime (CLOCK_REALTIME, &ts);
  gmtime_r (&ts.tv_sec, &tm);
  strftime (seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &tm);
  snprintf (buf, len, "%s.%03ldZ", seconds, ts.tv_nsec / 1000000);
}

/* Set KEY unless S is NULL.  Nothing in this file may report an error,
 * since reports come here with the lock held.
 */
static int
put_string (json_t *j, const char *key, const char *s)
{
  json_t *value;

  if (s == NULL)
    return 0;
  value = json_string (s);
  if (value == NULL)            /* not UTF-8 */
    value = json_string (printable (s));
  return json_object_set_new (j, key, value);
}

static int
put_number (json_t *j, const char *key, uint64_t n)
{
  return json_object_set_new (j, key, json_integer (n));
}

/* Short of memory, a line is left out: the run itself goes on. */
static void
emit (struct progress *p, const char *type, const json_t *fields)
{
  CLEANUP_JSON json_t *j = NULL;
  char ts[64];

  if (p->options.machine == NULL || (j = json_object ()) == NULL)
    return;
  format_now (ts, sizeof ts);
  if (put_string (j, "ts", ts) == -1 ||
      put_string (j, "type", type) == -1 ||
      put_string (j, "plan", p->plan) == -1 ||
      json_object_update (j, (json_t *) fields) == -1)
    return;
  json_dumpf (j, p->options.machine, JSON_COMPACT);
  fputc ('\n', p->options.machine);
  fflush (p->options.machine);
}

static void
emit_item (struct progress_item *item, uint64_t done, uint64_t now)
{
  const struct progress_line *line = item->line;
  const uint64_t rate = rate_of (line, sum_of (line).done, now);
  CLEANUP_JSON json_t *j = json_object ();

  if (j == NULL)
    return;
  if (put_string (j, "vm", line->vm) == -1 ||
      put_string (j, "step", line->step) == -1 ||
      put_string (j, "disk", item->disk) == -1)
    return;
  if (item->unit == PROGRESS_PERCENT)
    put_number (j, "percent", done);
  else {
    put_number (j, "bytes", done);
    put_number (j, "total", item->total);
    put_number (j, "rate", rate);
    if (rate > 0)
      put_number (j, "eta", (item->total - done) / rate);
  }
  emit (line->p, "progress", j);
  item->last_event = now;
  item->last_done = done;
}

static void
emit_phase (const struct progress_line *line, const char *phase)
{
  CLEANUP_JSON json_t *j = json_object ();

  if (j && put_string (j, "vm", line->vm) == 0 &&
      put_string (j, "step", line->step) == 0 &&
      put_string (j, "phase", phase) == 0)
    emit (line->p, "phase", j);
}

static void
erase (struct progress *p)
{
  if (p->drawn > 0)
    fprintf (p->options.human, "\033[%uA\r\033[J", p->drawn);
  p->drawn = 0;
}

static void
terminal_size (const struct progress *p, unsigned *columns, unsigned *rows)
{
  struct winsize ws;

  *columns = p->options.columns;
  *rows = p->options.rows;
  if (*columns == 0 &&
      ioctl (fileno (p->options.human), TIOCGWINSZ, &ws) == 0) {
    *columns = ws.ws_col;
    *rows = ws.ws_row;
  }
  if (*columns < 20)
    *columns = 80;
  if (*rows < 3)
    *rows = 24;
}

/* Cut to COLUMNS characters: a line that wraps would spoil erase. */
static void
print_cut (FILE *fp, const char *s, unsigned columns)
{
  for (; *s; s++) {
    if ((*s & 0xc0) != 0x80 && columns-- == 0)
      break;
    fputc (*s, fp);
  }
  fputc ('\n', fp);
}

static void
draw_terminal (struct progress *p, uint64_t now)
{
  const struct progress_line *line;
  unsigned columns, rows, hidden = 0;

  terminal_size (p, &columns, &rows);
  erase (p);
  for (line = p->lines; line; line = line->next) {
    CLEANUP_STRBUF struct strbuf b = { 0 };

    if (p->drawn + 2 >= rows) {
      hidden++;
      continue;
    }
    format_line (&b, line, now);
    print_cut (p->options.human, b.ptr ? b.ptr : "", columns - 1);
    p->drawn++;
  }
  if (hidden > 0) {
    fprintf (p->options.human, "and %u more\n", hidden);
    p->drawn++;
  }
  fflush (p->options.human);
}

static void
draw_plain (struct progress_line *line, uint64_t now)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };
  const struct sum sum = sum_of (line);
  const unsigned percent = percent_of (sum.done, sum.total);

  if (sum.items == 0 || sum.done == sum.total ||
      (now - line->last_plain < PLAIN_INTERVAL &&
       percent < line->last_percent + PLAIN_PERCENT))
    return;
  format_line (&b, line, now);
  fprintf (line->p->options.human, "nbdlift: %s\n", b.ptr ? b.ptr : "");
  fflush (line->p->options.human);
  line->last_plain = now;
  line->last_percent = percent;
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
    take_sample (line, sum_of (line).done, now);
    for (item = line->items; item; item = item->next) {
      const uint64_t done = atomic_load (&item->done);

      if (done != item->last_done && now - item->last_event >= SECOND)
        emit_item (item, done, now);
    }
    if (p->options.style == PROGRESS_PLAIN)
      draw_plain (line, now);
  }
  if (p->options.style == PROGRESS_TERMINAL)
    draw_terminal (p, now);
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
    erase (p);
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
  emit_phase (line, "Running");
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

/* "nbdlift: web: DiskTransfer: done in 0:12, 10 GiB, 850 MiB/s". */
static void
print_finished (const struct progress_line *line, uint64_t now)
{
  const struct sum sum = sum_of (line);
  const uint64_t time = now - line->started;
  FILE *fp = line->p->options.human;
  char buf[32];

  format_time (buf, sizeof buf, time / SECOND);
  fprintf (fp, "nbdlift: %s: %s: done in %s", printable (line->vm),
           line->step, buf);
  if (sum.items > 0 && sum.unit == PROGRESS_BYTES) {
    fprintf (fp, ", %s", human_size (sum.done));
    if (time >= SECOND)
      fprintf (fp, ", %s/s",
               human_size ((double) sum.done * SECOND / time));
  }
  fputc ('\n', fp);
  fflush (fp);
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
      emit_item (item, atomic_load (&item->done), now);
  emit_phase (line, ok ? "Completed" : "Failed");
  if (p->options.style == PROGRESS_TERMINAL)
    erase (p);
  if (ok && p->options.style != PROGRESS_SILENT)
    print_finished (line, now);
  for (at = &p->lines; *at != line; at = &(*at)->next)
    ;
  *at = line->next;
  line_free (line);
}

void
progress_message (enum log_level level, const struct log_scope *scope,
                  const char *text, void *opaque)
{
  static const char *const types[] = { "error", "warning", "info", "debug" };
  struct progress *p = opaque;
  CLEANUP_JSON json_t *j = json_object ();

  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&p->lock);
  if (p->options.human) {
    erase (p);
    driver_log_format (p->options.human, p->options.color, level, scope,
                       text);
  }
  if (j && (scope == NULL ||
            (put_string (j, "vm", scope->vm) == 0 &&
             put_string (j, "step", scope->step) == 0 &&
             put_string (j, "disk", scope->disk) == 0)) &&
      put_string (j, "message", text) == 0)
    emit (p, types[level], j);
}

void
progress_event (struct progress *p, const char *type, const json_t *fields)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&p->lock);

  emit (p, type, fields);
}
