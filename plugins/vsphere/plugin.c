/* SPDX-License-Identifier: BSD-3-Clause
 *
 * nbdkit-vsphere-plugin: the disks of a VM on vCenter Server or ESXi as
 * NBD exports, read over HTTPS.
 *
 * All that can fail is done in get_ready: login, finding the VM, its
 * disks and their files.  Then nbdkit forks, and threads are started in
 * the child (after_fork).  Sessions on the server are closed on every way
 * out: nbdkit ends without calling us when its own start fails, so that
 * is done at exit, too, but not in the parent that leaves its child
 * behind.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>
#include <libxml/parser.h>
#include <openssl/crypto.h>
#include <pthread.h>

#include "common/include/minmax.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "common/xml/xml.h"
#include "plugins/plugin_common.h"
#include "plugins/vsphere/exports.h"
#include "plugins/vsphere/folder.h"
#include "plugins/vsphere/vsphere.h"

#define DEFAULT_BLOCK MIB

/* A server to log in to. */
struct endpoint {
  const char *what;             /* its parameter, for messages */
  const char *server;           /* HOST or URL */
  const char *user;
  char *password;
  const char *thumbprint;
  char *cainfo;
};

/* Parameters. */
static struct endpoint server = { .what = "server" };
static struct endpoint esxi = { .what = "esxi" };
static const char *vm_name, *disk_name, *snapshot, *proxy;
static unsigned port, connections, timeout;
static uint64_t block = DEFAULT_BLOCK;
static bool insecure;

/* -D vsphere.stats=1 */
NBDKIT_DLL_PUBLIC int vsphere_debug_stats;

static struct vim *vim;
static struct vim *host;        /* of esxi=, or NULL */
static struct vsphere_vm vm;
static struct folder *folder;
static struct vsphere_exports exports;
static bool left_to_child;

static void
print_stats (const char *name, struct vim *v)
{
  struct http_stats s;

  http_client_stats (vim_http (v), &s);
  nbdkit_debug ("%s: %llu requests, %llu bytes received, %llu retries, "
                "%llu logins, %llu connections, %llu times fewer, %llu blocks "
                "read ahead, %llu of them used, %llu bytes copied, %llu bytes "
                "of memory, %u reads at once", name,
                (unsigned long long) s.requests, (unsigned long long) s.bytes,
                (unsigned long long) s.retries, (unsigned long long) s.logins,
                (unsigned long long) s.connections,
                (unsigned long long) s.shrinks,
                (unsigned long long) s.ahead_blocks,
                (unsigned long long) s.ahead_hits,
                (unsigned long long) s.copied,
                (unsigned long long) s.memory_max, s.active_max);
}

static void
close_all (void)
{
  size_t i;

  if (vsphere_debug_stats) {
    for (i = 0; i < exports.list.len; i++)
      nbdkit_debug ("%s: %llu reads, %llu bytes",
                    vsphere_export_name (exports.list.ptr[i]),
                    (unsigned long long) exports.list.ptr[i]->reads,
                    (unsigned long long) exports.list.ptr[i]->bytes);
    if (vim)
      print_stats ("server", vim);
    if (host)
      print_stats ("esxi", host);
  }
  vsphere_exports_free (&exports);
  folder_free (folder);
  folder = NULL;
  vim_close (host);
  host = NULL;
  vim_close (vim);
  vim = NULL;
  vsphere_vm_free (&vm);
}

static void
parent_of_fork (void)
{
  left_to_child = true;
}

static void
at_exit (void)
{
  if (!left_to_child && vim)
    close_all ();
}

static void
vsphere_plugin_load (void)
{
  log_set_sink (log_to_nbdkit, (char *) "vsphere");
  xml_global_init ();
  vsphere_vm_init (&vm);
  if (http_global_init () == -1 ||
      pthread_atfork (NULL, parent_of_fork, NULL) != 0 ||
      atexit (at_exit) != 0) {
    nbdkit_error ("the libraries cannot be initialized");
    exit (EXIT_FAILURE);
  }
}

static void
free_password (struct endpoint *e)
{
  if (e->password)
    explicit_bzero (e->password, strlen (e->password));
  free (e->password);
  e->password = NULL;
}

