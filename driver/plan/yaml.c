/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The loader's documents, and how it goes on after an error.
 *
 * After a syntax error libyaml's parser is of no more use.  A line "---"
 * always begins a document, so a new parser is started on the next such
 * line, and one misprint does not hide the problems of the documents
 * behind it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/plan/yaml_stream.h"

/* Longer runs in one text can only be an attack. */
#define MAX_SYNTAX_ERRORS 100

static const char no_document_start[] =
  "did not find expected <document start>";

static int
append_path (struct strbuf *b, const struct yaml_frame *frame)
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

enum result
yaml_complain (struct yaml_stream *s, unsigned line, unsigned column,
               const struct yaml_frame *frame, const char *suggestion,
               const char *fmt, ...)
{
  struct plan_where where = { s->file, line, column };
  CLEANUP_STRBUF struct strbuf path = { 0 };
  CLEANUP_FREE char *message = NULL;
  va_list args;

  va_start (args, fmt);
  message = vformat_text (fmt, args);
  va_end (args);
  if (message == NULL)
    return NO_MEMORY;
  if (append_path (&path, frame) == -1) {
    log_oom ();
    return NO_MEMORY;
  }
  if (problem_add (s->problems, PROBLEM_CRITICAL, "Malformed", &where,
                   NULL, path.ptr, suggestion, "%s", message) == -1)
    return NO_MEMORY;
  return OK;
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

  r = yaml_complain (s, s->base_line + e.line, e.column, NULL, e.suggestion,
                     "%s", e.message);
  if (r != OK)
    return r;
  if (++s->nr_errors >= MAX_SYNTAX_ERRORS) {
    s->ended = true;
    return SYNTAX;
  }
  return restart (s, s->base + e.offset) == -1 ? NO_MEMORY : SYNTAX;
}

enum result
yaml_peek_event (struct yaml_stream *s)
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

void
yaml_drop_event (struct yaml_stream *s)
{
  yaml_event_delete (&s->event);
  s->have_event = false;
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
  yaml_drop_event (s);

  r = yaml_peek_event (s);
  if (r == OK)
    r = yaml_read_node (s, NULL, &doc->root);
  if (r == OK)
    r = yaml_peek_event (s);         /* the end of the document */
  if (r != OK)
    return r;
  explicit_end = !s->event.data.document_end.implicit;
  doc->cut_line = s->base_line + s->event.start_mark.line + 1;
  yaml_drop_event (s);
  return explicit_end ? check_cut (s, doc) : OK;
}

int
yaml_next (struct yaml_stream *s, struct yaml_arena *arena,
           struct yaml_document *doc)
{
  enum result r;

  s->arena = arena;
  while (!s->ended) {
    r = yaml_peek_event (s);
    if (r == OK) {
      switch (s->event.type) {
      case YAML_STREAM_END_EVENT:
        s->ended = true;
        break;
      case YAML_DOCUMENT_START_EVENT:
        r = read_document (s, doc);
        yaml_free_anchors (s);
        if (r == OK)
          return 1;
        break;
      default:
        yaml_drop_event (s);
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
