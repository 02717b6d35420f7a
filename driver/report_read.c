/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the page needs to know of the status of a run.  A member that is
 * missing or of another type is as good as none: the file can be of another
 * version, or mended by hand.
 */
#include <stdlib.h>
#include <string.h>

#include "common/json/json.h"
#include "common/util/log.h"
#include "driver/report.h"
#include "driver/run.h"

static const struct {
  const char *name, *colour;
} states[NR_STATES] = {
  [STATE_FAILED] = { "Failed", "bad" },
  [STATE_INTERRUPTED] = { "Interrupted", "bad" },
  [STATE_CANCELED] = { "Canceled", "quiet" },
  [STATE_EXECUTING] = { "Executing", "busy" },
  [STATE_PENDING] = { "Not begun", "quiet" },
  [STATE_SUCCEEDED] = { "Succeeded", "good" },
};

const char *
report_state_name (enum report_state state)
{
  return states[state].name;
}

const char *
report_state_colour (enum report_state state)
{
  return states[state].colour;
}

time_t
report_time (const json_t *j, const char *key)
{
  const char *text = json_get_string (j, key, NULL);
  struct tm tm = { 0 };
  const char *end = text ? strptime (text, "%Y-%m-%dT%H:%M:%SZ", &tm) : NULL;

  return end && *end == '\0' ? timegm (&tm) : 0;
}

time_t
report_end (const struct report *r, const json_t *j)
{
  const time_t end = report_time (j, "completed");

  if (report_time (j, "started") == 0)
    return 0;
  return end ? end : r->to;
}

const json_t *
report_vms (const struct report *r)
{
  return json_object_get (json_object_get
                          (json_object_get (r->status, "status"),
                           "migration"), "vms");
}

static const json_t *
find_condition (const json_t *vm, const char *type)
{
  const json_t *condition;
  size_t i;

  json_array_foreach (json_object_get (vm, "conditions"), i, condition)
    if (strcmp (json_get_string (condition, "type", ""), type) == 0)
      return condition;
  return NULL;
}

const char *
report_vm_waits (const json_t *vm)
{
  return json_get_string (find_condition (vm, "Pending"), "message", NULL);
}

bool
report_is_earlier (const struct report *r, const json_t *vm)
{
  const time_t started = report_time (vm, "started");

  return started != 0 && started < r->from;
}

enum report_state
report_vm_state (const struct report *r, const json_t *vm)
{
  const time_t started = report_time (vm, "started");

  if (find_condition (vm, run_outcome_name (OUTCOME_SUCCEEDED)))
    return STATE_SUCCEEDED;
  if (find_condition (vm, run_outcome_name (OUTCOME_FAILED)))
    return STATE_FAILED;
  if (find_condition (vm, run_outcome_name (OUTCOME_CANCELED)))
    return STATE_CANCELED;
  if (started == 0)
    return STATE_PENDING;
  /* A run of other VMs keeps what an earlier one has left. */
  return r->running && started >= r->from ? STATE_EXECUTING :
    STATE_INTERRUPTED;
}

/* Forklift's rule for runs that are over: any Failed, else any Succeeded,
 * else Canceled.
 */
enum report_state
report_run_state (const struct report *r)
{
  size_t counts[NR_STATES] = { 0 }, i;
  const json_t *vm;

  json_array_foreach (report_vms (r), i, vm)
    counts[report_vm_state (r, vm)]++;
  if (r->running)
    return STATE_EXECUTING;
  if (counts[STATE_INTERRUPTED] + counts[STATE_PENDING] > 0)
    return STATE_INTERRUPTED;
  if (counts[STATE_FAILED] > 0)
    return STATE_FAILED;
  return counts[STATE_SUCCEEDED] > 0 ? STATE_SUCCEEDED : STATE_CANCELED;
}

const char *
report_vm_name (const json_t *vm)
{
  return json_get_string (vm, "name", "(without a name)");
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

const char *
report_step_state (const json_t *step)
{
  if (json_object_get (step, "error"))
    return "Failed";
  return json_get_string (step, "phase", "Pending");
}

const char *
report_step_colour (const char *state)
{
  if (strcmp (state, "Completed") == 0)
    return "good";
  if (strcmp (state, "Failed") == 0)
    return "bad";
  return strcmp (state, "Running") == 0 ? "busy" : "quiet";
}

void
report_progress (FILE *fp, const json_t *step)
{
  const json_t *progress = json_object_get (step, "progress");
  const uint64_t total = json_get_u64 (progress, "total", 0);
  const uint64_t done = json_get_u64 (progress, "completed", 0);

  if (done != total) {
    if (done > 0)
      html_mib (fp, done);
    else
      putc ('0', fp);
    fputs (" of ", fp);
  }
  html_mib (fp, total);
}
