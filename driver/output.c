/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Printing results.  Every cell of a table is text from outside and goes
 * through printable.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/json/json.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "common/util/vector.h"
#include "driver/output.h"

bool
output_format_of_name (const char *name, enum output_format *format)
{
  static const struct {
    const char *name;
    enum output_format format;
  } formats[] = {
    { "table", OUTPUT_TABLE },
    { "json", OUTPUT_JSON },
    { "yaml", OUTPUT_YAML },
    { "libvirtxml", OUTPUT_LIBVIRTXML },
  };
  size_t i;

  for (i = 0; i < sizeof formats / sizeof formats[0]; i++)
    if (strcmp (name, formats[i].name) == 0) {
      *format = formats[i].format;
      return true;
    }
  return false;
}

/* The value at the end of a path "a.b.c", or NULL. */
static const json_t *
value_at (const json_t *object, const char *path)
{
  while (object) {
    const size_t n = strcspn (path, ".");
    char key[64];

    if (n >= sizeof key)
      return NULL;
    memcpy (key, path, n);
    key[n] = '\0';
    object = json_object_get (object, key);
    if (path[n] == '\0')
      return object;
    path += n + 1;
  }
  return NULL;
}

/* Append the text of one cell to CELLS. */
static int
append_cell (string_vector *cells, const json_t *object,
             const struct output_column *column)
{
  const json_t *v = value_at (object, column->key);

  if (v && column->kind == COLUMN_COUNT)
    return string_vector_append_format (cells, "%zu", json_array_size (v));
  if (json_is_integer (v) && column->kind == COLUMN_SIZE)
    return string_vector_append_dup (cells,
                                     human_size (json_integer_value (v)));
  if (json_is_integer (v))
    return string_vector_append_format (cells, "%" JSON_INTEGER_FORMAT,
                                        json_integer_value (v));
  if (json_is_boolean (v))
    return string_vector_append_dup (cells, json_is_true (v) ? "yes" : "no");
  if (json_is_string (v) && json_string_length (v) > 0)
    return string_vector_append_dup (cells,
                                     printable (json_string_value (v)));
  return string_vector_append_dup (cells, "-");
}

/* Characters, not bytes; printable has made sure of valid UTF-8. */
static size_t
text_width (const char *s)
{
  size_t n = 0;

  for (; *s; s++)
    if ((*s & 0xc0) != 0x80)
      n++;
  return n;
}

static void
print_row (char *const *cells, const size_t *widths, size_t nr_columns)
{
  size_t i, pad;

  for (i = 0; i < nr_columns; i++) {
    fputs (cells[i], stdout);
    if (i + 1 == nr_columns)
      break;
    for (pad = text_width (cells[i]); pad < widths[i] + 2; pad++)
      putchar (' ');
  }
  putchar ('\n');
}

int
output_table (const json_t *array, const struct output_column *columns)
{
  CLEANUP_STRING_VECTOR string_vector cells = EMPTY_VECTOR;
  CLEANUP_FREE size_t *widths = NULL;
  size_t nr_columns = 0, i, j;
  const json_t *object;

  for (i = 0; columns[i].title; i++) {
    if (string_vector_append_dup (&cells, columns[i].title) == -1)
      goto oom;
    nr_columns++;
  }
  json_array_foreach (array, i, object)
    for (j = 0; j < nr_columns; j++)
      if (append_cell (&cells, object, &columns[j]) == -1)
        goto oom;

  widths = calloc (nr_columns + 1, sizeof *widths);
  if (widths == NULL)
    goto oom;
  for (i = 0; i < cells.len; i++)
    if (text_width (cells.ptr[i]) > widths[i % nr_columns])
      widths[i % nr_columns] = text_width (cells.ptr[i]);
  for (i = 0; i < cells.len; i += nr_columns)
    print_row (cells.ptr + i, widths, nr_columns);
  return 0;

 oom:
  log_oom ();
  return -1;
}

int
output_document (const json_t *j, enum output_format format)
{
  if (format == OUTPUT_YAML)
    return json_write_yaml (j, stdout);
  if (json_dumpf (j, stdout, JSON_INDENT (2)) == -1) {
    log_error ("cannot write to standard output: %m");
    return -1;
  }
  putchar ('\n');
  return 0;
}
