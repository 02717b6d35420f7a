/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A few threads that take jobs from one queue.  The thread that gives
 * the jobs sees each end through an eventfd, which fits in poll.
 */
#ifndef NBDLIFT_WORKERS_H
#define NBDLIFT_WORKERS_H

#include <pthread.h>
#include <stdbool.h>

/* Embed this in a job. */
struct job {
  struct job *next;
  int error;                    /* errno of its work, or 0 */
};

#define WORKERS_MAX 16

struct workers {
  int (*work) (void *opaque, struct job *job); /* 0, or -1 with errno */
  void *opaque;
  void *log_context;            /* of the thread that started them */
  int wake_fd;                  /* readable when jobs have ended */
  bool own_wake_fd;
  unsigned nr;
  pthread_t thread[WORKERS_MAX];

  pthread_mutex_t lock;         /* of: */
  pthread_cond_t more, some_ended;
  struct job *todo, **todo_tail;
  struct job *done;
  bool quit;
};

/* Start NR threads that call WORK for each job.  WAKE_FD is an eventfd
 * (non-blocking) that several pools share, whose reader calls
 * workers_ended of all of them after he has read it; or -1 for one of its
 * own.  0, or -1 with errno and a report.
 */
extern int workers_start (struct workers *w, unsigned nr,
                          int (*work) (void *opaque, struct job *job),
                          void *opaque, int wake_fd);

/* Queue JOB, which belongs to the workers until workers_ended gives it
 * back.
 */
extern void workers_give (struct workers *w, struct job *job);

/* All jobs that have ended since the last call, linked by next. */
extern struct job *workers_ended (struct workers *w);

/* Wait until workers_ended has a job to give.  One must have been given
 * that it has not given back.
 */
extern void workers_wait (struct workers *w);

/* Drop the jobs that no thread has begun, wait for the others, and end
 * the threads.
 */
extern void workers_stop (struct workers *w);

#endif /* NBDLIFT_WORKERS_H */
