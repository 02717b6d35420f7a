/* SPDX-License-Identifier: BSD-3-Clause
 *
 * driver/copy/digest_*.c: digests of blocks, their file, and digests of
 * what a file holds.
 */
#include "tests/unit/nbd_server.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "common/include/minmax.h"
#include "common/util/digest.h"
#include "driver/copy/digest_tree.h"

static uint8_t block[DIGEST_BLOCK];

static void
write_file (const char *path, const void *data, size_t len)
{
  int fd = open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

  assert_true (fd >= 0);
  assert_int_equal (write (fd, data, len), len);
  close (fd);
}

static size_t
read_file (const char *path, uint8_t *data, size_t max)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC);
  ssize_t r = read (fd, data, max);

  close (fd);
  assert_true (r >= 0);
  return r;
}

/* Two blocks and 100 bytes: data, zeroes, data. */
static void
fill_tree (struct digest_tree *t)
{
  assert_non_null (t);
  memset (block, 'x', sizeof block);
  assert_int_equal (digest_tree_set (t, 0, block, DIGEST_BLOCK), 0);
  assert_int_equal (digest_tree_set_zero (t, 1), 0);
  assert_int_equal (digest_tree_set (t, 2, block, 100), 0);
}

static struct digest_tree *
make_tree (enum block_digest type)
{
  struct digest_tree *t = digest_tree_new (2 * DIGEST_BLOCK + 100, type);

  fill_tree (t);
  return t;
}

/* Each test of this file that takes a type runs with both. */
static enum block_digest
type_of (void **state)
{
  return *state ? BLOCK_DIGEST_SHA256 : BLOCK_DIGEST_POLY1305;
}

static bool
is_zero (const uint8_t *p, size_t n)
{
  while (n > 0 && p[n - 1] == 0)
    n--;
  return n == 0;
}

static void
test_names (void **state)
{
  enum block_digest type;

  assert_true (block_digest_of_name ("poly1305", &type));
  assert_int_equal (type, BLOCK_DIGEST_POLY1305);
  assert_true (block_digest_of_name ("sha256", &type));
  assert_int_equal (type, BLOCK_DIGEST_SHA256);
  assert_false (block_digest_of_name ("", &type));
  assert_false (block_digest_of_name ("sha2567", &type));
  assert_int_equal (type, BLOCK_DIGEST_SHA256);
  assert_string_equal (block_digest_name (BLOCK_DIGEST_POLY1305), "poly1305");
  assert_string_equal (block_digest_name (BLOCK_DIGEST_SHA256), "sha256");
}

/* RFC 8439 section 2.5.2, and "abc" of FIPS 180-2. */
static void
test_known_answers (void **state)
{
  static const char text[] = "Cryptographic Forum Research Group";
  static const char key_hex[] =
    "85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b";
  struct digest_tree *t = digest_tree_new (3, BLOCK_DIGEST_POLY1305);
  uint8_t key[DIGEST_KEY_BYTES], out[DIGEST_BYTES_MAX];
  char hex[65];

  assert_int_equal (digest_tree_digest_size (t), 16);
  assert_false (is_zero (digest_tree_key (t), DIGEST_KEY_BYTES));
  assert_true (bytes_of_hex (key_hex, 64, key, sizeof key));
  digest_tree_set_key (t, key);
  assert_memory_equal (digest_tree_key (t), key, sizeof key);
  assert_int_equal (digest_tree_compute (t, text, strlen (text), out), 0);
  hex_of_bytes (out, 16, hex);
  assert_string_equal (hex, "a8061dc1305136c6c22b8baf0c0127a9");
  digest_tree_free (t);

  t = digest_tree_new (3, BLOCK_DIGEST_SHA256);
  assert_int_equal (digest_tree_digest_size (t), 32);
  assert_true (is_zero (digest_tree_key (t), DIGEST_KEY_BYTES));
  assert_int_equal (digest_tree_compute (t, "abc", 3, out), 0);
  hex_of_bytes (out, 32, hex);
  assert_string_equal (hex, "ba7816bf8f01cfea414140de5dae2223"
                            "b00361a396177a9cb410ff61f20015ad");
  digest_tree_free (t);
}

