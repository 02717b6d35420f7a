/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Run the VMs of a plan: first everything that can fail for reasons
 * known beforehand, for all of them, then the pipelines, while another
 * thread keeps the status file.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/include/checked.h"
#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/json/json.h"
#include "common/util/file_lock.h"
#include "common/util/log.h"
#include "common/util/monotonic.h"
#include "common/util/strbuf.h"
#include "driver/run.h"
#include "driver/run_samples.h"
#include "driver/run_shared.h"

/* Twice a second a request to cancel VMs is looked for; how far the
 * copies are is kept every other time, and the status every fourth.
 */
#define TICK_MS 500
#define SAMPLE_TICKS 2
#define STATUS_TICKS 4

#define MAX_FILES 4096

char *
run_plan_folder (const char *state, const struct plan *plan)
{
  return format_text ("%s/%s/%s", state, plan->meta.namespace_ ?
                      plan->meta.namespace_ : "default", plan->meta.name);
}

char *
run_earlier_folder (const char *output, const char *state,
                    const struct plan *plan)
{
  CLEANUP_FREE char *own = NULL;

  if (state == NULL)
    state = own = format_text ("%s/.nbdlift", output);
  return state ? run_plan_folder (state, plan) : NULL;
}

char *
run_vm_folder (const char *plan_folder, const char *target)
{
  return format_text ("%s/vms/%s", plan_folder, target);
}

char *
run_status_path (const char *plan_folder)
{
  return format_text ("%s/status.json", plan_folder);
}

char *
run_digest_path (const char *vm_folder, size_t disk)
{
  return format_text ("%s/disk-%zu.digest", vm_folder, disk);
}

char *
run_copy_journal_path (const char *vm_folder, size_t disk)
{
  return format_text ("%s/disk-%zu.journal", vm_folder, disk);
}

char *
run_convert_dir (const char *vm_folder)
{
  return format_text ("%s/convert", vm_folder);
}

int
run_make_folders (const char *path)
{
  CLEANUP_FREE char *copy = strdup (path);
  char *p;

  if (copy == NULL) {
    log_oom ();
    return -1;
  }
  for (p = copy + 1;; p++) {
    const char c = *p;

    if (c != '/' && c != '\0')
      continue;
    *p = '\0';
    if (mkdir (copy, 0700) == -1 && errno != EEXIST) {
      log_error ("cannot make the folder %s: %m; choose another one with "
                 "--state", copy);
      return -1;
    }
    *p = c;
    if (c == '\0')
      return 0;
  }
}

/* Two runs of one plan into one target would spoil each other's work. */
static int
take_lock (struct run *run)
{
  CLEANUP_FREE char *path = format_text ("%s/lock", run->folder);

  if (path == NULL)
    return -1;
  run->lock_fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (run->lock_fd == -1) {
    log_error ("cannot open %s: %m", path);
    return -1;
  }
  if (file_lock (run->lock_fd) == 0)
    return 0;
  if (errno == EWOULDBLOCK)
    log_error ("another nbdlift is running this plan with this state folder "
               "(%s is locked); wait for its end", path);
  else
    log_error ("cannot lock %s: %m; choose a state folder on a local file "
               "system with --state", path);
  return -1;
}

/* Target, state folder, lock, what an earlier run has left. */
static int
open_target (struct run *run)
{
  CLEANUP_FREE char *own_state = NULL, *status = NULL;
  const char *state = run->options->state;

  run->target = run->target_ops->open (run->options->output);
  if (run->target == NULL)
    return -1;
  if (state == NULL)
    state = own_state = run->target_ops->state_dir (run->target);
  if (state == NULL)
    return -1;
  run->folder = run_plan_folder (state, run->session->plan);
  if (run->folder == NULL || run_make_folders (run->folder) == -1)
    return -1;
  if (take_lock (run) == -1)
    return -1;
  status = run_status_path (run->folder);
  if (status)
    run->before = json_read_file (status, 0);
  return 0;
}

/* Of all VMs. */
static uint64_t
needed_space (const struct run *run)
{
  uint64_t sum = run_shared_needed_space (run);
  size_t i;

  for (i = 0; i < run->nr_vms; i++)
    if (run->vms[i].result == STATUS_OK &&
        !checked_add (sum, run_needed_space (&run->vms[i]), &sum))
      return UINT64_MAX;
  return sum;
}

