/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Where an OVF package lies: an .ova (a tar), an .ovf with loose files,
 * or a folder with several of either; on a local file system or on NFS
 * through libnfs.  Nothing is ever unpacked: a file of a package is a
 * blob at its place.
 */
#ifndef NBDLIFT_OVA_PACKAGE_H
#define NBDLIFT_OVA_PACKAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/util/blob.h"
#include "common/util/vector.h"

/* A file of a package: a tar member, or a file beside the .ovf. */
struct package_file {
  char *name;                   /* path from the tar's root, or from the
                                   OVF's folder if the files are loose */
  uint64_t size;                /* bytes */
  uint64_t offset;              /* in the .ova; 0 for loose files */
};
DEFINE_VECTOR_TYPE (package_file_vector, struct package_file);

/* One OVF descriptor and the files that it can refer to. */
struct package {
  char *path;                   /* of the .ova or .ovf, relative to the
                                   folder that was opened, for messages and
                                   as inventory path; unique in the set */
  bool is_tar;
  char *ovf_name;               /* the .ovf in FILES: its name there */
  char *ovf_text;               /* its bytes, NUL-terminated for safety */
  size_t ovf_len;
  char *mf_name;                /* the same of the manifest, or NULL */
  package_file_vector files;    /* all regular files, .ovf and .mf included,
                                   sorted by name, each name once (of tar
                                   members with one name the last counts,
                                   as tar does); of loose ones, those in the
                                   OVF's folder itself */
  struct package_place *place;  /* private */
};
DEFINE_VECTOR_TYPE (package_vector, struct package *);

struct package_options {
  unsigned nfs_version;         /* 0: try 4, then 3 */
  unsigned nfs_port;            /* 0: the default */
  unsigned nfs_timeout;         /* seconds for one reply; 0: 30 */
  unsigned nfs_connections;     /* contexts in the pool; 0: 4 */
};

struct package_set {
  package_vector packages;      /* sorted by path */
  struct package_store *store;  /* private */
};

/* Open PATH: a local path (file or folder), "nfs://SERVER/EXPORT/PATH" with
 * libnfs's URL arguments, or "SERVER:/EXPORT/PATH".  A folder is searched
 * as Forklift does: .ova to depth 2, .ovf to depth 3, names in any case,
 * but several .ovf in one folder are allowed, and names that begin with
 * a dot (.snapshot, ._x.ova) are passed over.  A file in a folder that
 * can not be read is skipped with a warning that names it; the PATH
 * itself being broken, or nothing found, is an error.
 *
 * NULL with errno (ENOENT, EINVAL, EIO, EPERM) and a report.  The set can
 * be used from several threads.
 */
extern struct package_set *package_set_open (const char *path,
                                      const struct package_options *options);
extern void package_set_close (struct package_set *set);

/* The file that HREF means, an entry of FILES or (loose files in a
 * sub-folder) like one and as long-lived.  HREF is relative to the OVF's
 * folder; percent-encoding is decoded, but a name that has a '%' itself
 * is found too.  NULL with errno and a report: ENOENT; EINVAL for an
 * absolute HREF, a URL, one that leaves the package with "..", and a
 * link in a tar.
 */
extern const struct package_file *package_find (const struct package *pkg,
                                                const char *href);

/* Open the bytes of a file of PKG, as they are.  If the file changes
 * (size, mtime) while it is open, reads give EIO.  NULL with errno and a
 * report.
 */
extern struct blob *package_open_file (const struct package *pkg,
                                       const struct package_file *file);

/* As package_find and package_open_file, and then: CHUNK_SIZE > 0 joins
 * HREF.000000000, HREF.000000001, ... (DSP0243, 7.1: all but the last
 * have CHUNK_SIZE bytes; a missing chunk is named), and GZIP decompresses.
 * TOTAL is the size of the whole before or after decompression
 * (writers differ), or 0 if unknown; chunks that do not add up to it are
 * an error, a single file of another size is a warning.  A gzip stream is
 * read once to learn its size and to place at most 1024 restart points;
 * reads in ascending order then go on without decoding anything twice.
 */
extern struct blob *package_open_reference (const struct package *pkg,
                                            const char *href,
                                            uint64_t chunk_size,
                                            uint64_t total, bool gzip);

/* Text that changes when the bytes behind HREF do: size and time of the
 * file that holds them (with chunks, of the first).  The caller frees.
 * NULL with errno and a report.
 */
extern char *package_reference_version (const struct package *pkg,
                                        const char *href,
                                        uint64_t chunk_size);

/* Absolute local path of the file that holds FILE's bytes (the .ova, or
 * the file itself), for a program that needs a path.  The caller frees.
 * NULL with errno ENOTSUP (not reported) when it is on NFS.
 */
extern char *package_local_path (const struct package *pkg,
                                 const struct package_file *file);

/* Check every line of PKG's manifest (.mf): DSP0243 section "Manifest".
 * PROGRESS (may be NULL) gets bytes, from several threads but from one at
 * a time.  0 if all match, or there is no
 * manifest (said at LOG_LEVEL_INFO); -1 with errno EINVAL for a
 * mismatch (file and both digests named), a listed file that is absent
 * or a line that cannot be read; ECANCELED unreported.
 */
extern int package_verify (const struct package *pkg,
                           bool (*progress) (void *opaque, uint64_t done,
                                             uint64_t total),
                           void *opaque);

#endif /* NBDLIFT_OVA_PACKAGE_H */
