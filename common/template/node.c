/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Nodes as text, for errors, and the errors themselves.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/util/log.h"
#include "common/template/private.h"

static int
append_text (struct strbuf *b, struct text s)
{
  return strbuf_append_bytes (b, s.ptr, s.len);
}

static int
append_idents (struct strbuf *b, const struct node *n)
{
  size_t i;

  for (i = 0; i < n->nr_idents; ++i)
    /* The first one of a variable is "$x". */
    if (((i > 0 || n->type != NODE_VARIABLE) &&
         strbuf_append_char (b, '.') == -1) ||
        append_text (b, n->idents[i]) == -1)
      return -1;
  return 0;
}

/* N, in parentheses if it is a pipeline. */
static int
append_operand (struct strbuf *b, const struct node *n)
{
  if (n->type != NODE_PIPE)
    return node_append (b, n);
  if (strbuf_append_char (b, '(') == -1 || node_append (b, n) == -1)
    return -1;
  return strbuf_append_char (b, ')');
}

static int
append_pipe (struct strbuf *b, const struct node *n)
{
  const struct node *i;

  for (i = n->decls; i; i = i->next)
    if ((i != n->decls && strbuf_append (b, ", ") == -1) ||
        append_idents (b, i) == -1)
      return -1;
  /* Go prints ":=" for "=", too. */
  if (n->decls && strbuf_append (b, " := ") == -1)
    return -1;
  for (i = n->first; i; i = i->next)
    if ((i != n->first && strbuf_append (b, " | ") == -1) ||
        node_append (b, i) == -1)
      return -1;
  return 0;
}

int
node_append (struct strbuf *b, const struct node *n)
{
  const struct node *i;

  switch (n->type) {
  case NODE_PIPE:
    return append_pipe (b, n);
  case NODE_COMMAND:
    for (i = n->first; i; i = i->next)
      if ((i != n->first && strbuf_append_char (b, ' ') == -1) ||
          append_operand (b, i) == -1)
        return -1;
    return 0;
  case NODE_CHAIN:
    if (append_operand (b, n->first) == -1)
      return -1;
    return append_idents (b, n);
  case NODE_FIELD: case NODE_VARIABLE:
    return append_idents (b, n);
  case NODE_DOT:
    return strbuf_append_char (b, '.');
  case NODE_NIL:
    return strbuf_append (b, "nil");
  case NODE_END:
    return strbuf_append (b, "{{end}}");
  case NODE_ELSE:
    return strbuf_append (b, "{{else}}");
  case NODE_IDENTIFIER: case NODE_BOOL: case NODE_NUMBER: case NODE_STRING:
  case NODE_TEXT:
    return append_text (b, n->text);
  case NODE_ACTION: case NODE_IF: case NODE_WITH: case NODE_RANGE:
  case NODE_BREAK: case NODE_CONTINUE: case NODE_LIST:
    break;                      /* no error is about one */
  }
  return 0;
}

int
template_fail (struct template_error *error, struct strbuf *b, unsigned line,
               unsigned column)
{
  char *message = strbuf_steal (b);

  strbuf_free (b);
  if (message == NULL) {
    log_oom ();
    return -1;
  }
  free (error->message);
  error->message = message;
  error->line = line;
  error->column = column;
  errno = EINVAL;
  return -1;
}

void
template_error_free (struct template_error *error)
{
  free (error->message);
  error->message = NULL;
}
