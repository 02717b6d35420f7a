/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The OVA source.  A session is the opened package set; packages never
 * change while it lives (a file that does gives EIO), so that only the
 * results of verifying are guarded by locks.
 *
 * Images that only qemu reads are measured with qemu-img and served with
 * qemu-nbd; all others go through the nbdkit plugin.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <jansson.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/json/json.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "common/util/subprocess.h"
#include "common/xml/xml.h"
#include "plugins/ova/inventory.h"
#include "plugins/ova/ova.h"
#include "plugins/ova/source.h"
#include "plugins/ova/store.h"

/* The result of verifying one package, whose VMs share it. */
struct verification {
  pthread_mutex_t lock;         /* held while it is verified */
  bool done;
  int result;                   /* 0, or an errno */
};

struct session {
  const struct source_endpoint *endpoint;
  char *path;                   /* the URL; absolute if it is a local path,
                                   for servers with another folder */
  struct ova *ova;
  struct verification *verifications;   /* one per package */
};

/* Settings of the provider that are parameters of the plugin too. */
static const char *const settings[] = {
  "nfs-version", "nfs-port", "nfs-timeout", "nfs-connections",
};

static int
read_settings (const struct source_endpoint *e,
               struct package_options *options)
{
  unsigned *const values[] = {
    &options->nfs_version, &options->nfs_port, &options->nfs_timeout,
    &options->nfs_connections,
  };
  const char *text;
  uint64_t n;
  size_t i;

  for (i = 0; i < ARRAY_SIZE (settings); i++) {
    text = source_endpoint_setting (e, settings[i]);
    if (text == NULL)
      continue;
    if (!parse_u64 (text, &n) || n > 65535) {
      log_error ("provider '%s': setting %s: '%s' is not a number up to "
                 "65535", printable (e->provider), settings[i],
                 printable (text));
      errno = EINVAL;
      return -1;
    }
    *values[i] = n;
  }
  return 0;
}

static void
ova_source_close (void *session)
{
  struct session *s = session;
  size_t i;

  for (i = 0; s->verifications && i < s->ova->packages.len; i++)
    pthread_mutex_destroy (&s->verifications[i].lock);
  free (s->verifications);
  ova_close (s->ova);
  free (s->path);
  free (s);
}

static void *
ova_source_open (const struct source_endpoint *endpoint)
{
  struct package_options options = { 0 };
  struct session *s;
  size_t i;
  int err;

  if (endpoint->url == NULL || endpoint->url[0] == '\0') {
    log_error ("provider '%s': spec.url is missing: set it to "
               "SERVER:/EXPORT, a folder or an .ova file",
               printable (endpoint->provider));
    errno = EINVAL;
    return NULL;
  }
  if (read_settings (endpoint, &options) == -1)
    return NULL;
  s = calloc (1, sizeof *s);
  if (s == NULL) {
    log_oom ();
    return NULL;
  }
  xml_global_init ();
  s->endpoint = endpoint;
  if (!store_path_is_nfs (endpoint->url))
    s->path = realpath (endpoint->url, NULL);
  if (s->path == NULL)          /* on NFS, or ova_open says what is wrong */
    s->path = strdup (endpoint->url);
  if (s->path == NULL)
    log_oom ();
  else
    s->ova = ova_open (s->path, &options);
  if (s->ova == NULL) {
    err = errno;
    ova_source_close (s);
    errno = err;
    return NULL;
  }
  s->verifications = calloc (s->ova->packages.len, sizeof *s->verifications);
  if (s->verifications == NULL) {
    ova_source_close (s);
    log_oom ();
    return NULL;
  }
  for (i = 0; i < s->ova->packages.len; i++)
    pthread_mutex_init (&s->verifications[i].lock, NULL);
  return s;
}

static json_t *
ova_source_inventory (void *session, enum source_collection collection)
{
  const struct session *s = session;

  return ova_inventory (s->ova, s->endpoint->provider, collection);
}

