/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The list of what is wrong with a plan.  Only so many problems are kept:
 * a file of a million misspelt fields should not cost a gigabyte.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/json/json.h"
#include "common/util/log.h"
#include "driver/plan/plan.h"

#define MAX_PROBLEMS 1000

static void
free_problem (struct problem *p)
{
  free (p->type);
  free ((char *) p->where.file);
  free (p->object);
  free (p->path);
  free (p->message);
  free (p->suggestion);
}

/* Copy S, which may be NULL, to *RET. */
static bool
copy (const char *s, char **ret)
{
  *ret = s ? strdup (s) : NULL;
  return s == NULL || *ret != NULL;
}

/* The last entry speaks for all that are not kept. */
static int
add_overflow (problem_vector *problems, enum problem_category category)
{
  struct problem p = { .category = category };

  if (problems->len > MAX_PROBLEMS) {
    if (category < problems->ptr[MAX_PROBLEMS].category)
      problems->ptr[MAX_PROBLEMS].category = category;
    return 0;
  }
  if (!copy ("TooManyProblems", &p.type) ||
      !copy ("there are more problems, which are not shown", &p.message) ||
      problem_vector_append (problems, p) == -1) {
    free_problem (&p);
    log_oom ();
    return -1;
  }
  return 0;
}

int
problem_add (problem_vector *problems, enum problem_category category,
             const char *type, const struct plan_where *where,
             const char *object, const char *path, const char *suggestion,
             const char *fmt, ...)
{
  struct problem p = { .category = category };
  char *file = NULL;
  va_list args;
  bool ok;

  if (problems->len >= MAX_PROBLEMS)
    return add_overflow (problems, category);

  va_start (args, fmt);
  if (vasprintf (&p.message, fmt, args) == -1)
    p.message = NULL;
  va_end (args);
  ok = p.message && copy (type, &p.type) && copy (object, &p.object) &&
    copy (path, &p.path) && copy (suggestion, &p.suggestion) &&
    copy (where ? where->file : NULL, &file);
  p.where.file = file;
  if (where) {
    p.where.line = where->line;
    p.where.column = where->column;
  }
  if (!ok || problem_vector_append (problems, p) == -1) {
    free_problem (&p);
    log_oom ();
    return -1;
  }
  return 0;
}

void
problem_vector_free (problem_vector *problems)
{
  size_t i;

  for (i = 0; i < problems->len; ++i)
    free_problem (&problems->ptr[i]);
  problem_vector_reset (problems);
}

static bool
comes_before (const struct problem *a, const struct problem *b)
{
  if (a->where.line != b->where.line)
    return a->where.line < b->where.line;
  return a->where.column < b->where.column;
}

void
problem_sort (problem_vector *problems, size_t from)
{
  const size_t end = MIN (problems->len, (size_t) MAX_PROBLEMS);
  struct problem p;
  size_t i, j;

  for (i = from + 1; i < end; ++i) {
    p = problems->ptr[i];
    for (j = i; j > from && comes_before (&p, &problems->ptr[j - 1]); --j)
      problems->ptr[j] = problems->ptr[j - 1];
    problems->ptr[j] = p;
  }
}

bool
problem_any_critical (const problem_vector *problems)
{
  size_t i;

  for (i = 0; i < problems->len; ++i)
    if (problems->ptr[i].category == PROBLEM_CRITICAL)
      return true;
  return false;
}

const char *
problem_category_name (enum problem_category category)
{
  switch (category) {
  case PROBLEM_CRITICAL: return "Critical";
  case PROBLEM_WARN: return "Warn";
  case PROBLEM_ADVISORY: return "Advisory";
  }
  abort ();
}

/* As compilers call them. */
static const char *
severity (enum problem_category category)
{
  switch (category) {
  case PROBLEM_CRITICAL: return "error";
  case PROBLEM_WARN: return "warning";
  case PROBLEM_ADVISORY: return "note";
  }
  abort ();
}

void
problem_print (FILE *fp, const problem_vector *problems)
{
  const struct problem *p;
  size_t i;

  for (i = 0; i < problems->len; ++i) {
    p = &problems->ptr[i];
    if (p->where.file) {
      fprintf (fp, "%s:", p->where.file);
      if (p->where.line > 0)
        fprintf (fp, "%u:", p->where.line);
      if (p->where.line > 0 && p->where.column > 0)
        fprintf (fp, "%u:", p->where.column);
      fputc (' ', fp);
    }
    fprintf (fp, "%s: ", severity (p->category));
    if (p->object)
      fprintf (fp, "%s: ", p->object);
    if (p->path)
      fprintf (fp, "%s: ", p->path);
    fputs (p->message, fp);
    if (p->suggestion)
      fprintf (fp, " (%s)", p->suggestion);
    fputc ('\n', fp);
  }
}

static json_t *
one_problem_to_json (const struct problem *p)
{
  json_t *j = json_object ();

  if (j == NULL) {
    log_oom ();
    return NULL;
  }
  if (json_set_string (j, "category",
                       problem_category_name (p->category)) == -1 ||
      json_set_string (j, "type", p->type) == -1 ||
      json_set_string (j, "file", p->where.file) == -1 ||
      (p->where.line > 0 &&
       json_set_u64 (j, "line", p->where.line) == -1) ||
      (p->where.column > 0 &&
       json_set_u64 (j, "column", p->where.column) == -1) ||
      json_set_string (j, "object", p->object) == -1 ||
      json_set_string (j, "path", p->path) == -1 ||
      json_set_string (j, "message", p->message) == -1 ||
      json_set_string (j, "suggestion", p->suggestion) == -1) {
    json_decref (j);
    return NULL;
  }
  return j;
}

json_t *
problem_to_json (const problem_vector *problems)
{
  CLEANUP_JSON json_t *list = json_array ();
  json_t *j, *ret;
  size_t i;

  if (list == NULL) {
    log_oom ();
    return NULL;
  }
  for (i = 0; i < problems->len; ++i) {
    j = one_problem_to_json (&problems->ptr[i]);
    if (j == NULL)
      return NULL;
    if (json_array_append_new (list, j) == -1) {
      log_oom ();
      return NULL;
    }
  }
  ret = list;
  list = NULL;
  return ret;
}
