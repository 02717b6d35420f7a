/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The table-driven decoder.  It goes through the pairs of a map, finds
 * the row of each, and stores the value by type; then it looks for
 * required fields that were not there.  A null is the same as an absent
 * field, as in Kubernetes.  Whatever is wrong is reported and left at its
 * default, so that all problems of a file come out at once.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/plan/base64.h"
#include "driver/plan/decode.h"

struct decode_frame {
  const struct decode_frame *up;
  const char *name;             /* of a field; NULL: an entry of a list */
  size_t index;
};

static int
append_path (struct strbuf *b, const struct decode_frame *frame)
{
  if (frame == NULL)
    return 0;
  if (append_path (b, frame->up) == -1)
    return -1;
  if (frame->name == NULL)
    return strbuf_printf (b, "[%zu]", frame->index);
  if (b->len > 0 && strbuf_append_char (b, '.') == -1)
    return -1;
  return strbuf_append_printable (b, frame->name, 64);
}

struct plan_where
decode_where (const struct decoder *d, const struct yaml_node *node)
{
  struct plan_where where = { d->file, 0, 0 };

  if (node) {
    where.line = node->line;
    where.column = node->column;
  }
  return where;
}

int
decode_problem (struct decoder *d, enum problem_category category,
                const char *type, const struct yaml_node *node,
                const char *subpath, const char *suggestion,
                const char *fmt, ...)
{
  const struct plan_where where = decode_where (d, node);
  CLEANUP_STRBUF struct strbuf path = { 0 };
  CLEANUP_FREE char *message = NULL;
  va_list args;
  int r;

  va_start (args, fmt);
  r = vasprintf (&message, fmt, args);
  va_end (args);
  if (r == -1) {
    message = NULL;
    goto no_memory;
  }
  if (append_path (&path, d->frame) == -1 ||
      (subpath && path.len > 0 && strbuf_append_char (&path, '.') == -1) ||
      (subpath && strbuf_append_printable (&path, subpath, 64) == -1))
    goto no_memory;
  return problem_add (d->problems, category, type, &where, d->object,
                      path.ptr, suggestion, "%s", message);

no_memory:
  log_oom ();
  return -1;
}

static const char *
condition_of (const struct field *field)
{
  return field->condition ? field->condition : "Malformed";
}

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
last_name (const struct decode_frame *frame)
{
  while (frame && frame->name == NULL)
    frame = frame->up;
  return frame ? frame->name : "";
}

/* NODE is of another type than WANT ("text").  NAME is the field's. */
static int
wrong_type (struct decoder *d, const struct yaml_node *node,
            const char *condition, const char *want)
{
  CLEANUP_STRBUF struct strbuf value = { 0 }, suggestion = { 0 };
  const char *name = last_name (d->frame);
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
  char *s = decode_string (d, node, condition_of (field), &failed);

  if (s && !(field->flags & FIELD_NOT_STORED))
    memcpy ((char *) base + field->offset, &s, sizeof s);
  return failed ? -1 : 0;
}

static int
store_bool (struct decoder *d, const struct yaml_node *node,
            const struct field *field, void *base)
{
  if (node->type != YAML_BOOL)
    return wrong_type (d, node, condition_of (field), "true or false");
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
    return wrong_type (d, node, condition_of (field),
                       "a whole number of seconds");
  if (node->integer < 0)
    return decode_problem (d, PROBLEM_CRITICAL, condition_of (field), node,
                           NULL, NULL, "is negative (%" PRIi64 ")",
                           node->integer);
  v = node->integer;
  memcpy ((char *) base + field->offset, &v, sizeof v);
  return 0;
}

#define MAX_WORDS 64

