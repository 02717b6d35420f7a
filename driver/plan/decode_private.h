/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Private to decode.c and decode_value.c.
 */
#ifndef NBDLIFT_DECODE_PRIVATE_H
#define NBDLIFT_DECODE_PRIVATE_H

#include "driver/plan/decode.h"

/* Make the path one longer: the caller sets the name or index of its last
 * part.  And the reverse.
 */
extern void decode_enter (struct decoder *d);
extern void decode_leave (struct decoder *d);

/* No table has more rows, no field more words. */
#define MAX_WORDS 64

static inline const char *
decode_condition (const struct field *field)
{
  return field->condition ? field->condition : "Malformed";
}

/* Store the value NODE of FIELD.  0, or -1 if memory is short. */
extern int decode_value (struct decoder *d, const struct yaml_node *node,
                         const struct field *field, void *base);

#endif /* NBDLIFT_DECODE_PRIVATE_H */
