/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A streamOptimized VMDK that comes from a server: the first two bytes say
 * in which pieces and how large the disk should be.
 */
#include <stdint.h>
#include <stdlib.h>

#include "common/include/minmax.h"
#include "common/util/log.h"
#include "common/vmdk/vmdk_import.h"

static void
drop (enum log_level level, const char *text, void *opaque)
{
}

static int
data (void *opaque, uint64_t offset, const void *buf, size_t count)
{
  const uint64_t *capacity = opaque;
  const volatile uint8_t *p = buf;

  if (count == 0 || offset + count > *capacity)
    abort ();
  (void) p[0];
  (void) p[count - 1];
  return 0;
}

int LLVMFuzzerTestOneInput (const uint8_t *input, size_t size);

int
LLVMFuzzerTestOneInput (const uint8_t *input, size_t size)
{
  struct vmdk_import *import;
  uint64_t capacity;
  size_t step, n;
  int r = 0;

  if (size < 2)
    return 0;
  log_set_sink (drop, NULL);
  step = input[0] + 1;
  capacity = (uint64_t) input[1] * 8192;
  import = vmdk_import_new ("fuzz", capacity, data, &capacity);
  if (import == NULL)
    return 0;
  for (input += 2, size -= 2; size > 0 && r == 0; input += n, size -= n) {
    n = MIN (step, size);
    r = vmdk_import_feed (import, input, n);
  }
  if (r == 0)
    vmdk_import_end (import);
  vmdk_import_free (import);
  return 0;
}
