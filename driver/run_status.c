/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The run state as JSON.  Field names, step names, phases and units are
 * those of Forklift's Plan.status.migration, so that tools for it can
 * read ours.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/json/json.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/run_status.h"

#define MIB_BYTES (UINT64_C (1) << 20)

static const struct {
  const char *name, *description;
  const char *phase;            /* of the VM's itinerary while in it */
} steps[NR_STEPS] = {
  [STEP_INITIALIZE] = { "Initialize", "Initialize migration.", "Started" },
  [STEP_PRE_HOOK] = { "PreHook", "Run pre-migration hook.", "PreHook" },
  [STEP_DISK_TRANSFER] = { "DiskTransfer", "Transfer disks.", "CopyDisks" },
  [STEP_IMAGE_CONVERSION] = { "ImageConversion",
                              "Convert image to kubevirt.",
                              "ConvertGuest" },
  [STEP_VM_CREATION] = { "VirtualMachineCreation", "Create VM.",
                         "CreateVM" },
  [STEP_POST_HOOK] = { "PostHook", "Run post-migration hook.", "PostHook" },
};

static const char *const phase_names[] = {
  [PHASE_PENDING] = "Pending",
  [PHASE_RUNNING] = "Running",
  [PHASE_COMPLETED] = "Completed",
};

const char *
run_step_name (enum run_step step)
{
  return steps[step].name;
}

const char *
run_outcome_name (enum run_outcome outcome)
{
  static const char *const names[] = {
    [OUTCOME_NONE] = "Executing",
    [OUTCOME_SUCCEEDED] = "Succeeded",
    [OUTCOME_FAILED] = "Failed",
    [OUTCOME_CANCELED] = "Canceled",
  };

  return names[outcome];
}

void
format_rfc3339 (time_t t, char *buf)
{
  struct tm tm;

  gmtime_r (&t, &tm);
  strftime (buf, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

int
vm_status_init (struct vm_status *status, const struct preflight_vm *pre,
                bool converts)
{
  const vm_disk_vector *disks = &pre->vm.disks;
  size_t i;

  memset (status, 0, sizeof *status);
  pthread_mutex_init (&status->lock, NULL);
  pthread_mutex_init (&status->records.lock, NULL);
  status->pre = pre;
  status->steps[STEP_INITIALIZE].present = true;
  for (i = 0; i < pre->pvm->hooks.len; i++)
    status->steps[pre->pvm->hooks.ptr[i].post ? STEP_POST_HOOK
                  : STEP_PRE_HOOK].present = true;
  status->steps[STEP_DISK_TRANSFER].present = true;
  status->steps[STEP_IMAGE_CONVERSION].present = converts;
  status->steps[STEP_VM_CREATION].present = true;

  status->tasks = calloc (disks->len + 1, sizeof *status->tasks);
  if (status->tasks == NULL) {
    log_oom ();
    return -1;
  }
  for (i = 0; i < disks->len; i++) {
    const struct vm_disk *d = &disks->ptr[i];

    status->tasks[i].name = d->file ? d->file : d->name;
    status->tasks[i].total = d->capacity;
  }
  return 0;
}

void
vm_status_free (struct vm_status *status)
{
  log_records_free (&status->records);
  free (status->tasks);
  free (status->waits);
  free (status->os);
  free (status->addresses);
}

void
vm_status_wait (struct vm_status *status, char *why)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&status->lock);

  if (status->waits_since == 0)
    status->waits_since = time (NULL);
  free (status->waits);
  status->waits = why;
}

void
vm_status_begin (struct vm_status *status, enum run_step step)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&status->lock);

  if (status->steps[step].phase == PHASE_RUNNING)
    return;
  status->steps[step].phase = PHASE_RUNNING;
  status->steps[step].started = time (NULL);
  if (status->started == 0)
    status->started = status->steps[step].started;
}

void
vm_status_end (struct vm_status *status, enum run_step step, bool ok)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&status->lock);

  status->steps[step].phase = PHASE_COMPLETED;
  status->steps[step].failed = !ok;
  status->steps[step].completed = time (NULL);
}

void
vm_status_outcome (struct vm_status *status, enum run_outcome outcome)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&status->lock);

  status->outcome = outcome;
  status->completed = time (NULL);
}

