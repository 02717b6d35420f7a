/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The manifest (.mf) of an OVF package: a digest for each file.
 *
 * Format: DSP0243, "OVF package": the manifest file; what openssl-dgst(1)
 * and sha256sum --tag write is read as well.
 */
#ifndef NBDLIFT_MANIFEST_H
#define NBDLIFT_MANIFEST_H

#include <stddef.h>
#include <stdint.h>

#include "common/util/digest.h"
#include "common/util/vector.h"

/* Above what 100,000 chunks need. */
#define MANIFEST_MAX_SIZE (32U << 20)

struct manifest_entry {
  char *file;                   /* as it stands in the line */
  enum digest_type type;
  uint8_t digest[DIGEST_MAX_SIZE];      /* digest_size (type) bytes */
  unsigned long line;           /* from 1 */
};
DEFINE_VECTOR_TYPE (manifest_entry_vector, struct manifest_entry);

/* Free the entries and the vector. */
extern void manifest_free (manifest_entry_vector *entries);
#define CLEANUP_MANIFEST __attribute__ ((cleanup (manifest_free)))

/* Read the LEN bytes of TEXT: lines "ALG(FILE)= HEX" or "ALG (FILE) = HEX",
 * with any white space around the parts, LF or CR LF, blank lines
 * allowed; ALG is SHA1, SHA256 or SHA512, also with a dash.  A line that
 * says the same again is dropped with a warning.  NAME is for messages.
 *
 * Appends to ENTRIES (empty at the start and on error).  0, or -1 with
 * errno EINVAL and a report of NAME and line, or ENOMEM.
 */
extern int manifest_parse (const char *text, size_t len, const char *name,
                           manifest_entry_vector *entries);

#endif /* NBDLIFT_MANIFEST_H */
