/* SPDX-License-Identifier: BSD-3-Clause
 *
 * libnfs's own synchronous calls can wait for ever, and leave a pointer
 * into their stack behind when they give up.  So every call is made with
 * the asynchronous form and waited for here, with a time limit.  When the
 * wait fails, the context is destroyed before the function returns,
 * which calls back everything that is still pending: nothing ever
 * arrives late.
 *
 * In NFSv4 the server knows a client by its name: each context gets one of
 * its own, or else they take each other's state away.
 */
#ifdef HAVE_LIBNFS

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nfsc/libnfs.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#include "common/include/minmax.h"
#include "common/util/digest.h"
#include "common/util/monotonic.h"
#include "plugins/ova/nfs_session.h"

#define CLOSE_TIMEOUT 2         /* seconds; closing is a courtesy */

/* A call in progress, on the stack of who waits for it. */
struct call {
  bool done;
  int status;
  void *result;                 /* pointer that the callback was given */
  struct nfs_stat_64 *st;       /* filled if not NULL */
  void *buf;                    /* the same, STATUS bytes */
};

static void
call_done (int status, struct nfs_context *ctx, void *data, void *opaque)
{
  struct call *c = opaque;

  c->status = status;
  c->done = true;
  if (status < 0)
    return;
  if (c->st)
    memcpy (c->st, data, sizeof *c->st);
#ifndef LIBNFS_API_V2
  else if (c->buf)
    memcpy (c->buf, data, status);
#endif
  else
    c->result = data;
}

static void
ignore_done (int status, struct nfs_context *ctx, void *data, void *opaque)
{
}

static void
set_error (struct nfs_session *s, const char *text)
{
  snprintf (s->error, sizeof s->error, "%s", text ? text : "unknown error");
}

void
nfs_session_drop (struct nfs_session *s)
{
  size_t i;

  if (s->ctx == NULL)
    return;
  /* This only queues the call; what is queued is freed with the context,
   * and the handle with it.
   */
  for (i = 0; i < s->handles.len; ++i)
    nfs_close_async (s->ctx, s->handles.ptr[i].fh, ignore_done, NULL);
  nfs_handle_vector_reset (&s->handles);
  nfs_destroy_context (s->ctx);
  s->ctx = NULL;
}

/* Wait up to SECONDS for C, which QUEUED says was queued (0) or not. */
static int
wait_until (struct nfs_session *s, struct call *c, int queued,
            unsigned seconds)
{
  const int64_t end = monotonic_ms () + seconds * INT64_C (1000);

  if (queued != 0) {
    set_error (s, nfs_get_error (s->ctx));
    nfs_session_drop (s);
    return -EIO;
  }
  while (!c->done) {
    struct pollfd p = { nfs_get_fd (s->ctx), nfs_which_events (s->ctx), 0 };
    const int64_t now = monotonic_ms ();
    int r;

    if (now >= end) {
      snprintf (s->error, sizeof s->error,
                "the server did not answer within %u s", seconds);
      nfs_session_drop (s);
      return -ETIMEDOUT;
    }
    /* Without a socket yet, libnfs has something to do soon. */
    r = poll (&p, 1, MIN (end - now, INT64_C (100)));
    if (r == -1 && errno == EINTR)
      continue;
    if (r == -1 || nfs_service (s->ctx, r > 0 ? p.revents : 0) < 0) {
      if (c->done)
        break;
      set_error (s, nfs_get_error (s->ctx));
      nfs_session_drop (s);
      return -EIO;
    }
  }
  if (c->status < 0)
    set_error (s, nfs_get_error (s->ctx));
  return c->status;
}

static int
wait_for (struct nfs_session *s, struct call *c, int queued)
{
  return wait_until (s, c, queued, s->target->timeout);
}

/* A context has a client name from its start, which libnfs 4.0.0 does not
 * free when another one is set.  (A leak that is suppressed by name makes
 * nbdkit hang at its end.)
 */
static struct nfs_context *
new_context (void)
{
  struct nfs_context *ctx;

#ifdef __SANITIZE_ADDRESS__
  __lsan_disable ();
#endif
  ctx = nfs_init_context ();
#ifdef __SANITIZE_ADDRESS__
  __lsan_enable ();
#endif
  return ctx;
}

/* A name that no other client has. */
static int
set_identity (struct nfs_context *ctx)
{
  uint8_t random[16];
  char hex[2 * sizeof random + 1];
  char name[sizeof "nbdlift-" + sizeof hex];

  if (getrandom (random, sizeof random, 0) != sizeof random)
    return -1;
  hex_of_bytes (random, sizeof random, hex);
  snprintf (name, sizeof name, "nbdlift-%s", hex);
  nfs4_set_client_name (ctx, name);
  nfs4_set_verifier (ctx, (const char *) random);
  return 0;
}

/* Apply the URL arguments, which libnfs does while it parses a URL. */
static int
set_arguments (struct nfs_context *ctx, const char *args)
{
  struct nfs_url *url;
  char *text;

  if (args[0] == '\0')
    return 0;
  if (asprintf (&text, "nfs://server/?%s", args) == -1)
    return -1;
  url = nfs_parse_url_incomplete (ctx, text);
  free (text);
  if (url == NULL)
    return -1;
  nfs_destroy_url (url);
  return 0;
}

