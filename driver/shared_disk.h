/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Disks that several VMs have attached.  Such a disk is copied once and
 * belongs to none of the VMs, nor to a plan: its volume is found again by
 * the disk's identity, and its state is in a folder of its own,
 *
 *   STATE/.shared/NAMESPACE/IDENTITY/
 *
 * with a journal of one disk, what a copy needs to go on, and a file for
 * each VM that uses the volume.
 */
#ifndef NBDLIFT_SHARED_DISK_H
#define NBDLIFT_SHARED_DISK_H

#include <stdbool.h>

#include "common/util/vector.h"
#include "common/vm/vm.h"
#include "driver/plan/plan.h"
#include "driver/target/target.h"

/* The identity of disk D of a VM of PROVIDER, a UUID: the same for every
 * VM, in every plan, that has this very disk.  *IDENTITY is malloc'ed, or
 * NULL if no other VM can have it.  0, or -1 reported.
 */
extern int shared_disk_identity (const struct plan_provider *provider,
                                 const struct vm_disk *d, char **identity);

/* The owner of its volume in NAMESPACE_ (target.h).  malloc'ed, NULL
 * reported, as of the functions below.
 */
extern char *shared_disk_owner (const char *namespace_,
                                const char *identity);

/* Its folder, beside the folder of any plan of the same state. */
extern char *shared_disk_folder (const char *plan_folder,
                                 const char *namespace_,
                                 const char *identity);

/* The plan as a journal of a shared disk names it. */
extern char *shared_disk_plan_label (const struct plan *plan);

/* The VM with this target name uses the volume, or does so no more.  0, or
 * -1 reported.
 */
extern int shared_disk_add_user (const char *folder, const struct plan *plan,
                                 const char *target);
extern int shared_disk_remove_user (const char *folder,
                                    const struct plan *plan,
                                    const char *target);
/* Does anybody use it, but for that VM (NULL: also counting it)?  1 yes, 0
 * no, -1 reported.
 */
extern int shared_disk_has_users (const char *folder,
                                  const struct plan *plan,
                                  const char *but_target);

/* Remove its state, which is not needed any more.  0, or -1 reported. */
extern int shared_disk_remove_folder (const char *folder);

/* The VM does not use the disk any more.  With the last user its state
 * goes, and its volume unless a VM that was migrated has it, or it is
 * finished and KEEP_FINISHED.  What was removed is appended to REMOVED.
 * *GONE (can be NULL): the state is.  0, or -1 reported.
 */
extern int shared_disk_release (const struct target_ops *ops, void *target,
                                const char *folder, const struct plan *plan,
                                const char *vm, bool keep_finished,
                                string_vector *removed, bool *gone);

/* The same for all shared disks that the VM uses. */
extern int shared_disk_release_all (const struct target_ops *ops,
                                    void *target, const char *plan_folder,
                                    const struct plan *plan, const char *vm,
                                    bool keep_finished,
                                    string_vector *removed);

#endif /* NBDLIFT_SHARED_DISK_H */
