/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Private to print.c and printf.c.
 */
#ifndef NBDLIFT_TEMPLATE_PRINT_PRIVATE_H
#define NBDLIFT_TEMPLATE_PRINT_PRIVATE_H

#include "common/template/private.h"

struct spec {
  bool plus, minus, sharp, space, zero;
  bool has_width, has_precision;
  int width, precision;
};

/* All return 0, or -1 with errno ENOMEM or E2BIG. */

/* S in the width that F asks for. */
extern int print_padded (struct strbuf *b, struct spec f, struct text s);
/* "%!d(string=x)" */
extern int print_bad_verb (struct strbuf *b, struct spec f, int32_t verb,
                           const struct value *v);
extern int print_verb (struct strbuf *b, struct spec f, int32_t verb,
                       const struct value *v);

#endif /* NBDLIFT_TEMPLATE_PRINT_PRIVATE_H */
