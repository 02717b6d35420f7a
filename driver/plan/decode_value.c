/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The value of one field, by its type: check it, and store it in the
 * struct.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/plan/base64.h"
#include "driver/plan/decode_private.h"

static const char *
type_name (const struct yaml_node *node)
{
  switch (node->type) {
  case YAML_NULL: return "empty";
  case YAML_BOOL: return "a boolean";
  case YAML_INT: case YAML_FLOAT: return "a number";
  case YAML_STRING: return "text";
  case YAML_LIST: return "a list";
  case YAML_MAP: return "a map";
  case YAML_BROKEN: break;
  }
  abort ();                     /* callers have dealt with it */
}

static bool
is_scalar (const struct yaml_node *node)
{
  return node->type == YAML_BOOL || node->type == YAML_INT ||
    node->type == YAML_FLOAT || node->type == YAML_STRING;
}

static const char *
last_name (const struct decoder *d)
{
  size_t i;

  for (i = d->depth; i > 0; --i)
    if (d->path[i - 1].name)
      return d->path[i - 1].name;
  return "";
}

/* NODE is of another type than WANT ("text").  NAME is the field's. */
static int
wrong_type (struct decoder *d, const struct yaml_node *node,
            const char *condition, const char *want)
{
  CLEANUP_STRBUF struct strbuf value = { 0 }, suggestion = { 0 };
  const char *name = last_name (d);
  int r = 0;

  if (is_scalar (node) && !d->secret) {
    r = strbuf_append (&value, " (");
    if (r == 0)
      r = strbuf_append_printable (&value, node->text, 40);
    if (r == 0)
      r = strbuf_append (&value, ")");
  }
  if (r == 0 && strcmp (want, "text") == 0 && is_scalar (node)) {
    if (d->secret)
      r = strbuf_append (&suggestion, "quote it");
    else {
      r = strbuf_printf (&suggestion, "quote it: %s: \"", printable (name));
      if (r == 0)
        r = strbuf_append_printable (&suggestion, node->text, 40);
      if (r == 0)
        r = strbuf_append_char (&suggestion, '"');
    }
  }
  else if (r == 0 && strcmp (want, "true or false") == 0 &&
           node->type == YAML_STRING && node->quoted)
    r = strbuf_append (&suggestion, "remove the quotes");
  else if (r == 0 && strcmp (want, "a map") == 0 &&
           node->type == YAML_STRING && !node->quoted &&
           strchr (node->text, ':'))
    r = strbuf_append (&suggestion, "a blank is needed after each colon: "
                       "KEY: VALUE");
  else if (r == 0 && strcmp (want, "a list") == 0 &&
           node->type == YAML_MAP)
    r = strbuf_append (&suggestion, "begin each entry with '- '");
  if (r == -1) {
    log_oom ();
    return -1;
  }
  return decode_problem (d, PROBLEM_CRITICAL, condition, node, NULL,
                         suggestion.ptr, "is %s%s where %s is needed",
                         type_name (node), value.ptr ? value.ptr : "",
                         want);
}

char *
decode_string (struct decoder *d, const struct yaml_node *node,
               const char *condition, bool *failed)
{
  char *ret = NULL;

  if (node->type != YAML_STRING)
    *failed = wrong_type (d, node, condition, "text") == -1;
  else if (memchr (node->text, '\0', node->len))
    *failed = decode_problem (d, PROBLEM_CRITICAL, condition, node, NULL,
                              NULL, "contains a NUL character") == -1;
  else {
    ret = yaml_arena_copy (d->arena, node->text, node->len);
    *failed = ret == NULL;
  }
  return ret;
}

static int
store_string (struct decoder *d, const struct yaml_node *node,
              const struct field *field, void *base)
{
  bool failed;
  char *s = decode_string (d, node, decode_condition (field), &failed);

  if (s && !(field->flags & FIELD_NOT_STORED))
    memcpy ((char *) base + field->offset, &s, sizeof s);
  return failed ? -1 : 0;
}

static int
store_bool (struct decoder *d, const struct yaml_node *node,
            const struct field *field, void *base)
{
  if (node->type != YAML_BOOL)
    return wrong_type (d, node, decode_condition (field), "true or false");
  memcpy ((char *) base + field->offset, &node->boolean,
          sizeof node->boolean);
  return 0;
}

static int
store_seconds (struct decoder *d, const struct yaml_node *node,
               const struct field *field, void *base)
{
  uint64_t v;

  if (node->type != YAML_INT)
    return wrong_type (d, node, decode_condition (field),
                       "a whole number of seconds");
  if (node->integer < 0)
    return decode_problem (d, PROBLEM_CRITICAL, decode_condition (field), node,
                           NULL, NULL, "is negative (%" PRIi64 ")",
                           node->integer);
  v = node->integer;
  memcpy ((char *) base + field->offset, &v, sizeof v);
  return 0;
}

