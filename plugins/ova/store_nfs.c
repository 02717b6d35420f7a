/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Packages on an NFS server, without a mount and without root.
 *
 * Connections, and trying again, are the pool's (nfs_pool.h).  Here is
 * what to do on a connection.  Each read also asks what the file is, and
 * fails if that is not what it was at first, whatever came in between.
 *
 * A server may be hostile or a folder writable by others, so symbolic
 * links below the path that the user gave are refused.
 */
#ifdef HAVE_LIBNFS

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "plugins/ova/nfs_pool.h"
#include "plugins/ova/nfs_url.h"

struct nfs_store {
  struct package_store store;
  struct nfs_pool *pool;
  char *prefix;                 /* of the root, inside of the export:
                                   "" or "/a/b" */
  char *given;                  /* the file that the user named, or NULL */
};

struct nfs_blob {
  struct blob blob;
  struct nfs_store *store;
  char *path;                   /* inside of the export */
  struct store_stat seen;
};

/* The operations. */

/* PATH of the store inside of the export. */
static char *
export_path (struct nfs_store *s, const char *path)
{
  char *r;

  if (asprintf (&r, "%s/%s", s->prefix, path) == -1) {
    log_oom ();
    return NULL;
  }
  return r;
}

struct list_arg {
  const char *path;
  store_entry_vector *entries;
};

static int
do_list (struct nfs_session *n, void *opaque)
{
  struct list_arg *arg = opaque;
  store_entry_vector v = EMPTY_VECTOR;
  int r = nfs_session_list (n, arg->path, &v);

  if (r < 0) {
    store_entries_free (&v);    /* what an attempt found in part */
    return r;
  }
  *arg->entries = v;
  return 0;
}

static int
nfs_list (struct package_store *store, const char *folder,
          store_entry_vector *entries)
{
  struct nfs_store *s = (struct nfs_store *) store;
  CLEANUP_FREE char *name = store_display_name (store, folder);
  CLEANUP_FREE char *path = export_path (s, folder);
  struct list_arg arg = { path, entries };

  if (name == NULL || path == NULL)
    return -1;
  return nfs_pool_run (s->pool, NULL, name, 0, do_list, &arg);
}

struct stat_arg {
  const char *path;
  struct store_stat *st;
  size_t check_links;           /* length of the part of PATH in which
                                   links are allowed; SIZE_MAX: all */
  const char *name;
};

/* Look at every component of PATH behind the allowed part. */
static int
check_links (struct nfs_session *n, const struct stat_arg *arg)
{
  size_t end = arg->check_links;
  const size_t len = strlen (arg->path);

  while (end < len) {
    CLEANUP_FREE char *part = NULL;
    struct store_stat st;
    bool is_link;
    int r;

    end += 1 + strcspn (arg->path + end + 1, "/");
    part = strndup (arg->path, end);
    if (part == NULL)
      return -ENOMEM;
    r = nfs_session_stat (n, part, &is_link, &st);
    if (r < 0)
      return r;
    if (is_link) {
      log_error ("%s: '%s' is a symbolic link, which is not followed on NFS: "
                 "put the file itself there", printable (arg->name),
                 printable (part));
      return -ECANCELED;
    }
  }
  return 0;
}

static int
do_stat (struct nfs_session *n, void *opaque)
{
  struct stat_arg *arg = opaque;
  int r = arg->check_links == SIZE_MAX ? 0 : check_links (n, arg);

  return r < 0 ? r : nfs_session_stat (n, arg->path, NULL, arg->st);
}

static int
nfs_stat (struct package_store *store, const char *path,
          struct store_stat *st)
{
  struct nfs_store *s = (struct nfs_store *) store;
  CLEANUP_FREE char *name = store_display_name (store, path);
  CLEANUP_FREE char *full = export_path (s, path);
  struct stat_arg arg = { full, st, SIZE_MAX, name };

  if (name == NULL || full == NULL)
    return -1;
  return nfs_pool_run (s->pool, NULL, name, ENOENT, do_stat, &arg);
}

/* Reads. */

struct read_arg {
  struct nfs_blob *blob;
  uint8_t *buf;
  size_t count;
  uint64_t offset;
};

static int
do_read (struct nfs_session *n, void *opaque)
{
  struct read_arg *arg = opaque;
  struct nfs_blob *b = arg->blob;
  struct store_stat now;
  struct nfsfh *fh;
  int r;

  r = nfs_session_open (n, b, b->path, &fh);
  if (r < 0)
    return r;

  /* What was read before a failure stays read. */
  while (arg->count > 0) {
    r = nfs_session_pread (n, fh, arg->buf, arg->count, arg->offset, &now);
    if (r < 0)
      return r;
    if (r == 0 || !store_is_same (&now, &b->seen)) {
      store_changed (b->blob.name, &b->seen, &now);
      return -ECANCELED;        /* is reported */
    }
    arg->buf += r;
    arg->offset += r;
    arg->count -= r;
  }
  return 0;
}

