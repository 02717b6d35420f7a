/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A disk: a row of parts, each with its place on the disk.
 *
 * A sparse file that stands alone is a disk of one part.  A descriptor
 * in a file of its own names the files of the parts, which the caller
 * opens by name.  Reads and extents are cut at the borders of the parts
 * and passed on.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/extents/extents.h"
#include "common/include/checked.h"
#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "common/vmdk/vmdk_private.h"

struct part {
  enum vmdk_part_type type;
  uint64_t start, size;         /* bytes of the disk */
  struct vmdk_sparse *sparse;   /* SPARSE */
  struct blob *blob;            /* FLAT */
  uint64_t offset;              /* FLAT: bytes in blob */
};

struct vmdk {
  uint64_t size;
  char *create_type;
  struct vmdk_cache cache;
  struct part *parts;
  size_t nr_parts;
};

static struct vmdk *
new_vmdk (size_t nr_parts)
{
  struct vmdk *vmdk = calloc (1, sizeof *vmdk);

  if (vmdk == NULL) {
    log_oom ();
    return NULL;
  }
  vmdk->parts = calloc (nr_parts, sizeof *vmdk->parts);
  if (vmdk->parts == NULL) {
    free (vmdk);
    log_oom ();
    return NULL;
  }
  vmdk_cache_init (&vmdk->cache);
  return vmdk;
}

void
vmdk_close (struct vmdk *vmdk)
{
  size_t i;

  if (vmdk == NULL)
    return;
  for (i = 0; i < vmdk->nr_parts; ++i) {
    vmdk_sparse_close (vmdk->parts[i].sparse);
    blob_close (vmdk->parts[i].blob);
  }
  free (vmdk->parts);
  vmdk_cache_destroy (&vmdk->cache);
  free (vmdk->create_type);
  free (vmdk);
}

static void
cleanup_vmdk (struct vmdk **vmdk)
{
  const int err = errno;

  vmdk_close (*vmdk);
  errno = err;
}
#define CLEANUP_VMDK __attribute__ ((cleanup (cleanup_vmdk)))

/* Take over the type that the descriptor gives, or FALLBACK. */
static int
set_create_type (struct vmdk *vmdk, struct vmdk_descriptor *d,
                 const char *fallback)
{
  vmdk->create_type = d->create_type ? d->create_type : strdup (fallback);
  d->create_type = NULL;
  if (vmdk->create_type == NULL) {
    log_oom ();
    return -1;
  }
  return 0;
}

/* The descriptor inside of the sparse file S, if there is one. */
static int
read_embedded (const struct vmdk_sparse *s, struct vmdk_descriptor *d)
{
  const struct vmdk_header *h = &s->header;
  uint64_t offset, size;

  if (h->descriptor_offset == 0 || h->descriptor_sectors == 0) {
    log_warning ("%s: the VMDK has no descriptor; if it is one file of "
                 "several, open the descriptor (a small text file) instead",
                 printable (s->blob->name));
    return 0;
  }
  if (!checked_mul (h->descriptor_offset, SECTOR_SIZE, &offset) ||
      !checked_mul (h->descriptor_sectors, SECTOR_SIZE, &size) ||
      !range_inside (offset, size, s->blob->size)) {
    log_error ("%s: the VMDK descriptor of %" PRIu64 " sectors at sector "
               "%" PRIu64 " ends past the end of the file; the file is "
               "damaged or incomplete: copy it again",
               printable (s->blob->name), h->descriptor_sectors,
               h->descriptor_offset);
    errno = EINVAL;
    return -1;
  }
  return vmdk_descriptor_read (s->blob, offset, size, false, d);
}

/* The true size of the disk in the sparse file S.  VirtualBox rounds the
 * capacity in the header up to a grain; the descriptor has the true one.
 */
static int
single_size (const struct vmdk_sparse *s, const struct vmdk_descriptor *d,
             uint64_t *size)
{
  uint64_t nominal;

  *size = s->capacity;
  if (d->parts.len == 0)
    return 0;
  if (d->parts.len > 1 || d->parts.ptr[0].type != VMDK_PART_SPARSE) {
    log_error ("%s: the descriptor inside of the VMDK names other files as "
               "well; export the VM as an OVA instead",
               printable (s->blob->name));
    errno = ENOTSUP;
    return -1;
  }
  if (!checked_mul (d->parts.ptr[0].sectors, SECTOR_SIZE, &nominal) ||
      nominal > s->capacity || s->capacity - nominal >= s->grain_size)
    log_warning ("%s: the VMDK descriptor says that the disk has %" PRIu64
                 " sectors, the header %" PRIu64 "; taking the header's",
                 printable (s->blob->name), d->parts.ptr[0].sectors,
                 s->header.capacity);
  else
    *size = nominal;
  return 0;
}