/* Journals of all VMs, then their volumes, then the space for what these
 * do not hold yet.  -1 if the target cannot take anything.
 */
static int
prepare (struct run *run)
{
  size_t i;

  for (i = 0; i < run->nr_vms; i++) {
    struct run_vm *rv = &run->vms[i];

    rv->folder = run_vm_folder (run->folder, rv->pre->names.vm);
    if (rv->folder == NULL || run_make_folders (rv->folder) == -1)
      return -1;
    run_vm_prepare (rv);
  }
  if (run->target_ops->check (run->target, 0) == -1)
    return -1;
  run_shared_open (run);
  for (i = 0; i < run->nr_vms; i++) {
    struct run_vm *rv = &run->vms[i];

    if (rv->result != STATUS_OK)
      continue;
    log_scope_enter (&rv->scope);
    if (run_make_volumes (rv) == -1)
      run_clean_up (rv);
    log_scope_leave (&rv->scope);
  }
  if (run->target_ops->check (run->target, needed_space (run)) == 0)
    return 0;
  for (i = 0; i < run->nr_vms; i++)
    run_remove_unused (&run->vms[i]);
  return -1;
}

/* No VM is begun: those that an earlier run has powered off are on again. */
static void
restore_power (struct run *run)
{
  size_t i;

  for (i = 0; i < run->nr_vms; i++) {
    struct run_vm *rv = &run->vms[i];

    log_scope_enter (&rv->scope);
    run_power_restore (rv);
    log_scope_leave (&rv->scope);
  }
}

/* Write the status file; COMPLETED is 0 while the run goes on. */
static void
save_status (struct run *run, time_t completed)
{
  CLEANUP_FREE struct vm_status **list = calloc (run->nr_vms + 1,
                                                 sizeof *list);
  CLEANUP_FREE char *path = run_status_path (run->folder);
  CLEANUP_JSON json_t *j = NULL;
  size_t i;

  if (list == NULL || path == NULL)
    return;
  for (i = 0; i < run->nr_vms; i++)
    list[i] = &run->vms[i].status;
  j = run_status_to_json (run->session, list, run->nr_vms, run->started,
                          completed);
  if (j && run_status_merge (j, run->before) == 0)
    json_write_file (j, path);
}

/* Wait until DEADLINE.  False once all VMs have ended. */
static bool
wait_for_tick (struct run *run, int64_t deadline)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&run->lock);
  const struct timespec until = {
    .tv_sec = deadline / 1000,
    .tv_nsec = deadline % 1000 * 1000000,
  };
  int r = 0;

  while (!run->ended && r == 0)
    r = pthread_cond_clockwait (&run->all_ended, &run->lock, CLOCK_MONOTONIC,
                                &until);
  return !run->ended;
}

/* Keep the status file as it is, more or less: with many VMs it is large
 * and changes often.
 */
static void *
status_thread (void *opaque)
{
  struct run *run = opaque;
  int64_t next = monotonic_ms ();
  unsigned n = 0;

  do {
    run_look_for_cancels (run);
    if (n % STATUS_TICKS == 0)
      save_status (run, 0);
    if (n % SAMPLE_TICKS == 0)
      run_samples_take (run);
    n++;
    next = MAX (next + TICK_MS, monotonic_ms ());
  } while (wait_for_tick (run, next));
  return NULL;
}

static void
end_status_thread (struct run *run, pthread_t thread)
{
  pthread_mutex_lock (&run->lock);
  run->ended = true;
  pthread_cond_signal (&run->all_ended);
  pthread_mutex_unlock (&run->lock);
  pthread_join (thread, NULL);
}

static void
run_watched (struct run *run)
{
  pthread_t watcher;
  const bool watched =
    pthread_create (&watcher, NULL, status_thread, run) == 0;

  run_all_vms (run);
  if (watched)
    end_status_thread (run, watcher);
  run_samples_take (run);
  run_look_for_cancels (run);
  save_status (run, time (NULL));
}

