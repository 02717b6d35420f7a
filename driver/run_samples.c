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
take (const struct run_vm *rv, size_t disk, uint64_t now)
{
  CLEANUP_FREE char *path = run_samples_path (rv->folder, disk);
  CLEANUP_FCLOSE FILE *fp = path ? fopen (path, "ae") : NULL;

  if (fp)
    fprintf (fp, "%" PRIu64 " %" PRIu64 "\n", now,
             (uint64_t) atomic_load (&rv->status.tasks[disk].read));
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
      if (atomic_load (&rv->status.tasks[disk].phase) == PHASE_RUNNING)
        take (rv, disk, ts.tv_sec * UINT64_C (1000) +
              ts.tv_nsec / 1000000);
  }
}
