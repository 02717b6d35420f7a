/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Fuzz the reader of COWD snapshots.  The descriptor says the capacity that
 * the header says, so that most inputs get past it.
 */
#include <endian.h>

#include "tests/fuzz/fuzz_delta.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  struct delta_input in = {
    .type = "VMFSSPARSE", .sectors = 8, .data = data, .size = size
  };
  uint32_t sectors;

  if (size > MAX_INPUT)
    return 0;
  if (size >= 16) {
    memcpy (&sectors, data + 12, sizeof sectors);
    in.sectors = le32toh (sectors);
  }
  fuzz_delta (&in);
  return 0;
}
