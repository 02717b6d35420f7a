/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The YAML tree loader: scalar rules, structure, limits, positions of
 * errors, speed.  Trees are compared as compact JSON.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <jansson.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/strbuf.h"
#include "driver/plan/base64.h"
#include "driver/plan/yaml.h"

static json_t *
to_json (const struct yaml_node *node)
{
  json_t *j;
  size_t i;

  switch (node->type) {
  case YAML_NULL:
    return json_null ();
  case YAML_BOOL:
    return json_boolean (node->boolean);
  case YAML_INT:
    return json_integer (node->integer);
  case YAML_FLOAT:
    return json_real (node->real);
  case YAML_STRING:
    return json_stringn (node->text, node->len);
  case YAML_LIST:
    j = json_array ();
    for (i = 0; i < node->nr; ++i)
      json_array_append_new (j, to_json (node->items[i]));
    return j;
  case YAML_MAP:
    j = json_object ();
    for (i = 0; i < node->nr; ++i)
      json_object_set_new (j, node->pairs[i].key,
                           to_json (node->pairs[i].value));
    return j;
  case YAML_BROKEN:
    return json_string ("BROKEN");
  }
  return NULL;
}

/* All documents of TEXT as compact JSON, one a line, then all problems
 * as "LINE:COLUMN PATH MESSAGE", one a line.
 */
static char *
load (const char *text, size_t len)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };
  struct yaml_arena *arena = yaml_arena_new ();
  problem_vector problems = EMPTY_VECTOR;
  struct yaml_stream *stream;
  struct yaml_document doc;
  char *copy = malloc (len + 1), *s;
  json_t *j;
  size_t i;
  int r;

  assert_non_null (copy);
  memcpy (copy, text, len);
  stream = yaml_open ("f", copy, len, &problems);
  assert_non_null (stream);
  while ((r = yaml_next (stream, arena, &doc)) == 1) {
    j = to_json (doc.root);
    s = json_dumps (j, JSON_COMPACT | JSON_ENCODE_ANY |
                    JSON_REAL_PRECISION (15));
    assert_non_null (s);
    strbuf_printf (&b, "%s%s\n", s, doc.cut ? " CUT" : "");
    free (s);
    json_decref (j);
  }
  assert_int_equal (r, 0);
  for (i = 0; i < problems.len; ++i) {
    const struct problem *p = &problems.ptr[i];

    assert_string_equal (p->where.file, "f");
    assert_string_equal (p->type, "Malformed");
    strbuf_printf (&b, "%u:%u %s %s\n", p->where.line, p->where.column,
                   p->path ? p->path : "-", p->message);
  }
  yaml_close (stream);
  problem_vector_free (&problems);
  yaml_arena_free (arena);
  return strbuf_steal (&b);
}

static void
expect_n (const char *text, size_t len, const char *want)
{
  CLEANUP_FREE char *got = load (text, len);

  if (strcmp (got, want) != 0)
    fail_msg ("of: %s\ngot:  %swant: %s", text, got, want);
}

static void
expect (const char *text, const char *want)
{
  expect_n (text, strlen (text), want);
}

