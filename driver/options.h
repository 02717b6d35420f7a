/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Options that several commands have.  A command names those that it has
 * in its table for getopt_long, handles its own, and hands the rest to
 * common_option.
 */
#ifndef NBDLIFT_OPTIONS_H
#define NBDLIFT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/util/vector.h"
#include "driver/command.h"
#include "driver/output.h"
#include "driver/progress.h"
#include "driver/session.h"

/* What getopt_long returns for long options without a letter. */
enum {
  OPTION_HELP = 256,
  OPTION_MACHINE_READABLE,
  OPTION_MEMORY,
  OPTION_PLAN,
  OPTION_PROVIDER,
  OPTION_RATE,
  OPTION_STATE,
  OPTION_TRANSPORT,
  OPTION_VDDK_LIBDIR,
  OPTION_VM,
  OPTION_OWN,                   /* the first one of a command's own */
};

/* Start with COMMON_OPTIONS_INIT and what differs.  Strings are those of
 * the command line.
 */
struct common_options {
  const char *help;             /* what --help prints */
  bool output_is_format;        /* -o is what -f is elsewhere */
  bool state_will_do;           /* instead of --output */
  unsigned formats;             /* allowed: bits 1 << OUTPUT_X; 0: table,
                                   json and yaml */

  const char *output, *state, *plan, *provider; /* or NULL */
  const char *transport, *vddk_libdir;          /* likewise */
  string_vector vms;
  enum output_format format;
  bool quiet;
  uint64_t rate, memory;        /* 0: not given */
  int machine_fd;               /* -1: none */
};
#define COMMON_OPTIONS_INIT .machine_fd = -1

extern void common_options_free (struct common_options *c);
#define CLEANUP_COMMON_OPTIONS                                          \
  __attribute__ ((cleanup (common_options_free)))

/* Take OPT, as getopt_long returned it.  -1: go on; else the exit status
 * with which the program ends now.
 */
extern int common_option (int opt, char **argv, struct common_options *c);

/* Take all options of a command that has none of its own; LETTERS and
 * OPTIONS as for getopt_long.  As common_option.
 */
extern int common_parse (int argc, char **argv, const char *letters,
                         const struct option *options,
                         struct common_options *c);

/* Then see that there is a plan file, and --output.  As common_option. */
extern int common_operands (int argc, char **argv,
                            const struct common_options *c);

/* Read TEXT, given to the option NAME, as a number from MIN to MAX; or as
 * a size such as 64K.  0, or STATUS_USAGE reported.
 */
extern int number_option (char **argv, const char *name, const char *text,
                          uint64_t min, uint64_t max, uint64_t *r);
extern int size_option (char **argv, const char *name, const char *text,
                        uint64_t min, uint64_t max, uint64_t *r);

/* For commands about a plan: see to the operands, as common_operands, and
 * load the plan into S.  As common_option.
 */
extern int common_plan (int argc, char **argv, const struct common_options *c,
                        struct session *s);

/* For commands about one VM, PLAN... VM: log in to the source, and describe
 * it.  As common_option.
 */
extern int common_vm (int argc, char **argv, const struct common_options *c,
                      struct session *s, struct vm *vm);

/* Log in to the source of S, which gets --transport and --vddk-libdir.
 * STATUS_OK, or why not, reported.
 */
extern enum exit_status common_open (const struct common_options *c,
                                     struct session *s);

/* Progress as the options say: for people on standard error, unless JSON
 * lines go there.  Messages go through it from now on.  NULL reported.
 */
extern struct progress *common_progress (const struct common_options *c);
extern void common_progress_end (struct progress *p);

#endif /* NBDLIFT_OPTIONS_H */