static void
test_set_and_compare (void **state)
{
  const enum block_digest type = type_of (state);
  struct digest_tree *a = make_tree (type), *b = digest_tree_new_like (a);
  struct digest_tree *c;

  capture_start ();
  assert_int_equal (digest_tree_size (a), 2 * DIGEST_BLOCK + 100);
  assert_int_equal (digest_tree_blocks (a), 3);
  assert_int_equal (digest_tree_type (b), type);
  assert_memory_equal (digest_tree_key (a), digest_tree_key (b),
                       DIGEST_KEY_BYTES);
  assert_int_equal (digest_tree_compare (a, b), 0);
  fill_tree (b);
  assert_int_equal (digest_tree_compare (a, b), -1);
  assert_true (digest_tree_matches (a, 0, block, DIGEST_BLOCK));
  assert_false (digest_tree_matches (a, 0, block, 100));
  assert_false (digest_tree_matches (a, 3, block, 100));
  assert_true (digest_tree_matches (a, 2, block, 100));

  block[DIGEST_BLOCK - 1] ^= 1;
  assert_false (digest_tree_matches (a, 0, block, DIGEST_BLOCK));
  assert_int_equal (digest_tree_set (b, 0, block, DIGEST_BLOCK), 0);
  assert_int_equal (digest_tree_compare (a, b), 0);
  fill_tree (b);
  assert_int_equal (digest_tree_set_zero (b, 2), 0);
  assert_int_equal (digest_tree_compare (a, b), 2);
  digest_tree_free (b);

  /* Another size, another type, another key. */
  b = digest_tree_new (5, type);
  assert_int_equal (digest_tree_compare (a, b), -2);
  digest_tree_free (b);
  b = make_tree (BLOCK_DIGEST_POLY1305);
  c = make_tree (BLOCK_DIGEST_SHA256);
  assert_int_equal (digest_tree_compare (b, c), -2);
  assert_int_equal (digest_tree_compare (a, b), -2);
  assert_int_equal (digest_tree_compare (a, c),
                    type == BLOCK_DIGEST_SHA256 ? -1 : -2);
  assert_no_error ();
  digest_tree_free (a);
  digest_tree_free (b);
  digest_tree_free (c);
}

/* One changed bit is found wherever it is. */
static void
test_one_bit (void **state)
{
  const uint64_t size = 3 * DIGEST_BLOCK - 5;
  struct digest_tree *a = digest_tree_new (size, type_of (state));
  struct digest_tree *b;
  uint64_t i, at, len;
  size_t k;

  srandom (1);
  for (at = 0; at < sizeof block; at++)
    block[at] = random ();
  for (i = 0; i < 3; i++) {
    len = i == 2 ? DIGEST_BLOCK - 5 : DIGEST_BLOCK;
    assert_int_equal (digest_tree_set (a, i, block, len), 0);
  }
  b = digest_tree_resized (a, size);
  for (i = 0; i < 3; i++) {
    len = i == 2 ? DIGEST_BLOCK - 5 : DIGEST_BLOCK;
    for (k = 0; k < 20; k++) {
      at = k == 0 ? 0 : k == 1 ? len * 8 - 1 : random () % (len * 8);
      block[at / 8] ^= 1 << at % 8;
      assert_false (digest_tree_matches (a, i, block, len));
      assert_int_equal (digest_tree_add (b, i * DIGEST_BLOCK, block, len), 0);
      assert_int_equal (digest_tree_compare (a, b), i);
      block[at / 8] ^= 1 << at % 8;
    }
    assert_true (digest_tree_matches (a, i, block, len));
    assert_int_equal (digest_tree_add (b, i * DIGEST_BLOCK, block, len), 0);
    assert_int_equal (digest_tree_compare (a, b), -1);
  }
  digest_tree_free (a);
  digest_tree_free (b);
}

