/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Private to common/template: memory, texts, nodes, values, functions.
 *
 * The shape is that of Go's text/template (parse/lex.go, parse/parse.go,
 * exec.go, funcs.go), so that errors are found in the same order and at
 * the same places.
 */
#ifndef NBDLIFT_TEMPLATE_PRIVATE_H
#define NBDLIFT_TEMPLATE_PRIVATE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/template/template.h"
#include "common/util/strbuf.h"
#include "common/util/vector.h"

/* Memory that is freed all at once.  Not thread safe. */

struct pool {
  struct pool_block *blocks;
  size_t used, max;             /* bytes; max 0: no limit */
};

/* N zeroed bytes, or NULL with errno ENOMEM (reported) or E2BIG when the
 * pool's limit is reached.
 */
extern void *pool_alloc (struct pool *pool, size_t n);
extern void pool_free (struct pool *pool);

/* Bytes, perhaps with NUL among them and not always UTF-8. */
struct text {
  const char *ptr;
  size_t len;
};
#define TEXT(s) ((struct text) { (s), strlen (s) })

extern bool text_is (struct text a, const char *b);

/* Bytes of one string of a run. */
#define TEMPLATE_MAX_STRING (64 << 10)

/* Append S N times.  0, or -1 with errno ENOMEM, or E2BIG when B would be
 * longer than that.
 */
extern int text_append (struct strbuf *b, struct text s, size_t n);

/* The first float above those that fit into an int64_t. */
#define TWO_TO_63 9223372036854775808.0

/* utf8.c */

#define RUNE_ERROR 0xfffd
#define RUNE_EOF (-1)

/* The first character of the N > 0 bytes at S, and how many bytes it has:
 * RUNE_ERROR and 1 if they are not UTF-8.
 */
extern int32_t utf8_decode (const char *s, size_t n, size_t *width);
/* Append a character; one that has no UTF-8 form as RUNE_ERROR. */
extern int utf8_append (struct strbuf *b, int32_t c);
extern int32_t rune_lower (int32_t c);
extern int32_t rune_upper (int32_t c);
extern int32_t rune_title (int32_t c);
extern bool rune_is_space (int32_t c);
extern bool rune_is_letter (int32_t c);         /* or a digit */
extern bool rune_is_print (int32_t c);

/* quote.c */

/* Append S as strconv.Quote does, or AppendQuoteToASCII; the first MAX
 * characters of it.
 */
extern int quote_append (struct strbuf *b, struct text s, size_t max,
                         bool ascii);
/* One character in single quotes. */
extern int quote_append_rune (struct strbuf *b, int32_t c, bool ascii);
/* "U+002D '-'" */
extern int quote_append_unicode (struct strbuf *b, int32_t c);
/* The inside of the Go string or raw string S (quotes included) to B.
 * False if it is none.
 */
extern bool quote_unquote (struct text s, struct strbuf *b, bool *oom);
/* The character of the Go literal S, 'x'.  *BROKEN: it is one, with more
 * behind it.
 */
extern bool quote_unquote_char (struct text s, int32_t *c, bool *broken);

/* number.c */

struct number {
  bool is_int, is_uint, is_float;
  int64_t i;
  uint64_t u;
  double f;
};

/* strconv.ParseInt (s, 0, 64), ParseUint and ParseFloat (s, 64). */
extern bool number_parse_int (struct text s, int64_t *r);
extern bool number_parse_uint (struct text s, uint64_t *r);
extern bool number_parse_float (struct text s, double *r);
/* Append F as strconv.FormatFloat (f, VERB, PRECISION, 64): VERB is one of
 * e, E, f, F, g and G; PRECISION -1 is the shortest exact one.
 */
extern int number_append_float (struct strbuf *b, double f, char verb,
                                int precision);

/* lex.c */

