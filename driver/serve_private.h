/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the files of the servers share.
 */
#ifndef NBDLIFT_SERVE_PRIVATE_H
#define NBDLIFT_SERVE_PRIVATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/source.h"
#include "driver/serve.h"

/* One server process. */
struct server {
  const char *program;          /* "nbdkit" or "qemu-nbd", for messages */
  pid_t pid;                    /* 0: none, or ended */
  bool ended;                   /* by itself: */
  int status;                   /* as of waitpid */
  char *socket;                 /* NULL with TCP */
  unsigned port;                /* 0 with a Unix socket */
  char *pid_file;
  char *log_file;
  off_t log_start;              /* what this server wrote begins here */
};

struct served_disk {
  struct server *server;        /* or NULL: blank or LUN */
  char *uri;
};

struct served_vm {
  char *folder;                 /* 0700, ours */
  struct server *servers;
  size_t nr_servers;
  struct served_disk *disks;
  size_t nr_disks;
  pthread_mutex_t lock;         /* of pid, ended and status */
};

/* serve_args.c */

/* The command line for SPEC, which shows EXPORT as the default export
 * unless that is NULL.  Secrets are written to files in FOLDER whose
 * names begin with PREFIX; the names are appended to SECRET_FILES.  0, or
 * -1 with errno and a report.
 */
extern int serve_argv (const struct source_server *spec,
                       const struct server *server, const char *export,
                       const struct serve_options *options,
                       const char *folder, const char *prefix,
                       string_vector *secret_files, string_vector *argv);

/* NBD URI of an export.  malloc'ed, NULL reported. */
extern char *serve_uri (const struct server *server, const char *export);

/* serve_log.c */

/* The last error lines that SERVER has logged, joined; malloc'ed.  NULL
 * when there is none.
 */
extern char *serve_log_errors (const struct server *server);

/* serve_start.c */

/* Remove a folder of serve_folder with the files in it. */
extern void serve_folder_remove (const char *folder);

/* Start server number I for SPEC and wait for its pid file.  0, or -1
 * with errno and a report.
 */
extern int serve_start (struct served_vm *s, size_t i,
                        const struct source_server *spec, const char *export,
                        const struct serve_options *options);

/* True if it ended by itself.  With the lock of S held, or before other
 * threads know S.
 */
extern bool server_has_ended (struct server *server);

#endif /* NBDLIFT_SERVE_PRIVATE_H */
