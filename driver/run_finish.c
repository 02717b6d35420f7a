/* SPDX-License-Identifier: BSD-3-Clause
 *
 * After the copy: conversion of the guest, the digests of what the
 * volumes hold in the end, their final names, and the manifest.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/include/cleanup.h"
#include "common/json/json.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/convert.h"
#include "driver/copy/digest_tree.h"
#include "driver/run_shared.h"

struct convert_opaque {
  struct run_vm *rv;
  struct progress_item *item;
};

static bool
convert_progress (void *opaque, unsigned percent, const char *what)
{
  struct convert_opaque *c = opaque;

  progress_set (c->item, percent);
  return !run_vm_stopped (c->rv);
}

static int
set_strings (json_t *obj, const char *key, const string_vector *v)
{
  json_t *list = json_array ();
  size_t i;

  if (json_set (obj, key, list) == -1)
    return -1;
  for (i = 0; i < v->len; i++)
    if (json_array_append_new (list,
                               json_string (printable (v->ptr[i]))) == -1) {
      log_oom ();
      return -1;
    }
  return 0;
}

/* What a later run must know of a conversion.  NULL reported. */
static json_t *
result_to_json (const struct convert_result *r)
{
  CLEANUP_JSON json_t *j = json_object ();

  if (j == NULL) {
    log_oom ();
    return NULL;
  }
  if (set_strings (j, "warnings", &r->warnings) == -1 ||
      set_strings (j, "addressesKept", &r->kept) == -1 ||
      set_strings (j, "addressesLost", &r->lost) == -1 ||
      json_set_string (j, "osinfo", r->osinfo) == -1 ||
      json_set_string (j, "osName", r->os_name) == -1 ||
      json_set_string (j, "firmware",
                       vm_firmware_name (r->firmware)) == -1 ||
      json_set_bool (j, "virtio", r->virtio) == -1)
    return NULL;
  return json_incref (j);
}

static enum vm_firmware
firmware_of_json (const json_t *conversion)
{
  const char *name = json_get_string (conversion, "firmware", "unknown");

  if (strcmp (name, vm_firmware_name (VM_FIRMWARE_BIOS)) == 0)
    return VM_FIRMWARE_BIOS;
  if (strcmp (name, vm_firmware_name (VM_FIRMWARE_UEFI)) == 0)
    return VM_FIRMWARE_UEFI;
  return VM_FIRMWARE_UNKNOWN;
}

/* The lines of an earlier or of this conversion, in one; NULL if there is
 * none.
 */
static char *
join_addresses (const json_t *conversion)
{
  static const char *const keys[] = { "addressesKept", "addressesLost" };
  CLEANUP_STRBUF struct strbuf b = { 0 };
  const json_t *line;
  size_t k, i;

  for (k = 0; k < sizeof keys / sizeof keys[0]; k++)
    json_array_foreach (json_object_get (conversion, keys[k]), i, line)
      if (json_string_value (line) &&
          strbuf_printf (&b, "%s%s", b.len ? "; " : "",
                         json_string_value (line)) == -1)
        return NULL;
  return b.len > 0 ? strbuf_steal (&b) : NULL;
}

/* Show in the status what conversion found, now or in an earlier run. */
static void
note_conversion (struct run_vm *rv, const json_t *conversion)
{
  const enum vm_firmware firmware = firmware_of_json (conversion);
  const char *os = json_get_string (conversion, "osinfo", NULL);

  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&rv->status.lock);
  if (firmware != VM_FIRMWARE_UNKNOWN)
    rv->status.firmware = vm_firmware_name (firmware);
  free (rv->status.os);
  rv->status.os = os ? strdup (os) : NULL;
  free (rv->status.addresses);
  rv->status.addresses = join_addresses (conversion);
}

/* The passphrases in the Secret that spec.vms[].luks names.  To be freed,
 * not so the strings, which are the plan's.  NULL reported.
 */
