/* SPDX-License-Identifier: BSD-3-Clause
 *
 * For the fuzzers of snapshots: any bytes as the extent of a snapshot over
 * a base of zeroes are refused, or give a disk whose extents are in order
 * and true and on which all ways of reading agree.
 */
#ifndef NBDLIFT_TESTS_FUZZ_DELTA_H
#define NBDLIFT_TESTS_FUZZ_DELTA_H

#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/extents/extents.h"
#include "common/include/minmax.h"
#include "common/util/blob.h"
#include "common/util/log.h"
#include "common/vmdk/chain.h"

#define WINDOW (256 * KIB)      /* that is read, at both ends */
#define MAX_INPUT (128 * KIB)

extern int LLVMFuzzerInitialize (int *argc, char ***argv);
extern int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

struct delta_input {
  const char *type;             /* "VMFSSPARSE" */
  uint64_t sectors;             /* what the descriptors say */
  const uint8_t *data;
  size_t size;
};

static inline void
drop (enum log_level level, const char *text, void *opaque)
{
}

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  log_set_sink (drop, NULL);
  return 0;
}

static inline struct blob *
open_descriptor (void *opaque, size_t link)
{
  const struct delta_input *in = opaque;
  char text[256];
  int n;

  if (link == 0)
    n = snprintf (text, sizeof text, "# Disk DescriptorFile\nCID=00000002\n"
                  "parentCID=00000001\nRW %" PRIu64 " %s \"x\"\n",
                  in->sectors, in->type);
  else
    n = snprintf (text, sizeof text, "# Disk DescriptorFile\nCID=00000001\n"
                  "parentCID=ffffffff\nRW %" PRIu64 " ZERO\n", in->sectors);
  return blob_open_memory (text, n, "descriptor");
}

static inline struct blob *
open_extent (void *opaque, size_t link, const char *name)
{
  const struct delta_input *in = opaque;

  return blob_open_memory (in->data, in->size, name);
}

static inline int
find_parent (void *opaque, size_t link, const char *hint)
{
  if (link != 0)
    abort ();
  return 0;
}

struct walk {
  uint64_t next;
  uint32_t type;
  /* What was read from the start of the disk. */
  const unsigned char *buf;
  uint64_t buf_size;
};

static inline int
check_piece (void *opaque, uint64_t offset, uint64_t length, uint32_t type)
{
  struct walk *w = opaque;
  uint64_t i;

  if (offset != w->next || length == 0 || type == w->type ||
      (type != EXTENT_DATA && type != (EXTENT_HOLE | EXTENT_ZERO)))
    abort ();
  w->next += length;
  w->type = type;
  for (i = offset; type && i < MIN (offset + length, w->buf_size); ++i) {
    if (w->buf[i] != 0)
      abort ();
  }
  return 0;
}

/* Everything that is loaded can be read: each entry was checked. */
static inline void
use_chain (struct vmdk_chain *chain)
{
  static unsigned char buf[WINDOW], part[3000];
  const uint64_t size = vmdk_chain_size (chain);
  const uint64_t n = MIN (size, WINDOW);
  struct walk walk = { .type = UINT32_MAX, .buf = buf, .buf_size = n };
  uint64_t offset, count;

  if (vmdk_chain_pread (chain, buf, n, size - n) == -1 ||
      vmdk_chain_pread (chain, buf, n, 0) == -1)
    abort ();
  for (offset = 0; offset < n; offset += 7 * sizeof part) {
    count = MIN (sizeof part, n - offset);
    if (vmdk_chain_pread (chain, part, count, offset) == -1 ||
        memcmp (part, buf + offset, count) != 0)
      abort ();
  }
  if (vmdk_chain_extents (chain, size, 0, false, check_piece, &walk) == -1 ||
      walk.next != size)
    abort ();
}

static inline void
fuzz_delta (struct delta_input *in)
{
  const struct vmdk_chain_files files = {
    .open_descriptor = open_descriptor, .open_extent = open_extent,
    .find_parent = find_parent, .opaque = in,
  };
  struct vmdk_chain *chain = vmdk_chain_open (&files);

  if (chain && vmdk_chain_load (chain, NULL) == 0)
    use_chain (chain);
  vmdk_chain_close (chain);
}

#endif /* NBDLIFT_TESTS_FUZZ_DELTA_H */
