/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the two kinds of ESXi snapshots (cowd.c, sesparse.c) have in
 * common: a directory of tables whose entries say for each grain that it
 * is the parent's, zero, or stored in this file.
 *
 * Single grains are not looked up: the tables are walked once, in order
 * (delta_walk.c), and the chain keeps what it needs of them (chain_map.c).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/include/checked.h"
#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "common/vmdk/vmdk_private.h"

int
vmdk_delta_bad (const struct vmdk_delta *delta, const char *what,
                uint64_t value)
{
  log_error ("%s: in the header of this %s snapshot %s is %" PRIu64 "; the "
             "file is damaged or incomplete: consolidate the snapshots of "
             "the VM", printable (delta->blob->name), delta->kind, what,
             value);
  errno = EINVAL;
  return -1;
}

int
vmdk_delta_read (struct vmdk_delta *delta, const char *what, void *buf,
                 uint64_t count, uint64_t offset)
{
  if (!range_inside (offset, count, delta->blob->size)) {
    log_error ("%s: %s of this %s snapshot, %" PRIu64 " bytes at offset "
               "%" PRIu64 ", is past the end of the file of %" PRIu64
               " bytes; the file is damaged or incomplete",
               printable (delta->blob->name), what, delta->kind, count,
               offset, delta->blob->size);
    errno = EINVAL;
    return -1;
  }
  return blob_pread (delta->blob, buf, count, offset);
}

/* Every table must lie inside of the file, and as tables do not share
 * space, all together must fit: so what the tables say is bounded by the
 * size of the file.
 */
static int
check_directory (const struct vmdk_delta *delta)
{
  const uint64_t bytes = vmdk_delta_table_bytes (delta);
  uint64_t i, used = 0;

  for (i = 0; i < delta->nr_tables; ++i) {
    if (delta->directory[i] == 0)
      continue;
    used++;
    if (!range_inside (delta->directory[i], bytes, delta->blob->size)) {
      log_error ("%s: grain table %" PRIu64 " of this %s snapshot is said "
                 "to be at offset %" PRIu64 ", past the end of the file of "
                 "%" PRIu64 " bytes; the file is damaged or incomplete",
                 printable (delta->blob->name), i, delta->kind,
                 delta->directory[i], delta->blob->size);
      errno = EINVAL;
      return -1;
    }
  }
  if (used > delta->blob->size / bytes) {
    log_error ("%s: the grain directory of this %s snapshot names %" PRIu64
               " grain tables, more than the file can hold; the file is "
               "damaged", printable (delta->blob->name), delta->kind, used);
    errno = EINVAL;
    return -1;
  }
  return 0;
}

struct vmdk_delta *
vmdk_delta_open (struct blob *blob, enum vmdk_part_type type)
{
  struct vmdk_delta *delta = calloc (1, sizeof *delta);
  int err;

  if (delta == NULL) {
    blob_close (blob);
    log_oom ();
    return NULL;
  }
  delta->blob = blob;
  if ((type == VMDK_PART_COWD ? vmdk_cowd_load (delta)
                              : vmdk_sesparse_load (delta)) == 0 &&
      check_directory (delta) == 0)
    return delta;
  err = errno;
  vmdk_delta_close (delta);
  errno = err;
  return NULL;
}

void
vmdk_delta_close (struct vmdk_delta *delta)
{
  if (delta == NULL)
    return;
  free (delta->directory);
  blob_close (delta->blob);
  free (delta);
}
