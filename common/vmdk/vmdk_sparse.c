/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sparse files: header, grain directory, grain tables, and reading those
 * whose grains are not compressed.
 *
 * The header names the grain directory, an array with the sector of each
 * grain table; a table is an array with the sector of each grain.  The
 * directory is read at open and must lie inside of the file, so that a
 * wild capacity is refused before anything is allocated for it.  A table
 * is read when a grain of it is first asked for.  There is no lock: a
 * thread that finds no table reads it, and of several threads that did so
 * at once the first to publish it wins.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/extents/extents.h"
#include "common/include/checked.h"
#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "common/vmdk/vmdk_private.h"

#define MAGIC 0x564d444b

/* Tables that follow each other in the file are read together, so that
 * walking through a large disk takes few reads.
 */
#define TABLE_BATCH_SIZE (256 * KIB)

static const char newline_test[4] = { '\n', ' ', '\r', '\n' };

static int
bad_header (const struct blob *blob, uint64_t offset, const char *what,
            uint64_t value)
{
  log_error ("%s: VMDK header at offset %" PRIu64 ": %s is %" PRIu64 "; the "
             "file is damaged: copy or export it again",
             printable (blob->name), offset, what, value);
  errno = EINVAL;
  return -1;
}

static int
unsupported_header (const struct blob *blob, uint64_t offset,
                    const char *what, uint64_t value)
{
  log_error ("%s: VMDK header at offset %" PRIu64 ": %s is %" PRIu64 ", "
             "which is not supported; convert the disk with "
             "\"qemu-img convert -O vmdk -o subformat=streamOptimized\"",
             printable (blob->name), offset, what, value);
  errno = ENOTSUP;
  return -1;
}

static int
check_header (const struct blob *blob, uint64_t offset,
              const struct vmdk_header *h)
{
  const bool compressed = h->flags & VMDK_FLAG_COMPRESSED;
  uint64_t capacity;

  if (h->version < 1 || h->version > 3)
    return unsupported_header (blob, offset, "the version", h->version);
  if (h->compression > VMDK_COMPRESSION_DEFLATE)
    return unsupported_header (blob, offset, "the compression algorithm",
                               h->compression);
  if (compressed != (h->compression == VMDK_COMPRESSION_DEFLATE))
    return bad_header (blob, offset, "the flag word, which contradicts the "
                       "compression algorithm,", h->flags);
  if (compressed && !(h->flags & VMDK_FLAG_MARKERS))
    return unsupported_header (blob, offset, "the flag word (compressed "
                               "grains without markers)", h->flags);
  if (h->capacity == 0 ||
      !checked_mul (h->capacity, SECTOR_SIZE, &capacity) ||
      capacity > VMDK_MAX_SIZE)
    return bad_header (blob, offset, "the capacity in sectors", h->capacity);
  if (h->grain_sectors == 0 ||
      (h->grain_sectors & (h->grain_sectors - 1)) != 0)
    return bad_header (blob, offset, "the grain size in sectors",
                       h->grain_sectors);
  if (h->grain_sectors < VMDK_MIN_GRAIN_SIZE / SECTOR_SIZE ||
      h->grain_sectors > VMDK_MAX_GRAIN_SIZE / SECTOR_SIZE)
    return unsupported_header (blob, offset, "the grain size in sectors",
                               h->grain_sectors);
  if (h->table_entries == 0)
    return bad_header (blob, offset, "the number of entries of a grain "
                       "table", 0);
  if (h->table_entries > VMDK_MAX_TABLE_ENTRIES)
    return unsupported_header (blob, offset, "the number of entries of a "
                               "grain table", h->table_entries);
  return 0;
}

int
vmdk_header_decode (const struct blob *blob, uint64_t offset,
                    const unsigned char p[512], struct vmdk_header *header)
{
  struct vmdk_header h;

  if (get_le32 (p) != MAGIC)
    return bad_header (blob, offset, "the magic number", get_le32 (p));
  h.version = get_le32 (p + 4);
  h.flags = get_le32 (p + 8);
  h.capacity = get_le64 (p + 12);
  h.grain_sectors = get_le64 (p + 20);
  h.descriptor_offset = get_le64 (p + 28);
  h.descriptor_sectors = get_le64 (p + 36);
  h.table_entries = get_le32 (p + 44);
  h.gd_offset = get_le64 (p + 56);
  h.overhead = get_le64 (p + 64);
  h.unclean = p[72] != 0;
  h.compression = p[77] | p[78] << 8;

  if ((h.flags & VMDK_FLAG_NEWLINE_TEST) &&
      memcmp (p + 73, newline_test, sizeof newline_test) != 0) {
    log_error ("%s: VMDK header at offset %" PRIu64 ": the file was changed "
               "by a transfer in text mode; transfer it again in binary "
               "mode", printable (blob->name), offset);
    errno = EINVAL;
    return -1;
  }
  if (check_header (blob, offset, &h) == -1)
    return -1;
  *header = h;
  return 0;
}

