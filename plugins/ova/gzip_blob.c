/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How this works: deflate can only be decoded from its start, or from a
 * block boundary if the 32 KiB of output before it are known.  The first
 * pass decodes everything and keeps such restart points (input offset and
 * bit, output offset, window).  When there are too many, every second one
 * is dropped and the distance doubles, so that any size has at most
 * GZIP_MAX_POINTS.
 *
 * After that a few decoders stay alive.  Each remembers the last 4 MiB
 * that it made, so that the requests of one ascending reader, which come
 * from several threads and not quite in order, are all served by one
 * decoder and nothing is decoded twice.  A request takes the decoder that
 * is nearest before it; if a restart point is nearer, it moves a decoder
 * there, the one that was idle for longest.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/blob.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "common/util/vector.h"
#include "plugins/ova/gzip_blob.h"

#define WINDOW (32 * KIB)
#define HISTORY (4 * MIB)       /* a multiple of WINDOW */
#define INPUT (128 * KIB)
#define FIRST_DISTANCE (1 * MIB)
#define MAX_DECODERS 4

/* zlib's windowBits: 15 bits of window, with a gzip header or without
 * any.
 */
#define GZIP_FORMAT (15 + 16)
#define RAW_FORMAT (-15)
#define TRAILER 8               /* CRC-32 and length, after each member */

/* Where decoding can begin. */
struct point {
  uint64_t out;                 /* offset in the decompressed bytes */
  uint64_t in;                  /* of the first whole input byte */
  uint8_t bits;                 /* of the byte before it, still to use */
  bool raw;                     /* inside of a member; else at its header */
  uint8_t *window;              /* WINDOW bytes, if raw */
};
DEFINE_VECTOR_TYPE (point_vector, struct point);

struct decoder {
  z_stream strm;
  bool ready;                   /* strm is initialised */
  bool raw;                     /* its format */

  /* Guarded by the lock of the blob; the rest belongs to the thread that
   * made it busy.  Idle, it has the output [first, last) in its history; a
   * busy one will have it when it is done.
   */
  bool busy;
  uint64_t first, last;
  uint64_t used;                /* for the choice of the idle longest */

  uint64_t in;                  /* offset of the byte after the input */
  uint64_t out;                 /* bytes made so far */
  uint64_t kept;                /* of them, the last so many are in */
  uint8_t *history;             /* a ring of HISTORY bytes; offset X of
                                   the output is at X % HISTORY */
  uint8_t *input;               /* INPUT bytes */
};

/* A read that waits for a decoder, on the stack of its thread. */
struct waiter {
  uint64_t offset;
  struct waiter *next;
};

struct gzip_blob {
  struct blob blob;
  struct blob *parent;
  point_vector points;          /* ascending; the first is the start */

  pthread_mutex_t lock;         /* the members below */
  pthread_cond_t idle;
  struct decoder decoders[MAX_DECODERS];
  struct waiter *waiters;
  uint64_t clock;
};

/* What made decode stop. */
enum progress {
  MADE_OUTPUT,                  /* or used input; go on */
  AT_BLOCK,                     /* between two deflate blocks */
  AT_END,                       /* of the stream */
  FAILED,
};

static void
decoder_free (struct decoder *d)
{
  if (d->ready)
    inflateEnd (&d->strm);
  free (d->history);
  free (d->input);
  memset (d, 0, sizeof *d);
}

static int
decoder_alloc (struct decoder *d)
{
  if (d->history == NULL)
    d->history = malloc (HISTORY);
  if (d->input == NULL)
    d->input = malloc (INPUT);
  if (d->history == NULL || d->input == NULL) {
    log_oom ();
    return -1;
  }
  return 0;
}

static int
decoder_format (struct decoder *d, bool raw)
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
input_offset (const struct decoder *d)
{
  return d->in - d->strm.avail_in;
}

static int
report_damage (struct gzip_blob *g, const struct decoder *d, const char *why)
{
  log_error ("%s: gzip stream is damaged at offset %" PRIu64 " of %" PRIu64
             " (%" PRIu64 " bytes decompressed): %s: copy or export it again",
             printable (g->blob.name), input_offset (d), g->parent->size,
             d->out, why);
  errno = EINVAL;
  return -1;
}

