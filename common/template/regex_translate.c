/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Regular expressions from RE2's syntax to PCRE2's.
 *
 * The pattern is parsed and written anew, each literal as a number, so
 * nothing reaches PCRE2 but what stands here: no look-around, no
 * back-references, no recursion, no verbs.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/minmax.h"
#include "common/template/regex_private.h"
#include "common/template/regex_translate.h"

int
regex_fail (struct translator *t, const char *what, size_t from, size_t to)
{
  if (strbuf_printf (t->error, "error parsing regexp: %s: `", what) == -1 ||
      strbuf_append_bytes (t->error, t->s.ptr + from, to - from) == -1 ||
      strbuf_append_char (t->error, '`') == -1)
    return -1;
  return 1;
}

int
regex_put (struct translator *t, const char *s)
{
  return text_append (t->out, TEXT (s), 1);
}

int
regex_put_char (struct translator *t, int32_t c)
{
  return t->out->len > TEMPLATE_MAX_STRING ? (errno = E2BIG, -1) :
    strbuf_printf (t->out, "\\x{%x}", (unsigned) c);
}

int
regex_next (struct translator *t, int32_t *c)
{
  size_t width;

  *c = utf8_decode (t->s.ptr + t->i, t->s.len - t->i, &width);
  if (*c == RUNE_ERROR && width == 1)
    return regex_fail (t, "invalid UTF-8", t->i, t->s.len);
  t->i += width;
  return 0;
}

/* An item was written that a repetition can follow. */
void
regex_item (struct translator *t)
{
  struct group *g = &t->groups[t->depth];

  g->item = true;
  g->repeat = 1;
}

static int
open_group (struct translator *t)
{
  if (t->depth + 1 == MAX_GROUPS)
    return regex_fail (t, "expression nests too deeply", 0, t->s.len);
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
    return regex_fail (t, "invalid named capture", start, t->s.len);
  n = end - t->s.ptr - name;
  t->i = name + n + 1;
  for (i = 0; i < n; ++i) {
    c = t->s.ptr[name + i];
    if (c != '_' && !((unsigned char) c < 0x80 && rune_is_letter (c)))
      break;
  }
  if (n == 0 || i < n)
    return regex_fail (t, "invalid named capture", start, t->i);
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
  while (!regex_at_end (t)) {
    r = regex_next (t, &c);
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
  return regex_fail (t, "invalid or unsupported Perl syntax", start, t->i);
}

static int
group (struct translator *t)
{
  if (regex_at (t, 1, '?')) {
    if (regex_at (t, 2, 'P') && regex_at (t, 3, '<') && t->i + 4 < t->s.len)
      return named_group (t);
    return flags_group (t);
  }
  t->i++;
  return regex_put (t, "(") == -1 ? -1 : open_group (t);
}

static int
close_group (struct translator *t)
{
  unsigned most;

  if (t->depth == 0)
    return regex_fail (t, "unexpected )", 0, t->s.len);
  most = t->groups[t->depth--].most;
  t->i++;
  regex_item (t);
  t->groups[t->depth].repeat = most;
  t->groups[t->depth].most = MAX (t->groups[t->depth].most, most);
  return regex_put (t, ")");
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
    return regex_fail (t, "invalid nested repetition operator", t->last, end);
  if (!g->item)
    return regex_fail (t, "missing argument to repetition operator", start,
                       end);
  g->repeat *= MAX (times, 1U);
  if (g->repeat > MAX_REPEAT)
    return regex_fail (t, "invalid repeat count", start, end);
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
    regex_item (t);
    return regex_put_char (t, '{');
  }
  if (r.min > MAX_REPEAT || (!r.open && (r.max > MAX_REPEAT ||
                                         r.min > r.max)))
    return regex_fail (t, "invalid repeat count", t->i, r.end);
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
    r = regex_next (t, &c);
    if (r != 0)
      return r;
    regex_item (t);
    if (regex_put_char (t, c) == -1)
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
  regex_item (t);
  if (c == 'C')
    return regex_fail (t, "invalid escape sequence", t->i, t->i + 2);
  if (c && strchr ("AbBz", c)) {
    t->i += 2;
    return regex_put (t, place);
  }
  r = regex_class_escape (t, false, &none);
  if (r != 0 || !none)
    return r;
  r = regex_escape (t, &literal);
  return r != 0 ? r : regex_put_char (t, literal);
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
  case '[': return regex_class (t);
  case '{': return braces (t);
  case '\\': return backslash (t);
  case '*': case '+': case '?':
    return repeat (t, t->i + 1, 1);
  case '|':
    t->i++;
    t->groups[t->depth].item = false;
    return regex_put (t, self);
  case '.':
    t->i++;
    regex_item (t);
    return regex_put (t, self);
  case '^': case '$':
    t->i++;
    regex_item (t);
    /* PCRE2 repeats a place only in parentheses. */
    return regex_put (t, c == '^' ? "(?:^)" : "(?:$)");
  }
  r = regex_next (t, &literal);
  if (r != 0)
    return r;
  regex_item (t);
  return regex_put_char (t, literal);
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
  r = regex_put (t, "(*LF)");
  while (r == 0 && t->i < pattern.len) {
    start = t->i;
    t->repeated = false;
    r = one (t);
    t->last = t->repeated ? start : SIZE_MAX;
  }
  if (r == 0 && t->depth > 0)
    r = regex_fail (t, "missing closing )", 0, pattern.len);
  free (t);
  return r;
}