/* Bytes from one table to the next when they are stored in a row. */
static uint64_t
table_stride (const struct vmdk_sparse *s)
{
  uint64_t bytes = s->header.table_entries * sizeof (uint32_t);

  return (bytes + SECTOR_SIZE - 1) / SECTOR_SIZE * SECTOR_SIZE;
}

/* Every table must lie inside of the file, and as tables do not share
 * space, all together must fit, which bounds the memory for them.
 */
static int
check_directory (const struct vmdk_sparse *s)
{
  const uint64_t table_bytes = s->header.table_entries * sizeof (uint32_t);
  const uint64_t stride = table_stride (s);
  uint64_t i, used = 0;

  for (i = 0; i < s->nr_tables; ++i) {
    if (s->directory[i] == 0)
      continue;
    used++;
    if (!range_inside (s->directory[i] * SECTOR_SIZE, table_bytes,
                       s->data_end)) {
      log_error ("%s: grain table %" PRIu64 " is said to be at sector "
                 "%" PRIu32 ", past the end of the data at sector "
                 "%" PRIu64 "; the file is damaged or incomplete: copy it "
                 "again", printable (s->blob->name), i, s->directory[i],
                 s->data_end / SECTOR_SIZE);
      errno = EINVAL;
      return -1;
    }
  }
  if (used * stride > s->data_end + stride) {
    log_error ("%s: the grain directory at sector %" PRIu64 " names %" PRIu64
               " grain tables, more than the file can hold; the file is "
               "damaged: copy it again", printable (s->blob->name),
               s->header.gd_offset, used);
    errno = EINVAL;
    return -1;
  }
  return 0;
}

/* A stream has a directory even if it cannot be found any more. */
static int
check_capacity (const struct vmdk_sparse *s)
{
  if (s->nr_tables > VMDK_MAX_TABLES)
    return bad_header (s->blob, 0, "the capacity in sectors, above what a "
                       "VMDK can have,", s->header.capacity);
  if (s->nr_tables > s->blob->size / sizeof (uint32_t))
    return bad_header (s->blob, 0, "the capacity in sectors, too much for a "
                       "grain directory inside of the file,",
                       s->header.capacity);
  return 0;
}

static int
load_directory (struct vmdk_sparse *s)
{
  const uint64_t bytes = s->nr_tables * sizeof (uint32_t);
  uint64_t offset, i;

  if (!checked_mul (s->header.gd_offset, SECTOR_SIZE, &offset) ||
      !range_inside (offset, bytes, s->data_end)) {
    log_error ("%s: the grain directory of %" PRIu64 " bytes at sector "
               "%" PRIu64 " does not fit before the %s at sector %" PRIu64
               "; the file is damaged or incomplete: copy it again",
               printable (s->blob->name), bytes, s->header.gd_offset,
               s->data_end < s->blob->size ? "footer" : "end of the file",
               s->data_end / SECTOR_SIZE);
    errno = EINVAL;
    return -1;
  }
  s->directory = malloc (bytes);
  if (s->directory == NULL) {
    log_oom ();
    return -1;
  }
  if (blob_pread (s->blob, s->directory, bytes, offset) == -1)
    return -1;
  for (i = 0; i < s->nr_tables; ++i)
    s->directory[i] = le32toh (s->directory[i]);
  return check_directory (s);
}

/* After a footer was found, S->header is the footer's. */
static int
read_headers (struct vmdk_sparse *s, bool *scan)
{
  unsigned char sector[512];
  struct vmdk_header footer;
  int r;

  if (s->blob->size < sizeof sector) {
    log_error ("%s: the file has only %" PRIu64 " bytes; copy it again",
               printable (s->blob->name), s->blob->size);
    errno = EINVAL;
    return -1;
  }
  if (blob_pread (s->blob, sector, sizeof sector, 0) == -1 ||
      vmdk_header_decode (s->blob, 0, sector, &s->header) == -1)
    return -1;
  s->data_end = s->blob->size;
  if (s->header.unclean)
    log_warning ("%s: the VMDK was not closed properly; its last writes may "
                 "be missing", printable (s->blob->name));

  if (s->header.gd_offset == VMDK_GD_AT_END) {
    r = vmdk_stream_footer (s->blob, &footer, &s->data_end);
    if (r == -1)
      return -1;
    if (r == 1) {
      if (footer.capacity != s->header.capacity ||
          footer.grain_sectors != s->header.grain_sectors ||
          footer.table_entries != s->header.table_entries ||
          footer.compression != s->header.compression) {
        log_error ("%s: the VMDK header and the footer at offset %" PRIu64
                   " contradict each other; the file is damaged: copy it "
                   "again", printable (s->blob->name),
                   s->data_end + SECTOR_SIZE);
        errno = EINVAL;
        return -1;
      }
      s->header.gd_offset = footer.gd_offset;
    }
  }
  *scan = s->header.gd_offset == 0 || s->header.gd_offset == VMDK_GD_AT_END;
  return 0;
}

