/* SPDX-License-Identifier: BSD-3-Clause
 *
 * When a copy's blocks become durable and are claimed in its journal.
 *
 * A block is claimed after a sync of the target that began after the
 * block was written.  Syncs run in a thread of their own, one at a time,
 * while the copy goes on; but never more bytes than
 * CHECKPOINT_UNCLAIMED are on their way from the source to a claim, so
 * that this is all that a copy which is killed reads again.
 */
#ifndef NBDLIFT_CHECKPOINT_H
#define NBDLIFT_CHECKPOINT_H

#include <stdint.h>

#include "driver/copy/copy_journal.h"
#include "driver/copy/digest_tree.h"
#include "driver/copy/disk_output.h"

/* Bytes.  The 8 MiB to 64 MiB are for blocks of which a part is read, and
 * for those that a resumed copy reads again to know its source.
 */
#define CHECKPOINT_UNCLAIMED (UINT64_C (56) << 20)
/* Written bytes that are worth a sync. */
#define CHECKPOINT_BYTES (UINT64_C (20) << 20)
/* Fewer are synced after so many milliseconds. */
#define CHECKPOINT_MS 5000

struct checkpoint;

/* DIGESTS has the digest of each block when it is given to
 * checkpoint_written.  WAKE_FD is an eventfd that becomes readable when a
 * sync has ended.  All are borrowed.  NULL reported.
 *
 * The functions below are for the one thread that has called this.
 */
extern struct checkpoint *checkpoint_new (struct copy_journal *journal,
                                          const struct digest_tree *digests,
                                          struct disk_output *output,
                                          int wake_fd);
/* Waits for the sync that runs; claims nothing more. */
extern void checkpoint_free (struct checkpoint *c);

/* May LEN more bytes be read from the source?  0, and they are counted; or
 * the milliseconds to wait, at most.
 */
extern int checkpoint_hold (struct checkpoint *c, uint64_t len);

/* The blocks of [offset, offset+len) are written, for which LEN_READ bytes
 * were counted.  0, or -1 reported.
 */
extern int checkpoint_written (struct checkpoint *c, uint64_t offset,
                               uint64_t len, uint64_t len_read);

/* Begin a sync if it is time for one.  0; or -1 with errno when one has
 * failed, which the output knows of (disk_output_report) or the journal
 * has reported.
 */
extern int checkpoint_tick (struct checkpoint *c);

/* Claim all that is written.  As checkpoint_tick. */
extern int checkpoint_finish (struct checkpoint *c);

#endif /* NBDLIFT_CHECKPOINT_H */