static struct vmdk *
open_single (struct blob *blob)
{
  CLEANUP_VMDK_DESCRIPTOR struct vmdk_descriptor d = { .create_type = NULL };
  CLEANUP_VMDK struct vmdk *vmdk = new_vmdk (1);
  struct vmdk *r;
  struct part *part;

  if (vmdk == NULL) {
    blob_close (blob);
    return NULL;
  }
  vmdk->nr_parts = 1;
  part = &vmdk->parts[0];
  part->type = VMDK_PART_SPARSE;
  part->sparse = vmdk_sparse_open (blob, &vmdk->cache);
  if (part->sparse == NULL ||
      read_embedded (part->sparse, &d) == -1 ||
      single_size (part->sparse, &d, &part->size) == -1 ||
      set_create_type (vmdk, &d, part->sparse->compressed ?
                       "streamOptimized" : "monolithicSparse") == -1)
    return NULL;
  vmdk->size = part->size;
  r = vmdk;
  vmdk = NULL;
  return r;
}

/* The file of a part must hold all of it. */
static int
open_part (struct part *part, const struct vmdk_descriptor_part *d,
           struct vmdk_cache *cache, vmdk_open_extent open_extent,
           void *opaque)
{
  struct blob *blob;
  const char *name;
  uint64_t have;

  if (d->type == VMDK_PART_ZERO)
    return 0;
  blob = open_extent (opaque, d->name);
  if (blob == NULL)
    return -1;
  if (d->type == VMDK_PART_SPARSE) {
    part->sparse = vmdk_sparse_open (blob, cache);
    if (part->sparse == NULL)
      return -1;
    name = part->sparse->blob->name;
    have = part->sparse->capacity;
  }
  else {
    part->blob = blob;
    name = blob->name;
    have = blob->size;
    if (!checked_mul (d->offset, SECTOR_SIZE, &part->offset) ||
        part->offset > have)
      part->offset = have;
    have -= part->offset;
  }
  if (have < part->size) {
    log_error ("%s: the descriptor says that this extent has %" PRIu64
               " bytes, but there are only %" PRIu64 "; the file is "
               "incomplete: copy it again", printable (name), part->size,
               have);
    errno = EINVAL;
    return -1;
  }
  return 0;
}

int
vmdk_check_name (const struct blob *blob, const char *name)
{
  if (name[0] != '\0' && strchr (name, '/') == NULL &&
      strcmp (name, ".") != 0 && strcmp (name, "..") != 0)
    return 0;
  log_error ("%s: the VMDK descriptor names the extent \"%s\", which is not "
             "a plain file name; put that file next to the descriptor and "
             "correct the name", printable (blob->name), printable (name));
  errno = EINVAL;
  return -1;
}

