/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Command lines of the servers that read the disks of a VM.  One nbdkit
 * serves all disks of a VM.  Where a Host resource is given for the host
 * that the VM is on, the files are read from that host; its certificate
 * is known by the thumbprint that vCenter has of it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "plugins/vsphere/transport.h"

static bool
same (const char *a, const char *b)
{
  return a && b && strcmp (a, b) == 0;
}

/* What vCenter says of a host: both malloc'ed or NULL. */
struct host_facts {
  char *name;
  char *thumbprint;
};

static void
host_facts_free (struct host_facts *facts)
{
  free (facts->name);
  free (facts->thumbprint);
}

static int
get_host_facts (struct vim *vim, const char *id, struct host_facts *facts)
{
  static const char *const paths[] = { "name", "summary.config", NULL };
  CLEANUP_VIM_OBJECTS struct vim_objects objects = { 0 };
  const struct vim_object *host;

  if (vim_get (vim, "HostSystem", id, paths, &objects) == -1)
    return -1;
  host = objects.list.ptr[0];
  facts->name = vim_object_text (host, "name");
  facts->thumbprint =
    vim_child_text (vim_object_get (host, "summary.config"), "sslThumbprint");
  return 0;
}

static const struct source_host *
find_host (const struct source_endpoint *e, const char *id, const char *name)
{
  size_t i;

  for (i = 0; i < e->nr_hosts; i++)
    if (e->hosts[i].id ? same (e->hosts[i].id, id)
                       : same (e->hosts[i].name, name))
      return &e->hosts[i];
  return NULL;
}

int
vsphere_host_of (const struct vsphere_session *s, const struct vm *vm,
                 const struct source_host **host, char **thumbprint)
{
  __attribute__ ((cleanup (host_facts_free)))
    struct host_facts facts = { NULL, NULL };

  *host = NULL;
  *thumbprint = NULL;
  if (s->endpoint->nr_hosts == 0 || vm->host == NULL ||
      !vim_is_vcenter (s->vim))
    return 0;
  if (get_host_facts (s->vim, vm->host, &facts) == -1)
    return -1;
  *host = find_host (s->endpoint, vm->host, facts.name);
  if (*host) {
    *thumbprint = facts.thumbprint;
    facts.thumbprint = NULL;
  }
  return 0;
}

/* KEY=VALUE, unless VALUE is NULL.  0, or -1 with errno ENOMEM. */
static int
add (struct source_server *server, const char *key, const char *value)
{
  return value == NULL ? 0
    : string_vector_append_format (&server->argv, "%s=%s", key, value);
}

static int
add_number (struct source_server *server, const char *key, unsigned value)
{
  return value == 0 ? 0
    : string_vector_append_format (&server->argv, "%s=%u", key, value);
}

/* The same, in a file that only the server sees. */
static int
add_file (string_vector *keys, string_vector *values, const char *key,
          const char *value)
{
  return string_vector_append_dup (keys, key) == -1 ? -1
    : string_vector_append_dup (values, value);
}

/* How a server proves who it is: PREFIX is "" or "esxi-". */
static int
add_trust (struct source_server *server, const char *prefix,
           const char *thumbprint, const char *ca)
{
  char key[32];

  if (thumbprint) {
    snprintf (key, sizeof key, "%sthumbprint", prefix);
    return add (server, key, thumbprint);
  }
  if (ca == NULL)
    return 0;
  snprintf (key, sizeof key, "%scainfo", prefix);
  return add_file (&server->file_keys, &server->file_values, key, ca);
}

static int
add_host (const struct vsphere_session *s, const struct source_host *host,
          const char *vcenter_says, struct source_server *server)
{
  const struct source_secret *list = host->secrets;
  const size_t n = host->nr_secrets;
  const char *user = vsphere_secret (list, n, "user");
  const char *password = vsphere_secret (list, n, "password");
  const char *thumbprint = NULL, *ca = NULL;

  /* Those in the provider's Secret are of vCenter. */
  if (list != s->endpoint->secrets) {
    thumbprint = vsphere_secret (list, n, "thumbprint");
    ca = vsphere_secret (list, n, "ca.crt");
    if (ca == NULL)
      ca = vsphere_secret (list, n, "cacert");
  }
  if (thumbprint == NULL && ca == NULL)
    thumbprint = vcenter_says;
  if (user == NULL || password == NULL) {
    user = s->options.user;
    password = s->options.password;
  }
  if (add (server, "esxi", host->address) == -1 ||
      add (server, "esxi-user", user) == -1 ||
      add_file (&server->secret_keys, &server->secret_values,
                "esxi-password", password) == -1)
    return -1;
  return s->options.insecure ? 0 : add_trust (server, "esxi-", thumbprint,
                                              ca);
}

static int
add_parameters (const struct vsphere_session *s, const struct vm *vm,
                const char *snapshot, struct source_server *server)
{
  const struct vim_options *o = &s->options;

  if (string_vector_append_dup (&server->argv, "vsphere") == -1 ||
      add (server, "url", o->url) == -1 ||
      add (server, "user", o->user) == -1 ||
      add_file (&server->secret_keys, &server->secret_values, "password",
                o->password) == -1 ||
      add (server, "proxy", o->proxy) == -1 ||
      add_number (server, "connections", o->connections) == -1 ||
      add_number (server, "timeout", o->timeout) == -1 ||
      string_vector_append_format (&server->argv, "vm=moref=%s",
                                   vm->id) == -1 ||
      (snapshot &&
       string_vector_append_format (&server->argv, "snapshot=moref=%s",
                                    snapshot) == -1))
    return -1;
  return o->insecure ? add (server, "sslverify", "false")
                     : add_trust (server, "", o->thumbprint, o->ca_pem);
}

static int
add_exports (const struct vm *vm, struct source_servers *servers)
{
  size_t i;

  for (i = 0; i < vm->disks.len; i++) {
    const struct vm_disk *disk = &vm->disks.ptr[i];
    struct source_export export = { 0 };

    if (!disk->lun && !disk->blank) {
      export.name = strdup (disk->name);
      if (export.name == NULL)
        return -1;
    }
    if (source_export_vector_append (&servers->exports, export) == -1) {
      free (export.name);
      return -1;
    }
  }
  return 0;
}

int
vsphere_source_servers (void *session, const struct vm *vm,
                        const char *snapshot, struct source_servers *out)
{
  const struct vsphere_session *s = session;
  CLEANUP_SOURCE_SERVERS struct source_servers servers = { 0 };
  const struct source_server empty = { .kind = SOURCE_SERVER_NBDKIT };
  CLEANUP_FREE char *thumbprint = NULL;
  const struct source_host *host;
  struct source_server *server;

  if (vsphere_host_of (s, vm, &host, &thumbprint) == -1)
    return -1;
  if (source_server_vector_append (&servers.servers, empty) == -1)
    goto oom;
  server = &servers.servers.ptr[0];
  if (add_parameters (s, vm, snapshot, server) == -1 ||
      (host && add_host (s, host, thumbprint, server) == -1) ||
      add_exports (vm, &servers) == -1)
    goto oom;
  *out = servers;
  memset (&servers, 0, sizeof servers);
  return 0;

 oom:
  log_oom ();
  return -1;
}