static uint64_t
now_ms (void)
{
  struct timespec ts;

  clock_gettime (CLOCK_REALTIME, &ts);
  return ts.tv_sec * UINT64_C (1000) + ts.tv_nsec / 1000000;
}

void
task_status_begin (struct task_status *task)
{
  atomic_store (&task->started, now_ms ());
  atomic_store (&task->phase, PHASE_RUNNING);
}

void
task_status_end (struct task_status *task)
{
  atomic_store (&task->done, task->total);
  atomic_store (&task->completed, now_ms ());
  atomic_store (&task->phase, PHASE_COMPLETED);
}

char *
vm_status_error (struct vm_status *status)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&status->records.lock);
  size_t i;
  char *r;

  for (i = 0; i < status->records.list.len; i++) {
    const struct log_record *record = &status->records.list.ptr[i];

    if (record->level != LOG_LEVEL_ERROR)
      continue;
    if (asprintf (&r, "%s%s%s", record->step ? record->step : "",
                  record->step ? ": " : "", record->text) == -1)
      return NULL;
    return r;
  }
  return NULL;
}

/* Append the text to the array unless it is there. */
static int
append_reason (json_t *array, const char *text)
{
  CLEANUP_JSON json_t *value = json_string (text);
  const json_t *other;
  size_t i;

  if (value == NULL)            /* not UTF-8 */
    value = json_string (printable (text));
  json_array_foreach (array, i, other)
    if (json_equal (value, other))
      return 0;
  if (json_array_append (array, value) == -1) {
    log_oom ();
    return -1;
  }
  return 0;
}

/* Messages of LEVEL, of one step and disk or of all when NULL. */
static json_t *
messages (struct vm_status *status, enum log_level level, const char *step,
          const char *disk)
{
  CLEANUP_JSON json_t *array = json_array ();
  size_t i;

  if (array == NULL) {
    log_oom ();
    return NULL;
  }
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&status->records.lock);
  for (i = 0; i < status->records.list.len; i++) {
    const struct log_record *r = &status->records.list.ptr[i];

    if (r->level != level ||
        (step && (r->step == NULL || strcmp (r->step, step) != 0)) ||
        (disk && (r->disk == NULL || strcmp (r->disk, disk) != 0)))
      continue;
    if (append_reason (array, r->text) == -1)
      return NULL;
  }
  return json_incref (array);
}

json_t *
vm_status_messages (struct vm_status *status, enum log_level level)
{
  return messages (status, level, NULL, NULL);
}

static int
set_time (json_t *j, const char *key, time_t t)
{
  char buf[32];

  if (t == 0)
    return 0;
  format_rfc3339 (t, buf);
  return json_set_string (j, key, buf);
}

/* "error" or "warning": {phase, reasons} if there is any. */
static int
set_reasons (json_t *j, const char *key, struct vm_status *status,
             const char *phase, const char *step, const char *disk)
{
  json_t *reasons = messages (status, strcmp (key, "error") == 0 ?
                              LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, step,
                              disk);

  if (reasons == NULL)
    return -1;
  if (json_array_size (reasons) == 0) {
    json_decref (reasons);
    return 0;
  }
  return json_set (j, key, json_pack ("{s:s, s:o}", "phase", phase,
                                      "reasons", reasons));
}

static int
set_progress (json_t *j, uint64_t done, uint64_t total, bool mib)
{
  if (mib && json_set (j, "annotations",
                       json_pack ("{s:s}", "unit", "MB")) == -1)
    return -1;
  return json_set (j, "progress",
                   json_pack ("{s:I, s:I}", "total", (json_int_t) total,
                              "completed", (json_int_t) done));
}

static json_t *
task_to_json (struct vm_status *status, size_t i)
{
  struct task_status *task = &status->tasks[i];
  const char *disk = status->pre->vm.disks.ptr[i].name;
  const enum run_phase phase = atomic_load (&task->phase);
  CLEANUP_JSON json_t *j = json_object ();

  if (j == NULL) {
    log_oom ();
    return NULL;
  }
  if (json_set_string (j, "name", task->name) == -1 ||
      json_set_string (j, "phase", phase_names[phase]) == -1 ||
      set_progress (j, atomic_load (&task->done) / MIB_BYTES,
                    (task->total + MIB_BYTES - 1) / MIB_BYTES, true) == -1 ||
      set_time (j, "started", atomic_load (&task->started) / 1000) == -1 ||
      set_time (j, "completed",
                atomic_load (&task->completed) / 1000) == -1 ||
      set_reasons (j, "error", status, phase_names[PHASE_RUNNING],
                   steps[STEP_DISK_TRANSFER].name, disk) == -1)
    return NULL;
  if (phase == PHASE_COMPLETED) {
    /* Rounding down must not leave a whole copy below its total. */
    if (set_progress (j, (task->total + MIB_BYTES - 1) / MIB_BYTES,
                      (task->total + MIB_BYTES - 1) / MIB_BYTES,
                      true) == -1 ||
        json_set_string (j, "reason", "Transfer completed.") == -1)
      return NULL;
  }
  return json_incref (j);
}

