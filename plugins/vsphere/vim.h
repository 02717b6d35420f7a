/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A session with vCenter Server or an ESXi host: the part of the vSphere
 * Web Services API (SOAP, urn:vim25) that a migration needs.
 *
 * Thread safe.  A session that the server has dropped is opened again
 * once, whoever notices it first, and the call repeated; the session is
 * kept alive while it is open, and closed on every way out.
 *
 * Errors are reported here, once: what was asked, of which object, the
 * server's fault in its own words, the privilege that is missing, and
 * the remedy.  errno: EPERM (login refused, no permission), ENOENT (no
 * such object), EBUSY (locked, or a task of another kind runs), ENOTSUP
 * (the server does not know the method), EINVAL (what came is not what
 * the API promises), EIO, ETIMEDOUT, ECANCELED.
 */
#ifndef NBDLIFT_VIM_H
#define NBDLIFT_VIM_H

#include <stdbool.h>
#include <stdint.h>

#include <libxml/tree.h>

#include "common/http/http.h"
#include "common/source.h"
#include "common/util/vector.h"
#include "common/vm/vm.h"

#define VIM_NS "urn:vim25"
#define VIM_XSI_NS "http://www.w3.org/2001/XMLSchema-instance"

struct vim;

struct vim_options {
  const char *url;              /* "https://HOST[:PORT][/sdk]" */
  const char *user, *password;
  const char *ca_pem;           /* as in struct http_options */
  const char *ca_file;          /* read by vim_open */
  const char *thumbprint;
  bool insecure;
  const char *proxy;
  unsigned connections;         /* for /folder [8] */
  size_t block;                 /* of its reads, as in struct http_options */
  unsigned timeout;             /* seconds without an answer [120] */
};

/* Read the service content and log in.  NULL with errno and a report. */
extern struct vim *vim_open (const struct vim_options *options);
/* Log out and free, and with it the client (vim_http): all its files are
 * closed before.  NULL is allowed.
 */
extern void vim_close (struct vim *vim);

/* Start the thread that keeps the session alive.  nbdkit forks after its
 * configuration: call this from .after_fork.  Calling it again does
 * nothing.  0, or -1 with errno and a report.
 */
extern int vim_start (struct vim *vim);

extern bool vim_is_vcenter (const struct vim *vim);
/* "VMware vCenter Server 8.0.2 build-...", and "8.0.2.0". */
extern const char *vim_product (const struct vim *vim);
extern const char *vim_api_version (const struct vim *vim);
extern const char *vim_instance_uuid (const struct vim *vim);

/* The client of the session, with its cookie: /folder is read with it. */
extern struct http_client *vim_http (struct vim *vim);

/*---- managed objects ----*/

/* A reference: both malloc'ed. */
struct vim_ref {
  char *type;                   /* "VirtualMachine" */
  char *id;                     /* "vm-57" */
};
extern void vim_ref_free (struct vim_ref *ref);
#define CLEANUP_VIM_REF __attribute__ ((cleanup (vim_ref_free)))

/* One property: VALUE is the <val> element of the reply, of the document
 * that the list owns.
 */
struct vim_property {
  const char *name;
  xmlNodePtr value;
};
DEFINE_VECTOR_TYPE (vim_property_vector, struct vim_property);

struct vim_object {
  struct vim_ref ref;
  vim_property_vector properties; /* those that are set */
  string_vector denied;         /* names that NoPermission kept from us */
};
DEFINE_VECTOR_TYPE (vim_object_vector, struct vim_object *);

struct vim_objects {
  vim_object_vector list;       /* in the server's order */
  /* the documents: private to vim_property.c */
  void *documents;
};
extern void vim_objects_free (struct vim_objects *objects);
#define CLEANUP_VIM_OBJECTS __attribute__ ((cleanup (vim_objects_free)))

/* The one whose id is ID, or NULL; also when ID is NULL. */
extern const struct vim_object *
vim_objects_find (const struct vim_objects *objects, const char *id);

