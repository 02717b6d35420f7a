/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Streams as ESXi writes them: what is known only at the end of the
 * writing is at the end of the file.
 *
 *   header (gdOffset = -1), descriptor
 *   compressed grains; after those of a table: GT marker, table
 *   GD marker, directory
 *   FOOTER marker, footer (a header with the true gdOffset), EOS marker
 *
 * Every unit starts at a sector: u64 value, u32 size.  A size above 0 is
 * that of a grain's data; 0 says that it is a marker of the type that
 * follows, and value counts the sectors of metadata behind it.  When the
 * footer is lost or names no directory, the tables are rebuilt from the
 * grains, whose headers have their place on the disk, provided that the
 * stream comes to a proper end: else some would be missing unnoticed.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/checked.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "common/vmdk/vmdk_private.h"

#define MARKER_EOS 0
#define MARKER_GT 1
#define MARKER_GD 2
#define MARKER_FOOTER 3

/* The FOOTER marker, the footer and the EOS marker, a sector each. */
#define TAIL_SIZE (3 * SECTOR_SIZE)

struct unit {
  uint64_t value;
  uint32_t size;
  uint32_t type;                /* if size is 0 */
};

static struct unit
decode_unit (const unsigned char *p)
{
  return (struct unit) {
    .value = get_le64 (p),
    .size = get_le32 (p + 8),
    .type = get_le32 (p + 12),
  };
}

int
vmdk_stream_footer (struct blob *blob, struct vmdk_header *header,
                    uint64_t *marker_offset)
{
  unsigned char tail[TAIL_SIZE];
  uint64_t offset;
  struct unit marker, eos;

  if (blob->size < SECTOR_SIZE + TAIL_SIZE)
    return 0;
  offset = blob->size - TAIL_SIZE;
  if (blob_pread (blob, tail, sizeof tail, offset) == -1)
    return -1;
  marker = decode_unit (tail);
  eos = decode_unit (tail + 2 * SECTOR_SIZE);
  if (marker.size != 0 || marker.type != MARKER_FOOTER ||
      eos.value != 0 || eos.size != 0 || eos.type != MARKER_EOS)
    return 0;
  if (vmdk_header_decode (blob, offset + SECTOR_SIZE, tail + SECTOR_SIZE,
                          header) == -1)
    return -1;
  *marker_offset = offset;
  return 1;
}

static int
bad_stream (const struct vmdk_sparse *s, uint64_t offset, const char *what)
{
  log_error ("%s: the VMDK has no usable footer, and at offset %" PRIu64
             " its grains cannot be followed further: %s; the file is "
             "damaged or incomplete: copy or export it again",
             printable (s->blob->name), offset, what);
  errno = EINVAL;
  return -1;
}

/* Note that the grain of UNIT is at OFFSET. */
static int
add_grain (struct vmdk_sparse *s, const struct unit *unit, uint64_t offset)
{
  const uint64_t grain = unit->value / s->header.grain_sectors;
  const uint64_t index = grain / s->header.table_entries;
  uint32_t *entry, *table;

  if (unit->value % s->header.grain_sectors != 0 || grain >= s->nr_grains)
    return bad_stream (s, offset, "a grain lies outside of the disk");
  if (!range_inside (offset, VMDK_GRAIN_HEADER_SIZE + (uint64_t) unit->size,
                     s->data_end))
    return bad_stream (s, offset, "a grain ends past the end of the data");
  if (offset / SECTOR_SIZE > UINT32_MAX)
    return bad_stream (s, offset, "the file has more than 2 TiB");

  table = atomic_load_explicit (&s->tables[index], memory_order_relaxed);
  if (table == NULL) {
    table = calloc (s->header.table_entries, sizeof *table);
    if (table == NULL) {
      log_oom ();
      return -1;
    }
    atomic_store (&s->tables[index], table);
  }
  entry = &table[grain % s->header.table_entries];
  if (*entry != 0)
    return bad_stream (s, offset, "a grain comes a second time");
  *entry = offset / SECTOR_SIZE;
  return 0;
}

/* Where the unit after that at OFFSET begins. */
static int
next_unit (const struct vmdk_sparse *s, const struct unit *unit,
           uint64_t offset, uint64_t *next)
{
  uint64_t length;

  if (unit->size > 0)
    length = VMDK_GRAIN_HEADER_SIZE + (uint64_t) unit->size;
  else if (!checked_mul (unit->value, SECTOR_SIZE, &length) ||
           !checked_add (length, SECTOR_SIZE, &length))
    return bad_stream (s, offset, "the length of a marker is absurd");

  /* The padding behind the last one may be missing. */
  if (!range_inside (offset, length, s->blob->size))
    return bad_stream (s, offset, "the unit ends past the end of the file");
  return checked_round_up (offset + length, SECTOR_SIZE, next) ? 0
    : bad_stream (s, offset, "the offset is absurd");
}

static int
end_of_stream (const struct vmdk_sparse *s, uint64_t offset, bool metadata)
{
  /* A sector of zeroes reads as EOS, and so does the tail of a copy that
   * was allocated in full but filled in part.  The end is believed after
   * a directory or a footer, or in the last sector.
   */
  if (!metadata && offset + 2 * SECTOR_SIZE <= s->blob->size)
    return bad_stream (s, offset, "there are only zeroes");
  return 0;
}

int
vmdk_stream_scan (struct vmdk_sparse *s)
{
  unsigned char head[VMDK_GRAIN_HEADER_SIZE + 4];
  uint64_t offset, next = 0;
  struct unit unit;
  bool metadata = false;        /* the directory or the footer was seen */

  log_warning ("%s: the VMDK has no grain directory; reading through the "
               "whole file to find its grains", printable (s->blob->name));

  if (!checked_mul (MAX (s->header.overhead, UINT64_C (1)), SECTOR_SIZE,
                    &offset))
    return bad_stream (s, 0, "the header says that data begins past the "
                       "end of the file");
  for (;; offset = next) {
    if (!range_inside (offset, sizeof head, s->blob->size))
      return bad_stream (s, offset, "the file ends without an end marker");
    if (blob_pread (s->blob, head, sizeof head, offset) == -1)
      return -1;
    unit = decode_unit (head);
    if (unit.size > 0) {
      if (add_grain (s, &unit, offset) == -1)
        return -1;
    }
    else if (unit.type == MARKER_EOS)
      return end_of_stream (s, offset, metadata);
    else if (unit.type > MARKER_FOOTER)
      return bad_stream (s, offset, "unknown marker");
    else
      metadata |= unit.type == MARKER_GD || unit.type == MARKER_FOOTER;
    if (next_unit (s, &unit, offset, &next) == -1)
      return -1;
  }
}
