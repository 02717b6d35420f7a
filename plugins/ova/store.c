/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which store a path of the user means, and what all stores share.
 *
 * "SERVER:/PATH" is also a legal name of a local file, so whatever exists
 * here wins; a path that starts with '/' or '.' is never a server.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "plugins/ova/store.h"

bool
store_is_same (const struct store_stat *a, const struct store_stat *b)
{
  return a->size == b->size && a->mtime == b->mtime &&
    a->mtime_nsec == b->mtime_nsec;
}

int
store_changed (const char *name, const struct store_stat *before,
               const struct store_stat *now)
{
  log_error ("%s: changed since it was first looked at (%" PRIu64 " bytes "
             "then, %" PRIu64 " now): start again when nothing writes to it "
             "any more", printable (name), before->size, now->size);
  errno = EIO;
  return -1;
}

void
store_entries_free (store_entry_vector *entries)
{
  size_t i;

  for (i = 0; i < entries->len; ++i)
    free (entries->ptr[i].name);
  store_entry_vector_reset (entries);
}

bool
store_path_is_nfs (const char *path)
{
  const char *colon;

  if (strncmp (path, "nfs://", 6) == 0)
    return true;
  if (path[0] == '/' || path[0] == '.' || access (path, F_OK) == 0)
    return false;

  if (path[0] == '[') {
    colon = strchr (path, ']');
    return colon && strncmp (colon, "]:/", 3) == 0;
  }
  colon = strchr (path, ':');
  return colon && colon > path && colon[1] == '/' &&
    memchr (path, '/', colon - path) == NULL;
}

struct package_store *
store_open (const char *path, const struct package_options *opts, char **file)
{
  if (path[0] == '\0') {
    log_error ("the path of the OVA is empty: give an .ova, an .ovf, a "
               "folder, or SERVER:/EXPORT/PATH");
    errno = EINVAL;
    return NULL;
  }
  if (!store_path_is_nfs (path))
    return store_open_local (path, file);

#ifdef HAVE_LIBNFS
  return store_open_nfs (path, opts, file);
#else
  log_error ("%s: this build cannot read from NFS: install the development "
             "files of libnfs and build again, or mount the share and give "
             "the local path", printable (path));
  errno = ENOTSUP;
  return NULL;
#endif
}

void
store_close (struct package_store *store)
{
  if (store == NULL)
    return;
  free (store->name);
  store->ops->close (store);
}

char *
store_join (const char *folder, const char *name)
{
  char *r;

  if (asprintf (&r, "%s%s%s", folder,
                folder[0] != '\0' && name[0] != '\0' ? "/" : "", name) == -1) {
    log_oom ();
    return NULL;
  }
  return r;
}

char *
store_display_name (const struct package_store *store, const char *path)
{
  /* The root folder itself is "/", to which nothing is added twice. */
  if (strcmp (store->name, "/") == 0 && path[0] != '\0') {
    char *r;

    if (asprintf (&r, "/%s", path) == -1) {
      log_oom ();
      return NULL;
    }
    return r;
  }
  return store_join (store->name, path);
}
