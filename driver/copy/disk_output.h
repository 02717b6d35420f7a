/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Writing a disk to a file or block device: data to its place, zeroes as
 * holes, and few dirty pages.
 */
#ifndef NBDLIFT_DISK_OUTPUT_H
#define NBDLIFT_DISK_OUTPUT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Written ranges whose way to the storage has begun. */
#define DISK_OUTPUT_WINDOWS 32

struct disk_output {
  int fd;                       /* borrowed */
  const char *disk, *target;    /* for messages; borrowed */
  bool block;                   /* a block device */
  bool is_zero;                 /* reads as zeroes where we did not write */
  uint64_t size;                /* bytes of a regular file */
  uint64_t granularity;         /* zeroes shorter than this are written */
  _Atomic uint64_t written;     /* bytes of data written */
  atomic_int zero_method;       /* the first way to make zeroes that this
                                   target may know */
  atomic_bool no_writeback;     /* sync_file_range does not work here */

  pthread_mutex_t lock;         /* of: */
  struct { uint64_t offset, length; } window[DISK_OUTPUT_WINDOWS];
  unsigned next_window;
  uint64_t dropped;             /* from the page cache, up to here */
  int error;                    /* errno of the first failure, or 0 */
  const char *error_what;
  uint64_t error_offset;
};

/* Make FD ready for SIZE bytes.  Grows a regular file; one that is
 * larger keeps its size and reads as zeroes after SIZE.  A block device
 * must be large enough (ENOSPC).  0, or -1 with errno and a report.
 */
extern int disk_output_open (struct disk_output *o, int fd, const char *disk,
                        const char *target, uint64_t size, bool is_zero);

/* Put LEN bytes at OFFSET.  Parts of them that are zero become holes.
 * Several threads can write different ranges at once.  0, or -1 with
 * errno: see disk_output_report.
 */
extern int disk_output_data (struct disk_output *o, uint64_t offset,
                        const uint8_t *data, size_t len);

/* Make [offset, offset+len) read as zeroes; nothing to do if the target
 * was zero.  As disk_output_data.
 */
extern int disk_output_zero (struct disk_output *o, uint64_t offset,
                             uint64_t len);

/* Where the run of one kind that begins at DATA ends: its length, at most
 * LEN, and in *ZERO whether it is all zero.  Runs are multiples of GRANULARITY
 * but for the last.
 */
extern size_t disk_output_run (const uint8_t *data, size_t len,
                               uint64_t granularity, bool *zero);

/* Make durable what disk_output_data and others have written before the
 * call, while other threads go on.  A file that somebody has cut is an
 * error: what it lost is not known.  As disk_output_data.
 */
extern int disk_output_checkpoint (struct disk_output *o);

/* Everything to stable storage, and out of the page cache.  As
 * disk_output_checkpoint.
 */
extern int disk_output_flush (struct disk_output *o);

/* Read LEN bytes at OFFSET back into BUF.  0, or -1 with errno (ESTALE:
 * somebody has cut the target): see disk_output_report.
 */
extern int disk_output_read_back (struct disk_output *o, void *buf,
                                  size_t len, uint64_t offset);

/* Remember the first failure: doing WHAT ("write", a literal) at OFFSET,
 * with errno.  Always -1 with the same errno.
 */
extern int disk_output_failed (struct disk_output *o, const char *what,
                               uint64_t offset);

/* Report the first failure of all threads, if there was one: to be
 * called by the thread that the messages of this disk belong to.
 */
extern void disk_output_report (const struct disk_output *o);

extern void disk_output_close (struct disk_output *o);

#endif /* NBDLIFT_DISK_OUTPUT_H */
