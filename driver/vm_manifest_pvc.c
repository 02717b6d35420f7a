/* SPDX-License-Identifier: BSD-3-Clause
 *
 * PersistentVolumeClaims, and what they have in common with the
 * VirtualMachine: labels and sizes.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/include/checked.h"
#include "common/include/minmax.h"
#include "common/json/json.h"
#include "common/util/digest.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/vm_manifest.h"
#include "driver/vm_manifest_meta.h"

/* Percent of a Filesystem-mode claim that are taken for the file
 * system's own use.  This is Forklift's figure for the claims that its
 * populators fill (FILESYSTEM_OVERHEAD); CDI's default is 5.5 or 6,
 * depending on its version, and a cluster can set its own.  Nobody asks a
 * cluster here, so the larger one: a claim that is a little too large
 * works, one that is too small does not hold disk.img.
 */
#define FILESYSTEM_OVERHEAD 10

uint64_t
vm_volume_size (uint64_t capacity)
{
  uint64_t size;

  return checked_round_up (capacity, MIB, &size) ? size : 0;
}

/* What to ask of the storage for a volume of SIZE bytes; 0 when that
 * overflows.
 */
static uint64_t
claim_size (uint64_t size, bool block)
{
  uint64_t n;

  if (block)
    return size;
  /* Rounded up: SIZE / (1 - overhead). */
  if (!checked_mul (size, 100, &n) ||
      !checked_add (n, 100 - FILESYSTEM_OVERHEAD - 1, &n))
    return 0;
  return n / (100 - FILESYSTEM_OVERHEAD);
}