enum token_type {
  TOKEN_ERROR, TOKEN_BOOL, TOKEN_CHAR, TOKEN_CHAR_CONSTANT, TOKEN_COMPLEX,
  TOKEN_ASSIGN, TOKEN_DECLARE, TOKEN_EOF, TOKEN_FIELD, TOKEN_IDENTIFIER,
  TOKEN_LEFT_DELIM, TOKEN_LEFT_PAREN, TOKEN_NUMBER, TOKEN_PIPE,
  TOKEN_RAW_STRING, TOKEN_RIGHT_DELIM, TOKEN_RIGHT_PAREN, TOKEN_SPACE,
  TOKEN_STRING, TOKEN_TEXT, TOKEN_VARIABLE,
  TOKEN_KEYWORD,                /* keywords come after this one */
  TOKEN_BLOCK, TOKEN_BREAK, TOKEN_CONTINUE, TOKEN_DOT, TOKEN_DEFINE,
  TOKEN_ELSE, TOKEN_END, TOKEN_IF, TOKEN_NIL, TOKEN_RANGE, TOKEN_TEMPLATE,
  TOKEN_WITH,
};

struct token {
  enum token_type type;
  size_t pos;                   /* byte of the template */
  struct text text;             /* ERROR: the message */
  unsigned line;                /* at its start, from 1 */
};
DEFINE_VECTOR_TYPE (token_vector, struct token);

/* All tokens of TEXT; the last one is EOF or ERROR.  0, or -1 with errno
 * ENOMEM, reported.
 */
extern int template_lex (struct pool *pool, struct text text,
                         token_vector *tokens);

/* parse.c */

enum node_type {
  NODE_TEXT, NODE_ACTION, NODE_IF, NODE_WITH, NODE_RANGE, NODE_BREAK,
  NODE_CONTINUE, NODE_LIST, NODE_END, NODE_ELSE,
  NODE_PIPE, NODE_COMMAND,
  NODE_IDENTIFIER, NODE_FIELD, NODE_VARIABLE, NODE_CHAIN, NODE_DOT, NODE_NIL,
  NODE_BOOL, NODE_NUMBER, NODE_STRING,
};

struct node {
  enum node_type type;
  size_t pos;
  struct text text;             /* as written; TEXT: what to print */
  struct text string;           /* STRING: without quotes and escapes */
  struct number number;
  bool truth;                   /* BOOL */
  bool assign;                  /* PIPE: "=", not ":=" */

  /* LIST: its nodes; PIPE: commands; COMMAND: words; CHAIN: the first
   * operand.
   */
  struct node *first, *last, *next;
  size_t nr;
  struct node *decls;           /* PIPE: variables that it sets */
  size_t nr_decls;
  struct text *idents;          /* FIELD, VARIABLE, CHAIN */
  size_t nr_idents;
  struct node *pipe, *list, *else_list; /* ACTION and blocks */
};

struct template {
  struct pool pool;
  struct text text;
  struct node *root;
};

/* node.c */

/* Append N as Go's Node.String. */
extern int node_append (struct strbuf *b, const struct node *n);

/* The end of an error: take *B as the message.  Returns -1, errno EINVAL
 * or ENOMEM, reported.
 */
extern int template_fail (struct template_error *error, struct strbuf *b,
                          unsigned line, unsigned column);

/* exec*.c */

enum value_kind {
  VALUE_NONE,                   /* nil, or what is not there */
  VALUE_NULL,                   /* an interface{} that is nil: like NONE once
                                   it went through a pipeline or a call */
  VALUE_BOOL, VALUE_INT, VALUE_INT64, VALUE_UINT8, VALUE_FLOAT,
  VALUE_STRING,
  VALUE_LIST,                   /* of interface{} */
  VALUE_MAP,                    /* of string to interface{} */
  VALUE_DATA,                   /* the struct that a run is about */
};

struct value {
  enum value_kind kind;
  bool b;
  int64_t i;                    /* INT, INT64, UINT8 */
  double f;
  struct text s;
  const json_t *json;           /* LIST, MAP, DATA */
  size_t from, to;              /* LIST: which elements */
};

