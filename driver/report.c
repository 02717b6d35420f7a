/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The page as a whole: how the run went and what is next, for those who
 * have been woken up by it; then all VMs, throughput and concerns, and then
 * each VM by itself.  With many VMs, those that are well are folded.
 */
#include <inttypes.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/json/json.h"
#include "common/util/log.h"
#include "driver/report.h"
#include "driver/run.h"

#define OPEN_VMS 4              /* so many are all unfolded */

/* "2 of 3 VMs are migrated, 1 failed". */
static void
print_counts (FILE *fp, const struct report *r)
{
  static const struct {
    enum report_state state;
    const char *what;
  } others[] = {
    { STATE_FAILED, "failed" },
    { STATE_INTERRUPTED, "interrupted" },
    { STATE_CANCELED, "cancelled" },
    { STATE_EXECUTING, "being migrated" },
    { STATE_PENDING, "not begun" },
  };
  size_t counts[NR_STATES] = { 0 }, i, n;
  const json_t *vm;

  json_array_foreach (report_vms (r), n, vm)
    counts[report_vm_state (r, vm)]++;
  fprintf (fp, " %zu of %zu VM%s migrated", counts[STATE_SUCCEEDED], n,
           n == 1 ? "" : "s");
  for (i = 0; i < sizeof others / sizeof others[0]; i++)
    if (counts[others[i].state] > 0)
      fprintf (fp, ", %zu %s", counts[others[i].state], others[i].what);
}

static void
print_times (FILE *fp, const struct report *r)
{
  const time_t completed =
    report_time (json_object_get (json_object_get (r->status, "status"),
                                  "migration"), "completed");

  fputs ("<div><dt>Began</dt><dd>", fp);
  html_time (fp, r->from);
  fprintf (fp, "</dd></div>\n<div><dt>%s</dt><dd>", completed ? "Ended" :
           r->running ? "Last seen, still running" : "Last sign of life");
  html_time (fp, r->to);
  fputs ("</dd></div>\n<div><dt>Took</dt><dd>", fp);
  html_duration (fp, r->to - r->from);
  fputs (completed ? "</dd></div>\n" : " so far</dd></div>\n", fp);
}

/* Of all disks. */
static void
print_amount (FILE *fp, const struct report *r)
{
  uint64_t done = 0, total = 0;
  const json_t *vm;
  size_t i;

  json_array_foreach (report_vms (r), i, vm) {
    const json_t *progress = json_object_get
      (report_step (vm, run_step_name (STEP_DISK_TRANSFER)), "progress");

    done += json_get_u64 (progress, "completed", 0);
    total += json_get_u64 (progress, "total", 0);
  }
  fputs ("<div><dt>Disks</dt><dd>", fp);
  html_mib (fp, done);
  fputs (" of ", fp);
  html_mib (fp, total);
  fputs (" done</dd></div>\n", fp);
}

static int
print_head (FILE *fp, const struct report *r)
{
  const struct session *s = r->session;
  const enum report_state state = report_run_state (r);

  fputs ("<header>\n<p class=\"kind\">Migration report</p>\n", fp);
  if (html_element (fp, "h1", NULL, s->plan_label) == -1)
    return -1;
  fputs ("\n<p class=\"lead\">", fp);
  html_badge (fp, report_state_colour (state), report_state_name (state));
  fputs (":", fp);
  print_counts (fp, r);
  fputs ("</p>\n<dl class=\"facts\">\n", fp);
  print_times (fp, r);
  print_amount (fp, r);
  if (html_fact (fp, "Description", s->plan->description) == -1 ||
      html_fact (fp, "Source provider", s->provider->meta.name) == -1 ||
      html_fact (fp, "Source type", s->provider->type) == -1 ||
      html_fact (fp, "Target namespace", s->plan->target_namespace) == -1 ||
      html_fact (fp, "Target folder", r->output) == -1)
    return -1;
  fputs ("</dl>\n</header>\n", fp);
  return 0;
}

/* All disks of all VMs together. */
static int
print_throughput (FILE *fp, const struct report *r)
{
  struct chart sum, c;
  const json_t *vm;
  size_t i, k;

  chart_init (&sum, r->from, r->to);
  json_array_foreach (report_vms (r), i, vm) {
    CLEANUP_FREE char *folder = report_vm_folder (r, vm);
    const json_t *step =
      report_step (vm, run_step_name (STEP_DISK_TRANSFER));

    if (folder == NULL)
      return -1;
    for (k = 0; k < json_array_size (json_object_get (step, "tasks")); k++) {
      chart_init (&c, r->from, r->to);
      chart_read (&c, folder, k);
      chart_add (&sum, &c);
    }
  }
  if (chart_peak (&sum) <= 0)
    return 0;
  fputs ("<section class=\"card\">\n<h2>Throughput</h2>\n"
         "<figure><figcaption class=\"soft\">What was read from the source "
         "over time (UTC), all disks together: ", fp);
  fprintf (fp, "%.1f MiB/s on average while copies ran, at most %.1f MiB/s."
           "</figcaption>\n", chart_mean (&sum), chart_peak (&sum));
  if (chart_draw (fp, &sum, "all disks", chart_peak (&sum)) == -1)
    return -1;
  fputs ("</figure>\n</section>\n", fp);
  return 0;
}

int
report_write (FILE *fp, const struct report *r)
{
  const json_t *vms = report_vms (r), *vm;
  const bool few = json_array_size (vms) <= OPEN_VMS;
  size_t i;

  if (html_begin (fp, r->session->plan_label) == -1 ||
      print_head (fp, r) == -1 ||
      report_next (fp, r) == -1 ||
      report_overview (fp, r) == -1 ||
      print_throughput (fp, r) == -1 ||
      report_concerns (fp, r) == -1)
    return -1;
  json_array_foreach (vms, i, vm)
    if (report_vm (fp, r, vm, i, few ||
                   report_vm_state (r, vm) != STATE_SUCCEEDED) == -1)
      return -1;
  fputs ("<footer>Written by nbdlift " NBDLIFT_VERSION ", ", fp);
  html_time (fp, r->now);
  fputs ("</footer>\n", fp);
  html_end (fp);
  return 0;
}
