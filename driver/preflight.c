/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The checks of a plan against its source.  All VMs of the plan are
 * described even if few are chosen: the names of later ones depend on
 * the earlier ones, and must be the same on every run.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/driver_log.h"
#include "driver/preflight_private.h"

static void
preflight_vm_free (struct preflight_vm *p)
{
  size_t i;

  if (p == NULL)
    return;
  for (i = 0; p->disks && i < p->vm.disks.len; i++)
    free (p->disks[i].shared);
  free (p->disks);
  vm_free (&p->vm);
  vm_names_free (&p->names);
  source_path_free (&p->path);
  free (p);
}

void
preflight_free (preflight_vm_vector *vms)
{
  size_t i;

  for (i = 0; i < vms->len; i++)
    preflight_vm_free (vms->ptr[i]);
  preflight_vm_vector_reset (vms);
}

static int
check_plan (const struct look *look)
{
  const struct plan *plan = look->s->plan;
  const struct source_ops *ops = look->s->ops;
  const struct plan_where *where = &plan->meta.where;

  if (plan->archived &&
      note (look, unsupported (look), "Archived", where, "spec.archived",
            "set it to false", "an archived plan is never run") == -1)
    return -1;
  if (plan->warm && ops->snapshot_create == NULL &&
      note (look, PROBLEM_CRITICAL, "WarmMigrationNotReady", where,
            "spec.warm", "set it to false",
            "this source cannot be migrated warm: it has no snapshots") == -1)
    return -1;
  if (plan->transfer_network.name &&
      note (look, PROBLEM_ADVISORY, "NotSupported", where,
            "spec.transferNetwork", NULL,
            "has no effect when the target is a folder: data takes the "
            "network of this machine") == -1)
    return -1;
  return 0;
}

static int
check_renamed (const struct look *look, const struct preflight_vm *p)
{
  if (!p->names.renamed || p->pvm->target_name)
    return 0;
  return note_vm (look, p, PROBLEM_WARN, "TargetNameNotValid",
                  "set targetName to choose the name yourself",
                  "will be called %s, since its own name is no DNS-1123 name "
                  "or is taken", p->names.vm);
}

static bool
same (const char *a, const char *b)
{
  return a && b && strcmp (a, b) == 0;
}

/* A claim of P against those of Q, a VM before it. */
static int
check_pvcs (const struct look *look, const struct preflight_vm *p,
            const struct preflight_vm *q)
{
  const bool by_template = p->pvm->pvc_name_template ||
    look->s->plan->pvc_name_template;
  size_t i, j;

  for (i = 0; i < p->names.nr_disks; i++)
    for (j = 0; j < q->names.nr_disks; j++)
      if (strcmp (p->names.pvc[i], q->names.pvc[j]) == 0 &&
          !same (p->disks[i].shared, q->disks[j].shared) &&
          note_vm (look, p, PROBLEM_CRITICAL, "DuplicatePVC",
                   by_template ? "use .VmName and .DiskIndex in "
                   "pvcNameTemplate" : "give the VMs other target names",
                   "the volume of disk %zu would be called %s, as that of "
                   "disk %zu of VM %s (spec.vms[%zu])", i, p->names.pvc[i], j,
                   printable (q->vm.name), q->index) == -1)
        return -1;
  return 0;
}

/* Describe entry INDEX of the plan.  1 found; 0 not, *PROBLEM tells the
 * type of problem and *MESSAGE (malloc'ed) what is wrong; -1 the source
 * failed, reported.
 */
static int
find_vm (const struct look *look, struct preflight_vm *p,
         const char **problem, char **message)
{
  const struct plan_ref *ref = &p->pvm->ref;
  const struct source_ref source_ref = {
    .id = ref->id, .name = ref->name,
    .namespace_ = ref->namespace_, .type = ref->type,
  };
  struct log_scope scope = { .hold = true };
  int r;

  log_scope_enter (&scope);
  r = look->s->ops->describe (look->s->source, &source_ref, &p->vm);
  if (r == -1 && (errno == ENOENT || errno == EEXIST || errno == EINVAL)) {
    *problem = errno == ENOENT ? "VMNotFound" :
      errno == EEXIST ? "DuplicateVM" : "VMRefNotValid";
    *message = log_scope_take (&scope);
    r = 0;
  }
  else if (r == 0)
    r = 1;
  log_scope_leave (&scope);
  return r;
}

/* True if people can mean P by NAME. */
static bool
fits (const struct preflight_vm *p, const char *name)
{
  return same (p->vm.name, name) || same (p->vm.id, name) ||
    same (p->vm.path, name) || same (p->names.vm, name);
}

static bool
is_cancelled (const struct look *look, const struct preflight_vm *p)
{
  const struct plan_migration *m = look->s->migration;
  size_t i;

  for (i = 0; m && i < m->cancel.len; i++)
    if (m->cancel.ptr[i].id ? same (m->cancel.ptr[i].id, p->vm.id) :
        same (m->cancel.ptr[i].name, p->vm.name))
      return true;
  return false;
}

