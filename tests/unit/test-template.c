/* SPDX-License-Identifier: BSD-3-Clause
 *
 * common/template: against what Go's own engine made of the templates of
 * tests/data/template-cases.json, and the limits that are ours.
 */
#include "tests/unit/capture.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/json/json.h"
#include "common/template/template.h"

/* The output of TEXT, or NULL with *ERROR filled. */
static char *
render (const char *text, const json_t *data, size_t *length,
        struct template_error *error)
{
  CLEANUP_TEMPLATE struct template *t = template_parse (text, error);
  char *output = NULL;

  if (t == NULL) {
    assert_int_equal (errno, EINVAL);
    return NULL;
  }
  if (template_run (t, data, &output, length, error) == -1)
    assert_int_equal (errno, EINVAL);
  return output;
}

static void
to_hex (const char *s, size_t n, char *hex, size_t size)
{
  size_t i;

  assert_true (2 * n < size);
  hex[0] = '\0';
  for (i = 0; i < n; ++i)
    snprintf (hex + 2 * i, 3, "%02x", (unsigned char) s[i]);
}

/* True if CASE comes out as Go has it; says what differs if not. */
static bool
check_case (const json_t *c, const json_t *data)
{
  CLEANUP_TEMPLATE_ERROR struct template_error error = TEMPLATE_ERROR_INIT;
  const char *text = json_get_string (c, "template", NULL);
  const char *want = json_get_string (c, "output", NULL);
  const char *want_hex = json_get_string (c, "output_hex", NULL);
  const char *want_error = json_get_string (c, "error", NULL);
  CLEANUP_FREE char *output = NULL;
  char hex[2048];
  size_t n = 0;

  output = render (text, data, &n, &error);
  if (output && want && n == strlen (want) && memcmp (output, want, n) == 0)
    return true;
  if (output && want_hex) {
    to_hex (output, n, hex, sizeof hex);
    if (strcmp (hex, want_hex) == 0)
      return true;
  }
  if (output == NULL && want_error &&
      strcmp (error.message, want_error) == 0)
    return true;
  print_error ("template: %s\n  Go:   %s%s%s\n  ours: %s%s\n", text,
               want ? want : "", want_hex ? want_hex : "",
               want_error ? want_error : "", output ? output : "",
               error.message ? error.message : "");
  return false;
}

/* Where Go's answer is not ours, on purpose. */
static bool
is_different (const char *text)
{
  static const char *const texts[] = {
    /* the last digits of 10 to the power of 120 */
    "{{round 3 'x'}}",
    /* the words for nils and structs that no name has */
    "{{len .Nil}}", "{{html $}}", "{{$ | html}}", "{{eq .List .List}}",
    "{{eq .Map .Map}}",
  };
  size_t i;

  for (i = 0; i < sizeof texts / sizeof texts[0]; ++i)
    if (strcmp (text, texts[i]) == 0)
      return true;
  return false;
}

static void
test_go (void **state)
{
  CLEANUP_JSON json_t *all = json_read_file ("tests/data/template-cases.json",
                                             1);
  const json_t *data = json_object_get (all, "data");
  const json_t *cases = json_object_get (all, "cases");
  size_t i, failed = 0;
  json_t *c;

  assert_true (json_is_object (data));
  assert_true (json_array_size (cases) > 1000);
  json_array_foreach (cases, i, c)
    if (!is_different (json_get_string (c, "template", "")))
      failed += !check_case (c, data);
  if (failed > 0)
    fail_msg ("%zu of %zu templates differ", failed,
              json_array_size (cases));
}

static void
check_error (const char *text, unsigned line, unsigned column,
             const char *message)
{
  CLEANUP_TEMPLATE_ERROR struct template_error error = TEMPLATE_ERROR_INIT;
  CLEANUP_JSON json_t *data = json_object ();
  CLEANUP_FREE char *output = NULL;
  size_t n;

  output = render (text, data, &n, &error);
  assert_null (output);
  if (strstr (error.message, message) == NULL)
    fail_msg ("'%s' is not in '%s'", message, error.message);
  assert_int_equal (error.line, line);
  assert_int_equal (error.column, column);
}

