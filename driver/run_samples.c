/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Samples of how far copies are.  The files are opened anew for each line:
 * once a second for at most some twenty disks that is nothing, and a run
 * that goes on after an earlier one appends to its samples.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "driver/run.h"
#include "driver/run_samples.h"

char *
run_samples_path (const char *vm_folder, size_t disk)
{
  char *path;

  if (asprintf (&path, "%s/disk-%zu.samples", vm_folder, disk) == -1) {
    log_oom ();
    return NULL;
  }
  return path;
}

static void
take (const struct run_vm *rv, size_t disk, uint64_t ms, uint64_t bytes)
{
  CLEANUP_FREE char *path = run_samples_path (rv->folder, disk);
  CLEANUP_FCLOSE FILE *fp = path ? fopen (path, "ae") : NULL;

  if (fp)
    fprintf (fp, "%" PRIu64 " %" PRIu64 "\n", ms, bytes);
}

/* Begin and end of a copy are samples too, so that short ones have two. */
static void
take_due (struct run_vm *rv, size_t disk, uint64_t now)
{
  struct task_status *task = &rv->status.tasks[disk];
  const int phase = atomic_load (&task->phase);
  const uint64_t started = atomic_load (&task->started);
  const uint64_t completed = atomic_load (&task->completed);

  if (started == 0 || task->sampled_end)
    return;
  if (!task->sampled_begin)
    take (rv, disk, started, 0);
  task->sampled_begin = true;
  if (phase == PHASE_COMPLETED)
    take (rv, disk, completed, atomic_load (&task->read));
  else
    take (rv, disk, now, atomic_load (&task->read));
  /* A copy that fails does not complete, but the step does. */
  task->sampled_end = phase == PHASE_COMPLETED ||
    rv->status.steps[STEP_DISK_TRANSFER].phase == PHASE_COMPLETED;
}

void
run_samples_take (const struct run *run)
{
  struct timespec ts;
  size_t i, disk;

  clock_gettime (CLOCK_REALTIME, &ts);
  for (i = 0; i < run->nr_vms; i++) {
    struct run_vm *rv = &run->vms[i];
    ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&rv->status.lock);

    for (disk = 0; disk < rv->pre->vm.disks.len; disk++)
      take_due (rv, disk, ts.tv_sec * UINT64_C (1000) +
                ts.tv_nsec / 1000000);
  }
}
