/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The three ways to the disks of a VM, and which one is taken.
 */
#ifndef NBDLIFT_VSPHERE_TRANSPORT_H
#define NBDLIFT_VSPHERE_TRANSPORT_H

#include "plugins/vsphere/source_private.h"

/* Those that settings.transport names. */
enum vsphere_transport {
  VSPHERE_VDDK,                 /* nbdkit's vddk plugin and VMware's library */
  VSPHERE_FOLDER,               /* ranged reads of /folder, by our plugin */
  VSPHERE_EXPORT,               /* HttpNfcLease: one stream per disk */
};

/* Operations of struct source_ops. */
extern int vsphere_transport_path (void *session, const struct vm *vm,
                                   struct source_path *path);
extern int vsphere_transport_servers (void *session, const struct vm *vm,
                                      const char *snapshot,
                                      struct source_servers *servers);

/* lease_import.c */
extern int vsphere_import_disk (void *session, const struct vm *vm,
                                size_t disk, const struct source_sink *sink);

/* vddk.c */

/* Can VDDK be used here?  1 yes, with *LIBDIR (malloc'ed); 0 no, with *WHY
 * (malloc'ed); -1 with errno and a report.
 */
extern int vsphere_vddk_find (const struct vsphere_session *s, char **libdir,
                              char **why);
extern int vsphere_vddk_servers (const struct vsphere_session *s,
                                 const struct vm *vm, const char *snapshot,
                                 struct source_servers *servers);

/* source_servers.c: the Host resource for the host that VM is on, or NULL;
 * with it the thumbprint that vCenter has of it, malloc'ed or NULL.  0, or
 * -1 with errno and a report.
 */
extern int vsphere_host_of (const struct vsphere_session *s,
                            const struct vm *vm,
                            const struct source_host **host,
                            char **thumbprint);

#endif /* NBDLIFT_VSPHERE_TRANSPORT_H */
