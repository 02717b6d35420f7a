/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the parts of the inventory share.  All give 0, or -1 with a report.
 */
#ifndef NBDLIFT_VSPHERE_INVENTORY_PRIVATE_H
#define NBDLIFT_VSPHERE_INVENTORY_PRIVATE_H

#include <jansson.h>

#include "plugins/vsphere/vim.h"

/* Set KEY to the text, or the number, of the child CHILD of NODE, if there
 * is one.
 */
extern int inventory_set_text (json_t *obj, const char *key, xmlNodePtr node,
                               const char *child);
extern int inventory_set_number (json_t *obj, const char *key,
                                 xmlNodePtr node, const char *child);

/* inventory_guest.c */
extern int inventory_add_guest (json_t *obj, const struct vim_object *object);

#endif /* NBDLIFT_VSPHERE_INVENTORY_PRIVATE_H */
