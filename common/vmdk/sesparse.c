/* SPDX-License-Identifier: BSD-3-Clause
 *
 * seSparse: the extent of a snapshot on VMFS 6 and on large disks
 * ("SESPARSE" in the descriptor, FILE-sesparse.vmdk).
 *
 * There is no public specification.  What is known is in the reader of
 * qemu (block/vmdk.c), and like that one this is strict: what has not been
 * seen before is refused.  Version 2.1; numbers are 64 bits, little
 * endian, in sectors.  A constant header with the places of all areas, a
 * volatile header, a journal, a directory, tables of 4096 entries, and
 * grains of 4 KiB.
 *
 * The top four bits of an entry are its kind.  In the directory 1 means
 * that the low 32 bits are the number of a table; in a table 1 means
 * unmapped and 2 zero, 3 that the rest is the number of a grain, turned by
 * twelve bits: the low twelve are on top of the others.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/include/checked.h"
#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "common/vmdk/vmdk_private.h"

#define CONSTANT_MAGIC UINT64_C (0xcafebabe)
#define VOLATILE_MAGIC UINT64_C (0xcafecafe)
#define VERSION UINT64_C (0x0000000200000001)
#define GRAIN_SECTORS 8
#define TABLE_SECTORS 64
#define TABLE_SIZE (TABLE_SECTORS * SECTOR_SIZE)
#define TABLE_ENTRIES (TABLE_SIZE / sizeof (uint64_t))

#define KIND(entry) ((entry) >> 60)
#define KIND_TABLE 1            /* in the directory */
#define KIND_UNMAPPED 1         /* in a table */
#define KIND_ZERO 2
#define KIND_GRAIN 3

/* Fields of the constant header, by their number. */
enum {
  MAGIC_FIELD = 0,
  VERSION_FIELD = 1,
  CAPACITY_FIELD = 2,
  GRAIN_SIZE_FIELD = 3,
  TABLE_SIZE_FIELD = 4,
  FLAGS_FIELD = 5,
  VOLATILE_FIELD = 10,
  DIRECTORY_FIELD = 16,
  DIRECTORY_SIZE_FIELD = 17,
  TABLES_FIELD = 18,
  GRAINS_FIELD = 24,
};

static inline uint64_t
field (const unsigned char *header, size_t number)
{
  return get_le64 (header + 8 * number);
}

/* The number of the grain is at most 60 bits, so the offset can overflow:
 * it is then as much outside of the file as its largest value is.
 */
static bool
decode (const struct vmdk_delta *delta, const unsigned char *p,
        enum vmdk_grain *kind, uint64_t *where)
{
  const uint64_t entry = get_le64 (p);
  uint64_t number, offset;

  switch (KIND (entry)) {
  case 0:
    *kind = VMDK_GRAIN_PARENT;
    return entry == 0;
  case KIND_UNMAPPED:
  case KIND_ZERO:
    *kind = VMDK_GRAIN_ZERO;
    return true;
  case KIND_GRAIN:
    *kind = VMDK_GRAIN_DATA;
    number = (entry >> 48 & 0xfff) | (entry & UINT64_C (0xffffffffffff)) << 12;
    if (!checked_mul (number, GRAIN_SECTORS * SECTOR_SIZE, &offset) ||
        !checked_add (offset, delta->grains_start, &offset))
      offset = UINT64_MAX;
    *where = offset;
    return true;
  default:
    return false;
  }
}

static int
refuse (const struct vmdk_delta *delta, const char *what, uint64_t value)
{
  log_error ("%s: in the header of this seSparse snapshot %s is 0x%" PRIx64
             ", which is not known; consolidate the snapshots of the VM",
             printable (delta->blob->name), what, value);
  errno = ENOTSUP;
  return -1;
}

static int
check_volatile_header (struct vmdk_delta *delta, uint64_t sector)
{
  unsigned char h[32];
  uint64_t offset;

  if (!checked_mul (sector, SECTOR_SIZE, &offset))
    return vmdk_delta_bad (delta, "the sector of the volatile header",
                           sector);
  if (vmdk_delta_read (delta, "the volatile header", h, sizeof h,
                       offset) == -1)
    return -1;
  if (field (h, 0) != VOLATILE_MAGIC)
    return vmdk_delta_bad (delta, "the magic number of the volatile header",
                           field (h, 0));
  if (field (h, 3) != 0) {
    log_error ("%s: this seSparse snapshot was not closed properly, changes "
               "to its tables are still in its journal; power the VM on and "
               "off again, or consolidate its snapshots",
               printable (delta->blob->name));
    errno = ENOTSUP;
    return -1;
  }
  return 0;
}

