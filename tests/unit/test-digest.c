/* SPDX-License-Identifier: BSD-3-Clause
 *
 * common/util/digest, against the test vectors of FIPS 180-4 ("abc").
 */
#include "tests/unit/capture.h"

#include "common/include/minmax.h"
#include "common/util/digest.h"

static const struct {
  enum digest_type type;
  const char *hex;
} abc[] = {
  { DIGEST_SHA1, "a9993e364706816aba3e25717850c26c9cd0d89d" },
  { DIGEST_SHA256,
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
  { DIGEST_SHA512,
    "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
    "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f" },
};

static void
test_vectors (void **state)
{
  uint8_t raw[DIGEST_MAX_SIZE];
  char hex[DIGEST_MAX_HEX];
  struct digest *d;
  size_t i, pass;

  for (i = 0; i < ARRAY_SIZE (abc); ++i) {
    assert_int_equal (digest_once (abc[i].type, "abc", 3, raw), 0);
    hex_of_bytes (raw, digest_size (abc[i].type), hex);
    assert_string_equal (hex, abc[i].hex);

    /* In pieces, and the same object twice. */
    d = digest_new (abc[i].type);
    assert_non_null (d);
    for (pass = 0; pass < 2; ++pass) {
      assert_int_equal (digest_update (d, "a", 1), 0);
      assert_int_equal (digest_update (d, "bc", 2), 0);
      assert_int_equal (digest_final (d, raw), 0);
      hex_of_bytes (raw, digest_size (abc[i].type), hex);
      assert_string_equal (hex, abc[i].hex);
    }
    digest_free (d);
  }
  digest_free (NULL);
}

static void
test_names (void **state)
{
  enum digest_type type = DIGEST_SHA1;

  assert_true (digest_type_of_name ("SHA256", 6, &type));
  assert_int_equal (type, DIGEST_SHA256);
  assert_true (digest_type_of_name ("sha-512(x)", 7, &type));
  assert_int_equal (type, DIGEST_SHA512);
  assert_true (digest_type_of_name ("Sha1", 4, &type));
  assert_int_equal (type, DIGEST_SHA1);
  assert_false (digest_type_of_name ("SHA25", 5, &type));
  assert_false (digest_type_of_name ("MD5", 3, &type));
  assert_false (digest_type_of_name ("", 0, &type));
  assert_int_equal (type, DIGEST_SHA1);
  assert_string_equal (digest_name (DIGEST_SHA512), "SHA512");
}

static void
test_hex (void **state)
{
  uint8_t b[2] = { 9, 9 };

  assert_true (bytes_of_hex ("0aFf", 4, b, 2));
  assert_int_equal (b[0], 0x0a);
  assert_int_equal (b[1], 0xff);
  assert_false (bytes_of_hex ("0aF", 3, b, 2));
  assert_false (bytes_of_hex ("0aFf00", 6, b, 2));
  assert_false (bytes_of_hex ("0axx", 4, b, 2));
  assert_int_equal (b[1], 0xff);
}

static void
test_uuid (void **state)
{
  const char *const one[] = { "ab", "c" };
  const char *const two[] = { "a", "bc" };
  char a[UUID_TEXT_SIZE], b[UUID_TEXT_SIZE];

  assert_true (is_uuid ("564d1f2a-0000-abcd-EF01-23456789abcd"));
  assert_false (is_uuid ("564d1f2a-0000-abcd-EF01-23456789abc"));
  assert_false (is_uuid ("564d1f2a-0000-abcd-EF01-23456789abcde"));
  assert_false (is_uuid ("564d1f2a00000abcd-EF01-23456789abcd"));
  assert_false (is_uuid ("564d1f2a-0000-abcd-EF01-23456789abcg"));
  assert_false (is_uuid (""));

  assert_int_equal (uuid_of_strings (one, 2, a), 0);
  assert_true (is_uuid (a));
  /* SHA-256 of "ab\0c\0", with version 5 and the RFC's variant. */
  assert_string_equal (a, "629c2f14-f654-5026-886f-2aefe1855533");
  assert_int_equal (uuid_of_strings (two, 2, b), 0);
  assert_string_not_equal (a, b);
  assert_int_equal (a[14], '5');
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_vectors),
    cmocka_unit_test (test_names),
    cmocka_unit_test (test_hex),
    cmocka_unit_test (test_uuid),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
