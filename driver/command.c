/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the command lines of all commands share.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/util/log.h"
#include "driver/command.h"

int
usage_hint (char **argv)
{
  fprintf (stderr, "Try '%s --help' for more information.\n", argv[0]);
  return STATUS_USAGE;
}

int
usage_error (char **argv, const char *fmt, ...)
{
  va_list args;

  fprintf (stderr, "%s: ", argv[0]);
  va_start (args, fmt);
  vfprintf (stderr, fmt, args);
  va_end (args);
  fputc ('\n', stderr);
  return usage_hint (argv);
}

int
finish_stdout (int status)
{
  if (fflush (stdout) == EOF || ferror (stdout)) {
    log_error ("cannot write to standard output: %m");
    return status == STATUS_OK ? STATUS_FAILED : status;
  }
  return status;
}
