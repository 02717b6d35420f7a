/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What must be known before the first byte is copied and needs the
 * source: which VM each entry of the plan means, whether the maps cover
 * it, what it will be called.  Problems are joined with those of
 * plan_check and have Forklift's names.
 */
#ifndef NBDLIFT_PREFLIGHT_H
#define NBDLIFT_PREFLIGHT_H

#include <stdbool.h>
#include <stddef.h>

#include "driver/plan/plan.h"
#include "driver/session.h"
#include "driver/target/target.h"
#include "driver/vm_manifest.h"

/* A disk of a VM, where it is shared. */
struct preflight_disk {
  char *shared;                 /* its identity (shared_disk.h), or NULL: it
                                   is the VM's own */
  bool found, complete;         /* a volume of it is on the target, and
                                   finished */
};

struct preflight_vm {
  const struct plan_vm *pvm;
  size_t index;                 /* in plan->vms */
  struct vm vm;
  struct vm_names names;
  struct preflight_disk *disks; /* one per vm.disks */
  struct source_path path;      /* how its disks are read; name NULL if
                                   there is only one way */
};
DEFINE_VECTOR_TYPE (preflight_vm_vector, struct preflight_vm *);

struct preflight_options {
  /* For `run': what this version cannot do yet is Critical.  Else it is
   * a Warn, since the plan itself is right.
   */
  bool for_run;

  /* Only these VMs (by name, id, path or target name), or all when
   * empty.
   */
  const string_vector *only;

  /* Where the run will write; NULL: that is not known.  Volumes of shared
   * disks are looked for there.
   */
  const struct target_ops *target;
  const char *output;
};

/* Look at every VM of S->plan (S is open).  Problems are appended to
 * PROBLEMS, VMs that were found and chosen to *VMS, in the plan's order.
 * 0 also when there are problems; -1 with errno and a report when the
 * source fails, memory is short, or a name of ONLY fits no VM or several
 * (EINVAL).
 */
extern int preflight (const struct session *s,
                      const struct preflight_options *options,
                      problem_vector *problems, preflight_vm_vector *vms);

extern void preflight_free (preflight_vm_vector *vms);
#define CLEANUP_PREFLIGHT __attribute__ ((cleanup (preflight_free)))

#endif /* NBDLIFT_PREFLIGHT_H */
