/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Decode a streamOptimized VMDK as it comes, for bodies that cannot be
 * read at random (what ESXi exports by a lease).  Layout: vmdk_stream.c.
 */
#ifndef NBDLIFT_VMDK_IMPORT_H
#define NBDLIFT_VMDK_IMPORT_H

#include <stddef.h>
#include <stdint.h>

struct vmdk_import;

/* Takes the bytes of one grain; what is never given is zero.  0, or -1
 * with errno, reported.
 */
typedef int (*vmdk_import_data) (void *opaque, uint64_t offset,
                                 const void *buf, size_t count);

/* NAME, for messages, is copied.  CAPACITY, bytes, is what the disk must
 * have.  NULL with errno ENOMEM, reported.
 */
extern struct vmdk_import *vmdk_import_new (const char *name,
                                            uint64_t capacity,
                                            vmdk_import_data data,
                                            void *opaque);
extern void vmdk_import_free (struct vmdk_import *import);

/* The next COUNT bytes of the stream.  0; or -1 with errno and a report:
 * EINVAL (broken: a grain outside of the disk, a second time, of the wrong
 * length, with a wrong checksum; an unknown marker; something after the
 * end), ENOTSUP (another kind of VMDK), or what the callback said.
 */
extern int vmdk_import_feed (struct vmdk_import *import, const void *buf,
                             size_t count);

/* The stream has ended.  -1 with errno EINVAL and a report if it should
 * not have.
 */
extern int vmdk_import_end (struct vmdk_import *import);

#endif /* NBDLIFT_VMDK_IMPORT_H */
