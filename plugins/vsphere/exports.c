/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The exports.  Everything that can be refused is refused when they are
 * opened, before nbdkit serves anything: each disk's descriptors are read
 * and its files are found.  The tables of snapshots, and what vCenter
 * knows of a disk, are read when the disk is first used.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "plugins/vsphere/chain.h"
#include "plugins/vsphere/exports.h"
#include "plugins/vsphere/snapshot.h"

static void
export_free (struct vsphere_export *export)
{
  vmdk_chain_close (export->chain);
  pthread_mutex_destroy (&export->lock);
  free (export->description);
  free (export);
}

void
vsphere_exports_free (struct vsphere_exports *e)
{
  size_t i;

  for (i = 0; i < e->list.len; i++)
    export_free (e->list.ptr[i]);
  vsphere_export_vector_reset (&e->list);
}

const char *
vsphere_export_name (const struct vsphere_export *export)
{
  return export->exports->vm->vm.disks.ptr[export->disk].name;
}

/*---- opening ----*/

static int
refuse (const char *name, const char *why)
{
  log_error ("%s: %s", printable (name), why);
  errno = ENOTSUP;
  return -1;
}

static int
check_disk (const struct vsphere_exports *e, size_t i)
{
  const struct vsphere_disk *disk = &e->vm->disks.ptr[i];
  const char *name = e->vm->vm.disks.ptr[i].name;

  if (disk->encrypted)
    return refuse (name, "the disk is encrypted: its files hold no data that "
                   "others can read; decrypt the VM, or use the VDDK "
                   "transport with the privilege Cryptographer.Access");
  if (disk->backing == VSPHERE_BACKING_RDM_PHYSICAL)
    return refuse (name, "this is a raw device mapping in physical mode, "
                   "whose data are on a LUN and in no file; convert it to a "
                   "virtual disk, or copy it with the tools of the storage");
  if (disk->backing == VSPHERE_BACKING_OTHER)
    return refuse (name, "the disk is of a kind (backing) that is not read "
                   "here; use the VDDK transport");
  if (!disk->has_extents)
    return refuse (name, "the disk has no plain files on its datastore (vSAN "
                   "or vVols), so it cannot be read over HTTP; use the "
                   "export of the VM (HttpNfcLease), which nbdlift can do, "
                   "or the VDDK transport");
  if (e->snapshot && disk->independent)
    return refuse (name, "the disk is independent: snapshots do not contain "
                   "it; shut the VM down and leave out snapshot=");
  return 0;
}

/* The chain of the disk as it is now, or was at the snapshot. */
static struct vmdk_chain *
open_chain (const struct vsphere_exports *e, const struct vsphere_disk *disk)
{
  CLEANUP_STRING_VECTOR string_vector links = EMPTY_VECTOR;

  if (e->snapshot == NULL)
    return vsphere_chain_open (e->folder, disk->chain.ptr, disk->chain.len);
  if (vsphere_snapshot_links (e->vim, e->vm, e->snapshot, disk,
                              &links) == -1)
    return NULL;
  if (links.len == 0) {
    log_error ("%s: this disk is not in the snapshot %s",
               printable (disk->chain.ptr[0]), printable (e->snapshot));
    errno = ENOENT;
    return NULL;
  }
  return vsphere_chain_open (e->folder, links.ptr, links.len);
}

/* Add disk I, which is served if it can be opened. */
static int
add_export (struct vsphere_exports *e, size_t i)
{
  const struct vsphere_disk *disk = &e->vm->disks.ptr[i];
  const struct vm_disk *facts = &e->vm->vm.disks.ptr[i];
  struct vsphere_export *export;

  if (check_disk (e, i) == -1)
    return -1;
  export = calloc (1, sizeof *export);
  if (export == NULL || vsphere_export_vector_append (&e->list,
                                                      export) == -1) {
    free (export);
    log_oom ();
    return -1;
  }
  export->exports = e;
  export->disk = i;
  pthread_mutex_init (&export->lock, NULL);
  export->chain = open_chain (e, disk);
  if (export->chain == NULL)
    return -1;
  if (vmdk_chain_size (export->chain) != facts->capacity)
    log_warning ("%s: the server says that the disk has %llu bytes, its "
                 "files have %llu; taking these", printable (facts->name),
                 (unsigned long long) facts->capacity,
                 (unsigned long long) vmdk_chain_size (export->chain));
  if (asprintf (&export->description, "disk %zu of VM '%s', %s, key=%d, "
                "uuid %s, %s, %s", i, e->vm->vm.name,
                vm_bus_name (facts->bus), disk->key,
                disk->uuid ? disk->uuid : "none",
                vmdk_chain_kind (export->chain),
                human_size (vmdk_chain_size (export->chain))) == -1) {
    export->description = NULL;
    log_oom ();
    return -1;
  }
  return 0;
}

