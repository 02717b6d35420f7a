/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The loader: libyaml's events to a tree.  Recursion is safe because the
 * depth is limited at each start event, which also keeps libyaml's scanner
 * out of its quadratic case (a long run of "[").  An alias costs nothing,
 * it shares the node; what it stands for is counted all the same, since
 * those who walk the tree will pay for it, as a merge does at once.
 *
 * After a syntax error libyaml's parser is of no more use.  A line "---"
 * always begins a document, so a new parser is started on the next such
 * line, and one misprint does not hide the problems of the documents
 * behind it.
 */
#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/plan/base64.h"
#include "driver/plan/yaml.h"

/* Longer runs in one text can only be an attack. */
#define MAX_SYNTAX_ERRORS 100

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

struct anchor {
  const char *name;
  struct yaml_node *node;
};

/* The way from the root to the node being read, for messages. */
struct frame {
  const struct frame *up;
  const char *key;              /* in a map; NULL in a list */
  size_t index;                 /* in a list */
  unsigned depth;
};

DEFINE_VECTOR_TYPE (node_vector, struct yaml_node *);
DEFINE_VECTOR_TYPE (pair_vector, struct yaml_pair);

/* What a function that reads a node returns. */
enum result { OK, SYNTAX, NO_MEMORY, AGAIN };

static const char no_document_start[] =
  "did not find expected <document start>";

static int
append_path (struct strbuf *b, const struct frame *frame)
{
  if (frame == NULL)
    return 0;
  if (append_path (b, frame->up) == -1)
    return -1;
  if (frame->key == NULL)
    return strbuf_printf (b, "[%zu]", frame->index);
  if (b->len > 0 && strbuf_append_char (b, '.') == -1)
    return -1;
  return strbuf_append_printable (b, frame->key, 64);
}

static enum result __attribute__ ((format (printf, 6, 7)))
complain (struct yaml_stream *s, unsigned line, unsigned column,
          const struct frame *frame, const char *suggestion,
          const char *fmt, ...)
{
  struct plan_where where = { s->file, line, column };
  CLEANUP_STRBUF struct strbuf path = { 0 };
  CLEANUP_FREE char *message = NULL;
  va_list args;
  int r;

  va_start (args, fmt);
  r = vasprintf (&message, fmt, args);
  va_end (args);
  if (r == -1 || append_path (&path, frame) == -1) {
    log_oom ();
    return NO_MEMORY;
  }
  if (problem_add (s->problems, PROBLEM_CRITICAL, "Malformed", &where,
                   NULL, path.ptr, suggestion, "%s", message) == -1)
    return NO_MEMORY;
  return OK;
}

/* A limit was passed: report, and read no further. */
static enum result
give_up (struct yaml_stream *s, const yaml_event_t *event,
         const struct frame *frame, const char *what)
{
  enum result r;

  s->ended = true;
  r = complain (s, s->base_line + event->start_mark.line + 1,
                event->start_mark.column + 1, frame, NULL, "%s", what);
  return r == OK ? SYNTAX : r;
}

static void
stop_parser (struct yaml_stream *s)
{
  if (s->have_event)
    yaml_event_delete (&s->event);
  s->have_event = false;
  if (s->parser_ready)
    yaml_parser_delete (&s->parser);
  s->parser_ready = false;
}

static int
start_parser (struct yaml_stream *s)
{
  stop_parser (s);
  if (!yaml_parser_initialize (&s->parser)) {
    errno = ENOMEM;
    log_oom ();
    return -1;
  }
  s->parser_ready = true;
  yaml_parser_set_encoding (&s->parser, YAML_UTF8_ENCODING);
  yaml_parser_set_input_string (&s->parser,
                                (unsigned char *) s->text + s->base,
                                s->len - s->base);
  return 0;
}

