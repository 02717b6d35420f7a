/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Private to parse.c (blocks) and parse_pipeline.c (what stands inside of
 * an action).  Functions that return a node return NULL when they fail:
 * either the error is set and errno is EINVAL, or memory is short, which
 * was reported.
 */
#ifndef NBDLIFT_TEMPLATE_PARSE_PRIVATE_H
#define NBDLIFT_TEMPLATE_PARSE_PRIVATE_H

#include "common/template/private.h"

DEFINE_VECTOR_TYPE (text_vector, struct text);

struct parser {
  struct template *t;
  token_vector tokens;
  size_t index;                 /* of the next token */
  size_t high;                  /* of the last one that was looked at */
  text_vector vars;             /* in scope */
  unsigned action_line;         /* 0 outside of an action */
  unsigned ranges, depth;
  struct template_error *error;
};

extern const struct token *parse_next (struct parser *p);
extern const struct token *parse_peek (struct parser *p);
extern const struct token *parse_next_non_space (struct parser *p);
extern const struct token *parse_peek_non_space (struct parser *p);

/* These return -1. */
extern int parse_fail (struct parser *p, const char *fmt, ...)
  __attribute__ ((format (printf, 2, 3)));
extern int parse_fail_quoted (struct parser *p, const char *fmt,
                              struct text text);
extern int parse_unexpected (struct parser *p, const struct token *t,
                             const char *context);

extern struct node *parse_new (struct parser *p, enum node_type type,
                               size_t pos, struct text text);
extern void parse_append (struct node *list, struct node *n);
/* One level of blocks or parentheses more; the caller counts it down. */
extern int parse_deeper (struct parser *p);

/* A variable comes into scope.  0 or -1. */
extern int parse_declare (struct parser *p, struct text name);
extern struct node *parse_pipeline (struct parser *p, const char *context,
                                    enum token_type end);

#endif /* NBDLIFT_TEMPLATE_PARSE_PRIVATE_H */
