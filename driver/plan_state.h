/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The state folder of a plan, for the commands that come when a run has
 * ended or is going on in another process: cancel and cleanup.
 */
#ifndef NBDLIFT_PLAN_STATE_H
#define NBDLIFT_PLAN_STATE_H

#include <stdbool.h>

#include <jansson.h>

#include "common/util/vector.h"
#include "driver/command.h"
#include "driver/journal.h"
#include "driver/session.h"
#include "driver/target/target.h"

/* Is a run of the plan going on?  1 yes, 0 no; -1 with a report no run is
 * known (ENOENT), or an error.  FOLDER is that of the plan.
 */
extern int plan_state_is_running (const char *folder);

/* Keep runs out.  The file descriptor of the lock, or -1 reported. */
extern int plan_state_lock (const char *folder);

/* The target names of the VMs that have a folder, sorted.  0, or -1
 * reported.
 */
extern int plan_state_vms (const char *folder, string_vector *targets);

/* A request to a run to cancel the VM of this folder: a file, which the
 * run takes away when it is done.
 */
extern int plan_state_ask_cancel (const char *vm_folder);
extern bool plan_state_is_asked (const char *vm_folder);
extern void plan_state_withdraw_cancel (const char *vm_folder);

/* Remove the volumes of the VM with this source id that the plan made
 * (see remove_owned).  0, or -1 reported.
 */
extern int plan_state_remove_volumes (const struct target_ops *ops,
                                      void *target, const struct plan *plan,
                                      const char *id, bool keep_finished,
                                      string_vector *removed);

/* Remove the manifest of a VM that a run was writing when it was killed, of
 * which J (can be NULL) tells.  TARGET_NAME is the VM's on the target.  0,
 * or -1 reported.
 */
extern int plan_state_remove_manifest (const struct target_ops *ops,
                                       void *target, const struct plan *plan,
                                       const struct journal *j,
                                       const char *target_name,
                                       string_vector *removed);

/* What cancel and cleanup have at hand while no run goes on. */
struct plan_undo {
  struct session *session;      /* its source is opened when needed */
  const struct target_ops *ops;
  void *target;
  const char *folder;           /* of the plan */
  const json_t *status;         /* status.json, or NULL */
  string_vector removed;
};

/* The id of a VM on the source, or NULL: from its journal (can be NULL) or
 * from the status.  Valid as long as these.
 */
extern const char *plan_undo_id (const json_t *status,
                                 const struct journal *j,
                                 const char *target);

/* Is the VM the one that people call NAME, by its id, its name or its
 * target name?
 */
extern bool plan_undo_is_called (const json_t *status,
                                 const struct journal *j, const char *target,
                                 const char *name);

/* Say in STATUS (can be NULL) that the VM with this ID (likewise) is
 * cancelled, as Forklift does.  0, or -1 reported.
 */
extern int plan_undo_mark_cancelled (json_t *status, const char *id);

/* Undo what was made for the VM, which has not been migrated: manifest,
 * volumes, power of the source, and last its folder, until which all this
 * can be done again.  J can be NULL: nothing is known of it.  0, or -1
 * reported and *STATUS set.
 */
extern int plan_undo_vm (struct plan_undo *u, struct journal *j,
                         const char *target, bool keep_finished,
                         enum exit_status *status);

/* Remove a folder (which need not exist) with all that is in it, symbolic
 * links not followed.  0, or -1 reported.
 */
extern int plan_state_remove_tree (const char *path);

#endif /* NBDLIFT_PLAN_STATE_H */