static json_t *
tasks_to_json (struct vm_status *status, uint64_t *done, uint64_t *total)
{
  CLEANUP_JSON json_t *array = json_array ();
  size_t i;

  *done = *total = 0;
  for (i = 0; array && i < status->pre->vm.disks.len; i++) {
    json_t *task = task_to_json (status, i);
    const json_t *progress = json_object_get (task, "progress");

    if (task == NULL)
      return NULL;
    *done += json_get_u64 (progress, "completed", 0);
    *total += json_get_u64 (progress, "total", 0);
    if (json_array_append_new (array, task) == -1) {
      log_oom ();
      return NULL;
    }
  }
  return json_incref (array);
}

static json_t *
step_to_json (struct vm_status *status, enum run_step step)
{
  const struct step_status *s = &status->steps[step];
  CLEANUP_JSON json_t *j = json_object ();
  uint64_t done = s->phase == PHASE_COMPLETED && !s->failed, total = 1;

  if (j == NULL) {
    log_oom ();
    return NULL;
  }
  if (json_set_string (j, "name", steps[step].name) == -1 ||
      json_set_string (j, "description", steps[step].description) == -1 ||
      json_set_string (j, "phase", phase_names[s->phase]) == -1 ||
      set_time (j, "started", s->started) == -1 ||
      set_time (j, "completed", s->completed) == -1)
    return NULL;
  if (step == STEP_IMAGE_CONVERSION &&
      json_set_string (j, "reason", status->addresses) == -1)
    return NULL;
  if (step == STEP_DISK_TRANSFER &&
      json_set (j, "tasks", tasks_to_json (status, &done, &total)) == -1)
    return NULL;
  if (set_progress (j, done, total, step == STEP_DISK_TRANSFER) == -1 ||
      set_reasons (j, "error", status, phase_names[PHASE_RUNNING],
                   steps[step].name, NULL) == -1 ||
      set_reasons (j, "warning", status, phase_names[PHASE_RUNNING],
                   steps[step].name, NULL) == -1)
    return NULL;
  return json_incref (j);
}

static json_t *
condition (const char *type, time_t when)
{
  char buf[32];

  format_rfc3339 (when, buf);
  return json_pack ("{s:s, s:s, s:s, s:s}", "type", type, "status", "True",
                    "category", "Advisory", "lastTransitionTime", buf);
}

/* As newer Forklift has it. */
static json_t *
pending (const struct vm_status *status)
{
  json_t *j = condition ("Pending", status->waits_since);

  if (j && json_set_string (j, "message", status->waits) == -1) {
    json_decref (j);
    return NULL;
  }
  return j;
}

/* The step that runs, or the last one that did. */
static const char *
current_phase (const struct vm_status *status)
{
  const char *phase = "Started";
  size_t i;

  if (status->outcome != OUTCOME_NONE)
    return "Completed";
  for (i = 0; i < NR_STEPS; i++) {
    if (!status->steps[i].present || status->steps[i].phase == PHASE_PENDING)
      continue;
    phase = steps[i].phase;
    if (status->steps[i].phase == PHASE_RUNNING)
      break;                    /* PreHook is over, Initialize is not */
  }
  return phase;
}

/* Forklift keeps the phase that the VM was in when it failed. */
static const char *
error_phase (const struct vm_status *status)
{
  size_t i;

  for (i = 0; i < NR_STEPS; i++)
    if (status->steps[i].failed)
      return steps[i].phase;
  return current_phase (status);
}

