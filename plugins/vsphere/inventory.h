/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The collections of the vSphere source in the keys of Forklift's
 * inventory service.
 */
#ifndef NBDLIFT_VSPHERE_INVENTORY_H
#define NBDLIFT_VSPHERE_INVENTORY_H

#include <jansson.h>

#include "common/source.h"
#include "plugins/vsphere/vim.h"

/* A new array of the objects of COLLECTION, sorted by name, then id.  A
 * VM that cannot be read is reported and listed with its name alone.
 * NULL with errno and a report.
 */
extern json_t *vsphere_inventory (struct vim *vim, const char *provider,
                                  enum source_collection collection);

#endif /* NBDLIFT_VSPHERE_INVENTORY_H */