static bool
document_begins_at (const struct yaml_stream *s, size_t offset)
{
  return s->len - offset >= 3 &&
    (offset == 0 || s->text[offset - 1] == '\n') &&
    memcmp (s->text + offset, "---", 3) == 0 &&
    (s->len - offset == 3 || strchr (" \t\r\n", s->text[offset + 3]));
}

/* Go on at OFFSET, which lies behind base. */
static int
restart_at (struct yaml_stream *s, size_t offset)
{
  for (; s->base < offset; s->base++)
    if (s->text[s->base] == '\n')
      s->base_line++;
  return start_parser (s);
}

/* Go on at the first line "---" at or after OFFSET.  0, or -1 if memory
 * is short; ends the stream if there is none.
 */
static int
restart (struct yaml_stream *s, size_t offset)
{
  size_t i;

  for (i = offset; i < s->len; ++i)
    if (i > s->base && document_begins_at (s, i))
      return restart_at (s, i);
  stop_parser (s);
  s->ended = true;
  return 0;
}

/* Report what libyaml says, and go on behind it. */
static enum result
syntax_error (struct yaml_stream *s)
{
  struct yaml_explanation e;
  enum result r;

  if (s->parser.error == YAML_MEMORY_ERROR) {
    errno = ENOMEM;
    log_oom ();
    return NO_MEMORY;
  }
  yaml_explain (&s->parser, s->text + s->base, s->len - s->base, &e);

  /* JSON objects may follow each other without a separator. */
  if (s->json && s->base + e.offset < s->len && e.offset > 0 &&
      s->text[s->base + e.offset] == '{' &&
      strcmp (s->parser.problem, no_document_start) == 0)
    return restart_at (s, s->base + e.offset) == -1 ? NO_MEMORY : AGAIN;

  r = complain (s, s->base_line + e.line, e.column, NULL, e.suggestion,
                "%s", e.message);
  if (r != OK)
    return r;
  if (++s->nr_errors >= MAX_SYNTAX_ERRORS) {
    s->ended = true;
    return SYNTAX;
  }
  return restart (s, s->base + e.offset) == -1 ? NO_MEMORY : SYNTAX;
}

/* Make the next event available in s->event. */
static enum result
peek_event (struct yaml_stream *s)
{
  enum result r = OK;

  if (s->have_event)
    return OK;
  while (!yaml_parser_parse (&s->parser, &s->event)) {
    r = syntax_error (s);
    if (r != AGAIN)
      return r;
  }
  s->have_event = true;
  return OK;
}

static void
drop_event (struct yaml_stream *s)
{
  yaml_event_delete (&s->event);
  s->have_event = false;
}

static int
compare_anchors (const void *a, const void *b)
{
  return strcmp (((const struct anchor *) a)->name,
                 ((const struct anchor *) b)->name);
}

static void
keep_anchor (void *anchor)
{
  /* the arena owns it */
}

static enum result
remember_anchor (struct yaml_stream *s, const yaml_char_t *name,
                 struct yaml_node *node)
{
  const char *text = (const char *) name;
  struct anchor *anchor, **found;

  if (name == NULL)
    return OK;
  anchor = yaml_arena_alloc (s->arena, 1, sizeof *anchor);
  if (anchor == NULL)
    return NO_MEMORY;
  anchor->name = yaml_arena_copy (s->arena, text, strlen (text));
  if (anchor->name == NULL)
    return NO_MEMORY;
  anchor->node = node;
  found = tsearch (anchor, &s->anchors, compare_anchors);
  if (found == NULL) {
    log_oom ();
    return NO_MEMORY;
  }
  (*found)->node = node;        /* the last one of that name counts */
  return OK;
}

static enum result
new_node (struct yaml_stream *s, const struct frame *frame,
          struct yaml_node **ret)
{
  struct yaml_node *node;

  if (++s->nr_nodes > YAML_MAX_NODES)
    return give_up (s, &s->event, frame,
                    "more than 1,000,000 keys and values in one file");
  node = yaml_arena_alloc (s->arena, 1, sizeof *node);
  if (node == NULL)
    return NO_MEMORY;
  node->line = s->base_line + s->event.start_mark.line + 1;
  node->column = s->event.start_mark.column + 1;
  node->weight = 1;
  *ret = node;
  return OK;
}