/* The value of NAME, or NULL. */
extern xmlNodePtr vim_object_get (const struct vim_object *object,
                                  const char *name);
/* Its text, malloc'ed, or NULL. */
extern char *vim_object_text (const struct vim_object *object,
                              const char *name);

/* Properties PATHS (NULL-terminated) of one object.  Paths that the server
 * does not know are as those that are not set.  ENOENT: no such object.
 */
extern int vim_get (struct vim *vim, const char *type, const char *id,
                    const char *const *paths, struct vim_objects *objects);
/* The same of N objects of TYPE or of types derived from it.  *OBJECTS is
 * empty if N is 0.
 */
extern int vim_get_refs (struct vim *vim, const char *type,
                         const struct vim_ref *refs, size_t n,
                         const char *const *paths,
                         struct vim_objects *objects);
/* The same of all objects of TYPE ("A", or "A,B,...": only paths that all
 * of them have) below the root folder, page by page.
 */
extern int vim_get_all (struct vim *vim, const char *type,
                        const char *const *paths,
                        struct vim_objects *objects);

/*---- values ----*/

/* The child element NAME of a value, or NULL; also when NODE is NULL. */
extern xmlNodePtr vim_child (xmlNodePtr node, const char *name);
/* The next one of that name after NODE. */
extern xmlNodePtr vim_next (xmlNodePtr node, const char *name);
/* Its text, malloc'ed, or NULL. */
extern char *vim_child_text (xmlNodePtr node, const char *name);
/* True if it is there and says so. */
extern bool vim_child_bool (xmlNodePtr node, const char *name);
extern bool vim_node_bool (xmlNodePtr node);
/* A number without sign; false, and *R as it was, if there is none. */
extern bool vim_child_u64 (xmlNodePtr node, const char *name, uint64_t *r);
extern bool vim_node_u64 (xmlNodePtr node, uint64_t *r);
/* A key, which can be negative. */
extern bool vim_child_int (xmlNodePtr node, const char *name, int *r);
/* The type of an element, "VirtualDisk", malloc'ed, or NULL. */
extern char *vim_xsi_type (xmlNodePtr node);
extern bool vim_node_is_a (xmlNodePtr node, const char *type);
/* A reference.  0, or -1 with errno EINVAL (it is none) or ENOMEM, not
 * reported.
 */
extern int vim_node_ref (xmlNodePtr node, struct vim_ref *ref);

/*---- the tree of the inventory ----*/

/* An object and all above it, with name and parent; for the two below. */
extern int vim_ancestors (struct vim *vim, const char *type, const char *id,
                          struct vim_objects *tree);
/* All folders, datacenters, clusters and pools (a vApp is one). */
extern int vim_all_folders (struct vim *vim, struct vim_objects *tree);

/* As vim_inventory_path, vim_datacenter_path, of the object called NAME (as
 * the server escapes it) whose parent is PARENT_ID in TREE.
 */
extern char *vim_path_in (const struct vim *vim,
                          const struct vim_objects *tree, const char *name,
                          const char *parent_id);
extern char *vim_datacenter_in (const struct vim *vim,
                                const struct vim_objects *tree,
                                const char *parent_id);

/* "a%2fb" as people write it: "a/b".  malloc'ed; NULL reported. */
extern char *vim_unescape_name (const char *name);

/* Inventory path of an object, "/DC0/vm/folder/name" (each name escaped as
 * the API does: %2f, %25, %5c), malloc'ed.  NULL reported.
 */
extern char *vim_inventory_path (struct vim *vim, const char *type,
                                 const char *id);
/* The name (not escaped) and the path of folders of the Datacenter above an
 * object: what dcPath wants ("Folder/DC").  "ha-datacenter" on a host.
 */
extern char *vim_datacenter_path (struct vim *vim, const char *type,
                                  const char *id);

/* Find one VM: ID is a moRef; NAME is an inventory path (with a slash), an
 * instance UUID, a BIOS UUID, or a name.  *ID_OUT is malloc'ed.  ENOENT;
 * EEXIST with the paths of all that fit.
 */
