/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Values as package fmt prints them, by a verb, flags, a width and a
 * precision.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/template/print_private.h"

static size_t
count_runes (struct text s)
{
  size_t i, width, n = 0;

  for (i = 0; i < s.len; i += width, ++n)
    utf8_decode (s.ptr + i, s.len - i, &width);
  return n;
}

/* S in the width that F asks for. */
int
print_padded (struct strbuf *b, struct spec f, struct text s)
{
  const size_t n = count_runes (s);
  const size_t fill = f.has_width && n < (size_t) f.width ? f.width - n : 0;
  const struct text zero = TEXT ("0"), blank = TEXT (" ");

  if (!f.minus && text_append (b, f.zero ? zero : blank, fill) == -1)
    return -1;
  if (text_append (b, s, 1) == -1)
    return -1;
  return f.minus ? text_append (b, f.zero ? zero : blank, fill) : 0;
}

static int
pad_strbuf (struct strbuf *b, struct spec f, const struct strbuf *s)
{
  return print_padded (b, f, (struct text) { s->ptr ? s->ptr : "", s->len });
}

int
print_bad_verb (struct strbuf *b, struct spec f, int32_t verb,
          const struct value *v)
{
  if (strbuf_append (b, "%!") == -1 || utf8_append (b, verb) == -1)
    return -1;
  if (v->kind == VALUE_NONE)
    return strbuf_append (b, "(<nil>)");
  if (strbuf_printf (b, "(%s=", value_type_name (v)) == -1 ||
      print_verb (b, f, 'v', v) == -1)
    return -1;
  return strbuf_append_char (b, ')');
}

/* U in BASE, at least MIN digits. */
static int
append_digits (struct strbuf *b, uint64_t u, unsigned base, size_t min,
               bool upper)
{
  const char *const digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
  char buf[64];
  size_t n = 0;

  for (; u > 0; u /= base)
    buf[n++] = digits[u % base];
  if (min > n && text_append (b, TEXT ("0"), min - n) == -1)
    return -1;
  while (n > 0)
    if (strbuf_append_char (b, buf[--n]) == -1)
      return -1;
  return 0;
}

static int
format_base (struct strbuf *b, struct spec f, int32_t verb, int64_t i,
             unsigned base)
{
  CLEANUP_STRBUF struct strbuf digits = { 0 }, s = { 0 };
  const uint64_t u = i < 0 ? 0 - (uint64_t) i : (uint64_t) i;
  size_t min = 1;
  int r = 0;

  if (f.has_precision) {
    min = f.precision;
    if (min == 0 && i == 0) {
      f.zero = false;
      return print_padded (b, f, TEXT (""));
    }
  }
  else if (f.zero && f.has_width) {
    min = f.width;
    if ((i < 0 || f.plus || f.space) && min > 0)
      min--;
    min = min < 1 ? 1 : min;
  }
  if (append_digits (&digits, u, base, min, verb == 'X') == -1)
    return -1;

  if (i < 0 || f.plus || f.space)
    r = strbuf_append_char (&s, i < 0 ? '-' : f.plus ? '+' : ' ');
  if (r == 0 && verb == 'O')
    r = strbuf_append (&s, "0o");
  if (r == 0 && f.sharp && base == 2)
    r = strbuf_append (&s, "0b");
  if (r == 0 && f.sharp && base == 8 && digits.ptr[0] != '0')
    r = strbuf_append_char (&s, '0');
  if (r == 0 && f.sharp && base == 16)
    r = strbuf_append (&s, verb == 'X' ? "0X" : "0x");
  if (r == -1 || text_append (&s, (struct text) { digits.ptr, digits.len },
                              1) == -1)
    return -1;
  f.zero = false;
  return pad_strbuf (b, f, &s);
}

static int
format_unicode (struct strbuf *b, struct spec f, int64_t i)
{
  CLEANUP_STRBUF struct strbuf s = { 0 };
  const size_t min = f.has_precision && f.precision > 4 ? f.precision : 4;

  if (strbuf_append (&s, "U+") == -1 ||
      append_digits (&s, i, 16, min, true) == -1)
    return -1;
  if (f.sharp && i >= 0 && i <= 0x10ffff && rune_is_print (i) &&
      (strbuf_append (&s, " '") == -1 || utf8_append (&s, i) == -1 ||
       strbuf_append_char (&s, '\'') == -1))
    return -1;
  f.zero = false;
  return pad_strbuf (b, f, &s);
}