/* One exit status from those of the VMs. */
static enum exit_status
combine (const struct run *run)
{
  enum exit_status status = STATUS_OK;
  size_t i, failed = 0;

  if (run->nr_vms == 0)
    return STATUS_CANCELLED;
  for (i = 0; i < run->nr_vms; i++) {
    const enum exit_status r = run->vms[i].result;

    if (r == STATUS_OK)
      continue;
    if (r == STATUS_CANCELLED)
      return STATUS_CANCELLED;
    if (failed++ == 0)
      status = r;
    else if (status != r)
      status = STATUS_FAILED;
  }
  return failed > 0 && failed < run->nr_vms ? STATUS_PARTLY : status;
}

static int
init_vms (struct run *run)
{
  const struct session *s = run->session;
  const bool converts = s->ops->converts && !s->plan->skip_guest_conversion;
  size_t i;

  run->nr_vms = 0;
  run->vms = calloc (run->pre->len + 1, sizeof *run->vms);
  if (run->vms == NULL) {
    log_oom ();
    return -1;
  }
  for (i = 0; i < run->pre->len; i++) {
    struct run_vm *rv = &run->vms[i];

    rv->run = run;
    rv->pre = run->pre->ptr[i];
    rv->converts = converts && rv->pre->vm.disks.len > 0;
    run->nr_vms++;
    if (vm_status_init (&rv->status, rv->pre, rv->converts) == -1)
      return -1;
    rv->scope.vm = rv->pre->vm.name ? rv->pre->vm.name : rv->pre->names.vm;
    rv->scope.step = run_step_name (STEP_INITIALIZE);
    rv->scope.records = &rv->status.records;
  }
  return 0;
}

static unsigned
max_conversions (void)
{
  const long processors = sysconf (_SC_NPROCESSORS_ONLN);

  return processors < 4 ? 1 : MIN (processors / 2, (long) MAX_CONVERSIONS);
}

/* Each copy has one buffer at least, and with many copies that is 1 MiB. */
static unsigned
max_disks (const struct run *run)
{
  return MIN (MAX (run->budget.memory / MIB, UINT64_C (1)),
              (uint64_t) UINT_MAX);
}

/* Hosts times disks times ten file descriptors can be more than the usual
 * 1024.
 */
static void
allow_files (void)
{
  struct rlimit r;

  if (getrlimit (RLIMIT_NOFILE, &r) == -1 || r.rlim_cur >= MAX_FILES)
    return;
  r.rlim_cur = MIN (r.rlim_max, (rlim_t) MAX_FILES);
  setrlimit (RLIMIT_NOFILE, &r);
}

enum exit_status
run_plan (struct run *run, json_t **result)
{
  enum exit_status status = STATUS_TARGET, undone;
  size_t i;

  *result = NULL;
  run->target_ops = &target_directory;
  run->lock_fd = -1;
  run->started = time (NULL);
  allow_files ();
  pthread_mutex_init (&run->lock, NULL);
  pthread_cond_init (&run->changed, NULL);
  pthread_cond_init (&run->all_ended, NULL);
  limit_init (&run->conversions, max_conversions ());
  budget_init (&run->budget, run->options->memory, run->options->rate);
  limit_init (&run->disks, max_disks (run));

  if (init_vms (run) == -1)
    status = STATUS_FAILED;
  else if (open_target (run) == 0) {
    undone = run_undo_cancelled (run);
    if (prepare (run) == 0 && run_schedule_init (run) == 0) {
      run_watched (run);
      status = combine (run);
      if (undone != STATUS_OK && status == STATUS_OK)
        status = STATUS_PARTLY;
      *result = run_result (run, status);
    }
    else
      restore_power (run);
  }

  run_shared_close (run);
  for (i = 0; i < run->nr_vms; i++)
    run_vm_free (&run->vms[i]);
  free (run->vms);
  if (run->lock_fd >= 0)
    close (run->lock_fd);
  if (run->target)
    run->target_ops->close (run->target);
  json_decref (run->before);
  free (run->folder);
  schedule_free (&run->schedule);
  pthread_cond_destroy (&run->all_ended);
  pthread_cond_destroy (&run->changed);
  pthread_mutex_destroy (&run->lock);
  limit_destroy (&run->disks);
  limit_destroy (&run->conversions);
  budget_destroy (&run->budget);
  return status;
}
