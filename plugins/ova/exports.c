/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The list of exports.  It is made once; names are looked up by walking
 * it, which only happens when a client connects.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "plugins/ova/exports.h"

static void
export_free (struct ova_export *export)
{
  if (export == NULL)
    return;
  ova_disk_close (export->disk);
  free (export->name);
  free (export->format);
  free (export->description);
  free (export);
}

void
ova_exports_free (struct ova_exports *e)
{
  size_t i;

  for (i = 0; i < e->list.len; i++)
    export_free (e->list.ptr[i]);
  ova_export_vector_reset (&e->list);
}

/* The command that serves a disk which we do not, as an error. */
static void
report_qemu_command (const struct ova_export *export)
{
  CLEANUP_FREE char *image = ova_qemu_image (export->vm, export->drive,
                                             export->format);
  CLEANUP_STRBUF struct strbuf quoted = { 0 };

  if (image == NULL)
    return;
  if (strbuf_append_shell_quoted (&quoted, image) == -1)
    log_oom ();
  else
    log_error ("%s: this is a %s image, which only qemu reads; serve it "
               "with: qemu-nbd --read-only --persistent --format=%s "
               "--socket=/tmp/disk.sock %s", printable (export->name),
               export->format, export->format, quoted.ptr);
  errno = ENOTSUP;
}

/* What stands before the "/" of names when there are several VMs. */
static const char *
vm_prefix (const struct ova *ova, const struct ova_vm *vm)
{
  const struct vm *v = &vm->system->vm;
  bool name = strlen (v->name) <= OVA_NAME_MAX, id = true;
  size_t i;

  for (i = 0; i < ova->vms.len; i++) {
    const struct ova_vm *other = ova->vms.ptr[i];

    if (other == vm)
      continue;
    if (strcmp (other->system->vm.name, v->name) == 0)
      name = false;
    if (strcmp (other->system->vm.id, v->id) == 0)
      id = false;
  }
  return name ? v->name : id ? v->id : vm->path;
}

/* Add an export with its name, not yet opened.  Where "VM/disk" is not
 * unique because names hold a "/", the disk's id is taken.
 */
static int
add_export (struct ova_exports *e, const struct ova_vm *vm, size_t drive,
            bool with_prefix)
{
  struct ova_export *export = calloc (1, sizeof *export);
  size_t i;

  if (export == NULL)
    goto oom;
  export->vm = vm;
  export->drive = drive;
  if (asprintf (&export->name, "%s%s%s",
                with_prefix ? vm_prefix (e->ova, vm) : "",
                with_prefix ? "/" : "", vm->disk_names.ptr[drive]) == -1) {
    export->name = NULL;
    goto oom;
  }
  for (i = 0; i < e->list.len; i++) {
    if (strcmp (e->list.ptr[i]->name, export->name) != 0)
      continue;
    free (export->name);
    export->name = strdup (vm->disk_ids.ptr[drive]);
    break;
  }
  if (export->name == NULL ||
      ova_export_vector_append (&e->list, export) == -1)
    goto oom;
  return 0;

 oom:
  export_free (export);
  log_oom ();
  return -1;
}

static int
open_export (struct ova_export *export)
{
  CLEANUP_OVA_DISK struct ova_disk *disk = NULL;

  disk = ova_disk_open (export->vm, export->drive);
  if (disk == NULL)
    return -1;
  export->format = strdup (ova_disk_format (disk));
  if (asprintf (&export->description,
                "disk %zu of VM '%s', diskId '%s', id %s, %s", export->drive,
                export->vm->system->vm.name,
                ova_vm_disk (export->vm, export->drive)->id,
                export->vm->disk_ids.ptr[export->drive],
                ova_disk_kind (disk)) == -1)
    export->description = NULL;
  if (export->format == NULL || export->description == NULL) {
    log_oom ();
    return -1;
  }
  if (!ova_disk_needs_qemu (disk)) {
    export->disk = disk;
    disk = NULL;
  }
  return 0;
}

/* Does the alias NAME mean export I? */
static bool
is_alias (const struct ova_exports *e, size_t i, const char *name)
{
  const struct ova_export *export = e->list.ptr[i];
  const char *disk_id = ova_vm_disk (export->vm, export->drive)->id;
  const char *prefix, *slash = strrchr (name, '/');
  uint64_t n;

  if (strcasecmp (export->vm->disk_ids.ptr[export->drive], name) == 0 ||
      strcmp (disk_id, name) == 0 || (parse_u64 (name, &n) && n == i))
    return true;
  if (slash == NULL || strcmp (slash + 1, disk_id) != 0)
    return false;
  prefix = vm_prefix (e->ova, export->vm);
  return strlen (prefix) == (size_t) (slash - name) &&
    memcmp (prefix, name, slash - name) == 0;
}

