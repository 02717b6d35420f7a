/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A virtual machine on vSphere: what the plugin and the source share.
 */
#ifndef NBDLIFT_VSPHERE_H
#define NBDLIFT_VSPHERE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/util/vector.h"
#include "common/vm/vm.h"
#include "plugins/vsphere/vim.h"

enum vsphere_backing {
  VSPHERE_BACKING_FLAT,         /* FlatVer2: -flat.vmdk, or COWD deltas */
  VSPHERE_BACKING_SESPARSE,
  VSPHERE_BACKING_SPARSE,       /* SparseVer2 */
  VSPHERE_BACKING_RDM_VIRTUAL,
  VSPHERE_BACKING_RDM_PHYSICAL,
  VSPHERE_BACKING_OTHER,        /* cannot be read */
};

/* What struct vm_disk has no room for; same index as vm.disks. */
struct vsphere_disk {
  int key;                      /* of the device, 2000... */
  enum vsphere_backing backing;
  string_vector chain;          /* "[ds] dir/x-000001.vmdk", then its
                                   parents, the base last; at least one */
  char *datastore;              /* id */
  char *uuid;                   /* backing uuid, or NULL */
  char *object_id;              /* diskObjectId, or NULL */
  char *mode;                   /* "persistent", "independent_persistent" */
  char *change_id;              /* or NULL */
  bool change_tracking;
  bool encrypted;
  bool independent;             /* no snapshot contains it */
  bool has_extents;             /* layoutEx lists plain files for it; false on
                                   vSAN and vVols: /folder cannot serve it */
};
DEFINE_VECTOR_TYPE (vsphere_disk_vector, struct vsphere_disk);

struct vsphere_vm {
  struct vm vm;                 /* id is the moRef; disks in the order sata,
                                   ide, scsi, nvme, then controller, unit;
                                   disk.name is "[ds] dir/x.vmdk" with
                                   snapshot suffixes kept, disk.id
                                   vm.id:KEY, disk.version the change id, or
                                   size and file names of the chain */
  vsphere_disk_vector disks;
  char *datacenter;             /* dcPath */
  char *snapshot;               /* moRef of the current one, or NULL */
  bool change_tracking;
  char *tools;                  /* toolsRunningStatus, "guestToolsRunning" */
  char *connection_state;       /* "connected" */
};

extern void vsphere_vm_init (struct vsphere_vm *vm);
extern void vsphere_vm_free (struct vsphere_vm *vm);
#define CLEANUP_VSPHERE_VM __attribute__ ((cleanup (vsphere_vm_free)))

/* Read all of one VM, with its concerns.  0, or -1 with errno and a
 * report (ENOENT, EEXIST as vim_find_vm).
 */
extern int vsphere_describe (struct vim *vim, const struct source_ref *ref,
                             struct vsphere_vm *vm);

/* The disk that people call NAME: canonical name, index, device key (as
 * "key=2000" or "2000"), backing uuid, or file name of any link of its
 * chain.  -1 with errno ENOENT or EEXIST, reported with the candidates.
 */
extern int vsphere_find_disk (const struct vsphere_vm *vm, const char *name,
                              size_t *index);

/* Cut "[ds] dir/x.vmdk" into "ds" and "dir/x.vmdk", malloc'ed.  -1 with
 * errno EINVAL or ENOMEM, reported.
 */
extern int vsphere_split_path (const char *path, char **datastore,
                               char **file);

#endif /* NBDLIFT_VSPHERE_H */
