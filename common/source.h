/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The contract of a source: one struct source_ops per platform,
 * implemented in plugins/NAME/source.c, linked into the driver (and,
 * where useful, into the plugin).
 *
 * The driver speaks to a platform only through this table and by
 * running the nbdkit plugin with the arguments that `servers' gives.
 * An operation that a platform lacks is NULL; the driver then says so.
 *
 * Every function reports its own errors through common/util/log.h and
 * sets errno: EPERM refused credentials, EIO transport or bad answer,
 * ENOENT no such object, EINVAL bad data from the source, EEXIST an
 * ambiguous reference, ESHUTDOWN the source has gone.
 */
#ifndef NBDLIFT_SOURCE_H
#define NBDLIFT_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "common/util/vector.h"
#include "common/vm/vm.h"

/* One key of the provider's Secret, decoded. */
struct source_secret {
  const char *key;
  const char *value;
};

/* Another way to the disks of VMs that run on one host of the source, as
 * a Host resource says (vSphere).
 */
struct source_host {
  const char *id, *name;        /* of the host on the source; one can be
                                   NULL */
  const char *address;          /* host name or address to read from */
  const struct source_secret *secrets; /* the endpoint's if it has none */
  size_t nr_secrets;
};

/* Where a source is and how to log in.  All strings belong to the
 * caller and live until source_ops.close.
 */
struct source_endpoint {
  const char *provider;         /* name of the Provider resource */
  const char *type;             /* Provider.spec.type */
  const char *url;              /* Provider.spec.url */
  const struct source_secret *secrets;
  size_t nr_secrets;
  const struct source_secret *settings; /* Provider.spec.settings */
  size_t nr_settings;
  bool insecure_skip_verify;
  const struct source_host *hosts;
  size_t nr_hosts;
};

/* The value of a key, or NULL.  Implemented in common/source.c. */
extern const char *source_endpoint_secret (const struct source_endpoint *e,
                                           const char *key);
extern const char *source_endpoint_setting (const struct source_endpoint *e,
                                            const char *key);

/* How a plan names an object of the source: by id if set, else by name
 * (a bare name or an inventory path).
 */
struct source_ref {
  const char *id;
  const char *name;
  const char *namespace_;       /* OpenShift sources only */
  const char *type;
};

enum source_collection {
  SOURCE_VMS,
  SOURCE_NETWORKS,
  SOURCE_STORAGES,
  SOURCE_DISKS,
  SOURCE_HOSTS,
};

/* A server process that the driver starts to read disks of one VM. */
enum source_server_kind {
  SOURCE_SERVER_NBDKIT,         /* argv: plugin name, then key=value ... */
  SOURCE_SERVER_QEMU_NBD,       /* argv: the options and the image, without
                                   those for socket, pid file and forking */
};

struct source_server {
  enum source_server_kind kind;
  string_vector argv;           /* without the program's own name; filters
                                   as "--filter=NAME" come first.  Never a
                                   secret: */
  string_vector secret_keys;    /* "password": the driver writes each value
                                   to a 0600 file in its private folder and
                                   passes KEY=+FILE */
  string_vector secret_values;
  string_vector file_keys;      /* the same for values of several lines that
                                   are no passwords (certificates), passed as
                                   KEY=FILE; there as long as the server */
  string_vector file_values;
};
DEFINE_VECTOR_TYPE (source_server_vector, struct source_server);

/* Which server and export serves vm->disks.ptr[i]. */
struct source_export {
  size_t server;                /* index into servers */
  char *name;                   /* export name, "" for the default export */
};
DEFINE_VECTOR_TYPE (source_export_vector, struct source_export);

struct source_servers {
  source_server_vector servers;
  source_export_vector exports; /* one per vm->disks, in that order */
};

/* Free what *S holds.  Implemented in common/source.c. */
extern void source_servers_free (struct source_servers *s);
#define CLEANUP_SOURCE_SERVERS                                          \
  __attribute__ ((cleanup (source_servers_free)))

/* Called now and then during a long operation with the bytes done and
 * the bytes in all.  Returns false to cancel: the operation then fails
 * with errno ECANCELED, unreported.
 */
typedef bool (*source_progress) (void *opaque, uint64_t done,
                                 uint64_t total);

/* How the disks of a VM are read, where there are several ways. */
struct source_path {
  char *name;                   /* "folder": what settings.transport says */
  char *reason;                 /* why this one, for people */
  bool import;                  /* by import_disk, not from a server */
};
extern void source_path_free (struct source_path *path);
#define CLEANUP_SOURCE_PATH __attribute__ ((cleanup (source_path_free)))

/* Takes the bytes of a disk that is not served.  Called by one thread. */
struct source_sink {
  /* The disk has these bytes at OFFSET; what is never given is zero.  In
   * any order, but no byte twice.  0, or -1 with errno, reported.
   */
  int (*data) (void *opaque, uint64_t offset, const void *buf,
               size_t count);
  /* Asked at least once a second; true: end with ECANCELED, unreported. */
  bool (*cancelled) (void *opaque);
  void *opaque;
};

struct source_ops {
  const char *type;             /* "ova": Provider.spec.type */
  const char *title;            /* "Open Virtual Appliance" */
  bool converts;                /* its guests need virt-v2v: vsphere, ova */

  /* Open a session.  ENDPOINT stays valid until close.  NULL on error.
   * The session can be used from several threads at once.
   */
  void *(*open) (const struct source_endpoint *endpoint);
  void (*close) (void *session);

  /* A JSON array of the objects of a collection, in the keys of
   * Forklift's inventory service, sorted by name.  New reference; NULL
   * on error.  ENOTSUP if the platform has no such collection.
   */
  json_t *(*inventory) (void *session, enum source_collection collection);

  /* Find one VM and fill *VM (which is vm_init'ed by the caller and
   * untouched on error).  EEXIST: several VMs fit; the report lists
   * them.
   */
  int (*describe) (void *session, const struct source_ref *ref,
                   struct vm *vm);

  /* Check the source's own checksums of what VM will be read from.  NULL
   * if the platform has none.  0 if all that there are match (a source
   * without any is fine and said at LOG_LEVEL_INFO).
   */
  int (*verify) (void *session, const struct vm *vm,
                 source_progress progress, void *opaque);

  /* How to serve the disks of VM.  SNAPSHOT names the point in time, or
   * NULL for now.  *SERVERS is filled on success only.  Blank and LUN
   * disks have an entry in exports too, with name NULL.
   */
  int (*servers) (void *session, const struct vm *vm, const char *snapshot,
                  struct source_servers *servers);

  /* Which way SERVERS, or import_disk, will read VM.  NULL: there is only
   * one, SERVERS.  0 with *PATH, or -1 with errno and a report (ENOTSUP:
   * the way that settings.transport forces cannot be taken).
   */
  int (*path) (void *session, const struct vm *vm, struct source_path *path);

  /* Read all of vm->disks.ptr[DISK], from its beginning, and give it to
   * SINK.  What has been given counts only if this returns 0.  Several
   * disks can be read at once.  -1 with errno and a report, that of the
   * sink if it failed.
   */
  int (*import_disk) (void *session, const struct vm *vm, size_t disk,
                      const struct source_sink *sink);

  /* Power, or NULL, all or none.  shutdown asks the guest and waits up to
   * SECONDS until the VM is off; CANCELLED is asked at least once a second.
   * -1: ETIMEDOUT; ENOTSUP, nobody in the guest listens; ECANCELED; these
   * are unreported.  power_off and power_on: 0 also if it is so already.
   */
  int (*power_state) (void *session, const struct vm *vm,
                      enum vm_power *state);
  int (*shutdown) (void *session, const struct vm *vm, unsigned seconds,
                   bool (*cancelled) (void *opaque), void *opaque);
  int (*power_off) (void *session, const struct vm *vm);
  int (*power_on) (void *session, const struct vm *vm);

  /* Snapshots, or NULL.  *ID is malloc'ed. */
  int (*snapshot_create) (void *session, const struct vm *vm,
                          const char *name, char **id);
  int (*snapshot_remove) (void *session, const struct vm *vm,
                          const char *id);
};

/* The table has one line per source and is in driver/sources.c, the
 * only file that knows them all.  The entry of TYPE, or NULL (not
 * reported).
 */
extern const struct source_ops *source_find (const char *type);

/* All of them, NULL-terminated. */
extern const struct source_ops *const source_table[];

#endif /* NBDLIFT_SOURCE_H */
