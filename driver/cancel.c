/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Cancelling by signal.  The handler counts and wakes; everybody else
 * polls the count where they can stop.
 */
#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

#include "driver/cancel.h"
#include "driver/command.h"

static volatile sig_atomic_t signals;
static sem_t wake;

static void
handler (int sig)
{
  const int saved_errno = errno;

  if (signals > 0)
    _exit (STATUS_CANCELLED);   /* our children end with us */
  signals = 1;
  sem_post (&wake);
  errno = saved_errno;
}

void
cancel_init (void)
{
  struct sigaction sa = { .sa_handler = handler, .sa_flags = SA_RESTART };

  sem_init (&wake, 0, 0);
  sigemptyset (&sa.sa_mask);
  sigaction (SIGINT, &sa, NULL);
  sigaction (SIGTERM, &sa, NULL);
  signal (SIGPIPE, SIG_IGN);
  signal (SIGXFSZ, SIG_IGN);    /* write then says EFBIG */
}

bool
cancel_requested (void)
{
  return signals > 0;
}

void
cancel_wait (void)
{
  while (sem_wait (&wake) == -1 && errno == EINTR)
    ;
}