/* What "v: SCALAR" becomes. */
static void
test_scalars (void **state)
{
  static const struct { const char *yaml, *json; } cases[] = {
    { "yes", "true" }, { "on", "true" }, { "True", "true" },
    { "TRUE", "true" }, { "y", "true" }, { "Y", "true" },
    { "Off", "false" }, { "no", "false" }, { "n", "false" },
    { "tRue", "\"tRue\"" }, { "yEs", "\"yEs\"" },
    { "0o17", "15" }, { "017", "15" }, { "0x1F", "31" }, { "0X1f", "31" },
    { "0b101", "5" }, { "-0b11", "-3" }, { "-0x10", "-16" },
    { "0", "0" }, { "-0", "0" }, { "+5", "5" }, { "0123", "83" },
    { "08", "8.0" }, { "1_000", "1000" }, { "0x_1F", "31" },
    { "1e3", "1000.0" }, { ".5", "0.5" }, { "-.5", "-0.5" },
    { "5.", "5.0" }, { "0.10", "0.1" }, { "1.5e-2", "0.015" },
    { ".", "\".\"" }, { "1.2.3", "\"1.2.3\"" }, { "1e", "\"1e\"" },
    { "+", "\"+\"" }, { "0x", "\"0x\"" },
    { "0xG", "\"0xG\"" }, { "0b2", "\"0b2\"" }, { "1-2", "\"1-2\"" },
    { "12:30:45", "\"12:30:45\"" }, { "2024-01-02", "\"2024-01-02\"" },
    { "2024-04-04T01:23:45.678+09:00",
      "\"2024-04-04T01:23:45.678+09:00\"" },
    { "9007199254740993", "9007199254740993" },
    { "9223372036854775807", "9223372036854775807" },
    { "-9223372036854775808", "-9223372036854775808" },
    { "9223372036854775808", "9.22337203685478e18" },
    { "~", "null" }, { "", "null" }, { "Null", "null" },
    { "nUll", "\"nUll\"" },
    { "\"1\"", "\"1\"" }, { "'yes'", "\"yes\"" }, { "\"\"", "\"\"" },
    { "!!str 5", "\"5\"" }, { "! 5", "\"5\"" },
    { "!!binary aGk=", "\"hi\"" },
    { "!!int \"5\"", "5" }, { "!!float 5", "5.0" },
    { "!!bool \"yes\"", "true" }, { "!!null ''", "null" },
    { "!!seq []", "[]" }, { "!!map {}", "{}" },
    { "|\n  a\n  b\n", "\"a\\nb\\n\"" }, { ">-\n  a\n  b\n", "\"a b\"" },
    { "a #b", "\"a\"" }, { "a#b", "\"a#b\"" }, { "1 2", "\"1 2\"" },
    { "http://x/y:z", "\"http://x/y:z\"" },
    { "52-54-00-ab-cd-ef", "\"52-54-00-ab-cd-ef\"" },
    { "\u00e9t\u00e9", "\"\u00e9t\u00e9\"" },
  };
  char text[256], want[256];
  size_t i;

  for (i = 0; i < ARRAY_SIZE (cases); ++i) {
    snprintf (text, sizeof text, "v: %s\n", cases[i].yaml);
    snprintf (want, sizeof want, "{\"v\":%s}\n", cases[i].json);
    expect (text, want);
  }
}

static void
test_special_floats (void **state)
{
  static const char *const words[] = { ".nan", ".inf", "-.inf", "+.INF" };
  char text[32];
  size_t i;

  /* JSON has no way to write these; what counts is that they are no
   * text.
   */
  for (i = 0; i < ARRAY_SIZE (words); ++i) {
    struct yaml_node node = { .text = words[i], .len = strlen (words[i]) };

    yaml_resolve_plain (&node);
    assert_int_equal (node.type, YAML_FLOAT);
  }
  snprintf (text, sizeof text, "v: .info\n");
  expect (text, "{\"v\":\".info\"}\n");
}

static void
test_keys (void **state)
{
  expect ("1: a\n", "{\"1\":\"a\"}\n");
  expect ("0x10: a\n", "{\"16\":\"a\"}\n");
  expect ("true: a\n", "{\"true\":\"a\"}\n");
  expect ("no: a\n", "{\"false\":\"a\"}\n");
  expect ("\"1\": a\n", "{\"1\":\"a\"}\n");
  expect ("1.5: a\n", "{\"1.5\":\"a\"}\n");
  expect ("[1]: a\n", "{}\n1:1 - a key must be text\n");
  expect ("{a: b}: a\n", "{}\n1:1 - a key must be text\n");
  expect ("~: a\n", "{}\n1:1 - a key must be text\n");
  expect ("? a\n", "{\"a\":null}\n");
}

