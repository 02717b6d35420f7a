/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Locks that keep two processes from one file.
 */
#ifndef NBDLIFT_FILE_LOCK_H
#define NBDLIFT_FILE_LOCK_H

/* Take an exclusive flock of FD.  Waits up to 3 seconds for one that
 * another process has: one that was killed has it until the kernel has
 * cleared up all of it.  0, or -1 with errno (EWOULDBLOCK: it is still
 * locked), not reported.
 */
extern int file_lock (int fd);

#endif /* NBDLIFT_FILE_LOCK_H */
