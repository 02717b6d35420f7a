/* SPDX-License-Identifier: BSD-3-Clause
 *
 * nbdlift report: a run as a page of HTML, from what it keeps in its state
 * folder.
 */
#include <string.h>
#include <sys/stat.h>

#include "common/include/cleanup.h"
#include "common/json/json.h"
#include "common/util/atomic_file.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/command.h"
#include "driver/options.h"
#include "driver/plan_state.h"
#include "driver/preflight.h"
#include "driver/report.h"
#include "driver/run.h"
#include "driver/session.h"

enum {
  OPTION_ASK_SOURCE = OPTION_OWN,
  OPTION_HTML,
};

static const char help[] =
"Usage: nbdlift report PLAN... --output=DIR [OPTION]...\n"
"Write a page of HTML about the last run of a plan.  It needs no network\n"
"and no other file.\n"
"\n"
"PLAN is a file of manifests (YAML or JSON), or - for standard input.\n"
"\n"
"  -o, --output=DIR           the folder of 'nbdlift run' (required)\n"
"      --state=DIR            its state folder (default: OUTPUT/.nbdlift)\n"
"      --plan=NAME            the Plan, if the files hold several\n"
"      --html=FILE            write the page there (default: standard\n"
"                             output)\n"
"      --ask-source           also list the concerns that there are today\n"
"      --help                 print this text\n"
"\n"
"Exit status: 0 ok; 1 no run is known; 2 wrong usage; 3 plan invalid;\n"
"4 source unreachable.\n";

static const struct option options[] = {
  { "output", required_argument, NULL, 'o' },
  { "state", required_argument, NULL, OPTION_STATE },
  { "plan", required_argument, NULL, OPTION_PLAN },
  { "html", required_argument, NULL, OPTION_HTML },
  { "ask-source", no_argument, NULL, OPTION_ASK_SOURCE },
  { "help", no_argument, NULL, OPTION_HELP },
  { NULL, 0, NULL, 0 }
};

/* Add what the source says to the problems of the plan. */
static int
ask_source (struct session *s)
{
  const struct preflight_options preflight_options = { .for_run = false };
  CLEANUP_PREFLIGHT preflight_vm_vector vms = EMPTY_VECTOR;
  int r;

  if (s->ops == NULL) {
    log_error ("this build has no source of type %s: leave out --ask-source",
               s->provider->type);
    return -1;
  }
  r = session_open (s);
  if (r == 0)
    r = preflight (s, &preflight_options, &s->problems, &vms);
  session_close_source (s);
  return r;
}

/* To FILE, whole or not at all, or with NULL to standard output. */
static int
write_page (const struct report *r, const char *file)
{
  CLEANUP_ATOMIC_FILE struct atomic_file f = { 0 };

  if (file == NULL)
    return finish_stdout (report_write (stdout, r) == 0 ? STATUS_OK :
                          STATUS_FAILED);
  if (atomic_file_open (&f, file, 0644) == -1 ||
      report_write (f.fp, r) == -1 || atomic_file_commit (&f) == -1)
    return STATUS_FAILED;
  return STATUS_OK;
}

/* What the page needs to know of the run's time.  0, or -1 reported. */
static int
look_at_run (struct report *r, const char *path)
{
  const json_t *migration =
    json_object_get (json_object_get (r->status, "status"), "migration");
  struct stat st;
  int running;

  if (!json_is_array (report_vms (r))) {
    log_error ("%s is not the status of a run: it has no "
               "status.migration.vms; 'nbdlift run' writes it anew",
               printable (path));
    return -1;
  }
  r->from = report_time (migration, "started");
  r->to = report_time (migration, "completed");
  if (r->to != 0)
    return 0;
  running = plan_state_is_running (r->folder);
  if (running == -1)
    return -1;
  r->running = running;
  r->to = running || stat (path, &st) == -1 ? r->now : st.st_mtime;
  return 0;
}

static int
print_report (struct report *r, const char *file)
{
  CLEANUP_FREE char *folder = run_earlier_folder (r->output, r->state,
                                                  r->session->plan);
  CLEANUP_FREE char *path = folder ? run_status_path (folder) : NULL;
  CLEANUP_JSON json_t *status = path ? json_read_file (path, 1) : NULL;

  if (status == NULL)
    return STATUS_FAILED;
  r->folder = folder;
  r->status = status;
  if (look_at_run (r, path) == -1)
    return STATUS_FAILED;
  return write_page (r, file);
}

static int
main_report (int argc, char **argv)
{
  CLEANUP_SESSION struct session s = SESSION_INIT;
  struct common_options c = { COMMON_OPTIONS_INIT, .help = help };
  struct report r = { .session = &s };
  const char *file = NULL;
  int opt, status = -1;

  while (status == -1 &&
         (opt = getopt_long (argc, argv, "o:", options, NULL)) != -1)
    switch (opt) {
    case OPTION_ASK_SOURCE:
      r.asked = true;
      break;
    case OPTION_HTML:
      file = optarg;
      break;
    default:
      status = common_option (opt, argv, &c);
    }
  if (status == -1)
    status = common_plan (argc, argv, &c, &s);
  if (status != -1)
    return status;
  if (r.asked && ask_source (&s) == -1)
    return STATUS_SOURCE;
  r.files = (const char *const *) &argv[optind];
  r.nr_files = argc - optind;
  r.output = c.output;
  r.state = c.state;
  r.plan = c.plan;
  r.now = time (NULL);
  return print_report (&r, file);
}

const struct command command_report = {
  "report", "write a page of HTML about a run", help, main_report
};
