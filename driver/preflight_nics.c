/* SPDX-License-Identifier: BSD-3-Clause
 *
 * NICs that get in each other's way on the target.  They may be meant so:
 * warnings.
 */
#include <string.h>
#include <strings.h>

#include "common/util/strbuf.h"
#include "driver/preflight_private.h"

static const struct network_map_row *
row_of (const struct look *look, const struct vm_nic *nic)
{
  return look->s->networks ?
    plan_map_network (look->s->networks, nic->network.id, nic->network.name)
    : NULL;
}

static bool
same_text (const char *a, const char *b)
{
  return strcmp (a ? a : "", b ? b : "") == 0;
}

static bool
same_definition (const struct network_map_row *a,
                 const struct network_map_row *b)
{
  return a && b && a->kind == NETWORK_MULTUS && b->kind == NETWORK_MULTUS &&
    same_text (a->name, b->name) && same_text (a->namespace_, b->namespace_);
}

/* Two NICs of P on one NetworkAttachmentDefinition. */
static int
check_definitions (const struct look *look, const struct preflight_vm *p)
{
  const struct network_map_row *row;
  size_t i, j;

  for (i = 1; i < p->vm.nics.len; i++) {
    row = row_of (look, &p->vm.nics.ptr[i]);
    for (j = 0; j < i; j++)
      if (same_definition (row, row_of (look, &p->vm.nics.ptr[j])))
        break;
    if (j < i &&
        note_vm (look, p, PROBLEM_WARN, "VMDuplicateNADMappings", NULL,
                 "NICs %zu and %zu both go to NetworkAttachmentDefinition "
                 "%s", j + 1, i + 1, printable (row->name)) == -1)
      return -1;
  }
  return 0;
}

/* Will NIC be on a network of the target? */
static bool
is_kept (const struct look *look, const struct vm_nic *nic)
{
  const struct network_map_row *row = row_of (look, nic);

  return row && row->kind != NETWORK_IGNORED;
}

/* A NIC of P that has the address of one of Q. */
static int
check_macs (const struct look *look, const struct preflight_vm *p,
            const struct preflight_vm *q)
{
  size_t i, j;

  for (i = 0; i < p->vm.nics.len; i++)
    for (j = 0; j < q->vm.nics.len; j++) {
      const struct vm_nic *a = &p->vm.nics.ptr[i], *b = &q->vm.nics.ptr[j];

      if (a->mac && b->mac && strcasecmp (a->mac, b->mac) == 0 &&
          is_kept (look, a) && is_kept (look, b) &&
          note_vm (look, p, PROBLEM_WARN, "MacConflicts",
                   "do not run the two on one network",
                   "NIC %zu has the MAC address %s, as NIC %zu of VM %s",
                   i + 1, printable (a->mac), j + 1,
                   printable (q->vm.name)) == -1)
        return -1;
    }
  return 0;
}

int
preflight_check_nics (const struct look *look,
                      const preflight_vm_vector *all, size_t n,
                      const bool *chosen)
{
  size_t i;

  for (i = 0; i < n; i++)
    if (chosen[i] &&
        check_macs (look, all->ptr[n], all->ptr[i]) == -1)
      return -1;
  return check_definitions (look, all->ptr[n]);
}
