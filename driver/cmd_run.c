/* SPDX-License-Identifier: BSD-3-Clause
 *
 * nbdlift run: migrate the VMs of a plan.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/include/cleanup.h"
#include "common/json/json.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/cancel.h"
#include "driver/command.h"
#include "driver/options.h"
#include "driver/run.h"

static const char help[] =
"Usage: nbdlift run PLAN... --output=DIR [OPTION]...\n"
"Migrate the VMs of a plan: copy their disks, convert the guests, write the\n"
"VirtualMachines.  Run again, it goes on where it was.\n"
"\n"
"PLAN is a file of manifests (YAML or JSON), or - for standard input.\n"
"\n"
"  -o, --output=DIR           put disks and manifests under DIR (required)\n"
"      --state=DIR            journal in DIR (default: OUTPUT/.nbdlift)\n"
"      --plan=NAME            the Plan to run, if the files hold several\n"
"      --vm=NAME              only this VM (name or id); can be repeated\n"
"      --max-inflight=N       copy at most N disks of a host at once\n"
"                             (default: 20)\n"
"      --rate=SIZE            read at most SIZE bytes per second in all\n"
"      --memory=SIZE          buffers of all copies (default: 96M)\n"
"      --no-verify-manifest   do not check the source's own checksums\n"
"      --transport=auto|vddk|folder|export\n"
"                             how vSphere disks are read (default: auto)\n"
"      --vddk-libdir=DIR      where VMware's VDDK is\n"
"      --shutdown-timeout=SECONDS\n"
"                             time for guests to shut down (default: 600)\n"
"      --force-power-off      then power them off\n"
"      --leave-off            do not power them on again after a failure\n"
"      --machine-readable[=FD]\n"
"                             JSON lines to FD (default: 2)\n"
"  -q, --quiet                only warnings and errors\n"
"  -v, --verbose              debug messages too\n"
"      --help                 print this text\n"
"\n"
"Exit status: 0 all VMs migrated; 1 failed; 2 wrong usage; 3 plan invalid;\n"
"4 source failed; 5 target failed; 6 conversion failed; 7 some VMs failed;\n"
"8 cancelled.\n";

enum {
  OPTION_MAX_INFLIGHT = OPTION_OWN,
  OPTION_NO_VERIFY_MANIFEST,
  OPTION_SHUTDOWN_TIMEOUT,
  OPTION_FORCE_POWER_OFF,
  OPTION_LEAVE_OFF,
};

static const struct option options[] = {
  { "output", required_argument, NULL, 'o' },
  { "state", required_argument, NULL, OPTION_STATE },
  { "plan", required_argument, NULL, OPTION_PLAN },
  { "vm", required_argument, NULL, OPTION_VM },
  { "max-inflight", required_argument, NULL, OPTION_MAX_INFLIGHT },
  { "rate", required_argument, NULL, OPTION_RATE },
  { "memory", required_argument, NULL, OPTION_MEMORY },
  { "no-verify-manifest", no_argument, NULL, OPTION_NO_VERIFY_MANIFEST },
  { "transport", required_argument, NULL, OPTION_TRANSPORT },
  { "vddk-libdir", required_argument, NULL, OPTION_VDDK_LIBDIR },
  { "shutdown-timeout", required_argument, NULL, OPTION_SHUTDOWN_TIMEOUT },
  { "force-power-off", no_argument, NULL, OPTION_FORCE_POWER_OFF },
  { "leave-off", no_argument, NULL, OPTION_LEAVE_OFF },
  { "machine-readable", optional_argument, NULL, OPTION_MACHINE_READABLE },
  { "quiet", no_argument, NULL, 'q' },
  { "verbose", no_argument, NULL, 'v' },
  { "help", no_argument, NULL, OPTION_HELP },
  { NULL, 0, NULL, 0 }
};

struct run_command {
  struct common_options common;
  struct run_options run;
  const char *const *files;
  size_t nr_files;
};

/* -1 go on; else the exit status. */
static int
parse (int argc, char **argv, struct run_command *c)
{
  uint64_t n;
  json_t *utf8;
  int opt, status = -1;

  c->run.verify_manifest = true;
  c->run.power.seconds = POWER_SHUTDOWN_SECONDS;
  while (status == -1 &&
         (opt = getopt_long (argc, argv, "o:qv", options, NULL)) != -1)
    switch (opt) {
    case OPTION_MAX_INFLIGHT:
      if (number_option (argv, "max-inflight", optarg, 1,
                         PLAN_MAX_INFLIGHT, &n) != 0)
        return STATUS_USAGE;
      c->run.max_inflight = n;
      break;
    case OPTION_NO_VERIFY_MANIFEST:
      c->run.verify_manifest = false;
      break;
    case OPTION_SHUTDOWN_TIMEOUT:
      if (number_option (argv, "shutdown-timeout", optarg, 0, 86400,
                         &n) != 0)
        return STATUS_USAGE;
      c->run.power.seconds = n;
      break;
    case OPTION_FORCE_POWER_OFF:
      c->run.power.force = true;
      break;
    case OPTION_LEAVE_OFF:
      c->run.power.leave_off = true;
      break;
    default:
      status = common_option (opt, argv, &c->common);
    }
  if (status != -1)
    return status;
  c->run.output = c->common.output;
  c->run.state = c->common.state;
  c->run.rate = c->common.rate;
  c->run.memory = c->common.memory;
  if (optind == argc)
    return usage_error (argv, "which plan file?");
  if (c->run.output == NULL)
    return usage_error (argv, "--output=DIR is missing: where are disks and "
                        "manifests to go?");
  utf8 = json_string (c->run.output);
  json_decref (utf8);
  if (utf8 == NULL)
    return usage_error (argv, "--output=%s: the folder's name must be UTF-8",
                        printable (c->run.output));
  c->files = (const char *const *) &argv[optind];
  c->nr_files = argc - optind;
  return -1;
}