static int
store_enum (struct decoder *d, const struct yaml_node *node,
            const struct field *field, void *base)
{
  CLEANUP_STRBUF struct strbuf allowed = { 0 };
  const char *names[MAX_WORDS], *near;
  CLEANUP_FREE char *suggestion = NULL;
  size_t i;

  if (node->type != YAML_STRING)
    return wrong_type (d, node, decode_condition (field), "text");
  for (i = 0; field->words[i].name; ++i) {
    names[i] = field->words[i].name;
    if (strcmp (node->text, names[i]) == 0) {
      memcpy ((char *) base + field->offset, &field->words[i].value,
              sizeof (int));
      return 0;
    }
    if (strbuf_printf (&allowed, "%s%s", i > 0 ? ", " : "", names[i]) == -1)
      goto no_memory;
  }
  near = closest_word (node->text, names, i);
  if (near && asprintf (&suggestion, "did you mean %s?", near) == -1) {
    suggestion = NULL;
    goto no_memory;
  }
  return decode_problem (d, PROBLEM_CRITICAL, decode_condition (field), node,
                         NULL, suggestion, "'%s' is not one of %s",
                         printable (node->text), allowed.ptr);

no_memory:
  log_oom ();
  return -1;
}

/* ObjectReference of Kubernetes. */
static const struct field object_ref_fields[] = {
  { .name = "name", .type = FIELD_STRING,
    .offset = offsetof (struct object_ref, name) },
  { .name = "namespace", .type = FIELD_STRING,
    .offset = offsetof (struct object_ref, namespace_) },
  { .name = "apiVersion", .type = FIELD_ANY, .flags = FIELD_INTERNAL },
  { .name = "kind", .type = FIELD_ANY, .flags = FIELD_INTERNAL },
  { .name = "uid", .type = FIELD_ANY, .flags = FIELD_INTERNAL },
  { .name = "resourceVersion", .type = FIELD_ANY, .flags = FIELD_INTERNAL },
  { .name = "fieldPath", .type = FIELD_ANY, .flags = FIELD_INTERNAL },
  { .name = NULL }
};

static const struct field source_ref_fields[] = {
  { .name = "id", .type = FIELD_STRING,
    .offset = offsetof (struct plan_ref, id) },
  { .name = "name", .type = FIELD_STRING,
    .offset = offsetof (struct plan_ref, name) },
  { .name = "namespace", .type = FIELD_STRING,
    .offset = offsetof (struct plan_ref, namespace_) },
  { .name = "type", .type = FIELD_STRING,
    .offset = offsetof (struct plan_ref, type) },
  { .name = "vlan", .type = FIELD_STRING,
    .flags = FIELD_UNUSED | FIELD_NOT_STORED,
    .note = "known to Forklift from 2.12 (one VLAN of a trunk)" },
  { .name = NULL }
};

static int
store_ref (struct decoder *d, const struct yaml_node *node,
           const struct field *field, void *base)
{
  struct object_ref *ref = (void *) ((char *) base + field->offset);

  ref->where = decode_where (d, node);
  if (node->type != YAML_MAP)
    return wrong_type (d, node, decode_condition (field), "a map");
  if (decode_fields (d, node, object_ref_fields, ref) == -1)
    return -1;
  if ((field->flags & (FIELD_REQUIRED | FIELD_NAME_NEEDED)) &&
      !yaml_given (node, "name"))
    return decode_problem (d, PROBLEM_CRITICAL, decode_condition (field), node,
                           "name", NULL, "is required");
  return 0;
}

static int
store_source_ref (struct decoder *d, const struct yaml_node *node,
                  const struct field *field, void *base)
{
  struct plan_ref *ref = (void *) ((char *) base + field->offset);

  ref->where = decode_where (d, node);
  if (node->type != YAML_MAP)
    return wrong_type (d, node, decode_condition (field), "a map");
  return decode_fields (d, node, source_ref_fields, ref);
}

/* The value of one pair of a map of strings; "" and broken if it is
 * wrong.
 */
