/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Names of claims, volumes and networks, by the templates of the plan or
 * by default.
 *
 * Where Forklift leaves a suffix to the API server (generateName), ours is
 * made from the VM's id and the disk, and as long: a run that is started
 * again must find its volumes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/json/json.h"
#include "common/template/template.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/vm_names.h"

#define PART_LENGTH 15          /* of plan and VM in a PVC's name */
#define SUFFIX_LENGTH 4
#define GENERATED_LENGTH 5      /* what the API server appends */

/* A template where it stands: the VM's own, or the plan's. */
struct name_template {
  const char *field;
  const char *text;             /* NULL: none */
  const struct plan_where *where;
};

static struct name_template
choose (const char *field, const char *vm, const struct plan_where *vm_where,
        const char *plan, const struct plan_where *plan_where)
{
  struct name_template t = { .field = field };

  if (vm && *vm) {
    t.text = vm;
    t.where = vm_where;
  }
  else if (plan && *plan) {
    t.text = plan;
    t.where = plan_where;
  }
  return t;
}

/* Report what is wrong with T's result for THING ("disk 0") of VM. */
static void
fail (const struct name_template *t, const struct vm *vm, const char *thing,
      size_t i, const char *message)
{
  const struct plan_where *w = t->where;

  if (w->file)
    log_error ("VM %s: %s %zu: %s (%s, line %u, column %u): %s",
               printable (vm->name), thing, i, t->field,
               printable (w->file), w->line, w->column, message);
  else
    log_error ("VM %s: %s %zu: %s: %s", printable (vm->name), thing, i,
               t->field, message);
  errno = EINVAL;
}

/* NAME without blanks and, if it is longer than MAX, cut. */
static void
shorten (char *name, size_t max)
{
  static const char blanks[] = " \t\r\n\v\f";
  size_t n = strspn (name, blanks), len;

  memmove (name, name + n, strlen (name + n) + 1);
  len = strlen (name);
  while (len > 0 && strchr (blanks, name[len - 1]))
    len--;
  if (len > max)
    for (len = max; len > 0 && (name[len - 1] == '-' ||
                                name[len - 1] == '.');)
      len--;
  name[len] = '\0';
}

/* T with DATA, as a label.  MAX: cut what is longer (SIZE_MAX: refuse it).
 * NULL reported.
 */
static char *
render (const struct name_template *t, const json_t *data,
        const struct vm *vm, const char *thing, size_t i, size_t max)
{
  CLEANUP_TEMPLATE_ERROR struct template_error error = TEMPLATE_ERROR_INIT;
  CLEANUP_TEMPLATE struct template *template = NULL;
  CLEANUP_FREE char *output = NULL;
  CLEANUP_FREE char *message = NULL;
  size_t length;
  char *ret;

  template = template_parse (t->text, &error);
  if (template == NULL ||
      template_run (template, data, &output, &length, &error) == -1) {
    if (error.message)
      fail (t, vm, thing, i, printable (error.message));
    return NULL;
  }
  if (strlen (output) == length) {
    shorten (output, max);
    if (dns1123_label (output)) {
      ret = output;
      output = NULL;
      return ret;
    }
  }
  if (asprintf (&message, "gives '%s', which is no name: a name has 1 to %d "
                "lower-case letters, digits and '-', and no '-' at its ends",
                printable (output), VM_NAME_MAX) == -1) {
    message = NULL;
    log_oom ();
    return NULL;
  }
  fail (t, vm, thing, i, message);
  return NULL;
}

/* Two of the N names of one kind must not be equal. */
static int
check_unique (const struct name_template *t, const struct vm *vm,
              const char *thing, char *const *names, size_t n)
{
  CLEANUP_FREE char *message = NULL;
  size_t i, j;

  for (i = 0; i < n; ++i)
    for (j = 0; names[i] && j < i; ++j) {
      if (names[j] == NULL || strcmp (names[i], names[j]) != 0)
        continue;
      if (asprintf (&message, "gives '%s', which is the name of %s %zu "
                    "already", names[i], thing, j) == -1) {
        message = NULL;
        log_oom ();
        return -1;
      }
      fail (t, vm, thing, i, message);
      return -1;
    }
  return 0;
}

/* The first PART_LENGTH characters of NAME as part of a DNS-1123 label.
 * *EXACT becomes false if two names can give the same part.
 */
static void
label_part (const char *name, char part[PART_LENGTH + 1], bool *exact)
{
  size_t len = 0;

  for (; *name && len < PART_LENGTH; ++name) {
    part[len] = *name;
    if (*name == '.') {
      part[len] = '-';
      *exact = false;
    }
    len++;
  }
  while (len > 0 && part[len - 1] == '-')
    len--;
  part[len] = '\0';
  if (*name)
    *exact = false;
}

/* Forklift's default template, {{trunc 15 .PlanName}}-{{trunc 15
 * .TargetVmName}}-disk-{{.DiskIndex}}, with a suffix only where the cut
 * could give two VMs one name.
 */