static void
vsphere_plugin_unload (void)
{
  close_all ();
  free_password (&server);
  free_password (&esxi);
  free (server.cainfo);
  free (esxi.cainfo);
}

static void
vsphere_plugin_dump_plugin (void)
{
  const curl_version_info_data *curl = curl_version_info (CURLVERSION_NOW);

  printf ("vsphere_libcurl_version=%s\n", curl->version);
  printf ("vsphere_libxml2_version=%s\n", xmlParserVersion);
  printf ("vsphere_openssl_version=%s\n",
          OpenSSL_version (OPENSSL_VERSION_STRING));
  printf ("vsphere_features=cbt cowd esxi sesparse snapshot thumbprint\n");
}

/*---- parameters ----*/

/* The parameters that server and esxi both have.  1 if KEY is none. */
static int
config_endpoint (struct endpoint *e, const char *key, const char *value)
{
  if (strcmp (key, "user") == 0)
    e->user = value;
  else if (strcmp (key, "password") == 0) {
    free_password (e);
    return nbdkit_read_password (value, &e->password);
  }
  else if (strcmp (key, "thumbprint") == 0)
    e->thumbprint = value;
  else if (strcmp (key, "cainfo") == 0) {
    free (e->cainfo);
    e->cainfo = nbdkit_absolute_path (value);
    return e->cainfo ? 0 : -1;
  }
  else
    return 1;
  return 0;
}

static int
config_block (const char *value)
{
  const int64_t size = nbdkit_parse_size (value);

  if (size == -1)
    return -1;
  if (size < INT64_C (64) << 10 || size > INT64_C (4) << 20 ||
      (size & (size - 1)) != 0) {
    nbdkit_error ("block must be a power of two from 64K to 4M");
    return -1;
  }
  block = size;
  return 0;
}

static const char *
without_moref (const char *value)
{
  return strncmp (value, "moref=", 6) == 0 ? value + 6 : value;
}

static int
vsphere_plugin_config (const char *key, const char *value)
{
  int r = config_endpoint (&server, key, value);

  if (r == 1 && strncmp (key, "esxi-", 5) == 0)
    r = config_endpoint (&esxi, key + 5, value);
  if (r != 1)
    return r;
  if (strcmp (key, "server") == 0 || strcmp (key, "url") == 0)
    server.server = value;
  else if (strcmp (key, "esxi") == 0)
    esxi.server = value;
  else if (strcmp (key, "port") == 0)
    return nbdkit_parse_unsigned (key, value, &port);
  else if (strcmp (key, "vm") == 0)
    vm_name = value;
  else if (strcmp (key, "disk") == 0 || strcmp (key, "file") == 0)
    disk_name = value;
  else if (strcmp (key, "snapshot") == 0)
    snapshot = without_moref (value);
  else if (strcmp (key, "sslverify") == 0) {
    r = nbdkit_parse_bool (value);
    if (r == -1)
      return -1;
    insecure = !r;
  }
  else if (strcmp (key, "proxy") == 0)
    proxy = value;
  else if (strcmp (key, "connections") == 0) {
    if (nbdkit_parse_unsigned (key, value, &connections) == -1)
      return -1;
    if (connections < 1 || connections > 64) {
      nbdkit_error ("connections must be from 1 to 64; an ESXi host takes "
                    "128 in all");
      return -1;
    }
  }
  else if (strcmp (key, "timeout") == 0)
    return nbdkit_parse_unsigned (key, value, &timeout);
  else if (strcmp (key, "block") == 0)
    return config_block (value);
  else {
    nbdkit_error ("unknown parameter '%s'", key);
    return -1;
  }
  return 0;
}