int
nfs_session_mount (struct nfs_session *s, const struct nfs_target *target,
                   unsigned version, const char *export)
{
  struct call c = { 0 };
  int r;

  nfs_session_drop (s);
  s->ctx = new_context ();
  if (s->ctx == NULL || set_arguments (s->ctx, target->args) == -1 ||
      (version == 4 && set_identity (s->ctx) == -1) ||
      nfs_set_version (s->ctx, version) != 0) {
    set_error (s, "libnfs cannot be set up");
    nfs_session_drop (s);
    return -ENOMEM;
  }
  nfs_set_autoreconnect (s->ctx, 0);    /* it loses the state */
  nfs_set_dircache (s->ctx, 0);
  s->pid = getpid ();
  s->target = target;

  r = nfs_mount_async (s->ctx, target->server, export, call_done, &c);
  r = wait_for (s, &c, r);
  if (r < 0) {
    nfs_session_drop (s);
    return r;
  }
  s->max_read = nfs_get_readmax (s->ctx);
  if (s->max_read == 0 || s->max_read > NFS_MAX_READ)
    s->max_read = NFS_MAX_READ;
  return 0;
}

static void
stat_of (const struct nfs_stat_64 *n, struct store_stat *st)
{
  st->kind = S_ISREG (n->nfs_mode) ? STORE_FILE
    : S_ISDIR (n->nfs_mode) ? STORE_FOLDER : STORE_OTHER;
  st->size = n->nfs_size;
  st->mtime = n->nfs_mtime;
  st->mtime_nsec = n->nfs_mtime_nsec;
}

int
nfs_session_stat (struct nfs_session *s, const char *path, bool *is_link,
                  struct store_stat *st)
{
  struct nfs_stat_64 n;
  struct call c = { .st = &n };
  int r;

  r = is_link ? nfs_lstat64_async (s->ctx, path, call_done, &c)
    : nfs_stat64_async (s->ctx, path, call_done, &c);
  r = wait_for (s, &c, r);
  if (r < 0)
    return r;
  stat_of (&n, st);
  if (is_link)
    *is_link = S_ISLNK (n.nfs_mode);
  return 0;
}

static int
add_entry (store_entry_vector *entries, const struct nfsdirent *d)
{
  struct store_entry e = { .size = d->size };

  /* A link is a file until it is opened, which then says what is wrong. */
  e.kind = S_ISREG (d->mode) || S_ISLNK (d->mode) ? STORE_FILE
    : S_ISDIR (d->mode) ? STORE_FOLDER : STORE_OTHER;
  e.name = strdup (d->name);
  if (e.name == NULL || store_entry_vector_append (entries, e) == -1) {
    free (e.name);
    return -ENOMEM;
  }
  return 0;
}

int
nfs_session_list (struct nfs_session *s, const char *path,
                  store_entry_vector *entries)
{
  struct call c = { 0 };
  struct nfsdirent *d;
  int r;

  r = wait_for (s, &c, nfs_opendir_async (s->ctx, path, call_done, &c));
  if (r < 0)
    return r;
  while (r == 0 && (d = nfs_readdir (s->ctx, c.result)) != NULL) {
    if (strcmp (d->name, ".") == 0 || strcmp (d->name, "..") == 0)
      continue;
    if (entries->len >= STORE_MAX_ENTRIES) {
      snprintf (s->error, sizeof s->error, "more than %d entries: put the "
                "packages into a folder of their own", STORE_MAX_ENTRIES);
      r = -E2BIG;
    }
    else {
      r = add_entry (entries, d);
      if (r < 0)
        set_error (s, "out of memory");
    }
  }
  nfs_closedir (s->ctx, c.result);
  return r;
}

int
nfs_session_open (struct nfs_session *s, const void *owner, const char *path,
                  struct nfsfh **fh)
{
  struct call c = { 0 };
  struct nfs_handle h = { .owner = owner };
  size_t i;
  int r;

  for (i = 0; i < s->handles.len; ++i) {
    if (s->handles.ptr[i].owner == owner) {
      *fh = s->handles.ptr[i].fh;
      return 0;
    }
  }
  r = nfs_open_async (s->ctx, path, O_RDONLY, call_done, &c);
  r = wait_for (s, &c, r);
  if (r < 0)
    return r;
  h.fh = c.result;
  if (nfs_handle_vector_append (&s->handles, h) == -1) {
    nfs_close_async (s->ctx, h.fh, ignore_done, NULL);
    set_error (s, "out of memory");
    return -ENOMEM;
  }
  *fh = h.fh;
  return 0;
}

void
nfs_session_close (struct nfs_session *s, const void *owner)
{
  size_t i;

  for (i = 0; i < s->handles.len; ++i) {
    struct call c = { 0 };
    struct nfsfh *fh = s->handles.ptr[i].fh;

    if (s->handles.ptr[i].owner != owner)
      continue;
    nfs_handle_vector_remove (&s->handles, i);
    wait_until (s, &c, nfs_close_async (s->ctx, fh, call_done, &c),
                CLOSE_TIMEOUT);
    return;
  }
}

int
nfs_session_pread (struct nfs_session *s, struct nfsfh *fh, void *buf,
                   size_t count, uint64_t offset, struct store_stat *st)
{
  struct nfs_stat_64 n;
  struct call read = { .buf = buf }, stat = { .st = &n };
  int queued, r;

  count = MIN (count, s->max_read);
#ifdef LIBNFS_API_V2
  queued = nfs_pread_async (s->ctx, fh, buf, count, offset, call_done, &read);
#else
  queued = nfs_pread_async (s->ctx, fh, offset, count, call_done, &read);
#endif
  /* Both are on their way at once, the read first. */
  if (queued == 0 && nfs_fstat64_async (s->ctx, fh, call_done, &stat) != 0) {
    set_error (s, nfs_get_error (s->ctx));
    nfs_session_drop (s);
    return -EIO;
  }
  r = wait_for (s, &read, queued);
  if (s->ctx != NULL) {
    const int q = wait_for (s, &stat, 0);

    if (r >= 0 && q < 0)
      r = q;
  }
  if (r >= 0)
    stat_of (&n, st);
  return r;
}

#endif /* HAVE_LIBNFS */
