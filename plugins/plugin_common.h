/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What every plugin tells nbdkit in the same way.  For plugin.c only.
 */
#ifndef NBDLIFT_PLUGIN_COMMON_H
#define NBDLIFT_PLUGIN_COMMON_H

#include <stdio.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include "common/util/log.h"

/* For log_set_sink, with the plugin's name: messages of the code below.
 * nbdkit has no level between an error and what only -v shows, and a
 * warning is no error.
 */
static void
log_to_nbdkit (enum log_level level, const char *text, void *name)
{
  switch (level) {
  case LOG_LEVEL_ERROR:
    nbdkit_error ("%s", text);
    break;
  case LOG_LEVEL_WARNING:
    fprintf (stderr, "nbdkit: %s: warning: %s\n", (const char *) name, text);
    break;
  case LOG_LEVEL_INFO:
  case LOG_LEVEL_DEBUG:
    nbdkit_debug ("%s", text);
    break;
  }
}

/* Each extent of a disk into OPAQUE, struct nbdkit_extents. */
static int
hand_to_nbdkit (void *opaque, uint64_t offset, uint64_t length, uint32_t type)
{
  return nbdkit_add_extent (opaque, offset, length, type);
}

/* Read-only: all connections see the same. */
static int
plugin_can_multi_conn (void *handle)
{
  return 1;
}

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL
extern struct nbdkit_plugin *plugin_init (void);        /* for clang */

#endif /* NBDLIFT_PLUGIN_COMMON_H */
