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
 * is nearest before it; if a restart point is nearer by far, it moves a
 * decoder there, the one that was idle for longest.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/blob.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "common/util/vector.h"
#include "plugins/ova/gzip_blob.h"
#include "plugins/ova/gzip_decoder.h"

#define FIRST_DISTANCE (1 * MIB)
#define MAX_DECODERS 4

DEFINE_VECTOR_TYPE (point_vector, struct gzip_point);

struct decoder {
  struct gzip_decoder run;      /* of the thread that made it busy */

  /* The rest is guarded by the lock of the blob.  Idle, it has the output
   * [first, last) in its history; a busy one will have it when it is done.
   */
  bool busy;
  uint64_t first, last;
  uint64_t used;                /* for the choice of the idle longest */
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

/* The first pass. */

static void
thin_points (point_vector *points, uint64_t distance)
{
  size_t i, kept = 1;

  for (i = 1; i < points->len; ++i) {
    struct gzip_point *p = &points->ptr[i];

    if (p->out - points->ptr[kept - 1].out >= distance)
      points->ptr[kept++] = *p;
    else
      free (p->window);
  }
  points->len = kept;
}

static int
add_point (struct gzip_blob *g, const struct gzip_decoder *d)
{
  struct gzip_point p = gzip_decoder_here (d);

  p.window = malloc (GZIP_WINDOW);
  if (p.window == NULL || point_vector_append (&g->points, p) == -1) {
    free (p.window);
    log_oom ();
    return -1;
  }
  gzip_decoder_copy (d, d->out - GZIP_WINDOW, p.window, GZIP_WINDOW);
  return 0;
}

static int
check_magic (struct gzip_blob *g)
{
  uint8_t magic[2];

  if (g->parent->size >= sizeof magic) {
    if (blob_pread (g->parent, magic, sizeof magic, 0) == -1)
      return -1;
    if (gzip_is_magic (magic))
      return 0;
  }
  log_error ("%s: is not compressed with gzip, although the OVF says so",
             printable (g->blob.name));
  errno = EINVAL;
  return -1;
}

/* Decode all of it with D and place the points. */
static int
first_pass (struct gzip_blob *g, struct gzip_decoder *d)
{
  const struct gzip_point start = { 0 };
  uint64_t distance = FIRST_DISTANCE;
  enum gzip_progress r;

  if (check_magic (g) == -1)
    return -1;
  if (point_vector_append (&g->points, start) == -1) {
    log_oom ();
    return -1;
  }
  if (gzip_decoder_start (d, g->parent, g->blob.name, &start) == -1)
    return -1;

  do {
    r = gzip_decode (d, GZIP_HISTORY, true);
    /* Distances are far longer than the window, so there is one. */
    if (r == GZIP_AT_BLOCK &&
        d->out - g->points.ptr[g->points.len - 1].out >= distance) {
      if (g->points.len >= GZIP_MAX_POINTS) {
        distance *= 2;
        thin_points (&g->points, distance);
      }
      else if (add_point (g, d) == -1)
        return -1;
    }
  } while (r != GZIP_AT_END && r != GZIP_FAILED);

  if (r == GZIP_FAILED)
    return -1;
  g->blob.size = d->out;
  return 0;
}

/* Reads. */

/* The last point at or before OFFSET. */
static const struct gzip_point *
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
    if (d->last - d->first > GZIP_HISTORY)
      d->first = d->last - GZIP_HISTORY;
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
                const struct gzip_point **point)
{
  const struct gzip_point *p = find_point (g, offset);
  /* To start anew for a request that came a little early would have to be
   * paid again and again.
   */
  const uint64_t near = p->out - MIN (p->out, GZIP_HISTORY);
  struct decoder *best = NULL, *spare = NULL;
  size_t i;

  for (i = 0; i < MAX_DECODERS; ++i) {
    struct decoder *d = &g->decoders[i];

    if (d->first < d->last && d->first <= offset && d->last >= near &&
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
              const struct gzip_point **point)
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
run_decoder (struct gzip_decoder *d, uint8_t *buf, uint64_t offset,
             uint64_t end)
{
  enum gzip_progress r;

  while (offset < end) {
    if (d->out > offset) {
      const size_t n = MIN (d->out, end) - offset;

      gzip_decoder_copy (d, offset, buf, n);
      buf += n;
      offset += n;
      continue;
    }
    r = gzip_decode (d, end - d->out, false);
    if (r == GZIP_FAILED)
      return -1;
    if (r == GZIP_AT_END && d->out < end)
      return gzip_decoder_report (d, "it became shorter");
  }
  return 0;
}

static int
gzip_pread (struct blob *blob, void *buf, size_t count, uint64_t offset)
{
  struct gzip_blob *g = (struct gzip_blob *) blob;
  const struct gzip_point *point;
  struct decoder *d;
  int r = 0, err;

  d = take_decoder (g, offset, offset + count, &point);
  if (point)
    r = gzip_decoder_start (&d->run, g->parent, blob->name, point);
  if (r == 0)
    r = run_decoder (&d->run, buf, offset, offset + count);
  err = errno;
  if (r == -1)
    gzip_decoder_free (&d->run);        /* its state is of no use now */

  pthread_mutex_lock (&g->lock);
  if (r == -1)
    d->first = d->last = 0;
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
    gzip_decoder_free (&g->decoders[i].run);
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
  struct gzip_decoder d = { 0 };
  int r, err;

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
    blob_close (&g->blob);
    errno = ENOMEM;
    return NULL;
  }
  log_debug ("%s: reading %s once, to check and index it", printable (name),
             human_size (parent->size));
  r = first_pass (g, &d);
  err = errno;
  gzip_decoder_free (&d);
  if (r == 0)
    return &g->blob;
  blob_close (&g->blob);
  errno = err;
  return NULL;
}
