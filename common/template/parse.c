/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Tokens to nodes.
 *
 * Go's parser names the line of the last token that it took from the
 * lexer, which can lie behind the one that is wrong: "high" is for that.
 * Columns, which Go does not tell here, are those of the wrong token.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "common/template/parse_private.h"

static int
fail_at (struct parser *p, const struct token *at, const char *fmt,
         va_list args)
{
  struct strbuf b = { 0 };
  const struct token *high = &p->tokens.ptr[p->high];
  CLEANUP_FREE char *text = NULL;
  size_t i, start = 0;

  for (i = 0; i < at->pos; ++i)
    if (p->t->text.ptr[i] == '\n')
      start = i + 1;
  if (vasprintf (&text, fmt, args) == -1)
    text = NULL;
  if (text == NULL ||
      strbuf_printf (&b, "template: template:%u: %s", high->line,
                     text) == -1) {
    strbuf_free (&b);
    log_oom ();
    return -1;
  }
  return template_fail (p->error, &b, at->line,
                        at->line == high->line ? at->pos - start + 1 : 0);
}

int
parse_fail (struct parser *p, const char *fmt, ...)
{
  const size_t i = p->index > 0 ? p->index - 1 : 0;
  va_list args;
  int r;

  va_start (args, fmt);
  r = fail_at (p, &p->tokens.ptr[i], fmt, args);
  va_end (args);
  return r;
}

/* FMT has one %s, for TEXT in Go's quotes. */
int
parse_fail_quoted (struct parser *p, const char *fmt, struct text text)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };

  if (quote_append (&b, text, SIZE_MAX, false) == -1) {
    log_oom ();
    return -1;
  }
  return parse_fail (p, fmt, b.ptr);
}

const struct token *
parse_next (struct parser *p)
{
  const size_t i = p->index < p->tokens.len ? p->index : p->tokens.len - 1;

  p->index = i + 1;
  if (i > p->high)
    p->high = i;
  return &p->tokens.ptr[i];
}

const struct token *
parse_peek (struct parser *p)
{
  const struct token *t = parse_next (p);

  p->index--;
  return t;
}

const struct token *
parse_next_non_space (struct parser *p)
{
  const struct token *t;

  do
    t = parse_next (p);
  while (t->type == TOKEN_SPACE);
  return t;
}

const struct token *
parse_peek_non_space (struct parser *p)
{
  const struct token *t = parse_next_non_space (p);

  p->index--;
  return t;
}

/* Append T as Go's item.String. */
static int
append_token (struct strbuf *b, const struct token *t)
{
  if (t->type == TOKEN_EOF)
    return strbuf_append (b, "EOF");
  if (t->type == TOKEN_ERROR)
    return strbuf_append_bytes (b, t->text.ptr, t->text.len);
  if (t->type > TOKEN_KEYWORD)
    return strbuf_printf (b, "<%.*s>", (int) t->text.len, t->text.ptr);
  if (t->text.len <= 10)
    return quote_append (b, t->text, SIZE_MAX, false);
  if (quote_append (b, t->text, 10, false) == -1)
    return -1;
  return strbuf_append (b, "...");
}

int
parse_unexpected (struct parser *p, const struct token *t,
                  const char *context)
{
  static const char suffix[] = " action";
  CLEANUP_STRBUF struct strbuf b = { 0 };
  const size_t n = strlen (suffix);
  bool is_action;

  if (append_token (&b, t) == -1) {
    log_oom ();
    return -1;
  }
  if (t->type != TOKEN_ERROR)
    return parse_fail (p, "unexpected %s in %s", b.ptr, context);
  if (p->action_line == 0 || p->action_line == t->line)
    return parse_fail (p, "%s", b.ptr);
  is_action = t->text.len >= n &&
    memcmp (t->text.ptr + t->text.len - n, suffix, n) == 0;
  return parse_fail (p, "%s%s started at template:%u", b.ptr,
                     is_action ? "" : " in action", p->action_line);
}

