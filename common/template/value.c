/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Values, and errors of a run.
 */
#include <errno.h>
#include <string.h>

#include "common/util/log.h"
#include "common/template/private.h"

struct value
value_bool (bool b)
{
  return (struct value) { .kind = VALUE_BOOL, .b = b };
}

struct value
value_int (enum value_kind kind, int64_t i)
{
  return (struct value) { .kind = kind, .i = i };
}

struct value
value_float (double f)
{
  return (struct value) { .kind = VALUE_FLOAT, .f = f };
}

struct value
value_string (struct text s)
{
  return (struct value) { .kind = VALUE_STRING, .s = s };
}

struct value
value_of_json (const json_t *j)
{
  struct value v = { .json = j };

  if (j == NULL)
    return v;
  switch (json_typeof (j)) {
  case JSON_TRUE: case JSON_FALSE:
    return value_bool (json_is_true (j));
  case JSON_INTEGER:
    return value_int (VALUE_INT, json_integer_value (j));
  case JSON_REAL:
    return value_float (json_real_value (j));
  case JSON_STRING:
    return value_string ((struct text) { json_string_value (j),
                                         json_string_length (j) });
  case JSON_ARRAY:
    v.kind = VALUE_LIST;
    v.to = json_array_size (j);
    break;
  case JSON_OBJECT:
    v.kind = VALUE_MAP;
    break;
  case JSON_NULL:
    v.kind = VALUE_NULL;
    break;
  }
  return v;
}

bool
value_truth (const struct value *v)
{
  switch (v->kind) {
  case VALUE_NONE: case VALUE_NULL: return false;
  case VALUE_BOOL: return v->b;
  case VALUE_INT: case VALUE_INT64: case VALUE_UINT8: return v->i != 0;
  case VALUE_FLOAT: return v->f != 0;
  case VALUE_STRING: return v->s.len > 0;
  case VALUE_LIST: return v->to > v->from;
  case VALUE_MAP: return json_object_size (v->json) > 0;
  case VALUE_DATA: return true;
  }
  return false;
}

const char *
value_type_name (const struct value *v)
{
  switch (v->kind) {
  case VALUE_NONE: return "nil";
  case VALUE_NULL: return "interface {}";
  case VALUE_BOOL: return "bool";
  case VALUE_INT: return "int";
  case VALUE_INT64: return "int64";
  case VALUE_UINT8: return "uint8";
  case VALUE_FLOAT: return "float64";
  case VALUE_STRING: return "string";
  case VALUE_LIST: return "[]interface {}";
  case VALUE_MAP: return "map[string]interface {}";
  case VALUE_DATA: return "*template.Data";
  }
  return "nil";
}

int
exec_error (struct exec *x, const char *fmt, ...)
{
  struct strbuf b = { 0 };
  const struct text text = x->t->text;
  size_t i, start = 0;
  unsigned line = 1;
  char *message;
  va_list args;
  int r;

  for (i = 0; i < x->node->pos; ++i)
    if (text.ptr[i] == '\n') {
      line++;
      start = i + 1;
    }
  va_start (args, fmt);
  r = vasprintf (&message, fmt, args);
  va_end (args);
  if (r == -1) {
    log_oom ();
    return -1;
  }
  /* Go counts columns from 0. */
  if (strbuf_printf (&b, "template: template:%u:%zu: executing \"template\" "
                     "at <", line, x->node->pos - start) == -1 ||
      node_append (&b, x->node) == -1 ||
      strbuf_printf (&b, ">: %s", message) == -1) {
    free (message);
    strbuf_free (&b);
    log_oom ();
    return -1;
  }
  free (message);
  return template_fail (x->error, &b, line, x->node->pos - start + 1);
}

int
exec_at (struct exec *x, const struct node *n)
{
  x->node = n;
  if (++x->steps <= TEMPLATE_MAX_STEPS)
    return 0;
  return exec_error (x, "takes more than %d steps", TEMPLATE_MAX_STEPS);
}

int
exec_memory (struct exec *x)
{
  if (errno == E2BIG)
    return exec_error (x, "makes texts that are too long for a name");
  log_oom ();
  return -1;
}

int
exec_string (struct exec *x, struct strbuf *b, struct value *r)
{
  char *copy = pool_alloc (&x->pool, b->len + 1);

  if (copy == NULL)
    return exec_memory (x);
  if (b->len)
    memcpy (copy, b->ptr, b->len);
  *r = value_string ((struct text) { copy, b->len });
  return 0;
}

int
call_error (struct exec *x, const char *fmt, ...)
{
  char *text;
  va_list args;
  int r;

  va_start (args, fmt);
  r = vasprintf (&text, fmt, args);
  va_end (args);
  if (r == -1) {
    log_oom ();
    return -1;
  }
  strbuf_free (&x->call_error);
  r = strbuf_append (&x->call_error, text);
  free (text);
  if (r == -1)
    log_oom ();
  return -1;
}