static void
test_duplicates (void **state)
{
  expect ("a: 1\nb: 2\na: 3\n", "{\"a\":1,\"b\":2}\n"
          "3:1 - the key 'a' stands twice in this map, first in line 1\n");
  expect ("x:\n  - {k: 1, k: 2, k: 3}\n", "{\"x\":[{\"k\":1}]}\n"
          "2:12 x[0] the key 'k' stands twice in this map, first in "
          "line 2\n"
          "2:18 x[0] the key 'k' stands twice in this map, first in "
          "line 2\n");
  expect ("1: a\n\"1\": b\n", "{\"1\":\"a\"}\n"
          "2:1 - the key '1' stands twice in this map, first in line 1\n");
  expect ("a: {<<: {b: 1}, <<: {c: 1}}\n", "{\"a\":{\"b\":1,\"c\":1}}\n");
}

static void
test_merge (void **state)
{
  expect ("{<<: {b: 1}, c: 2}\n", "{\"c\":2,\"b\":1}\n");
  expect ("{<<: {b: 1}, b: 2}\n", "{\"b\":2}\n");
  expect ("{b: 2, <<: {b: 1}}\n", "{\"b\":2}\n");
  expect ("{<<: [{a: 1, b: 1}, {b: 2, c: 2}]}\n",
          "{\"a\":1,\"b\":1,\"c\":2}\n");
  expect ("x: &x {a: 1}\nz: {<<: *x, b: 2}\n",
          "{\"x\":{\"a\":1},\"z\":{\"b\":2,\"a\":1}}\n");
  expect ("{\"<<\": 1}\n", "{\"<<\":1}\n");
  expect ("{<<: 3}\n",
          "{}\n1:6 << a merge key (<<) needs a map or a list of maps\n");
  expect ("{<<: [[{a: 1}]]}\n",
          "{}\n1:7 << a merge key (<<) needs a map or a list of maps\n");
}

static void
test_aliases (void **state)
{
  expect ("a: &x [1, 2]\nb: *x\n", "{\"a\":[1,2],\"b\":[1,2]}\n");
  expect ("a: &x 1\nb: &x 2\nc: *x\n", "{\"a\":1,\"b\":2,\"c\":2}\n");
  expect ("a: *x\n", "{\"a\":\"BROKEN\"}\n"
          "1:4 a this alias (*) names an anchor (&) that does not exist\n");
  expect ("a: &x [*x]\n", "{\"a\":[\"BROKEN\"]}\n"
          "1:8 a[0] this alias (*) stands inside what it names\n");
  /* Anchors end with their document. */
  expect ("a: &x 1\n---\nb: *x\n", "{\"a\":1}\n{\"b\":\"BROKEN\"}\n"
          "3:4 b this alias (*) names an anchor (&) that does not exist\n");
}

static void
test_tags (void **state)
{
  static const char bad[] = "the tag at the beginning of this value is not "
    "known or does not fit the value";
  static const char *const texts[] = {
    "!secret x", "!!int x", "!!bool 3", "!!null x", "!!binary *",
    "!!timestamp 2024-01-01", "!!map []", "!x {}", "!!set {}",
  };
  CLEANUP_FREE char *got = NULL;
  char text[64];
  size_t i;

  for (i = 0; i < ARRAY_SIZE (texts); ++i) {
    if (i == 4)                 /* an alias, not base64 */
      continue;
    snprintf (text, sizeof text, "v: %s\n", texts[i]);
    free (got);
    got = load (text, strlen (text));
    assert_non_null (strstr (got, bad));
    assert_non_null (strstr (got, "1:4 v "));
  }
  expect ("v: !!binary a\n", "{\"v\":\"BROKEN\"}\n1:4 v the tag at the "
          "beginning of this value is not known or does not fit the "
          "value\n");
}

