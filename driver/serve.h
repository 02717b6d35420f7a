/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Start the servers (nbdkit with a plugin, or qemu-nbd) that show the
 * disks of one VM, and end them.
 */
#ifndef NBDLIFT_SERVE_H
#define NBDLIFT_SERVE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/source.h"
#include "common/vm/vm.h"

/* Sockets, pid files, secrets and logs of the servers are in a new 0700
 * folder under $XDG_RUNTIME_DIR, $TMPDIR or /tmp.
 */
struct served_vm;

struct serve_options {
  const char *log_dir;          /* keep server logs here; NULL: private
                                   folder, removed at the end */
  unsigned threads;             /* nbdkit -t; 0: as many as there are
                                   processors, 2 to 4 */
  unsigned seconds;             /* time for each server to be ready, and then
                                   to answer; 0: 3600 and 60 */
  bool verbose;                 /* nbdkit -v */
  bool tcp;                     /* listen on localhost TCP instead of Unix
                                   sockets, one server per disk with that
                                   disk as the default export: what
                                   virt-v2v 2.2 can use */
  const char *const *filters;   /* extra nbdkit filters and their
                                   parameters, NULL-terminated, or NULL */
};

/* Start all servers and wait until each answers an NBD client with the
 * size that VM says.  NULL with errno and a report that holds the last
 * error line of the server's log (none for ECANCELED, cancel.h).
 *
 * The servers are ended by the kernel when the calling thread ends
 * (prctl PR_SET_PDEATHSIG is tied to the thread, not to the process), so
 * that none survives us: the thread must live until serve_stop.  The
 * other functions can be called from any thread.  The servers have
 * process groups of their own: a signal from the terminal is for us.
 */
extern struct served_vm *serve_vm (const struct source_ops *ops,
                                   void *session, const struct vm *vm,
                                   const struct serve_options *options);

/* NBD URI of disk I, or NULL for a blank or LUN disk.  Valid until
 * serve_stop.
 */
extern const char *served_uri (const struct served_vm *s, size_t i);

/* Their folder.  serve_stop removes it with all files in it, and the next
 * command if we are killed before (leftovers.h).
 */
extern const char *served_folder (const struct served_vm *s);

/* TCP port of disk I (tcp only), else 0. */
extern unsigned served_port (const struct served_vm *s, size_t i);

/* If a server has died or said an error, the last error lines of its
 * log: the reason behind an "Input/output error" of the client.  malloc'ed
 * or NULL when there is none.
 */
extern char *served_error (struct served_vm *s, size_t i);

/* End the servers (SIGTERM, then SIGKILL) and remove the folder. */
extern void serve_stop (struct served_vm *s);

/* Where the plugin NAME is: in $NBDLIFT_PLUGIN_DIR, or the uninstalled
 * one beside the driver's own binary (build/plugins/nbdkit-NAME-plugin.so),
 * else just NAME for nbdkit to find.  malloc'ed, NULL reported.
 */
extern char *plugin_path (const char *name);

/* A new 0700 folder whose sockets have names that fit.  malloc'ed, NULL
 * reported.
 */
extern char *serve_folder (void);

#endif /* NBDLIFT_SERVE_H */
