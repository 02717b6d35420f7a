/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The table of sources: one line per platform.
 */
#include <stddef.h>
#include <string.h>

#include "common/source.h"
#include "plugins/ova/source.h"
#include "plugins/vsphere/source.h"

const struct source_ops *const source_table[] = {
  &source_ova,
  &source_vsphere,
  NULL
};

const struct source_ops *
source_find (const char *type)
{
  size_t i;

  for (i = 0; source_table[i]; i++)
    if (strcmp (source_table[i]->type, type) == 0)
      return source_table[i];
  return NULL;
}