static int
nfs_blob_pread (struct blob *blob, void *buf, size_t count, uint64_t offset)
{
  struct nfs_blob *b = (struct nfs_blob *) blob;
  struct read_arg arg = { b, buf, count, offset };

  return nfs_pool_run (b->store->pool, b, blob->name, 0, do_read, &arg);
}

static void
nfs_blob_close (struct blob *blob)
{
  struct nfs_blob *b = (struct nfs_blob *) blob;

  nfs_pool_close_owner (b->store->pool, b);
  free (b->path);
  free (b);
}

static const struct blob_ops nfs_blob_ops = {
  .pread = nfs_blob_pread,
  .close = nfs_blob_close,
};

static struct blob *
nfs_open (struct package_store *store, const char *folder, const char *path,
          const struct store_stat *expected, struct store_stat *stat_r)
{
  struct nfs_store *s = (struct nfs_store *) store;
  CLEANUP_FREE char *name = store_display_name (store, path);
  CLEANUP_FREE char *full = export_path (s, path);
  struct store_stat st;
  struct stat_arg arg = { full, &st, SIZE_MAX, name };
  struct nfs_blob *b;

  if (name == NULL || full == NULL)
    return NULL;
  if (s->given == NULL || strcmp (path, s->given) != 0)
    arg.check_links = strlen (s->prefix) +
      (folder[0] ? 1 + strlen (folder) : 0);
  if (nfs_pool_run (s->pool, NULL, name, 0, do_stat, &arg) == -1)
    return NULL;
  if (st.kind != STORE_FILE) {
    log_error ("%s: is not a regular file", printable (name));
    errno = EINVAL;
    return NULL;
  }
  if (expected && !store_is_same (&st, expected)) {
    store_changed (name, expected, &st);
    return NULL;
  }

  b = calloc (1, sizeof *b);
  if (b == NULL) {
    log_oom ();
    return NULL;
  }
  b->blob.ops = &nfs_blob_ops;
  b->blob.size = st.size;
  b->blob.name = name;
  name = NULL;
  b->store = s;
  b->path = full;
  full = NULL;
  b->seen = st;
  if (stat_r)
    *stat_r = st;
  return &b->blob;
}

static char *
nfs_local_path (struct package_store *store, const char *path)
{
  errno = ENOTSUP;
  return NULL;
}

static void
nfs_close (struct package_store *store)
{
  struct nfs_store *s = (struct nfs_store *) store;

  nfs_pool_free (s->pool);
  free (s->prefix);
  free (s->given);
  free (s);
}

static const struct store_ops nfs_ops = {
  .list = nfs_list,
  .stat = nfs_stat,
  .open = nfs_open,
  .local_path = nfs_local_path,
  .close = nfs_close,
};

/* Opening. */

/* Learn what the path is, and set the root accordingly. */
static int
find_root (struct nfs_store *s, const char *below, const char *name,
           char **file)
{
  CLEANUP_FREE char *base = NULL;
  struct store_stat st = { .kind = STORE_FOLDER };
  struct stat_arg arg = { below, &st, SIZE_MAX, name };
  const char *slash;

  if (below[0] != '\0' &&
      nfs_pool_run (s->pool, NULL, name, 0, do_stat, &arg) == -1)
    return -1;
  s->prefix = strdup (below);
  if (s->prefix == NULL)
    goto oom;
  if (st.kind == STORE_FOLDER) {
    *file = NULL;
    return 0;
  }

  slash = strrchr (below, '/');
  s->prefix[slash - below] = '\0';
  s->store.name[strlen (s->store.name) - strlen (slash)] = '\0';
  base = strdup (slash + 1);
  s->given = strdup (slash + 1);
  if (base == NULL || s->given == NULL)
    goto oom;
  *file = base;
  base = NULL;
  return 0;

 oom:
  log_oom ();
  return -1;
}

struct package_store *
store_open_nfs (const char *path, const struct package_options *opts,
                char **file)
{
  CLEANUP_NFS_PLACE struct nfs_place place = { 0 };
  CLEANUP_FREE char *name = NULL;
  const char *below;
  struct nfs_store *s;
  bool v6;

  if (nfs_url_parse (path, &place) == -1)
    return NULL;
  s = calloc (1, sizeof *s);
  if (s == NULL) {
    log_oom ();
    return NULL;
  }
  s->store.ops = &nfs_ops;
  v6 = strchr (place.server, ':') != NULL;
  if (asprintf (&name, "nfs://%s%s%s%s", v6 ? "[" : "", place.server,
                v6 ? "]" : "", place.path) == -1)
    name = NULL;
  s->store.name = name ? strdup (name) : NULL;
  if (s->store.name == NULL) {
    log_oom ();
    store_close (&s->store);
    return NULL;
  }
  s->pool = nfs_pool_open (&place, opts, name, &below);
  if (s->pool == NULL || find_root (s, below, name, file) == -1) {
    const int err = errno;

    store_close (&s->store);
    errno = err;
    return NULL;
  }
  return &s->store;
}

#endif /* HAVE_LIBNFS */
