/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A growing array of any type.
 *
 * DEFINE_VECTOR_TYPE (strings, char *) makes the type `strings' with
 * the members ptr, len and cap, and the functions strings_append,
 * strings_insert, strings_remove and strings_reset.  An empty vector is
 * EMPTY_VECTOR (all zero).  reset frees the array, never what its
 * elements point to.
 *
 * append and insert return 0, or -1 with errno ENOMEM (nothing is
 * reported, the vector is unchanged).  Not thread safe.
 */
#ifndef NBDLIFT_VECTOR_H
#define NBDLIFT_VECTOR_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define EMPTY_VECTOR { NULL, 0, 0 }

/* Make room for one more element of SIZE bytes.  Used by the macro. */
extern int generic_vector_grow (void **ptr, size_t len, size_t *cap,
                                size_t size);

#define DEFINE_VECTOR_TYPE(name, type)                                  \
  typedef struct {                                                      \
    type *ptr;                                                          \
    size_t len, cap;                                                    \
  } name;                                                               \
                                                                        \
  static inline int __attribute__ ((unused))                            \
  name##_insert (name *v, type elem, size_t i)                          \
  {                                                                     \
    if (v->len == v->cap &&                                             \
        generic_vector_grow ((void **) &v->ptr, v->len, &v->cap,        \
                             sizeof (type)) == -1)                      \
      return -1;                                                        \
    memmove (&v->ptr[i + 1], &v->ptr[i], (v->len - i) * sizeof (type)); \
    v->ptr[i] = elem;                                                   \
    v->len++;                                                           \
    return 0;                                                           \
  }                                                                     \
                                                                        \
  static inline int __attribute__ ((unused))                            \
  name##_append (name *v, type elem)                                    \
  {                                                                     \
    return name##_insert (v, elem, v->len);                             \
  }                                                                     \
                                                                        \
  static inline void __attribute__ ((unused))                           \
  name##_remove (name *v, size_t i)                                     \
  {                                                                     \
    memmove (&v->ptr[i], &v->ptr[i + 1],                                \
             (v->len - i - 1) * sizeof (type));                         \
    v->len--;                                                           \
  }                                                                     \
                                                                        \
  static inline void __attribute__ ((unused))                           \
  name##_reset (name *v)                                                \
  {                                                                     \
    free (v->ptr);                                                      \
    v->ptr = NULL;                                                      \
    v->len = v->cap = 0;                                                \
  }                                                                     \
  struct nbdlift_need_semicolon_##name

DEFINE_VECTOR_TYPE (string_vector, char *);

/* Free every string of V and then V itself. */
extern void string_vector_free (string_vector *v);

/* Append a copy of S.  0, or -1 with errno ENOMEM. */
extern int string_vector_append_dup (string_vector *v, const char *s);

/* Append the result of asprintf.  0, or -1 with errno ENOMEM. */
extern int string_vector_append_format (string_vector *v,
                                        const char *fmt, ...)
  __attribute__ ((format (printf, 2, 3)));

/* Is S in V? */
extern bool string_vector_has (const string_vector *v, const char *s);

/* Sort V by the bytes of its strings. */
extern void string_vector_sort (string_vector *v);

#define CLEANUP_STRING_VECTOR                                           \
  __attribute__ ((cleanup (string_vector_free)))

#endif /* NBDLIFT_VECTOR_H */
