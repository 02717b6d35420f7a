/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which NIC each static address belongs to, and what keeps it there.
 *
 * The guest's files say which name has which address; which name was on
 * which NIC they mostly do not say, since it followed from the slot.  The
 * source does, through the addresses that VMware Tools saw on each NIC;
 * where it is silent, rules of the guest, the MAC addresses in its files,
 * or that there is one of each only.
 */
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "driver/guest/net_private.h"

/* Bridges on VLANs on bonds. */
#define MAX_DEPTH 4

/* What is known of one configured interface that has to stay on its NIC. */
struct binding {
  const struct net_iface *iface;        /* with the addresses */
  const struct net_iface *target;       /* it or what is below it; NULL if
                                           only its name is known */
  const char *name;             /* of TARGET, or NULL: bound without */
  const struct vm_nic *nic;
  bool bad;                     /* reported */
};
DEFINE_VECTOR_TYPE (binding_vector, struct binding);

void
guest_net_report_free (struct guest_net_report *report)
{
  string_vector_free (&report->kept);
  string_vector_free (&report->lost);
}

static void
free_pairs (net_pair_vector *v)
{
  size_t i;

  for (i = 0; i < v->len; i++) {
    free (v->ptr[i].a);
    free (v->ptr[i].b);
  }
  net_pair_vector_reset (v);
}

static void
cleanup_net (struct guest_net *g)
{
  size_t i;

  for (i = 0; i < g->ifaces.len; i++) {
    struct net_iface *f = &g->ifaces.ptr[i];

    free (f->file);
    free (f->changed);
    free (f->id);
    free (f->name);
    free (f->mac);
    string_vector_free (&f->addresses);
  }
  net_iface_vector_reset (&g->ifaces);
  free_pairs (&g->links);
  free_pairs (&g->aliases);
  free_pairs (&g->names);
}

/*---- interfaces on top of others ----*/

/* True if TEXT, as it is written somewhere, means the interface ID. */
static bool
means (const struct guest_net *g, const char *text, const char *id)
{
  size_t i;

  if (strcmp (text, id) == 0)
    return true;
  for (i = 0; i < g->aliases.len; i++)
    if (strcmp (g->aliases.ptr[i].a, id) == 0 &&
        strcmp (g->aliases.ptr[i].b, text) == 0)
      return true;
  return false;
}

static const struct net_iface *
find_iface (const struct guest_net *g, const char *id)
{
  size_t i;

  for (i = 0; i < g->ifaces.len; i++)
    if (means (g, id, g->ifaces.ptr[i].id))
      return &g->ifaces.ptr[i];
  return NULL;
}

/* One configuration of ID is enough to say that it is no NIC's. */
static bool
is_virtual (const struct guest_net *g, const char *id)
{
  size_t i;

  for (i = 0; i < g->ifaces.len; i++)
    if (g->ifaces.ptr[i].is_virtual && means (g, id, g->ifaces.ptr[i].id))
      return true;
  return false;
}

/* The NICs' interfaces under ID, into LOWERS (borrowed).  0, or -1
 * reported.
 */
static int
find_lowers (const struct guest_net *g, const char *id, unsigned depth,
             net_pair_vector *lowers, bool *any)
{
  size_t i, j;

  for (i = 0; i < g->links.len; i++) {
    const char *lower = g->links.ptr[i].b;
    bool below = false;

    if (!means (g, g->links.ptr[i].a, id) || strcmp (lower, id) == 0)
      continue;
    *any = true;
    if (depth < MAX_DEPTH &&
        find_lowers (g, lower, depth + 1, lowers, &below) == -1)
      return -1;
    for (j = 0; j < lowers->len; j++)
      below |= strcmp (lowers->ptr[j].a, lower) == 0;
    if (!below && net_add_pair (lowers, lower, lower) == -1)
      return -1;
  }
  return 0;
}

/*---- which NIC ----*/

static const struct vm_nic *
nic_with_mac (const struct guest_net *g, const char *mac)
{
  size_t i;

  for (i = 0; mac && i < g->nics->len; i++)
    if (g->nics->ptr[i].mac && strcmp (g->nics->ptr[i].mac, mac) == 0)
      return &g->nics->ptr[i];
  return NULL;
}

