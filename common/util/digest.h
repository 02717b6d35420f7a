/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Message digests (OpenSSL EVP) and the identifiers made from them.
 */
#ifndef NBDLIFT_DIGEST_H
#define NBDLIFT_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum digest_type { DIGEST_SHA1, DIGEST_SHA256, DIGEST_SHA512 };

#define DIGEST_MAX_SIZE 64      /* bytes of a raw digest */
#define DIGEST_MAX_HEX (2 * DIGEST_MAX_SIZE + 1)

/* Bytes of a raw digest of this type: 20, 32 or 64. */
extern size_t digest_size (enum digest_type type);

/* "SHA1", "SHA256", "SHA512" and the forms with a dash, any case. */
extern bool digest_type_of_name (const char *name, size_t len,
                                 enum digest_type *type);
extern const char *digest_name (enum digest_type type);

struct digest;                  /* one running computation, one thread */

/* NULL with errno and a report. */
extern struct digest *digest_new (enum digest_type type);
extern int digest_update (struct digest *d, const void *data, size_t n);
/* Writes digest_size bytes to OUT; D can be used for a new computation
 * afterwards.
 */
extern int digest_final (struct digest *d, uint8_t *out);
extern void digest_free (struct digest *d);

/* One call.  0, or -1 with errno and a report. */
extern int digest_once (enum digest_type type, const void *data, size_t n,
                        uint8_t *out);

/* Lower-case hex of N bytes; HEX has room for 2 N + 1. */
extern void hex_of_bytes (const uint8_t *bytes, size_t n, char *hex);
/* The reverse, either case, exactly 2 N digits. */
extern bool bytes_of_hex (const char *hex, size_t len, uint8_t *bytes,
                          size_t n);

#define UUID_TEXT_SIZE 37       /* with the NUL */

/* 8-4-4-4-12 hex digits, any case, nothing else. */
extern bool is_uuid (const char *s);

/* A name-based UUID (RFC 4122 version 5 layout over SHA-256) of the N
 * strings, the same on every run and machine.  OUT has room for
 * UUID_TEXT_SIZE; lower case.  0, or -1 with errno and a report.
 */
extern int uuid_of_strings (const char *const *strings, size_t n, char *out);

#endif /* NBDLIFT_DIGEST_H */
