/* SPDX-License-Identifier: BSD-3-Clause
 *
 * nbdlift-guest: looks into a guest with libguestfs, for the driver.
 *
 * It is a program of its own because libguestfs cannot be told to stop
 * while it starts its appliance, but a process can; and because nothing
 * else of nbdlift needs that library.  The driver gives it a request as
 * JSON on standard input (there may be passphrases in it) and gets the
 * answer as JSON on standard output; see convert_addresses.c.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/include/cleanup.h"
#include "common/json/json.h"
#include "common/util/log.h"
#include "driver/guest/guest_handle.h"
#include "driver/guest/guest_net.h"

static void
free_nics (vm_nic_vector *nics)
{
  struct vm vm;

  vm_init (&vm);
  vm.nics = *nics;
  vm_free (&vm);
}

static int
read_ip (const json_t *j, struct vm_nic *nic)
{
  struct vm_ip ip = { .prefix = json_get_u64 (j, "prefix", 0) };
  const char *address = json_get_string (j, "address", NULL);

  if (address == NULL)
    return 0;
  ip.is_static = json_get_bool (j, "static", 0);
  ip.address = strdup (address);
  if (ip.address == NULL || vm_ip_vector_append (&nic->ips, ip) == -1) {
    free (ip.address);
    log_oom ();
    return -1;
  }
  return 0;
}

static int
read_nics (const json_t *list, vm_nic_vector *nics)
{
  const json_t *ips;
  size_t i, k;

  for (i = 0; i < json_array_size (list); i++) {
    const json_t *j = json_array_get (list, i);
    const char *mac = json_get_string (j, "mac", NULL);
    struct vm_nic nic = { .mac = mac ? strdup (mac) : NULL };

    if ((mac && nic.mac == NULL) || vm_nic_vector_append (nics, nic) == -1) {
      free (nic.mac);
      log_oom ();
      return -1;
    }
    ips = json_object_get (j, "ips");
    for (k = 0; k < json_array_size (ips); k++)
      if (read_ip (json_array_get (ips, k),
                   &nics->ptr[nics->len - 1]) == -1)
        return -1;
  }
  return 0;
}

static int
answer (const struct guest_net_report *report)
{
  CLEANUP_JSON json_t *j = json_object ();

  if (j == NULL) {
    log_oom ();
    return -1;
  }
  if (json_set_strings (j, "kept", &report->kept) == -1 ||
      json_set_strings (j, "lost", &report->lost) == -1)
    return -1;
  if (json_dumpf (j, stdout, 0) == -1 || fflush (stdout) == EOF) {
    log_error ("nbdlift-guest: cannot answer: %m");
    return -1;
  }
  return 0;
}

static volatile sig_atomic_t stopped;

/* Told to stop, by the driver or because it has ended: so is the
 * appliance, whereupon whatever waits for it fails.  Then libguestfs removes
 * its sockets, which it has in /tmp and not where TMPDIR says.
 */
static void
stop (int sig)
{
  if (!stopped) {
    stopped = 1;
    if (getpgrp () == getpid ())
      kill (0, SIGTERM);
  }
}

int
main (int argc, char *argv[])
{
  const struct sigaction action = { .sa_handler = stop };
  CLEANUP_JSON json_t *request = json_loadf (stdin, 0, NULL);
  CLEANUP_GUEST_NET_REPORT struct guest_net_report report = {
    .kept = EMPTY_VECTOR,
  };
  __attribute__ ((cleanup (free_nics))) vm_nic_vector nics = EMPTY_VECTOR;
  struct guest_handle *guest;
  struct guest_files files;
  int r;

  sigaction (SIGTERM, &action, NULL);
  if (request == NULL) {
    log_error ("nbdlift-guest is started by nbdlift, not by hand");
    return 2;
  }
  if (read_nics (json_object_get (request, "nics"), &nics) == -1)
    return 1;
  guest = guest_open (request);
  if (guest == NULL)
    return errno == EAGAIN && !stopped ? GUEST_NOT_STARTED : 1;
  guest_get_files (guest, &files);
  r = guest_net_preserve (&files, &nics, &report);
  if (guest_close (guest) == -1 || r == -1)
    return 1;
  return answer (&report) == -1 ? 1 : 0;
}
