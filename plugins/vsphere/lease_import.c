/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A disk by way of an export (HttpNfcLease): the server packs it into one
 * streamOptimized VMDK, which is decoded as it comes.  Each disk has a
 * lease of its own, so that several come at once.
 *
 * The SHA-1 of the stream is compared with what the lease's manifest says
 * afterwards.  Whatever goes wrong, the lease is aborted: while it is open
 * nobody can power the VM on.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/include/cleanup.h"
#include "common/util/digest.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "common/vmdk/vmdk_import.h"
#include "plugins/vsphere/transport.h"

#define SHA1_HEX 41

struct import {
  const struct vsphere_session *s;
  const struct vm_disk *disk;
  const struct source_sink *sink;
  struct vim_lease *lease;
  struct vmdk_import *decoder;
  struct digest *sha1;
  uint64_t bytes;               /* of the stream */
  unsigned percent;
};

/* What a lease calls a disk: the type of its controller, the number of
 * that, and the unit: "ParaVirtualSCSIController0:0".  malloc'ed; NULL
 * with errno and a report.
 */
static char *
device_name (const struct vsphere_session *s, const struct vm *vm,
             const struct vm_disk *disk)
{
  static const char *const paths[] = { "config.hardware.device", NULL };
  CLEANUP_VIM_OBJECTS struct vim_objects objects = { 0 };
  xmlNodePtr devices, node;
  char *name = NULL;

  if (vim_get (s->vim, "VirtualMachine", vm->id, paths, &objects) == -1)
    return NULL;
  devices = vim_object_get (objects.list.ptr[0], paths[0]);
  for (node = vim_child (devices, "VirtualDevice"); node;
       node = vim_next (node, "VirtualDevice")) {
    CLEANUP_FREE char *type = vim_xsi_type (node);
    int key = -1, bus = 0;

    if (type == NULL || !vim_child_int (node, "key", &key) ||
        key < 0 || (unsigned) key != disk->controller)
      continue;
    vim_child_int (node, "busNumber", &bus);
    if (asprintf (&name, "%s%d:%u", type, bus, disk->unit) != -1)
      return name;
    log_oom ();
    return NULL;
  }
  log_error ("disk %s: VM %s has no controller with key %u",
             printable (disk->name), printable (vm->name), disk->controller);
  errno = EINVAL;
  return NULL;
}

/* The entry of the lease for the device NAME. */
static const struct vim_lease_disk *
find_disk (const struct import *im, const char *name)
{
  const vim_lease_disk_vector *list = vim_lease_disks (im->lease);
  size_t i;

  for (i = 0; i < list->len; i++) {
    const char *key = list->ptr[i].key ? list->ptr[i].key : "";
    const char *slash = strrchr (key, '/');

    if (strcasecmp (slash ? slash + 1 : key, name) == 0)
      return &list->ptr[i];
  }
  log_error ("disk %s: the server does not export it (there is no %s among "
             "the %zu disks of the lease): raw device mappings and "
             "independent disks are not", printable (im->disk->name),
             printable (name), list->len);
  errno = ENOTSUP;
  return NULL;
}

static int
give (void *opaque, uint64_t offset, const void *buf, size_t count)
{
  struct import *im = opaque;
  const uint64_t percent = (offset + count) / (im->disk->capacity / 100 + 1);

  /* Grains can come out of order: never back. */
  if (percent > im->percent && percent < 100) {
    im->percent = percent;
    vim_lease_progress (im->lease, im->percent);
  }
  return im->sink->data (im->sink->opaque, offset, buf, count);
}

static int
receive (void *opaque, const void *buf, size_t count)
{
  struct import *im = opaque;

  im->bytes += count;
  if (digest_update (im->sha1, buf, count) == -1)
    return -1;
  return vmdk_import_feed (im->decoder, buf, count);
}

static bool
cancelled (void *opaque)
{
  const struct import *im = opaque;

  return im->sink->cancelled && im->sink->cancelled (im->sink->opaque);
}

