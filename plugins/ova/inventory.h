/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The collections of the OVA source in the keys of Forklift's inventory
 * service.
 */
#ifndef NBDLIFT_OVA_INVENTORY_H
#define NBDLIFT_OVA_INVENTORY_H

#include <jansson.h>

#include "common/source.h"
#include "plugins/ova/ova.h"

/* A new array of the objects of COLLECTION, sorted by name, then id.
 * From the descriptors alone: no disk is opened.  NULL with errno ENOTSUP
 * or ENOMEM and a report.
 */
extern json_t *ova_inventory (const struct ova *ova, const char *provider,
                              enum source_collection collection);

#endif /* NBDLIFT_OVA_INVENTORY_H */
