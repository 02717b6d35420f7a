/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Fuzz the VMDK readers: any bytes are refused or give a disk on which
 * all ways of reading agree and whose extents are in order and true.
 *
 * The first byte says what follows: even, one file; odd, two bytes with
 * the length of a descriptor, the descriptor, and what every file that
 * it names holds.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/extents/extents.h"
#include "common/include/minmax.h"
#include "common/util/blob.h"
#include "common/util/log.h"
#include "common/vmdk/vmdk.h"

#define WINDOW (256 * KIB)      /* that is read, at both ends */
#define MAX_EXTENT_FILES 16
#define MAX_INPUT (64 * KIB)

extern int LLVMFuzzerInitialize (int *argc, char ***argv);
extern int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

struct files {
  const uint8_t *data;
  size_t size;
  unsigned opened;
};

static void
drop (enum log_level level, const char *text, void *opaque)
{
}

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  log_set_sink (drop, NULL);
  return 0;
}

static struct blob *
open_extent (void *opaque, const char *name)
{
  struct files *files = opaque;

  if (strchr (name, '/') || name[0] == '\0')
    abort ();
  if (files->opened++ == MAX_EXTENT_FILES) {
    errno = ENOENT;
    return NULL;
  }
  return blob_open_memory (files->data, files->size, name);
}

static struct vmdk *
open_input (const uint8_t *data, size_t size)
{
  struct files files = { 0 };
  size_t length;

  if (data[0] % 2 == 0)
    return vmdk_open (blob_open_memory (data + 1, size - 1, "file"), NULL,
                      NULL);
  if (size < 3)
    return NULL;
  length = MIN ((size_t) (data[1] | data[2] << 8), size - 3);
  files.data = data + 3 + length;
  files.size = size - 3 - length;
  return vmdk_open (blob_open_memory (data + 3, length, "descriptor"),
                    open_extent, &files);
}

struct walk {
  uint64_t next;
  uint64_t data;
  uint32_t type;
  /* What was read from the start of the disk. */
  const unsigned char *buf;
  uint64_t buf_size;
};

static int
check_piece (void *opaque, uint64_t offset, uint64_t length, uint32_t type)
{
  struct walk *w = opaque;
  uint64_t i;

  if (offset != w->next || length == 0 || type == w->type ||
      (type != EXTENT_DATA && type != (EXTENT_HOLE | EXTENT_ZERO)))
    abort ();
  w->next += length;
  w->type = type;
  if (type == EXTENT_DATA)
    w->data += length;
  else {
    for (i = offset; i < MIN (offset + length, w->buf_size); ++i) {
      if (w->buf[i] != 0)
        abort ();
    }
  }
  return 0;
}

static int
first_piece (void *opaque, uint64_t offset, uint64_t length, uint32_t type)
{
  if (length == 0)
    abort ();
  ++*(unsigned *) opaque;
  return 0;
}

/* Parts go through the cache, what was read at once did not. */
static void
read_again (struct vmdk *vmdk, const unsigned char *whole, uint64_t n)
{
  unsigned char part[3000];
  uint64_t offset, count;

  for (offset = 0; offset < n; offset += 7 * sizeof part) {
    count = MIN (sizeof part, n - offset);
    if (vmdk_pread (vmdk, part, count, offset) == -1 ||
        memcmp (part, whole + offset, count) != 0)
      abort ();
  }
}

static void
use (struct vmdk *vmdk)
{
  static unsigned char buf[WINDOW];
  const uint64_t size = vmdk_size (vmdk);
  const uint64_t n = MIN (size, WINDOW);
  struct walk walk = { .type = UINT32_MAX, .buf = buf };
  uint64_t allocated;
  unsigned pieces = 0;

  if (size > INT64_MAX || vmdk_create_type (vmdk) == NULL)
    abort ();
  vmdk_pread (vmdk, buf, n, size - n);
  if (vmdk_pread (vmdk, buf, n, 0) == 0) {
    walk.buf_size = n;
    read_again (vmdk, buf, n);
  }
  else
    vmdk_pread (vmdk, buf, 1, 4097 % size);

  if (vmdk_extents (vmdk, size, 0, false, check_piece, &walk) == 0) {
    if (walk.next != size || vmdk_allocated (vmdk, &allocated) == -1 ||
        allocated != walk.data)
      abort ();
    if (vmdk_extents (vmdk, size / 2 + 1, size / 3, true, first_piece,
                      &pieces) == -1 || pieces != 1)
      abort ();
  }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  struct vmdk *vmdk;

  if (size < 1 || size > MAX_INPUT)
    return 0;
  vmdk = open_input (data, size);
  if (vmdk) {
    if (vmdk_size (vmdk) > 0)
      use (vmdk);
    vmdk_close (vmdk);
  }
  return 0;
}