/* True if S can be the value of a label. */
static bool
is_label_value (const char *s)
{
  const size_t len = strlen (s);
  size_t i;

  for (i = 0; i < len; ++i) {
    const char c = s[i];
    const bool alphanumeric = (c >= 'a' && c <= 'z') ||
      (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

    if (!alphanumeric && (i == 0 || i == len - 1 || !strchr ("-_.", c)))
      return false;
  }
  return len <= 63;
}

/* The uid of an object, or a stable one for an object that came from a
 * file and so never got one from an API server.
 */
static int
set_uid_label (json_t *labels, const char *key, const char *kind,
               const struct object_meta *meta)
{
  const char *const texts[] = {
    kind, meta->namespace_ ? meta->namespace_ : "",
    meta->name ? meta->name : "",
  };
  char uuid[UUID_TEXT_SIZE];

  if (meta->uid && is_label_value (meta->uid))
    return json_set_string (labels, key, meta->uid);
  if (uuid_of_strings (texts, ARRAY_SIZE (texts), uuid) == -1)
    return -1;
  return json_set_string (labels, key, uuid);
}

/* Those of everything that belongs to a plan. */
static int
set_plan_labels (json_t *labels, const struct vm_manifest_input *in)
{
  /* Without a Migration the plan is what is being run. */
  if (set_uid_label (labels, "migration", "Migration",
                     in->migration ? &in->migration->meta
                     : &in->plan->meta) == -1 ||
      set_uid_label (labels, "plan", "Plan", &in->plan->meta) == -1)
    return -1;
  return 0;
}

int
manifest_set_labels (json_t *labels, const struct vm_manifest_input *in)
{
  const char *const id = in->vm->id ? in->vm->id : "";
  char uuid[UUID_TEXT_SIZE];

  if (set_plan_labels (labels, in) == -1)
    return -1;
  if (id[0] != '\0' && is_label_value (id))
    return json_set_string (labels, "vmID", id);
  if (uuid_of_strings (&id, 1, uuid) == -1)
    return -1;
  return json_set_string (labels, "vmID", uuid);
}

static const struct storage_map_row *
find_row (const struct vm_manifest_input *in, const struct vm_disk *disk)
{
  const struct storage_map_row *row =
    plan_map_storage (in->storages, disk->storage.id, disk->storage.name,
                      in->provider->meta.name);

  if (row == NULL) {
    log_error ("VM %s: no row of StorageMap %s fits disk %s: add one",
               printable (in->vm->name), printable (in->storages->meta.name),
               printable (disk->name));
    errno = ENOENT;
  }
  return row;
}

static int
set_size (json_t *spec, const struct vm_manifest_input *in,
          const struct vm_disk *disk, bool block)
{
  const uint64_t size =
    claim_size (vm_volume_size (disk->capacity), block);
  json_t *resources, *requests;
  char text[24];

  if (size == 0) {
    log_error ("VM %s: disk %s: a capacity of %" PRIu64 " bytes can not be "
               "that of a volume", printable (in->vm->name),
               printable (disk->name), disk->capacity);
    errno = EINVAL;
    return -1;
  }
  resources = json_add (spec, "resources", json_object ());
  requests = resources ? json_add (resources, "requests", json_object ())
                       : NULL;
  if (requests == NULL)
    return -1;
  snprintf (text, sizeof text, "%" PRIu64, size);
  return json_set_string (requests, "storage", text);
}

static int
fill_spec (json_t *spec, const struct vm_manifest_input *in,
           const struct vm_disk *disk)
{
  const struct storage_map_row *row = find_row (in, disk);
  const char *volume_mode;
  json_t *modes;

  if (row == NULL)
    return -1;
  volume_mode = row->volume_mode ? row->volume_mode : "Filesystem";
  modes = json_add (spec, "accessModes", json_array ());
  if (modes == NULL)
    return -1;
  if (json_array_append_new (modes, json_string (row->access_mode
                                                 ? row->access_mode
                                                 : "ReadWriteOnce")) == -1) {
    log_oom ();
    return -1;
  }
  if (json_set_string (spec, "volumeMode", volume_mode) == -1 ||
      json_set_string (spec, "storageClassName", row->storage_class) == -1)
    return -1;
  return set_size (spec, in, disk, strcmp (volume_mode, "Block") == 0);
}

static int
fill_metadata (json_t *meta, const struct vm_manifest_input *in, size_t i)
{
  const struct vm_disk *disk = &in->vm->disks.ptr[i];
  json_t *labels, *annotations;
  char index[24];

  if (json_set_string (meta, "name", in->names->pvc[i]) == -1 ||
      json_set_string (meta, "namespace", in->plan->target_namespace) == -1)
    return -1;
  labels = json_add (meta, "labels", json_object ());
  if (labels == NULL)
    return -1;
  /* The claim of a shared disk is in the manifests of all VMs that have
   * it, so it must be the same in all of them: it says nothing of one VM.
   */
  if (disk->shared) {
    if (set_plan_labels (labels, in) == -1 ||
        json_set_string (labels, "shareable", "true") == -1)
      return -1;
  }
  else if (manifest_set_labels (labels, in) == -1)
    return -1;

  annotations = json_add (meta, "annotations", json_object ());
  snprintf (index, sizeof index, "%zu", i);
  if (annotations == NULL ||
      json_set_string (annotations, "forklift.konveyor.io/disk-source",
                       disk->file ? disk->file :
                       disk->identity ? disk->identity : disk->id) == -1 ||
      (!disk->shared &&
       json_set_string (annotations, "forklift.konveyor.io/disk-index",
                        index) == -1) ||
      /* CDI takes a claim with this for one that it has filled. */
      json_set_string (annotations, "cdi.kubevirt.io/storage.populatedFor",
                       in->names->pvc[i]) == -1)
    return -1;
  return 0;
}

int
manifest_append_pvc (json_t *objects, const struct vm_manifest_input *in,
                     size_t i)
{
  json_t *pvc = json_append_object (objects);
  json_t *meta, *spec;

  if (pvc == NULL ||
      json_set_string (pvc, "apiVersion", "v1") == -1 ||
      json_set_string (pvc, "kind", "PersistentVolumeClaim") == -1)
    return -1;
  meta = json_add (pvc, "metadata", json_object ());
  if (meta == NULL || fill_metadata (meta, in, i) == -1)
    return -1;
  spec = json_add (pvc, "spec", json_object ());
  if (spec == NULL)
    return -1;
  return fill_spec (spec, in, &in->vm->disks.ptr[i]);
}
