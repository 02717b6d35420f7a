/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Go's text/template, the part of it that names are made with: the same
 * results and the same error texts, positions included, as Go 1.19's with
 * the 29 functions of sprig 3 that Forklift offers (pkg/templateutil).
 *
 * There are no define, template, block and call: what would need them is
 * no name.  Limits stand below; no template runs for longer than a few
 * milliseconds.
 */
#ifndef NBDLIFT_TEMPLATE_H
#define NBDLIFT_TEMPLATE_H

#include <stddef.h>

#include <jansson.h>

#define TEMPLATE_MAX_TEXT 4096          /* bytes of a template */
#define TEMPLATE_MAX_OUTPUT 4096        /* bytes of a result */
#define TEMPLATE_MAX_NESTING 64         /* blocks and parentheses */
#define TEMPLATE_MAX_STEPS 100000       /* nodes visited by one run */
#define TEMPLATE_MAX_MEMORY (4 << 20)   /* bytes of values of one run */

/* What is wrong with a template. */
struct template_error {
  char *message;                /* Go's, "template: template:1:9: ..."; NULL
                                   if memory was short */
  unsigned line, column;        /* where, from 1; column 0: the whole line */
};
#define TEMPLATE_ERROR_INIT { NULL, 0, 0 }

extern void template_error_free (struct template_error *error);
#define CLEANUP_TEMPLATE_ERROR                                          \
  __attribute__ ((cleanup (template_error_free)))

struct template;

/* Parse TEXT, which is copied.  NULL with errno EINVAL and *ERROR filled
 * (not reported), or ENOMEM, reported.  *ERROR must be empty before.
 */
extern struct template *template_parse (const char *text,
                                        struct template_error *error);
extern void template_free (struct template *t);

static inline void
cleanup_template (struct template **t)
{
  template_free (*t);
}
#define CLEANUP_TEMPLATE __attribute__ ((cleanup (cleanup_template)))

/* Run T.  The members of the object DATA are what its fields mean; a
 * field that it lacks is an error, as it is for a Go struct.  Members that
 * are objects themselves act like maps: what they lack is "<no value>".
 * Integers of DATA are int, reals float64.
 *
 * *OUTPUT gets the malloc'ed result, of *LENGTH bytes and a NUL; it can
 * have NUL bytes inside.  0; or -1 with errno as template_parse, and then
 * *OUTPUT is as before.  Threads may run one template at the same time.
 */
extern int template_run (const struct template *t, const json_t *data,
                         char **output, size_t *length,
                         struct template_error *error);

#endif /* NBDLIFT_TEMPLATE_H */
