/* SPDX-License-Identifier: BSD-3-Clause
 *
 * From struct vm and a plan to Kubernetes objects: PVCs and the
 * VirtualMachine (kubevirt.io/v1).  Makes JSON; writes nothing.
 */
#ifndef NBDLIFT_VM_MANIFEST_H
#define NBDLIFT_VM_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "common/vm/vm.h"
#include "driver/plan/plan.h"
#include "driver/vm_names.h"

struct vm_manifest_input {
  const struct plan *plan;
  const struct plan_vm *pvm;
  const struct plan_provider *provider;
  const struct plan_network_map *networks;
  const struct plan_storage_map *storages;
  const struct plan_migration *migration;       /* or NULL */
  const struct vm *vm;
  const struct vm_names *names;
  const bool *foreign;          /* one per disk: its claim is that of another
                                   plan, and is only used; NULL: none is */
  enum vm_firmware firmware;    /* what conversion found, if the source did
                                   not say; else vm->firmware */
  enum vm_power power;          /* before we powered it off; UNKNOWN: we did
                                   not, vm->power is right */
  const char *osinfo;           /* libosinfo short id found by conversion
                                   ("debian12"), or NULL */
  bool converted;               /* went through virt-v2v */
  bool virtio;                  /* the guest has virtio drivers: false for
                                   Windows without them */
};

/* JSON array: one PersistentVolumeClaim per disk that is not a LUN, then
 * the VirtualMachine.  NULL with errno, reported (ENOENT:
 * no row of a map fits; EINVAL).
 */
extern json_t *vm_manifest (const struct vm_manifest_input *in);

/* Bytes that a volume of this capacity has: rounded up to 1 MiB.  0 when
 * that overflows.
 */
extern uint64_t vm_volume_size (uint64_t capacity);

#endif /* NBDLIFT_VM_MANIFEST_H */