/* What Go has and we do not, and where errors are said to be. */
static void
test_errors (void **state)
{
  check_error ("{{define \"x\"}}{{end}}", 1, 3, "{{define}} is not supported");
  check_error ("a\n{{template \"x\"}}", 2, 3, "{{template}} is not support");
  check_error ("{{block \"x\" .}}{{end}}", 1, 3, "{{block}} is not support");
  check_error ("{{call .X}}", 1, 3, "\"call\" is not supported");
  check_error ("{{1i}}", 1, 3, "complex numbers");
  check_error ("{{1+2i}}", 1, 3, "complex numbers");
  check_error ("ab{{.X}}", 1, 5, "can't evaluate field X");
  check_error ("ab\n c{{nope}}", 2, 5, "function \"nope\" not defined");
}

static void
repeat (char *text, size_t size, const char *part, size_t nr)
{
  size_t len = strlen (text);

  for (; nr > 0 && len + strlen (part) < size; --nr)
    len += snprintf (text + len, size - len, "%s", part);
}

static void
test_limits (void **state)
{
  char text[2 * TEMPLATE_MAX_TEXT] = "";

  repeat (text, sizeof text, "a", TEMPLATE_MAX_TEXT + 1);
  check_error (text, 1, 1, "longer than 4096 bytes");

  text[0] = '\0';
  repeat (text, sizeof text, "{{", 1);
  repeat (text, sizeof text, "(", 1000);
  check_error (text, 1, 2 + TEMPLATE_MAX_NESTING + 1, "nested more than 64");

  text[0] = '\0';
  repeat (text, sizeof text, "{{if 1}}", 100);
  check_error (text, 1, 3 + 8 * TEMPLATE_MAX_NESTING, "nested more than 64");

  check_error ("{{repeat 4097 \"a\"}}", 1, 3, "longer than 4096 bytes");
  check_error ("{{repeat 9223372036854775807 \"ab\" | trunc 1}}", 1, 3,
               "too long for a name");
  check_error ("{{printf \"%999999d\" 1 | trunc 1}}", 1, 3,
               "too long for a name");
  check_error ("{{replace \"\" (repeat 60000 \"b\") (repeat 60000 \"a\")}}",
               1, 3, "too long for a name");
  /* Repeated matching that a regular expression engine can choke on. */
  check_error ("{{mustRegexReplaceAll \"(a|aa)+[^a]\" "
               "(repeat 5000 \"a\") \"x\"}}", 1, 3, "too much work");
}

/* Lists of lists, so that few bytes make many rounds. */
static void
test_steps (void **state)
{
  CLEANUP_TEMPLATE_ERROR struct template_error error = TEMPLATE_ERROR_INIT;
  CLEANUP_JSON json_t *data = json_object ();
  CLEANUP_FREE char *output = NULL;
  json_t *list = json_array ();
  size_t i, n;

  for (i = 0; i < 100; ++i)
    json_array_append_new (list, json_integer (i));
  json_set (data, "L", list);
  output = render ("{{range $.L}}{{range $.L}}{{range $.L}}{{range $.L}}"
                   "{{end}}{{end}}{{end}}{{end}}", data, &n, &error);
  assert_null (output);
  assert_non_null (strstr (error.message, "takes more than 100000 steps"));
}

/* The same template twice, and with other data. */
static void
test_again (void **state)
{
  CLEANUP_TEMPLATE_ERROR struct template_error error = TEMPLATE_ERROR_INIT;
  CLEANUP_TEMPLATE struct template *t =
    template_parse ("{{$x := .A}}{{$x}}{{with .A}}{{.}}{{end}}", &error);
  size_t i, n;

  assert_non_null (t);
  for (i = 0; i < 3; ++i) {
    CLEANUP_JSON json_t *data = json_object ();
    CLEANUP_FREE char *output = NULL;
    char want[16];

    json_set_u64 (data, "A", i + 1);
    assert_int_equal (template_run (t, data, &output, &n, &error), 0);
    snprintf (want, sizeof want, "%zu%zu", i + 1, i + 1);
    assert_string_equal (output, want);
  }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_go),
    cmocka_unit_test (test_errors),
    cmocka_unit_test (test_limits),
    cmocka_unit_test (test_steps),
    cmocka_unit_test (test_again),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
