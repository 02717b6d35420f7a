/* SPDX-License-Identifier: BSD-3-Clause
 *
 * nbdlift cancel: VMs of a plan are not to be migrated after all.  While
 * a run goes on, it is asked to see to that, because it alone can stop
 * what it does; else what it left is removed here.
 */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/include/cleanup.h"
#include "common/json/json.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/cancel.h"
#include "driver/command.h"
#include "driver/options.h"
#include "driver/plan_state.h"
#include "driver/run.h"

/* How often a run that goes on is looked at. */
#define LOOK_NS 200000000
/* So many looks after its start, a run has written its status. */
#define LOOKS_AT_START 25

static const char help[] =
"Usage: nbdlift cancel PLAN... --output=DIR [OPTION]...\n"
"Cancel VMs of a plan that are not migrated yet: remove what was made for\n"
"them and power them on again on the source.  A run that goes on is asked to\n"
"do so, and migrates the others.\n"
"\n"
"PLAN is a file of manifests (YAML or JSON), or - for standard input.\n"
"\n"
"  -o, --output=DIR           the folder of 'nbdlift run' (required)\n"
"      --state=DIR            its state folder (default: OUTPUT/.nbdlift)\n"
"      --plan=NAME            the Plan, if the files hold several\n"
"      --vm=NAME              only this VM (name or id); can be repeated\n"
"      --help                 print this text\n"
"\n"
"Exit status: 0 cancelled; 1 failed; 2 wrong usage; 3 plan invalid;\n"
"4 source failed; 5 target failed.\n";

static const struct option options[] = {
  { "output", required_argument, NULL, 'o' },
  { "state", required_argument, NULL, OPTION_STATE },
  { "plan", required_argument, NULL, OPTION_PLAN },
  { "vm", required_argument, NULL, OPTION_VM },
  { "help", no_argument, NULL, OPTION_HELP },
  { NULL, 0, NULL, 0 }
};

/* Is the VM in TARGET's folder the one that people call NAME? */
static bool
is_called (const char *folder, const json_t *status, const char *target,
           const char *name)
{
  CLEANUP_FREE char *vm_folder = run_vm_folder (folder, target);
  struct journal *j = vm_folder ? journal_load (vm_folder) : NULL;
  const bool r = plan_undo_is_called (status, j, target, name);

  journal_close (j);
  return r;
}

/* The VMs that are meant, of those with a folder.  0, or -1: MISSING is
 * one that is not there (NULL: reported).
 */
static int
choose (const char *folder, const json_t *status, const string_vector *names,
        string_vector *chosen, const char **missing)
{
  CLEANUP_STRING_VECTOR string_vector all = EMPTY_VECTOR;
  size_t i, j;

  *missing = NULL;
  if (plan_state_vms (folder, &all) == -1)
    return -1;
  for (i = 0; i < names->len; i++) {
    for (j = 0; j < all.len; j++)
      if (is_called (folder, status, all.ptr[j], names->ptr[i]))
        break;
    if (j == all.len) {
      *missing = names->ptr[i];
      return -1;
    }
    if (string_vector_append_dup (chosen, all.ptr[j]) == -1)
      goto oom;
  }
  for (i = 0; names->len == 0 && i < all.len; i++)
    if (string_vector_append_dup (chosen, all.ptr[i]) == -1)
      goto oom;
  return 0;

 oom:
  log_oom ();
  return -1;
}

static bool
is_migrated (const char *vm_folder)
{
  struct journal *j = journal_load (vm_folder);
  CLEANUP_FREE char *manifest = j ? journal_published (j) : NULL;

  journal_close (j);
  return manifest != NULL;
}

/* See that the run cancels the VM.  0: it has, or has migrated it, or it
 * is over; -1 reported.
 */
static int
cancel_by_run (const char *folder, const char *target)
{
  CLEANUP_FREE char *vm_folder = run_vm_folder (folder, target);
  CLEANUP_FREE char *path = run_status_path (folder);
  const struct timespec pause = { .tv_nsec = LOOK_NS };
  unsigned looks, refused = 0;
  int r;

  if (vm_folder == NULL || path == NULL)
    return -1;
  for (looks = 0;; looks++) {
    CLEANUP_JSON json_t *status = json_read_file (path, 0);

    if (access (vm_folder, F_OK) == -1 || is_migrated (vm_folder))
      return 0;
    r = plan_state_is_running (folder);
    if (r != 1)
      return r;
    /* Or it is just being removed. */
    if (!plan_state_is_asked (vm_folder) && refused++ > LOOKS_AT_START) {
      log_error ("%s: the run could not cancel it, see there", target);
      return -1;
    }
    if (looks > LOOKS_AT_START &&
        plan_undo_id (status, NULL, target) == NULL) {
      plan_state_withdraw_cancel (vm_folder);
      log_error ("%s: a run of this plan goes on, to which this VM does not "
                 "belong: cancel it when that is over", target);
      return -1;
    }
    if (cancel_requested ()) {
      log_error ("%s: the run has been asked to cancel it, and this was not "
                 "waited for", target);
      return -1;
    }
    nanosleep (&pause, NULL);
  }
}

