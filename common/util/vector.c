/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The part of the growing array that does not depend on its type, and
 * vectors of owned strings.  The capacity grows by half each time, so
 * that appending is amortised constant time.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/checked.h"
#include "common/util/vector.h"

int
generic_vector_grow (void **ptr, size_t len, size_t *cap, size_t size)
{
  uint64_t new_cap, bytes;
  void *p;

  if (!checked_add (len, len / 2 + 4, &new_cap) ||
      !checked_mul (new_cap, size, &bytes) || bytes > PTRDIFF_MAX) {
    errno = ENOMEM;
    return -1;
  }

  p = realloc (*ptr, bytes);
  if (p == NULL)
    return -1;
  *ptr = p;
  *cap = new_cap;
  return 0;
}

void
string_vector_free (string_vector *v)
{
  size_t i;

  for (i = 0; i < v->len; ++i)
    free (v->ptr[i]);
  string_vector_reset (v);
}

int
string_vector_append_dup (string_vector *v, const char *s)
{
  char *copy = strdup (s);

  if (copy == NULL)
    return -1;
  if (string_vector_append (v, copy) == -1) {
    free (copy);
    errno = ENOMEM;
    return -1;
  }
  return 0;
}

int
string_vector_append_format (string_vector *v, const char *fmt, ...)
{
  va_list args;
  char *text;
  int r;

  va_start (args, fmt);
  r = vasprintf (&text, fmt, args);
  va_end (args);
  if (r == -1) {
    errno = ENOMEM;
    return -1;
  }
  if (string_vector_append (v, text) == -1) {
    free (text);
    errno = ENOMEM;
    return -1;
  }
  return 0;
}

bool
string_vector_has (const string_vector *v, const char *s)
{
  size_t i;

  for (i = 0; i < v->len; ++i)
    if (strcmp (v->ptr[i], s) == 0)
      return true;
  return false;
}

static int
compare_strings (const void *a, const void *b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

void
string_vector_sort (string_vector *v)
{
  if (v->len > 0)
    qsort (v->ptr, v->len, sizeof *v->ptr, compare_strings);
}