static const char yaml_tag_prefix[] = "tag:yaml.org,2002:";

/* The part of a standard tag behind the prefix, "" for none, or NULL for
 * one of another kind.
 */
static const char *
short_tag (const yaml_char_t *tag)
{
  const char *t = (const char *) tag;
  const size_t n = sizeof yaml_tag_prefix - 1;

  if (t == NULL)
    return "";
  if (strcmp (t, "!") == 0)
    return "str";
  return strncmp (t, yaml_tag_prefix, n) == 0 ? t + n : NULL;
}

static enum result
bad_tag (struct yaml_stream *s, struct yaml_node *node,
         const struct frame *frame)
{
  node->type = YAML_BROKEN;
  return complain (s, node->line, node->column, frame,
                   "quote a value that begins with !",
                   "the tag at the beginning of this value is not known "
                   "or does not fit the value");
}

static enum result
decode_binary (struct yaml_stream *s, struct yaml_node *node,
               const struct frame *frame)
{
  char *data;
  size_t len;
  int r;

  r = base64_decode (node->text, node->len, &data, &len);
  if (r == -1)
    return errno == ENOMEM ? NO_MEMORY : bad_tag (s, node, frame);
  node->text = yaml_arena_copy (s->arena, data, len);
  node->len = len;
  node->type = YAML_STRING;
  explicit_bzero (data, len);
  free (data);
  return node->text ? OK : NO_MEMORY;
}

static enum result
resolve_scalar (struct yaml_stream *s, struct yaml_node *node,
                const yaml_event_t *event, const struct frame *frame)
{
  const char *tag = short_tag (event->data.scalar.tag);
  enum yaml_type want;

  if (tag == NULL)
    return bad_tag (s, node, frame);
  node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
  if (*tag == '\0') {
    if (node->quoted)
      node->type = YAML_STRING;
    else
      yaml_resolve_plain (node);
    return OK;
  }
  if (strcmp (tag, "str") == 0) {
    node->type = YAML_STRING;
    node->quoted = true;
    return OK;
  }
  if (strcmp (tag, "binary") == 0)
    return decode_binary (s, node, frame);

  if (strcmp (tag, "null") == 0)
    want = YAML_NULL;
  else if (strcmp (tag, "bool") == 0)
    want = YAML_BOOL;
  else if (strcmp (tag, "int") == 0)
    want = YAML_INT;
  else if (strcmp (tag, "float") == 0)
    want = YAML_FLOAT;
  else
    return bad_tag (s, node, frame);
  yaml_resolve_plain (node);
  if (want == YAML_FLOAT && node->type == YAML_INT) {
    node->type = YAML_FLOAT;
    node->real = (double) node->integer;
  }
  return node->type == want ? OK : bad_tag (s, node, frame);
}

static enum result
read_scalar (struct yaml_stream *s, const struct frame *frame,
             struct yaml_node **ret)
{
  struct yaml_node *node;
  yaml_event_t *event = &s->event;
  enum result r;

  if (event->data.scalar.length > YAML_MAX_SCALAR)
    return give_up (s, event, frame, "a value of more than 1 MiB");
  r = new_node (s, frame, &node);
  if (r != OK)
    return r;
  node->len = event->data.scalar.length;
  node->text = yaml_arena_copy (s->arena,
                                (const char *) event->data.scalar.value,
                                node->len);
  if (node->text == NULL)
    return NO_MEMORY;
  r = resolve_scalar (s, node, event, frame);
  if (r == OK)
    r = remember_anchor (s, event->data.scalar.anchor, node);
  explicit_bzero (event->data.scalar.value, event->data.scalar.length);
  drop_event (s);
  *ret = node;
  return r;
}

