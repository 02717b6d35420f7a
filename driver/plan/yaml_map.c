/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Maps of the loader: keys as JSON has them, merge keys, and duplicates.
 * All pairs are collected first, those of merge keys behind the map's own;
 * of each key the first pair stays.  Sorting finds the others, so that
 * many keys are no trouble.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/plan/yaml_stream.h"

DEFINE_VECTOR_TYPE (pair_vector, struct yaml_pair);

/* The key as JSON would have it, or NULL after a report. */
static enum result
key_text (struct yaml_stream *s, const struct yaml_frame *frame,
          const struct yaml_node *key, const char **ret)
{
  char number[32];

  *ret = NULL;
  switch (key->type) {
  case YAML_STRING:
    if (memchr (key->text, '\0', key->len))
      break;
    *ret = key->text;
    return OK;
  case YAML_BOOL:
    *ret = key->boolean ? "true" : "false";
    return OK;
  case YAML_INT:
    snprintf (number, sizeof number, "%lld", (long long) key->integer);
    *ret = yaml_arena_copy (s->arena, number, strlen (number));
    return *ret ? OK : NO_MEMORY;
  case YAML_FLOAT:
    *ret = key->text;
    return OK;
  case YAML_BROKEN:
    return OK;
  case YAML_NULL:
  case YAML_LIST:
  case YAML_MAP:
    break;
  }
  return yaml_complain (s, key->line, key->column, frame,
                        "quote the key, and quote a value that begins "
                        "with { or [",
                        "a key must be text");
}

static bool
is_merge_key (const struct yaml_node *key)
{
  return key->type == YAML_STRING && !key->quoted &&
    strcmp (key->text, "<<") == 0;
}

/* Append the pairs of a merge key's value: a map, or a list of maps. */
static enum result
add_merged (struct yaml_stream *s, const struct yaml_frame *frame,
            const struct yaml_node *value, bool in_list,
            pair_vector *pairs)
{
  enum result r = OK;
  size_t i;

  if (value->type == YAML_MAP) {
    for (i = 0; i < value->nr; ++i)
      if (pair_vector_append (pairs, value->pairs[i]) == -1) {
        log_oom ();
        return NO_MEMORY;
      }
    return OK;
  }
  if (value->type == YAML_LIST && !in_list) {
    for (i = 0; r == OK && i < value->nr; ++i)
      r = add_merged (s, frame, value->items[i], true, pairs);
    return r;
  }
  if (value->type == YAML_BROKEN)
    return OK;
  return yaml_complain (s, value->line, value->column, frame, NULL,
                        "a merge key (<<) needs a map or a list of maps");
}

/* For sorting pairs by key and then by order of appearance. */
struct ranked {
  const struct yaml_pair *pair;
  bool drop;
};

static int
compare_ranked (const void *a, const void *b)
{
  const struct ranked *x = a, *y = b;
  int r = strcmp (x->pair->key, y->pair->key);

  if (r != 0)
    return r;
  return x->pair < y->pair ? -1 : x->pair > y->pair;
}

static int
compare_places (const void *a, const void *b)
{
  const struct ranked *x = a, *y = b;

  return x->pair < y->pair ? -1 : x->pair > y->pair;
}

/* Find the first pair of each key; RANKED is an entry for each pair.  The
 * first NR_OWN pairs are written in the map itself, where a second one of
 * the same key is an error; the others come from merge keys, and give way.
 */
