/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What refers to what: Providers, Hosts and maps here, Plans and
 * Migrations in plan_check_plan.c.  The types of the problems are the
 * conditions that Forklift's controllers would set.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/plan/plan_check.h"
#include "driver/plan/plan_secret.h"

int
check_problem (const struct checker *c, enum problem_category category,
               const char *type, const char *kind,
               const struct object_meta *meta,
               const struct plan_where *where, const char *path,
               const char *suggestion, const char *fmt, ...)
{
  CLEANUP_FREE char *object = NULL, *message = NULL;
  va_list args;

  va_start (args, fmt);
  message = vformat_text (fmt, args);
  va_end (args);
  if (message == NULL)
    return -1;
  object = format_text ("%s %s/%s", kind, printable (meta->namespace_),
                        printable (meta->name));
  if (object == NULL)
    return -1;
  if (where == NULL || where->line == 0)
    where = &meta->where;
  return problem_add (c->problems, category, type, where, object, path,
                      suggestion, "%s", message);
}

int
check_missing (const struct checker *c, enum problem_category category,
               const char *type, const char *kind,
               const struct object_meta *meta, const struct object_ref *ref,
               const char *path, const char *wanted_kind)
{
  const char *ns = ref->namespace_ ? ref->namespace_ : meta->namespace_;

  return check_problem (c, category, type, kind, meta, &ref->where, path,
                        NULL, "there is no %s %s/%s in the files",
                        wanted_kind, printable (ns), printable (ref->name));
}

/* Where the credentials are, and whether they are complete. */
static int
check_provider_secret (const struct checker *c,
                       const struct plan_provider *p)
{
  const struct plan_secret *secret;
  /* Without credentials a cluster can still be a destination. */
  const bool needed = strcmp (p->type, "openshift") != 0;
  const char *secret_url;

  if (p->secret.name == NULL)
    return 0;
  secret = plan_find_secret (c->set, &p->secret, p->meta.namespace_);
  if (secret == NULL)
    return check_missing (c, needed ? c->missing : PROBLEM_ADVISORY,
                          "SecretNotValid", "Provider", &p->meta,
                          &p->secret, "spec.secret", "Secret");

  /* By its label it was checked when it was read. */
  if ((secret->provider_type == NULL ||
       strcmp (secret->provider_type, p->type) != 0) &&
      plan_secret_check (secret, p->type, c->problems) == -1)
    return -1;
  if (plan_secret_insecure (secret) && strcmp (p->type, "ova") != 0 &&
      check_problem (c, PROBLEM_WARN, "ConnectionInsecure", "Provider",
                     &p->meta, &p->secret.where, "spec.secret", NULL,
                     "insecureSkipVerify is true: the certificate of the "
                     "server is not verified") == -1)
    return -1;
  secret_url = key_value_get (&secret->data, "url");
  if (secret_url && p->url && strcmp (secret_url, p->url) != 0)
    return check_problem (c, PROBLEM_WARN, "UrlNotValid", "Provider",
                          &p->meta, NULL, "spec.url", NULL,
                          "differs from the url in its Secret; the "
                          "Provider's is used");
  return 0;
}

static int
check_providers (const struct checker *c)
{
  const struct plan_provider *p;
  size_t i;

  for (i = 0; i < c->set->providers.len; ++i) {
    p = &c->set->providers.ptr[i];
    if (p->type && check_provider_secret (c, p) == -1)
      return -1;
  }
  return 0;
}

static int
check_host (const struct checker *c, const struct plan_host *host)
{
  const struct plan_provider *p;
  const struct plan_secret *secret;

  if (host->provider.name) {
    p = plan_find_provider (c->set, &host->provider, host->meta.namespace_);
    if (p == NULL) {
      if (check_missing (c, c->missing, "ProviderNotValid", "Host",
                         &host->meta, &host->provider, "spec.provider",
                         "Provider") == -1)
        return -1;
    }
    else if (p->type && strcmp (p->type, "vsphere") != 0 &&
             check_problem (c, PROBLEM_CRITICAL, "TypeNotValid", "Host",
                            &host->meta, &host->provider.where,
                            "spec.provider", NULL, "the Provider %s is of "
                            "type %s; only vsphere has Hosts",
                            printable (p->meta.name),
                            printable (p->type)) == -1)
      return -1;
  }
  if (host->secret.name == NULL)
    return 0;
  secret = plan_find_secret (c->set, &host->secret, host->meta.namespace_);
  if (secret == NULL)
    return check_missing (c, c->missing, "SecretNotValid", "Host",
                          &host->meta, &host->secret, "spec.secret",
                          "Secret");
  if (secret->for_host)
    return 0;
  return plan_secret_check (secret, "host", c->problems);
}

int
check_provider_pair (const struct checker *c, const char *kind,
                     const struct object_meta *meta,
                     const struct object_ref *source_ref,
                     const struct object_ref *destination_ref,
                     const struct plan_provider **source)
{
  const struct plan_provider *p;

  *source = NULL;
  if (source_ref->name) {
    *source = plan_find_provider (c->set, source_ref, meta->namespace_);
    if (*source == NULL &&
        check_missing (c, c->missing, "ProviderNotValid", kind, meta,
                       source_ref, "spec.provider.source",
                       "Provider") == -1)
      return -1;
  }
  if (destination_ref->name == NULL)
    return 0;

  p = plan_find_provider (c->set, destination_ref, meta->namespace_);
  if (p && p->type && strcmp (p->type, "openshift") != 0)
    return check_problem (c, PROBLEM_CRITICAL, "DestinationProviderNotValid",
                          kind, meta, &destination_ref->where,
                          "spec.provider.destination",
                          "name a Provider of type openshift; it need not "
                          "be in the files",
                          "the Provider %s is of type %s",
                          printable (p->meta.name), printable (p->type));
  return 0;
}