static int
bad_directory_entry (const struct vmdk_delta *delta, uint64_t index,
                     uint64_t entry)
{
  log_error ("%s: entry %" PRIu64 " of the grain directory of this seSparse "
             "snapshot is 0x%" PRIx64 ", which leads to no table; the file "
             "is damaged", printable (delta->blob->name), index, entry);
  errno = EINVAL;
  return -1;
}

static int
load_directory (struct vmdk_delta *delta, const unsigned char *header)
{
  const uint64_t bytes = delta->nr_tables * sizeof (uint64_t);
  CLEANUP_FREE unsigned char *packed = NULL;
  uint64_t offset, tables, entry, i;

  if (!checked_mul (field (header, DIRECTORY_FIELD), SECTOR_SIZE, &offset) ||
      !range_inside (offset, bytes, delta->blob->size))
    return vmdk_delta_bad (delta, "the sector of a grain directory that "
                           "does not fit into the file",
                           field (header, DIRECTORY_FIELD));
  /* There can be more: it fills its last sector. */
  if (field (header, DIRECTORY_SIZE_FIELD) < bytes / SECTOR_SIZE)
    return vmdk_delta_bad (delta, "the size of the grain directory in "
                           "sectors, too small for the capacity,",
                           field (header, DIRECTORY_SIZE_FIELD));
  if (!checked_mul (field (header, TABLES_FIELD), SECTOR_SIZE, &tables) ||
      tables == 0 || tables > delta->blob->size)
    return vmdk_delta_bad (delta, "the sector of the grain tables",
                           field (header, TABLES_FIELD));
  packed = malloc (bytes);
  delta->directory = calloc (delta->nr_tables, sizeof *delta->directory);
  if (packed == NULL || delta->directory == NULL) {
    log_oom ();
    return -1;
  }
  if (vmdk_delta_read (delta, "the grain directory", packed, bytes,
                       offset) == -1)
    return -1;
  for (i = 0; i < delta->nr_tables; ++i) {
    entry = get_le64 (packed + 8 * i);
    if (entry == 0)
      continue;
    if (entry >> 32 != KIND_TABLE << 28)
      return bad_directory_entry (delta, i, entry);
    /* At most 47 bits, and tables lies inside of the file. */
    delta->directory[i] = tables + (entry & UINT32_MAX) * TABLE_SIZE;
  }
  return 0;
}

int
vmdk_sesparse_load (struct vmdk_delta *delta)
{
  const uint64_t span = TABLE_ENTRIES * GRAIN_SECTORS * SECTOR_SIZE;
  unsigned char h[SECTOR_SIZE];
  unsigned i;

  delta->kind = "seSparse";
  delta->decode = decode;
  delta->table_entries = TABLE_ENTRIES;
  delta->entry_size = sizeof (uint64_t);
  delta->grain_size = GRAIN_SECTORS * SECTOR_SIZE;
  if (vmdk_delta_read (delta, "the header", h, sizeof h, 0) == -1)
    return -1;
  if (field (h, MAGIC_FIELD) != CONSTANT_MAGIC)
    return vmdk_delta_bad (delta, "the magic number", field (h, 0));
  if (field (h, VERSION_FIELD) != VERSION)
    return refuse (delta, "the version", field (h, VERSION_FIELD));
  if (field (h, GRAIN_SIZE_FIELD) != GRAIN_SECTORS)
    return refuse (delta, "the grain size", field (h, GRAIN_SIZE_FIELD));
  if (field (h, TABLE_SIZE_FIELD) != TABLE_SECTORS)
    return refuse (delta, "the size of a table",
                   field (h, TABLE_SIZE_FIELD));
  for (i = FLAGS_FIELD; i < VOLATILE_FIELD; ++i) {
    if (field (h, i) != 0)
      return refuse (delta, "a field of flags", field (h, i));
  }
  if (field (h, CAPACITY_FIELD) == 0 ||
      !checked_mul (field (h, CAPACITY_FIELD), SECTOR_SIZE,
                    &delta->capacity) || delta->capacity > VMDK_MAX_SIZE)
    return vmdk_delta_bad (delta, "the capacity in sectors",
                           field (h, CAPACITY_FIELD));
  if (!checked_mul (field (h, GRAINS_FIELD), SECTOR_SIZE,
                    &delta->grains_start) || delta->grains_start == 0)
    return vmdk_delta_bad (delta, "the sector of the grains",
                           field (h, GRAINS_FIELD));
  delta->nr_tables = delta->capacity / span + (delta->capacity % span != 0);
  if (check_volatile_header (delta, field (h, VOLATILE_FIELD)) == -1)
    return -1;
  return load_directory (delta, h);
}
