/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Connections to an NBD server, on libnbd's asynchronous calls.  The
 * synchronous ones can not be used: they wait for ever for a server
 * that has stopped to answer.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/include/minmax.h"
#include "common/util/strbuf.h"
#include "driver/copy/nbd_client.h"

/* Upper limit of a request: what every NBD server must take. */
#define MAX_REQUEST (32 * MIB)

/* How long a callback of the user may have to wait for its turn. */
#define TICK_MS 200

#define FAREWELL_MS 500

int64_t
monotonic_ms (void)
{
  struct timespec ts;

  clock_gettime (CLOCK_MONOTONIC, &ts);
  return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static const char *
libnbd_error (void)
{
  const char *text = nbd_get_error ();

  return printable (text ? text : "unknown error");
}

/* Say why in C->failure, and return -1 with errno ERR. */
static int __attribute__ ((format (printf, 3, 4)))
failed (struct nbd_client *c, int err, const char *fmt, ...)
{
  va_list args;

  va_start (args, fmt);
  vsnprintf (c->failure, sizeof c->failure, fmt, args);
  va_end (args);
  errno = err;
  return -1;
}

/* Let libnbd act on what poll found for connection I.  0, or -1 when
 * this connection is of no more use.
 */
static int
notify (struct nbd_client *c, unsigned i, short revents)
{
  struct nbd_handle *nbd = c->nbd[i];
  unsigned direction = nbd_aio_get_direction (nbd);

  if ((revents & (POLLIN | POLLHUP)) != 0 &&
      (direction & LIBNBD_AIO_DIRECTION_READ) != 0)
    return nbd_aio_notify_read (nbd);
  if ((revents & (POLLOUT | POLLHUP | POLLERR)) != 0 &&
      (direction & LIBNBD_AIO_DIRECTION_WRITE) != 0)
    return nbd_aio_notify_write (nbd);
  if ((revents & (POLLERR | POLLNVAL)) != 0 &&
      (direction & LIBNBD_AIO_DIRECTION_READ) != 0)
    return nbd_aio_notify_read (nbd);
  return 0;
}

int
nbd_client_poll (struct nbd_client *c, int wake_fd, int timeout_ms,
                 bool *alive)
{
  struct pollfd fds[NBD_CLIENT_MAX + 1];
  unsigned i;

  for (i = 0; i < c->nr; ++i) {
    unsigned direction = nbd_aio_get_direction (c->nbd[i]);

    fds[i].fd = direction == 0 ? -1 : nbd_aio_get_fd (c->nbd[i]);
    fds[i].events = 0;
    if ((direction & LIBNBD_AIO_DIRECTION_READ) != 0)
      fds[i].events |= POLLIN;
    if ((direction & LIBNBD_AIO_DIRECTION_WRITE) != 0)
      fds[i].events |= POLLOUT;
    fds[i].revents = 0;
  }
  fds[i].fd = wake_fd;
  fds[i].events = POLLIN;
  fds[i].revents = 0;

  if (poll (fds, c->nr + 1, timeout_ms) == -1) {
    if (errno == EINTR)
      return 0;
    return failed (c, EIO, "poll: %s", strerror (errno));
  }

  for (i = 0; i < c->nr; ++i) {
    if (fds[i].revents == 0)
      continue;
    if ((fds[i].revents & POLLIN) != 0)
      *alive = true;
    if (notify (c, i, fds[i].revents) == -1)
      return failed (c, EIO, "%s", libnbd_error ());
    if (nbd_aio_is_dead (c->nbd[i]) || nbd_aio_is_closed (c->nbd[i]))
      return failed (c, EIO, "the server closed the connection");
  }
  return 0;
}

/* Drive a new handle until it is connected. */
static int
await_ready (struct nbd_client *c, struct nbd_handle *nbd, const char *uri,
             unsigned seconds, nbd_client_keep_on keep_on, void *opaque)
{
  const int64_t deadline = monotonic_ms () + (int64_t) seconds * 1000;
  struct nbd_client one = { .nbd = { nbd }, .nr = 1 };
  bool alive;

  while (!nbd_aio_is_ready (nbd)) {
    if (nbd_aio_is_dead (nbd) || nbd_aio_is_closed (nbd))
      return failed (c, EIO, "cannot connect to the NBD server at %s: %s",
                     printable (uri), libnbd_error ());
    if (monotonic_ms () >= deadline)
      return failed (c, ETIMEDOUT, "the NBD server at %s did not answer "
                     "within %u seconds", printable (uri), seconds);
    if (keep_on && !keep_on (opaque))
      return failed (c, ECANCELED, "cancelled");
    if (nbd_client_poll (&one, -1, TICK_MS, &alive) == -1)
      return failed (c, EIO, "cannot connect to the NBD server at %s: %s",
                     printable (uri), one.failure);
  }
  return 0;
}

/* Open one more connection. */
static int
connect_one (struct nbd_client *c, const char *uri, unsigned seconds,
             nbd_client_keep_on keep_on, void *opaque)
{
  struct nbd_handle *nbd = nbd_create ();
  int err;

  if (nbd == NULL)
    return failed (c, ENOMEM, "%s", libnbd_error ());

  /* Buffers are never used unless the whole read succeeded. */
  if (nbd_set_pread_initialize (nbd, false) == -1 ||
      nbd_add_meta_context (nbd, LIBNBD_CONTEXT_BASE_ALLOCATION) == -1 ||
      nbd_aio_connect_uri (nbd, uri) == -1)
    failed (c, EIO, "cannot connect to the NBD server at %s: %s",
            printable (uri), libnbd_error ());
  else if (await_ready (c, nbd, uri, seconds, keep_on, opaque) == 0) {
    c->nbd[c->nr++] = nbd;
    return 0;
  }
  err = errno;
  nbd_close (nbd);
  errno = err;
  return -1;
}

int
nbd_client_open (struct nbd_client *c, const char *uri, unsigned connections,
                 unsigned seconds, nbd_client_keep_on keep_on, void *opaque)
{
  int64_t size, minimum, maximum;
  int err;

  memset (c, 0, sizeof *c);
  if (connect_one (c, uri, seconds, keep_on, opaque) == -1)
    return -1;
  size = nbd_get_size (c->nbd[0]);
  if (size == -1) {
    failed (c, EIO, "%s", libnbd_error ());
    goto err;
  }
  c->size = size;

  if (nbd_can_multi_conn (c->nbd[0]) != 1)
    connections = 1;
  connections = MIN (connections, (unsigned) NBD_CLIENT_MAX);
  while (c->nr < connections) {
    if (connect_one (c, uri, seconds, keep_on, opaque) == -1)
      goto err;
    if (nbd_get_size (c->nbd[c->nr - 1]) != size) {
      failed (c, EIO, "the NBD server gives this export another size on each "
              "connection");
      goto err;
    }
  }

  minimum = nbd_get_block_size (c->nbd[0], LIBNBD_SIZE_MINIMUM);
  c->min_request = minimum > 0 ? minimum : 1;
  maximum = nbd_get_block_size (c->nbd[0], LIBNBD_SIZE_MAXIMUM);
  c->max_request = maximum > 0 ? MIN ((uint64_t) maximum, MAX_REQUEST)
                               : MAX_REQUEST;
  c->extents = nbd_can_meta_context (c->nbd[0],
                                     LIBNBD_CONTEXT_BASE_ALLOCATION) == 1;
  return 0;

 err:
  err = errno;
  nbd_client_close (c);
  errno = err;
  return -1;
}

/* A client that vanishes in the middle of replies makes nbdkit 1.32
 * abort (assertion in raw_send_socket), which looks like the server's
 * fault.  So wait a little for what is in flight before leaving.
 */
void
nbd_client_close (struct nbd_client *c)
{
  const int64_t deadline = monotonic_ms () + FAREWELL_MS;
  int64_t now;
  unsigned i, busy;
  bool alive;

  for (;;) {
    busy = 0;
    for (i = 0; i < c->nr; ++i)
      if (nbd_aio_in_flight (c->nbd[i]) > 0 &&
          !nbd_aio_is_dead (c->nbd[i]) && !nbd_aio_is_closed (c->nbd[i]))
        busy++;
    now = monotonic_ms ();
    if (busy == 0 || now >= deadline)
      break;
    if (nbd_client_poll (c, -1, deadline - now, &alive) == -1)
      break;
  }
  /* No NBD_CMD_DISC: servers take the end of the stream between requests
   * as well, and nbd_aio_disconnect in libnbd 1.14 reads freed memory when
   * the server is quick to hang up.
   */
  for (i = 0; i < c->nr; ++i)
    nbd_close (c->nbd[i]);
  c->nr = 0;
}