/* The client for ORIGIN: that of the session, or a new one, also in
 * *OWN.  NULL with errno and a report.
 */
static struct http_client *
client_for (const struct vsphere_session *s, const char *origin,
            const struct vim_lease_disk *disk, struct http_client **own)
{
  struct http_options options = {
    .url = origin,
    .insecure = s->options.insecure,
    .thumbprint = disk->thumbprint,
    .ca_pem = s->options.ca_pem,
    .ca_file = s->options.ca_file,
    .proxy = s->options.proxy,
    .stall_timeout = s->options.timeout,
  };

  if (strcmp (origin, http_client_origin (vim_http (s->vim))) == 0)
    return vim_http (s->vim);
  *own = http_client_new (&options);
  return *own;
}

/* The whole stream. */
static int
download (struct import *im, const struct vim_lease_disk *disk)
{
  const struct http_sink sink = {
    .data = receive,
    .cancelled = cancelled,
    .opaque = im,
  };
  CLEANUP_FREE char *origin = NULL, *path = NULL;
  struct http_request request = { 0 };
  struct http_client *client, *own = NULL;
  int r, err;

  if (http_split_url (disk->url, &origin, &path) == -1)
    return -1;
  client = client_for (im->s, origin, disk, &own);
  if (client == NULL)
    return -1;
  request.path = path;
  r = http_stream (client, &request, &sink);
  err = errno;
  http_client_free (own);
  errno = err;
  return r == -1 ? -1 : vmdk_import_end (im->decoder);
}

/* Is it what the server has sent? */
static int
check_sum (struct import *im, const struct vim_lease_disk *disk)
{
  uint8_t sum[DIGEST_MAX_SIZE];
  char hex[SHA1_HEX], wanted[SHA1_HEX];
  uint64_t size = 0;

  if (digest_final (im->sha1, sum) == -1)
    return -1;
  hex_of_bytes (sum, digest_size (DIGEST_SHA1), hex);
  if (vim_lease_checksum (im->lease, disk->key, wanted, &size) == -1) {
    if (errno != ENOTSUP)
      return -1;
    log_info ("disk %s: the server gives no checksum of the export; each "
              "grain was checked", printable (im->disk->name));
    return 0;
  }
  if (strcasecmp (hex, wanted) == 0 && (size == 0 || size == im->bytes))
    return 0;
  log_error ("disk %s: the export is damaged: %" PRIu64 " bytes with SHA-1 "
             "%s came, the server says that it sent %" PRIu64 " with %s; "
             "start again", printable (im->disk->name), im->bytes, hex, size,
             printable (wanted));
  errno = EIO;
  return -1;
}

/* With a lease. */
static int
import (struct import *im, const char *name)
{
  const struct vim_lease_disk *disk = find_disk (im, name);
  int r = -1, err;

  if (disk == NULL)
    return -1;
  im->decoder = vmdk_import_new (im->disk->name, im->disk->capacity, give,
                                 im);
  im->sha1 = digest_new (DIGEST_SHA1);
  if (im->decoder && im->sha1 && download (im, disk) == 0)
    r = check_sum (im, disk);
  err = errno;
  vmdk_import_free (im->decoder);
  digest_free (im->sha1);
  errno = err;
  return r;
}

int
vsphere_import_disk (void *session, const struct vm *vm, size_t disk,
                     const struct source_sink *sink)
{
  const struct vsphere_session *s = session;
  struct import im = {
    .s = s, .disk = &vm->disks.ptr[disk], .sink = sink,
  };
  CLEANUP_FREE char *name = device_name (s, vm, im.disk);
  int r, err;

  if (name == NULL)
    return -1;
  if (cancelled (&im)) {
    errno = ECANCELED;
    return -1;
  }
  im.lease = vim_lease_open (s->vim, vm->id);
  if (im.lease == NULL)
    return -1;
  r = import (&im, name);
  err = errno;
  if (vim_lease_close (im.lease, r == 0) == -1 && r == 0)
    return -1;
  errno = err;
  return r;
}
