/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The VMs of a package set: every descriptor is parsed when the set is
 * opened; the disks are only named here (ova_disk.c reads them).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/util/digest.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "plugins/ova/ova.h"

const struct ovf_disk *
ova_vm_disk (const struct ova_vm *vm, size_t i)
{
  return &vm->package->ovf->disks.ptr[vm->system->drives.ptr[i].disk];
}

const struct ovf_file *
ova_vm_file (const struct ova_vm *vm, size_t i)
{
  const struct ovf_disk *disk = ova_vm_disk (vm, i);

  if (disk->file == OVF_NO_FILE)
    return NULL;
  return &vm->package->ovf->files.ptr[disk->file];
}

static void
vm_close (struct ova_vm *vm)
{
  free (vm->path);
  string_vector_free (&vm->disk_names);
  string_vector_free (&vm->disk_ids);
  free (vm);
}

/* The href of drive I if no other drive has it, else its diskId. */
static const char *
plain_disk_name (const struct ova_vm *vm, size_t i)
{
  const struct ovf_file *file = ova_vm_file (vm, i), *other;
  size_t j;

  if (file == NULL)
    return ova_vm_disk (vm, i)->id;
  for (j = 0; j < vm->system->drives.len; j++) {
    other = ova_vm_file (vm, j);
    if (j != i && other && strcmp (file->href, other->href) == 0)
      return ova_vm_disk (vm, i)->id;
  }
  return file->href;
}

/* Ids and names of the disks of VM.  A name that is taken (a diskId that
 * is another disk's href) gives way to the id.
 */
static int
name_disks (struct ova_vm *vm)
{
  char id[UUID_TEXT_SIZE];
  size_t i, j;

  for (i = 0; i < vm->system->drives.len; i++) {
    const char *strings[] = { vm->system->vm.id, ova_vm_disk (vm, i)->id };
    const char *name = plain_disk_name (vm, i);

    if (uuid_of_strings (strings, 2, id) == -1)
      return -1;
    if (strlen (name) > OVA_NAME_MAX)
      name = id;
    for (j = 0; j < i; j++) {
      if (strcmp (vm->disk_names.ptr[j], name) == 0)
        name = id;
    }
    if (string_vector_append_dup (&vm->disk_ids, id) == -1 ||
        string_vector_append_dup (&vm->disk_names, name) == -1) {
      log_oom ();
      return -1;
    }
  }
  return 0;
}

static int
add_vm (struct ova *ova, const struct ova_package *package,
        const struct ovf_system *system)
{
  struct ova_vm *vm = calloc (1, sizeof *vm);
  int r;

  if (vm == NULL)
    goto oom;
  vm->package = package;
  vm->system = system;
  if (package->ovf->systems.len == 1) {
    vm->path = strdup (package->package->path);
    r = vm->path ? 0 : -1;
  }
  else
    r = asprintf (&vm->path, "%s#%s", package->package->path, system->id);
  if (r == -1) {
    vm->path = NULL;
    vm_close (vm);
    goto oom;
  }
  if (name_disks (vm) == -1) {
    vm_close (vm);
    return -1;
  }
  if (ova_vm_vector_append (&ova->vms, vm) == -1) {
    vm_close (vm);
    goto oom;
  }
  return 0;

 oom:
  log_oom ();
  return -1;
}

/* Parse PACKAGE's descriptor and add its VMs.  1, 0 if it is broken and
 * that has been reported, or -1.
 */
static int
add_package (struct ova *ova, const struct package *package)
{
  CLEANUP_FREE char *name = NULL;
  struct ova_package *p;
  size_t i;

  if (!package->is_tar)
    name = strdup (package->path);
  else if (asprintf (&name, "%s: %s", package->path,
                     package->ovf_name) == -1)
    name = NULL;
  if (name == NULL)
    goto oom;

  p = calloc (1, sizeof *p);
  if (p == NULL)
    goto oom;
  p->package = package;
  p->ovf = ovf_parse (package->ovf_text, package->ovf_len, name);
  if (p->ovf == NULL) {
    free (p);
    return errno == ENOMEM ? -1 : 0;
  }
  if (ova_package_vector_append (&ova->packages, p) == -1) {
    ovf_free (p->ovf);
    free (p);
    goto oom;
  }
  for (i = 0; i < p->ovf->systems.len; i++) {
    if (add_vm (ova, p, p->ovf->systems.ptr[i]) == -1)
      return -1;
  }
  return 1;

 oom:
  log_oom ();
  return -1;
}

