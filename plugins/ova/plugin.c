/* SPDX-License-Identifier: BSD-3-Clause
 *
 * nbdkit-ova-plugin: the disks of OVF packages as NBD exports.
 *
 * All that can fail is done in get_ready: the package set is opened, the
 * VMs are chosen and every disk's tables are found, so that errors reach
 * the user and a connection costs nothing.  A connection's handle is just
 * the export that it asked for; disks are shared by all connections and
 * decode in nbdkit's own threads.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libdeflate.h>
#include <libxml/parser.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "common/xml/xml.h"
#include "plugins/ova/ova.h"
#include "plugins/ova/store.h"

/* Parameters. */
static char *path;              /* absolute, or a place on NFS */
static const char *vm_name;
static const char *disk_name;
static struct package_options options;

/* -D ova.stats=1 */
NBDKIT_DLL_PUBLIC int ova_debug_stats;

struct export {
  char *name;                   /* canonical; unique */
  const struct ova_vm *vm;
  size_t drive;
  struct ova_disk *disk;        /* NULL for what only qemu-nbd serves */
  char *format;                 /* of the image */
  char *description;
  atomic_ullong reads, bytes;   /* since the start */
};
DEFINE_VECTOR_TYPE (export_vector, struct export *);

static struct ova *ova;
static export_vector exports;
static size_t nr_servable;      /* exports with a disk */

/* Messages of the code below us.  nbdkit has no level between an error
 * and what only -v shows, and a warning is no error.
 */
static void
log_to_nbdkit (enum log_level level, const char *text, void *opaque)
{
  switch (level) {
  case LOG_LEVEL_ERROR:
    nbdkit_error ("%s", text);
    break;
  case LOG_LEVEL_WARNING:
    fprintf (stderr, "nbdkit: ova: warning: %s\n", text);
    break;
  case LOG_LEVEL_INFO:
  case LOG_LEVEL_DEBUG:
    nbdkit_debug ("%s", text);
    break;
  }
}

static void
ova_plugin_load (void)
{
  log_set_sink (log_to_nbdkit, NULL);
  xml_global_init ();
}

static void
export_free (struct export *export)
{
  if (export == NULL)
    return;
  if (ova_debug_stats)
    nbdkit_debug ("%s: %llu reads, %llu bytes", export->name,
                  (unsigned long long) export->reads,
                  (unsigned long long) export->bytes);
  ova_disk_close (export->disk);
  free (export->name);
  free (export->format);
  free (export->description);
  free (export);
}

static void
ova_plugin_unload (void)
{
  size_t i;

  for (i = 0; i < exports.len; i++)
    export_free (exports.ptr[i]);
  export_vector_reset (&exports);
  ova_close (ova);
  free (path);
}

static void
ova_plugin_dump_plugin (void)
{
  printf ("ova_libxml2_version=%s\n", xmlParserVersion);
  printf ("ova_libdeflate_version=%s\n", LIBDEFLATE_VERSION_STRING);
#ifdef HAVE_LIBNFS
  printf ("ova_features=nfs\n");
#else
  printf ("ova_features=\n");
#endif
}

static int
ova_plugin_config (const char *key, const char *value)
{
  if (strcmp (key, "path") == 0) {
    if (path) {
      nbdkit_error ("path= was given twice");
      return -1;
    }
    /* nbdkit changes to / later. */
    path = store_path_is_nfs (value) ? strdup (value)
                                     : nbdkit_absolute_path (value);
    return path ? 0 : -1;
  }
  if (strcmp (key, "vm") == 0)
    vm_name = value;
  else if (strcmp (key, "disk") == 0)
    disk_name = value;
  else if (strcmp (key, "nfs-version") == 0) {
    if (nbdkit_parse_unsigned (key, value, &options.nfs_version) == -1)
      return -1;
    if (options.nfs_version != 3 && options.nfs_version != 4) {
      nbdkit_error ("nfs-version must be 3 or 4");
      return -1;
    }
  }
  else if (strcmp (key, "nfs-port") == 0)
    return nbdkit_parse_unsigned (key, value, &options.nfs_port);
  else if (strcmp (key, "nfs-timeout") == 0)
    return nbdkit_parse_unsigned (key, value, &options.nfs_timeout);
  else if (strcmp (key, "nfs-connections") == 0)
    return nbdkit_parse_unsigned (key, value, &options.nfs_connections);
  else {
    nbdkit_error ("unknown parameter '%s'", key);
    return -1;
  }
  return 0;
}