static void
test_documents (void **state)
{
  expect ("", "");
  expect ("# nothing\n", "");
  expect ("---\n", "null\n");
  expect ("a\n", "\"a\"\n");
  expect ("a: 1\n---\nb: 2\n", "{\"a\":1}\n{\"b\":2}\n");
  expect ("---\na: 1\n...\n---\nb: 2\n...\n", "{\"a\":1}\n{\"b\":2}\n");
  expect ("%YAML 1.1\n---\na: 1\n", "{\"a\":1}\n");
  expect ("a: 1\n...\n# end\n...\n", "{\"a\":1}\n");
  expect ("a: 1\r\nb: 2\r\n", "{\"a\":1,\"b\":2}\n");
  expect ("\xef\xbb\xbf" "a: 1\n", "{\"a\":1}\n");
  expect ("a: 1", "{\"a\":1}\n");
  /* What follows "..." is not lost in silence. */
  expect ("a: 1\n...\nb: 2\n---\nc: 3\n", "{\"a\":1} CUT\n{\"c\":3}\n");
  expect ("a: 1\n...\nb: 2\n", "{\"a\":1} CUT\n");
}

/* A syntax error costs its own document only. */
static void
test_resume (void **state)
{
  expect ("a: 1\n---\nb: [\n---\nc: 3\n---\nx: @\n---\ne: 5\n",
          "{\"a\":1}\n{\"c\":3}\n{\"e\":5}\n"
          "4:1 - a value was expected here; is a '[' or '{' not closed?\n"
          "7:4 - a value can not begin with '@'\n");
  expect ("a: \"x\n---\nb: 1\n", "{\"b\":1}\n"
          "2:1 - the document ends inside the quotes that begin in "
          "line 1\n");
  expect_n ("a: \0\n---\nb: 1\n", 14, "{\"b\":1}\n"
            "1:4 - a NUL byte; this is no text file\n");
  expect ("--- ]\n--- ]\n---\nb: 1\n", "{\"b\":1}\n"
          "1:5 - a value was expected here; is a '[' or '{' not closed?\n"
          "2:5 - a value was expected here; is a '[' or '{' not closed?\n");
}

static void
test_positions (void **state)
{
  expect ("a:\n\tb: 1\n", "2:1 - a tab is used for indentation\n");
  expect ("a:\n  b: 1\n\tc: 1\n", "3:1 - a tab is used for indentation\n");
  expect ("a: b: c\n", "1:5 - a second ': ' in one value, or a line that is "
          "indented too far\n");
  expect ("a: 1\nb 2\n", "2:1 - this line is no 'KEY: VALUE'\n");
  expect ("a:\n  b: 1\n c: 2\n", "3:2 - a key was expected here; what begins "
          "in line 1 is not continued\n");
  expect ("x: [1, 2\n", "2:1 - the list that begins with '[' in line 1 is not "
          "closed\n");
  expect ("x: {a: 2\n", "2:1 - the map that begins with '{' in line 1 is not "
          "closed\n");
  expect ("\u00e9: 1\nb: x\xff\n", "2:5 - the byte 0xff is not part of a "
          "UTF-8 character allowed in YAML\n");
  expect ("b: x\xe9y\n", "1:5 - the byte 0xe9 is not part of a UTF-8 "
          "character allowed in YAML\n");
  expect ("b: x\xe9", "1:5 - the byte 0xe9 is not part of a UTF-8 character "
          "allowed in YAML\n");
  expect ("b: \xed\xa0\x80\n", "1:4 - the byte 0xed is not part of a UTF-8 "
          "character allowed in YAML\n");
  expect ("b: \x01\n", "1:4 - the control character 0x01 is not allowed\n");
  expect ("image: x\nserviceAccount:sa1\nplaybook: y\n",
          "2:1 - the blank after 'serviceAccount:' is missing\n");
  /* "not" may be part of a password. */
  expect ("a: 1\n---\ndata:\n  a: b\n  not:shown\nkind: Secret\n"
          "---\nb: 1\n", "{\"a\":1}\n{\"b\":1}\n"
          "5:3 - the blank after the colon is missing\n");
  expect ("kind: Secret\n---\nimage:x\nb: y\n---\nkind: Secret\n",
          "{\"kind\":\"Secret\"}\n{\"kind\":\"Secret\"}\n"
          "4:2 - the blank after 'image:' is missing\n");
  expect ("a:\n  - name:x\n    b: y\n",
          "3:6 - the blank after 'name:' is missing\n");
  expect ("url: http://x\nhttp://y\nz: 1\n",
          "2:1 - this line is no 'KEY: VALUE'\n");
}

