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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libdeflate.h>
#include <libxml/parser.h>

#include "common/util/log.h"
#include "common/xml/xml.h"
#include "plugins/ova/exports.h"
#include "plugins/ova/ova.h"
#include "plugins/ova/store.h"
#include "plugins/plugin_common.h"

/* Parameters. */
static char *path;              /* absolute, or a place on NFS */
static const char *vm_name;
static const char *disk_name;
static struct package_options options;

/* -D ova.stats=1 */
NBDKIT_DLL_PUBLIC int ova_debug_stats;

static struct ova *ova;
static struct ova_exports exports;

static void
ova_plugin_load (void)
{
  log_set_sink (log_to_nbdkit, (char *) "ova");
  xml_global_init ();
}

static void
ova_plugin_unload (void)
{
  size_t i;

  for (i = 0; ova_debug_stats && i < exports.list.len; i++)
    nbdkit_debug ("%s: %llu reads, %llu bytes", exports.list.ptr[i]->name,
                  (unsigned long long) exports.list.ptr[i]->reads,
                  (unsigned long long) exports.list.ptr[i]->bytes);
  ova_exports_free (&exports);
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

static int
ova_plugin_get_ready (void)
{
  ova = ova_open (path, &options);
  if (ova == NULL)
    return -1;
  exports.ova = ova;
  exports.path = path;
  return ova_exports_open (&exports, vm_name, disk_name);
}

static int
ova_plugin_list_exports (int readonly, int is_tls,
                         struct nbdkit_exports *list)
{
  size_t i;

  /* A disk that cannot be opened here would end a client that tries all
   * that are listed.
   */
  for (i = 0; i < exports.list.len; i++) {
    const struct ova_export *e = exports.list.ptr[i];

    if (e->disk && nbdkit_add_export (list, e->name, e->description) == -1)
      return -1;
  }
  return 0;
}

/* "" if there are several: open then says which. */
static const char *
ova_plugin_default_export (int readonly, int is_tls)
{
  return exports.list.len == 1 ? exports.list.ptr[0]->name : "";
}

static void *
ova_plugin_open (int readonly)
{
  return ova_exports_find (&exports, nbdkit_export_name ());
}

static int64_t
ova_plugin_get_size (void *handle)
{
  const struct ova_export *e = handle;

  return (int64_t) ova_disk_size (e->disk);
}

static const char *
ova_plugin_export_description (void *handle)
{
  const struct ova_export *e = handle;

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
  struct ova_export *e = handle;

  e->reads++;
  e->bytes += count;
  return ova_disk_pread (e->disk, buf, count, offset);
}

static int
ova_plugin_extents (void *handle, uint32_t count, uint64_t offset,
                    uint32_t flags, struct nbdkit_extents *extents)
{
  struct ova_export *e = handle;

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
  .can_multi_conn = plugin_can_multi_conn,
  .can_cache = ova_plugin_can_cache,
  .pread = ova_plugin_pread,
  .extents = ova_plugin_extents,
  .errno_is_preserved = 1,
};

NBDKIT_REGISTER_PLUGIN (plugin)
