/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reading VMware virtual disks: streamOptimized, monolithicSparse,
 * monolithicFlat, vmfs, twoGbMaxExtentSparse and twoGbMaxExtentFlat.
 *
 * Written by hand because no library does it: qemu's reader is not one,
 * and it decodes on one thread (docs/architecture.md).  Layout as in
 * VMware's "Virtual Disk Format 5.0" technical note; numbers are little
 * endian.
 */
#ifndef NBDLIFT_VMDK_H
#define NBDLIFT_VMDK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/util/blob.h"

/* What the first bytes of a disk image say that it is. */
enum disk_format {
  DISK_FORMAT_RAW,              /* nothing known */
  DISK_FORMAT_VMDK_SPARSE,      /* "KDMV": sparse extent */
  DISK_FORMAT_VMDK_DESCRIPTOR,  /* text, "# Disk DescriptorFile" */
  DISK_FORMAT_VMDK_COWD,        /* "COWD": ESX delta */
  DISK_FORMAT_VMDK_SESPARSE,    /* 0xcafebabe: ESXi delta */
  DISK_FORMAT_QCOW2,            /* "QFI\xfb" */
  DISK_FORMAT_VHDX,             /* "vhdxfile" */
  DISK_FORMAT_VHD,              /* "conectix" at the start or in the last
                                   512 bytes */
  DISK_FORMAT_VDI,              /* 0xbeda107f at 64 */
  DISK_FORMAT_GZIP,             /* 1f 8b */
};

/* Look at BLOB.  0, or -1 with errno (a read failed), reported. */
extern int disk_format_probe (struct blob *blob, enum disk_format *format);

/* The name that qemu-img uses: "raw", "vmdk", "qcow2", "vhdx", "vpc",
 * "vdi"; "gzip" for DISK_FORMAT_GZIP.
 */
extern const char *disk_format_name (enum disk_format format);

struct vmdk;

/* Called for each extent file that a descriptor names.  NAME holds
 * no directory part (checked before the call).  The blob is the
 * vmdk's from then on.  NULL with errno and a report.
 */
typedef struct blob *(*vmdk_open_extent) (void *opaque, const char *name);

/* Open a disk whose first (or only) file is BLOB.  BLOB belongs to the
 * vmdk from the call on, also when it fails.  OPEN_EXTENT may be NULL:
 * then a disk of several files is refused.
 *
 * Only headers, descriptors and grain directories are read; grain tables
 * are loaded once each, when first needed.  Memory is the tables plus a
 * constant, whatever the capacity says: a directory larger than the file
 * is refused before it is allocated.
 *
 * NULL with errno (EINVAL broken, ENOTSUP a kind that is refused, such
 * as a delta disk, EIO) and a report that names file, offset and remedy.
 */
extern struct vmdk *vmdk_open (struct blob *blob,
                               vmdk_open_extent open_extent, void *opaque);
extern void vmdk_close (struct vmdk *vmdk);

/* Capacity in bytes. */
extern uint64_t vmdk_size (const struct vmdk *vmdk);

/* "streamOptimized", "monolithicSparse", ... from the descriptor. */
extern const char *vmdk_create_type (const struct vmdk *vmdk);

/* Read exactly COUNT bytes.  Whole grains are decoded straight into
 * BUF.  A grain whose marker, LBA, length or Adler-32 is wrong gives EIO,
 * reported with file, grain and offset.  Thread safe; threads decode in
 * parallel.
 */
extern int vmdk_pread (struct vmdk *vmdk, void *buf, size_t count,
                       uint64_t offset);

/* Call FN with the pieces of [offset, offset+count) in order, types of
 * common/extents/extents.h, neighbours merged; from the tables alone, no
 * grain is read.  With ONE stop after the first piece.  0, or -1 with
 * errno, reported (or FN returned -1).  Thread safe.
 */
extern int vmdk_extents (struct vmdk *vmdk, uint64_t count, uint64_t offset,
                         bool one,
                         int (*fn) (void *opaque, uint64_t offset,
                                    uint64_t length, uint32_t type),
                         void *opaque);

/* Bytes that are allocated, by the tables.  Loads all of them.  0 or -1. */
extern int vmdk_allocated (struct vmdk *vmdk, uint64_t *bytes);

#endif /* NBDLIFT_VMDK_H */
