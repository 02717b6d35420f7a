/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Why virt-v2v failed.  It has one exit code for everything, so its last
 * error message is compared with those that are known (2.2 to 2.8 and
 * libguestfs 1.48), and where that says too little, the log before it.
 * The message itself always stands at the end.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/json/json.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/convert_private.h"

/* The first rule fits whose IN_ERROR is in the error message and whose
 * IN_LOG is anywhere in the log (NULL: no condition).
 */
struct rule {
  const char *in_error;
  const char *in_log;
  int err;
  const char *cause;
  const char *remedy;
};

static const struct rule rules[] = {
  /* Encrypted disks. */
  { "could not find key to open LUKS", NULL, EINVAL,
    "the guest's disk is encrypted with LUKS and no key that was given "
    "opens it",
    "put its passphrase into the Secret that spec.vms[].luks names" },
  { "could not read key", NULL, EINVAL,
    "the guest's disk is encrypted and no key was given",
    "put its passphrase into a Secret and name that in spec.vms[].luks" },
  { "No root device found", "BitLocker", EINVAL,
    "the guest's disk is encrypted with BitLocker",
    "suspend or turn off BitLocker in the guest and export it again" },

  /* Finding the system. */
  { "No root device found", NULL, EINVAL,
    "no operating system was found on the VM's disks",
    "if there is one, see that its boot disk is complete and part of the "
    "VM; if not, set spec.skipGuestConversion: true" },
  { "multi-boot operating systems are not supported", NULL, EINVAL,
    "the VM has several operating systems",
    "name the one to convert in spec.vms[].rootDisk" },
  { "Dual- or multi-boot operating system detected", NULL, EINVAL,
    "the VM has several operating systems",
    "name the one to convert in spec.vms[].rootDisk" },
  { "Roots found were", NULL, EINVAL,
    "the device in spec.vms[].rootDisk holds no operating system",
    "use one of those that the message lists" },
  { "not an installed operating system", NULL, EINVAL,
    "the disk holds an installer or a live system, not an installed one",
    "set spec.skipGuestConversion: true if that is what should run" },
  { "unable to convert this guest type", NULL, EINVAL,
    "virt-v2v does not know how to convert this operating system",
    "set spec.skipGuestConversion: true if it has virtio drivers of its "
    "own" },
  { "is not supported", "i_root = ", EINVAL,
    "virt-v2v does not know how to convert this operating system",
    "set spec.skipGuestConversion: true if it has virtio drivers of its "
    "own" },
  { "inspection of the package database failed", NULL, EINVAL,
    "the guest's list of packages cannot be read",
    "repair the guest's package database (dpkg or rpm) and export it "
    "again" },

  /* File systems of the guest. */
  { "Windows Hibernation or Fast Restart", NULL, EINVAL,
    "the guest's file system was not unmounted cleanly: Windows is "
    "hibernated or uses Fast Startup, or the VM was not shut down",
    "turn off hibernation in the guest ('powercfg /h off'), shut it down "
    "and export it again" },
  { "Windows Hibernation or Fast", NULL, EINVAL,
    "the guest's file system can only be mounted read-only: it was not "
    "unmounted cleanly",
    "shut the guest down (on Windows after 'powercfg /h off') and export "
    "it again" },
  { "not enough free space for conversion", NULL, EINVAL,
    "a file system of the guest has too little free space",
    "free the space that the message names in the guest, or enlarge that "
    "file system" },
  { "not enough available inodes", NULL, EINVAL,
    "a file system of the guest has too few free inodes",
    "remove files from the guest" },

  /* Booting. */
  { "no bootloader detected", "i_firmware = UEFI", EINVAL,
    "no boot loader was found on the guest's EFI system partition: "
    "virt-v2v before 2.4 needs EFI/VENDOR/grub.cfg there",
    "run grub-install in the guest and export it again, or use virt-v2v "
    "2.4 or later" },
  { "no bootloader detected", NULL, EINVAL,
    "no boot loader (GRUB) was found in the guest",
    "install GRUB in the guest and export it again" },
  { "could not find bootloader mount point", NULL, EINVAL,
    "the guest's EFI system partition is not in its /etc/fstab",
    "mount it at /boot/efi in the guest's /etc/fstab and export it "
    "again" },
  { "no installed kernel packages were found", NULL, EINVAL,
    "no kernel package was found in the guest",
    "install the distribution's kernel package in the guest" },
  { "no kernels were found in the bootloader configuration", NULL, EINVAL,
    "the guest's boot loader has no entry for an installed kernel",
    "run update-grub (or grub2-mkconfig) in the guest and export it "
    "again" },
  { "only Xen kernels are installed", NULL, EINVAL,
    "the guest has only Xen kernels",
    "install the distribution's ordinary kernel in the guest" },

  /* What Windows needs. */
  { "rhsrvany.exe or pvvxsvc.exe is missing", NULL, EINVAL,
    "this host lacks the program that runs scripts at a Windows guest's "
    "first boot",
    "put rhsrvany.exe into /usr/share/virt-tools, or name its folder in "
    "the environment variable VIRT_TOOLS_DATA_DIR" },
  { "cannot open virtio-win ISO file", NULL, EINVAL,
    "the file that the environment variable VIRTIO_WIN names cannot be "
    "read",
    "let it name the virtio-win ISO or a folder with its content" },

  /* This host. */
  { "insufficient free space in the conversion server", NULL, ENOSPC,
    "this host has too little temporary space for a conversion",
    "free 1 GiB in the folder that the message names, or let "
    "LIBGUESTFS_CACHEDIR name another" },
  { "launch", "Cannot allocate memory", ENOMEM,
    "this host has too little free memory for libguestfs's appliance",
    "leave it about 2.5 GiB, or migrate fewer VMs at a time" },
  { "supermin", "failed to find a suitable kernel", EIO,
    "libguestfs finds no kernel on this host for its appliance",
    "install one (on Debian: linux-image-amd64), readable by this user" },
  { "suitable libguestfs supermin", NULL, EIO,
    "libguestfs finds no appliance on this host",
    "install supermin and libguestfs's appliance, or let LIBGUESTFS_PATH "
    "name a fixed one" },
  { "supermin", NULL, EIO,
    "libguestfs cannot build its appliance on this host",
    "run libguestfs-test-tool to see why" },
  { "guestfs_launch failed", NULL, EIO,
    "libguestfs cannot start its appliance on this host",
    "run libguestfs-test-tool to see why" },
  { "appliance closed the connection unexpectedly", NULL, EIO,
    "libguestfs's appliance crashed",
    "run libguestfs-test-tool; if that works, leave the host more memory" },
  { "appliance launch timed out", NULL, EIO,
    "libguestfs's appliance did not start in time",
    "run fewer conversions at a time on this host" },
  { "nbdkit", "is not installed or not working", EIO,
    "virt-v2v lacks a part of nbdkit",
    "install nbdkit with the plugin or filter that the message names" },

  /* Programs of the guest that fail. */
  { "No space left on device", NULL, EINVAL,
    "a file system of the guest became full",
    "free some space in the guest, in /boot above all" },
  { "update-initramfs", NULL, EINVAL,
    "the guest's own update-initramfs fails",
    "run 'update-initramfs -u' in the guest and repair what it says" },
  { "dracut", NULL, EINVAL,
    "the guest's own dracut fails",
    "run 'dracut --force' in the guest and repair what it says" },
  { "Input/output error", NULL, EIO,
    "a disk could not be read or written",
    "check the space and the health of the disks of this host" },
};

