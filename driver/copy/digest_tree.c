/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The digests of a disk in memory: 16 or 32 bytes and a state for each
 * block.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/rand.h>

#include "common/include/cleanup.h"
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

static uint8_t *
digest_at (const struct digest_tree *t, uint64_t block)
{
  return t->digests + block * t->digest_size;
}

struct digest_tree *
digest_tree_make (uint64_t size, enum block_digest type, const uint8_t *key)
{
  const uint64_t blocks = size / DIGEST_BLOCK + (size % DIGEST_BLOCK != 0);
  struct digest_tree *t = calloc (1, sizeof *t);

  if (t == NULL || blocks > SIZE_MAX / DIGEST_BYTES_MAX) {
    free (t);
    log_oom ();
    return NULL;
  }
  pthread_mutex_init (&t->zero_lock, NULL);
  t->type = type;
  t->size = size;
  t->blocks = blocks;
  t->digest_size = block_digest_size (type);
  if (key != NULL)
    memcpy (t->key, key, DIGEST_KEY_BYTES);
  /* Never of 0 bytes, for which calloc may return NULL. */
  t->digests = calloc (blocks + 1, t->digest_size);
  t->known = calloc (blocks + 1, 1);
  if (t->digests == NULL || t->known == NULL) {
    digest_tree_free (t);
    log_oom ();
    return NULL;
  }
  return t;
}

struct digest_tree *
digest_tree_new (uint64_t size, enum block_digest type)
{
  uint8_t key[DIGEST_KEY_BYTES] = { 0 };

  if (block_digest_has_key (type) &&
      RAND_priv_bytes (key, sizeof key) != 1) {
    log_error ("OpenSSL has no random numbers for the key of the digests");
    errno = EIO;
    return NULL;
  }
  return digest_tree_make (size, type, key);
}

struct digest_tree *
digest_tree_new_like (const struct digest_tree *t)
{
  return digest_tree_make (t->size, t->type, t->key);
}

struct digest_tree *
digest_tree_resized (const struct digest_tree *t, uint64_t size)
{
  struct digest_tree *r = digest_tree_make (size, t->type, t->key);
  uint64_t i;

  if (r == NULL)
    return NULL;
  for (i = 0; i < MIN (t->blocks, r->blocks); ++i)
    if (t->known[i] && block_length (t, i) == block_length (r, i))
      digest_tree_restore (r, i, digest_at (t, i));
  return r;
}

void
digest_tree_free (struct digest_tree *t)
{
  if (t == NULL)
    return;
  pthread_mutex_destroy (&t->zero_lock);
  free (t->digests);
  free (t->known);
  free (t);
}

uint64_t
digest_tree_size (const struct digest_tree *t)
{
  return t->size;
}

uint64_t
digest_tree_blocks (const struct digest_tree *t)
{
  return t->blocks;
}

enum block_digest
digest_tree_type (const struct digest_tree *t)
{
  return t->type;
}

size_t
digest_tree_digest_size (const struct digest_tree *t)
{
  return t->digest_size;
}

const uint8_t *
digest_tree_key (const struct digest_tree *t)
{
  return t->key;
}

void
digest_tree_set_key (struct digest_tree *t, const uint8_t *key)
{
  memcpy (t->key, key, DIGEST_KEY_BYTES);
  atomic_store (&t->zero_made, false);
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
  if (digest_tree_compute (t, data, len, digest_at (t, block)) == -1)
    return -1;
  t->known[block] = 1;
  return 0;
}

static int
make_zero (struct digest_tree *t)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&t->zero_lock);

  if (atomic_load (&t->zero_made))
    return 0;
  if (block_digest_of_zeroes (t->type, t->key, DIGEST_BLOCK, t->zero) == -1)
    return -1;
  atomic_store (&t->zero_made, true);
  return 0;
}

int
digest_tree_set_zero (struct digest_tree *t, uint64_t block)
{
  if (block >= t->blocks)
    return misfit (t, block);
  if (block_length (t, block) == DIGEST_BLOCK) {
    if (!atomic_load (&t->zero_made) && make_zero (t) == -1)
      return -1;
    memcpy (digest_at (t, block), t->zero, t->digest_size);
  }
  else if (block_digest_of_zeroes (t->type, t->key, block_length (t, block),
                                   digest_at (t, block)) == -1)
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

int
digest_tree_compute (const struct digest_tree *t, const void *data,
                     size_t len, uint8_t *out)
{
  return block_digest_of (t->type, t->key, data, len, out);
}

const uint8_t *
digest_tree_get (const struct digest_tree *t, uint64_t block)
{
  return block < t->blocks && t->known[block] ? digest_at (t, block) : NULL;
}

void
digest_tree_restore (struct digest_tree *t, uint64_t block,
                     const uint8_t *digest)
{
  if (block >= t->blocks)
    return;
  memcpy (digest_at (t, block), digest, t->digest_size);
  t->known[block] = 1;
}

void
digest_tree_forget (struct digest_tree *t, uint64_t block)
{
  if (block < t->blocks)
    t->known[block] = 0;
}

bool
digest_tree_matches (const struct digest_tree *t, uint64_t block,
                     const void *data, uint64_t len)
{
  uint8_t digest[DIGEST_BYTES_MAX];

  return fits (t, block, len) && t->known[block] &&
    digest_tree_compute (t, data, len, digest) == 0 &&
    memcmp (digest, digest_at (t, block), t->digest_size) == 0;
}

int64_t
digest_tree_compare (const struct digest_tree *a, const struct digest_tree *b)
{
  uint64_t i;

  if (a->size != b->size || a->type != b->type ||
      memcmp (a->key, b->key, sizeof a->key) != 0)
    return -2;
  for (i = 0; i < a->blocks; ++i)
    if (!a->known[i] || !b->known[i] ||
        memcmp (digest_at (a, i), digest_at (b, i), a->digest_size) != 0)
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
    ret = digest_update (d, t->digests, t->blocks * t->digest_size);
  if (ret == 0)
    ret = digest_final (d, root);
  digest_free (d);
  return ret;
}

int
digest_tree_root (const struct digest_tree *t, char *hex)
{
  uint8_t root[ROOT_BYTES];

  if (digest_tree_raw_root (t, root) == -1)
    return -1;
  hex_of_bytes (root, sizeof root, hex);
  return 0;
}
