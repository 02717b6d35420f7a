/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Shared disks in a run.  Whichever of its VMs comes first copies such a
 * disk, once all VMs of the run that have it are off; the others wait, and
 * attach the volume.  If that VM fails, the next one goes on.
 *
 * The volume gets its final name when it is copied.  Conversion does not
 * change it: virt-v2v works on an overlay, which is dropped.  So nobody
 * writes to a volume that another VM reads.
 */
#ifndef NBDLIFT_RUN_SHARED_H
#define NBDLIFT_RUN_SHARED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "driver/run.h"

struct run_shared {
  struct run *run;
  char *identity;
  char *owner;                  /* of the volume */
  char *folder;                 /* its state */
  struct journal *journal;      /* NULL: nothing is known of the run that
                                   made the volume */
  struct target_volume *volume;
  bool broken;                  /* it cannot be used, which was reported */
  atomic_bool complete;         /* the volume is */

  pthread_mutex_t lock;         /* of worker */
  struct run_vm *worker;        /* the VM that copies or attaches it now */
};

/* For all VMs: find or make volumes and journals.  What goes wrong is the
 * result of the VMs that have the disk.
 */
extern void run_shared_open (struct run *run);
/* Remove volumes that nothing was copied to, and free. */
extern void run_shared_close (struct run *run);

/* What the VM's journal says of shared disks is not needed before the VM
 * is published: they are attached again.
 */
extern void run_shared_forget (struct run_vm *rv);
/* Bytes of data that are still to be written, as far as the source says. */
extern uint64_t run_shared_needed_space (const struct run *run);
/* True if disk I is on the target, and RV's journal knows it. */
extern bool run_shared_is_attached (const struct run_vm *rv, size_t i);

/* Disk I of RV, in turn.  1: RV is to copy it, and then to call
 * run_shared_end with the result, which returns another one; 0: it is
 * attached; -1 with *STATUS.
 */
extern int run_shared_begin (struct run_vm *rv, size_t i,
                             enum exit_status *status);
/* The copy begins: as journal_disk_created. */
extern int run_shared_created (const struct run_vm *rv, size_t i);
extern enum exit_status run_shared_end (struct run_vm *rv, size_t i,
                                        enum exit_status status);

/* The source of RV is about to run again: wait until nobody copies its
 * shared disks, and let nobody begin.
 */
extern void run_shared_withdraw (struct run_vm *rv);
/* RV does not use its shared disks any more.  Volumes that no other VM uses
 * are removed.  0, or -1 reported.
 */
extern int run_shared_release (struct run_vm *rv);

/* FOREIGN, one per disk, gets which claims are those of other plans. */
extern void run_shared_foreign (const struct run_vm *rv, bool *foreign);
/* The manifest of RV is written.  0, or -1 reported. */
extern int run_shared_published (struct run_vm *rv);

#endif /* NBDLIFT_RUN_SHARED_H */
