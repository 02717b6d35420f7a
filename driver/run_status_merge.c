/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A run of some VMs of a plan does not know the others: what an earlier
 * run has written of them is kept, in its order, and so are the earlier
 * runs in the history.
 */
#include <string.h>

#include "common/include/cleanup.h"
#include "common/json/json.h"
#include "common/util/log.h"
#include "driver/run_status.h"

static json_t *
migration_of (const json_t *doc)
{
  return json_object_get (json_object_get (doc, "status"), "migration");
}

/* The entry of a VM, borrowed; NULL: there is none. */
static json_t *
find_vm (const json_t *vms, const char *id)
{
  json_t *vm;
  size_t i;

  json_array_foreach (vms, i, vm)
    if (strcmp (json_get_string (vm, "id", ""), id) == 0)
      return vm;
  return NULL;
}

/* A run that was killed has left steps and disks that run. */
static int
settle (json_t *entry)
{
  static const char *const parts[] = { "pipeline", "tasks" };
  json_t *part;
  size_t n, i;

  if (strcmp (json_get_string (entry, "phase", ""), "Running") == 0 &&
      json_set_string (entry, "phase", "Pending") == -1)
    return -1;
  for (n = 0; n < sizeof parts / sizeof parts[0]; n++)
    json_array_foreach (json_object_get (entry, parts[n]), i, part)
      if (json_is_object (part) && settle (part) == -1)
        return -1;
  return 0;
}

/* The VMs of BEFORE, or what NOW says of them, and then the others. */
static json_t *
merge_vms (const json_t *now, const json_t *before)
{
  CLEANUP_JSON json_t *all = json_array ();
  json_t *vm, *newer;
  size_t i;

  if (all == NULL) {
    log_oom ();
    return NULL;
  }
  json_array_foreach (before, i, vm) {
    const char *id = json_get_string (vm, "id", NULL);

    if (id == NULL)
      continue;
    newer = find_vm (now, id);
    if (newer == NULL && settle (vm) == -1)
      return NULL;
    if (json_array_append (all, newer ? newer : vm) == -1) {
      log_oom ();
      return NULL;
    }
  }
  json_array_foreach (now, i, vm)
    if (find_vm (all, json_get_string (vm, "id", "")) == NULL &&
        json_array_append (all, vm) == -1) {
      log_oom ();
      return NULL;
    }
  return json_incref (all);
}

static json_t *
merge_history (const json_t *now, const json_t *before)
{
  json_t *all = json_is_array (before) ? json_copy ((json_t *) before) :
    json_array ();

  if (all && json_array_extend (all, (json_t *) now) == 0)
    return all;
  log_oom ();
  json_decref (all);
  return NULL;
}

int
run_status_merge (json_t *now, json_t *before)
{
  json_t *migration = migration_of (now), *earlier = migration_of (before);

  if (!json_is_object (earlier))
    return 0;
  if (json_set (migration, "vms",
                merge_vms (json_object_get (migration, "vms"),
                           json_object_get (earlier, "vms"))) == -1)
    return -1;
  return json_set (migration, "history",
                   merge_history (json_object_get (migration, "history"),
                                  json_object_get (earlier, "history")));
}