static bool
nic_has_address (const struct vm_nic *nic, const string_vector *addresses)
{
  size_t i, j;

  for (i = 0; i < nic->ips.len; i++)
    for (j = 0; j < addresses->len; j++)
      if (nic->ips.ptr[i].address &&
          net_same_address (nic->ips.ptr[i].address, addresses->ptr[j]))
        return true;
  return false;
}

/* The one NIC on which the source has seen one of ADDRESSES; not one of
 * several.
 */
static const struct vm_nic *
nic_with_address (const struct guest_net *g, const string_vector *addresses)
{
  const struct vm_nic *found = NULL;
  size_t i;

  for (i = 0; i < g->nics->len; i++)
    if (g->nics->ptr[i].mac && nic_has_address (&g->nics->ptr[i],
                                                addresses)) {
      if (found)
        return NULL;
      found = &g->nics->ptr[i];
    }
  return found;
}

/* By the files of the guest. */
static const struct vm_nic *
nic_of_files (const struct guest_net *g, const struct binding *b)
{
  const struct vm_nic *nic;
  size_t i;

  for (i = 0; b->name && i < g->names.len; i++)
    if (strcmp (g->names.ptr[i].a, b->name) == 0 &&
        (nic = nic_with_mac (g, g->names.ptr[i].b)) != NULL)
      return nic;
  return b->target ? nic_with_mac (g, b->target->mac) : NULL;
}

static bool
same_target (const struct binding *a, const struct binding *b)
{
  return a->name && b->name ? strcmp (a->name, b->name) == 0
    : a->target == b->target;
}

/* Where another address of the same interface is. */
static const struct vm_nic *
nic_of_others (const binding_vector *bindings, const struct binding *b)
{
  size_t i;

  for (i = 0; i < bindings->len; i++)
    if (bindings->ptr[i].nic && same_target (&bindings->ptr[i], b))
      return bindings->ptr[i].nic;
  return NULL;
}

/* The guest's only NIC, for its only configuration. */
static const struct vm_nic *
only_nic (const struct guest_net *g, const binding_vector *bindings,
          const struct binding *b)
{
  size_t i;

  for (i = 0; i < bindings->len; i++)
    if (!same_target (&bindings->ptr[i], b))
      return NULL;
  return g->nics->len == 1 && g->nics->ptr[0].mac ? &g->nics->ptr[0] : NULL;
}

/*---- reports ----*/

static int
add_addresses (struct strbuf *b, const struct net_iface *iface)
{
  size_t i;

  for (i = 0; i < iface->addresses.len; i++)
    if (strbuf_printf (b, "%s%s", i ? ", " : "",
                       iface->addresses.ptr[i]) == -1)
      return -1;
  return 0;
}

/* "00:50:..: 10.0.2.50/24, fd00::5/64 " and what follows. */
static int
say (string_vector *v, const struct vm_nic *nic,
     const struct net_iface *iface, const char *fmt, ...)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };
  CLEANUP_FREE char *rest = NULL;
  char *line;
  va_list args;
  size_t i;
  int r;

  va_start (args, fmt);
  r = vasprintf (&rest, fmt, args);
  va_end (args);
  if (r == -1) {
    rest = NULL;
    goto oom;
  }
  if ((nic && strbuf_printf (&b, "%s: ", nic->mac) == -1) ||
      add_addresses (&b, iface) == -1 ||
      strbuf_printf (&b, " %s", rest) == -1)
    goto oom;
  line = strbuf_steal (&b);
  if (line == NULL)
    goto oom;
  for (i = 0; i < v->len; i++)
    if (strcmp (v->ptr[i], line) == 0) {
      free (line);
      return 0;
    }
  if (string_vector_append (v, line) == -1) {
    free (line);
    goto oom;
  }
  return 0;

 oom:
  log_oom ();
  return -1;
}

#define REMEDY "after the migration, configure it in the guest's console"

static int
lose (struct guest_net *g, struct binding *b, const char *why)
{
  b->bad = true;
  return say (&g->report->lost, b->nic, b->iface, "(%s): %s: " REMEDY,
              printable (b->iface->file), why);
}

/*---- what is to be done ----*/

static int
add_binding (binding_vector *bindings, const struct net_iface *iface,
             const struct net_iface *target, const char *name)
{
  const struct binding b = {
    .iface = iface, .target = target, .name = name,
  };

  if (binding_vector_append (bindings, b) == -1) {
    log_oom ();
    return -1;
  }
  return 0;
}

/* All that has a static address, with the interfaces of NICs that it
 * needs.
 */