/* The digest of zeroes is the same whether they were known or read. */
static void
test_zero_is_zero (void **state)
{
  struct digest_tree *a = digest_tree_new (DIGEST_BLOCK + 7, type_of (state));
  struct digest_tree *b = digest_tree_new_like (a);
  struct digest_tree *c = digest_tree_new_like (a);

  memset (block, 0, sizeof block);
  assert_int_equal (digest_tree_set (a, 0, block, DIGEST_BLOCK), 0);
  assert_int_equal (digest_tree_set (a, 1, block, 7), 0);
  assert_int_equal (digest_tree_add_zero (b, 0, DIGEST_BLOCK + 7), 0);
  assert_int_equal (digest_tree_add (c, 0, block, DIGEST_BLOCK), 0);
  assert_int_equal (digest_tree_add (c, DIGEST_BLOCK, block, 7), 0);
  assert_int_equal (digest_tree_compare (a, b), -1);
  assert_int_equal (digest_tree_compare (a, c), -1);
  digest_tree_free (a);
  digest_tree_free (b);
  digest_tree_free (c);
}

/* That of zeroes is of the key that is set. */
static void
test_zero_after_set_key (void **state)
{
  const uint8_t key[DIGEST_KEY_BYTES] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };
  struct digest_tree *t = digest_tree_new (DIGEST_BLOCK, type_of (state));

  assert_int_equal (digest_tree_set_zero (t, 0), 0);
  digest_tree_forget (t, 0);
  if (type_of (state) == BLOCK_DIGEST_POLY1305)
    digest_tree_set_key (t, key);
  assert_int_equal (digest_tree_set_zero (t, 0), 0);
  memset (block, 0, sizeof block);
  assert_true (digest_tree_matches (t, 0, block, DIGEST_BLOCK));
  digest_tree_free (t);
}

static void
test_restore_and_forget (void **state)
{
  struct digest_tree *a = make_tree (type_of (state));
  struct digest_tree *b = digest_tree_new_like (a);
  char hex[65];
  uint64_t i;

  capture_start ();
  for (i = 0; i < 3; i++) {
    assert_null (digest_tree_get (b, i));
    assert_non_null (digest_tree_get (a, i));
    digest_tree_restore (b, i, digest_tree_get (a, i));
    assert_memory_equal (digest_tree_get (a, i), digest_tree_get (b, i),
                         digest_tree_digest_size (a));
  }
  assert_int_equal (digest_tree_compare (a, b), -1);
  digest_tree_forget (b, 1);
  assert_null (digest_tree_get (b, 1));
  assert_int_equal (digest_tree_compare (a, b), 1);
  assert_false (digest_tree_matches (b, 1, block, DIGEST_BLOCK));
  assert_int_equal (digest_tree_root (b, hex), -1);
  assert_error ("the block at offset 1048576 was not read");

  /* Beyond the end: nothing to record. */
  digest_tree_restore (b, 3, digest_tree_get (a, 0));
  digest_tree_forget (b, 3);
  assert_null (digest_tree_get (b, 3));
  assert_null (digest_tree_get (b, UINT64_MAX));
  digest_tree_free (a);
  digest_tree_free (b);
}

/* Blocks that are the same part of the disk are taken. */
static void
test_resized (void **state)
{
  struct digest_tree *a = make_tree (type_of (state)), *b;

  b = digest_tree_resized (a, 2 * DIGEST_BLOCK + 100);
  assert_int_equal (digest_tree_compare (a, b), -1);
  digest_tree_free (b);

  b = digest_tree_resized (a, 5 * DIGEST_BLOCK);
  assert_int_equal (digest_tree_size (b), 5 * DIGEST_BLOCK);
  assert_int_equal (digest_tree_type (b), digest_tree_type (a));
  assert_memory_equal (digest_tree_key (a), digest_tree_key (b),
                       DIGEST_KEY_BYTES);
  assert_true (digest_tree_matches (b, 0, block, DIGEST_BLOCK));
  assert_non_null (digest_tree_get (b, 1));
  assert_null (digest_tree_get (b, 2));
  assert_null (digest_tree_get (b, 4));
  digest_tree_free (b);

  b = digest_tree_resized (a, DIGEST_BLOCK + 1);
  assert_non_null (digest_tree_get (b, 0));
  assert_null (digest_tree_get (b, 1));
  digest_tree_free (b);

  b = digest_tree_resized (a, 0);
  assert_int_equal (digest_tree_blocks (b), 0);
  digest_tree_free (b);

  digest_tree_forget (a, 0);
  b = digest_tree_resized (a, 2 * DIGEST_BLOCK);
  assert_null (digest_tree_get (b, 0));
  assert_non_null (digest_tree_get (b, 1));
  digest_tree_free (a);
  digest_tree_free (b);
}

