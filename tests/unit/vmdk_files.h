/* SPDX-License-Identifier: BSD-3-Clause
 *
 * For the tests of common/vmdk: a raw image with all kinds of content,
 * VMDK files made from it, and comparing the two.
 */
#ifndef NBDLIFT_TESTS_VMDK_FILES_H
#define NBDLIFT_TESTS_VMDK_FILES_H

#include "tests/unit/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include "common/extents/extents.h"
#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/blob.h"
#include "common/vmdk/vmdk.h"

#define GRAIN (64 * KIB)

/* All files are in here. */
static char dir[256];

static inline int
make_dir (void)
{
  const char *tmp = getenv ("TMPDIR");

  if (snprintf (dir, sizeof dir, "%s/nbdlift-test-vmdk.XXXXXX",
                tmp ? tmp : "/tmp") >= (int) sizeof dir)
    return -1;
  return mkdtemp (dir) ? 0 : -1;
}

/* Bytes that cannot be compressed, always the same ones. */
static inline void
fill_random (unsigned char *buf, size_t n, uint64_t seed)
{
  uint64_t x = seed * UINT64_C (0x9e3779b97f4a7c15) + 1;
  size_t i;

  for (i = 0; i < n; ++i) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    buf[i] = x >> 24;
  }
}

static inline void
fill_text (unsigned char *buf, size_t n)
{
  size_t i;

  for (i = 0; i < n; ++i)
    buf[i] = 'a' + (i + i / 97) % 23;
}

/* Write DIR/raw.  LENGTH can be any; what is written comes from a pattern
 * that repeats every 40 MiB: incompressible data, text, single bytes at
 * grain borders, and zeroes; and there is something at the very end.
 */
static inline void
make_raw (const char *name, uint64_t length)
{
  CLEANUP_FREE unsigned char *buf = malloc (2 * MIB);
  CLEANUP_FREE char *path = NULL;
  CLEANUP_CLOSE int fd = -1;
  uint64_t o;

  assert_non_null (buf);
  assert_true (asprintf (&path, "%s/%s", dir, name) >= 0);
  fd = open (path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  assert_true (fd >= 0);
#define PUT(count, offset)                                              \
  assert_true (pwrite (fd, buf, (count), (offset)) == (ssize_t) (count))
  for (o = 0; o < MIN (length, 80 * MIB); o += 40 * MIB) {
    fill_random (buf, MIB + 5000, o + 1);
    PUT (MIB + 5000, o);
    fill_text (buf, MIB);
    PUT (MIB, o + 2 * MIB + 100);
    PUT (1, o + 5 * MIB - 1);
    PUT (2, o + 6 * MIB - 1);
    fill_random (buf, 2 * MIB, o + 2);
    PUT (2 * MIB, o + 31 * MIB + 1234);
    PUT (700, o + 35 * MIB);
  }
  fill_text (buf, 1000);
  PUT (1000, length - 1000);
#undef PUT
  assert_int_equal (ftruncate (fd, length), 0);
}

static inline int
remove_dir (void **state)
{
  CLEANUP_FREE char *command = NULL;

  if (asprintf (&command, "rm -rf '%s'", dir) == -1)
    return -1;
  return system (command) == 0 ? 0 : -1;
}

/* Run a command in DIR. */
static inline int __attribute__ ((format (printf, 1, 2)))
run (const char *fmt, ...)
{
  CLEANUP_FREE char *args = NULL;
  CLEANUP_FREE char *command = NULL;
  va_list ap;
  int r;

  va_start (ap, fmt);
  r = vasprintf (&args, fmt, ap);
  va_end (ap);
  assert_true (r >= 0);
  assert_true (asprintf (&command, "top=$PWD; cd '%s' && { %s; }", dir,
                         args) >= 0);
  return system (command);
}

#define MAKE_VMDK "\"$top/tests/tools/make-vmdk.py\" "

static inline struct blob *
open_in_dir (void *opaque, const char *name)
{
  CLEANUP_FREE char *path = NULL;

  assert_true (asprintf (&path, "%s/%s", dir, name) >= 0);
  return blob_open_file (path);
}

static inline struct vmdk *
open_vmdk (const char *name)
{
  struct blob *blob = open_in_dir (NULL, name);

  assert_non_null (blob);
  return vmdk_open (blob, open_in_dir, NULL);
}

static inline void
assert_same (const void *a, const void *b, size_t n, uint64_t offset)
{
  const unsigned char *x = a, *y = b;
  size_t i;

  if (memcmp (a, b, n) == 0)
    return;
  for (i = 0; x[i] == y[i]; ++i)
    ;
  fail_msg ("read of %zu bytes at %" PRIu64 ": byte %" PRIu64 " is %02x "
            "instead of %02x", n, offset, offset + i, x[i], y[i]);
}

/* The range of VMDK equals that of the file FD. */
static inline void
compare_range (struct vmdk *vmdk, int fd, size_t count, uint64_t offset)
{
  CLEANUP_FREE unsigned char *a = malloc (count + 1);
  CLEANUP_FREE unsigned char *b = malloc (count + 1);

  assert_true (a && b);
  memset (a, 0xee, count + 1);
  if (vmdk_pread (vmdk, a, count, offset) == -1)
    fail_msg ("read of %zu bytes at %" PRIu64 ": %s", count, offset,
              captured);
  assert_int_equal (a[count], 0xee);
  assert_true (pread (fd, b, count, offset) == (ssize_t) count);
  assert_same (a, b, count, offset);
}

struct compare {
  struct vmdk *vmdk;
  int fd;
  uint64_t next, last_length;
  uint32_t last_type;
  uint64_t data;
};

/* A piece of the extents: in order, joined, true. */
static inline int
compare_piece (void *opaque, uint64_t offset, uint64_t length,
               uint32_t type)
{
  struct compare *c = opaque;
  off_t data;
  uint64_t n, end = offset + length;

  assert_true (offset == c->next);
  assert_true (length > 0);
  if (c->last_length > 0)
    assert_true (type != c->last_type);
  c->next = end;
  c->last_length = length;
  c->last_type = type;

  if (type == EXTENT_DATA)
    c->data += length;
  else {
    assert_int_equal (type, EXTENT_HOLE | EXTENT_ZERO);
    /* Look only at what is not a hole in the file either. */
    data = lseek (c->fd, offset, SEEK_DATA);
    if (data == -1 || (uint64_t) data >= end)
      return 0;
    offset = data;
  }
  for (; offset < end; offset += n) {
    n = MIN (end - offset, 4 * MIB);
    compare_range (c->vmdk, c->fd, n, offset);
  }
  return 0;
}

/* VMDK, of SIZE bytes, equals the start of DIR/NAME, by its extents.
 * Returns how many bytes are data.
 */
static inline uint64_t
compare_by_extents (struct vmdk *vmdk, const char *name, uint64_t size)
{
  CLEANUP_FREE char *path = NULL;
  CLEANUP_CLOSE int fd = -1;
  struct compare c = { .vmdk = vmdk };
  uint64_t allocated;

  assert_true (asprintf (&path, "%s/%s", dir, name) >= 0);
  fd = open (path, O_RDONLY | O_CLOEXEC);
  assert_true (fd >= 0);
  c.fd = fd;
  assert_true (vmdk_size (vmdk) == size);
  assert_int_equal (vmdk_extents (vmdk, size, 0, false, compare_piece, &c),
                    0);
  assert_true (c.next == size);
  assert_int_equal (vmdk_allocated (vmdk, &allocated), 0);
  assert_true (allocated == c.data);
  return allocated;
}

#endif /* NBDLIFT_TESTS_VMDK_FILES_H */