static int
load_metadata (struct vmdk_sparse *s)
{
  bool scan;

  if (read_headers (s, &scan) == -1)
    return -1;
  s->capacity = s->header.capacity * SECTOR_SIZE;
  s->grain_size = s->header.grain_sectors * SECTOR_SIZE;
  s->compressed = s->header.flags & VMDK_FLAG_COMPRESSED;
  s->nr_grains = s->capacity / s->grain_size +
    (s->capacity % s->grain_size != 0);
  s->nr_tables = s->nr_grains / s->header.table_entries +
    (s->nr_grains % s->header.table_entries != 0);

  if (check_capacity (s) == -1 || (!scan && load_directory (s) == -1))
    return -1;
  if (scan && !s->compressed) {
    log_error ("%s: the VMDK header says that there is no grain directory; "
               "the file is damaged: copy it again",
               printable (s->blob->name));
    errno = EINVAL;
    return -1;
  }
  s->tables = calloc (s->nr_tables, sizeof *s->tables);
  if (s->tables == NULL) {
    log_oom ();
    return -1;
  }
  return scan ? vmdk_stream_scan (s) : 0;
}

struct vmdk_sparse *
vmdk_sparse_open (struct blob *blob, struct vmdk_cache *cache)
{
  struct vmdk_sparse *s;
  int err;

  s = calloc (1, sizeof *s);
  if (s == NULL) {
    log_oom ();
    blob_close (blob);
    errno = ENOMEM;
    return NULL;
  }
  s->blob = blob;
  s->cache = cache;
  if (load_metadata (s) == -1) {
    err = errno;
    vmdk_sparse_close (s);
    errno = err;
    return NULL;
  }
  return s;
}

void
vmdk_sparse_close (struct vmdk_sparse *s)
{
  uint64_t i;

  if (s == NULL)
    return;
  for (i = 0; s->tables && i < s->nr_tables; ++i)
    free (atomic_load (&s->tables[i]));
  free (s->tables);
  free (s->directory);
  blob_close (s->blob);
  free (s);
}

/* Entries point into the file, behind its metadata.  Those past the last
 * grain mean nothing and are cleared.
 */
static int
check_table (const struct vmdk_sparse *s, uint64_t index, uint32_t *table)
{
  const uint64_t first = index * s->header.table_entries;
  uint64_t grain, need;
  uint32_t i;

  for (i = 0; i < s->header.table_entries; ++i) {
    grain = first + i;
    if (grain >= s->nr_grains) {
      table[i] = 0;
      continue;
    }
    if (VMDK_IS_HOLE (s, table[i]))
      continue;
    need = s->compressed ? VMDK_GRAIN_HEADER_SIZE + 1
      : vmdk_sparse_grain_bytes (s, grain);
    if (!range_inside (table[i] * SECTOR_SIZE, need, s->data_end) ||
        (!s->compressed && table[i] < s->header.overhead)) {
      log_error ("%s: grain %" PRIu64 " is said to be at sector %" PRIu32
                 ", outside of the data (sectors %" PRIu64 " to %" PRIu64
                 "); the file is damaged or incomplete: copy it again",
                 printable (s->blob->name), grain, table[i],
                 s->header.overhead, s->data_end / SECTOR_SIZE);
      errno = EIO;
      return -1;
    }
  }
  return 0;
}

/* Load the table INDEX and those that follow it in the file as well as
 * in the directory.
 */
