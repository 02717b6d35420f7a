/* SPDX-License-Identifier: BSD-3-Clause
 *
 * nbdkit's own vddk plugin, which loads VMware's library: neither is ours
 * to ship.  The plugin of nbdkit 1.32 serves one disk, so there is a
 * server per disk.
 *
 * Filters as in virt-v2v and CDI: extents are asked for once, no request
 * is larger than what a server's NFC buffer takes, and a connection that
 * breaks is made again.
 */
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "common/util/subprocess.h"
#include "plugins/vsphere/transport.h"

#define PLUGIN "nbdkit-vddk-plugin.so"

/* A larger one fails with "Failed to allocate the requested 2097176
 * bytes".
 */
#define MAX_REQUEST "maxdata=2M"

/* What Forklift's useVddkAioOptimization sets. */
#define AIO_CONFIG                                  \
  "VixDiskLib.nfcAio.Session.BufSizeIn64KB=16\n"    \
  "VixDiskLib.nfcAio.Session.BufCount=4"

/* SHA-1 in hex with colons. */
#define THUMBPRINT_LEN (20 * 3 - 1)

static bool
in_folder (const char *folder, size_t len)
{
  CLEANUP_FREE char *path = NULL;

  if (asprintf (&path, "%.*s/" PLUGIN, (int) len, folder) == -1)
    path = NULL;
  return path && access (path, R_OK) == 0;
}

/* Where nbdkit, or who set our folder of plugins, has it. */
static bool
have_plugin (void)
{
  static const char key[] = "plugindir=";
  const char *own = getenv ("NBDLIFT_PLUGIN_DIR");
  const char *program = getenv ("NBDLIFT_NBDKIT");
  const char *const argv[] = { program && *program ? program : "nbdkit",
                               "--dump-config", NULL };
  struct subprocess_options options = SUBPROCESS_OPTIONS_INIT;
  CLEANUP_FREE char *config = NULL;
  const char *p;
  int status;

  if (own && *own && in_folder (own, strlen (own)))
    return true;
  config = subprocess_output (argv, &options, 65536, &status);
  p = config ? strstr (config, key) : NULL;
  if (p == NULL)
    return false;
  p += strlen (key);
  return in_folder (p, strcspn (p, "\n"));
}

/* As nbdkit looks for it: LIBDIR/lib64/libvixDiskLib.so.8. */
static bool
have_library (const char *libdir)
{
  static const char *const places[] = { "lib64", "." };
  glob_t found;
  size_t i;
  int r;

  for (i = 0; i < ARRAY_SIZE (places); i++) {
    CLEANUP_FREE char *pattern = NULL;

    if (asprintf (&pattern, "%s/%s/libvixDiskLib.so.*", libdir,
                  places[i]) == -1) {
      pattern = NULL;
      return false;
    }
    r = glob (pattern, GLOB_NOSORT, NULL, &found);
    if (r == 0)
      globfree (&found);
    if (r == 0)
      return true;
  }
  return false;
}

/* Why not, for people; NULL if it can be used. */
static char *
objection (const struct vsphere_session *s, const char *libdir)
{
  const char *image =
    source_endpoint_setting (s->endpoint, "vddkInitImage");
  char *why = NULL;
  int r;

  if (libdir == NULL && image && *image)
    r = asprintf (&why, "VDDK is not used: vddkInitImage is an image, and "
                  "nbdlift does not run images (unpack the library and give "
                  "its folder with vddkLibDir)");
  else if (libdir == NULL)
    r = asprintf (&why, "VDDK is not configured (vddkLibDir)");
  else if (!have_library (libdir))
    r = asprintf (&why, "there is no libvixDiskLib.so in %s or its lib64 "
                  "(vddkLibDir)", printable (libdir));
  else if (!have_plugin ())
    r = asprintf (&why, "nbdkit's plugin vddk is not installed here");
  else
    return NULL;
  return r == -1 ? NULL : why;
}

/* The folder of the library by the settings, or NULL.  A path in
 * vddkInitImage is one, too: where the image's content has been unpacked.
 */
static const char *
configured (const struct vsphere_session *s)
{
  const char *libdir = source_endpoint_setting (s->endpoint, "vddkLibDir");

  if (libdir && *libdir)
    return libdir;
  libdir = source_endpoint_setting (s->endpoint, "vddkInitImage");
  return libdir && *libdir == '/' ? libdir : NULL;
}

