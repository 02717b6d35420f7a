/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Private to regex.c: Go's regular expressions written anew for PCRE2.
 */
#ifndef NBDLIFT_TEMPLATE_REGEX_TRANSLATE_H
#define NBDLIFT_TEMPLATE_REGEX_TRANSLATE_H

#include "common/template/private.h"

/* Append PATTERN (syntax.Perl of package regexp/syntax) to OUT in PCRE2's
 * syntax.  0; 1 if it is none, and then ERROR has Go's text; -1 with errno
 * ENOMEM or E2BIG.
 */
extern int regex_translate (struct text pattern, struct strbuf *out,
                            struct strbuf *error);

#endif /* NBDLIFT_TEMPLATE_REGEX_TRANSLATE_H */
