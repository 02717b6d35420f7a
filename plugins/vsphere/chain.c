/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The files of a virtual disk.
 *
 * The API lists the descriptors from the top to the base.  It is believed
 * rather than the descriptors' own hints, which can hold paths of the host
 * (/vmfs/volumes/UUID/...); the CIDs tell whether the links belong
 * together (common/vmdk/chain.c).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "plugins/vsphere/chain.h"

struct files {
  struct folder *folder;
  string_vector links;          /* "[ds] dir/x.vmdk" */
};

static const char *
last_part (const char *path)
{
  const char *slash = strrchr (path, '/'), *blank;

  if (slash)
    return slash + 1;
  /* "[ds] x.vmdk" */
  blank = path[0] == '[' ? strstr (path, "] ") : NULL;
  return blank ? blank + 2 : path;
}

/* NAME beside the file LINK, malloc'ed; NULL reported. */
static char *
beside (const char *link, const char *name)
{
  char *ret;

  if (asprintf (&ret, "%.*s%s", (int) (last_part (link) - link), link,
                name) == -1) {
    log_oom ();
    return NULL;
  }
  return ret;
}

static struct blob *
open_descriptor (void *opaque, size_t link)
{
  struct files *files = opaque;

  return folder_open (files->folder, files->links.ptr[link]);
}

static struct blob *
open_extent (void *opaque, size_t link, const char *name)
{
  struct files *files = opaque;
  CLEANUP_FREE char *path = beside (files->links.ptr[link], name);

  return path ? folder_open (files->folder, path) : NULL;
}

static int
find_parent (void *opaque, size_t link, const char *hint)
{
  struct files *files = opaque;
  const char *child = files->links.ptr[link];
  char *path;

  if (link + 1 < files->links.len) {
    const char *parent = files->links.ptr[link + 1];

    if (hint && strcmp (last_part (hint), last_part (parent)) != 0)
      log_warning ("%s: its descriptor says that its parent is \"%s\", the "
                   "server says %s; taking that", printable (child),
                   printable (hint), printable (parent));
    return 0;
  }
  if (hint == NULL || strchr (hint, '/') || hint[0] == '[') {
    log_error ("%s: this is a snapshot, but the server does not list its "
               "parent%s%s%s, which is not beside it; consolidate the "
               "snapshots of the VM", printable (child), hint ? " \"" : "",
               hint ? printable (hint) : "", hint ? "\"" : "");
    errno = ENOTSUP;
    return -1;
  }
  path = beside (child, hint);
  if (path == NULL)
    return -1;
  if (string_vector_append (&files->links, path) == -1) {
    free (path);
    log_oom ();
    return -1;
  }
  return 0;
}

struct vmdk_chain *
vsphere_chain_open (struct folder *folder, char *const *links, size_t n)
{
  struct files files = { .folder = folder };
  const struct vmdk_chain_files ops = {
    .open_descriptor = open_descriptor, .open_extent = open_extent,
    .find_parent = find_parent, .opaque = &files,
  };
  struct vmdk_chain *chain = NULL;
  size_t i;
  int err;

  for (i = 0; i < n; i++) {
    if (string_vector_append_dup (&files.links, links[i]) == -1)
      break;
  }
  if (i < n)
    log_oom ();
  else
    chain = vmdk_chain_open (&ops);
  if (chain && vmdk_chain_links (chain) < n)
    log_warning ("%s: the server says that it has %zu links, its "
                 "descriptors that it has %zu; taking these",
                 printable (links[0]), n, vmdk_chain_links (chain));
  err = errno;
  string_vector_free (&files.links);
  errno = err;
  return chain;
}
