/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One unit of the stream after the other is gathered in a buffer and
 * taken when it is whole.  Grains say where they belong, so the tables are
 * passed over; but the end is believed only after a directory or a footer,
 * since zeroes read as an end marker.
 *
 * Grains may come in any order.  A bit per grain knows which have come:
 * one that comes twice is a stream that lies, whichever is right.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libdeflate.h>

#include "common/include/checked.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "common/vmdk/vmdk_import.h"
#include "common/vmdk/vmdk_private.h"

/* Begins every unit: u64 value, u32 size, and u32 type if size is 0. */
#define HEAD_SIZE 16

enum marker { MARKER_EOS, MARKER_GT, MARKER_GD, MARKER_FOOTER };

/* What the bytes in the buffer will be. */
enum state { STATE_HEADER, STATE_HEAD, STATE_GRAIN, STATE_MARKER, STATE_END };

struct vmdk_import {
  struct blob blob;             /* no more than a name */
  vmdk_import_data data;
  void *opaque;
  uint64_t capacity;            /* bytes */
  uint64_t offset;              /* in the stream, of the buffer's begin */

  enum state state;
  uint8_t *buf;
  size_t len, need, size;       /* bytes there, awaited, allocated */
  uint64_t skip;                /* bytes to pass over first */

  struct vmdk_header header;
  uint64_t grain_size, nr_grains;
  uint8_t *seen;                /* a bit per grain */
  uint8_t *grain;               /* one, inflated */
  bool metadata;                /* a directory or a footer has come */
  struct libdeflate_decompressor *inflate;
};

static int
bad (const struct vmdk_import *m, int err, const char *fmt, ...)
  __attribute__ ((format (printf, 3, 4)));

static int
bad (const struct vmdk_import *m, int err, const char *fmt, ...)
{
  char text[200];
  va_list args;

  va_start (args, fmt);
  vsnprintf (text, sizeof text, fmt, args);
  va_end (args);
  log_error ("%s: at offset %" PRIu64 " of the stream: %s; the export is "
             "damaged: export it again", printable (m->blob.name), m->offset,
             text);
  errno = err;
  return -1;
}

struct vmdk_import *
vmdk_import_new (const char *name, uint64_t capacity, vmdk_import_data data,
                 void *opaque)
{
  struct vmdk_import *m = calloc (1, sizeof *m);

  if (m == NULL) {
    log_oom ();
    return NULL;
  }
  m->blob.name = strdup (name);
  m->inflate = libdeflate_alloc_decompressor ();
  m->size = SECTOR_SIZE;
  m->buf = malloc (m->size);
  if (m->blob.name == NULL || m->inflate == NULL || m->buf == NULL) {
    vmdk_import_free (m);
    log_oom ();
    return NULL;
  }
  m->capacity = capacity;
  m->data = data;
  m->opaque = opaque;
  m->need = SECTOR_SIZE;
  return m;
}

void
vmdk_import_free (struct vmdk_import *m)
{
  if (m == NULL)
    return;
  if (m->inflate)
    libdeflate_free_decompressor (m->inflate);
  free (m->blob.name);
  free (m->buf);
  free (m->seen);
  free (m->grain);
  free (m);
}

/* Wait for NEED bytes, of which those in the buffer are the first. */
static int
expect (struct vmdk_import *m, enum state state, size_t need)
{
  uint8_t *buf;

  m->state = state;
  m->need = need;
  if (need <= m->size)
    return 0;
  buf = realloc (m->buf, need);
  if (buf == NULL) {
    log_oom ();
    return -1;
  }
  m->buf = buf;
  m->size = need;
  return 0;
}

/* The buffer is done with; the next unit begins SKIP bytes after it. */
static int
next_unit (struct vmdk_import *m, uint64_t skip)
{
  m->offset += m->len + skip;
  m->len = 0;
  m->skip = skip;
  return expect (m, STATE_HEAD, HEAD_SIZE);
}

static int
take_header (struct vmdk_import *m)
{
  const uint32_t flags = VMDK_FLAG_COMPRESSED | VMDK_FLAG_MARKERS;
  const struct vmdk_header *h = &m->header;
  uint64_t capacity, overhead;

  if (vmdk_header_decode (&m->blob, 0, m->buf, &m->header) == -1)
    return -1;
  if ((h->flags & flags) != flags ||
      h->compression != VMDK_COMPRESSION_DEFLATE)
    return bad (m, ENOTSUP, "this is a VMDK, but not streamOptimized");
  if (!checked_mul (h->capacity, SECTOR_SIZE, &capacity) ||
      capacity != m->capacity)
    return bad (m, EINVAL, "the header says that the disk has %" PRIu64
                " sectors, the source that it has %" PRIu64, h->capacity,
                m->capacity / SECTOR_SIZE);
  if (!checked_mul (MAX (h->overhead, UINT64_C (1)), SECTOR_SIZE, &overhead))
    return bad (m, EINVAL, "the header says that data begins nowhere");

  m->grain_size = h->grain_sectors * SECTOR_SIZE;
  m->nr_grains = capacity / m->grain_size + (capacity % m->grain_size != 0);
  m->seen = calloc (m->nr_grains / 8 + 1, 1);
  m->grain = malloc (m->grain_size);
  if (m->seen == NULL || m->grain == NULL) {
    log_oom ();
    return -1;
  }
  return next_unit (m, overhead - SECTOR_SIZE);
}