#define THREADS 4
#define THREAD_BLOCKS 40

struct setter {
  pthread_t thread;
  struct digest_tree *trees[2];
  uint64_t first;
};

/* Every THREADSth block of both trees, every fifth block zero. */
static void *
set_blocks (void *opaque)
{
  struct setter *s = opaque;
  uint8_t *data = malloc (DIGEST_BLOCK);
  uint64_t i;
  size_t k;

  for (i = s->first; data && i < THREAD_BLOCKS; i += THREADS)
    for (k = 0; k < 2; k++) {
      memset (data, i % 5, DIGEST_BLOCK);
      if (digest_tree_add (s->trees[k], i * DIGEST_BLOCK, data,
                           DIGEST_BLOCK) == -1 ||
          !digest_tree_matches (s->trees[k], i, data, DIGEST_BLOCK)) {
        free (data);
        return NULL;
      }
    }
  free (data);
  return data ? s : NULL;
}

static void
test_threads (void **state)
{
  struct digest_tree *a = digest_tree_new (THREAD_BLOCKS * DIGEST_BLOCK,
                                           BLOCK_DIGEST_POLY1305);
  struct digest_tree *b = digest_tree_new (THREAD_BLOCKS * DIGEST_BLOCK,
                                           BLOCK_DIGEST_SHA256);
  struct digest_tree *c = digest_tree_new_like (a);
  struct digest_tree *d = digest_tree_new_like (b);
  struct setter setters[THREADS];
  uint64_t i;
  void *r;

  for (i = 0; i < THREADS; i++) {
    setters[i] = (struct setter) { .trees = { a, b }, .first = i };
    assert_int_equal (pthread_create (&setters[i].thread, NULL, set_blocks,
                                      &setters[i]), 0);
  }
  for (i = 0; i < THREAD_BLOCKS; i++) {
    memset (block, i % 5, DIGEST_BLOCK);
    assert_int_equal (digest_tree_set (c, i, block, DIGEST_BLOCK), 0);
    assert_int_equal (digest_tree_set (d, i, block, DIGEST_BLOCK), 0);
  }
  for (i = 0; i < THREADS; i++) {
    assert_int_equal (pthread_join (setters[i].thread, &r), 0);
    assert_non_null (r);
  }
  assert_int_equal (digest_tree_compare (a, c), -1);
  assert_int_equal (digest_tree_compare (b, d), -1);
  digest_tree_free (a);
  digest_tree_free (b);
  digest_tree_free (c);
  digest_tree_free (d);
}

/* The root is SHA-256 of header and digests, so any tool can make it. */
static void
test_root (void **state)
{
  static const char header[72] =
    "NBDLIFTD" "\2\0\0\0\0\0\0\0" "\1\0\0\0\0\0\0\0"
    "\3\0\0\0\0\0\0\0" "\0\0\x10\0\0\0\0";
  uint8_t all[104], root[32];
  char hex[65], expected[65];
  struct digest_tree *t = digest_tree_new (3, BLOCK_DIGEST_SHA256);

  capture_start ();
  assert_int_equal (digest_tree_root (t, hex), -1);
  assert_error ("the block at offset 0 was not read");

  assert_int_equal (digest_tree_set (t, 0, "abc", 3), 0);
  memcpy (all, header, 72);
  assert_int_equal (digest_once (DIGEST_SHA256, "abc", 3, all + 72), 0);
  assert_int_equal (digest_once (DIGEST_SHA256, all, 104, root), 0);
  hex_of_bytes (root, 32, expected);
  assert_int_equal (digest_tree_root (t, hex), 0);
  assert_string_equal (hex, expected);
  digest_tree_free (t);
}