static char *
default_pvc (const struct plan *plan, const struct vm *vm,
             const char *vm_target, size_t disk)
{
  char plan_part[PART_LENGTH + 1], vm_part[PART_LENGTH + 1];
  char suffix[SUFFIX_LENGTH + 2] = "";
  bool exact = true;
  char *name;

  label_part (plan->meta.name ? plan->meta.name : "plan", plan_part, &exact);
  exact = true;                 /* the plan is the same for all its VMs */
  label_part (vm_target, vm_part, &exact);
  if (!exact) {
    suffix[0] = '-';
    if (vm_names_suffix (vm, "", 0, suffix + 1, SUFFIX_LENGTH) == -1)
      return NULL;
  }
  if (asprintf (&name, "%s-%s-disk-%zu%s", plan_part, vm_part, disk,
                suffix) == -1) {
    log_oom ();
    return NULL;
  }
  return name;
}

size_t
vm_root_disk (const struct plan_vm *pvm, const struct vm *vm)
{
  static const char prefix[] = "/dev/";
  const char *root = pvm->root_disk;
  char c;

  /* "/dev/sda", "/dev/hda", "/dev/vda" */
  if (root == NULL || strncmp (root, prefix, strlen (prefix)) != 0 ||
      strlen (root) < strlen ("/dev/sda"))
    return 0;
  c = root[strlen (prefix) + 2];
  if (c < 'a' || c > 'z' || (size_t) (c - 'a') >= vm->disks.len)
    return 0;
  return c - 'a';
}

/* "[ds1] web/web-000001.vmdk" is web-000001.vmdk, and so is
 * "web.ova::web-000001.vmdk".
 */
static const char *
base_name (const char *file)
{
  const char *p;

  if (file == NULL)
    return "";
  p = strrchr (file, '/');
  if (p)
    file = p + 1;
  p = strstr (file, "::");
  return p ? p + 2 : file;
}

/* What a template of claims can use: all fields of all versions of
 * Forklift, empty where the source has no such thing.
 */
static json_t *
pvc_data (const struct plan *plan, const struct plan_vm *pvm,
          const struct vm *vm, const char *vm_target, size_t i)
{
  const struct vm_disk *disk = &vm->disks.ptr[i];
  char name[VM_NAME_MAX + 1];
  json_t *j;
  size_t n;

  /* As a part of a label: dots become dashes. */
  for (n = 0; n < VM_NAME_MAX && vm_target[n]; ++n)
    name[n] = vm_target[n] == '.' ? '-' : vm_target[n];
  name[n] = '\0';
  j = json_pack ("{s:s, s:s, s:s, s:I, s:I, s:b, s:s, s:s, s:s, s:s, s:s, "
                 "s:s, s:s, s:s}",
                 "VmName", name, "TargetVmName", name,
                 "PlanName", plan->meta.name ? plan->meta.name : "",
                 "DiskIndex", (json_int_t) i, "RootDiskIndex",
                 (json_int_t) vm_root_disk (pvm, vm),
                 "Shared", (int) disk->shared,
                 "FileName", base_name (disk->file), "WinDriveLetter",
                 disk->drive_letter ? disk->drive_letter : "",
                 "VmId", vm->id ? vm->id : "",
                 "DiskId", disk->id ? disk->id : "", "SourcePVCName", "",
                 "SourcePVCNamespace", "", "VolumeID", "", "SnapshotID", "");
  if (j == NULL)
    log_oom ();
  return j;
}

/* BASE as the API server makes a name of generateName "BASE-". */
static char *
generate (const struct vm *vm, const char *base, size_t i)
{
  char suffix[GENERATED_LENGTH + 1], salt[32];
  char *name;

  snprintf (salt, sizeof salt, "disk %zu", i);
  if (vm_names_suffix (vm, salt, 0, suffix, GENERATED_LENGTH) == -1)
    return NULL;
  if (asprintf (&name, "%.*s-%s", VM_NAME_MAX - GENERATED_LENGTH - 1, base,
                suffix) == -1) {
    log_oom ();
    return NULL;
  }
  return name;
}

static char *
pvc_name (const struct plan *plan, const struct plan_vm *pvm,
          const struct vm *vm, const struct name_template *t,
          const char *vm_target, size_t i)
{
  CLEANUP_JSON json_t *data = NULL;
  CLEANUP_FREE char *base = NULL;
  char *name;

  if (t->text == NULL)
    return default_pvc (plan, vm, vm_target, i);
  data = pvc_data (plan, pvm, vm, vm_target, i);
  if (data == NULL)
    return NULL;
  base = render (t, data, vm, "disk", i, SIZE_MAX);
  if (base && plan->pvc_name_use_generate_name)
    return generate (vm, base, i);
  name = base;
  base = NULL;
  return name;
}

static char *
volume_name (const struct vm *vm, const struct name_template *t,
             const char *pvc, size_t i)
{
  CLEANUP_JSON json_t *data = NULL;
  char *name;

  if (t->text == NULL) {
    if (asprintf (&name, "vol-%zu", i) == -1) {
      log_oom ();
      return NULL;
    }
    return name;
  }
  data = json_pack ("{s:s, s:I}", "PVCName", pvc, "VolumeIndex",
                    (json_int_t) i);
  if (data == NULL) {
    log_oom ();
    return NULL;
  }
  return render (t, data, vm, "disk", i, VM_NAME_MAX);
}

