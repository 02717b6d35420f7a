/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A copy whose bytes are handed in, for sources that can only be read
 * from their beginning to their end.  Digests as with copy_disk; no
 * journal, because such a source begins again.
 */
#ifndef NBDLIFT_COPY_STREAM_H
#define NBDLIFT_COPY_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct copy_stream;

struct copy_stream_options {
  const char *disk, *target;    /* names for messages; borrowed */
  uint64_t size;                /* bytes of the disk */
  bool target_is_zero;          /* as of struct copy_options */
};

/* Make FD ready, open for reading and writing, borrowed.  NULL with errno
 * and a report, always of the target, as of all functions below.
 */
extern struct copy_stream *
copy_stream_begin (int fd, const struct copy_stream_options *options);
extern void copy_stream_free (struct copy_stream *s);

/* LEN bytes at OFFSET; in any order, but quick when ascending.  What is
 * never given is zero.  One thread.  0 or -1.
 */
extern int copy_stream_data (struct copy_stream *s, uint64_t offset,
                             const void *buf, size_t len);

/* All is given: to stable storage, and the digests to DIGEST_FILE. */
extern int copy_stream_finish (struct copy_stream *s,
                               const char *digest_file);

#endif /* NBDLIFT_COPY_STREAM_H */