#define vsphere_plugin_config_help \
  "block=<SIZE>              Size of a request (default 1M).\n" \
  "cainfo=<FILE>             Certificates of those who sign the server's.\n" \
  "connections=<N>           HTTP connections (default 8).\n" \
  "disk=<DISK>               Serve only this disk: name, number, key=KEY " \
  "or UUID.\n" \
  "esxi=<HOST>               Read the data straight from this ESXi host.\n" \
  "esxi-cainfo=<FILE>        As cainfo, of that host (default: cainfo).\n" \
  "esxi-password=<PASSWORD>  Password for that host (default: password).\n" \
  "esxi-thumbprint=<HEX>     As thumbprint, of that host.\n" \
  "esxi-user=<USER>          User for that host (default: user).\n" \
  "[file=]<DISK>             The same as disk=.\n" \
  "password=<PASSWORD>       (required) Better +FILE or -FD.\n" \
  "port=<PORT>               Port of the server (default 443).\n" \
  "proxy=<URL>               HTTP proxy (default none).\n" \
  "server=<HOST>             (required) vCenter Server or ESXi host.\n" \
  "snapshot=<MOREF>          The disks as they were at this snapshot.\n" \
  "sslverify=false           Do not check who the server is.\n" \
  "thumbprint=<HEX>          SHA-1 or SHA-256 of the server's certificate.\n" \
  "timeout=<SECONDS>         Without any answer (default 120).\n" \
  "url=<URL>                 https://HOST[:PORT]/sdk, instead of server.\n" \
  "user=<USER>               (required) User name.\n" \
  "vm=<VM>                   (required) moref=ID, inventory path, UUID or " \
  "name."

static int
vsphere_plugin_config_complete (void)
{
  const struct {
    const char *key, *value;
  } required[] = {
    { "server", server.server }, { "user", server.user },
    { "password", server.password }, { "vm", vm_name },
  };
  size_t i;

  for (i = 0; i < ARRAY_SIZE (required); i++) {
    if (required[i].value == NULL) {
      nbdkit_error ("the parameter %s= is missing; use 'nbdkit vsphere "
                    "server=HOST user=USER password=+FILE vm=VM'",
                    required[i].key);
      return -1;
    }
  }
  if (esxi.server == NULL && (esxi.user || esxi.password ||
                              esxi.thumbprint || esxi.cainfo)) {
    nbdkit_error ("an esxi-... parameter was given, but not esxi=");
    return -1;
  }
  return 0;
}

/*---- starting ----*/

/* "https://HOST:PORT" of what the user gave, malloc'ed; NULL reported. */
static char *
make_url (const struct endpoint *e, unsigned p)
{
  const bool v6 = strchr (e->server, ':') != strrchr (e->server, ':') &&
    e->server[0] != '[';
  char *url;
  int r;

  if (strstr (e->server, "://"))
    r = asprintf (&url, "%s", e->server);
  else if (p > 0)
    r = asprintf (&url, v6 ? "https://[%s]:%u" : "https://%s:%u", e->server,
                  p);
  else
    r = asprintf (&url, v6 ? "https://[%s]" : "https://%s", e->server);
  if (r == -1) {
    log_oom ();
    return NULL;
  }
  return url;
}

/* nbdkit waits for its threads before it calls us, and lets us know that
 * it ends, or that the client has gone, by this alone.
 */
static bool
is_stopped (void *opaque)
{
  return nbdkit_nanosleep (0, 1) == -1;
}

static struct vim *
log_in (const struct endpoint *e, unsigned p)
{
  char *url = make_url (e, p);
  struct vim_options options = {
    .url = url, .user = e->user ? e->user : server.user,
    .password = e->password ? e->password : server.password,
    .thumbprint = e->thumbprint, .insecure = insecure,
    .ca_file = e->cainfo ? e->cainfo : server.cainfo,
    .proxy = proxy, .connections = connections, .timeout = timeout,
    .block = block,
  };
  struct vim *ret = url ? vim_open (&options) : NULL;

  if (ret)
    nbdkit_debug ("%s: %s, logged in", e->what, vim_product (ret));
  free (url);
  return ret;
}

static int
get_ready (void)
{
  const char *id = without_moref (vm_name);
  const struct source_ref ref = {
    .id = id == vm_name ? NULL : id, .name = id == vm_name ? id : NULL,
  };
  struct folder_options folder_options;

  vim = log_in (&server, port);
  if (vim == NULL || vsphere_describe (vim, &ref, &vm) == -1)
    return -1;
  if (esxi.server) {
    host = log_in (&esxi, 0);
    if (host == NULL)
      return -1;
  }
  folder_options = (struct folder_options) {
    .files = host ? host : vim, .datacenter = vm.datacenter, .vim = vim,
    .vm = vm.vm.id, .snapshot = snapshot != NULL, .stopped = is_stopped,
  };
  folder = folder_new (&folder_options);
  if (folder == NULL)
    return -1;
  exports.vim = vim;
  exports.folder = folder;
  exports.vm = &vm;
  exports.snapshot = snapshot;
  return vsphere_exports_open (&exports, disk_name);
}