static enum result
find_twins (struct yaml_stream *s, const struct yaml_frame *frame,
            const pair_vector *pairs, size_t nr_own, struct ranked *ranked)
{
  const struct yaml_pair *first, *again;
  enum result r;
  size_t i;

  for (i = 0; i < pairs->len; ++i)
    ranked[i].pair = &pairs->ptr[i];
  qsort (ranked, pairs->len, sizeof *ranked, compare_ranked);

  first = pairs->len > 0 ? ranked[0].pair : NULL;
  for (i = 1; i < pairs->len; ++i) {
    again = ranked[i].pair;
    if (strcmp (again->key, first->key) != 0) {
      first = again;
      continue;
    }
    ranked[i].drop = true;
    if (again < pairs->ptr + nr_own) {
      r = yaml_complain (s, again->line, again->column, frame,
                         "remove one of the two",
                         "the key '%s' stands twice in this map, first in "
                         "line %u", printable (again->key), first->line);
      if (r != OK)
        return r;
    }
  }

  qsort (ranked, pairs->len, sizeof *ranked, compare_places);
  return OK;
}

/* Give NODE the first pair of each key. */
static enum result
settle_pairs (struct yaml_stream *s, const struct yaml_frame *frame,
              struct yaml_node *node, const pair_vector *pairs,
              size_t nr_own)
{
  struct ranked *ranked;
  enum result r;
  size_t i;

  node->pairs = yaml_arena_alloc (s->arena, pairs->len + 1,
                                  sizeof *node->pairs);
  if (node->pairs == NULL)
    return NO_MEMORY;
  ranked = calloc (pairs->len + 1, sizeof *ranked);
  if (ranked == NULL) {
    log_oom ();
    return NO_MEMORY;
  }
  r = find_twins (s, frame, pairs, nr_own, ranked);
  for (i = 0; r == OK && i < pairs->len; ++i)
    if (!ranked[i].drop)
      node->pairs[node->nr++] = *ranked[i].pair;
  free (ranked);
  return r;
}

static enum result
read_pairs (struct yaml_stream *s, const struct yaml_frame *frame,
            struct yaml_node *node, pair_vector *own, pair_vector *merged)
{
  struct yaml_frame here = {
    .up = frame, .depth = frame ? frame->depth + 1 : 1 };
  struct yaml_pair pair;
  struct yaml_node *key;
  enum result r;

  for (;;) {
    r = yaml_peek_event (s);
    if (r != OK)
      return r;
    if (s->event.type == YAML_MAPPING_END_EVENT)
      break;

    here.key = "(key)";
    r = yaml_read_node (s, &here, &key);
    if (r != OK)
      return r;
    r = key_text (s, frame, key, &pair.key);
    if (r != OK)
      return r;
    pair.line = key->line;
    pair.column = key->column;

    here.key = pair.key ? pair.key : "(key)";
    r = yaml_peek_event (s);
    if (r == OK)
      r = yaml_read_node (s, &here, &pair.value);
    if (r != OK)
      return r;
    node->weight += 1 + pair.value->weight;

    if (is_merge_key (key)) {
      r = add_merged (s, &here, pair.value, false, merged);
      if (r != OK)
        return r;
    }
    else if (pair.key && pair_vector_append (own, pair) == -1) {
      log_oom ();
      return NO_MEMORY;
    }
  }
  yaml_drop_event (s);
  return OK;
}

enum result
yaml_read_map (struct yaml_stream *s, const struct yaml_frame *frame,
               struct yaml_node **ret)
{
  pair_vector own = EMPTY_VECTOR, merged = EMPTY_VECTOR;
  struct yaml_node *node = NULL;
  enum result r;
  size_t i, nr_own;

  r = yaml_begin (s, frame, s->event.data.mapping_start.tag,
                  s->event.data.mapping_start.anchor, "map",
                  YAML_MAP, &node);
  if (r == OK)
    r = read_pairs (s, frame, node, &own, &merged);
  nr_own = own.len;
  for (i = 0; r == OK && i < merged.len; ++i)
    if (pair_vector_append (&own, merged.ptr[i]) == -1) {
      log_oom ();
      r = NO_MEMORY;
    }
  if (r == OK && node->type == YAML_MAP)
    r = settle_pairs (s, frame, node, &own, nr_own);
  if (r == OK)
    node->open = false;
  pair_vector_reset (&own);
  pair_vector_reset (&merged);
  *ret = node;
  return r;
}
