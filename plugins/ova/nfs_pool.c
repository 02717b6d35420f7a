/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A session connects when it is first used, in the process that uses it:
 * nbdkit forks after the package was opened, and a connection must not be
 * shared.  When a call fails for a reason that may pass (the server
 * restarts, the network is down, the lease has run out), the session
 * connects anew and the call is made again, with growing pauses.
 *
 * Where the export ends and the path inside of it begins is not to be
 * seen from SERVER:/A/B/C, so the longest part of the path that the server
 * lets us mount is taken.
 */
#ifdef HAVE_LIBNFS

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "plugins/ova/nfs_pool.h"

#define DEFAULT_TIMEOUT 30      /* seconds */
#define DEFAULT_SESSIONS 4
#define MAX_SESSIONS 64
#define MAX_ATTEMPTS 11         /* with pauses of 0, 1/4, 1/2, ... 16, 30
                                   and 30 s */
#define MAX_PAUSE 30            /* seconds */

struct nfs_pool {
  struct nfs_target target;

  pthread_mutex_t lock;         /* BUSY; who made a session busy owns it */
  pthread_cond_t idle;
  bool *busy;
  struct nfs_session *sessions;
  size_t nr_sessions;
};

/* Take an idle session; one that has OWNER's file open if there is, or
 * else one that is connected.
 */
static struct nfs_session *
take_session (struct nfs_pool *p, const void *owner)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&p->lock);

  for (;;) {
    size_t i, j, best = SIZE_MAX;
    int best_rank = -1;

    for (i = 0; i < p->nr_sessions; ++i) {
      const struct nfs_session *n = &p->sessions[i];
      int rank;

      if (p->busy[i])
        continue;
      rank = n->ctx != NULL;
      for (j = 0; rank == 1 && owner && j < n->handles.len; ++j)
        if (n->handles.ptr[j].owner == owner)
          rank = 2;
      if (rank > best_rank) {
        best_rank = rank;
        best = i;
      }
    }
    if (best != SIZE_MAX) {
      p->busy[best] = true;
      return &p->sessions[best];
    }
    pthread_cond_wait (&p->idle, &p->lock);
  }
}

static void
give_session (struct nfs_pool *p, struct nfs_session *n)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&p->lock);

  p->busy[n - p->sessions] = false;
  pthread_cond_broadcast (&p->idle);
}

/* Trying again would change nothing. */
static bool
is_final (int r)
{
  switch (-r) {
  case ENOENT:
  case ENOTDIR:
  case EISDIR:
  case EACCES:
  case EPERM:
  case ELOOP:
  case E2BIG:
  case ENOMEM:
  case ENAMETOOLONG:
  case ECANCELED:               /* reported already */
    return true;
  default:
    return false;
  }
}

/* Not with nbdkit_nanosleep: that of nbdkit 1.32 fails an assertion when
 * it is called while a connection is opened or closed.
 */
static void
pause_before (unsigned attempt)
{
  const unsigned quarters =
    attempt < 2 ? 0 : MIN (1U << (attempt - 2), 4U * MAX_PAUSE);
  struct timespec t = { quarters / 4, quarters % 4 * 250000000L };

  while (nanosleep (&t, &t) == -1 && errno == EINTR)
    ;
}

/* What to say after the text of libnfs. */
static const char *
advice (int r)
{
  switch (-r) {
  case ENOENT:
  case ENOTDIR:
    return ": there is no such file or folder on the server";
  case EACCES:
  case EPERM:
    return ": the server does not let this user read it; uid= and gid= in "
      "an nfs:// URL name another one";
  default:
    return is_final (r) ? ""
      : ": given up, is the NFS server running and reachable?";
  }
}

int
nfs_pool_run (struct nfs_pool *p, const void *owner, const char *name,
              int quiet,
              int (*fn) (struct nfs_session *session, void *opaque),
              void *opaque)
{
  struct nfs_session *n = take_session (p, owner);
  unsigned attempt;
  int r;

  for (attempt = 1;; ++attempt) {
    if (n->pid != getpid ())
      nfs_session_drop (n);
    r = 0;
    if (n->ctx == NULL)
      r = nfs_session_mount (n, &p->target, p->target.version,
                             p->target.export);
    if (r == 0)
      r = fn (n, opaque);
    if (r == 0 || is_final (r) || attempt == MAX_ATTEMPTS)
      break;
    nfs_session_drop (n);
    if (attempt == 2)
      log_warning ("%s: %s: trying again", printable (name),
                   printable (n->error));
    pause_before (attempt);
  }

  if (r < 0 && r != -ECANCELED && -r != quiet)
    log_error ("%s: %s%s", printable (name), printable (n->error),
               advice (r));
  give_session (p, n);
  if (r == 0)
    return 0;
  errno = r == -EACCES ? EPERM : r == -ENOTDIR ? ENOENT
    : is_final (r) && r != -ECANCELED ? -r : EIO;
  return -1;
}

void
nfs_pool_close_owner (struct nfs_pool *p, const void *owner)
{
  size_t i;

  for (i = 0; i < p->nr_sessions; ++i) {
    struct nfs_session *n = &p->sessions[i];

    pthread_mutex_lock (&p->lock);
    while (p->busy[i])
      pthread_cond_wait (&p->idle, &p->lock);
    p->busy[i] = true;
    pthread_mutex_unlock (&p->lock);

    if (n->pid != getpid ())
      nfs_session_drop (n);
    nfs_session_close (n, owner);
    give_session (p, n);
  }
}

