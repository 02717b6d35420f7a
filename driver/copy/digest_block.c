/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The digest of one block.
 *
 * Poly1305 (RFC 8439 section 2.5) is used here as a universal hash, not as
 * an authenticator.  As an authenticator a key serves for one message; here
 * r and s serve for every block of a disk, which is sound for what it is
 * for: whoever changes a block (a bad cable, a bug, a lost write) does so
 * without regard to the random r.  The digest is the block as a polynomial
 * over the field of 2^130 - 5, at the point r, plus s.  Two different
 * blocks of at most L bytes have the same digest for at most
 * 8 * ceil (L / 16) of the 2^106 possible r (Bernstein, "The Poly1305-AES
 * message-authentication code", theorem 3.3): for 1 MiB the probability is
 * 2^-87, and that any of the 2^26 blocks of a disk of 64 TiB changes
 * unnoticed, 2^-61.  s adds nothing to that, being the same on both sides.
 *
 * OpenSSL's methods are fetched once (a fetch takes locks and compares
 * names), and each thread keeps its contexts: what a block costs beside
 * its bytes is a key setup.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>

#include "common/include/minmax.h"
#include "common/util/log.h"
#include "driver/copy/digest_tree_private.h"

static const struct {
  const char *name;
  const char *title;            /* in messages */
  size_t size;
  bool has_key;
} types[] = {
  [BLOCK_DIGEST_POLY1305] = { "poly1305", "Poly1305", 16, true },
  [BLOCK_DIGEST_SHA256] = { "sha256", "SHA-256", 32, false },
};

bool
block_digest_of_name (const char *name, enum block_digest *type)
{
  size_t i;

  for (i = 0; i < ARRAY_SIZE (types); ++i)
    if (strcmp (name, types[i].name) == 0) {
      *type = i;
      return true;
    }
  return false;
}

const char *
block_digest_name (enum block_digest type)
{
  return types[type].name;
}

size_t
block_digest_size (enum block_digest type)
{
  return types[type].size;
}

bool
block_digest_has_key (enum block_digest type)
{
  return types[type].has_key;
}

/* What OpenSSL has, or NULL. */
static EVP_MAC *poly1305;
static EVP_MD *sha256;

/* The contexts of a thread, made when it needs them. */
struct contexts {
  EVP_MAC_CTX *mac;
  EVP_MD_CTX *md;
};

static pthread_key_t contexts_key;
static bool contexts_key_made;

static void
free_contexts (void *opaque)
{
  struct contexts *c = opaque;

  EVP_MAC_CTX_free (c->mac);
  EVP_MD_CTX_free (c->md);
  free (c);
}

static void
fetch_methods (void)
{
  poly1305 = EVP_MAC_fetch (NULL, "POLY1305", NULL);
  sha256 = EVP_MD_fetch (NULL, "SHA2-256", NULL);
  contexts_key_made = pthread_key_create (&contexts_key, free_contexts) == 0;
}

/* Those of this thread, or NULL without memory. */
static struct contexts *
own_contexts (void)
{
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  struct contexts *c;

  pthread_once (&once, fetch_methods);
  if (!contexts_key_made)
    return NULL;
  c = pthread_getspecific (contexts_key);
  if (c != NULL)
    return c;
  c = calloc (1, sizeof *c);
  if (c != NULL && pthread_setspecific (contexts_key, c) != 0) {
    free (c);
    c = NULL;
  }
  return c;
}

static bool
begin (struct contexts *c, enum block_digest type, const uint8_t *key)
{
  if (type == BLOCK_DIGEST_POLY1305) {
    if (c->mac == NULL && poly1305 != NULL)
      c->mac = EVP_MAC_CTX_new (poly1305);
    return c->mac != NULL &&
      EVP_MAC_init (c->mac, key, DIGEST_KEY_BYTES, NULL) == 1;
  }
  if (c->md == NULL)
    c->md = EVP_MD_CTX_new ();
  return c->md != NULL && sha256 != NULL &&
    EVP_DigestInit_ex2 (c->md, sha256, NULL) == 1;
}

static bool
update (struct contexts *c, enum block_digest type, const void *data,
        size_t len)
{
  return type == BLOCK_DIGEST_POLY1305 ?
    EVP_MAC_update (c->mac, data, len) == 1 :
    EVP_DigestUpdate (c->md, data, len) == 1;
}

static bool
end (struct contexts *c, enum block_digest type, uint8_t *out)
{
  uint8_t digest[DIGEST_BYTES_MAX];
  size_t len;

  if (type == BLOCK_DIGEST_POLY1305 ?
      EVP_MAC_final (c->mac, digest, &len, sizeof digest) != 1 :
      EVP_DigestFinal_ex (c->md, digest, NULL) != 1)
    return false;
  memcpy (out, digest, types[type].size);
  return true;
}

static int
failed (enum block_digest type)
{
  log_error ("OpenSSL can not compute %s digests: is this host in a mode "
             "that forbids them (FIPS)?", types[type].title);
  errno = ENOTSUP;
  return -1;
}

int
block_digest_of (enum block_digest type, const uint8_t *key,
                 const void *data, size_t len, uint8_t *out)
{
  struct contexts *c = own_contexts ();

  if (c == NULL) {
    log_oom ();
    return -1;
  }
  return begin (c, type, key) && update (c, type, data, len) &&
    end (c, type, out) ? 0 : failed (type);
}

int
block_digest_of_zeroes (enum block_digest type, const uint8_t *key,
                        size_t len, uint8_t *out)
{
  static const uint8_t zeroes[4096];
  struct contexts *c = own_contexts ();
  size_t n;

  if (c == NULL) {
    log_oom ();
    return -1;
  }
  if (!begin (c, type, key))
    return failed (type);
  for (; len > 0; len -= n) {
    n = MIN (len, sizeof zeroes);
    if (!update (c, type, zeroes, n))
      return failed (type);
  }
  return end (c, type, out) ? 0 : failed (type);
}
