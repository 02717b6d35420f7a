/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Forklift asks the guest and waits for ever.  We wait for a limited time,
 * and power off what does not answer only if we were told to: a guest
 * that is cut off may lose what it has not written.
 */
#include <errno.h>
#include <stddef.h>
#include <time.h>

#include "common/include/minmax.h"
#include "common/util/log.h"
#include "driver/power.h"

/* How long a guest that was asked to shut down, when the run was cancelled
 * then, is waited for: to be powered on again it must be off.
 */
#define SETTLE_SECONDS 60

enum vm_power
power_before (const struct power *p)
{
  bool ours;
  const enum vm_power before = journal_power (p->journal, &ours);

  return before == VM_POWER_UNKNOWN ? p->vm->power : before;
}

bool
power_must_restore (const struct power *p)
{
  bool ours;

  return journal_power (p->journal, &ours) == VM_POWER_ON && ours;
}

/* The guest has not shut down, by errno: 0 it may be powered off, or -1
 * with a report.
 */
static int
may_force (const struct power *p)
{
  const int err = errno;
  const bool silent = err == ENOTSUP;

  if (err != ETIMEDOUT && err != ENOTSUP)
    return -1;                  /* reported, or cancelled */
  if (p->options->force) {
    if (silent)
      log_warning ("nothing in the guest can be asked to shut it down: the "
                   "VM is powered off");
    else if (p->options->seconds > 0)
      log_warning ("the guest has not shut down within %u seconds: the VM "
                   "is powered off", p->options->seconds);
    return 0;
  }
  if (silent)
    log_error ("the VM is on, and nothing in the guest can be asked to shut "
               "it down (no guest tools run): shut it down yourself, or "
               "have it powered off with --force-power-off");
  else
    log_error ("the guest has not shut down within %u seconds, and may do "
               "so later: shut it down yourself, give it more time with "
               "--shutdown-timeout, or have it powered off with "
               "--force-power-off", p->options->seconds);
  errno = err;
  return -1;
}

static int
shut_down (struct power *p)
{
  int r;

  if (p->options->seconds > 0) {
    log_info ("the guest is asked to shut down (waiting up to %u seconds)",
              p->options->seconds);
    p->asked = true;
    r = p->ops->shutdown (p->session, p->vm, p->options->seconds,
                          p->cancelled, p->opaque);
    if (r == 0) {
      p->asked = false;
      return 0;
    }
    p->asked = errno == ETIMEDOUT || errno == ECANCELED;
  }
  else
    errno = ETIMEDOUT;
  if (may_force (p) == -1)
    return -1;
  r = p->ops->power_off (p->session, p->vm);
  if (r == 0)
    p->asked = false;
  return r;
}

int
power_down (struct power *p)
{
  enum vm_power state;

  if (p->ops->power_state == NULL)
    return 0;
  if (p->ops->power_state (p->session, p->vm, &state) == -1)
    return -1;
  if (state == VM_POWER_OFF)
    return 0;
  if (state != VM_POWER_ON) {
    log_error ("the VM is suspended: what its memory holds would be lost; "
               "resume it, shut it down, and start again");
    errno = EINVAL;
    return -1;
  }
  if (journal_set_power (p->journal, VM_POWER_ON, true) == -1 ||
      shut_down (p) == -1)
    return -1;
  /* Believe nothing: what is read from a VM that runs is torn. */
  if (p->ops->power_state (p->session, p->vm, &state) == -1)
    return -1;
  if (state != VM_POWER_OFF) {
    log_error ("the VM was shut down, but is on again: something on the "
               "source starts it (high availability? a schedule?); stop that "
               "and start again");
    errno = EBUSY;
    return -1;
  }
  log_info ("the VM is off");
  return 0;
}

/* Wait until the VM that was asked to shut down is off.  True if it is. */
static bool
wait_until_off (const struct power *p)
{
  const unsigned seconds = MIN (MAX (p->options->seconds, 1U),
                                (unsigned) SETTLE_SECONDS);
  const struct timespec second = { .tv_sec = 1 };
  enum vm_power state;
  unsigned i;

  log_info ("the guest was asked to shut down: waiting up to %u seconds for "
            "that, to power it on again", seconds);
  for (i = 0; i < seconds; i++) {
    if (p->ops->power_state (p->session, p->vm, &state) == -1)
      return false;
    if (state == VM_POWER_OFF)
      return true;
    nanosleep (&second, NULL);
  }
  log_warning ("the guest is still shutting down, or does not: see that the "
               "VM is on");
  return false;
}

int
power_restore (struct power *p)
{
  enum vm_power state;

  if (!power_must_restore (p))
    return 0;
  if (p->asked)
    wait_until_off (p);
  if (p->ops->power_state (p->session, p->vm, &state) == -1)
    return -1;
  if (state != VM_POWER_ON) {
    if (p->ops->power_on (p->session, p->vm) == -1)
      return -1;
    log_info ("the VM is powered on again, as it was before");
  }
  return journal_set_power (p->journal, VM_POWER_UNKNOWN, false);
}

int
power_keep_off (struct power *p)
{
  return power_must_restore (p) ?
    journal_set_power (p->journal, VM_POWER_ON, false) : 0;
}

int
power_is_on (const struct power *p, bool *on)
{
  enum vm_power state = VM_POWER_OFF;

  if (p->ops->power_state &&
      p->ops->power_state (p->session, p->vm, &state) == -1)
    return -1;
  *on = state == VM_POWER_ON;
  return 0;
}
