/* SPDX-License-Identifier: BSD-3-Clause
 *
 * For the tests of chains of snapshots: raw images of three states of a
 * disk, chains made from them, and comparing what is read with them and
 * with qemu.
 */
#ifndef NBDLIFT_TESTS_CHAIN_FILES_H
#define NBDLIFT_TESTS_CHAIN_FILES_H

#include "tests/unit/vmdk_files.h"

#include <jansson.h>

#include "common/vmdk/chain.h"

#define DISK_SIZE (40 * MIB + 3 * SECTOR_SIZE)

/* Random bytes over [offset, offset+count) of DIR/NAME, or zeroes. */
static inline void
overwrite (const char *name, uint64_t offset, size_t count, bool zero)
{
  CLEANUP_FREE unsigned char *buf = calloc (1, count);
  CLEANUP_FREE char *path = NULL;
  CLEANUP_CLOSE int fd = -1;

  assert_non_null (buf);
  if (!zero)
    fill_random (buf, count, offset + count);
  assert_true (asprintf (&path, "%s/%s", dir, name) >= 0);
  fd = open (path, O_WRONLY | O_CLOEXEC);
  assert_true (fd >= 0);
  assert_true (pwrite (fd, buf, count, offset) == (ssize_t) count);
}

/* base, one snapshot later mid, and then top: single sectors, whole
 * tables, zeroes over data, and the last sector.
 */
static inline int
make_states (void **state)
{
  uint64_t o;

  if (make_dir () == -1)
    return -1;
  make_raw ("base", DISK_SIZE);
  assert_int_equal (run ("cp base mid"), 0);
  overwrite ("mid", 0, 8192, true);
  for (o = MIB; o < 38 * MIB; o += 3 * MIB)
    overwrite ("mid", o + 512 * (o / MIB), 70000, false);
  overwrite ("mid", 2 * MIB, MIB, true);
  overwrite ("mid", DISK_SIZE - SECTOR_SIZE, SECTOR_SIZE, false);
  assert_int_equal (run ("cp mid top"), 0);
  for (o = 20 * MIB; o < 21 * MIB; o += 3 * SECTOR_SIZE)
    overwrite ("top", o, SECTOR_SIZE, false);
  overwrite ("top", 31 * MIB, MIB, true);
  overwrite ("top", 24 * MIB, 4 * MIB, false);
  return 0;
}

/* The base x.vmdk with a flat file without holes, so that qemu calls all
 * of it data.
 */
static inline void
make_base (void)
{
  assert_int_equal (run ("rm -f x*.vmdk && " MAKE_VMDK
                         "--type vmfs base x.vmdk && "
                         "cp --sparse=never x-flat.vmdk flat && "
                         "mv flat x-flat.vmdk"), 0);
}

/* x-1.vmdk, over x.vmdk, and x-2.vmdk over that. */
static inline void
make_snapshot (unsigned n, const char *args)
{
  static const char *const parents[] = { "x", "x-1" };
  static const char *const states[] = { "base", "mid", "top" };

  assert_int_equal (run (MAKE_VMDK "%s --parent %s.vmdk --parent-raw %s "
                         "%s x-%u.vmdk", args, parents[n - 1],
                         states[n - 1], states[n], n), 0);
}

/*---- opening ----*/

static char *chain_names[8];

static inline struct blob *
open_chain_descriptor (void *opaque, size_t link)
{
  assert_true (link < 8 && chain_names[link]);
  return open_in_dir (NULL, chain_names[link]);
}

static inline struct blob *
open_chain_extent (void *opaque, size_t link, const char *name)
{
  assert_null (strchr (name, '/'));
  return open_in_dir (NULL, name);
}

static inline int
find_chain_parent (void *opaque, size_t link, const char *hint)
{
  assert_true (link + 1 < 8 && hint);
  chain_names[link + 1] = strdup (hint);
  assert_non_null (chain_names[link + 1]);
  return 0;
}

static inline struct vmdk_chain *
open_chain (const char *name)
{
  const struct vmdk_chain_files files = {
    .open_descriptor = open_chain_descriptor,
    .open_extent = open_chain_extent, .find_parent = find_chain_parent,
  };
  struct vmdk_chain *chain;
  size_t i;
  int err;

  chain_names[0] = strdup (name);
  assert_non_null (chain_names[0]);
  chain = vmdk_chain_open (&files);
  err = errno;
  for (i = 0; i < 8; ++i) {
    free (chain_names[i]);
    chain_names[i] = NULL;
  }
  errno = err;
  return chain;
}

/*---- comparing ----*/

struct chain_compare {
  struct vmdk_chain *chain;
  int fd;
  uint64_t next, data;
  uint32_t last_type;
};

static inline void
compare_chain_range (struct vmdk_chain *chain, int fd, size_t count,
                     uint64_t offset)
{
  CLEANUP_FREE unsigned char *a = malloc (count + 1);
  CLEANUP_FREE unsigned char *b = malloc (count + 1);

  assert_true (a && b);
  memset (a, 0xee, count + 1);
  if (vmdk_chain_pread (chain, a, count, offset) == -1)
    fail_msg ("read of %zu bytes at %" PRIu64 ": %s", count, offset,
              captured);
  assert_int_equal (a[count], 0xee);
  assert_true (pread (fd, b, count, offset) == (ssize_t) count);
  assert_same (a, b, count, offset);
}

