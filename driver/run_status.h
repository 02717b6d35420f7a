/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a run is doing, in the shape of Forklift's Plan.status.migration:
 * a pipeline of steps per VM, a task per disk, progress in MiB, errors
 * with their reasons.
 */
#ifndef NBDLIFT_RUN_STATUS_H
#define NBDLIFT_RUN_STATUS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include <jansson.h>

#include "driver/driver_log.h"
#include "driver/preflight.h"

enum run_step {
  STEP_INITIALIZE,
  STEP_PRE_HOOK,
  STEP_DISK_TRANSFER,
  STEP_IMAGE_CONVERSION,
  STEP_VM_CREATION,
  STEP_POST_HOOK,
  NR_STEPS,
};
extern const char *run_step_name (enum run_step step);

enum run_phase { PHASE_PENDING, PHASE_RUNNING, PHASE_COMPLETED };

enum run_outcome {
  OUTCOME_NONE,                 /* not ended */
  OUTCOME_SUCCEEDED,
  OUTCOME_FAILED,
  OUTCOME_CANCELED,
};
extern const char *run_outcome_name (enum run_outcome outcome);

struct step_status {
  bool present;
  enum run_phase phase;
  bool failed;
  time_t started, completed;    /* 0: not yet */
};

/* Of one disk, in DiskTransfer. */
struct task_status {
  const char *name;
  uint64_t total;               /* bytes */
  atomic_uint_least64_t done;
  atomic_uint_least64_t read;   /* of these, from the source by this run */
  atomic_int phase;             /* enum run_phase */
  atomic_uint_least64_t started, completed;     /* ms since the epoch; 0:
                                   not yet */
  bool sampled_begin, sampled_end;      /* by run_samples_take */
};

struct vm_status {
  pthread_mutex_t lock;         /* of what is not atomic */
  const struct preflight_vm *pre;
  time_t started, completed;
  struct step_status steps[NR_STEPS];
  struct task_status *tasks;    /* one per disk of the VM */
  enum run_outcome outcome;
  bool cancelled;               /* by nbdlift cancel */
  char *waits;                  /* what a VM that has not begun waits for, or
                                   NULL */
  time_t waits_since;
  const char *restore_power;    /* "On", "Off" or "Unknown", as it was before
                                   the migration; NULL: not known yet */
  struct log_records records;
  const char *firmware;         /* found by conversion, or NULL */
  char *os;                     /* likewise */
  char *addresses;              /* what was done for static ones, likewise */
};

/* CONVERTS: the pipeline has ImageConversion.  0, or -1 reported. */
extern int vm_status_init (struct vm_status *status,
                           const struct preflight_vm *pre, bool converts);
extern void vm_status_free (struct vm_status *status);

/* The VM waits.  WHY is taken; it holds until the first step begins. */
extern void vm_status_wait (struct vm_status *status, char *why);
extern void vm_status_begin (struct vm_status *status, enum run_step step);
extern void vm_status_end (struct vm_status *status, enum run_step step,
                           bool ok);
extern void vm_status_outcome (struct vm_status *status,
                               enum run_outcome outcome);

/* A disk is being copied, or has been. */
extern void task_status_begin (struct task_status *task);
extern void task_status_end (struct task_status *task);

/* The first error, malloc'ed, "STEP: TEXT"; NULL when there is none. */
extern char *vm_status_error (struct vm_status *status);

/* One entry of status.migration.vms.  NULL reported. */
extern json_t *vm_status_to_json (struct vm_status *status);

/* run_concerns.c: what the checks before the run have said, which is kept
 * with the run.  NULL reported, as of all that returns JSON here.
 *
 * Of one VM, in the shape of a VM's concerns in Forklift's inventory: id,
 * category (Critical, Warning, Information), label, assessment, and here
 * suggestion too.
 */
extern json_t *run_vm_concerns (const problem_vector *problems,
                                const struct preflight_vm *pre);
/* Of the plan and what it refers to, as conditions.  0, or -1 reported. */
extern int run_plan_conditions (const problem_vector *problems,
                                time_t when, json_t *conditions);

/* The messages of LEVEL as an array of strings.  NULL reported. */
extern json_t *vm_status_messages (struct vm_status *status,
                                   enum log_level level);

/* "2026-11-23T00:35:41Z" into BUF of 32 bytes. */
extern void format_rfc3339 (time_t t, char *buf);

/* run_status_plan.c: what the status repeats of the plan.
 *
 * Set in J the fields of the plan's entry of a VM.  0, or -1 reported.
 */
extern int run_status_plan_vm (json_t *j, const struct plan_vm *pvm);
/* What a run was of: an entry of status.migration.history, with
 * CONDITIONS (borrowed).  NULL reported.
 */
extern json_t *run_status_history (const struct session *s,
                                   json_t *conditions);

/* run_status_merge.c: add to the status NOW, which is of the VMs of this
 * run only, what the status BEFORE (can be NULL) says of other VMs and of
 * other runs.  BEFORE is changed: of VMs on which nobody works it does not
 * say that somebody does.  0, or -1 reported.
 */
extern int run_status_merge (json_t *now, json_t *before);

/* The whole Plan object with its status.  STARTED is of the run;
 * COMPLETED 0 while it goes on.  NULL reported.
 */
extern json_t *run_status_to_json (const struct session *s,
                                   struct vm_status *const *vms,
                                   size_t nr_vms, time_t started,
                                   time_t completed);

#endif /* NBDLIFT_RUN_STATUS_H */
