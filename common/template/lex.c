/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A template as tokens.  The parser takes them in order, so an error here
 * is one token more, which the parser may or may not come to.
 */
#include <errno.h>
#include <string.h>

#include "common/util/log.h"
#include "common/template/private.h"

static const char spaces[] = " \t\r\n";

struct lexer {
  struct pool *pool;
  struct text in;
  token_vector *out;
  size_t pos, start;            /* now; where the token began */
  unsigned line, start_line;
  int parens;
};

/* What to lex next; END when there is nothing more. */
enum state { FAILED = -1, IN_TEXT, IN_ACTION, END };

static bool
is_space (int32_t c)
{
  return c > 0 && c < 0x80 && strchr (spaces, c);
}

static bool
is_alphanumeric (int32_t c)
{
  return c == '_' || (c != RUNE_EOF && rune_is_letter (c));
}

static int32_t
peek_width (const struct lexer *l, size_t *width)
{
  *width = 0;
  if (l->pos >= l->in.len)
    return RUNE_EOF;
  return utf8_decode (l->in.ptr + l->pos, l->in.len - l->pos, width);
}

static int32_t
peek (const struct lexer *l)
{
  size_t width;

  return peek_width (l, &width);
}

static int32_t
next (struct lexer *l)
{
  size_t width;
  const int32_t c = peek_width (l, &width);

  l->pos += width;
  if (c == '\n')
    l->line++;
  return c;
}

static bool
accept (struct lexer *l, const char *valid)
{
  const int32_t c = peek (l);

  if (c <= 0 || c >= 0x80 || !strchr (valid, c))
    return false;
  next (l);
  return true;
}

static bool
has_prefix (const struct lexer *l, size_t pos, const char *prefix)
{
  const size_t n = strlen (prefix);

  return pos <= l->in.len && l->in.len - pos >= n &&
    memcmp (l->in.ptr + pos, prefix, n) == 0;
}

/* The next PREFIX at or after pos; the end of the input if none. */
static size_t
find (const struct lexer *l, const char *prefix)
{
  const char *p = memmem (l->in.ptr + l->pos, l->in.len - l->pos, prefix,
                          strlen (prefix));

  return p ? (size_t) (p - l->in.ptr) : l->in.len;
}

static unsigned
newlines (const struct lexer *l)
{
  unsigned n = 0;
  size_t i;

  for (i = l->start; i < l->pos; ++i)
    n += l->in.ptr[i] == '\n';
  return n;
}

/* Drop what is between start and pos. */
static void
ignore (struct lexer *l)
{
  l->line += newlines (l);
  l->start = l->pos;
  l->start_line = l->line;
}

static enum state
emit_text (struct lexer *l, enum token_type type, struct text text,
           enum state then)
{
  const struct token t = { type, l->start, text, l->start_line };

  if (token_vector_append (l->out, t) == -1) {
    log_oom ();
    return FAILED;
  }
  l->start = l->pos;
  l->start_line = l->line;
  return then;
}

static enum state
emit (struct lexer *l, enum token_type type)
{
  const struct text text = { l->in.ptr + l->start, l->pos - l->start };

  return emit_text (l, type, text, IN_ACTION);
}

/* An error: a text, followed by B, which is freed. */
static enum state
fail_with (struct lexer *l, const char *text, struct strbuf *b)
{
  const size_t n = strlen (text), len = b ? b->len : 0;
  char *message = pool_alloc (l->pool, n + len + 1);

  if (message) {
    memcpy (message, text, n + 1);
    if (len)
      memcpy (message + n, b->ptr, len);
  }
  if (b)
    strbuf_free (b);
  return message ? emit_text (l, TOKEN_ERROR, TEXT (message), END) : FAILED;
}

static enum state
fail (struct lexer *l, const char *text)
{
  return fail_with (l, text, NULL);
}

/* An error about the character C. */
static enum state
fail_rune (struct lexer *l, const char *text, int32_t c)
{
  struct strbuf b = { 0 };

  if (quote_append_unicode (&b, c) == -1) {
    strbuf_free (&b);
    log_oom ();
    return FAILED;
  }
  return fail_with (l, text, &b);
}

static enum state
fail_number (struct lexer *l)
{
  const struct text text = { l->in.ptr + l->start, l->pos - l->start };
  struct strbuf b = { 0 };

  if (quote_append (&b, text, SIZE_MAX, false) == -1) {
    strbuf_free (&b);
    log_oom ();
    return FAILED;
  }
  return fail_with (l, "bad number syntax: ", &b);
}

/* "{{- " and " -}}" take the blanks beside them away. */
static bool
left_trim_marker (const struct lexer *l, size_t pos)
{
  return pos + 1 < l->in.len && l->in.ptr[pos] == '-' &&
    is_space (l->in.ptr[pos + 1]);
}

