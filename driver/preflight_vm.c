/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The checks of one VM: what its entry in the plan asks for, and what the
 * source says of it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/driver_log.h"
#include "driver/hook.h"
#include "driver/preflight_private.h"

int
note (const struct look *look, enum problem_category category,
      const char *type, const struct plan_where *where, const char *path,
      const char *suggestion, const char *message)
{
  return problem_add (look->problems, category, type, where, look->object,
                      path, suggestion, "%s", message);
}

int
note_vm (const struct look *look, const struct preflight_vm *p,
         enum problem_category category, const char *type,
         const char *suggestion, const char *fmt, ...)
{
  CLEANUP_FREE char *text = NULL, *message = NULL;
  char path[64];
  va_list args;

  va_start (args, fmt);
  text = vformat_text (fmt, args);
  va_end (args);
  message = text ? format_text ("VM %s: %s", printable (p->vm.name), text)
                 : NULL;
  if (message == NULL)
    return -1;
  snprintf (path, sizeof path, "spec.vms[%zu]", p->index);
  return note (look, category, type, &p->pvm->ref.where, path, suggestion,
               message);
}

enum problem_category
unsupported (const struct look *look)
{
  return look->options->for_run ? PROBLEM_CRITICAL : PROBLEM_WARN;
}

bool
on_path (const char *program)
{
  const char *path = getenv ("PATH");

  if (strchr (program, '/'))
    return access (program, X_OK) == 0;
  while (path && *path) {
    const size_t n = strcspn (path, ":");
    CLEANUP_FREE char *file = NULL;

    if (asprintf (&file, "%.*s/%s", (int) n, path, program) == -1) {
      file = NULL;
      return true;
    }
    if (access (file, X_OK) == 0)
      return true;
    path += n + (path[n] == ':');
  }
  return false;
}

/* Can the hooks of a VM be run here? */
static int
check_hooks (const struct look *look, const struct preflight_vm *p)
{
  const char *ns = look->s->plan->meta.namespace_;
  size_t i;

  for (i = 0; i < p->pvm->hooks.len; i++) {
    const struct plan_hook *hook =
      plan_find_hook (&look->s->set, &p->pvm->hooks.ptr[i].hook, ns);

    if (hook == NULL || (hook->playbook == NULL && hook->image == NULL))
      continue;                 /* plan_check has said so */
    if (!on_path (hook_program (hook)) &&
        note_vm (look, p, PROBLEM_CRITICAL, "HookNotReady",
                 hook->playbook ? "install the package ansible-core" :
                 "install the package podman, or give the Hook a playbook",
                 "Hook %s is run by %s, which is not installed here",
                 printable (hook->meta.name), hook_program (hook)) == -1)
      return -1;
    if (hook->service_account &&
        note_vm (look, p, PROBLEM_ADVISORY, "FieldNotUsed", NULL,
                 "Hook %s: serviceAccount has an effect in a cluster only",
                 printable (hook->meta.name)) == -1)
      return -1;
  }
  return 0;
}

/* The features of one entry of spec.vms. */
static int
check_entry (const struct look *look, const struct preflight_vm *p)
{
  size_t i;

  if (check_hooks (look, p) == -1)
    return -1;
  if (!look->s->plan->preserve_static_ips)
    return 0;
  if (look->s->plan->skip_guest_conversion)
    return note_vm (look, p, PROBLEM_WARN, "NotSupported",
                    "set skipGuestConversion to false",
                    "the guest is not converted: preserveStaticIPs has no "
                    "effect");
  for (i = 0; i < p->vm.nics.len; i++)
    if (p->vm.nics.ptr[i].ips.len > 0)
      return 0;
  return note_vm (look, p, PROBLEM_WARN, "VMMissingGuestIPs",
                  "let it run for a while, with VMware Tools, so that they "
                  "are known",
                  "the source does not say which addresses the guest has: "
                  "preserveStaticIPs goes by the guest's own files, and for "
                  "Windows has no effect");
}