/* Mount what holds PATH: PATH itself, or what is above it.  On success
 * the target is complete.  Returns as nfs_session_mount.
 */
static int
find_export (struct nfs_pool *p, struct nfs_session *n, const char *path,
             unsigned version)
{
  CLEANUP_FREE char *export = strdup (path[0] ? path : "/");
  char first_error[sizeof n->error] = "";
  struct store_stat st;
  int r, first = 0;
  char *slash;

  if (export == NULL)
    return -ENOMEM;
  for (;;) {
    r = nfs_session_mount (n, &p->target, version, export);
    if (r == 0) {
      /* NFSv4 lets us mount a file as well. */
      r = nfs_session_stat (n, "/", NULL, &st);
      if (r == 0 && st.kind != STORE_FOLDER)
        r = -ENOTDIR;
    }
    if (r == 0) {
      p->target.version = version;
      p->target.export = export;
      export = NULL;
      return 0;
    }
    if (first == 0) {
      first = r;
      memcpy (first_error, n->error, sizeof first_error);
    }
    /* A server that is not there is not asked for the folder above. */
    if ((n->ctx == NULL && !is_final (r)) || strcmp (export, "/") == 0)
      break;
    slash = strrchr (export, '/');
    slash[slash == export ? 1 : 0] = '\0';
  }
  /* What was said of PATH itself is the most telling. */
  memcpy (n->error, first_error, sizeof n->error);
  return first;
}

static int
connect_first (struct nfs_pool *p, const struct nfs_place *place,
               unsigned version, const char *name)
{
  const unsigned versions[] = { version ? version : 4, 3 };
  const size_t nr = version ? 1 : ARRAY_SIZE (versions);
  CLEANUP_STRBUF struct strbuf errors = { 0 };
  struct nfs_session *n = &p->sessions[0];
  size_t i;
  int r = 0;

  for (i = 0; i < nr; ++i) {
    r = find_export (p, n, place->path, versions[i]);
    if (r == 0)
      return 0;
    if (i == 0 || strstr (errors.ptr ? errors.ptr : "", n->error) == NULL)
      strbuf_printf (&errors, "%s%s (NFSv%u)", i ? "; " : "", n->error,
                     versions[i]);
    nfs_session_drop (n);
  }
  log_error ("%s: cannot mount: %s: is the server reachable, and does it "
             "export this path to this machine?", printable (name),
             printable (errors.ptr ? errors.ptr : "out of memory"));
  errno = r == -ENOENT ? ENOENT : r == -EACCES || r == -EPERM ? EPERM : EIO;
  return -1;
}

static int
init_pool (struct nfs_pool *p, const struct nfs_place *place,
           const struct package_options *opts)
{
  size_t nr = DEFAULT_SESSIONS;
  int r;

  pthread_mutex_init (&p->lock, NULL);
  pthread_cond_init (&p->idle, NULL);
  if (opts && opts->nfs_connections)
    nr = MIN (opts->nfs_connections, (unsigned) MAX_SESSIONS);
  p->target.timeout = opts && opts->nfs_timeout ? opts->nfs_timeout
    : DEFAULT_TIMEOUT;
  p->sessions = calloc (nr, sizeof *p->sessions);
  p->busy = calloc (nr, sizeof *p->busy);
  p->target.server = strdup (place->server);
  if (opts && opts->nfs_port)
    r = asprintf (&p->target.args, "%s%snfsport=%u", place->args,
                  place->args[0] ? "&" : "", opts->nfs_port);
  else
    r = asprintf (&p->target.args, "%s", place->args);
  if (r == -1)
    p->target.args = NULL;
  if (!p->sessions || !p->busy || !p->target.server || !p->target.args) {
    log_oom ();
    return -1;
  }
  p->nr_sessions = nr;
  return 0;
}

struct nfs_pool *
nfs_pool_open (const struct nfs_place *place,
               const struct package_options *opts, const char *name,
               const char **below)
{
  const unsigned version = opts && opts->nfs_version ? opts->nfs_version
    : place->version;
  struct nfs_pool *p;

  if (version != 0 && version != 3 && version != 4) {
    log_error ("NFS version %u is not supported, only 3 and 4 are", version);
    errno = EINVAL;
    return NULL;
  }
  p = calloc (1, sizeof *p);
  if (p == NULL) {
    log_oom ();
    return NULL;
  }
  if (init_pool (p, place, opts) == -1 ||
      connect_first (p, place, version, name) == -1) {
    const int err = errno;

    nfs_pool_free (p);
    errno = err;
    return NULL;
  }
  *below = place->path;
  if (strcmp (p->target.export, "/") != 0)
    *below += strlen (p->target.export);
  return p;
}

void
nfs_pool_free (struct nfs_pool *p)
{
  size_t i;

  if (p == NULL)
    return;
  for (i = 0; i < p->nr_sessions; ++i)
    nfs_session_drop (&p->sessions[i]);
  free (p->sessions);
  free (p->busy);
  pthread_cond_destroy (&p->idle);
  pthread_mutex_destroy (&p->lock);
  free (p->target.server);
  free (p->target.args);
  free (p->target.export);
  free (p);
}

#endif /* HAVE_LIBNFS */
