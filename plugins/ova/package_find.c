/* SPDX-License-Identifier: BSD-3-Clause
 *
 * From a reference in an OVF to bytes.
 *
 * The OVF comes from outside: a reference must never reach a file that is
 * not part of the package.  It is decoded first and checked afterwards,
 * so that "%2e%2e%2f" gains nothing; symbolic links are the store's
 * matter.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/checked.h"
#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "plugins/ova/gzip_blob.h"
#include "plugins/ova/package_private.h"

DEFINE_VECTOR_TYPE (blob_vector, struct blob *);

int
package_file_compare (const void *a, const void *b)
{
  const struct package_file *fa = a, *fb = b;

  return strcmp (fa->name, fb->name);
}

/* A loose file in a sub-folder of the package: ask the store, once. */
static const struct package_file *
lookup_below (const struct package *pkg, const char *name)
{
  struct package_place *place = pkg->place;
  CLEANUP_FREE char *path = store_join (place->folder, name);
  struct package_file *file;
  struct store_stat st;
  size_t i;

  if (path == NULL)
    return NULL;

  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&place->lock);

  for (i = 0; i < place->found.len; ++i)
    if (strcmp (place->found.ptr[i]->name, name) == 0)
      return place->found.ptr[i];

  if (place->store->ops->stat (place->store, path, &st) == -1)
    return NULL;
  if (st.kind != STORE_FILE) {
    errno = ENOENT;
    return NULL;
  }
  file = calloc (1, sizeof *file);
  if (file == NULL || (file->name = strdup (name)) == NULL ||
      package_file_ptr_vector_append (&place->found, file) == -1) {
    if (file)
      free (file->name);
    free (file);
    log_oom ();
    return NULL;
  }
  file->size = st.size;
  return file;
}

const struct package_file *
package_lookup (const struct package *pkg, const char *name)
{
  const struct package_file key = { .name = (char *) name };
  const struct package_file *r = NULL;

  if (pkg->files.len > 0)
    r = bsearch (&key, pkg->files.ptr, pkg->files.len, sizeof key,
                 package_file_compare);
  if (r == NULL && !pkg->is_tar && strchr (name, '/') != NULL)
    return lookup_below (pkg, name);
  if (r == NULL)
    errno = ENOENT;
  return r;
}

/* Remove the last component of B.  False if there is none. */
static bool
remove_component (struct strbuf *b)
{
  char *slash;

  if (b->len == 0)
    return false;
  slash = strrchr (b->ptr, '/');
  b->len = slash ? slash - b->ptr : 0;
  b->ptr[b->len] = '\0';
  return true;
}

char *
package_normalize (const struct package *pkg, const char *name)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };
  size_t n;

  if (strbuf_append (&b, pkg->place->ovf_folder) == -1)
    goto oom;
  for (; *name != '\0'; name += n) {
    if (*name == '/') {
      n = 1;
      continue;
    }
    n = strcspn (name, "/");
    if (n == 1 && name[0] == '.')
      continue;
    if (n == 2 && name[0] == '.' && name[1] == '.') {
      if (!remove_component (&b)) {
        errno = EINVAL;
        return NULL;
      }
      continue;
    }
    if ((b.len > 0 && strbuf_append_char (&b, '/') == -1) ||
        strbuf_append_bytes (&b, name, n) == -1)
      goto oom;
  }
  return strbuf_steal (&b);

 oom:
  log_oom ();
  return NULL;
}

bool
package_percent_decode (const char *href, char *out)
{
  while (*href != '\0') {
    uint64_t byte;

    if (*href == '%' && isxdigit ((unsigned char) href[1]) &&
        isxdigit ((unsigned char) href[2]) &&
        parse_u64_n (href + 1, 2, 16, &byte)) {
      if (byte == 0)
        return false;
      *out++ = byte;
      href += 3;
    }
    else
      *out++ = *href++;
  }
  *out = '\0';
  return true;
}

/* "http://...", "file:...", "/...", "C:\..." */
static bool
is_absolute (const char *name)
{
  const size_t scheme =
    strspn (name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
            "0123456789+.-");

  return name[0] == '/' || name[0] == '\\' ||
    strncasecmp (name, "file:", 5) == 0 ||
    strncmp (name + scheme, "://", 3) == 0 ||
    (scheme == 1 && name[1] == ':' && (name[2] == '\\' || name[2] == '/'));
}

static void
refuse (const struct package *pkg, const char *href, const char *why)
{
  log_error ("%s: the OVF refers to '%s', which %s: refused, since the files "
             "of a VM must be in its package", printable (pkg->place->name),
             printable (href), why);
  errno = EINVAL;
}

/* One reading of HREF, NAME.  NULL with errno; ENOENT is not reported. */
static const struct package_file *
find_name (const struct package *pkg, const char *href, const char *name)
{
  CLEANUP_FREE char *path = NULL;

  if (is_absolute (name)) {
    refuse (pkg, href, "is an absolute path or a URL");
    return NULL;
  }
  path = package_normalize (pkg, name);
  if (path == NULL) {
    if (errno == EINVAL)
      refuse (pkg, href, "leads out of the package");
    return NULL;
  }
  return package_lookup (pkg, path);
}

