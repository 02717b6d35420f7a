/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Go's string and character literals, read and written.
 */
#include <stdlib.h>
#include <string.h>

#include "common/template/private.h"

/* One character inside of quotes QUOTE. */
static int
append_escaped (struct strbuf *b, int32_t c, char quote, bool ascii)
{
  static const char from[] = "\a\b\f\n\r\t\v";
  static const char to[] = "abfnrtv";
  const char *p;

  if (c == quote || c == '\\') {
    if (strbuf_append_char (b, '\\') == -1)
      return -1;
    return strbuf_append_char (b, c);
  }
  if (rune_is_print (c) && (c < 0x80 || !ascii))
    return utf8_append (b, c);
  p = c > 0 && c < 0x80 ? strchr (from, c) : NULL;
  if (p)
    return strbuf_printf (b, "\\%c", to[p - from]);
  if (c < ' ' || c == 0x7f)
    return strbuf_printf (b, "\\x%02x", (unsigned) c);
  if (c < 0x10000)
    return strbuf_printf (b, "\\u%04x", (unsigned) c);
  return strbuf_printf (b, "\\U%08x", (unsigned) c);
}

int
quote_append (struct strbuf *b, struct text s, size_t max, bool ascii)
{
  size_t i, width, n;
  int32_t c;

  if (strbuf_append_char (b, '"') == -1)
    return -1;
  for (i = n = 0; i < s.len && n < max; i += width, ++n) {
    c = utf8_decode (s.ptr + i, s.len - i, &width);
    if (c == RUNE_ERROR && width == 1) {
      if (strbuf_printf (b, "\\x%02x", (unsigned char) s.ptr[i]) == -1)
        return -1;
    }
    else if (append_escaped (b, c, '"', ascii) == -1)
      return -1;
  }
  return strbuf_append_char (b, '"');
}

int
quote_append_rune (struct strbuf *b, int32_t c, bool ascii)
{
  if (c < 0 || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
    c = RUNE_ERROR;
  if (strbuf_append_char (b, '\'') == -1 ||
      append_escaped (b, c, '\'', ascii) == -1)
    return -1;
  return strbuf_append_char (b, '\'');
}

int
quote_append_unicode (struct strbuf *b, int32_t c)
{
  if (strbuf_printf (b, "U+%04X", (unsigned) c) == -1)
    return -1;
  if (!rune_is_print (c))
    return 0;
  if (strbuf_append (b, " '") == -1 || utf8_append (b, c) == -1)
    return -1;
  return strbuf_append_char (b, '\'');
}

/* N digits of BASE at S[*I], which moves behind them. */
static bool
digits (struct text s, size_t *i, size_t n, int base, uint64_t *r)
{
  if (s.len - *i < n || !parse_u64_n (s.ptr + *i, n, base, r))
    return false;
  *i += n;
  return true;
}

/* The character at S[*I] of a literal in QUOTEs.  *BYTE: it is a byte that
 * stands for itself, whatever it is.
 */
static bool
unquote_one (struct text s, size_t *i, char quote, int32_t *c, bool *byte)
{
  static const char from[] = "abfnrtv";
  static const unsigned char to[] = "\a\b\f\n\r\t\v";
  const char *p;
  size_t width;
  uint64_t v;
  char e;

  *byte = false;
  if (s.ptr[*i] == quote)
    return false;
  if (s.ptr[*i] != '\\') {
    *c = utf8_decode (s.ptr + *i, s.len - *i, &width);
    *i += width;
    return true;
  }
  if (s.len - *i < 2)
    return false;
  e = s.ptr[*i + 1];
  *i += 2;
  p = e ? strchr (from, e) : NULL;
  if (p) {
    *c = to[p - from];
    return true;
  }
  switch (e) {
  case 'x':
    *byte = true;
    if (!digits (s, i, 2, 16, &v))
      return false;
    break;
  case 'u': case 'U':
    if (!digits (s, i, e == 'u' ? 4 : 8, 16, &v) || v > 0x10ffff ||
        (v >= 0xd800 && v <= 0xdfff))
      return false;
    break;
  case '0': case '1': case '2': case '3': case '4': case '5': case '6':
  case '7':
    *byte = true;
    --*i;
    if (!digits (s, i, 3, 8, &v) || v > 255)
      return false;
    break;
  case '\\':
    v = '\\';
    break;
  case '\'': case '"':
    if (e != quote)
      return false;
    v = (unsigned char) e;
    break;
  default:
    return false;
  }
  *c = v;
  return true;
}

bool
quote_unquote (struct text s, struct strbuf *b, bool *oom)
{
  struct text inside = { s.ptr + 1, s.len >= 2 ? s.len - 2 : 0 };
  size_t i = 0;
  int32_t c;
  bool byte;
  int r = 0;

  *oom = false;
  if (s.len < 2 || s.ptr[s.len - 1] != s.ptr[0])
    return false;
  if (s.ptr[0] == '`') {
    /* Carriage returns do not belong to a raw string. */
    for (; r == 0 && i < inside.len; ++i)
      if (inside.ptr[i] != '\r')
        r = strbuf_append_char (b, inside.ptr[i]);
    *oom = r == -1;
    return r == 0;
  }
  while (r == 0 && i < inside.len) {
    if (inside.ptr[i] == '\n' || !unquote_one (inside, &i, '"', &c, &byte))
      return false;
    r = byte ? strbuf_append_char (b, c) : utf8_append (b, c);
  }
  *oom = r == -1;
  return r == 0;
}

bool
quote_unquote_char (struct text s, int32_t *c, bool *broken)
{
  const struct text inside = { s.ptr + 1, s.len - 1 };
  size_t i = 0;
  bool byte;

  *broken = false;
  if (inside.len == 0 || !unquote_one (inside, &i, '\'', c, &byte))
    return false;
  *broken = inside.len != i + 1 || inside.ptr[i] != '\'';
  return true;
}
