/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Find the packages at a path and read their descriptors.
 *
 * Only a list of what is where stays in memory: no file is held open
 * between package_set_open and package_open_file, because a folder can
 * have more packages than a process may have open files.  A change of an
 * .ova in between would make the offsets wrong, so its size and time are
 * remembered and compared.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "plugins/ova/package_private.h"
#include "plugins/ova/tar.h"

/* As Forklift searches: the folder itself is depth 1. */
#define OVA_DEPTH 2
#define OVF_DEPTH 3

#define MAX_OVF_SIZE (16U << 20)
#define MAX_PACKAGES 10000
/* Names kept for the loose packages of one folder, each of which lists
 * it.
 */
#define MAX_LISTED 2000000

static bool
has_suffix (const char *name, const char *suffix)
{
  const size_t n = strlen (name), m = strlen (suffix);

  return n > m && strcasecmp (name + n - m, suffix) == 0;
}

static const char *
base_name (const char *path)
{
  const char *slash = strrchr (path, '/');

  return slash ? slash + 1 : path;
}

/* "a/b" of "a/b/c", "" of "c".  The caller frees. */
static char *
folder_name (const char *path)
{
  const char *slash = strrchr (path, '/');

  return strndup (path, slash ? slash - path : 0);
}

static void
package_free (struct package *pkg)
{
  struct package_place *place;
  size_t i;

  if (pkg == NULL)
    return;
  for (i = 0; i < pkg->files.len; ++i)
    free (pkg->files.ptr[i].name);
  package_file_vector_reset (&pkg->files);

  place = pkg->place;
  if (place) {
    for (i = 0; i < place->found.len; ++i) {
      free (place->found.ptr[i]->name);
      free (place->found.ptr[i]);
    }
    package_file_ptr_vector_reset (&place->found);
    string_vector_free (&place->links);
    pthread_mutex_destroy (&place->lock);
    free (place->folder);
    free (place->file);
    free (place->name);
    free (place->ovf_folder);
    free (place);
  }
  free (pkg->path);
  free (pkg->ovf_name);
  free (pkg->ovf_text);
  free (pkg->mf_name);
  free (pkg);
}

/* A package for the file PATH of STORE, still empty. */
static struct package *
package_new (struct package_store *store, const char *path)
{
  struct package *pkg = calloc (1, sizeof *pkg);

  if (pkg == NULL || (pkg->place = calloc (1, sizeof *pkg->place)) == NULL)
    goto oom;
  pthread_mutex_init (&pkg->place->lock, NULL);
  pkg->place->store = store;
  pkg->path = strdup (path);
  pkg->place->file = strdup (path);
  pkg->place->folder = folder_name (path);
  pkg->place->ovf_folder = strdup ("");
  if (!pkg->path || !pkg->place->file || !pkg->place->folder ||
      !pkg->place->ovf_folder)
    goto oom;
  pkg->place->name = store_display_name (store, path);
  if (pkg->place->name == NULL)
    goto err;
  return pkg;

 oom:
  log_oom ();
 err:
  package_free (pkg);
  errno = ENOMEM;
  return NULL;
}

static int
add_file (struct package *pkg, char *name, uint64_t size, uint64_t offset)
{
  const struct package_file file = { name, size, offset };

  if (name == NULL || package_file_vector_append (&pkg->files, file) == -1) {
    free (name);
    log_oom ();
    return -1;
  }
  return 0;
}

/* Sort the files; of several with one name keep the one that comes last in
 * the tar.
 */
static int
compare_name_and_offset (const void *a, const void *b)
{
  const struct package_file *fa = a, *fb = b;
  int r = package_file_compare (a, b);

  return r ? r : (fa->offset > fb->offset) - (fa->offset < fb->offset);
}

static void
sort_files (struct package *pkg)
{
  struct package_file *f = pkg->files.ptr;
  size_t i, n = 0;

  if (pkg->files.len == 0)
    return;
  qsort (f, pkg->files.len, sizeof *f, compare_name_and_offset);
  for (i = 0; i < pkg->files.len; ++i) {
    if (n > 0 && strcmp (f[n - 1].name, f[i].name) == 0) {
      log_warning ("%s: member '%s' is there twice, at offsets %" PRIu64
                   " and %" PRIu64 ": the second is used, as tar does",
                   printable (pkg->place->name), printable (f[i].name),
                   f[n - 1].offset, f[i].offset);
      free (f[n - 1].name);
      f[n - 1] = f[i];
    }
    else
      f[n++] = f[i];
  }
  pkg->files.len = n;
}

