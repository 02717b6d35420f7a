/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The commands of nbdlift, their exit codes and what their command
 * lines share.
 */
#ifndef NBDLIFT_COMMAND_H
#define NBDLIFT_COMMAND_H

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>

/* Documented in nbdlift(1), EXIT STATUS. */
enum exit_status {
  STATUS_OK = 0,
  STATUS_FAILED = 1,
  STATUS_USAGE = 2,
  STATUS_PLAN = 3,              /* plan or manifest is invalid */
  STATUS_SOURCE = 4,            /* unreachable, or refused us */
  STATUS_TARGET = 5,
  STATUS_CONVERSION = 6,
  STATUS_PARTLY = 7,            /* some VMs failed */
  STATUS_CANCELLED = 8,
};

struct command {
  const char *name;
  const char *summary;          /* one line, for nbdlift --help */
  const char *help;             /* all of nbdlift COMMAND --help */

  /* ARGV[0] is "nbdlift COMMAND".  Returns the exit status. */
  int (*main) (int argc, char **argv);
};

extern const struct command command_run;
extern const struct command command_check;
extern const struct command command_inventory;
extern const struct command command_describe;
extern const struct command command_serve;
extern const struct command command_copy;
extern const struct command command_verify;
extern const struct command command_status;
extern const struct command command_cancel;
extern const struct command command_cleanup;
extern const struct command command_report;
extern const struct command command_template;

/* Say what is wrong and where help is.  Returns STATUS_USAGE. */
extern int usage_error (char **argv, const char *fmt, ...)
  __attribute__ ((format (printf, 2, 3)));

/* After getopt_long said '?': the hint alone.  Returns STATUS_USAGE. */
extern int usage_hint (char **argv);

/* Flush standard output: STATUS, or STATUS_FAILED reported if what was
 * printed did not get out (a full disk behind a redirection).
 */
extern int finish_stdout (int status);

#endif /* NBDLIFT_COMMAND_H */
