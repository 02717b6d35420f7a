/* SPDX-License-Identifier: BSD-3-Clause
 *
 * nbdlift(1): finds the command and runs it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/util/strbuf.h"
#include "common/xml/xml.h"
#include "driver/cancel.h"
#include "driver/command.h"
#include "driver/driver_log.h"
#include "driver/leftovers.h"

static const struct command *const commands[] = {
  &command_run,
  &command_check,
  &command_inventory,
  &command_describe,
  &command_serve,
  &command_copy,
  &command_verify,
  &command_status,
  &command_cancel,
  &command_cleanup,
  &command_report,
  &command_template,
  NULL
};

static const char program_help[] =
"Usage: nbdlift COMMAND [OPTION]... [ARGUMENT]...\n"
"Migrate virtual machines to KubeVirt.\n"
"\n"
"Commands:\n";

static const char program_help_end[] =
"\n"
"Options:\n"
"  -h, --help       print this text\n"
"  -V, --version    print the version\n"
"\n"
"'nbdlift COMMAND --help' prints the options of a command; nbdlift(1) and\n"
"nbdlift-plan(5) describe everything.\n"
"\n"
"Exit status: 0 ok; 1 failed; 2 wrong usage; 3 plan or manifest invalid;\n"
"4 source unreachable or refused; 5 target failed; 6 conversion failed;\n"
"7 some VMs failed; 8 cancelled.\n";

static void
print_help (void)
{
  size_t i;

  fputs (program_help, stdout);
  for (i = 0; commands[i]; i++)
    printf ("  %-10s %s\n", commands[i]->name, commands[i]->summary);
  fputs (program_help_end, stdout);
}

static int
unknown (const char *what, const char *text)
{
  fprintf (stderr, "nbdlift: unknown %s '%s'\n"
           "Try 'nbdlift --help' for more information.\n",
           what, printable (text));
  return STATUS_USAGE;
}

int
main (int argc, char *argv[])
{
  char *name;
  size_t i;

  driver_log_init (LOG_LEVEL_INFO);
  if (argc < 2) {
    fprintf (stderr, "nbdlift: which command?\n"
             "Try 'nbdlift --help' for more information.\n");
    return STATUS_USAGE;
  }
  if (strcmp (argv[1], "--help") == 0 || strcmp (argv[1], "-h") == 0) {
    print_help ();
    return finish_stdout (STATUS_OK);
  }
  if (strcmp (argv[1], "--version") == 0 || strcmp (argv[1], "-V") == 0) {
    printf ("nbdlift %s\n", NBDLIFT_VERSION);
    return finish_stdout (STATUS_OK);
  }
  if (argv[1][0] == '-')
    return unknown ("option", argv[1]);

  for (i = 0; commands[i]; i++)
    if (strcmp (commands[i]->name, argv[1]) == 0)
      break;
  if (commands[i] == NULL)
    return unknown ("command", argv[1]);

  cancel_init ();
  xml_global_init ();
  if (commands[i] != &command_cleanup)  /* which says what it removes */
    leftovers_remove (NULL);

  /* getopt names the program by argv[0] in its messages. */
  if (asprintf (&name, "nbdlift %s", commands[i]->name) == -1) {
    log_oom ();
    return STATUS_FAILED;
  }
  argv[1] = name;
  return commands[i]->main (argc - 1, argv + 1);
}
