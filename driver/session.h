/* SPDX-License-Identifier: BSD-3-Clause
 *
 * From plan files to an open source: reading the files, choosing the
 * plan or the provider, and logging in.
 */
#ifndef NBDLIFT_SESSION_H
#define NBDLIFT_SESSION_H

#include <stdbool.h>
#include <stddef.h>

#include "common/source.h"
#include "driver/plan/plan.h"

#define SESSION_OVERRIDES 2

struct session {
  struct plan_set set;
  problem_vector problems;      /* of plan_load and plan_check */

  /* Set by session_choose_plan. */
  const struct plan *plan;
  char plan_label[330];         /* "namespace/name" */
  const struct plan_migration *migration;       /* or NULL */
  const struct plan_network_map *networks;
  const struct plan_storage_map *storages;

  /* Set by session_choose_plan or session_choose_provider. */
  const struct plan_provider *provider;
  const struct source_ops *ops; /* NULL: this build has no such source */

  /* Settings that the command line gives (session_set): they win over
   * the Provider's.
   */
  struct source_secret overrides[SESSION_OVERRIDES];
  size_t nr_overrides;

  /* Set by session_open. */
  struct source_endpoint endpoint;
  struct source_secret *secrets;
  struct source_secret *settings;
  struct source_host *hosts;
  void *source;
};
#define SESSION_INIT { .plan = NULL }

/* Read and check the files.  0 also when there are problems; -1 reported
 * when a file cannot be read.  Once per session.
 */
extern int session_load (struct session *s, const char *const *files,
                         size_t nr_files);

/* Write the problems to standard error.  True if any is critical. */
extern bool session_print_problems (const struct session *s);

/* Take the only plan, or the one called NAME ("name" or
 * "namespace/name") if that is not NULL, with what it refers to.  0, or
 * -1 reported.
 */
extern int session_choose_plan (struct session *s, const char *name);

/* session_load, and then choose the plan (as session_choose_plan) or the
 * provider (as session_choose_provider).  When that fails, the problems of
 * the files, which may be why, are printed.  0, or -1 reported.
 */
extern int session_load_plan (struct session *s, const char *const *files,
                              size_t nr_files, const char *name);
extern int session_load_provider (struct session *s,
                                  const char *const *files, size_t nr_files,
                                  const char *name);

/* Take P of the set. */
extern void session_take_plan (struct session *s, const struct plan *p);

/* Take the provider called NAME; with NULL the source provider of the
 * only plan, or else the only provider that is a source.  0, or -1
 * reported.
 */
extern int session_choose_provider (struct session *s, const char *name);

/* Use VALUE for the provider's setting KEY; both live as long as S.  At
 * most SESSION_OVERRIDES.
 */
extern void session_set (struct session *s, const char *key,
                         const char *value);

/* Log in to the provider.  0, or -1 with errno and a report. */
extern int session_open (struct session *s);
/* Log out; the plan stays. */
extern void session_close_source (struct session *s);
extern void session_free (struct session *s);
#define CLEANUP_SESSION __attribute__ ((cleanup (session_free)))

/* Describe the VM that people call NAME: by id, then by name or path.
 * 0, or -1 with errno and a report.
 */
extern int session_describe (const struct session *s, const char *name,
                             struct vm *vm);

#endif /* NBDLIFT_SESSION_H */