static struct name_template
choose_pvc (const struct plan *plan, const struct plan_vm *pvm)
{
  return choose ("pvcNameTemplate", pvm->pvc_name_template,
                 &pvm->pvc_template_where, plan->pvc_name_template,
                 &plan->pvc_template_where);
}

static struct name_template
choose_volume (const struct plan *plan, const struct plan_vm *pvm)
{
  return choose ("volumeNameTemplate", pvm->volume_name_template,
                 &pvm->volume_template_where, plan->volume_name_template,
                 &plan->volume_template_where);
}

int
vm_names_set_pvc (const struct plan *plan, const struct plan_vm *pvm,
                  const struct vm *vm, struct vm_names *names, size_t i,
                  const char *pvc)
{
  const struct name_template pvc_template = choose_pvc (plan, pvm);
  const struct name_template template = choose_volume (plan, pvm);
  CLEANUP_FREE char *volume = volume_name (vm, &template, pvc, i);
  CLEANUP_FREE char *name = strdup (pvc);
  char *old_name = names->pvc[i], *old_volume = names->volume[i];

  if (volume == NULL)
    return -1;
  if (name == NULL) {
    log_oom ();
    return -1;
  }
  names->pvc[i] = name;
  names->volume[i] = volume;
  if (check_unique (&pvc_template, vm, "disk", names->pvc,
                    names->nr_disks) == -1 ||
      check_unique (&template, vm, "disk", names->volume,
                    names->nr_disks) == -1) {
    names->pvc[i] = old_name;
    names->volume[i] = old_volume;
    return -1;
  }
  /* What is freed on return. */
  name = old_name;
  volume = old_volume;
  return 0;
}

int
vm_names_of_disks (const struct plan *plan, const struct plan_vm *pvm,
                   const struct vm *vm, struct vm_names *names)
{
  const struct name_template pvc = choose_pvc (plan, pvm);
  const struct name_template volume = choose_volume (plan, pvm);
  size_t i;

  names->pvc = calloc (vm->disks.len + 1, sizeof *names->pvc);
  names->volume = calloc (vm->disks.len + 1, sizeof *names->volume);
  if (!names->pvc || !names->volume) {
    log_oom ();
    return -1;
  }
  names->nr_disks = vm->disks.len;
  for (i = 0; i < vm->disks.len; ++i) {
    names->pvc[i] = pvc_name (plan, pvm, vm, &pvc, names->vm, i);
    if (names->pvc[i] == NULL)
      return -1;
    names->volume[i] = volume_name (vm, &volume, names->pvc[i], i);
    if (names->volume[i] == NULL)
      return -1;
  }
  if (check_unique (&pvc, vm, "disk", names->pvc, names->nr_disks) == -1)
    return -1;
  return check_unique (&volume, vm, "disk", names->volume, names->nr_disks);
}

/* INDEX counts the NICs that the VM will have. */
static char *
network_name (const struct vm *vm, const struct name_template *t,
              const struct network_map_row *row, size_t i, size_t index)
{
  const bool pod = row->kind == NETWORK_POD;
  CLEANUP_JSON json_t *data = NULL;
  char *name;

  if (t->text == NULL) {
    if (asprintf (&name, "net-%zu", index) == -1) {
      log_oom ();
      return NULL;
    }
    return name;
  }
  data = json_pack ("{s:s, s:s, s:s, s:I}",
                    "NetworkName", !pod && row->name ? row->name : "",
                    "NetworkNamespace", !pod && row->namespace_ ?
                    row->namespace_ : "",
                    "NetworkType", pod ? "pod" : "multus",
                    "NetworkIndex", (json_int_t) index);
  if (data == NULL) {
    log_oom ();
    return NULL;
  }
  return render (t, data, vm, "NIC", i, SIZE_MAX);
}

int
vm_names_of_nics (const struct plan *plan, const struct plan_vm *pvm,
                  const struct vm *vm,
                  const struct plan_network_map *networks,
                  struct vm_names *names)
{
  const struct name_template t =
    choose ("networkNameTemplate", pvm->network_name_template,
            &pvm->network_template_where, plan->network_name_template,
            &plan->network_template_where);
  size_t i, n = 0;

  names->network = calloc (vm->nics.len + 1, sizeof *names->network);
  if (names->network == NULL) {
    log_oom ();
    return -1;
  }
  names->nr_nics = vm->nics.len;
  for (i = 0; networks && i < vm->nics.len; ++i) {
    const struct vm_ref *network = &vm->nics.ptr[i].network;
    const struct network_map_row *row =
      plan_map_network (networks, network->id, network->name);

    if (row == NULL || row->kind == NETWORK_IGNORED)
      continue;
    names->network[i] = network_name (vm, &t, row, i, n++);
    if (names->network[i] == NULL)
      return -1;
  }
  return check_unique (&t, vm, "NIC", names->network, names->nr_nics);
}
