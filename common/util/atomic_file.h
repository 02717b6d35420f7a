/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Files that are there whole or not at all: after a power cut there is
 * the old content or the new one.
 */
#ifndef NBDLIFT_ATOMIC_FILE_H
#define NBDLIFT_ATOMIC_FILE_H

#include <stdio.h>
#include <sys/types.h>

struct atomic_file {
  FILE *fp;                     /* write here */
  char *path, *tmp;
};

/* Begin a new content for PATH, in PATH.tmp with MODE (whatever the
 * umask).  0, or -1 with errno and a report that names PATH.
 */
extern int atomic_file_open (struct atomic_file *f, const char *path,
                             mode_t mode);

/* Flush it to the disk and give it its name.  0, or -1 with errno and a
 * report; PATH.tmp is removed then.
 */
extern int atomic_file_commit (struct atomic_file *f);

/* Forget it; nothing to do after a commit. */
extern void atomic_file_abort (struct atomic_file *f);
#define CLEANUP_ATOMIC_FILE __attribute__ ((cleanup (atomic_file_abort)))

/* fsync the folder that PATH is in, so that its name lasts.  0, or -1
 * with errno and a report.
 */
extern int sync_folder_of (const char *path);

#endif /* NBDLIFT_ATOMIC_FILE_H */
