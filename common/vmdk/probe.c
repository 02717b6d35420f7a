/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Tell disk formats apart by their magic numbers, never by a file's name
 * or by the format that an OVF claims: both are often wrong.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/vmdk/vmdk.h"
#include "common/vmdk/vmdk_private.h"

#define VDI_MAGIC_OFFSET 64
#define VHD_FOOTER_SIZE 512

static const struct {
  enum disk_format format;
  unsigned offset;
  const char *magic;
  size_t len;
} magics[] = {
  { DISK_FORMAT_VMDK_SPARSE, 0, "KDMV", 4 },
  { DISK_FORMAT_VMDK_DESCRIPTOR, 0, "# Disk DescriptorFile", 21 },
  { DISK_FORMAT_VMDK_COWD, 0, "COWD", 4 },
  { DISK_FORMAT_VMDK_SESPARSE, 0, "\xbe\xba\xfe\xca\0\0\0\0", 8 },
  { DISK_FORMAT_QCOW2, 0, "QFI\xfb", 4 },
  { DISK_FORMAT_VHDX, 0, "vhdxfile", 8 },
  { DISK_FORMAT_VHD, 0, "conectix", 8 },
  { DISK_FORMAT_VDI, VDI_MAGIC_OFFSET, "\x7f\x10\xda\xbe", 4 },
  { DISK_FORMAT_GZIP, 0, "\x1f\x8b", 2 },
};

int
disk_format_probe (struct blob *blob, enum disk_format *format)
{
  unsigned char sector[512] = { 0 };
  const size_t n = MIN (blob->size, (uint64_t) sizeof sector);
  size_t i;

  if (blob_pread (blob, sector, n, 0) == -1)
    return -1;
  for (i = 0; i < ARRAY_SIZE (magics); ++i) {
    if (magics[i].offset + magics[i].len <= n &&
        memcmp (sector + magics[i].offset, magics[i].magic,
                magics[i].len) == 0) {
      *format = magics[i].format;
      return 0;
    }
  }

  /* A VHD of fixed size is a raw image with a footer. */
  if (blob->size >= VHD_FOOTER_SIZE) {
    if (blob_pread (blob, sector, 8, blob->size - VHD_FOOTER_SIZE) == -1)
      return -1;
    if (memcmp (sector, "conectix", 8) == 0) {
      *format = DISK_FORMAT_VHD;
      return 0;
    }
  }

  *format = DISK_FORMAT_RAW;
  return 0;
}

const char *
disk_format_name (enum disk_format format)
{
  switch (format) {
  case DISK_FORMAT_RAW:
    return "raw";
  case DISK_FORMAT_VMDK_SPARSE:
  case DISK_FORMAT_VMDK_DESCRIPTOR:
  case DISK_FORMAT_VMDK_COWD:
  case DISK_FORMAT_VMDK_SESPARSE:
    return "vmdk";
  case DISK_FORMAT_QCOW2:
    return "qcow2";
  case DISK_FORMAT_VHDX:
    return "vhdx";
  case DISK_FORMAT_VHD:
    return "vpc";
  case DISK_FORMAT_VDI:
    return "vdi";
  case DISK_FORMAT_GZIP:
    return "gzip";
  }
  abort ();
}
