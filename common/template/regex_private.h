/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Private to regex_translate.c and regex_class.c.
 */
#ifndef NBDLIFT_TEMPLATE_REGEX_PRIVATE_H
#define NBDLIFT_TEMPLATE_REGEX_PRIVATE_H

#include "common/template/private.h"

#define MAX_GROUPS 200          /* inside of each other; PCRE2 takes 250 */
#define MAX_REPEAT 1000         /* RE2's, for all that are nested */

struct group {
  bool item;                    /* there is something to repeat */
  unsigned repeat;              /* most that the last item is repeated */
  unsigned most;                /* most of all items */
};

struct translator {
  struct text s;
  size_t i;
  struct strbuf *out, *error;
  struct group groups[MAX_GROUPS];
  size_t depth;
  size_t last;                  /* where the repetition right before began,
                                   or SIZE_MAX */
  bool repeated;                /* this was one */
};

static inline bool
regex_at (const struct translator *t, size_t ahead, char c)
{
  return t->i + ahead < t->s.len && t->s.ptr[t->i + ahead] == c;
}

static inline bool
regex_at_end (const struct translator *t)
{
  return t->i >= t->s.len;
}

/* Functions return 0, 1 (the pattern is wrong, error is set) or -1. */

/* WHAT is wrong with the bytes FROM to TO of the pattern. */
extern int regex_fail (struct translator *t, const char *what, size_t from,
                       size_t to);
extern int regex_put (struct translator *t, const char *s);
extern int regex_put_char (struct translator *t, int32_t c);
extern int regex_next (struct translator *t, int32_t *c);
/* An item was written that a repetition can follow. */
extern void regex_item (struct translator *t);

/* "\" and what stands for one character. */
extern int regex_escape (struct translator *t, int32_t *c);
/* "\d", "\pL" and so on; *NONE if it is none of those.  Inside of
 * brackets if IN_CLASS.
 */
extern int regex_class_escape (struct translator *t, bool in_class,
                               bool *none);
/* "[...]" */
extern int regex_class (struct translator *t);

#endif /* NBDLIFT_TEMPLATE_REGEX_PRIVATE_H */
