/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Escapes and classes of characters in a regular expression.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <errno.h>
#include <pcre2.h>
#include <stdio.h>
#include <string.h>

#include "common/include/hex.h"
#include "common/include/minmax.h"
#include "common/template/regex_private.h"

/* What follows "\x".  *C is -1 if it is no number. */
static int
hex_escape (struct translator *t, int32_t *c)
{
  int32_t digit, v = 0;
  size_t nr = 0;
  int r;

  *c = -1;
  if (regex_at_end (t))
    return 0;
  if (!regex_at (t, 0, '{')) {
    for (; nr < 2; ++nr) {
      if (regex_at_end (t))
        return 0;
      r = regex_next (t, &digit);
      if (r != 0)
        return r;
      if (hex_digit (digit) < 0)
        v = -0x200;             /* stays negative; the other one is read */
      else
        v = v * 16 + hex_digit (digit);
    }
    *c = v < 0 ? -1 : v;
    return 0;
  }
  t->i++;
  for (;; ++nr) {
    if (regex_at_end (t))
      return 0;
    r = regex_next (t, &digit);
    if (r != 0)
      return r;
    if (digit == '}')
      break;
    if (hex_digit (digit) < 0)
      return 0;
    v = v * 16 + hex_digit (digit);
    if (v > 0x10ffff)
      return 0;
  }
  if (nr > 0)
    *c = v;
  return 0;
}

/* "\" and what stands for one character. */
int
regex_escape (struct translator *t, int32_t *c)
{
  static const char from[] = "afnrtv";
  static const unsigned char to[] = "\a\f\n\r\t\v";
  const size_t start = t->i++;
  const char *p;
  int i, r;

  if (regex_at_end (t))
    return regex_fail (t, "trailing backslash at end of expression", start,
                       start);
  r = regex_next (t, c);
  if (r != 0)
    return r;
  if (*c < 0x80 && !rune_is_letter (*c))
    return 0;
  p = *c < 0x80 ? strchr (from, *c) : NULL;
  if (p) {
    *c = to[p - from];
    return 0;
  }
  if (*c == '0' || (*c >= '1' && *c <= '7' && !regex_at_end (t) &&
                    t->s.ptr[t->i] >= '0' && t->s.ptr[t->i] <= '7')) {
    *c -= '0';
    for (i = 1; i < 3 && !regex_at_end (t) && t->s.ptr[t->i] >= '0' &&
           t->s.ptr[t->i] <= '7'; ++i)
      *c = *c * 8 + (t->s.ptr[t->i++] - '0');
    return 0;
  }
  if (*c == 'x') {
    r = hex_escape (t, c);
    if (r != 0 || *c >= 0)
      return r;
  }
  return regex_fail (t, "invalid escape sequence", start, t->i);
}

/* True if the N bytes at S name a class of characters. */
static bool
is_property (const char *s, size_t n)
{
  pcre2_code *code;
  char pattern[80];
  PCRE2_SIZE offset;
  size_t i;
  int error;

  for (i = n > 0 && s[0] == '^'; i < n; ++i)
    if (s[i] != '_' && ((unsigned char) s[i] >= 0x80 ||
                        !rune_is_letter (s[i])))
      return false;
  if (n > 64)
    return false;
  snprintf (pattern, sizeof pattern, "\\p{%.*s}", (int) n, s);
  code = pcre2_compile ((PCRE2_SPTR) pattern, PCRE2_ZERO_TERMINATED,
                        PCRE2_UTF, &error, &offset, NULL);
  pcre2_code_free (code);
  return code != NULL;
}

/* "\d", "\pL" and so on; *NONE if it is none of those.  Inside of brackets
 * if IN_CLASS.
 */
