/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Disks that several VMs have.  The source says so of a disk, or it is
 * found in two VMs of the plan.  Its claim has the name that the first of
 * them gives it, or that of the volume which is there already.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/json/json.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/preflight_private.h"
#include "driver/shared_disk.h"

static bool
same (const char *a, const char *b)
{
  return a && b && strcmp (a, b) == 0;
}

/* The disk of Q with that identity, or -1. */
static ssize_t
find_disk (const struct preflight_vm *q, const char *identity)
{
  size_t i;

  for (i = 0; i < q->vm.disks.len; i++)
    if (same (q->disks[i].shared, identity))
      return i;
  return -1;
}

static bool
is_in_another (const preflight_vm_vector *all, const struct preflight_vm *p,
               const char *identity)
{
  size_t i;

  for (i = 0; i < all->len; i++)
    if (all->ptr[i] != p && find_disk (all->ptr[i], identity) != -1)
      return true;
  return false;
}

int
preflight_find_shared (const struct look *look,
                       const preflight_vm_vector *all)
{
  size_t i, j;

  for (i = 0; i < all->len; i++) {
    struct preflight_vm *p = all->ptr[i];

    p->disks = calloc (p->vm.disks.len + 1, sizeof *p->disks);
    if (p->disks == NULL) {
      log_oom ();
      return -1;
    }
    for (j = 0; j < p->vm.disks.len; j++)
      if (shared_disk_identity (look->s->provider, &p->vm.disks.ptr[j],
                                &p->disks[j].shared) == -1)
        return -1;
  }
  for (i = 0; i < all->len; i++)
    for (j = 0; j < all->ptr[i]->vm.disks.len; j++) {
      struct preflight_vm *p = all->ptr[i];
      struct vm_disk *d = &p->vm.disks.ptr[j];

      if (p->disks[j].shared && is_in_another (all, p, p->disks[j].shared))
        d->shared = true;
    }
  /* All others are the VM's own. */
  for (i = 0; i < all->len; i++)
    for (j = 0; j < all->ptr[i]->vm.disks.len; j++) {
      struct preflight_vm *p = all->ptr[i];

      if (!p->vm.disks.ptr[j].shared) {
        free (p->disks[j].shared);
        p->disks[j].shared = NULL;
      }
    }
  return 0;
}

/* Look on the target for the volume of D.  *PVC is malloc'ed, or NULL. */
static int
find_volume (const struct look *look, struct preflight_disk *d, char **pvc)
{
  const struct preflight_options *o = look->options;
  CLEANUP_FREE char *owner = NULL;

  *pvc = NULL;
  if (o->output == NULL)
    return 0;
  owner = shared_disk_owner (look->s->plan->target_namespace, d->shared);
  if (owner == NULL)
    return -1;
  *pvc = o->target->find (o->output, look->s->plan->target_namespace, owner,
                          &d->complete);
  if (*pvc == NULL && errno != ENOENT)
    return -1;
  d->found = *pvc != NULL;
  return 0;
}

int
preflight_name_shared (const struct look *look,
                       const preflight_vm_vector *all, size_t n)
{
  struct preflight_vm *p = all->ptr[n];
  size_t i, j;

  for (i = 0; i < p->vm.disks.len; i++) {
    struct preflight_disk *d = &p->disks[i];
    CLEANUP_FREE char *found = NULL;
    const char *pvc = NULL;

    if (d->shared == NULL)
      continue;
    for (j = 0; j < n && pvc == NULL; j++) {
      const struct preflight_vm *q = all->ptr[j];
      const ssize_t k = find_disk (q, d->shared);

      if (k != -1) {
        pvc = q->names.pvc[k];
        d->found = q->disks[k].found;
        d->complete = q->disks[k].complete;
      }
    }
    if (pvc == NULL) {
      if (find_volume (look, d, &found) == -1)
        return -1;
      pvc = found;
    }
    if (pvc && strcmp (pvc, p->names.pvc[i]) != 0 &&
        vm_names_set_pvc (look->s->plan, p->pvm, &p->vm, &p->names, i,
                          pvc) == -1)
      return -1;
  }
  return 0;
}

/*---- problems ----*/

/* As Forklift calls it: one condition per VM. */
static int
note_shared (const struct look *look, const struct preflight_vm *p,
             enum problem_category category, const char *suggestion,
             const char *disk, const char *message)
{
  CLEANUP_FREE char *type = NULL;

  if (asprintf (&type, "%s-%s", category == PROBLEM_WARN ?
                "SharedWarnDisks" : "SharedDisks", p->vm.id) == -1) {
    type = NULL;
    log_oom ();
    return -1;
  }
  return note_vm (look, p, category, type, suggestion, "shared disk %s %s",
                  printable (disk), message);
}

static bool
is_among (const preflight_vm_vector *all, const bool *chosen, const char *id)
{
  size_t i;

  for (i = 0; i < all->len; i++)
    if (chosen[i] && same (all->ptr[i]->vm.id, id))
      return true;
  return false;
}

static bool
has_disk (const json_t *vm, const struct vm_disk *d)
{
  const json_t *disk;
  size_t i;

  json_array_foreach (json_object_get (vm, "disks"), i, disk)
    if (same (json_get_string (disk, "file", NULL), d->file) &&
        same (json_get_string (json_object_get (disk, "datastore"), "id",
                               NULL), d->storage.id))
      return true;
  return false;
}

