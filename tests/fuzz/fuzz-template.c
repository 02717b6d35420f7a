/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Any bytes as a template, with data of every type.  What parses runs; an
 * error has a message and a place inside of the text.
 */
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/json/json.h"
#include "common/template/template.h"
#include "common/util/log.h"

extern int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static void
quiet (enum log_level level, const char *text, void *opaque)
{
}

static json_t *
make_data (void)
{
  return json_pack ("{s:s, s:s, s:i, s:i, s:b, s:s, s:f, s:[s, i, f, n, [s]],"
                    " s:{s:i, s:{s:s}}, s:n}",
                    "VmName", "web01", "PlanName", "Plan_A", "DiskIndex", 0,
                    "RootDiskIndex", 2, "Shared", 1, "FileName",
                    "[ds1] web/web-000001.vmdk", "Size", 1.5, "List", "a", 1,
                    2.5, "x", "Map", "a", 1, "c", "d", "deep", "Nil");
}

static void
check_error (const struct template_error *error, const char *text)
{
  size_t i, lines = 1;

  for (i = 0; text[i]; ++i)
    lines += text[i] == '\n';
  if (error->message == NULL || error->line < 1 || error->line > lines ||
      error->column > strlen (text) + 1)
    abort ();
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  CLEANUP_TEMPLATE_ERROR struct template_error error = TEMPLATE_ERROR_INIT;
  CLEANUP_TEMPLATE struct template *t = NULL;
  CLEANUP_FREE char *text = strndup ((const char *) data, size);
  CLEANUP_FREE char *output = NULL;
  static json_t *values;
  size_t length;

  if (values == NULL) {
    log_set_sink (quiet, NULL);
    values = make_data ();
  }
  if (text == NULL || values == NULL)
    abort ();
  t = template_parse (text, &error);
  if (t == NULL)
    check_error (&error, text);
  else if (template_run (t, values, &output, &length, &error) == -1)
    check_error (&error, text);
  else if (length > TEMPLATE_MAX_OUTPUT || output[length] != '\0')
    abort ();
  return 0;
}
