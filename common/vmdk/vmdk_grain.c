/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reading compressed grains.
 *
 * A grain is a header (u64 LBA in sectors, u32 size) and SIZE bytes of
 * zlib data.  How long it is stands only there, not in the table.  So the
 * place of the next grain in the table is taken as its end: right for
 * streams, which are written in order; when it turns out to be too little
 * the rest is read with a second call.  Neighbours are read together.
 *
 * A whole grain is inflated straight into the caller's buffer; reads of
 * less go through the cache.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libdeflate.h>

#include "common/include/checked.h"
#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "common/vmdk/vmdk_private.h"

/* Grains that begin in so many bytes are read at once: what a request of
 * 1 MiB mostly needs.  Shorter reads cost an NFS server more time, longer
 * ones only memory.
 */
#define READ_SIZE (512 * KIB)

/* What is needed to inflate.  Those that are idle wait in the cache of the
 * disk, the last used first: its buffer may still be in the processor's
 * caches, and there are only as many as there were threads that inflated at
 * the same time.  Most threads of a server wait for its clients.
 */
struct vmdk_decoder {
  struct vmdk_decoder *next;    /* idle */
  struct libdeflate_decompressor *inflate;
  unsigned char *buf;
  size_t size;
};

static void
free_decoder (struct vmdk_decoder *d)
{
  libdeflate_free_decompressor (d->inflate);
  free (d->buf);
  free (d);
}

static struct vmdk_decoder *
new_decoder (void)
{
  struct vmdk_decoder *d = calloc (1, sizeof *d);

  if (d == NULL) {
    log_oom ();
    return NULL;
  }
  d->inflate = libdeflate_alloc_decompressor ();
  if (d->inflate == NULL) {
    free (d);
    log_oom ();
    return NULL;
  }
  return d;
}

static void
give_decoder (struct vmdk_cache *cache, struct vmdk_decoder *d)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&cache->lock);

  d->next = cache->idle;
  cache->idle = d;
}

/* A decoder with a buffer of at least SIZE bytes, to be given back. */
static struct vmdk_decoder *
take_decoder (struct vmdk_cache *cache, size_t size)
{
  struct vmdk_decoder *d;
  unsigned char *buf;

  pthread_mutex_lock (&cache->lock);
  d = cache->idle;
  if (d)
    cache->idle = d->next;
  pthread_mutex_unlock (&cache->lock);

  if (d == NULL) {
    d = new_decoder ();
    if (d == NULL)
      return NULL;
  }
  if (d->buf == NULL || d->size < size) {
    buf = realloc (d->buf, size);
    if (buf == NULL) {
      give_decoder (cache, d);
      log_oom ();
      return NULL;
    }
    d->buf = buf;
    d->size = size;
  }
  return d;
}

/* The most bytes that a grain may have in the file.  Deflate makes random
 * data a little longer; nothing makes them twice as long.
 */
static uint64_t
max_stored_size (const struct vmdk_sparse *s)
{
  return 2 * s->grain_size + SECTOR_SIZE;
}

static int __attribute__ ((format (printf, 4, 5)))
bad_grain (const struct vmdk_sparse *s, uint64_t grain, uint64_t sector,
           const char *fmt, ...)
{
  char text[160];
  va_list args;

  va_start (args, fmt);
  vsnprintf (text, sizeof text, fmt, args);
  va_end (args);
  log_error ("%s: grain %" PRIu64 " (disk offset %" PRIu64 ") at sector "
             "%" PRIu64 " %s; the file is damaged: copy or export it again",
             printable (s->blob->name), grain, grain * s->grain_size,
             sector, text);
  errno = EIO;
  return -1;
}

/* Bytes of the file read into the decoder's buffer. */
struct span {
  uint64_t start;               /* offset in the file */
  uint64_t length;
};

/* Inflate the grain at SECTOR, which SPAN holds at least the header of,
 * into grain_size bytes at BUF.
 */