/* Ask for all first: they are stopped at the same time. */
static enum exit_status
cancel_running (const char *folder, const string_vector *targets)
{
  enum exit_status status = STATUS_OK;
  size_t i;

  for (i = 0; i < targets->len; i++) {
    CLEANUP_FREE char *vm_folder = run_vm_folder (folder, targets->ptr[i]);

    if (vm_folder == NULL)
      return STATUS_FAILED;
    if (!is_migrated (vm_folder) &&
        plan_state_ask_cancel (vm_folder) == -1 && errno != ENOENT)
      return STATUS_FAILED;
  }
  for (i = 0; i < targets->len; i++)
    if (cancel_by_run (folder, targets->ptr[i]) == -1)
      status = STATUS_FAILED;
  return status;
}

/* No run goes on: each VM, as far as that is possible. */
static enum exit_status
cancel_ended (struct plan_undo *u, json_t *doc, const string_vector *targets)
{
  CLEANUP_FREE char *path = run_status_path (u->folder);
  enum exit_status status = STATUS_OK, r;
  size_t i;

  if (path == NULL)
    return STATUS_FAILED;
  for (i = 0; i < targets->len; i++) {
    const char *target = targets->ptr[i];
    CLEANUP_FREE char *vm_folder = run_vm_folder (u->folder, target);
    struct journal *j;

    if (vm_folder == NULL)
      return STATUS_FAILED;
    if (access (vm_folder, F_OK) == -1) {
      log_info ("%s: cancelled", target);
      continue;
    }
    if (is_migrated (vm_folder)) {
      log_info ("%s: has been migrated already: it is left alone", target);
      continue;
    }
    j = journal_load (vm_folder);
    if ((j == NULL && errno != ENOENT) ||
        plan_undo_mark_cancelled (doc, plan_undo_id (doc, j,
                                                     target)) == -1)
      status = STATUS_FAILED;
    else if (plan_undo_vm (u, j, target, false, &r) == -1)
      status = r;
    else
      log_info ("%s: cancelled; what was made for it is removed", target);
    journal_close (j);
  }
  if (doc && status == STATUS_OK && json_write_file (doc, path) == -1)
    return STATUS_FAILED;
  return status;
}

static void
report_running (const char *folder, const string_vector *targets)
{
  size_t i;

  for (i = 0; i < targets->len; i++) {
    CLEANUP_FREE char *vm_folder = run_vm_folder (folder, targets->ptr[i]);

    if (vm_folder && access (vm_folder, F_OK) == -1)
      log_info ("%s: cancelled by the run, which goes on with the others",
                targets->ptr[i]);
    else if (vm_folder && is_migrated (vm_folder))
      log_info ("%s: has been migrated already: it is left alone",
                targets->ptr[i]);
  }
}

/* The run has ended, or there was none: under its locks. */
static enum exit_status
cancel_locked (struct session *s, const struct common_options *c,
               const char *folder, const string_vector *targets)
{
  CLEANUP_FREE char *path = run_status_path (folder);
  CLEANUP_JSON json_t *doc = NULL;
  CLEANUP_CLOSE int lock = -1;
  struct plan_undo u = {
    .session = s,
    .ops = &target_directory,
    .folder = folder,
  };
  enum exit_status status = STATUS_TARGET;

  if (path == NULL)
    return STATUS_FAILED;
  u.target = u.ops->open (c->output);
  if (u.target == NULL)
    return STATUS_TARGET;
  lock = plan_state_lock (folder);
  if (lock != -1) {
    doc = json_read_file (path, 0);
    u.status = doc;
    status = cancel_ended (&u, doc, targets);
  }
  u.ops->close (u.target);
  string_vector_free (&u.removed);
  return status;
}

static enum exit_status
cancel_plan (struct session *s, const struct common_options *c)
{
  CLEANUP_FREE char *folder = run_earlier_folder (c->output, c->state,
                                                  s->plan);
  CLEANUP_FREE char *path = folder ? run_status_path (folder) : NULL;
  CLEANUP_STRING_VECTOR string_vector targets = EMPTY_VECTOR;
  CLEANUP_JSON json_t *doc = NULL;
  const char *missing;
  enum exit_status status;
  int running;

  if (path == NULL)
    return STATUS_FAILED;
  running = plan_state_is_running (folder);
  if (running == -1)
    return STATUS_FAILED;
  doc = json_read_file (path, 0);
  if (choose (folder, doc, &c->vms, &targets, &missing) == -1) {
    if (missing == NULL)
      return STATUS_FAILED;
    /* Cancelled before, and perhaps by us: its status is all there is. */
    log_error ("VM %s: there is nothing of it in %s: it was cancelled before, "
               "or not yet begun; 'nbdlift status' lists the VMs of the run",
               printable (missing), printable (folder));
    return STATUS_FAILED;
  }
  if (targets.len == 0)
    log_info ("there is nothing to cancel");
  if (targets.len == 0)
    return STATUS_OK;
  if (running) {
    status = cancel_running (folder, &targets);
    if (status != STATUS_OK)
      return status;
    if (plan_state_is_running (folder) == 1) {
      report_running (folder, &targets);
      return STATUS_OK;
    }
  }
  return cancel_locked (s, c, folder, &targets);
}

static int
main_cancel (int argc, char **argv)
{
  CLEANUP_SESSION struct session s = SESSION_INIT;
  CLEANUP_COMMON_OPTIONS struct common_options c = {
    COMMON_OPTIONS_INIT, .help = help
  };
  int status;

  status = common_parse (argc, argv, "o:", options, &c);
  if (status == -1)
    status = common_plan (argc, argv, &c, &s);
  if (status != -1)
    return status;
  return cancel_plan (&s, &c);
}

const struct command command_cancel = {
  "cancel", "cancel VMs and remove what was made for them", help,
  main_cancel
};