static int
compare_names (const void *a, const void *b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

/* The first name that two sparse extents have, or NULL.  NAMES has room
 * for all.
 */
static const char *
find_twin (const struct vmdk_descriptor *d, const char **names)
{
  size_t i, n = 0;

  for (i = 0; i < d->parts.len; ++i) {
    if (d->parts.ptr[i].type == VMDK_PART_SPARSE)
      names[n++] = d->parts.ptr[i].name;
  }
  qsort (names, n, sizeof *names, compare_names);
  for (i = 1; i < n; ++i) {
    if (strcmp (names[i - 1], names[i]) == 0)
      return names[i];
  }
  return NULL;
}

/* A flat file can hold several extents, at their offsets, but a sparse
 * one is one extent.
 */
static int
check_names (const struct blob *blob, const struct vmdk_descriptor *d)
{
  const char **names;
  const char *twin;
  size_t i;

  for (i = 0; i < d->parts.len; ++i) {
    if (d->parts.ptr[i].type != VMDK_PART_ZERO &&
        vmdk_check_name (blob, d->parts.ptr[i].name) == -1)
      return -1;
  }
  names = calloc (d->parts.len, sizeof *names);
  if (names == NULL) {
    log_oom ();
    return -1;
  }
  twin = find_twin (d, names);
  free (names);
  if (twin) {
    log_error ("%s: the VMDK descriptor names the sparse extent \"%s\" "
               "twice; correct the descriptor or export the VM again",
               printable (blob->name), printable (twin));
    errno = EINVAL;
    return -1;
  }
  return 0;
}

static struct vmdk *
open_parts (const struct blob *blob, struct vmdk_descriptor *d,
            vmdk_open_extent open_extent, void *opaque)
{
  CLEANUP_VMDK struct vmdk *vmdk = new_vmdk (d->parts.len);
  struct vmdk *r;
  struct part *part;
  size_t i;

  if (vmdk == NULL || check_names (blob, d) == -1)
    return NULL;
  for (i = 0; i < d->parts.len; ++i) {
    part = &vmdk->parts[i];
    part->type = d->parts.ptr[i].type;
    part->start = vmdk->size;
    if (!checked_mul (d->parts.ptr[i].sectors, SECTOR_SIZE, &part->size) ||
        !checked_add (vmdk->size, part->size, &vmdk->size) ||
        vmdk->size > VMDK_MAX_SIZE) {
      log_error ("%s: the extents in the VMDK descriptor make up an "
                 "impossibly large disk; the file is damaged: copy it again",
                 printable (blob->name));
      errno = EINVAL;
      return NULL;
    }
    vmdk->nr_parts++;
    if (open_part (part, &d->parts.ptr[i], &vmdk->cache, open_extent,
                   opaque) == -1)
      return NULL;
  }
  if (set_create_type (vmdk, d, "custom") == -1)
    return NULL;
  r = vmdk;
  vmdk = NULL;
  return r;
}

/* BLOB stays the caller's. */
static struct vmdk *
open_described (struct blob *blob, vmdk_open_extent open_extent,
                void *opaque)
{
  CLEANUP_VMDK_DESCRIPTOR struct vmdk_descriptor d = { .create_type = NULL };

  if (vmdk_descriptor_read (blob, 0, blob->size, false, &d) == -1)
    return NULL;
  if (d.parts.len == 0) {
    log_error ("%s: the VMDK descriptor names no extents; export the VM "
               "again", printable (blob->name));
    errno = EINVAL;
    return NULL;
  }
  if (open_extent == NULL) {
    log_error ("%s: this is only the descriptor of a disk whose data are in "
               "other files; use the folder that holds all of them, or "
               "export the VM as an OVA", printable (blob->name));
    errno = ENOTSUP;
    return NULL;
  }
  return open_parts (blob, &d, open_extent, opaque);
}

static struct vmdk *
refuse_format (const struct blob *blob, enum disk_format format)
{
  if (format == DISK_FORMAT_VMDK_COWD || format == DISK_FORMAT_VMDK_SESPARSE) {
    log_error ("%s: this is an ESXi snapshot (delta) disk (%s); consolidate "
               "the snapshots of the VM and export it again",
               printable (blob->name),
               format == DISK_FORMAT_VMDK_COWD ? "COWD" : "SEsparse");
    errno = ENOTSUP;
  }
  else {
    log_error ("%s: this is not a VMDK (it looks like %s); the file is "
               "damaged, or it is named wrongly", printable (blob->name),
               disk_format_name (format));
    errno = EINVAL;
  }
  return NULL;
}

struct vmdk *
vmdk_open (struct blob *blob, vmdk_open_extent open_extent, void *opaque)
{
  struct vmdk *vmdk = NULL;
  enum disk_format format;
  int err;

  if (disk_format_probe (blob, &format) == 0) {
    if (format == DISK_FORMAT_VMDK_SPARSE)
      return open_single (blob);
    else if (format == DISK_FORMAT_VMDK_DESCRIPTOR)
      vmdk = open_described (blob, open_extent, opaque);
    else
      vmdk = refuse_format (blob, format);
  }
  err = errno;
  blob_close (blob);
  errno = err;
  return vmdk;
}

uint64_t
vmdk_size (const struct vmdk *vmdk)
{
  return vmdk->size;
}

const char *
vmdk_create_type (const struct vmdk *vmdk)
{
  return vmdk->create_type;
}

/* The part that holds OFFSET, which is inside of the disk. */
static struct part *
find_part (struct vmdk *vmdk, uint64_t offset)
{
  size_t low = 0, high = vmdk->nr_parts, middle;

  while (high - low > 1) {
    middle = low + (high - low) / 2;
    if (vmdk->parts[middle].start <= offset)
      low = middle;
    else
      high = middle;
  }
  return &vmdk->parts[low];
}

static int
check_range (uint64_t count, uint64_t offset, const struct vmdk *vmdk)
{
  if (range_inside (offset, count, vmdk->size))
    return 0;
  log_error ("%" PRIu64 " bytes at offset %" PRIu64 " are outside of the "
             "disk of %" PRIu64 " bytes", count, offset, vmdk->size);
  errno = EINVAL;
  return -1;
}

static int
read_part (struct part *part, void *buf, uint64_t count, uint64_t offset)
{
  switch (part->type) {
  case VMDK_PART_SPARSE:
    return vmdk_sparse_pread (part->sparse, buf, count, offset);
  case VMDK_PART_FLAT:
    return blob_pread (part->blob, buf, count, part->offset + offset);
  case VMDK_PART_ZERO:
    memset (buf, 0, count);
    return 0;
  case VMDK_PART_COWD:
  case VMDK_PART_SESPARSE:
    break;
  }
  abort ();
}

int
vmdk_pread (struct vmdk *vmdk, void *buf, size_t count, uint64_t offset)
{
  unsigned char *p = buf;
  struct part *part;
  uint64_t n;

  if (check_range (count, offset, vmdk) == -1)
    return -1;
  while (count > 0) {
    part = find_part (vmdk, offset);
    n = MIN ((uint64_t) count, part->start + part->size - offset);
    if (read_part (part, p, n, offset - part->start) == -1)
      return -1;
    p += n;
    count -= n;
    offset += n;
  }
  return 0;
}

/* Joins runs of one type into pieces. */
struct merge {
  uint64_t base;                /* of the part that is being walked */
  uint64_t offset, length;      /* the piece so far */
  uint32_t type;
  bool one;
  int (*fn) (void *opaque, uint64_t offset, uint64_t length, uint32_t type);
  void *opaque;
};

/* 1: no more is wanted. */
static int
merge_run (void *opaque, uint64_t offset, uint64_t length, uint32_t type)
{
  struct merge *m = opaque;

  if (m->length > 0 && m->type == type) {
    m->length += length;
    return 0;
  }
  if (m->length > 0) {
    if (m->fn (m->opaque, m->offset, m->length, m->type) == -1)
      return -1;
    if (m->one) {
      m->length = 0;
      return 1;
    }
  }
  m->offset = m->base + offset;
  m->length = length;
  m->type = type;
  return 0;
}

static int
walk_part (struct part *part, uint64_t count, uint64_t offset,
           struct merge *m)
{
  switch (part->type) {
  case VMDK_PART_SPARSE:
    return vmdk_sparse_runs (part->sparse, count, offset, merge_run, m);
  case VMDK_PART_FLAT:
    return merge_run (m, offset, count, EXTENT_DATA);
  case VMDK_PART_ZERO:
    return merge_run (m, offset, count, EXTENT_HOLE | EXTENT_ZERO);
  case VMDK_PART_COWD:
  case VMDK_PART_SESPARSE:
    break;
  }
  abort ();
}

int
vmdk_extents (struct vmdk *vmdk, uint64_t count, uint64_t offset, bool one,
              int (*fn) (void *opaque, uint64_t offset, uint64_t length,
                         uint32_t type),
              void *opaque)
{
  struct merge m = { .one = one, .fn = fn, .opaque = opaque };
  struct part *part;
  uint64_t n;
  int r;

  if (check_range (count, offset, vmdk) == -1)
    return -1;
  while (count > 0) {
    part = find_part (vmdk, offset);
    n = MIN (count, part->start + part->size - offset);
    m.base = part->start;
    r = walk_part (part, n, offset - part->start, &m);
    if (r != 0)
      return r == 1 ? 0 : -1;
    count -= n;
    offset += n;
  }
  return m.length > 0 ? fn (opaque, m.offset, m.length, m.type) : 0;
}

static int
add_data (void *opaque, uint64_t offset, uint64_t length, uint32_t type)
{
  uint64_t *bytes = opaque;

  if (type == EXTENT_DATA)
    *bytes += length;
  return 0;
}

int
vmdk_allocated (struct vmdk *vmdk, uint64_t *bytes)
{
  uint64_t n = 0;

  if (vmdk_extents (vmdk, vmdk->size, 0, false, add_data, &n) == -1)
    return -1;
  *bytes = n;
  return 0;
}