static int
load_tables (struct vmdk_sparse *s, uint64_t index)
{
  const size_t table_bytes = s->header.table_entries * sizeof (uint32_t);
  const uint64_t stride = table_stride (s);
  const uint64_t offset = s->directory[index] * SECTOR_SIZE;
  CLEANUP_FREE unsigned char *batch = NULL;
  uint32_t *table, *expected;
  uint64_t n = 1, i, j;

  while (index + n < s->nr_tables && (n + 1) * stride <= TABLE_BATCH_SIZE &&
         s->directory[index + n] * SECTOR_SIZE == offset + n * stride)
    n++;

  batch = malloc (n * stride);
  if (batch == NULL) {
    log_oom ();
    return -1;
  }
  if (blob_pread (s->blob, batch, (n - 1) * stride + table_bytes,
                  offset) == -1)
    return -1;

  for (i = 0; i < n; ++i) {
    if (atomic_load (&s->tables[index + i]) != NULL)
      continue;
    table = malloc (table_bytes);
    if (table == NULL) {
      log_oom ();
      return -1;
    }
    for (j = 0; j < s->header.table_entries; ++j)
      table[j] = get_le32 (batch + i * stride + j * sizeof *table);
    if (check_table (s, index + i, table) == -1) {
      free (table);
      return -1;
    }
    expected = NULL;
    if (!atomic_compare_exchange_strong (&s->tables[index + i], &expected,
                                         table))
      free (table);
  }
  return 0;
}

int
vmdk_sparse_table (struct vmdk_sparse *s, uint64_t index,
                   const uint32_t **table)
{
  const uint32_t *t = atomic_load_explicit (&s->tables[index],
                                            memory_order_acquire);

  if (t == NULL && s->directory && s->directory[index] != 0) {
    if (load_tables (s, index) == -1)
      return -1;
    t = atomic_load (&s->tables[index]);
  }
  *table = t;
  return 0;
}

int
vmdk_sparse_entry (struct vmdk_sparse *s, uint64_t grain, uint32_t *entry)
{
  const uint32_t *table;

  if (vmdk_sparse_table (s, grain / s->header.table_entries, &table) == -1)
    return -1;
  *entry = 0;
  if (table) {
    *entry = table[grain % s->header.table_entries];
    if (VMDK_IS_HOLE (s, *entry))
      *entry = 0;
  }
  return 0;
}

/* Grains that follow each other in the file are read with one call. */
static int
read_plain (struct vmdk_sparse *s, unsigned char *buf, uint64_t count,
            uint64_t offset)
{
  const uint64_t grain_sectors = s->header.grain_sectors;
  uint64_t grain, skip, n;
  uint32_t first, next;

  while (count > 0) {
    grain = offset / s->grain_size;
    skip = offset % s->grain_size;
    if (vmdk_sparse_entry (s, grain, &first) == -1)
      return -1;
    n = s->grain_size - skip;
    while (n < count) {
      if (vmdk_sparse_entry (s, ++grain, &next) == -1)
        return -1;
      if (first == 0 ? next != 0
          : next != first + (skip + n) / s->grain_size * grain_sectors)
        break;
      n += s->grain_size;
    }
    n = MIN (n, count);
    if (first == 0)
      memset (buf, 0, n);
    else if (blob_pread (s->blob, buf, n, first * SECTOR_SIZE + skip) == -1)
      return -1;
    buf += n;
    count -= n;
    offset += n;
  }
  return 0;
}

int
vmdk_sparse_pread (struct vmdk_sparse *s, void *buf, uint64_t count,
                   uint64_t offset)
{
  return s->compressed ? vmdk_grain_pread (s, buf, count, offset)
    : read_plain (s, buf, count, offset);
}

int
vmdk_sparse_runs (struct vmdk_sparse *s, uint64_t count, uint64_t offset,
                  vmdk_run_fn fn, void *opaque)
{
  const uint64_t end = offset + count;
  const uint64_t entries = s->header.table_entries;
  const uint32_t *table;
  uint64_t grain, next, stop;
  bool hole;
  int r;

  for (; offset < end; offset = stop) {
    grain = offset / s->grain_size;
    if (vmdk_sparse_table (s, grain / entries, &table) == -1)
      return -1;
    /* The run of like grains inside of this table. */
    next = MIN ((grain / entries + 1) * entries, s->nr_grains);
    hole = true;
    if (table) {
      const uint64_t table_end = next;

      hole = VMDK_IS_HOLE (s, table[grain % entries]);
      next = grain + 1;
      while (next < table_end &&
             VMDK_IS_HOLE (s, table[next % entries]) == hole)
        next++;
    }
    stop = next == s->nr_grains ? end : MIN (next * s->grain_size, end);
    r = fn (opaque, offset, stop - offset,
            hole ? EXTENT_HOLE | EXTENT_ZERO : EXTENT_DATA);
    if (r != 0)
      return r;
  }
  return 0;
}
