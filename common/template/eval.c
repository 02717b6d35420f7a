/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Pipelines, commands, fields and variables.
 *
 * The node that an error is about is the last one that was entered, not
 * the one that is being evaluated: nothing is restored on the way back,
 * since Go does not either.
 */
#include <errno.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "common/template/private.h"

static bool
same (struct text a, struct text b)
{
  return a.len == b.len && memcmp (a.ptr, b.ptr, a.len) == 0;
}

static struct variable *
find_variable (struct exec *x, struct text name)
{
  size_t i;

  for (i = x->vars.len; i > 0; --i)
    if (same (x->vars.ptr[i - 1].name, name))
      return &x->vars.ptr[i - 1];
  exec_error (x, "undefined variable: %.*s", (int) name.len, name.ptr);
  return NULL;
}

static int
set_variables (struct exec *x, const struct node *pipe,
               const struct value *v)
{
  const struct node *n;
  struct variable *old;

  for (n = pipe->decls; n; n = n->next) {
    const struct variable new = { n->idents[0], *v };

    if (pipe->assign) {
      old = find_variable (x, n->idents[0]);
      if (old == NULL)
        return -1;
      old->value = *v;
    }
    else if (variable_vector_append (&x->vars, new) == -1) {
      log_oom ();
      return -1;
    }
  }
  return 0;
}

int
eval_not_a_function (struct exec *x, const struct node *cmd,
                     const struct value *final)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };

  if (cmd->nr <= 1 && final == NULL)
    return 0;
  if (node_append (&b, cmd->first) == -1)
    return exec_memory (x);
  return exec_error (x, "can't give argument to non-function %s", b.ptr);
}

/* The field NAME of V, which came out of a map if IS_ELEMENT: there Go sees
 * an interface{}.
 */
static int
eval_field (struct exec *x, const struct value *v, bool is_element,
            struct text name, bool has_args, struct value *r)
{
  const int n = name.len;
  const json_t *j;

  if (v->kind == VALUE_NONE) {
    *r = (struct value) { .kind = VALUE_NONE };
    return 0;
  }
  if (v->kind == VALUE_MAP) {
    if (has_args)
      return exec_error (x, "%.*s is not a method but has arguments", n,
                         name.ptr);
    *r = value_of_json (json_object_getn (v->json, name.ptr, name.len));
    return 0;
  }
  if (v->kind == VALUE_NULL)
    return exec_error (x, "nil pointer evaluating interface {}.%.*s", n,
                       name.ptr);
  j = v->kind == VALUE_DATA ?
    json_object_getn (v->json, name.ptr, name.len) : NULL;
  if (j == NULL)
    return exec_error (x, "can't evaluate field %.*s in type %s", n,
                       name.ptr, is_element ? "interface {}" :
                       value_type_name (v));
  if (has_args)
    return exec_error (x, "%.*s has arguments but cannot be invoked as "
                       "function", n, name.ptr);
  *r = value_of_json (j);
  return 0;
}

int
eval_path (struct exec *x, const struct value *dot, const struct node *n,
           const struct node *cmd, const struct value *final,
           struct value *r)
{
  const bool has_args = (cmd && cmd->nr > 1) || final;
  const struct variable *variable;
  struct value v = *dot;
  bool is_element = false;
  size_t i = 0;

  if (exec_at (x, n) == -1)
    return -1;
  if (n->type == NODE_VARIABLE) {
    variable = find_variable (x, n->idents[0]);
    if (variable == NULL)
      return -1;
    v = variable->value;
    i = 1;
    if (n->nr_idents == 1) {
      if (cmd && eval_not_a_function (x, cmd, final) == -1)
        return -1;
      *r = v;
      return 0;
    }
  }
  else if (n->type == NODE_CHAIN) {
    if (n->first->type == NODE_NIL) {
      CLEANUP_STRBUF struct strbuf b = { 0 };

      if (node_append (&b, n) == -1)
        return exec_memory (x);
      return exec_error (x, "indirection through explicit nil in %s",
                         b.ptr);
    }
    /* A pipeline in parentheses, or a function without arguments. */
    if (exec_at (x, n->first) == -1)
      return -1;
    if (n->first->type == NODE_PIPE) {
      if (eval_pipeline (x, dot, n->first, &v) == -1)
        return -1;
    }
    else if (eval_call (x, dot, n->first, n->first, NULL, NULL, &v) == -1)
      return -1;
  }
  for (; i < n->nr_idents; ++i) {
    const bool from_map = v.kind == VALUE_MAP;

    if (eval_field (x, &v, is_element, n->idents[i],
                    has_args && i + 1 == n->nr_idents, &v) == -1)
      return -1;
    is_element = from_map;
  }
  *r = v;
  return 0;
}

int
eval_constant (struct exec *x, const struct node *n, struct value *r)
{
  const struct number *v = &n->number;
  const char *s = n->text.ptr;
  const bool hex = n->text.len > 2 && s[0] == '0' && (s[1] | 0x20) == 'x' &&
    !memchr (s, 'p', n->text.len) && !memchr (s, 'P', n->text.len);
  size_t i;

  if (exec_at (x, n) == -1)
    return -1;
  if (v->is_float && !hex && s[0] != '\'')
    for (i = 0; i < n->text.len; ++i)
      if (strchr (".eEpP", s[i])) {
        *r = value_float (v->f);
        return 0;
      }
  if (!v->is_int)
    return exec_error (x, "%.*s overflows int", (int) n->text.len, s);
  *r = value_int (VALUE_INT, v->i);
  return 0;
}

static int
eval_command (struct exec *x, const struct value *dot,
              const struct node *cmd, const struct value *final,
              struct value *r)
{
  const struct node *n = cmd->first;

  switch (n->type) {
  case NODE_FIELD: case NODE_CHAIN: case NODE_VARIABLE:
    return eval_path (x, dot, n, cmd, final, r);
  case NODE_IDENTIFIER:
    return eval_call (x, dot, n, cmd, n->next, final, r);
  case NODE_PIPE:
    if (eval_not_a_function (x, cmd, final) == -1)
      return -1;
    return eval_pipeline (x, dot, n, r);
  default:
    break;
  }
  if (exec_at (x, n) == -1 || eval_not_a_function (x, cmd, final) == -1)
    return -1;
  switch (n->type) {
  case NODE_BOOL:
    *r = value_bool (n->truth);
    return 0;
  case NODE_DOT:
    *r = *dot;
    return 0;
  case NODE_NUMBER:
    return eval_constant (x, n, r);
  case NODE_STRING:
    *r = value_string (n->string);
    return 0;
  default:
    return exec_error (x, "nil is not a command");
  }
}

int
eval_pipeline (struct exec *x, const struct value *dot,
               const struct node *pipe, struct value *r)
{
  const struct node *cmd;
  struct value v = { .kind = VALUE_NONE };

  if (exec_at (x, pipe) == -1)
    return -1;
  for (cmd = pipe->first; cmd; cmd = cmd->next) {
    const struct value before = v;

    if (eval_command (x, dot, cmd, cmd == pipe->first ? NULL : &before,
                      &v) == -1)
      return -1;
    if (v.kind == VALUE_NULL)
      v.kind = VALUE_NONE;
  }
  if (set_variables (x, pipe, &v) == -1)
    return -1;
  *r = v;
  return 0;
}
