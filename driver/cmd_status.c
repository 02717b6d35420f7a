/* SPDX-License-Identifier: BSD-3-Clause
 *
 * nbdlift status: how far a run is or was, from the file that the run
 * keeps in its state folder.
 */
#include <string.h>

#include "common/include/cleanup.h"
#include "common/json/json.h"
#include "common/util/log.h"
#include "driver/command.h"
#include "driver/options.h"
#include "driver/output.h"
#include "driver/run.h"
#include "driver/session.h"

static const char help[] =
"Usage: nbdlift status PLAN... --output=DIR [OPTION]...\n"
"Print how far the last run of a plan is, or how it ended.\n"
"\n"
"PLAN is a file of manifests (YAML or JSON), or - for standard input.\n"
"\n"
"  -o, --output=DIR           the folder of 'nbdlift run' (required)\n"
"      --state=DIR            its state folder (default: OUTPUT/.nbdlift)\n"
"      --plan=NAME            the Plan, if the files hold several\n"
"  -f, --format=table|json|yaml\n"
"                             how to print (default: table)\n"
"      --help                 print this text\n"
"\n"
"JSON and YAML are a Plan whose status.migration is as Forklift writes it.\n"
"\n"
"Exit status: 0 ok; 1 no run is known; 2 wrong usage; 3 plan invalid.\n";

static const struct option options[] = {
  { "output", required_argument, NULL, 'o' },
  { "state", required_argument, NULL, OPTION_STATE },
  { "plan", required_argument, NULL, OPTION_PLAN },
  { "format", required_argument, NULL, 'f' },
  { "help", no_argument, NULL, OPTION_HELP },
  { NULL, 0, NULL, 0 }
};

static const struct output_column columns[] = {
  { "VM", "vm", COLUMN_TEXT },
  { "STEP", "step", COLUMN_TEXT },
  { "PHASE", "phase", COLUMN_TEXT },
  { "DONE", "done", COLUMN_TEXT },
  { "OF", "total", COLUMN_TEXT },
  { "UNIT", "unit", COLUMN_TEXT },
  { "ERROR", "error", COLUMN_TEXT },
  { NULL, NULL, COLUMN_TEXT }
};

/* One row per VM and step. */
static int
add_rows (json_t *rows, const json_t *vm)
{
  const json_t *step;
  size_t i;

  json_array_foreach (json_object_get (vm, "pipeline"), i, step) {
    const json_t *progress = json_object_get (step, "progress");
    const json_t *reasons =
      json_object_get (json_object_get (step, "error"), "reasons");
    json_t *row = json_object ();

    if (row == NULL || json_array_append_new (rows, row) == -1) {
      log_oom ();
      return -1;
    }
    if (json_set_string (row, "vm",
                         json_get_string (vm, "name", "-")) == -1 ||
        json_set_string (row, "step",
                         json_get_string (step, "name", "-")) == -1 ||
        json_set_string (row, "phase",
                         json_get_string (step, "phase", "-")) == -1 ||
        json_set_u64 (row, "done",
                      json_get_u64 (progress, "completed", 0)) == -1 ||
        json_set_u64 (row, "total",
                      json_get_u64 (progress, "total", 0)) == -1 ||
        json_set_string (row, "unit",
                         json_object_get (step, "annotations") ?
                         "MiB" : NULL) == -1 ||
        json_set_string (row, "error", json_string_value
                         (json_array_get (reasons, 0))) == -1)
      return -1;
  }
  return 0;
}

static int
print_table (const json_t *doc)
{
  CLEANUP_JSON json_t *rows = json_array ();
  const json_t *migration =
    json_object_get (json_object_get (doc, "status"), "migration");
  const json_t *vm;
  size_t i;

  json_array_foreach (json_object_get (migration, "vms"), i, vm)
    if (add_rows (rows, vm) == -1)
      return -1;
  return output_table (rows, columns);
}

static int
print_status (const struct session *s, const struct common_options *c)
{
  CLEANUP_FREE char *folder = run_earlier_folder (c->output, c->state,
                                                  s->plan);
  CLEANUP_FREE char *path = folder ? run_status_path (folder) : NULL;
  CLEANUP_JSON json_t *doc = path ? json_read_file (path, 1) : NULL;
  int r;

  if (doc == NULL)
    return STATUS_FAILED;
  if (c->format == OUTPUT_TABLE)
    r = print_table (doc);
  else
    r = output_document (doc, c->format);
  return finish_stdout (r == 0 ? STATUS_OK : STATUS_FAILED);
}

static int
main_status (int argc, char **argv)
{
  CLEANUP_SESSION struct session s = SESSION_INIT;
  struct common_options c = { COMMON_OPTIONS_INIT, .help = help,
                              .state_will_do = true };
  int status;

  status = common_parse (argc, argv, "o:f:", options, &c);
  if (status == -1)
    status = common_plan (argc, argv, &c, &s);
  if (status != -1)
    return status;
  return print_status (&s, &c);
}

const struct command command_status = {
  "status", "print how far a run is, or how it ended", help, main_status
};