static inline int
compare_chain_piece (void *opaque, uint64_t offset, uint64_t length,
                     uint32_t type)
{
  struct chain_compare *c = opaque;
  CLEANUP_FREE unsigned char *zero = NULL, *buf = NULL;
  uint64_t n, end = offset + length;

  assert_true (offset == c->next && length > 0);
  assert_true (offset == 0 || type != c->last_type);
  c->next = end;
  c->last_type = type;
  if (type == EXTENT_DATA) {
    c->data += length;
    return 0;
  }
  assert_int_equal (type, EXTENT_HOLE | EXTENT_ZERO);
  zero = calloc (1, MIB);
  buf = malloc (MIB);
  assert_true (zero && buf);
  for (; offset < end; offset += n) {
    n = MIN (end - offset, MIB);
    assert_true (pread (c->fd, buf, n, offset) == (ssize_t) n);
    assert_same (zero, buf, n, offset);
  }
  return 0;
}

/* All bytes, at once and in pieces that lie across everything, and the
 * extents, are those of DIR/RAW.  Returns how many bytes are data.
 */
static inline uint64_t
compare_chain (struct vmdk_chain *chain, const char *raw)
{
  CLEANUP_FREE char *path = NULL;
  CLEANUP_CLOSE int fd = -1;
  struct chain_compare c = { .chain = chain };
  const uint64_t size = vmdk_chain_size (chain);
  uint64_t o, n;

  assert_true (asprintf (&path, "%s/%s", dir, raw) >= 0);
  fd = open (path, O_RDONLY | O_CLOEXEC);
  assert_true (fd >= 0);
  c.fd = fd;
  assert_true (lseek (fd, 0, SEEK_END) == (off_t) size);
  for (o = 0; o < size; o += n) {
    n = MIN (size - o, 32 * MIB);
    compare_chain_range (chain, fd, n, o);
  }
  for (o = 1; o < size - 200000; o += 1234567)
    compare_chain_range (chain, fd, 1 + o % 190000, o);
  compare_chain_range (chain, fd, 1, size - 1);
  assert_int_equal (vmdk_chain_extents (chain, size, 0, false,
                                        compare_chain_piece, &c), 0);
  assert_true (c.next == size);
  return c.data;
}

/* Bytes that "qemu-img map" calls data, once its bytes are found to be
 * those of RAW.
 */
static inline uint64_t
ask_qemu (const char *name, const char *raw)
{
  CLEANUP_FREE char *path = NULL;
  json_t *map, *piece;
  uint64_t sum = 0;
  size_t i;

  assert_int_equal (run ("qemu-img convert -f vmdk -O raw %s again && "
                         "cmp again %s && rm again && "
                         "qemu-img map -f vmdk --output=json %s >map", name,
                         raw, name), 0);
  assert_true (asprintf (&path, "%s/map", dir) >= 0);
  map = json_load_file (path, 0, NULL);
  assert_non_null (map);
  json_array_foreach (map, i, piece) {
    if (json_is_true (json_object_get (piece, "data")))
      sum += json_integer_value (json_object_get (piece, "length"));
  }
  json_decref (map);
  return sum;
}

/* The chain NAME reads as DIR/RAW, here and with qemu, holes included. */
static inline void
compare_chain_with_qemu (const char *name, const char *raw, size_t links)
{
  const uint64_t data = ask_qemu (name, raw);
  struct vmdk_chain *chain;

  capture_start ();
  chain = open_chain (name);
  assert_no_error ();
  assert_non_null (chain);
  assert_true (vmdk_chain_links (chain) == links);
  assert_int_equal (vmdk_chain_load (chain, NULL), 0);
  assert_true (compare_chain (chain, raw) == data);
  assert_no_error ();
  vmdk_chain_close (chain);
}

/*---- damage ----*/

struct chain_damage {
  const char *args;
  int err;
  bool at_open;                 /* or when the tables are read */
  const char *text;
};

static inline void
check_damage (const struct chain_damage *d)
{
  struct vmdk_chain *chain;

  make_snapshot (1, d->args);
  capture_start ();
  chain = open_chain ("x-1.vmdk");
  if (d->at_open ? chain != NULL : chain == NULL)
    fail_msg ("%s: open: %s", d->args, captured);
  if (chain)
    assert_int_equal (vmdk_chain_load (chain, NULL), -1);
  if (errno != d->err)
    fail_msg ("%s: errno %d: %s", d->args, errno, captured);
  assert_error (d->text);
  vmdk_chain_close (chain);
}

/* A file that ends at any place is refused, or its tables are. */
static inline void
check_cuts (const char *args, const char *file, const uint64_t *sizes,
            size_t n)
{
  struct vmdk_chain *chain;
  size_t i;

  make_snapshot (1, args);
  for (i = 0; i < n; ++i) {
    assert_int_equal (run ("cp %s whole && truncate -s %" PRIu64 " %s",
                           file, sizes[i], file), 0);
    capture_start ();
    chain = open_chain ("x-1.vmdk");
    if (chain && vmdk_chain_load (chain, NULL) == 0)
      fail_msg ("%s of %" PRIu64 " bytes was taken", file, sizes[i]);
    assert_int_equal (captured_errors, 1);
    vmdk_chain_close (chain);
    assert_int_equal (run ("mv whole %s", file), 0);
  }
}

#endif /* NBDLIFT_TESTS_CHAIN_FILES_H */
