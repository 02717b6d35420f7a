/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One VM in the report: its steps as a timeline and as a table, its disks
 * with their throughput, its errors, and what hooks and conversion said.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/json/json.h"
#include "common/util/log.h"
#include "driver/hook.h"
#include "driver/journal.h"
#include "driver/report.h"
#include "driver/run.h"

#define LEFT 160.0              /* of the bars, in units of the viewBox */
#define WIDTH 460.0
#define ROW 26
#define TAIL_MAX 16384          /* bytes of a hook's output that are read */

/* One word for a step. */
static const char *
step_state (const json_t *step)
{
  if (json_object_get (step, "error"))
    return "Failed";
  return json_get_string (step, "phase", "Pending");
}

static const char *
step_colour (const char *state)
{
  if (strcmp (state, "Completed") == 0)
    return "good";
  if (strcmp (state, "Failed") == 0)
    return "bad";
  return strcmp (state, "Running") == 0 ? "busy" : "quiet";
}

/* When the step ended, or now if it has not; 0 if it never began. */
static time_t
step_end (const struct report *r, const json_t *step)
{
  const time_t end = report_time (step, "completed");

  if (report_time (step, "started") == 0)
    return 0;
  return end ? end : r->now;
}

static int
timeline_row (FILE *fp, const struct report *r, const json_t *step, size_t i,
              time_t from, time_t span)
{
  const time_t start = report_time (step, "started");
  const time_t end = step_end (r, step);
  const char *state = step_state (step);
  const int y = ROW * i;
  double x, w;

  fprintf (fp, "<text class=\"label\" x=\"0\" y=\"%d\">", y + 17);
  if (html_text (fp, json_get_string (step, "name", "")) == -1)
    return -1;
  fprintf (fp, "</text>\n<rect class=\"track\" x=\"%.0f\" y=\"%d\" "
           "width=\"%.0f\" height=\"12\" rx=\"3\"/>\n", LEFT, y + 7, WIDTH);
  if (start != 0) {
    x = WIDTH * (start - from) / span;
    w = WIDTH * (end - start) / span;
    x = x < 0 ? 0 : MIN (x, WIDTH - 4);         /* clocks can be set */
    w = w < 4 ? 4 : w;
    w = MIN (w, WIDTH - x);
    fprintf (fp, "<rect class=\"%s\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" "
             "height=\"12\" rx=\"3\"/>\n", step_colour (state), LEFT + x,
             y + 7, w);
  }
  fprintf (fp, "<text x=\"%.0f\" y=\"%d\">", LEFT + WIDTH + 10, y + 17);
  if (start != 0)
    html_duration (fp, end - start);
  else
    fputs ("not begun", fp);
  fputs ("</text>\n", fp);
  return 0;
}

/* All steps between the begin of the VM and its end. */
static int
print_timeline (FILE *fp, const struct report *r, const json_t *vm, size_t n)
{
  const json_t *steps = json_object_get (vm, "pipeline"), *step;
  const time_t from = report_time (vm, "started");
  time_t to = report_time (vm, "completed");
  size_t i;

  if (from == 0)
    return 0;
  to = MAX (to ? to : r->now, from + 1);
  fprintf (fp, "<svg viewBox=\"0 0 720 %zu\" role=\"img\" "
           "aria-labelledby=\"time-%zu\">\n<title id=\"time-%zu\">Timeline "
           "of the steps; the table that follows has the same "
           "times</title>\n", ROW * json_array_size (steps), n, n);
  json_array_foreach (steps, i, step)
    if (timeline_row (fp, r, step, i, from, to - from) == -1)
      return -1;
  fputs ("</svg>\n", fp);
  return 0;
}

static int
print_steps (FILE *fp, const struct report *r, const json_t *vm)
{
  const json_t *step;
  size_t i;

  fputs ("<div class=\"wide\">\n<table>\n<caption>Steps</caption>\n<thead>"
         "<tr><th scope=\"col\">Step</th><th scope=\"col\">State</th>"
         "<th scope=\"col\">Began</th><th scope=\"col\">Ended</th>"
         "<th scope=\"col\" class=\"number\">Took</th></tr></thead>\n"
         "<tbody>\n", fp);
  json_array_foreach (json_object_get (vm, "pipeline"), i, step) {
    const char *state = step_state (step);

    fputs ("<tr><th scope=\"row\">", fp);
    if (html_text (fp, json_get_string (step, "name", "")) == -1)
      return -1;
    fputs ("</th><td>", fp);
    fprintf (fp, "<span class=\"badge %s\">", step_colour (state));
    if (html_text (fp, state) == -1)
      return -1;
    fputs ("</span></td><td>", fp);
    html_time (fp, report_time (step, "started"));
    fputs ("</td><td>", fp);
    html_time (fp, report_time (step, "completed"));
    fputs ("</td><td class=\"number\">", fp);
    if (report_time (step, "started"))
      html_duration (fp, step_end (r, step) -
                     report_time (step, "started"));
    fputs ("</td></tr>\n", fp);
  }
  fputs ("</tbody>\n</table>\n</div>\n", fp);
  return 0;
}