/* Two copies of a disk have different keys, so different roots. */
static void
test_keys_differ (void **state)
{
  struct digest_tree *a = make_tree (BLOCK_DIGEST_POLY1305);
  struct digest_tree *b = make_tree (BLOCK_DIGEST_POLY1305);
  char hex_a[65], hex_b[65];

  assert_int_equal (digest_tree_root (a, hex_a), 0);
  assert_int_equal (digest_tree_root (b, hex_b), 0);
  assert_string_not_equal (hex_a, hex_b);
  digest_tree_free (a);
  digest_tree_free (b);
}

static void
test_misfit (void **state)
{
  struct digest_tree *t = make_tree (type_of (state));

  capture_start ();
  assert_int_equal (digest_tree_set (t, 2, block, 101), -1);
  assert_int_equal (errno, EINVAL);
  assert_error ("digest of block 2");
  assert_int_equal (digest_tree_set_zero (t, 3), -1);
  assert_int_equal (digest_tree_set (t, UINT64_MAX, block, 1), -1);
  digest_tree_free (t);
}

static void
test_save_and_load (void **state)
{
  const char *path = in_folder ("digests");
  struct digest_tree *t = make_tree (type_of (state)), *u;
  char a[65], b[65];
  struct stat st;

  capture_start ();
  assert_int_equal (digest_tree_save (t, path), 0);
  assert_int_equal (stat (path, &st), 0);
  assert_int_equal (st.st_mode & 0777, 0644);
  u = digest_tree_load (path);
  assert_non_null (u);
  assert_int_equal (digest_tree_type (u), type_of (state));
  assert_int_equal (digest_tree_compare (t, u), -1);
  assert_int_equal (digest_tree_root (t, a), 0);
  assert_int_equal (digest_tree_root (u, b), 0);
  assert_string_equal (a, b);
  digest_tree_free (t);
  digest_tree_free (u);

  t = digest_tree_new (0, type_of (state));
  assert_int_equal (digest_tree_save (t, path), 0);
  u = digest_tree_load (path);
  assert_non_null (u);
  assert_int_equal (digest_tree_compare (t, u), -1);
  digest_tree_free (t);
  digest_tree_free (u);
  assert_no_error ();
  assert_int_equal (access (in_folder ("digests.tmp"), F_OK), -1);
}

/* An unfinished tree is not saved, and an old file stays. */
static void
test_save_incomplete (void **state)
{
  const char *path = in_folder ("digests");
  struct digest_tree *t = digest_tree_new (10, type_of (state));

  write_file (path, "old", 3);
  capture_start ();
  assert_int_equal (digest_tree_save (t, path), -1);
  assert_error ("was not read");
  assert_int_equal (read_file (path, block, sizeof block), 3);
  digest_tree_free (t);
}

/* The digest file at PATH can not be loaded, because of WHY. */
static void
load_fails (const char *path, const char *why)
{
  capture_start ();
  assert_null (digest_tree_load (path));
  assert_int_equal (errno, EINVAL);
  assert_error (why);
}

/* Every single changed byte, and every length, is noticed. */
static void
test_load_damaged (void **state)
{
  const char *path = in_folder ("digests");
  struct digest_tree *t = make_tree (type_of (state));
  const size_t digests = 3 * digest_tree_digest_size (t);
  static uint8_t file[1024];
  size_t len, i;

  assert_int_equal (digest_tree_save (t, path), 0);
  digest_tree_free (t);
  len = read_file (path, file, sizeof file);
  assert_int_equal (len, 72 + digests + 32);
  for (i = 0; i < len; i++) {
    file[i] ^= 0x40;
    write_file (path, file, len);
    file[i] ^= 0x40;
    /* The lowest bytes of the size do not change the number of blocks. */
    load_fails (path,
                i < 8 ? "digests: not a digest file of nbdlift, or damaged: "
                        "wrong magic" :
                i < 16 ? "digests: made by a newer nbdlift" :
                i < 24 ? "unknown type" :
                i >= 26 && i < 32 ? "its length does not fit" :
                i >= 32 && i < 40 ? "another block size" :
                i >= 40 && i < 72 && type_of (state) == BLOCK_DIGEST_SHA256 ?
                         "a key where none belongs" :
                         "its content and its checksum differ");
  }
  for (i = 0; i < len; i++) {
    write_file (path, file, i);
    load_fails (path, i < 72 ? "or damaged: too short" :
                               "its length does not fit");
  }
  write_file (path, file, len + 1);
  load_fails (path, "its length does not fit");

  /* A size that would need 2^48 bytes of digests. */
  memset (file + 24, 0xff, 8);
  write_file (path, file, len);
  load_fails (path, "its length does not fit");
}

