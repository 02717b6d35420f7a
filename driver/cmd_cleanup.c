/* SPDX-License-Identifier: BSD-3-Clause
 *
 * nbdlift cleanup: a plan is done, and its state is not needed any more.
 * What was migrated stays.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/include/cleanup.h"
#include "common/json/json.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/command.h"
#include "driver/leftovers.h"
#include "driver/options.h"
#include "driver/plan_state.h"
#include "driver/run.h"
#include "driver/shared_disk.h"

static const char help[] =
"Usage: nbdlift cleanup PLAN... --output=DIR [OPTION]...\n"
"Remove the state of a plan whose VMs are migrated: journals, digests of the\n"
"source, logs.  Finished volumes and manifests stay.  Temporary folders of\n"
"commands that were killed go too.  What was removed is printed.\n"
"\n"
"PLAN is a file of manifests (YAML or JSON), or - for standard input.\n"
"\n"
"  -o, --output=DIR           the folder of 'nbdlift run' (required)\n"
"      --state=DIR            its state folder (default: OUTPUT/.nbdlift)\n"
"      --plan=NAME            the Plan, if the files hold several\n"
"      --force                also if VMs are not migrated: their unfinished\n"
"                             volumes are removed\n"
"      --help                 print this text\n"
"\n"
"Exit status: 0 ok; 1 refused; 2 wrong usage; 3 plan invalid; 4 source\n"
"failed; 5 target failed.\n";

enum {
  OPTION_FORCE = OPTION_OWN,
};

static const struct option options[] = {
  { "output", required_argument, NULL, 'o' },
  { "state", required_argument, NULL, OPTION_STATE },
  { "plan", required_argument, NULL, OPTION_PLAN },
  { "force", no_argument, NULL, OPTION_FORCE },
  { "help", no_argument, NULL, OPTION_HELP },
  { NULL, 0, NULL, 0 }
};

/* Forget one VM; with FORCE also one that is not migrated. */
static enum exit_status
forget_vm (struct plan_undo *u, const char *target, bool force)
{
  CLEANUP_FREE char *vm_folder = run_vm_folder (u->folder, target);
  struct journal *j = vm_folder ? journal_load (vm_folder) : NULL;
  CLEANUP_FREE char *manifest = NULL;
  enum exit_status status = STATUS_OK;

  if (vm_folder == NULL || (j == NULL && errno != ENOENT))
    return STATUS_FAILED;
  manifest = j ? journal_published (j) : NULL;
  if (manifest == NULL && force)
    plan_undo_vm (u, j, target, true, &status);
  else if (manifest == NULL) {
    log_error ("%s is not migrated: 'nbdlift run' goes on with it, 'nbdlift "
               "cancel' removes what was made for it, and --force forgets it",
               target);
    status = STATUS_FAILED;
  }
  journal_close (j);
  return status;
}

/* First all that can be refused: then either everything is removed, or
 * nothing, or with FORCE what could be.
 */
static enum exit_status
forget_all (struct plan_undo *u, bool force)
{
  CLEANUP_STRING_VECTOR string_vector targets = EMPTY_VECTOR;
  enum exit_status status = STATUS_OK, r;
  size_t i;

  if (plan_state_vms (u->folder, &targets) == -1)
    return STATUS_FAILED;
  for (i = 0; i < targets.len; i++) {
    r = forget_vm (u, targets.ptr[i], force);
    if (r != STATUS_OK)
      status = r;
  }
  if (status != STATUS_OK)
    return status;
  for (i = 0; i < targets.len; i++)
    if (shared_disk_release_all (u->ops, u->target, u->folder,
                                 u->session->plan, targets.ptr[i], true,
                                 &u->removed) == -1)
      return STATUS_TARGET;
  if (plan_state_remove_tree (u->folder) == -1)
    return STATUS_TARGET;
  if (string_vector_append_dup (&u->removed, u->folder) == -1) {
    log_oom ();
    return STATUS_FAILED;
  }
  return STATUS_OK;
}

/* Remove what is empty now: the folders of the namespace and the state. */
static void
remove_parents (const char *folder)
{
  CLEANUP_FREE char *path = strdup (folder);
  char *slash = path ? strrchr (path, '/') : NULL;

  if (slash) {
    *slash = '\0';
    rmdir (path);
  }
}

static enum exit_status
cleanup_plan (struct session *s, const struct common_options *c, bool force)
{
  CLEANUP_FREE char *folder = run_earlier_folder (c->output, c->state,
                                                  s->plan);
  CLEANUP_FREE char *path = folder ? run_status_path (folder) : NULL;
  CLEANUP_JSON json_t *doc = NULL;
  CLEANUP_CLOSE int lock = -1;
  struct plan_undo u = {
    .session = s,
    .ops = &target_directory,
    .folder = folder,
  };
  enum exit_status status = STATUS_TARGET;
  size_t i;
  int r;

  if (path == NULL)
    return STATUS_FAILED;
  r = plan_state_is_running (folder);
  if (r == 1)
    log_error ("a run of this plan goes on: wait for its end, or end it with "
               "'nbdlift cancel'");
  if (r != 0)
    return STATUS_FAILED;
  u.target = u.ops->open (c->output);
  if (u.target == NULL)
    return STATUS_TARGET;
  leftovers_remove (&u.removed);
  lock = plan_state_lock (folder);
  if (lock != -1) {
    doc = json_read_file (path, 0);
    u.status = doc;
    status = forget_all (&u, force);
  }
  for (i = 0; i < u.removed.len; i++)
    printf ("removed %s\n", printable (u.removed.ptr[i]));
  if (status == STATUS_OK)
    remove_parents (folder);
  u.ops->close (u.target);
  string_vector_free (&u.removed);
  return finish_stdout (status);
}

static int
main_cleanup (int argc, char **argv)
{
  CLEANUP_SESSION struct session s = SESSION_INIT;
  CLEANUP_COMMON_OPTIONS struct common_options c = {
    COMMON_OPTIONS_INIT, .help = help
  };
  bool force = false;
  int opt, status = -1;

  while (status == -1 &&
         (opt = getopt_long (argc, argv, "o:", options, NULL)) != -1)
    if (opt == OPTION_FORCE)
      force = true;
    else
      status = common_option (opt, argv, &c);
  if (status == -1)
    status = common_plan (argc, argv, &c, &s);
  if (status != -1)
    return status;
  return cleanup_plan (&s, &c, force);
}

const struct command command_cleanup = {
  "cleanup", "remove the state of a plan that is done", help, main_cleanup
};