static int
check_nics (const struct look *look, const struct preflight_vm *p)
{
  const struct plan_network_map *map = look->s->networks;
  size_t i, nr_pod = 0;

  for (i = 0; map && i < p->vm.nics.len; i++) {
    const struct vm_nic *nic = &p->vm.nics.ptr[i];
    const struct network_map_row *row =
      plan_map_network (map, nic->network.id, nic->network.name);

    if (row && row->kind == NETWORK_POD)
      nr_pod++;
    if (row == NULL &&
        note_vm (look, p, PROBLEM_CRITICAL, "VMNetworksNotMapped",
                 "add a row for this network, with destination type "
                 "'ignored' if the NIC is to be dropped",
                 "NIC %zu is on network '%s' (id %s), which NetworkMap %s "
                 "does not map", i + 1, printable (nic->network.name),
                 printable (nic->network.id),
                 printable (map->meta.name)) == -1)
      return -1;
  }
  if (nr_pod > 1 &&
      note_vm (look, p, PROBLEM_CRITICAL, "VMMultiplePodNetworkMappings",
               "map the others to networks of type multus, or ignore them",
               "%zu NICs are mapped to the pod network, where one is "
               "possible", nr_pod) == -1)
    return -1;
  return 0;
}

static int
check_disks (const struct look *look, const struct preflight_vm *p)
{
  const struct plan_storage_map *map = look->s->storages;
  size_t i;

  if (p->vm.disks.len == 0 &&
      note_vm (look, p, PROBLEM_WARN, "VMHasNoDisks", NULL,
               "has no disk: only its VirtualMachine is made") == -1)
    return -1;
  for (i = 0; i < p->vm.disks.len; i++) {
    const struct vm_disk *d = &p->vm.disks.ptr[i];

    if (d->lun &&
        note_vm (look, p, unsupported (look), "NotSupported",
                 "detach it, and attach it to the new VM by hand",
                 "disk %s is a direct LUN, which cannot be passed on yet",
                 printable (d->name)) == -1)
      return -1;
    if (vm_volume_size (d->capacity) == 0 &&
        note_vm (look, p, PROBLEM_CRITICAL, "InvalidDiskSizes", NULL,
                 "disk %s has an impossible capacity of %" PRIu64 " bytes",
                 printable (d->name), d->capacity) == -1)
      return -1;
    if (map && plan_map_storage (map, d->storage.id, d->storage.name,
                                 look->s->provider->meta.name) == NULL &&
        note_vm (look, p, PROBLEM_CRITICAL, "VMStorageNotMapped",
                 "add a row for this storage",
                 "disk %s is on storage '%s' (id %s), which StorageMap %s "
                 "does not map", printable (d->name),
                 printable (d->storage.name), printable (d->storage.id),
                 printable (map->meta.name)) == -1)
      return -1;
  }
  return 0;
}

static int
check_concerns (const struct look *look, const struct preflight_vm *p)
{
  size_t i;

  for (i = 0; i < p->vm.concerns.len; i++) {
    const struct vm_concern *c = &p->vm.concerns.ptr[i];
    enum problem_category category = PROBLEM_ADVISORY;

    if (strcmp (c->category, "Critical") == 0)
      category = PROBLEM_CRITICAL;
    else if (strcmp (c->category, "Warning") == 0)
      category = PROBLEM_WARN;
    if (note_vm (look, p, category, c->id, NULL, "%s: %s",
                 c->label ? c->label : c->id,
                 c->assessment ? c->assessment : "") == -1)
      return -1;
  }
  return 0;
}

/* How its disks can be read. */
static int
check_path (const struct look *look, struct preflight_vm *p)
{
  CLEANUP_FREE char *message = NULL;
  struct log_scope scope = { .hold = true };
  int r;

  if (look->s->ops->path == NULL)
    return 0;
  log_scope_enter (&scope);
  r = look->s->ops->path (look->s->source, &p->vm, &p->path);
  if (r == -1 && (errno == ENOTSUP || errno == EINVAL))
    message = log_scope_take (&scope);
  log_scope_leave (&scope);
  if (r == 0)
    return note_vm (look, p, PROBLEM_ADVISORY, "TransferPath", NULL,
                    "disks are read by way of %s: %s", p->path.name,
                    p->path.reason);
  if (message == NULL)
    return -1;
  return note_vm (look, p, PROBLEM_CRITICAL, "TransferPathNotValid", NULL,
                  "%s", message);
}

int
preflight_check_vm (const struct look *look, struct preflight_vm *p)
{
  if (check_path (look, p) == -1 ||
      check_entry (look, p) == -1 || check_nics (look, p) == -1 ||
      check_disks (look, p) == -1)
    return -1;
  return check_concerns (look, p);
}
