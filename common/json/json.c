/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What we add to jansson.  Files are read whole, with a limit, so that a
 * wrong path such as a disk image does not fill the memory.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/json/json.h"
#include "common/util/atomic_file.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"

#define JSON_FILE_MAX (64 * MIB)

int
json_set (json_t *obj, const char *key, json_t *value)
{
  /* Releases VALUE itself when it fails, and fails for a NULL. */
  if (json_object_set_new (obj, key, value) == -1) {
    log_oom ();
    return -1;
  }
  return 0;
}

/* NULL if out of memory. */
static json_t *
string_value (const char *s)
{
  CLEANUP_STRBUF struct strbuf clean = { 0 };
  json_t *value = json_string (s);

  /* Not UTF-8, which JSON cannot hold: show the bytes. */
  if (value == NULL && strbuf_append_printable (&clean, s, SIZE_MAX) == 0)
    value = json_string (clean.ptr);
  return value;
}

int
json_set_string (json_t *obj, const char *key, const char *s)
{
  return s ? json_set (obj, key, string_value (s)) : 0;
}

int
json_set_strings (json_t *obj, const char *key, const string_vector *v)
{
  json_t *list = json_array ();
  size_t i;

  if (json_set (obj, key, list) == -1)
    return -1;
  for (i = 0; i < v->len; i++)
    if (json_array_append_new (list, string_value (v->ptr[i])) == -1) {
      log_oom ();
      return -1;
    }
  return 0;
}

json_t *
json_add (json_t *obj, const char *key, json_t *value)
{
  return json_set (obj, key, value) == -1 ? NULL : value;
}

json_t *
json_append_object (json_t *array)
{
  json_t *obj = json_object ();

  /* Fails for a NULL. */
  if (json_array_append_new (array, obj) == -1) {
    log_oom ();
    return NULL;
  }
  return obj;
}

int
json_set_u64 (json_t *obj, const char *key, uint64_t v)
{
  if (v > INT64_MAX) {
    log_error ("%s: the number %llu is too large for JSON", key,
               (unsigned long long) v);
    errno = ERANGE;
    return -1;
  }
  return json_set (obj, key, json_integer (v));
}

int
json_set_bool (json_t *obj, const char *key, int v)
{
  return json_set (obj, key, json_boolean (v));
}

const char *
json_get_string (const json_t *obj, const char *key, const char *fallback)
{
  const json_t *v = json_object_get (obj, key);

  return json_is_string (v) ? json_string_value (v) : fallback;
}

uint64_t
json_get_u64 (const json_t *obj, const char *key, uint64_t fallback)
{
  const json_t *v = json_object_get (obj, key);

  if (!json_is_integer (v) || json_integer_value (v) < 0)
    return fallback;
  return json_integer_value (v);
}

int
json_get_bool (const json_t *obj, const char *key, int fallback)
{
  const json_t *v = json_object_get (obj, key);

  return json_is_boolean (v) ? json_is_true (v) : fallback;
}

int
json_get_strings (const json_t *obj, const char *key, string_vector *v)
{
  const json_t *list = json_object_get (obj, key);
  const char *text;
  size_t i;

  for (i = 0; i < json_array_size (list); i++) {
    text = json_string_value (json_array_get (list, i));
    if (text && string_vector_append_dup (v, text) == -1) {
      log_oom ();
      return -1;
    }
  }
  return 0;
}

/* The whole of FP.  -1 with errno, not reported; EFBIG if too large. */
static int
read_stream (FILE *fp, struct strbuf *b)
{
  char buf[65536];
  size_t n;

  while ((n = fread (buf, 1, sizeof buf, fp)) > 0) {
    if (b->len + n > JSON_FILE_MAX) {
      errno = EFBIG;
      return -1;
    }
    if (strbuf_append_bytes (b, buf, n) == -1)
      return -1;
  }
  return ferror (fp) ? -1 : 0;
}

json_t *
json_read_file (const char *path, int required)
{
  CLEANUP_FCLOSE FILE *fp = fopen (path, "re");
  CLEANUP_STRBUF struct strbuf text = { 0 };
  json_error_t error;
  json_t *j;

  if (fp == NULL) {
    if (errno != ENOENT || required)
      log_error ("%s: %m", printable (path));
    return NULL;
  }
  if (read_stream (fp, &text) == -1) {
    if (errno == EFBIG)
      log_error ("%s: is larger than %s, the most that is read as JSON",
                 printable (path), human_size (JSON_FILE_MAX));
    else
      log_error ("%s: %m", printable (path));
    return NULL;
  }

  j = json_loadb (text.ptr ? text.ptr : "", text.len,
                  JSON_REJECT_DUPLICATES, &error);
  if (j == NULL) {
    log_error ("%s:%d:%d: is not valid JSON: %s", printable (path),
               error.line, error.column, printable (error.text));
    errno = EINVAL;
  }
  return j;
}

int
json_write_file (const json_t *j, const char *path)
{
  CLEANUP_ATOMIC_FILE struct atomic_file f = { NULL, NULL, NULL };

  if (atomic_file_open (&f, path, 0644) == -1)
    return -1;
  /* jansson forgets why a write failed; the stream knows that it did. */
  if (json_dumpf (j, f.fp, JSON_INDENT (2) | JSON_ENCODE_ANY) == -1 &&
      !ferror (f.fp)) {
    log_oom ();
    return -1;
  }
  fputc ('\n', f.fp);
  return atomic_file_commit (&f);
}
