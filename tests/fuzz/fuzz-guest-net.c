/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Fuzz the network configuration of a guest: the input is a file of the
 * kind that its first byte names, twice, the second time as it was left
 * the first time.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/minmax.h"
#include "common/util/log.h"
#include "driver/guest/guest_net.h"

extern int LLVMFuzzerInitialize (int *argc, char ***argv);
extern int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static const char *const places[] = {
  "/etc/network/interfaces",
  "/etc/systemd/network/a.network",
  "/etc/systemd/network/a.netdev",
  "/etc/systemd/network/a.link",
  "/etc/NetworkManager/system-connections/a",
  "/etc/netplan/a.yaml",
  "/etc/sysconfig/network-scripts/ifcfg-a",
  "/etc/sysconfig/network/ifcfg-a",
  "/etc/udev/rules.d/70-persistent-net.rules",
};

static const char *place;
static char *content;

static void
silent (enum log_level level, const char *text, void *opaque)
{
}

static char *
read_file (void *opaque, const char *path)
{
  if (strcmp (path, place) != 0) {
    errno = ENOENT;
    return NULL;
  }
  return strdup (content);
}

static int
write_file (void *opaque, const char *path, const char *text)
{
  if (strcmp (path, place) == 0) {
    free (content);
    content = strdup (text);
  }
  return 0;
}

static int
list_folder (void *opaque, const char *path, string_vector *names)
{
  const size_t n = strlen (path);

  if (strncmp (path, place, n) != 0 || place[n] != '/')
    return 0;
  return string_vector_append_dup (names, place + n + 1);
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
  const struct guest_files files = {
    .read = read_file, .write = write_file, .list = list_folder,
  };
  struct vm_ip ip = { .address = address, .prefix = 24, .is_static = true };
  struct vm_nic list[] = {
    { .mac = mac1, .ips = { &ip, 1, 1 } }, { .mac = mac2 },
  };
  const vm_nic_vector nics = { list, 2, 2 };
  size_t i;

  if (size == 0)
    return 0;
  place = places[data[0] % ARRAY_SIZE (places)];
  content = strndup ((const char *) data + 1, size - 1);
  for (i = 0; i < 2; i++) {
    struct guest_net_report report = { .kept = EMPTY_VECTOR };

    if (guest_net_preserve (&files, &nics, &report) == 0)
      guest_net_report_free (&report);
  }
  free (content);
  return 0;
}
