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
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/monotonic.h"
#include "common/util/strbuf.h"
#include "driver/copy/nbd_client.h"

/* Upper limit of a request: what every NBD server must take. */
#define MAX_REQUEST (32 * MIB)

/* How long a callback of the user may have to wait for its turn. */
#define TICK_MS 200

#define FAREWELL_MS 500

/* Where the password of URI is, which may be in no good form; false if
 * there is none.
 */
static bool
find_password (const char *uri, size_t *from, size_t *to)
{
  const char *p = strstr (uri, "://"), *colon, *at, *end;

  p = p ? p + 3 : uri;
  end = p + strcspn (p, "/?#");
  colon = memchr (p, ':', end - p);
  if (colon == NULL || *p == '[')
    return false;
  at = memrchr (p, '@', end - p);
  /* No port: a password with a character that must be escaped there? */
  if (at == NULL && colon[1 + strspn (colon + 1, "0123456789")] != *end)
    at = strrchr (colon, '@');
  if (at == NULL || at < colon)
    return false;
  *from = colon + 1 - uri;
  *to = at - uri;
  return true;
}

char *
nbd_client_safe_uri (const char *uri)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };
  size_t from, to;

  if (find_password (uri, &from, &to)) {
    if (strbuf_append_bytes (&b, uri, from) == -1 ||
        strbuf_append (&b, "***") == -1 ||
        strbuf_append (&b, uri + to) == -1)
      return NULL;
    uri = b.ptr;
  }
  return strdup (printable (uri));
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

/* What nbd_client_open was called with. */
struct attempt {
  struct nbd_client *c;
  const char *uri;
  char *shown;                  /* of the URI, in messages */
  const char *delta_context;
  unsigned seconds;
  nbd_client_keep_on keep_on;
  void *opaque;
};

static int
cannot_connect (const struct attempt *a)
{
  /* libnbd quotes a URI that it does not like. */
  const char *text = nbd_get_error ();
  const char *uri = text ? strstr (text, a->uri) : NULL;
  CLEANUP_STRBUF struct strbuf b = { 0 };

  if (uri && (strbuf_append_bytes (&b, text, uri - text) == -1 ||
              strbuf_append (&b, a->shown) == -1 ||
              strbuf_append (&b, uri + strlen (a->uri)) == -1))
    text = NULL;
  else if (uri)
    text = b.ptr;
  return failed (a->c, EIO, "cannot connect to the NBD server at %s: %s",
                 a->shown, printable (text ? text : "unknown error"));
}

/* Drive a new handle until IS_THERE says that it is. */
static int
await (const struct attempt *a, struct nbd_handle *nbd,
       int (*is_there) (struct nbd_handle *nbd))
{
  const int64_t deadline = monotonic_ms () + (int64_t) a->seconds * 1000;
  struct nbd_client one = { .nbd = { nbd }, .nr = 1 };
  bool alive;

  while (!is_there (nbd)) {
    if (nbd_aio_is_dead (nbd) || nbd_aio_is_closed (nbd))
      return cannot_connect (a);
    if (monotonic_ms () >= deadline)
      return failed (a->c, ETIMEDOUT, "the NBD server at %s did not answer "
                     "within %u seconds", a->shown, a->seconds);
    if (a->keep_on && !a->keep_on (a->opaque))
      return failed (a->c, ECANCELED, "cancelled");
    if (nbd_client_poll (&one, -1, TICK_MS, &alive) == -1)
      return failed (a->c, EIO, "cannot connect to the NBD server at %s: %s",
                     a->shown, one.failure);
  }
  return 0;
}

