/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A guest's disks under libguestfs, mounted.
 */
#ifndef NBDLIFT_GUEST_HANDLE_H
#define NBDLIFT_GUEST_HANDLE_H

#include <jansson.h>

#include "driver/guest/guest_files.h"

/* Exit status of nbdlift-guest if the appliance did not start. */
#define GUEST_NOT_STARTED 3

struct guest_handle;

/* Start the appliance on the disks of REQUEST ("disks": qcow2 files;
 * "keys": LUKS passphrases; "root": as virt-v2v's --root) and mount the
 * guest.  NULL reported, with errno EAGAIN if the appliance did not start.
 */
extern struct guest_handle *guest_open (const json_t *request);

/* The guest's files, good until guest_close. */
extern void guest_get_files (struct guest_handle *guest,
                             struct guest_files *files);

/* Label what was written for SELinux, unmount and stop.  0, or -1
 * reported: then what was written may be lost.
 */
extern int guest_close (struct guest_handle *guest);

#endif /* NBDLIFT_GUEST_HANDLE_H */
