/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Why libyaml stopped, in words that help.  libyaml says what its state
 * machine did not find; people need to know what to type instead.  Most
 * of it is a table from libyaml's text to ours.  The one thing taken from
 * the input is the name of a key before a colon without a blank: values
 * may be secrets.
 */
#include <stdio.h>
#include <string.h>

#include <yaml.h>

#include "common/include/minmax.h"
#include "common/util/strbuf.h"
#include "driver/plan/yaml.h"

enum where { AT_PROBLEM, AT_CONTEXT };

static const struct {
  const char *problem;          /* libyaml's text */
  enum where where;
  const char *message;          /* %u: line of the context */
  const char *suggestion;
} explanations[] = {
  { "found a tab character that violates indentation", AT_PROBLEM,
    "a tab is used for indentation", "use spaces" },
  { "could not find expected ':'", AT_CONTEXT,
    "this line is no 'KEY: VALUE'",
    "check the colon, the blank after it and the indentation" },
  { "mapping values are not allowed in this context", AT_PROBLEM,
    "a second ': ' in one value, or a line that is indented too far",
    "check the indentation; quote a value that contains ': '" },
  { "did not find expected key", AT_PROBLEM,
    "a key was expected here; what begins in line %u is not continued",
    "check the indentation" },
  { "did not find expected '-' indicator", AT_PROBLEM,
    "an entry '- ' was expected here; the list begins in line %u",
    "check the indentation" },
  { "block sequence entries are not allowed in this context", AT_PROBLEM,
    "no list entry '- ' can stand here",
    "begin the list in the line after its key" },
  { "did not find expected ',' or ']'", AT_PROBLEM,
    "the list that begins with '[' in line %u is not closed",
    "add the missing ',' or ']'" },
  { "did not find expected ',' or '}'", AT_PROBLEM,
    "the map that begins with '{' in line %u is not closed",
    "add the missing ',' or '}'" },
  { "did not find expected node content", AT_PROBLEM,
    "a value was expected here; is a '[' or '{' not closed?", NULL },
  { "found unexpected end of stream", AT_PROBLEM,
    "the text ends inside the quotes that begin in line %u",
    "add the closing quote" },
  { "found unexpected document indicator", AT_PROBLEM,
    "the document ends inside the quotes that begin in line %u",
    "add the closing quote" },
  { "did not find expected <document start>", AT_PROBLEM,
    "a new document begins here without a line '---' before it",
    "put a line '---' between the documents, or check the indentation" },
  { "did not find expected alphabetic or numeric character", AT_PROBLEM,
    "no name follows the '*' or '&'",
    "quote a value that begins with * or &" },
  { "found invalid Unicode character escape code", AT_PROBLEM,
    "a \\u escape that is no character", NULL },
  { "found unknown escape character", AT_PROBLEM,
    "a backslash with an unknown letter in double quotes",
    "write \\\\ for a backslash, or use single quotes" },
};

/* libyaml's marks count characters, an error of its reader bytes. */
static size_t
offset_of_char (const char *text, size_t len, size_t index)
{
  size_t i = 0;

  while (i < len && index > 0) {
    i++;
    while (i < len && ((unsigned char) text[i] & 0xc0) == 0x80)
      i++;
    index--;
  }
  return i;
}

static void
line_and_column (const char *text, size_t offset,
                 struct yaml_explanation *e)
{
  size_t i;

  e->line = e->column = 1;
  for (i = 0; i < offset; ++i) {
    if (text[i] == '\n') {
      e->line++;
      e->column = 1;
    }
    else if (((unsigned char) text[i] & 0xc0) != 0x80)
      e->column++;
  }
}

static void
explain_reader (const yaml_parser_t *parser, const char *text, size_t len,
                struct yaml_explanation *e)
{
  unsigned char byte;

  e->offset = MIN (parser->problem_offset, len);
  /* It points at the byte that does not continue a character. */
  if (strcmp (parser->problem, "invalid trailing UTF-8 octet") == 0)
    while (e->offset > 0) {
      e->offset--;
      if (((unsigned char) text[e->offset] & 0xc0) != 0x80)
        break;
    }
  line_and_column (text, e->offset, e);
  byte = e->offset < len ? text[e->offset] : 0;

  if (e->offset < len && (byte < 0x20 || byte == 0x7f)) {
    snprintf (e->message, sizeof e->message,
              byte == 0 ? "a NUL byte; this is no text file"
              : "the control character 0x%02x is not allowed", byte);
    return;
  }
  snprintf (e->message, sizeof e->message,
            "the byte 0x%02x is not part of a UTF-8 character allowed in "
            "YAML", byte);
  e->suggestion = "save the file as UTF-8";
}

