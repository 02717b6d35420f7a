/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a plain scalar means.  The rules are those of Go's yaml.v2, which
 * is under every Kubernetes tool: YAML 1.1 booleans, numbers with an
 * optional base prefix and with underscores anywhere, no base 60, and
 * dates stay strings.  Numbers are recognised exactly because a field
 * that wants text must refuse them: an unquoted id 0123 would reach the
 * API server as 83.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/minmax.h"
#include "common/util/strbuf.h"
#include "driver/plan/yaml.h"

static bool
one_of (const char *s, const char *const *words, size_t nr)
{
  size_t i;

  for (i = 0; i < nr; ++i)
    if (strcmp (s, words[i]) == 0)
      return true;
  return false;
}

static const char *const null_words[] =
  { "", "~", "null", "Null", "NULL" };
static const char *const true_words[] =
  { "true", "True", "TRUE", "yes", "Yes", "YES", "y", "Y",
    "on", "On", "ON" };
static const char *const false_words[] =
  { "false", "False", "FALSE", "no", "No", "NO", "n", "N",
    "off", "Off", "OFF" };
static const char *const float_words[] =
  { ".nan", ".NaN", ".NAN", ".inf", ".Inf", ".INF",
    "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF" };

static bool
is_digit (char c)
{
  return c >= '0' && c <= '9';
}

static const char *
skip_digits (const char *s)
{
  while (is_digit (*s))
    s++;
  return s;
}

/* [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? */
static bool
is_float (const char *s)
{
  const char *p;

  if (*s == '-' || *s == '+')
    s++;
  if (*s == '.') {
    p = skip_digits (s + 1);
    if (p == s + 1)
      return false;
  }
  else {
    p = skip_digits (s);
    if (p == s)
      return false;
    if (*p == '.')
      p = skip_digits (p + 1);
  }
  if (*p == 'e' || *p == 'E') {
    p++;
    if (*p == '-' || *p == '+')
      p++;
    if (!is_digit (*p))
      return false;
    p = skip_digits (p);
  }
  return *p == '\0';
}

static bool
parse_binary (const char *s, uint64_t *r)
{
  uint64_t v = 0;

  if (*s == '\0')
    return false;
  for (; *s != '\0'; ++s) {
    if ((*s != '0' && *s != '1') || v >> 63)
      return false;
    v = v << 1 | (*s == '1');
  }
  *r = v;
  return true;
}

/* Go's base 0: 0x, 0o, 0b in either case, and 0 for octal. */
static bool
parse_magnitude (const char *s, uint64_t *r)
{
  if (s[0] != '0' || s[1] == '\0')
    return parse_u64 (s, r);
  switch (s[1]) {
  case 'x': case 'X':
    return parse_u64_n (s + 2, strlen (s + 2), 16, r);
  case 'o': case 'O':
    return parse_u64_n (s + 2, strlen (s + 2), 8, r);
  case 'b': case 'B':
    return parse_binary (s + 2, r);
  default:
    return parse_u64_n (s + 1, strlen (s + 1), 8, r);
  }
}

/* Sets type and value of NODE if S is a number. */
static void
resolve_number (struct yaml_node *node, const char *s)
{
  const bool negative = *s == '-';
  uint64_t v;

  if (parse_magnitude (s + (*s == '-' || *s == '+'), &v)) {
    if (v <= INT64_MAX || (negative && v == (uint64_t) INT64_MAX + 1)) {
      node->type = YAML_INT;
      node->integer = negative ? (int64_t) -v : (int64_t) v;
      return;
    }
    if (!negative) {
      node->type = YAML_FLOAT;
      node->real = (double) v;
      return;
    }
  }
  if (is_float (s)) {
    node->type = YAML_FLOAT;
    node->real = strtod (s, NULL);
  }
}

/* Longer texts are never numbers of any use. */
#define MAX_NUMBER 128

void
yaml_resolve_plain (struct yaml_node *node)
{
  const char *s = node->text;
  char plain[MAX_NUMBER];
  size_t i, n = 0;

  node->type = YAML_STRING;
  if (node->len >= MAX_NUMBER)
    return;

  if (one_of (s, null_words, ARRAY_SIZE (null_words))) {
    node->type = YAML_NULL;
    return;
  }
  if (one_of (s, true_words, ARRAY_SIZE (true_words))) {
    node->type = YAML_BOOL;
    node->boolean = true;
    return;
  }
  if (one_of (s, false_words, ARRAY_SIZE (false_words))) {
    node->type = YAML_BOOL;
    node->boolean = false;
    return;
  }
  if (one_of (s, float_words, ARRAY_SIZE (float_words))) {
    node->type = YAML_FLOAT;
    node->real = strtod (s + (s[0] == '.' ? 1 : 2), NULL);
    if (s[0] == '-')
      node->real = -node->real;
    return;
  }

  if (*s == '.') {
    if (is_float (s)) {
      node->type = YAML_FLOAT;
      node->real = strtod (s, NULL);
    }
  }
  else if (is_digit (*s) || *s == '-' || *s == '+') {
    for (i = 0; i < node->len; ++i)
      if (s[i] != '_')
        plain[n++] = s[i];
    plain[n] = '\0';
    resolve_number (node, plain);
  }
}

/* The code unit of an escape "\\uXXXX" at TEXT, or 0. */
static uint64_t
code_unit (const char *text, size_t len)
{
  uint64_t v;

  if (len < 6 || text[0] != '\\' || text[1] != 'u' ||
      !parse_u64_n (text + 2, 4, 16, &v))
    return 0;
  return v;
}

bool
yaml_is_json (const char *text, size_t len)
{
  size_t i = 0;

  while (i < len && text[i] != '\0' && strchr (" \t\r\n", text[i]))
    i++;
  return i < len && (text[i] == '{' || text[i] == '[');
}

/* JSON writes a character outside of the basic plane as two escapes,
 * which libyaml refuses.  A YAML file has no such escapes: it is left
 * alone, because a backslash means nothing in most of it.
 */
size_t
yaml_join_surrogates (char *text, size_t len)
{
  uint64_t high, low;
  size_t from = 0, to = 0;
  char escape[16];

  while (from < len) {
    if (text[from] != '\\' || from + 1 >= len) {
      text[to++] = text[from++];
      continue;
    }
    high = code_unit (text + from, len - from);
    low = high ? code_unit (text + from + 6, len - MIN (len, from + 6)) : 0;
    if (high >= 0xd800 && high < 0xdc00 && low >= 0xdc00 && low < 0xe000) {
      snprintf (escape, sizeof escape, "\\U%08x",
                (unsigned) (0x10000 + (high - 0xd800) * 0x400 +
                            (low - 0xdc00)));
      memcpy (text + to, escape, 10);
      to += 10;
      from += 12;
      continue;
    }
    text[to++] = text[from++];
    text[to++] = text[from++];
  }
  return to;
}
