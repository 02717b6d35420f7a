/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A run: walks through the nodes and writes what they print.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "common/template/private.h"

/* How a walk ended. */
enum walk { FAILED = -1, DONE, BREAK, CONTINUE };

static enum walk walk (struct exec *x, const struct value *dot,
                       const struct node *n);

static int
write_text (struct exec *x, struct text s)
{
  if (s.len > TEMPLATE_MAX_OUTPUT - x->out.len)
    return exec_error (x, "the result is longer than %d bytes",
                       TEMPLATE_MAX_OUTPUT);
  if (strbuf_append_bytes (&x->out, s.ptr, s.len) == -1) {
    log_oom ();
    return -1;
  }
  return 0;
}

static int
write_value (struct exec *x, const struct value *v)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };
  size_t start;

  if (v->kind == VALUE_NONE)
    return write_text (x, TEXT ("<no value>"));
  if (v->kind == VALUE_STRING)
    return write_text (x, v->s);
  if (print_value (&b, v) == -1)
    return exec_memory (x);
  /* The "&" of a pointer is not printed here. */
  start = v->kind == VALUE_DATA;
  return write_text (x, (struct text) { b.ptr + start, b.len - start });
}

static enum walk
walk_if_or_with (struct exec *x, const struct value *dot,
                 const struct node *n)
{
  const size_t mark = x->vars.len;
  enum walk r = DONE;
  struct value v;

  if (eval_pipeline (x, dot, n->pipe, &v) == -1)
    return FAILED;
  if (value_truth (&v))
    r = walk (x, n->type == NODE_WITH ? &v : dot, n->list);
  else if (n->else_list)
    r = walk (x, dot, n->else_list);
  x->vars.len = mark;
  return r;
}

/* One round of a range.  The range's own variables are on top. */
static enum walk
walk_round (struct exec *x, const struct node *n, const struct value *index,
            const struct value *element)
{
  const size_t mark = x->vars.len;
  enum walk r;

  if (n->pipe->nr_decls > 0)
    x->vars.ptr[mark - 1].value = *element;
  if (n->pipe->nr_decls > 1)
    x->vars.ptr[mark - 2].value = *index;
  r = walk (x, element, n->list);
  x->vars.len = mark;
  return r == CONTINUE ? DONE : r;
}

static int
compare_keys (const void *a, const void *b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

static enum walk
walk_map (struct exec *x, const struct node *n, const json_t *map)
{
  const size_t nr = json_object_size (map);
  CLEANUP_FREE const char **keys = calloc (nr, sizeof *keys);
  struct value index, element;
  const char *key;
  json_t *value;
  enum walk r = DONE;
  size_t i = 0;

  if (keys == NULL) {
    log_oom ();
    return FAILED;
  }
  json_object_foreach ((json_t *) map, key, value)
    keys[i++] = key;
  qsort (keys, nr, sizeof *keys, compare_keys);
  for (i = 0; r == DONE && i < nr; ++i) {
    index = value_string (TEXT (keys[i]));
    element = value_of_json (json_object_get (map, keys[i]));
    r = walk_round (x, n, &index, &element);
  }
  return r;
}

static enum walk
walk_list (struct exec *x, const struct node *n, const struct value *list)
{
  struct value index, element;
  enum walk r = DONE;
  size_t i;

  for (i = list->from; r == DONE && i < list->to; ++i) {
    index = value_int (VALUE_INT, i - list->from);
    element = value_of_json (json_array_get (list->json, i));
    r = walk_round (x, n, &index, &element);
  }
  return r;
}

static enum walk
walk_range (struct exec *x, const struct value *dot, const struct node *n)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };
  const size_t mark = x->vars.len;
  enum walk r = DONE;
  struct value v;

  if (eval_pipeline (x, dot, n->pipe, &v) == -1)
    return FAILED;
  if (v.kind != VALUE_LIST && v.kind != VALUE_MAP && v.kind != VALUE_NONE) {
    if (v.kind != VALUE_DATA && print_value (&b, &v) == -1)
      return exec_memory (x);
    return exec_error (x, "range can't iterate over %s",
                       v.kind == VALUE_DATA ? "the data" :
                       b.ptr ? b.ptr : "");
  }
  if (value_truth (&v))
    r = v.kind == VALUE_LIST ? walk_list (x, n, &v) :
      walk_map (x, n, v.json);
  else if (n->else_list)
    r = walk (x, dot, n->else_list);
  x->vars.len = mark;
  return r == BREAK && value_truth (&v) ? DONE : r;
}

static enum walk
walk (struct exec *x, const struct value *dot, const struct node *n)
{
  const struct node *i;
  struct value v;
  enum walk r;

  if (exec_at (x, n) == -1)
    return FAILED;
  switch (n->type) {
  case NODE_TEXT:
    return write_text (x, n->text);
  case NODE_ACTION:
    /* What it declares lives until the next end. */
    if (eval_pipeline (x, dot, n->pipe, &v) == -1)
      return FAILED;
    if (n->pipe->nr_decls > 0)
      return DONE;
    x->node = n->pipe;
    return write_value (x, &v);
  case NODE_IF: case NODE_WITH:
    return walk_if_or_with (x, dot, n);
  case NODE_RANGE:
    return walk_range (x, dot, n);
  case NODE_LIST:
    for (i = n->first; i; i = i->next) {
      r = walk (x, dot, i);
      if (r != DONE)
        return r;
    }
    return DONE;
  case NODE_BREAK:
    return BREAK;
  case NODE_CONTINUE:
    return CONTINUE;
  default:
    return DONE;
  }
}

int
template_run (const struct template *t, const json_t *data, char **output,
              size_t *length, struct template_error *error)
{
  struct exec x = {
    .t = t, .error = error, .pool.max = TEMPLATE_MAX_MEMORY,
  };
  struct variable root = { .name = TEXT ("$") };
  enum walk r = FAILED;
  size_t len;
  char *out;
  int err;

  root.value = (struct value) { .kind = VALUE_DATA, .json = data };
  if (variable_vector_append (&x.vars, root) == -1)
    log_oom ();
  else
    r = walk (&x, &root.value, t->root);
  err = errno;
  pool_free (&x.pool);
  variable_vector_reset (&x.vars);
  strbuf_free (&x.call_error);
  if (r == FAILED) {
    strbuf_free (&x.out);
    errno = err;
    return -1;
  }
  len = x.out.len;
  out = strbuf_steal (&x.out);
  if (out == NULL) {
    log_oom ();
    return -1;
  }
  *output = out;
  *length = len;
  return 0;
}
