/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Folders for temporary files, which a driver that is killed (SIGKILL, no
 * memory) leaves behind, with sockets and perhaps secrets in them.  The
 * next command of the same user removes them.
 */
#ifndef NBDLIFT_LEFTOVERS_H
#define NBDLIFT_LEFTOVERS_H

#include <stddef.h>

#include "common/util/vector.h"

/* The N-th folder in which such folders are made: $XDG_RUNTIME_DIR,
 * $TMPDIR, /tmp.  NULL: no more.  It can be one that is not there.
 */
extern const char *leftovers_base (size_t n);

/* What mkdtemp gets after the base. */
#define LEFTOVERS_TEMPLATE "nbdlift-XXXXXX"

/* Write into FOLDER, which is new, whose it is.  0, or -1 reported. */
extern int leftovers_mark (const char *folder);

/* Remove the folders whose process is gone, and end the servers that are
 * still running in them.  Only folders with our mark that are ours (same
 * user, mode 0700); symbolic links are not followed.  Their names are
 * appended to REMOVED, which can be NULL.  Before any thread.
 */
extern void leftovers_remove (string_vector *removed);

#endif /* NBDLIFT_LEFTOVERS_H */
