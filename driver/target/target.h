/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The contract of a target: where volumes and manifests go.
 */
#ifndef NBDLIFT_TARGET_H
#define NBDLIFT_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "common/util/vector.h"

struct target_volume_spec {
  const char *namespace_;
  const char *name;             /* of the PVC */
  uint64_t size;                /* bytes, a multiple of 1 MiB */
  const char *storage_class;    /* may be NULL */
  const char *access_mode;      /* may be NULL */
  const char *volume_mode;      /* may be NULL: Filesystem */
};

/* A volume that is being filled, or one that is complete. */
struct target_volume {
  char *path;                   /* what to write to and to convert: an
                                   unfinished name until finish */
  char *final_path;             /* what it will be called */
  char *digest_path;            /* where its digests go */
  bool block;                   /* a block device */
  bool is_zero;                 /* fresh: reads as zeroes */
  bool complete;                /* finished earlier */
  uint64_t size;
  void *priv;
};

extern void target_volume_free (struct target_volume *v);

struct target_ops {
  const char *type;             /* "directory" */

  /* SPEC: the directory, or the context.  NULL reported. */
  void *(*open) (const char *spec);
  void (*close) (void *target);

  /* What would stop this set of volumes, checked before any is made:
   * space, names taken by something that is not ours, rights.  NEEDED is
   * the bytes of data expected in all (0 = unknown).  0 or -1 reported.
   */
  int (*check) (void *target, uint64_t needed);

  /* Make the volume, or find the unfinished or complete one of an earlier
   * run with the same OWNER (an opaque text that names plan, VM and
   * disk).  A volume of that name by another owner is refused (EEXIST).
   * NULL reported.
   */
  struct target_volume *(*create) (void *target,
                                   const struct target_volume_spec *spec,
                                   const char *owner);

  /* Flush and give it its final name.  Idempotent.  0 or -1 reported. */
  int (*finish) (void *target, struct target_volume *volume);

  /* Publish manifests (JSON array of Kubernetes objects) of one VM.
   * Written whole or not at all.  *WHERE tells people where (malloc'ed).
   */
  int (*publish) (void *target, const char *namespace_, const char *vm,
                  const json_t *objects, char **where);

  /* Whose manifests are there under the name VM, before any are published:
   * *ID is the label vmID of the VirtualMachine, malloc'ed, or NULL for
   * nobody's.  -1, reported: not written by us (EEXIST), or not readable.
   */
  int (*published) (void *target, const char *namespace_, const char *vm,
                    char **id);

  /* Remove the manifests of VM, if we have written them; what was removed
   * is appended to REMOVED.  0 or -1 reported.
   */
  int (*unpublish) (void *target, const char *namespace_, const char *vm,
                    string_vector *removed);

  /* Remove a volume of ours, finished or not, and its folder if empty. */
  int (*remove) (void *target, const char *namespace_, const char *name,
                 const char *owner);

  /* Remove all volumes whose OWNER begins with PREFIX; of those that are
   * finished nothing if KEEP_FINISHED.  What was removed is appended to
   * REMOVED.  0 or -1 reported.
   */
  int (*remove_owned) (void *target, const char *prefix, bool keep_finished,
                       string_vector *removed);

  /* The name of the volume in NAMESPACE_ that OWNER has made; *COMPLETE
   * tells if it is finished.  Changes nothing, and needs no open: SPEC is
   * what open takes.  malloc'ed; NULL with errno, reported but for ENOENT,
   * there is none.
   */
  char *(*find) (const char *spec, const char *namespace_,
                 const char *owner, bool *complete);

  /* Folder for the journal of a run (directory target: DIR/.nbdlift),
   * created 0700.  malloc'ed, NULL reported.
   */
  char *(*state_dir) (void *target);
};

extern const struct target_ops target_directory;

#endif /* NBDLIFT_TARGET_H */
