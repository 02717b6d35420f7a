/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Calls of functions: their arguments, evaluated and checked against the
 * types that the function wants.
 */
#include <errno.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/log.h"
#include "common/template/private.h"

const struct function *
function_find (struct text name)
{
  static const struct function *const tables[] = {
    functions_builtin, functions_compare, functions_string, functions_math,
  };
  const struct function *f;
  size_t i;

  for (i = 0; i < ARRAY_SIZE (tables); ++i)
    for (f = tables[i]; f->name; ++f)
      if (text_is (name, f->name))
        return f;
  return NULL;
}

static const char *
type_name (char type)
{
  switch (type) {
  case 's': return "string";
  case 'i': return "int";
  case 'f': return "float64";
  case 'a': return "interface {}";
  default: return "reflect.Value";
  }
}

static bool
takes_anything (char type)
{
  return type == 'a' || type == 'v';
}

/* V as a parameter of TYPE. */
static int
check_type (struct exec *x, struct value *v, char type)
{
  if (takes_anything (type)) {
    if (v->kind == VALUE_NULL)
      v->kind = VALUE_NONE;
    return 0;
  }
  if (v->kind == VALUE_NONE)
    return exec_error (x, "invalid value; expected %s", type_name (type));
  if (v->kind == (type == 's' ? VALUE_STRING : type == 'i' ? VALUE_INT :
                  VALUE_FLOAT))
    return 0;
  return exec_error (x, "wrong type for value; expected %s; got %s",
                     type_name (type), value_type_name (v));
}

/* N is a literal where TYPE is wanted. */
static int
eval_literal (struct exec *x, char type, const struct node *n,
              struct value *r)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };

  if (exec_at (x, n) == -1)
    return -1;
  if (n->type == NODE_STRING && (type == 's' || takes_anything (type))) {
    *r = value_string (n->string);
    return 0;
  }
  if (n->type == NODE_BOOL && takes_anything (type)) {
    *r = value_bool (n->truth);
    return 0;
  }
  if (n->type == NODE_NUMBER) {
    if (takes_anything (type))
      return eval_constant (x, n, r);
    if (type == 'i' && n->number.is_int) {
      *r = value_int (VALUE_INT, n->number.i);
      return 0;
    }
    if (type == 'f' && n->number.is_float) {
      *r = value_float (n->number.f);
      return 0;
    }
  }
  if (node_append (&b, n) == -1)
    return exec_memory (x);
  return exec_error (x, "expected %s; found %s", type == 's' ? "string" :
                     type == 'i' ? "integer" : "float", b.ptr);
}

static int
eval_arg (struct exec *x, const struct value *dot, char type,
          const struct node *n, struct value *r)
{
  if (exec_at (x, n) == -1)
    return -1;
  switch (n->type) {
  case NODE_DOT:
    *r = *dot;
    break;
  case NODE_NIL:
    if (!takes_anything (type))
      return exec_error (x, "cannot assign nil to %s", type_name (type));
    *r = (struct value) { .kind = VALUE_NONE };
    return 0;
  case NODE_FIELD: case NODE_VARIABLE: case NODE_CHAIN:
    if (eval_path (x, dot, n, NULL, NULL, r) == -1)
      return -1;
    break;
  case NODE_PIPE:
    if (eval_pipeline (x, dot, n, r) == -1)
      return -1;
    break;
  case NODE_IDENTIFIER:
    if (eval_call (x, dot, n, n, NULL, NULL, r) == -1)
      return -1;
    break;
  default:
    return eval_literal (x, type, n, r);
  }
  return check_type (x, r, type);
}

/* and, or: no argument is looked at that does not matter. */
static int
call_and_or (struct exec *x, const struct value *dot, bool is_or,
             const struct node *args, const struct value *final,
             struct value *r)
{
  for (; args; args = args->next) {
    if (eval_arg (x, dot, 'v', args, r) == -1)
      return -1;
    if (value_truth (r) == is_or)
      return 0;
  }
  if (final)
    *r = *final;
  return 0;
}

static int
check_count (struct exec *x, const struct function *f, size_t nr,
             size_t nr_words)
{
  const size_t wanted = strlen (f->params);

  if (f->variadic && nr < wanted - 1)
    return exec_error (x, "wrong number of args for %s: want at least %zu "
                       "got %zu", f->name, wanted - 1, nr_words);
  if (!f->variadic && nr != wanted)
    return exec_error (x, "wrong number of args for %s: want %zu got %zu",
                       f->name, wanted, nr);
  return 0;
}

int
eval_call (struct exec *x, const struct value *dot, const struct node *name,
           const struct node *cmd, const struct node *args,
           const struct value *final, struct value *r)
{
  const struct function *f = function_find (name->text);
  const struct node *arg, *before;
  struct value *values;
  size_t i, nr_words = 0, nr, last;

  if (exec_at (x, name) == -1)
    return -1;
  for (arg = args; arg; arg = arg->next)
    nr_words++;
  nr = nr_words + (final != NULL);
  if (check_count (x, f, nr, nr_words) == -1)
    return -1;
  if (f->call == NULL)
    return call_and_or (x, dot, strcmp (f->name, "or") == 0, args, final, r);

  values = pool_alloc (&x->pool, (nr + 1) * sizeof *values);
  if (values == NULL)
    return exec_memory (x);
  last = strlen (f->params) - 1;
  for (i = 0, arg = args; arg; arg = arg->next, ++i)
    if (eval_arg (x, dot, f->params[MIN (i, last)], arg, &values[i]) == -1)
      return -1;
  if (final) {
    values[i] = *final;
    if (check_type (x, &values[i], f->params[MIN (i, last)]) == -1)
      return -1;
  }
  before = x->node;
  x->node = cmd;
  if (f->call (x, values, nr, r) == 0) {
    x->node = before;
    return 0;
  }
  if (x->call_error.len == 0)
    return -1;
  return exec_error (x, "error calling %s: %s", f->name, x->call_error.ptr);
}
