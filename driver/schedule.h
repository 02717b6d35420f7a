/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which VMs of a run may begin: at most so many disks are in flight on
 * each host of the source (an ESXi host, or else the provider).
 *
 * The VMs of a host begin in the order of the plan, none before the one in
 * front of it.  So a VM with many disks waits until there is room for all
 * of them, and never longer than for those that have begun already.  Hosts
 * do not wait for each other.
 *
 * Plain data, no threads and no clock: who calls has a lock.
 */
#ifndef NBDLIFT_SCHEDULE_H
#define NBDLIFT_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Nobody can begin now. */
#define SCHEDULE_NONE SIZE_MAX

struct schedule_host {
  const char *id;               /* NULL: the provider */
  unsigned in_flight;           /* disks of VMs that have begun */
  unsigned wanted;              /* by VMs that have begun, beside these */
  bool blocked;                 /* private to schedule_next */
};

struct schedule_vm {
  size_t host;                  /* index */
  unsigned disks;               /* that it has, or will have, in flight */
  bool begun;
};

struct schedule {
  unsigned max;                 /* disks in flight per host */
  struct schedule_host *hosts;
  size_t nr_hosts;
  struct schedule_vm *vms;      /* in the order of the plan */
  size_t nr_vms;
};

/* For at most NR_VMS VMs.  0, or -1 reported. */
extern int schedule_init (struct schedule *s, unsigned max, size_t nr_vms);
extern void schedule_free (struct schedule *s);

/* Append the next VM of the plan.  HOST (NULL: the provider) is borrowed.
 * DISKS: how many it wants to have in flight at once; it gets at least one
 * and at most the maximum.
 */
extern void schedule_add (struct schedule *s, const char *host,
                          unsigned disks);

/* The first VM that can begin: it has begun now.  SCHEDULE_NONE: none
 * until something changes.
 */
extern size_t schedule_next (struct schedule *s);

/* VM I begins out of its turn and without any disk: it is cancelled. */
extern void schedule_skip (struct schedule *s, size_t i);

/* From now on VM I, which has begun, has at most DISKS in flight. */
extern void schedule_shrink (struct schedule *s, size_t i, unsigned disks);

/* VM I, which has begun, wants one more disk in flight beside its own: no
 * VM begins on its host before that is taken (wait, then take), or not
 * wanted any more (leave).  take: true if there was room, and it is in
 * flight; give: it is not any more.
 */
extern void schedule_wait (struct schedule *s, size_t i);
extern void schedule_leave (struct schedule *s, size_t i);
extern bool schedule_take (struct schedule *s, size_t i);
extern void schedule_give (struct schedule *s, size_t i);

/* How many disks VM I may have in flight. */
extern unsigned schedule_disks (const struct schedule *s, size_t i);

/* The host of VM I. */
extern const struct schedule_host *schedule_host (const struct schedule *s,
                                                  size_t i);

/* So many disks can be in flight at once on all hosts together. */
extern unsigned schedule_most (const struct schedule *s);

#endif /* NBDLIFT_SCHEDULE_H */