/* Each name of ONLY must fit exactly one VM of ALL. */
static int
check_only (const string_vector *only, const preflight_vm_vector *all)
{
  size_t i, j, n;

  for (i = 0; only && i < only->len; i++) {
    n = 0;
    for (j = 0; j < all->len; j++)
      n += fits (all->ptr[j], only->ptr[i]);
    if (n == 1)
      continue;
    if (n == 0)
      log_error ("--vm=%s: the plan has no such VM",
                 printable (only->ptr[i]));
    else
      log_error ("--vm=%s: %zu VMs of the plan fit; name one by its id",
                 printable (only->ptr[i]), n);
    errno = EINVAL;
    return -1;
  }
  return 0;
}

static bool
is_chosen (const string_vector *only, const struct preflight_vm *p)
{
  size_t i;

  for (i = 0; only && i < only->len; i++)
    if (fits (p, only->ptr[i]))
      return true;
  return only == NULL || only->len == 0;
}

/* A VM that cannot be found stops the run, unless other VMs were chosen
 * than the entry names.
 */
static enum problem_category
missing (const struct look *look, const struct plan_ref *ref)
{
  const string_vector *only = look->options->only;
  size_t i;

  for (i = 0; only && i < only->len; i++)
    if (same (only->ptr[i], ref->id) || same (only->ptr[i], ref->name))
      return PROBLEM_CRITICAL;
  return only && only->len > 0 ? PROBLEM_WARN : PROBLEM_CRITICAL;
}

/* Settle the names of VM N of ALL.  As find_vm. */
static int
make_names (const struct look *look, const preflight_vm_vector *all,
            size_t n, const string_vector *taken, const char **problem,
            char **message)
{
  struct preflight_vm *p = all->ptr[n];
  struct log_scope scope = { .hold = true };
  int r;

  log_scope_enter (&scope);
  r = vm_names_make (look->s->plan, p->pvm, &p->vm, look->s->networks, taken,
                     &p->names);
  if (r == 0)
    r = preflight_name_shared (look, all, n);
  if (r == 0)
    r = 1;
  else if (errno == EINVAL || errno == EEXIST) {
    *problem = "NotValid";
    *message = log_scope_take (&scope);
    r = 0;
  }
  else
    r = -1;
  log_scope_leave (&scope);
  return r;
}

/* An entry of the plan that is no VM that can be migrated. */
static int
note_missing (const struct look *look, const struct preflight_vm *p,
              const char *type, const char *message)
{
  char path[64];

  snprintf (path, sizeof path, "spec.vms[%zu]", p->index);
  return note (look, missing (look, &p->pvm->ref), type,
               &p->pvm->ref.where, path,
               strcmp (type, "VMNotFound") == 0 ?
               "'nbdlift inventory FILE PROVIDER vms' lists the VMs" : NULL,
               message ? message : "cannot be found on the source");
}

/* Describe all VMs; those that cannot be found are problems of the plan.
 * *ALL gets the others.
 */
static int
find_all (const struct look *look, preflight_vm_vector *all)
{
  const struct plan *plan = look->s->plan;
  size_t i, j;
  int r;

  for (i = 0; i < plan->vms.len; i++) {
    CLEANUP_FREE char *message = NULL;
    const char *type = NULL;
    struct preflight_vm *p = calloc (1, sizeof *p);

    if (p == NULL) {
      log_oom ();
      return -1;
    }
    p->pvm = &plan->vms.ptr[i];
    p->index = i;
    vm_init (&p->vm);
    r = find_vm (look, p, &type, &message);
    for (j = 0; r == 1 && j < all->len; j++)
      if (same (all->ptr[j]->vm.id, p->vm.id)) {
        type = "DuplicateVM";
        if (asprintf (&message, "VM %s (id %s) is in the plan twice",
                      printable (p->vm.name), printable (p->vm.id)) == -1)
          message = NULL;
        r = 0;
      }
    if (r == 1 && preflight_vm_vector_append (all, p) == -1) {
      log_oom ();
      r = -1;
    }
    if (r == 0)
      r = note_missing (look, p, type, message);
    if (r != 1)
      preflight_vm_free (p);
    if (r == -1)
      return -1;
  }
  return 0;
}

/* Settle the names of all; those that have none are problems, too, and
 * leave ALL.
 */
static int
name_all (const struct look *look, preflight_vm_vector *all)
{
  CLEANUP_STRING_VECTOR string_vector taken = EMPTY_VECTOR;
  size_t i = 0;

  while (i < all->len) {
    struct preflight_vm *p = all->ptr[i];
    CLEANUP_FREE char *message = NULL;
    const char *type = NULL;
    const int r = make_names (look, all, i, &taken, &type, &message);

    if (r == -1)
      return -1;
    if (r == 1) {
      if (string_vector_append_dup (&taken, p->names.vm) == -1) {
        log_oom ();
        return -1;
      }
      i++;
      continue;
    }
    if (note_missing (look, p, type, message) == -1)
      return -1;
    all->len--;
    memmove (&all->ptr[i], &all->ptr[i + 1],
             (all->len - i) * sizeof *all->ptr);
    preflight_vm_free (p);
  }
  return 0;
}