static const char **
luks_keys (const struct run_vm *rv)
{
  const struct session *s = rv->run->session;
  const struct plan_secret *secret =
    plan_find_secret (&s->set, &rv->pre->pvm->luks,
                      s->plan->meta.namespace_);
  const size_t n = secret ? secret->data.len : 0;
  const char **keys = calloc (n + 1, sizeof *keys);
  size_t i;

  if (keys == NULL) {
    log_oom ();
    return NULL;
  }
  for (i = 0; i < n; i++)
    keys[i] = secret->data.ptr[i].value;
  return keys;
}

/* Run virt-v2v-in-place on the copied volumes. */
static int
convert (struct run_vm *rv, struct progress_line *line)
{
  const struct vm *vm = &rv->pre->vm;
  CLEANUP_FREE struct convert_disk *disks = calloc (vm->disks.len + 1,
                                                    sizeof *disks);
  CLEANUP_FREE char *work_dir = run_convert_dir (rv->folder);
  CLEANUP_FREE char *log_file = NULL;
  CLEANUP_FREE const char **keys = luks_keys (rv);
  struct convert_result result;
  struct convert_opaque opaque = { .rv = rv };
  struct convert_options options = {
    .root = rv->pre->pvm->root_disk,
    .static_ips = rv->run->session->plan->preserve_static_ips,
    .progress = convert_progress,
    .opaque = &opaque,
  };
  json_t *j;
  size_t i, n = 0;
  int r;

  if (work_dir == NULL || keys == NULL)
    return -1;
  if (disks == NULL ||
      asprintf (&log_file, "%s/virt-v2v.log", rv->folder) == -1) {
    log_oom ();
    return -1;
  }
  if (mkdir (work_dir, 0700) == -1 && errno != EEXIST) {
    log_error ("cannot make the folder %s: %m", work_dir);
    return -1;
  }
  options.work_dir = work_dir;
  options.log_file = log_file;
  options.keys = keys;
  for (i = 0; i < vm->disks.len; i++) {
    const struct run_disk place = run_disk_place (rv, i);

    if (place.volume) {
      disks[n].path = place.volume->path;
      disks[n].keep = rv->shared[i] != NULL;
      disks[n++].block = place.volume->block;
    }
  }
  opaque.item = progress_item_new (line, NULL, PROGRESS_PERCENT, 100);

  memset (&result, 0, sizeof result);
  rv->scope.hold = true;
  r = convert_guest (vm, disks, &options, &result);
  if (r == -1 && run_vm_cancelled (rv))
    log_scope_drop (&rv->scope);
  else
    log_scope_release (&rv->scope, NULL);
  if (r == -1) {
    rv->result = STATUS_CONVERSION;
    return -1;
  }
  for (i = 0; i < result.warnings.len; i++)
    log_warning ("virt-v2v: %s", printable (result.warnings.ptr[i]));
  for (i = 0; i < result.kept.len; i++)
    log_info ("%s", printable (result.kept.ptr[i]));
  for (i = 0; i < result.lost.len; i++)
    log_warning ("%s", printable (result.lost.ptr[i]));
  j = result_to_json (&result);
  convert_result_free (&result);
  return j ? journal_set_converted (rv->journal, j) : -1;
}

int
run_convert (struct run_vm *rv, struct progress_line *line)
{
  json_t *done = journal_conversion (rv->journal);
  int r = 0;

  if (done == NULL) {
    if (!limit_acquire (&rv->run->conversions, run_vm_stopped, rv))
      return -1;
    r = convert (rv, line);
    limit_release (&rv->run->conversions);
    done = journal_conversion (rv->journal);
  }
  if (done)
    note_conversion (rv, done);
  json_decref (done);
  return r;
}

static bool
digest_progress (void *opaque, uint64_t done, uint64_t total)
{
  return !run_vm_stopped (opaque);
}

/* The digests of what the volume at PLACE holds now.  For a disk that was
 * copied and left as it was they are those of the copy: it is not read
 * again.
 */
