/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The volumes of a VM: made or found before anything is copied, and
 * cleared up after a failure.
 *
 * A volume whose copy was interrupted stays, with the journal of the copy
 * (copy_journal.h), unless nothing was copied to it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/include/checked.h"
#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/digest.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/convert.h"
#include "driver/run_shared.h"

char *
run_owner (const struct run_vm *rv, size_t i)
{
  const struct object_meta *plan = &rv->run->session->plan->meta;
  char *owner;

  if (asprintf (&owner, "plan %s/%s vm %s disk %s",
                plan->namespace_ ? plan->namespace_ : "default", plan->name,
                rv->pre->vm.id, rv->pre->vm.disks.ptr[i].id) == -1) {
    log_oom ();
    return NULL;
  }
  return owner;
}

int
run_create_volume (const struct run_vm *rv, size_t i, const char *owner,
                   struct target_volume **volume)
{
  const struct session *s = rv->run->session;
  const struct vm_disk *d = &rv->pre->vm.disks.ptr[i];
  const struct storage_map_row *row =
    plan_map_storage (s->storages, d->storage.id, d->storage.name,
                      s->provider->meta.name);
  const struct target_volume_spec spec = {
    .namespace_ = s->plan->target_namespace,
    .name = rv->pre->names.pvc[i],
    .size = vm_volume_size (d->capacity),
    .storage_class = row ? row->storage_class : NULL,
    .access_mode = row ? row->access_mode : NULL,
    .volume_mode = row ? row->volume_mode : NULL,
  };

  *volume = rv->run->target_ops->create (rv->run->target, &spec, owner);
  return *volume ? 0 : -1;
}

static int
make_volume (struct run_vm *rv, size_t i)
{
  CLEANUP_FREE char *owner = run_owner (rv, i);

  return owner ? run_create_volume (rv, i, owner, &rv->volumes[i]) : -1;
}

struct run_disk
run_disk_place (const struct run_vm *rv, size_t i)
{
  const struct run_shared *rs = rv->shared[i];

  if (rs)
    return (struct run_disk) {
      .journal = rs->journal,
      .folder = rs->folder,
      .index = 0,
      .id = rs->identity,
      .volume = rs->volume,
    };
  return (struct run_disk) {
    .journal = rv->journal,
    .folder = rv->folder,
    .index = i,
    .id = rv->pre->vm.disks.ptr[i].id,
    .volume = rv->volumes[i],
  };
}

int
run_forget_copy (const char *folder, size_t i)
{
  CLEANUP_FREE char *path = run_copy_journal_path (folder, i);

  if (path == NULL)
    return -1;
  if (unlink (path) == 0 || errno == ENOENT)
    return 0;
  log_error ("%s: cannot be removed: %m", path);
  return -1;
}

static int
remove_volume (struct run_vm *rv, size_t i)
{
  CLEANUP_FREE char *owner = run_owner (rv, i);

  if (owner == NULL || run_forget_copy (rv->folder, i) == -1)
    return -1;
  target_volume_free (rv->volumes[i]);
  rv->volumes[i] = NULL;
  return rv->run->target_ops->remove (rv->run->target,
                                      rv->run->session->plan->
                                      target_namespace,
                                      rv->pre->names.pvc[i], owner);
}

static int
make_all (struct run_vm *rv)
{
  size_t i;

  for (i = 0; i < rv->pre->vm.disks.len; i++)
    if (vm_disk_has_volume (&rv->pre->vm.disks.ptr[i]) &&
        rv->shared[i] == NULL && rv->volumes[i] == NULL &&
        make_volume (rv, i) == -1)
      return -1;
  return 0;
}

static bool
is_converted (const struct run_vm *rv)
{
  json_t *conversion = journal_conversion (rv->journal);

  json_decref (conversion);
  return conversion != NULL;
}

/* Does the target still hold what the journal says of disk I?  1 yes, 0
 * no: it must be copied again; -1 the target holds more than the journal
 * knows, reported.
 */
