/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Compare one migrated VM with the digests in its journal.
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
 * where source and volume are "same", "differs", "missing", "incomplete"
 * or "-", and offset is of the first difference.  STATUS_OK if all are
 * the same; every difference is reported.
 */
extern enum exit_status verify_vm (const struct verify_options *options,
                                   json_t *rows);

#endif /* NBDLIFT_VERIFY_H */