/* TEXT of LEN bytes holds S. */
static bool
contains (const char *text, size_t len, const char *s)
{
  return memmem (text, len, s, strlen (s)) != NULL;
}

/* Message of LINE if it is a JSON error of --machine-readable. */
static char *
json_error_message (const char *line, size_t len)
{
  CLEANUP_JSON json_t *j = NULL;
  const char *text;

  if (len == 0 || line[0] != '{')
    return NULL;
  j = json_loadb (line, len, 0, NULL);
  text = json_get_string (j, "message", NULL);
  if (text == NULL || strcmp (json_get_string (j, "type", ""), "error") != 0)
    return NULL;
  return strdup (text);
}

/* Message of LINE if virt-v2v printed it as an error for people
 * ("virt-v2v-in-place: error: ...").  *WEAK if it has no such word, as
 * what libguestfs's own code prints ("virt-v2v-in-place: could not read
 * key from user").
 */
static char *
plain_error_message (const char *line, size_t len, bool *weak)
{
  static const char program[] = "virt-v2v", word[] = ": error: ";
  const char *const end = line + len;
  const char *p;

  *weak = false;
  if (len < strlen (program) || memcmp (line, program, strlen (program)) != 0)
    return NULL;
  p = memmem (line, len, word, strlen (word));
  *weak = p == NULL;
  if (p)
    p += strlen (word);
  else {
    p = memmem (line, len, ": ", 2);
    if (p == NULL || memmem (p, end - p, "warning: ", 9) ||
        /* "virt-v2v-in-place: virt-v2v 2.2.0 (x86_64)" */
        memmem (p, end - p, program, strlen (program)))
      return NULL;
    p += 2;
  }
  return strndup (p, end - p);
}

