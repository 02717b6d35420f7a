/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a VM is called on the target.  vm_name_templates.c names what
 * belongs to it.
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
#include "driver/vm_names.h"

/* KubeVirt puts the VM's name into the value of a label. */
#define NAME_MAX_LENGTH VM_NAME_MAX
#define SUFFIX_LENGTH 4

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

int
vm_names_suffix (const struct vm *vm, const char *salt, size_t round,
                 char *out, size_t n)
{
  const char *const texts[] = { vm->id ? vm->id : "", vm->name, salt, out };
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
  return taken && string_vector_has (taken, name);
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
    if (vm_names_suffix (vm, "", 0, suffix, SUFFIX_LENGTH) == -1)
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
    if (vm_names_suffix (vm, "", round, suffix, SUFFIX_LENGTH) == -1)
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

int
vm_names_make (const struct plan *plan, const struct plan_vm *pvm,
               const struct vm *vm, const struct plan_network_map *networks,
               const string_vector *taken, struct vm_names *names)
{
  struct vm_names n = { 0 };
  int err;

  n.vm = vm_name (pvm, vm, taken);
  if (n.vm == NULL)
    return -1;
  n.renamed = strcmp (n.vm, vm->name) != 0;
  if (vm_names_of_disks (plan, pvm, vm, &n) == -1 ||
      vm_names_of_nics (plan, pvm, vm, networks, &n) == -1) {
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
  for (i = 0; i < names->nr_nics; ++i)
    free (names->network[i]);
  free (names->pvc);
  free (names->volume);
  free (names->network);
  memset (names, 0, sizeof *names);
}