struct node *
parse_new (struct parser *p, enum node_type type, size_t pos,
           struct text text)
{
  struct node *n = pool_alloc (&p->t->pool, sizeof *n);

  if (n) {
    n->type = type;
    n->pos = pos;
    n->text = text;
  }
  return n;
}

void
parse_append (struct node *list, struct node *n)
{
  if (list->last)
    list->last->next = n;
  else
    list->first = n;
  list->last = n;
  list->nr++;
}

int
parse_deeper (struct parser *p)
{
  if (++p->depth <= TEMPLATE_MAX_NESTING)
    return 0;
  return parse_fail (p, "blocks and parentheses are nested more than %d "
                     "deep", TEMPLATE_MAX_NESTING);
}

static int
expect_right_delim (struct parser *p, const char *context)
{
  const struct token *t = parse_next_non_space (p);

  return t->type == TOKEN_RIGHT_DELIM ? 0 : parse_unexpected (p, t, context);
}

static struct node *action (struct parser *p, const struct token *delim);

static struct node *
text_or_action (struct parser *p)
{
  const struct token *t = parse_next_non_space (p);
  struct node *n;

  switch (t->type) {
  case TOKEN_TEXT:
    return parse_new (p, NODE_TEXT, t->pos, t->text);
  case TOKEN_LEFT_DELIM:
    p->action_line = t->line;
    n = action (p, t);
    p->action_line = 0;
    return n;
  default:
    parse_unexpected (p, t, "input");
    return NULL;
  }
}

/* Everything up to {{end}} or {{else}}, which *END gets. */
static struct node *
item_list (struct parser *p, struct node **end)
{
  struct node *list, *n;

  list = parse_new (p, NODE_LIST, parse_peek_non_space (p)->pos, TEXT (""));
  if (list == NULL)
    return NULL;
  while (parse_peek_non_space (p)->type != TOKEN_EOF) {
    n = text_or_action (p);
    if (n == NULL)
      return NULL;
    if (n->type == NODE_END || n->type == NODE_ELSE) {
      *end = n;
      return list;
    }
    parse_append (list, n);
  }
  parse_fail (p, "unexpected EOF");
  return NULL;
}

static struct node *control (struct parser *p, enum node_type type,
                             const char *context, size_t pos);

/* What follows an else. */
static struct node *
else_list (struct parser *p, enum node_type type, const struct node *at)
{
  struct node *list, *end, *n;

  if (type == NODE_IF && parse_peek (p)->type == TOKEN_IF) {
    /* One {{end}} closes both. */
    parse_next (p);
    list = parse_new (p, NODE_LIST, at->pos, TEXT (""));
    n = list ? control (p, NODE_IF, "if", at->pos) : NULL;
    if (n == NULL)
      return NULL;
    parse_append (list, n);
    return list;
  }
  list = item_list (p, &end);
  if (list && end->type != NODE_END) {
    parse_fail (p, "expected end; found {{else}}");
    return NULL;
  }
  return list;
}

/* if, with and range, from behind the word on. */
static struct node *
control (struct parser *p, enum node_type type, const char *context,
         size_t pos)
{
  const size_t nr_vars = p->vars.len;
  struct node *n = parse_new (p, type, pos, TEXT (""));
  struct node *end;

  if (n == NULL || parse_deeper (p) == -1)
    return NULL;
  n->pipe = parse_pipeline (p, context, TOKEN_RIGHT_DELIM);
  if (n->pipe == NULL)
    return NULL;
  p->ranges += type == NODE_RANGE;
  n->list = item_list (p, &end);
  p->ranges -= type == NODE_RANGE;
  if (n->list == NULL)
    return NULL;
  if (end->type == NODE_ELSE) {
    n->else_list = else_list (p, type, end);
    if (n->else_list == NULL)
      return NULL;
  }
  p->vars.len = nr_vars;
  p->depth--;
  return n;
}

