/* SPDX-License-Identifier: BSD-3-Clause
 *
 * YAML (and JSON, its subset) to a tree with positions.
 *
 * libyaml's events under limits of our own; scalars are typed as the
 * Kubernetes tools type them (YAML 1.1 as yaml.v2 of Go reads it: yes,
 * on and True are booleans, 0123 is octal), so that a manifest means
 * here what it means to kubectl.  Aliases share the node that they
 * name; merge keys (<<) are resolved.  Values never appear in messages:
 * they may be secrets.
 *
 * Limits: 16 MiB of text, 64 levels, 1,000,000 nodes, 1 MiB for one
 * scalar; what the aliases stand for may be at most 100 times the nodes
 * written, plus 10,000.
 */
#ifndef NBDLIFT_YAML_H
#define NBDLIFT_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "driver/plan/arena.h"
#include "driver/plan/plan.h"

#define YAML_MAX_TEXT ((size_t) 16 << 20)
#define YAML_MAX_DEPTH 64
#define YAML_MAX_NODES 1000000
#define YAML_MAX_SCALAR ((size_t) 1 << 20)

enum yaml_type {
  YAML_NULL,
  YAML_BOOL,
  YAML_INT,
  YAML_FLOAT,                   /* also integers outside of int64_t */
  YAML_STRING,
  YAML_LIST,
  YAML_MAP,
  YAML_BROKEN,                  /* already reported; say no more of it */
};

struct yaml_pair {
  const char *key;              /* as JSON: 1: is "1", true: is "true" */
  unsigned line, column;        /* of the key */
  struct yaml_node *value;
};

struct yaml_node {
  enum yaml_type type;
  bool quoted;                  /* a string because of quotes, | or > */
  unsigned line, column;        /* 1-based */

  /* Scalars: as written, escapes decoded, NUL-terminated; "\0" in double
   * quotes can make it longer than strlen says.
   */
  const char *text;
  size_t len;
  union {
    bool boolean;
    int64_t integer;
    double real;
    struct yaml_node **items;   /* YAML_LIST */
    struct yaml_pair *pairs;    /* YAML_MAP, without duplicates, in order
                                   of appearance, merged ones last */
  };
  size_t nr;                    /* of items or pairs */

  uint64_t weight;              /* nodes it stands for, aliases expanded */
  bool open;                    /* loader: not complete yet */
};

struct yaml_document {
  struct yaml_node *root;       /* never NULL */
  unsigned line;                /* where it begins */

  /* More text follows a "..." that ended this document, without a "---"
   * in between.  That text belongs to no document and is not read up to
   * the next "---".
   */
  bool cut;
  unsigned cut_line;            /* of the "..." */
};

struct yaml_stream;

/* Read LEN bytes at TEXT (malloc'ed; taken, also on failure, and
 * overwritten before it is freed).  FILE is for messages and must live as
 * long as the stream.  Problems (of type Malformed, Critical) go to
 * PROBLEMS.  NULL only if memory is short, reported.
 */
extern struct yaml_stream *yaml_open (const char *file, char *text,
                                      size_t len,
                                      problem_vector *problems);

/* The next document, with its nodes in ARENA.  1, or 0 at the end, or -1
 * if memory is short, reported.  A document with a syntax error is
 * reported and left out; reading goes on at the next line "---".
 */
extern int yaml_next (struct yaml_stream *stream, struct yaml_arena *arena,
                      struct yaml_document *doc);

extern void yaml_close (struct yaml_stream *stream);

/* The value of KEY in a YAML_MAP, or NULL; NULL for any other node (NULL
 * included).
 */
extern struct yaml_node *yaml_get (const struct yaml_node *node,
                                   const char *key);

/* True if NODE has a value for KEY that is neither null nor "". */
extern bool yaml_given (const struct yaml_node *node, const char *key);

/* Type the plain scalar NODE->text (yaml_scalar.c). */
extern void yaml_resolve_plain (struct yaml_node *node);

/* True if TEXT begins like JSON, with { or [. */
extern bool yaml_is_json (const char *text, size_t len);

/* In TEXT, which is JSON, make each pair of \\uXXXX escapes that stands for one
 * character the \\U escape that YAML knows, in place.  Returns the new
 * length (yaml_scalar.c).
 */
extern size_t yaml_join_surrogates (char *text, size_t len);

/* Where and why libyaml stopped (yaml_error.c). */
struct yaml_parser_s;
struct yaml_explanation {
  unsigned line, column;        /* 1-based, in TEXT */
  char message[256];
  const char *suggestion;       /* or NULL */
  size_t offset;                /* bytes: where reading stopped */
};
extern void yaml_explain (const struct yaml_parser_s *parser,
                          const char *text, size_t len,
                          struct yaml_explanation *e);

#endif /* NBDLIFT_YAML_H */