/* The size that qemu will show of an image which only it reads. */
static int
measure_with_qemu (const struct ova_vm *vm, size_t i, const char *format,
                   uint64_t *size)
{
  CLEANUP_FREE char *image = ova_qemu_image (vm, i, format), *text = NULL;
  const char *argv[] = {
    "qemu-img", "info", "--output=json", "-f", format, "--", image, NULL
  };
  struct subprocess_options options = SUBPROCESS_OPTIONS_INIT;
  CLEANUP_JSON json_t *info = NULL;
  const char *name = ova_vm_file (vm, i)->href;
  const json_t *virtual_size;
  int status;

  if (image == NULL)
    return -1;
  text = subprocess_output (argv, &options, 1 << 20, &status);
  if (text == NULL)
    return -1;
  if (status == 0)
    info = json_loads (text, JSON_REJECT_DUPLICATES, NULL);
  virtual_size = json_object_get (info, "virtual-size");
  if (!json_is_integer (virtual_size) ||
      json_integer_value (virtual_size) < 0) {
    log_error ("%s: qemu-img cannot read '%s' as %s (%s): the image is "
               "damaged", printable (vm->path), printable (name), format,
               subprocess_status (status));
    errno = EINVAL;
    return -1;
  }
  *size = json_integer_value (virtual_size);
  return 0;
}

/* What only the image of drive I tells. */
static int
describe_disk (const struct ova_vm *vm, size_t i, struct vm_disk *to)
{
  CLEANUP_OVA_DISK struct ova_disk *disk = ova_disk_open (vm, i);
  const struct ovf_file *file = ova_vm_file (vm, i);

  if (disk == NULL)
    return -1;
  to->format = strdup (ova_disk_format (disk));
  if (to->format == NULL) {
    log_oom ();
    return -1;
  }
  if (file) {
    to->version = package_reference_version (vm->package->package,
                                             file->href, file->chunk_size);
    if (to->version == NULL)
      return -1;
  }
  if (!ova_disk_needs_qemu (disk)) {
    to->capacity = ova_disk_size (disk);
    return 0;
  }
  return measure_with_qemu (vm, i, to->format, &to->capacity);
}

static int
ova_source_describe (void *session, const struct source_ref *ref,
                     struct vm *out)
{
  const struct session *s = session;
  const struct ova_vm *vm = ova_find_vm (s->ova, ref->id, ref->name);
  CLEANUP_VM struct vm v;
  size_t i;

  vm_init (&v);
  if (vm == NULL || ova_vm_fill (vm, &v) == -1)
    return -1;
  for (i = 0; i < v.disks.len; i++) {
    if (describe_disk (vm, i, &v.disks.ptr[i]) == -1)
      return -1;
    if (v.disks.ptr[i].capacity == 0 &&
        vm_add_concern (&v, "ova.disk.capacity.invalid",
                        "A disk has no capacity", "Critical",
                        "The image of a disk is empty: export the VM "
                        "again.") == -1)
      return -1;
  }
  *out = v;
  vm_init (&v);
  return 0;
}

/* VM as it was described is found again by its path, which is unique. */
static const struct ova_vm *
find_again (const struct session *s, const struct vm *vm)
{
  return ova_find_vm (s->ova, NULL, vm->path);
}

static int
ova_source_verify (void *session, const struct vm *vm,
                   source_progress progress, void *opaque)
{
  struct session *s = session;
  const struct ova_vm *ova_vm = find_again (s, vm);
  struct verification *v;
  size_t i;

  if (ova_vm == NULL)
    return -1;
  for (i = 0; s->ova->packages.ptr[i] != ova_vm->package; i++)
    ;
  v = &s->verifications[i];
  {
    ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&v->lock);

    if (!v->done) {
      if (package_verify (ova_vm->package->package, progress, opaque) == 0)
        v->result = 0;
      else if (errno == ECANCELED)
        return -1;
      else
        v->result = errno;
      v->done = true;
    }
    else if (v->result != 0)
      log_error ("%s: the manifest does not match, as reported above for "
                 "another VM of this package", printable (vm->path));
    if (v->result != 0) {
      errno = v->result;
      return -1;
    }
  }
  return 0;
}