/* Open one more connection. */
static int
connect_one (const struct attempt *a)
{
  struct nbd_handle *nbd = nbd_create ();
  int err;

  if (nbd == NULL)
    return failed (a->c, ENOMEM, "%s", libnbd_error ());

  /* Buffers are never used unless the whole read succeeded. */
  if (nbd_set_pread_initialize (nbd, false) == -1 ||
      nbd_add_meta_context (nbd, LIBNBD_CONTEXT_BASE_ALLOCATION) == -1 ||
      (a->delta_context &&
       nbd_add_meta_context (nbd, a->delta_context) == -1) ||
      nbd_aio_connect_uri (nbd, a->uri) == -1)
    cannot_connect (a);
  else if (await (a, nbd, nbd_aio_is_ready) == 0) {
    a->c->nbd[a->c->nr++] = nbd;
    return 0;
  }
  err = errno;
  nbd_close (nbd);
  errno = err;
  return -1;
}

static int
got_context (void *opaque, const char *name)
{
  struct strbuf *list = opaque;

  if (list->len > 0 && strbuf_append (list, ", ") == -1)
    return -1;
  return strbuf_append (list, name);
}

/* The server has not got the context that we need: tell which it has,
 * as far as it says so.
 */
static int
no_such_context (const struct attempt *a)
{
  struct nbd_handle *nbd = nbd_create ();
  CLEANUP_STRBUF struct strbuf list = { 0 };

  if (nbd && nbd_set_opt_mode (nbd, true) == 0 &&
      nbd_aio_connect_uri (nbd, a->uri) == 0 &&
      await (a, nbd, nbd_aio_is_negotiating) == 0 &&
      nbd_aio_opt_list_meta_context (nbd, (nbd_context_callback) {
                                       .callback = got_context,
                                       .user_data = &list },
                                     NBD_NULL_COMPLETION) != -1)
    await (a, nbd, nbd_aio_is_negotiating);
  nbd_close (nbd);

  return failed (a->c, ENOTSUP, "the NBD server at %s has no metadata "
                 "context %s for this export%s%s", a->shown,
                 printable (a->delta_context),
                 list.len > 0 ? "; it has: " : " (and lists no other)",
                 list.len > 0 ? printable (list.ptr) : "");
}

static int
open_all (const struct attempt *a, unsigned connections)
{
  struct nbd_client *c = a->c;
  int64_t size, minimum, maximum;

  if (connect_one (a) == -1)
    return -1;
  size = nbd_get_size (c->nbd[0]);
  if (size == -1)
    return failed (c, EIO, "%s", libnbd_error ());
  c->size = size;
  c->extents = nbd_can_meta_context (c->nbd[0],
                                     LIBNBD_CONTEXT_BASE_ALLOCATION) == 1;
  if (a->delta_context) {
    if (nbd_can_meta_context (c->nbd[0], a->delta_context) != 1)
      return no_such_context (a);
    if (strcmp (a->delta_context, LIBNBD_CONTEXT_BASE_ALLOCATION) != 0)
      c->delta_context = a->delta_context;
  }

  if (nbd_can_multi_conn (c->nbd[0]) != 1)
    connections = 1;
  connections = MIN (connections, (unsigned) NBD_CLIENT_MAX);
  while (c->nr < connections) {
    if (connect_one (a) == -1)
      return -1;
    if (nbd_get_size (c->nbd[c->nr - 1]) != size)
      return failed (c, EIO, "the NBD server gives this export another size "
                     "on each connection");
  }

  minimum = nbd_get_block_size (c->nbd[0], LIBNBD_SIZE_MINIMUM);
  c->min_request = minimum > 0 ? minimum : 1;
  maximum = nbd_get_block_size (c->nbd[0], LIBNBD_SIZE_MAXIMUM);
  c->max_request = maximum > 0 ? MIN ((uint64_t) maximum, MAX_REQUEST)
                               : MAX_REQUEST;
  return 0;
}

int
nbd_client_open (struct nbd_client *c, const char *uri, unsigned connections,
                 const char *delta_context, unsigned seconds,
                 nbd_client_keep_on keep_on, void *opaque)
{
  CLEANUP_FREE char *shown = nbd_client_safe_uri (uri);
  const struct attempt a = { c, uri, shown, delta_context, seconds, keep_on,
                             opaque };
  int err;

  memset (c, 0, sizeof *c);
  if (shown == NULL)
    return failed (c, ENOMEM, "out of memory");
  if (open_all (&a, connections) == 0)
    return 0;
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
