/* SPDX-License-Identifier: BSD-3-Clause
 *
 * mustRegexReplaceAll: Go's regexp by way of PCRE2.
 *
 * regex_translate.c lets nothing through that RE2's syntax does not have,
 * and with the options below it means the same.  PCRE2 goes back where RE2
 * does not, so its work is limited.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <errno.h>
#include <pcre2.h>
#include <string.h>

#include "common/util/log.h"
#include "common/template/private.h"
#include "common/template/regex_translate.h"

#define MATCH_LIMIT 1000000
#define DEPTH_LIMIT 10000

static inline void
cleanup_code (pcre2_code **code)
{
  pcre2_code_free (*code);
}

static inline void
cleanup_match (pcre2_match_data **match)
{
  pcre2_match_data_free (*match);
}

static inline void
cleanup_context (pcre2_match_context **context)
{
  pcre2_match_context_free (*context);
}

#define CLEANUP_CODE __attribute__ ((cleanup (cleanup_code)))
#define CLEANUP_MATCH __attribute__ ((cleanup (cleanup_match)))
#define CLEANUP_CONTEXT __attribute__ ((cleanup (cleanup_context)))

struct match {
  const pcre2_code *code;
  pcre2_match_data *data;
  struct text s;
  int nr_groups;                /* that the match has set */
};

static int
append_group (const struct match *m, struct strbuf *out, size_t n)
{
  const PCRE2_SIZE *const at = pcre2_get_ovector_pointer (m->data);

  if (n >= (size_t) m->nr_groups || at[2 * n] == PCRE2_UNSET)
    return 0;
  return text_append (out, (struct text) { m->s.ptr + at[2 * n],
                      at[2 * n + 1] - at[2 * n] }, 1);
}

/* The group that NAME, of "$NAME", means. */
static int
append_named (const struct match *m, struct strbuf *out, struct text name)
{
  char buf[64];
  unsigned n = 0;
  size_t i;
  int group;

  for (i = 0; i < name.len && name.ptr[i] >= '0' && name.ptr[i] <= '9' &&
         n < 100000000; ++i)
    n = n * 10 + (name.ptr[i] - '0');
  if (i == name.len) {
    /* "01" is a name, not a number. */
    if (name.len > 1 && name.ptr[0] == '0')
      return 0;
    return append_group (m, out, n);
  }
  if (name.len >= sizeof buf)
    return 0;
  memcpy (buf, name.ptr, name.len);
  buf[name.len] = '\0';
  group = pcre2_substring_number_from_name (m->code, (PCRE2_SPTR) buf);
  return group > 0 ? append_group (m, out, group) : 0;
}

static size_t
name_length (const char *s, size_t n)
{
  size_t i, width;
  int32_t c;

  for (i = 0; i < n; i += width) {
    c = utf8_decode (s + i, n - i, &width);
    if (c != '_' && !rune_is_letter (c))
      break;
  }
  return i;
}

/* Append REPLACEMENT with its "$1", "${1}" and "$$". */
static int
expand (const struct match *m, struct strbuf *out, struct text replacement)
{
  const char *s = replacement.ptr, *const end = s + replacement.len;
  const char *dollar;
  size_t n, braces;

  while (s < end) {
    dollar = memchr (s, '$', end - s);
    n = (dollar ? dollar : end) - s;
    if (text_append (out, (struct text) { s, n }, 1) == -1)
      return -1;
    s += n;
    if (dollar == NULL)
      break;
    if (s + 1 < end && s[1] == '$') {
      if (text_append (out, TEXT ("$"), 1) == -1)
        return -1;
      s += 2;
      continue;
    }
    braces = s + 1 < end && s[1] == '{';
    n = name_length (s + 1 + braces, end - s - 1 - braces);
    if (n == 0 || (braces && (s + 2 + n >= end || s[2 + n] != '}'))) {
      /* No group: a dollar sign. */
      if (text_append (out, TEXT ("$"), 1) == -1)
        return -1;
      s++;
      continue;
    }
    if (append_named (m, out, (struct text) { s + 1 + braces, n }) == -1)
      return -1;
    s += 1 + n + 2 * braces;
  }
  return 0;
}

static int
replace_all (struct exec *x, struct match *m, struct text replacement,
             pcre2_match_context *context, struct strbuf *out)
{
  const PCRE2_SIZE *const at = pcre2_get_ovector_pointer (m->data);
  const struct text s = m->s;
  size_t done = 0, search = 0, width;
  int r;

  while (search <= s.len) {
    r = pcre2_match (m->code, (PCRE2_SPTR) s.ptr, s.len, search, 0, m->data,
                     context);
    if (r == PCRE2_ERROR_NOMATCH)
      break;
    if (r == PCRE2_ERROR_NOMEMORY) {
      errno = ENOMEM;
      return exec_memory (x);
    }
    if (r < 0)
      return call_error (x, "the regular expression takes too much work");
    m->nr_groups = r;
    if (text_append (out, (struct text) { s.ptr + done, at[0] - done },
                     1) == -1)
      return exec_memory (x);
    /* No empty match right behind another match. */
    if ((at[1] > done || at[0] == 0) &&
        expand (m, out, replacement) == -1)
      return exec_memory (x);
    done = at[1];
    search = at[1];
    if (at[1] == at[0]) {
      width = 1;
      if (search < s.len)
        utf8_decode (s.ptr + search, s.len - search, &width);
      search += width;
    }
  }
  if (text_append (out, (struct text) { s.ptr + done, s.len - done },
                   1) == -1)
    return exec_memory (x);
  return 0;
}

static bool
is_utf8 (struct text s)
{
  size_t i, width;

  for (i = 0; i < s.len; i += width)
    if (utf8_decode (s.ptr + i, s.len - i, &width) == RUNE_ERROR &&
        width == 1)
      return false;
  return true;
}

int
regex_replace (struct exec *x, struct text pattern, struct text s,
               struct text replacement, struct strbuf *out)
{
  CLEANUP_CODE pcre2_code *code = NULL;
  CLEANUP_MATCH pcre2_match_data *data = NULL;
  CLEANUP_CONTEXT pcre2_match_context *context = NULL;
  CLEANUP_STRBUF struct strbuf translated = { 0 }, error = { 0 };
  struct match m = { .s = s };
  PCRE2_SIZE offset;
  int number;

  switch (regex_translate (pattern, &translated, &error)) {
  case 0:
    break;
  case 1:
    return call_error (x, "%s", error.ptr);
  default:
    return exec_memory (x);
  }
  if (!is_utf8 (s))
    return call_error (x, "the text is not UTF-8");
  code = pcre2_compile ((PCRE2_SPTR) translated.ptr, translated.len,
                        PCRE2_UTF | PCRE2_DOLLAR_ENDONLY, &number, &offset,
                        NULL);
  if (code == NULL)
    return call_error (x, "error parsing regexp: not supported: `%.*s`",
                       (int) pattern.len, pattern.ptr);
  data = pcre2_match_data_create_from_pattern (code, NULL);
  context = pcre2_match_context_create (NULL);
  if (data == NULL || context == NULL) {
    errno = ENOMEM;
    return exec_memory (x);
  }
  pcre2_set_match_limit (context, MATCH_LIMIT);
  pcre2_set_depth_limit (context, DEPTH_LIMIT);
  m.code = code;
  m.data = data;
  return replace_all (x, &m, replacement, context, out);
}
