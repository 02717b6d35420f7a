/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Between vm_manifest.c and vm_manifest_pvc.c.
 */
#ifndef NBDLIFT_VM_MANIFEST_META_H
#define NBDLIFT_VM_MANIFEST_META_H

#include <jansson.h>

#include "driver/vm_manifest.h"

/* Forklift's labels of everything that belongs to a VM of a plan. */
extern int manifest_set_labels (json_t *labels,
                                const struct vm_manifest_input *in);

/* The claim of disk I at the end of OBJECTS.  0, or -1 reported. */
extern int manifest_append_pvc (json_t *objects,
                                const struct vm_manifest_input *in,
                                size_t i);

#endif /* NBDLIFT_VM_MANIFEST_META_H */
