/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sprig's functions of strings.  The string that a function works on is
 * its last argument, so that it can come from a pipe.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/template/private.h"

static bool
has_prefix (struct text s, struct text prefix)
{
  return s.len >= prefix.len && memcmp (s.ptr, prefix.ptr, prefix.len) == 0;
}

static bool
has_suffix (struct text s, struct text suffix)
{
  return s.len >= suffix.len &&
    memcmp (s.ptr + s.len - suffix.len, suffix.ptr, suffix.len) == 0;
}

static int
result (struct value *r, struct text s)
{
  *r = value_string (s);
  return 0;
}

/* Every character of S through FUNCTION. */
static int
map (struct exec *x, struct text s, int32_t (*function) (int32_t),
     struct value *r)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };
  size_t i, width;

  for (i = 0; i < s.len; i += width)
    if (utf8_append (&b, function (utf8_decode (s.ptr + i, s.len - i,
                                                &width))) == -1)
      return exec_memory (x);
  return exec_string (x, &b, r);
}

static int
call_lower (struct exec *x, const struct value *args, size_t nr,
            struct value *r)
{
  return map (x, args[0].s, rune_lower, r);
}

static int
call_upper (struct exec *x, const struct value *args, size_t nr,
            struct value *r)
{
  return map (x, args[0].s, rune_upper, r);
}

static int
call_contains (struct exec *x, const struct value *args, size_t nr,
               struct value *r)
{
  *r = value_bool (memmem (args[1].s.ptr, args[1].s.len, args[0].s.ptr,
                           args[0].s.len) != NULL);
  return 0;
}

static int
call_has_prefix (struct exec *x, const struct value *args, size_t nr,
                 struct value *r)
{
  *r = value_bool (has_prefix (args[1].s, args[0].s));
  return 0;
}

static int
call_has_suffix (struct exec *x, const struct value *args, size_t nr,
                 struct value *r)
{
  *r = value_bool (has_suffix (args[1].s, args[0].s));
  return 0;
}

static int
call_replace (struct exec *x, const struct value *args, size_t nr,
              struct value *r)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };
  const struct text old = args[0].s, new = args[1].s;
  struct text s = args[2].s;
  const char *p;
  size_t n;

  for (;;) {
    if (old.len > 0)
      p = memmem (s.ptr, s.len, old.ptr, old.len);
    else {
      /* Nothing stands before each character, and at the end. */
      if (text_append (&b, new, 1) == -1)
        return exec_memory (x);
      p = NULL;
      if (s.len > 0) {
        utf8_decode (s.ptr, s.len, &n);
        p = s.ptr + n;
      }
    }
    n = p ? (size_t) (p - s.ptr) : s.len;
    if (text_append (&b, (struct text) { s.ptr, n }, 1) == -1)
      return exec_memory (x);
    if (p == NULL)
      return exec_string (x, &b, r);
    if (old.len > 0 && text_append (&b, new, 1) == -1)
      return exec_memory (x);
    s.ptr += n + old.len;
    s.len -= n + old.len;
  }
}

static bool
is_in (int32_t c, struct text set)
{
  size_t i, width;

  for (i = 0; i < set.len; i += width)
    if (utf8_decode (set.ptr + i, set.len - i, &width) == c)
      return true;
  return false;
}

/* S without characters of SET, or blanks if SET is NULL, at its ends. */
static struct text
trim (struct text s, const struct text *set)
{
  size_t width, i;
  int32_t c;

  while (s.len > 0) {
    c = utf8_decode (s.ptr, s.len, &width);
    if (!(set ? is_in (c, *set) : rune_is_space (c)))
      break;
    s.ptr += width;
    s.len -= width;
  }
  while (s.len > 0) {
    for (i = s.len - 1; i > 0 && s.len - i < 4 &&
           (s.ptr[i] & 0xc0) == 0x80; --i)
      ;
    c = utf8_decode (s.ptr + i, s.len - i, &width);
    if (i + width != s.len) {
      c = RUNE_ERROR;
      i = s.len - 1;
    }
    if (!(set ? is_in (c, *set) : rune_is_space (c)))
      break;
    s.len = i;
  }
  return s;
}

static int
call_trim (struct exec *x, const struct value *args, size_t nr,
           struct value *r)
{
  return result (r, trim (args[0].s, NULL));
}

static int
call_trim_all (struct exec *x, const struct value *args, size_t nr,
               struct value *r)
{
  return result (r, trim (args[1].s, &args[0].s));
}

static int
call_trim_prefix (struct exec *x, const struct value *args, size_t nr,
                  struct value *r)
{
  struct text s = args[1].s;

  if (has_prefix (s, args[0].s)) {
    s.ptr += args[0].s.len;
    s.len -= args[0].s.len;
  }
  return result (r, s);
}

static int
call_trim_suffix (struct exec *x, const struct value *args, size_t nr,
                  struct value *r)
{
  struct text s = args[1].s;

  if (has_suffix (s, args[0].s))
    s.len -= args[0].s.len;
  return result (r, s);
}