struct ova *
ova_open (const char *path, const struct package_options *options)
{
  struct ova *ova = calloc (1, sizeof *ova);
  size_t i;
  int r = 0;

  if (ova == NULL) {
    log_oom ();
    return NULL;
  }
  ova->set = package_set_open (path, options);
  if (ova->set == NULL)
    goto err;
  for (i = 0; i < ova->set->packages.len && r != -1; i++) {
    const struct package *package = ova->set->packages.ptr[i];

    r = add_package (ova, package);
    if (r == 0 && ova->set->packages.len > 1)
      log_warning ("%s: left out because of the error above",
                   printable (package->path));
  }
  if (r == -1)
    goto err;
  if (ova->vms.len == 0) {
    errno = EINVAL;             /* reported by add_package */
    goto err;
  }
  return ova;

 err:
  r = errno;
  ova_close (ova);
  errno = r;
  return NULL;
}

void
ova_close (struct ova *ova)
{
  size_t i;

  if (ova == NULL)
    return;
  for (i = 0; i < ova->vms.len; i++)
    vm_close (ova->vms.ptr[i]);
  ova_vm_vector_reset (&ova->vms);
  for (i = 0; i < ova->packages.len; i++) {
    ovf_free (ova->packages.ptr[i]->ovf);
    free (ova->packages.ptr[i]);
  }
  ova_package_vector_reset (&ova->packages);
  if (ova->set)
    package_set_close (ova->set);
  free (ova);
}

/* With neither ID nor NAME every VM fits. */
static bool
fits (const struct ova_vm *vm, const char *id, const char *name)
{
  const struct vm *v = &vm->system->vm;

  if (id)
    return strcasecmp (v->id, id) == 0;
  return name == NULL || strcmp (v->name, name) == 0 ||
    strcasecmp (v->id, name) == 0;
}

/* "\n  ID  NAME  PATH" for the VMs that fit, at most ten. */
static void
append_candidates (struct strbuf *b, const struct ova *ova, const char *id,
                   const char *name)
{
  size_t i, n = 0;

  for (i = 0; i < ova->vms.len; i++) {
    const struct ova_vm *vm = ova->vms.ptr[i];
    const struct vm *v = &vm->system->vm;

    if (!fits (vm, id, name))
      continue;
    if (n++ == 10) {
      strbuf_append (b, "\n  ...");
      return;
    }
    strbuf_printf (b, "\n  %s  %s  %s", v->id, printable (v->name),
                   printable (vm->path));
  }
}

const struct ova_vm *
ova_find_vm (const struct ova *ova, const char *id, const char *name)
{
  CLEANUP_STRBUF struct strbuf list = { 0 };
  const struct ova_vm *found = NULL;
  size_t i, n = 0;

  if (id)
    name = NULL;
  for (i = 0; i < ova->vms.len; i++) {
    const struct ova_vm *vm = ova->vms.ptr[i];

    /* Paths are unique and win: they solve what is ambiguous by name. */
    if (name && strcmp (vm->path, name[0] == '/' ? name + 1 : name) == 0)
      return vm;
    if (fits (vm, id, name)) {
      found = vm;
      n++;
    }
  }
  if (n == 1)
    return found;

  append_candidates (&list, ova, n ? id : NULL, n ? name : NULL);
  if (n == 0) {
    log_error ("no VM has the %s '%s'; there are:%s", id ? "id" : "name",
               printable (id ? id : name), list.ptr ? list.ptr : " none");
    errno = ENOENT;
  }
  else {
    log_error ("%zu VMs fit %s%s%s%s: name one by its path (the last "
               "column):%s", n, id ? "the id " : name ? "the name " : "",
               id || name ? "'" : "",
               id ? printable (id) : name ? printable (name) : "",
               id || name ? "'" : "", list.ptr ? list.ptr : "");
    errno = EEXIST;
  }
  return NULL;
}

/* strdup that keeps NULL. */
static int
copy_string (char **to, const char *from)
{
  if (from == NULL)
    return 0;
  *to = strdup (from);
  return *to ? 0 : -1;
}

