/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a VM and its volumes are called on the target.
 *
 * Forklift makes names unique with random characters; here they are taken
 * from a digest of the VM's id, so that a run that is started again finds
 * what it made before.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/digest.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/vm_manifest.h"

#define NAME_MAX_LENGTH 63      /* also of a label's value, and KubeVirt
                                   puts the VM's name into one */
#define SUFFIX_LENGTH 4
#define PART_LENGTH 15          /* of plan and VM in a PVC's name */

static bool
is_lower_or_digit (char c)
{
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool
is_separator (char c)
{
  return c == '-' || c == '.';
}

/* Shorten NAME to MAX, and so that it does not end in a separator. */
static void
cut (char *name, size_t max)
{
  size_t len = strnlen (name, max);

  while (len > 0 && is_separator (name[len - 1]))
    len--;
  name[len] = '\0';
}

/* NAME as a DNS-1123 subdomain of at most NAME_MAX_LENGTH, perhaps empty:
 * lower case, "_" and " " become "-", other characters go away, and so do
 * separators at either end of a part between dots.
 */
static char *
sanitise (const char *name)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };
  char *ret;
  char c;

  for (; *name; ++name) {
    c = *name >= 'A' && *name <= 'Z' ? *name - 'A' + 'a' : *name;
    if (c == '_' || c == ' ')
      c = '-';
    if (!is_lower_or_digit (c) && !is_separator (c))
      continue;
    /* No separator at the start or after a dot; a dot replaces the
     * dashes before it.
     */
    if (c == '.')
      while (b.len > 0 && b.ptr[b.len - 1] == '-')
        b.ptr[--b.len] = '\0';
    if (is_separator (c) && (b.len == 0 || b.ptr[b.len - 1] == '.'))
      continue;
    if (strbuf_append_char (&b, c) == -1)
      return NULL;
  }
  ret = strbuf_steal (&b);
  if (ret)
    cut (ret, NAME_MAX_LENGTH);
  return ret;
}

/* N characters made from the VM's id and ROUND. */
static int
make_suffix (const struct vm *vm, size_t round, char *out, size_t n)
{
  const char *const texts[] = { vm->id ? vm->id : "", vm->name, out };
  char uuid[UUID_TEXT_SIZE];
  size_t i;

  out[0] = '\0';
  for (i = 0; i <= round; ++i) {
    if (uuid_of_strings (texts, ARRAY_SIZE (texts), uuid) == -1)
      return -1;
    memcpy (out, uuid, n);
    out[n] = '\0';
  }
  return 0;
}

static bool
is_taken (const string_vector *taken, const char *name)
{
  size_t i;

  for (i = 0; taken && i < taken->len; ++i)
    if (strcmp (taken->ptr[i], name) == 0)
      return true;
  return false;
}

/* The plan's own choice: used as it is, or refused. */
static char *
chosen_name (const struct plan_vm *pvm, const struct vm *vm,
             const string_vector *taken)
{
  char *name;

  if (!dns1123_subdomain (pvm->target_name) ||
      strlen (pvm->target_name) > NAME_MAX_LENGTH) {
    log_error ("VM %s: targetName '%s' can not be the name of a "
               "VirtualMachine: use lower-case letters, digits, '-' and "
               "'.', at most %d characters", printable (vm->name),
               printable (pvm->target_name), NAME_MAX_LENGTH);
    errno = EINVAL;
    return NULL;
  }
  if (is_taken (taken, pvm->target_name)) {
    log_error ("VM %s: targetName '%s' is the name of another VM of this "
               "plan: choose a different one", printable (vm->name),
               printable (pvm->target_name));
    errno = EEXIST;
    return NULL;
  }
  name = strdup (pvm->target_name);
  if (name == NULL)
    log_oom ();
  return name;
}

static char *
vm_name (const struct plan_vm *pvm, const struct vm *vm,
         const string_vector *taken)
{
  CLEANUP_FREE char *base = NULL;
  char suffix[SUFFIX_LENGTH + 1];
  char *name;
  size_t round;

  if (pvm->target_name)
    return chosen_name (pvm, vm, taken);

  base = sanitise (vm->name);
  if (base == NULL)
    goto oom;
  if (base[0] == '\0') {
    if (make_suffix (vm, 0, suffix, SUFFIX_LENGTH) == -1)
      return NULL;
    free (base);
    if (asprintf (&base, "vm-%s", suffix) == -1) {
      base = NULL;
      goto oom;
    }
  }
  if (!is_taken (taken, base)) {
    name = base;
    base = NULL;
    return name;
  }

  /* There are more suffixes than a plan has VMs: this ends. */
  cut (base, NAME_MAX_LENGTH - SUFFIX_LENGTH - 1);
  for (round = 0;; ++round) {
    if (make_suffix (vm, round, suffix, SUFFIX_LENGTH) == -1)
      return NULL;
    if (asprintf (&name, "%s-%s", base, suffix) == -1)
      goto oom;
    if (!is_taken (taken, name))
      return name;
    free (name);
  }

 oom:
  log_oom ();
  return NULL;
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
  part[len] = '\0';
  if (*name)
    *exact = false;
  cut (part, PART_LENGTH);
}

/* Forklift's default template, {{trunc 15 .PlanName}}-{{trunc 15
 * .TargetVmName}}-disk-{{.DiskIndex}}.  Forklift lets the API server add
 * a random suffix; ours comes from the VM's id, and only where the cut
 * could give two VMs one name.
 */
static char *
pvc_name (const struct plan *plan, const struct vm *vm, const char *vm_target,
          size_t disk)
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
    if (make_suffix (vm, 0, suffix + 1, SUFFIX_LENGTH) == -1)
      return NULL;
  }
  if (asprintf (&name, "%s-%s-disk-%zu%s", plan_part, vm_part, disk,
                suffix) == -1) {
    log_oom ();
    return NULL;
  }
  return name;
}

static int
volume_names (const struct plan *plan, const struct vm *vm,
              struct vm_names *names)
{
  size_t i;

  names->pvc = calloc (vm->disks.len + 1, sizeof *names->pvc);
  names->volume = calloc (vm->disks.len + 1, sizeof *names->volume);
  if (!names->pvc || !names->volume) {
    log_oom ();
    return -1;
  }
  names->nr_disks = vm->disks.len;
  for (i = 0; i < vm->disks.len; ++i) {
    names->pvc[i] = pvc_name (plan, vm, names->vm, i);
    if (names->pvc[i] == NULL)
      return -1;
    if (asprintf (&names->volume[i], "vol-%zu", i) == -1) {
      names->volume[i] = NULL;
      log_oom ();
      return -1;
    }
  }
  return 0;
}

int
vm_names_make (const struct plan *plan, const struct plan_vm *pvm,
               const struct vm *vm, const string_vector *taken,
               struct vm_names *names)
{
  struct vm_names n = { 0 };
  int err;

  n.vm = vm_name (pvm, vm, taken);
  if (n.vm == NULL)
    return -1;
  n.renamed = strcmp (n.vm, vm->name) != 0;
  if (volume_names (plan, vm, &n) == -1) {
    err = errno;
    vm_names_free (&n);
    errno = err;
    return -1;
  }
  *names = n;
  return 0;
}

void
vm_names_free (struct vm_names *names)
{
  size_t i;

  free (names->vm);
  for (i = 0; i < names->nr_disks; ++i) {
    free (names->pvc[i]);
    free (names->volume[i]);
  }
  free (names->pvc);
  free (names->volume);
  memset (names, 0, sizeof *names);
}