/* Length of the KEY in a line such as "  - KEY:VALUE", and *KEY; 0 if the
 * line does not look like that.
 */
static size_t
key_without_blank (const char *line, size_t len, const char **key)
{
  static const char key_chars[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "0123456789_.-/";
  size_t i = 0, begin;

  while (i < len && (line[i] == ' ' || line[i] == '-'))
    i++;
  begin = i;
  while (i < len && line[i] != '\0' && strchr (key_chars, line[i]))
    i++;
  if (i == begin || i - begin > 63 || i + 1 >= len || line[i] != ':')
    return 0;
  if (strchr (" \r\n\t", line[i + 1]) || line[i + 1] == '/')
    return 0;                   /* a good key, or a URL */
  *key = line + begin;
  return i - begin;
}

/* Look for that misprint in the line that holds OFFSET and in the one
 * before it.
 */
static size_t
find_key_without_blank (const char *text, size_t len, size_t offset,
                        const char **key)
{
  size_t begin, end, n, tries;

  for (tries = 0; tries < 2; ++tries) {
    begin = MIN (offset, len);
    while (begin > 0 && text[begin - 1] != '\n')
      begin--;
    for (end = begin; end < len && text[end] != '\n'; ++end)
      ;
    n = key_without_blank (text + begin, end - begin, key);
    if (n > 0)
      return n;
    if (begin == 0)
      break;
    offset = begin - 1;
  }
  return 0;
}

/* The document around OFFSET may be a Secret.  What looks like a key
 * there can be part of a value.
 */
static bool
may_be_secret (const char *text, size_t len, size_t offset)
{
  static const char separator[] = "\n---";
  const char *begin = text, *end, *p;

  while ((p = memmem (begin, text + MIN (offset, len) - begin, separator,
                      sizeof separator - 1)) != NULL)
    begin = p + 1;
  end = memmem (begin + 1, text + len - begin - 1, separator,
                sizeof separator - 1);
  if (end == NULL)
    end = text + len;
  return memmem (begin, end - begin, "Secret", 6) ||
    memmem (begin, end - begin, "stringData", 10);
}

static void
explain_character (char c, struct yaml_explanation *e)
{
  if (c == '\t') {
    snprintf (e->message, sizeof e->message,
              "a tab is used for indentation");
    e->suggestion = "use spaces";
    return;
  }
  snprintf (e->message, sizeof e->message,
            "a value can not begin with '%c'", c);
  e->suggestion = "quote the value";
}

static void
explain_known (const yaml_parser_t *parser, struct yaml_explanation *e)
{
  const unsigned context_line = parser->context_mark.line + 1;
  size_t i;

  for (i = 0; i < ARRAY_SIZE (explanations); ++i) {
    if (strcmp (parser->problem, explanations[i].problem) != 0)
      continue;
    snprintf (e->message, sizeof e->message, explanations[i].message,
              context_line);
    e->suggestion = explanations[i].suggestion;
    if (explanations[i].where == AT_CONTEXT && parser->context) {
      e->line = context_line;
      e->column = parser->context_mark.column + 1;
    }
    return;
  }
  snprintf (e->message, sizeof e->message, "not valid YAML: %s%s%s",
            parser->problem, parser->context ? " " : "",
            parser->context ? parser->context : "");
}

void
yaml_explain (const yaml_parser_t *parser, const char *text, size_t len,
              struct yaml_explanation *e)
{
  const char *key;
  size_t n = 0, context_offset;

  memset (e, 0, sizeof *e);
  if (parser->error == YAML_READER_ERROR) {
    explain_reader (parser, text, len, e);
    return;
  }

  e->offset = offset_of_char (text, len, parser->problem_mark.index);
  e->line = parser->problem_mark.line + 1;
  e->column = parser->problem_mark.column + 1;

  if (strcmp (parser->problem,
              "found character that cannot start any token") == 0 &&
      e->offset < len) {
    explain_character (text[e->offset], e);
    return;
  }

  explain_known (parser, e);
  if (strcmp (parser->problem, "could not find expected ':'") == 0) {
    context_offset = offset_of_char (text, len,
                                     parser->context_mark.index);
    n = find_key_without_blank (text, len, context_offset, &key);
  }
  else if (strcmp (parser->problem, "mapping values are not allowed in "
                   "this context") == 0)
    n = find_key_without_blank (text, len, e->offset, &key);
  if (n > 0) {
    if (may_be_secret (text, len, e->offset))
      snprintf (e->message, sizeof e->message,
                "the blank after the colon is missing");
    else
      snprintf (e->message, sizeof e->message,
                "the blank after '%.*s:' is missing", (int) n, key);
    e->suggestion = "write KEY: VALUE, with a blank after the colon";
  }
}