/* A VM that runs changes its disks while they are read. */
static int
check_power (const struct vsphere_exports *e)
{
  if (e->snapshot || e->vm->vm.power != VM_POWER_ON)
    return 0;
  log_error ("VM %s is powered on: its disks change while they are read; "
             "shut it down, or take a snapshot and give it with snapshot=",
             printable (e->vm->vm.path));
  errno = EBUSY;
  return -1;
}

int
vsphere_exports_open (struct vsphere_exports *e, const char *disk)
{
  size_t i;

  if (check_power (e) == -1)
    return -1;
  if (disk)
    return vsphere_find_disk (e->vm, disk, &i) == -1 ? -1
      : add_export (e, i);
  for (i = 0; i < e->vm->disks.len; i++) {
    if (e->vm->vm.disks.ptr[i].lun)
      log_warning ("%s: this is a raw device mapping, which is left out; "
                   "choose it with disk= if it is to be read",
                   printable (e->vm->vm.disks.ptr[i].name));
    else if (add_export (e, i) == -1)
      return -1;
  }
  if (e->list.len > 0)
    return 0;
  log_error ("VM %s has no disks that could be read",
             printable (e->vm->vm.path));
  errno = ENOENT;
  return -1;
}

/*---- names ----*/

static struct vsphere_export *
only_one (const struct vsphere_exports *e)
{
  CLEANUP_STRBUF struct strbuf list = { 0 };
  size_t i;

  if (e->list.len == 1)
    return e->list.ptr[0];
  for (i = 0; i < e->list.len; i++)
    strbuf_printf (&list, "%s'%s'", i ? ", " : "",
                   vsphere_export_name (e->list.ptr[i]));
  log_error ("VM %s: there are several disks: choose one by its export name "
             "or with disk=; there are: %s", printable (e->vm->vm.path),
             list.ptr ? printable (list.ptr) : "none");
  errno = EEXIST;
  return NULL;
}

struct vsphere_export *
vsphere_exports_find (const struct vsphere_exports *e, const char *name)
{
  size_t i, disk;

  if (name[0] == '\0')
    return only_one (e);
  if (vsphere_find_disk (e->vm, name, &disk) == -1)
    return NULL;
  for (i = 0; i < e->list.len; i++) {
    if (e->list.ptr[i]->disk == disk)
      return e->list.ptr[i];
  }
  log_error ("%s: this disk of the VM is not served here",
             printable (e->vm->vm.disks.ptr[disk].name));
  errno = ENOENT;
  return NULL;
}

/*---- reading ----*/

static int
mark_allocated (void *opaque, uint64_t offset, uint64_t length)
{
  return extents_set (opaque, offset, length, EXTENT_DATA);
}

/* What vCenter knows of the disk, or NULL: then all of it may be data.
 * Only where nobody writes to the disk is the answer of use.
 */
static struct extents *
read_allocated (const struct vsphere_export *export)
{
  const struct vsphere_exports *e = export->exports;
  const struct vsphere_disk *disk = &e->vm->disks.ptr[export->disk];
  const uint64_t size = vmdk_chain_size (export->chain);
  CLEANUP_EXTENTS struct extents *map = NULL;
  struct extents *ret;

  if (!disk->change_tracking || disk->independent)
    return NULL;
  map = extents_new (size, EXTENT_HOLE | EXTENT_ZERO);
  if (map == NULL ||
      vim_changed_areas (e->vim, e->vm->vm.id, e->snapshot, disk->key, size,
                         "*", mark_allocated, map) == -1)
    return NULL;
  ret = map;
  map = NULL;
  return ret;
}

static int
mark_used (void *opaque, struct blob *blob, uint64_t offset, uint64_t length)
{
  return folder_will_read (blob, offset, length);
}

static int
load (struct vsphere_export *export)
{
  CLEANUP_EXTENTS struct extents *allocated = NULL;
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&export->lock);

  if (export->loaded)
    return 0;
  allocated = read_allocated (export);
  if (vmdk_chain_load (export->chain, allocated) == -1 ||
      vmdk_chain_used (export->chain, mark_used, NULL) == -1)
    return -1;
  if (allocated)
    log_debug ("%s: %s of data by changed block tracking",
               vsphere_export_name (export),
               human_size (extents_data_bytes (allocated)));
  export->loaded = true;
  return 0;
}

int
vsphere_export_load (struct vsphere_export *export)
{
  return export->loaded ? 0 : load (export);
}

int
vsphere_export_pread (struct vsphere_export *export, void *buf, size_t count,
                      uint64_t offset)
{
  export->reads++;
  export->bytes += count;
  return vmdk_chain_pread (export->chain, buf, count, offset);
}

int
vsphere_export_extents (struct vsphere_export *export, uint64_t count,
                        uint64_t offset, bool one,
                        int (*fn) (void *opaque, uint64_t offset,
                                   uint64_t length, uint32_t type),
                        void *opaque)
{
  return vmdk_chain_extents (export->chain, count, offset, one, fn, opaque);
}
