/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reads of files that do not stop short.
 */
#ifndef NBDLIFT_PREAD_FULL_H
#define NBDLIFT_PREAD_FULL_H

#include <stddef.h>
#include <stdint.h>

/* Read N bytes of FD at OFFSET into BUF.  0, with fewer than N in *GOT
 * only at the end of the file; or -1 with errno, and in *GOT what was read
 * before the error.  Nothing is reported.
 */
extern int pread_full (int fd, void *buf, size_t n, uint64_t offset,
                       size_t *got);

#endif /* NBDLIFT_PREAD_FULL_H */