#define ova_plugin_config_help \
  "disk=<DISK>               Serve only this disk: name, diskId, number or " \
  "UUID.\n" \
  "nfs-connections=<N>       Connections to the NFS server (default 4).\n" \
  "nfs-port=<PORT>           TCP port of the NFS server.\n" \
  "nfs-timeout=<SECONDS>     How long to wait for a reply (default 30).\n" \
  "nfs-version=3|4           Version of NFS (default: 4, then 3).\n" \
  "[path=]<PATH>             (required) An .ova, an .ovf, or a folder of " \
  "them;\n" \
  "                          nfs://SERVER/EXPORT/PATH or " \
  "SERVER:/EXPORT/PATH.\n" \
  "vm=<VM>                   Serve only this VM: name, id or path."

static int
ova_plugin_config_complete (void)
{
  if (path == NULL) {
    nbdkit_error ("the path of an OVA is missing: use "
                  "'nbdkit ova [path=]PATH'");
    return -1;
  }
  return 0;
}

/* The command that serves a disk which we do not, as an error. */
static void
report_qemu_command (const struct export *export)
{
  CLEANUP_FREE char *image = ova_qemu_image (export->vm, export->drive,
                                             export->format);
  CLEANUP_STRBUF struct strbuf quoted = { 0 };

  if (image == NULL)
    return;
  if (strbuf_append_shell_quoted (&quoted, image) == -1)
    log_oom ();
  else
    nbdkit_error ("%s: this is a %s image, which only qemu reads; serve it "
                  "with: qemu-nbd --read-only --persistent --format=%s "
                  "--socket=/tmp/disk.sock %s", printable (export->name),
                  export->format, export->format, quoted.ptr);
  errno = ENOTSUP;
}

/* What stands before the "/" of names when there are several VMs: the
 * name, or the id where names repeat, or the path where ids repeat.
 */
static const char *
vm_prefix (const struct ova_vm *vm)
{
  const struct vm *v = &vm->system->vm;
  bool name = true, id = true;
  size_t i;

  for (i = 0; i < ova->vms.len; i++) {
    const struct ova_vm *other = ova->vms.ptr[i];

    if (other == vm)
      continue;
    if (strcmp (other->system->vm.name, v->name) == 0 ||
        strlen (v->name) > OVA_NAME_MAX)
      name = false;
    if (strcmp (other->system->vm.id, v->id) == 0)
      id = false;
  }
  return name ? v->name : id ? v->id : vm->path;
}

/* Name and description, not yet the disk. */
static struct export *
new_export (const struct ova_vm *vm, size_t drive, bool with_prefix)
{
  struct export *e = calloc (1, sizeof *e);
  int r;

  if (e == NULL)
    goto oom;
  e->vm = vm;
  e->drive = drive;
  r = with_prefix ? asprintf (&e->name, "%s/%s", vm_prefix (vm),
                              vm->disk_names.ptr[drive])
                  : asprintf (&e->name, "%s", vm->disk_names.ptr[drive]);
  if (r == -1) {
    e->name = NULL;
    goto oom;
  }
  return e;

 oom:
  export_free (e);
  nbdkit_error ("out of memory");
  errno = ENOMEM;
  return NULL;
}

static int
open_export (struct export *e)
{
  struct ova_disk *disk = ova_disk_open (e->vm, e->drive);

  if (disk == NULL)
    return -1;
  e->format = strdup (ova_disk_format (disk));
  if (e->format == NULL ||
      asprintf (&e->description, "disk %zu of VM '%s', diskId '%s', id %s, "
                "%s", e->drive, e->vm->system->vm.name,
                ova_vm_disk (e->vm, e->drive)->id,
                e->vm->disk_ids.ptr[e->drive], ova_disk_kind (disk)) == -1) {
    e->description = NULL;
    ova_disk_close (disk);
    nbdkit_error ("out of memory");
    errno = ENOMEM;
    return -1;
  }
  if (ova_disk_needs_qemu (disk)) {
    ova_disk_close (disk);
    return 0;
  }
  e->disk = disk;
  nr_servable++;
  return 0;
}