static struct node *
loop_control (struct parser *p, const struct token *t, enum node_type type,
              const char *context)
{
  if (expect_right_delim (p, context) == -1)
    return NULL;
  if (p->ranges == 0) {
    parse_fail (p, "%s outside {{range}}", context);
    return NULL;
  }
  return parse_new (p, type, t->pos, t->text);
}

/* What stands between "{{" DELIM and "}}". */
static struct node *
action (struct parser *p, const struct token *delim)
{
  const struct token *t = parse_next_non_space (p);
  struct node *n;

  switch (t->type) {
  case TOKEN_IF:
    return control (p, NODE_IF, "if", t->pos);
  case TOKEN_WITH:
    return control (p, NODE_WITH, "with", t->pos);
  case TOKEN_RANGE:
    return control (p, NODE_RANGE, "range", t->pos);
  case TOKEN_BREAK:
    return loop_control (p, t, NODE_BREAK, "{{break}}");
  case TOKEN_CONTINUE:
    return loop_control (p, t, NODE_CONTINUE, "{{continue}}");
  case TOKEN_END:
    if (expect_right_delim (p, "end") == -1)
      return NULL;
    return parse_new (p, NODE_END, t->pos, t->text);
  case TOKEN_ELSE:
    if (parse_peek_non_space (p)->type != TOKEN_IF &&
        expect_right_delim (p, "else") == -1)
      return NULL;
    return parse_new (p, NODE_ELSE, t->pos, t->text);
  case TOKEN_BLOCK: case TOKEN_DEFINE: case TOKEN_TEMPLATE:
    parse_fail (p, "{{%.*s}} is not supported in a name template",
                (int) t->text.len, t->text.ptr);
    return NULL;
  default:
    break;
  }
  p->index--;
  n = parse_new (p, NODE_ACTION, t->pos, delim->text);
  if (n)
    n->pipe = parse_pipeline (p, "command", TOKEN_RIGHT_DELIM);
  return n && n->pipe ? n : NULL;
}

static int
parse (struct parser *p)
{
  struct node *n;

  p->t->root = parse_new (p, NODE_LIST, 0, TEXT (""));
  if (p->t->root == NULL || parse_declare (p, TEXT ("$")) == -1)
    return -1;
  while (parse_peek (p)->type != TOKEN_EOF) {
    n = text_or_action (p);
    if (n == NULL)
      return -1;
    if (n->type == NODE_END)
      return parse_fail (p, "unexpected {{end}}");
    if (n->type == NODE_ELSE)
      return parse_fail (p, "unexpected {{else}}");
    parse_append (p->t->root, n);
  }
  return 0;
}

static int
too_long (struct template_error *error)
{
  struct strbuf b = { 0 };

  if (strbuf_printf (&b, "template: template:1: is longer than %d bytes",
                     TEMPLATE_MAX_TEXT) == -1) {
    strbuf_free (&b);
    log_oom ();
    return -1;
  }
  return template_fail (error, &b, 1, 1);
}

struct template *
template_parse (const char *text, struct template_error *error)
{
  CLEANUP_TEMPLATE struct template *t = NULL;
  struct template *ret;
  struct parser p = { .error = error };
  const size_t len = strlen (text);
  char *copy;
  int r;

  if (len > TEMPLATE_MAX_TEXT) {
    too_long (error);
    return NULL;
  }
  t = calloc (1, sizeof *t);
  if (t == NULL) {
    log_oom ();
    return NULL;
  }
  copy = pool_alloc (&t->pool, len + 1);
  if (copy == NULL)
    return NULL;
  memcpy (copy, text, len + 1);
  t->text = (struct text) { copy, len };

  p.t = t;
  r = template_lex (&t->pool, t->text, &p.tokens);
  if (r == 0)
    r = parse (&p);
  token_vector_reset (&p.tokens);
  text_vector_reset (&p.vars);
  if (r == -1)
    return NULL;
  ret = t;
  t = NULL;
  return ret;
}

void
template_free (struct template *t)
{
  if (t == NULL)
    return;
  pool_free (&t->pool);
  free (t);
}
