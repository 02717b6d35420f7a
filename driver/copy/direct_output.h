/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Writing a disk past the page cache: O_DIRECT for few CPU cycles, and
 * io_uring so that the copying thread need not wait (io_uring(7),
 * open(2)).  Without liburing at build time there is none of it.
 */
#ifndef NBDLIFT_DIRECT_OUTPUT_H
#define NBDLIFT_DIRECT_OUTPUT_H

#include <stddef.h>
#include <stdint.h>

#include "driver/copy/disk_output.h"
#include "driver/copy/reader.h"

/* Buffers, offsets and lengths that can be written so are multiples of
 * this many bytes: the block of most file systems, and of all disks.
 */
#define DIRECT_ALIGN READER_ALIGN

struct direct_output;

/* For the target of O.  Signals the eventfd WAKE_FD when
 * direct_output_ended has something.  NULL with errno, and *WHY set to the
 * reason, if this kernel, container or file system does not allow it;
 * nothing is reported.
 */
extern struct direct_output *direct_output_open (struct disk_output *o,
                                                 int wake_fd,
                                                 const char **why);
/* Waits for what is in flight: buffers are not used after it.  NULL is
 * allowed.
 */
extern void direct_output_close (struct direct_output *d);

/* Is this a file system where it pays?  (One in memory has only a page
 * cache; one on the network or in user space has its own ideas.)  What it
 * is called in *WHY if not.
 */
extern bool direct_output_pays (int fd, const char **why);

/* The rest is for one thread.
 *
 * Queue the data parts of CHUNK (CHUNK_DATA) to be written, and make the
 * others zero.  CHUNK is returned by direct_output_ended when all is done,
 * with the errno of a failure, which O knows of.
 */
extern void direct_output_give (struct direct_output *d,
                                struct chunk *chunk);

/* Hand what is queued to the kernel; all chunks that have ended since the
 * last call.
 */
extern struct job *direct_output_ended (struct direct_output *d);

#endif /* NBDLIFT_DIRECT_OUTPUT_H */
