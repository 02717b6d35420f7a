/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Between journal.c (the document, and what it says of the VM) and
 * journal_disk.c (what it says of its disks).
 */
#ifndef NBDLIFT_JOURNAL_PRIVATE_H
#define NBDLIFT_JOURNAL_PRIVATE_H

#include <pthread.h>

#include <jansson.h>

#include "common/include/cleanup.h"
#include "driver/journal.h"

struct journal {
  pthread_mutex_t lock;
  char *path;
  json_t *doc;
};

/* Until the end of the scope.  The functions below are called with it. */
#define LOCK(j)                                                         \
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE ((pthread_mutex_t *) &(j)->lock)

/* S (NULL: "") as JSON takes it: that wants UTF-8; ids and names from
 * outside may be anything.  malloc'ed, NULL reported.
 */
extern char *journal_text (const char *s);

/* Set KEY to that.  0, or -1 reported. */
extern int journal_set_text (json_t *object, const char *key, const char *s);

/* What is said of that disk; the journal's. */
extern json_t *journal_disk_object (const struct journal *j, size_t disk);

/* A copy of the document to fall back to.  NULL reported. */
extern json_t *journal_remember (const struct journal *j);

/* Write the document.  0; or -1 reported, and the document is BEFORE
 * again.  BEFORE is taken in any case.
 */
extern int journal_save (struct journal *j, json_t *before);

/* Undo what journal_save would have written; takes BEFORE.  Always -1. */
extern int journal_give_up (struct journal *j, json_t *before);

#endif /* NBDLIFT_JOURNAL_PRIVATE_H */
