/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Fuzz the descriptors of chains: any text, as that of every link, is
 * refused or gives a disk that can be read.  Extents are 64 KiB of zeroes,
 * so only flat ones are opened.
 */
#include <errno.h>

#include "tests/fuzz/fuzz_delta.h"

#define EXTENT_SIZE (64 * KIB)
#define MAX_LINKS 3
#define MAX_TEXT (8 * KIB)

static struct blob *
open_text (void *opaque, size_t link)
{
  const struct delta_input *in = opaque;

  return blob_open_memory (in->data, in->size, "descriptor");
}

static struct blob *
open_zeroes (void *opaque, size_t link, const char *name)
{
  static const unsigned char zeroes[EXTENT_SIZE];

  if (strchr (name, '/') || name[0] == '\0' || strcmp (name, "..") == 0)
    abort ();
  return blob_open_memory (zeroes, sizeof zeroes, name);
}

static int
find_same (void *opaque, size_t link, const char *hint)
{
  if (link + 1 < MAX_LINKS)
    return 0;
  errno = ENOENT;
  return -1;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  struct delta_input in = { .data = data, .size = size };
  const struct vmdk_chain_files files = {
    .open_descriptor = open_text, .open_extent = open_zeroes,
    .find_parent = find_same, .opaque = &in,
  };
  struct vmdk_chain *chain;

  if (size > MAX_TEXT)
    return 0;
  chain = vmdk_chain_open (&files);
  if (chain && vmdk_chain_load (chain, NULL) == 0)
    use_chain (chain);
  vmdk_chain_close (chain);
  return 0;
}
