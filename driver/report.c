/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The page as a whole: what was run, the VMs in one table, what is next,
 * concerns, and then each VM by itself.
 */
#include <inttypes.h>
#include <string.h>

#include "common/json/json.h"
#include "common/util/log.h"
#include "driver/report.h"
#include "driver/run.h"

time_t
report_time (const json_t *j, const char *key)
{
  const char *text = json_get_string (j, key, NULL);
  struct tm tm = { 0 };
  const char *end = text ? strptime (text, "%Y-%m-%dT%H:%M:%SZ", &tm) : NULL;

  return end && *end == '\0' ? timegm (&tm) : 0;
}

/* From conditions[0], or Executing without one. */
static const char *
outcome_of (const json_t *j)
{
  const json_t *condition =
    json_array_get (json_object_get (j, "conditions"), 0);
  const char *type = json_get_string (condition, "type", "");
  enum run_outcome o;

  for (o = OUTCOME_SUCCEEDED; o <= OUTCOME_CANCELED; o++)
    if (strcmp (type, run_outcome_name (o)) == 0)
      return run_outcome_name (o);
  return run_outcome_name (OUTCOME_NONE);
}

const char *
report_outcome (const json_t *vm)
{
  return outcome_of (vm);
}

const char *
report_colour (const char *outcome)
{
  if (strcmp (outcome, run_outcome_name (OUTCOME_SUCCEEDED)) == 0)
    return "good";
  if (strcmp (outcome, run_outcome_name (OUTCOME_FAILED)) == 0)
    return "bad";
  return strcmp (outcome, run_outcome_name (OUTCOME_NONE)) == 0 ? "busy" :
    "quiet";
}

char *
report_vm_folder (const struct report *r, const json_t *vm)
{
  const char *name = json_get_string (vm, "name", "");

  return run_vm_folder (r->folder, json_get_string (vm, "newName", name));
}

const json_t *
report_step (const json_t *vm, const char *name)
{
  const json_t *step;
  size_t i;

  json_array_foreach (json_object_get (vm, "pipeline"), i, step)
    if (strcmp (json_get_string (step, "name", ""), name) == 0)
      return step;
  return NULL;
}

static int
print_fact (FILE *fp, const char *what, const char *text, const char *more)
{
  fprintf (fp, "<dt>%s</dt><dd>", what);
  if (html_text (fp, text) == -1)
    return -1;
  if (more) {
    fputs (" <span class=\"soft\">", fp);
    if (html_text (fp, more) == -1)
      return -1;
    fputs ("</span>", fp);
  }
  fputs ("</dd>\n", fp);
  return 0;
}

static int
print_head (FILE *fp, const struct report *r, const json_t *migration)
{
  const struct session *s = r->session;
  const char *outcome =
    outcome_of (json_object_get (r->status, "status"));
  const time_t started = report_time (migration, "started");
  const time_t completed = report_time (migration, "completed");

  fputs ("<h1>Migration report: ", fp);
  if (html_text (fp, s->plan_label) == -1)
    return -1;
  fputs ("</h1>\n<p class=\"lead\">", fp);
  html_badge (fp, report_colour (outcome), outcome);
  if (completed == 0)
    fputs (": the run goes on, or was ended before it could say how", fp);
  fputs ("</p>\n<section>\n<h2>The run</h2>\n<dl>\n", fp);
  if ((s->plan->description &&
       print_fact (fp, "Description", s->plan->description, NULL) == -1) ||
      print_fact (fp, "Source", s->provider->meta.name,
                  s->provider->type) == -1 ||
      print_fact (fp, "Target namespace", s->plan->target_namespace,
                  NULL) == -1 ||
      print_fact (fp, "Target folder", r->output, NULL) == -1)
    return -1;
  fputs ("<dt>Began</dt><dd>", fp);
  html_time (fp, started);
  fputs ("</dd>\n<dt>Ended</dt><dd>", fp);
  html_time (fp, completed);
  fputs ("</dd>\n<dt>Took</dt><dd>", fp);
  html_duration (fp, (completed ? completed : r->now) - started);
  fputs ("</dd>\n</dl>\n</section>\n", fp);
  return 0;
}

