/* SPDX-License-Identifier: BSD-3-Clause
 *
 * common/util/strbuf: text, quoting, numbers.
 */
#include "tests/unit/capture.h"

#include "common/include/minmax.h"
#include "common/util/strbuf.h"

static void
test_append (void **state)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };
  char *s;
  int i;

  assert_int_equal (strbuf_append (&b, "abc"), 0);
  assert_int_equal (strbuf_append_char (&b, 'd'), 0);
  assert_int_equal (strbuf_append_bytes (&b, "efgh", 2), 0);
  assert_int_equal (strbuf_printf (&b, "%d%s", 12, "!"), 0);
  assert_string_equal (b.ptr, "abcdef12!");
  assert_int_equal (b.len, 9);
  for (i = 0; i < 1000; ++i)
    assert_int_equal (strbuf_printf (&b, "%04d", i), 0);
  assert_int_equal (b.len, 9 + 4000);
  assert_string_equal (b.ptr + 9 + 3996, "0999");

  s = strbuf_steal (&b);
  assert_int_equal (strlen (s), 4009);
  free (s);
  assert_null (b.ptr);
  s = strbuf_steal (&b);
  assert_string_equal (s, "");
  free (s);
}

static void
check_quoted (const char *in, const char *out)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };

  assert_int_equal (strbuf_append_shell_quoted (&b, in), 0);
  assert_string_equal (b.ptr, out);
}

static void
test_shell_quoted (void **state)
{
  check_quoted ("/a/b-c_d.raw", "/a/b-c_d.raw");
  check_quoted ("", "''");
  check_quoted ("a b", "'a b'");
  check_quoted ("$(id)", "'$(id)'");
  check_quoted ("it's", "'it'\\''s'");
  check_quoted ("~root", "'~root'");
  check_quoted ("a\nb", "'a\nb'");
}

static void
check_printable (const char *in, size_t max, const char *out)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };

  assert_int_equal (strbuf_append (&b, ">"), 0);
  assert_int_equal (strbuf_append_printable (&b, in, max), 0);
  assert_string_equal (b.ptr + 1, out);
}

static void
test_printable (void **state)
{
  check_printable ("plain text", 100, "plain text");
  check_printable ("Gr\xc3\xbc\xc3\x9f" "e \xe6\x97\xa5 \xf0\x9f\x98\x80",
                   100,
                   "Gr\xc3\xbc\xc3\x9f" "e \xe6\x97\xa5 \xf0\x9f\x98\x80");
  check_printable ("a\nb\tc\x1b[31m", 100, "a\\x0ab\\x09c\\x1b[31m");
  check_printable ("\x7f", 100, "\\x7f");
  /* C1 control, override of the direction, byte order mark. */
  check_printable ("\xc2\x9b" "2J", 100, "\\xc2\\x9b2J");
  check_printable ("\xe2\x80\xae" "x", 100, "\\xe2\\x80\\xaex");
  check_printable ("\xef\xbb\xbf", 100, "\\xef\\xbb\\xbf");
  /* Not UTF-8: stray, overlong, surrogate, too high, cut. */
  check_printable ("\x80", 100, "\\x80");
  check_printable ("\xc0\xaf", 100, "\\xc0\\xaf");
  check_printable ("\xe0\x80\xaf", 100, "\\xe0\\x80\\xaf");
  check_printable ("\xed\xa0\x80", 100, "\\xed\\xa0\\x80");
  check_printable ("\xf4\x90\x80\x80", 100, "\\xf4\\x90\\x80\\x80");
  check_printable ("x\xe6\x97", 100, "x\\xe6\\x97");
  /* Cut, never inside of a character. */
  check_printable ("abcdef", 6, "abcdef");
  check_printable ("abcdef", 5, "abcde...");
  check_printable ("ab\xc3\xbc" "cd", 3, "ab...");
}

/* Eight results at once, long ones cut, NULL allowed. */
static void
test_printable_slots (void **state)
{
  const char *r[8];
  char text[2] = "a";
  char longer[2000];
  size_t i;

  for (i = 0; i < ARRAY_SIZE (r); ++i) {
    text[0] = 'a' + i;
    r[i] = printable (text);
  }
  for (i = 0; i < ARRAY_SIZE (r); ++i)
    assert_int_equal (r[i][0], 'a' + i);
  assert_non_null (printable (NULL));

  memset (longer, '\x01', sizeof longer - 1);
  longer[sizeof longer - 1] = '\0';
  r[0] = printable (longer);
  assert_string_equal (r[0] + strlen (r[0]) - 7, "\\x01...");
  assert_string_equal (printable (""), "");
}

static void
test_numbers (void **state)
{
  static const char *const bad[] = {
    "", "-1", "+1", " 1", "1 ", "1x", "0x10", "18446744073709551616",
    "99999999999999999999999999", "1e3", "1.0",
  };
  uint64_t r = 42;
  size_t i;

  for (i = 0; i < ARRAY_SIZE (bad); ++i)
    assert_false (parse_u64 (bad[i], &r));
  assert_int_equal (r, 42);
  assert_true (parse_u64 ("0", &r));
  assert_int_equal (r, 0);
  assert_true (parse_u64 ("0017", &r));
  assert_int_equal (r, 17);
  assert_true (parse_u64 ("18446744073709551615", &r));
  assert_true (r == UINT64_MAX);

  assert_true (parse_u64_n ("777x", 3, 8, &r));
  assert_int_equal (r, 0777);
  assert_false (parse_u64_n ("778", 3, 8, &r));
  assert_true (parse_u64_n ("fFfFfFfFfFfFfFfF", 16, 16, &r));
  assert_true (r == UINT64_MAX);
  assert_false (parse_u64_n ("10000000000000000", 17, 16, &r));
  assert_false (parse_u64_n ("g", 1, 16, &r));
  assert_false (parse_u64_n ("1", 0, 10, &r));
}

static void
test_parse_size (void **state)
{
  static const char *const bad[] = {
    "", "K", "1KB", "1 K", "-1", "1.5G", "1P", "0x10", "1k ", "1\v",
    "16777216T", "18446744073709551616" };
  uint64_t r = 42;
  size_t i;

  for (i = 0; i < ARRAY_SIZE (bad); ++i)
    assert_false (parse_size (bad[i], &r));
  assert_int_equal (r, 42);
  assert_true (parse_size ("1000", &r));
  assert_int_equal (r, 1000);
  assert_true (parse_size ("3k", &r));
  assert_int_equal (r, 3 << 10);
  assert_true (parse_size ("100M", &r));
  assert_int_equal (r, 100 << 20);
  assert_true (parse_size ("2g", &r));
  assert_true (r == 2 * GIB);
  assert_true (parse_size ("16777215T", &r));
  assert_true (r == UINT64_C (16777215) << 40);
}

static void
test_human_size (void **state)
{
  assert_string_equal (human_size (0), "0 bytes");
  assert_string_equal (human_size (1023), "1023 bytes");
  assert_string_equal (human_size (1024), "1 KiB");
  assert_string_equal (human_size (1536), "1.5 KiB");
  assert_string_equal (human_size (12 * GIB + GIB / 2), "12.5 GiB");
  assert_string_equal (human_size (UINT64_C (1) << 63), "8 EiB");
  assert_string_equal (human_size (UINT64_MAX), "16.0 EiB");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_append),
    cmocka_unit_test (test_shell_quoted),
    cmocka_unit_test (test_printable),
    cmocka_unit_test (test_printable_slots),
    cmocka_unit_test (test_numbers),
    cmocka_unit_test (test_parse_size),
    cmocka_unit_test (test_human_size),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