/* Does the alias NAME (number, diskId or UUID) mean export I? */
static bool
is_alias (size_t i, const char *name)
{
  const struct export *e = exports.ptr[i];
  const char *disk_id = ova_vm_disk (e->vm, e->drive)->id;
  const char *slash = strrchr (e->name, '/');
  uint64_t n;

  if (strcasecmp (e->vm->disk_ids.ptr[e->drive], name) == 0 ||
      strcmp (disk_id, name) == 0 || (parse_u64 (name, &n) && n == i))
    return true;
  /* "VM/diskId" */
  slash = strrchr (name, '/');
  return slash && strcmp (slash + 1, disk_id) == 0 &&
    strncmp (name, vm_prefix (e->vm), slash - name) == 0 &&
    vm_prefix (e->vm)[slash - name] == '\0';
}

static void
report_choices (const char *what, const char *name)
{
  CLEANUP_STRBUF struct strbuf list = { 0 };
  size_t i;

  for (i = 0; i < exports.len && i < 50; i++)
    strbuf_printf (&list, "%s'%s'", i ? ", " : "",
                   printable (exports.ptr[i]->name));
  if (i < exports.len)
    strbuf_append (&list, ", ...");
  nbdkit_error ("%s%s%s%s; there are: %s", what, name[0] ? " '" : "",
                printable (name), name[0] ? "'" : "",
                list.ptr ? list.ptr : "none");
}

/* The index of the export that NAME means; exports.len and a report if
 * there is none, or several.
 */
static size_t
find_export (const char *name)
{
  size_t i, found = exports.len, n = 0;

  for (i = 0; i < exports.len; i++) {
    if (strcmp (exports.ptr[i]->name, name) == 0)
      return i;
  }
  for (i = 0; i < exports.len; i++) {
    if (is_alias (i, name)) {
      found = i;
      n++;
    }
  }
  if (n == 1)
    return found;
  report_choices (n ? "several disks fit the name" : "there is no disk",
                  name);
  errno = n ? EEXIST : ENOENT;
  return exports.len;
}

/* Keep the export that disk= names. */
static int
choose_disk (void)
{
  struct export *chosen;
  size_t i, n;

  if (disk_name == NULL)
    return 0;
  n = find_export (disk_name);
  if (n == exports.len)
    return -1;
  chosen = exports.ptr[n];
  for (i = 0; i < exports.len; i++) {
    if (i != n)
      export_free (exports.ptr[i]);
  }
  exports.ptr[0] = chosen;
  exports.len = 1;
  return 0;
}

/* Take E into the list.  Where "VM/disk" is not unique because names hold
 * a "/", the disk's id stands for it.
 */
static int
add_export (struct export *e)
{
  size_t i;

  for (i = 0; i < exports.len; i++) {
    if (strcmp (exports.ptr[i]->name, e->name) != 0)
      continue;
    free (e->name);
    e->name = strdup (e->vm->disk_ids.ptr[e->drive]);
    break;
  }
  if (e->name == NULL || export_vector_append (&exports, e) == -1) {
    export_free (e);
    nbdkit_error ("out of memory");
    errno = ENOMEM;
    return -1;
  }
  return 0;
}

/* Make the exports of the VMs that vm= and disk= choose. */
static int
make_exports (void)
{
  const struct ova_vm *only = NULL;
  size_t i, j;

  if (vm_name) {
    only = ova_find_vm (ova, NULL, vm_name);
    if (only == NULL)
      return -1;
  }
  for (i = 0; i < ova->vms.len; i++) {
    const struct ova_vm *vm = ova->vms.ptr[i];

    if (only && vm != only)
      continue;
    for (j = 0; j < vm->system->drives.len; j++) {
      struct export *e = new_export (vm, j, !only && ova->vms.len > 1);

      if (e == NULL || add_export (e) == -1)
        return -1;
    }
  }
  if (exports.len == 0) {
    nbdkit_error ("%s: %s%s%s no disks", printable (path),
                  only ? "VM '" : "the VMs of this package have",
                  only ? printable (only->system->vm.name) : "",
                  only ? "' has" : "");
    return -1;
  }
  return choose_disk ();
}

/* Open all disks.  In a folder of several packages, from which nothing
 * was chosen, a broken disk does not keep the others from being served.
 */
static int
open_exports (void)
{
  const bool all_needed = vm_name || disk_name || ova->packages.len == 1;
  size_t i;

  for (i = 0; i < exports.len; i++) {
    struct export *e = exports.ptr[i];

    if (open_export (e) == 0)
      continue;
    if (all_needed || exports.len == 1)
      return -1;
    log_warning ("'%s' is left out because of the error above",
                 printable (e->name));
    export_vector_remove (&exports, i--);
    export_free (e);
  }
  return 0;
}

