/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Guest conversion with virt-v2v-in-place, on overlays: the copied
 * volume stays as it was copied until the conversion has succeeded.
 */
#ifndef NBDLIFT_CONVERT_H
#define NBDLIFT_CONVERT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/vm/vm.h"

struct convert_disk {
  const char *path;             /* the copied volume: file or block device */
  bool block;
  bool keep;                    /* others have it too: virt-v2v sees it, and
                                   what it writes there is dropped */
};

struct convert_options {
  const char *work_dir;         /* overlays, libvirt XML and log go here;
                                   stays the same over restarts */
  const char *root;             /* --root: "first" or "/dev/sda2"...; NULL:
                                   first */
  const char *const *keys;      /* LUKS passphrases (the first line of
                                   each), NULL-terminated, or NULL: secret! */
  bool static_ips;              /* keep the guest's static addresses */
  const char *log_file;         /* virt-v2v's whole output, kept */
  /* 0..100, from the messages of virt-v2v; false cancels.  NULL allowed. */
  bool (*progress) (void *opaque, unsigned percent, const char *what);
  void *opaque;
};

struct convert_result {
  char *osinfo;                 /* "debian12", or NULL */
  char *os_name;                /* product name, or NULL */
  char *root;                   /* device of the root file system, as virt-v2v
                                   calls it ("/dev/sda1"), or NULL */
  enum vm_firmware firmware;    /* found in the guest */
  bool virtio;                  /* block and net drivers are there */
  string_vector warnings;       /* what virt-v2v warned of */
  string_vector kept;           /* static_ips: the addresses that stay, a
                                   line for each interface */
  string_vector lost;           /* those that may not, and the remedy */
};
extern void convert_result_free (struct convert_result *r);

/* Convert the guest on DISKS (one per vm->disks that is not a LUN, boot
 * disk first).  Steps: overlays; virt-v2v-in-place on them; static
 * addresses; a marker
 * "commit"; qemu-img commit of each; overlays removed.  Started again in
 * WORK_DIR after a crash it goes on: before the marker from new overlays,
 * after it with the commits, which are idempotent.
 *
 * 0; or -1 with errno (ECANCELED unreported, ENOSPC, EINVAL the guest
 * can not be converted, EIO) and one report that explains the failure
 * and the remedy, and names the log.  Nothing was changed on DISKS
 * unless the marker was set.
 */
extern int convert_guest (const struct vm *vm,
                          const struct convert_disk *disks,
                          const struct convert_options *options,
                          struct convert_result *result);

/* True if a conversion in WORK_DIR (which need not exist) has begun to
 * write to the volumes, and may not have finished.
 */
extern bool convert_is_committing (const char *work_dir);

/* Forget a conversion in WORK_DIR (which need not exist): to be called
 * before a volume is copied anew, because the marker of an earlier
 * conversion speaks of the bytes that were there before.  0, or -1 with
 * errno, reported.
 */
extern int convert_forget (const char *work_dir);

/* What a log of virt-v2v says about why it failed: cause and remedy in
 * one sentence for people (malloc'ed).  Never NULL but for ENOMEM.
 */
extern char *convert_explain (const char *log_text, size_t len);

#endif /* NBDLIFT_CONVERT_H */
