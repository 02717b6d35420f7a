/* SPDX-License-Identifier: BSD-3-Clause
 *
 * gzip streams of any bytes: reads from the end to the start, which use
 * the restart points, give the same bytes as one ascending read.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/minmax.h"
#include "common/util/log.h"
#include "plugins/ova/gzip_blob.h"

#define MAX_SIZE (32 * MIB)
#define STEP 70001

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
  struct blob *parent = blob_open_memory (data, size, "fuzz");
  struct blob *blob;
  uint8_t *all, piece[100];
  uint64_t offset;

  if (parent == NULL)
    abort ();
  blob = gzip_blob_open (parent, "fuzz");
  if (blob == NULL)
    return 0;
  if (blob->size > 0 && blob->size <= MAX_SIZE) {
    all = malloc (blob->size);
    if (all == NULL || blob_pread (blob, all, blob->size, 0) == -1)
      abort ();
    offset = blob->size;
    do {
      size_t n;

      offset -= MIN (offset, (uint64_t) STEP);
      n = MIN (blob->size - offset, (uint64_t) sizeof piece);
      if (blob_pread (blob, piece, n, offset) == -1 ||
          memcmp (piece, all + offset, n) != 0)
        abort ();
    } while (offset > 0);
    free (all);
  }
  blob_close (blob);
  return 0;
}
