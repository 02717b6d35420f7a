/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the files of the directory target share.
 */
#ifndef NBDLIFT_DIRECTORY_PRIVATE_H
#define NBDLIFT_DIRECTORY_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "driver/target/target.h"

struct directory {
  char *path;                   /* absolute */
  char *state;                  /* PATH/.nbdlift */
  bool made;                    /* PATH was not there before */
  int lock_fd;                  /* PATH/.nbdlift/lock, held */
};

/* directory.c: opening, locking, checks. */
extern char *directory_state_dir (void *target);

/* directory_volume.c */
extern struct target_volume *
directory_create (void *target, const struct target_volume_spec *spec,
                  const char *owner);
extern int directory_finish (void *target, struct target_volume *volume);
extern int directory_remove (void *target, const char *namespace_,
                             const char *name, const char *owner);

/* directory_owned.c */
extern int directory_remove_owned (void *target, const char *prefix,
                                   bool keep_finished,
                                   string_vector *removed);

extern char *directory_find (const char *spec, const char *namespace_,
                             const char *owner, bool *complete);

/* directory_publish.c */
extern int directory_publish (void *target, const char *namespace_,
                              const char *vm, const json_t *objects,
                              char **where);
extern int directory_published (void *target, const char *namespace_,
                                const char *vm, char **id);
extern int directory_unpublish (void *target, const char *namespace_,
                                const char *vm, string_vector *removed);

/* directory_path.c: names and folders. */

/* True if NAME can be one part of a path below the directory: small
 * letters, digits, "-" and "." as in Kubernetes names, beginning with a
 * letter or digit.  So it is never "..", hidden, or a path.  WHAT names
 * it in the report otherwise (EINVAL).
 */
extern bool safe_name (const char *what, const char *name);

/* mkdir, when it is not there, of PATH and its parents.  *MADE (may be
 * NULL) tells if PATH is new.  0, or -1 with errno and a report.
 */
extern int make_folder (const char *path, mode_t mode, bool *made);

/* What is at PATH, symbolic links not followed: 1 a regular file (its
 * size in *SIZE unless NULL), 0 nothing, -1 with errno and a report
 * something else or an error.
 */
extern int look_for_file (const char *path, uint64_t *size);

#endif /* NBDLIFT_DIRECTORY_PRIVATE_H */