/* Version 1 had a shorter header: what it is must be said nevertheless. */
static void
test_load_version_1 (void **state)
{
  static const uint8_t file[64] = "NBDLIFTD\1";
  const char *path = in_folder ("digests");

  write_file (path, file, sizeof file);
  load_fails (path, "digests: made by an older nbdlift; copy the disk again");
}

static void
test_load_other_files (void **state)
{
  const char *path = in_folder ("pipe");

  capture_start ();
  assert_null (digest_tree_load (in_folder ("none")));
  assert_int_equal (errno, ENOENT);
  assert_error ("none: No such file or directory");

  assert_int_equal (mkfifo (path, 0600), 0);
  load_fails (path, "pipe: not a digest file of nbdlift, or damaged: not a "
              "regular file");
  load_fails (folder, "not a regular file");
  assert_int_equal (unlink (path), 0);
}

static bool
count_progress (void *opaque, uint64_t done, uint64_t total)
{
  uint64_t *last = opaque;

  assert_true (done >= *last && done <= total);
  *last = done;
  return true;
}

static bool
say_no (void *opaque, uint64_t done, uint64_t total)
{
  return false;
}

/* FD is of a file that loses its last block when all has been read. */
static bool
cut_file (void *opaque, uint64_t done, uint64_t total)
{
  const int *fd = opaque;

  if (done == total)
    assert_int_equal (ftruncate (*fd, total - DIGEST_BLOCK), 0);
  return true;
}

