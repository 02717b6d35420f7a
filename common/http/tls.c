/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How the server proves who it is.
 *
 * libcurl can pin public keys but not certificates, so a thumbprint is
 * checked in the callback that replaces OpenSSL's verification of a
 * chain.  With a CA the same callback only notes which certificate was
 * refused, so that the message can name it.  Both run once in each
 * handshake; a connection that is used again was checked before.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "common/http/http_private.h"
#include "common/include/cleanup.h"
#include "common/util/digest.h"
#include "common/util/log.h"

#define SHA1_SIZE ((size_t) 20)
#define SHA256_SIZE ((size_t) 32)

size_t
http_parse_thumbprint (const char *text, uint8_t *pin)
{
  char hex[2 * HTTP_PIN_MAX];
  size_t len = 0;

  for (; *text; ++text) {
    if (*text == ':' && len > 0 && len % 2 == 0 && text[1] != '\0' &&
        text[1] != ':')
      continue;
    if (len == sizeof hex)
      return 0;
    hex[len++] = *text;
  }
  if ((len != 2 * SHA1_SIZE && len != 2 * SHA256_SIZE) ||
      !bytes_of_hex (hex, len, pin, len / 2))
    return 0;
  return len / 2;
}

static void
format_thumbprint (const uint8_t *pin, size_t n, char *text)
{
  size_t i;

  for (i = 0; i < n; ++i)
    snprintf (text + 3 * i, 4, "%02X%s", pin[i], i + 1 < n ? ":" : "");
}

static bool
thumbprint_of (X509 *cert, size_t size, uint8_t *pin)
{
  unsigned n = 0;

  return cert && X509_digest (cert, size == SHA1_SIZE ? EVP_sha1 () :
                              EVP_sha256 (), pin, &n) && n == size;
}

/* The argument is the client, which lives longer than its connections. */
static int
accept_or_refuse (X509_STORE_CTX *ctx, struct http_client *client)
{
  const bool pinned = client->trust == TRUST_PIN;
  const size_t size = pinned ? client->pin_len : SHA1_SIZE;
  uint8_t pin[EVP_MAX_MD_SIZE];

  if (client->trust == TRUST_NOTHING ||
      (!pinned && X509_verify_cert (ctx) == 1))
    return 1;
  if (!thumbprint_of (X509_STORE_CTX_get0_cert (ctx), size, pin)) {
    X509_STORE_CTX_set_error (ctx, X509_V_ERR_UNSPECIFIED);
    return 0;
  }
  if (pinned && memcmp (pin, client->pin, size) == 0) {
    X509_STORE_CTX_set_error (ctx, X509_V_OK);
    return 1;
  }
  if (pinned)
    X509_STORE_CTX_set_error (ctx, X509_V_ERR_CERT_REJECTED);

  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&client->lock);

  format_thumbprint (pin, size, client->presented);
  return 0;
}

/* Note which certificate was accepted (http_client_thumbprint). */
static int
verify (X509_STORE_CTX *ctx, void *opaque)
{
  struct http_client *client = opaque;
  uint8_t sha1[EVP_MAX_MD_SIZE];

  if (accept_or_refuse (ctx, client) == 0)
    return 0;
  if (thumbprint_of (X509_STORE_CTX_get0_cert (ctx), SHA1_SIZE, sha1)) {
    ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&client->lock);

    format_thumbprint (sha1, SHA1_SIZE, client->accepted);
  }
  return 1;
}

char *
http_client_thumbprint (struct http_client *client)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&client->lock);

  return client->accepted[0] ? strdup (client->accepted) : NULL;
}

static CURLcode
set_verify (CURL *easy, void *ssl_ctx, void *opaque)
{
  SSL_CTX_set_cert_verify_callback (ssl_ctx, verify, opaque);
  return CURLE_OK;
}

static void
cleanup_bio (BIO **bio)
{
  BIO_free (*bio);
}

int
http_tls_check (struct http_client *client)
{
  __attribute__ ((cleanup (cleanup_bio))) BIO *bio = client->ca_pem ?
    BIO_new_mem_buf (client->ca_pem, -1) :
    BIO_new_file (client->ca_file, "r");
  X509 *cert;

  if (bio == NULL && client->ca_file) {
    ERR_clear_error ();
    log_error ("%s: the file of CA certificates for %s cannot be read: %m",
               printable (client->ca_file), client->origin);
    errno = EINVAL;
    return -1;
  }
  if (bio == NULL) {
    log_oom ();
    return -1;
  }
  cert = PEM_read_bio_X509 (bio, NULL, NULL, NULL);
  ERR_clear_error ();
  if (cert == NULL) {
    log_error ("%s for %s: no certificate in PEM form is in it",
               client->ca_file ? printable (client->ca_file) :
               "the CA certificate", client->origin);
    errno = EINVAL;
    return -1;
  }
  X509_free (cert);
  return 0;
}

CURLcode
http_tls_setup (struct http_client *client, CURL *easy)
{
  const bool chain = client->trust == TRUST_SYSTEM ||
    client->trust == TRUST_CA;
  const bool check = client->trust != TRUST_NOTHING;
  CURLcode r;

  r = curl_easy_setopt (easy, CURLOPT_SSLVERSION,
                        (long) CURL_SSLVERSION_TLSv1_2);
  if (r == CURLE_OK)
    r = curl_easy_setopt (easy, CURLOPT_SSL_VERIFYPEER, check ? 1L : 0L);
  if (r == CURLE_OK)
    r = curl_easy_setopt (easy, CURLOPT_SSL_VERIFYHOST, chain ? 2L : 0L);
  if (r == CURLE_OK && client->trust != TRUST_SYSTEM) {
    r = curl_easy_setopt (easy, CURLOPT_CAINFO, client->ca_file);
    if (r == CURLE_OK)
      r = curl_easy_setopt (easy, CURLOPT_CAPATH, NULL);
  }
  if (r == CURLE_OK && client->ca_pem) {
    struct curl_blob blob = {
      .data = client->ca_pem, .len = strlen (client->ca_pem),
      .flags = CURL_BLOB_NOCOPY,
    };

    r = curl_easy_setopt (easy, CURLOPT_CAINFO_BLOB, &blob);
  }
  if (r == CURLE_OK)
    r = curl_easy_setopt (easy, CURLOPT_SSL_CTX_DATA, client);
  if (r == CURLE_OK)
    r = curl_easy_setopt (easy, CURLOPT_SSL_CTX_FUNCTION, set_verify);
  return r;
}

void
http_tls_explain (struct http_client *client, const char *curl_error,
                  struct http_failure *failure)
{
  char presented[sizeof client->presented];
  char wanted[sizeof client->presented];

  {
    ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&client->lock);
    memcpy (presented, client->presented, sizeof presented);
  }
  if (client->trust == TRUST_PIN && presented[0]) {
    format_thumbprint (client->pin, client->pin_len, wanted);
    http_fail (failure, EPERM, false, "the %s thumbprint of the server's "
               "certificate is %s, not %s as configured; if the server has "
               "a new certificate, configure its thumbprint",
               client->pin_len == SHA1_SIZE ? "SHA-1" : "SHA-256",
               presented, wanted);
    return;
  }
  http_fail (failure, EPERM, false, "the server's certificate is not "
             "trusted: %s; give the certificate of the CA that signed it%s"
             "%s%s", printable (curl_error), presented[0] ?
             ", or its thumbprint if you know that it is right (SHA-1 " :
             ", or its thumbprint", presented, presented[0] ? ")" : "");
}
