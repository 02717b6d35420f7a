/* SPDX-License-Identifier: BSD-3-Clause
 *
 * All VMs of the run in one table, and their steps as bars over the same
 * time, so that one sees what waited for what.
 */
#include <inttypes.h>
#include <string.h>

#include "common/include/minmax.h"
#include "common/json/json.h"
#include "common/util/log.h"
#include "driver/report.h"
#include "driver/run.h"

#define UNITS 1000.0            /* of the viewBox, whatever the width */
#define MIN_WIDTH 4.0           /* what took no time is seen too */

static const struct {
  enum run_step step;
  const char *class, *what;
} kinds[] = {
  { STEP_INITIALIZE, "init", "Initialize" },
  { STEP_DISK_TRANSFER, "copy", "DiskTransfer" },
  { STEP_IMAGE_CONVERSION, "conv", "ImageConversion" },
  { STEP_VM_CREATION, "make", "VirtualMachineCreation" },
  { STEP_PRE_HOOK, "hook", "PreHook, PostHook" },
  { STEP_POST_HOOK, "hook", NULL },
};
#define NR_KINDS (sizeof kinds / sizeof kinds[0])

static const char *
step_class (const json_t *step)
{
  const char *name = json_get_string (step, "name", "");
  size_t i;

  if (strcmp (report_step_state (step), "Failed") == 0)
    return "fail";
  for (i = 0; i < NR_KINDS; i++)
    if (strcmp (name, run_step_name (kinds[i].step)) == 0)
      return kinds[i].class;
  return "init";
}

static void
print_rect (FILE *fp, const struct report *r, const json_t *step,
            time_t from, time_t to)
{
  const time_t start = report_time (step, "started");
  const double span = MAX (to - from, 1);
  double x, w;

  if (start == 0)
    return;
  x = UNITS * (start - from) / span;
  w = UNITS * (report_end (r, step) - start) / span;
  x = x < 0 ? 0 : MIN (x, UNITS - MIN_WIDTH);   /* clocks can be set */
  w = MAX (w, MIN_WIDTH);
  fprintf (fp, "<rect class=\"%s\" x=\"%.1f\" y=\"0\" width=\"%.1f\" "
           "height=\"10\"/>", step_class (step), x, MIN (w, UNITS - x));
}

/* The bar in words: "DiskTransfer from 07:19:36 to 07:19:45, Completed". */
static void
print_label (FILE *fp, const struct report *r, const json_t *vm)
{
  const json_t *step;
  struct tm tm;
  char buf[2][16];
  size_t i, k;
  bool any = false;

  json_array_foreach (json_object_get (vm, "pipeline"), i, step) {
    const time_t times[] = { report_time (step, "started"),
                             report_end (r, step) };

    if (times[0] == 0)
      continue;
    for (k = 0; k < 2; k++) {
      gmtime_r (&times[k], &tm);
      strftime (buf[k], sizeof buf[k], "%H:%M:%S", &tm);
    }
    fputs (any ? "; " : "", fp);
    html_text (fp, json_get_string (step, "name", ""));
    fprintf (fp, " from %s to %s, ", buf[0], buf[1]);
    html_text (fp, report_step_state (step));
    any = true;
  }
  if (!any)
    fputs ("not begun", fp);
}

void
report_bar (FILE *fp, const struct report *r, const json_t *vm,
            const json_t *step, time_t from, time_t to)
{
  size_t i;

  fputs ("<svg class=\"bar\" viewBox=\"0 0 1000 10\" "
         "preserveAspectRatio=\"none\" ", fp);
  if (step) {                   /* its row says the same */
    fputs ("aria-hidden=\"true\">", fp);
    print_rect (fp, r, step, from, to);
  }
  else {
    fputs ("role=\"img\" aria-label=\"", fp);
    print_label (fp, r, vm);
    fputs ("\">", fp);
    json_array_foreach (json_object_get (vm, "pipeline"), i, step)
      print_rect (fp, r, step, from, to);
  }
  fputs ("</svg>", fp);
}

static int
print_row (FILE *fp, const struct report *r, const json_t *vm, size_t n)
{
  const enum report_state state = report_vm_state (r, vm);
  const char *target = json_get_string (vm, "newName", NULL);
  const time_t started = report_time (vm, "started");

  fprintf (fp, "<tr><th scope=\"row\"><a href=\"#vm-%zu\">", n);
  if (html_text (fp, report_vm_name (vm)) == -1)
    return -1;
  fputs ("</a>", fp);
  if (target) {
    fputs ("<br/><span class=\"soft\">becomes ", fp);
    if (html_text (fp, target) == -1)
      return -1;
    fputs ("</span>", fp);
  }
  fputs ("</th><td data-label=\"State\">", fp);
  html_badge (fp, report_state_colour (state), report_state_name (state));
  if (state == STATE_PENDING &&
      html_element (fp, "div", "soft", report_vm_waits (vm)) == -1)
    return -1;
  fputs ("</td><td class=\"number\" data-label=\"Disks\">", fp);
  report_progress (fp, report_step (vm,
                                    run_step_name (STEP_DISK_TRANSFER)));
  fputs ("</td><td class=\"number\" data-label=\"Took\">", fp);
  if (started && (report_time (vm, "completed") ||
                  !report_is_earlier (r, vm)))
    html_duration (fp, report_end (r, vm) - started);
  else
    fputs ("\xe2\x80\x93", fp);
  fputs ("</td><td class=\"time\" data-label=\"Timeline\">", fp);
  if (report_is_earlier (r, vm)) {
    fputs ("<span class=\"soft\">in an earlier run, ", fp);
    html_time (fp, started);
    fputs ("</span>", fp);
  }
  else
    report_bar (fp, r, vm, NULL, r->from, r->to);
  fputs ("</td></tr>\n", fp);
  return 0;
}

static void
print_key (FILE *fp)
{
  size_t i;

  fputs ("<ul class=\"key\">", fp);
  for (i = 0; i < NR_KINDS; i++)
    if (kinds[i].what)
      fprintf (fp, "<li><svg viewBox=\"0 0 1 1\" aria-hidden=\"true\">"
               "<rect class=\"%s\" width=\"1\" height=\"1\"/></svg>%s</li>",
               kinds[i].class, kinds[i].what);
  fputs ("<li><svg viewBox=\"0 0 1 1\" aria-hidden=\"true\"><rect "
         "class=\"fail\" width=\"1\" height=\"1\"/></svg>a step that "
         "failed</li></ul>\n", fp);
}

int
report_overview (FILE *fp, const struct report *r)
{
  const json_t *vm;
  size_t i;

  fputs ("<section class=\"card\">\n<h2>Virtual machines</h2>\n", fp);
  print_key (fp);
  fputs ("<table>\n<caption>In the order of the plan; times are in UTC"
         "</caption>\n<thead><tr><th scope=\"col\">VM</th>"
         "<th scope=\"col\">State</th>"
         "<th scope=\"col\" class=\"number\">Disks</th>"
         "<th scope=\"col\" class=\"number\">Took</th>"
         "<th scope=\"col\" class=\"time\">Steps from ", fp);
  html_clock (fp, r->from, r->from);
  fputs (" to ", fp);
  html_clock (fp, r->to, r->from);
  fputs ("</th></tr></thead>\n<tbody>\n", fp);
  json_array_foreach (report_vms (r), i, vm)
    if (print_row (fp, r, vm, i) == -1)
      return -1;
  fputs ("</tbody>\n</table>\n</section>\n", fp);
  return 0;
}