/* Have some input.  1, 0 at the end of PARENT, -1 on error. */
static int
fill_input (struct gzip_blob *g, struct decoder *d)
{
  size_t n;

  if (d->strm.avail_in > 0)
    return 1;
  n = MIN (g->parent->size - d->in, (uint64_t) INPUT);
  if (n == 0)
    return 0;
  if (blob_pread (g->parent, d->input, n, d->in) == -1)
    return -1;
  d->strm.next_in = d->input;
  d->strm.avail_in = n;
  d->in += n;
  return 1;
}

/* Begin to decode at POINT. */
static int
decoder_start (struct gzip_blob *g, struct decoder *d,
               const struct point *point)
{
  const uint64_t in = point->in - (point->bits ? 1 : 0);
  int r;

  if (decoder_alloc (d) == -1 || decoder_format (d, point->raw) == -1)
    return -1;
  d->in = in;
  d->strm.avail_in = 0;
  d->out = point->out;
  d->kept = 0;
  if (!point->raw)
    return 0;

  if (point->bits) {
    r = fill_input (g, d);
    if (r == -1)
      return -1;
    if (r == 0)
      return report_damage (g, d, "it became shorter");
    d->strm.avail_in--;
    if (inflatePrime (&d->strm, point->bits,
                      *d->strm.next_in++ >> (8 - point->bits)) != Z_OK)
      return report_damage (g, d, "zlib refused the restart point");
  }
  if (inflateSetDictionary (&d->strm, point->window, WINDOW) != Z_OK)
    return report_damage (g, d, "zlib refused the window");
  return 0;
}

