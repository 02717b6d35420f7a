/* SPDX-License-Identifier: BSD-3-Clause
 *
 * UTF-8 and classes of characters, as Go's packages unicode/utf8 and
 * unicode have them.  What is beyond ASCII is asked of the C library's
 * own tables, through a locale that has nothing to do with the user's.
 */
#include <locale.h>
#include <pthread.h>
#include <wctype.h>

#include "common/template/private.h"

static locale_t utf8_locale;
static pthread_once_t utf8_once = PTHREAD_ONCE_INIT;

static void
make_locale (void)
{
  utf8_locale = newlocale (LC_CTYPE_MASK, "C.UTF-8", (locale_t) 0);
}

/* (locale_t) 0 if the system has none: then ASCII is all we know. */
static locale_t
get_locale (void)
{
  pthread_once (&utf8_once, make_locale);
  return utf8_locale;
}

int32_t
utf8_decode (const char *s, size_t n, size_t *width)
{
  static const int32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
  const unsigned char *p = (const unsigned char *) s;
  size_t i, len;
  int32_t c;

  *width = 1;
  if (p[0] < 0x80)
    return p[0];
  len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
  if (p[0] < 0xc2 || p[0] > 0xf4 || len > n)
    return RUNE_ERROR;
  c = p[0] & (0xff >> (len + 1));
  for (i = 1; i < len; ++i) {
    if ((p[i] & 0xc0) != 0x80)
      return RUNE_ERROR;
    c = c << 6 | (p[i] & 0x3f);
  }
  if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
    return RUNE_ERROR;
  *width = len;
  return c;
}

int
utf8_append (struct strbuf *b, int32_t c)
{
  char s[4];
  size_t n = 0;

  if (c < 0 || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
    c = RUNE_ERROR;
  if (c < 0x80)
    s[n++] = c;
  else {
    if (c < 0x800)
      s[n++] = 0xc0 | c >> 6;
    else {
      if (c < 0x10000)
        s[n++] = 0xe0 | c >> 12;
      else {
        s[n++] = 0xf0 | c >> 18;
        s[n++] = 0x80 | (c >> 12 & 0x3f);
      }
      s[n++] = 0x80 | (c >> 6 & 0x3f);
    }
    s[n++] = 0x80 | (c & 0x3f);
  }
  return strbuf_append_bytes (b, s, n);
}

int32_t
rune_lower (int32_t c)
{
  const locale_t l = get_locale ();

  if (c < 0x80)
    return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
  return l ? (int32_t) towlower_l (c, l) : c;
}

int32_t
rune_upper (int32_t c)
{
  const locale_t l = get_locale ();

  if (c < 0x80)
    return c >= 'a' && c <= 'z' ? c - ('a' - 'A') : c;
  return l ? (int32_t) towupper_l (c, l) : c;
}

/* The four digraphs that have a title case of their own. */
int32_t
rune_title (int32_t c)
{
  if (c >= 0x1c4 && c <= 0x1cc)
    return 0x1c5 + (c - 0x1c4) / 3 * 3;
  if (c >= 0x1f1 && c <= 0x1f3)
    return 0x1f2;
  if (c >= 0x10d0 && c <= 0x10ff)       /* Georgian has none */
    return c;
  return rune_upper (c);
}

bool
rune_is_space (int32_t c)
{
  switch (c) {
  case '\t': case '\n': case '\v': case '\f': case '\r': case ' ':
  case 0x85: case 0xa0: case 0x1680: case 0x2028: case 0x2029: case 0x202f:
  case 0x205f: case 0x3000:
    return true;
  }
  return c >= 0x2000 && c <= 0x200a;
}

bool
rune_is_letter (int32_t c)
{
  const locale_t l = get_locale ();

  if (c < 0x80)
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
      (c >= '0' && c <= '9');
  return l && iswalnum_l (c, l);
}

bool
rune_is_print (int32_t c)
{
  const locale_t l = get_locale ();

  if (c < 0x80)
    return c >= ' ' && c < 0x7f;
  /* Of the blanks only the ASCII one counts. */
  return l && iswprint_l (c, l) && !rune_is_space (c) && c != 0xad;
}
