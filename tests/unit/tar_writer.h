/* SPDX-License-Identifier: BSD-3-Clause
 *
 * For unit tests: write tar archives, right and wrong ones, into memory.
 * The caller includes cmocka.
 */
#ifndef NBDLIFT_TESTS_TAR_WRITER_H
#define NBDLIFT_TESTS_TAR_WRITER_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/util/strbuf.h"

struct tar_header {
  const char *name;
  char type;                    /* 0 means '0' */
  uint64_t size;
  const char *prefix;           /* or NULL */
  const char *magic;            /* NULL: "ustar", with its NUL; "" for none */
  const char *raw_size;         /* 12 bytes in place of SIZE, or NULL */
  int checksum_error;           /* added to the checksum */
};

static inline void
tar_put (struct strbuf *b, const void *data, size_t n)
{
  assert_int_equal (strbuf_append_bytes (b, data, n), 0);
}

static inline void
tar_put_header (struct strbuf *b, struct tar_header h)
{
  uint8_t block[512] = { 0 };
  char number[13];
  unsigned i, sum = 0;

  strncpy ((char *) block, h.name, 100);
  memcpy (block + 100, "0000644", 8);
  snprintf (number, sizeof number, "%011" PRIo64,
            h.size & UINT64_C (077777777777));
  memcpy (block + 124, h.raw_size ? h.raw_size : number, 12);
  block[156] = h.type ? h.type : '0';
  if (h.magic == NULL)
    memcpy (block + 257, "ustar\0" "00", 9);
  else
    strncpy ((char *) block + 257, h.magic, 8);
  if (h.prefix)
    memcpy (block + 345, h.prefix, strlen (h.prefix));
  memset (block + 148, ' ', 8);
  for (i = 0; i < sizeof block; ++i)
    sum += block[i];
  snprintf (number, sizeof number, "%06o", sum + h.checksum_error);
  memcpy (block + 148, number, 7);
  tar_put (b, block, sizeof block);
}

/* Data, filled up to whole blocks. */
static inline void
tar_put_data (struct strbuf *b, const void *data, size_t n)
{
  static const uint8_t zero[512];

  tar_put (b, data, n);
  tar_put (b, zero, (512 - n % 512) % 512);
}

static inline void
tar_put_file (struct strbuf *b, const char *name, const char *text)
{
  tar_put_header (b, (struct tar_header) { .name = name,
                                           .size = strlen (text) });
  tar_put_data (b, text, strlen (text));
}

/* One pax record is "LENGTH KEY=VALUE\n". */
static inline void
tar_put_pax (struct strbuf *b, char type, const char *key, const char *value)
{
  char record[8192];
  size_t n = strlen (key) + strlen (value) + 3, digits = 1;

  while ((size_t) snprintf (NULL, 0, "%zu", n + digits) > digits)
    digits++;
  snprintf (record, sizeof record, "%zu %s=%s\n", n + digits, key, value);
  tar_put_header (b, (struct tar_header) { .name = "pax", .type = type,
                                           .size = n + digits });
  tar_put_data (b, record, n + digits);
}

static inline void
tar_put_end (struct strbuf *b)
{
  static const uint8_t zero[1024];

  tar_put (b, zero, sizeof zero);
}

#endif /* NBDLIFT_TESTS_TAR_WRITER_H */
