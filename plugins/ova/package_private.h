/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What package.c, package_find.c and package_verify.c share.
 */
#ifndef NBDLIFT_PACKAGE_PRIVATE_H
#define NBDLIFT_PACKAGE_PRIVATE_H

#include <pthread.h>

#include "plugins/ova/package.h"
#include "plugins/ova/store.h"

DEFINE_VECTOR_TYPE (package_file_ptr_vector, struct package_file *);

struct package_place {
  struct package_store *store;  /* of the set */
  char *folder;                 /* of the .ova or .ovf, in the store */
  char *file;                   /* the .ova or .ovf, in the store */
  char *name;                   /* the same for messages */
  char *ovf_folder;             /* of the .ovf inside of the tar, or "" */
  struct store_stat seen;       /* FILE when it was scanned */
  string_vector links;          /* names of members that are links */

  pthread_mutex_t lock;         /* guards FOUND */
  package_file_ptr_vector found; /* loose files in sub-folders, as somebody
                                    asked for them */
};

/* Order of package.files, for qsort and bsearch. */
extern int package_file_compare (const void *a, const void *b);

/* The file with this NAME, as in package_file.name, or NULL with errno
 * ENOENT, which is not reported, or another one, which is.
 */
extern const struct package_file *package_lookup (const struct package *pkg,
                                                  const char *name);

/* NAME relative to the folder of the OVF as a name in the package, without
 * "." and "..".  The caller frees.  NULL with errno EINVAL if it leads out,
 * not reported, or ENOMEM, reported.
 */
extern char *package_normalize (const struct package *pkg, const char *name);

/* Undo the percent-encoding of HREF into OUT, which has as much room.
 * False if it holds an encoded NUL; what is no encoding stays as it is.
 */
extern bool package_percent_decode (const char *href, char *out);

#endif /* NBDLIFT_PACKAGE_PRIVATE_H */
