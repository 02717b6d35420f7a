/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One VM in the report: its errors, what is next for it, its steps and
 * disks with their throughput, and what hooks have printed.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/json/json.h"
#include "common/util/log.h"
#include "driver/hook.h"
#include "driver/report.h"
#include "driver/run.h"

#define TAIL_MAX 16384          /* bytes of a hook's output that are read */
#define DASH "\xe2\x80\x93"

static int
print_badge (FILE *fp, const char *state)
{
  fprintf (fp, "<span class=\"badge %s\">", report_step_colour (state));
  if (html_text (fp, state) == -1)
    return -1;
  fputs ("</span>", fp);
  return 0;
}

static int
print_facts (FILE *fp, const json_t *vm)
{
  fputs ("<h3>About it</h3>\n<dl class=\"facts\">\n", fp);
  if (html_fact (fp, "Id on the source",
                 json_get_string (vm, "id", NULL)) == -1 ||
      html_fact (fp, "Name on the target",
                 json_get_string (vm, "newName",
                                  report_vm_name (vm))) == -1 ||
      html_fact (fp, "Operating system",
                 json_get_string (vm, "operatingSystem", NULL)) == -1 ||
      html_fact (fp, "Firmware",
                 json_get_string (vm, "firmware", NULL)) == -1)
    return -1;
  fputs ("</dl>\n", fp);
  return 0;
}

static int
print_step (FILE *fp, const struct report *r, const json_t *vm,
            const json_t *step)
{
  const time_t from = report_time (vm, "started");
  const time_t started = report_time (step, "started");

  fputs ("<tr><th scope=\"row\">", fp);
  if (html_text (fp, json_get_string (step, "name", "")) == -1)
    return -1;
  fputs ("</th><td data-label=\"State\">", fp);
  if (print_badge (fp, report_step_state (step)) == -1)
    return -1;
  fputs ("</td><td data-label=\"Began\" class=\"number\">", fp);
  html_clock (fp, started, r->from);
  fputs ("</td><td data-label=\"Took\" class=\"number\">", fp);
  if (started)
    html_duration (fp, report_end (r, step) - started);
  else
    fputs (DASH, fp);
  fputs ("</td><td data-label=\"Timeline\" class=\"time\">", fp);
  report_bar (fp, r, vm, step, from, MAX (report_end (r, vm), from + 1));
  fputs ("</td></tr>\n", fp);
  return 0;
}

static int
print_steps (FILE *fp, const struct report *r, const json_t *vm)
{
  const json_t *step;
  size_t i;

  fputs ("<h3>Steps</h3>\n<table>\n<caption>Times are in UTC</caption>\n"
         "<thead><tr><th scope=\"col\">Step</th><th scope=\"col\">State</th>"
         "<th scope=\"col\" class=\"number\">Began</th>"
         "<th scope=\"col\" class=\"number\">Took</th>"
         "<th scope=\"col\" class=\"time\">Timeline</th></tr></thead>\n"
         "<tbody>\n", fp);
  json_array_foreach (json_object_get (vm, "pipeline"), i, step)
    if (print_step (fp, r, vm, step) == -1)
      return -1;
  fputs ("</tbody>\n</table>\n", fp);
  return 0;
}

static void
print_rate (FILE *fp, double rate)
{
  if (rate > 0)
    fprintf (fp, "%.1f MiB/s", rate);
  else
    fputs (DASH, fp);
}

static int
print_disk (FILE *fp, const struct report *r, const json_t *task,
            const struct chart *chart)
{
  const time_t started = report_time (task, "started");

  fputs ("<tr><th scope=\"row\">", fp);
  if (html_text (fp, json_get_string (task, "name", "")) == -1)
    return -1;
  fputs ("</th><td data-label=\"State\">", fp);
  if (print_badge (fp, report_step_state (task)) == -1)
    return -1;
  fputs ("</td><td data-label=\"Done\" class=\"number\">", fp);
  report_progress (fp, task);
  fputs ("</td><td data-label=\"Took\" class=\"number\">", fp);
  if (started)
    html_duration (fp, report_end (r, task) - started);
  else
    fputs (DASH, fp);
  fputs ("</td><td data-label=\"Average\" class=\"number\">", fp);
  print_rate (fp, chart_mean (chart));
  fputs ("</td><td data-label=\"Peak\" class=\"number\">", fp);
  print_rate (fp, chart_peak (chart));
  fputs ("</td></tr>\n", fp);
  return 0;
}

static int
print_disk_table (FILE *fp, const struct report *r, const json_t *tasks,
                  const struct chart *charts)
{
  const json_t *task;
  size_t i;

  fputs ("<h3>Disks</h3>\n<table>\n<caption>How much of each disk is done, "
         "and what was read of it</caption>\n<thead><tr>"
         "<th scope=\"col\">Disk</th><th scope=\"col\">State</th>"
         "<th scope=\"col\" class=\"number\">Done</th>"
         "<th scope=\"col\" class=\"number\">Took</th>"
         "<th scope=\"col\" class=\"number\">Average</th>"
         "<th scope=\"col\" class=\"number\">Peak</th></tr></thead>\n"
         "<tbody>\n", fp);
  json_array_foreach (tasks, i, task)
    if (print_disk (fp, r, task, &charts[i]) == -1)
      return -1;
  fputs ("</tbody>\n</table>\n", fp);
  return 0;
}

