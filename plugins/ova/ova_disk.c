/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One disk of a package as bytes: an empty disk, a raw image as it is, a
 * VMDK through common/vmdk.  qcow2, VHD, VHDX and VDI are left to qemu:
 * for those there is only the name of the byte range to give to it.
 *
 * What a file is, its first bytes say, not its name.  But a file that the
 * OVF calls a VMDK (or another known format) and that does not begin like
 * one is damaged, and is never served as if it were raw.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "common/extents/extents.h"
#include "common/include/checked.h"
#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/json/json.h"
#include "common/util/blob.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "plugins/ova/ova.h"

struct ova_disk {
  enum disk_format format;
  uint64_t size;
  struct vmdk *vmdk;            /* or: */
  struct blob *raw;             /* both NULL: an empty disk */
  int fd;                       /* of the file that holds RAW, for its
                                   holes; -1 if that is not to be had */
  uint64_t fd_offset;
  char *kind;
};

static bool
needs_qemu (enum disk_format format)
{
  return format == DISK_FORMAT_QCOW2 || format == DISK_FORMAT_VHD ||
         format == DISK_FORMAT_VHDX || format == DISK_FORMAT_VDI;
}

/* Takes KIND, which is NULL when memory is short. */
static int
set_kind (struct ova_disk *d, char *kind)
{
  if (kind == NULL)
    log_oom ();
  d->kind = kind;
  return kind ? 0 : -1;
}

static bool
is_vmdk (enum disk_format format)
{
  return format == DISK_FORMAT_VMDK_SPARSE ||
         format == DISK_FORMAT_VMDK_DESCRIPTOR ||
         format == DISK_FORMAT_VMDK_COWD ||
         format == DISK_FORMAT_VMDK_SESPARSE;
}

static bool
ends_with (const char *s, const char *end)
{
  const size_t n = strlen (s), m = strlen (end);

  return n >= m && strcasecmp (s + n - m, end) == 0;
}

/* The format that the OVF claims for a disk that looks raw, or NULL.  The
 * URIs are free text in practice: a part of them decides.  A -flat.vmdk
 * really is raw, even where its URI says VMDK.
 */
static const char *
claimed_format (const struct ovf_disk *disk, const struct ovf_file *file)
{
  static const struct {
    const char *part, *name;
  } uris[] = {
    { "vmdk", "VMDK" }, { "qcow", "qcow2" }, { "vhdx", "VHDX" },
    { "vhd", "VHD" }, { "virtualhd", "VHD" }, { "vdi", "VDI" },
  };
  size_t i;

  if (ends_with (file->href, "-flat.vmdk"))
    return NULL;
  for (i = 0; disk->format && i < ARRAY_SIZE (uris); i++) {
    if (strcasestr (disk->format, uris[i].part))
      return uris[i].name;
  }
  if (disk->format == NULL && ends_with (file->href, ".vmdk"))
    return "VMDK";
  return NULL;
}

/* For vmdk_open: another file in the folder of the descriptor. */
struct extent_opener {
  const struct package *package;
  const char *href;             /* of the descriptor */
};

static struct blob *
open_extent (void *opaque, const char *name)
{
  const struct extent_opener *o = opaque;
  const char *slash = strrchr (o->href, '/');
  const size_t dir = slash ? (size_t) (slash - o->href) + 1 : 0;
  CLEANUP_STRBUF struct strbuf href = { 0 };
  const char *p;

  /* NAME is a plain file name, an href is percent-encoded. */
  if (strbuf_append_bytes (&href, o->href, dir) == -1)
    goto oom;
  for (p = name; *p; p++) {
    const int r = *p == '%' ? strbuf_append (&href, "%25")
                            : strbuf_append_char (&href, *p);
    if (r == -1)
      goto oom;
  }
  return package_open_reference (o->package, href.ptr, 0, 0, false);

 oom:
  log_oom ();
  return NULL;
}

/* A name that ends in .gz is as good as ovf:compression="gzip". */
static bool
is_gzip (const struct ovf_file *file)
{
  return file->gzip || ends_with (file->href, ".gz");
}

/* True if the image's bytes are those of one file of the package. */
static bool
is_plain (const struct ovf_file *file)
{
  return !is_gzip (file) && file->chunk_size == 0;
}

/* Keep an fd of the local file that holds the bytes of FILE, to ask it for
 * holes.  It is a help only: failing is fine.
 */
static void
open_for_holes (struct ova_disk *d, const struct ova_vm *vm,
                const struct ovf_file *file)
{
  const struct package *package = vm->package->package;
  const struct package_file *member;
  CLEANUP_FREE char *path = NULL;

  if (!is_plain (file))
    return;
  member = package_find (package, file->href);
  if (member == NULL)
    return;
  path = package_local_path (package, member);
  if (path == NULL)
    return;
  d->fd = open (path, O_RDONLY | O_CLOEXEC);
  d->fd_offset = member->offset;
}

