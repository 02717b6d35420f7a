/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Fuzz the network configuration of a guest: the input is one file or two
 * of the kinds that its first byte names, twice, the second time as they
 * were left the first time.
 */
#include "common/include/minmax.h"
#include "common/util/log.h"
#include "tests/unit/memory_guest.h"

extern int LLVMFuzzerInitialize (int *argc, char ***argv);
extern int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* Where the input goes: what is after its first NUL byte to the second. */
static const char *const places[][2] = {
  { "/etc/network/interfaces", "/etc/network/interfaces.d/a" },
  { "/etc/systemd/network/a.network", "/etc/systemd/network/b.network" },
  { "/etc/systemd/network/a.netdev", "/etc/systemd/network/a.network" },
  { "/etc/systemd/network/a.link", "/etc/network/interfaces" },
  { "/etc/NetworkManager/system-connections/a",
    "/etc/NetworkManager/system-connections/b" },
  { "/etc/netplan/a.yaml", "/etc/netplan/b.yaml" },
  { "/etc/sysconfig/network-scripts/ifcfg-a",
    "/etc/sysconfig/network-scripts/ifcfg-b" },
  { "/etc/sysconfig/network/ifcfg-a", "/etc/sysconfig/network/ifcfg-b" },
  { "/etc/udev/rules.d/70-persistent-net.rules", "/etc/network/interfaces" },
  { "/usr/lib/systemd/network/a.network",
    "/etc/systemd/network/a.network.d/a.conf" },
  { "/usr/lib/systemd/network/a.network",
    "/lib/systemd/network/a.network.d/a.conf" },
  { "/usr/local/lib/systemd/network/a.link",
    "/usr/lib/systemd/network/a.link.d/a.conf" },
  { "/etc/netplan/a.yaml",
    "/etc/systemd/network/10-netplan-a.network.d/a.conf" },
};

static void
silent (enum log_level level, const char *text, void *opaque)
{
}

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  log_set_sink (silent, NULL);
  return 0;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static char mac1[] = "00:50:56:aa:bb:01", mac2[] = "00:50:56:aa:bb:02";
  static char address[] = "10.0.2.50";
  struct vm_ip ip = { .address = address, .prefix = 24, .is_static = true };
  struct vm_nic list[] = {
    { .mac = mac1, .ips = { &ip, 1, 1 } }, { .mac = mac2 },
  };
  const vm_nic_vector nics = { list, 2, 2 };
  const char *const *place;
  char *text, *second;
  size_t i;

  if (size == 0)
    return 0;
  place = places[data[0] % ARRAY_SIZE (places)];
  text = malloc (size);
  if (text == NULL)
    return 0;
  memcpy (text, data + 1, size - 1);
  text[size - 1] = '\0';
  write_file (NULL, place[0], text);
  second = memchr (text, '\0', size - 1);
  if (second)
    write_file (NULL, place[1], second + 1);
  free (text);
  for (i = 0; i < 2; i++) {
    struct guest_net_report report = { .kept = EMPTY_VECTOR };

    if (guest_net_preserve (&memory, &nics, &report) == 0)
      guest_net_report_free (&report);
  }
  forget_files ();
  return 0;
}