static enum result
read_alias (struct yaml_stream *s, const struct frame *frame,
            struct yaml_node **ret)
{
  struct anchor key = { (const char *) s->event.data.alias.anchor, NULL };
  struct anchor **found = tfind (&key, &s->anchors, compare_anchors);
  enum result r;

  if (found && !(*found)->node->open) {
    s->nr_expanded += (*found)->node->weight;
    if (s->nr_expanded > 100 * s->nr_nodes + 10000)
      return give_up (s, &s->event, frame,
                      "the aliases (*) stand for far more than is written; "
                      "this looks like an alias bomb");
    *ret = (*found)->node;
    drop_event (s);
    return OK;
  }

  /* The name itself is not shown: it may be a password that begins
   * with an asterisk.
   */
  r = new_node (s, frame, ret);
  if (r != OK)
    return r;
  (*ret)->type = YAML_BROKEN;
  r = complain (s, (*ret)->line, (*ret)->column, frame,
                "quote a value that begins with *",
                found ? "this alias (*) stands inside what it names"
                : "this alias (*) names an anchor (&) that does not exist");
  drop_event (s);
  return r;
}

static enum result read_node (struct yaml_stream *s,
                              const struct frame *frame,
                              struct yaml_node **ret);

/* Common to lists and maps: check the tag, register the anchor.  The
 * event is used up.
 */
static enum result
begin_collection (struct yaml_stream *s, const struct frame *frame,
                  const yaml_char_t *tag, const yaml_char_t *anchor,
                  const char *want, enum yaml_type type,
                  struct yaml_node **ret)
{
  const char *t = short_tag (tag);
  enum result r;

  if (frame && frame->depth >= YAML_MAX_DEPTH)
    return give_up (s, &s->event, NULL,
                    "nested more than 64 levels deep");
  r = new_node (s, frame, ret);
  if (r != OK)
    return r;
  (*ret)->type = type;
  (*ret)->open = true;
  r = remember_anchor (s, anchor, *ret);
  if (r == OK && (t == NULL || (*t != '\0' && strcmp (t, want) != 0)))
    r = bad_tag (s, *ret, frame);
  drop_event (s);
  return r;
}

static enum result
read_items (struct yaml_stream *s, const struct frame *frame,
            struct yaml_node *node, node_vector *items)
{
  struct frame here = { .up = frame, .depth = frame ? frame->depth + 1 : 1 };
  struct yaml_node *item;
  enum result r;

  for (;;) {
    r = peek_event (s);
    if (r != OK)
      return r;
    if (s->event.type == YAML_SEQUENCE_END_EVENT)
      break;
    here.index = items->len;
    r = read_node (s, &here, &item);
    if (r != OK)
      return r;
    node->weight += item->weight;
    if (node_vector_append (items, item) == -1) {
      log_oom ();
      return NO_MEMORY;
    }
  }
  drop_event (s);
  return OK;
}

static enum result
read_list (struct yaml_stream *s, const struct frame *frame,
           struct yaml_node **ret)
{
  node_vector items = EMPTY_VECTOR;
  struct yaml_node *node = NULL;
  enum result r;

  r = begin_collection (s, frame, s->event.data.sequence_start.tag,
                        s->event.data.sequence_start.anchor, "seq",
                        YAML_LIST, &node);
  if (r == OK)
    r = read_items (s, frame, node, &items);
  if (r == OK && node->type == YAML_LIST) {
    node->nr = items.len;
    node->items = yaml_arena_alloc (s->arena, items.len + 1,
                                    sizeof *node->items);
    if (node->items == NULL)
      r = NO_MEMORY;
    else if (items.len > 0)
      memcpy (node->items, items.ptr, items.len * sizeof *node->items);
  }
  if (r == OK)
    node->open = false;
  node_vector_reset (&items);
  *ret = node;
  return r;
}

