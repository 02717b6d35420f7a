/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Throughput over time: the samples that a run takes of each disk
 * (run_samples.c: milliseconds since the epoch and bytes, a line each) are
 * gathered in slots of equal length, and a curve is drawn through those
 * that hold any.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/report.h"
#include "driver/run_samples.h"

#define MAX_SLOTS 180
#define GAP_MS 10000            /* longer: the run was not there between */
#define LEFT 56.0
#define WIDTH 640.0
#define TOP 10.0
#define HEIGHT 90.0

struct chart {
  uint64_t from, to;            /* milliseconds */
  size_t nr_slots;
  double bytes[MAX_SLOTS], ms[MAX_SLOTS];
};

/* A line of the file.  The last one may be half of one. */
static bool
parse_line (const char *line, uint64_t *ms, uint64_t *bytes)
{
  const char *space = strchr (line, ' ');
  const char *end = strchr (line, '\n');

  return space && end && space < end &&
    parse_u64_n (line, space - line, 10, ms) &&
    parse_u64_n (space + 1, end - space - 1, 10, bytes);
}

static void
read_samples (FILE *fp, struct chart *c)
{
  CLEANUP_FREE char *line = NULL;
  uint64_t ms, bytes, old_ms = 0, old_bytes = 0;
  size_t cap = 0, slot;

  while (getline (&line, &cap, fp) != -1) {
    if (!parse_line (line, &ms, &bytes))
      continue;
    if (old_ms != 0 && ms > old_ms && ms - old_ms <= GAP_MS &&
        bytes >= old_bytes && ms >= c->from && ms <= c->to) {
      slot = MIN ((size_t) ((double) (ms - c->from) * c->nr_slots /
                            (c->to - c->from)), c->nr_slots - 1);
      c->bytes[slot] += bytes - old_bytes;
      c->ms[slot] += ms - old_ms;
    }
    old_ms = ms;
    old_bytes = bytes;
  }
}

static double
slot_rate (const struct chart *c, size_t slot)
{
  return c->bytes[slot] / c->ms[slot] * 1000 / (1 << 20);
}

static double
slot_x (const struct chart *c, size_t slot)
{
  return LEFT + WIDTH * (slot + 0.5) / c->nr_slots;
}

/* The points of the curve; first and last are where it meets the base. */
static void
draw_points (FILE *fp, const struct chart *c, double max, bool closed)
{
  double first = -1, last = 0;
  size_t i;

  for (i = 0; i < c->nr_slots; i++) {
    if (c->ms[i] == 0)
      continue;
    last = slot_x (c, i);
    if (first < 0) {
      first = last;
      if (closed)
        fprintf (fp, "%.1f,%.1f ", first, TOP + HEIGHT);
    }
    fprintf (fp, "%.1f,%.1f ", last,
             TOP + HEIGHT * (1 - slot_rate (c, i) / max));
  }
  if (closed)
    fprintf (fp, "%.1f,%.1f", last, TOP + HEIGHT);
}

static int
draw (FILE *fp, const struct chart *c, size_t n, size_t disk,
      const char *name, double max, double mean)
{
  fprintf (fp, "<svg viewBox=\"0 0 720 128\" role=\"img\" "
           "aria-labelledby=\"rate-%zu-%zu\">\n"
           "<title id=\"rate-%zu-%zu\">Throughput of ", n, disk, n, disk);
  if (html_text (fp, name) == -1)
    return -1;
  fprintf (fp, ": %.1f MiB/s on average, at most %.1f MiB/s</title>\n",
           mean, max);
  fprintf (fp, "<line class=\"grid\" x1=\"%.0f\" x2=\"%.0f\" y1=\"%.0f\" "
           "y2=\"%.0f\"/>\n", LEFT, LEFT + WIDTH, TOP, TOP);
  fprintf (fp, "<line class=\"grid\" x1=\"%.0f\" x2=\"%.0f\" y1=\"%.0f\" "
           "y2=\"%.0f\"/>\n", LEFT, LEFT + WIDTH, TOP + HEIGHT,
           TOP + HEIGHT);
  fputs ("<polygon class=\"area\" points=\"", fp);
  draw_points (fp, c, max, true);
  fputs ("\"/>\n<polyline class=\"curve\" points=\"", fp);
  draw_points (fp, c, max, false);
  fprintf (fp, "\"/>\n<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"end\">%.1f"
           "</text>\n", LEFT - 8, TOP + 5, max);
  fprintf (fp, "<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"end\">0</text>\n",
           LEFT - 8, TOP + HEIGHT + 4);
  fprintf (fp, "<text x=\"%.0f\" y=\"%.0f\">0 s</text>\n", LEFT,
           TOP + HEIGHT + 20);
  fprintf (fp, "<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"end\">",
           LEFT + WIDTH, TOP + HEIGHT + 20);
  html_duration (fp, (c->to - c->from) / 1000);
  fputs ("</text>\n</svg>\n", fp);
  return 0;
}

int
report_chart (FILE *fp, const char *folder, size_t n, size_t i,
              const char *name, time_t from, time_t to)
{
  struct chart c = { .from = (uint64_t) from * 1000 };
  CLEANUP_FREE char *path = run_samples_path (folder, i);
  CLEANUP_FCLOSE FILE *samples = NULL;
  double max = 0, bytes = 0, ms = 0;
  size_t slot, points = 0;

  if (path == NULL)
    return -1;
  if (from <= 0 || to < from)
    return 0;
  c.to = ((uint64_t) to + 1) * 1000;
  c.nr_slots = MIN ((uint64_t) (to - from) + 1, (uint64_t) MAX_SLOTS);
  samples = fopen (path, "re");
  if (samples == NULL) {
    if (errno == ENOENT)        /* ended before its first sample */
      return 0;
    log_error ("cannot open %s: %m", path);
    return -1;
  }
  read_samples (samples, &c);
  for (slot = 0; slot < c.nr_slots; slot++) {
    if (c.ms[slot] == 0)
      continue;
    points++;
    bytes += c.bytes[slot];
    ms += c.ms[slot];
    max = MAX (max, slot_rate (&c, slot));
  }
  if (points < 2 || max <= 0)
    return 0;
  return draw (fp, &c, n, i, name, max, bytes / ms * 1000 / (1 << 20)) == 0 ?
    1 : -1;
}