static struct digest_tree *
volume_digests (struct run_vm *rv, const struct run_disk *place,
                const struct vm_disk *d, bool converted)
{
  const struct target_volume *v = place->volume;
  const char *path = v->complete ? v->final_path : v->path;
  CLEANUP_FREE char *copied = NULL;
  CLEANUP_CLOSE int fd = -1;
  struct digest_tree *like, *tree;

  if (!converted && !d->blank) {
    copied = run_digest_path (place->folder, place->index);
    return copied ? digest_tree_load (copied) : NULL;
  }
  fd = open (path, O_RDONLY | O_CLOEXEC);
  if (fd == -1) {
    log_error ("cannot open %s: %m", path);
    return NULL;
  }
  like = digest_tree_new (v->size, BLOCK_DIGEST_POLY1305);
  if (like == NULL)
    return NULL;
  tree = digest_tree_of_fd (fd, like, path, digest_progress, rv);
  digest_tree_free (like);
  return tree;
}

int
run_finish_disk (struct run_vm *rv, const struct run_disk *place,
                 const struct vm_disk *d, bool converted)
{
  struct target_volume *v = place->volume;
  struct digest_tree *tree;
  char hex[65];
  int r;

  if (journal_disk_state (place->journal,
                          place->index) == JOURNAL_DISK_FINISHED)
    return 0;
  tree = volume_digests (rv, place, d, converted);
  if (tree == NULL)
    return -1;
  r = digest_tree_save (tree, v->digest_path);
  if (r == 0)
    r = digest_tree_root (tree, hex);
  digest_tree_free (tree);
  if (r == -1)
    return -1;
  if (rv->run->target_ops->finish (rv->run->target, v) == -1) {
    rv->result = STATUS_TARGET;
    return -1;
  }
  return journal_disk_finished (place->journal, place->index, v->final_path,
                                v->digest_path, hex, converted);
}

static int
publish (struct run_vm *rv, const json_t *conversion)
{
  const struct session *s = rv->run->session;
  const struct vm *vm = &rv->pre->vm;
  const enum vm_firmware found = firmware_of_json (conversion);
  CLEANUP_FREE bool *foreign = calloc (vm->disks.len + 1, sizeof *foreign);
  const struct vm_manifest_input in = {
    .plan = s->plan,
    .pvm = rv->pre->pvm,
    .provider = s->provider,
    .networks = s->networks,
    .storages = s->storages,
    .vm = vm,
    .names = &rv->pre->names,
    .foreign = foreign,
    .firmware = vm->firmware == VM_FIRMWARE_UNKNOWN ? found : vm->firmware,
    .power = run_power_before (rv),
    .osinfo = json_get_string (conversion, "osinfo", NULL),
    .converted = conversion != NULL,
    .virtio = json_get_bool (conversion, "virtio", 0),
  };
  CLEANUP_FREE char *where = NULL;
  CLEANUP_JSON json_t *objects = NULL;

  if (foreign == NULL) {
    log_oom ();
    return -1;
  }
  run_shared_foreign (rv, foreign);
  objects = vm_manifest (&in);
  if (objects == NULL)
    return -1;
  if (rv->run->target_ops->publish (rv->run->target,
                                    s->plan->target_namespace,
                                    rv->pre->names.vm, objects,
                                    &where) == -1) {
    rv->result = STATUS_TARGET;
    return -1;
  }
  if (run_shared_published (rv) == -1)
    return -1;
  return journal_set_published (rv->journal, where);
}

int
run_finish (struct run_vm *rv)
{
  CLEANUP_JSON json_t *conversion = journal_conversion (rv->journal);
  CLEANUP_FREE char *manifest = journal_published (rv->journal);
  size_t i;

  for (i = 0; i < rv->pre->vm.disks.len; i++) {
    const struct run_disk place = run_disk_place (rv, i);

    if (rv->volumes[i] &&
        run_finish_disk (rv, &place, &rv->pre->vm.disks.ptr[i],
                         conversion != NULL) == -1)
      return -1;
  }
  /* One that people have changed since is left alone. */
  if (manifest && access (manifest, F_OK) == 0)
    return 0;
  if (journal_set_publishing (rv->journal) == -1)
    return -1;
  return publish (rv, conversion);
}
