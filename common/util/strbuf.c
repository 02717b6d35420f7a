/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A growing string, and strict readers of numbers.  Text from outside
 * is checked as UTF-8 here by the table of RFC 3629, section 4, so that
 * nothing but printable characters reaches a terminal.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/checked.h"
#include "common/include/hex.h"
#include "common/include/minmax.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"

/* Make room for N more bytes and the NUL. */
static int
reserve (struct strbuf *b, size_t n)
{
  uint64_t need, cap;
  char *p;

  if (!checked_add (b->len, n, &need) || !checked_add (need, 1, &need) ||
      need > PTRDIFF_MAX) {
    errno = ENOMEM;
    return -1;
  }
  if (b->ptr && need <= b->cap)
    return 0;
  if (!checked_add (need, b->cap / 2 + 32, &cap) || cap > PTRDIFF_MAX)
    cap = need;

  p = realloc (b->ptr, cap);
  if (p == NULL)
    return -1;
  b->ptr = p;
  b->cap = cap;
  return 0;
}

int
strbuf_append_bytes (struct strbuf *b, const char *s, size_t n)
{
  if (reserve (b, n) == -1)
    return -1;
  if (n > 0)
    memcpy (b->ptr + b->len, s, n);
  b->len += n;
  b->ptr[b->len] = '\0';
  return 0;
}

int
strbuf_append (struct strbuf *b, const char *s)
{
  return strbuf_append_bytes (b, s, strlen (s));
}

int
strbuf_append_char (struct strbuf *b, char c)
{
  return strbuf_append_bytes (b, &c, 1);
}

int
strbuf_printf (struct strbuf *b, const char *fmt, ...)
{
  va_list args, again;
  int n, r = -1;

  va_start (args, fmt);
  va_copy (again, args);
  n = vsnprintf (NULL, 0, fmt, args);
  if (n >= 0 && reserve (b, n) == 0) {
    vsnprintf (b->ptr + b->len, (size_t) n + 1, fmt, again);
    b->len += n;
    r = 0;
  }
  va_end (again);
  va_end (args);
  if (r == -1)
    errno = ENOMEM;
  return r;
}

char *
vformat_text (const char *fmt, va_list args)
{
  char *text;

  if (vasprintf (&text, fmt, args) == -1) {
    log_oom ();
    return NULL;
  }
  return text;
}

char *
format_text (const char *fmt, ...)
{
  va_list args;
  char *text;

  va_start (args, fmt);
  text = vformat_text (fmt, args);
  va_end (args);
  return text;
}

char *
strbuf_steal (struct strbuf *b)
{
  char *ret;

  if (b->ptr == NULL)
    return strdup ("");
  ret = b->ptr;
  b->ptr = NULL;
  b->len = b->cap = 0;
  return ret;
}

void
strbuf_free (struct strbuf *b)
{
  free (b->ptr);
  b->ptr = NULL;
  b->len = b->cap = 0;
}

/* Characters that no POSIX shell treats specially, wherever they are. */
static const char shell_safe[] =
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
  "-_=,.:/+@%";

int
strbuf_append_shell_quoted (struct strbuf *b, const char *s)
{
  const size_t old_len = b->len;
  int r;

  if (*s != '\0' && s[strspn (s, shell_safe)] == '\0')
    return strbuf_append (b, s);

  r = strbuf_append_char (b, '\'');
  for (; r == 0 && *s != '\0'; ++s) {
    if (*s == '\'')
      r = strbuf_append (b, "'\\''");
    else
      r = strbuf_append_char (b, *s);
  }
  if (r == 0)
    r = strbuf_append_char (b, '\'');

  if (r == -1 && b->ptr) {      /* as before, on failure */
    b->len = old_len;
    b->ptr[old_len] = '\0';
  }
  return r;
}

/* Length of the well-formed UTF-8 character at S, and its code point; 0
 * if there is none.
 */
