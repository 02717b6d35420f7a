/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Finding things in a plan_set.
 */
#include <stdio.h>
#include <string.h>

#include "driver/plan/plan.h"

const char *
key_value_get (const key_value_vector *v, const char *key)
{
  size_t i;

  for (i = 0; i < v->len; ++i)
    if (strcmp (v->ptr[i].key, key) == 0)
      return v->ptr[i].value;
  return NULL;
}

/* All kinds of objects begin with their meta. */
static const void *
find_object (const void *objects, size_t nr, size_t size,
             const struct object_ref *ref, const char *ns)
{
  const char *want = ref->namespace_ ? ref->namespace_ : ns;
  const struct object_meta *meta;
  size_t i;

  if (ref->name == NULL || want == NULL)
    return NULL;
  for (i = 0; i < nr; ++i) {
    meta = (const void *) ((const char *) objects + i * size);
    if (strcmp (meta->name, ref->name) == 0 &&
        strcmp (meta->namespace_, want) == 0)
      return meta;
  }
  return NULL;
}

#define DEFINE_FIND(NAME, STRUCT, MEMBER)                               \
  const struct STRUCT *                                                 \
  NAME (const struct plan_set *set, const struct object_ref *ref,       \
        const char *ns)                                                 \
  {                                                                     \
    return find_object (set->MEMBER.ptr, set->MEMBER.len,               \
                        sizeof (struct STRUCT), ref, ns);               \
  }

DEFINE_FIND (plan_find_provider, plan_provider, providers)
DEFINE_FIND (plan_find_secret, plan_secret, secrets)
DEFINE_FIND (plan_find_network_map, plan_network_map, network_maps)
DEFINE_FIND (plan_find_storage_map, plan_storage_map, storage_maps)
DEFINE_FIND (plan_find_hook, plan_hook, hooks)
DEFINE_FIND (plan_find_plan, plan, plans)
DEFINE_FIND (plan_find_nad, plan_nad, nads)

static bool
same (const char *a, const char *b)
{
  return a && b && strcmp (a, b) == 0;
}

const struct network_map_row *
plan_map_network (const struct plan_network_map *map, const char *id,
                  const char *name)
{
  size_t i;

  for (i = 0; i < map->rows.len; ++i)
    if (same (map->rows.ptr[i].source.id, id))
      return &map->rows.ptr[i];
  /* A row with an id means that network and no other of its name. */
  for (i = 0; i < map->rows.len; ++i)
    if (map->rows.ptr[i].source.id == NULL &&
        same (map->rows.ptr[i].source.name, name))
      return &map->rows.ptr[i];
  return NULL;
}

const struct storage_map_row *
plan_map_storage (const struct plan_storage_map *map, const char *id,
                  const char *name, const char *provider)
{
  static const char dummy[] = PLAN_DUMMY_STORAGE;
  const size_t n = sizeof dummy - 1;
  const char *row_name;
  size_t i;

  for (i = 0; i < map->rows.len; ++i)
    if (same (map->rows.ptr[i].source.id, id))
      return &map->rows.ptr[i];
  for (i = 0; i < map->rows.len; ++i)
    if (map->rows.ptr[i].source.id == NULL &&
        same (map->rows.ptr[i].source.name, name))
      return &map->rows.ptr[i];
  for (i = 0; provider && i < map->rows.len; ++i) {
    row_name = map->rows.ptr[i].source.name;
    if (row_name && strncmp (row_name, dummy, n) == 0 &&
        strcmp (row_name + n, provider) == 0)
      return &map->rows.ptr[i];
  }
  return NULL;
}
