/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Opening a chain.  Each descriptor says whether there is a parent, and
 * which CID the parent had when the snapshot was taken: if the parent was
 * written to since, or is another file, the CIDs differ, and what the
 * chain would show are bytes that never were a disk.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/include/checked.h"
#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "common/vmdk/chain_private.h"

/* vSphere stops at 32 snapshots; some backup programs do not. */
#define MAX_LINKS 256

void
vmdk_chain_close (struct vmdk_chain *chain)
{
  size_t i, j;

  if (chain == NULL)
    return;
  for (i = 0; i < chain->links.len; ++i) {
    chain_part_vector *parts = &chain->links.ptr[i].parts;

    for (j = 0; j < parts->len; ++j) {
      vmdk_delta_close (parts->ptr[j].delta);
      blob_close (parts->ptr[j].blob);
    }
    chain_part_vector_reset (parts);
  }
  chain_link_vector_reset (&chain->links);
  chain_piece_vector_reset (&chain->map);
  free (chain->kind);
  free (chain);
}

/* A name can say that the data are where no file is. */
static int
check_place (const struct blob *blob, const char *name)
{
  const char *colon = strstr (name, "://");

  if (colon == NULL)
    return vmdk_check_name (blob, name);
  log_error ("%s: the data of this disk are in \"%s\": on %.*s there is no "
             "file that holds them, so they cannot be read over HTTP; use "
             "the export of the VM (HttpNfcLease) or the VDDK transport",
             printable (blob->name), printable (name),
             (int) MIN (colon - name, 16), name);
  errno = ENOTSUP;
  return -1;
}

static int
check_type (const struct blob *blob, const struct vmdk_descriptor *d)
{
  if (d->create_type &&
      strcasecmp (d->create_type, "vmfsPassthroughRawDeviceMap") == 0) {
    log_error ("%s: this is a raw device mapping in physical mode, whose "
               "data are not in a file; convert it to a virtual disk, or "
               "copy it with the tools of the storage",
               printable (blob->name));
    errno = ENOTSUP;
    return -1;
  }
  return 0;
}

/* PART has its place on the disk; open its file. */
static int
open_part (struct chain_part *part, const struct vmdk_descriptor_part *d,
           const struct vmdk_chain_files *files, size_t link)
{
  struct blob *blob;
  const char *name;
  uint64_t have;

  blob = files->open_extent (files->opaque, link, d->name);
  if (blob == NULL)
    return -1;
  if (part->type == VMDK_PART_FLAT) {
    part->blob = blob;
    name = blob->name;
    have = blob->size;
    if (!checked_mul (d->offset, SECTOR_SIZE, &part->offset) ||
        part->offset > have)
      part->offset = have;
    have -= part->offset;
  }
  else {
    part->delta = vmdk_delta_open (blob, part->type);
    if (part->delta == NULL)
      return -1;
    name = part->delta->blob->name;
    have = part->delta->capacity;
  }
  if (have < part->size) {
    log_error ("%s: the descriptor says that this extent has %" PRIu64
               " bytes, but there are only %" PRIu64, printable (name),
               part->size, have);
    errno = EINVAL;
    return -1;
  }
  return 0;
}

/* Open the extents that D, the descriptor BLOB of the last link, names;
 * *SIZE is what they make up.
 */
static int
open_parts (struct vmdk_chain *chain, const struct blob *blob,
            const struct vmdk_descriptor *d,
            const struct vmdk_chain_files *files, uint64_t *size)
{
  const size_t link = chain->links.len - 1;
  chain_part_vector *parts = &chain->links.ptr[link].parts;
  struct chain_part part;
  size_t i;

  *size = 0;
  for (i = 0; i < d->parts.len; ++i) {
    const struct vmdk_descriptor_part *extent = &d->parts.ptr[i];

    if (extent->type == VMDK_PART_SPARSE) {
      log_error ("%s: the extent \"%s\" is of a kind that ESXi cannot run "
                 "(SPARSE); convert the disk with \"vmkfstools -i\"",
                 printable (blob->name), printable (extent->name));
      errno = ENOTSUP;
      return -1;
    }
    if (extent->name && check_place (blob, extent->name) == -1)
      return -1;
    memset (&part, 0, sizeof part);
    part.type = extent->type;
    part.start = *size;
    if (!checked_mul (extent->sectors, SECTOR_SIZE, &part.size) ||
        !checked_add (*size, part.size, size) || *size > VMDK_MAX_SIZE) {
      log_error ("%s: the extents in the VMDK descriptor make up an "
                 "impossibly large disk; the file is damaged",
                 printable (blob->name));
      errno = EINVAL;
      return -1;
    }
    if (chain_part_vector_append (parts, part) == -1) {
      log_oom ();
      return -1;
    }
    if (extent->name &&
        open_part (&parts->ptr[i], extent, files, link) == -1)
      return -1;
  }
  return 0;
}

