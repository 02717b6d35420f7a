/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How a user says where something is on an NFS server.
 */
#ifndef NBDLIFT_NFS_URL_H
#define NBDLIFT_NFS_URL_H

struct nfs_place {
  char *server;                 /* without the brackets of an IPv6 address */
  char *path;                   /* "/a/b": no "." or "..", no '/' at its end;
                                   "" for the root */
  char *args;                   /* libnfs's URL arguments, checked, but
                                   without version; or "" */
  unsigned version;             /* 3, 4, or 0 if not said */
};

/* Read "nfs://SERVER[:PORT]/PATH[?ARGS]" (percent-encoding in PATH is
 * decoded) or "SERVER:/PATH" (taken as it is).  0, or -1 with errno EINVAL or
 * ENOMEM and a report.
 */
extern int nfs_url_parse (const char *text, struct nfs_place *place);
extern void nfs_place_free (struct nfs_place *place);
#define CLEANUP_NFS_PLACE __attribute__ ((cleanup (nfs_place_free)))

#endif /* NBDLIFT_NFS_URL_H */
