/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Results on standard output: a table for people, JSON or YAML for
 * programs.
 */
#ifndef NBDLIFT_OUTPUT_H
#define NBDLIFT_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

enum output_format {
  OUTPUT_TABLE,
  OUTPUT_JSON,
  OUTPUT_YAML,
  OUTPUT_LIBVIRTXML,
};

/* "table", "json", "yaml" or "libvirtxml".  False if it is none. */
extern bool output_format_of_name (const char *name,
                                   enum output_format *format);

enum output_kind {
  COLUMN_TEXT,                  /* a string, a number or a boolean */
  COLUMN_SIZE,                  /* bytes, for people */
  COLUMN_COUNT,                 /* number of elements of an array */
};

struct output_column {
  const char *title;
  const char *key;              /* of each object; "a.b" goes down */
  enum output_kind kind;
};

/* Print an array of objects as a table: a line of titles, columns padded
 * to the widest cell, "-" for what is absent.  COLUMNS ends with a NULL
 * title.  0, or -1 reported.
 */
extern int output_table (const json_t *array,
                         const struct output_column *columns);

/* Print J as JSON or YAML. */
extern int output_document (const json_t *j, enum output_format format);

#endif /* NBDLIFT_OUTPUT_H */