static void
report_missing (const struct package *pkg, const char *href)
{
  const struct package_place *place = pkg->place;
  CLEANUP_FREE char *path = package_normalize (pkg, href);
  size_t i;

  if (path == NULL)
    return;
  if (string_vector_has (&place->links, path)) {
    refuse (pkg, href, "is a link in the tar");
    return;
  }
  for (i = 0; i < pkg->files.len; ++i) {
    if (strcasecmp (pkg->files.ptr[i].name, path) == 0) {
      log_error ("%s: the OVF refers to '%s', which is not in the package, "
                 "but '%s' is: rename one of them",
                 printable (place->name), printable (href),
                 printable (pkg->files.ptr[i].name));
      errno = ENOENT;
      return;
    }
  }
  log_error ("%s: the OVF refers to '%s', which is not in the package: copy "
             "or export it again, with all its files",
             printable (place->name), printable (href));
  errno = ENOENT;
}

/* As package_find, but ENOENT is not reported. */
static const struct package_file *
try_find (const struct package *pkg, const char *href)
{
  CLEANUP_FREE char *decoded = calloc (1, strlen (href) + 1);
  const struct package_file *file;

  if (decoded == NULL) {
    log_oom ();
    return NULL;
  }
  if (href[0] == '\0' || !package_percent_decode (href, decoded)) {
    refuse (pkg, href, "is not a file name");
    return NULL;
  }
  file = find_name (pkg, href, decoded);
  /* Some writers do not encode the '%' of a file name. */
  if (file == NULL && errno == ENOENT && strcmp (href, decoded) != 0)
    file = find_name (pkg, href, href);
  return file;
}

const struct package_file *
package_find (const struct package *pkg, const char *href)
{
  const struct package_file *file = try_find (pkg, href);

  if (file == NULL && errno == ENOENT)
    report_missing (pkg, href);
  return file;
}

struct blob *
package_open_file (const struct package *pkg, const struct package_file *file)
{
  struct package_place *place = pkg->place;
  CLEANUP_FREE char *path = NULL, *name = NULL;
  struct blob *ova;

  if (!pkg->is_tar) {
    path = store_join (place->folder, file->name);
    if (path == NULL)
      return NULL;
    return place->store->ops->open (place->store, place->folder, path, NULL,
                                    NULL);
  }

  if (asprintf (&name, "%s: %s", place->name, file->name) == -1) {
    name = NULL;
    log_oom ();
    return NULL;
  }
  ova = place->store->ops->open (place->store, place->folder, place->file,
                                 &place->seen, NULL);
  if (ova == NULL)
    return NULL;
  return blob_open_window (ova, true, file->offset, file->size, name);
}

/* What the file of HREF, which is not in a tar, is now. */
static int
stat_loose (const struct package *pkg, const char *href, uint64_t chunk_size,
            struct store_stat *stat)
{
  struct package_place *place = pkg->place;
  CLEANUP_FREE char *first = NULL, *path = NULL;
  const struct package_file *file;

  if (asprintf (&first, "%s%s", href,
                chunk_size > 0 ? ".000000000" : "") == -1) {
    first = NULL;
    log_oom ();
    return -1;
  }
  file = package_find (pkg, first);
  path = file ? store_join (place->folder, file->name) : NULL;
  return path ? place->store->ops->stat (place->store, path, stat) : -1;
}

char *
package_reference_version (const struct package *pkg, const char *href,
                           uint64_t chunk_size)
{
  struct store_stat stat = pkg->place->seen;
  char *version;

  if (!pkg->is_tar && stat_loose (pkg, href, chunk_size, &stat) == -1)
    return NULL;
  if (asprintf (&version, "%" PRIu64 " bytes, changed at %" PRId64
                ".%09" PRIu32, stat.size, stat.mtime,
                stat.mtime_nsec) == -1) {
    log_oom ();
    return NULL;
  }
  return version;
}

char *
package_local_path (const struct package *pkg, const struct package_file *file)
{
  struct package_place *place = pkg->place;
  CLEANUP_FREE char *path = NULL;

  if (pkg->is_tar)
    path = strdup (place->file);
  else
    path = store_join (place->folder, file->name);
  if (path == NULL)
    return NULL;
  return place->store->ops->local_path (place->store, path);
}

/* Chunks */

static void
close_all (blob_vector *v)
{
  const int err = errno;
  size_t i;

  for (i = 0; i < v->len; ++i)
    blob_close (v->ptr[i]);
  blob_vector_reset (v);
  errno = err;
}

/* All chunks of HREF that there are, in their order, up to the first one
 * that is missing.
 */
