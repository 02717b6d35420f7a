/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The bound of the OVA rows: what it takes to inflate the grains of a
 * streamOptimized VMDK with two threads of libdeflate and to write them
 * where they belong, with no table, no check but Adler-32, no protocol.
 *
 * usage: inflate FILE OFFSET SIZE OUT [fsync]
 *
 * The VMDK is the SIZE bytes of FILE from OFFSET on (a member of an OVA).
 * One walk over the markers finds the grains ("Virtual Disk Format 5.0",
 * Stream-Optimized Compressed Sparse Extents); then each thread takes the
 * next few of them.
 */
#include <errno.h>
#include <error.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <endian.h>
#include <libdeflate.h>

#define SECTOR 512
#define THREADS 2
/* Grains that a thread takes at a time: their output is 1 MiB. */
#define BATCH 16
#define GRAIN_MAX (1 << 20)

struct grain {
  uint64_t in, out;             /* offsets in FILE and OUT */
  uint32_t size;                /* compressed */
};

static int in_fd, out_fd;
static size_t grain_size;
static uint64_t capacity;
static struct grain *grains;
static size_t nr_grains;
static atomic_size_t next_grain;

static void
read_at (void *buf, size_t count, uint64_t offset)
{
  ssize_t r = pread (in_fd, buf, count, (off_t) offset);

  if (r < 0)
    error (1, errno, "read at offset %" PRIu64, offset);
  if ((size_t) r != count)
    error (1, 0, "the file ends at offset %" PRIu64,
           offset + (uint64_t) r);
}

static uint64_t
get64 (const unsigned char *p)
{
  uint64_t v;

  memcpy (&v, p, sizeof v);
  return le64toh (v);
}

static uint32_t
get32 (const unsigned char *p)
{
  uint32_t v;

  memcpy (&v, p, sizeof v);
  return le32toh (v);
}

static void
add_grain (uint64_t in, uint64_t lba, uint32_t size)
{
  if (nr_grains % 4096 == 0) {
    grains = realloc (grains, (nr_grains + 4096) * sizeof *grains);
    if (grains == NULL)
      error (1, errno, "realloc");
  }
  if (size > 2 * grain_size || lba >= capacity)
    error (1, 0, "bad grain at offset %" PRIu64, in);
  grains[nr_grains++] = (struct grain) { in, lba * SECTOR, size };
}

/* Units are whole sectors: a grain with a header of 12 bytes, or a marker
 * and what it counts in sectors.
 */
static void
find_grains (uint64_t start, uint64_t end)
{
  unsigned char b[SECTOR];
  uint64_t at, value;
  uint32_t size;

  read_at (b, sizeof b, start);
  if (memcmp (b, "KDMV", 4) != 0)
    error (1, 0, "not a VMDK");
  capacity = get64 (b + 12);
  if (get64 (b + 20) == 0 || get64 (b + 20) > GRAIN_MAX / SECTOR)
    error (1, 0, "bad size of grains");
  grain_size = (size_t) get64 (b + 20) * SECTOR;
  for (at = start + get64 (b + 64) * SECTOR; at + SECTOR <= end; ) {
    read_at (b, sizeof b, at);
    value = get64 (b);
    size = get32 (b + 8);
    if (size > 0) {
      add_grain (at + 12, value, size);
      at += (12 + (uint64_t) size + SECTOR - 1) / SECTOR * SECTOR;
    }
    else if (get32 (b + 12) == 0) /* end of stream */
      return;
    else if (value > (end - start) / SECTOR)
      error (1, 0, "bad marker at offset %" PRIu64, at);
    else
      at += (1 + value) * SECTOR;
  }
}

static void *
inflate_grains (void *unused)
{
  struct libdeflate_decompressor *d = libdeflate_alloc_decompressor ();
  unsigned char *in = malloc (2 * grain_size), *out = malloc (grain_size);
  size_t i, last, n;

  if (d == NULL || in == NULL || out == NULL)
    error (1, errno, "malloc");
  while ((i = atomic_fetch_add (&next_grain, BATCH)) < nr_grains) {
    last = nr_grains - i < BATCH ? nr_grains : i + BATCH;
    for (; i < last; i++) {
      read_at (in, grains[i].size, grains[i].in);
      if (libdeflate_zlib_decompress (d, in, grains[i].size, out, grain_size,
                                      &n) != LIBDEFLATE_SUCCESS)
        error (1, 0, "bad grain at offset %" PRIu64, grains[i].in);
      if (pwrite (out_fd, out, n, (off_t) grains[i].out) != (ssize_t) n)
        error (1, errno, "write at offset %" PRIu64, grains[i].out);
    }
  }
  free (out);
  free (in);
  libdeflate_free_decompressor (d);
  return NULL;
}

int
main (int argc, char *argv[])
{
  pthread_t threads[THREADS];
  uint64_t offset;
  size_t i;

  if (argc < 5)
    error (2, 0, "usage: inflate FILE OFFSET SIZE OUT [fsync]");
  in_fd = open (argv[1], O_RDONLY | O_CLOEXEC);
  if (in_fd == -1)
    error (1, errno, "%s", argv[1]);
  offset = strtoull (argv[2], NULL, 10);
  find_grains (offset, offset + strtoull (argv[3], NULL, 10));

  out_fd = open (argv[4], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (out_fd == -1 || ftruncate (out_fd, (off_t) (capacity * SECTOR)) == -1)
    error (1, errno, "%s", argv[4]);
  for (i = 0; i < THREADS; i++) {
    errno = pthread_create (&threads[i], NULL, inflate_grains, NULL);
    if (errno != 0)
      error (1, errno, "pthread_create");
  }
  for (i = 0; i < THREADS; i++)
    pthread_join (threads[i], NULL);
  if (argc > 5 && fsync (out_fd) == -1)
    error (1, errno, "%s: fsync", argv[4]);
  free (grains);
  return 0;
}