static size_t
utf8_char (const unsigned char *s, size_t n, uint32_t *code)
{
  static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
  size_t len, i;
  uint32_t c;

  if (n == 0)
    return 0;
  if (s[0] < 0x80) {
    *code = s[0];
    return 1;
  }
  if (s[0] >= 0xc2 && s[0] <= 0xdf)
    len = 2, c = s[0] & 0x1f;
  else if (s[0] >= 0xe0 && s[0] <= 0xef)
    len = 3, c = s[0] & 0x0f;
  else if (s[0] >= 0xf0 && s[0] <= 0xf4)
    len = 4, c = s[0] & 0x07;
  else
    return 0;
  if (n < len)
    return 0;
  for (i = 1; i < len; ++i) {
    if ((s[i] & 0xc0) != 0x80)
      return 0;
    c = c << 6 | (s[i] & 0x3f);
  }
  if (c < smallest[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
    return 0;
  *code = c;
  return len;
}

/* Control characters (C0, DEL, C1) and those that change the direction
 * or break the line of what stands around them.
 */
static bool
is_unprintable (uint32_t c)
{
  return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x200e || c == 0x200f ||
    (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) ||
    c == 0xfeff;
}

int
strbuf_append_printable (struct strbuf *b, const char *s, size_t max)
{
  const unsigned char *p = (const unsigned char *) s;
  const size_t n = strlen (s);
  const size_t old_len = b->len;
  size_t i = 0, j, len;
  uint32_t code;
  int r = 0;

  while (r == 0 && i < n) {
    len = utf8_char (p + i, n - i, &code);
    if (i + MAX (len, (size_t) 1) > max) {
      r = strbuf_append (b, "...");
      break;
    }
    if (len > 0 && !is_unprintable (code)) {
      r = strbuf_append_bytes (b, s + i, len);
      i += len;
      continue;
    }
    len = MAX (len, (size_t) 1);
    for (j = 0; r == 0 && j < len; ++j)
      r = strbuf_printf (b, "\\x%02x", p[i + j]);
    i += len;
  }

  if (r == -1 && b->ptr) {
    b->len = old_len;
    b->ptr[old_len] = '\0';
  }
  return r;
}

#define PRINTABLE_SLOTS 8
#define PRINTABLE_MAX 240

const char *
printable (const char *s)
{
  /* Worst case: every byte becomes four, then "..." and the NUL. */
  static __thread char slots[PRINTABLE_SLOTS][4 * PRINTABLE_MAX + 4];
  static __thread unsigned next;
  struct strbuf b = { 0 };
  char *slot;

  if (s == NULL)
    return "(none)";
  if (strbuf_append_printable (&b, s, PRINTABLE_MAX) == -1) {
    strbuf_free (&b);
    return "(out of memory)";
  }
  slot = slots[next++ % PRINTABLE_SLOTS];
  if (b.len > 0)
    memcpy (slot, b.ptr, b.len);
  slot[b.len] = '\0';
  strbuf_free (&b);
  return slot;
}

bool
parse_u64_n (const char *s, size_t n, int base, uint64_t *r)
{
  uint64_t v = 0;
  size_t i;

  if (n == 0)
    return false;
  for (i = 0; i < n; ++i) {
    int digit = hex_digit (s[i]);

    if (digit == -1 || digit >= base ||
        !checked_mul (v, base, &v) || !checked_add (v, digit, &v))
      return false;
  }
  *r = v;
  return true;
}

bool
parse_u64 (const char *s, uint64_t *r)
{
  return parse_u64_n (s, strlen (s), 10, r);
}

bool
parse_size (const char *s, uint64_t *r)
{
  static const char units[] = "kmgt";
  const size_t digits = strspn (s, "0123456789");
  const char *unit = NULL;
  uint64_t scale = 1, v;

  if (s[digits] != '\0') {
    unit = strchr (units, s[digits] | 0x20);
    if (unit == NULL || s[digits + 1] != '\0')
      return false;
    scale <<= 10 * (unit - units + 1);
  }
  if (!parse_u64_n (s, digits, 10, &v) || !checked_mul (v, scale, &v))
    return false;
  *r = v;
  return true;
}

const char *
human_size (uint64_t bytes)
{
  static const char *const units[] =
    { "bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
  static __thread char slots[PRINTABLE_SLOTS][32];
  static __thread unsigned next;
  char *slot = slots[next++ % PRINTABLE_SLOTS];
  unsigned unit = 0;
  uint64_t scale = 1;

  while (unit + 1 < ARRAY_SIZE (units) && bytes / scale >= 1024) {
    scale *= 1024;
    unit++;
  }
  if (bytes % scale == 0)
    snprintf (slot, sizeof slots[0], "%" PRIu64 " %s",
              bytes / scale, units[unit]);
  else
    snprintf (slot, sizeof slots[0], "%.1f %s",
              (double) bytes / (double) scale, units[unit]);
  return slot;
}