static void
report_choices (const struct ova_exports *e, const char *what,
                const char *name)
{
  CLEANUP_STRBUF struct strbuf list = { 0 };
  size_t i;

  for (i = 0; i < e->list.len && i < 50; i++)
    strbuf_printf (&list, "%s'%s'", i ? ", " : "",
                   printable (e->list.ptr[i]->name));
  if (i < e->list.len)
    strbuf_append (&list, ", ...");
  log_error ("%s: %s%s%s%s; there are: %s", printable (e->path), what,
             name[0] ? " '" : "", printable (name), name[0] ? "'" : "",
             list.ptr ? list.ptr : "none");
}

/* As ova_exports_find, but whoever serves it. */
static struct ova_export *
look_up (const struct ova_exports *e, const char *name)
{
  struct ova_export *found = NULL;
  size_t i, n = 0;

  for (i = 0; i < e->list.len; i++) {
    if (strcmp (e->list.ptr[i]->name, name) == 0)
      return e->list.ptr[i];
  }
  if (name[0] == '\0') {
    if (e->list.len == 1)
      return e->list.ptr[0];
    report_choices (e, "there are several disks: choose one by its export "
                    "name or with disk=", "");
    errno = EEXIST;
    return NULL;
  }
  for (i = 0; i < e->list.len; i++) {
    if (is_alias (e, i, name)) {
      found = e->list.ptr[i];
      n++;
    }
  }
  if (n == 1)
    return found;
  report_choices (e, n ? "several disks fit the name" : "there is no disk",
                  name);
  errno = n ? EEXIST : ENOENT;
  return NULL;
}

struct ova_export *
ova_exports_find (const struct ova_exports *e, const char *name)
{
  struct ova_export *export = look_up (e, name);

  if (export && export->disk == NULL) {
    report_qemu_command (export);
    return NULL;
  }
  return export;
}

/* Keep only the export that DISK names. */
static int
keep_one (struct ova_exports *e, const char *disk)
{
  struct ova_export *chosen = look_up (e, disk);
  size_t i;

  if (chosen == NULL)
    return -1;
  for (i = 0; i < e->list.len; i++) {
    if (e->list.ptr[i] != chosen)
      export_free (e->list.ptr[i]);
  }
  e->list.ptr[0] = chosen;
  e->list.len = 1;
  return 0;
}

/* All disks of VM, or of all VMs if it is NULL. */
static int
add_exports (struct ova_exports *e, const struct ova_vm *vm)
{
  size_t i, j;

  for (i = 0; i < e->ova->vms.len; i++) {
    const struct ova_vm *v = e->ova->vms.ptr[i];

    for (j = 0; (vm == NULL || v == vm) && j < v->system->drives.len; j++) {
      if (add_export (e, v, j, vm == NULL && e->ova->vms.len > 1) == -1)
        return -1;
    }
  }
  if (e->list.len > 0)
    return 0;
  log_error ("%s: %s%s%s no disks", printable (e->path),
             vm ? "VM '" : "the VMs in it have",
             vm ? printable (vm->system->vm.name) : "", vm ? "' has" : "");
  errno = ENOENT;
  return -1;
}

int
ova_exports_open (struct ova_exports *e, const char *vm, const char *disk)
{
  const bool all_needed = vm || disk || e->ova->packages.len == 1;
  const struct ova_vm *only = NULL;
  bool servable = false;
  size_t i;

  if (vm && (only = ova_find_vm (e->ova, NULL, vm)) == NULL)
    return -1;
  if (add_exports (e, only) == -1 || (disk && keep_one (e, disk) == -1))
    return -1;

  for (i = 0; i < e->list.len; i++) {
    struct ova_export *export = e->list.ptr[i];

    if (open_export (export) == 0) {
      servable = servable || export->disk;
      continue;
    }
    if (all_needed || e->list.len == 1)
      return -1;
    log_warning ("'%s' is left out because of the error above",
                 printable (export->name));
    ova_export_vector_remove (&e->list, i--);
    export_free (export);
  }
  if (servable)
    return 0;
  for (i = 0; i < e->list.len; i++)
    report_qemu_command (e->list.ptr[i]);
  return -1;
}
