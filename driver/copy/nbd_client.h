/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The client's side of one NBD export: a few connections that one
 * thread drives with poll, never waiting longer than it says.
 */
#ifndef NBDLIFT_NBD_CLIENT_H
#define NBDLIFT_NBD_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libnbd.h>

#define NBD_CLIENT_MAX 16       /* connections */

/* Seconds without a byte from the server before we give it up. */
#define NBD_CLIENT_STALL_SECONDS 120

struct nbd_client {
  struct nbd_handle *nbd[NBD_CLIENT_MAX];
  unsigned nr;                  /* connections that are open */
  uint64_t size;                /* bytes of the export */
  uint64_t min_request;         /* the server's limits: requests must be
                                   multiples of this, a power of 2, */
  uint64_t max_request;         /* and at most this, at most 32 MiB */
  bool extents;                 /* base:allocation was negotiated */
  const char *delta_context;    /* negotiated too; borrowed; NULL: none
                                   but base:allocation */
  char failure[512];            /* why the last call failed, printable */
};

/* Asked about 5 times a second while waiting; false cancels. */
typedef bool (*nbd_client_keep_on) (void *opaque);

/* Connect to URI: CONNECTIONS of them if the server allows several
 * (NBD_FLAG_CAN_MULTI_CONN), else one.  DELTA_CONTEXT: a metadata context
 * that must be there, or NULL; base:allocation is always asked for too,
 * and if it is DELTA_CONTEXT it must be there.  Gives up after SECONDS.
 * KEEP_ON may be NULL.
 *
 * 0; or -1 with errno (EIO, ETIMEDOUT, ECANCELED, or ENOTSUP: the server
 * has no such context; the failure lists those it has): no connection is
 * open then and C->failure tells what happened; the caller reports.
 */
extern int nbd_client_open (struct nbd_client *c, const char *uri,
                            unsigned connections, const char *delta_context,
                            unsigned seconds, nbd_client_keep_on keep_on,
                            void *opaque);

/* URI as it may be shown: printable, and without the password if it has
 * one.  The caller frees it.  NULL with errno ENOMEM.
 */
extern char *nbd_client_safe_uri (const char *uri);

/* Wait for any connection, or for WAKE_FD (-1: none) to be readable, up
 * to TIMEOUT_MS, and let libnbd work: callbacks of commands run here.
 * *ALIVE is set to true if the server sent anything.
 *
 * 0; or -1 with errno when a connection failed: as nbd_client_open.
 */
extern int nbd_client_poll (struct nbd_client *c, int wake_fd,
                            int timeout_ms, bool *alive);

/* Give commands in flight half a second to end, and close.  A command
 * that did not end is dropped without its callback; no buffer is used
 * after the return.
 */
extern void nbd_client_close (struct nbd_client *c);

#endif /* NBDLIFT_NBD_CLIENT_H */