extern int vim_find_vm (struct vim *vim, const struct source_ref *ref,
                        char **id_out);

/*---- methods ----*/

/* Call METHOD of object TYPE/ID with ARGS, XML that follows <_this>
 * (escaped, in the order of the API; see vim_escape), or NULL.  *REPLY
 * (unless NULL) is the document, *RETURNVAL its first returnval or NULL;
 * the caller frees the document.  0, or -1 reported.
 */
extern int vim_call (struct vim *vim, const char *method, const char *type,
                     const char *id, const char *args, xmlDocPtr *reply,
                     xmlNodePtr *returnval);
extern char *vim_escape (const char *text);

/* Call a method that gives a Task and wait for its end, up to SECONDS (0:
 * an hour); ETIMEDOUT then, and the task is cancelled.  *RESULT (unless
 * NULL): text of the result, malloc'ed, or NULL.  CANCELLED may be NULL; if
 * it says true, the task is cancelled, with errno ECANCELED, unreported.
 * A task that the server forgot before we saw its end: -1 with errno ESRCH,
 * unreported; look at the object then.
 */
extern int vim_task (struct vim *vim, const char *method, const char *type,
                     const char *id, const char *args, unsigned seconds,
                     bool (*cancelled) (void *opaque), void *opaque,
                     char **result);

/*---- power ----*/

extern int vim_power_state (struct vim *vim, const char *vm,
                            enum vm_power *state);
/* 0 also if it is in that state already. */
extern int vim_power_off (struct vim *vim, const char *vm);
extern int vim_power_on (struct vim *vim, const char *vm);
/* Ask the guest and wait until the VM is off, up to SECONDS.  -1: ETIMEDOUT,
 * ENOTSUP (VMware Tools do not run) and ECANCELED, all unreported; or what
 * went wrong, reported.
 */
extern int vim_shutdown_guest (struct vim *vim, const char *vm,
                               unsigned seconds,
                               bool (*cancelled) (void *opaque),
                               void *opaque);

/*---- changed blocks ----*/

/* What of a disk is allocated (CHANGE_ID "*") or has changed since
 * CHANGE_ID, as FN is told piece by piece, ascending, merged, within
 * [0, capacity).  SNAPSHOT NULL: the current state of a VM that is off.
 * 0; or -1, also if FN gives -1: whatever goes wrong is reported at
 * LOG_LEVEL_DEBUG only, because the answer is then "all of it", and what FN
 * was told does not count.
 */
extern int vim_changed_areas (struct vim *vim, const char *vm,
                              const char *snapshot, int device_key,
                              uint64_t capacity, const char *change_id,
                              int (*fn) (void *opaque, uint64_t offset,
                                         uint64_t length),
                              void *opaque);

/*---- leases (HttpNfcLease) ----*/

struct vim_lease_disk {
  char *key;                    /* "/vm-57/ParaVirtualSCSIController0:0" */
  char *url;                    /* with the host filled in */
  char *target_id;              /* "disk-0.vmdk" */
  char *thumbprint;             /* of the host, or NULL */
};
DEFINE_VECTOR_TYPE (vim_lease_disk_vector, struct vim_lease_disk);

struct vim_lease;

/* ExportVm: wait until the lease is ready; a thread of its own tells the
 * server of progress until it is completed or aborted.
 */
extern struct vim_lease *vim_lease_open (struct vim *vim, const char *vm);
extern const vim_lease_disk_vector *
vim_lease_disks (const struct vim_lease *lease);
/* For the progress: percent of all. */
extern void vim_lease_progress (struct vim_lease *lease, unsigned percent);
/* Size and SHA-1 (hex) of the stream of KEY by the lease's manifest, after
 * its download.  ENOTSUP unreported if the server gives none.
 */
extern int vim_lease_checksum (struct vim_lease *lease, const char *key,
                               char *sha1_hex, uint64_t *size);
/* Complete (OK) or abort, and free. */
extern int vim_lease_close (struct vim_lease *lease, bool ok);

#endif /* NBDLIFT_VIM_H */
