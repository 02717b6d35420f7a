/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Drive letters of Windows: which virtual disk each is on.  VMware Tools
 * say so while the guest runs, to vSphere 7.0 and later (GuestDiskInfo's
 * mappings).
 */
#include <ctype.h>
#include <stdlib.h>

#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "plugins/vsphere/vsphere_private.h"

/* "C:\" is the letter c.  0 for a path of another kind. */
static char
letter_of (const char *path)
{
  return path && isalpha ((unsigned char) path[0]) && path[1] == ':' ?
    (char) tolower ((unsigned char) path[0]) : 0;
}

/* A disk with several drives has the letter of the first one. */
static int
set_letter (struct vsphere_vm *vm, uint64_t key, char letter)
{
  const char text[] = { letter, '\0' };
  struct vm_disk *disk;
  size_t i;

  for (i = 0; i < vm->disks.len; ++i) {
    disk = &vm->vm.disks.ptr[i];
    if (vm->disks.ptr[i].key < 0 || (uint64_t) vm->disks.ptr[i].key != key ||
        (disk->drive_letter && *disk->drive_letter <= letter))
      continue;
    free (disk->drive_letter);
    disk->drive_letter = strdup (text);
    if (disk->drive_letter == NULL) {
      log_oom ();
      return -1;
    }
  }
  return 0;
}

int
vsphere_read_drives (const struct vim_object *object, struct vsphere_vm *vm)
{
  xmlNodePtr drive = vim_child (vim_object_get (object, "guest.disk"),
                                "GuestDiskInfo"), mapping;

  for (; drive; drive = vim_next (drive, "GuestDiskInfo")) {
    CLEANUP_FREE char *path = vim_child_text (drive, "diskPath");
    const char letter = letter_of (path);
    uint64_t key;

    for (mapping = letter ? vim_child (drive, "mappings") : NULL; mapping;
         mapping = vim_next (mapping, "mappings"))
      if (vim_child_u64 (mapping, "key", &key) &&
          set_letter (vm, key, letter) == -1)
        return -1;
  }
  return 0;
}
