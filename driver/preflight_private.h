/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Between the files of preflight: preflight.c finds the VMs and settles
 * their names, preflight_vm.c looks at each, preflight_shared.c at disks
 * that several have.
 */
#ifndef NBDLIFT_PREFLIGHT_PRIVATE_H
#define NBDLIFT_PREFLIGHT_PRIVATE_H

#include "driver/preflight.h"

/* What the functions share. */
struct look {
  const struct session *s;
  const struct preflight_options *options;
  problem_vector *problems;
  char object[340];             /* "Plan mig/plan1" */
};

/* Add a problem.  0, or -1 reported, as of all functions below. */
extern int note (const struct look *look, enum problem_category category,
                 const char *type, const struct plan_where *where,
                 const char *path, const char *suggestion,
                 const char *message);
/* A problem of one VM; FMT's text follows the VM's name. */
extern int note_vm (const struct look *look, const struct preflight_vm *p,
                    enum problem_category category, const char *type,
                    const char *suggestion, const char *fmt, ...)
  __attribute__ ((format (printf, 6, 7)));

/* What the plan asks for and this version does not do yet. */
extern enum problem_category unsupported (const struct look *look);
/* True if PROGRAM can be run here. */
extern bool on_path (const char *program);

/* Look at P alone: how its disks are read, maps, features, concerns. */
extern int preflight_check_vm (const struct look *look,
                               struct preflight_vm *p);

#endif /* NBDLIFT_PREFLIGHT_PRIVATE_H */