static void
test_encodings (void **state)
{
  expect_n ("\xff\xfe" "a\0", 4, "1:1 - the file is UTF-16\n");
  expect_n ("\xfe\xff\0a", 4, "1:1 - the file is UTF-16\n");
}

static void
test_json (void **state)
{
  expect ("{\n\t\"a\": [1, 2.5, \"x\\/y\\u00e9\", true, null],\n"
          "\t\"b\":{\"c\":-1}\n}\n",
          "{\"a\":[1,2.5,\"x/y\u00e9\",true,null],\"b\":{\"c\":-1}}\n");
  expect ("{\"a\":\"\\ud83d\\ude80\",\"b\":\"\\\\ud83d\\\\ude80\"}",
          "{\"a\":\"\U0001f680\",\"b\":\"\\\\ud83d\\\\ude80\"}\n");
  expect ("{\"a\":1}\n{\"b\":\n2} {\"c\":3}\n",
          "{\"a\":1}\n{\"b\":2}\n{\"c\":3}\n");
  expect ("{\"a\":1}\n{\"b\":[}\n", "{\"a\":1}\n"
          "2:7 - a value was expected here; is a '[' or '{' not closed?\n");
  expect ("{\"a\":\"\\ud83d\"}", "1:9 - a \\u escape that is no "
          "character\n");
}