static int
collect (struct guest_net *g, binding_vector *bindings,
         net_pair_vector *lowers)
{
  size_t i, j;

  for (i = 0; i < g->ifaces.len; i++) {
    const struct net_iface *iface = &g->ifaces.ptr[i];
    size_t first = lowers->len;
    bool any = false;
    int r;

    if (iface->addresses.len == 0 || strcmp (iface->id, "lo") == 0)
      continue;
    {
      net_pair_vector mine = EMPTY_VECTOR;

      r = find_lowers (g, iface->id, 0, &mine, &any);
      for (j = 0; j < mine.len && r == 0; j++)
        r = net_add_pair (lowers, mine.ptr[j].a, mine.ptr[j].a);
      free_pairs (&mine);
      if (r == -1)
        return -1;
    }
    if (!any) {
      /* One without a NIC below it does not depend on hardware. */
      if (!is_virtual (g, iface->id) &&
          add_binding (bindings, iface, iface, iface->name) == -1)
        return -1;
      continue;
    }
    for (j = first; j < lowers->len; j++) {
      const char *id = lowers->ptr[j].a;
      const struct net_iface *lower = find_iface (g, id);

      if ((lower ? !is_virtual (g, id) : net_is_name (id)) &&
          add_binding (bindings, iface, lower,
                       lower ? lower->name : id) == -1)
        return -1;
    }
  }
  return 0;
}

/* True if B's interface needs one NIC only. */
static bool
is_alone (const binding_vector *bindings, const struct binding *b)
{
  size_t i;

  for (i = 0; i < bindings->len; i++)
    if (bindings->ptr[i].iface == b->iface && &bindings->ptr[i] != b)
      return false;
  return true;
}

/* Matched by the MAC address already, or by nothing that changes, as
 * where a configuration is for all NICs.
 */
static bool
stays_as_it_is (const struct binding *b)
{
  return b->target && b->name == NULL && !b->target->fragile;
}

static int
find_nics (struct guest_net *g, binding_vector *bindings)
{
  size_t i;

  for (i = 0; i < bindings->len; i++) {
    struct binding *b = &bindings->ptr[i];

    if (is_alone (bindings, b))
      b->nic = nic_with_address (g, &b->iface->addresses);
    if (b->nic == NULL)
      b->nic = nic_of_files (g, b);
  }
  for (i = 0; i < bindings->len; i++) {
    struct binding *b = &bindings->ptr[i];

    if (b->nic == NULL)
      b->nic = nic_of_others (bindings, b);
    if (b->nic == NULL)
      b->nic = only_nic (g, bindings, b);
    if (b->nic == NULL && !stays_as_it_is (b) &&
        lose (g, b, "it is not known which NIC has it, since neither the "
              "source (VMware Tools in a VM that runs) nor the guest's files "
              "tell") == -1)
      return -1;
  }
  return 0;
}

/* Two names for one NIC, or two NICs for one name, cannot be. */
static int
find_conflicts (struct guest_net *g, binding_vector *bindings)
{
  size_t i, j;

  for (i = 0; i < bindings->len; i++)
    for (j = 0; j < bindings->len; j++) {
      struct binding *a = &bindings->ptr[i], *b = &bindings->ptr[j];
      const bool names = a->name && b->name && a->nic && b->nic;
      const bool same_name = names && strcmp (a->name, b->name) == 0;

      if (i == j || !names || same_name == (a->nic == b->nic) || a->bad)
        continue;
      if (lose (g, a, same_name ? "its interface's name is claimed for two "
                "NICs" : "two interfaces of the guest claim this NIC") == -1)
        return -1;
    }
  return 0;
}

/* Does the guest itself give this name to this NIC? */
static bool
has_rule (const struct guest_net *g, const struct binding *b)
{
  bool found = false;
  size_t i;

  for (i = 0; i < g->names.len; i++) {
    const bool name = strcmp (g->names.ptr[i].a, b->name) == 0;
    const bool mac = strcmp (g->names.ptr[i].b, b->nic->mac) == 0;

    if (name != mac)
      return false;
    found |= name;
  }
  return found;
}

static const char *
stay (const struct binding *b)
{
  return b->iface->addresses.len > 1 ? "stay" : "stays";
}

