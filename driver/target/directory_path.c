/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Names and folders of the directory target.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/include/cleanup.h"
#include "common/util/atomic_file.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/target/directory_private.h"

static bool
is_alphanumeric (char c)
{
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool
safe_name (const char *what, const char *name)
{
  const size_t len = name ? strlen (name) : 0;
  size_t i;

  if (len > 0 && len <= 253 && is_alphanumeric (name[0])) {
    for (i = 1; i < len; ++i)
      if (!is_alphanumeric (name[i]) && name[i] != '-' && name[i] != '.')
        break;
    if (i == len)
      return true;
  }
  log_error ("'%s' cannot be the name of a %s: use small letters, digits, "
             "'-' and '.', beginning with a letter or digit",
             printable (name ? name : ""), what);
  errno = EINVAL;
  return false;
}

int
make_folder (const char *path, mode_t mode, bool *made)
{
  CLEANUP_FREE char *parent = NULL;
  struct stat st;
  char *slash;

  if (made)
    *made = false;
  if (stat (path, &st) == 0) {
    if (S_ISDIR (st.st_mode))
      return 0;
    errno = ENOTDIR;
  }
  else if (errno == ENOENT) {
    parent = format_text ("%s", path);
    if (parent == NULL)
      return -1;
    slash = strrchr (parent, '/');
    if (slash && slash != parent) {
      *slash = '\0';
      if (make_folder (parent, 0755, NULL) == -1)
        return -1;
    }
    if (mkdir (path, mode) == 0) {
      if (made)
        *made = true;
      return sync_folder_of (path);
    }
    if (errno == EEXIST && stat (path, &st) == 0 && S_ISDIR (st.st_mode))
      return 0;                 /* another thread was faster */
  }
  log_error ("%s: cannot be used as a folder: %m", printable (path));
  return -1;
}

int
look_for_file (const char *path, uint64_t *size)
{
  struct stat st;

  if (lstat (path, &st) == -1) {
    if (errno == ENOENT)
      return 0;
    log_error ("%s: %m", printable (path));
    return -1;
  }
  if (!S_ISREG (st.st_mode)) {
    log_error ("%s is in the way, and is not a regular file: remove it, or "
               "choose another output directory", printable (path));
    errno = EEXIST;
    return -1;
  }
  if (size)
    *size = st.st_size;
  return 1;
}