static int
still_there (struct run_vm *rv, size_t i)
{
  const struct target_volume *v = rv->volumes[i];
  const bool ready = !rv->converts || is_converted (rv);

  switch (journal_disk_state (rv->journal, i)) {
  case JOURNAL_DISK_FINISHED:
    return v->complete;
  case JOURNAL_DISK_COPIED:
    /* Complete: we were killed between the rename and the journal. */
    if (!v->complete)
      return !v->is_zero || rv->pre->vm.disks.ptr[i].blank;
    if (ready)
      return 1;
    break;
  case JOURNAL_DISK_NEW:
  case JOURNAL_DISK_CREATED:
    if (!v->complete)
      return 1;                 /* nothing was promised */
    break;
  }
  log_error ("%s is there and complete, but the journal in %s does not know "
             "of it; move it away, or use another output folder",
             v->final_path, rv->folder);
  return -1;
}

/* Has a conversion changed the volumes in part, which now is not to be
 * done at all (skipGuestConversion)?
 */
static int
half_converted (const struct run_vm *rv)
{
  CLEANUP_FREE char *work_dir = NULL;

  if (rv->converts || is_converted (rv))
    return 0;
  work_dir = run_convert_dir (rv->folder);
  if (work_dir == NULL)
    return -1;
  if (!convert_is_committing (work_dir))
    return 0;
  log_warning ("an earlier run was interrupted while it converted the guest, "
               "and the plan now says skipGuestConversion: the disks are "
               "copied again");
  return convert_forget (work_dir) == -1 ? -1 : 1;
}

/* All volumes anew. */
static int
begin_again (struct run_vm *rv)
{
  size_t i;

  for (i = 0; i < rv->pre->vm.disks.len; i++)
    if (rv->volumes[i] && remove_volume (rv, i) == -1)
      return -1;
  if (journal_forget_all (rv->journal) == -1)
    return -1;
  return make_all (rv);
}

/* Forget what is gone.  The disks of a guest that is converted belong
 * together, and the others may be converted already, in part even: then
 * all are begun again.
 */
static int
forget_missing (struct run_vm *rv)
{
  bool any = false;
  size_t i;
  int r;

  for (i = 0; i < rv->pre->vm.disks.len; i++) {
    if (rv->volumes[i] == NULL)
      continue;
    r = still_there (rv, i);
    if (r == -1)
      return -1;
    if (r == 1)
      continue;
    log_warning ("%s, which an earlier run has made, is gone: it is made "
                 "again", rv->volumes[i]->final_path);
    any = true;
    if (journal_forget_disk (rv->journal, i) == -1)
      return -1;
  }
  if (any && (rv->converts || is_converted (rv)))
    return begin_again (rv);
  r = half_converted (rv);
  return r == 1 ? begin_again (rv) : r;
}

/* The journal of a copy is of use only while the copy goes on. */
static int
forget_old_copies (const struct run_vm *rv)
{
  size_t i;

  for (i = 0; i < rv->pre->vm.disks.len; i++) {
    const struct run_disk place = run_disk_place (rv, i);

    if (rv->volumes[i] &&
        !run_can_resume (&place, &rv->pre->vm.disks.ptr[i]) &&
        run_forget_copy (rv->folder, i) == -1)
      return -1;
  }
  return 0;
}

/* Has the VM run since an earlier run copied disks of it? */
static int
forget_outdated (struct run_vm *rv)
{
  CLEANUP_FREE char *manifest = journal_published (rv->journal);
  bool any = false;
  size_t i;

  if (rv->pre->vm.power != VM_POWER_ON || manifest ||
      rv->run->session->ops->power_state == NULL)
    return 0;
  for (i = 0; i < rv->pre->vm.disks.len; i++)
    any |= journal_disk_state (rv->journal, i) != JOURNAL_DISK_NEW;
  if (!any)
    return 0;
  log_warning ("the VM has been powered on since an earlier run copied its "
               "disks: they are copied again");
  if (run_forget_pre_hook (rv) == -1)
    return -1;
  return begin_again (rv);
}

/* The name on the target must not be that of another VM, whose manifests
 * ours would replace: Forklift's VMAlreadyExists.
 */