static void
test_of_fd (void **state)
{
  const uint64_t size = 20 * MIB + 1000;
  const char *path = in_folder ("file");
  struct digest_tree *t, *u = digest_tree_new (size, type_of (state));
  struct digest_tree *longer = digest_tree_resized (u, size + 1);
  int fd = open (path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  uint64_t last = 0;
  char byte;

  capture_start ();
  memset (block, 'y', sizeof block);
  assert_int_equal (digest_tree_add_zero (u, 0, size), 0);
  assert_int_equal (ftruncate (fd, size), 0);
  assert_int_equal (pwrite (fd, block, DIGEST_BLOCK, 5 * DIGEST_BLOCK),
                    DIGEST_BLOCK);
  assert_int_equal (digest_tree_set (u, 5, block, DIGEST_BLOCK), 0);
  assert_int_equal (pwrite (fd, block, 1000, 20 * DIGEST_BLOCK), 1000);
  assert_int_equal (digest_tree_set (u, 20, block, 1000), 0);

  t = digest_tree_of_fd (fd, u, path, count_progress, &last);
  assert_non_null (t);
  assert_int_equal (digest_tree_compare (t, u), -1);
  assert_int_equal (last, size);
  digest_tree_free (t);

  /* One bit, in a hole. */
  byte = 1;
  assert_int_equal (pwrite (fd, &byte, 1, 13 * DIGEST_BLOCK + 77), 1);
  t = digest_tree_of_fd (fd, u, path, NULL, NULL);
  assert_int_equal (digest_tree_compare (t, u), 13);
  digest_tree_free (t);
  assert_no_error ();

  assert_null (digest_tree_of_fd (fd, u, path, say_no, NULL));
  assert_int_equal (errno, ECANCELED);
  assert_no_error ();

  assert_null (digest_tree_of_fd (fd, longer, path, NULL, NULL));
  assert_error ("file has 20972520 bytes, the disk has 20972521");

  capture_start ();
  assert_null (digest_tree_of_fd (fd, u, path, cut_file, &fd));
  assert_int_equal (errno, EINVAL);
  assert_error ("file has 19923944 bytes, the disk has 20972520: it was cut");
  assert_int_equal (ftruncate (fd, size), 0);
  close (fd);

  fd = open (path, O_WRONLY | O_CLOEXEC);
  capture_start ();
  assert_null (digest_tree_of_fd (fd, u, path, NULL, NULL));
  assert_int_equal (errno, EBADF);
  assert_error ("file: cannot read at offset ");
  close (fd);
  digest_tree_free (u);
  digest_tree_free (longer);
}

/* Larger than what may stay in the page cache, with data, holes and
 * zeroes in between.
 */
static void
test_of_large_fd (void **state)
{
  const uint64_t size = 160 * MIB;
  const char *path = in_folder ("large");
  struct digest_tree *u = digest_tree_new (size, type_of (state)), *t;
  int fd = open (path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  uint64_t i, last = 0;

  capture_start ();
  assert_int_equal (ftruncate (fd, size), 0);
  for (i = 0; i < 160; i++)
    if (i % 50 < 10)
      assert_int_equal (digest_tree_set_zero (u, i), 0);
    else {
      memset (block, i % 7, sizeof block);
      assert_int_equal (pwrite (fd, block, DIGEST_BLOCK, i * DIGEST_BLOCK),
                        DIGEST_BLOCK);
      assert_int_equal (digest_tree_set (u, i, block, DIGEST_BLOCK), 0);
    }
  t = digest_tree_of_fd (fd, u, path, count_progress, &last);
  assert_non_null (t);
  assert_int_equal (digest_tree_compare (t, u), -1);
  assert_int_equal (last, size);
  assert_no_error ();
  digest_tree_free (t);
  digest_tree_free (u);
  close (fd);
  unlink (path);
}

static void
test_of_nbd (void **state)
{
  struct digest_tree *t, *u;
  uint64_t last = 0;

  capture_start ();
  u = digest_tree_new (3 * MIB + 512, type_of (state));
  memset (block, 1, sizeof block);
  assert_int_equal (digest_tree_add_zero (u, 0, 3 * MIB + 512), 0);
  assert_int_equal (digest_tree_set (u, 1, block, DIGEST_BLOCK), 0);
  START_SERVER ("data", "data= @1048576 1*1048576", "size=3146240");
  t = digest_tree_of_nbd (server_uri, u, "disk1", count_progress, &last);
  assert_non_null (t);
  assert_int_equal (digest_tree_compare (t, u), -1);
  assert_int_equal (last, 3 * MIB + 512);
  digest_tree_free (t);

  assert_null (digest_tree_of_nbd (server_uri, u, "disk1", say_no, NULL));
  assert_int_equal (errno, ECANCELED);
  assert_no_error ();
  digest_tree_free (u);
  stop_server ();
}

/* TEST with each type of digests. */
#define WITH_BOTH(test)                                                 \
  { #test " (poly1305)", test, NULL, NULL, NULL },                      \
  { #test " (sha256)", test, NULL, NULL, folder }

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_names),
    cmocka_unit_test (test_known_answers),
    WITH_BOTH (test_set_and_compare),
    WITH_BOTH (test_one_bit),
    WITH_BOTH (test_zero_is_zero),
    WITH_BOTH (test_zero_after_set_key),
    WITH_BOTH (test_restore_and_forget),
    WITH_BOTH (test_resized),
    cmocka_unit_test (test_threads),
    cmocka_unit_test (test_root),
    cmocka_unit_test (test_keys_differ),
    WITH_BOTH (test_misfit),
    WITH_BOTH (test_save_and_load),
    WITH_BOTH (test_save_incomplete),
    WITH_BOTH (test_load_damaged),
    cmocka_unit_test (test_load_version_1),
    cmocka_unit_test (test_load_other_files),
    WITH_BOTH (test_of_fd),
    cmocka_unit_test (test_of_large_fd),
    WITH_BOTH (test_of_nbd),
  };

  return cmocka_run_group_tests (tests, folder_setup, folder_teardown);
}