/* The key as JSON would have it, or NULL after a report. */
static enum result
key_text (struct yaml_stream *s, const struct frame *frame,
          const struct yaml_node *key, const char **ret)
{
  char number[32];

  *ret = NULL;
  switch (key->type) {
  case YAML_STRING:
    if (memchr (key->text, '\0', key->len))
      break;
    *ret = key->text;
    return OK;
  case YAML_BOOL:
    *ret = key->boolean ? "true" : "false";
    return OK;
  case YAML_INT:
    snprintf (number, sizeof number, "%lld", (long long) key->integer);
    *ret = yaml_arena_copy (s->arena, number, strlen (number));
    return *ret ? OK : NO_MEMORY;
  case YAML_FLOAT:
    *ret = key->text;
    return OK;
  case YAML_BROKEN:
    return OK;
  case YAML_NULL:
  case YAML_LIST:
  case YAML_MAP:
    break;
  }
  return complain (s, key->line, key->column, frame,
                   "quote the key, and quote a value that begins with { or [",
                   "a key must be text");
}

static bool
is_merge_key (const struct yaml_node *key)
{
  return key->type == YAML_STRING && !key->quoted &&
    strcmp (key->text, "<<") == 0;
}

/* Append the pairs of a merge key's value: a map, or a list of maps. */
static enum result
add_merged (struct yaml_stream *s, const struct frame *frame,
            const struct yaml_node *value, bool in_list,
            pair_vector *pairs)
{
  enum result r = OK;
  size_t i;

  if (value->type == YAML_MAP) {
    for (i = 0; i < value->nr; ++i)
      if (pair_vector_append (pairs, value->pairs[i]) == -1) {
        log_oom ();
        return NO_MEMORY;
      }
    return OK;
  }
  if (value->type == YAML_LIST && !in_list) {
    for (i = 0; r == OK && i < value->nr; ++i)
      r = add_merged (s, frame, value->items[i], true, pairs);
    return r;
  }
  if (value->type == YAML_BROKEN)
    return OK;
  return complain (s, value->line, value->column, frame, NULL,
                   "a merge key (<<) needs a map or a list of maps");
}

/* For sorting pairs by key and then by order of appearance. */
struct ranked {
  const struct yaml_pair *pair;
  bool drop;
};

static int
compare_ranked (const void *a, const void *b)
{
  const struct ranked *x = a, *y = b;
  int r = strcmp (x->pair->key, y->pair->key);

  if (r != 0)
    return r;
  return x->pair < y->pair ? -1 : x->pair > y->pair;
}

static int
compare_places (const void *a, const void *b)
{
  const struct ranked *x = a, *y = b;

  return x->pair < y->pair ? -1 : x->pair > y->pair;
}

/* Give NODE the first pair of each key.  The first NR_OWN pairs are
 * written in the map itself, where a second one of the same key is an
 * error; the others come from merge keys, and give way.
 */
static enum result
settle_pairs (struct yaml_stream *s, const struct frame *frame,
              struct yaml_node *node, const pair_vector *pairs,
              size_t nr_own)
{
  CLEANUP_FREE struct ranked *ranked = NULL;
  const struct yaml_pair *first, *again;
  enum result r;
  size_t i;

  node->pairs = yaml_arena_alloc (s->arena, pairs->len + 1,
                                  sizeof *node->pairs);
  ranked = calloc (pairs->len + 1, sizeof *ranked);
  if (node->pairs == NULL || ranked == NULL) {
    if (node->pairs)
      log_oom ();
    return NO_MEMORY;
  }
  for (i = 0; i < pairs->len; ++i)
    ranked[i].pair = &pairs->ptr[i];
  qsort (ranked, pairs->len, sizeof *ranked, compare_ranked);

  first = pairs->len > 0 ? ranked[0].pair : NULL;
  for (i = 1; i < pairs->len; ++i) {
    again = ranked[i].pair;
    if (strcmp (again->key, first->key) != 0) {
      first = again;
      continue;
    }
    ranked[i].drop = true;
    if (again < pairs->ptr + nr_own) {
      r = complain (s, again->line, again->column, frame,
                    "remove one of the two",
                    "the key '%s' stands twice in this map, first in "
                    "line %u", printable (again->key), first->line);
      if (r != OK)
        return r;
    }
  }

  qsort (ranked, pairs->len, sizeof *ranked, compare_places);
  for (i = 0; i < pairs->len; ++i)
    if (!ranked[i].drop)
      node->pairs[node->nr++] = *ranked[i].pair;
  return OK;
}

