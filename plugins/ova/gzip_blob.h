/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A gzip stream (RFC 1952) as a blob of its decompressed bytes.
 */
#ifndef NBDLIFT_GZIP_BLOB_H
#define NBDLIFT_GZIP_BLOB_H

#include "common/util/blob.h"

/* Restart points, 32 KiB each. */
#define GZIP_MAX_POINTS 1024

/* Read PARENT once, to check it (CRC-32 and length of every gzip member)
 * and to learn its decompressed size, and return a blob for random
 * access.  Several gzip members one after the other count as one
 * stream; anything else after the last one is ignored with a warning,
 * as gzip(1) does.
 *
 * PARENT belongs to the blob from the call on, also when it fails.  NAME
 * is copied.  Thread safe; memory at most 32 MiB for the points and 4 MiB
 * for each of at most four running decoders.
 *
 * NULL with errno and a report: EINVAL with the offset if the stream is
 * damaged, cut short or not gzip; EIO, ENOMEM.
 */
extern struct blob *gzip_blob_open (struct blob *parent, const char *name);

#endif /* NBDLIFT_GZIP_BLOB_H */
