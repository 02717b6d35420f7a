/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The connections to one NFS server: a call takes one, and is tried again
 * on a new one when the server restarts or does not answer.
 */
#ifndef NBDLIFT_NFS_POOL_H
#define NBDLIFT_NFS_POOL_H

#include "plugins/ova/nfs_session.h"
#include "plugins/ova/nfs_url.h"

struct nfs_pool;

/* Connect to PLACE.  *BELOW is set to the part of PLACE's path that is
 * inside of what was mounted ("" or "/a/b").  NAME is for messages.  NULL
 * with errno and a report.
 */
extern struct nfs_pool *nfs_pool_open (const struct nfs_place *place,
                                       const struct package_options *opts,
                                       const char *name, const char **below);
extern void nfs_pool_free (struct nfs_pool *pool);

/* Call FN with a connected session.  It returns as the functions of
 * nfs_session.h do, or -ECANCELED for a failure that it has reported; it
 * is called again after failures that may pass.  OWNER, if not NULL, asks
 * for a session in which that has a file open.  NAME is for messages.
 * 0, or -1 with errno and a report, unless errno is QUIET (0: none).
 * Thread safe.
 */
extern int nfs_pool_run (struct nfs_pool *pool, const void *owner,
                         const char *name, int quiet,
                         int (*fn) (struct nfs_session *session,
                                    void *opaque), void *opaque);

/* Close what OWNER has open, in all sessions. */
extern void nfs_pool_close_owner (struct nfs_pool *pool, const void *owner);

#endif /* NBDLIFT_NFS_POOL_H */
