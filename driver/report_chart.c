/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Throughput over time: the samples that a run takes of each disk
 * (run_samples.c: milliseconds since the epoch and bytes, a line each) are
 * spread over slots of equal length.  The drawing has no text in it, so
 * that it can be as wide as the page; its scales are beside it.
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

#define GAP_MS 10000            /* longer: the run was not there between */
#define WIDTH 1000.0
#define HEIGHT 100.0

void
chart_init (struct chart *c, time_t from, time_t to)
{
  memset (c, 0, sizeof *c);
  c->from = from;
  c->to = MAX (to, from + 1);
  c->nr_slots = MIN ((uint64_t) (c->to - from), (uint64_t) CHART_SLOTS);
}

static double
slot_length (const struct chart *c)
{
  return (double) (c->to - c->from) * 1000 / c->nr_slots;
}

/* BYTES were read between A and B, milliseconds since C->from. */
static void
spread (struct chart *c, double a, double b, double bytes)
{
  const double length = slot_length (c);
  double from, to;
  size_t i;

  for (i = MAX (a, 0) / length; i < c->nr_slots && i * length < b; i++) {
    from = MAX (a, i * length);
    to = MIN (b, (i + 1) * length);
    if (to <= from)
      continue;
    c->bytes[i] += bytes * (to - from) / (b - a);
    c->ms[i] += to - from;
  }
}

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

void
chart_read (struct chart *c, const char *vm_folder, size_t disk)
{
  CLEANUP_FREE char *path = run_samples_path (vm_folder, disk);
  CLEANUP_FREE char *line = NULL;
  CLEANUP_FCLOSE FILE *fp = path ? fopen (path, "re") : NULL;
  const double from = (double) c->from * 1000;
  uint64_t ms, bytes, old_ms = 0, old_bytes = 0;
  size_t cap = 0;

  while (fp && getline (&line, &cap, fp) != -1) {
    if (!parse_line (line, &ms, &bytes))
      continue;
    if (old_ms != 0 && ms > old_ms && ms - old_ms <= GAP_MS &&
        bytes >= old_bytes)
      spread (c, old_ms - from, ms - from, bytes - old_bytes);
    old_ms = ms;
    old_bytes = bytes;
  }
}

void
chart_add (struct chart *sum, const struct chart *c)
{
  size_t i;

  for (i = 0; i < sum->nr_slots; i++) {
    sum->bytes[i] += c->bytes[i];
    sum->ms[i] = MAX (sum->ms[i], c->ms[i]);
  }
}

/* MiB per second. */
static double
slot_rate (const struct chart *c, size_t slot)
{
  if (c->ms[slot] <= 0)
    return 0;
  return c->bytes[slot] / (double) MIB / c->ms[slot] * 1000;
}

double
chart_mean (const struct chart *c)
{
  double bytes = 0, ms = 0;
  size_t i;

  for (i = 0; i < c->nr_slots; i++) {
    bytes += c->bytes[i];
    ms += c->ms[i];
  }
  return ms > 0 ? bytes / (double) MIB / ms * 1000 : 0;
}

double
chart_peak (const struct chart *c)
{
  double peak = 0;
  size_t i;

  for (i = 0; i < c->nr_slots; i++)
    peak = MAX (peak, slot_rate (c, i));
  return peak;
}

/* The least round number that is not below PEAK. */
static double
scale_end (double peak)
{
  static const double steps[] = { 1, 1.5, 2, 3, 4, 6, 8 };
  double power = 1;
  size_t i;

  for (;; power *= 10)
    for (i = 0; i < sizeof steps / sizeof steps[0]; i++)
      if (steps[i] * power >= peak || power >= 1e12)
        return steps[i] * power;
}

/* The outline of the slots that samples tell of; with BASE down to zero, as
 * areas.
 */
static void
draw_path (FILE *fp, const struct chart *c, double end, bool base)
{
  const double w = WIDTH / c->nr_slots;
  bool open = false;
  size_t i;

  for (i = 0; i < c->nr_slots; i++) {
    const double y = HEIGHT * (1 - slot_rate (c, i) / end);

    if (c->ms[i] <= 0) {
      if (open && base)
        fprintf (fp, "V%.0fZ", HEIGHT);
      open = false;
      continue;
    }
    if (!open && base)
      fprintf (fp, "M%.1f,%.0fV%.1f", i * w, HEIGHT, y);
    else if (!open)
      fprintf (fp, "M%.1f,%.1f", i * w, y);
    else
      fprintf (fp, "V%.1f", y);
    fprintf (fp, "H%.1f", (i + 1) * w);
    open = true;
  }
  if (open && base)
    fprintf (fp, "V%.0fZ", HEIGHT);
}

static void
draw_scales (FILE *fp, const struct chart *c, double end)
{
  fprintf (fp, "<span class=\"y\" style=\"top:.4rem\">%g MiB/s</span>"
           "<span class=\"y\" style=\"top:3rem\">%g</span>"
           "<span class=\"y\" style=\"top:6rem\">0</span>"
           "<div class=\"x\"><span>", end, end / 2);
  html_clock (fp, c->from, c->from);
  fputs ("</span><span>", fp);
  if (c->to - c->from >= 4)
    html_clock (fp, c->from + (c->to - c->from) / 2, c->from);
  fputs ("</span><span>", fp);
  html_clock (fp, c->to, c->from);
  fputs ("</span></div>", fp);
}

int
chart_draw (FILE *fp, const struct chart *c, const char *name, double peak)
{
  const double end = scale_end (peak * 1.02);       /* below the edge */

  fputs ("<div class=\"plot\"><svg viewBox=\"0 0 1000 100\" "
         "preserveAspectRatio=\"none\" role=\"img\" "
         "aria-label=\"Throughput of ", fp);
  if (html_text (fp, name) == -1)
    return -1;
  fprintf (fp, " over time: %.1f MiB/s on average, at most %.1f MiB/s\">"
           "<path class=\"grid\" d=\"M0,0.5H1000M0,50H1000\"/>"
           "<path class=\"area\" d=\"", chart_mean (c), chart_peak (c));
  draw_path (fp, c, end, true);
  fputs ("\"/><path class=\"curve\" d=\"", fp);
  draw_path (fp, c, end, false);
  fputs ("\"/></svg>", fp);
  draw_scales (fp, c, end);
  fputs ("</div>\n", fp);
  return 0;
}
