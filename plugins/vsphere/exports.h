/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The exports of the plugin: which disks of the VM there are, what they
 * are called, and reading them.  Knows nothing of nbdkit.
 */
#ifndef NBDLIFT_VSPHERE_EXPORTS_H
#define NBDLIFT_VSPHERE_EXPORTS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/util/vector.h"
#include "common/vmdk/chain.h"
#include "plugins/vsphere/folder.h"
#include "plugins/vsphere/vsphere.h"

struct vsphere_export {
  const struct vsphere_exports *exports;
  size_t disk;                  /* index in vm->disks */
  char *description;
  struct vmdk_chain *chain;
  pthread_mutex_t lock;         /* held while the chain is loaded */
  atomic_bool loaded;
  atomic_ullong reads, bytes;   /* since the start */
};
DEFINE_VECTOR_TYPE (vsphere_export_vector, struct vsphere_export *);

/* What is left of it when opening fails is freed by vsphere_exports_free. */
struct vsphere_exports {
  struct vim *vim;
  struct folder *folder;
  const struct vsphere_vm *vm;
  const char *snapshot;         /* moRef, or NULL: the VM as it is now */
  vsphere_export_vector list;   /* in the order of vm->disks */
};

/* Open the disks of the VM, or only the one that DISK names (NULL: all),
 * and refuse what cannot be served.  Raw device mappings that were not
 * chosen are left out.  0, or -1 with errno and a report.
 */
extern int vsphere_exports_open (struct vsphere_exports *e,
                                 const char *disk);
extern void vsphere_exports_free (struct vsphere_exports *e);

/* The canonical name of an export: "[datastore] dir/disk.vmdk". */
extern const char *vsphere_export_name (const struct vsphere_export *export);

/* The export that a client means by NAME, as vsphere_find_disk; "" is the
 * only one.  NULL with errno ENOENT or EEXIST and a report that lists the
 * names.
 */
extern struct vsphere_export *
vsphere_exports_find (const struct vsphere_exports *e, const char *name);

/* Read the tables of the snapshots and what vCenter knows of the disk,
 * unless that was done.  To be called before the two below, and not before
 * folder_start.  Thread safe.  0, or -1 with errno and a report.
 */
extern int vsphere_export_load (struct vsphere_export *export);

/* As vmdk_chain_pread and vmdk_chain_extents. */
extern int vsphere_export_pread (struct vsphere_export *export, void *buf,
                                 size_t count, uint64_t offset);
extern int vsphere_export_extents (struct vsphere_export *export,
                                   uint64_t count, uint64_t offset, bool one,
                                   int (*fn) (void *opaque, uint64_t offset,
                                              uint64_t length,
                                              uint32_t type),
                                   void *opaque);

#endif /* NBDLIFT_VSPHERE_EXPORTS_H */
