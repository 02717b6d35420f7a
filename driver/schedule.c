/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A list of VMs and a count per host.  The lists are walked whole: there
 * are some hundred VMs, and minutes between two changes.
 *
 * Forklift's scheduler picks any VM that has room, so that one with many
 * disks can wait behind small ones for ever.  Here the first one that has
 * no room closes its host for all behind it.
 */
#include <stdlib.h>
#include <string.h>

#include "common/include/minmax.h"
#include "common/util/log.h"
#include "driver/schedule.h"

int
schedule_init (struct schedule *s, unsigned max, size_t nr_vms)
{
  memset (s, 0, sizeof *s);
  s->max = max;
  s->vms = calloc (nr_vms + 1, sizeof *s->vms);
  s->hosts = calloc (nr_vms + 1, sizeof *s->hosts);
  if (s->vms && s->hosts)
    return 0;
  log_oom ();
  return -1;
}

void
schedule_free (struct schedule *s)
{
  free (s->vms);
  free (s->hosts);
  memset (s, 0, sizeof *s);
}

static bool
is_host (const struct schedule_host *host, const char *id)
{
  if (host->id == NULL || id == NULL)
    return host->id == id;
  return strcmp (host->id, id) == 0;
}

void
schedule_add (struct schedule *s, const char *host, unsigned disks)
{
  size_t i = 0;

  while (i < s->nr_hosts && !is_host (&s->hosts[i], host))
    i++;
  if (i == s->nr_hosts)
    s->hosts[s->nr_hosts++].id = host;
  s->vms[s->nr_vms].host = i;
  s->vms[s->nr_vms++].disks = MIN (MAX (disks, 1U), s->max);
}

size_t
schedule_next (struct schedule *s)
{
  size_t i;

  for (i = 0; i < s->nr_hosts; i++)
    s->hosts[i].blocked = false;
  for (i = 0; i < s->nr_vms; i++) {
    struct schedule_vm *vm = &s->vms[i];
    struct schedule_host *host = &s->hosts[vm->host];

    if (vm->begun || host->blocked)
      continue;
    if (vm->disks + host->wanted <= s->max - host->in_flight) {
      host->in_flight += vm->disks;
      vm->begun = true;
      return i;
    }
    host->blocked = true;
  }
  return SCHEDULE_NONE;
}

void
schedule_skip (struct schedule *s, size_t i)
{
  if (s->vms[i].begun)
    return;
  s->vms[i].begun = true;
  s->vms[i].disks = 0;
}

void
schedule_shrink (struct schedule *s, size_t i, unsigned disks)
{
  struct schedule_vm *vm = &s->vms[i];

  if (!vm->begun || disks >= vm->disks)
    return;
  s->hosts[vm->host].in_flight -= vm->disks - disks;
  vm->disks = disks;
}

void
schedule_wait (struct schedule *s, size_t i)
{
  s->hosts[s->vms[i].host].wanted++;
}

void
schedule_leave (struct schedule *s, size_t i)
{
  s->hosts[s->vms[i].host].wanted--;
}

bool
schedule_take (struct schedule *s, size_t i)
{
  struct schedule_host *host = &s->hosts[s->vms[i].host];

  if (host->in_flight >= s->max)
    return false;
  host->in_flight++;
  host->wanted--;
  return true;
}

void
schedule_give (struct schedule *s, size_t i)
{
  s->hosts[s->vms[i].host].in_flight--;
}

unsigned
schedule_disks (const struct schedule *s, size_t i)
{
  return s->vms[i].disks;
}

const struct schedule_host *
schedule_host (const struct schedule *s, size_t i)
{
  return &s->hosts[s->vms[i].host];
}

unsigned
schedule_most (const struct schedule *s)
{
  uint64_t sum = 0, of_host;
  size_t i, host;

  for (host = 0; host < s->nr_hosts; host++) {
    of_host = 0;
    for (i = 0; i < s->nr_vms; i++)
      if (s->vms[i].host == host)
        of_host += s->vms[i].disks;
    sum += MIN (of_host, (uint64_t) s->max);
  }
  return MIN (sum, (uint64_t) UINT32_MAX);
}