static bool
right_trim_marker (const struct lexer *l, size_t pos)
{
  return pos + 1 < l->in.len && is_space (l->in.ptr[pos]) &&
    l->in.ptr[pos + 1] == '-';
}

static bool
at_right_delim (const struct lexer *l, bool *trim)
{
  *trim = right_trim_marker (l, l->pos) && has_prefix (l, l->pos + 2, "}}");
  return *trim || has_prefix (l, l->pos, "}}");
}

static void
skip_spaces (struct lexer *l)
{
  while (l->pos < l->in.len && is_space (l->in.ptr[l->pos]))
    l->pos++;
}

/* The inside of "{{" comment "}}", from its slash on. */
static enum state
lex_comment (struct lexer *l)
{
  size_t end;
  bool trim;

  l->pos += 2;
  end = find (l, "*/");
  if (end == l->in.len)
    return fail (l, "unclosed comment");
  l->pos = end + 2;
  if (!at_right_delim (l, &trim))
    return fail (l, "comment ends before closing delimiter");
  l->pos += 2 + (trim ? 2 : 0);
  if (trim)
    skip_spaces (l);
  ignore (l);
  return IN_TEXT;
}

static enum state
lex_left_delim (struct lexer *l)
{
  size_t marker;

  l->pos += 2;
  marker = left_trim_marker (l, l->pos) ? 2 : 0;
  if (has_prefix (l, l->pos + marker, "/*")) {
    l->pos += marker;
    ignore (l);
    return lex_comment (l);
  }
  if (emit (l, TOKEN_LEFT_DELIM) == FAILED)
    return FAILED;
  l->pos += marker;
  ignore (l);
  l->parens = 0;
  return IN_ACTION;
}

static enum state
lex_text (struct lexer *l)
{
  size_t trim = 0;

  l->pos = find (l, "{{");
  if (l->pos < l->in.len && left_trim_marker (l, l->pos + 2))
    while (l->pos - trim > l->start &&
           is_space (l->in.ptr[l->pos - trim - 1]))
      trim++;
  l->pos -= trim;
  if (l->pos > l->start) {
    l->line += newlines (l);
    if (emit (l, TOKEN_TEXT) == FAILED)
      return FAILED;
  }
  l->pos += trim;
  if (l->pos == l->in.len)
    return emit (l, TOKEN_EOF) == FAILED ? FAILED : END;
  ignore (l);
  return lex_left_delim (l);
}

static enum state
lex_right_delim (struct lexer *l)
{
  const bool trim = right_trim_marker (l, l->pos);

  if (trim) {
    l->pos += 2;
    ignore (l);
  }
  l->pos += 2;
  if (emit (l, TOKEN_RIGHT_DELIM) == FAILED)
    return FAILED;
  if (trim) {
    skip_spaces (l);
    ignore (l);
  }
  return IN_TEXT;
}

/* A run of blanks, of which the last one may belong to " -}}". */
static enum state
lex_space (struct lexer *l)
{
  size_t n = 0;

  while (is_space (peek (l))) {
    next (l);
    n++;
  }
  if (right_trim_marker (l, l->pos - 1) &&
      has_prefix (l, l->pos + 1, "}}")) {
    l->pos--;
    if (l->in.ptr[l->pos] == '\n')
      l->line--;
    if (n == 1)
      return lex_right_delim (l);
  }
  return emit (l, TOKEN_SPACE);
}

/* What may follow an identifier, a field or a variable. */
static bool
at_terminator (const struct lexer *l)
{
  const int32_t c = peek (l);

  return c == RUNE_EOF || is_space (c) ||
    (c > 0 && c < 0x80 && strchr (".,|:()", c)) ||
    has_prefix (l, l->pos, "}}");
}

static enum state
lex_identifier (struct lexer *l)
{
  static const struct { const char *name; enum token_type type; } words[] = {
    { "block", TOKEN_BLOCK }, { "break", TOKEN_BREAK },
    { "continue", TOKEN_CONTINUE }, { "define", TOKEN_DEFINE },
    { "else", TOKEN_ELSE }, { "end", TOKEN_END }, { "if", TOKEN_IF },
    { "nil", TOKEN_NIL }, { "range", TOKEN_RANGE },
    { "template", TOKEN_TEMPLATE }, { "with", TOKEN_WITH },
    { "true", TOKEN_BOOL }, { "false", TOKEN_BOOL }, { NULL, TOKEN_EOF }
  };
  struct text word;
  size_t i;

  while (is_alphanumeric (peek (l)))
    next (l);
  if (!at_terminator (l))
    return fail_rune (l, "bad character ", peek (l));
  word = (struct text) { l->in.ptr + l->start, l->pos - l->start };
  for (i = 0; words[i].name; ++i)
    if (text_is (word, words[i].name))
      return emit (l, words[i].type);
  return emit (l, TOKEN_IDENTIFIER);
}

