/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The functions that every Go template has, but those that compare.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/template/private.h"

/* The type of what V points to. */
static const char *
element_type (const struct value *v)
{
  const char *name = value_type_name (v);

  return name + (name[0] == '*');
}

static size_t
length_of (const struct value *v)
{
  return v->kind == VALUE_STRING ? v->s.len : v->to - v->from;
}

/* V as an index of something with N elements. */
static int
to_index (struct exec *x, const struct value *v, size_t n, size_t *r)
{
  switch (v->kind) {
  case VALUE_INT: case VALUE_INT64: case VALUE_UINT8:
    break;
  case VALUE_NONE:
    return call_error (x, "cannot index slice/array with nil");
  default:
    return call_error (x, "cannot index slice/array with type %s",
                       value_type_name (v));
  }
  if (v->i < 0 || (uint64_t) v->i > n)
    return call_error (x, "index out of range: %" PRIi64, v->i);
  *r = v->i;
  return 0;
}

static int
index_one (struct exec *x, const struct value *item, const struct value *v,
           struct value *r)
{
  size_t i = 0;

  switch (item->kind) {
  case VALUE_NONE: case VALUE_NULL:
    return call_error (x, "index of nil pointer");
  case VALUE_STRING: case VALUE_LIST:
    if (to_index (x, v, length_of (item), &i) == -1)
      return -1;
    if (i == length_of (item))
      return call_error (x, "reflect: %s index out of range",
                         item->kind == VALUE_STRING ? "string" : "slice");
    *r = item->kind == VALUE_STRING ?
      value_int (VALUE_UINT8, (unsigned char) item->s.ptr[i]) :
      value_of_json (json_array_get (item->json, item->from + i));
    return 0;
  case VALUE_MAP:
    if (v->kind == VALUE_NONE)
      return call_error (x, "value is nil; should be of type string");
    if (v->kind != VALUE_STRING)
      return call_error (x, "value has type %s; should be string",
                         value_type_name (v));
    *r = value_of_json (json_object_getn (item->json, v->s.ptr, v->s.len));
    return 0;
  default:
    return call_error (x, "can't index item of type %s",
                       element_type (item));
  }
}

static int
call_index (struct exec *x, const struct value *args, size_t nr,
            struct value *r)
{
  struct value v = args[0];
  size_t i;

  if (v.kind == VALUE_NONE)
    return call_error (x, "index of untyped nil");
  for (i = 1; i < nr; ++i)
    if (index_one (x, &v, &args[i], &v) == -1)
      return -1;
  *r = v;
  return 0;
}

static int
call_slice (struct exec *x, const struct value *args, size_t nr,
            struct value *r)
{
  struct value v = args[0];
  size_t cap, i, at[3];

  if (v.kind == VALUE_NONE)
    return call_error (x, "slice of untyped nil");
  if (nr > 4)
    return call_error (x, "too many slice indexes: %zu", nr - 1);
  if (v.kind != VALUE_STRING && v.kind != VALUE_LIST)
    return call_error (x, "can't slice item of type %s",
                       value_type_name (&v));
  if (v.kind == VALUE_STRING && nr == 4)
    return call_error (x, "cannot 3-index slice a string");

  cap = v.kind == VALUE_STRING ? v.s.len :
    json_array_size (v.json) - v.from;
  at[0] = 0;
  at[1] = at[2] = length_of (&v);
  for (i = 1; i < nr; ++i)
    if (to_index (x, &args[i], cap, &at[i - 1]) == -1)
      return -1;
  for (i = 0; i < (nr == 4 ? 2 : 1); ++i)
    if (at[i] > at[i + 1])
      return call_error (x, "invalid slice index: %zu > %zu", at[i],
                         at[i + 1]);
  if (v.kind == VALUE_STRING)
    v.s = (struct text) { v.s.ptr + at[0], at[1] - at[0] };
  else {
    v.to = v.from + at[1];
    v.from += at[0];
  }
  *r = v;
  return 0;
}

static int
call_len (struct exec *x, const struct value *args, size_t nr,
          struct value *r)
{
  const struct value *v = &args[0];

  switch (v->kind) {
  case VALUE_STRING: case VALUE_LIST:
    *r = value_int (VALUE_INT, length_of (v));
    return 0;
  case VALUE_MAP:
    *r = value_int (VALUE_INT, json_object_size (v->json));
    return 0;
  case VALUE_NONE:
    return call_error (x, "reflect: call of reflect.Value.Type on zero "
                       "Value");
  default:
    return call_error (x, "len of type %s", element_type (v));
  }
}

