/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The static addresses of a Linux guest, kept when its NICs move to
 * other PCI slots and so get other names.
 */
#ifndef NBDLIFT_GUEST_NET_H
#define NBDLIFT_GUEST_NET_H

#include "common/util/vector.h"
#include "common/vm/vm.h"
#include "driver/guest/guest_files.h"

struct guest_net_report {
  string_vector kept;           /* one line per NIC and name: what was
                                   done, for people */
  string_vector lost;           /* what could not be done, and the remedy */
};
extern void guest_net_report_free (struct guest_net_report *report);
#define CLEANUP_GUEST_NET_REPORT                                        \
  __attribute__ ((cleanup (guest_net_report_free)))

/* Find out which interface of the guest with FILES has which static
 * address, and which of NICS it is; then bind the name of the interface,
 * or its configuration, to the MAC address.  Understood are ifupdown,
 * systemd-networkd, NetworkManager, netplan and the ifcfg files of Red
 * Hat and SUSE, and bonds, bridges and VLANs on top of one NIC or of NICs
 * whose MAC addresses the guest's files tell.
 *
 * Interfaces without a static address are left as they are.  Doing it
 * twice has the effect of doing it once.  0 with *REPORT, whose texts are
 * printable; -1 reported.
 */
extern int guest_net_preserve (const struct guest_files *files,
                               const vm_nic_vector *nics,
                               struct guest_net_report *report);

#endif /* NBDLIFT_GUEST_NET_H */
