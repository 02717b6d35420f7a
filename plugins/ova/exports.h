/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The exports of the plugin: which disks there are, their names and
 * aliases.  Knows nothing of nbdkit.
 */
#ifndef NBDLIFT_OVA_EXPORTS_H
#define NBDLIFT_OVA_EXPORTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/util/vector.h"
#include "plugins/ova/ova.h"

struct ova_export {
  char *name;                   /* canonical; unique */
  const struct ova_vm *vm;
  size_t drive;
  struct ova_disk *disk;        /* NULL for what only qemu-nbd serves */
  char *format;                 /* of the image */
  char *description;
  atomic_ullong reads, bytes;   /* since the start, counted by the plugin */
};
DEFINE_VECTOR_TYPE (ova_export_vector, struct ova_export *);

/* What is left of it when this fails is freed by ova_exports_free. */
struct ova_exports {
  const struct ova *ova;
  const char *path;             /* as the user gave it, for messages */
  ova_export_vector list;
};

/* Make and open the exports of the VM that VM names (NULL: of all), or
 * only the one that DISK names (NULL: all).  Names are those of
 * ova_vm.disk_names, with "VM/" before them if there are several VMs: the
 * VM's name, its id where names repeat, its path where ids repeat.
 *
 * A broken disk is an error, but in a folder of several packages, when
 * nothing was chosen, it is reported and left out.  An error too when
 * there is no disk, or none that is not left to qemu-nbd.  0, or -1 with
 * errno and a report.
 */
extern int ova_exports_open (struct ova_exports *e, const char *vm,
                             const char *disk);
extern void ova_exports_free (struct ova_exports *e);

/* The export that a client or user means by NAME: the canonical name, the
 * number in the list, the diskId ("VM/diskId" too) or the disk's UUID; ""
 * means the only one.  NULL with errno ENOENT or EEXIST and a report that
 * lists the names; ENOTSUP for one that is left to qemu-nbd, and then the
 * report is the command to use.
 */
extern struct ova_export *ova_exports_find (const struct ova_exports *e,
                                            const char *name);

#endif /* NBDLIFT_OVA_EXPORTS_H */
