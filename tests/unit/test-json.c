/* SPDX-License-Identifier: BSD-3-Clause
 *
 * common/json: files, and YAML that reads back as the same value.  A
 * loader of our own over libyaml's events judges the YAML: what is not
 * quoted and looks like anything but a string to YAML 1.1 or 1.2 is a
 * fault.
 */
#include "tests/unit/capture.h"

#include <errno.h>
#include <regex.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <yaml.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/json/json.h"

static char folder[] = "/tmp/nbdlift-test-json.XXXXXX";
static char path[64];

static int
setup (void **state)
{
  if (mkdtemp (folder) == NULL)
    return -1;
  snprintf (path, sizeof path, "%s/f.json", folder);
  return 0;
}

static int
teardown (void **state)
{
  unlink (path);
  return rmdir (folder);
}

static void
write_text (const char *text, size_t len)
{
  CLEANUP_FCLOSE FILE *fp = fopen (path, "w");

  assert_non_null (fp);
  assert_int_equal (fwrite (text, 1, len, fp), len);
}

static void
test_getters (void **state)
{
  CLEANUP_JSON json_t *j = json_object ();

  assert_int_equal (json_set_string (j, "s", "text"), 0);
  assert_int_equal (json_set_string (j, "none", NULL), 0);
  assert_int_equal (json_set_u64 (j, "n", INT64_MAX), 0);
  assert_int_equal (json_set_bool (j, "b", 1), 0);
  assert_int_equal (json_set (j, "neg", json_integer (-1)), 0);
  assert_int_equal (json_object_size (j), 4);

  assert_string_equal (json_get_string (j, "s", "x"), "text");
  assert_string_equal (json_get_string (j, "n", "x"), "x");
  assert_null (json_get_string (j, "none", NULL));
  assert_int_equal (json_get_u64 (j, "n", 5), INT64_MAX);
  assert_int_equal (json_get_u64 (j, "neg", 5), 5);
  assert_int_equal (json_get_u64 (j, "s", 5), 5);
  assert_int_equal (json_get_bool (j, "b", 0), 1);
  assert_int_equal (json_get_bool (j, "n", 0), 0);
}

static void
test_set_errors (void **state)
{
  CLEANUP_JSON json_t *j = json_object ();

  capture_start ();
  assert_int_equal (json_set (j, "k", NULL), -1);
  assert_int_equal (errno, ENOMEM);
  assert_error ("out of memory");
  capture_start ();
  assert_int_equal (json_set_u64 (j, "k", UINT64_C (1) << 63), -1);
  assert_int_equal (errno, ERANGE);
  assert_error ("too large");
  assert_int_equal (json_object_size (j), 0);

  /* Bytes that JSON cannot hold are shown, not lost. */
  assert_int_equal (json_set_string (j, "k", "a\xff" "b"), 0);
  assert_string_equal (json_get_string (j, "k", NULL), "a\\xffb");
}

static void
test_write_read (void **state)
{
  CLEANUP_JSON json_t *j = json_pack ("{s:s, s:[i,b,n]}", "a", "x", "b",
                                      1, 1);
  CLEANUP_JSON json_t *back = NULL;
  char tmp[80];

  assert_int_equal (json_write_file (j, path), 0);
  back = json_read_file (path, 1);
  assert_non_null (back);
  assert_true (json_equal (j, back));
  snprintf (tmp, sizeof tmp, "%s.tmp", path);
  assert_int_equal (access (tmp, F_OK), -1);
}

