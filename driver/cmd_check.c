/* SPDX-License-Identifier: BSD-3-Clause
 *
 * nbdlift check: is this plan right?  All problems at once, those that
 * the files show and those that only the source can show.
 */
#include <errno.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/json/json.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/command.h"
#include "driver/driver_log.h"
#include "driver/options.h"
#include "driver/output.h"
#include "driver/preflight.h"
#include "driver/session.h"

static const char help[] =
"Usage: nbdlift check PLAN... [OPTION]...\n"
"Check plan files and what they say of the source, and print every problem\n"
"found.\n"
"\n"
"PLAN is a file of manifests (YAML or JSON), or - for standard input.\n"
"\n"
"  -o, --output=text|json     how to print (default: text)\n"
"      --schema-only          each manifest alone, without what it refers to\n"
"      --no-source            do not ask the source\n"
"  -v, --verbose              debug messages too\n"
"      --help                 print this text\n"
"\n"
"Exit status: 0 nothing critical; 2 wrong usage; 3 something critical;\n"
"4 a source cannot be asked.\n";

enum {
  OPTION_SCHEMA_ONLY = OPTION_OWN,
  OPTION_NO_SOURCE,
};

static const struct option options[] = {
  { "output", required_argument, NULL, 'o' },
  { "schema-only", no_argument, NULL, OPTION_SCHEMA_ONLY },
  { "no-source", no_argument, NULL, OPTION_NO_SOURCE },
  { "verbose", no_argument, NULL, 'v' },
  { "help", no_argument, NULL, OPTION_HELP },
  { NULL, 0, NULL, 0 }
};

/* The source of a plan cannot be asked: a problem of its Provider. */
static int
add_unreachable (struct session *s, int err, const char *why)
{
  CLEANUP_FREE char *object = NULL;

  if (asprintf (&object, "Provider %s", s->provider->meta.name) == -1) {
    object = NULL;
    log_oom ();
    return -1;
  }
  return problem_add (&s->problems, PROBLEM_CRITICAL, err == EPERM ?
                      "ConnectionAuthFailed" : "ConnectionTestFailed",
                      &s->provider->meta.where, object, "spec.url", NULL,
                      "%s", why ? why : "the source cannot be asked");
}

/* Ask the source of S->plan. */
static enum exit_status
check_with_source (struct session *s)
{
  const struct preflight_options preflight_options = { .for_run = false };
  CLEANUP_PREFLIGHT preflight_vm_vector vms = EMPTY_VECTOR;
  struct log_scope scope = { .hold = true };
  CLEANUP_FREE char *why = NULL;
  int r, err;

  log_scope_enter (&scope);
  r = session_open (s);
  if (r == 0)
    r = preflight (s, &preflight_options, &s->problems, &vms);
  err = errno;
  why = log_scope_take (&scope);
  log_scope_leave (&scope);
  if (r == -1)
    add_unreachable (s, err, why);
  session_close_source (s);
  return r == 0 ? STATUS_OK : STATUS_SOURCE;
}

/* All plans of the files that have a source we know. */
static enum exit_status
check_plans (struct session *s)
{
  enum exit_status status = STATUS_OK;
  size_t i;

  for (i = 0; i < s->set.plans.len; i++) {
    session_take_plan (s, &s->set.plans.ptr[i]);
    if (s->provider == NULL || s->networks == NULL || s->storages == NULL)
      continue;                 /* plan_check has said so */
    if (s->ops == NULL) {
      problem_add (&s->problems, PROBLEM_ADVISORY, "NotSupported",
                   &s->provider->meta.where, NULL, "spec.type", NULL,
                   "this build has no source of type %s: what needs the "
                   "source was not checked",
                   printable (s->provider->type));
      continue;
    }
    if (check_with_source (s) != STATUS_OK)
      status = STATUS_SOURCE;
  }
  return status;
}

static int
print_json (const struct session *s, bool ready)
{
  CLEANUP_JSON json_t *j = json_object ();

  if (j == NULL) {
    log_oom ();
    return -1;
  }
  if (json_set_bool (j, "ready", ready) == -1 ||
      json_set (j, "problems", problem_to_json (&s->problems)) == -1)
    return -1;
  return output_document (j, OUTPUT_JSON);
}

static void
print_text (const struct session *s, bool ready)
{
  size_t i, n[3] = { 0, 0, 0 };

  problem_print (stdout, &s->problems);
  for (i = 0; i < s->problems.len; i++)
    n[s->problems.ptr[i].category]++;
  printf ("%s: %zu critical, %zu warnings, %zu notes\n",
          ready ? "ready" : "not ready", n[PROBLEM_CRITICAL],
          n[PROBLEM_WARN], n[PROBLEM_ADVISORY]);
}

static int
main_check (int argc, char **argv)
{
  CLEANUP_SESSION struct session s = SESSION_INIT;
  bool schema_only = false, no_source = false, json = false, ready;
  struct common_options c = { COMMON_OPTIONS_INIT, .help = help };
  int opt, r, status = -1;

  while (status == -1 &&
         (opt = getopt_long (argc, argv, "o:v", options, NULL)) != -1)
    switch (opt) {
    case 'o':
      json = strcmp (optarg, "json") == 0;
      if (!json && strcmp (optarg, "text") != 0)
        return usage_error (argv, "--output=%s: it is text or json",
                            printable (optarg));
      break;
    case OPTION_SCHEMA_ONLY:
      schema_only = true;
      break;
    case OPTION_NO_SOURCE:
      no_source = true;
      break;
    default:
      status = common_option (opt, argv, &c);
    }
  if (status != -1)
    return status;
  if (optind == argc)
    return usage_error (argv, "which plan file?");

  if (schema_only)
    r = plan_load ((const char *const *) &argv[optind], argc - optind,
                   &s.set, &s.problems);
  else
    r = session_load (&s, (const char *const *) &argv[optind],
                      argc - optind);
  if (r == -1)
    return STATUS_PLAN;
  status = STATUS_OK;
  if (!schema_only && !no_source && !problem_any_critical (&s.problems))
    status = check_plans (&s);

  ready = !problem_any_critical (&s.problems);
  if (json)
    print_json (&s, ready);
  else
    print_text (&s, ready);
  if (!ready && status == STATUS_OK)
    status = STATUS_PLAN;
  return finish_stdout (status);
}

const struct command command_check = {
  "check", "check plan files and what they say of the source", help,
  main_check
};
