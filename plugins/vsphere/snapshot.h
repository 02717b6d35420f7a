/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The disks of a VM as they were when a snapshot was taken.
 */
#ifndef NBDLIFT_VSPHERE_SNAPSHOT_H
#define NBDLIFT_VSPHERE_SNAPSHOT_H

#include "plugins/vsphere/vsphere.h"

/* Where the chain of DISK begins at the snapshot ID of the VM: the
 * descriptors of *LINKS, the base last, malloc'ed (string_vector_free).
 * Empty if the disk is not in the snapshot.  0, or -1 with errno and a
 * report (ENOENT: no such snapshot of this VM).
 */
extern int vsphere_snapshot_links (struct vim *vim,
                                   const struct vsphere_vm *vm,
                                   const char *id,
                                   const struct vsphere_disk *disk,
                                   string_vector *links);

#endif /* NBDLIFT_VSPHERE_SNAPSHOT_H */
