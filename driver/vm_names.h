/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a VM, its volumes, disks and NICs are called on the target.
 */
#ifndef NBDLIFT_VM_NAMES_H
#define NBDLIFT_VM_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "common/vm/vm.h"
#include "driver/plan/plan.h"

#define VM_NAME_MAX 63          /* of a label, and of a label's value */

/* Everything that is settled before a VM's first byte is copied. */
struct vm_names {
  char *vm;                     /* metadata.name of the VirtualMachine */
  bool renamed;                 /* differs from the source's name */
  char **pvc;                   /* one per vm->disks */
  char **volume;                /* "vol-0" ... one per vm->disks */
  size_t nr_disks;
  char **network;               /* "net-0" ... one per vm->nics; NULL for
                                   those that the map drops or lacks */
  size_t nr_nics;
};

/* TAKEN (names of VMs of the plan settled before) makes the target name
 * unique.  Deterministic: the same plan gives the same names on every
 * run.  Forklift's rules: the target name is sanitised, has at most 63
 * characters and is made unique by a suffix from the VM's id; the plan's
 * templates, or the VM's, name the rest (nbdlift-plan(5), NAMES).  NETWORKS
 * can be NULL: then no NIC has a name.  0; or -1 with errno, reported
 * (EINVAL: the plan's targetName is not a name, or a template fails or
 * makes none, or one name for two things of the VM; EEXIST: targetName is
 * taken).
 */
extern int vm_names_make (const struct plan *plan, const struct plan_vm *pvm,
                          const struct vm *vm,
                          const struct plan_network_map *networks,
                          const string_vector *taken, struct vm_names *names);
extern void vm_names_free (struct vm_names *names);

/* Index of the disk to boot from: vms[].rootDisk ("/dev/sdb2" is the
 * second disk), else the first.
 */
extern size_t vm_root_disk (const struct plan_vm *pvm, const struct vm *vm);

/* N hexadecimal digits made from the VM's id, SALT and ROUND, and a NUL.  N
 * is at most 8.  0, or -1 reported.
 */
extern int vm_names_suffix (const struct vm *vm, const char *salt,
                            size_t round, char *out, size_t n);

/* Disk I is shared, and its claim has the name PVC already: *NAMES, which
 * vm_names_make has made, has it too.  As vm_names_make; *NAMES is not
 * changed on failure.
 */
extern int vm_names_set_pvc (const struct plan *plan,
                             const struct plan_vm *pvm, const struct vm *vm,
                             struct vm_names *names, size_t i,
                             const char *pvc);

/* The names of the disks and NICs of *NAMES, whose vm is set.  As
 * vm_names_make.
 */
extern int vm_names_of_disks (const struct plan *plan,
                              const struct plan_vm *pvm, const struct vm *vm,
                              struct vm_names *names);
extern int vm_names_of_nics (const struct plan *plan,
                             const struct plan_vm *pvm, const struct vm *vm,
                             const struct plan_network_map *networks,
                             struct vm_names *names);

#endif /* NBDLIFT_VM_NAMES_H */