static int
format_int (struct strbuf *b, struct spec f, int32_t verb,
            const struct value *v)
{
  CLEANUP_STRBUF struct strbuf s = { 0 };
  const int32_t c = v->i >= 0 && v->i <= 0x10ffff ? v->i : RUNE_ERROR;

  switch (verb) {
  case 'v': case 'd':
    if (verb == 'v' && f.sharp && v->kind == VALUE_UINT8)
      return format_base (b, f, 'x', v->i, 16);
    if (verb == 'v')
      f.sharp = false;
    return format_base (b, f, verb, v->i, 10);
  case 'b':
    return format_base (b, f, verb, v->i, 2);
  case 'o': case 'O':
    return format_base (b, f, verb, v->i, 8);
  case 'x': case 'X':
    return format_base (b, f, verb, v->i, 16);
  case 'c':
    return utf8_append (&s, c) == -1 ? -1 : pad_strbuf (b, f, &s);
  case 'q':
    return quote_append_rune (&s, c, f.plus) == -1 ? -1
      : pad_strbuf (b, f, &s);
  case 'U':
    return format_unicode (b, f, v->i);
  default:
    return print_bad_verb (b, f, verb, v);
  }
}

static int
format_float (struct strbuf *b, struct spec f, int32_t verb,
              const struct value *v)
{
  CLEANUP_STRBUF struct strbuf s = { 0 };
  int precision = verb == 'v' || verb == 'g' || verb == 'G' ? -1 : 6;
  char sign;
  struct text digits;

  if (verb <= 0 || verb >= 0x80 || !strchr ("veEfFgG", verb))
    return print_bad_verb (b, f, verb, v);
  if (f.has_precision)
    precision = f.precision;
  if (precision > TEMPLATE_MAX_STRING) {
    errno = E2BIG;
    return -1;
  }
  if (number_append_float (&s, v->f, verb == 'v' ? 'g' : verb,
                           precision) == -1)
    return -1;
  digits = (struct text) { s.ptr, s.len };
  sign = '+';
  if (s.ptr[0] == '-' || s.ptr[0] == '+') {
    sign = s.ptr[0];
    digits.ptr++;
    digits.len--;
  }
  if (f.space && sign == '+' && !f.plus)
    sign = ' ';
  if (isinf (v->f) || isnan (v->f))
    f.zero = false;
  if (!f.plus && sign == '+' && !isinf (v->f))
    return print_padded (b, f, digits);
  /* An infinity has its sign always. */
  if (f.zero && f.has_width && (size_t) f.width > digits.len + 1) {
    if (strbuf_append_char (b, sign) == -1)
      return -1;
    f.width--;
    return print_padded (b, f, digits);
  }
  {
    CLEANUP_STRBUF struct strbuf all = { 0 };

    if (strbuf_append_char (&all, sign) == -1 ||
        text_append (&all, digits, 1) == -1)
      return -1;
    return pad_strbuf (b, f, &all);
  }
}

/* The first N characters of S. */
static struct text
truncate_runes (struct text s, size_t n)
{
  size_t i, width;

  for (i = 0; i < s.len && n > 0; i += width, --n)
    utf8_decode (s.ptr + i, s.len - i, &width);
  s.len = i;
  return s;
}

static int
format_hex (struct strbuf *b, struct spec f, int32_t verb, struct text s)
{
  CLEANUP_STRBUF struct strbuf hex = { 0 };
  const char *const format = verb == 'X' ? "%02X" : "%02x";
  const char *const prefix = verb == 'X' ? "0X" : "0x";
  size_t i;

  if (f.has_precision && (size_t) f.precision < s.len)
    s.len = f.precision;
  if (s.len > TEMPLATE_MAX_STRING / 8) {
    errno = E2BIG;
    return -1;
  }
  for (i = 0; i < s.len; ++i)
    if ((f.space && i > 0 && strbuf_append_char (&hex, ' ') == -1) ||
        (f.sharp && (f.space || i == 0) &&
         strbuf_append (&hex, prefix) == -1) ||
        strbuf_printf (&hex, format, (unsigned char) s.ptr[i]) == -1)
      return -1;
  return pad_strbuf (b, f, &hex);
}

/* True if S can stand between back quotes. */
static bool
can_backquote (struct text s)
{
  size_t i, width;
  int32_t c;

  for (i = 0; i < s.len; i += width) {
    c = utf8_decode (s.ptr + i, s.len - i, &width);
    if ((c == RUNE_ERROR && width == 1) || c == 0xfeff ||
        (c < ' ' && c != '\t') || c == '`' || c == 0x7f)
      return false;
  }
  return true;
}