static int
check_name (struct run_vm *rv)
{
  const char *ns = rv->run->session->plan->target_namespace;
  const char *ours = rv->pre->vm.id ? rv->pre->vm.id : "";
  CLEANUP_FREE char *id = NULL;
  char uuid[UUID_TEXT_SIZE];

  if (rv->run->target_ops->published (rv->run->target, ns,
                                      rv->pre->names.vm, &id) == -1)
    return -1;
  if (id == NULL || strcmp (id, ours) == 0)
    return 0;
  /* So it is written if the id cannot be a label. */
  if (uuid_of_strings (&ours, 1, uuid) == -1)
    return -1;
  if (strcmp (id, uuid) == 0)
    return 0;
  log_error ("the output has a VM %s/%s already, of another VM of the source "
             "(%s): set targetName, or use another output directory", ns,
             rv->pre->names.vm, printable (id));
  errno = EEXIST;
  return -1;
}

int
run_make_volumes (struct run_vm *rv)
{
  if (check_name (rv) == -1 || make_all (rv) == -1 ||
      forget_outdated (rv) == -1 || forget_missing (rv) == -1 ||
      forget_old_copies (rv) == -1) {
    rv->result = STATUS_TARGET;
    return -1;
  }
  return 0;
}

bool
run_must_copy (const struct run_vm *rv, size_t i)
{
  if (rv->shared[i])
    return !run_shared_is_attached (rv, i);
  return rv->volumes[i] != NULL &&
    journal_disk_state (rv->journal, i) < JOURNAL_DISK_COPIED &&
    !rv->volumes[i]->complete;
}

bool
run_can_resume (const struct run_disk *place, const struct vm_disk *d)
{
  return !d->blank && !place->volume->complete && !place->volume->is_zero &&
    journal_disk_state (place->journal,
                        place->index) == JOURNAL_DISK_CREATED;
}

unsigned
run_vm_copies (const struct run_vm *rv)
{
  unsigned n = 0;
  size_t i;

  for (i = 0; i < rv->pre->vm.disks.len; i++)
    if (rv->shared[i] == NULL && run_must_copy (rv, i))
      n++;
  return MIN (n, (unsigned) MAX_DISKS_PER_VM);
}

uint64_t
run_needed_space (const struct run_vm *rv)
{
  uint64_t sum = 0, there;
  struct stat st;
  size_t i;

  for (i = 0; i < rv->pre->vm.disks.len; i++) {
    const struct vm_disk *d = &rv->pre->vm.disks.ptr[i];
    const struct target_volume *v = rv->volumes[i];

    if (rv->shared[i] || !run_must_copy (rv, i) || d->blank || v->block)
      continue;
    there = stat (v->path, &st) == 0 ? (uint64_t) st.st_blocks * 512 : 0;
    if (there < d->allocated &&
        !checked_add (sum, d->allocated - there, &sum))
      return UINT64_MAX;
  }
  return sum;
}

void
run_remove_unused (struct run_vm *rv)
{
  size_t i;

  for (i = 0; i < rv->pre->vm.disks.len; i++)
    if (rv->volumes && rv->volumes[i] && !rv->volumes[i]->complete &&
        journal_disk_state (rv->journal, i) == JOURNAL_DISK_NEW)
      remove_volume (rv, i);
}

int
run_discard (struct run_vm *rv)
{
  size_t i;

  rv->discarded = true;
  for (i = 0; rv->volumes && i < rv->pre->vm.disks.len; i++)
    if (rv->volumes[i] && remove_volume (rv, i) == -1)
      return -1;
  if (run_shared_release (rv) == -1 || run_forget_pre_hook (rv) == -1)
    return -1;
  return journal_forget_all (rv->journal);
}

void
run_clean_up (struct run_vm *rv)
{
  size_t i;

  if (!rv->run->session->plan->delete_vm_on_fail ||
      rv->result == STATUS_CANCELLED) {
    run_remove_unused (rv);
    return;
  }
  for (i = 0; i < rv->pre->vm.disks.len; i++)
    if (rv->volumes[i] && remove_volume (rv, i) == 0 &&
        journal_disk_state (rv->journal, i) != JOURNAL_DISK_NEW)
      journal_forget_disk (rv->journal, i);
  if (rv->journal)
    journal_forget_all (rv->journal);
  run_shared_release (rv);
}
