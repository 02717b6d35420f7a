/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What maps and Hosts say of the source, held against its inventory: rows
 * for networks and storage that it does not have, or has several of, and
 * hosts that cannot serve.  None of this stops a run, which needs only the
 * rows of its VMs (preflight_vm.c): it is looked at when somebody asks.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/json/json.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/driver_log.h"
#include "driver/preflight_private.h"

/* The objects of COLLECTION to *OBJECTS, or NULL if the source has no such
 * collection, or does not show it (noted, with WHAT).
 */
static int
list (const struct look *look, enum source_collection collection,
      const char *what, json_t **objects)
{
  CLEANUP_FREE char *why = NULL, *message = NULL;
  struct log_scope scope = { .hold = true };
  int err;

  *objects = NULL;
  if (look->s->ops->inventory == NULL)
    return 0;
  log_scope_enter (&scope);
  *objects = look->s->ops->inventory (look->s->source, collection);
  err = errno;
  why = log_scope_take (&scope);
  log_scope_leave (&scope);
  if (*objects || err == ENOTSUP)
    return 0;
  if (asprintf (&message, "the %s of the source cannot be listed, and were "
                "not checked: %s", what, why ? why : strerror (err)) == -1) {
    message = NULL;
    log_oom ();
    return -1;
  }
  return note (look, PROBLEM_ADVISORY, "InventoryNotChecked",
               &look->s->provider->meta.where, NULL, NULL, message);
}

static bool
has (const json_t *object, const char *key, const char *value)
{
  const char *s = json_get_string (object, key, NULL);

  return s && value && strcmp (s, value) == 0;
}

/* How many of OBJECTS are called ID, or if that is NULL, NAME.  *FIRST is
 * one of them.
 */
static size_t
count (const json_t *objects, const char *id, const char *name,
       const json_t **first)
{
  const json_t *object;
  size_t i, n = 0;

  json_array_foreach (objects, i, object)
    if (id ? has (object, "id", id) : has (object, "name", name)) {
      if (n++ == 0)
        *first = object;
    }
  return n;
}

static int __attribute__ ((format (printf, 8, 9)))
note_object (const struct look *look, const char *type, const char *kind,
             const struct object_meta *meta, const struct plan_where *where,
             const char *path, const char *suggestion, const char *fmt, ...)
{
  CLEANUP_FREE char *message = NULL;
  char object[340];
  va_list args;
  int n;

  snprintf (object, sizeof object, "%s %s/%s", kind,
            printable (meta->namespace_), printable (meta->name));
  va_start (args, fmt);
  n = vasprintf (&message, fmt, args);
  va_end (args);
  if (n == -1) {
    message = NULL;
    log_oom ();
    return -1;
  }
  return problem_add (look->problems, PROBLEM_WARN, type, where, object,
                      path, suggestion, "%s", message);
}

/* A map, and what its rows are about. */
struct map {
  const char *kind;             /* "NetworkMap" */
  const struct object_meta *meta;
  const char *what, *plural;    /* "network", "networks" */
  const char *type;             /* of a problem */
  const json_t *objects;
};

static int
check_row (const struct look *look, const struct map *map,
           const struct plan_ref *ref, size_t i)
{
  const json_t *first;
  CLEANUP_FREE char *suggestion = NULL;
  char path[64];
  size_t n;

  if (ref->id == NULL && ref->name == NULL)
    return 0;                   /* the pod network of a cluster */
  n = count (map->objects, ref->id, ref->name, &first);
  if (n == 1)
    return 0;
  snprintf (path, sizeof path, "spec.map[%zu].source", i);
  if (n > 1)
    return note_object (look, map->type, map->kind, map->meta, &ref->where,
                        path, "name one by its id", "the source has %zu %s "
                        "called '%s'; this row is for all of them", n,
                        map->plural, printable (ref->name));
  if (asprintf (&suggestion, "'nbdlift inventory FILE %s' lists them",
                map->plural) == -1) {
    suggestion = NULL;
    log_oom ();
    return -1;
  }
  return note_object (look, map->type, map->kind, map->meta, &ref->where,
                      path, suggestion, "the source has no %s with %s '%s'",
                      map->what, ref->id ? "id" : "name",
                      printable (ref->id ? ref->id : ref->name));
}

