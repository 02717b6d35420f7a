/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Fuzz the file of digests: any bytes as they are, and with the root that
 * is right for them, since no input is lucky enough to have it.  What loads
 * must be used without harm, and have the root that its file has.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/include/minmax.h"
#include "common/util/digest.h"
#include "common/util/log.h"
#include "driver/copy/digest_tree.h"

extern int LLVMFuzzerInitialize (int *argc, char ***argv);
extern int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

#define ROOT_BYTES 32
#define MAX_INPUT 4096

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
  fd = memfd_create ("digests", MFD_CLOEXEC);
  if (fd == -1)
    abort ();
  snprintf (path, sizeof path, "/proc/self/fd/%d", fd);
  return 0;
}

static void
use (struct digest_tree *t, const uint8_t *root)
{
  const uint64_t blocks = digest_tree_blocks (t);
  const uint64_t size = digest_tree_size (t);
  struct digest_tree *u;
  uint8_t digest[DIGEST_BYTES_MAX];
  char hex[65], expected[65];

  hex_of_bytes (root, ROOT_BYTES, expected);
  if (digest_tree_root (t, hex) == -1 || strcmp (hex, expected) != 0 ||
      digest_tree_compute (t, "abc", 3, digest) == -1)
    abort ();
  if (blocks > 0 && (digest_tree_get (t, blocks - 1) == NULL ||
                     digest_tree_set_zero (t, blocks - 1) == -1))
    abort ();
  if (digest_tree_get (t, blocks) != NULL)
    abort ();
  u = digest_tree_resized (t, size);
  if (u == NULL || digest_tree_compare (t, u) != -1)
    abort ();
  digest_tree_free (u);
  u = digest_tree_resized (t, size / 2);
  if (u == NULL)
    abort ();
  digest_tree_free (u);
}

static void
load (const uint8_t *data, size_t size)
{
  struct digest_tree *t;

  if (ftruncate (fd, 0) == -1 ||
      pwrite (fd, data, size, 0) != (ssize_t) size)
    abort ();
  t = digest_tree_load (path);
  if (t == NULL)
    return;
  use (t, data + size - ROOT_BYTES);
  digest_tree_free (t);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  uint8_t copy[MAX_INPUT];
  const size_t len = MIN (size, sizeof copy);

  load (data, size);
  if (len < ROOT_BYTES)
    return 0;
  memcpy (copy, data, len);
  if (digest_once (DIGEST_SHA256, copy, len - ROOT_BYTES,
                   copy + len - ROOT_BYTES) == -1)
    abort ();
  load (copy, len);
  return 0;
}
