/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What has been done for one VM, on stable storage: a JSON file in the
 * state folder that is replaced (fsync, rename) at every change, so that
 * a run started again after any kind of end goes on where the last one
 * was.
 */
#ifndef NBDLIFT_JOURNAL_H
#define NBDLIFT_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "common/vm/vm.h"

enum journal_disk_state {
  JOURNAL_DISK_NEW,             /* nothing is known to be on the target */
  JOURNAL_DISK_CREATED,         /* being filled: what is there is partial */
  JOURNAL_DISK_COPIED,          /* complete and flushed, not yet converted */
  JOURNAL_DISK_FINISHED,        /* has its final name */
};

struct journal;

/* Open the journal of VM, or begin one (nothing is written yet): the file
 * journal.json in FOLDER, which exists and is of this VM.  NULL with
 * errno and a report: EINVAL if the file is not a journal or is of a
 * newer version, EEXIST if it is of another VM.
 */
extern struct journal *journal_open (const char *folder,
                                     const struct vm *vm);
extern void journal_close (struct journal *j);

/* Open a journal that is there, for reading.  NULL with errno and a
 * report, but for ENOENT, which is not reported.
 */
extern struct journal *journal_load (const char *folder);
/* Of which VM it is ("id" or "name"), and how many disks that has.  The
 * text belongs to J.
 */
extern const char *journal_vm_text (const struct journal *j,
                                    const char *key);
extern size_t journal_nr_disks (const struct journal *j);

/* Compare what the journal knows of each disk with VM: id, place,
 * version, capacity and data on the source.  0, or -1 with errno ESTALE
 * and a report that says what has changed.  Disks that are
 * JOURNAL_DISK_NEW are not compared.
 */
extern int journal_check_source (const struct journal *j,
                                 const struct vm *vm);

/* All the functions below can be called from several threads.  Those
 * that write return 0 once the change is on stable storage, or -1
 * reported.
 */

extern enum journal_disk_state
journal_disk_state (const struct journal *j, size_t disk);

/* To JOURNAL_DISK_CREATED, with the disk's identity. */
extern int journal_disk_created (struct journal *j, size_t disk,
                                 const struct vm_disk *d);
/* To JOURNAL_DISK_COPIED: DIGEST is the root of the digest tree of what
 * was read, hex; NULL for a blank disk.
 */
extern int journal_disk_copied (struct journal *j, size_t disk,
                                const char *digest);
/* To JOURNAL_DISK_FINISHED.  CONVERTED: the digest file describes the
 * volume after a conversion.
 */
extern int journal_disk_finished (struct journal *j, size_t disk,
                                  const char *volume,
                                  const char *digest_file,
                                  const char *digest, bool converted);

/* Text that the functions above recorded, malloc'ed, or NULL: "id",
 * "name", "digest", "volume", "digestFile", "volumeDigest".
 */
extern char *journal_disk_text (const struct journal *j, size_t disk,
                                const char *key);
extern bool journal_disk_converted (const struct journal *j, size_t disk);

/* The VM is made without this disk, which stays JOURNAL_DISK_NEW. */
extern int journal_disk_leave_out (struct journal *j, size_t disk);
extern bool journal_disk_left_out (const struct journal *j, size_t disk);

/* Back to JOURNAL_DISK_NEW: that disk, or all with the conversion and the
 * manifest.
 */
extern int journal_forget_disk (struct journal *j, size_t disk);
extern int journal_forget_all (struct journal *j);

/* The source's own checksums were right. */
extern bool journal_verified (const struct journal *j);
extern int journal_set_verified (struct journal *j);

/* Conversion: NULL while it is pending; else what was found (osinfo,
 * osName, firmware, virtio, warnings), a new reference.
 */
extern json_t *journal_conversion (const struct journal *j);
/* RESULT is taken, also on failure. */
extern int journal_set_converted (struct journal *j, json_t *result);

/* The power state that the VM had before we powered it off;
 * VM_POWER_UNKNOWN: we have not.  *OURS: it is to be powered on again if
 * the migration fails.  set: to be called before it is powered off;
 * VM_POWER_UNKNOWN clears.  journal_forget_all leaves this alone.
 */
extern enum vm_power journal_power (const struct journal *j, bool *ours);
extern int journal_set_power (struct journal *j, enum vm_power before,
                              bool ours);

/* Which hook ("namespace/name") has succeeded at STEP ("PreHook"),
 * malloc'ed, or NULL.  Forget: the one at STEP is to be run again.
 * journal_forget_all leaves this alone.
 */
extern char *journal_hook (const struct journal *j, const char *step);
extern int journal_set_hook (struct journal *j, const char *step,
                             const char *hook);
extern int journal_forget_hook (struct journal *j, const char *step);

/* The manifest is being written: from now on until it is said where it
 * is, there may be one.  journal_forget_all leaves this alone.
 */
extern bool journal_publishing (const struct journal *j);
extern int journal_set_publishing (struct journal *j);

/* Where the manifest is (malloc'ed), or NULL while it is not written. */
extern char *journal_published (const struct journal *j);
extern int journal_set_published (struct journal *j, const char *where);

#endif /* NBDLIFT_JOURNAL_H */
