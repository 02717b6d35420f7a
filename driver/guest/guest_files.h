/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The few things that are done with the files of a guest, so that what
 * reads and writes its configuration works on libguestfs and, in tests,
 * on memory alike.
 */
#ifndef NBDLIFT_GUEST_FILES_H
#define NBDLIFT_GUEST_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "common/util/vector.h"

/* No configuration file that people write is larger. */
#define GUEST_MAX_FILE ((size_t) 1 << 20)

struct guest_files {
  void *opaque;

  /* The text of the regular file PATH, links followed inside of the
   * guest, malloc'ed.  NULL with errno: ENOENT if it is not there, is no
   * regular file or holds a NUL byte, EFBIG if it has more than
   * GUEST_MAX_FILE bytes; EIO or ENOMEM, reported.
   */
  char *(*read) (void *opaque, const char *path);

  /* Make PATH hold TEXT; one that is there keeps its owner and mode, a
   * new one has 0644 and its folders are made.  0, or -1 reported.
   */
  int (*write) (void *opaque, const char *path, const char *text);

  /* Append the names in the folder PATH, sorted; none if it is not there.
   * 0, or -1 reported.
   */
  int (*list) (void *opaque, const char *path, string_vector *names);
};

#endif /* NBDLIFT_GUEST_FILES_H */