static int
call_print (struct exec *x, const struct value *args, size_t nr,
            struct value *r)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };

  return print_values (&b, args, nr, false) == -1 ? exec_memory (x) :
    exec_string (x, &b, r);
}

static int
call_println (struct exec *x, const struct value *args, size_t nr,
              struct value *r)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };

  return print_values (&b, args, nr, true) == -1 ? exec_memory (x) :
    exec_string (x, &b, r);
}

static int
call_printf (struct exec *x, const struct value *args, size_t nr,
             struct value *r)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };

  return print_format (&b, args[0].s, args + 1, nr - 1) == -1 ?
    exec_memory (x) : exec_string (x, &b, r);
}

static int
escape_html (struct strbuf *b, int32_t c)
{
  switch (c) {
  case '\0': return utf8_append (b, RUNE_ERROR);
  case '"': return strbuf_append (b, "&#34;");
  case '\'': return strbuf_append (b, "&#39;");
  case '&': return strbuf_append (b, "&amp;");
  case '<': return strbuf_append (b, "&lt;");
  case '>': return strbuf_append (b, "&gt;");
  default: return utf8_append (b, c);
  }
}

static int
escape_js (struct strbuf *b, int32_t c)
{
  switch (c) {
  case '\\': return strbuf_append (b, "\\\\");
  case '\'': return strbuf_append (b, "\\'");
  case '"': return strbuf_append (b, "\\\"");
  case '<': case '>': case '&': case '=':
    return strbuf_printf (b, "\\u%04X", (unsigned) c);
  default:
    return c >= ' ' && (c < 0x80 || rune_is_print (c)) ?
      utf8_append (b, c) : strbuf_printf (b, "\\u%04X", (unsigned) c);
  }
}

static int
escape_query (struct strbuf *b, int32_t c)
{
  CLEANUP_STRBUF struct strbuf bytes = { 0 };
  size_t i;

  if (c == ' ')
    return strbuf_append_char (b, '+');
  if (c < 0x80 && (rune_is_letter (c) || strchr ("-_.~", c)) && c)
    return strbuf_append_char (b, c);
  if (utf8_append (&bytes, c) == -1)
    return -1;
  for (i = 0; i < bytes.len; ++i)
    if (strbuf_printf (b, "%%%02X", (unsigned char) bytes.ptr[i]) == -1)
      return -1;
  return 0;
}

/* Escape the arguments as they print. */
static int
escape (struct exec *x, const struct value *args, size_t nr,
        int (*one) (struct strbuf *b, int32_t c), struct value *r)
{
  CLEANUP_STRBUF struct strbuf in = { 0 }, out = { 0 };
  struct value v[8];
  size_t i, width;

  if (nr > sizeof v / sizeof v[0])
    return call_error (x, "too many arguments");
  for (i = 0; i < nr; ++i)
    v[i] = args[i].kind == VALUE_NONE ? value_string (TEXT ("<no value>"))
      : args[i];
  if (print_values (&in, v, nr, false) == -1)
    return exec_memory (x);
  for (i = 0; i < in.len; i += width)
    if (one (&out, utf8_decode (in.ptr + i, in.len - i, &width)) == -1)
      return exec_memory (x);
  return exec_string (x, &out, r);
}

static int
call_html (struct exec *x, const struct value *args, size_t nr,
           struct value *r)
{
  return escape (x, args, nr, escape_html, r);
}

static int
call_js (struct exec *x, const struct value *args, size_t nr,
         struct value *r)
{
  return escape (x, args, nr, escape_js, r);
}

static int
call_urlquery (struct exec *x, const struct value *args, size_t nr,
               struct value *r)
{
  return escape (x, args, nr, escape_query, r);
}

const struct function functions_builtin[] = {
  { "html", "a", true, call_html },
  { "index", "vv", true, call_index },
  { "js", "a", true, call_js },
  { "len", "v", false, call_len },
  { "print", "a", true, call_print },
  { "printf", "sa", true, call_printf },
  { "println", "a", true, call_println },
  { "slice", "vv", true, call_slice },
  { "urlquery", "a", true, call_urlquery },
  { NULL, NULL, false, NULL }
};
