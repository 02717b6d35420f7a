/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Message digests with OpenSSL's EVP interface, and the identifiers made
 * from them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/evp.h>

#include "common/include/hex.h"
#include "common/include/minmax.h"
#include "common/util/digest.h"
#include "common/util/log.h"

static const struct {
  const char *name;             /* as OVF manifests write it */
  const char *dashed;
  size_t size;
  const EVP_MD *(*md) (void);
} types[] = {
  [DIGEST_SHA1] = { "SHA1", "SHA-1", 20, EVP_sha1 },
  [DIGEST_SHA256] = { "SHA256", "SHA-256", 32, EVP_sha256 },
  [DIGEST_SHA512] = { "SHA512", "SHA-512", 64, EVP_sha512 },
};

struct digest {
  EVP_MD_CTX *ctx;
  enum digest_type type;
};

size_t
digest_size (enum digest_type type)
{
  return types[type].size;
}

const char *
digest_name (enum digest_type type)
{
  return types[type].name;
}

bool
digest_type_of_name (const char *name, size_t len, enum digest_type *type)
{
  size_t i;

  for (i = 0; i < ARRAY_SIZE (types); ++i) {
    if ((len == strlen (types[i].name) &&
         strncasecmp (name, types[i].name, len) == 0) ||
        (len == strlen (types[i].dashed) &&
         strncasecmp (name, types[i].dashed, len) == 0)) {
      *type = i;
      return true;
    }
  }
  return false;
}

static int
start (struct digest *d)
{
  if (EVP_DigestInit_ex (d->ctx, types[d->type].md (), NULL) != 1) {
    log_error ("OpenSSL can not compute %s digests: is this host in a mode "
               "that forbids them?", types[d->type].name);
    errno = ENOTSUP;
    return -1;
  }
  return 0;
}

struct digest *
digest_new (enum digest_type type)
{
  struct digest *d;

  d = calloc (1, sizeof *d);
  if (d == NULL) {
    log_oom ();
    return NULL;
  }
  d->type = type;
  d->ctx = EVP_MD_CTX_new ();
  if (d->ctx == NULL) {
    free (d);
    log_oom ();
    return NULL;
  }
  if (start (d) == -1) {
    digest_free (d);
    errno = ENOTSUP;
    return NULL;
  }
  return d;
}

int
digest_update (struct digest *d, const void *data, size_t n)
{
  if (EVP_DigestUpdate (d->ctx, data, n) != 1) {
    log_error ("OpenSSL failed to compute a %s digest",
               types[d->type].name);
    errno = EIO;
    return -1;
  }
  return 0;
}

int
digest_final (struct digest *d, uint8_t *out)
{
  uint8_t result[DIGEST_MAX_SIZE];

  if (EVP_DigestFinal_ex (d->ctx, result, NULL) != 1) {
    log_error ("OpenSSL failed to compute a %s digest",
               types[d->type].name);
    errno = EIO;
    return -1;
  }
  if (start (d) == -1)
    return -1;
  memcpy (out, result, types[d->type].size);
  return 0;
}

void
digest_free (struct digest *d)
{
  if (d == NULL)
    return;
  EVP_MD_CTX_free (d->ctx);
  free (d);
}

static void
cleanup_digest (struct digest **d)
{
  digest_free (*d);
}

int
digest_once (enum digest_type type, const void *data, size_t n, uint8_t *out)
{
  __attribute__ ((cleanup (cleanup_digest)))
  struct digest *d = digest_new (type);

  if (d == NULL)
    return -1;
  if (digest_update (d, data, n) == -1)
    return -1;
  return digest_final (d, out);
}

void
hex_of_bytes (const uint8_t *bytes, size_t n, char *hex)
{
  static const char digits[] = "0123456789abcdef";
  size_t i;

  for (i = 0; i < n; ++i) {
    hex[2 * i] = digits[bytes[i] >> 4];
    hex[2 * i + 1] = digits[bytes[i] & 15];
  }
  hex[2 * n] = '\0';
}

bool
bytes_of_hex (const char *hex, size_t len, uint8_t *bytes, size_t n)
{
  size_t i;

  if (len % 2 != 0 || len / 2 != n)
    return false;
  for (i = 0; i < len; ++i)
    if (hex_digit (hex[i]) == -1)
      return false;
  for (i = 0; i < n; ++i)
    bytes[i] = hex_digit (hex[2 * i]) * 16 + hex_digit (hex[2 * i + 1]);
  return true;
}

bool
is_uuid (const char *s)
{
  size_t i;

  for (i = 0; i < UUID_TEXT_SIZE - 1; ++i) {
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (s[i] != '-')
        return false;
    }
    else if (hex_digit (s[i]) == -1)       /* also stops at the NUL */
      return false;
  }
  return s[i] == '\0';
}

int
uuid_of_strings (const char *const *strings, size_t n, char *out)
{
  __attribute__ ((cleanup (cleanup_digest)))
  struct digest *d = digest_new (DIGEST_SHA256);
  uint8_t hash[DIGEST_MAX_SIZE];
  char hex[DIGEST_MAX_HEX];
  size_t i;

  if (d == NULL)
    return -1;
  for (i = 0; i < n; ++i)
    /* With its NUL, so that ("ab", "c") differs from ("a", "bc"). */
    if (digest_update (d, strings[i], strlen (strings[i]) + 1) == -1)
      return -1;
  if (digest_final (d, hash) == -1)
    return -1;

  hash[6] = (hash[6] & 0x0f) | 0x50;    /* version 5 */
  hash[8] = (hash[8] & 0x3f) | 0x80;    /* variant of RFC 4122 */
  hex_of_bytes (hash, 16, hex);
  memcpy (out, hex, 8);
  out[8] = '-';
  memcpy (out + 9, hex + 8, 4);
  out[13] = '-';
  memcpy (out + 14, hex + 12, 4);
  out[18] = '-';
  memcpy (out + 19, hex + 16, 4);
  out[23] = '-';
  memcpy (out + 24, hex + 20, 12);
  out[36] = '\0';
  return 0;
}
