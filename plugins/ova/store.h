/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Where the files of packages lie: a folder of the local file system, or
 * of an NFS server.  package.c knows only this.
 *
 * Paths are relative to the root of the store, with '/' between names,
 * without "." and "..", and "" for the root itself.
 */
#ifndef NBDLIFT_STORE_H
#define NBDLIFT_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/util/blob.h"
#include "common/util/vector.h"
#include "plugins/ova/package.h"

enum store_kind {
  STORE_FILE,
  STORE_FOLDER,
  STORE_OTHER,                  /* device, socket, link to a folder, ... */
};

/* What is remembered of a file to notice that it changed. */
struct store_stat {
  enum store_kind kind;
  uint64_t size;                /* bytes */
  int64_t mtime;                /* seconds since 1970 */
  uint32_t mtime_nsec;
};

/* Is a file still what it was? */
extern bool store_is_same (const struct store_stat *a,
                           const struct store_stat *b);

/* Report that the file NAME is not what it was BEFORE.  Always -1 with
 * errno EIO.
 */
extern int store_changed (const char *name, const struct store_stat *before,
                          const struct store_stat *now);

struct store_entry {
  char *name;                   /* one component */
  enum store_kind kind;
  uint64_t size;
};
DEFINE_VECTOR_TYPE (store_entry_vector, struct store_entry);

/* Free the names and the vector. */
extern void store_entries_free (store_entry_vector *entries);
#define CLEANUP_STORE_ENTRIES                                           \
  __attribute__ ((cleanup (store_entries_free)))

#define STORE_MAX_ENTRIES 100000        /* in one folder */

struct package_store;

/* All of these report their errors and can be called from several
 * threads.  errno: ENOENT, EACCES, EPERM, EINVAL, EIO, ENOMEM.
 */
struct store_ops {
  /* Append the entries of FOLDER to ENTRIES, in no order. */
  int (*list) (struct package_store *store, const char *folder,
               store_entry_vector *entries);

  /* What PATH is.  ENOENT is not reported. */
  int (*stat) (struct package_store *store, const char *path,
               struct store_stat *stat);

  /* Open the regular file PATH, which must not lead out of FOLDER through
   * a symbolic link.  EXPECTED, unless it is NULL, is what it was when it
   * was seen before; EIO if it is not so any more.  *STAT is set on
   * success, unless it is NULL.  Reads give EIO when the file changes.
   */
  struct blob *(*open) (struct package_store *store, const char *folder,
                        const char *path, const struct store_stat *expected,
                        struct store_stat *stat);

  /* Absolute path for another program; the caller frees.  NULL with
   * ENOTSUP, not reported, when there is none.
   */
  char *(*local_path) (struct package_store *store, const char *path);

  void (*close) (struct package_store *store);
};

/* The first member of every implementation. */
struct package_store {
  const struct store_ops *ops;
  char *name;                   /* of the root, for messages: an absolute
                                   path or an nfs:// URL; owned, freed by
                                   store_close */
};

/* Open the store that PATH of the user lies in.  If PATH is a folder,
 * that is the root and *FILE is NULL; if it is a file, the root is its
 * folder and *FILE its name there, which the caller frees.  NULL with
 * errno and a report.
 */
extern struct package_store *store_open (const char *path,
                                         const struct package_options *opts,
                                         char **file);
extern struct package_store *store_open_local (const char *path, char **file);
extern struct package_store *store_open_nfs (const char *path,
                                         const struct package_options *opts,
                                         char **file);
extern void store_close (struct package_store *store);

/* True if PATH names something on an NFS server: "nfs://...", or
 * "SERVER:/PATH" ("[IPv6]:/PATH") unless it exists here.
 */
extern bool store_path_is_nfs (const char *path);

/* ROOT/PATH for messages; the caller frees.  NULL with ENOMEM, reported. */
extern char *store_display_name (const struct package_store *store,
                                 const char *path);

/* FOLDER/NAME, or NAME alone if FOLDER is "".  The caller frees.  NULL with
 * ENOMEM, reported.
 */
extern char *store_join (const char *folder, const char *name);

#endif /* NBDLIFT_STORE_H */
