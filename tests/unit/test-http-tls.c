/* SPDX-License-Identifier: BSD-3-Clause
 *
 * common/http: which servers are trusted, and what is said of the others.
 */
#include "tests/unit/http_server.h"

#include "common/util/digest.h"
#include "common/util/strbuf.h"

#define UNRELATED_SHA1 "00112233445566778899aabbccddeeff00112233"
#define UNRELATED_SHA256 UNRELATED_SHA1 "445566778899aabbccddeeff"

/* The thumbprint of a listener's certificate, by openssl. */
static char *
thumbprint (const char *listener, const char *digest)
{
  CLEANUP_FREE char *pem = NULL;
  CLEANUP_FREE char *line = NULL;
  const char *argv[] = { "openssl", "x509", "-in", NULL, "-noout",
                         "-fingerprint", digest, NULL };
  int status;

  assert_true (asprintf (&pem, "%s/%s.pem", folder, listener) > 0);
  argv[3] = pem;
  line = subprocess_output (argv, NULL, 1000, &status);
  assert_non_null (line);
  line[strcspn (line, "\n")] = '\0';
  return strdup (strchr (line, '=') + 1);
}

static void
accepted (const struct http_options *o)
{
  CLEANUP_CLIENT struct http_client *client = NULL;
  CLEANUP_HTTP_RESPONSE struct http_response response = { 0 };

  capture_start ();
  client = http_client_new (o);
  assert_non_null (client);
  if (get (client, "/echo", &response) == -1)
    fail_msg ("%s", captured);
  assert_int_equal (response.status, 200);
}

/* Refused at once, with one error that has all of these words. */
static void
refused (const struct http_options *o, const char *one, const char *two)
{
  CLEANUP_CLIENT struct http_client *client = NULL;
  CLEANUP_HTTP_RESPONSE struct http_response response = { 0 };
  const uint64_t start = now_ms ();

  capture_start ();
  client = http_client_new (o);
  assert_non_null (client);
  assert_int_equal (get (client, "/echo?secret", &response), -1);
  assert_int_equal (errno, EPERM);
  assert_error ("GET https://127.0.0.1:");
  assert_error (one);
  assert_error (two);
  assert_null (strstr (captured, "secret"));
  assert_true (now_ms () - start < 3000);
}

static char *
read_text (const char *path)
{
  FILE *fp = fopen (path, "r");
  char *text = calloc (1, 10000);

  assert_non_null (fp);
  assert_true (fread (text, 1, 9999, fp) > 0);
  fclose (fp);
  return text;
}

static void
test_ca (void **state)
{
  struct http_options o = { .url = server_url ("https") };
  CLEANUP_FREE char *ca = strdup (in_folder ("ca.pem"));
  CLEANUP_FREE char *other = strdup (in_folder ("other-ca.pem"));
  CLEANUP_FREE char *pem = read_text (ca);
  CLEANUP_FREE char *other_pem = read_text (other);
  CLEANUP_FREE char *sha1 = thumbprint ("https", "-sha1");

  o.ca_file = ca;
  accepted (&o);
  o.ca_file = other;
  refused (&o, "is not trusted", sha1);
  o.ca_pem = pem;               /* counts before the file */
  accepted (&o);
  o.ca_pem = other_pem;
  refused (&o, "is not trusted", "give the certificate of the CA");
  o.ca_pem = o.ca_file = NULL;  /* the system does not know our CA */
  refused (&o, "is not trusted", sha1);
  o.insecure = true;
  accepted (&o);
}

static void
test_expired_and_wrong_name (void **state)
{
  struct http_options o = { .url = server_url ("expired") };
  CLEANUP_FREE char *ca = strdup (in_folder ("ca.pem"));
  CLEANUP_FREE char *sha256 = thumbprint ("expired", "-sha256");

  o.ca_file = ca;
  refused (&o, "expired", "is not trusted");
  o.thumbprint = sha256;        /* that one, whatever it says */
  accepted (&o);
  o.thumbprint = NULL;
  o.url = server_url ("wrongname");
  refused (&o, "127.0.0.1", "is not trusted");
  o.thumbprint = thumbprint ("wrongname", "-sha1");
  accepted (&o);
  free ((char *) o.thumbprint);
  o.thumbprint = NULL;
  o.insecure = true;
  accepted (&o);
}

static void
test_thumbprint (void **state)
{
  static const char *const digests[] = { "-sha1", "-sha256" };
  CLEANUP_FREE char *other_ca = strdup (in_folder ("other-ca.pem"));
  size_t i, j, n;

  for (i = 0; i < 2; ++i) {
    struct http_options o = { .url = server_url ("https") };
    CLEANUP_FREE char *right = thumbprint ("https", digests[i]);
    CLEANUP_FREE char *wrong = strdup (right);
    CLEANUP_FREE char *plain = strdup (right);

    o.thumbprint = right;
    accepted (&o);
    o.ca_file = other_ca;       /* does not matter then */
    accepted (&o);
    for (j = n = 0; right[j]; ++j)
      if (right[j] != ':')
        plain[n++] = right[j] >= 'A' ? right[j] + 32 : right[j];
    plain[n] = '\0';
    o.thumbprint = plain;
    accepted (&o);

    j = strlen (wrong) - 1;
    wrong[j] = wrong[j] == '0' ? '1' : '0';
    o.thumbprint = wrong;
    refused (&o, right, wrong);
    o.thumbprint = i ? UNRELATED_SHA256 : UNRELATED_SHA1;
    refused (&o, right, i ? "SHA-256 thumbprint" : "SHA-1 thumbprint");
  }
}

/* Ranged reads have the same checks, on every connection. */
static void
test_reads (void **state)
{
  struct http_options o = { .url = server_url ("https"), .retries = 2 };
  CLEANUP_FREE char *right = thumbprint ("https", "-sha1");
  CLEANUP_CLIENT struct http_client *client = NULL;
  CLEANUP_HTTP_FILE struct http_file *f = NULL;
  CLEANUP_FREE uint8_t *buf = malloc (8 * MIB);
  const char *path = "/disk?key=tls&size=20000000";
  const struct http_file_options options = { .paths = &path, .nr_paths = 1 };

  o.thumbprint = right;
  client = http_client_new (&o);
  f = http_file_open (client, &options);
  assert_non_null (f);
  assert_int_equal (http_file_pread (f, buf, 8 * MIB, 1), 0);
  check_bytes (buf, 8 * MIB, 1);

  o.thumbprint = UNRELATED_SHA256;
  http_file_close (f);
  http_client_free (client);
  client = http_client_new (&o);
  capture_start ();
  f = http_file_open (client, &options);
  assert_null (f);
  assert_int_equal (errno, EPERM);
  assert_error ("SHA-256 thumbprint");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_ca),
    cmocka_unit_test (test_expired_and_wrong_name),
    cmocka_unit_test (test_thumbprint),
    cmocka_unit_test (test_reads),
  };

  return cmocka_run_group_tests (tests, server_setup, server_teardown);
}
