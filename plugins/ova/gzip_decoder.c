/* SPDX-License-Identifier: BSD-3-Clause
 *
 * zlib decodes either a whole gzip member, with its header and trailer, or
 * raw deflate from a block boundary, given the bits of the byte in which
 * the block begins and the 32 KiB before it.  A decoder that was started
 * raw goes over to the other form at the next member.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "plugins/ova/gzip_decoder.h"

#define INPUT (128 * KIB)

/* zlib's windowBits: 15 bits of window, with a gzip header or without
 * any.
 */
#define GZIP_FORMAT (15 + 16)
#define RAW_FORMAT (-15)
#define TRAILER 8               /* CRC-32 and length, after each member */

void
gzip_decoder_free (struct gzip_decoder *d)
{
  if (d->ready)
    inflateEnd (&d->strm);
  free (d->history);
  free (d->input);
  memset (d, 0, sizeof *d);
}

static int
decoder_alloc (struct gzip_decoder *d)
{
  if (d->history == NULL)
    d->history = malloc (GZIP_HISTORY);
  if (d->input == NULL)
    d->input = malloc (INPUT);
  if (d->history == NULL || d->input == NULL) {
    log_oom ();
    return -1;
  }
  return 0;
}

static int
decoder_format (struct gzip_decoder *d, bool raw)
{
  const int bits = raw ? RAW_FORMAT : GZIP_FORMAT;
  int r = d->ready ? inflateReset2 (&d->strm, bits)
    : inflateInit2 (&d->strm, bits);

  if (r != Z_OK) {
    log_oom ();
    return -1;
  }
  d->ready = true;
  d->raw = raw;
  return 0;
}

/* Offset in PARENT of the next input byte. */
static uint64_t
input_offset (const struct gzip_decoder *d)
{
  return d->in - d->strm.avail_in;
}

int
gzip_decoder_report (const struct gzip_decoder *d, const char *why)
{
  log_error ("%s: gzip stream is damaged at offset %" PRIu64 " of %" PRIu64
             " (%" PRIu64 " bytes decompressed): %s: copy or export it again",
             printable (d->name), input_offset (d), d->parent->size,
             d->out, why);
  errno = EINVAL;
  return -1;
}

/* Have some input.  1, 0 at the end of PARENT, -1 on error. */
static int
fill_input (struct gzip_decoder *d)
{
  size_t n;

  if (d->strm.avail_in > 0)
    return 1;
  n = MIN (d->parent->size - d->in, (uint64_t) INPUT);
  if (n == 0)
    return 0;
  if (blob_pread (d->parent, d->input, n, d->in) == -1)
    return -1;
  d->strm.next_in = d->input;
  d->strm.avail_in = n;
  d->in += n;
  return 1;
}

int
gzip_decoder_start (struct gzip_decoder *d, struct blob *parent,
                    const char *name, const struct gzip_point *point)
{
  const uint64_t in = point->in - (point->bits ? 1 : 0);
  int r;

  d->parent = parent;
  d->name = name;
  if (decoder_alloc (d) == -1 || decoder_format (d, point->raw) == -1)
    return -1;
  d->in = in;
  d->strm.avail_in = 0;
  d->out = point->out;
  d->kept = 0;
  if (!point->raw)
    return 0;

  if (point->bits) {
    r = fill_input (d);
    if (r == -1)
      return -1;
    if (r == 0)
      return gzip_decoder_report (d, "it became shorter");
    d->strm.avail_in--;
    if (inflatePrime (&d->strm, point->bits,
                      *d->strm.next_in++ >> (8 - point->bits)) != Z_OK)
      return gzip_decoder_report (d, "zlib refused the restart point");
  }
  if (inflateSetDictionary (&d->strm, point->window, GZIP_WINDOW) != Z_OK)
    return gzip_decoder_report (d, "zlib refused the window");
  return 0;
}

/* Pass over N bytes of input.  1, 0 if there are fewer, -1 on error. */
static int
skip_input (struct gzip_decoder *d, size_t n)
{
  while (n > 0) {
    size_t here;
    int r = fill_input (d);

    if (r <= 0)
      return r;
    here = MIN (n, (size_t) d->strm.avail_in);
    d->strm.next_in += here;
    d->strm.avail_in -= here;
    n -= here;
  }
  return 1;
}

