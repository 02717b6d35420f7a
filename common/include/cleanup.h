/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Attributes that release a local variable when it goes out of scope,
 * so that a function can return early from every error.
 */
#ifndef NBDLIFT_CLEANUP_H
#define NBDLIFT_CLEANUP_H

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Each handler gets the address of the variable.  A variable marked
 * with one of these must be initialised where it is declared.  To hand
 * the object on, copy the pointer and set the variable to NULL (or -1).
 */
static inline void
cleanup_free (void *ptr)
{
  free (*(void **) ptr);
}

static inline void
cleanup_fclose (FILE **fp)
{
  if (*fp)
    fclose (*fp);
}

static inline void
cleanup_close (int *fd)
{
  if (*fd >= 0)
    close (*fd);
}

static inline void
cleanup_unlock (pthread_mutex_t **lock)
{
  pthread_mutex_unlock (*lock);
}

#define CLEANUP_FREE __attribute__ ((cleanup (cleanup_free)))
#define CLEANUP_FCLOSE __attribute__ ((cleanup (cleanup_fclose)))
#define CLEANUP_CLOSE __attribute__ ((cleanup (cleanup_close)))

/* Hold LOCK (pthread_mutex_t *) until the end of the scope. */
#define ACQUIRE_LOCK_FOR_CURRENT_SCOPE(lock)                            \
  __attribute__ ((cleanup (cleanup_unlock), unused))                    \
  pthread_mutex_t *NBDLIFT_UNIQUE (lock_) = (lock);                     \
  pthread_mutex_lock (NBDLIFT_UNIQUE (lock_))

#define NBDLIFT_PASTE2(a, b) a##b
#define NBDLIFT_PASTE(a, b) NBDLIFT_PASTE2 (a, b)
#define NBDLIFT_UNIQUE(name) NBDLIFT_PASTE (name, __LINE__)

#endif /* NBDLIFT_CLEANUP_H */
