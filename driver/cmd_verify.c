/* SPDX-License-Identifier: BSD-3-Clause
 *
 * nbdlift verify: do the source and the volumes still hold what was
 * copied?  Walks through the journals of a plan; verify.c compares.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/json/json.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/cancel.h"
#include "driver/command.h"
#include "driver/options.h"
#include "driver/run.h"
#include "driver/session.h"
#include "driver/verify.h"

static const char help[] =
"Usage: nbdlift verify PLAN... --output=DIR [OPTION]...\n"
"   or: nbdlift verify --digest=FILE [--source=NBD-URI] [OPTION]... VOLUME\n"
"Prove that what was migrated is still what was copied: the source is\n"
"compared with the digests of the copy, each volume with the digests that it\n"
"had in the end.  The first differing offset is named.\n"
"\n"
"PLAN is a file of manifests (YAML or JSON), or - for standard input.\n"
"VOLUME is a file or block device that 'nbdlift copy' wrote.\n"
"\n"
"  -o, --output=DIR           the folder of 'nbdlift run' (required)\n"
"      --state=DIR            its state folder (default: OUTPUT/.nbdlift)\n"
"      --plan=NAME            the Plan, if the files hold several\n"
"      --vm=NAME              only this VM; can be repeated\n"
"      --no-source            look at the volumes only\n"
"      --digest=FILE          verify VOLUME alone: what copy --digest wrote\n"
"      --source=NBD-URI       with --digest: what VOLUME was copied from\n"
"  -f, --format=table|json|yaml\n"
"                             how to print (default: table)\n"
"  -q, --quiet                only warnings and errors\n"
"  -v, --verbose              debug messages too\n"
"      --help                 print this text\n"
"\n"
"Exit status: 0 everything is the same; 1 something differs or is not\n"
"complete; 2 wrong usage; 3 plan invalid; 4 source failed; 8 cancelled.\n";

enum {
  OPTION_NO_SOURCE = OPTION_OWN,
  OPTION_DIGEST,
  OPTION_SOURCE,
};

static const struct option options[] = {
  { "output", required_argument, NULL, 'o' },
  { "state", required_argument, NULL, OPTION_STATE },
  { "plan", required_argument, NULL, OPTION_PLAN },
  { "vm", required_argument, NULL, OPTION_VM },
  { "no-source", no_argument, NULL, OPTION_NO_SOURCE },
  { "digest", required_argument, NULL, OPTION_DIGEST },
  { "source", required_argument, NULL, OPTION_SOURCE },
  { "format", required_argument, NULL, 'f' },
  { "quiet", no_argument, NULL, 'q' },
  { "verbose", no_argument, NULL, 'v' },
  { "help", no_argument, NULL, OPTION_HELP },
  { NULL, 0, NULL, 0 }
};

static const struct output_column columns[] = {
  { "VM", "vm", COLUMN_TEXT },
  { "DISK", "disk", COLUMN_TEXT },
  { "SOURCE", "source", COLUMN_TEXT },
  { "VOLUME", "volume", COLUMN_TEXT },
  { "OFFSET", "offset", COLUMN_TEXT },
  { NULL, NULL, COLUMN_TEXT }
};

struct verify_command {
  struct common_options common;
  const char *digest, *source;
  bool no_source;
};

static bool
is_chosen (const struct verify_command *c, const char *folder_name,
           const struct journal *j)
{
  size_t i;

  for (i = 0; i < c->common.vms.len; i++)
    if (strcmp (c->common.vms.ptr[i], folder_name) == 0 ||
        strcmp (c->common.vms.ptr[i], journal_vm_text (j, "id")) == 0 ||
        strcmp (c->common.vms.ptr[i], journal_vm_text (j, "name")) == 0)
      return true;
  return c->common.vms.len == 0;
}

static int
is_vm_folder (const struct dirent *d)
{
  return d->d_name[0] != '.';
}

/* The folders of VMs in FOLDER, sorted.  0, or -1 reported. */
static int
list_vms (const char *folder, string_vector *names)
{
  struct dirent **list;
  int i, n, r = 0;

  n = scandir (folder, &list, is_vm_folder, alphasort);
  if (n == -1) {
    log_error ("%s: %m; was this plan run with this output folder?",
               folder);
    return -1;
  }
  for (i = 0; i < n; i++) {
    if (r == 0)
      r = string_vector_append_dup (names, list[i]->d_name);
    free (list[i]);
  }
  free (list);
  if (r == -1)
    log_oom ();
  return r;
}

/* All VMs of the plan that have a journal. */
static enum exit_status
verify_plan (const struct verify_command *c, const struct session *s,
             struct progress *p, json_t *rows)
{
  CLEANUP_FREE char *plan_folder = run_earlier_folder (c->common.output,
                                                       c->common.state,
                                                       s->plan);
  CLEANUP_FREE char *vms = plan_folder ? run_vm_folder (plan_folder, "")
                                       : NULL;
  CLEANUP_STRING_VECTOR string_vector names = EMPTY_VECTOR;
  enum exit_status status = STATUS_OK, r;
  size_t i, nr_chosen = 0;

