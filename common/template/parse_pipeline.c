/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The inside of an action: declarations, commands, operands.
 */
#include <errno.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "common/template/parse_private.h"

int
parse_declare (struct parser *p, struct text name)
{
  if (text_vector_append (&p->vars, name) == -1) {
    log_oom ();
    return -1;
  }
  return 0;
}

/* N's text, "$x.A" or ".A.B", as single names. */
static struct node *
split_idents (struct parser *p, struct node *n)
{
  struct text rest = n->text;
  size_t i, dots = 0;
  const char *dot;

  if (n->type == NODE_FIELD) {
    rest.ptr++;
    rest.len--;
  }
  for (i = 0; i < rest.len; ++i)
    dots += rest.ptr[i] == '.';
  n->idents = pool_alloc (&p->t->pool, (dots + 1) * sizeof *n->idents);
  if (n->idents == NULL)
    return NULL;
  for (;;) {
    dot = memchr (rest.ptr, '.', rest.len);
    n->idents[n->nr_idents++] = (struct text) {
      rest.ptr, dot ? (size_t) (dot - rest.ptr) : rest.len };
    if (dot == NULL)
      return n;
    rest.len -= dot + 1 - rest.ptr;
    rest.ptr = dot + 1;
  }
}

static struct node *
new_idents (struct parser *p, enum node_type type, size_t pos,
            struct text text)
{
  struct node *n = parse_new (p, type, pos, text);

  return n ? split_idents (p, n) : NULL;
}

static struct node *
new_number (struct parser *p, const struct token *t)
{
  struct node *n = parse_new (p, NODE_NUMBER, t->pos, t->text);
  struct number *v;
  bool broken;
  int32_t c;

  if (n == NULL)
    return NULL;
  v = &n->number;
  if (t->type == TOKEN_COMPLEX || t->text.ptr[t->text.len - 1] == 'i') {
    parse_fail (p, "complex numbers are not supported in a name template");
    return NULL;
  }
  if (t->type == TOKEN_CHAR_CONSTANT) {
    if (!quote_unquote_char (t->text, &c, &broken)) {
      parse_fail (p, "invalid syntax");
      return NULL;
    }
    if (broken) {
      parse_fail (p, "malformed character constant: %.*s",
                  (int) t->text.len, t->text.ptr);
      return NULL;
    }
    *v = (struct number) { true, true, true, c, c, c };
    return n;
  }

  v->is_uint = number_parse_uint (t->text, &v->u);
  v->is_int = number_parse_int (t->text, &v->i);
  if (v->is_int || v->is_uint) {
    v->is_float = true;
    v->f = v->is_int ? (double) v->i : (double) v->u;
    return n;
  }
  if (!number_parse_float (t->text, &v->f)) {
    parse_fail_quoted (p, "illegal number syntax: %s", t->text);
    return NULL;
  }
  if (!memchr (t->text.ptr, '.', t->text.len) &&
      !memchr (t->text.ptr, 'e', t->text.len) &&
      !memchr (t->text.ptr, 'E', t->text.len) &&
      !memchr (t->text.ptr, 'p', t->text.len) &&
      !memchr (t->text.ptr, 'P', t->text.len)) {
    parse_fail_quoted (p, "integer overflow: %s", t->text);
    return NULL;
  }
  v->is_float = true;
  if (v->f >= -TWO_TO_63 && v->f < TWO_TO_63 &&
      (double) (int64_t) v->f == v->f) {
    v->is_int = true;
    v->i = v->f;
  }
  return n;
}

static struct node *
new_string (struct parser *p, const struct token *t)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };
  struct node *n = parse_new (p, NODE_STRING, t->pos, t->text);
  char *copy;
  bool oom;

  if (n == NULL)
    return NULL;
  if (!quote_unquote (t->text, &b, &oom)) {
    if (oom)
      log_oom ();
    else
      parse_fail (p, "invalid syntax");
    return NULL;
  }
  copy = pool_alloc (&p->t->pool, b.len + 1);
  if (copy == NULL)
    return NULL;
  if (b.len)
    memcpy (copy, b.ptr, b.len);
  n->string = (struct text) { copy, b.len };
  return n;
}

