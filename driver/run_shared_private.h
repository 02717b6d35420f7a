/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Between run_shared.c and run_shared_turn.c.
 */
#ifndef NBDLIFT_RUN_SHARED_PRIVATE_H
#define NBDLIFT_RUN_SHARED_PRIVATE_H

#include "driver/run_shared.h"

/* D as the only disk of a VM, for the journal of RS: with nothing in it that
 * depends on one of the VMs.  *VM is set in any case.  0, or -1 reported.
 */
extern int run_shared_as_vm (const struct run_shared *rs,
                             const struct vm_disk *d, struct vm *vm);

#endif /* NBDLIFT_RUN_SHARED_PRIVATE_H */