static int
inflate_grain (struct vmdk_sparse *s, struct vmdk_decoder *d,
               struct span *span, uint64_t grain, uint64_t sector,
               unsigned char *buf)
{
  const uint64_t want = vmdk_sparse_grain_bytes (s, grain);
  const uint64_t skip = sector * SECTOR_SIZE - span->start;
  const unsigned char *p = d->buf + skip;
  const uint64_t lba = get_le64 (p);
  const uint32_t size = get_le32 (p + 8);
  size_t used, got;
  uint64_t end;

  if (size == 0)
    return bad_grain (s, grain, sector, "is not there (a marker is)");
  if (lba != grain * s->header.grain_sectors)
    return bad_grain (s, grain, sector, "says that it is at disk sector "
                      "%" PRIu64 " instead of %" PRIu64, lba,
                      grain * s->header.grain_sectors);
  end = skip + VMDK_GRAIN_HEADER_SIZE + size;
  if (size > max_stored_size (s) - VMDK_GRAIN_HEADER_SIZE)
    return bad_grain (s, grain, sector, "is said to have %" PRIu32
                      " compressed bytes, too many", size);
  if (!range_inside (span->start, end, s->data_end))
    return bad_grain (s, grain, sector, "with %" PRIu32 " compressed bytes "
                      "ends past the end of the data", size);
  if (end > span->length) {
    if (blob_pread (s->blob, d->buf + span->length, end - span->length,
                    span->start + span->length) == -1)
      return -1;
    span->length = end;
  }

  switch (libdeflate_zlib_decompress_ex (d->inflate,
                                         p + VMDK_GRAIN_HEADER_SIZE, size,
                                         buf, s->grain_size, &used, &got)) {
  case LIBDEFLATE_SUCCESS:
    break;
  case LIBDEFLATE_INSUFFICIENT_SPACE:
    return bad_grain (s, grain, sector, "inflates to more than %" PRIu64
                      " bytes", s->grain_size);
  default:
    return bad_grain (s, grain, sector, "cannot be inflated (bad data or "
                      "checksum)");
  }
  /* Only the grain at the end of the disk can be short. */
  if (got < want)
    return bad_grain (s, grain, sector, "inflates to %zu bytes instead of "
                      "%" PRIu64, got, want);
  memset (buf + got, 0, s->grain_size - got);
  return 0;
}

/* Where the grain after GRAIN, which is at SECTOR, begins in the file, or
 * where GRAIN should end at the latest.
 */
static int
guess_end (struct vmdk_sparse *s, uint64_t grain, uint64_t sector,
           uint64_t *end)
{
  const uint64_t start = sector * SECTOR_SIZE;
  uint64_t guess = start + s->grain_size + SECTOR_SIZE;
  uint32_t next;

  /* Not worth loading another table. */
  if ((grain + 1) % s->header.table_entries != 0 &&
      grain + 1 < s->nr_grains) {
    if (vmdk_sparse_entry (s, grain + 1, &next) == -1)
      return -1;
    if (next > sector)
      guess = MIN (guess, next * SECTOR_SIZE);
  }
  *end = MIN (guess, s->data_end);
  return 0;
}

/* As read_run, with the decoder D. */
static int
decode_run (struct vmdk_sparse *s, struct vmdk_decoder *d, uint64_t grain,
            uint64_t n, uint32_t first, unsigned char *buf, uint64_t *done)
{
  const uint64_t longest = max_stored_size (s);
  struct span span = { .start = first * SECTOR_SIZE };
  uint32_t sector = first, next;
  uint64_t end, run, i;

  for (run = 1; run < n; ++run) {
    if (vmdk_sparse_entry (s, grain + run, &next) == -1)
      return -1;
    if (next <= sector || (next - sector) * SECTOR_SIZE > longest ||
        next * SECTOR_SIZE - span.start >= READ_SIZE)
      break;
    sector = next;
  }
  if (guess_end (s, grain + run - 1, sector, &end) == -1)
    return -1;
  span.length = end - span.start;
  if (blob_pread (s->blob, d->buf, span.length, span.start) == -1)
    return -1;
  for (i = 0; i < run; ++i) {
    if (vmdk_sparse_entry (s, grain + i, &sector) == -1 ||
        inflate_grain (s, d, &span, grain + i, sector,
                       buf + i * s->grain_size) == -1)
      return -1;
  }
  *done = run;
  return 0;
}