static int
open_image (struct ova_disk *d, const struct ova_vm *vm,
            const struct ovf_disk *disk, const struct ovf_file *file)
{
  struct extent_opener opener = { vm->package->package, file->href };
  CLEANUP_BLOB struct blob *blob = NULL;
  const char *claimed;

  blob = package_open_reference (vm->package->package, file->href,
                                 file->chunk_size, file->size,
                                 is_gzip (file));
  if (blob == NULL || disk_format_probe (blob, &d->format) == -1)
    return -1;
  if (needs_qemu (d->format))
    return set_kind (d, strdup (disk_format_name (d->format)));
  if (is_vmdk (d->format)) {
    struct blob *given = blob;
    char *kind;

    blob = NULL;
    d->vmdk = vmdk_open (given, open_extent, &opener);
    if (d->vmdk == NULL)
      return -1;
    d->size = vmdk_size (d->vmdk);
    if (asprintf (&kind, "%s VMDK", vmdk_create_type (d->vmdk)) == -1)
      kind = NULL;
    return set_kind (d, kind);
  }
  if (d->format == DISK_FORMAT_GZIP) {
    log_error ("%s: the file is compressed with gzip, but the OVF "
               "(%s:%lu) does not say so: add ovf:compression=\"gzip\" to "
               "its File, or unpack it", printable (blob->name),
               vm->package->ovf->name, file->line);
    errno = EINVAL;
    return -1;
  }
  claimed = claimed_format (disk, file);
  if (claimed) {
    log_error ("%s: the OVF (%s:%lu) says that this is a %s image, but it "
               "does not begin like one: the file is damaged, or it is raw "
               "and the OVF's ovf:format must be removed",
               printable (blob->name), vm->package->ovf->name, disk->line,
               claimed);
    errno = EINVAL;
    return -1;
  }
  d->size = blob->size;
  if (d->size > INT64_MAX) {
    log_error ("%s: larger than 2^63-1 bytes", printable (blob->name));
    errno = EFBIG;
    return -1;
  }
  d->raw = blob;
  blob = NULL;
  open_for_holes (d, vm, file);
  return set_kind (d, strdup ("raw"));
}

struct ova_disk *
ova_disk_open (const struct ova_vm *vm, size_t i)
{
  CLEANUP_OVA_DISK struct ova_disk *d = calloc (1, sizeof *d);
  const struct ovf_disk *disk = ova_vm_disk (vm, i);
  const struct ovf_file *file = ova_vm_file (vm, i);
  struct ova_disk *ret;

  if (d == NULL) {
    log_oom ();
    return NULL;
  }
  d->fd = -1;
  if (file == NULL) {
    d->size = disk->capacity;
    if (set_kind (d, strdup ("empty disk")) == -1)
      return NULL;
  }
  else if (open_image (d, vm, disk, file) == -1)
    return NULL;

  if (!needs_qemu (d->format) && disk->capacity != 0 &&
      disk->capacity != d->size)
    log_warning ("%s:%lu: disk '%s' is said to have %" PRIu64 " bytes, but "
                 "its image '%s' has %" PRIu64 ": the image is right",
                 vm->package->ovf->name, disk->line, printable (disk->id),
                 disk->capacity, printable (file ? file->href : disk->id),
                 d->size);
  ret = d;
  d = NULL;
  return ret;
}

void
ova_disk_close (struct ova_disk *d)
{
  if (d == NULL)
    return;
  if (d->vmdk)
    vmdk_close (d->vmdk);
  blob_close (d->raw);
  if (d->fd >= 0)
    close (d->fd);
  free (d->kind);
  free (d);
}

uint64_t
ova_disk_size (const struct ova_disk *d)
{
  return d->size;
}

const char *
ova_disk_format (const struct ova_disk *d)
{
  return disk_format_name (d->format);
}

const char *
ova_disk_kind (const struct ova_disk *d)
{
  return d->kind;
}

bool
ova_disk_needs_qemu (const struct ova_disk *d)
{
  return needs_qemu (d->format);
}

int
ova_disk_pread (struct ova_disk *d, void *buf, size_t count, uint64_t offset)
{
  if (d->vmdk)
    return vmdk_pread (d->vmdk, buf, count, offset);
  if (d->raw)
    return blob_pread (d->raw, buf, count, offset);
  memset (buf, 0, count);
  return 0;
}

/* Holes of a raw image in a local file.  Where the file system cannot
 * tell, the rest is data.
 */