static int
decode_pair (struct decoder *d, const struct yaml_node *node,
             const struct field *field, struct key_value *kv)
{
  CLEANUP_FREE char *data = NULL;
  bool failed = false;
  size_t len;
  char *s;
  int r;

  kv->value = yaml_arena_copy (d->arena, "", 0);
  if (kv->value == NULL)
    return -1;
  if (node->type == YAML_NULL)
    return 0;
  kv->broken = true;
  if (node->type == YAML_BROKEN)
    return 0;
  if (field->type == FIELD_STRINGS || node->type != YAML_STRING) {
    s = decode_string (d, node, decode_condition (field), &failed);
    if (s) {
      kv->value = s;
      kv->len = node->len;
      kv->broken = false;
    }
    return failed ? -1 : 0;
  }

  r = base64_decode (node->text, node->len, &data, &len);
  if (r == -1 && errno == ENOMEM)
    return -1;
  if (r == -1)
    return decode_problem (d, PROBLEM_CRITICAL, decode_condition (field), node,
                           NULL, "put plain text into stringData instead",
                           "is not base64");
  kv->value = yaml_arena_copy (d->arena, data, len);
  kv->len = len;
  kv->broken = false;
  explicit_bzero (data, len);
  return kv->value ? 0 : -1;
}

static int
store_strings (struct decoder *d, const struct yaml_node *node,
               const struct field *field, void *base)
{
  key_value_vector v = EMPTY_VECTOR;
  const char *key;
  size_t i;
  int r = 0;

  if (node->type != YAML_MAP)
    return wrong_type (d, node, decode_condition (field), "a map");
  v.ptr = yaml_arena_alloc (d->arena, node->nr + 1, sizeof *v.ptr);
  if (v.ptr == NULL)
    return -1;
  v.cap = node->nr + 1;

  decode_enter (d);
  for (i = 0; r == 0 && i < node->nr; ++i) {
    key = d->path[d->depth - 1].name = node->pairs[i].key;
    r = decode_pair (d, node->pairs[i].value, field, &v.ptr[i]);
    v.ptr[i].where = decode_where (d, node->pairs[i].value);
    v.ptr[i].key = yaml_arena_copy (d->arena, key, strlen (key));
    if (v.ptr[i].key == NULL)
      r = -1;
    v.len++;
  }
  decode_leave (d);
  if (r == 0 && !(field->flags & FIELD_NOT_STORED))
    memcpy ((char *) base + field->offset, &v, sizeof v);
  return r;
}

static int
store_object (struct decoder *d, const struct yaml_node *node,
              const struct field *field, void *base)
{
  if (node->type != YAML_MAP)
    return wrong_type (d, node, decode_condition (field), "a map");
  return decode_fields (d, node, field->fields,
                        (char *) base + field->offset);
}

/* All vectors are laid out alike (DEFINE_VECTOR_TYPE). */
struct any_vector {
  void *ptr;
  size_t len, cap;
};

static int
store_list (struct decoder *d, const struct yaml_node *node,
            const struct field *field, void *base)
{
  struct any_vector v = { 0 };
  struct yaml_node *item;
  char *element;
  size_t i;
  int r = 0;

  if (node->type != YAML_LIST)
    return wrong_type (d, node, decode_condition (field), "a list");
  v.ptr = yaml_arena_alloc (d->arena, node->nr + 1, field->element);
  if (v.ptr == NULL)
    return -1;
  v.len = node->nr;
  v.cap = node->nr + 1;

  decode_enter (d);
  for (i = 0; r == 0 && i < node->nr; ++i) {
    d->path[d->depth - 1].index = i;
    item = node->items[i];
    element = (char *) v.ptr + i * field->element;
    if (field->init)
      field->init (element);
    if (item->type == YAML_BROKEN)
      continue;
    if (item->type != YAML_MAP) {
      r = wrong_type (d, item, decode_condition (field), "a map");
      continue;
    }
    r = decode_fields (d, item, field->fields, element);
    if (r == 0 && field->check)
      r = field->check (d, item, element);
  }
  decode_leave (d);
  memcpy ((char *) base + field->offset, &v, sizeof v);
  return r;
}

int
decode_value (struct decoder *d, const struct yaml_node *node,
              const struct field *field, void *base)
{
  int r = 0;

  switch (field->type) {
  case FIELD_STRING:
    r = store_string (d, node, field, base);
    break;
  case FIELD_BOOL:
    r = store_bool (d, node, field, base);
    break;
  case FIELD_SECONDS:
    r = store_seconds (d, node, field, base);
    break;
  case FIELD_ENUM:
    r = store_enum (d, node, field, base);
    break;
  case FIELD_REF:
    r = store_ref (d, node, field, base);
    break;
  case FIELD_SOURCE_REF:
    r = store_source_ref (d, node, field, base);
    break;
  case FIELD_STRINGS:
  case FIELD_BASE64_STRINGS:
    r = store_strings (d, node, field, base);
    break;
  case FIELD_OBJECT:
    r = store_object (d, node, field, base);
    break;
  case FIELD_LIST:
    return store_list (d, node, field, base);   /* checks each entry */
  case FIELD_ANY:
    break;
  }
  if (r == 0 && field->check)
    r = field->check (d, node, base);
  return r;
}
