/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The servers of one VM.  A source says which servers there are and
 * which export is on which; with TCP each disk gets a server of its own,
 * because virt-v2v 2.2 reads default exports only.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/log.h"
#include "common/util/monotonic.h"
#include "common/util/strbuf.h"
#include "common/util/subprocess.h"
#include "driver/cancel.h"
#include "driver/copy/nbd_client.h"
#include "driver/serve_private.h"

#define DEFAULT_SECONDS 60
#define GRACE_MS 5000

/* Room for the disks of VM and NR_SERVERS servers. */
static struct served_vm *
served_new (size_t nr_disks, size_t nr_servers)
{
  struct served_vm *s = calloc (1, sizeof *s);

  if (s == NULL) {
    log_oom ();
    return NULL;
  }
  pthread_mutex_init (&s->lock, NULL);
  s->nr_disks = nr_disks;
  s->nr_servers = nr_servers;
  s->disks = calloc (nr_disks + 1, sizeof *s->disks);
  s->servers = calloc (nr_servers + 1, sizeof *s->servers);
  if (s->disks == NULL || s->servers == NULL) {
    s->nr_disks = s->nr_servers = 0;
    log_oom ();
  }
  else if ((s->folder = serve_folder ()) != NULL)
    return s;
  serve_stop (s);
  return NULL;
}

/* Start what SOURCE says and give each disk its server and URI. */
static int
start_all (struct served_vm *s, const struct source_servers *source,
           const struct serve_options *options)
{
  size_t i, n = 0;

  if (!options->tcp)
    for (i = 0; i < s->nr_servers; ++i)
      if (serve_start (s, i, &source->servers.ptr[i], NULL, options) == -1)
        return -1;

  for (i = 0; i < s->nr_disks; ++i) {
    const struct source_export *e = &source->exports.ptr[i];

    if (e->name == NULL)
      continue;
    if (options->tcp) {
      s->disks[i].server = &s->servers[n];
      if (serve_start (s, n++, &source->servers.ptr[e->server], e->name,
                       options) == -1)
        return -1;
      s->disks[i].uri = serve_uri (s->disks[i].server, "");
    }
    else {
      s->disks[i].server = &s->servers[e->server];
      s->disks[i].uri = serve_uri (s->disks[i].server, e->name);
    }
    if (s->disks[i].uri == NULL)
      return -1;
  }
  return 0;
}

static bool
keep_on (void *opaque)
{
  return !cancel_requested ();
}

/* Does disk I answer, with the size that the source has told? */
static int
try_disk (struct served_vm *s, size_t i, const struct vm_disk *disk,
          unsigned seconds)
{
  struct nbd_client client;
  uint64_t size;

  if (nbd_client_open (&client, s->disks[i].uri, 1, NULL, seconds, keep_on,
                       NULL) == -1) {
    const int err = errno;
    CLEANUP_FREE char *reason = NULL;

    if (err != ECANCELED) {
      reason = served_error (s, i);
      log_error ("disk %s: %s%s%s", printable (disk->name), client.failure,
                 reason ? ": " : "", reason ? reason : "");
    }
    errno = err;
    return -1;
  }
  size = client.size;
  nbd_client_close (&client);
  if (size == disk->capacity)
    return 0;
  log_error ("disk %s: the server shows %" PRIu64 " bytes, but the source "
             "says that it has %" PRIu64, printable (disk->name), size,
             disk->capacity);
  errno = EIO;
  return -1;
}

struct served_vm *
serve_vm (const struct source_ops *ops, void *session, const struct vm *vm,
          const struct serve_options *options)
{
  CLEANUP_SOURCE_SERVERS struct source_servers source = { 0 };
  const unsigned seconds = options->seconds ? options->seconds
                                            : DEFAULT_SECONDS;
  struct served_vm *s;
  size_t i, n = 0;
  int err;

  if (ops->servers (session, vm, NULL, &source) == -1)
    return NULL;
  if (source.exports.len != vm->disks.len) {
    log_error ("%s: the source serves %zu disks, but the VM has %zu",
               printable (vm->name ? vm->name : vm->id),
               source.exports.len, vm->disks.len);
    errno = EINVAL;
    return NULL;
  }
  for (i = 0; i < source.exports.len; ++i)
    if (source.exports.ptr[i].name)
      n++;
  s = served_new (vm->disks.len, options->tcp ? n : source.servers.len);
  if (s == NULL)
    return NULL;
  if (start_all (s, &source, options) == -1)
    goto err;
  for (i = 0; i < s->nr_disks; ++i)
    if (s->disks[i].uri &&
        try_disk (s, i, &vm->disks.ptr[i], seconds) == -1)
      goto err;
  return s;

 err:
  err = errno;
  serve_stop (s);
  errno = err;
  return NULL;
}

const char *
served_uri (const struct served_vm *s, size_t i)
{
  return i < s->nr_disks ? s->disks[i].uri : NULL;
}

const char *
served_folder (const struct served_vm *s)
{
  return s->folder;
}

unsigned
served_port (const struct served_vm *s, size_t i)
{
  return i < s->nr_disks && s->disks[i].server ? s->disks[i].server->port
                                               : 0;
}

char *
served_error (struct served_vm *s, size_t i)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&s->lock);
  CLEANUP_FREE char *errors = NULL;
  CLEANUP_STRBUF struct strbuf b = { 0 };
  struct server *server;
  bool told;

  if (i >= s->nr_disks || s->disks[i].server == NULL)
    return NULL;
  server = s->disks[i].server;
  errors = serve_log_errors (server);

  /* nbdkit 1.32 aborts when its client goes away in the middle of a
   * reply: then the client failed first.
   */
  told = server_has_ended (server) &&
    !(WIFSIGNALED (server->status) && WTERMSIG (server->status) == SIGABRT &&
      errors == NULL);
  if (told &&
      strbuf_printf (&b, "%s ended with %s%s", server->program,
                     subprocess_status (server->status),
                     errors ? ": " : "") == -1)
    return NULL;
  if (errors && strbuf_append (&b, errors) == -1)
    return NULL;
  return b.len > 0 ? strbuf_steal (&b) : NULL;
}

void
serve_stop (struct served_vm *s)
{
  const int64_t deadline = monotonic_ms () + GRACE_MS;
  size_t i;

  /* All at once, then one after the other. */
  for (i = 0; i < s->nr_servers; ++i)
    if (!server_has_ended (&s->servers[i]) && s->servers[i].pid != 0)
      kill (s->servers[i].pid, SIGTERM);
  for (i = 0; i < s->nr_servers; ++i) {
    struct server *server = &s->servers[i];

    if (server->pid != 0)
      subprocess_stop (server->pid, true,
                       MAX (deadline - monotonic_ms (), (int64_t) 0));
    free (server->socket);
    free (server->pid_file);
    free (server->log_file);
  }
  for (i = 0; i < s->nr_disks; ++i)
    free (s->disks[i].uri);
  if (s->folder)
    serve_folder_remove (s->folder);
  pthread_mutex_destroy (&s->lock);
  free (s->folder);
  free (s->servers);
  free (s->disks);
  free (s);
}
