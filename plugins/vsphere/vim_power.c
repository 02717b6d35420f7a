/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Power of a VM.  What counts is the state in the end, not whether it was
 * us who got it there.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/monotonic.h"
#include "plugins/vsphere/vim_private.h"

#define TASK_SECONDS 300
#define PAUSE_MS 1000

int
vim_power_state (struct vim *vim, const char *vm, enum vm_power *state)
{
  static const char *const paths[] = { "runtime.powerState", NULL };
  static const struct {
    const char *name;
    enum vm_power state;
  } names[] = {
    { "poweredOn", VM_POWER_ON },
    { "poweredOff", VM_POWER_OFF },
    { "suspended", VM_POWER_SUSPENDED },
  };
  CLEANUP_VIM_OBJECTS struct vim_objects objects = { 0 };
  CLEANUP_FREE char *text = NULL;
  size_t i;

  if (vim_get (vim, "VirtualMachine", vm, paths, &objects) == -1)
    return -1;
  text = vim_object_text (objects.list.ptr[0], paths[0]);
  for (i = 0; text && i < ARRAY_SIZE (names); i++) {
    if (strcmp (text, names[i].name) == 0) {
      *state = names[i].state;
      return 0;
    }
  }
  *state = VM_POWER_UNKNOWN;
  return 0;
}

/* Run METHOD unless the VM is in STATE. */
static int
change_state (struct vim *vim, const char *vm, const char *method,
              enum vm_power wanted)
{
  enum vm_power state;

  if (vim_power_state (vim, vm, &state) == -1)
    return -1;
  if (state == wanted ||
      vim_task (vim, method, "VirtualMachine", vm, NULL, TASK_SECONDS, NULL,
                NULL, NULL) == 0)
    return 0;
  if (errno != ESRCH)
    return -1;
  /* It has ended, or we would still see it. */
  if (vim_power_state (vim, vm, &state) == -1)
    return -1;
  if (state == wanted)
    return 0;
  log_error ("%s: %s of %s had no effect: see the events of the VM on the "
             "server", http_client_origin (vim->http), method,
             printable (vm));
  errno = EIO;
  return -1;
}

int
vim_power_off (struct vim *vim, const char *vm)
{
  return change_state (vim, vm, "PowerOffVM_Task", VM_POWER_OFF);
}

int
vim_power_on (struct vim *vim, const char *vm)
{
  return change_state (vim, vm, "PowerOnVM_Task", VM_POWER_ON);
}

int
vim_shutdown_guest (struct vim *vim, const char *vm, unsigned seconds,
                    bool (*cancelled) (void *opaque), void *opaque)
{
  CLEANUP_VIM_FAULT struct vim_fault fault = { 0 };
  const int64_t end = monotonic_ms () + seconds * INT64_C (1000);
  enum vm_power state;
  int r;

  if (vim_power_state (vim, vm, &state) == -1)
    return -1;
  if (state == VM_POWER_OFF)
    return 0;
  r = vim_invoke (vim, LOG_LEVEL_ERROR, "ShutdownGuest", "VirtualMachine", vm,
                  NULL, NULL, NULL, &fault);
  if (r == 1 && vim_fault_is (&fault, "ToolsUnavailable")) {
    errno = ENOTSUP;
    return -1;
  }
  if (r == 1 && !vim_fault_is (&fault, "InvalidPowerState")) {
    vim_fault_report (LOG_LEVEL_ERROR, vim, "shutting down the guest",
                      &fault);
    return -1;
  }
  if (r == -1)
    return -1;
  /* InvalidPowerState: it went off in this moment, or is suspended. */
  for (;;) {
    if (vim_power_state (vim, vm, &state) == -1)
      return -1;
    if (state == VM_POWER_OFF)
      return 0;
    if (state == VM_POWER_SUSPENDED) {
      log_error ("VM %s is suspended: resume it and shut it down",
                 printable (vm));
      errno = EBUSY;
      return -1;
    }
    if (cancelled && cancelled (opaque)) {
      errno = ECANCELED;
      return -1;
    }
    if (monotonic_ms () >= end) {
      errno = ETIMEDOUT;
      return -1;
    }
    vim_sleep_ms (PAUSE_MS);
  }
}