/* strings.Title: a word begins after anything but letters, digits and "_". */
static bool
is_title_separator (int32_t c)
{
  return c < 0x80 ? !rune_is_letter (c) && c != '_' :
    !rune_is_letter (c) && rune_is_space (c);
}

/* S with the characters that begin a word through FUNCTION. */
static int
map_first (struct exec *x, struct text s, bool (*is_separator) (int32_t),
           int32_t (*function) (int32_t), struct value *r)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };
  bool begins = true;
  size_t i, width;
  int32_t c;

  for (i = 0; i < s.len; i += width) {
    c = utf8_decode (s.ptr + i, s.len - i, &width);
    if (utf8_append (&b, begins ? function (c) : c) == -1)
      return exec_memory (x);
    begins = is_separator (c);
  }
  return exec_string (x, &b, r);
}

static int
call_title (struct exec *x, const struct value *args, size_t nr,
            struct value *r)
{
  return map_first (x, args[0].s, is_title_separator, rune_title, r);
}

static int
call_untitle (struct exec *x, const struct value *args, size_t nr,
              struct value *r)
{
  return map_first (x, args[0].s, rune_is_space, rune_lower, r);
}

static int
call_repeat (struct exec *x, const struct value *args, size_t nr,
             struct value *r)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };

  if (args[0].i < 0)
    return call_error (x, "strings: negative Repeat count");
  if (text_append (&b, args[1].s, args[0].i) == -1)
    return exec_memory (x);
  return exec_string (x, &b, r);
}

/* S[START:END] */
static int
slice (struct exec *x, struct text s, int64_t start, int64_t end,
       struct value *r)
{
  static const char range[] = "runtime error: slice bounds out of range";
  const int64_t len = s.len;

  if (end < 0)
    return call_error (x, "%s [:%" PRIi64 "]", range, end);
  if (end > len)
    return call_error (x, "%s [:%" PRIi64 "] with length %" PRIi64, range,
                       end, len);
  if (start > end)
    return call_error (x, "%s [%" PRIi64 ":%" PRIi64 "]", range, start, end);
  return result (r, (struct text) { s.ptr + start, end - start });
}

static int
call_substr (struct exec *x, const struct value *args, size_t nr,
             struct value *r)
{
  const int64_t start = args[0].i, end = args[1].i;
  const int64_t len = args[2].s.len;

  if (start < 0)
    return slice (x, args[2].s, 0, end, r);
  if (end < 0 || end > len)
    return slice (x, args[2].s, start, len, r);
  return slice (x, args[2].s, start, end, r);
}

static int
call_trunc (struct exec *x, const struct value *args, size_t nr,
            struct value *r)
{
  const int64_t n = args[0].i;
  struct text s = args[1].s;
  const int64_t len = s.len;

  if (n < 0 && n > -len)
    s = (struct text) { s.ptr + len + n, -n };
  else if (n >= 0 && n < len)
    s.len = n;
  return result (r, s);
}

/* sprig takes the bytes of a string for characters in these two. */
static int
call_nospace (struct exec *x, const struct value *args, size_t nr,
              struct value *r)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };
  const struct text s = args[0].s;
  bool found = false;
  size_t i;

  for (i = 0; i < s.len; ++i) {
    const unsigned char c = s.ptr[i];

    if (rune_is_space (c))
      found = true;
    else if (utf8_append (&b, c) == -1)
      return exec_memory (x);
  }
  return found ? exec_string (x, &b, r) : result (r, s);
}

static int
call_initials (struct exec *x, const struct value *args, size_t nr,
               struct value *r)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };
  const struct text s = args[0].s;
  bool begins = true;
  size_t i;

  for (i = 0; i < s.len; ++i) {
    const unsigned char c = s.ptr[i];

    if (!rune_is_space (c) && begins && utf8_append (&b, c) == -1)
      return exec_memory (x);
    begins = rune_is_space (c);
  }
  return exec_string (x, &b, r);
}

static int
call_regex_replace (struct exec *x, const struct value *args, size_t nr,
                    struct value *r)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };

  if (regex_replace (x, args[0].s, args[1].s, args[2].s, &b) == -1)
    return -1;
  return exec_string (x, &b, r);
}

const struct function functions_string[] = {
  { "contains", "ss", false, call_contains },
  { "hasPrefix", "ss", false, call_has_prefix },
  { "hasSuffix", "ss", false, call_has_suffix },
  { "initials", "s", false, call_initials },
  { "lower", "s", false, call_lower },
  { "mustRegexReplaceAll", "sss", false, call_regex_replace },
  { "nospace", "s", false, call_nospace },
  { "repeat", "is", false, call_repeat },
  { "replace", "sss", false, call_replace },
  { "substr", "iis", false, call_substr },
  { "title", "s", false, call_title },
  { "trim", "s", false, call_trim },
  { "trimAll", "ss", false, call_trim_all },
  { "trimPrefix", "ss", false, call_trim_prefix },
  { "trimSuffix", "ss", false, call_trim_suffix },
  { "trunc", "is", false, call_trunc },
  { "untitle", "s", false, call_untitle },
  { "upper", "s", false, call_upper },
  { NULL, NULL, false, NULL }
};
