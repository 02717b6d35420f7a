/* SPDX-License-Identifier: BSD-3-Clause
 *
 * For the tests and the fuzzer of driver/guest: a guest whose files are in
 * memory.  Folders are there because there are files in them.
 */
#ifndef NBDLIFT_TESTS_MEMORY_GUEST_H
#define NBDLIFT_TESTS_MEMORY_GUEST_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "driver/guest/guest_net.h"

#define MAX_FILES 40

static struct {
  char *path, *text;
} files[MAX_FILES];
static size_t nr_files, nr_writes;

/* The text of PATH, or NULL. */
static char **
find (const char *path)
{
  size_t i;

  for (i = 0; i < nr_files; i++)
    if (strcmp (files[i].path, path) == 0)
      return &files[i].text;
  return NULL;
}

/* False if there are too many files. */
static bool
keep_file (const char *path, const char *text)
{
  char **old = find (path);

  if (old == NULL) {
    if (nr_files == MAX_FILES)
      return false;
    files[nr_files].path = strdup (path);
    old = &files[nr_files++].text;
    *old = NULL;
  }
  free (*old);
  *old = strdup (text);
  return true;
}

static void
forget_files (void)
{
  while (nr_files > 0) {
    nr_files--;
    free (files[nr_files].path);
    free (files[nr_files].text);
  }
  nr_writes = 0;
}

static char *
read_file (void *opaque, const char *path)
{
  char **text = find (path);

  if (text == NULL || strlen (*text) > GUEST_MAX_FILE) {
    errno = text ? EFBIG : ENOENT;
    return NULL;
  }
  return strdup (*text);
}

static int
write_file (void *opaque, const char *path, const char *text)
{
  nr_writes++;
  if (keep_file (path, text))
    return 0;
  errno = ENOSPC;
  return -1;
}

static int
list_folder (void *opaque, const char *path, string_vector *names)
{
  const size_t n = strlen (path);
  size_t i;

  for (i = 0; i < nr_files; i++) {
    const char *rest = files[i].path + n + 1;
    char *name;

    if (strncmp (files[i].path, path, n) != 0 || files[i].path[n] != '/')
      continue;
    name = strndup (rest, strcspn (rest, "/"));
    if (name == NULL)
      return -1;
    if (string_vector_has (names, name))
      free (name);
    else if (string_vector_append (names, name) == -1) {
      free (name);
      return -1;
    }
  }
  string_vector_sort (names);
  return 0;
}

static const struct guest_files memory = {
  .read = read_file, .write = write_file, .list = list_folder,
};

#endif /* NBDLIFT_TESTS_MEMORY_GUEST_H */
