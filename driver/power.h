/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The power of a source VM: shut down before its disks are read, and on
 * again if the migration does not come to its end.  What we did is in the
 * VM's journal before it is done, so that a later run knows it whatever
 * ended this one.
 */
#ifndef NBDLIFT_POWER_H
#define NBDLIFT_POWER_H

#include <stdbool.h>

#include "common/source.h"
#include "common/vm/vm.h"
#include "driver/journal.h"

#define POWER_SHUTDOWN_SECONDS 600

struct power_options {
  unsigned seconds;             /* for the guest to shut down; 0: do not ask
                                   it */
  bool force;                   /* then power it off */
  bool leave_off;               /* after a failure, for the next run */
};

struct power {
  const struct source_ops *ops;
  void *session;
  const struct vm *vm;
  struct journal *journal;
  const struct power_options *options;
  bool (*cancelled) (void *opaque);
  void *opaque;
  bool asked;                   /* private: the guest was asked to shut
                                   down, and has not done so yet */
};

/* In which state the VM was before we touched it, this run or an earlier
 * one.
 */
extern enum vm_power power_before (const struct power *p);

/* See to it that the VM is off.  0 (also for sources without power), or
 * -1 with errno and a report; ECANCELED unreported.
 */
extern int power_down (struct power *p);

/* True if we have powered it off and it is to be on again. */
extern bool power_must_restore (const struct power *p);

/* Power it on again if power_must_restore.  Not cancelled.  0, or -1
 * reported: then the journal still says so.
 */
extern int power_restore (struct power *p);

/* The migration is done: it stays off.  0, or -1 reported. */
extern int power_keep_off (struct power *p);

/* Is it still off?  *ON tells whether somebody has powered it on.  0, or
 * -1 with errno and a report.
 */
extern int power_is_on (const struct power *p, bool *on);

#endif /* NBDLIFT_POWER_H */
