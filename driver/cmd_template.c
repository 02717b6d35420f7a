/* SPDX-License-Identifier: BSD-3-Clause
 *
 * nbdlift template: what a template of names makes of some data.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/json/json.h"
#include "common/template/template.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/command.h"
#include "driver/options.h"

static const char help[] =
"Usage: nbdlift template --data FILE.json -- TEMPLATE\n"
"Print what TEMPLATE, in the syntax of Go's text/template, makes of data.\n"
"\n"
"The members of the JSON object in FILE.json (- is standard input) are the\n"
"fields: {\"VmName\": \"web\", \"DiskIndex\": 0} gives .VmName and\n"
".DiskIndex.\n"
"nbdlift-plan(5), NAMES, tells which fields and functions there are.\n"
"\n"
"      --data=FILE.json       the data (default: none)\n"
"      --help                 print this text\n"
"\n"
"Exit status: 0 ok; 2 wrong usage; 3 the template is wrong, and where, as Go\n"
"says it; 1 anything else.\n";

enum { OPTION_DATA = OPTION_OWN };

static const struct option options[] = {
  { "data", required_argument, NULL, OPTION_DATA },
  { "help", no_argument, NULL, OPTION_HELP },
  { NULL, 0, NULL, 0 }
};

/* The object in FILE; an empty one if NULL.  NULL reported. */
static json_t *
read_data (const char *file)
{
  json_error_t error;
  json_t *j;

  if (file == NULL)
    j = json_object ();
  else if (strcmp (file, "-") != 0)
    j = json_read_file (file, 1);
  else {
    j = json_loadf (stdin, JSON_REJECT_DUPLICATES, &error);
    if (j == NULL)
      log_error ("standard input, line %d, column %d: %s", error.line,
                 error.column, printable (error.text));
  }
  if (j && !json_is_object (j)) {
    log_error ("%s: is no JSON object: write {\"VmName\": \"web\"}",
               file ? printable (file) : "-");
    json_decref (j);
    return NULL;
  }
  return j;
}

static int
print (const char *text, const json_t *data)
{
  CLEANUP_TEMPLATE_ERROR struct template_error error = TEMPLATE_ERROR_INIT;
  CLEANUP_TEMPLATE struct template *t = template_parse (text, &error);
  CLEANUP_FREE char *output = NULL;
  CLEANUP_STRBUF struct strbuf message = { 0 };
  size_t length;

  if (t == NULL || template_run (t, data, &output, &length, &error) == -1) {
    if (error.message == NULL)
      return STATUS_FAILED;
    if (strbuf_append_printable (&message, error.message, SIZE_MAX) == -1) {
      log_oom ();
      return STATUS_FAILED;
    }
    log_error ("%s", message.ptr);
    return STATUS_PLAN;
  }
  fwrite (output, 1, length, stdout);
  putchar ('\n');
  return STATUS_OK;
}

static int
main_template (int argc, char **argv)
{
  CLEANUP_JSON json_t *data = NULL;
  CLEANUP_COMMON_OPTIONS struct common_options c = {
    COMMON_OPTIONS_INIT, .help = help,
  };
  const char *file = NULL;
  int opt, status;

  while ((opt = getopt_long (argc, argv, "", options, NULL)) != -1) {
    if (opt == OPTION_DATA) {
      file = optarg;
      continue;
    }
    status = common_option (opt, argv, &c);
    if (status != -1)
      return status;
  }
  if (argc - optind != 1)
    return usage_error (argv, "give one template, in quotes");
  data = read_data (file);
  if (data == NULL)
    return STATUS_FAILED;
  return finish_stdout (print (argv[optind], data));
}

const struct command command_template = {
  "template", "try a template of names", help, main_template
};
