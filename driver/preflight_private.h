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
  json_t *inventory;            /* all VMs of the source, once asked for */
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

/* Find out which disks of ALL are shared. */
extern int preflight_find_shared (const struct look *look,
                                  const preflight_vm_vector *all);
/* Give the shared disks of VM N of ALL, whose names have been made after
 * those of the VMs before it, the names of their claims.  EINVAL: a
 * template of its makes a name twice then.
 */
extern int preflight_name_shared (const struct look *look,
                                  const preflight_vm_vector *all, size_t n);
/* What there is to say of the shared disks of P, one of ALL.  CHOSEN: which
 * of these the run will migrate.
 */
extern int preflight_check_shared (struct look *look, struct preflight_vm *p,
                                   const preflight_vm_vector *all,
                                   const bool *chosen);

/* The NICs of VM N of ALL, and those of the chosen ones before it. */
extern int preflight_check_nics (const struct look *look,
                                 const preflight_vm_vector *all, size_t n,
                                 const bool *chosen);

/* Hold maps and Hosts against the source's inventory. */
extern int preflight_check_source (const struct look *look,
                                   const preflight_vm_vector *all,
                                   const bool *chosen);

#endif /* NBDLIFT_PREFLIGHT_PRIVATE_H */
