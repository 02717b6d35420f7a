/* SPDX-License-Identifier: BSD-3-Clause
 *
 * JSON as YAML, through libyaml's emitter.  Each call writes one document
 * that begins with "---", so that several can follow each other.
 *
 * A string is written without quotes only when it begins with a letter
 * or a slash, holds nothing but harmless characters, and is no word that
 * YAML 1.1 (which kubectl's reader follows) takes for a boolean or null:
 * everything else, such as "12:30", "0x1", "1e3" or "yes", is quoted.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <yaml.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/json/json.h"
#include "common/util/log.h"

static bool
is_letter (char c)
{
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_harmless (char c)
{
  return is_letter (c) || (c >= '0' && c <= '9') || (c && strchr ("_./-", c));
}

static bool
can_be_plain (const char *s)
{
  static const char *const words[] = {
    "y", "n", "yes", "no", "true", "false", "on", "off", "null",
  };
  size_t i;

  if (!is_letter (s[0]) && s[0] != '/')
    return false;
  for (i = 0; i < ARRAY_SIZE (words); ++i)
    if (strcasecmp (s, words[i]) == 0)
      return false;
  for (; *s; ++s)
    /* A colon ends a key only before a space or the end. */
    if (!is_harmless (*s) && !(*s == ':' && is_harmless (s[1])))
      return false;
  return true;
}

struct writer {
  yaml_emitter_t emitter;
  bool for_ansible;
};

static int
emit_scalar (struct writer *w, const char *s, bool plain, const char *tag)
{
  yaml_event_t event;

  if (!yaml_scalar_event_initialize (&event, NULL, (yaml_char_t *) tag,
                                     (yaml_char_t *) s, strlen (s),
                                     plain && !tag, !plain && !tag,
                                     plain ? YAML_PLAIN_SCALAR_STYLE
                                     : YAML_DOUBLE_QUOTED_SCALAR_STYLE))
    return -1;
  return yaml_emitter_emit (&w->emitter, &event) ? 0 : -1;
}

static int
emit_string (struct writer *w, const char *s)
{
  return emit_scalar (w, s, can_be_plain (s), NULL);
}

/* A string that Jinja would take for a template; it is never plain. */
static bool
is_template (const char *s)
{
  return strstr (s, "{{") || strstr (s, "{%") || strstr (s, "{#");
}

static int emit_value (struct writer *w, const json_t *j);

static int
emit_object (struct writer *w, json_t *j)
{
  const bool flow = json_object_size (j) == 0;
  yaml_event_t event;
  const char *key;
  json_t *value;

  if (!yaml_mapping_start_event_initialize (&event, NULL, NULL, 1,
                                            flow ? YAML_FLOW_MAPPING_STYLE
                                            : YAML_BLOCK_MAPPING_STYLE) ||
      !yaml_emitter_emit (&w->emitter, &event))
    return -1;
  json_object_foreach (j, key, value)
    if (emit_string (w, key) == -1 || emit_value (w, value) == -1)
      return -1;
  if (!yaml_mapping_end_event_initialize (&event) ||
      !yaml_emitter_emit (&w->emitter, &event))
    return -1;
  return 0;
}

static int
emit_array (struct writer *w, const json_t *j)
{
  const bool flow = json_array_size (j) == 0;
  yaml_event_t event;
  size_t i;

  if (!yaml_sequence_start_event_initialize (&event, NULL, NULL, 1,
                                             flow ? YAML_FLOW_SEQUENCE_STYLE
                                             : YAML_BLOCK_SEQUENCE_STYLE) ||
      !yaml_emitter_emit (&w->emitter, &event))
    return -1;
  for (i = 0; i < json_array_size (j); ++i)
    if (emit_value (w, json_array_get (j, i)) == -1)
      return -1;
  if (!yaml_sequence_end_event_initialize (&event) ||
      !yaml_emitter_emit (&w->emitter, &event))
    return -1;
  return 0;
}

static int
emit_value (struct writer *w, const json_t *j)
{
  CLEANUP_FREE char *text = NULL;

  switch (json_typeof (j)) {
  case JSON_OBJECT:
    return emit_object (w, (json_t *) j);
  case JSON_ARRAY:
    return emit_array (w, j);
  case JSON_STRING:
    if (w->for_ansible && is_template (json_string_value (j)))
      return emit_scalar (w, json_string_value (j), false, "!unsafe");
    return emit_string (w, json_string_value (j));
  default:
    /* Numbers, true, false and null look the same in YAML. */
    text = json_dumps (j, JSON_ENCODE_ANY);
    return text ? emit_scalar (w, text, true, NULL) : -1;
  }
}

static int
emit_document (struct writer *w, const json_t *j)
{
  yaml_event_t event;

  if (!yaml_stream_start_event_initialize (&event, YAML_UTF8_ENCODING) ||
      !yaml_emitter_emit (&w->emitter, &event) ||
      !yaml_document_start_event_initialize (&event, NULL, NULL, NULL, 0) ||
      !yaml_emitter_emit (&w->emitter, &event))
    return -1;
  if (emit_value (w, j) == -1)
    return -1;
  if (!yaml_document_end_event_initialize (&event, 1) ||
      !yaml_emitter_emit (&w->emitter, &event) ||
      !yaml_stream_end_event_initialize (&event) ||
      !yaml_emitter_emit (&w->emitter, &event))
    return -1;
  return 0;
}

static int
write_yaml (const json_t *j, FILE *fp, bool for_ansible)
{
  struct writer w = { .for_ansible = for_ansible };
  int r;

  if (!yaml_emitter_initialize (&w.emitter)) {
    log_oom ();
    return -1;
  }
  yaml_emitter_set_output_file (&w.emitter, fp);
  yaml_emitter_set_unicode (&w.emitter, 1);
  yaml_emitter_set_width (&w.emitter, -1);        /* no folded lines */
  errno = 0;
  r = emit_document (&w, j);
  if (r == 0 && fflush (fp) == EOF)
    r = -1;
  if (r == -1) {
    if (w.emitter.error == YAML_MEMORY_ERROR)
      log_oom ();
    else {
      if (errno == 0)
        errno = EIO;
      log_error ("YAML output cannot be written: %m");
    }
  }
  yaml_emitter_delete (&w.emitter);
  return r;
}

int
json_write_yaml (const json_t *j, FILE *fp)
{
  return write_yaml (j, fp, false);
}

int
json_write_yaml_ansible (const json_t *j, FILE *fp)
{
  return write_yaml (j, fp, true);
}
