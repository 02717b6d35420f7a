/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the plugin and the source share: the VMs of a package set, and
 * their disks opened as readers.
 */
#ifndef NBDLIFT_OVA_OVA_H
#define NBDLIFT_OVA_OVA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/util/vector.h"
#include "common/vm/vm.h"
#include "common/vmdk/vmdk.h"
#include "plugins/ova/ovf.h"
#include "plugins/ova/package.h"

/* Longer names of VMs and files are not used in export names, which NBD
 * limits to 4096 bytes; the id stands in.
 */
#define OVA_NAME_MAX 1024

/* One descriptor of the set, parsed. */
struct ova_package {
  const struct package *package;
  struct ovf *ovf;
};
DEFINE_VECTOR_TYPE (ova_package_vector, struct ova_package *);

/* One VM.  Its disks are system->drives, in boot order. */
struct ova_vm {
  const struct ova_package *package;
  const struct ovf_system *system;
  char *path;                   /* "dir/x.ova", or "dir/x.ova#ID" where the
                                   OVF has several VMs; unique in the set */
  string_vector disk_names;     /* canonical export names, unique */
  string_vector disk_ids;       /* UUIDs */
};
DEFINE_VECTOR_TYPE (ova_vm_vector, struct ova_vm *);

struct ova {
  struct package_set *set;
  ova_package_vector packages;
  ova_vm_vector vms;            /* by package, then as in the OVF */
};

/* Open PATH (see package_set_open) and parse all descriptors.  In a
 * folder, a package that cannot be parsed is reported and skipped.
 * Not changed afterwards: may be used from several threads.  NULL with
 * errno and a report.
 */
extern struct ova *ova_open (const char *path,
                             const struct package_options *options);
extern void ova_close (struct ova *ova);

/* The VM with this ID (unless NULL), or else with this NAME, which may
 * also be its path (that wins) or id; with neither, the only VM.  NULL
 * with errno ENOENT, or EEXIST when several fit, and a report that lists
 * the candidates.
 */
extern const struct ova_vm *ova_find_vm (const struct ova *ova,
                                         const char *id, const char *name);

/* Fill *OUT (vm_init'ed) from the descriptor alone: capacities as it says
 * them, formats NULL.  0, or -1 with errno ENOMEM, reported.
 */
extern int ova_vm_fill (const struct ova_vm *vm, struct vm *out);

/* The disk entry and the file of drive I; the latter is NULL for a disk
 * without content.
 */
extern const struct ovf_disk *ova_vm_disk (const struct ova_vm *vm,
                                           size_t i);
extern const struct ovf_file *ova_vm_file (const struct ova_vm *vm,
                                           size_t i);

/* ova_disk.c */

struct ova_disk;

/* Open drive I of VM for reading.  A disk without content reads as
 * zeroes.  For a format that only qemu reads, ova_disk_needs_qemu is true
 * and neither reading nor the size work.
 *
 * The size of the image is the truth; if the OVF's capacity differs, a
 * warning says so.  NULL with errno and a report.
 */
extern struct ova_disk *ova_disk_open (const struct ova_vm *vm, size_t i);
extern void ova_disk_close (struct ova_disk *disk);

extern uint64_t ova_disk_size (const struct ova_disk *disk);

/* "vmdk", "raw", "qcow2", "vpc", "vhdx", "vdi"; "raw" without content. */
extern const char *ova_disk_format (const struct ova_disk *disk);

/* "streamOptimized VMDK", "raw", "empty disk", ... for people. */
extern const char *ova_disk_kind (const struct ova_disk *disk);

extern bool ova_disk_needs_qemu (const struct ova_disk *disk);

/* As vmdk_pread and vmdk_extents; thread safe. */
extern int ova_disk_pread (struct ova_disk *disk, void *buf, size_t count,
                           uint64_t offset);
extern int ova_disk_extents (struct ova_disk *disk, uint64_t count,
                             uint64_t offset, bool one,
                             int (*fn) (void *opaque, uint64_t offset,
                                        uint64_t length, uint32_t type),
                             void *opaque);

/* The image of drive I, a format that only qemu reads, as a file name for
 * qemu-img and qemu-nbd with --format=FORMAT: a byte range of a local
 * file, no backing file.  The caller frees.  NULL with errno and a
 * report: ENOTSUP on NFS, compressed or split; EINVAL for a qcow2 that
 * needs other files or a password.
 */
extern char *ova_qemu_image (const struct ova_vm *vm, size_t i,
                             const char *format);

static inline void
cleanup_ova_disk (struct ova_disk **disk)
{
  ova_disk_close (*disk);
}
#define CLEANUP_OVA_DISK __attribute__ ((cleanup (cleanup_ova_disk)))

#endif /* NBDLIFT_OVA_OVA_H */