/* The same JSON text through jansson and through the loader. */
static void
test_json_equal (void **state)
{
  static const char *const files[] = {
    "tests/data/plan/valid/list.json",
    "tests/data/plan/valid/list-one-line.json",
  };
  CLEANUP_FREE char *text = NULL, *got = NULL, *want = NULL, *line = NULL;
  size_t i, len;
  json_t *j;
  FILE *fp;

  for (i = 0; i < ARRAY_SIZE (files); ++i) {
    fp = fopen (files[i], "r");
    assert_non_null (fp);
    free (text);
    text = calloc (1, 1 << 20);
    assert_non_null (text);
    len = fread (text, 1, 1 << 20, fp);
    fclose (fp);
    j = json_loadb (text, len, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null (j);
    free (want);
    want = json_dumps (j, JSON_COMPACT);
    json_decref (j);
    free (line);
    assert_int_not_equal (asprintf (&line, "%s\n", want), -1);
    free (got);
    got = load (text, len);
    assert_string_equal (got, line);
  }
}

/* N times S between BEFORE and AFTER. */
static char *
repeat (const char *before, const char *s, size_t n, const char *after)
{
  struct strbuf b = { 0 };
  size_t i;

  strbuf_append (&b, before);
  for (i = 0; i < n; ++i)
    strbuf_append (&b, s);
  strbuf_append (&b, after);
  return strbuf_steal (&b);
}

static void
expect_problem (const char *text, const char *want)
{
  CLEANUP_FREE char *got = load (text, strlen (text));

  if (strcmp (got, want) != 0)
    fail_msg ("got: %.300s\nwant: %s", got, want);
}

static void
test_limits (void **state)
{
  CLEANUP_FREE char *deep = repeat ("", "[", 200000, "");
  CLEANUP_FREE char *maps = NULL, *long_scalar = NULL, *many = NULL;
  CLEANUP_FREE char *bomb = NULL, *got = NULL, *errors = NULL;
  CLEANUP_FREE char *huge = NULL;
  struct strbuf b = { 0 };
  const char *s;
  size_t i;

  expect_problem (deep, "1:65 - nested more than 64 levels deep\n");
  maps = repeat ("", "{a: ", 3000, "");
  expect_problem (maps, "1:257 - nested more than 64 levels deep\n");
  free (deep);
  deep = repeat ("", "[", 64, "");
  for (i = 0; i < 64; ++i)
    assert_int_equal (deep[i], '[');
  free (maps);
  maps = repeat (deep, "]", 64, "\n");
  got = load (maps, strlen (maps));
  assert_int_equal (strlen (got), 129);         /* 64 levels are fine */

  long_scalar = repeat ("a: ", "x", YAML_MAX_SCALAR + 1, "\n");
  expect_problem (long_scalar, "1:4 a a value of more than 1 MiB\n");
  many = repeat ("[", "1,", YAML_MAX_NODES, "]\n");
  expect_problem (many, "1:2000000 [999999] more than 1,000,000 keys and "
                  "values in one file\n");
  huge = repeat ("# ", "x", YAML_MAX_TEXT, "\n");
  expect_problem (huge, "1:1 - more than 16 MiB of text\n");

  /* 9^11 */
  strbuf_append (&b, "a0: &a0 [x,x,x,x,x,x,x,x,x]\n");
  for (i = 1; i < 11; ++i)
    strbuf_printf (&b, "a%zu: &a%zu [*a%zu,*a%zu,*a%zu,*a%zu,*a%zu,*a%zu,"
                   "*a%zu,*a%zu,*a%zu]\n", i, i, i-1, i-1, i-1, i-1, i-1,
                   i-1, i-1, i-1, i-1);
  bomb = strbuf_steal (&b);
  expect_problem (bomb, "5:10 a4[0] the aliases (*) stand for far more than "
                  "is written; this looks like an alias bomb\n");

  /* A merge copies: it must not be the way around the limit. */
  b = (struct strbuf) { 0 };
  strbuf_append (&b, "base: &b {");
  for (i = 0; i < 5000; ++i)
    strbuf_printf (&b, "k%zu: 1, ", i);
  strbuf_append (&b, "}\nall:\n");
  for (i = 0; i < 5000; ++i)
    strbuf_append (&b, "- {<<: *b}\n");
  free (bomb);
  bomb = strbuf_steal (&b);
  free (got);
  got = load (bomb, strlen (bomb));
  assert_non_null (strstr (got, "alias bomb"));

  /* Errors without end. */
  errors = repeat ("", "---\n@\n", 5000, "");
  free (got);
  got = load (errors, strlen (errors));
  for (i = 0, s = got; (s = strchr (s, '\n')); ++s)
    i++;
  assert_int_equal (i, 100);
}

static double
seconds (void)
{
  struct timespec t;

  clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

/* Nothing is quadratic: generous bounds, for sanitizers and valgrind. */
static void
test_speed (void **state)
{
  CLEANUP_STRBUF struct strbuf keys = { 0 }, aliases = { 0 }, vms = { 0 };
  CLEANUP_FREE char *got = NULL;
  double start = seconds ();
  size_t i;

  for (i = 0; i < 20000; ++i) {
    strbuf_printf (&keys, "key%zu: %zu\n", i, i);
    strbuf_printf (&aliases, "- &a%zu x\n- *a%zu\n", i, i);
    strbuf_printf (&vms, "- id: vm-%zu\n  name: web %zu\n", i, i);
  }
  got = load (keys.ptr, keys.len);
  assert_non_null (strstr (got, "\"key19999\":19999}\n"));
  free (got);
  got = load (aliases.ptr, aliases.len);
  assert_null (strstr (got, "BROKEN"));
  free (got);
  got = load (vms.ptr, vms.len);
  assert_non_null (strstr (got, "web 19999"));
  assert_true (seconds () - start < 30);
}

static void
test_get (void **state)
{
  static const char text[] = "a:\n  b: 1\n  c:\n  d: \"\"\n";
  struct yaml_arena *arena = yaml_arena_new ();
  problem_vector problems = EMPTY_VECTOR;
  struct yaml_document doc;
  struct yaml_stream *s;

  s = yaml_open ("f", strdup (text), strlen (text), &problems);
  assert_non_null (s);
  assert_int_equal (yaml_next (s, arena, &doc), 1);
  assert_int_equal (yaml_get (yaml_get (doc.root, "a"), "b")->integer, 1);
  assert_int_equal (yaml_get (yaml_get (doc.root, "a"), "b")->line, 2);
  assert_int_equal (yaml_get (yaml_get (doc.root, "a"), "b")->column, 6);
  assert_null (yaml_get (doc.root, "b"));
  assert_null (yaml_get (NULL, "b"));
  assert_null (yaml_get (yaml_get (yaml_get (doc.root, "a"), "b"), "x"));
  assert_true (yaml_given (yaml_get (doc.root, "a"), "b"));
  assert_false (yaml_given (yaml_get (doc.root, "a"), "c"));
  assert_false (yaml_given (yaml_get (doc.root, "a"), "d"));
  assert_false (yaml_given (yaml_get (doc.root, "a"), "e"));
  assert_int_equal (yaml_next (s, arena, &doc), 0);
  assert_int_equal (yaml_next (s, arena, &doc), 0);
  yaml_close (s);
  yaml_close (NULL);
  yaml_arena_free (arena);
  assert_int_equal (problems.len, 0);
}

static void
test_base64 (void **state)
{
  static const struct { const char *text, *data; size_t len; } good[] = {
    { "", "", 0 }, { "aA==", "h", 1 }, { "aGk=", "hi", 2 },
    { "aGkh", "hi!", 3 }, { "AAEC", "\0\1\2", 3 },
    { "//+/", "\xff\xff\xbf", 3 },
    { "aG\nkh\r\n", "hi!", 3 }, { "aGk=\n", "hi", 2 },
  };
  static const char *const bad[] = {
    "a", "aG", "aGk", "aGk==", "aA=", "a===", "====", "=", "aGk=aGk=",
    "aGk h", "aGk-", "aGk_", "aB==", "aGl=", "\xc3\xa9",
  };
  char *data;
  size_t i, len;

  for (i = 0; i < ARRAY_SIZE (good); ++i) {
    assert_int_equal (base64_decode (good[i].text, strlen (good[i].text),
                                     &data, &len), 0);
    assert_int_equal (len, good[i].len);
    assert_memory_equal (data, good[i].data, len + 1);
    free (data);
  }
  for (i = 0; i < ARRAY_SIZE (bad); ++i) {
    errno = 0;
    if (base64_decode (bad[i], strlen (bad[i]), &data, &len) != -1)
      fail_msg ("%s was accepted", bad[i]);
    assert_int_equal (errno, EINVAL);
  }
}

static void
test_arena (void **state)
{
  struct yaml_arena *arena = yaml_arena_new ();
  unsigned char *p, *q;
  size_t i;

  assert_non_null (arena);
  for (i = 1; i < 300000; i = i * 3 / 2 + 1) {
    p = yaml_arena_alloc (arena, i, 1);
    q = yaml_arena_alloc (arena, 1, 16);
    assert_non_null (p);
    assert_int_equal ((uintptr_t) p % 16, 0);
    assert_int_equal (p[0] | p[i - 1] | q[0] | q[15], 0);
    memset (p, 0xff, i);
    assert_int_equal (q[0] | q[15], 0);
    memset (q, 0xff, 16);
  }
  yaml_arena_free (arena);
  yaml_arena_free (NULL);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_scalars),
    cmocka_unit_test (test_special_floats),
    cmocka_unit_test (test_keys),
    cmocka_unit_test (test_duplicates),
    cmocka_unit_test (test_merge),
    cmocka_unit_test (test_aliases),
    cmocka_unit_test (test_tags),
    cmocka_unit_test (test_documents),
    cmocka_unit_test (test_resume),
    cmocka_unit_test (test_positions),
    cmocka_unit_test (test_encodings),
    cmocka_unit_test (test_json),
    cmocka_unit_test (test_json_equal),
    cmocka_unit_test (test_limits),
    cmocka_unit_test (test_speed),
    cmocka_unit_test (test_get),
    cmocka_unit_test (test_base64),
    cmocka_unit_test (test_arena),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
