/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The vSphere source.  A session is one login, which all threads of the
 * driver share; the nbdkit plugin logs in itself.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "plugins/vsphere/inventory.h"
#include "plugins/vsphere/source.h"
#include "plugins/vsphere/source_private.h"
#include "plugins/vsphere/transport.h"

const char *
vsphere_secret (const struct source_secret *list, size_t n, const char *key)
{
  size_t i;

  for (i = 0; i < n; i++)
    if (strcmp (list[i].key, key) == 0)
      return list[i].value && *list[i].value ? list[i].value : NULL;
  return NULL;
}

static int
read_number (const struct source_endpoint *e, const char *key, uint64_t max,
             unsigned *value)
{
  const char *text = source_endpoint_setting (e, key);
  uint64_t n;

  if (text == NULL)
    return 0;
  if (!parse_u64 (text, &n) || n == 0 || n > max) {
    log_error ("provider '%s': setting %s: '%s' is not a number from 1 to "
               "%" PRIu64, printable (e->provider), key, printable (text),
               max);
    errno = EINVAL;
    return -1;
  }
  *value = n;
  return 0;
}

static int
missing (const struct source_endpoint *e, const char *what,
         const char *remedy)
{
  log_error ("provider '%s': %s is missing: %s", printable (e->provider),
             what, remedy);
  errno = EINVAL;
  return -1;
}

/* "vcenter" or "esxi", as Forklift has it; checked against what answers. */
static int
check_endpoint (const struct vsphere_session *s)
{
  const char *wanted = source_endpoint_setting (s->endpoint, "sdkEndpoint");
  const bool vcenter = vim_is_vcenter (s->vim);

  if (wanted == NULL || strcmp (wanted, vcenter ? "vcenter" : "esxi") == 0)
    return 0;
  if (strcmp (wanted, "vcenter") != 0 && strcmp (wanted, "esxi") != 0)
    log_error ("provider '%s': setting sdkEndpoint is '%s': it is vcenter or "
               "esxi", printable (s->endpoint->provider), printable (wanted));
  else
    log_error ("provider '%s': setting sdkEndpoint is %s, but %s is %s",
               printable (s->endpoint->provider), wanted,
               printable (s->endpoint->url), printable (vim_product (s->vim)));
  errno = EINVAL;
  return -1;
}

static int
read_options (const struct source_endpoint *e, struct vim_options *o)
{
  o->url = e->url;
  o->user = vsphere_secret (e->secrets, e->nr_secrets, "user");
  o->password = source_endpoint_secret (e, "password");
  o->insecure = e->insecure_skip_verify;
  o->thumbprint = vsphere_secret (e->secrets, e->nr_secrets, "thumbprint");
  o->ca_pem = vsphere_secret (e->secrets, e->nr_secrets, "ca.crt");
  if (o->ca_pem == NULL)
    o->ca_pem = vsphere_secret (e->secrets, e->nr_secrets, "cacert");
  o->proxy = vsphere_secret (e->settings, e->nr_settings, "proxy");
  if (e->url == NULL || *e->url == '\0')
    return missing (e, "spec.url", "set it to https://VCENTER/sdk");
  if (o->user == NULL)
    return missing (e, "the key 'user' of its Secret",
                    "set it to a user of vCenter or ESXi");
  if (o->password == NULL)
    return missing (e, "the key 'password' of its Secret", "set it");
  if (read_number (e, "connections", 128, &o->connections) == -1)
    return -1;
  return read_number (e, "timeout", 86400, &o->timeout);
}

static void
vsphere_source_close (void *session)
{
  struct vsphere_session *s = session;

  vim_close (s->vim);
  free (s);
}

static void *
vsphere_source_open (const struct source_endpoint *endpoint)
{
  struct vsphere_session *s = calloc (1, sizeof *s);
  int err;

  if (s == NULL) {
    log_oom ();
    return NULL;
  }
  s->endpoint = endpoint;
  if (read_options (endpoint, &s->options) == 0 &&
      http_global_init () == 0 &&
      (s->vim = vim_open (&s->options)) != NULL &&
      check_endpoint (s) == 0 && vim_start (s->vim) == 0)
    return s;
  err = errno;
  vsphere_source_close (s);
  errno = err;
  return NULL;
}

static json_t *
vsphere_source_inventory (void *session, enum source_collection collection)
{
  const struct vsphere_session *s = session;

  return vsphere_inventory (s->vim, s->endpoint->provider, collection);
}

static int
vsphere_source_describe (void *session, const struct source_ref *ref,
                         struct vm *out)
{
  const struct vsphere_session *s = session;
  CLEANUP_VSPHERE_VM struct vsphere_vm vm;

  vsphere_vm_init (&vm);
  if (vsphere_describe (s->vim, ref, &vm) == -1)
    return -1;
  *out = vm.vm;
  vm_init (&vm.vm);
  return 0;
}

static int
vsphere_source_power_state (void *session, const struct vm *vm,
                            enum vm_power *state)
{
  const struct vsphere_session *s = session;

  return vim_power_state (s->vim, vm->id, state);
}

static int
vsphere_source_shutdown (void *session, const struct vm *vm,
                         unsigned seconds, bool (*cancelled) (void *opaque),
                         void *opaque)
{
  const struct vsphere_session *s = session;

  return vim_shutdown_guest (s->vim, vm->id, seconds, cancelled, opaque);
}

static int
vsphere_source_power_off (void *session, const struct vm *vm)
{
  const struct vsphere_session *s = session;

  return vim_power_off (s->vim, vm->id);
}

static int
vsphere_source_power_on (void *session, const struct vm *vm)
{
  const struct vsphere_session *s = session;

  return vim_power_on (s->vim, vm->id);
}

const struct source_ops source_vsphere = {
  .type = "vsphere",
  .title = "VMware vSphere",
  .converts = true,
  .open = vsphere_source_open,
  .close = vsphere_source_close,
  .inventory = vsphere_source_inventory,
  .describe = vsphere_source_describe,
  .path = vsphere_transport_path,
  .servers = vsphere_transport_servers,
  .import_disk = vsphere_import_disk,
  .power_state = vsphere_source_power_state,
  .shutdown = vsphere_source_shutdown,
  .power_off = vsphere_source_power_off,
  .power_on = vsphere_source_power_on,
};
