/* SPDX-License-Identifier: BSD-3-Clause
 *
 * COWD: the extent of an ESX snapshot ("VMFSSPARSE" in the descriptor,
 * FILE-delta.vmdk), a header, a directory and tables of 4096 sectors each.
 * Numbers are 32 bits, little endian, in sectors (Virtual Disk Format
 * 5.0, "ESX Server Sparse Extents").
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/include/checked.h"
#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "common/vmdk/vmdk_private.h"

#define MAGIC 0x44574f43        /* "COWD" */
#define TABLE_ENTRIES 4096
#define HEADER_SECTORS 4
#define MAX_GRAIN_SECTORS (VMDK_MAX_GRAIN_SIZE / SECTOR_SIZE)

static bool
decode (const struct vmdk_delta *delta, const unsigned char *p,
        enum vmdk_grain *kind, uint64_t *where)
{
  const uint64_t sector = get_le32 (p);

  *kind = sector == 0 ? VMDK_GRAIN_PARENT : VMDK_GRAIN_DATA;
  *where = sector * SECTOR_SIZE;
  return true;
}

static int
load_directory (struct vmdk_delta *delta, uint64_t sector)
{
  const uint64_t bytes = delta->nr_tables * sizeof (uint32_t);
  CLEANUP_FREE unsigned char *packed = NULL;
  uint64_t i;

  /* Before anything is allocated for it. */
  if (!range_inside (sector * SECTOR_SIZE, bytes, delta->blob->size))
    return vmdk_delta_bad (delta, "the sector of a grain directory that "
                           "does not fit into the file", sector);
  packed = malloc (bytes);
  delta->directory = calloc (delta->nr_tables, sizeof *delta->directory);
  if (packed == NULL || delta->directory == NULL) {
    log_oom ();
    return -1;
  }
  if (vmdk_delta_read (delta, "the grain directory", packed, bytes,
                       sector * SECTOR_SIZE) == -1)
    return -1;
  for (i = 0; i < delta->nr_tables; ++i)
    delta->directory[i] = get_le32 (packed + 4 * i) * SECTOR_SIZE;
  return 0;
}

int
vmdk_cowd_load (struct vmdk_delta *delta)
{
  unsigned char h[32];
  uint64_t sectors, grain_sectors, span, directory, nr_tables;

  delta->kind = "COWD";
  delta->decode = decode;
  delta->table_entries = TABLE_ENTRIES;
  delta->entry_size = sizeof (uint32_t);
  if (vmdk_delta_read (delta, "the header", h, sizeof h, 0) == -1)
    return -1;
  if (get_le32 (h) != MAGIC)
    return vmdk_delta_bad (delta, "the magic number", get_le32 (h));
  if (get_le32 (h + 4) != 1) {
    log_error ("%s: COWD version %u is not known; consolidate the snapshots "
               "of the VM", printable (delta->blob->name), get_le32 (h + 4));
    errno = ENOTSUP;
    return -1;
  }
  sectors = get_le32 (h + 12);
  grain_sectors = get_le32 (h + 16);
  directory = get_le32 (h + 20);
  nr_tables = get_le32 (h + 24);
  if (sectors == 0)
    return vmdk_delta_bad (delta, "the capacity in sectors", sectors);
  if (grain_sectors == 0 || (grain_sectors & (grain_sectors - 1)) != 0 ||
      grain_sectors > MAX_GRAIN_SECTORS)
    return vmdk_delta_bad (delta, "the grain size in sectors",
                           grain_sectors);
  if (directory < HEADER_SECTORS)
    return vmdk_delta_bad (delta, "the sector of the grain directory",
                           directory);
  delta->capacity = sectors * SECTOR_SIZE;
  delta->grain_size = grain_sectors * SECTOR_SIZE;
  delta->grains_start = HEADER_SECTORS * SECTOR_SIZE;
  span = TABLE_ENTRIES * grain_sectors;
  delta->nr_tables = (sectors + span - 1) / span;
  /* There can be more: the directory fills its last sector. */
  if (nr_tables < delta->nr_tables)
    return vmdk_delta_bad (delta, "the number of grain tables, too few for "
                           "the capacity,", nr_tables);
  return load_directory (delta, directory);
}
