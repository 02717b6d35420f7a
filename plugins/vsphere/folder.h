/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Files of a datastore over HTTP: https://HOST/folder/DIR/FILE with the
 * datacenter and the datastore as arguments, from vCenter Server or
 * straight from an ESXi host.
 */
#ifndef NBDLIFT_VSPHERE_FOLDER_H
#define NBDLIFT_VSPHERE_FOLDER_H

#include "common/util/blob.h"
#include "plugins/vsphere/vim.h"

struct folder;

/* Read through the session FILES, which is on a host if it is not that of
 * the VM.  VIM and VM (moRef) are asked why a file cannot be read.
 * DATACENTER is dcPath, for vCenter.  All but the strings stay the
 * caller's.  NULL with errno ENOMEM, reported.
 */
extern struct folder *folder_new (struct vim *files, const char *datacenter,
                                  struct vim *vim, const char *vm);
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

#endif /* NBDLIFT_VSPHERE_FOLDER_H */
