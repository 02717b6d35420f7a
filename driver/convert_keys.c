/* SPDX-License-Identifier: BSD-3-Clause
 *
 * LUKS passphrases for virt-v2v: on no disk, in no argument, in no log.
 *
 * Each is in a file in memory that virt-v2v inherits and opens as
 * /dev/fd/N.  "--key all:file:" is what newer versions know.  2.2 takes
 * that for the name of a device which is not there, and then reads one
 * passphrase per encrypted device from its standard input: this one has
 * them all, again and again.  That is enough for one passphrase.  When
 * there are several, each is also given by the name of each partition that
 * there may be: on those all are tried.  Logical volumes, whose names
 * nobody knows beforehand, remain for standard input, which tries one on
 * each.  (Disks that are encrypted as a whole virt-v2v does not open.)
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "driver/convert_private.h"

/* Encrypted devices of one VM. */
#define MAX_ENCRYPTED 64

/* Partitions of one disk that are tried by name. */
#define MAX_PARTITIONS 16

/* The most options with the name of a device. */
#define MAX_NAMED 4096

/* What a pipe takes without a reader. */
#define PIPE_BYTES 65536

/* Length of it: what was made with echo ends with a newline. */
static size_t
first_line (const char *key)
{
  return strcspn (key, "\n");
}

/* A file in memory that holds KEY. */
static int
open_key (const char *key)
{
  const int fd = memfd_create ("luks", MFD_CLOEXEC);

  if (fd >= 0 && v2v_write_all (fd, key, first_line (key)) == 0 &&
      v2v_write_all (fd, "\n", 1) == 0)
    return fd;
  log_error ("virt-v2v-in-place: cannot be given a passphrase: %m");
  if (fd >= 0)
    close (fd);
  return -1;
}

/* All keys, a line each, as often as there may be devices.  Without keys
 * the input is empty: virt-v2v fails instead of asking on a terminal and
 * waiting for ever.
 */
static int
open_stdin (const char *const *keys)
{
  size_t size = 0, i, round;
  int fds[2];

  if (pipe2 (fds, O_CLOEXEC) == -1) {
    log_error ("virt-v2v-in-place: cannot be started: pipe: %m");
    return -1;
  }
  for (i = 0; keys && keys[i]; i++)
    size += first_line (keys[i]) + 1;
  for (round = 0; round < MAX_ENCRYPTED && size > 0 &&
       size * (round + 1) <= PIPE_BYTES; round++)
    for (i = 0; keys[i]; i++)
      if (v2v_write_all (fds[1], keys[i], first_line (keys[i])) == -1 ||
          v2v_write_all (fds[1], "\n", 1) == -1)
        break;
  close (fds[1]);
  return fds[0];
}

int
v2v_keys_open (struct v2v_keys *k, const char *const *keys)
{
  k->stdin_fd = open_stdin (keys);
  if (k->stdin_fd == -1)
    return -1;
  for (; keys && keys[k->nr]; k->nr++) {
    if (k->nr == V2V_MAX_KEYS) {
      log_warning ("of the passphrases, only the first %d are tried",
                   V2V_MAX_KEYS);
      break;
    }
    k->fds[k->nr] = open_key (keys[k->nr]);
    if (k->fds[k->nr] == -1)
      return -1;
  }
  return 0;
}

void
v2v_keys_close (struct v2v_keys *k)
{
  if (k->stdin_fd >= 0)
    close (k->stdin_fd);
  while (k->nr > 0)
    close (k->fds[--k->nr]);
}

/* "sda" ... "sdz", "sdaa" ... "sdzz" into NAME of 8 bytes. */
static bool
disk_name (size_t i, char *name)
{
  if (i / 26 >= 27)
    return false;
  if (i < 26)
    snprintf (name, 8, "sd%c", (char) ('a' + i));
  else
    snprintf (name, 8, "sd%c%c", (char) ('a' + i / 26 - 1),
              (char) ('a' + i % 26));
  return true;
}

/* Every key for DEVICE. */
static int
add_device (const struct v2v_keys *k, const char *device,
            string_vector *argv)
{
  size_t i;

  for (i = 0; i < k->nr; i++)
    if (string_vector_append_dup (argv, "--key") == -1 ||
        string_vector_append_format (argv, "%s:file:/dev/fd/%d", device,
                                     k->fds[i]) == -1)
      return -1;
  return 0;
}

int
v2v_keys_argv (const struct v2v_keys *k, size_t nr_disks,
               string_vector *argv)
{
  size_t i, part, nr = 0;
  char name[8], device[32];

  if (add_device (k, "all", argv) == -1)
    return -1;
  for (i = 0; k->nr > 1 && i < nr_disks && disk_name (i, name); i++)
    for (part = 1; part <= MAX_PARTITIONS && nr < MAX_NAMED; part++) {
      snprintf (device, sizeof device, "/dev/%s%zu", name, part);
      if (add_device (k, device, argv) == -1)
        return -1;
      nr += k->nr;
    }
  return string_vector_append_dup (argv, "--keys-from-stdin");
}