static enum result
read_pairs (struct yaml_stream *s, const struct frame *frame,
            struct yaml_node *node, pair_vector *own, pair_vector *merged)
{
  struct frame here = { .up = frame, .depth = frame ? frame->depth + 1 : 1 };
  struct yaml_pair pair;
  struct yaml_node *key;
  enum result r;

  for (;;) {
    r = peek_event (s);
    if (r != OK)
      return r;
    if (s->event.type == YAML_MAPPING_END_EVENT)
      break;

    here.key = "(key)";
    r = read_node (s, &here, &key);
    if (r != OK)
      return r;
    r = key_text (s, frame, key, &pair.key);
    if (r != OK)
      return r;
    pair.line = key->line;
    pair.column = key->column;

    here.key = pair.key ? pair.key : "(key)";
    r = peek_event (s);
    if (r == OK)
      r = read_node (s, &here, &pair.value);
    if (r != OK)
      return r;
    node->weight += 1 + pair.value->weight;

    if (is_merge_key (key)) {
      r = add_merged (s, &here, pair.value, false, merged);
      if (r != OK)
        return r;
    }
    else if (pair.key && pair_vector_append (own, pair) == -1) {
      log_oom ();
      return NO_MEMORY;
    }
  }
  drop_event (s);
  return OK;
}

static enum result
read_map (struct yaml_stream *s, const struct frame *frame,
          struct yaml_node **ret)
{
  pair_vector own = EMPTY_VECTOR, merged = EMPTY_VECTOR;
  struct yaml_node *node = NULL;
  enum result r;
  size_t i, nr_own;

  r = begin_collection (s, frame, s->event.data.mapping_start.tag,
                        s->event.data.mapping_start.anchor, "map",
                        YAML_MAP, &node);
  if (r == OK)
    r = read_pairs (s, frame, node, &own, &merged);
  nr_own = own.len;
  for (i = 0; r == OK && i < merged.len; ++i)
    if (pair_vector_append (&own, merged.ptr[i]) == -1) {
      log_oom ();
      r = NO_MEMORY;
    }
  if (r == OK && node->type == YAML_MAP)
    r = settle_pairs (s, frame, node, &own, nr_own);
  if (r == OK)
    node->open = false;
  pair_vector_reset (&own);
  pair_vector_reset (&merged);
  *ret = node;
  return r;
}

/* Read the node that begins with s->event. */
static enum result
read_node (struct yaml_stream *s, const struct frame *frame,
           struct yaml_node **ret)
{
  switch (s->event.type) {
  case YAML_SCALAR_EVENT:
    return read_scalar (s, frame, ret);
  case YAML_ALIAS_EVENT:
    return read_alias (s, frame, ret);
  case YAML_SEQUENCE_START_EVENT:
    return read_list (s, frame, ret);
  case YAML_MAPPING_START_EVENT:
    return read_map (s, frame, ret);
  default:                      /* libyaml's grammar has nothing else here */
    return give_up (s, &s->event, frame, "unexpected end of a value");
  }
}

/* After "..." only "---", a directive, comments or the end may come.
 * libyaml sees that only when it is asked for the next event.
 */
static enum result
check_cut (struct yaml_stream *s, struct yaml_document *doc)
{
  struct yaml_explanation e;

  if (yaml_parser_parse (&s->parser, &s->event)) {
    s->have_event = true;
    return OK;
  }
  if (s->parser.error != YAML_PARSER_ERROR ||
      strcmp (s->parser.problem, no_document_start) != 0)
    return syntax_error (s) == NO_MEMORY ? NO_MEMORY : OK;

  doc->cut = true;
  yaml_explain (&s->parser, s->text + s->base, s->len - s->base, &e);
  return restart (s, s->base + e.offset) == -1 ? NO_MEMORY : OK;
}