struct variable {
  struct text name;
  struct value value;
};
DEFINE_VECTOR_TYPE (variable_vector, struct variable);

/* One run. */
struct exec {
  const struct template *t;
  struct pool pool;
  struct strbuf out;
  variable_vector vars;
  const struct node *node;      /* for errors */
  size_t steps, depth;
  struct template_error *error;
  struct strbuf call_error;     /* why a function failed */
};

/* Values. */
extern struct value value_of_json (const json_t *j);
extern struct value value_bool (bool b);
extern struct value value_int (enum value_kind kind, int64_t i);
extern struct value value_float (double f);
extern struct value value_string (struct text s);
extern bool value_truth (const struct value *v);
extern const char *value_type_name (const struct value *v);

/* N is the node that errors are about now.  -1 when that was a step too
 * many.
 */
extern int exec_at (struct exec *x, const struct node *n);
/* Stop with Go's message for the node at hand.  Returns -1. */
extern int exec_error (struct exec *x, const char *fmt, ...)
  __attribute__ ((format (printf, 2, 3)));
/* pool_alloc or a strbuf failed with errno.  Returns -1. */
extern int exec_memory (struct exec *x);
/* The value of what B has, which is emptied.  0 or -1. */
extern int exec_string (struct exec *x, struct strbuf *b, struct value *r);

/* eval.c */
extern int eval_pipeline (struct exec *x, const struct value *dot,
                          const struct node *pipe, struct value *r);
/* A field, a variable or a chain; CMD, or NULL, is the command that it
 * begins: arguments there are an error, as FINAL is.
 */
extern int eval_path (struct exec *x, const struct value *dot,
                      const struct node *n, const struct node *cmd,
                      const struct value *final, struct value *r);
/* "can't give argument to non-function", if there is one. */
extern int eval_not_a_function (struct exec *x, const struct node *cmd,
                                const struct value *final);

/* call.c */

/* Call the function NAME with the operands ARGS (a list) and FINAL, the
 * value of the commands before it, unless NULL.  CMD is for errors.
 */
extern int eval_call (struct exec *x, const struct value *dot,
                      const struct node *name, const struct node *cmd,
                      const struct node *args,
                      const struct value *final, struct value *r);
/* A number whose type nothing asks for. */
extern int eval_constant (struct exec *x, const struct node *n,
                          struct value *r);

/* Functions. */

struct function {
  const char *name;
  /* A letter for each parameter: s string, i int, f float64, a interface{},
   * v reflect.Value.
   */
  const char *params;
  bool variadic;                /* the last one any number of times */

  /* 0; or -1, after call_error or exec_memory. */
  int (*call) (struct exec *x, const struct value *args, size_t nr,
               struct value *r);
};

extern const struct function functions_builtin[], functions_compare[],
  functions_string[], functions_math[];
/* Or NULL. */
extern const struct function *function_find (struct text name);

/* "error calling NAME: ..."  Returns -1. */
extern int call_error (struct exec *x, const char *fmt, ...)
  __attribute__ ((format (printf, 2, 3)));

/* print.c, printf.c */

/* Append V as fmt.Print does. */
extern int print_value (struct strbuf *b, const struct value *v);
/* The arguments as fmt.Sprint and Sprintln do. */
extern int print_values (struct strbuf *b, const struct value *v, size_t nr,
                         bool line);
/* As fmt.Sprintf.  0, or -1 with errno ENOMEM or E2BIG. */
extern int print_format (struct strbuf *b, struct text format,
                         const struct value *args, size_t nr);

/* regex.c */

/* regexp.Compile (PATTERN) and ReplaceAllString (S, REPLACEMENT). */
extern int regex_replace (struct exec *x, struct text pattern, struct text s,
                          struct text replacement, struct strbuf *out);

#endif /* NBDLIFT_TEMPLATE_PRIVATE_H */