static int
fill_nic (const struct vm_nic *from, struct vm_nic *to)
{
  to->connected = from->connected;
  if (copy_string (&to->id, from->id) == -1 ||
      copy_string (&to->name, from->name) == -1 ||
      copy_string (&to->network.id, from->network.id) == -1 ||
      copy_string (&to->network.name, from->network.name) == -1 ||
      copy_string (&to->mac, from->mac) == -1 ||
      copy_string (&to->model, from->model) == -1)
    return -1;
  return 0;
}

/* Is the disk of drive I attached to another VM of the package as well? */
static bool
is_shared (const struct ova_vm *vm, size_t i)
{
  const struct ovf *ovf = vm->package->ovf;
  size_t j, k;

  for (j = 0; j < ovf->systems.len; j++) {
    const struct ovf_system *other = ovf->systems.ptr[j];

    for (k = 0; other != vm->system && k < other->drives.len; k++) {
      if (other->drives.ptr[k].disk == vm->system->drives.ptr[i].disk)
        return true;
    }
  }
  return false;
}

static int
fill_disk (const struct ova_vm *vm, size_t i, struct vm_disk *to)
{
  const struct ovf_drive *drive = &vm->system->drives.ptr[i];
  const struct ovf_disk *disk = ova_vm_disk (vm, i);
  const struct ovf_file *file = ova_vm_file (vm, i);

  to->capacity = disk->capacity;
  to->allocated = disk->populated;
  to->bus = drive->bus;
  to->controller = drive->controller;
  to->unit = drive->unit;
  to->blank = file == NULL;
  to->shared = is_shared (vm, i);
  /* In Forklift's inventory each OVA disk is its own "storage". */
  if (copy_string (&to->id, vm->disk_ids.ptr[i]) == -1 ||
      copy_string (&to->name, vm->disk_names.ptr[i]) == -1 ||
      copy_string (&to->storage.id, vm->disk_ids.ptr[i]) == -1 ||
      copy_string (&to->storage.name, vm->disk_names.ptr[i]) == -1 ||
      copy_string (&to->controller_model, drive->controller_model) == -1)
    return -1;
  if (file && asprintf (&to->file, "%s::%s", vm->package->package->path,
                        file->href) == -1) {
    to->file = NULL;
    return -1;
  }
  if (to->shared && asprintf (&to->identity, "%s disk %s",
                              vm->package->package->path, disk->id) == -1) {
    to->identity = NULL;
    return -1;
  }
  return 0;
}

int
ova_vm_fill (const struct ova_vm *vm, struct vm *out)
{
  const struct vm *from = &vm->system->vm;
  CLEANUP_VM struct vm v;
  size_t i;

  vm_init (&v);
  v.power = from->power;
  v.firmware = from->firmware;
  v.secure_boot = from->secure_boot;
  v.tpm = from->tpm;
  v.nested_virt = from->nested_virt;
  v.cpus = from->cpus;
  v.cores_per_socket = from->cores_per_socket;
  v.threads_per_core = from->threads_per_core;
  v.memory = from->memory;
  if (copy_string (&v.id, from->id) == -1 ||
      copy_string (&v.name, from->name) == -1 ||
      copy_string (&v.uuid, from->uuid) == -1 ||
      copy_string (&v.path, vm->path) == -1 ||
      copy_string (&v.description, from->description) == -1 ||
      copy_string (&v.os, from->os) == -1 ||
      copy_string (&v.os_name, from->os_name) == -1)
    goto oom;
  for (i = 0; i < from->nics.len; i++) {
    struct vm_nic *nic = vm_add_nic (&v);

    if (nic == NULL)
      return -1;
    if (fill_nic (&from->nics.ptr[i], nic) == -1)
      goto oom;
  }
  for (i = 0; i < vm->system->drives.len; i++) {
    struct vm_disk *disk = vm_add_disk (&v);

    if (disk == NULL)
      return -1;
    if (fill_disk (vm, i, disk) == -1)
      goto oom;
  }
  for (i = 0; i < from->concerns.len; i++) {
    const struct vm_concern *c = &from->concerns.ptr[i];

    if (vm_add_concern (&v, c->id, c->label, c->category,
                        c->assessment) == -1)
      return -1;
  }
  *out = v;
  vm_init (&v);
  return 0;

 oom:
  log_oom ();
  return -1;
}
