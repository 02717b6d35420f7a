/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The tar walker on any bytes.  What it lists must be inside of the
 * archive, in its order, and readable.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/checked.h"
#include "common/include/minmax.h"
#include "common/util/log.h"
#include "plugins/ova/tar.h"

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

/* Make the checksums right, or hardly any input gets past them.  Every
 * block that has a '%' where its checksum begins is taken for a header.
 */
static void
fix_checksums (uint8_t *data, size_t size)
{
  static const char digits[] = "01234567";
  size_t i, j;

  for (i = 0; i + 512 <= size; i += 512) {
    uint8_t *sum = data + i + 148;
    unsigned v = 0;

    if (*sum != '%')
      continue;
    memset (sum, ' ', 8);
    for (j = 0; j < 512; ++j)
      v += data[i + j];
    for (j = 0; j < 6; ++j)
      sum[5 - j] = digits[v >> (3 * j) & 7];
    sum[6] = '\0';
  }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  tar_member_vector members = EMPTY_VECTOR;
  uint8_t *copy = malloc (MAX (size, (size_t) 1));
  struct blob *blob;
  uint64_t last = 0;
  uint8_t byte;
  size_t i;

  if (copy == NULL)
    abort ();
  memcpy (copy, data, size);
  fix_checksums (copy, size);
  blob = blob_open_memory (copy, size, "fuzz");
  free (copy);
  if (blob == NULL)
    abort ();

  if (tar_list (blob, &members) == -1) {
    if (members.len != 0)
      abort ();
  }
  for (i = 0; i < members.len; ++i) {
    const struct tar_member *m = &members.ptr[i];

    if (m->offset != m->header + 512 || m->header < last ||
        m->name[0] == '\0' || !range_inside (m->offset, m->size, size))
      abort ();
    last = m->offset + m->size;
    if (m->size > 0 &&
        blob_pread (blob, &byte, 1, m->offset + m->size - 1) == -1)
      abort ();
  }
  tar_members_free (&members);
  blob_close (blob);
  return 0;
}
