/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Power in the pipeline.  The VM is shut down as the last thing before its
 * disks are read; when it does not come to its end (failure or cancel), it
 * is powered on again.  What was copied is of no use then, because the
 * guest writes to its disks again: it is removed, before.
 */
#include <string.h>

#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "driver/power.h"
#include "driver/run_shared.h"

static struct power
power_of (struct run_vm *rv)
{
  const struct session *s = rv->run->session;

  return (struct power) {
    .ops = s->ops,
    .session = s->source,
    .vm = &rv->pre->vm,
    .journal = rv->journal,
    .options = &rv->run->options->power,
    .cancelled = run_vm_stopped,
    .opaque = rv,
    .asked = rv->shutdown_asked,
  };
}

enum vm_power
run_power_before (struct run_vm *rv)
{
  const struct power p = power_of (rv);

  return power_before (&p);
}

/* The guest wrote until it was off: ask again for what tells the state of
 * its disks, by which a later run knows them.
 */
static int
refresh (struct run_vm *rv)
{
  const struct session *s = rv->run->session;
  const struct source_ref ref = { .id = rv->pre->vm.id };
  vm_disk_vector *disks = &rv->pre->vm.disks;
  CLEANUP_VM struct vm now;
  char *version;
  size_t i;

  vm_init (&now);
  if (s->ops->describe (s->source, &ref, &now) == -1)
    return -1;
  for (i = 0; i < disks->len; i++) {
    struct vm_disk *was = &disks->ptr[i];

    if (now.disks.len != disks->len ||
        strcmp (now.disks.ptr[i].id, was->id) != 0 ||
        now.disks.ptr[i].capacity != was->capacity) {
      log_error ("the disks of the VM were changed while it was being shut "
                 "down: start again");
      return -1;
    }
    version = was->version;
    was->version = now.disks.ptr[i].version;
    now.disks.ptr[i].version = version;
    was->allocated = now.disks.ptr[i].allocated;
  }
  return 0;
}

int
run_power_down (struct run_vm *rv)
{
  struct power p = power_of (rv);
  int r = power_down (&p);

  rv->shutdown_asked = p.asked;
  if (r == 0 && rv->pre->vm.power == VM_POWER_ON && p.ops->power_state)
    r = refresh (rv);
  if (r == -1)
    rv->result = STATUS_SOURCE;
  return r;
}

int
run_power_check (struct run_vm *rv)
{
  const struct power p = power_of (rv);
  bool on;

  if (power_is_on (&p, &on) == -1) {
    rv->result = STATUS_SOURCE;
    return -1;
  }
  if (!on)
    return 0;
  log_error ("the VM was powered on, not by nbdlift, while its disks were "
             "being copied: what was copied is of no use and is removed; "
             "start again when nobody powers it on");
  run_discard (rv);
  rv->result = STATUS_SOURCE;
  return -1;
}

void
run_power_restore (struct run_vm *rv)
{
  CLEANUP_FREE char *manifest = NULL;
  struct power p = { 0 };

  if (rv->journal == NULL)
    return;
  /* Then it is migrated, and killed was who was to say so. */
  manifest = journal_published (rv->journal);
  if (manifest) {
    run_power_done (rv);
    return;
  }
  p = power_of (rv);
  if (!power_must_restore (&p))
    return;
  if (p.options->leave_off) {
    log_warning ("the VM was on and stays off, since --leave-off was given: "
                 "the next run goes on");
    return;
  }
  run_shared_withdraw (rv);
  run_discard (rv);
  power_restore (&p);
}

int
run_power_done (struct run_vm *rv)
{
  struct power p = power_of (rv);

  return power_keep_off (&p);
}
