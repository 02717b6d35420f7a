/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Where our nbdkit plugins are.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/util/log.h"
#include "driver/serve.h"

/* FOLDER/nbdkit-NAME-plugin.so if it is there, else NULL. */
static char *
plugin_in (const char *folder, const char *name)
{
  char *path;

  if (asprintf (&path, "%s/nbdkit-%s-plugin.so", folder, name) == -1)
    return NULL;
  if (access (path, R_OK) == 0)
    return path;
  free (path);
  return NULL;
}

char *
plugin_path (const char *name)
{
  const char *folder = getenv ("NBDLIFT_PLUGIN_DIR");
  char beside[PATH_MAX + sizeof "/plugins"];
  char *path = NULL, *slash;
  ssize_t len;

  if (folder && *folder)
    path = plugin_in (folder, name);
  if (path)
    return path;

  len = readlink ("/proc/self/exe", beside, PATH_MAX);
  if (len > 0) {
    beside[len] = '\0';
    slash = strrchr (beside, '/');
    if (slash) {
      memcpy (slash, "/plugins", sizeof "/plugins");
      path = plugin_in (beside, name);
    }
  }
  if (path == NULL)
    path = strdup (name);
  if (path == NULL)
    log_oom ();
  return path;
}