/* The first bytes of a unit. */
static int
take_head (struct vmdk_import *m)
{
  const uint32_t size = get_le32 (m->buf + 8);
  const uint32_t type = get_le32 (m->buf + 12);
  uint64_t length;

  if (size == 0) {
    if (type > MARKER_FOOTER)
      return bad (m, EINVAL, "unknown marker %" PRIu32, type);
    return expect (m, STATE_MARKER, SECTOR_SIZE);
  }
  /* Nothing makes data twice as long. */
  if (size > 2 * m->grain_size + SECTOR_SIZE)
    return bad (m, EINVAL, "a grain is said to have %" PRIu32 " bytes, too "
                "many", size);
  if (!checked_round_up (VMDK_GRAIN_HEADER_SIZE + (uint64_t) size,
                         SECTOR_SIZE, &length))
    return bad (m, EINVAL, "absurd length");
  return expect (m, STATE_GRAIN, length);
}

static int
take_marker (struct vmdk_import *m)
{
  const uint64_t sectors = get_le64 (m->buf);
  const uint32_t type = get_le32 (m->buf + 12);
  uint64_t length;

  if (type == MARKER_EOS) {
    if (!m->metadata)
      return bad (m, EINVAL, "an end without a directory before it");
    m->offset += m->len;
    m->len = 0;
    m->state = STATE_END;
    return 0;
  }
  m->metadata |= type == MARKER_GD || type == MARKER_FOOTER;
  if (sectors > VMDK_MAX_TABLES || !checked_mul (sectors, SECTOR_SIZE,
                                                 &length))
    return bad (m, EINVAL, "a marker announces %" PRIu64 " sectors", sectors);
  return next_unit (m, length);
}

static int
take_grain (struct vmdk_import *m)
{
  const uint64_t sector = get_le64 (m->buf);
  const uint32_t size = get_le32 (m->buf + 8);
  const uint64_t grain = sector / m->header.grain_sectors;
  const uint64_t offset = grain * m->grain_size;
  uint64_t want;
  size_t got = 0;

  if (sector % m->header.grain_sectors != 0 || grain >= m->nr_grains)
    return bad (m, EINVAL, "a grain for sector %" PRIu64 ", which is none of "
                "this disk", sector);
  if (m->seen[grain / 8] & 1 << grain % 8)
    return bad (m, EINVAL, "the grain for sector %" PRIu64 " comes a second "
                "time", sector);
  m->seen[grain / 8] |= 1 << grain % 8;

  want = MIN (m->grain_size, m->capacity - offset);
  switch (libdeflate_zlib_decompress (m->inflate,
                                      m->buf + VMDK_GRAIN_HEADER_SIZE, size,
                                      m->grain, m->grain_size, &got)) {
  case LIBDEFLATE_SUCCESS:
    break;
  case LIBDEFLATE_INSUFFICIENT_SPACE:
    return bad (m, EINVAL, "the grain for sector %" PRIu64 " inflates to "
                "more than %" PRIu64 " bytes", sector, m->grain_size);
  default:
    return bad (m, EINVAL, "the grain for sector %" PRIu64 " cannot be "
                "inflated (bad data or checksum)", sector);
  }
  if (got < want)
    return bad (m, EINVAL, "the grain for sector %" PRIu64 " inflates to %zu "
                "bytes instead of %" PRIu64, sector, got, want);
  if (m->data (m->opaque, offset, m->grain, want) == -1)
    return -1;
  return next_unit (m, 0);
}

/* The buffer holds what was awaited. */
static int
take (struct vmdk_import *m)
{
  switch (m->state) {
  case STATE_HEADER:
    return take_header (m);
  case STATE_HEAD:
    return take_head (m);
  case STATE_GRAIN:
    return take_grain (m);
  case STATE_MARKER:
    return take_marker (m);
  case STATE_END:
    break;
  }
  return 0;
}

int
vmdk_import_feed (struct vmdk_import *m, const void *buf, size_t count)
{
  const uint8_t *p = buf;
  size_t n;

  while (count > 0) {
    if (m->state == STATE_END)
      return bad (m, EINVAL, "there is more after the end marker");
    if (m->skip > 0) {
      n = MIN (m->skip, (uint64_t) count);
      m->skip -= n;
    }
    else {
      n = MIN (m->need - m->len, count);
      memcpy (m->buf + m->len, p, n);
      m->len += n;
    }
    p += n;
    count -= n;
    while (m->state != STATE_END && m->skip == 0 && m->len == m->need)
      if (take (m) == -1)
        return -1;
  }
  return 0;
}

int
vmdk_import_end (struct vmdk_import *m)
{
  if (m->state == STATE_END)
    return 0;
  m->offset += m->len;
  return bad (m, EINVAL, "it ends before its end marker");
}