/* A failure leaves the old file and nothing else. */
static void
test_write_fails (void **state)
{
  CLEANUP_JSON json_t *j = json_object ();
  CLEANUP_JSON json_t *old = NULL;
  struct rlimit limit, small;
  char tmp[80];

  capture_start ();
  assert_int_equal (json_write_file (j, "/nonexistent/x.json"), -1);
  assert_int_equal (errno, ENOENT);
  assert_error ("/nonexistent/x.json");

  /* The largest file that may be written is too small. */
  write_text ("{\"old\": 1}", 10);
  assert_int_equal (getrlimit (RLIMIT_FSIZE, &limit), 0);
  small = limit;
  small.rlim_cur = 8;
  signal (SIGXFSZ, SIG_IGN);
  assert_int_equal (setrlimit (RLIMIT_FSIZE, &small), 0);
  json_set_string (j, "key", "a value of some length");
  capture_start ();
  assert_int_equal (json_write_file (j, path), -1);
  assert_int_equal (errno, EFBIG);
  setrlimit (RLIMIT_FSIZE, &limit);
  signal (SIGXFSZ, SIG_DFL);
  assert_error ("f.json: cannot be written");
  snprintf (tmp, sizeof tmp, "%s.tmp", path);
  assert_int_equal (access (tmp, F_OK), -1);
  old = json_read_file (path, 1);
  assert_int_equal (json_get_u64 (old, "old", 0), 1);
}

static void
test_read_errors (void **state)
{
  capture_start ();
  assert_null (json_read_file ("/nonexistent", 0));
  assert_int_equal (errno, ENOENT);
  assert_no_error ();
  assert_null (json_read_file ("/nonexistent", 1));
  assert_error ("/nonexistent");

  write_text ("{\"a\":1,\n\"a\":2}", 14);
  capture_start ();
  assert_null (json_read_file (path, 1));
  assert_int_equal (errno, EINVAL);
  assert_error ("f.json:2:");
  assert_error ("duplicate");

  write_text ("{\"a\":", 5);
  capture_start ();
  assert_null (json_read_file (path, 1));
  assert_error ("not valid JSON");

  write_text ("", 0);
  capture_start ();
  assert_null (json_read_file (path, 1));
  assert_error ("not valid JSON");

  assert_int_equal (truncate (path, (64 << 20) + 1), 0);
  capture_start ();
  assert_null (json_read_file (path, 1));
  assert_int_equal (errno, EFBIG);
  assert_error ("larger than 64 MiB");

  capture_start ();
  assert_null (json_read_file (folder, 1));
  assert_int_equal (errno, EISDIR);
}

/* YAML back to JSON. */

static json_t *load_node (yaml_parser_t *parser, yaml_event_t *first);

static void
next_event (yaml_parser_t *parser, yaml_event_t *event)
{
  if (!yaml_parser_parse (parser, event))
    fail_msg ("the YAML is broken: %s", parser->problem);
}