static int
store_enum (struct decoder *d, const struct yaml_node *node,
            const struct field *field, void *base)
{
  CLEANUP_STRBUF struct strbuf allowed = { 0 };
  const char *names[MAX_WORDS], *near;
  CLEANUP_FREE char *suggestion = NULL;
  size_t i;

  if (node->type != YAML_STRING)
    return wrong_type (d, node, condition_of (field), "text");
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
  return decode_problem (d, PROBLEM_CRITICAL, condition_of (field), node,
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
    return wrong_type (d, node, condition_of (field), "a map");
  if (decode_fields (d, node, object_ref_fields, ref) == -1)
    return -1;
  if ((field->flags & (FIELD_REQUIRED | FIELD_NAME_NEEDED)) &&
      !yaml_given (node, "name"))
    return decode_problem (d, PROBLEM_CRITICAL, condition_of (field), node,
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
    return wrong_type (d, node, condition_of (field), "a map");
  return decode_fields (d, node, source_ref_fields, ref);
}

/* The value of one pair of a map of strings; "" and broken if it is
 * wrong.
 */
static int
decode_value (struct decoder *d, const struct yaml_node *node,
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
    s = decode_string (d, node, condition_of (field), &failed);
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
    return decode_problem (d, PROBLEM_CRITICAL, condition_of (field), node,
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
  struct decode_frame frame = { .up = d->frame };
  key_value_vector v = EMPTY_VECTOR;
  const char *key;
  size_t i;
  int r = 0;

  if (node->type != YAML_MAP)
    return wrong_type (d, node, condition_of (field), "a map");
  v.ptr = yaml_arena_alloc (d->arena, node->nr + 1, sizeof *v.ptr);
  if (v.ptr == NULL)
    return -1;
  v.cap = node->nr + 1;

  d->frame = &frame;
  for (i = 0; r == 0 && i < node->nr; ++i) {
    key = frame.name = node->pairs[i].key;
    r = decode_value (d, node->pairs[i].value, field, &v.ptr[i]);
    v.ptr[i].where = decode_where (d, node->pairs[i].value);
    v.ptr[i].key = yaml_arena_copy (d->arena, key, strlen (key));
    if (v.ptr[i].key == NULL)
      r = -1;
    v.len++;
  }
  d->frame = frame.up;
  if (r == 0 && !(field->flags & FIELD_NOT_STORED))
    memcpy ((char *) base + field->offset, &v, sizeof v);
  return r;
}

static int
store_object (struct decoder *d, const struct yaml_node *node,
              const struct field *field, void *base)
{
  if (node->type != YAML_MAP)
    return wrong_type (d, node, condition_of (field), "a map");
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
  struct decode_frame frame = { .up = d->frame };
  struct any_vector v = { 0 };
  struct yaml_node *item;
  char *element;
  size_t i;
  int r = 0;

  if (node->type != YAML_LIST)
    return wrong_type (d, node, condition_of (field), "a list");
  v.ptr = yaml_arena_alloc (d->arena, node->nr + 1, field->element);
  if (v.ptr == NULL)
    return -1;
  v.len = node->nr;
  v.cap = node->nr + 1;

  d->frame = &frame;
  for (i = 0; r == 0 && i < node->nr; ++i) {
    frame.index = i;
    item = node->items[i];
    element = (char *) v.ptr + i * field->element;
    if (field->init)
      field->init (element);
    if (item->type == YAML_BROKEN)
      continue;
    if (item->type != YAML_MAP) {
      r = wrong_type (d, item, condition_of (field), "a map");
      continue;
    }
    r = decode_fields (d, item, field->fields, element);
    if (r == 0 && field->check)
      r = field->check (d, item, element);
  }
  d->frame = frame.up;
  memcpy ((char *) base + field->offset, &v, sizeof v);
  return r;
}

static int
store (struct decoder *d, const struct yaml_node *node,
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

/* Say once for each object that FIELD is known but of no effect. */
static int
note_unused (struct decoder *d, const struct yaml_node *node,
             const struct field *field)
{
  size_t i;

  for (i = 0; i < d->noted.len; ++i)
    if (d->noted.ptr[i] == field)
      return 0;
  if (d->noted.len == d->noted.cap &&
      generic_vector_grow ((void **) (void *) &d->noted.ptr, d->noted.len,
                           &d->noted.cap, sizeof *d->noted.ptr) == -1) {
    log_oom ();
    return -1;
  }
  d->noted.ptr[d->noted.len++] = field;
  return decode_problem (d, PROBLEM_ADVISORY, "FieldNotUsed", node, NULL,
                         NULL, "%s; nbdlift does not use it", field->note);
}

static const struct field *
find_field (const struct field *fields, const char *name)
{
  for (; fields->name; ++fields)
    if (strcmp (fields->name, name) == 0)
      return fields;
  return NULL;
}

/* Suggest the place of a field that stands at another level, else the
 * field of this level with the nearest name.
 */
static int
unknown_field (struct decoder *d, const struct yaml_pair *pair,
               const struct field *fields)
{
  const struct yaml_node here = { .line = pair->line,
                                  .column = pair->column };
  CLEANUP_FREE char *suggestion = NULL;
  const struct field *f;
  const char *names[MAX_WORDS], *near;
  size_t nr = 0;
  int r = 0;

  for (f = fields; f->name && nr < MAX_WORDS; ++f) {
    names[nr++] = f->name;
    if (f->type == FIELD_OBJECT && find_field (f->fields, pair->key) &&
        d->frame->up == NULL)
      r = asprintf (&suggestion, "it belongs under %s:; check the "
                    "indentation", f->name);
    if (suggestion || r == -1)
      break;
  }
  if (r != -1 && suggestion == NULL) {
    near = closest_word (pair->key, names, nr);
    if (near)
      r = asprintf (&suggestion, "did you mean %s?", near);
    else
      r = asprintf (&suggestion, "see nbdlift-plan(5) for the fields");
  }
  if (r == -1) {
    suggestion = NULL;
    log_oom ();
    return -1;
  }
  return decode_problem (d, PROBLEM_CRITICAL, "UnknownField", &here, NULL,
                         suggestion, "there is no such field");
}

/* Kubernetes knows no difference between "" and absent. */
static bool
is_absent (const struct yaml_node *value, const struct field *field)
{
  if (value->type == YAML_NULL)
    return !(field->flags & FIELD_NULL_OK);
  return value->type == YAML_STRING && value->len == 0 &&
    field->type == FIELD_STRING;
}

static int
check_required (struct decoder *d, const struct yaml_node *node,
                const struct field *fields)
{
  const struct yaml_node *value;
  const struct field *f;

  for (f = fields; f->name; ++f) {
    if (!(f->flags & FIELD_REQUIRED))
      continue;
    value = yaml_get (node, f->name);
    if (value && !is_absent (value, f))
      continue;
    if (decode_problem (d, PROBLEM_CRITICAL, condition_of (f),
                        value ? value : node, f->name, NULL,
                        value ? "is required, but empty"
                        : "is required") == -1)
      return -1;
  }
  return 0;
}

int
decode_fields (struct decoder *d, const struct yaml_node *node,
               const struct field *fields, void *base)
{
  struct decode_frame frame = { .up = d->frame };
  const struct yaml_pair *pair;
  const struct field *field;
  size_t i;
  int r = 0;

  d->frame = &frame;
  for (i = 0; r == 0 && i < node->nr; ++i) {
    pair = &node->pairs[i];
    frame.name = pair->key;
    field = find_field (fields, pair->key);
    if (field == NULL)
      r = unknown_field (d, pair, fields);
    else if (pair->value->type == YAML_NULL ||
             pair->value->type == YAML_BROKEN ||
             is_absent (pair->value, field))
      continue;
    else if (field->flags & FIELD_UNUSED)
      r = note_unused (d, pair->value, field);
    else
      r = store (d, pair->value, field, base);
  }
  d->frame = frame.up;
  return r == 0 ? check_required (d, node, fields) : r;
}

int
decode_check_name (struct decoder *d, const struct yaml_node *node,
                   void *base)
{
  if (node->type != YAML_STRING || dns1123_subdomain (node->text))
    return 0;
  return decode_problem (d, PROBLEM_CRITICAL, "NotValid", node, NULL,
                         "use a-z, 0-9, '-' and '.', begin and end with a "
                         "letter or digit", "'%s' is not a DNS-1123 name",
                         printable (node->text));
}

int
decode_check_label (struct decoder *d, const struct yaml_node *node,
                    void *base)
{
  if (node->type != YAML_STRING || dns1123_label (node->text))
    return 0;
  return decode_problem (d, PROBLEM_CRITICAL, "NamespaceNotValid", node,
                         NULL, "use at most 63 of a-z, 0-9 and '-', begin "
                         "and end with a letter or digit",
                         "'%s' is not a DNS-1123 label",
                         printable (node->text));
}

const struct field metadata_fields[] = {
  METADATA_FIELDS,
  { .name = NULL }
};
