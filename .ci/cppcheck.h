/* SPDX-License-Identifier: BSD-3-Clause
 *
 * For cppcheck, which does not read the headers of libraries: jansson's
 * loops, and those of sys/queue.h.
 */
#define json_array_foreach(array, i, v) \
  for (i = 0; (v = json_array_get (array, i)) != 0; i++)
#define json_object_foreach(object, k, v) \
  for (k = "", v = object; v != 0; v = json_object_get (object, k))
#define json_object_foreach_safe(object, n, k, v) \
  json_object_foreach (object, k, v)
#define LIST_FOREACH(v, head, field) \
  for (v = (head)->lh_first; v != 0; v = v->field.le_next)
#define TAILQ_FOREACH(v, head, field) \
  for (v = (head)->tqh_first; v != 0; v = v->field.tqe_next)
