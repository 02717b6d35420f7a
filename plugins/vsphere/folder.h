/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Files of a datastore over HTTP: https://HOST/folder/DIR/FILE with the
 * datacenter and the datastore as arguments, from vCenter Server or
 * straight from an ESXi host.
 */
#ifndef NBDLIFT_VSPHERE_FOLDER_H
#define NBDLIFT_VSPHERE_FOLDER_H

#include "common/extents/extents.h"
#include "common/util/blob.h"
#include "plugins/vsphere/vim.h"

struct folder;

struct folder_options {
  struct vim *files;            /* session of the host, or of the VM: where
                                   the files are read */
  const char *datacenter;       /* dcPath, for vCenter */
  struct vim *vim;              /* is asked why a file cannot be read */
  const char *vm;               /* moRef */
  bool snapshot;                /* the VM may run */
  bool (*stopped) (void *opaque); /* as in struct http_file_options, with
                                   NULL; or NULL */
};

/* Strings are copied, the rest stays the caller's.  NULL with errno ENOMEM,
 * reported.
 */
extern struct folder *folder_new (const struct folder_options *options);
extern void folder_free (struct folder *folder);

/* Until this is called only a few bytes can be read, one request each,
 * because no thread may be started before nbdkit has forked.  0, or -1
 * with errno and a report.
 */
extern int folder_start (struct folder *folder);

/* Open "[datastore] dir/file".  The folder outlives its blobs, which are
 * thread safe.  NULL with errno and a report.
 */
extern struct blob *folder_open (struct folder *folder, const char *path);

/* Ask for the first byte of "[datastore] dir/file".  0 with the *STATUS of
 * the answer, which may be an error; -1 with errno and a report.
 */
extern int folder_probe (struct folder *folder, const char *path,
                         unsigned *status);

/* Mark a part of a file as one that will be read; where this was called
 * for a file, only such parts of it are read ahead.  To be called before its
 * first read.  0, or -1 with errno and a report.
 */
extern int folder_will_read (struct blob *blob, uint64_t offset,
                             uint64_t length);

#endif /* NBDLIFT_VSPHERE_FOLDER_H */