/* Appends SERVER, whose argv holds ARGV so far. */
static int
add_server (struct source_servers *servers, struct source_server *server)
{
  if (source_server_vector_append (&servers->servers, *server) == -1) {
    string_vector_free (&server->argv);
    return -1;
  }
  return 0;
}

static int
add_nbdkit (const struct session *s, const struct ova_vm *vm,
            struct source_servers *servers)
{
  struct source_server server = { .kind = SOURCE_SERVER_NBDKIT };
  const char *value;
  size_t i;

  if (string_vector_append_dup (&server.argv, "ova") == -1 ||
      string_vector_append_format (&server.argv, "path=%s",
                                   s->path) == -1 ||
      string_vector_append_format (&server.argv, "vm=%s", vm->path) == -1)
    goto err;
  for (i = 0; i < ARRAY_SIZE (settings); i++) {
    value = source_endpoint_setting (s->endpoint, settings[i]);
    if (value && string_vector_append_format (&server.argv, "%s=%s",
                                              settings[i], value) == -1)
      goto err;
  }
  return add_server (servers, &server);

 err:
  string_vector_free (&server.argv);
  return -1;
}

/* IMAGE is copied. */
static int
add_qemu_nbd (struct source_servers *servers, const char *format,
              const char *image)
{
  struct source_server server = { .kind = SOURCE_SERVER_QEMU_NBD };

  if (string_vector_append_dup (&server.argv, "--read-only") == -1 ||
      string_vector_append_dup (&server.argv, "--persistent") == -1 ||
      string_vector_append_dup (&server.argv, "--shared=0") == -1 ||
      string_vector_append_format (&server.argv, "--format=%s",
                                   format) == -1 ||
      string_vector_append_dup (&server.argv, image) == -1) {
    string_vector_free (&server.argv);
    return -1;
  }
  return add_server (servers, &server);
}

/* True if a disk of this format (struct vm_disk) goes to qemu-nbd. */
static bool
served_by_qemu (const struct vm_disk *disk)
{
  return !disk->blank && disk->format &&
    strcmp (disk->format, "raw") != 0 && strcmp (disk->format, "vmdk") != 0;
}

static int
ova_source_servers (void *session, const struct vm *vm, const char *snapshot,
                    struct source_servers *out)
{
  const struct session *s = session;
  const struct ova_vm *ova_vm = find_again (s, vm);
  CLEANUP_SOURCE_SERVERS struct source_servers servers = { 0 };
  size_t i, nbdkit = SIZE_MAX;

  if (ova_vm == NULL)
    return -1;
  if (snapshot) {
    log_error ("%s: an OVA has no snapshots", printable (vm->path));
    errno = ENOTSUP;
    return -1;
  }
  for (i = 0; i < vm->disks.len; i++) {
    const struct vm_disk *disk = &vm->disks.ptr[i];
    struct source_export export = { 0 };

    if (served_by_qemu (disk)) {
      CLEANUP_FREE char *image = ova_qemu_image (ova_vm, i, disk->format);

      if (image == NULL)
        return -1;
      export.server = servers.servers.len;
      if (add_qemu_nbd (&servers, disk->format, image) == -1 ||
          (export.name = strdup ("")) == NULL)
        goto oom;
    }
    else if (!disk->blank) {
      if (nbdkit == SIZE_MAX) {
        nbdkit = servers.servers.len;
        if (add_nbdkit (s, ova_vm, &servers) == -1)
          goto oom;
      }
      export.server = nbdkit;
      if ((export.name = strdup (disk->name)) == NULL)
        goto oom;
    }
    if (source_export_vector_append (&servers.exports, export) == -1) {
      free (export.name);
      goto oom;
    }
  }
  *out = servers;
  memset (&servers, 0, sizeof servers);
  return 0;

 oom:
  log_oom ();
  return -1;
}

const struct source_ops source_ova = {
  .type = "ova",
  .title = "Open Virtual Appliance",
  .converts = true,
  .open = ova_source_open,
  .close = ova_source_close,
  .inventory = ova_source_inventory,
  .describe = ova_source_describe,
  .verify = ova_source_verify,
  .servers = ova_source_servers,
};
