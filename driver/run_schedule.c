/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Start the VMs as the schedule says.  Each has a thread of its own from
 * its first step to its last.  It counts as in flight until its disks are
 * copied; what comes after that needs nothing of its host.  The failure of
 * one VM is its own.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/log.h"
#include "common/util/monotonic.h"
#include "common/util/strbuf.h"
#include "driver/run.h"

/* How often who waits for a disk asks whether to stop. */
#define LOOK_UP_MS 200

int
run_schedule_init (struct run *run)
{
  size_t i;

  if (schedule_init (&run->schedule, run->options->max_inflight,
                     run->nr_vms) == -1)
    return -1;
  for (i = 0; i < run->nr_vms; i++) {
    const struct run_vm *rv = &run->vms[i];

    schedule_add (&run->schedule, rv->pre->vm.host,
                  rv->result == STATUS_OK ? run_vm_copies (rv) : 0);
  }
  run->copies = MIN (schedule_most (&run->schedule), run->disks.free);
  return 0;
}

static size_t
index_of (const struct run_vm *rv)
{
  return rv - rv->run->vms;
}

unsigned
run_vm_disks (const struct run_vm *rv)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&rv->run->lock);

  return schedule_disks (&rv->run->schedule, index_of (rv));
}

void
run_vm_shrink (struct run_vm *rv, unsigned disks)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&rv->run->lock);

  schedule_shrink (&rv->run->schedule, index_of (rv), disks);
  pthread_cond_broadcast (&rv->run->changed);
}

void
run_schedule_wake (struct run *run)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&run->lock);

  pthread_cond_broadcast (&run->changed);
}

bool
run_vm_take_disk (struct run_vm *rv)
{
  struct run *run = rv->run;
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&run->lock);

  schedule_wait (&run->schedule, index_of (rv));
  while (!run_vm_stopped (rv)) {
    if (schedule_take (&run->schedule, index_of (rv)))
      return true;
    monotonic_cond_wait (&run->changed, &run->lock,
                         monotonic_ms () + LOOK_UP_MS);
  }
  schedule_leave (&run->schedule, index_of (rv));
  pthread_cond_broadcast (&run->changed);
  return false;
}

void
run_vm_give_disk (struct run_vm *rv)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&rv->run->lock);

  schedule_give (&rv->run->schedule, index_of (rv));
  pthread_cond_broadcast (&rv->run->changed);
}

/* It could not be prepared, which has been reported. */
static void
fail_vm (struct run_vm *rv)
{
  log_scope_enter (&rv->scope);
  run_power_restore (rv);
  log_scope_leave (&rv->scope);
  vm_status_begin (&rv->status, STEP_INITIALIZE);
  vm_status_end (&rv->status, STEP_INITIALIZE, false);
  vm_status_outcome (&rv->status, OUTCOME_FAILED);
  atomic_store (&rv->ended, true);
}

static void *
vm_thread (void *opaque)
{
  struct run_vm *rv = opaque;

  if (rv->result == STATUS_OK)
    run_vm_pipeline (rv);
  else
    fail_vm (rv);
  run_vm_shrink (rv, 0);
  return NULL;
}

/* Say of all VMs that have not begun what they wait for. */
static void
tell_waiting (struct run *run)
{
  const struct schedule *s = &run->schedule;
  size_t i;
  char *why;

  for (i = 0; i < run->nr_vms; i++) {
    const struct schedule_host *host = schedule_host (s, i);
    const unsigned disks = schedule_disks (s, i);

    if (s->vms[i].begun)
      continue;
    if (asprintf (&why, "At most %u disks are in flight at once %s%s: the VM "
                  "waits for room for %u, after those before it.", s->max,
                  host->id ? "on host " : "from the provider",
                  host->id ? printable (host->id) : "", disks) == -1)
      why = NULL;
    vm_status_wait (&run->vms[i].status, why);
  }
}

/* The next VM to start, which is waited for. */
static size_t
await_vm (struct run *run)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&run->lock);
  size_t i;

  for (;;) {
    for (i = 0; i < run->nr_vms; i++)
      if (!run->schedule.vms[i].begun && run_vm_cancelled (&run->vms[i])) {
        schedule_skip (&run->schedule, i);
        return i;
      }
    i = schedule_next (&run->schedule);
    if (i != SCHEDULE_NONE)
      return i;
    tell_waiting (run);
    pthread_cond_wait (&run->changed, &run->lock);
  }
}

void
run_all_vms (struct run *run)
{
  CLEANUP_FREE pthread_t *threads = calloc (run->nr_vms + 1,
                                            sizeof *threads);
  size_t n, nr_threads = 0;
  int r;

  for (n = 0; n < run->nr_vms; n++) {
    struct run_vm *rv = &run->vms[await_vm (run)];

    r = threads ? pthread_create (&threads[nr_threads], NULL, vm_thread, rv)
                : ENOMEM;
    if (r == 0) {
      nr_threads++;
      continue;
    }
    errno = r;
    log_warning ("cannot start a thread: %m; fewer VMs run at once");
    vm_thread (rv);
  }
  for (n = 0; n < nr_threads; n++)
    pthread_join (threads[n], NULL);
}
