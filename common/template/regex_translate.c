/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Regular expressions from RE2's syntax to PCRE2's.
 *
 * The pattern is parsed and written anew, each literal as a number, so
 * nothing reaches PCRE2 but what stands here: no look-around, no
 * back-references, no recursion, no verbs.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <errno.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/minmax.h"
#include "common/template/regex_translate.h"

#define MAX_GROUPS 200          /* inside of each other; PCRE2 takes 250 */
#define MAX_REPEAT 1000         /* RE2's, for all that are nested */

struct group {
  bool item;                    /* there is something to repeat */
  unsigned repeat;              /* most that the last item is repeated */
  unsigned most;                /* most of all items */
};

struct translator {
  struct text s;
  size_t i;
  struct strbuf *out, *error;
  struct group groups[MAX_GROUPS];
  size_t depth;
  size_t last;                  /* where the repetition right before began,
                                   or SIZE_MAX */
  bool repeated;                /* this was one */
};

/* Functions return 0, 1 (the pattern is wrong, error is set) or -1. */

static int
fail (struct translator *t, const char *what, size_t from, size_t to)
{
  if (strbuf_printf (t->error, "error parsing regexp: %s: `", what) == -1 ||
      strbuf_append_bytes (t->error, t->s.ptr + from, to - from) == -1 ||
      strbuf_append_char (t->error, '`') == -1)
    return -1;
  return 1;
}

static int
put (struct translator *t, const char *s)
{
  return text_append (t->out, TEXT (s), 1);
}

static int
put_char (struct translator *t, int32_t c)
{
  return t->out->len > TEMPLATE_MAX_STRING ? (errno = E2BIG, -1) :
    strbuf_printf (t->out, "\\x{%x}", (unsigned) c);
}

static bool
at (const struct translator *t, size_t ahead, char c)
{
  return t->i + ahead < t->s.len && t->s.ptr[t->i + ahead] == c;
}

static bool
at_end (const struct translator *t)
{
  return t->i >= t->s.len;
}

static int
next (struct translator *t, int32_t *c)
{
  size_t width;

  *c = utf8_decode (t->s.ptr + t->i, t->s.len - t->i, &width);
  if (*c == RUNE_ERROR && width == 1)
    return fail (t, "invalid UTF-8", t->i, t->s.len);
  t->i += width;
  return 0;
}

/* An item was written that a repetition can follow. */
static void
item (struct translator *t)
{
  struct group *g = &t->groups[t->depth];

  g->item = true;
  g->repeat = 1;
}

static int
unhex (int32_t c)
{
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  if (c >= 'A' && c <= 'F')
    return c - 'A' + 10;
  return -1;
}

/* What follows "\x".  *C is -1 if it is no number. */
static int
hex_escape (struct translator *t, int32_t *c)
{
  int32_t digit, v = 0;
  size_t nr = 0;
  int r;

  *c = -1;
  if (at_end (t))
    return 0;
  if (!at (t, 0, '{')) {
    for (; nr < 2; ++nr) {
      if (at_end (t))
        return 0;
      r = next (t, &digit);
      if (r != 0)
        return r;
      if (unhex (digit) < 0)
        v = -0x200;             /* stays negative; the other one is read */
      else
        v = v * 16 + unhex (digit);
    }
    *c = v < 0 ? -1 : v;
    return 0;
  }
  t->i++;
  for (;; ++nr) {
    if (at_end (t))
      return 0;
    r = next (t, &digit);
    if (r != 0)
      return r;
    if (digit == '}')
      break;
    if (unhex (digit) < 0)
      return 0;
    v = v * 16 + unhex (digit);
    if (v > 0x10ffff)
      return 0;
  }
  if (nr > 0)
    *c = v;
  return 0;
}

