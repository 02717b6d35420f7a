/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Something with a size whose bytes can be read at any offset: a local
 * file, a file on NFS, a member of a tar, chunks joined, a gzip stream.
 * The formats above (VMDK, tar, OVF) know only this.
 */
#ifndef NBDLIFT_BLOB_H
#define NBDLIFT_BLOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct blob;

struct blob_ops {
  /* Fill BUF with exactly COUNT bytes from OFFSET.  The range has been
   * checked against size.  0, or -1 with errno set and the error
   * reported.  Called from several threads at once.
   */
  int (*pread) (struct blob *blob, void *buf, size_t count,
                uint64_t offset);

  /* Free what the blob holds and the blob itself. */
  void (*close) (struct blob *blob);
};

/* Embed this as the first member of an implementation. */
struct blob {
  const struct blob_ops *ops;
  uint64_t size;                /* bytes; constant */
  char *name;                   /* for messages; owned, freed by
                                   blob_close */
};

/* Read exactly COUNT bytes.  0, or -1 with errno (EIO when the range is
 * outside of the blob: then the name, offset and size are reported).
 * Thread safe.
 */
extern int blob_pread (struct blob *blob, void *buf, size_t count,
                       uint64_t offset);

/* Close; NULL is allowed. */
extern void blob_close (struct blob *blob);

/* Open a local regular file or block device read-only.  The size is
 * taken at open; a file that shrinks later gives EIO naming the offset.
 * NULL with errno and a report.
 */
extern struct blob *blob_open_file (const char *path);

/* A window of PARENT.  If OWN_PARENT, closing the window closes PARENT
 * (also when this function fails).  NAME is copied.  NULL with errno
 * and a report, EINVAL if the window is not inside PARENT.
 */
extern struct blob *blob_open_window (struct blob *parent, bool own_parent,
                                      uint64_t offset, uint64_t size,
                                      const char *name);

/* N blobs one after the other, all of which it owns from the call on,
 * also when it fails.  The array itself stays the caller's.
 */
extern struct blob *blob_open_joined (struct blob **parts, size_t n,
                                      const char *name);

/* Bytes in memory, copied.  For tests and fuzzers. */
extern struct blob *blob_open_memory (const void *data, size_t size,
                                      const char *name);

static inline void
cleanup_blob (struct blob **blob)
{
  blob_close (*blob);
}
#define CLEANUP_BLOB __attribute__ ((cleanup (cleanup_blob)))

#endif /* NBDLIFT_BLOB_H */
