/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Compare source and volume with the digests that were recorded when the
 * volume was copied: of a migrated VM, or of one volume alone.
 */
#ifndef NBDLIFT_VERIFY_H
#define NBDLIFT_VERIFY_H

#include <jansson.h>

#include "driver/command.h"
#include "driver/journal.h"
#include "driver/progress.h"
#include "driver/session.h"

struct verify_options {
  const struct session *session;        /* open; NULL: volumes only */
  struct progress *progress;
  const char *folder;           /* state of the VM */
  const struct journal *journal;
};

/* Append to ROWS one object per disk: {vm, disk, source, volume, offset},
 * where source and volume are "same", "differs", "missing", "incomplete",
 * "unknown" (it or its digests could not be read) or "-", and offset is of
 * the first difference.  STATUS_OK if all are the same; every difference
 * is reported.
 */
extern enum exit_status verify_vm (const struct verify_options *options,
                                   json_t *rows);

struct verify_volume_options {
  struct progress *progress;
  const char *digest_file;      /* of the copy */
  const char *source;           /* NBD URI, or NULL: volume only */
  const char *volume;           /* file or block device */
};

/* The same for what copy_disk made, which is no VM's: rows without vm. */
extern enum exit_status
verify_volume (const struct verify_volume_options *options, json_t *rows);

#endif /* NBDLIFT_VERIFY_H */
