/* SPDX-License-Identifier: BSD-3-Clause
 *
 * libyaml's events to nodes.  Recursion is safe because the depth is
 * limited at each start event, which also keeps libyaml's scanner out of
 * its quadratic case (a long run of "[").  An alias costs nothing, it
 * shares the node; what it stands for is counted all the same, since those
 * who walk the tree will pay for it, as a merge does at once.
 */
#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "common/util/log.h"
#include "driver/plan/base64.h"
#include "driver/plan/yaml_stream.h"

struct anchor {
  const char *name;
  struct yaml_node *node;
};

DEFINE_VECTOR_TYPE (node_vector, struct yaml_node *);

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

void
yaml_free_anchors (struct yaml_stream *s)
{
  tdestroy (s->anchors, keep_anchor);
  s->anchors = NULL;
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

/* A node for s->event; or NULL, with what to return in *R. */
static struct yaml_node *
new_node (struct yaml_stream *s, const struct yaml_frame *frame,
          enum result *r)
{
  struct yaml_node *node;

  *r = OK;
  if (++s->nr_nodes > YAML_MAX_NODES) {
    *r = yaml_give_up (s, frame,
                       "more than 1,000,000 keys and values in one file");
    return NULL;
  }
  node = yaml_arena_alloc (s->arena, 1, sizeof *node);
  if (node == NULL) {
    *r = NO_MEMORY;
    return NULL;
  }
  node->line = s->base_line + s->event.start_mark.line + 1;
  node->column = s->event.start_mark.column + 1;
  node->weight = 1;
  return node;
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
         const struct yaml_frame *frame)
{
  node->type = YAML_BROKEN;
  return yaml_complain (s, node->line, node->column, frame,
                        "quote a value that begins with !",
                        "the tag at the beginning of this value is not known "
                        "or does not fit the value");
}

static enum result
decode_binary (struct yaml_stream *s, struct yaml_node *node,
               const struct yaml_frame *frame)
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
                const yaml_event_t *event, const struct yaml_frame *frame)
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
read_scalar (struct yaml_stream *s, const struct yaml_frame *frame,
             struct yaml_node **ret)
{
  struct yaml_node *node;
  yaml_event_t *event = &s->event;
  enum result r;

  if (event->data.scalar.length > YAML_MAX_SCALAR)
    return yaml_give_up (s, frame, "a value of more than 1 MiB");
  node = new_node (s, frame, &r);
  if (node == NULL)
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
  yaml_drop_event (s);
  *ret = node;
  return r;
}

static enum result
read_alias (struct yaml_stream *s, const struct yaml_frame *frame,
            struct yaml_node **ret)
{
  struct anchor key = { (const char *) s->event.data.alias.anchor, NULL };
  struct anchor **found = tfind (&key, &s->anchors, compare_anchors);
  enum result r;

  if (found && !(*found)->node->open) {
    s->nr_expanded += (*found)->node->weight;
    if (s->nr_expanded > 100 * s->nr_nodes + 10000)
      return yaml_give_up (s, frame,
                           "the aliases (*) stand for far more than is "
                           "written; this looks like an alias bomb");
    *ret = (*found)->node;
    yaml_drop_event (s);
    return OK;
  }

  /* The name itself is not shown: it may be a password that begins
   * with an asterisk.
   */
  *ret = new_node (s, frame, &r);
  if (*ret == NULL)
    return r;
  (*ret)->type = YAML_BROKEN;
  r = yaml_complain (s, (*ret)->line, (*ret)->column, frame,
                     "quote a value that begins with *",
                     found ? "this alias (*) stands inside what it names"
                     : "this alias (*) names an anchor (&) that does not "
                     "exist");
  yaml_drop_event (s);
  return r;
}

enum result
yaml_begin (struct yaml_stream *s, const struct yaml_frame *frame,
            const yaml_char_t *tag, const yaml_char_t *anchor,
            const char *want, enum yaml_type type,
            struct yaml_node **ret)
{
  const char *t = short_tag (tag);
  enum result r;

  if (frame && frame->depth >= YAML_MAX_DEPTH)
    return yaml_give_up (s, NULL,
                         "nested more than 64 levels deep");
  *ret = new_node (s, frame, &r);
  if (*ret == NULL)
    return r;
  (*ret)->type = type;
  (*ret)->open = true;
  r = remember_anchor (s, anchor, *ret);
  if (r == OK && (t == NULL || (*t != '\0' && strcmp (t, want) != 0)))
    r = bad_tag (s, *ret, frame);
  yaml_drop_event (s);
  return r;
}

static enum result
read_items (struct yaml_stream *s, const struct yaml_frame *frame,
            struct yaml_node *node, node_vector *items)
{
  struct yaml_frame here = {
    .up = frame, .depth = frame ? frame->depth + 1 : 1 };
  struct yaml_node *item;
  enum result r;

  for (;;) {
    r = yaml_peek_event (s);
    if (r != OK)
      return r;
    if (s->event.type == YAML_SEQUENCE_END_EVENT)
      break;
    here.index = items->len;
    r = yaml_read_node (s, &here, &item);
    if (r != OK)
      return r;
    node->weight += item->weight;
    if (node_vector_append (items, item) == -1) {
      log_oom ();
      return NO_MEMORY;
    }
  }
  yaml_drop_event (s);
  return OK;
}

static enum result
read_list (struct yaml_stream *s, const struct yaml_frame *frame,
           struct yaml_node **ret)
{
  node_vector items = EMPTY_VECTOR;
  struct yaml_node *node = NULL;
  enum result r;

  r = yaml_begin (s, frame, s->event.data.sequence_start.tag,
                  s->event.data.sequence_start.anchor, "seq",
                  YAML_LIST, &node);
  if (r == OK)
    r = read_items (s, frame, node, &items);
  if (r == OK && node->type == YAML_LIST) {
    node->nr = items.len;
    node->items = yaml_arena_alloc (s->arena, items.len + 1,
                                    sizeof (struct yaml_node *));
    if (node->items == NULL)
      r = NO_MEMORY;
    else if (items.len > 0)
      memcpy (node->items, items.ptr,
              items.len * sizeof (struct yaml_node *));
  }
  if (r == OK)
    node->open = false;
  node_vector_reset (&items);
  *ret = node;
  return r;
}

enum result
yaml_read_node (struct yaml_stream *s, const struct yaml_frame *frame,
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
    return yaml_read_map (s, frame, ret);
  default:
    abort ();                   /* libyaml's grammar has nothing else here */
  }
}