int
regex_class_escape (struct translator *t, bool in_class, bool *none)
{
  const size_t start = t->i;
  const char *end;
  size_t i, n;
  int32_t c;
  int r;

  *none = true;
  if (!regex_at (t, 0, '\\') || t->i + 1 >= t->s.len)
    return 0;
  *none = false;
  switch (t->s.ptr[t->i + 1]) {
  case 'd': t->i += 2; return regex_put (t, "\\d");
  case 'D': t->i += 2; return regex_put (t, "\\D");
  case 'w': t->i += 2; return regex_put (t, "\\w");
  case 'W': t->i += 2; return regex_put (t, "\\W");
  /* PCRE2 counts the vertical tab among the blanks. */
  case 's':
    t->i += 2;
    return regex_put (t, in_class ? "\\t\\n\\f\\r\\x20" :
                      "[\\t\\n\\f\\r\\x20]");
  case 'S':
    t->i += 2;
    return regex_put (t, in_class ? "\\S\\x0b" : "[^\\t\\n\\f\\r\\x20]");
  case 'p': case 'P':
    break;
  default:
    *none = true;
    return 0;
  }

  t->i += 2;
  if (regex_at_end (t))
    return regex_fail (t, "invalid character class range", start, t->i);
  i = t->i;
  r = regex_next (t, &c);
  if (r != 0)
    return r;
  n = t->i - i;
  if (c == '{') {
    end = memchr (t->s.ptr + t->i, '}', t->s.len - t->i);
    if (end == NULL)
      return regex_fail (t, "invalid character class range", start, t->s.len);
    i = t->i;
    n = end - t->s.ptr - i;
    t->i = i + n + 1;
  }
  if (!is_property (t->s.ptr + i, n))
    return regex_fail (t, "invalid character class range", start, t->i);
  if (regex_put (t, t->s.ptr[start + 1] == 'p' ? "\\p{" : "\\P{") == -1 ||
      text_append (t->out, (struct text) { t->s.ptr + i, n }, 1) == -1)
    return -1;
  return regex_put (t, "}");
}

/* "[:alpha:]" inside of brackets. */
static int
posix_class (struct translator *t, bool *none)
{
  static const char *const names[] = {
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower",
    "print", "punct", "space", "upper", "word", "xdigit",
  };
  const char *const s = t->s.ptr + t->i;
  const char *end;
  struct text name;
  size_t i, n;

  *none = true;
  if (!regex_at (t, 0, '[') || !regex_at (t, 1, ':'))
    return 0;
  end = memmem (s + 2, t->s.len - t->i - 2, ":]", 2);
  if (end == NULL)
    return 0;
  *none = false;
  n = end + 2 - s;
  name = (struct text) { s + 2, end - s - 2 };
  if (name.len > 0 && name.ptr[0] == '^')
    name = (struct text) { name.ptr + 1, name.len - 1 };
  for (i = 0; i < ARRAY_SIZE (names); ++i)
    if (text_is (name, names[i]))
      break;
  if (i == ARRAY_SIZE (names))
    return regex_fail (t, "invalid character class range", t->i, t->i + n);
  t->i += n;
  return text_append (t->out, (struct text) { s, n }, 1);
}

static int
class_char (struct translator *t, size_t class, int32_t *c)
{
  if (regex_at_end (t))
    return regex_fail (t, "missing closing ]", class, t->s.len);
  return regex_at (t, 0, '\\') ? regex_escape (t, c) : regex_next (t, c);
}

/* A character or a range inside of brackets that began at CLASS. */
static int
class_range (struct translator *t, size_t class)
{
  const size_t start = t->i;
  int32_t low = 0, high;
  int r = class_char (t, class, &low);

  if (r != 0)
    return r;
  high = low;
  if (regex_at (t, 0, '-') && t->i + 1 < t->s.len && !regex_at (t, 1, ']')) {
    t->i++;
    r = class_char (t, class, &high);
    if (r != 0)
      return r;
    if (high < low)
      return regex_fail (t, "invalid character class range", start, t->i);
  }
  if (regex_put_char (t, low) == -1)
    return -1;
  if (high == low)
    return 0;
  return regex_put (t, "-") == -1 ? -1 : regex_put_char (t, high);
}

int
regex_class (struct translator *t)
{
  const size_t start = t->i++;
  bool first = true, none;
  int r;

  if (regex_put (t, regex_at (t, 0, '^') ? "[^" : "[") == -1)
    return -1;
  t->i += regex_at (t, 0, '^');
  while (first || !regex_at (t, 0, ']')) {
    first = false;
    r = posix_class (t, &none);
    if (r == 0 && none)
      r = regex_class_escape (t, true, &none);
    if (r == 0 && none)
      r = class_range (t, start);
    if (r != 0)
      return r;
  }
  t->i++;
  regex_item (t);
  return regex_put (t, "]");
}
