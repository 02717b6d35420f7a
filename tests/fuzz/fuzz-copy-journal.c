/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A journal of a copy with any bytes.  The first byte says what is put
 * right before it is opened: the header, and the sums of the records, since
 * no fuzzer finds a SHA-256.  What is claimed then is inside of the disk,
 * has a digest, and is claimed again, as is one block more, when it is
 * opened once more.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/include/minmax.h"
#include "common/util/digest.h"
#include "common/util/log.h"
#include "driver/copy/copy_journal.h"

#define BLOCKS 200
#define SIZE ((BLOCKS - 1) * DIGEST_BLOCK + 512)
#define HEADER_BYTES 4200
#define SUM_BYTES 32

#define FIX_HEADER 1            /* begin with a good header */
#define FIX_SUMS 2              /* put in the sums of records */
#define SHA256 4                /* the type of the digests */
#define DELTA 8

extern int LLVMFuzzerInitialize (int *argc, char ***argv);
extern int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static int fd = -1;
static char path[64];

static void
silent (enum log_level level, const char *text, void *opaque)
{
}

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  log_set_sink (silent, NULL);
  fd = memfd_create ("journal", MFD_CLOEXEC);
  if (fd == -1)
    abort ();
  snprintf (path, sizeof path, "/proc/self/fd/%d", fd);
  return 0;
}

static struct digest_tree *
new_tree (uint8_t how)
{
  struct digest_tree *t =
    digest_tree_new (SIZE, how & SHA256 ? BLOCK_DIGEST_SHA256
                     : BLOCK_DIGEST_POLY1305);

  if (t == NULL)
    abort ();
  return t;
}

static struct copy_journal *
open_journal (struct digest_tree *t, uint8_t how)
{
  return copy_journal_open (path, t, "fuzz", how & DELTA);
}

static void
put (uint64_t at, const void *data, size_t len)
{
  if (pwrite (fd, data, len, at) != (ssize_t) len)
    abort ();
}

/* Give each record that is there as a whole its sum. */
static void
fix_sums (uint64_t len, size_t run_bytes)
{
  uint8_t *file = malloc (len);
  struct digest *d = digest_new (DIGEST_SHA256);
  uint64_t at = HEADER_BYTES, bytes;
  uint32_t runs;

  if (file == NULL || d == NULL || pread (fd, file, len, 0) != (ssize_t) len)
    abort ();
  while (len - at >= 8 + SUM_BYTES) {
    memcpy (&runs, file + at + 4, sizeof runs);
    bytes = 8 + (uint64_t) runs * run_bytes;
    if (bytes > len - at - SUM_BYTES)
      break;
    digest_update (d, file + at - SUM_BYTES, SUM_BYTES);
    digest_update (d, file + at, bytes);
    digest_final (d, file + at + bytes);
    at += bytes + SUM_BYTES;
  }
  put (0, file, len);
  digest_free (d);
  free (file);
}

static void
check (const struct copy_journal *j, const struct digest_tree *t)
{
  uint64_t i, n = 0;

  for (i = 0; i < BLOCKS; i++) {
    if (copy_journal_has (j, i) != (digest_tree_get (t, i) != NULL))
      abort ();
    n += copy_journal_has (j, i);
  }
  if (copy_journal_count (j) != n || copy_journal_has (j, BLOCKS) ||
      copy_journal_resumed (j) != (n > 0))
    abort ();
}

/* A and B know the same digests; that of NEW may differ. */
static void
same_digests (const struct digest_tree *a, const struct digest_tree *b,
              uint64_t new)
{
  const uint8_t *x, *y;
  uint64_t i;

  for (i = 0; i < BLOCKS; i++) {
    x = digest_tree_get (a, i);
    y = digest_tree_get (b, i);
    if (i != new && (x == NULL) != (y == NULL))
      abort ();
    if (i != new && x && memcmp (x, y, digest_tree_digest_size (a)) != 0)
      abort ();
  }
}

/* The journal was opened, with the digests of T.  Open it again, append a
 * block, and again.
 */
static void
go_on (const struct digest_tree *t, uint8_t how)
{
  static const uint8_t digest[DIGEST_BYTES_MAX] = { 1, 2, 3 };
  const uint64_t last = BLOCKS - 1;
  struct digest_tree *u = new_tree (how);
  struct copy_journal *j = open_journal (u, how);

  if (j == NULL)
    abort ();
  check (j, u);
  same_digests (t, u, BLOCKS);
  if (copy_journal_append (j, &last, digest, 1) == -1) {
    /* It may hold too many claims. */
    if (errno != EFBIG)
      abort ();
    copy_journal_close (j);
    digest_tree_free (u);
    return;
  }
  if (copy_journal_finish (j) == -1)
    abort ();
  copy_journal_close (j);
  digest_tree_free (u);

  u = new_tree (how);
  j = open_journal (u, how);
  if (j == NULL || !copy_journal_complete (j) || !copy_journal_has (j, last))
    abort ();
  check (j, u);
  same_digests (t, u, last);
  if (memcmp (digest_tree_get (u, last), digest,
              digest_tree_digest_size (u)) != 0)
    abort ();
  copy_journal_close (j);
  digest_tree_free (u);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  struct digest_tree *t;
  struct copy_journal *j;
  uint64_t at = 0;
  uint8_t how;

  if (size == 0)
    return -1;
  how = data[0];
  data++;
  size--;
  if (ftruncate (fd, 0) == -1)
    abort ();
  if (how & FIX_HEADER) {
    t = new_tree (how);
    j = open_journal (t, how);
    if (j == NULL)
      abort ();
    copy_journal_close (j);
    digest_tree_free (t);
    at = HEADER_BYTES;
  }
  put (at, data, size);
  if (how & FIX_SUMS && at + size >= HEADER_BYTES)
    fix_sums (at + size, 16 + (how & SHA256 ? 32 : 16));

  t = new_tree (how);
  j = open_journal (t, how);
  if (j) {
    check (j, t);
    copy_journal_close (j);
    go_on (t, how);
  }
  digest_tree_free (t);
  return 0;
}
