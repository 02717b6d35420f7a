/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Disks of a VM by what people call them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/include/cleanup.h"
#include "plugins/vsphere/vsphere_private.h"

/* NAME is said in this order of ways; a name that fits in one way is not
 * looked for in the next.
 */
static bool
fits (const struct vsphere_vm *vm, size_t i, unsigned way, const char *name)
{
  const struct vsphere_disk *disk = &vm->disks.ptr[i];
  const char *key = strncmp (name, "key=", 4) == 0 ? name + 4 : name;
  uint64_t n;

  switch (way) {
  case 0:
    return strcmp (vm->vm.disks.ptr[i].name, name) == 0;
  case 1:
    return key == name && parse_u64 (name, &n) && n == i;
  case 2:
    return disk->key >= 0 && parse_u64 (key, &n) && n == (uint64_t) disk->key;
  case 3:
    return disk->uuid && strcasecmp (disk->uuid, name) == 0;
  default:
    return string_vector_has (&disk->chain, name);
  }
}
#define NR_WAYS 5

static int
report (const struct vsphere_vm *vm, const char *name, size_t found)
{
  CLEANUP_STRBUF struct strbuf list = { 0 };
  size_t i;

  for (i = 0; i < vm->disks.len; i++) {
    if (strbuf_printf (&list, "%s%zu: %s (key=%d)", i > 0 ? ", " : "", i,
                       vm->vm.disks.ptr[i].name, vm->disks.ptr[i].key) == -1) {
      log_oom ();
      return -1;
    }
  }
  if (found == 0)
    log_error ("VM %s has no disk '%s'; it has: %s", printable (vm->vm.path),
               printable (name), list.ptr ? printable (list.ptr) : "none");
  else
    log_error ("VM %s: %zu disks fit '%s', out of: %s",
               printable (vm->vm.path), found, printable (name),
               printable (list.ptr));
  errno = found == 0 ? ENOENT : EEXIST;
  return -1;
}

int
vsphere_find_disk (const struct vsphere_vm *vm, const char *name,
                   size_t *index)
{
  size_t i, found = 0, first = 0;
  unsigned way;

  for (way = 0; way < NR_WAYS && found == 0; way++)
    for (i = 0; i < vm->disks.len; i++)
      if (fits (vm, i, way, name) && found++ == 0)
        first = i;
  if (found != 1)
    return report (vm, name, found);
  *index = first;
  return 0;
}

int
vsphere_split_path (const char *path, char **datastore, char **file)
{
  const char *end = path[0] == '[' ? strchr (path, ']') : NULL;
  const char *rest = end ? end + 1 + strspn (end + 1, " ") : NULL;
  char *d, *f;

  if (end == NULL || end == path + 1 || *rest == '\0') {
    log_error ("'%s' is not a path on a datastore, \"[DATASTORE] FOLDER/FILE\"",
               printable (path));
    errno = EINVAL;
    return -1;
  }
  d = strndup (path + 1, end - path - 1);
  f = strdup (rest);
  if (d == NULL || f == NULL) {
    free (d);
    free (f);
    log_oom ();
    return -1;
  }
  *datastore = d;
  *file = f;
  return 0;
}