/* Find the .mf: the one named as the .ovf.  In a tar, which has only one
 * .ovf, the only one in its folder will do.
 */
static int
find_manifest (struct package *pkg)
{
  const size_t stem = strlen (pkg->ovf_name) - strlen (".ovf");
  const struct package_file *only = NULL, *same = NULL;
  size_t i, nr = 0;

  for (i = 0; i < pkg->files.len; ++i) {
    const struct package_file *f = &pkg->files.ptr[i];
    CLEANUP_FREE char *folder = folder_name (f->name);

    if (folder == NULL) {
      log_oom ();
      return -1;
    }
    if (!has_suffix (f->name, ".mf") ||
        strcmp (folder, pkg->place->ovf_folder) != 0)
      continue;
    only = f;
    nr++;
    if (strlen (f->name) == stem + strlen (".mf") &&
        strncasecmp (f->name, pkg->ovf_name, stem) == 0 &&
        (same == NULL || strncmp (f->name, pkg->ovf_name, stem) == 0))
      same = f;
  }
  if (same == NULL && pkg->is_tar && nr == 1)
    same = only;
  if (same == NULL)
    return 0;
  pkg->mf_name = strdup (same->name);
  if (pkg->mf_name == NULL) {
    log_oom ();
    return -1;
  }
  return 0;
}

/* Read the descriptor from BLOB. */
static int
read_ovf (struct package *pkg, struct blob *blob)
{
  if (blob->size == 0 || blob->size > MAX_OVF_SIZE) {
    log_error ("%s: has %" PRIu64 " bytes, which is no OVF descriptor "
               "(1 to %u are possible)", printable (blob->name), blob->size,
               MAX_OVF_SIZE);
    errno = EINVAL;
    return -1;
  }
  pkg->ovf_text = malloc (blob->size + 1);
  if (pkg->ovf_text == NULL) {
    log_oom ();
    return -1;
  }
  if (blob_pread (blob, pkg->ovf_text, blob->size, 0) == -1)
    return -1;
  pkg->ovf_text[blob->size] = '\0';
  pkg->ovf_len = blob->size;
  return 0;
}

/* The name of a tar member as the OVF would say it: without "./" and
 * doubled slashes.  A name that is absolute or has ".." stays as it is,
 * and so can never be found.
 */
static char *
member_path (const struct package *pkg, const char *name)
{
  const char *p;
  size_t n;

  if (name[0] == '/')
    return strdup (name);
  for (p = name; *p; p += n + (p[n] == '/')) {
    n = strcspn (p, "/");
    if (n == 2 && p[0] == '.' && p[1] == '.')
      return strdup (name);
  }
  return package_normalize (pkg, name);
}

static bool
is_inside (const char *name)
{
  return name[0] != '/' && strncmp (name, "../", 3) != 0 &&
    strstr (name, "/../") == NULL;
}

static int
add_members (struct package *pkg, const tar_member_vector *members)
{
  size_t i, nr_other = 0;

  for (i = 0; i < members->len; ++i) {
    const struct tar_member *m = &members->ptr[i];
    CLEANUP_FREE char *path = NULL;

    if (m->kind == TAR_FOLDER)
      continue;
    path = member_path (pkg, m->name);
    if (path == NULL)
      return -1;
    if (m->kind == TAR_FILE) {
      if (add_file (pkg, path, m->size, m->offset) == -1) {
        path = NULL;
        return -1;
      }
      path = NULL;
      continue;
    }
    nr_other++;
    if (m->kind == TAR_LINK &&
        string_vector_append_dup (&pkg->place->links, path) == -1) {
      log_oom ();
      return -1;
    }
  }
  if (nr_other > 0)
    log_info ("%s: %zu members that are neither files nor folders are passed "
              "over", printable (pkg->place->name), nr_other);
  return 0;
}

