/* SPDX-License-Identifier: BSD-3-Clause
 *
 * fmt.Printf: a format and its arguments.  A wrong format is no error in
 * Go either: what is wrong is printed.
 */
#include <errno.h>
#include <string.h>

#include "common/template/print_private.h"

/* One argument of Printf. */
static int
format_arg (struct strbuf *b, struct spec f, int32_t verb,
            const struct value *v)
{
  if (verb == 'T')
    return print_padded (b, f, TEXT (v->kind == VALUE_NONE ? "<nil>"
                            : value_type_name (v)));
  if (v->kind == VALUE_NONE)
    return verb == 'v' ? print_padded (b, f, TEXT ("<nil>")) :
      print_bad_verb (b, f, verb, v);
  if (verb == 'p')
    return print_bad_verb (b, f, verb, v);
  return print_verb (b, f, verb, v);
}

/* The directive being read. */
struct format {
  struct text s;
  size_t i;
  const struct value *args;
  size_t nr, arg;
  bool good, reordered;         /* about "[n]" */
};

/* Digits at F.  False if there are none, or too many. */
static bool
read_number (struct format *f, int *n)
{
  const size_t start = f->i;
  int v = 0;

  for (; f->i < f->s.len && f->s.ptr[f->i] >= '0' && f->s.ptr[f->i] <= '9';
       f->i++) {
    if (v > 1000000)
      return false;
    v = v * 10 + (f->s.ptr[f->i] - '0');
  }
  *n = v;
  return f->i > start;
}

/* "[n]", which names the argument to take.  True if it was there. */
static bool
read_index (struct format *f)
{
  const char *end;
  size_t close;
  int n;

  if (f->i >= f->s.len || f->s.ptr[f->i] != '[')
    return false;
  f->reordered = true;
  end = memchr (f->s.ptr + f->i, ']', f->s.len - f->i);
  if (end == NULL) {
    f->good = false;
    f->i++;
    return false;
  }
  close = end - f->s.ptr;
  f->i++;
  if (read_number (f, &n) && f->i == close && n >= 1 && (size_t) n <= f->nr) {
    f->i = close + 1;
    f->arg = n - 1;
    return true;
  }
  /* Only a number that no argument has counts as found. */
  n = f->i == close && end[-1] != '[';
  f->good = false;
  f->i = close + 1;
  return n;
}

static void
read_flags (struct format *f, struct spec *spec)
{
  for (; f->i < f->s.len; f->i++)
    switch (f->s.ptr[f->i]) {
    case '#': spec->sharp = true; break;
    case '0': spec->zero = !spec->minus; break;
    case '+': spec->plus = true; break;
    case ' ': spec->space = true; break;
    case '-':
      spec->minus = true;
      spec->zero = false;
      break;
    default:
      return;
    }
}

/* The argument that "*" stands for.  False if it is no good number. */
static bool
read_star (struct format *f, int *n)
{
  const struct value *v;

  f->i++;
  if (f->arg >= f->nr)
    return false;
  v = &f->args[f->arg++];
  if ((v->kind != VALUE_INT && v->kind != VALUE_INT64 &&
       v->kind != VALUE_UINT8) || v->i > 1000000 || v->i < -1000000)
    return false;
  *n = v->i;
  return true;
}

static bool
at (const struct format *f, char c)
{
  return f->i < f->s.len && f->s.ptr[f->i] == c;
}

/* Flags, width and precision. */
static int
read_spec (struct format *f, struct strbuf *b, struct spec *spec)
{
  bool after_index;

  read_flags (f, spec);
  after_index = read_index (f);
  if (at (f, '*')) {
    spec->has_width = read_star (f, &spec->width);
    if (!spec->has_width && strbuf_append (b, "%!(BADWIDTH)") == -1)
      return -1;
    if (spec->has_width && spec->width < 0) {
      spec->width = -spec->width;
      spec->minus = true;
      spec->zero = false;
    }
    after_index = false;
  }
  else {
    spec->has_width = read_number (f, &spec->width);
    if (after_index && spec->has_width)
      f->good = false;
  }

  if (f->i + 1 <= f->s.len && at (f, '.')) {
    f->i++;
    if (after_index)
      f->good = false;
    after_index = read_index (f);
    if (at (f, '*')) {
      spec->has_precision = read_star (f, &spec->precision);
      if (spec->has_precision && spec->precision < 0) {
        spec->has_precision = false;
        spec->precision = 0;
      }
      if (!spec->has_precision && strbuf_append (b, "%!(BADPREC)") == -1)
        return -1;
      after_index = false;
    }
    else {
      spec->has_precision = true;
      if (!read_number (f, &spec->precision))
        spec->precision = 0;
    }
  }
  if (!after_index)
    read_index (f);
  return 0;
}

/* What follows a "%". */
static int
format_directive (struct format *f, struct strbuf *b)
{
  struct spec spec = { 0 };
  const char *fault = NULL;
  size_t width;
  int32_t verb;

  f->good = true;
  if (read_spec (f, b, &spec) == -1)
    return -1;
  if (f->i >= f->s.len)
    return strbuf_append (b, "%!(NOVERB)");
  verb = utf8_decode (f->s.ptr + f->i, f->s.len - f->i, &width);
  f->i += width;
  if (verb == '%')
    return strbuf_append_char (b, '%');
  if (!f->good)
    fault = "(BADINDEX)";
  else if (f->arg >= f->nr)
    fault = "(MISSING)";
  if (fault) {
    if (strbuf_append (b, "%!") == -1 || utf8_append (b, verb) == -1)
      return -1;
    return strbuf_append (b, fault);
  }
  /* Only %+d and the like mean a sign. */
  if (verb == 'v')
    spec.plus = false;
  return format_arg (b, spec, verb, &f->args[f->arg++]);
}

static int
append_extra (struct format *f, struct strbuf *b)
{
  const size_t first = f->arg;

  if (f->reordered || f->arg >= f->nr)
    return 0;
  if (strbuf_append (b, "%!(EXTRA ") == -1)
    return -1;
  for (; f->arg < f->nr; f->arg++) {
    const struct value *v = &f->args[f->arg];

    if (f->arg > first && strbuf_append (b, ", ") == -1)
      return -1;
    if (v->kind != VALUE_NONE &&
        strbuf_printf (b, "%s=", value_type_name (v)) == -1)
      return -1;
    if (print_value (b, v) == -1)
      return -1;
  }
  return strbuf_append_char (b, ')');
}

int
print_format (struct strbuf *b, struct text format,
              const struct value *args, size_t nr)
{
  struct format f = { .s = format, .args = args, .nr = nr };
  const char *p;
  size_t n;

  while (f.i < format.len) {
    p = memchr (format.ptr + f.i, '%', format.len - f.i);
    n = p ? (size_t) (p - format.ptr) - f.i : format.len - f.i;
    if (text_append (b, (struct text) { format.ptr + f.i, n }, 1) == -1)
      return -1;
    f.i += n;
    if (p == NULL)
      break;
    f.i++;
    if (format_directive (&f, b) == -1)
      return -1;
  }
  return append_extra (&f, b);
}