static int
format_quoted (struct strbuf *b, struct spec f, struct text s)
{
  CLEANUP_STRBUF struct strbuf quoted = { 0 };

  if (f.has_precision)
    s = truncate_runes (s, f.precision);
  if (f.sharp && can_backquote (s)) {
    if (strbuf_append_char (&quoted, '`') == -1 ||
        text_append (&quoted, s, 1) == -1 ||
        strbuf_append_char (&quoted, '`') == -1)
      return -1;
  }
  else if (quote_append (&quoted, s, SIZE_MAX, f.plus) == -1)
    return -1;
  return pad_strbuf (b, f, &quoted);
}

static int
format_string (struct strbuf *b, struct spec f, int32_t verb,
               const struct value *v)
{
  switch (verb) {
  case 'v':
    if (f.sharp) {
      f.sharp = f.plus = false;
      return format_quoted (b, f, v->s);
    }
    /* fallthrough */
  case 's':
    return print_padded (b, f, f.has_precision ?
                         truncate_runes (v->s, f.precision) : v->s);
  case 'q':
    return format_quoted (b, f, v->s);
  case 'x': case 'X':
    return format_hex (b, f, verb, v->s);
  default:
    return print_bad_verb (b, f, verb, v);
  }
}

static int
compare_keys (const void *a, const void *b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

/* "map[a:1 b:2]", or the values of the struct of a run in braces. */
static int
format_object (struct strbuf *b, struct spec f, int32_t verb,
               const struct value *v)
{
  CLEANUP_FREE const char **keys =
    calloc (json_object_size (v->json) + 1, sizeof *keys);
  const bool is_map = v->kind == VALUE_MAP;
  struct value key, value;
  const char *name;
  json_t *j;
  size_t nr = 0, i;

  if (keys == NULL || strbuf_append (b, is_map ? "map[" : "&{") == -1)
    return -1;
  json_object_foreach ((json_t *) v->json, name, j)
    keys[nr++] = name;
  if (is_map)
    qsort (keys, nr, sizeof *keys, compare_keys);
  for (i = 0; i < nr; ++i) {
    key = value_string (TEXT (keys[i]));
    value = value_of_json (json_object_get (v->json, keys[i]));
    if ((i > 0 && strbuf_append_char (b, ' ') == -1) ||
        (is_map && (print_verb (b, f, verb, &key) == -1 ||
                    strbuf_append_char (b, ':') == -1)) ||
        print_verb (b, f, verb, &value) == -1)
      return -1;
    if (b->len > TEMPLATE_MAX_STRING) {
      errno = E2BIG;
      return -1;
    }
  }
  return strbuf_append_char (b, is_map ? ']' : '}');
}

static int
format_list (struct strbuf *b, struct spec f, int32_t verb,
             const struct value *v)
{
  struct value element;
  size_t i;

  if (strbuf_append_char (b, '[') == -1)
    return -1;
  for (i = v->from; i < v->to; ++i) {
    element = value_of_json (json_array_get (v->json, i));
    if ((i > v->from && strbuf_append_char (b, ' ') == -1) ||
        print_verb (b, f, verb, &element) == -1)
      return -1;
    if (b->len > TEMPLATE_MAX_STRING) {
      errno = E2BIG;
      return -1;
    }
  }
  return strbuf_append_char (b, ']');
}

int
print_verb (struct strbuf *b, struct spec f, int32_t verb,
              const struct value *v)
{
  switch (v->kind) {
  case VALUE_NONE: case VALUE_NULL:
    return strbuf_append (b, "<nil>");
  case VALUE_BOOL:
    return verb == 'v' || verb == 't' ?
      print_padded (b, f, TEXT (v->b ? "true" : "false")) :
      print_bad_verb (b, f, verb, v);
  case VALUE_INT: case VALUE_INT64: case VALUE_UINT8:
    return format_int (b, f, verb, v);
  case VALUE_FLOAT:
    return format_float (b, f, verb, v);
  case VALUE_STRING:
    return format_string (b, f, verb, v);
  case VALUE_LIST:
    return format_list (b, f, verb, v);
  case VALUE_MAP: case VALUE_DATA:
    return format_object (b, f, verb, v);
  }
  return 0;
}

int
print_value (struct strbuf *b, const struct value *v)
{
  return print_verb (b, (struct spec) { 0 }, 'v', v);
}

int
print_values (struct strbuf *b, const struct value *v, size_t nr, bool line)
{
  size_t i;

  for (i = 0; i < nr; ++i) {
    if (i > 0 && (line || (v[i].kind != VALUE_STRING &&
                           v[i - 1].kind != VALUE_STRING)) &&
        strbuf_append_char (b, ' ') == -1)
      return -1;
    if (print_value (b, &v[i]) == -1)
      return -1;
  }
  return line ? strbuf_append_char (b, '\n') : 0;
}
