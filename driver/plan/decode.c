/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The table-driven decoder.  It goes through the pairs of a map, finds
 * the row of each, and stores the value by type; then it looks for
 * required fields that were not there.  A null is the same as an absent
 * field, as in Kubernetes.  Whatever is wrong is reported and left at its
 * default, so that all problems of a file come out at once.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/plan/decode_private.h"

void
decode_enter (struct decoder *d)
{
  if (d->depth >= DECODE_MAX_DEPTH)
    abort ();                   /* a table that contains itself */
  d->path[d->depth].name = NULL;
  d->path[d->depth].index = 0;
  d->depth++;
}

void
decode_leave (struct decoder *d)
{
  d->depth--;
}

static int
append_path (struct strbuf *b, const struct decoder *d)
{
  size_t i;
  int r = 0;

  for (i = 0; r == 0 && i < d->depth; ++i) {
    if (d->path[i].name == NULL)
      r = strbuf_printf (b, "[%zu]", d->path[i].index);
    else {
      if (b->len > 0)
        r = strbuf_append_char (b, '.');
      if (r == 0)
        r = strbuf_append_printable (b, d->path[i].name, 64);
    }
  }
  return r;
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

  va_start (args, fmt);
  message = vformat_text (fmt, args);
  va_end (args);
  if (message == NULL)
    return -1;
  if (append_path (&path, d) == -1 ||
      (subpath && path.len > 0 && strbuf_append_char (&path, '.') == -1) ||
      (subpath && strbuf_append_printable (&path, subpath, 64) == -1)) {
    log_oom ();
    return -1;
  }
  return problem_add (d->problems, category, type, &where, d->object,
                      path.ptr, suggestion, "%s", message);
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
  if (noted_vector_append (&d->noted, field) == -1) {
    log_oom ();
    return -1;
  }
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
        d->depth == 1)
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
    if (decode_problem (d, PROBLEM_CRITICAL, decode_condition (f),
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
  const struct yaml_pair *pair;
  const struct field *field;
  size_t i;
  int r = 0;

  decode_enter (d);
  for (i = 0; r == 0 && i < node->nr; ++i) {
    pair = &node->pairs[i];
    d->path[d->depth - 1].name = pair->key;
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
      r = decode_value (d, pair->value, field, base);
  }
  decode_leave (d);
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