/* "\" and what stands for one character. */
static int
escape (struct translator *t, int32_t *c)
{
  static const char from[] = "afnrtv";
  static const char to[] = "\a\f\n\r\t\v";
  const size_t start = t->i++;
  const char *p;
  int i, r;

  if (at_end (t))
    return fail (t, "trailing backslash at end of expression", start, start);
  r = next (t, c);
  if (r != 0)
    return r;
  if (*c < 0x80 && !rune_is_letter (*c))
    return 0;
  p = *c < 0x80 ? strchr (from, *c) : NULL;
  if (p) {
    *c = to[p - from];
    return 0;
  }
  if (*c == '0' || (*c >= '1' && *c <= '7' && !at_end (t) &&
                    t->s.ptr[t->i] >= '0' && t->s.ptr[t->i] <= '7')) {
    *c -= '0';
    for (i = 1; i < 3 && !at_end (t) && t->s.ptr[t->i] >= '0' &&
           t->s.ptr[t->i] <= '7'; ++i)
      *c = *c * 8 + (t->s.ptr[t->i++] - '0');
    return 0;
  }
  if (*c == 'x') {
    r = hex_escape (t, c);
    if (r != 0 || *c >= 0)
      return r;
  }
  return fail (t, "invalid escape sequence", start, t->i);
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
static int
class_escape (struct translator *t, bool in_class, bool *none)
{
  const size_t start = t->i;
  const char *end;
  size_t i, n;
  int32_t c;
  int r;

  *none = true;
  if (!at (t, 0, '\\') || t->i + 1 >= t->s.len)
    return 0;
  *none = false;
  switch (t->s.ptr[t->i + 1]) {
  case 'd': t->i += 2; return put (t, "\\d");
  case 'D': t->i += 2; return put (t, "\\D");
  case 'w': t->i += 2; return put (t, "\\w");
  case 'W': t->i += 2; return put (t, "\\W");
  /* PCRE2 counts the vertical tab among the blanks. */
  case 's':
    t->i += 2;
    return put (t, in_class ? "\\t\\n\\f\\r\\x20" : "[\\t\\n\\f\\r\\x20]");
  case 'S':
    t->i += 2;
    return put (t, in_class ? "\\S\\x0b" : "[^\\t\\n\\f\\r\\x20]");
  case 'p': case 'P':
    break;
  default:
    *none = true;
    return 0;
  }

  t->i += 2;
  if (at_end (t))
    return fail (t, "invalid character class range", start, t->i);
  i = t->i;
  r = next (t, &c);
  if (r != 0)
    return r;
  n = t->i - i;
  if (c == '{') {
    end = memchr (t->s.ptr + t->i, '}', t->s.len - t->i);
    if (end == NULL)
      return fail (t, "invalid character class range", start, t->s.len);
    i = t->i;
    n = end - t->s.ptr - i;
    t->i = i + n + 1;
  }
  if (!is_property (t->s.ptr + i, n))
    return fail (t, "invalid character class range", start, t->i);
  if (put (t, t->s.ptr[start + 1] == 'p' ? "\\p{" : "\\P{") == -1 ||
      text_append (t->out, (struct text) { t->s.ptr + i, n }, 1) == -1)
    return -1;
  return put (t, "}");
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
  if (!at (t, 0, '[') || !at (t, 1, ':'))
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
    return fail (t, "invalid character class range", t->i, t->i + n);
  t->i += n;
  return text_append (t->out, (struct text) { s, n }, 1);
}

static int
class_char (struct translator *t, size_t class, int32_t *c)
{
  if (at_end (t))
    return fail (t, "missing closing ]", class, t->s.len);
  return at (t, 0, '\\') ? escape (t, c) : next (t, c);
}

/* A character or a range inside of brackets that began at CLASS. */
static int
class_range (struct translator *t, size_t class)
{
  const size_t start = t->i;
  int32_t low, high;
  int r = class_char (t, class, &low);

  if (r != 0)
    return r;
  high = low;
  if (at (t, 0, '-') && t->i + 1 < t->s.len && !at (t, 1, ']')) {
    t->i++;
    r = class_char (t, class, &high);
    if (r != 0)
      return r;
    if (high < low)
      return fail (t, "invalid character class range", start, t->i);
  }
  if (put_char (t, low) == -1)
    return -1;
  if (high == low)
    return 0;
  return put (t, "-") == -1 ? -1 : put_char (t, high);
}

static int
class (struct translator *t)
{
  const size_t start = t->i++;
  bool first = true, none;
  int r;

  if (put (t, at (t, 0, '^') ? "[^" : "[") == -1)
    return -1;
  t->i += at (t, 0, '^');
  while (first || !at (t, 0, ']')) {
    first = false;
    r = posix_class (t, &none);
    if (r == 0 && none)
      r = class_escape (t, true, &none);
    if (r == 0 && none)
      r = class_range (t, start);
    if (r != 0)
      return r;
  }
  t->i++;
  item (t);
  return put (t, "]");
}

static int
open_group (struct translator *t)
{
  if (t->depth + 1 == MAX_GROUPS)
    return fail (t, "expression nests too deeply", 0, t->s.len);
  t->groups[++t->depth] = (struct group) { false, 1, 1 };
  return 0;
}

static int
named_group (struct translator *t)
{
  const size_t start = t->i;
  const char *end = memchr (t->s.ptr + start, '>', t->s.len - start);
  const size_t name = start + 4;
  size_t i, n;
  char c;

  if (end == NULL)
    return fail (t, "invalid named capture", start, t->s.len);
  n = end - t->s.ptr - name;
  t->i = name + n + 1;
  for (i = 0; i < n; ++i) {
    c = t->s.ptr[name + i];
    if (c != '_' && !((unsigned char) c < 0x80 && rune_is_letter (c)))
      break;
  }
  if (n == 0 || i < n)
    return fail (t, "invalid named capture", start, t->i);
  if (text_append (t->out, (struct text) { t->s.ptr + start, n + 5 },
                   1) == -1)
    return -1;
  return open_group (t);
}

/* "(?i)", "(?i:", "(?:" */
static int
flags_group (struct translator *t)
{
  const size_t start = t->i;
  bool negative = false, flag = false;
  int32_t c;
  int r;

  t->i += 2;
  while (!at_end (t)) {
    r = next (t, &c);
    if (r != 0)
      return r;
    if (c == 'i' || c == 'm' || c == 's' || c == 'U')
      flag = true;
    else if (c == '-' && !negative) {
      negative = true;
      flag = false;
    }
    else if ((c == ':' || c == ')') && (!negative || flag)) {
      if (text_append (t->out, (struct text) { t->s.ptr + start,
                         t->i - start }, 1) == -1)
        return -1;
      return c == ':' ? open_group (t) : 0;
    }
    else
      break;
  }
  return fail (t, "invalid or unsupported Perl syntax", start, t->i);
}

static int
group (struct translator *t)
{
  if (at (t, 1, '?')) {
    if (at (t, 2, 'P') && at (t, 3, '<') && t->i + 4 < t->s.len)
      return named_group (t);
    return flags_group (t);
  }
  t->i++;
  return put (t, "(") == -1 ? -1 : open_group (t);
}

static int
close_group (struct translator *t)
{
  unsigned most;

  if (t->depth == 0)
    return fail (t, "unexpected )", 0, t->s.len);
  most = t->groups[t->depth--].most;
  t->i++;
  item (t);
  t->groups[t->depth].repeat = most;
  t->groups[t->depth].most = MAX (t->groups[t->depth].most, most);
  return put (t, ")");
}

/* Digits at *I; at most MAX_REPEAT + 1.  False if none, or "01". */
static bool
count (const struct translator *t, size_t *i, unsigned *n)
{
  const size_t start = *i;
  unsigned v = 0;

  for (; *i < t->s.len && t->s.ptr[*i] >= '0' && t->s.ptr[*i] <= '9'; ++*i)
    v = MIN (v * 10 + (t->s.ptr[*i] - '0'), MAX_REPEAT + 1U);
  *n = v;
  return *i > start && (*i == start + 1 || t->s.ptr[start] != '0');
}

/* A repetition as read: "{2,}" has no maximum. */
struct repeat {
  unsigned min, max;
  bool open;
  size_t end;
};

/* False: "{" is a character here. */
static bool
read_braces (const struct translator *t, struct repeat *r)
{
  size_t i = t->i + 1;

  if (!count (t, &i, &r->min))
    return false;
  r->max = r->min;
  r->open = false;
  if (i < t->s.len && t->s.ptr[i] == ',') {
    i++;
    r->open = i < t->s.len && t->s.ptr[i] == '}';
    if (!r->open && !count (t, &i, &r->max))
      return false;
  }
  r->end = i + 1;
  return i < t->s.len && t->s.ptr[i] == '}';
}

/* A repetition that ends at END. */
static int
repeat (struct translator *t, size_t end, unsigned times)
{
  struct group *g = &t->groups[t->depth];
  const size_t start = t->i;

  if (end < t->s.len && t->s.ptr[end] == '?')
    end++;
  if (t->last != SIZE_MAX)
    return fail (t, "invalid nested repetition operator", t->last, end);
  if (!g->item)
    return fail (t, "missing argument to repetition operator", start, end);
  g->repeat *= MAX (times, 1U);
  if (g->repeat > MAX_REPEAT)
    return fail (t, "invalid repeat count", start, end);
  g->most = MAX (g->most, g->repeat);
  t->i = end;
  t->repeated = true;
  return text_append (t->out, (struct text) { t->s.ptr + start,
                        end - start }, 1);
}

static int
braces (struct translator *t)
{
  struct repeat r;

  if (!read_braces (t, &r)) {
    t->i++;
    item (t);
    return put_char (t, '{');
  }
  if (r.min > MAX_REPEAT || (!r.open && (r.max > MAX_REPEAT ||
                                         r.min > r.max)))
    return fail (t, "invalid repeat count", t->i, r.end);
  return repeat (t, r.end, r.open ? r.min : r.max);
}

/* "\Q...\E" */
static int
literals (struct translator *t)
{
  const char *end;
  size_t stop;
  int32_t c;
  int r;

  t->i += 2;
  end = memmem (t->s.ptr + t->i, t->s.len - t->i, "\\E", 2);
  stop = end ? (size_t) (end - t->s.ptr) : t->s.len;
  while (t->i < stop) {
    r = next (t, &c);
    if (r != 0)
      return r;
    item (t);
    if (put_char (t, c) == -1)
      return -1;
  }
  t->i = end ? stop + 2 : stop;
  return 0;
}

static int
backslash (struct translator *t)
{
  const char c = t->i + 1 < t->s.len ? t->s.ptr[t->i + 1] : '\0';
  const char place[] = { '(', '?', ':', '\\', c, ')', '\0' };
  bool none;
  int32_t literal;
  int r;

  if (c == 'Q')
    return literals (t);
  item (t);
  if (c == 'C')
    return fail (t, "invalid escape sequence", t->i, t->i + 2);
  if (c && strchr ("AbBz", c)) {
    t->i += 2;
    return put (t, place);
  }
  r = class_escape (t, false, &none);
  if (r != 0 || !none)
    return r;
  r = escape (t, &literal);
  return r != 0 ? r : put_char (t, literal);
}

static int
one (struct translator *t)
{
  const char c = t->s.ptr[t->i];
  const char self[] = { c, '\0' };
  int32_t literal;
  int r;

  switch (c) {
  case '(': return group (t);
  case ')': return close_group (t);
  case '[': return class (t);
  case '{': return braces (t);
  case '\\': return backslash (t);
  case '*': case '+': case '?':
    return repeat (t, t->i + 1, 1);
  case '|':
    t->i++;
    t->groups[t->depth].item = false;
    return put (t, self);
  case '.':
    t->i++;
    item (t);
    return put (t, self);
  case '^': case '$':
    t->i++;
    item (t);
    /* PCRE2 repeats a place only in parentheses. */
    return put (t, c == '^' ? "(?:^)" : "(?:$)");
  }
  r = next (t, &literal);
  if (r != 0)
    return r;
  item (t);
  return put_char (t, literal);
}

int
regex_translate (struct text pattern, struct strbuf *out,
                 struct strbuf *error)
{
  struct translator *t = calloc (1, sizeof *t);
  size_t start;
  int r;

  if (t == NULL)
    return -1;
  t->s = pattern;
  t->out = out;
  t->error = error;
  t->groups[0] = (struct group) { false, 1, 1 };
  t->last = SIZE_MAX;
  /* Whatever the library was built with. */
  r = put (t, "(*LF)");
  while (r == 0 && t->i < pattern.len) {
    start = t->i;
    t->repeated = false;
    r = one (t);
    t->last = t->repeated ? start : SIZE_MAX;
  }
  if (r == 0 && t->depth > 0)
    r = fail (t, "missing closing )", 0, pattern.len);
  free (t);
  return r;
}