int
vsphere_vddk_find (const struct vsphere_session *s, char **libdir,
                   char **why)
{
  const char *folder = configured (s);

  *libdir = NULL;
  errno = 0;
  *why = objection (s, folder);
  if (*why)
    return 0;
  if (errno == ENOMEM ||
      (folder && (*libdir = strdup (folder)) == NULL)) {
    log_oom ();
    return -1;
  }
  return 1;
}

/* Where and as whom to log in. */
struct login {
  const char *user, *password;
  char *server;                 /* without scheme and port */
  char *port;                   /* or NULL */
  char *thumbprint;             /* SHA-1 */
  char *moref;                  /* of the VM there */
};

static void
login_free (struct login *login)
{
  free (login->server);
  free (login->port);
  free (login->thumbprint);
  free (login->moref);
}

/* Host and port of "https://HOST:PORT/sdk"; an IPv6 address without its
 * brackets.  0, or -1 reported.
 */
static int
split_server (const char *url, struct login *login)
{
  CLEANUP_FREE char *origin = NULL, *path = NULL;
  const char *host, *colon;
  size_t len;

  if (http_split_url (url, &origin, &path) == -1)
    return -1;
  host = strstr (origin, "//");
  host = host ? host + 2 : origin;
  if (*host == '[')
    len = strcspn (++host, "]");
  else
    len = strcspn (host, ":");
  colon = strchr (host + len, ':');
  login->server = strndup (host, len);
  login->port = colon && strcmp (colon, ":443") != 0 ? strdup (colon + 1) :
    NULL;
  if (login->server &&
      (login->port || colon == NULL || strcmp (colon, ":443") == 0))
    return 0;
  log_oom ();
  return -1;
}

/* SHA-1 of the certificate that VIM has accepted.  NULL reported. */
static char *
accepted_thumbprint (struct vim *vim)
{
  char *thumbprint = http_client_thumbprint (vim_http (vim));

  if (thumbprint == NULL || strlen (thumbprint) != THUMBPRINT_LEN) {
    log_error ("the thumbprint of %s is not known, which VDDK must be given",
               http_client_origin (vim_http (vim)));
    free (thumbprint);
    errno = EIO;
    return NULL;
  }
  return thumbprint;
}

/* By way of vCenter, or of the host that the endpoint is. */
static int
login_to_endpoint (const struct vsphere_session *s, const struct vm *vm,
                   struct login *login)
{
  login->user = s->options.user;
  login->password = s->options.password;
  login->moref = strdup (vm->id);
  if (login->moref == NULL) {
    log_oom ();
    return -1;
  }
  if (split_server (s->options.url, login) == -1)
    return -1;
  login->thumbprint = accepted_thumbprint (s->vim);
  return login->thumbprint ? 0 : -1;
}

/* ADDRESS is a name or an address, with or without a port; more than one
 * colon makes it an IPv6 address.  malloc'ed.  NULL reported.
 */
static char *
url_of_host (const char *address)
{
  const char *colon = strchr (address, ':');
  const bool bare_ipv6 = *address != '[' && colon && strchr (colon + 1, ':');
  char *url;

  if (asprintf (&url, "https://%s%s%s", bare_ipv6 ? "[" : "", address,
                bare_ipv6 ? "]" : "") != -1)
    return url;
  log_oom ();
  return NULL;
}

/* A host calls the same VM by another id: ask it. */
static int
login_to_host (const struct vsphere_session *s, const struct vm *vm,
               const struct source_host *host, const char *thumbprint,
               struct login *login)
{
  const struct source_ref ref = { .name = vm->uuid };
  struct vim_options options = s->options;
  CLEANUP_FREE char *url = NULL;
  struct vim *vim;
  int r = -1, err;

  if (vm->uuid == NULL) {
    log_error ("VM %s has no UUID by which host %s could know it",
               printable (vm->name), printable (host->address));
    errno = EINVAL;
    return -1;
  }
  url = url_of_host (host->address);
  if (url == NULL)
    return -1;
  login->user = vsphere_secret (host->secrets, host->nr_secrets, "user");
  login->password = vsphere_secret (host->secrets, host->nr_secrets,
                                    "password");
  if (login->user == NULL || login->password == NULL) {
    login->user = s->options.user;
    login->password = s->options.password;
  }
  options.url = url;
  options.user = login->user;
  options.password = login->password;
  options.thumbprint = vsphere_secret (host->secrets, host->nr_secrets,
                                       "thumbprint");
  if (options.thumbprint == NULL && !options.insecure)
    options.thumbprint = thumbprint;
  vim = vim_open (&options);
  if (vim == NULL)
    return -1;
  if (split_server (url, login) == 0 &&
      (login->thumbprint = accepted_thumbprint (vim)) != NULL)
    r = vim_find_vm (vim, &ref, &login->moref);
  err = errno;
  vim_close (vim);
  errno = err;
  return r;
}

