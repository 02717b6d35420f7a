/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What we add to jansson: an attribute, building objects without
 * leaking on error, and files written whole or not at all.
 */
#ifndef NBDLIFT_JSON_H
#define NBDLIFT_JSON_H

#include <stdint.h>

#include <jansson.h>

#include "common/util/vector.h"

static inline void
cleanup_json (json_t **j)
{
  json_decref (*j);
}
#define CLEANUP_JSON __attribute__ ((cleanup (cleanup_json)))

/* Set KEY of OBJ to VALUE, whose reference is taken also on failure.
 * VALUE NULL (jansson's way to say out of memory) fails.  0, or -1 with
 * errno ENOMEM, reported.
 */
extern int json_set (json_t *obj, const char *key, json_t *value);

/* As json_set with a string; when S is NULL nothing is set. */
extern int json_set_string (json_t *obj, const char *key, const char *s);
extern int json_set_u64 (json_t *obj, const char *key, uint64_t v);
extern int json_set_bool (json_t *obj, const char *key, int v);
extern int json_set_strings (json_t *obj, const char *key,
                             const string_vector *v);

/* As json_set: VALUE, which belongs to OBJ now, or NULL. */
extern json_t *json_add (json_t *obj, const char *key, json_t *value);

/* A new object at the end of ARRAY, which it belongs to.  NULL reported. */
extern json_t *json_append_object (json_t *array);

/* Typed getters: the value, or the fallback when KEY is absent or of
 * another type.  The string belongs to OBJ.
 */
extern const char *json_get_string (const json_t *obj, const char *key,
                                    const char *fallback);
extern uint64_t json_get_u64 (const json_t *obj, const char *key,
                              uint64_t fallback);
extern int json_get_bool (const json_t *obj, const char *key, int fallback);

/* Append to V copies of the strings in the list KEY of OBJ, if there is
 * one.  0, or -1 reported.
 */
extern int json_get_strings (const json_t *obj, const char *key,
                             string_vector *v);

/* Read a file of at most 64 MiB; duplicate keys are an error.  NULL
 * with errno and a report naming file, line and column.  ENOENT is
 * reported only if REQUIRED.
 */
extern json_t *json_read_file (const char *path, int required);

/* Write to PATH.tmp, fsync, rename, fsync the folder: after a power cut
 * there is the old file or the new one.  0, or -1 with errno and a
 * report.
 */
extern int json_write_file (const json_t *j, const char *path);

/* Write J as YAML to FP, block style, keys in the order in which they
 * were inserted, strings quoted wherever YAML 1.1 or 1.2 could read
 * them as something else (libyaml emitter).  0, or -1 reported.
 */
extern int json_write_yaml (const json_t *j, FILE *fp);

/* The same for Ansible, which evaluates templates in the variables that it
 * reads: strings that could be one get the tag !unsafe, and are text.
 */
extern int json_write_yaml_ansible (const json_t *j, FILE *fp);

#endif /* NBDLIFT_JSON_H */