json_t *
vm_status_to_json (struct vm_status *status)
{
  const struct preflight_vm *pre = status->pre;
  CLEANUP_JSON json_t *j = json_object ();
  json_t *pipeline = json_array ();
  size_t i;

  if (j == NULL || pipeline == NULL) {
    json_decref (pipeline);
    log_oom ();
    return NULL;
  }
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&status->lock);
  if (json_set_string (j, "id", pre->vm.id) == -1 ||
      json_set_string (j, "name", pre->vm.name) == -1 ||
      json_set_string (j, "phase", current_phase (status)) == -1 ||
      set_time (j, "started", status->started) == -1 ||
      set_time (j, "completed", status->completed) == -1 ||
      json_set_string (j, "newName",
                       pre->names.renamed ? pre->names.vm : NULL) == -1 ||
      json_set_string (j, "restorePowerState",
                       status->restore_power) == -1 ||
      run_status_plan_vm (j, pre->pvm) == -1 ||
      json_set_string (j, "firmware", status->firmware) == -1 ||
      json_set_string (j, "operatingSystem", status->os) == -1 ||
      set_reasons (j, "error", status, error_phase (status), NULL,
                   NULL) == -1) {
    json_decref (pipeline);
    return NULL;
  }
  if (json_set (j, "pipeline", pipeline) == -1)
    return NULL;
  if (status->outcome != OUTCOME_NONE &&
      json_set (j, "conditions",
                json_pack ("[o]", condition
                           (run_outcome_name (status->outcome),
                            status->completed))) == -1)
    return NULL;
  if (status->waits && status->started == 0 &&
      json_set (j, "conditions", json_pack ("[o]", pending (status))) == -1)
    return NULL;
  if (status->cancelled &&
      json_set_string (json_array_get (json_object_get (j, "conditions"), 0),
                       "reason", "UserRequested") == -1)
    return NULL;
  for (i = 0; i < NR_STEPS; i++) {
    json_t *step;

    if (!status->steps[i].present)
      continue;
    step = step_to_json (status, i);
    if (step == NULL || json_array_append_new (pipeline, step) == -1)
      return NULL;
  }
  return json_incref (j);
}

/* Any Failed: Failed; else any Succeeded: Succeeded; else Canceled. */
static enum run_outcome
plan_outcome (struct vm_status *const *vms, size_t nr_vms)
{
  enum run_outcome outcome = OUTCOME_CANCELED;
  size_t i;

  for (i = 0; i < nr_vms; i++) {
    if (vms[i]->outcome == OUTCOME_FAILED)
      return OUTCOME_FAILED;
    if (vms[i]->outcome == OUTCOME_SUCCEEDED)
      outcome = OUTCOME_SUCCEEDED;
  }
  return outcome;
}

json_t *
run_status_to_json (const struct session *s, struct vm_status *const *vms,
                    size_t nr_vms, time_t started, time_t completed)
{
  CLEANUP_JSON json_t *migration = json_object (), *list = json_array ();
  CLEANUP_JSON json_t *conditions = NULL, *all = NULL;
  json_t *r, *history;
  size_t i;

  conditions =
    json_pack ("[o]", condition
               (completed == 0 ? run_outcome_name (OUTCOME_NONE) :
                run_outcome_name (plan_outcome (vms, nr_vms)),
                completed == 0 ? started : completed));
  if (migration == NULL || list == NULL || conditions == NULL) {
    log_oom ();
    return NULL;
  }
  history = run_status_history (s, conditions);
  if (history == NULL ||
      json_set (migration, "history", json_pack ("[o]", history)) == -1)
    return NULL;
  for (i = 0; i < nr_vms; i++) {
    json_t *vm = vm_status_to_json (vms[i]);

    if (vm == NULL || json_array_append_new (list, vm) == -1 ||
        json_set (vm, "concerns", run_vm_concerns (&s->problems,
                                                   vms[i]->pre)) == -1)
      return NULL;
  }
  if (set_time (migration, "started", started) == -1 ||
      set_time (migration, "completed", completed) == -1 ||
      json_set (migration, "vms", json_incref (list)) == -1)
    return NULL;
  all = json_copy (conditions);
  if (all == NULL ||
      run_plan_conditions (&s->problems, started, all) == -1)
    return NULL;
  r = json_pack ("{s:s, s:s, s:O, s:{s:O, s:O}}",
                 "apiVersion", "forklift.konveyor.io/v1beta1",
                 "kind", "Plan", "metadata",
                 json_object_get (history, "plan"), "status",
                 "conditions", all, "migration", migration);
  if (r == NULL)
    log_oom ();
  return r;
}