static int
ova_plugin_get_ready (void)
{
  size_t i;

  ova = ova_open (path, &options);
  if (ova == NULL || make_exports () == -1 || open_exports () == -1)
    return -1;
  if (nr_servable == 0) {
    for (i = 0; i < exports.len; i++)
      report_qemu_command (exports.ptr[i]);
    return -1;
  }
  return 0;
}

static int
ova_plugin_list_exports (int readonly, int is_tls,
                         struct nbdkit_exports *list)
{
  size_t i;

  /* A disk that cannot be opened here would end a client that tries all
   * that are listed.
   */
  for (i = 0; i < exports.len; i++) {
    const struct export *e = exports.ptr[i];

    if (e->disk && nbdkit_add_export (list, e->name, e->description) == -1)
      return -1;
  }
  return 0;
}

/* "" if there are several: open then says which. */
static const char *
ova_plugin_default_export (int readonly, int is_tls)
{
  return exports.len == 1 ? exports.ptr[0]->name : "";
}

static void *
ova_plugin_open (int readonly)
{
  const char *name = nbdkit_export_name ();
  size_t i;

  if (name[0] == '\0' && exports.len > 1) {
    report_choices ("there are several disks: choose one by its export "
                    "name or with disk=", "");
    errno = EINVAL;
    return NULL;
  }
  i = name[0] == '\0' ? 0 : find_export (name);
  if (i == exports.len)
    return NULL;
  if (exports.ptr[i]->disk == NULL) {
    report_qemu_command (exports.ptr[i]);
    return NULL;
  }
  return exports.ptr[i];
}

static int64_t
ova_plugin_get_size (void *handle)
{
  const struct export *e = handle;

  return ova_disk_size (e->disk);
}

static const char *
ova_plugin_export_description (void *handle)
{
  const struct export *e = handle;

  return nbdkit_strdup_intern (e->description);
}

/* Grains are 64 KiB, and the more of them are in a request, the more the
 * threads have to do.
 */
static int
ova_plugin_block_size (void *handle, uint32_t *minimum, uint32_t *preferred,
                       uint32_t *maximum)
{
  *minimum = 1;
  *preferred = 64 * 1024;
  *maximum = 32 * 1024 * 1024;
  return 0;
}

/* Read-only: all connections see the same. */
static int
ova_plugin_can_multi_conn (void *handle)
{
  return 1;
}

/* nbdkit reads and drops the data, which warms the page cache. */
static int
ova_plugin_can_cache (void *handle)
{
  return NBDKIT_CACHE_EMULATE;
}

static int
ova_plugin_pread (void *handle, void *buf, uint32_t count, uint64_t offset,
                  uint32_t flags)
{
  struct export *e = handle;

  e->reads++;
  e->bytes += count;
  return ova_disk_pread (e->disk, buf, count, offset);
}

static int
hand_to_nbdkit (void *opaque, uint64_t offset, uint64_t length, uint32_t type)
{
  return nbdkit_add_extent (opaque, offset, length, type);
}

static int
ova_plugin_extents (void *handle, uint32_t count, uint64_t offset,
                    uint32_t flags, struct nbdkit_extents *extents)
{
  struct export *e = handle;

  return ova_disk_extents (e->disk, count, offset,
                           flags & NBDKIT_FLAG_REQ_ONE,
                           hand_to_nbdkit, extents);
}

static struct nbdkit_plugin plugin = {
  .name = "ova",
  .longname = "nbdkit OVA plugin",
  .version = NBDLIFT_VERSION,
  .description = "The disks of Open Virtual Appliances (OVF packages)",
  .load = ova_plugin_load,
  .unload = ova_plugin_unload,
  .dump_plugin = ova_plugin_dump_plugin,
  .config = ova_plugin_config,
  .config_complete = ova_plugin_config_complete,
  .config_help = ova_plugin_config_help,
  .magic_config_key = "path",
  .get_ready = ova_plugin_get_ready,
  .list_exports = ova_plugin_list_exports,
  .default_export = ova_plugin_default_export,
  .open = ova_plugin_open,
  .get_size = ova_plugin_get_size,
  .export_description = ova_plugin_export_description,
  .block_size = ova_plugin_block_size,
  .can_multi_conn = ova_plugin_can_multi_conn,
  .can_cache = ova_plugin_can_cache,
  .pread = ova_plugin_pread,
  .extents = ova_plugin_extents,
  .errno_is_preserved = 1,
};

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL
NBDKIT_REGISTER_PLUGIN (plugin)