/* Programs that a run will need. */
static int
check_programs (const struct look *look)
{
  const char *nbdkit = getenv ("NBDLIFT_NBDKIT");
  const struct {
    const char *program, *suggestion;
    bool conversion;
  } programs[] = {
    { nbdkit ? nbdkit : "nbdkit", "install the package nbdkit", false },
    { "qemu-img", "install the package qemu-utils", true },
    { "virt-v2v-in-place", "install the package virt-v2v, or set "
      "skipGuestConversion in the plan", true },
  };
  const bool converts =
    look->s->ops->converts && !look->s->plan->skip_guest_conversion;
  CLEANUP_FREE char *message = NULL;
  size_t i;

  for (i = 0; i < sizeof programs / sizeof programs[0]; i++) {
    if ((programs[i].conversion && !converts) ||
        on_path (programs[i].program))
      continue;
    free (message);
    message = NULL;
    if (asprintf (&message, "the program %s, which this plan needs, is not "
                  "installed here", programs[i].program) == -1) {
      message = NULL;
      log_oom ();
      return -1;
    }
    if (note (look, unsupported (look), "ProgramMissing",
              &look->s->plan->meta.where, NULL, programs[i].suggestion,
              message) == -1)
      return -1;
  }
  return 0;
}

/* CHOSEN: the VMs of ALL that are to be migrated. */
static int
choose (const struct look *look, const preflight_vm_vector *all,
        bool *chosen)
{
  size_t i;

  for (i = 0; i < all->len; i++) {
    const struct preflight_vm *p = all->ptr[i];

    chosen[i] = is_chosen (look->options->only, p);
    if (!chosen[i] || !is_cancelled (look, p))
      continue;
    chosen[i] = false;
    if (note_vm (look, p, PROBLEM_ADVISORY, "Canceled",
                 "remove it from spec.cancel to migrate it",
                 "is not migrated: the Migration cancels it") == -1)
      return -1;
  }
  return 0;
}

/* Look at all that is chosen, and at names of all. */
static int
check_all (struct look *look, const preflight_vm_vector *all,
           const bool *chosen)
{
  size_t i, j;

  for (i = 0; i < all->len; i++)
    for (j = 0; j < i; j++)
      if (check_pvcs (look, all->ptr[i], all->ptr[j]) == -1)
        return -1;
  for (i = 0; i < all->len; i++) {
    struct preflight_vm *p = all->ptr[i];

    if (check_renamed (look, p) == -1)
      return -1;
    if (chosen[i] &&
        (preflight_check_vm (look, p) == -1 ||
         preflight_check_nics (look, all, i, chosen) == -1 ||
         preflight_check_shared (look, p, all, chosen) == -1))
      return -1;
  }
  return 0;
}

/* Move the chosen VMs of ALL to VMS. */
static int
take_chosen (preflight_vm_vector *all, const bool *chosen,
             preflight_vm_vector *vms)
{
  size_t i;

  for (i = 0; i < all->len; i++) {
    if (!chosen[i])
      continue;
    if (preflight_vm_vector_append (vms, all->ptr[i]) == -1) {
      log_oom ();
      return -1;
    }
    all->ptr[i] = NULL;
  }
  return 0;
}

/* preflight, with LOOK begun. */
static int
look_at_all (struct look *look, preflight_vm_vector *vms)
{
  CLEANUP_PREFLIGHT preflight_vm_vector all = EMPTY_VECTOR;
  CLEANUP_FREE bool *chosen = NULL;

  if (check_plan (look) == -1 || check_programs (look) == -1 ||
      find_all (look, &all) == -1 ||
      preflight_find_shared (look, &all) == -1 ||
      name_all (look, &all) == -1 ||
      check_only (look->options->only, &all) == -1)
    return -1;
  chosen = calloc (all.len + 1, sizeof *chosen);
  if (chosen == NULL) {
    log_oom ();
    return -1;
  }
  if (choose (look, &all, chosen) == -1 ||
      check_all (look, &all, chosen) == -1 ||
      (!look->options->for_run &&
       preflight_check_source (look, &all, chosen) == -1))
    return -1;
  return take_chosen (&all, chosen, vms);
}

int
preflight (const struct session *s, const struct preflight_options *options,
           problem_vector *problems, preflight_vm_vector *vms)
{
  struct look look = { .s = s, .options = options, .problems = problems };
  int r;

  snprintf (look.object, sizeof look.object, "Plan %s", s->plan_label);
  r = look_at_all (&look, vms);
  json_decref (look.inventory);
  return r;
}