/* A field or a variable; its "." or "$" has been taken. */
static enum state
lex_field (struct lexer *l, enum token_type type)
{
  if (at_terminator (l))
    return emit (l, type == TOKEN_VARIABLE ? type : TOKEN_DOT);
  while (is_alphanumeric (peek (l)))
    next (l);
  if (!at_terminator (l))
    return fail_rune (l, "bad character ", peek (l));
  return emit (l, type);
}

/* A literal whose first QUOTE has been taken. */
static enum state
lex_quoted (struct lexer *l, char quote, enum token_type type,
            const char *unterminated)
{
  int32_t c;

  for (;;) {
    c = next (l);
    if (c == '\\' && quote != '`') {
      c = next (l);
      if (c != RUNE_EOF && c != '\n')
        continue;
    }
    if (c == RUNE_EOF || (c == '\n' && quote != '`'))
      return fail (l, unterminated);
    if (c == quote)
      return emit (l, type);
  }
}

static bool
scan_number (struct lexer *l)
{
  static const char decimal[] = "0123456789_";
  const char *digits = decimal, *exponent = "eE";

  accept (l, "+-");
  if (accept (l, "0")) {
    if (accept (l, "xX")) {
      digits = "0123456789abcdefABCDEF_";
      exponent = "pP";
    }
    else if (accept (l, "oO")) {
      digits = "01234567_";
      exponent = NULL;
    }
    else if (accept (l, "bB")) {
      digits = "01_";
      exponent = NULL;
    }
  }
  while (accept (l, digits))
    ;
  if (accept (l, "."))
    while (accept (l, digits))
      ;
  if (exponent && accept (l, exponent)) {
    accept (l, "+-");
    while (accept (l, decimal))
      ;
  }
  accept (l, "i");
  if (!is_alphanumeric (peek (l)))
    return true;
  next (l);
  return false;
}

static enum state
lex_number (struct lexer *l)
{
  int32_t c;

  if (!scan_number (l))
    return fail_number (l);
  c = peek (l);
  if (c != '+' && c != '-')
    return emit (l, TOKEN_NUMBER);
  if (!scan_number (l) || l->in.ptr[l->pos - 1] != 'i')
    return fail_number (l);
  return emit (l, TOKEN_COMPLEX);
}

static enum state
lex_action (struct lexer *l)
{
  int32_t c;
  bool trim;

  if (at_right_delim (l, &trim))
    return l->parens == 0 ? lex_right_delim (l) :
      fail (l, "unclosed left paren");
  c = peek (l);
  if (is_space (c))
    return lex_space (l);
  if (c == '+' || c == '-' || (c >= '0' && c <= '9'))
    return lex_number (l);
  if (c == '.' && l->pos + 1 < l->in.len && l->in.ptr[l->pos + 1] >= '0' &&
      l->in.ptr[l->pos + 1] <= '9')
    return lex_number (l);
  /* A point at the very end is taken for a number, which it is not. */
  if (c == '.' && l->pos + 1 == l->in.len)
    return lex_number (l);
  if (is_alphanumeric (c))
    return lex_identifier (l);

  next (l);
  switch (c) {
  case RUNE_EOF:
    return fail (l, "unclosed action");
  case '=':
    return emit (l, TOKEN_ASSIGN);
  case ':':
    if (next (l) != '=')
      return fail (l, "expected :=");
    return emit (l, TOKEN_DECLARE);
  case '|':
    return emit (l, TOKEN_PIPE);
  case '"':
    return lex_quoted (l, '"', TOKEN_STRING, "unterminated quoted string");
  case '`':
    return lex_quoted (l, '`', TOKEN_RAW_STRING,
                       "unterminated raw quoted string");
  case '\'':
    return lex_quoted (l, '\'', TOKEN_CHAR_CONSTANT,
                       "unterminated character constant");
  case '$':
    return lex_field (l, TOKEN_VARIABLE);
  case '.':
    return lex_field (l, TOKEN_FIELD);
  case '(':
    l->parens++;
    return emit (l, TOKEN_LEFT_PAREN);
  case ')':
    if (emit (l, TOKEN_RIGHT_PAREN) == FAILED)
      return FAILED;
    if (--l->parens < 0)
      return fail_rune (l, "unexpected right paren ", c);
    return IN_ACTION;
  }
  if (c < 0x80 && rune_is_print (c))
    return emit (l, TOKEN_CHAR);
  return fail_rune (l, "unrecognized character in action: ", c);
}

int
template_lex (struct pool *pool, struct text text, token_vector *tokens)
{
  struct lexer l = {
    .pool = pool, .in = text, .out = tokens, .line = 1, .start_line = 1,
  };
  enum state state = IN_TEXT;

  while (state == IN_TEXT || state == IN_ACTION)
    state = state == IN_TEXT ? lex_text (&l) : lex_action (&l);
  return state == FAILED ? -1 : 0;
}
