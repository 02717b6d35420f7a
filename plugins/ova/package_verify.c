/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Compare the files of a package with its manifest.
 *
 * Every line is looked up before anything is read, so that what can fail
 * fails at once.  Then two threads take file after file: one waits for
 * the disk or the server while the other computes.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/digest.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "plugins/ova/manifest.h"
#include "plugins/ova/package_private.h"

#define PIECE (1 * MIB)
#define NR_THREADS 2

/* One line of the manifest and the file it means, NULL if there is none
 * and nobody needs it.
 */
struct check {
  const struct manifest_entry *entry;
  const struct package_file *file;
};

struct verify {
  const struct package *pkg;
  const char *name;             /* of the manifest */
  struct check *checks;
  size_t nr_checks;
  uint64_t total;
  bool (*progress) (void *opaque, uint64_t done, uint64_t total);
  void *opaque;
  void *log_context;            /* of the caller's thread */

  pthread_mutex_t lock;         /* the members below */
  size_t next;                  /* of CHECKS */
  uint64_t done;
  int err;                      /* 0, or why all stop */
};

/* False if the work is over for all threads. */
static bool
advance (struct verify *v, uint64_t n)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&v->lock);

  v->done += n;
  if (v->err == 0 && v->progress &&
      !v->progress (v->opaque, v->done, v->total))
    v->err = ECANCELED;
  return v->err == 0;
}

static void
stop_all (struct verify *v, int err)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&v->lock);

  if (v->err == 0)
    v->err = err;
}

/* The digest of BLOB.  1, 0 if another thread stopped the work, or -1. */
static int
compute (struct verify *v, struct blob *blob, struct digest *d,
         uint8_t *digest)
{
  CLEANUP_FREE uint8_t *buf = malloc (PIECE);
  uint64_t offset;
  size_t n;

  if (buf == NULL) {
    log_oom ();
    return -1;
  }
  for (offset = 0; offset < blob->size; offset += n) {
    n = MIN (blob->size - offset, PIECE);
    if (blob_pread (blob, buf, n, offset) == -1 ||
        digest_update (d, buf, n) == -1)
      return -1;
    if (!advance (v, n))
      return 0;
  }
  return digest_final (d, digest) == -1 ? -1 : 1;
}

static int
verify_one (struct verify *v, const struct check *c)
{
  const enum digest_type type = c->entry->type;
  CLEANUP_BLOB struct blob *blob = package_open_file (v->pkg, c->file);
  char is[DIGEST_MAX_HEX], should[DIGEST_MAX_HEX];
  uint8_t digest[DIGEST_MAX_SIZE];
  struct digest *d;
  int r;

  if (blob == NULL)
    return -1;
  d = digest_new (type);
  if (d == NULL)
    return -1;
  r = compute (v, blob, d, digest);
  digest_free (d);
  if (r != 1)
    return r;
  if (memcmp (digest, c->entry->digest, digest_size (type)) == 0) {
    log_debug ("%s: matches its %s digest", printable (blob->name),
               digest_name (type));
    return 0;
  }

  hex_of_bytes (digest, digest_size (type), is);
  hex_of_bytes (c->entry->digest, digest_size (type), should);
  log_error ("%s: its %s is %s, but line %lu of %s says %s: the file was "
             "changed or damaged, copy or export the package again",
             printable (blob->name), digest_name (type), is, c->entry->line,
             printable (v->name), should);
  errno = EINVAL;
  return -1;
}

static void *
worker (void *opaque)
{
  struct verify *v = opaque;

  log_set_context (v->log_context);
  for (;;) {
    const struct check *c = NULL;

    pthread_mutex_lock (&v->lock);
    if (v->err == 0 && v->next < v->nr_checks)
      c = &v->checks[v->next++];
    pthread_mutex_unlock (&v->lock);
    if (c == NULL)
      return NULL;
    if (c->file && verify_one (v, c) == -1)
      stop_all (v, errno);
  }
}

static int
run (struct verify *v)
{
  pthread_t threads[NR_THREADS];
  size_t i, n = 0;
  const size_t wanted = MIN (v->nr_checks, (size_t) NR_THREADS);

  /* The caller's thread is one of them. */
  v->log_context = log_context ();
  while (n + 1 < wanted &&
         pthread_create (&threads[n], NULL, worker, v) == 0)
    n++;
  worker (v);
  for (i = 0; i < n; ++i)
    pthread_join (threads[i], NULL);

  if (v->err == 0)
    return 0;
  errno = v->err;
  return -1;
}

/* The file of a manifest line, or NULL with errno; ENOENT is not
 * reported.
 */
static const struct package_file *
find_listed (const struct package *pkg, const char *name)
{
  const struct package_file *file = NULL;
  CLEANUP_FREE char *decoded = strdup (name);
  const char *names[] = { name, decoded };
  size_t i;

  if (decoded == NULL) {
    log_oom ();
    return NULL;
  }
  /* Some exporters write names as in the OVF's href. */
  if (!package_percent_decode (name, decoded))
    names[1] = name;

  for (i = 0; file == NULL && i < ARRAY_SIZE (names); ++i) {
    CLEANUP_FREE char *path = package_normalize (pkg, names[i]);

    if (path != NULL)
      file = package_lookup (pkg, path);
    else if (errno == EINVAL)
      errno = ENOENT;           /* there is no such file in the package */
    if (file == NULL && errno != ENOENT)
      return NULL;
  }
  return file;
}