static int
vsphere_plugin_get_ready (void)
{
  if (get_ready () == 0)
    return 0;
  close_all ();
  return -1;
}

static int
vsphere_plugin_after_fork (void)
{
  if (vim_start (vim) == -1 || (host && vim_start (host) == -1))
    return -1;
  return folder_start (folder);
}

/* No client is left: end the threads and the sessions. */
static void
vsphere_plugin_cleanup (void)
{
  close_all ();
}

/*---- serving ----*/

static int
vsphere_plugin_list_exports (int readonly, int is_tls,
                             struct nbdkit_exports *list)
{
  size_t i;

  for (i = 0; i < exports.list.len; i++) {
    const struct vsphere_export *e = exports.list.ptr[i];

    if (nbdkit_add_export (list, vsphere_export_name (e),
                           e->description) == -1)
      return -1;
  }
  return 0;
}

/* "" if there are several: open then says which. */
static const char *
vsphere_plugin_default_export (int readonly, int is_tls)
{
  return exports.list.len == 1 ? vsphere_export_name (exports.list.ptr[0])
                               : "";
}

static void *
vsphere_plugin_open (int readonly)
{
  return vsphere_exports_find (&exports, nbdkit_export_name ());
}

static int64_t
vsphere_plugin_get_size (void *handle)
{
  const struct vsphere_export *e = handle;

  return (int64_t) vmdk_chain_size (e->chain);
}

static const char *
vsphere_plugin_export_description (void *handle)
{
  const struct vsphere_export *e = handle;

  return nbdkit_strdup_intern (e->description);
}

static int
vsphere_plugin_block_size (void *handle, uint32_t *minimum,
                           uint32_t *preferred, uint32_t *maximum)
{
  *minimum = 1;
  *preferred = block;
  *maximum = 32 * 1024 * 1024;
  return 0;
}

static int
vsphere_plugin_pread (void *handle, void *buf, uint32_t count,
                      uint64_t offset, uint32_t flags)
{
  struct vsphere_export *e = handle;

  if (vsphere_export_load (e) == -1)
    return -1;
  return vsphere_export_pread (e, buf, count, offset);
}

static int
vsphere_plugin_extents (void *handle, uint32_t count, uint64_t offset,
                        uint32_t flags, struct nbdkit_extents *extents)
{
  struct vsphere_export *e = handle;

  if (vsphere_export_load (e) == -1)
    return -1;
  return vsphere_export_extents (e, count, offset,
                                 flags & NBDKIT_FLAG_REQ_ONE, hand_to_nbdkit,
                                 extents);
}

static struct nbdkit_plugin plugin = {
  .name = "vsphere",
  .longname = "nbdkit vSphere plugin",
  .version = NBDLIFT_VERSION,
  .description = "Disks of VMs on vCenter Server and ESXi, over HTTPS",
  .load = vsphere_plugin_load,
  .unload = vsphere_plugin_unload,
  .dump_plugin = vsphere_plugin_dump_plugin,
  .config = vsphere_plugin_config,
  .config_complete = vsphere_plugin_config_complete,
  .config_help = vsphere_plugin_config_help,
  .magic_config_key = "file",
  .get_ready = vsphere_plugin_get_ready,
  .after_fork = vsphere_plugin_after_fork,
  .cleanup = vsphere_plugin_cleanup,
  .list_exports = vsphere_plugin_list_exports,
  .default_export = vsphere_plugin_default_export,
  .open = vsphere_plugin_open,
  .get_size = vsphere_plugin_get_size,
  .export_description = vsphere_plugin_export_description,
  .block_size = vsphere_plugin_block_size,
  .can_multi_conn = plugin_can_multi_conn,
  .pread = vsphere_plugin_pread,
  .extents = vsphere_plugin_extents,
  .errno_is_preserved = 1,
};

NBDKIT_REGISTER_PLUGIN (plugin)
