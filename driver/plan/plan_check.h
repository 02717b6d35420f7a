/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Private to plan_check.c and plan_check_plan.c.
 */
#ifndef NBDLIFT_PLAN_CHECK_H
#define NBDLIFT_PLAN_CHECK_H

#include "driver/plan/plan.h"

struct checker {
  const struct plan_set *set;
  problem_vector *problems;
  /* Of a reference to an object that is not in the files. */
  enum problem_category missing;
};

/* Report a problem of the object KIND NS/NAME.  WHERE may be NULL or
 * without a line: then it is that of the object.  0, or -1 if memory is
 * short, reported.
 */
extern int check_problem (const struct checker *c,
                          enum problem_category category, const char *type,
                          const char *kind, const struct object_meta *meta,
                          const struct plan_where *where, const char *path,
                          const char *suggestion, const char *fmt, ...)
  __attribute__ ((format (printf, 9, 10)));

/* Report that REF, which is set, names no object in the files. */
extern int check_missing (const struct checker *c,
                          enum problem_category category, const char *type,
                          const char *kind, const struct object_meta *meta,
                          const struct object_ref *ref, const char *path,
                          const char *wanted_kind);

/* Check the pair of providers of a map or plan.  *SOURCE is the source
 * provider, or NULL if it is not in the files (reported).
 */
extern int check_provider_pair (const struct checker *c, const char *kind,
                                const struct object_meta *meta,
                                const struct object_ref *source_ref,
                                const struct object_ref *destination_ref,
                                const struct plan_provider **source);

/* Everything about Plans and Migrations. */
extern int check_plans (const struct checker *c);

#endif /* NBDLIFT_PLAN_CHECK_H */
