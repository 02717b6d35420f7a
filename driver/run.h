/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The pipeline: what `nbdlift run' does once the plan is chosen and
 * checked.  run.c prepares the VMs, run_schedule.c starts them, run_vm.c
 * walks one through its steps, run_volumes.c makes its volumes,
 * run_disks.c is its DiskTransfer, run_finish.c what comes after.  Disks
 * that several VMs have are in run_shared.h.
 */
#ifndef NBDLIFT_RUN_H
#define NBDLIFT_RUN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "driver/command.h"
#include "driver/copy/budget.h"
#include "driver/journal.h"
#include "driver/limit.h"
#include "driver/power.h"
#include "driver/preflight.h"
#include "driver/progress.h"
#include "driver/run_status.h"
#include "driver/schedule.h"
#include "driver/session.h"
#include "driver/target/target.h"

/* Disks at once on one host, as Forklift's controller_max_vm_inflight. */
#define DEFAULT_MAX_INFLIGHT 20
#define MAX_DISKS_PER_VM 4      /* at once */
#define MAX_CONVERSIONS 8       /* at once, and one per two processors */

struct run_options {
  const char *output;           /* folder of the directory target */
  const char *state;            /* state folder; NULL: the target's own */
  unsigned max_inflight;        /* disks per host */
  uint64_t rate;                /* bytes per second, all disks; 0: no limit */
  uint64_t memory;              /* bytes of buffers; 0: BUDGET_MEMORY */
  bool verify_manifest;
  struct power_options power;
};

/* A run.  Everything is set before the threads start, and then read. */
struct run {
  struct session *session;
  const struct run_options *options;
  const preflight_vm_vector *pre;
  const struct target_ops *target_ops;
  void *target;
  char *folder;                 /* state of this plan */
  int lock_fd;
  json_t *before;               /* the status that an earlier run has left,
                                   or NULL; for one thread at a time */
  struct progress *progress;
  struct limit disks;           /* in flight, of all hosts: as many as the
                                   memory for buffers allows */
  struct limit conversions;     /* likewise: each runs a machine of its own */
  struct copy_budget budget;    /* of all copies */
  unsigned copies;              /* at most so many run at once */
  struct run_vm *vms;           /* one per pre */
  size_t nr_vms;
  struct run_shared **shared;   /* disks that several VMs have */
  size_t nr_shared;
  time_t started;

  pthread_mutex_t lock;         /* of: */
  pthread_cond_t changed;       /* the schedule, or that a VM is cancelled */
  pthread_cond_t all_ended;
  struct schedule schedule;     /* of vms */
  bool ended;                   /* all VMs: the status thread can end */
};

/* One VM of a run. */
struct run_vm {
  struct run *run;
  struct preflight_vm *pre;     /* what tells the state of its disks is read
                                   again when it has been shut down */
  struct vm_status status;
  struct log_scope scope;       /* of the thread that works on it */
  char *folder;                 /* its part of the state */
  struct journal *journal;
  struct target_volume **volumes;       /* one per disk; NULL for LUNs, and
                                           for shared disks: */
  struct run_shared **shared;   /* one per disk; NULL if it is its own */
  bool converts;                /* its guest needs virt-v2v */
  bool copied_before;           /* nothing was left to copy */
  bool manifest_skipped;        /* its checksums were not looked at */
  bool discarded;               /* what was copied of it */
  bool shutdown_asked;          /* its guest, which is not off yet */
  atomic_bool stop;             /* another disk of it failed for good */
  atomic_bool cancel;           /* nbdlift cancel has asked for it */
  atomic_bool off;              /* it has been shut down, or was off */
  atomic_bool goes_on;          /* it is about to be on again */
  atomic_bool ended;            /* its pipeline; nothing works on it */
  atomic_uint_least64_t bytes_read;     /* by this run */
  atomic_uint_least64_t bytes_kept;     /* of disks that were begun earlier */
  enum exit_status result;      /* set when it has ended */
};

/* Open the target and the journals, make the volumes, and run all VMs.
 * RUN->session, options, pre and progress are set.  Returns the exit
 * status; *RESULT is what the last JSON line says (NULL if that fails).
 */
extern enum exit_status run_plan (struct run *run, json_t **result);

/* The folder of a plan in the state folder STATE.  malloc'ed; NULL reported,
 * as of the functions below.
 */
extern char *run_plan_folder (const char *state, const struct plan *plan);
/* That of an earlier run: in STATE, or with NULL in what the directory
 * target has in OUTPUT.
 */
extern char *run_earlier_folder (const char *output, const char *state,
                                 const struct plan *plan);
/* The folder of a VM in that. */
extern char *run_vm_folder (const char *plan_folder, const char *target);
/* Where the status of a plan is written. */
extern char *run_status_path (const char *plan_folder);
/* Where the digests of what was read of a disk are. */
extern char *run_digest_path (const char *vm_folder, size_t disk);
/* Where it is kept how far the copy of a disk is. */
extern char *run_copy_journal_path (const char *vm_folder, size_t disk);
/* Where the conversion of a VM works. */
extern char *run_convert_dir (const char *vm_folder);

/* mkdir -p, mode 0700.  0, or -1 reported. */
extern int run_make_folders (const char *path);

/* Where a disk's volume is, and what is known of its copy: the VM's own, or
 * those of a shared disk.  All is borrowed.
 */
struct run_disk {
  struct journal *journal;
  const char *folder;
  size_t index;                 /* in the journal and in FOLDER */
  const char *id;               /* what tells the disk from others */
  struct target_volume *volume;
};
extern struct run_disk run_disk_place (const struct run_vm *rv, size_t i);

/* True if the VM is cancelled: by a signal, as all are, or RV->cancel. */
extern bool run_vm_cancelled (const struct run_vm *rv);
/* True if the VM is to stop: cancelled, or RV->stop.  OPAQUE is RV. */
extern bool run_vm_stopped (void *opaque);

/* Before any byte of any VM: folder, journal, volumes.  0, or -1 with
 * RV->result set.
 */
extern int run_vm_prepare (struct run_vm *rv);
/* The pipeline.  Sets RV->result. */
extern void run_vm_pipeline (struct run_vm *rv);
extern void run_vm_free (struct run_vm *rv);

/* run_schedule.c */

/* How many disks of all VMs can be in flight at once.  Before the threads
 * start.  0, or -1 reported.
 */
extern int run_schedule_init (struct run *run);
/* Run all VMs to their ends. */
extern void run_all_vms (struct run *run);
/* From now on at most DISKS of the VM are in flight. */
extern void run_vm_shrink (struct run_vm *rv, unsigned disks);
/* At most so many are. */
extern unsigned run_vm_disks (const struct run_vm *rv);
/* Take room for one more disk of RV's host, which is waited for; false:
 * RV was stopped.
 */
extern bool run_vm_take_disk (struct run_vm *rv);
extern void run_vm_give_disk (struct run_vm *rv);
/* A VM is cancelled: it may be one that waits for its turn. */
extern void run_schedule_wake (struct run *run);

/* run_volumes.c */

/* Make or find all volumes, and forget in the journal what is no longer
 * there.  0, or -1 with RV->result set.
 */
extern int run_make_volumes (struct run_vm *rv);
/* Make or find the volume of disk I.  0, or -1 reported: *VOLUME is NULL. */
extern int run_create_volume (const struct run_vm *rv, size_t i,
                              const char *owner,
                              struct target_volume **volume);
/* True if disk I has still to be copied, or attached if it is shared. */
extern bool run_must_copy (const struct run_vm *rv, size_t i);
/* True if an earlier run may have copied a part of D, which is at PLACE. */
extern bool run_can_resume (const struct run_disk *place,
                            const struct vm_disk *d);
/* Remove the journal of the copy of disk I of FOLDER.  0, or -1 reported. */
extern int run_forget_copy (const char *folder, size_t i);
/* At most so many of its disks are copied at once, without shared ones. */
extern unsigned run_vm_copies (const struct run_vm *rv);
/* Bytes of data that are still to be written to the volumes, as far as
 * the source says.
 */
extern uint64_t run_needed_space (const struct run_vm *rv);
/* Remove the volumes that nothing was copied to. */
extern void run_remove_unused (struct run_vm *rv);
/* After a failure: remove what no later run can use, or everything if
 * the plan says so.
 */
extern void run_clean_up (struct run_vm *rv);
/* Remove all volumes, and forget them: the source has run on since they
 * were copied.  0, or -1 reported.
 */
extern int run_discard (struct run_vm *rv);
/* Text that names plan, VM and disk for the target.  malloc'ed, NULL
 * reported.
 */
extern char *run_owner (const struct run_vm *rv, size_t i);

/* run_power.c */

/* In which state the VM was before we touched it. */
extern enum vm_power run_power_before (struct run_vm *rv);
/* See to it that the VM is off; that it still is, after the copy; and that
 * it stays so, since it has been migrated.  0, or -1 with RV->result set.
 */
extern int run_power_down (struct run_vm *rv);
extern int run_power_check (struct run_vm *rv);
extern int run_power_done (struct run_vm *rv);
/* After a failure: power it on again if we have powered it off. */
extern void run_power_restore (struct run_vm *rv);

/* run_hook.c: run the VM's hook at that step, unless it has succeeded
 * already.  0, or -1 with RV->result set or STATUS_OK.
 */
extern int run_pre_hook (struct run_vm *rv, struct progress_line *line);
extern int run_post_hook (struct run_vm *rv, struct progress_line *line);
/* The source has run on: what a PreHook prepared there is gone. */
extern int run_forget_pre_hook (struct run_vm *rv);

/* run_cancel.c: look whether nbdlift cancel has asked for VMs; stop those
 * that work, and undo those that have ended.  From one thread at a time.
 */
extern void run_look_for_cancels (struct run *run);
/* Undo what earlier runs have made for VMs that the Migration cancels.
 * STATUS_OK, or the status of one for which that did not work.
 */
extern enum exit_status run_undo_cancelled (struct run *run);

/* run_disks.c and run_finish.c.  These return 0, or -1 with RV->result
 * set.
 */
extern int run_transfer (struct run_vm *rv, struct progress_line *line);
extern int run_convert (struct run_vm *rv, struct progress_line *line);
extern int run_finish (struct run_vm *rv);
/* Give the volume at PLACE its digests and its name. */
extern int run_finish_disk (struct run_vm *rv, const struct run_disk *place,
                            const struct vm_disk *d, bool converted);

/* run_result.c: the result of a run for programs (new reference, NULL
 * reported) and, from that, for people.
 */
extern json_t *run_result (struct run *run, enum exit_status status);
extern void run_print_result (const json_t *result);

#endif /* NBDLIFT_RUN_H */
