/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One connection to an NFS server through libnfs, with a time limit for
 * every call.  To be used by one thread at a time.
 */
#ifndef NBDLIFT_NFS_SESSION_H
#define NBDLIFT_NFS_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/util/vector.h"
#include "plugins/ova/store.h"

/* One reply may have at most this many bytes.  libnfs fails on more with
 * NFSv4.
 */
#define NFS_MAX_READ (1U << 20)

/* How to connect. */
struct nfs_target {
  char *server;                 /* host name or address, no brackets */
  char *args;                   /* libnfs's URL arguments, or "" */
  char *export;                 /* what is mounted, once known */
  unsigned version;             /* 3 or 4, once known */
  unsigned timeout;             /* seconds for one call */
};

/* An open file of a session. */
struct nfs_handle {
  const void *owner;            /* who asked for it */
  struct nfsfh *fh;
};
DEFINE_VECTOR_TYPE (nfs_handle_vector, struct nfs_handle);

struct nfs_session {
  struct nfs_context *ctx;      /* NULL: not connected */
  pid_t pid;                    /* that connected */
  const struct nfs_target *target;      /* that it is connected to */
  uint64_t max_read;            /* bytes */
  nfs_handle_vector handles;
  char error[256];              /* text of the last failure */
};

/* All of these return 0 (or as said) or a negative errno, with a text in
 * ERROR and no report.  When the connection has failed or timed out (-EIO,
 * -ETIMEDOUT) it is closed already.  Paths begin with '/', the root
 * of the export.
 */

/* Connect and mount EXPORT with VERSION (not those in TARGET, which stays
 * in use until the session is dropped).
 */
extern int nfs_session_mount (struct nfs_session *s,
                              const struct nfs_target *target,
                              unsigned version, const char *export);

/* Close the connection, without waiting for the server. */
extern void nfs_session_drop (struct nfs_session *s);


/* *IS_LINK may be NULL; then links are followed. */
extern int nfs_session_stat (struct nfs_session *s, const char *path,
                             bool *is_link, struct store_stat *st);

/* A symbolic link is listed as a file. */
extern int nfs_session_list (struct nfs_session *s, const char *path,
                             store_entry_vector *entries);

/* The file PATH, which stays open for OWNER. */
extern int nfs_session_open (struct nfs_session *s, const void *owner,
                             const char *path, struct nfsfh **fh);
/* Close what OWNER has open, if anything. */
extern void nfs_session_close (struct nfs_session *s, const void *owner);

/* Returns the bytes read, fewer than COUNT (at most s->max_read) perhaps,
 * 0 at the end of the file; and in *ST what the file was then, which costs
 * no extra round trip.
 */
extern int nfs_session_pread (struct nfs_session *s, struct nfsfh *fh,
                              void *buf, size_t count, uint64_t offset,
                              struct store_stat *st);

#endif /* NBDLIFT_NFS_SESSION_H */