static int
print_row (FILE *fp, const struct report *r, const json_t *vm, size_t n)
{
  const json_t *transfer =
    report_step (vm, run_step_name (STEP_DISK_TRANSFER));
  const json_t *progress = json_object_get (transfer, "progress");
  const time_t started = report_time (vm, "started");
  const time_t completed = report_time (vm, "completed");
  const char *outcome = report_outcome (vm);
  const char *name = json_get_string (vm, "name", "");

  fprintf (fp, "<tr><th scope=\"row\"><a href=\"#vm-%zu\" "
           "style=\"color:inherit\">", n);
  if (html_text (fp, name) == -1)
    return -1;
  fputs ("</a></th><td>", fp);
  if (html_text (fp, json_get_string (vm, "newName", name)) == -1)
    return -1;
  fputs ("</td><td>", fp);
  html_badge (fp, report_colour (outcome), outcome);
  fprintf (fp, "</td><td class=\"number\">%" PRIu64 " of %" PRIu64 " MiB"
           "</td><td class=\"number\">",
           json_get_u64 (progress, "completed", 0),
           json_get_u64 (progress, "total", 0));
  if (started)
    html_duration (fp, (completed ? completed : r->now) - started);
  fputs ("</td></tr>\n", fp);
  return 0;
}

static int
print_vms (FILE *fp, const struct report *r, const json_t *vms)
{
  const json_t *vm;
  size_t i;

  fputs ("<section>\n<h2>Virtual machines</h2>\n<div class=\"wide\">\n"
         "<table>\n<caption>The VMs of this run</caption>\n<thead><tr>"
         "<th scope=\"col\">VM</th><th scope=\"col\">Name on the target</th>"
         "<th scope=\"col\">State</th>"
         "<th scope=\"col\" class=\"number\">Disks done</th>"
         "<th scope=\"col\" class=\"number\">Took</th></tr></thead>\n"
         "<tbody>\n", fp);
  json_array_foreach (vms, i, vm)
    if (print_row (fp, r, vm, i) == -1)
      return -1;
  fputs ("</tbody>\n</table>\n</div>\n</section>\n", fp);
  return 0;
}

static const char *
category_colour (enum problem_category category)
{
  if (category == PROBLEM_CRITICAL)
    return "bad";
  return category == PROBLEM_WARN ? "quiet" : "busy";
}

static int
print_concern (FILE *fp, const struct problem *p)
{
  fputs ("<tr><td>", fp);
  html_badge (fp, category_colour (p->category),
              problem_category_name (p->category));
  fputs ("</td><th scope=\"row\">", fp);
  if (html_text (fp, p->type) == -1)
    return -1;
  fputs ("</th><td>", fp);
  if (html_text (fp, p->object) == -1)
    return -1;
  fputs (p->object ? ": " : "", fp);
  if (html_text (fp, p->message) == -1)
    return -1;
  if (p->suggestion) {
    fputs (" <span class=\"soft\">", fp);
    if (html_text (fp, p->suggestion) == -1)
      return -1;
    fputs ("</span>", fp);
  }
  fputs ("</td></tr>\n", fp);
  return 0;
}

static int
print_concerns (FILE *fp, const problem_vector *problems)
{
  size_t i;

  fputs ("<section>\n<h2>Concerns</h2>\n", fp);
  if (problems->len == 0) {
    fputs ("<p class=\"soft\">None.</p>\n</section>\n", fp);
    return 0;
  }
  fputs ("<div class=\"wide\">\n<table>\n<caption>What a check of the plan "
         "says now</caption>\n<thead><tr><th scope=\"col\">Category</th>"
         "<th scope=\"col\">Concern</th><th scope=\"col\">What it is</th>"
         "</tr></thead>\n<tbody>\n", fp);
  for (i = 0; i < problems->len; i++)
    if (print_concern (fp, &problems->ptr[i]) == -1)
      return -1;
  fputs ("</tbody>\n</table>\n</div>\n</section>\n", fp);
  return 0;
}

int
report_write (FILE *fp, const struct report *r)
{
  const json_t *migration =
    json_object_get (json_object_get (r->status, "status"), "migration");
  const json_t *vms = json_object_get (migration, "vms"), *vm;
  size_t i;

  if (html_begin (fp, r->session->plan_label) == -1 ||
      print_head (fp, r, migration) == -1 ||
      print_vms (fp, r, vms) == -1 ||
      report_next (fp, r) == -1 ||
      print_concerns (fp, &r->session->problems) == -1)
    return -1;
  json_array_foreach (vms, i, vm)
    if (report_vm (fp, r, vm, i) == -1)
      return -1;
  fputs ("<footer>Written by nbdlift " NBDLIFT_VERSION ", ", fp);
  html_time (fp, r->now);
  fputs ("</footer>\n", fp);
  html_end (fp);
  return 0;
}
