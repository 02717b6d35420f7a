/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One run of zlib over a gzip stream, from its start or from a restart
 * point, which remembers the last of what it made.  For gzip_blob.c.
 */
#ifndef NBDLIFT_GZIP_DECODER_H
#define NBDLIFT_GZIP_DECODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <zlib.h>

#include "common/include/minmax.h"
#include "common/util/blob.h"

#define GZIP_WINDOW (32 * KIB)
#define GZIP_HISTORY (4 * MIB)  /* a multiple of GZIP_WINDOW */

/* Where decoding can begin. */
struct gzip_point {
  uint64_t out;                 /* offset in the decompressed bytes */
  uint64_t in;                  /* of the first whole input byte */
  uint8_t bits;                 /* of the byte before it, still to use */
  bool raw;                     /* inside of a member; else at its header */
  uint8_t *window;              /* GZIP_WINDOW bytes, if raw */
};

/* All zero before its first use. */
struct gzip_decoder {
  struct blob *parent;          /* the stream */
  const char *name;             /* for messages */
  z_stream strm;
  bool ready;                   /* strm is initialised */
  bool raw;                     /* its format */
  uint64_t in;                  /* offset of the byte after the input */
  uint64_t out;                 /* bytes made so far */
  uint64_t kept;                /* of them, the last so many are in */
  uint8_t *history;             /* a ring of GZIP_HISTORY bytes; offset X
                                   of the output is at X % GZIP_HISTORY */
  uint8_t *input;               /* what was read of the stream */
};

/* What made gzip_decode stop. */
enum gzip_progress {
  GZIP_MORE,                    /* made output or used input; go on */
  GZIP_AT_BLOCK,                /* the same, and between two blocks now:
                                   gzip_decoder_here may be a point */
  GZIP_AT_END,                  /* of the stream */
  GZIP_FAILED,                  /* errno is set, and it is reported */
};

extern bool gzip_is_magic (const uint8_t magic[2]);

/* Begin to decode at POINT.  0, or -1 with errno and a report. */
extern int gzip_decoder_start (struct gzip_decoder *d, struct blob *parent,
                               const char *name,
                               const struct gzip_point *point);

/* Decode a piece: up to LIMIT (> 0) bytes of output, or to the end of a
 * deflate block.  WARN says whether to speak of garbage at the end.
 */
extern enum gzip_progress gzip_decode (struct gzip_decoder *d,
                                       uint64_t limit, bool warn);

/* Copy N bytes of output at FROM out of the history, which has them. */
extern void gzip_decoder_copy (const struct gzip_decoder *d, uint64_t from,
                               uint8_t *to, size_t n);

/* The point where D stands, at a block; all but the window. */
extern struct gzip_point gzip_decoder_here (const struct gzip_decoder *d);

/* Report that the stream is damaged where D stands; errno EINVAL. */
extern int gzip_decoder_report (const struct gzip_decoder *d,
                                const char *why);

/* Free what D holds and make it all zero. */
extern void gzip_decoder_free (struct gzip_decoder *d);

#endif /* NBDLIFT_GZIP_DECODER_H */