/* Warn of what stands after the last member, but for the zeros that tape
 * blocks and storage systems fill up with.
 */
static int
check_garbage (struct gzip_decoder *d, bool warn)
{
  const uint64_t at = input_offset (d);
  int r;

  while (warn && (r = fill_input (d)) != 0) {
    if (r == -1)
      return -1;
    if (*d->strm.next_in != 0) {
      log_warning ("%s: %" PRIu64 " bytes after the end of the gzip stream, "
                   "at offset %" PRIu64 ", are ignored",
                   printable (d->name), d->parent->size - at, at);
      return 0;
    }
    d->strm.next_in++;
    d->strm.avail_in--;
  }
  return 0;
}

bool
gzip_is_magic (const uint8_t magic[2])
{
  return magic[0] == 0x1f && magic[1] == 0x8b;
}

/* At the end of a member: is there another?  WARN on the first pass. */
static enum gzip_progress
next_member (struct gzip_decoder *d, bool warn)
{
  uint8_t magic[2];
  const uint64_t at = input_offset (d) + (d->raw ? TRAILER : 0);

  /* A raw decoder stops before the trailer, which the first pass has
   * checked.
   */
  if (d->raw && skip_input (d, TRAILER) == -1)
    return GZIP_FAILED;
  if (d->parent->size < at || d->parent->size - at < sizeof magic)
    return check_garbage (d, warn) == -1 ? GZIP_FAILED : GZIP_AT_END;
  if (blob_pread (d->parent, magic, sizeof magic, at) == -1)
    return GZIP_FAILED;
  if (!gzip_is_magic (magic))
    return check_garbage (d, warn) == -1 ? GZIP_FAILED : GZIP_AT_END;

  /* inflateReset2 leaves the input alone. */
  return decoder_format (d, false) == -1 ? GZIP_FAILED : GZIP_MORE;
}

enum gzip_progress
gzip_decode (struct gzip_decoder *d, uint64_t limit, bool warn)
{
  const size_t pos = d->out % GZIP_HISTORY;
  const size_t room = MIN (limit, GZIP_HISTORY - pos);
  size_t made;
  int r = fill_input (d);

  if (r == -1)
    return GZIP_FAILED;
  if (r == 0) {
    gzip_decoder_report (d, "it ends in the middle, it was cut short");
    return GZIP_FAILED;
  }
  d->strm.next_out = d->history + pos;
  d->strm.avail_out = room;
  r = inflate (&d->strm, Z_BLOCK);
  made = room - d->strm.avail_out;
  d->out += made;
  d->kept = MIN (d->kept + made, GZIP_HISTORY);

  switch (r) {
  case Z_OK:
  case Z_BUF_ERROR:             /* needs more input */
    /* data_type: 128 after a block, 64 in the last one. */
    return (d->strm.data_type & (128 | 64)) == 128 ? GZIP_AT_BLOCK : GZIP_MORE;
  case Z_STREAM_END:
    return next_member (d, warn);
  case Z_MEM_ERROR:
    log_oom ();
    return GZIP_FAILED;
  case Z_NEED_DICT:
    gzip_decoder_report (d, "it needs a dictionary");
    return GZIP_FAILED;
  default:
    gzip_decoder_report (d, d->strm.msg ? d->strm.msg : "invalid data");
    return GZIP_FAILED;
  }
}

void
gzip_decoder_copy (const struct gzip_decoder *d, uint64_t from, uint8_t *to,
                   size_t n)
{
  while (n > 0) {
    const size_t pos = from % GZIP_HISTORY;
    const size_t here = MIN (n, GZIP_HISTORY - pos);

    memcpy (to, d->history + pos, here);
    to += here;
    from += here;
    n -= here;
  }
}

struct gzip_point
gzip_decoder_here (const struct gzip_decoder *d)
{
  return (struct gzip_point) {
    .out = d->out,
    .in = input_offset (d),
    .bits = d->strm.data_type & 7,
    .raw = true,
  };
}
