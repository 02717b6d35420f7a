/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The disks of a VM as they were when a snapshot was taken: the snapshot
 * holds a copy of the VM's hardware of that time, with the files that the
 * disks had then.  Since then nobody writes to them.
 */
#include <errno.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "plugins/vsphere/snapshot.h"

#define MAX_LINKS 256

/* Of this VM, or of another one? */
static int
check_vm (const struct vim_object *snapshot, const struct vsphere_vm *vm,
          const char *id)
{
  CLEANUP_FREE char *owner = vim_object_text (snapshot, "vm");

  if (owner == NULL || strcmp (owner, vm->vm.id) == 0)
    return 0;
  log_error ("the snapshot %s is not one of VM %s, but of %s",
             printable (id), printable (vm->vm.path), printable (owner));
  errno = ENOENT;
  return -1;
}

/* The files of BACKING and its parents. */
static int
read_links (xmlNodePtr backing, string_vector *links)
{
  for (; backing && links->len < MAX_LINKS;
       backing = vim_child (backing, "parent")) {
    char *file = vim_child_text (backing, "fileName");

    if (file == NULL)
      break;
    if (string_vector_append (links, file) == -1) {
      free (file);
      log_oom ();
      return -1;
    }
  }
  return 0;
}

/* Servers that do not say the parents of the snapshot's file say those of
 * the disk as it is now, below which that file is.
 */
static int
add_known_parents (const struct vsphere_disk *disk, string_vector *links)
{
  size_t i;

  for (i = 0; i < disk->chain.len; i++) {
    if (strcmp (disk->chain.ptr[i], links->ptr[0]) == 0)
      break;
  }
  for (i++; i < disk->chain.len; i++) {
    if (string_vector_append_dup (links, disk->chain.ptr[i]) == -1) {
      log_oom ();
      return -1;
    }
  }
  return 0;
}

int
vsphere_snapshot_links (struct vim *vim, const struct vsphere_vm *vm,
                        const char *id, const struct vsphere_disk *disk,
                        string_vector *links)
{
  static const char *const paths[] = { "config.hardware", "vm", NULL };
  CLEANUP_VIM_OBJECTS struct vim_objects objects = { 0 };
  CLEANUP_STRING_VECTOR string_vector found = EMPTY_VECTOR;
  const struct vim_object *snapshot;
  xmlNodePtr hardware, node;
  int key;

  if (vim_get (vim, "VirtualMachineSnapshot", id, paths, &objects) == -1)
    return -1;
  snapshot = objects.list.ptr[0];
  if (check_vm (snapshot, vm, id) == -1)
    return -1;
  hardware = vim_object_get (snapshot, "config.hardware");
  if (hardware == NULL) {
    log_error ("the snapshot %s of VM %s does not tell its disks; does the "
               "user lack a privilege on it?", printable (id),
               printable (vm->vm.path));
    errno = EPERM;
    return -1;
  }
  for (node = vim_child (hardware, "device"); node;
       node = vim_next (node, "device")) {
    if (!vim_node_is_a (node, "VirtualDisk") ||
        !vim_child_int (node, "key", &key) || key != disk->key)
      continue;
    if (read_links (vim_child (node, "backing"), &found) == -1 ||
        (found.len == 1 && add_known_parents (disk, &found) == -1))
      return -1;
    break;
  }
  *links = found;
  memset (&found, 0, sizeof found);
  return 0;
}