/* Problems of the plan, as text and as events. */
static bool
report_problems (struct progress *p, const problem_vector *problems,
                 bool machine_only)
{
  static const char *const types[] = {
    [PROBLEM_CRITICAL] = "error",
    [PROBLEM_WARN] = "warning",
    [PROBLEM_ADVISORY] = "info",
  };
  CLEANUP_JSON json_t *array = problem_to_json (problems);
  json_t *j;
  size_t i;

  if (!machine_only)
    problem_print (stderr, problems);
  json_array_foreach (array, i, j) {
    /* An event has a type of its own. */
    json_object_set (j, "problem", json_object_get (j, "type"));
    json_object_del (j, "type");
    progress_event (p, types[problems->ptr[i].category], j);
  }
  return problem_any_critical (problems);
}

static const char *
verdict (enum exit_status status)
{
  switch (status) {
  case STATUS_OK:
    return "succeeded";
  case STATUS_PARTLY:
    return "partial";
  case STATUS_CANCELLED:
    return "canceled";
  default:
    return "failed";
  }
}

/* The command line, else the Provider (which has been checked), else the
 * default.
 */
static unsigned
max_inflight (unsigned given, const struct session *s)
{
  const char *text =
    key_value_get (&s->provider->settings, PROVIDER_MAX_INFLIGHT);
  uint64_t n;

  if (given > 0)
    return given;
  return text && parse_u64 (text, &n) ? n : DEFAULT_MAX_INFLIGHT;
}

static bool
cancels_vms (const struct session *s)
{
  return s->migration && s->migration->cancel.len > 0;
}

/* Everything between the command line and the last JSON line.  *RESULT
 * stays NULL when no VM was begun.
 */
static enum exit_status
migrate (const struct run_command *c, struct progress *p,
         struct session *s, json_t **result)
{
  CLEANUP_PREFLIGHT preflight_vm_vector vms = EMPTY_VECTOR;
  const struct preflight_options preflight_options = {
    .for_run = true,
    .only = &c->common.vms,
    .target = &target_directory,
    .output = c->run.output,
  };
  struct run_options run_options = c->run;
  struct run run = {
    .session = s,
    .options = &run_options,
    .pre = &vms,
    .progress = p,
  };
  const bool machine_only = c->common.machine_fd == STDERR_FILENO;
  enum exit_status status;

  if (session_load (s, c->files, c->nr_files) == -1)
    return STATUS_PLAN;
  if (problem_any_critical (&s->problems)) {
    report_problems (p, &s->problems, machine_only);
    return STATUS_PLAN;
  }
  if (session_choose_plan (s, c->common.plan) == -1)
    return STATUS_PLAN;
  run_options.max_inflight = max_inflight (c->run.max_inflight, s);
  progress_set_plan (p, s->plan_label);
  status = common_open (&c->common, s);
  if (status != STATUS_OK)
    return status;
  if (preflight (s, &preflight_options, &s->problems, &vms) == -1)
    return errno == EINVAL ? STATUS_PLAN : STATUS_SOURCE;
  if (report_problems (p, &s->problems, machine_only))
    return STATUS_PLAN;
  if (cancel_requested ())
    return STATUS_CANCELLED;
  if (vms.len == 0 && !cancels_vms (s)) {
    log_error ("the plan has no VM to migrate");
    return STATUS_PLAN;
  }
  return run_plan (&run, result);
}

/* The last JSON line. */
static void
report_result (struct progress *p, enum exit_status status,
               const json_t *result)
{
  CLEANUP_JSON json_t *j = json_pack ("{s:s, s:i}", "status",
                                      verdict (status), "exitStatus",
                                      (int) status);

  if (j && result)
    json_object_update (j, (json_t *) result);
  if (j)
    progress_event (p, "result", j);
}

static int
main_run (int argc, char **argv)
{
  struct run_command c = { .common = { COMMON_OPTIONS_INIT,
                                       .help = help } };
  CLEANUP_SESSION struct session s = SESSION_INIT;
  CLEANUP_JSON json_t *result = NULL;
  struct progress *p;
  int status;

  status = parse (argc, argv, &c);
  if (status == -1) {
    p = common_progress (&c.common);
    if (p == NULL) {
      common_options_free (&c.common);
      return STATUS_FAILED;
    }
    status = migrate (&c, p, &s, &result);
    report_result (p, status, result);
    common_progress_end (p);
    if (result && c.common.machine_fd != STDOUT_FILENO)
      run_print_result (result);
    status = finish_stdout (status);
  }
  common_options_free (&c.common);
  return status;
}

const struct command command_run = {
  "run", "migrate the VMs of a plan", help, main_run
};