/* While a VM runs that is not of this run, nobody shuts it down, and it
 * writes to the disk.
 */
static int
check_others (struct look *look, const struct preflight_vm *p,
              const struct vm_disk *d, const preflight_vm_vector *all,
              const bool *chosen)
{
  const struct source_ops *ops = look->s->ops;
  const json_t *vm;
  size_t i;

  if (ops->power_state == NULL || ops->inventory == NULL)
    return 0;
  if (look->inventory == NULL) {
    look->inventory = ops->inventory (look->s->source, SOURCE_VMS);
    if (look->inventory == NULL)
      return -1;
  }
  json_array_foreach (look->inventory, i, vm) {
    CLEANUP_FREE char *message = NULL;

    if (!same (json_get_string (vm, "powerState", NULL),
               vm_power_name (VM_POWER_ON)) ||
        is_among (all, chosen, json_get_string (vm, "id", NULL)) ||
        !has_disk (vm, d))
      continue;
    if (asprintf (&message, "is used by VM %s, which is on: a copy would be "
                  "torn", printable (json_get_string (vm, "name", "?")))
        == -1) {
      message = NULL;
      log_oom ();
      return -1;
    }
    if (note_shared (look, p, PROBLEM_CRITICAL, "shut that VM down, or "
                     "migrate it in the same run", d->name, message) == -1)
      return -1;
  }
  return 0;
}

/* migrateSharedDisks is false. */
static int
check_skipped (const struct look *look, struct preflight_vm *p, size_t i)
{
  const struct preflight_disk *is = &p->disks[i];
  struct vm_disk *d = &p->vm.disks.ptr[i];

  if (look->options->output == NULL)
    return note_shared (look, p, PROBLEM_WARN, "run the plan first that "
                        "copies it", d->name, "is not copied, since "
                        "migrateSharedDisks is false: it is attached if an "
                        "earlier plan has copied it, and else left out");
  if (is->complete)
    return note_shared (look, p, PROBLEM_ADVISORY, NULL, d->name,
                        "has been copied by an earlier plan, and is "
                        "attached");
  if (is->found)
    return note_shared (look, p, PROBLEM_CRITICAL, "run that plan to its end "
                        "first", d->name, "has not been copied completely by "
                        "the plan that began it");
  d->left_out = true;
  if (i == vm_root_disk (p->pvm, &p->vm))
    return note_shared (look, p, PROBLEM_CRITICAL, "run the plan first that "
                        "copies it", d->name, "is what the VM boots from, and "
                        "no earlier plan has copied it");
  return note_shared (look, p, PROBLEM_WARN, "run the plan first that copies "
                      "it, into the same target namespace and output",
                      d->name, "is not copied, since migrateSharedDisks is "
                      "false, and no earlier plan has copied it: the VM is "
                      "made without it");
}

static int
check_copied (struct look *look, const struct preflight_vm *p, size_t i,
              const preflight_vm_vector *all, const bool *chosen)
{
  const struct preflight_disk *is = &p->disks[i];
  const struct vm_disk *d = &p->vm.disks.ptr[i];
  CLEANUP_FREE char *message = NULL;
  size_t j, n = 0;

  if (is->complete)
    return note_shared (look, p, PROBLEM_ADVISORY, NULL, d->name,
                        "has been copied already: that copy is attached");
  if (check_others (look, p, d, all, chosen) == -1)
    return -1;
  for (j = 0; j < all->len; j++)
    n += find_disk (all->ptr[j], is->shared) != -1;
  if (n == 1)
    return note_shared (look, p, PROBLEM_ADVISORY, "migrate the other VMs by "
                        "a plan with migrateSharedDisks: false, or by this "
                        "one", d->name, "is copied: this plan has no other "
                        "VM that uses it");
  if (asprintf (&message, "is copied once, and attached to all %zu VMs of the "
                "plan that use it", n) == -1) {
    message = NULL;
    log_oom ();
    return -1;
  }
  return note_shared (look, p, PROBLEM_ADVISORY, NULL, d->name, message);
}

int
preflight_check_shared (struct look *look, struct preflight_vm *p,
                        const preflight_vm_vector *all, const bool *chosen)
{
  const struct plan *plan = look->s->plan;
  const bool converts = look->s->ops->converts &&
    !plan->skip_guest_conversion;
  size_t i;

  for (i = 0; i < p->vm.disks.len; i++) {
    const struct vm_disk *d = &p->vm.disks.ptr[i];

    if (p->disks[i].shared == NULL)
      continue;
    if (plan->warm &&
        note_shared (look, p, PROBLEM_CRITICAL, "set warm to false", d->name,
                     "cannot be migrated warm: it has no snapshots") == -1)
      return -1;
    if (converts && i == vm_root_disk (p->pvm, &p->vm) &&
        note_shared (look, p, PROBLEM_CRITICAL, "name the disk with the "
                     "system in rootDisk, or set skipGuestConversion",
                     d->name, "is what the VM boots from: a system that "
                     "several VMs have cannot be converted for each") == -1)
      return -1;
    if ((plan->migrate_shared_disks ?
         check_copied (look, p, i, all, chosen) :
         check_skipped (look, p, i)) == -1)
      return -1;
  }
  return 0;
}
