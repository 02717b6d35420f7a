/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The files of a virtual disk, found by what the API says of it.
 */
#ifndef NBDLIFT_VSPHERE_CHAIN_H
#define NBDLIFT_VSPHERE_CHAIN_H

#include <stddef.h>

#include "common/util/vector.h"
#include "common/vmdk/chain.h"
#include "plugins/vsphere/folder.h"

/* Open the disk "[ds] dir/x.vmdk" LINKS[0] with its parents LINKS[1..N-1],
 * in FOLDER.  Parents that the API does not list are found by the
 * descriptors.  NULL with errno and a report.
 */
extern struct vmdk_chain *vsphere_chain_open (struct folder *folder,
                                              char *const *links, size_t n);

#endif /* NBDLIFT_VSPHERE_CHAIN_H */