static struct node *
new_identifier (struct parser *p, const struct token *t)
{
  if (text_is (t->text, "call")) {
    parse_fail (p, "function \"call\" is not supported in a name template");
    return NULL;
  }
  if (function_find (t->text) == NULL) {
    parse_fail_quoted (p, "function %s not defined", t->text);
    return NULL;
  }
  return parse_new (p, NODE_IDENTIFIER, t->pos, t->text);
}

static struct node *
use_variable (struct parser *p, const struct token *t)
{
  size_t i;

  for (i = 0; i < p->vars.len; ++i)
    if (p->vars.ptr[i].len == t->text.len &&
        memcmp (p->vars.ptr[i].ptr, t->text.ptr, t->text.len) == 0)
      return new_idents (p, NODE_VARIABLE, t->pos, t->text);
  parse_fail_quoted (p, "undefined variable %s", t->text);
  return NULL;
}

/* *NONE: the next token does not begin an operand. */
static struct node *
term (struct parser *p, bool *none)
{
  const struct token *t = parse_next_non_space (p);
  struct node *n;

  *none = false;
  switch (t->type) {
  case TOKEN_IDENTIFIER:
    return new_identifier (p, t);
  case TOKEN_DOT:
    return parse_new (p, NODE_DOT, t->pos, t->text);
  case TOKEN_NIL:
    return parse_new (p, NODE_NIL, t->pos, t->text);
  case TOKEN_VARIABLE:
    return use_variable (p, t);
  case TOKEN_FIELD:
    return new_idents (p, NODE_FIELD, t->pos, t->text);
  case TOKEN_BOOL:
    n = parse_new (p, NODE_BOOL, t->pos, t->text);
    if (n)
      n->truth = text_is (t->text, "true");
    return n;
  case TOKEN_CHAR_CONSTANT: case TOKEN_COMPLEX: case TOKEN_NUMBER:
    return new_number (p, t);
  case TOKEN_LEFT_PAREN:
    if (parse_deeper (p) == -1)
      return NULL;
    n = parse_pipeline (p, "parenthesized pipeline", TOKEN_RIGHT_PAREN);
    p->depth--;
    return n;
  case TOKEN_STRING: case TOKEN_RAW_STRING:
    return new_string (p, t);
  default:
    p->index--;
    *none = true;
    return NULL;
  }
}

/* The fields that touch N, at least one: part of it, or a chain. */
static struct node *
chain (struct parser *p, struct node *n)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };
  const size_t pos = parse_peek (p)->pos;
  struct node *ret;
  struct text text;
  char *copy;
  int r = 0;

  if (n->type == NODE_FIELD || n->type == NODE_VARIABLE)
    r = strbuf_append_bytes (&b, n->text.ptr, n->text.len);
  if (r == 0)
    do {
      text = parse_next (p)->text;
      r = strbuf_append_bytes (&b, text.ptr, text.len);
    } while (r == 0 && parse_peek (p)->type == TOKEN_FIELD);
  if (r == -1) {
    log_oom ();
    return NULL;
  }
  copy = pool_alloc (&p->t->pool, b.len + 1);
  if (copy == NULL)
    return NULL;
  memcpy (copy, b.ptr, b.len);
  text = (struct text) { copy, b.len };

  switch (n->type) {
  case NODE_FIELD: case NODE_VARIABLE:
    return new_idents (p, n->type, pos, text);
  case NODE_BOOL: case NODE_STRING: case NODE_NUMBER: case NODE_NIL:
  case NODE_DOT:
    parse_fail_quoted (p, "unexpected . after term %s",
                       n->type == NODE_DOT ? TEXT (".") : n->text);
    return NULL;
  default:
    /* Like a field, and with something before it. */
    ret = new_idents (p, NODE_FIELD, pos, text);
    if (ret) {
      ret->type = NODE_CHAIN;
      ret->first = n;
    }
    return ret;
  }
}