static json_t *
load_scalar (const yaml_event_t *event)
{
  /* What YAML 1.1 and 1.2 (core) and Kubernetes do not read as text. */
  static const char other[] =
    "^(|~|y|n|yes|no|true|false|on|off|null|<<|="
    "|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])*(\\.[0-9_]*)?"
    "|[-+]?(\\.[0-9]+|[0-9]+(\\.[0-9]*)?)(e[-+]?[0-9]+)?"
    "|0[xob][0-9a-f_]+|[-+]?\\.(inf|nan)|[0-9]{4}-[0-9-]+.*)$";
  const char *text = (const char *) event->data.scalar.value;
  regex_t re;
  bool is_other;
  json_t *j;

  if (event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
    return json_string (text);
  assert_int_equal (regcomp (&re, other,
                             REG_EXTENDED | REG_ICASE | REG_NOSUB), 0);
  is_other = regexec (&re, text, 0, NULL, 0) == 0;
  regfree (&re);
  if (!is_other)
    return json_string (text);
  j = json_loads (text, JSON_DECODE_ANY, NULL);
  if (j == NULL)
    fail_msg ("'%s' stands without quotes", text);
  return j;
}

static json_t *
load_node (yaml_parser_t *parser, yaml_event_t *first)
{
  yaml_event_t event = *first;
  json_t *j = NULL;

  switch (event.type) {
  case YAML_SCALAR_EVENT:
    j = load_scalar (&event);
    break;
  case YAML_SEQUENCE_START_EVENT:
    j = json_array ();
    for (;;) {
      yaml_event_t e;

      next_event (parser, &e);
      if (e.type == YAML_SEQUENCE_END_EVENT)
        break;
      json_array_append_new (j, load_node (parser, &e));
    }
    break;
  case YAML_MAPPING_START_EVENT:
    j = json_object ();
    for (;;) {
      yaml_event_t k, v;
      json_t *key;

      next_event (parser, &k);
      if (k.type == YAML_MAPPING_END_EVENT)
        break;
      key = load_node (parser, &k);
      assert_true (json_is_string (key));
      next_event (parser, &v);
      json_object_set_new (j, json_string_value (key),
                           load_node (parser, &v));
      json_decref (key);
    }
    break;
  default:
    fail_msg ("unexpected YAML event %d", event.type);
  }
  yaml_event_delete (&event);
  return j;
}

static char *
to_yaml (const json_t *j)
{
  char *text = NULL;
  size_t len;
  FILE *fp = open_memstream (&text, &len);

  assert_int_equal (json_write_yaml (j, fp), 0);
  fclose (fp);
  return text;
}

static json_t *
from_yaml (const char *text)
{
  yaml_parser_t parser;
  yaml_event_t event;
  json_t *j;

  yaml_parser_initialize (&parser);
  yaml_parser_set_input_string (&parser, (const yaml_char_t *) text,
                                strlen (text));
  next_event (&parser, &event);
  next_event (&parser, &event);
  assert_int_equal (event.type, YAML_DOCUMENT_START_EVENT);
  yaml_event_delete (&event);
  next_event (&parser, &event);
  j = load_node (&parser, &event);
  next_event (&parser, &event);
  assert_int_equal (event.type, YAML_DOCUMENT_END_EVENT);
  yaml_parser_delete (&parser);
  return j;
}

static void
test_yaml_round_trip (void **state)
{
  static const char *const strings[] = {
    "", " ", "plain", "two words", "yes", "No", "ON", "off", "y", "N",
    "true", "False", "null", "Null", "~", "0", "017", "0x1F", "0b1", "1e3",
    "1.5", ".5", "-1", "+1", "1_000", "12:30", "12:30:45", "2024-01-02",
    ".inf", "-.INF", ".nan", "<<", "=", "-", "- a", "?", ":", "a:", "a: b",
    "a:b", "a#b", "a #b", "#", "&a", "*a", "!a", "|", ">", "%", "@", "`",
    "'", "\"", "{", "[", ",", "trailing ", " leading", "a\nb\n", "\t",
    "00:50:56:aa:bb:01", "quay.io/a/b:v1.2", "/dev/sda", "16Gi",
    "Gr\303\274\303\237e", "\xf0\x9f\x98\x80", "\x1b[31m", "\x7f",
    "back\\slash", "...", "---", "DOC: ---", "a: |\n  b",
  };
  CLEANUP_JSON json_t *j = json_object ();
  CLEANUP_JSON json_t *back = NULL;
  CLEANUP_FREE char *text = NULL;
  json_t *values = json_array ();
  json_t *keys = json_object ();
  size_t i;

  json_object_set_new (j, "values", values);
  json_object_set_new (j, "keys", keys);
  for (i = 0; i < ARRAY_SIZE (strings); ++i) {
    json_array_append_new (values, json_string (strings[i]));
    json_object_set_new (keys, strings[i], json_integer (i));
  }
  json_array_append_new (values, json_integer (INT64_MIN));
  json_array_append_new (values, json_true ());
  json_array_append_new (values, json_null ());
  json_array_append_new (values, json_real (0.25));
  json_array_append_new (values, json_object ());
  json_array_append_new (values, json_pack ("[[], [i], {}]", 1));

  text = to_yaml (j);
  back = from_yaml (text);
  if (!json_equal (j, back))
    fail_msg ("read back differently: %s", text);
}

static void
test_yaml_text (void **state)
{
  CLEANUP_JSON json_t *j =
    json_pack ("{s:s, s:{s:s, s:s}, s:[{s:i, s:b}], s:{}, s:[]}",
               "kind", "VirtualMachine", "metadata", "name", "web-01",
               "mac", "00:50:56:aa:bb:01", "disks", "bootOrder", 1,
               "shared", 0, "pod", "none");
  CLEANUP_FREE char *text = to_yaml (j);
  CLEANUP_FREE char *longer = NULL;
  CLEANUP_JSON json_t *l = NULL;
  char words[2000];
  size_t i;

  assert_string_equal (text,
                       "---\n"
                       "kind: VirtualMachine\n"
                       "metadata:\n"
                       "  name: web-01\n"
                       "  mac: \"00:50:56:aa:bb:01\"\n"
                       "disks:\n"
                       "- bootOrder: 1\n"
                       "  shared: false\n"
                       "pod: {}\n"
                       "none: []\n");

  /* A long text stays on one line. */
  for (i = 0; i < sizeof words - 1; ++i)
    words[i] = i % 7 == 6 ? ' ' : 'w';
  words[i] = '\0';
  l = json_pack ("{s:s}", "text", words);
  longer = to_yaml (l);
  assert_ptr_equal (strchr (longer + 4, '\n'),
                    longer + strlen (longer) - 1);
}

static void
test_lists (void **state)
{
  CLEANUP_JSON json_t *j = json_object (), *expected = NULL;
  string_vector v = EMPTY_VECTOR, back = EMPTY_VECTOR;
  json_t *list, *entry;

  assert_int_equal (string_vector_append_dup (&v, "a\xc3\xa4"), 0);
  assert_int_equal (string_vector_append_dup (&v, "b\xff"), 0);
  assert_int_equal (json_set_strings (j, "texts", &v), 0);
  list = json_add (j, "list", json_array ());
  assert_non_null (list);
  entry = json_append_object (list);
  assert_non_null (entry);
  assert_int_equal (json_set_u64 (entry, "n", 1), 0);
  expected = json_pack ("{s:[s,s], s:[{s:i}]}", "texts", "a\xc3\xa4",
                        "b\\xff", "list", "n", 1);
  assert_true (json_equal (j, expected));

  /* What is there stays, what is no string is passed over. */
  assert_int_equal (string_vector_append_dup (&back, "0"), 0);
  json_array_insert_new (json_object_get (j, "texts"), 1, json_null ());
  assert_int_equal (json_get_strings (j, "texts", &back), 0);
  assert_int_equal (json_get_strings (j, "none", &back), 0);
  assert_int_equal (back.len, 3);
  assert_string_equal (back.ptr[1], "a\xc3\xa4");
  assert_string_equal (back.ptr[2], "b\\xff");
  string_vector_free (&v);
  string_vector_free (&back);
}

static void
test_yaml_full (void **state)
{
  CLEANUP_FCLOSE FILE *fp = fopen ("/dev/full", "w");
  CLEANUP_JSON json_t *j = json_pack ("{s:s}", "a", "b");

  if (fp == NULL)
    skip ();
  capture_start ();
  assert_int_equal (json_write_yaml (j, fp), -1);
  assert_error ("YAML output cannot be written: No space left");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_getters),
    cmocka_unit_test (test_set_errors),
    cmocka_unit_test (test_lists),
    cmocka_unit_test (test_write_read),
    cmocka_unit_test (test_write_fails),
    cmocka_unit_test (test_read_errors),
    cmocka_unit_test (test_yaml_round_trip),
    cmocka_unit_test (test_yaml_text),
    cmocka_unit_test (test_yaml_full),
  };

  return cmocka_run_group_tests (tests, setup, teardown);
}