/* The .ovf of the tar: the first one, as OVF says and as Forklift does. */
static const struct package_file *
find_descriptor (const struct package *pkg)
{
  const struct package_file *first = NULL;
  size_t i, nr = 0;

  for (i = 0; i < pkg->files.len; ++i) {
    const struct package_file *f = &pkg->files.ptr[i];

    if (!has_suffix (f->name, ".ovf") || base_name (f->name)[0] == '.')
      continue;
    nr++;
    if (first == NULL || f->offset < first->offset)
      first = f;
  }
  if (first == NULL) {
    log_error ("%s: holds no .ovf file (%zu other files): it is no OVA",
               printable (pkg->place->name), pkg->files.len);
    errno = EINVAL;
    return NULL;
  }
  if (!is_inside (first->name)) {
    log_error ("%s: member '%s' has an absolute name or one with '..': "
               "refused; pack the files again with plain names",
               printable (pkg->place->name), printable (first->name));
    errno = EINVAL;
    return NULL;
  }
  if (nr > 1)
    log_warning ("%s: holds %zu .ovf files, the first one, '%s', is used",
                 printable (pkg->place->name), nr, printable (first->name));
  return first;
}

static int
read_tar (struct package *pkg)
{
  struct package_place *place = pkg->place;
  CLEANUP_TAR_MEMBERS tar_member_vector members = EMPTY_VECTOR;
  CLEANUP_BLOB struct blob *ova = NULL, *ovf = NULL;
  const struct package_file *first;
  CLEANUP_FREE char *name = NULL;

  ova = place->store->ops->open (place->store, place->folder, place->file,
                                 NULL, &place->seen);
  if (ova == NULL || tar_list (ova, &members) == -1 ||
      add_members (pkg, &members) == -1)
    return -1;
  sort_files (pkg);
  first = find_descriptor (pkg);
  if (first == NULL)
    return -1;

  free (place->ovf_folder);
  place->ovf_folder = folder_name (first->name);
  pkg->ovf_name = strdup (first->name);
  if (place->ovf_folder == NULL || pkg->ovf_name == NULL ||
      asprintf (&name, "%s: %s", place->name, first->name) == -1) {
    name = NULL;
    log_oom ();
    return -1;
  }
  ovf = blob_open_window (ova, false, first->offset, first->size, name);
  if (ovf == NULL || read_ovf (pkg, ovf) == -1)
    return -1;
  return find_manifest (pkg);
}

/* A loose .ovf; ENTRIES is the listing of its folder. */
static int
read_loose (struct package *pkg, const store_entry_vector *entries)
{
  struct package_place *place = pkg->place;
  CLEANUP_BLOB struct blob *ovf = NULL;
  size_t i;

  for (i = 0; i < entries->len; ++i) {
    const struct store_entry *e = &entries->ptr[i];

    if (e->kind == STORE_FILE &&
        add_file (pkg, strdup (e->name), e->size, 0) == -1)
      return -1;
  }
  sort_files (pkg);

  pkg->ovf_name = strdup (base_name (place->file));
  if (pkg->ovf_name == NULL) {
    log_oom ();
    return -1;
  }
  ovf = place->store->ops->open (place->store, place->folder, place->file,
                                 NULL, &place->seen);
  if (ovf == NULL || read_ovf (pkg, ovf) == -1)
    return -1;
  return has_suffix (pkg->ovf_name, ".ovf") ? find_manifest (pkg) : 0;
}

/* Add the package in the file PATH.  ENTRIES (of its folder) means that it
 * is loose.
 */
static int
add_package (struct package_set *set, const char *path,
             const store_entry_vector *entries)
{
  struct package *pkg;
  int r;

  if (set->packages.len >= MAX_PACKAGES) {
    log_error ("%s: has more than %d packages: give a part of the folder",
               printable (set->store->name), MAX_PACKAGES);
    errno = EINVAL;
    return -1;
  }
  pkg = package_new (set->store, path);
  if (pkg == NULL)
    return -1;
  pkg->is_tar = entries == NULL;
  r = entries ? read_loose (pkg, entries) : read_tar (pkg);
  if (r == 0 && package_vector_append (&set->packages, pkg) == -1) {
    log_oom ();
    r = -1;
  }
  if (r == -1) {
    const int err = errno;

    package_free (pkg);
    errno = err;
  }
  return r;
}

/* Search FOLDER, which is at DEPTH.  What is wrong in it is a warning,
 * unless it is the root.
 */