static enum result
read_document (struct yaml_stream *s, struct yaml_document *doc)
{
  enum result r;
  bool explicit_end;

  doc->line = s->base_line + s->event.start_mark.line + 1;
  doc->cut = false;
  drop_event (s);

  r = peek_event (s);
  if (r == OK)
    r = read_node (s, NULL, &doc->root);
  if (r == OK)
    r = peek_event (s);         /* the end of the document */
  if (r != OK)
    return r;
  explicit_end = !s->event.data.document_end.implicit;
  doc->cut_line = s->base_line + s->event.start_mark.line + 1;
  drop_event (s);
  return explicit_end ? check_cut (s, doc) : OK;
}

int
yaml_next (struct yaml_stream *s, struct yaml_arena *arena,
           struct yaml_document *doc)
{
  enum result r;

  s->arena = arena;
  while (!s->ended) {
    r = peek_event (s);
    if (r == OK) {
      switch (s->event.type) {
      case YAML_STREAM_END_EVENT:
        s->ended = true;
        break;
      case YAML_DOCUMENT_START_EVENT:
        r = read_document (s, doc);
        tdestroy (s->anchors, keep_anchor);
        s->anchors = NULL;
        if (r == OK)
          return 1;
        break;
      default:
        drop_event (s);
      }
    }
    if (r == NO_MEMORY)
      return -1;
  }
  return 0;
}

struct yaml_stream *
yaml_open (const char *file, char *text, size_t len,
           problem_vector *problems)
{
  struct yaml_stream *s = calloc (1, sizeof *s);
  struct plan_where where = { file, 1, 1 };
  const char *refused = NULL, *remedy = NULL;

  if (s == NULL) {
    log_oom ();
    explicit_bzero (text, len);
    free (text);
    return NULL;
  }
  s->file = file;
  s->text = text;
  s->len = len;
  s->problems = problems;

  if (len >= 3 && memcmp (text, "\xef\xbb\xbf", 3) == 0) {
    s->len -= 3;
    memmove (text, text + 3, s->len);
  }
  s->json = yaml_is_json (text, s->len);
  if (s->json)
    s->len = yaml_join_surrogates (text, s->len);

  if (len > YAML_MAX_TEXT) {
    refused = "more than 16 MiB of text";
    remedy = "split the file";
  }
  else if (len >= 2 && (memcmp (text, "\xff\xfe", 2) == 0 ||
                        memcmp (text, "\xfe\xff", 2) == 0)) {
    refused = "the file is UTF-16";
    remedy = "save it as UTF-8";
  }
  if (refused) {
    s->ended = true;
    if (problem_add (problems, PROBLEM_CRITICAL, "Malformed", &where, NULL,
                     NULL, remedy, "%s", refused) == -1) {
      yaml_close (s);
      return NULL;
    }
    return s;
  }

  if (start_parser (s) == -1) {
    yaml_close (s);
    return NULL;
  }
  return s;
}

void
yaml_close (struct yaml_stream *s)
{
  if (s == NULL)
    return;
  stop_parser (s);
  explicit_bzero (s->text, s->len);
  free (s->text);
  free (s);
}

struct yaml_node *
yaml_get (const struct yaml_node *node, const char *key)
{
  size_t i;

  if (node == NULL || node->type != YAML_MAP)
    return NULL;
  for (i = 0; i < node->nr; ++i)
    if (strcmp (node->pairs[i].key, key) == 0)
      return node->pairs[i].value;
  return NULL;
}

bool
yaml_given (const struct yaml_node *node, const char *key)
{
  const struct yaml_node *value = yaml_get (node, key);

  return value && value->type != YAML_NULL &&
    !(value->type == YAML_STRING && value->len == 0);
}