static int
apply (struct guest_net *g, struct binding *b, net_pair_vector *names)
{
  int r;
  size_t i;

  if (stays_as_it_is (b))
    return b->nic ? say (&g->report->kept, b->nic, b->iface,
                         "%s: %s does not go by the name", stay (b),
                         printable (b->target->file)) : 0;
  if (b->target && b->target->fragile) {
    r = b->target->rebind (g->files, b->target, b->nic->mac);
    if (r == -1)
      return -1;
    if (r == 0)
      return lose (g, b, "the file says which NIC it is for in a way that "
                   "cannot be changed here");
    if (b->name == NULL)
      return say (&g->report->kept, b->nic, b->iface,
                  "%s: %s now goes by the MAC address", stay (b),
                  printable (b->target->changed ? b->target->changed
                             : b->target->file));
  }
  if (!has_rule (g, b)) {
    for (i = 0; i < names->len; i++)
      if (strcmp (names->ptr[i].a, b->name) == 0)
        break;
    if (i == names->len && net_add_pair (names, b->name, b->nic->mac) == -1)
      return -1;
  }
  if (strcmp (b->iface->id, b->name) != 0 && b->iface != b->target)
    return say (&g->report->kept, b->nic, b->iface, "%s on %s, over %s",
                stay (b), printable (b->iface->id), b->name);
  return say (&g->report->kept, b->nic, b->iface, "%s on %s", stay (b),
              b->name);
}

/* What the source has seen as static and no file has. */
static int
check_source (struct guest_net *g)
{
  size_t i, j, k;

  for (i = 0; i < g->nics->len; i++)
    for (j = 0; j < g->nics->ptr[i].ips.len; j++) {
      const struct vm_ip *ip = &g->nics->ptr[i].ips.ptr[j];
      bool found = !ip->is_static || ip->address == NULL ||
        strncmp (ip->address, "fe80:", 5) == 0;

      for (k = 0; k < g->ifaces.len && !found; k++) {
        size_t a;

        for (a = 0; a < g->ifaces.ptr[k].addresses.len && !found; a++)
          found = net_same_address (ip->address,
                                    g->ifaces.ptr[k].addresses.ptr[a]);
      }
      if (!found &&
          string_vector_append_format (&g->report->lost, "%s: %s/%u: no file "
                                       "of the guest that nbdlift knows "
                                       "configures it: " REMEDY " if it is "
                                       "not there",
                                       printable (g->nics->ptr[i].mac),
                                       printable (ip->address),
                                       ip->prefix) == -1) {
        log_oom ();
        return -1;
      }
    }
  return 0;
}

static int
apply_all (struct guest_net *g, binding_vector *bindings)
{
  net_pair_vector names = EMPTY_VECTOR;
  size_t i;
  int r = 0;

  for (i = 0; i < bindings->len && r == 0; i++)
    if (!bindings->ptr[i].bad)
      r = apply (g, &bindings->ptr[i], &names);
  if (r == 0)
    r = net_write_names (g, &names);
  if (r == 0 && g->report->kept.len > 0)
    r = net_stop_cloud_init (g);
  free_pairs (&names);
  return r;
}

int
guest_net_preserve (const struct guest_files *files,
                    const vm_nic_vector *nics,
                    struct guest_net_report *report)
{
  static int (*const readers[]) (struct guest_net *) = {
    net_read_ifupdown, net_read_networkd, net_read_manager,
    net_read_netplan, net_read_ifcfg, net_read_names,
  };
  struct guest_net_report found = { .kept = EMPTY_VECTOR };
  __attribute__ ((cleanup (cleanup_net))) struct guest_net g = {
    .files = files, .nics = nics, .report = &found,
  };
  binding_vector bindings = EMPTY_VECTOR;
  net_pair_vector lowers = EMPTY_VECTOR;
  size_t i;
  int r = 0;

  for (i = 0; i < sizeof readers / sizeof readers[0] && r == 0; i++)
    r = readers[i] (&g);
  if (r == 0)
    r = collect (&g, &bindings, &lowers);
  if (r == 0)
    r = find_nics (&g, &bindings);
  if (r == 0)
    r = find_conflicts (&g, &bindings);
  if (r == 0)
    r = apply_all (&g, &bindings);
  if (r == 0)
    r = check_source (&g);
  binding_vector_reset (&bindings);
  free_pairs (&lowers);
  if (r == -1) {
    guest_net_report_free (&found);
    return -1;
  }
  *report = found;
  return 0;
}