/* Read and inflate up to N whole grains from GRAIN on, which is at FIRST,
 * into BUF; *DONE says how many.
 */
static int
read_run (struct vmdk_sparse *s, uint64_t grain, uint64_t n, uint32_t first,
          unsigned char *buf, uint64_t *done)
{
  struct vmdk_decoder *d;
  int r;

  /* However long the last grain turns out to be, there is room for it. */
  d = take_decoder (s->cache, READ_SIZE + max_stored_size (s));
  if (d == NULL)
    return -1;
  r = decode_run (s, d, grain, n, first, buf, done);
  give_decoder (s->cache, d);
  return r;
}

static int
read_whole_grains (struct vmdk_sparse *s, uint64_t grain, uint64_t n,
                   unsigned char *buf)
{
  uint32_t sector;
  uint64_t done;

  for (; n > 0; n -= done) {
    if (vmdk_sparse_entry (s, grain, &sector) == -1)
      return -1;
    if (sector == 0) {
      memset (buf, 0, s->grain_size);
      done = 1;
    }
    else if (read_run (s, grain, n, sector, buf, &done) == -1)
      return -1;
    grain += done;
    buf += done * s->grain_size;
  }
  return 0;
}

/* COUNT bytes from SKIP on of one grain, through the cache. */
static int
read_part (struct vmdk_sparse *s, uint64_t grain, uint64_t skip,
           unsigned char *buf, uint64_t count)
{
  struct vmdk_cache_slot *slot = &s->cache->slots[grain % VMDK_CACHE_SLOTS];
  unsigned char *data;
  uint32_t sector;
  uint64_t done;

  if (vmdk_sparse_entry (s, grain, &sector) == -1)
    return -1;
  if (sector == 0) {
    memset (buf, 0, count);
    return 0;
  }

  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&slot->lock);
  if (slot->sparse != s || slot->grain != grain) {
    slot->sparse = NULL;
    if (slot->size < s->grain_size) {
      data = realloc (slot->data, s->grain_size);
      if (data == NULL) {
        log_oom ();
        return -1;
      }
      slot->data = data;
      slot->size = s->grain_size;
    }
    if (read_run (s, grain, 1, sector, slot->data, &done) == -1)
      return -1;
    slot->sparse = s;
    slot->grain = grain;
  }
  memcpy (buf, slot->data + skip, count);
  return 0;
}

int
vmdk_grain_pread (struct vmdk_sparse *s, unsigned char *buf, uint64_t count,
                  uint64_t offset)
{
  uint64_t grain, skip, n;

  while (count > 0) {
    grain = offset / s->grain_size;
    skip = offset % s->grain_size;
    if (skip == 0 && count >= s->grain_size) {
      n = count / s->grain_size;
      if (read_whole_grains (s, grain, n, buf) == -1)
        return -1;
      n *= s->grain_size;
    }
    else {
      n = MIN (s->grain_size - skip, count);
      if (read_part (s, grain, skip, buf, n) == -1)
        return -1;
    }
    buf += n;
    count -= n;
    offset += n;
  }
  return 0;
}

void
vmdk_cache_init (struct vmdk_cache *cache)
{
  size_t i;

  memset (cache, 0, sizeof *cache);
  pthread_mutex_init (&cache->lock, NULL);
  for (i = 0; i < VMDK_CACHE_SLOTS; ++i)
    pthread_mutex_init (&cache->slots[i].lock, NULL);
}

void
vmdk_cache_destroy (struct vmdk_cache *cache)
{
  struct vmdk_decoder *d, *next;
  size_t i;

  for (d = cache->idle; d; d = next) {
    next = d->next;
    free_decoder (d);
  }
  pthread_mutex_destroy (&cache->lock);

  for (i = 0; i < VMDK_CACHE_SLOTS; ++i) {
    pthread_mutex_destroy (&cache->slots[i].lock);
    free (cache->slots[i].data);
  }
}
