/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sprig's functions of numbers.  Their arguments are converted, whatever
 * they are: "7" is 7, true is 1, and what is no number is 0.
 */
#include <math.h>
#include <string.h>

#include "common/template/private.h"

/* As a conversion does on amd64. */
static int64_t
float_to_int (double f)
{
  return f >= -TWO_TO_63 && f < TWO_TO_63 ? (int64_t) f : INT64_MIN;
}

/* "1.0", "1." and so on are whole numbers. */
static struct text
trim_zero_decimal (struct text s)
{
  bool zero = false;
  size_t i;

  for (i = s.len; i > 0; --i) {
    if (s.ptr[i - 1] == '.') {
      if (zero)
        return (struct text) { s.ptr, i - 1 };
    }
    else if (s.ptr[i - 1] == '0')
      zero = true;
    else
      break;
  }
  return s;
}

static int64_t
to_int (const struct value *v)
{
  int64_t i = 0;

  switch (v->kind) {
  case VALUE_INT: case VALUE_INT64: case VALUE_UINT8:
    return v->i;
  case VALUE_FLOAT:
    return float_to_int (v->f);
  case VALUE_BOOL:
    return v->b;
  case VALUE_STRING:
    return number_parse_int (trim_zero_decimal (v->s), &i) ? i : 0;
  default:
    return 0;
  }
}

static double
to_float (const struct value *v)
{
  double f = 0;

  switch (v->kind) {
  case VALUE_FLOAT:
    return v->f;
  case VALUE_STRING:
    return number_parse_float (v->s, &f) ? f : 0;
  default:
    return to_int (v);
  }
}

static int
result (struct value *r, int64_t i)
{
  *r = value_int (VALUE_INT64, i);
  return 0;
}

/* Go's arithmetic wraps. */
static int
call_add (struct exec *x, const struct value *args, size_t nr,
          struct value *r)
{
  uint64_t sum = 0;
  size_t i;

  for (i = 0; i < nr; ++i)
    sum += to_int (&args[i]);
  return result (r, sum);
}

static int
call_add1 (struct exec *x, const struct value *args, size_t nr,
           struct value *r)
{
  return result (r, (uint64_t) to_int (&args[0]) + 1);
}

static int
call_sub (struct exec *x, const struct value *args, size_t nr,
          struct value *r)
{
  return result (r, (uint64_t) to_int (&args[0]) -
                 (uint64_t) to_int (&args[1]));
}

static int
call_mul (struct exec *x, const struct value *args, size_t nr,
          struct value *r)
{
  uint64_t product = to_int (&args[0]);
  size_t i;

  for (i = 1; i < nr; ++i)
    product *= (uint64_t) to_int (&args[i]);
  return result (r, product);
}

static int
divide (struct exec *x, const struct value *args, bool rest,
        struct value *r)
{
  const int64_t a = to_int (&args[0]), b = to_int (&args[1]);

  if (b == 0)
    return call_error (x, "runtime error: integer divide by zero");
  if (b == -1)                  /* INT64_MIN / -1 wraps */
    return result (r, rest ? 0 : 0 - (uint64_t) a);
  return result (r, rest ? a % b : a / b);
}

static int
call_div (struct exec *x, const struct value *args, size_t nr,
          struct value *r)
{
  return divide (x, args, false, r);
}

static int
call_mod (struct exec *x, const struct value *args, size_t nr,
          struct value *r)
{
  return divide (x, args, true, r);
}

static int
call_max (struct exec *x, const struct value *args, size_t nr,
          struct value *r)
{
  int64_t best = to_int (&args[0]);
  size_t i;

  for (i = 1; i < nr; ++i)
    if (to_int (&args[i]) > best)
      best = to_int (&args[i]);
  return result (r, best);
}

static int
call_min (struct exec *x, const struct value *args, size_t nr,
          struct value *r)
{
  int64_t best = to_int (&args[0]);
  size_t i;

  for (i = 1; i < nr; ++i)
    if (to_int (&args[i]) < best)
      best = to_int (&args[i]);
  return result (r, best);
}

static int
call_floor (struct exec *x, const struct value *args, size_t nr,
            struct value *r)
{
  *r = value_float (floor (to_float (&args[0])));
  return 0;
}

static int
call_ceil (struct exec *x, const struct value *args, size_t nr,
           struct value *r)
{
  *r = value_float (ceil (to_float (&args[0])));
  return 0;
}

static int
call_round (struct exec *x, const struct value *args, size_t nr,
            struct value *r)
{
  const double factor = pow (10, args[1].i);
  const double digits = factor * to_float (&args[0]);
  const double up_from = nr > 2 ? args[2].f : .5;
  double whole;

  *r = value_float ((modf (digits, &whole) >= up_from ? ceil (digits)
                     : floor (digits)) / factor);
  return 0;
}

const struct function functions_math[] = {
  { "add", "a", true, call_add },
  { "add1", "a", false, call_add1 },
  { "ceil", "a", false, call_ceil },
  { "div", "aa", false, call_div },
  { "floor", "a", false, call_floor },
  { "max", "aa", true, call_max },
  { "min", "aa", true, call_min },
  { "mod", "aa", false, call_mod },
  { "mul", "aa", true, call_mul },
  { "round", "aif", true, call_round },
  { "sub", "aa", false, call_sub },
  { NULL, NULL, false, NULL }
};