static int
raw_extents (struct ova_disk *d, uint64_t count, uint64_t offset, bool one,
             int (*fn) (void *opaque, uint64_t offset, uint64_t length,
                        uint32_t type), void *opaque)
{
  const uint64_t base = d->fd_offset, end = offset + count;

  while (offset < end) {
    off_t data = lseek (d->fd, (off_t) (base + offset), SEEK_DATA);
    off_t hole;
    uint64_t next = end;
    uint32_t type = EXTENT_DATA;

    if (data == -1 && errno == ENXIO)
      type = EXTENT_HOLE | EXTENT_ZERO;         /* to the end of the file */
    else if (data != -1 && (uint64_t) data > base + offset) {
      type = EXTENT_HOLE | EXTENT_ZERO;
      next = MIN ((uint64_t) data - base, end);
    }
    else if (data != -1) {
      hole = lseek (d->fd, (off_t) (base + offset), SEEK_HOLE);
      if (hole != -1 && (uint64_t) hole > base + offset)
        next = MIN ((uint64_t) hole - base, end);
    }
    if (fn (opaque, offset, next - offset, type) == -1)
      return -1;
    if (one)
      return 0;
    offset = next;
  }
  return 0;
}

int
ova_disk_extents (struct ova_disk *d, uint64_t count, uint64_t offset,
                  bool one,
                  int (*fn) (void *opaque, uint64_t offset, uint64_t length,
                             uint32_t type), void *opaque)
{
  if (d->vmdk)
    return vmdk_extents (d->vmdk, count, offset, one, fn, opaque);
  if (d->raw && d->fd >= 0)
    return raw_extents (d, count, offset, one, fn, opaque);
  return fn (opaque, offset, count,
             d->raw ? EXTENT_DATA : EXTENT_HOLE | EXTENT_ZERO);
}

/* A qcow2 header can name other files and so make qemu read anything on
 * this host.  Fields: qcow2 specification, "Header".
 */
static int
check_qcow2 (const struct package *package, const struct package_file *file)
{
  CLEANUP_BLOB struct blob *blob = package_open_file (package, file);
  uint64_t backing, incompatible = 0;
  uint32_t version, crypt;
  uint8_t h[80];
  const char *why = NULL;

  if (blob == NULL || blob_pread (blob, h, sizeof h, 0) == -1)
    return -1;
  memcpy (&version, h + 4, 4);
  memcpy (&backing, h + 8, 8);
  memcpy (&crypt, h + 32, 4);
  if (be32toh (version) >= 3) {
    memcpy (&incompatible, h + 72, 8);
    incompatible = be64toh (incompatible);
  }
  if (backing != 0)
    why = "it needs a backing file";
  else if (crypt != 0)
    why = "it is encrypted";
  else if (incompatible & 4)
    why = "its data is in another file";
  if (why == NULL)
    return 0;
  log_error ("%s: this qcow2 image is refused: %s; convert it to one that "
             "stands alone with 'qemu-img convert'", printable (blob->name),
             why);
  errno = EINVAL;
  return -1;
}

char *
ova_qemu_image (const struct ova_vm *vm, size_t i, const char *format)
{
  const struct package *package = vm->package->package;
  const struct ovf_file *file = ova_vm_file (vm, i);
  CLEANUP_STRBUF struct strbuf name = { 0 };
  CLEANUP_FREE char *path = NULL, *dump = NULL;
  CLEANUP_JSON json_t *json = NULL;
  const struct package_file *member;
  uint64_t size;

  if (!is_plain (file)) {
    log_error ("%s: '%s' is a %s image that is %s: unpack the package and "
               "convert this disk with qemu-img first",
               printable (package->path), printable (file->href), format,
               file->chunk_size ? "split into chunks" : "compressed");
    errno = ENOTSUP;
    return NULL;
  }
  member = package_find (package, file->href);
  if (member == NULL)
    return NULL;
  path = package_local_path (package, member);
  if (path == NULL) {
    log_error ("%s: '%s' is a %s image, which only qemu-nbd reads, and "
               "that cannot read it over NFS: mount the export, or copy "
               "the package to a local disk", printable (package->path),
               printable (file->href), format);
    errno = ENOTSUP;
    return NULL;
  }
  if (strcmp (format, "qcow2") == 0 && check_qcow2 (package, member) == -1)
    return NULL;

  /* qemu's raw driver wants whole sectors; a tar member is padded to
   * them, and a loose file may be extended by zeroes there.
   */
  if (package->is_tar) {
    if (!checked_round_up (member->size, SECTOR_SIZE, &size))
      size = member->size;
    json = json_pack ("{s:{s:s, s:I, s:I, s:{s:s, s:s}}}",
                      "file", "driver", "raw",
                      "offset", (json_int_t) member->offset,
                      "size", (json_int_t) size,
                      "file", "driver", "file", "filename", path);
  }
  else
    json = json_pack ("{s:{s:s, s:s}}",
                      "file", "driver", "file", "filename", path);
  if (json == NULL) {
    log_error ("%s: the path is not UTF-8, which qemu needs",
               printable (path));
    errno = EINVAL;
    return NULL;
  }
  if (strcmp (format, "qcow2") == 0 &&
      json_set (json, "backing", json_null ()) == -1)
    return NULL;
  dump = json_dumps (json, JSON_COMPACT);
  if (dump == NULL || strbuf_printf (&name, "json:%s", dump) == -1) {
    log_oom ();
    return NULL;
  }
  return strbuf_steal (&name);
}