static struct node *
command (struct parser *p)
{
  struct node *cmd, *n;
  const struct token *t;
  bool none;

  cmd = parse_new (p, NODE_COMMAND, parse_peek_non_space (p)->pos,
                   TEXT (""));
  if (cmd == NULL)
    return NULL;
  do {
    parse_peek_non_space (p);
    n = term (p, &none);
    if (n && parse_peek (p)->type == TOKEN_FIELD)
      n = chain (p, n);
    if (n)
      parse_append (cmd, n);
    else if (!none)
      return NULL;
    t = parse_next (p);
  } while (t->type == TOKEN_SPACE);

  if (t->type == TOKEN_RIGHT_DELIM || t->type == TOKEN_RIGHT_PAREN)
    p->index--;
  else if (t->type != TOKEN_PIPE) {
    parse_unexpected (p, t, "operand");
    return NULL;
  }
  if (cmd->nr == 0) {
    parse_fail (p, "empty command");
    return NULL;
  }
  return cmd;
}

static int
add_decl (struct parser *p, struct node *pipe, const struct token *t)
{
  struct node **end = &pipe->decls;
  struct node *n = new_idents (p, NODE_VARIABLE, t->pos, t->text);

  if (n == NULL)
    return -1;
  while (*end)
    end = &(*end)->next;
  *end = n;
  pipe->nr_decls++;
  return parse_declare (p, t->text);
}

/* "$x :=", "$x =", and "$i, $x :=" for a range. */
static int
declarations (struct parser *p, struct node *pipe, const char *context)
{
  const struct token *v, *t;
  size_t start;

  for (;;) {
    v = parse_peek_non_space (p);
    if (v->type != TOKEN_VARIABLE)
      return 0;
    start = p->index;
    parse_next (p);
    t = parse_peek_non_space (p);
    if (t->type == TOKEN_ASSIGN || t->type == TOKEN_DECLARE) {
      pipe->assign = t->type == TOKEN_ASSIGN;
      parse_next_non_space (p);
      return add_decl (p, pipe, v);
    }
    if (t->type != TOKEN_CHAR || !text_is (t->text, ",")) {
      p->index = start;         /* an argument, then */
      return 0;
    }
    parse_next_non_space (p);
    if (add_decl (p, pipe, v) == -1)
      return -1;
    if (strcmp (context, "range") != 0 || pipe->nr_decls >= 2)
      return parse_fail (p, "too many declarations in %s", context);
    t = parse_peek_non_space (p);
    if (t->type != TOKEN_VARIABLE && t->type != TOKEN_RIGHT_DELIM &&
        t->type != TOKEN_RIGHT_PAREN)
      return parse_fail (p, "range can only initialize variables");
  }
}

/* Only a function can take what the command before it made. */
static int
check_pipeline (struct parser *p, const struct node *pipe,
                const char *context)
{
  const struct node *cmd;
  size_t stage = 1;

  if (pipe->first == NULL)
    return parse_fail (p, "missing value for %s", context);
  for (cmd = pipe->first->next; cmd; cmd = cmd->next) {
    stage++;
    switch (cmd->first->type) {
    case NODE_BOOL: case NODE_DOT: case NODE_NIL: case NODE_NUMBER:
    case NODE_STRING:
      return parse_fail (p, "non executable command in pipeline stage %zu",
                         stage);
    default:
      break;
    }
  }
  return 0;
}

struct node *
parse_pipeline (struct parser *p, const char *context, enum token_type end)
{
  const struct token *t = parse_peek_non_space (p);
  struct node *pipe = parse_new (p, NODE_PIPE, t->pos, TEXT (""));
  struct node *cmd;

  if (pipe == NULL || declarations (p, pipe, context) == -1)
    return NULL;
  for (;;) {
    t = parse_next_non_space (p);
    if (t->type == end)
      return check_pipeline (p, pipe, context) == -1 ? NULL : pipe;
    switch (t->type) {
    case TOKEN_BOOL: case TOKEN_CHAR_CONSTANT: case TOKEN_COMPLEX:
    case TOKEN_DOT: case TOKEN_FIELD: case TOKEN_IDENTIFIER:
    case TOKEN_NUMBER: case TOKEN_NIL: case TOKEN_RAW_STRING:
    case TOKEN_STRING: case TOKEN_VARIABLE: case TOKEN_LEFT_PAREN:
      p->index--;
      break;
    default:
      parse_unexpected (p, t, context);
      return NULL;
    }
    cmd = command (p);
    if (cmd == NULL)
      return NULL;
    parse_append (pipe, cmd);
  }
}
