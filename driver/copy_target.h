/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What 'nbdlift copy' writes to: a block device, or a file that has its
 * name only when it is complete.
 */
#ifndef NBDLIFT_COPY_TARGET_H
#define NBDLIFT_COPY_TARGET_H

#include <stdbool.h>

#include "driver/copy/copy.h"

struct copy_target {
  char *path;                   /* without symbolic links */
  char *partial;                /* written until it is complete; NULL: PATH
                                   is written itself */
  int fd;                       /* -1: not open */
  bool created;                 /* by us: PARTIAL, empty */
};
#define COPY_TARGET_INIT { .fd = -1 }

/* Open PATH, or begin a file for it.  With a journal in OPTIONS an
 * unfinished file is taken up again, and a finished copy is opened itself.
 * With delta PATH must be there, and is.  A file is locked (flock), a block
 * device opened O_EXCL.  *TARGET is COPY_TARGET_INIT.
 *
 * 0; or -1 reported: nothing was changed.
 */
extern int copy_target_open (struct copy_target *t, const char *path,
                             const struct copy_options *options);

/* What was copied is complete, and flushed: give it its name, for good.
 * 0, or -1 reported.
 */
extern int copy_target_finish (struct copy_target *t);

/* The copy failed: remove what we created, unless KEEP. */
extern void copy_target_abandon (struct copy_target *t, bool keep);

/* Close and free; on its own it changes nothing. */
extern void copy_target_close (struct copy_target *t);
#define CLEANUP_COPY_TARGET __attribute__ ((cleanup (copy_target_close)))

#endif /* NBDLIFT_COPY_TARGET_H */
