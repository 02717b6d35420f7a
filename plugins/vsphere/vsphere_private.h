/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the parts that read a VM share.
 */
#ifndef NBDLIFT_VSPHERE_PRIVATE_H
#define NBDLIFT_VSPHERE_PRIVATE_H

#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "common/xml/xml.h"
#include "plugins/vsphere/vsphere.h"

/* The properties of a VM that vsphere_fill reads. */
extern const char *const vsphere_vm_paths[];
/* Those of a network that vsphere_read_nics reads. */
extern const char *const vsphere_network_paths[];

/* Fill *VM, which is empty.  FOLDERS has all above it, NETWORKS all that
 * it is on.  What is missing in OBJECT is left out.  0, or -1 reported.
 */
extern int vsphere_fill (const struct vim *vim,
                         const struct vim_object *object,
                         const struct vim_objects *folders,
                         const struct vim_objects *networks,
                         struct vsphere_vm *vm);

/* Its parts. */
extern int vsphere_read_disks (const struct vim_object *object,
                               struct vsphere_vm *vm);
extern int vsphere_read_nics (const struct vim_object *object,
                              const struct vim_objects *networks,
                              struct vsphere_vm *vm);
extern int vsphere_read_addresses (const struct vim_object *object,
                                   struct vsphere_vm *vm);
extern int vsphere_read_drives (const struct vim_object *object,
                                struct vsphere_vm *vm);
extern int vsphere_add_concerns (const struct vim_object *object,
                                 struct vsphere_vm *vm);

/* The properties of a host and of a cluster that are read. */
extern const char *const vsphere_host_paths[];
extern const char *const vsphere_cluster_paths[];
/* The id of the cluster that HOST is in, malloc'ed, or NULL. */
extern char *vsphere_cluster_of (const struct vim_object *host);
extern int vsphere_add_cluster_concerns (const struct vim_object *cluster,
                                         struct vsphere_vm *vm);

extern void vsphere_disk_free (struct vsphere_disk *disk);

/* Value of KEY (any case) in config.extraConfig, malloc'ed, or NULL. */
extern char *vsphere_extra_config (const struct vim_object *object,
                                   const char *key);

#endif /* NBDLIFT_VSPHERE_PRIVATE_H */