/* Two refs of rows mean the same object of the source. */
static bool
same_source (const struct plan_ref *a, const struct plan_ref *b)
{
  if (a->id || b->id)
    return a->id && b->id && strcmp (a->id, b->id) == 0;
  if (a->name == NULL || b->name == NULL)
    return a->name == b->name &&        /* the pod network */
      a->type && b->type && strcmp (a->type, b->type) == 0;
  return strcmp (a->name, b->name) == 0 &&
    strcmp (a->namespace_ ? a->namespace_ : "",
            b->namespace_ ? b->namespace_ : "") == 0;
}

/* More rows than that are not compared with each other. */
#define MAX_COMPARED 1000

/* Row I of a map, whose source is at WHERE, is that of row J again. */
static int
note_second_row (const struct checker *c, const char *type, const char *kind,
                 const struct object_meta *meta,
                 const struct plan_where *where, size_t i,
                 const struct plan_where *first, size_t j)
{
  char path[64];

  snprintf (path, sizeof path, "spec.map[%zu].source", i);
  return check_problem (c, PROBLEM_WARN, type, kind, meta, where, path, NULL,
                        "has a row already, spec.map[%zu] in line %u, which "
                        "is the one that counts", j, first->line);
}

static int
check_network_map (const struct checker *c,
                   const struct plan_network_map *map)
{
  const struct plan_provider *source;
  size_t i, j;

  if (check_provider_pair (c, "NetworkMap", &map->meta, &map->source,
                           &map->destination, &source) == -1)
    return -1;
  for (i = 1; i < map->rows.len && i < MAX_COMPARED; ++i)
    for (j = 0; j < i; ++j) {
      if (!same_source (&map->rows.ptr[i].source, &map->rows.ptr[j].source))
        continue;
      if (note_second_row (c, "SourceNetworkNotValid", "NetworkMap",
                           &map->meta, &map->rows.ptr[i].source.where, i,
                           &map->rows.ptr[j].where, j) == -1)
        return -1;
      break;
    }
  return 0;
}

/* The dummy storage must carry the name of the map's own provider. */
static int
check_dummy_storage (const struct checker *c,
                     const struct plan_storage_map *map, size_t i,
                     const struct plan_provider *source)
{
  const size_t n = strlen (PLAN_DUMMY_STORAGE);
  const char *name = map->rows.ptr[i].source.name;
  CLEANUP_FREE char *suggestion = NULL;
  char path[64];

  if (name == NULL || strncmp (name, PLAN_DUMMY_STORAGE, n) != 0 ||
      strcmp (name + n, source->meta.name) == 0)
    return 0;
  snprintf (path, sizeof path, "spec.map[%zu].source.name", i);
  if (asprintf (&suggestion, "write %s%s", PLAN_DUMMY_STORAGE,
                printable (source->meta.name)) == -1) {
    suggestion = NULL;
    log_oom ();
    return -1;
  }
  return check_problem (c, PROBLEM_CRITICAL, "SourceStorageNotValid",
                        "StorageMap", &map->meta,
                        &map->rows.ptr[i].source.where, path, suggestion,
                        "'%s' is the storage of another provider",
                        printable (name));
}

static int
check_storage_map (const struct checker *c,
                   const struct plan_storage_map *map)
{
  const struct plan_provider *source;
  size_t i, j;

  if (check_provider_pair (c, "StorageMap", &map->meta, &map->source,
                           &map->destination, &source) == -1)
    return -1;
  for (i = 0; i < map->rows.len && i < MAX_COMPARED; ++i) {
    if (source && source->type && strcmp (source->type, "ova") == 0 &&
        check_dummy_storage (c, map, i, source) == -1)
      return -1;
    for (j = 0; j < i; ++j) {
      if (!same_source (&map->rows.ptr[i].source, &map->rows.ptr[j].source))
        continue;
      if (note_second_row (c, "SourceStorageNotValid", "StorageMap",
                           &map->meta, &map->rows.ptr[i].source.where, i,
                           &map->rows.ptr[j].where, j) == -1)
        return -1;
      break;
    }
  }
  return 0;
}

int
plan_check (const struct plan_set *set, problem_vector *problems)
{
  const struct checker c = {
    .set = set, .problems = problems,
    .missing = set->plans.len > 0 ? PROBLEM_CRITICAL : PROBLEM_ADVISORY };
  size_t i;

  if (check_providers (&c) == -1)
    return -1;
  for (i = 0; i < set->hosts.len; ++i)
    if (check_host (&c, &set->hosts.ptr[i]) == -1)
      return -1;
  for (i = 0; i < set->network_maps.len; ++i)
    if (check_network_map (&c, &set->network_maps.ptr[i]) == -1)
      return -1;
  for (i = 0; i < set->storage_maps.len; ++i)
    if (check_storage_map (&c, &set->storage_maps.ptr[i]) == -1)
      return -1;
  return check_plans (&c);
}