static int
scan_folder (struct package_set *set, const char *folder, unsigned depth,
             size_t *nr_bad)
{
  CLEANUP_STORE_ENTRIES store_entry_vector entries = EMPTY_VECTOR;
  size_t i, listed = 0;

  if (set->store->ops->list (set->store, folder, &entries) == -1)
    return -1;
  for (i = 0; i < entries.len; ++i) {
    const struct store_entry *e = &entries.ptr[i];
    CLEANUP_FREE char *path = NULL;
    int r = 0;

    /* .snapshot folders of filers, ._x.ova of macOS */
    if (e->name[0] == '.')
      continue;
    path = store_join (folder, e->name);
    if (path == NULL)
      return -1;
    if (e->kind == STORE_FOLDER && depth < OVF_DEPTH)
      r = scan_folder (set, path, depth + 1, nr_bad);
    else if (e->kind == STORE_FILE && depth <= OVA_DEPTH &&
             has_suffix (e->name, ".ova"))
      r = add_package (set, path, NULL);
    else if (e->kind == STORE_FILE && has_suffix (e->name, ".ovf")) {
      listed += entries.len;
      if (listed > MAX_LISTED) {
        log_error ("%s: too many .ovf files among too many others in one "
                   "folder: give each package a folder of its own",
                   printable (set->store->name));
        errno = EINVAL;
        return -1;
      }
      r = add_package (set, path, &entries);
    }
    if (r == -1) {
      if (errno == ENOMEM)
        return -1;
      log_warning ("%s: '%s' is left out, for the reason above",
                   printable (set->store->name), printable (path));
      ++*nr_bad;
    }
  }
  return 0;
}

static int
compare_path (const void *a, const void *b)
{
  const struct package *const *pa = a, *const *pb = b;

  return strcmp ((*pa)->path, (*pb)->path);
}

static int
open_folder (struct package_set *set)
{
  size_t nr_bad = 0;

  if (scan_folder (set, "", 1, &nr_bad) == -1)
    return -1;
  if (set->packages.len == 0) {
    if (nr_bad > 0)
      log_error ("%s: none of the %zu packages in the folder can be used",
                 printable (set->store->name), nr_bad);
    else
      log_error ("%s: there is no .ova (down to %d levels) and no .ovf "
                 "(down to %d) in the folder", printable (set->store->name),
                 OVA_DEPTH, OVF_DEPTH);
    errno = nr_bad > 0 ? EINVAL : ENOENT;
    return -1;
  }
  qsort (set->packages.ptr, set->packages.len, sizeof *set->packages.ptr,
         compare_path);
  return 0;
}

/* Is the file an OVF, by its name or else by its first byte? */
static int
is_descriptor (struct package_set *set, const char *file)
{
  CLEANUP_BLOB struct blob *blob = NULL;
  char start[4] = { 0 };

  if (has_suffix (file, ".ovf"))
    return 1;
  if (has_suffix (file, ".ova"))
    return 0;
  blob = set->store->ops->open (set->store, "", file, NULL, NULL);
  if (blob == NULL)
    return -1;
  if (blob->size < sizeof start)
    return 0;
  if (blob_pread (blob, start, sizeof start, 0) == -1)
    return -1;
  return start[0] == '<' || memcmp (start, "\xef\xbb\xbf<", 4) == 0;
}

static int
open_one (struct package_set *set, const char *file)
{
  CLEANUP_STORE_ENTRIES store_entry_vector entries = EMPTY_VECTOR;
  int r = is_descriptor (set, file);

  if (r == -1)
    return -1;
  if (r == 1 && set->store->ops->list (set->store, "", &entries) == -1)
    return -1;
  return add_package (set, file, r == 1 ? &entries : NULL);
}

struct package_set *
package_set_open (const char *path, const struct package_options *options)
{
  CLEANUP_FREE char *file = NULL;
  struct package_set *set = calloc (1, sizeof *set);
  int r;

  if (set == NULL) {
    log_oom ();
    return NULL;
  }
  set->store = store_open (path, options, &file);
  if (set->store == NULL)
    r = -1;
  else
    r = file ? open_one (set, file) : open_folder (set);
  if (r == -1) {
    const int err = errno;

    package_set_close (set);
    errno = err;
    return NULL;
  }
  return set;
}

void
package_set_close (struct package_set *set)
{
  size_t i;

  if (set == NULL)
    return;
  for (i = 0; i < set->packages.len; ++i)
    package_free (set->packages.ptr[i]);
  package_vector_reset (&set->packages);
  store_close (set->store);
  free (set);
}
