/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The manifest parser on any bytes.  What it accepts, written again in the
 * common form, must be read back the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "plugins/ova/manifest.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);
int LLVMFuzzerInitialize (int *argc, char ***argv);

static void
no_output (enum log_level level, const char *text, void *opaque)
{
}

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  log_set_sink (no_output, NULL);
  return 0;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  manifest_entry_vector first = EMPTY_VECTOR, second = EMPTY_VECTOR;
  struct strbuf text = { 0 };
  char hex[DIGEST_MAX_HEX];
  size_t i;

  if (manifest_parse ((const char *) data, size, "fuzz", &first) == -1) {
    if (first.len != 0)
      abort ();
    return 0;
  }
  for (i = 0; i < first.len; ++i) {
    const struct manifest_entry *e = &first.ptr[i];

    if (i > 0 && e->line <= first.ptr[i - 1].line)
      abort ();
    hex_of_bytes (e->digest, digest_size (e->type), hex);
    if (strbuf_printf (&text, "%s(%s)= %s\n", digest_name (e->type), e->file,
                       hex) == -1)
      abort ();
  }
  if (first.len > 0) {
    if (manifest_parse (text.ptr, text.len, "again", &second) == -1 ||
        second.len != first.len)
      abort ();
    for (i = 0; i < first.len; ++i)
      if (strcmp (first.ptr[i].file, second.ptr[i].file) != 0 ||
          first.ptr[i].type != second.ptr[i].type ||
          memcmp (first.ptr[i].digest, second.ptr[i].digest,
                  digest_size (first.ptr[i].type)) != 0)
        abort ();
  }
  manifest_free (&first);
  manifest_free (&second);
  strbuf_free (&text);
  return 0;
}