/* Keep NEWER instead of *MESSAGE, if it is one. */
static void
replace (char **message, char *newer)
{
  if (newer == NULL)
    return;
  free (*message);
  *message = newer;
}

/* The last error in the log; a JSON one is complete, so it is preferred.
 * NULL if there is none.
 */
static char *
last_error (const char *text, size_t len)
{
  CLEANUP_FREE char *json = NULL, *plain = NULL, *other = NULL;
  const char *const end = text + len;
  const char *eol;
  char **best;
  char *ret;
  bool weak;

  for (; text < end; text = eol + 1) {
    eol = memchr (text, '\n', end - text);
    if (eol == NULL)
      eol = end;
    replace (&json, json_error_message (text, eol - text));
    ret = plain_error_message (text, eol - text, &weak);
    replace (weak ? &other : &plain, ret);
  }
  best = json ? &json : plain ? &plain : &other;
  ret = *best;
  *best = NULL;
  return ret;
}

static const struct rule *
find_rule (const char *error, const char *text, size_t len)
{
  size_t i;

  for (i = 0; i < ARRAY_SIZE (rules); ++i)
    if (strstr (error, rules[i].in_error) &&
        (rules[i].in_log == NULL || contains (text, len, rules[i].in_log)))
      return &rules[i];
  return NULL;
}

/* Lines of a message become one, blank ones go. */
static int
append_message (struct strbuf *b, const char *message)
{
  CLEANUP_STRBUF struct strbuf flat = { 0 };

  for (; *message; ++message) {
    const char c = *message == '\n' ? ' ' : *message;

    if (c == ' ' && (flat.len == 0 || flat.ptr[flat.len - 1] == ' '))
      continue;
    if (strbuf_append_char (&flat, c) == -1)
      return -1;
  }
  return strbuf_append_printable (b, flat.ptr ? flat.ptr : "", 1000);
}

char *
convert_classify (const char *log_text, size_t len, int *err)
{
  CLEANUP_FREE char *error = last_error (log_text, len);
  CLEANUP_STRBUF struct strbuf b = { 0 };
  const struct rule *rule;
  int r;

  if (error == NULL) {
    *err = EIO;
    return strdup ("virt-v2v ended with an error but did not say why: see "
                   "the last lines of its log");
  }
  rule = find_rule (error, log_text, len);
  if (rule)
    r = strbuf_printf (&b, "%s: %s; virt-v2v said: ", rule->cause,
                       rule->remedy);
  else
    r = strbuf_append (&b, "virt-v2v could not convert the guest; it said: ");
  if (r == -1 || append_message (&b, error) == -1)
    return NULL;
  *err = rule ? rule->err : EINVAL;
  return strbuf_steal (&b);
}

char *
convert_explain (const char *log_text, size_t len)
{
  int err;

  return convert_classify (log_text, len, &err);
}