static int
print_disks (FILE *fp, const struct report *r, const json_t *vm, size_t n,
             const char *folder)
{
  const json_t *step = report_step (vm, run_step_name (STEP_DISK_TRANSFER));
  const json_t *tasks = json_object_get (step, "tasks"), *task;
  const time_t from = report_time (step, "started");
  const time_t to = step_end (r, step);
  size_t i;
  int drawn;

  if (json_array_size (tasks) == 0)
    return 0;
  fputs ("<h3>Disks</h3>\n<div class=\"wide\">\n<table>\n"
         "<caption>How much of each disk is done</caption>\n<thead><tr>"
         "<th scope=\"col\">Disk</th><th scope=\"col\">State</th>"
         "<th scope=\"col\" class=\"number\">Done</th>"
         "<th scope=\"col\" class=\"number\">Size</th></tr></thead>\n"
         "<tbody>\n", fp);
  json_array_foreach (tasks, i, task) {
    const json_t *progress = json_object_get (task, "progress");
    const char *state = step_state (task);

    fputs ("<tr><th scope=\"row\">", fp);
    if (html_text (fp, json_get_string (task, "name", "")) == -1)
      return -1;
    fprintf (fp, "</th><td><span class=\"badge %s\">", step_colour (state));
    if (html_text (fp, state) == -1)
      return -1;
    fprintf (fp, "</span></td><td class=\"number\">%" PRIu64 " MiB</td>"
             "<td class=\"number\">%" PRIu64 " MiB</td></tr>\n",
             json_get_u64 (progress, "completed", 0),
             json_get_u64 (progress, "total", 0));
  }
  fputs ("</tbody>\n</table>\n</div>\n<h3>Throughput</h3>\n"
         "<p class=\"soft\">MiB of the disk per second; holes, which are not "
         "read, count too.</p>\n", fp);
  json_array_foreach (tasks, i, task) {
    const char *name = json_get_string (task, "name", "");

    fputs ("<p class=\"disk\">", fp);
    if (html_text (fp, name) == -1)
      return -1;
    fputs ("</p>\n", fp);
    drawn = report_chart (fp, folder, n, i, name, from, to);
    if (drawn == -1)
      return -1;
    if (drawn == 0)
      fputs ("<p class=\"disk soft\">No curve: the copy was too short, or "
             "did not run.</p>\n", fp);
  }
  return 0;
}

static int
print_list (FILE *fp, const char *title, const json_t *texts)
{
  const json_t *text;
  size_t i;

  if (json_array_size (texts) == 0)
    return 0;
  fprintf (fp, "<h3>%s</h3>\n<ul>\n", title);
  json_array_foreach (texts, i, text) {
    fputs ("<li>", fp);
    if (html_text (fp, json_string_value (text)) == -1)
      return -1;
    fputs ("</li>\n", fp);
  }
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
  fputs ("<pre>", fp);
  if (html_text (fp, tail) == -1)
    return -1;
  fputs ("</pre>\n", fp);
  return 0;
}

static int
print_hooks (FILE *fp, const json_t *vm, const char *folder)
{
  static const enum run_step steps[] = { STEP_PRE_HOOK, STEP_POST_HOOK };
  size_t i;

  for (i = 0; i < sizeof steps / sizeof *steps; i++) {
    const char *name = run_step_name (steps[i]);
    const json_t *step = report_step (vm, name);

    if (step == NULL)
      continue;
    fprintf (fp, "<h3>%s</h3>\n<p><span class=\"badge %s\">", name,
             step_colour (step_state (step)));
    if (html_text (fp, step_state (step)) == -1)
      return -1;
    fputs ("</span></p>\n", fp);
    if (print_hook_output (fp, folder, name) == -1)
      return -1;
  }
  return 0;
}

/* What virt-v2v warned of. */
static int
print_conversion (FILE *fp, const char *folder)
{
  struct journal *j = journal_load (folder);
  CLEANUP_JSON json_t *conversion = j ? journal_conversion (j) : NULL;

  if (j)
    journal_close (j);
  return print_list (fp, "Warnings of the conversion",
                     json_object_get (conversion, "warnings"));
}

int
report_vm (FILE *fp, const struct report *r, const json_t *vm, size_t n)
{
  CLEANUP_FREE char *folder = report_vm_folder (r, vm);
  const char *outcome = report_outcome (vm);

  if (folder == NULL)
    return -1;
  fprintf (fp, "<section id=\"vm-%zu\">\n<h2>", n);
  if (html_text (fp, json_get_string (vm, "name", "")) == -1)
    return -1;
  fputs (" ", fp);
  html_badge (fp, report_colour (outcome), outcome);
  fputs ("</h2>\n", fp);
  if (print_timeline (fp, r, vm, n) == -1 ||
      print_list (fp, "Errors", json_object_get
                  (json_object_get (vm, "error"), "reasons")) == -1 ||
      print_steps (fp, r, vm) == -1 ||
      print_disks (fp, r, vm, n, folder) == -1 ||
      print_hooks (fp, vm, folder) == -1 ||
      print_conversion (fp, folder) == -1)
    return -1;
  fputs ("</section>\n", fp);
  return 0;
}
