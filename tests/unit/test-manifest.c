/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The parser of manifests.
 */
#include "tests/unit/capture.h"

#include <errno.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "plugins/ova/manifest.h"

#define SHA1_OF_A "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"
#define SHA256_OF_A \
  "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
#define SHA512_OF_A \
  "1f40fc92da241694750979ee6cf582f2d5d7d28e18335de05abc54d0560e0f53" \
  "02860c652bf08d560252aa5e74210546f369fbbbce8c12cfc7957b2652fe9a75"

static int
parse (const char *text, manifest_entry_vector *v)
{
  capture_start ();
  return manifest_parse (text, strlen (text), "x.mf", v);
}

static void
refused (const char *text, const char *error)
{
  CLEANUP_MANIFEST manifest_entry_vector v = EMPTY_VECTOR;

  assert_int_equal (parse (text, &v), -1);
  assert_int_equal (errno, EINVAL);
  assert_int_equal (v.len, 0);
  assert_error (error);
}

static void
check_entry (const manifest_entry_vector *v, size_t i, const char *file,
             enum digest_type type, unsigned long line)
{
  uint8_t digest[DIGEST_MAX_SIZE];

  assert_true (i < v->len);
  assert_string_equal (v->ptr[i].file, file);
  assert_int_equal (v->ptr[i].type, type);
  assert_int_equal (v->ptr[i].line, line);
  assert_int_equal (digest_once (type, "a", 1, digest), 0);
  assert_memory_equal (v->ptr[i].digest, digest, digest_size (type));
}

static void
test_forms (void **state)
{
  CLEANUP_MANIFEST manifest_entry_vector v = EMPTY_VECTOR;

  assert_int_equal (parse (
    "\xef\xbb\xbf" "SHA1(a.ovf)= " SHA1_OF_A "\n"
    "SHA256(disk one.vmdk)=" SHA256_OF_A "\r\n"
    "\n"
    "SHA256 (b) = " SHA256_OF_A "\n"
    "  SHA-512 ( c ) =\t" SHA512_OF_A "  \r\n"
    "sha-256(odd (1)=2).vmdk)= " SHA256_OF_A "\n"
    "SHA256(upper)= CA978112CA1BBDCAFAC231B39A23DC4D"
    "A786EFF8147C4E72B9807785AFEE48BB\n"
    "SHA1(last)= " SHA1_OF_A, &v), 0);
  assert_no_error ();
  assert_int_equal (v.len, 7);
  check_entry (&v, 0, "a.ovf", DIGEST_SHA1, 1);
  check_entry (&v, 1, "disk one.vmdk", DIGEST_SHA256, 2);
  check_entry (&v, 2, "b", DIGEST_SHA256, 4);
  check_entry (&v, 3, "c", DIGEST_SHA512, 5);
  check_entry (&v, 4, "odd (1)=2).vmdk", DIGEST_SHA256, 6);
  check_entry (&v, 5, "upper", DIGEST_SHA256, 7);
  check_entry (&v, 6, "last", DIGEST_SHA1, 8);
}

static void
test_empty (void **state)
{
  CLEANUP_MANIFEST manifest_entry_vector v = EMPTY_VECTOR;

  assert_int_equal (parse ("", &v), 0);
  assert_int_equal (parse ("\r\n \n", &v), 0);
  assert_int_equal (v.len, 0);
}

static void
test_bad_lines (void **state)
{
  static const struct {
    const char *line, *error;
  } lines[] = {
    { "what is this", "x.mf:2: is not of the form" },
    { "SHA256 b = " SHA256_OF_A, "x.mf:2: is not of the form" },
    { "SHA256(b " SHA256_OF_A, "x.mf:2: is not of the form" },
    { "SHA256() = " SHA256_OF_A, "x.mf:2: is not of the form" },
    { "SHA256(=)" SHA256_OF_A, "x.mf:2: is not of the form" },
    { "= (a)", "x.mf:2: is not of the form" },
    { "(=", "x.mf:2: is not of the form" },
    { "(a) = " SHA1_OF_A, "x.mf:2: digest '' is not supported" },
    { "MD5(b)= 0cc175b9c0f1b6a831c399e269772661",
      "x.mf:2: digest 'MD5' is not supported" },
    { "SHA256(b)= " SHA1_OF_A, "x.mf:2: a SHA256 digest has 64" },
    { "SHA1(b)= " SHA256_OF_A, "x.mf:2: a SHA1 digest has 40" },
    { "SHA1(b)=", "x.mf:2: a SHA1 digest has 40" },
    { "SHA1(b)= 86f7e437faa5a7fce15d1ddcb9eaeaea377667bg",
      "x.mf:2: a SHA1 digest has 40" },
    { "SHA1(\x1b[31mb)= 1", "x.mf:2: a SHA1" },
  };
  size_t i;

  for (i = 0; i < ARRAY_SIZE (lines); ++i) {
    CLEANUP_FREE char *text = NULL;

    assert_true (asprintf (&text, "SHA1(a)= " SHA1_OF_A "\n%s\n",
                           lines[i].line) > 0);
    refused (text, lines[i].error);
  }
}

static void
test_nul (void **state)
{
  CLEANUP_MANIFEST manifest_entry_vector v = EMPTY_VECTOR;
  static const char text[] = "SHA1(a\0b)= " SHA1_OF_A;

  capture_start ();
  assert_int_equal (manifest_parse (text, sizeof text, "x.mf", &v), -1);
  assert_error ("is not of the form");
}

static void
test_duplicates (void **state)
{
  CLEANUP_MANIFEST manifest_entry_vector v = EMPTY_VECTOR;

  assert_int_equal (parse ("SHA1(b)= " SHA1_OF_A "\n"
                           "SHA1(a)= " SHA1_OF_A "\n"
                           "SHA256(a)= " SHA256_OF_A "\n"
                           "SHA1 (a) = " SHA1_OF_A "\n", &v), 0);
  assert_int_equal (captured_errors, 0);
  assert_non_null (strstr (captured, "x.mf:4: 'a' is listed twice, first in "
                           "line 2"));
  assert_int_equal (v.len, 3);
  check_entry (&v, 0, "b", DIGEST_SHA1, 1);
  check_entry (&v, 1, "a", DIGEST_SHA1, 2);
  check_entry (&v, 2, "a", DIGEST_SHA256, 3);

  refused ("SHA1(a)= " SHA1_OF_A "\n"
           "SHA1(a)= 0000000000000000000000000000000000000000\n",
           "x.mf:2: 'a' is listed twice with different digests");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_forms),
    cmocka_unit_test (test_empty),
    cmocka_unit_test (test_bad_lines),
    cmocka_unit_test (test_nul),
    cmocka_unit_test (test_duplicates),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
