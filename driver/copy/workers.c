/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A pool of threads.  The eventfd is written only when the list of ended
 * jobs was empty, so a busy pool costs few system calls.
 */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/log.h"
#include "driver/copy/workers.h"

static struct job *
take_job (struct workers *w)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&w->lock);
  struct job *job;

  while (w->todo == NULL && !w->quit)
    pthread_cond_wait (&w->more, &w->lock);
  if (w->quit)
    return NULL;
  job = w->todo;
  w->todo = job->next;
  if (w->todo == NULL)
    w->todo_tail = &w->todo;
  return job;
}

static void
end_job (struct workers *w, struct job *job)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&w->lock);
  const uint64_t one = 1;

  /* The write can not fail: the counter is far from its limit. */
  if (w->done == NULL && write (w->wake_fd, &one, sizeof one) == -1)
    log_debug ("eventfd: %m");
  job->next = w->done;
  w->done = job;
  pthread_cond_signal (&w->some_ended);
}

static void *
worker (void *opaque)
{
  struct workers *w = opaque;
  struct job *job;

  log_set_context (w->log_context);
  while ((job = take_job (w)) != NULL) {
    job->error = 0;
    if (w->work (w->opaque, job) == -1)
      job->error = errno;
    end_job (w, job);
  }
  return NULL;
}

int
workers_start (struct workers *w, unsigned nr,
               int (*work) (void *opaque, struct job *job), void *opaque,
               int wake_fd)
{
  sigset_t all, old;
  int err = 0;

  memset (w, 0, sizeof *w);
  w->work = work;
  w->opaque = opaque;
  w->log_context = log_context ();
  w->todo_tail = &w->todo;
  pthread_mutex_init (&w->lock, NULL);
  pthread_cond_init (&w->more, NULL);
  pthread_cond_init (&w->some_ended, NULL);

  w->own_wake_fd = wake_fd == -1;
  w->wake_fd = w->own_wake_fd ? eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK)
                              : wake_fd;
  if (w->wake_fd == -1) {
    log_error ("eventfd: %m");
    err = errno;
    goto err;
  }

  /* Signals are for the threads that wait for them. */
  sigfillset (&all);
  pthread_sigmask (SIG_SETMASK, &all, &old);
  while (err == 0 && w->nr < MIN (nr, (unsigned) WORKERS_MAX)) {
    err = pthread_create (&w->thread[w->nr], NULL, worker, w);
    if (err == 0)
      w->nr++;
  }
  pthread_sigmask (SIG_SETMASK, &old, NULL);
  if (err == 0)
    return 0;
  errno = err;
  log_error ("cannot start a thread: %m");

 err:
  workers_stop (w);
  errno = err;
  return -1;
}

void
workers_give (struct workers *w, struct job *job)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&w->lock);

  job->next = NULL;
  *w->todo_tail = job;
  w->todo_tail = &job->next;
  pthread_cond_signal (&w->more);
}

struct job *
workers_ended (struct workers *w)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&w->lock);
  struct job *jobs = w->done;
  uint64_t count;

  w->done = NULL;
  if (jobs && w->own_wake_fd && read (w->wake_fd, &count, sizeof count) == -1)
    log_debug ("eventfd: %m");
  return jobs;
}

void
workers_wait (struct workers *w)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&w->lock);

  while (w->done == NULL)
    pthread_cond_wait (&w->some_ended, &w->lock);
}

void
workers_stop (struct workers *w)
{
  pthread_mutex_lock (&w->lock);
  w->quit = true;
  pthread_cond_broadcast (&w->more);
  pthread_mutex_unlock (&w->lock);
  while (w->nr > 0)
    pthread_join (w->thread[--w->nr], NULL);
  if (w->own_wake_fd && w->wake_fd >= 0)
    close (w->wake_fd);
  pthread_cond_destroy (&w->some_ended);
  pthread_cond_destroy (&w->more);
  pthread_mutex_destroy (&w->lock);
}
