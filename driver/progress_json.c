/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Progress for programs: JSON lines.
 */
#include <time.h>

#include "common/include/cleanup.h"
#include "common/json/json.h"
#include "common/util/strbuf.h"
#include "driver/progress_private.h"

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
void
progress_emit (struct progress *p, const char *type, const json_t *fields)
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

void
progress_emit_item (struct progress_item *item, uint64_t done, uint64_t now)
{
  const struct progress_line *line = item->line;
  const uint64_t rate = progress_rate (line, progress_sum_of (line).done, now);
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
  progress_emit (line->p, "progress", j);
  item->last_event = now;
  item->last_done = done;
}

void
progress_emit_phase (const struct progress_line *line, const char *phase)
{
  CLEANUP_JSON json_t *j = json_object ();

  if (j && put_string (j, "vm", line->vm) == 0 &&
      put_string (j, "step", line->step) == 0 &&
      put_string (j, "phase", phase) == 0)
    progress_emit (line->p, "phase", j);
}

void
progress_emit_message (struct progress *p, enum log_level level,
                       const struct log_scope *scope, const char *text)
{
  static const char *const types[] = { "error", "warning", "info", "debug" };
  CLEANUP_JSON json_t *j = json_object ();

  if (j && (scope == NULL ||
            (put_string (j, "vm", scope->vm) == 0 &&
             put_string (j, "step", scope->step) == 0 &&
             put_string (j, "disk", scope->disk) == 0)) &&
      put_string (j, "message", text) == 0)
    progress_emit (p, types[level], j);
}
