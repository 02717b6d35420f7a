/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A decoder of our own, because OpenSSL's EVP_DecodeBlock accepts what
 * it should not (blanks, data behind the padding) and reports the wrong
 * length when there is padding.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/util/log.h"
#include "driver/plan/base64.h"

static int
digit_value (char c)
{
  if (c >= 'A' && c <= 'Z')
    return c - 'A';
  if (c >= 'a' && c <= 'z')
    return c - 'a' + 26;
  if (c >= '0' && c <= '9')
    return c - '0' + 52;
  if (c == '+')
    return 62;
  return c == '/' ? 63 : -1;
}

/* Decode to OUT, which has room.  Returns the length or -1. */
static ssize_t
decode (const char *text, size_t len, unsigned char *out)
{
  uint32_t bits = 0;
  unsigned nr_bits = 0, nr_digits = 0, nr_pads = 0;
  ssize_t n = 0;
  size_t i;
  int v;

  for (i = 0; i < len; ++i) {
    if (text[i] == '\r' || text[i] == '\n')
      continue;
    if (text[i] == '=') {
      nr_pads++;
      continue;
    }
    v = digit_value (text[i]);
    if (v == -1 || nr_pads > 0)
      return -1;
    nr_digits++;
    bits = bits << 6 | (uint32_t) v;
    nr_bits += 6;
    if (nr_bits >= 8) {
      nr_bits -= 8;
      out[n++] = bits >> nr_bits & 0xff;
      bits &= (1U << nr_bits) - 1;
    }
  }
  if ((nr_digits + nr_pads) % 4 != 0 || nr_pads > 2 || bits != 0)
    return -1;
  return n;
}

int
base64_decode (const char *text, size_t len, char **data, size_t *data_len)
{
  char *out = malloc (len / 4 * 3 + 4);
  ssize_t n;

  if (out == NULL) {
    log_oom ();
    return -1;
  }
  n = decode (text, len, (unsigned char *) out);
  if (n == -1) {
    explicit_bzero (out, len / 4 * 3 + 4);
    free (out);
    errno = EINVAL;
    return -1;
  }
  out[n] = '\0';
  *data = out;
  *data_len = n;
  return 0;
}
