/* SPDX-License-Identifier: BSD-3-Clause
 *
 * eq, ne, lt, le, gt, ge, and, or, not.
 */
#include <errno.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/template/private.h"

/* Values of one class can be compared. */
enum class { INVALID, CLASS_BOOL, CLASS_INT, CLASS_UINT, CLASS_FLOAT,
             CLASS_STRING };

static enum class
class_of (const struct value *v)
{
  switch (v->kind) {
  case VALUE_BOOL: return CLASS_BOOL;
  case VALUE_INT: case VALUE_INT64: return CLASS_INT;
  case VALUE_UINT8: return CLASS_UINT;
  case VALUE_FLOAT: return CLASS_FLOAT;
  case VALUE_STRING: return CLASS_STRING;
  default: return INVALID;
  }
}

static int
compare_text (struct text a, struct text b)
{
  const size_t n = a.len < b.len ? a.len : b.len;
  const int r = n > 0 ? memcmp (a.ptr, b.ptr, n) : 0;

  return r ? r : (a.len > b.len) - (a.len < b.len);
}

/* True if values of these classes are numbers that C compares rightly: a
 * uint8 fits into an int64.
 */
static bool
are_ints (enum class a, enum class b)
{
  return (a == CLASS_INT || a == CLASS_UINT) &&
    (b == CLASS_INT || b == CLASS_UINT);
}

/* The functions below return 1 for yes, 0 for no, and -1 on error. */

/* Two lists, maps or nothings. */
static int
equal_others (struct exec *x, const struct value *a, const struct value *b)
{
  CLEANUP_STRBUF struct strbuf text = { 0 };

  if (a->kind == VALUE_NONE || b->kind == VALUE_NONE)
    return a->kind == b->kind;
  if (a->kind == VALUE_DATA && b->kind == VALUE_DATA)
    return true;                /* there is only one */
  if (print_value (&text, a->kind == b->kind ? b : a) == -1)
    return exec_memory (x);
  if (a->kind != b->kind)
    return call_error (x, "non-comparable types %s: %s, %s", text.ptr,
                       value_type_name (a), value_type_name (b));
  return call_error (x, "non-comparable type %s: %s", text.ptr,
                     value_type_name (b));
}

static int
equal (struct exec *x, const struct value *a, const struct value *b)
{
  const enum class ca = class_of (a), cb = class_of (b);

  if (are_ints (ca, cb))
    return a->i == b->i;
  if (ca != cb) {
    if (a->kind != VALUE_NONE && b->kind != VALUE_NONE)
      return call_error (x, "incompatible types for comparison");
    return false;
  }
  switch (ca) {
  case CLASS_BOOL: return a->b == b->b;
  case CLASS_FLOAT: return a->f == b->f;
  case CLASS_STRING: return compare_text (a->s, b->s) == 0;
  default: return equal_others (x, a, b);
  }
}

static int
less (struct exec *x, const struct value *a, const struct value *b)
{
  const enum class ca = class_of (a), cb = class_of (b);

  if (ca == INVALID || cb == INVALID)
    return call_error (x, "invalid type for comparison");
  if (are_ints (ca, cb))
    return a->i < b->i;
  if (ca != cb)
    return call_error (x, "incompatible types for comparison");
  switch (ca) {
  case CLASS_FLOAT: return a->f < b->f;
  case CLASS_STRING: return compare_text (a->s, b->s) < 0;
  default: return call_error (x, "invalid type for comparison");
  }
}

static int
less_or_equal (struct exec *x, const struct value *a, const struct value *b)
{
  const int r = less (x, a, b);

  return r != 0 ? r : equal (x, a, b);
}

/* True into *R if ANSWER is what is WANTED. */
static int
give (int answer, bool wanted, struct value *r)
{
  if (answer == -1)
    return -1;
  *r = value_bool (answer == wanted);
  return 0;
}

static int
call_eq (struct exec *x, const struct value *args, size_t nr,
         struct value *r)
{
  int answer = 0;
  size_t i;

  if (nr < 2)
    return call_error (x, "missing argument for comparison");
  for (i = 1; answer == 0 && i < nr; ++i)
    answer = equal (x, &args[0], &args[i]);
  return give (answer, true, r);
}

static int
call_ne (struct exec *x, const struct value *args, size_t nr,
         struct value *r)
{
  return give (equal (x, &args[0], &args[1]), false, r);
}

static int
call_lt (struct exec *x, const struct value *args, size_t nr,
         struct value *r)
{
  return give (less (x, &args[0], &args[1]), true, r);
}

static int
call_le (struct exec *x, const struct value *args, size_t nr,
         struct value *r)
{
  return give (less_or_equal (x, &args[0], &args[1]), true, r);
}

static int
call_gt (struct exec *x, const struct value *args, size_t nr,
         struct value *r)
{
  return give (less_or_equal (x, &args[0], &args[1]), false, r);
}

static int
call_ge (struct exec *x, const struct value *args, size_t nr,
         struct value *r)
{
  return give (less (x, &args[0], &args[1]), false, r);
}

static int
call_not (struct exec *x, const struct value *args, size_t nr,
          struct value *r)
{
  *r = value_bool (!value_truth (&args[0]));
  return 0;
}

const struct function functions_compare[] = {
  { "and", "vv", true, NULL },  /* call.c has these two */
  { "or", "vv", true, NULL },
  { "eq", "vv", true, call_eq },
  { "ge", "vv", false, call_ge },
  { "gt", "vv", false, call_gt },
  { "le", "vv", false, call_le },
  { "lt", "vv", false, call_lt },
  { "ne", "vv", false, call_ne },
  { "not", "v", false, call_not },
  { NULL, NULL, false, NULL }
};
