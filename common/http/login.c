/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One login for all.  Sessions end under many readers at once; the first
 * one to notice logs in, the others wait for it and share its result.  A
 * login that was refused is not tried again for a while by the readers
 * that come after: servers lock an account after some wrong passwords.
 */
#include <errno.h>

#include "common/http/http_private.h"
#include "common/include/cleanup.h"
#include "common/util/log.h"

#define REFUSED_MS 30000

unsigned
http_wait_login (struct http_client *client)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&client->lock);

  while (client->logging_in && !client->closing)
    pthread_cond_wait (&client->login_done, &client->lock);
  return client->generation;
}

unsigned
http_client_generation (struct http_client *client)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&client->lock);

  return client->generation;
}

/* With the lock held: 1 if the caller is to log in, 0 if there is nothing
 * to do any more, -1 with errno.
 */
static int
begin_login (struct http_client *client, unsigned generation)
{
  const unsigned attempts = client->login_attempts;

  while (client->logging_in && !client->closing)
    pthread_cond_wait (&client->login_done, &client->lock);
  if (client->closing) {
    errno = ESHUTDOWN;
    return -1;
  }
  if (client->generation != generation)
    return 0;
  if (client->login_attempts != attempts) {
    errno = client->login_err;  /* reported by the one we waited for */
    return -1;
  }
  if (client->login_err == EPERM &&
      http_now () - client->login_refused_at < REFUSED_MS) {
    log_error ("%s: the login was refused a short time ago; it is not "
               "tried again for %d seconds", client->origin,
               REFUSED_MS / 1000);
    errno = EPERM;
    return -1;
  }
  client->logging_in = true;
  return 1;
}

int
http_client_login (struct http_client *client, unsigned generation)
{
  int r;

  if (client->login == NULL) {
    log_error ("%s: the server wants a login, and there is none for it",
               client->origin);
    errno = EPERM;
    return -1;
  }
  {
    ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&client->lock);
    r = begin_login (client, generation);
  }
  if (r <= 0)
    return r;

  log_debug ("%s: logging in", client->origin);
  errno = 0;
  r = client->login (client, client->login_opaque);

  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&client->lock);

  client->logging_in = false;
  client->login_attempts++;
  client->login_err = r == 0 ? 0 : errno ? errno : EIO;
  if (r == 0) {
    client->generation++;
    client->stats.logins++;
  }
  else if (client->login_err == EPERM)
    client->login_refused_at = http_now ();
  pthread_cond_broadcast (&client->login_done);
  http_wake (client);
  return r;
}