static int
check_fit (struct vmdk_chain *chain, const struct blob *blob,
           const struct vmdk_descriptor *d, const char *want_cid,
           uint64_t size)
{
  if (d->parts.len == 0) {
    log_error ("%s: the VMDK descriptor names no extents",
               printable (blob->name));
    errno = EINVAL;
    return -1;
  }
  if (want_cid && (d->cid == NULL || strcasecmp (d->cid, want_cid) != 0)) {
    log_error ("%s: the snapshot above it was taken when the content ID "
               "(CID) of this disk was %s, but it is %s: it was changed "
               "since, or it is another disk; repair the snapshots of the "
               "VM first", printable (blob->name), printable (want_cid),
               d->cid ? printable (d->cid) : "not given");
    errno = EINVAL;
    return -1;
  }
  if (d->parent_hint && d->parent_cid == NULL) {
    log_error ("%s: the VMDK descriptor names the parent \"%s\", but not "
               "its content ID (parentCID)", printable (blob->name),
               printable (d->parent_hint));
    errno = EINVAL;
    return -1;
  }
  if (chain->links.len == 1)
    chain->size = size;
  else if (size != chain->size) {
    log_error ("%s: this disk has %" PRIu64 " bytes, the snapshot above it "
               "%" PRIu64, printable (blob->name), size, chain->size);
    errno = EINVAL;
    return -1;
  }
  return 0;
}

/* Open the next link; *CID is the CID that it must have, or NULL, and then
 * that of its parent, malloc'ed, NULL at the base.
 */
static int
open_link (struct vmdk_chain *chain, const struct vmdk_chain_files *files,
           char **cid)
{
  const size_t link = chain->links.len;
  CLEANUP_VMDK_DESCRIPTOR struct vmdk_descriptor d = { .create_type = NULL };
  CLEANUP_BLOB struct blob *blob = files->open_descriptor (files->opaque,
                                                           link);
  enum disk_format format;
  uint64_t size;

  if (blob == NULL || disk_format_probe (blob, &format) == -1)
    return -1;
  if (format != DISK_FORMAT_VMDK_DESCRIPTOR) {
    log_error ("%s: this is not a VMDK descriptor, a text file that begins "
               "with \"# Disk DescriptorFile\"", printable (blob->name));
    errno = EINVAL;
    return -1;
  }
  if (vmdk_descriptor_read (blob, 0, blob->size, true, &d) == -1 ||
      check_type (blob, &d) == -1)
    return -1;
  if (chain_link_vector_append (&chain->links,
                                (struct chain_link) { 0 }) == -1) {
    log_oom ();
    return -1;
  }
  if (open_parts (chain, blob, &d, files, &size) == -1 ||
      check_fit (chain, blob, &d, *cid, size) == -1)
    return -1;
  free (*cid);
  *cid = d.parent_cid;
  d.parent_cid = NULL;
  if (*cid == NULL)
    return 0;
  if (link + 1 == MAX_LINKS) {
    log_error ("%s: the chain of snapshots has more than %d links, or it is "
               "a circle", printable (blob->name), MAX_LINKS);
    errno = ENOTSUP;
    return -1;
  }
  return files->find_parent (files->opaque, link, d.parent_hint);
}

/* The words for people, once all is open. */
static int
describe (struct vmdk_chain *chain)
{
  const size_t snapshots = chain->links.len - 1;
  const struct chain_part *top = &chain->links.ptr[0].parts.ptr[0];
  const chain_part_vector *base = &chain->links.ptr[snapshots].parts;
  const char *kind = base->ptr[0].delta ? base->ptr[0].delta->kind : "VMFS";
  int r;

  if (snapshots == 0)
    r = asprintf (&chain->kind, "%s", kind);
  else
    r = asprintf (&chain->kind, "%s, %zu snapshot%s (%s)", kind, snapshots,
                  snapshots == 1 ? "" : "s",
                  top->delta ? top->delta->kind : "VMFS");
  if (r == -1) {
    chain->kind = NULL;
    log_oom ();
    return -1;
  }
  return 0;
}

struct vmdk_chain *
vmdk_chain_open (const struct vmdk_chain_files *files)
{
  CLEANUP_VMDK_CHAIN struct vmdk_chain *chain = calloc (1, sizeof *chain);
  CLEANUP_FREE char *cid = NULL;
  struct vmdk_chain *ret;

  if (chain == NULL) {
    log_oom ();
    return NULL;
  }
  do {
    if (open_link (chain, files, &cid) == -1)
      return NULL;
  } while (cid);
  if (describe (chain) == -1)
    return NULL;
  ret = chain;
  chain = NULL;
  return ret;
}

uint64_t
vmdk_chain_size (const struct vmdk_chain *chain)
{
  return chain->size;
}

size_t
vmdk_chain_links (const struct vmdk_chain *chain)
{
  return chain->links.len;
}

const char *
vmdk_chain_kind (const struct vmdk_chain *chain)
{
  return chain->kind;
}