static int
append (struct source_server *server, const char *key, const char *value)
{
  return string_vector_append_format (&server->argv, "%s=%s", key, value);
}

/* How the library is configured: by a file of the user's, by the text of
 * one, or with the buffers that Forklift chooses.
 */
static int
add_config (const struct vsphere_session *s, struct source_server *server)
{
  const char *config = source_endpoint_setting (s->endpoint, "vddkConfig");
  const char *aio = source_endpoint_setting (s->endpoint,
                                             "useVddkAioOptimization");

  if (config && *config == '/')
    return append (server, "config", config);
  if (config == NULL || *config == '\0')
    config = aio && strcmp (aio, "true") == 0 ? AIO_CONFIG : NULL;
  if (config == NULL)
    return 0;
  if (string_vector_append_dup (&server->file_keys, "config") == -1)
    return -1;
  return string_vector_append_format (&server->file_values, "%s\n", config);
}

/* The server of DISK.  0, or -1 with errno ENOMEM. */
static int
fill_server (const struct vsphere_session *s, const struct login *login,
             const char *libdir, const char *snapshot,
             const struct vm_disk *disk, struct source_server *server)
{
  static const char *const filters[] = { "cacheextents", "blocksize",
                                         "retry" };
  const char *compression = source_endpoint_setting (s->endpoint,
                                                     "vddkCompression");
  size_t i;

  for (i = 0; i < ARRAY_SIZE (filters); i++)
    if (string_vector_append_format (&server->argv, "--filter=%s",
                                     filters[i]) == -1)
      return -1;
  if (string_vector_append_dup (&server->argv, "vddk") == -1 ||
      append (server, "file", disk->name) == -1 ||
      append (server, "libdir", libdir) == -1 ||
      append (server, "server", login->server) == -1 ||
      (login->port && append (server, "port", login->port) == -1) ||
      append (server, "user", login->user) == -1 ||
      string_vector_append_dup (&server->secret_keys, "password") == -1 ||
      string_vector_append_dup (&server->secret_values,
                                login->password) == -1 ||
      append (server, "thumbprint", login->thumbprint) == -1 ||
      string_vector_append_format (&server->argv, "vm=moref=%s",
                                   login->moref) == -1 ||
      string_vector_append_dup (&server->argv, MAX_REQUEST) == -1)
    return -1;
  if (snapshot && (append (server, "snapshot", snapshot) == -1 ||
                   append (server, "transports", "file:nbdssl:nbd") == -1))
    return -1;
  if (compression && *compression &&
      append (server, "compression", compression) == -1)
    return -1;
  return add_config (s, server);
}

static int
add_disk (const struct vsphere_session *s, const struct login *login,
          const char *libdir, const char *snapshot,
          const struct vm_disk *disk, struct source_servers *servers)
{
  const struct source_server empty = { .kind = SOURCE_SERVER_NBDKIT };
  struct source_export export = { .server = servers->servers.len };

  if (!disk->lun && !disk->blank) {
    if (source_server_vector_append (&servers->servers, empty) == -1 ||
        fill_server (s, login, libdir, snapshot, disk,
                     &servers->servers.ptr[export.server]) == -1)
      return -1;
    export.name = strdup ("");
    if (export.name == NULL)
      return -1;
  }
  if (source_export_vector_append (&servers->exports, export) == 0)
    return 0;
  free (export.name);
  return -1;
}

int
vsphere_vddk_servers (const struct vsphere_session *s, const struct vm *vm,
                      const char *snapshot, struct source_servers *out)
{
  CLEANUP_SOURCE_SERVERS struct source_servers servers = { 0 };
  __attribute__ ((cleanup (login_free))) struct login login = { 0 };
  CLEANUP_FREE char *thumbprint = NULL;
  const struct source_host *host;
  size_t i;

  if (vsphere_host_of (s, vm, &host, &thumbprint) == -1)
    return -1;
  if ((host ? login_to_host (s, vm, host, thumbprint, &login) :
       login_to_endpoint (s, vm, &login)) == -1)
    return -1;
  for (i = 0; i < vm->disks.len; i++)
    if (add_disk (s, &login, configured (s), snapshot,
                  &vm->disks.ptr[i], &servers) == -1) {
      log_oom ();
      return -1;
    }
  *out = servers;
  memset (&servers, 0, sizeof servers);
  return 0;
}
