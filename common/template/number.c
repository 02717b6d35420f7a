/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Numbers as package strconv reads and writes them.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/include/hex.h"
#include "common/include/minmax.h"
#include "common/template/private.h"

#define MAX_DIGITS 400          /* of a number in a template */

/* "_" only between digits, or between a prefix and a digit. */
static bool
underscores_ok (struct text s)
{
  char before = '^';            /* '0' a digit, '_', '!' anything else */
  size_t i = 0;
  bool hex = false;

  if (s.len && (s.ptr[0] == '-' || s.ptr[0] == '+'))
    i = 1;
  if (s.len - i >= 2 && s.ptr[i] == '0' && strchr ("bBoOxX", s.ptr[i + 1])) {
    hex = (s.ptr[i + 1] | 0x20) == 'x';
    before = '0';
    i += 2;
  }
  for (; i < s.len; ++i) {
    const char c = s.ptr[i];

    if ((c >= '0' && c <= '9') || (hex && hex_digit (c) >= 0))
      before = '0';
    else if (c == '_') {
      if (before != '0')
        return false;
      before = '_';
    }
    else {
      if (before == '_')
        return false;
      before = '!';
    }
  }
  return before != '_';
}

/* S without "_" into BUF, a string.  False if it is too long, or if one
 * stands where it must not.
 */
static bool
strip (struct text s, char buf[MAX_DIGITS])
{
  size_t i, n = 0;

  if (s.len == 0 || memchr (s.ptr, '\0', s.len) ||
      (memchr (s.ptr, '_', s.len) && !underscores_ok (s)))
    return false;
  for (i = 0; i < s.len; ++i)
    if (s.ptr[i] != '_') {
      if (n == MAX_DIGITS - 1)
        return false;
      buf[n++] = s.ptr[i];
    }
  buf[n] = '\0';
  return true;
}

/* Digits of a number without sign, base by its prefix. */
static bool
parse_digits (const char *s, uint64_t *r)
{
  int base = 10;

  if (s[0] == '0' && s[1] != '\0') {
    const char *const p = strchr ("bBoOxX", s[1]);

    base = p == NULL ? 8 : (s[1] | 0x20) == 'b' ? 2 :
      (s[1] | 0x20) == 'o' ? 8 : 16;
    s += p ? 2 : 1;
  }
  return parse_u64_n (s, strlen (s), base, r);
}

bool
number_parse_uint (struct text s, uint64_t *r)
{
  char buf[MAX_DIGITS];

  return strip (s, buf) && parse_digits (buf, r);
}

bool
number_parse_int (struct text s, int64_t *r)
{
  char buf[MAX_DIGITS];
  const char *p = buf;
  const uint64_t limit = (uint64_t) INT64_MAX;
  bool negative;
  uint64_t v;

  if (!strip (s, buf))
    return false;
  negative = *p == '-';
  if (*p == '-' || *p == '+')
    p++;
  if (!parse_digits (p, &v) || v > limit + negative)
    return false;
  *r = negative ? (int64_t) (0 - v) : (int64_t) v;
  return true;
}

bool
number_parse_float (struct text s, double *r)
{
  char buf[MAX_DIGITS];
  const char *p = buf;
  char *end;
  double v;

  if (!strip (s, buf))
    return false;
  if (*p == '-' || *p == '+')
    p++;
  /* No blanks, no nan(...); a hexadecimal one needs an exponent. */
  if (!(*p >= '0' && *p <= '9') && *p != '.' &&
      strcasecmp (p, "inf") != 0 && strcasecmp (p, "infinity") != 0 &&
      (p != buf || strcasecmp (p, "nan") != 0))
    return false;
  if (p[0] == '0' && (p[1] | 0x20) == 'x' && !strpbrk (p, "pP"))
    return false;
  errno = 0;
  v = strtod (buf, &end);
  if (*end != '\0' || end == buf ||
      (errno == ERANGE && (v == HUGE_VAL || v == -HUGE_VAL)))
    return false;
  *r = v;
  return true;
}

/* The shortest "%.*e" that reads as F again. */
static void
shortest (double f, char *buf, size_t size)
{
  int precision;

  for (precision = 0; precision < 17; ++precision) {
    snprintf (buf, size, "%.*e", precision, f);
    if (strtod (buf, NULL) == f)
      return;
  }
}

int
number_append_float (struct strbuf *b, double f, char verb, int precision)
{
  char e[40], format[8];
  const char lower = verb | 0x20;
  int exponent, digits;

  if (isnan (f))
    return strbuf_append (b, "NaN");
  if (isinf (f))
    return strbuf_append (b, f < 0 ? "-Inf" : "+Inf");
  if (precision >= 0) {
    snprintf (format, sizeof format, "%%.*%c", verb);
    return strbuf_printf (b, format, precision, f);
  }

  shortest (f, e, sizeof e);
  exponent = strtol (strchr (e, 'e') + 1, NULL, 10);
  digits = strcspn (e + (e[0] == '-'), "e");
  if (digits > 1)
    digits--;                   /* the point */
  /* What %g decides by when the precision is the shortest one. */
  if (lower == 'e' || (lower == 'g' && (exponent < -4 || exponent >= 6))) {
    if (verb == 'E' || verb == 'G')
      *strchr (e, 'e') = 'E';
    return strbuf_append (b, e);
  }
  return strbuf_printf (b, "%.*f", MAX (digits - 1 - exponent, 0), f);
}