/* Pass over N bytes of input.  1, 0 if there are fewer, -1 on error. */
static int
skip_input (struct gzip_blob *g, struct decoder *d, size_t n)
{
  while (n > 0) {
    size_t here;
    int r = fill_input (g, d);

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
check_garbage (struct gzip_blob *g, struct decoder *d, bool warn)
{
  const uint64_t at = input_offset (d);
  int r;

  while (warn && (r = fill_input (g, d)) != 0) {
    if (r == -1)
      return -1;
    if (*d->strm.next_in != 0) {
      log_warning ("%s: %" PRIu64 " bytes after the end of the gzip stream, "
                   "at offset %" PRIu64 ", are ignored",
                   printable (g->blob.name), g->parent->size - at, at);
      return 0;
    }
    d->strm.next_in++;
    d->strm.avail_in--;
  }
  return 0;
}

static bool
is_gzip (const uint8_t magic[2])
{
  return magic[0] == 0x1f && magic[1] == 0x8b;
}

/* At the end of a member: is there another?  WARN on the first pass. */
static enum progress
next_member (struct gzip_blob *g, struct decoder *d, bool warn)
{
  uint8_t magic[2];
  const uint64_t at = input_offset (d) + (d->raw ? TRAILER : 0);

  /* A raw decoder stops before the trailer, which the first pass has
   * checked.
   */
  if (d->raw && skip_input (g, d, TRAILER) == -1)
    return FAILED;
  if (g->parent->size < at || g->parent->size - at < sizeof magic)
    return check_garbage (g, d, warn) == -1 ? FAILED : AT_END;
  if (blob_pread (g->parent, magic, sizeof magic, at) == -1)
    return FAILED;
  if (!is_gzip (magic))
    return check_garbage (g, d, warn) == -1 ? FAILED : AT_END;

  /* inflateReset2 leaves the input alone. */
  return decoder_format (d, false) == -1 ? FAILED : MADE_OUTPUT;
}

/* Decode a piece, up to LIMIT bytes of output or the end of a deflate
 * block, into the ring.
 */
static enum progress
decode (struct gzip_blob *g, struct decoder *d, uint64_t limit, bool warn)
{
  const size_t pos = d->out % HISTORY;
  const size_t room = MIN (limit, HISTORY - pos);
  size_t made;
  int r = fill_input (g, d);

  if (r == -1)
    return FAILED;
  if (r == 0) {
    report_damage (g, d, "it ends in the middle, it was cut short");
    return FAILED;
  }
  d->strm.next_out = d->history + pos;
  d->strm.avail_out = room;
  r = inflate (&d->strm, Z_BLOCK);
  made = room - d->strm.avail_out;
  d->out += made;
  d->kept = MIN (d->kept + made, HISTORY);

  switch (r) {
  case Z_OK:
  case Z_BUF_ERROR:             /* needs more input */
    /* data_type: 128 after a block, 64 in the last one. */
    return (d->strm.data_type & (128 | 64)) == 128 ? AT_BLOCK : MADE_OUTPUT;
  case Z_STREAM_END:
    return next_member (g, d, warn);
  case Z_MEM_ERROR:
    log_oom ();
    return FAILED;
  case Z_NEED_DICT:
    report_damage (g, d, "it needs a dictionary");
    return FAILED;
  default:
    report_damage (g, d, d->strm.msg ? d->strm.msg : "invalid data");
    return FAILED;
  }
}

/* The first pass. */

static void
thin_points (point_vector *points, uint64_t distance)
{
  size_t i, kept = 1;

  for (i = 1; i < points->len; ++i) {
    struct point *p = &points->ptr[i];

    if (p->out - points->ptr[kept - 1].out >= distance)
      points->ptr[kept++] = *p;
    else
      free (p->window);
  }
  points->len = kept;
}

/* Copy the last N bytes of output before d->out from the ring. */
static void
copy_history (const struct decoder *d, uint64_t from, uint8_t *to, size_t n)
{
  while (n > 0) {
    const size_t pos = from % HISTORY;
    const size_t here = MIN (n, HISTORY - pos);

    memcpy (to, d->history + pos, here);
    to += here;
    from += here;
    n -= here;
  }
}

static int
add_point (struct gzip_blob *g, const struct decoder *d)
{
  struct point p = {
    .out = d->out,
    .in = input_offset (d),
    .bits = d->strm.data_type & 7,
    .raw = true,
  };

  p.window = malloc (WINDOW);
  if (p.window == NULL || point_vector_append (&g->points, p) == -1) {
    free (p.window);
    log_oom ();
    return -1;
  }
  copy_history (d, d->out - WINDOW, p.window, WINDOW);
  return 0;
}

static int
first_pass (struct gzip_blob *g)
{
  struct decoder *d = &g->decoders[0];
  uint8_t magic[2];
  const struct point start = { 0 };
  uint64_t distance = FIRST_DISTANCE;
  enum progress r;

  if (g->parent->size < sizeof magic) {
    log_error ("%s: is not compressed with gzip: it has only %" PRIu64
               " bytes", printable (g->blob.name), g->parent->size);
    errno = EINVAL;
    return -1;
  }
  if (blob_pread (g->parent, magic, sizeof magic, 0) == -1)
    return -1;
  if (!is_gzip (magic)) {
    log_error ("%s: is not compressed with gzip, although the OVF says so",
               printable (g->blob.name));
    errno = EINVAL;
    return -1;
  }
  if (point_vector_append (&g->points, start) == -1) {
    log_oom ();
    return -1;
  }
  if (decoder_start (g, d, &start) == -1)
    return -1;

  do {
    r = decode (g, d, HISTORY, true);
    /* The first bytes of a member can refer to no window of 32 KiB; as
     * distances are far longer, d->kept says that there is one.
     */
    if (r == AT_BLOCK && d->kept >= WINDOW &&
        d->out - g->points.ptr[g->points.len - 1].out >= distance) {
      if (g->points.len >= GZIP_MAX_POINTS) {
        distance *= 2;
        thin_points (&g->points, distance);
        continue;
      }
      if (add_point (g, d) == -1)
        return -1;
    }
  } while (r != AT_END && r != FAILED);

  if (r == FAILED)
    return -1;
  g->blob.size = d->out;
  decoder_free (d);             /* reads begin at the start, most likely */
  return 0;
}

/* Reads. */

/* The last point at or before OFFSET. */
static const struct point *
find_point (const struct gzip_blob *g, uint64_t offset)
{
  size_t low = 0, high = g->points.len, mid;

  while (high - low > 1) {
    mid = low + (high - low) / 2;
    if (g->points.ptr[mid].out <= offset)
      low = mid;
    else
      high = mid;
  }
  return &g->points.ptr[low];
}

/* Promise that D will be at END.  Called with the lock held. */
static void
claim (struct gzip_blob *g, struct decoder *d, uint64_t end)
{
  d->busy = true;
  d->used = ++g->clock;
  if (end > d->last) {
    d->last = end;
    if (d->last - d->first > HISTORY)
      d->first = d->last - HISTORY;
  }
}

/* Is there a read before OFFSET that D could serve first?  If it had to
 * come second, D would perhaps have gone too far for it.
 */
static bool
should_give_way (const struct gzip_blob *g, const struct decoder *d,
                 uint64_t offset)
{
  const struct waiter *w;

  for (w = g->waiters; w; w = w->next)
    if (w->offset < offset && w->offset >= d->first)
      return true;
  return false;
}

/* One look for a decoder: NULL if it is better to wait.  *POINT is where to
 * start it, or NULL if it only has to go on.
 */
static struct decoder *
choose_decoder (struct gzip_blob *g, uint64_t offset, uint64_t end,
                const struct point **point)
{
  const struct point *p = find_point (g, offset);
  struct decoder *best = NULL, *spare = NULL;
  size_t i;

  for (i = 0; i < MAX_DECODERS; ++i) {
    struct decoder *d = &g->decoders[i];

    if (d->first < d->last && d->first <= offset && d->last >= p->out &&
        (best == NULL || d->last > best->last))
      best = d;
    if (!d->busy && (spare == NULL || d->used < spare->used))
      spare = d;
  }

  if (best != NULL) {
    if (best->busy || should_give_way (g, best, offset))
      return NULL;
    claim (g, best, end);
    *point = NULL;
    return best;
  }
  if (spare != NULL) {
    spare->first = spare->last = p->out;
    claim (g, spare, end);
    *point = p;
  }
  return spare;
}

static struct decoder *
take_decoder (struct gzip_blob *g, uint64_t offset, uint64_t end,
              const struct point **point)
{
  struct waiter self = { .offset = offset };
  struct waiter **w;
  struct decoder *d;

  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&g->lock);

  d = choose_decoder (g, offset, end, point);
  if (d != NULL)
    return d;

  self.next = g->waiters;
  g->waiters = &self;
  while ((d = choose_decoder (g, offset, end, point)) == NULL)
    pthread_cond_wait (&g->idle, &g->lock);
  for (w = &g->waiters; *w != &self; w = &(*w)->next)
    ;
  *w = self.next;
  return d;
}

/* Bring D to END, copying [OFFSET, END) as it comes by. */
static int
run_decoder (struct gzip_blob *g, struct decoder *d, uint8_t *buf,
             uint64_t offset, uint64_t end)
{
  enum progress r;

  while (offset < end) {
    if (d->out > offset) {
      const size_t n = MIN (d->out, end) - offset;

      copy_history (d, offset, buf, n);
      buf += n;
      offset += n;
      continue;
    }
    /* Never so far that what is wanted next would be overwritten. */
    r = decode (g, d, MIN (end - d->out, HISTORY / 2), false);
    if (r == FAILED)
      return -1;
    if (r == AT_END && d->out < end)
      return report_damage (g, d, "it became shorter");
  }
  return 0;
}

static int
gzip_pread (struct blob *blob, void *buf, size_t count, uint64_t offset)
{
  struct gzip_blob *g = (struct gzip_blob *) blob;
  const struct point *point;
  struct decoder *d;
  int r, err;

  d = take_decoder (g, offset, offset + count, &point);
  r = 0;
  if (point)
    r = decoder_start (g, d, point);
  if (r == 0)
    r = run_decoder (g, d, buf, offset, offset + count);
  err = errno;

  pthread_mutex_lock (&g->lock);
  if (r == -1)
    decoder_free (d);           /* its state is of no use any more */
  d->busy = false;
  pthread_cond_broadcast (&g->idle);
  pthread_mutex_unlock (&g->lock);
  errno = err;
  return r;
}

static void
gzip_close (struct blob *blob)
{
  struct gzip_blob *g = (struct gzip_blob *) blob;
  size_t i;

  for (i = 0; i < MAX_DECODERS; ++i)
    decoder_free (&g->decoders[i]);
  for (i = 0; i < g->points.len; ++i)
    free (g->points.ptr[i].window);
  point_vector_reset (&g->points);
  pthread_cond_destroy (&g->idle);
  pthread_mutex_destroy (&g->lock);
  blob_close (g->parent);
  free (g);
}

static const struct blob_ops gzip_ops = {
  .pread = gzip_pread,
  .close = gzip_close,
};

struct blob *
gzip_blob_open (struct blob *parent, const char *name)
{
  struct gzip_blob *g = calloc (1, sizeof *g);
  int err;

  if (g == NULL) {
    log_oom ();
    blob_close (parent);
    errno = ENOMEM;
    return NULL;
  }
  g->blob.ops = &gzip_ops;
  g->parent = parent;
  pthread_mutex_init (&g->lock, NULL);
  pthread_cond_init (&g->idle, NULL);
  g->blob.name = strdup (name);
  if (g->blob.name == NULL) {
    log_oom ();
    goto err;
  }
  log_debug ("%s: reading %s once, to check and index it", printable (name),
             human_size (parent->size));
  if (first_pass (g) == -1)
    goto err;
  return &g->blob;

 err:
  err = errno;
  blob_close (&g->blob);
  errno = err;
  return NULL;
}
