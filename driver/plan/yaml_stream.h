/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Private to the loader: yaml.c (documents), yaml_node.c (scalars,
 * aliases, lists) and yaml_map.c.
 */
#ifndef NBDLIFT_YAML_STREAM_H
#define NBDLIFT_YAML_STREAM_H

#include <yaml.h>

#include "driver/plan/yaml.h"

struct yaml_stream {
  const char *file;
  char *text;
  size_t len;
  problem_vector *problems;
  unsigned nr_errors;
  bool ended;                   /* a limit was passed: no more documents */

  yaml_parser_t parser;
  bool parser_ready;
  bool json;                    /* begins with { or [ */
  size_t base;                  /* where the parser's text begins */
  unsigned base_line;           /* lines before it */

  yaml_event_t event;           /* the next one, not used up yet */
  bool have_event;

  /* Of the text so far, and of the document. */
  uint64_t nr_nodes, nr_expanded;
  struct yaml_arena *arena;
  void *anchors;                /* tsearch tree of struct anchor */
};

/* The way from the root to the node being read, for messages. */
struct yaml_frame {
  const struct yaml_frame *up;
  const char *key;              /* in a map; NULL in a list */
  size_t index;                 /* in a list */
  unsigned depth;
};

/* What a function that reads a node returns. */
enum result { OK, SYNTAX, NO_MEMORY, AGAIN };

/* Report a problem at FRAME (NULL: no path).  OK or NO_MEMORY. */
extern enum result yaml_complain (struct yaml_stream *s, unsigned line,
                                  unsigned column,
                                  const struct yaml_frame *frame,
                                  const char *suggestion,
                                  const char *fmt, ...)
  __attribute__ ((format (printf, 6, 7)));

/* A limit was passed at s->event: report, and read no further.  Never
 * OK.
 */
static inline enum result
yaml_give_up (struct yaml_stream *s, const struct yaml_frame *frame,
              const char *what)
{
  s->ended = true;
  if (yaml_complain (s, s->base_line + s->event.start_mark.line + 1,
                     s->event.start_mark.column + 1, frame, NULL, "%s",
                     what) == NO_MEMORY)
    return NO_MEMORY;
  return SYNTAX;
}

/* Make the next event available in s->event. */
extern enum result yaml_peek_event (struct yaml_stream *s);
/* It is used up. */
extern void yaml_drop_event (struct yaml_stream *s);

/* Read the node that begins with s->event. */
extern enum result yaml_read_node (struct yaml_stream *s,
                                   const struct yaml_frame *frame,
                                   struct yaml_node **ret);

/* What a list or map begins with: check its tag, which is "seq" or "map"
 * (WANT), register its anchor, use up the event.
 */
extern enum result yaml_begin (struct yaml_stream *s,
                               const struct yaml_frame *frame,
                               const yaml_char_t *tag,
                               const yaml_char_t *anchor, const char *want,
                               enum yaml_type type, struct yaml_node **ret);

extern enum result yaml_read_map (struct yaml_stream *s,
                                  const struct yaml_frame *frame,
                                  struct yaml_node **ret);

/* Forget the anchors of a document. */
extern void yaml_free_anchors (struct yaml_stream *s);

#endif /* NBDLIFT_YAML_STREAM_H */