  if (vms == NULL || list_vms (vms, &names) == -1)
    return STATUS_FAILED;

  for (i = 0; i < names.len && status != STATUS_CANCELLED; i++) {
    CLEANUP_FREE char *folder = run_vm_folder (plan_folder, names.ptr[i]);
    struct journal *j = folder ? journal_load (folder) : NULL;
    const struct verify_options verify_options = {
      .session = c->no_source ? NULL : s,
      .progress = p,
      .folder = folder,
      .journal = j,
    };

    if (j == NULL) {
      if (errno != ENOENT)
        status = STATUS_FAILED;
      continue;
    }
    if (is_chosen (c, names.ptr[i], j)) {
      nr_chosen++;
      r = verify_vm (&verify_options, rows);
      if (r != STATUS_OK && status != STATUS_FAILED)
        status = r;
    }
    journal_close (j);
  }
  if (nr_chosen == 0) {
    log_error ("%s: no VM to verify", vms);
    return STATUS_FAILED;
  }
  return status;
}

/* What stands beside --digest.  -1 go on; else the exit status. */
static int
parse_volume (int argc, char **argv, const struct verify_command *c)
{
  if (c->common.output || c->common.state || c->common.plan ||
      c->common.vms.len > 0 || c->no_source)
    return usage_error (argv, "--digest is for a volume alone: --output, "
                        "--state, --plan, --vm and --no-source are for a "
                        "plan");
  if (optind == argc)
    return usage_error (argv, "which volume?");
  if (optind + 1 < argc)
    return usage_error (argv, "--digest is of one volume; what is '%s'?",
                        printable (argv[optind + 1]));
  return -1;
}

/* -1 go on; else the exit status. */
static int
parse (int argc, char **argv, struct verify_command *c)
{
  int opt, status = -1;

  while (status == -1 &&
         (opt = getopt_long (argc, argv, "o:f:qv", options, NULL)) != -1)
    switch (opt) {
    case OPTION_NO_SOURCE:
      c->no_source = true;
      break;
    case OPTION_DIGEST:
      c->digest = optarg;
      break;
    case OPTION_SOURCE:
      c->source = optarg;
      break;
    default:
      status = common_option (opt, argv, &c->common);
    }
  if (status != -1)
    return status;
  if (c->digest)
    return parse_volume (argc, argv, c);
  if (c->source)
    return usage_error (argv, "--source goes with --digest=FILE");
  return common_operands (argc, argv, &c->common);
}

/* The plan of S, or the volume at ARGS[0]. */
static enum exit_status
verify (const struct verify_command *c, const struct session *s,
        const char *const *args, struct progress *p, json_t *rows)
{
  const struct verify_volume_options volume_options = {
    .progress = p,
    .digest_file = c->digest,
    .source = c->source,
    .volume = args[0],
  };

  return c->digest ? verify_volume (&volume_options, rows) :
    verify_plan (c, s, p, rows);
}

/* STATUS_OK, or why not, reported. */
static enum exit_status
open_plan (const struct verify_command *c, struct session *s,
           const char *const *files, size_t nr_files)
{
  if (session_load (s, files, nr_files) == -1)
    return STATUS_PLAN;
  if (session_choose_plan (s, c->common.plan) == -1 || s->provider == NULL) {
    session_print_problems (s);
    return STATUS_PLAN;
  }
  return c->no_source ? STATUS_OK : common_open (&c->common, s);
}

static int
run_verify (const struct verify_command *c, const char *const *args,
            size_t nr_args)
{
  CLEANUP_SESSION struct session s = SESSION_INIT;
  CLEANUP_JSON json_t *rows = json_array ();
  struct progress *p;
  enum exit_status status = STATUS_OK;

  if (rows == NULL) {
    log_oom ();
    return STATUS_FAILED;
  }
  if (c->digest == NULL)
    status = open_plan (c, &s, args, nr_args);
  if (status != STATUS_OK)
    return status;

  p = common_progress (&c->common);
  if (p == NULL)
    return STATUS_FAILED;
  status = verify (c, &s, args, p, rows);
  common_progress_end (p);
  if (cancel_requested ())
    return STATUS_CANCELLED;

  if (json_array_size (rows) > 0) {
    if (c->common.format == OUTPUT_TABLE)
      output_table (rows, columns);
    else
      output_document (rows, c->common.format);
  }
  return finish_stdout (status);
}

static int
main_verify (int argc, char **argv)
{
  struct verify_command c = { .common = { COMMON_OPTIONS_INIT,
                                          .help = help } };
  int status = parse (argc, argv, &c);

  if (status == -1)
    status = run_verify (&c, (const char *const *) &argv[optind],
                         argc - optind);
  common_options_free (&c.common);
  return status;
}

const struct command command_verify = {
  "verify", "compare source and volumes with what was copied", help,
  main_verify
};