/* Does the OVF refer to NAME, as in href="NAME"? */
static bool
is_referred (const struct package *pkg, const char *name)
{
  const char *start = pkg->ovf_text, *end = start + pkg->ovf_len, *p, *q;
  const size_t n = strlen (name);

  for (p = start; (p = memmem (p, end - p, name, n)) != NULL; p++) {
    /* Behind the end there is a NUL. */
    if (p == start || (p[-1] != '"' && p[-1] != '\'') || p[n] != p[-1])
      continue;
    q = p - 1;
    while (q > start && strchr (" \t\r\n=", q[-1]))
      q--;
    if (q - start >= 4 && memcmp (q - 4, "href", 4) == 0)
      return true;
  }
  return false;
}

/* Look up every line.  A file that is absent is an error if the OVF
 * speaks of it; VMware's exporters also list files (.nvram, .iso) that
 * they then leave out.
 */
static int
look_up (struct verify *v, const manifest_entry_vector *entries)
{
  const struct package *pkg = v->pkg;
  size_t i;

  for (i = 0; i < entries->len; ++i) {
    const struct manifest_entry *e = &entries->ptr[i];
    const struct package_file *file = find_listed (pkg, e->file);

    if (file == NULL && errno != ENOENT)
      return -1;
    if (file == NULL && is_referred (pkg, e->file)) {
      log_error ("%s:%lu: '%s' is listed, and the OVF needs it, but it is not "
                 "in the package: copy or export it again, with all its "
                 "files", printable (v->name), e->line, printable (e->file));
      errno = EINVAL;
      return -1;
    }
    if (file == NULL)
      log_warning ("%s:%lu: '%s' is listed, but is not in the package; "
                   "nothing needs it", printable (v->name), e->line,
                   printable (e->file));
    else
      v->total += file->size;
    v->checks[i].entry = e;
    v->checks[i].file = file;
  }
  v->nr_checks = entries->len;
  return 0;
}

static int
compare_file (const void *a, const void *b)
{
  const struct package_file *fa = ((const struct check *) a)->file;
  const struct package_file *fb = ((const struct check *) b)->file;

  return (fa > fb) - (fa < fb);
}

/* Warn of files that the OVF speaks of and nothing vouches for. */
static void
warn_unlisted (const struct verify *v)
{
  const struct package *pkg = v->pkg;
  CLEANUP_FREE struct check *sorted = NULL;
  size_t folder, i;

  /* Bytes of "FOLDER/" before the names that the OVF uses. */
  folder = strlen (pkg->place->ovf_folder);
  if (folder > 0)
    folder++;

  sorted = malloc (MAX (v->nr_checks, (size_t) 1) * sizeof *sorted);
  if (sorted == NULL)
    return;
  memcpy (sorted, v->checks, v->nr_checks * sizeof *sorted);
  qsort (sorted, v->nr_checks, sizeof *sorted, compare_file);

  for (i = 0; i < pkg->files.len; ++i) {
    const struct package_file *f = &pkg->files.ptr[i];
    const struct check key = { .file = f };

    if (strncmp (f->name, pkg->ovf_name, folder) != 0 ||
        strcmp (f->name, pkg->mf_name) == 0 ||
        bsearch (&key, sorted, v->nr_checks, sizeof key, compare_file))
      continue;
    if (strcmp (f->name, pkg->ovf_name) == 0 ||
        is_referred (pkg, f->name + folder))
      log_warning ("%s: '%s' is not listed in it, so it is not verified",
                   printable (v->name), printable (f->name));
  }
}

static char *
read_manifest (const struct package *pkg, const char *name, size_t *len)
{
  CLEANUP_BLOB struct blob *blob = NULL;
  CLEANUP_FREE char *text = NULL;
  const struct package_file *file = package_lookup (pkg, pkg->mf_name);
  char *r;

  /* It is one of pkg->files. */
  blob = package_open_file (pkg, file);
  if (blob == NULL)
    return NULL;
  if (blob->size == 0 || blob->size > MANIFEST_MAX_SIZE) {
    log_error ("%s: has %" PRIu64 " bytes, which is no manifest (1 to %u are "
               "possible): copy or export the package again",
               printable (name), blob->size, MANIFEST_MAX_SIZE);
    errno = EINVAL;
    return NULL;
  }
  text = malloc (blob->size);
  if (text == NULL) {
    log_oom ();
    return NULL;
  }
  if (blob_pread (blob, text, blob->size, 0) == -1)
    return NULL;
  *len = blob->size;
  r = text;
  text = NULL;
  return r;
}

int
package_verify (const struct package *pkg,
                bool (*progress) (void *opaque, uint64_t done,
                                  uint64_t total),
                void *opaque)
{
  CLEANUP_MANIFEST manifest_entry_vector entries = EMPTY_VECTOR;
  CLEANUP_FREE char *name = NULL, *text = NULL;
  CLEANUP_FREE struct check *checks = NULL;
  struct verify v = { .pkg = pkg, .progress = progress, .opaque = opaque };
  size_t len;
  int r;

  if (pkg->mf_name == NULL) {
    log_info ("%s: has no manifest (.mf): its files cannot be verified",
              printable (pkg->place->name));
    return 0;
  }
  if (asprintf (&name, "%s: %s", pkg->place->name, pkg->mf_name) == -1) {
    name = NULL;
    log_oom ();
    return -1;
  }
  text = read_manifest (pkg, name, &len);
  if (text == NULL || manifest_parse (text, len, name, &entries) == -1)
    return -1;

  checks = calloc (MAX (entries.len, (size_t) 1), sizeof *checks);
  if (checks == NULL) {
    log_oom ();
    return -1;
  }
  v.name = name;
  v.checks = checks;
  if (look_up (&v, &entries) == -1)
    return -1;
  warn_unlisted (&v);

  pthread_mutex_init (&v.lock, NULL);
  r = run (&v);
  pthread_mutex_destroy (&v.lock);
  if (r == 0)
    log_info ("%s: all %zu digests match", printable (name), v.nr_checks);
  return r;
}