/* Of the disks that have any. */
static int
print_charts (FILE *fp, const json_t *tasks, const struct chart *charts)
{
  const json_t *task;
  double peak = 0;
  size_t i, n = 0;

  json_array_foreach (tasks, i, task) {
    peak = MAX (peak, chart_peak (&charts[i]));
    n += chart_peak (&charts[i]) > 0;
  }
  fputs ("<h3>Throughput</h3>\n", fp);
  if (n == 0) {
    fputs ("<p class=\"soft\">No curves: the copies did not run, or for less "
           "than two seconds.</p>\n", fp);
    return 0;
  }
  fputs ("<p class=\"soft\">What was read from the source over time (UTC); "
         "holes are not read. All disks have the same scales.</p>\n"
         "<div class=\"charts\">\n", fp);
  json_array_foreach (tasks, i, task) {
    const char *name = json_get_string (task, "name", "");

    if (chart_peak (&charts[i]) <= 0)
      continue;
    fputs ("<figure><figcaption>", fp);
    if (html_text (fp, name) == -1)
      return -1;
    fputs ("</figcaption>\n", fp);
    if (chart_draw (fp, &charts[i], name, peak) == -1)
      return -1;
    fputs ("</figure>\n", fp);
  }
  fputs ("</div>\n", fp);
  return 0;
}

static int
print_disks (FILE *fp, const struct report *r, const json_t *vm,
             const char *folder)
{
  const json_t *step = report_step (vm, run_step_name (STEP_DISK_TRANSFER));
  const json_t *tasks = json_object_get (step, "tasks");
  const size_t n = json_array_size (tasks);
  CLEANUP_FREE struct chart *charts = calloc (n + 1, sizeof *charts);
  size_t i;

  if (charts == NULL) {
    log_oom ();
    return -1;
  }
  if (n == 0)
    return 0;
  for (i = 0; i < n; i++) {
    chart_init (&charts[i], report_time (step, "started"),
                report_end (r, step));
    chart_read (&charts[i], folder, i);
  }
  if (print_disk_table (fp, r, tasks, charts) == -1)
    return -1;
  return print_charts (fp, tasks, charts);
}

static int
print_errors (FILE *fp, const json_t *vm)
{
  const json_t *reasons =
    json_object_get (json_object_get (vm, "error"), "reasons");
  const json_t *text;
  size_t i;

  if (json_array_size (reasons) == 0)
    return 0;
  fputs ("<h3>Errors</h3>\n<ul class=\"reasons\">\n", fp);
  json_array_foreach (reasons, i, text)
    if (html_element (fp, "li", NULL, json_string_value (text)) == -1)
      return -1;
  fputs ("</ul>\n", fp);
  return 0;
}

/* The last lines of what a hook has printed. */
static int
print_hook_output (FILE *fp, const char *folder, const char *step)
{
  CLEANUP_FREE char *path = NULL, *text = malloc (TAIL_MAX), *tail = NULL;
  CLEANUP_FCLOSE FILE *log = NULL;
  size_t n;

  if (text == NULL || asprintf (&path, "%s/%s.log", folder, step) == -1) {
    log_oom ();
    return -1;
  }
  log = fopen (path, "re");
  if (log == NULL)              /* not run, or no output was kept */
    return 0;
  if (fseek (log, -TAIL_MAX, SEEK_END) == -1)
    rewind (log);               /* it is shorter */
  n = fread (text, 1, TAIL_MAX, log);
  tail = hook_tail (text, n);
  if (tail == NULL)
    return -1;
  if (*tail == '\0')
    return 0;
  fprintf (fp, "<h3>The last lines of %s</h3>\n", step);
  if (html_element (fp, "pre", NULL, tail) == -1)
    return -1;
  putc ('\n', fp);
  return 0;
}

static int
print_hooks (FILE *fp, const json_t *vm, const char *folder)
{
  static const enum run_step steps[] = { STEP_PRE_HOOK, STEP_POST_HOOK };
  size_t i;

  for (i = 0; i < sizeof steps / sizeof *steps; i++) {
    const char *name = run_step_name (steps[i]);

    if (report_step (vm, name) && print_hook_output (fp, folder, name) == -1)
      return -1;
  }
  return 0;
}

int
report_vm (FILE *fp, const struct report *r, const json_t *vm, size_t n,
           bool open)
{
  CLEANUP_FREE char *folder = report_vm_folder (r, vm);
  const enum report_state state = report_vm_state (r, vm);

  if (folder == NULL)
    return -1;
  fprintf (fp, "<details class=\"card\"%s>\n<summary>",
           open ? " open=\"open\"" : "");
  if (html_element (fp, "h2", NULL, report_vm_name (vm)) == -1)
    return -1;
  html_badge (fp, report_state_colour (state), report_state_name (state));
  fprintf (fp, "</summary>\n<div id=\"vm-%zu\">\n", n);
  if (print_errors (fp, vm) == -1 || report_vm_next (fp, r, vm) == -1 ||
      report_vm_concerns (fp, r, vm) == -1 ||
      print_steps (fp, r, vm) == -1 ||
      print_disks (fp, r, vm, folder) == -1 ||
      print_hooks (fp, vm, folder) == -1 || print_facts (fp, vm) == -1)
    return -1;
  fputs ("</div>\n</details>\n", fp);
  return 0;
}
