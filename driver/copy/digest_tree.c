/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The digests of a disk in memory: 32 bytes and a state for each block.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/minmax.h"
#include "common/util/digest.h"
#include "common/util/log.h"
#include "driver/copy/digest_tree_private.h"
#include "driver/copy/is_zero.h"

static uint64_t
block_length (const struct digest_tree *t, uint64_t block)
{
  return MIN (DIGEST_BLOCK, t->size - block * DIGEST_BLOCK);
}

/* The digest of LEN bytes of zero, LEN at most DIGEST_BLOCK. */
static int
digest_of_zeroes (uint64_t len, uint8_t *out)
{
  static const uint8_t zeroes[4096];
  struct digest *d = digest_new (DIGEST_SHA256);
  uint64_t n;
  int ret = 0;

  if (d == NULL)
    return -1;
  for (; len > 0 && ret == 0; len -= n) {
    n = MIN (len, sizeof zeroes);
    ret = digest_update (d, zeroes, n);
  }
  if (ret == 0)
    ret = digest_final (d, out);
  digest_free (d);
  return ret;
}

/* The digest of a whole block of zeroes, made once. */
static uint8_t zero_block[DIGEST_BYTES];
static bool zero_block_made;

static void
make_zero_block (void)
{
  zero_block_made = digest_of_zeroes (DIGEST_BLOCK, zero_block) == 0;
}

struct digest_tree *
digest_tree_new (uint64_t size)
{
  const uint64_t blocks = size / DIGEST_BLOCK + (size % DIGEST_BLOCK != 0);
  struct digest_tree *t = calloc (1, sizeof *t);

  if (t == NULL || blocks > SIZE_MAX / DIGEST_BYTES)
    goto oom;
  t->size = size;
  t->blocks = blocks;
  /* Never of 0 bytes, for which calloc may return NULL. */
  t->digest = calloc (blocks + 1, DIGEST_BYTES);
  t->known = calloc (blocks + 1, 1);
  if (t->digest == NULL || t->known == NULL)
    goto oom;
  return t;

 oom:
  digest_tree_free (t);
  log_oom ();
  return NULL;
}

void
digest_tree_free (struct digest_tree *t)
{
  if (t == NULL)
    return;
  free (t->digest);
  free (t->known);
  free (t);
}

uint64_t
digest_tree_size (const struct digest_tree *t)
{
  return t->size;
}

/* BLOCK and LEN must fit together. */
static bool
fits (const struct digest_tree *t, uint64_t block, uint64_t len)
{
  return block < t->blocks && len == block_length (t, block);
}

static int
misfit (const struct digest_tree *t, uint64_t block)
{
  log_error ("digest of block %" PRIu64 ": the disk has %" PRIu64 " bytes",
             block, t->size);
  errno = EINVAL;
  return -1;
}

int
digest_tree_set (struct digest_tree *t, uint64_t block, const void *data,
                 uint64_t len)
{
  if (!fits (t, block, len))
    return misfit (t, block);
  if (digest_once (DIGEST_SHA256, data, len, t->digest[block]) == -1)
    return -1;
  t->known[block] = 1;
  return 0;
}

int
digest_tree_set_zero (struct digest_tree *t, uint64_t block)
{
  static pthread_once_t once = PTHREAD_ONCE_INIT;

  if (block >= t->blocks)
    return misfit (t, block);
  if (block_length (t, block) == DIGEST_BLOCK) {
    pthread_once (&once, make_zero_block);
    if (!zero_block_made) {
      log_oom ();
      return -1;
    }
    memcpy (t->digest[block], zero_block, DIGEST_BYTES);
  }
  else if (digest_of_zeroes (block_length (t, block),
                             t->digest[block]) == -1)
    return -1;
  t->known[block] = 1;
  return 0;
}

int
digest_tree_add (struct digest_tree *t, uint64_t offset,
                 const uint8_t *data, uint64_t len)
{
  uint64_t n, block;
  int ret;

  for (; len > 0; offset += n, data += n, len -= n) {
    n = MIN (len, DIGEST_BLOCK);
    block = offset / DIGEST_BLOCK;
    if (is_all_zero (data, n) && fits (t, block, n))
      ret = digest_tree_set_zero (t, block);
    else
      ret = digest_tree_set (t, block, data, n);
    if (ret == -1)
      return -1;
  }
  return 0;
}

int
digest_tree_add_zero (struct digest_tree *t, uint64_t offset, uint64_t len)
{
  uint64_t block = offset / DIGEST_BLOCK, n;

  for (; len > 0; len -= n, ++block) {
    n = MIN (len, DIGEST_BLOCK);
    if (digest_tree_set_zero (t, block) == -1)
      return -1;
  }
  return 0;
}

bool
digest_tree_matches (const struct digest_tree *t, uint64_t block,
                     const void *data, uint64_t len)
{
  uint8_t digest[DIGEST_BYTES];

  return fits (t, block, len) && t->known[block] &&
    digest_once (DIGEST_SHA256, data, len, digest) == 0 &&
    memcmp (digest, t->digest[block], DIGEST_BYTES) == 0;
}

int64_t
digest_tree_compare (const struct digest_tree *a, const struct digest_tree *b)
{
  uint64_t i;

  if (a->size != b->size)
    return -2;
  for (i = 0; i < a->blocks; ++i)
    if (!a->known[i] || !b->known[i] ||
        memcmp (a->digest[i], b->digest[i], DIGEST_BYTES) != 0)
      return i;
  return -1;
}

int
digest_tree_raw_root (const struct digest_tree *t, uint8_t *root)
{
  struct digest_header header;
  struct digest *d;
  uint64_t i;
  int ret;

  for (i = 0; i < t->blocks; ++i)
    if (!t->known[i]) {
      log_error ("no digest of the disk: the block at offset %" PRIu64
                 " was not read", i * DIGEST_BLOCK);
      errno = EINVAL;
      return -1;
    }
  digest_header_make (t, &header);
  d = digest_new (DIGEST_SHA256);
  if (d == NULL)
    return -1;
  ret = digest_update (d, &header, sizeof header);
  if (ret == 0)
    ret = digest_update (d, t->digest, t->blocks * DIGEST_BYTES);
  if (ret == 0)
    ret = digest_final (d, root);
  digest_free (d);
  return ret;
}

int
digest_tree_root (const struct digest_tree *t, char *hex)
{
  uint8_t root[DIGEST_BYTES];

  if (digest_tree_raw_root (t, root) == -1)
    return -1;
  hex_of_bytes (root, sizeof root, hex);
  return 0;
}