static int
check_networks (const struct look *look)
{
  CLEANUP_JSON json_t *objects = NULL;
  const struct plan_network_map *networks = look->s->networks;
  struct map map = {
    .kind = "NetworkMap", .meta = &networks->meta, .what = "network",
    .plural = "networks", .type = "SourceNetworkNotValid" };
  size_t i;

  if (list (look, SOURCE_NETWORKS, "networks", &objects) == -1)
    return -1;
  map.objects = objects;
  for (i = 0; objects && i < networks->rows.len; i++)
    if (check_row (look, &map, &networks->rows.ptr[i].source, i) == -1)
      return -1;
  return 0;
}

static int
check_storages (const struct look *look)
{
  CLEANUP_JSON json_t *objects = NULL;
  const struct plan_storage_map *storages = look->s->storages;
  struct map map = {
    .kind = "StorageMap", .meta = &storages->meta, .what = "storage",
    .plural = "storages", .type = "SourceStorageNotValid" };
  size_t i;

  if (list (look, SOURCE_STORAGES, "storages", &objects) == -1)
    return -1;
  map.objects = objects;
  for (i = 0; objects && i < storages->rows.len; i++)
    if (check_row (look, &map, &storages->rows.ptr[i].source, i) == -1)
      return -1;
  return 0;
}

static bool
is_of_source (const struct look *look, const struct plan_host *host)
{
  return plan_find_provider (&look->s->set, &host->provider,
                             host->meta.namespace_) == look->s->provider;
}

static int
check_host (const struct look *look, const json_t *objects,
            const struct plan_host *host)
{
  const json_t *first = NULL;
  const size_t n = count (objects, host->id, host->name, &first);
  const char *name = printable (host->id ? host->id : host->name);

  if (n == 0)
    return note_object (look, "RefNotValid", "Host", &host->meta,
                        &host->meta.where, host->id ? "spec.id" :
                        "spec.name", "'nbdlift inventory FILE hosts' lists "
                        "them", "the source has no host '%s': this Host has "
                        "no effect", name);
  if (n > 1)
    return note_object (look, "RefNotValid", "Host", &host->meta,
                        &host->meta.where, "spec.name", "give spec.id",
                        "the source has %zu hosts called '%s'", n, name);
  if (json_get_bool (first, "inMaintenance", 0))
    return note_object (look, "InMaintenance", "Host", &host->meta,
                        &host->meta.where, NULL, NULL, "the host '%s' is in "
                        "maintenance mode", name);
  return 0;
}

/* The Hosts of the plan, and the hosts on which its VMs are. */
static int
check_hosts (const struct look *look, const preflight_vm_vector *vms,
             const bool *chosen)
{
  const struct plan_set *set = &look->s->set;
  CLEANUP_JSON json_t *objects = NULL;
  const json_t *first = NULL;
  size_t i;

  if (list (look, SOURCE_HOSTS, "hosts", &objects) == -1)
    return -1;
  if (objects == NULL)
    return 0;
  for (i = 0; i < set->hosts.len; i++)
    if (is_of_source (look, &set->hosts.ptr[i]) &&
        check_host (look, objects, &set->hosts.ptr[i]) == -1)
      return -1;
  for (i = 0; i < vms->len; i++) {
    const struct preflight_vm *p = vms->ptr[i];

    if (chosen[i] && p->vm.host &&
        count (objects, p->vm.host, NULL, &first) == 1 &&
        json_get_bool (first, "inMaintenance", 0) &&
        note_vm (look, p, PROBLEM_WARN, "HostNotReady", NULL,
                 "its host %s is in maintenance mode",
                 printable (json_get_string (first, "name",
                                             p->vm.host))) == -1)
      return -1;
  }
  return 0;
}

int
preflight_check_source (const struct look *look,
                        const preflight_vm_vector *all, const bool *chosen)
{
  if (look->s->networks && check_networks (look) == -1)
    return -1;
  if (look->s->storages && check_storages (look) == -1)
    return -1;
  return check_hosts (look, all, chosen);
}