static int
open_chunks (const struct package *pkg, const char *href, blob_vector *v)
{
  uint64_t i;

  for (i = 0;; ++i) {
    CLEANUP_FREE char *name = NULL;
    const struct package_file *file;
    struct blob *blob;

    if (asprintf (&name, "%s.%09" PRIu64, href, i) == -1) {
      name = NULL;
      log_oom ();
      return -1;
    }
    file = try_find (pkg, name);
    if (file == NULL)
      return errno == ENOENT ? 0 : -1;
    blob = package_open_file (pkg, file);
    if (blob == NULL)
      return -1;
    if (blob_vector_append (v, blob) == -1) {
      blob_close (blob);
      log_oom ();
      return -1;
    }
  }
}

/* Is there a chunk after the one that is missing? */
static bool
has_later_chunk (const struct package *pkg, const char *href, size_t missing)
{
  const char *base = strrchr (href, '/');
  size_t i, n;

  base = base ? base + 1 : href;
  n = strlen (base);
  for (i = 0; i < pkg->files.len; ++i) {
    const char *name = pkg->files.ptr[i].name;
    const char *slash = strrchr (name, '/');
    uint64_t number;

    name = slash ? slash + 1 : name;
    if (strncmp (name, base, n) == 0 && name[n] == '.' &&
        strlen (name + n + 1) == 9 &&
        parse_u64_n (name + n + 1, 9, 10, &number) && number > missing)
      return true;
  }
  return false;
}

static int
report_missing_chunk (const struct package *pkg, const char *href, size_t i)
{
  log_error ("%s: the chunk '%s.%09zu' is not in the package: copy or export "
             "it again, with all its files", printable (pkg->place->name),
             printable (href), i);
  errno = ENOENT;
  return -1;
}

/* Do the chunks make up the whole? */
static int
check_chunks (const struct package *pkg, const char *href,
              const blob_vector *v, uint64_t chunk_size, uint64_t total,
              bool gzip)
{
  uint64_t sum = 0;
  size_t i;

  for (i = 0; i < v->len; ++i) {
    const uint64_t size = v->ptr[i]->size;

    if (size > chunk_size || (size < chunk_size && i + 1 < v->len)) {
      log_error ("%s: the chunk has %" PRIu64 " bytes, but chunks of '%s' "
                 "have %" PRIu64 ": copy or export it again",
                 printable (v->ptr[i]->name), size, printable (href),
                 chunk_size);
      errno = EINVAL;
      return -1;
    }
    if (!checked_add (sum, size, &sum))
      sum = UINT64_MAX;
  }

  if (has_later_chunk (pkg, href, v->len))
    return report_missing_chunk (pkg, href, v->len);
  if (gzip || total == 0 || sum == total)
    return 0;
  if (sum < total && v->ptr[v->len - 1]->size == chunk_size)
    return report_missing_chunk (pkg, href, v->len);
  log_error ("%s: the chunks of '%s' have %" PRIu64 " bytes in all, but the "
             "OVF says %" PRIu64 ": copy or export it again",
             printable (pkg->place->name), printable (href), sum, total);
  errno = EINVAL;
  return -1;
}

static struct blob *
open_chunked (const struct package *pkg, const char *href,
              uint64_t chunk_size, uint64_t total, bool gzip)
{
  blob_vector v = EMPTY_VECTOR;
  struct blob *blob = NULL;

  if (open_chunks (pkg, href, &v) == -1)
    ;
  else if (v.len == 0)
    report_missing_chunk (pkg, href, 0);
  else if (check_chunks (pkg, href, &v, chunk_size, total, gzip) == 0) {
    CLEANUP_FREE char *name = NULL;

    if (asprintf (&name, "%s: %s", pkg->place->name, href) == -1) {
      name = NULL;
      log_oom ();
    }
    else {
      blob = blob_open_joined (v.ptr, v.len, name);
      v.len = 0;                /* they are the joined blob's */
    }
  }
  close_all (&v);
  return blob;
}

struct blob *
package_open_reference (const struct package *pkg, const char *href,
                        uint64_t chunk_size, uint64_t total, bool gzip)
{
  const struct package_file *file;
  CLEANUP_FREE char *name = NULL;
  struct blob *blob;
  uint64_t stored;

  if (chunk_size > 0)
    blob = open_chunked (pkg, href, chunk_size, total, gzip);
  else {
    file = package_find (pkg, href);
    blob = file ? package_open_file (pkg, file) : NULL;
  }
  if (blob == NULL)
    return NULL;

  stored = blob->size;
  if (gzip) {
    name = strdup (blob->name);
    if (name == NULL) {
      blob_close (blob);
      log_oom ();
      return NULL;
    }
    blob = gzip_blob_open (blob, name);
    if (blob == NULL)
      return NULL;
  }
  if (total != 0 && stored != total && blob->size != total)
    log_warning ("%s: has %" PRIu64 " bytes, but the OVF says %" PRIu64
                 ": if it was cut short, copy it again",
                 printable (blob->name), stored, total);
  return blob;
}
