/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Secret, Provider and Host: how to reach a source.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/minmax.h"
#include "common/util/strbuf.h"
#include "driver/plan/decode.h"
#include "driver/plan/plan_secret.h"

/* Secret (v1) */

static const struct field secret_fields[] = {
  COMMON_FIELDS (plan_secret, metadata_fields),
  { .name = "type", .type = FIELD_ANY },
  { .name = "immutable", .type = FIELD_ANY, .flags = FIELD_INTERNAL },
  { .name = "data", .type = FIELD_BASE64_STRINGS,
    .offset = offsetof (struct plan_secret, data),
    .condition = "SecretNotValid" },
  { .name = "stringData", .type = FIELD_STRINGS,
    .offset = offsetof (struct plan_secret, string_data),
    .condition = "SecretNotValid" },
  { .name = NULL }
};

#define MAX_SECRET_KEYS 1000

/* stringData wins over data, key by key. */
static int
merge_string_data (struct decoder *d, struct plan_secret *secret)
{
  const key_value_vector *over = &secret->string_data;
  key_value_vector v = EMPTY_VECTOR;
  size_t i;

  if (over->len == 0)
    return 0;
  v.cap = secret->data.len + over->len;
  v.ptr = yaml_arena_alloc (d->arena, v.cap, sizeof *v.ptr);
  if (v.ptr == NULL)
    return -1;
  for (i = 0; i < secret->data.len; ++i)
    if (key_value_get (over, secret->data.ptr[i].key) == NULL)
      v.ptr[v.len++] = secret->data.ptr[i];
  for (i = 0; i < over->len; ++i)
    v.ptr[v.len++] = over->ptr[i];
  secret->data = v;
  return 0;
}

static char *
label_of (struct decoder *d, const struct yaml_node *node, const char *name)
{
  const struct yaml_node *label =
    yaml_get (yaml_get (yaml_get (node, "metadata"), "labels"), name);

  if (label == NULL || label->type != YAML_STRING)
    return NULL;
  return yaml_arena_copy (d->arena, label->text, strlen (label->text));
}

static int
check_secret (struct decoder *d, const struct yaml_node *node, void *object)
{
  struct plan_secret *secret = object;
  const char *resource;

  /* Kubernetes takes 1 MiB of values; this many keys are no Secret. */
  if (secret->data.len > MAX_SECRET_KEYS ||
      secret->string_data.len > MAX_SECRET_KEYS) {
    secret->data.len = secret->string_data.len = 0;
    return decode_problem (d, PROBLEM_CRITICAL, "SecretNotValid", node, NULL,
                           NULL, "more than %d keys", MAX_SECRET_KEYS);
  }
  if (merge_string_data (d, secret) == -1)
    return -1;
  secret->provider_type = label_of (d, node, "createdForProviderType");
  resource = label_of (d, node, "createdForResourceType");
  secret->for_host = resource && strcmp (resource, "hosts") == 0;

  if (secret->meta.name == NULL ||
      (secret->provider_type == NULL && !secret->for_host))
    return 0;
  return plan_secret_check (secret, secret->for_host ? "host"
                            : secret->provider_type, d->problems);
}

const struct plan_kind plan_kind_secret = {
  .kind = "Secret", .group = "", .version = "v1",
  .fields = secret_fields, .size = sizeof (struct plan_secret),
  .offset = offsetof (struct plan_set, secrets),
  .secret = true, .check = check_secret,
};

/* Provider */

static const char *const known_types[] =
  { "vsphere", "ovirt", "openstack", "openshift", "ova" };

static bool
is_known_type (const char *type)
{
  size_t i;

  for (i = 0; i < ARRAY_SIZE (known_types); ++i)
    if (strcmp (type, known_types[i]) == 0)
      return true;
  return false;
}

static int
check_provider_type (struct decoder *d, const struct yaml_node *node,
                     void *base)
{
  static const char *const newer[] = { "ec2", "hyperv", "nutanix" };
  char suggestion[64];
  const char *near;
  size_t i;

  if (node->type != YAML_STRING || is_known_type (node->text))
    return 0;
  for (i = 0; i < ARRAY_SIZE (newer); ++i)
    if (strcmp (node->text, newer[i]) == 0)
      return decode_problem (d, PROBLEM_CRITICAL, "TypeNotSupported", node,
                             NULL, NULL, "%s is known to Forklift from 2.11 "
                             "on; nbdlift can not read it", newer[i]);
  near = closest_word (node->text, known_types, ARRAY_SIZE (known_types));
  if (near)
    snprintf (suggestion, sizeof suggestion, "did you mean %s?", near);
  return decode_problem (d, PROBLEM_CRITICAL, "TypeNotSupported", node,
                         NULL, near ? suggestion : NULL,
                         "'%s' is not one of vsphere, ovirt, openstack, "
                         "openshift, ova", printable (node->text));
}

static const struct field_word sdk_endpoints[] = {
  { "vcenter", 0 }, { "esxi", 1 }, { NULL, 0 }
};
static const struct field_word true_false[] = {
  { "true", 1 }, { "false", 0 }, { NULL, 0 }
};

/* The three ways to a vSphere disk; nbdlift's own setting. */
static const struct field_word transports[] = {
  { "auto", 0 }, { "vddk", 1 }, { "folder", 2 }, { "export", 3 },
  { NULL, 0 }
};

static int
check_max_inflight (struct decoder *d, const struct yaml_node *node,
                    void *base)
{
  uint64_t n;

  if (node->type != YAML_STRING || (parse_u64 (node->text, &n) && n >= 1 &&
                                    n <= PLAN_MAX_INFLIGHT))
    return 0;
  return decode_problem (d, PROBLEM_CRITICAL, "SettingsNotValid", node,
                         PROVIDER_MAX_INFLIGHT, NULL, "'%s' is not a number "
                         "from 1 to %d", printable (node->text),
                         PLAN_MAX_INFLIGHT);
}

/* Keys of spec.settings; all values are strings. */
static const struct field provider_settings[] = {
  { .name = "sdkEndpoint", .type = FIELD_ENUM, .words = sdk_endpoints },
  { .name = "vddkInitImage", .type = FIELD_STRING },
  { .name = "useVddkAioOptimization", .type = FIELD_ENUM,
    .words = true_false },
  { .name = "vddkConfig", .type = FIELD_STRING },
  { .name = "vddkLibDir", .type = FIELD_STRING },
  { .name = "vddkCompression", .type = FIELD_STRING },
  { .name = "transport", .type = FIELD_ENUM, .words = transports },
  { .name = "connections", .type = FIELD_STRING },
  { .name = "timeout", .type = FIELD_STRING },
  { .name = "proxy", .type = FIELD_STRING },
  { .name = PROVIDER_MAX_INFLIGHT, .type = FIELD_STRING,
    .check = check_max_inflight },
  { .name = "esxiCloneMethod", .type = FIELD_STRING, .flags = FIELD_UNUSED,
    .note = "known to Forklift from 2.9 (copy by the storage array)" },
  { .name = NULL }
};

/* NODE is none of WORDS. */
static int
bad_setting (struct decoder *d, const struct yaml_node *node,
             const char *name, const struct field_word *words)
{
  char list[128] = "";
  size_t i, n = 0;

  for (i = 0; words[i].name; ++i)
    n += snprintf (list + n, sizeof list - n, "%s%s", i > 0 ? ", " : "",
                   words[i].name);
  if (i == 2)
    snprintf (list, sizeof list, "neither %s nor %s", words[0].name,
              words[1].name);
  return decode_problem (d, PROBLEM_CRITICAL, "SettingsNotValid", node, name,
                         NULL, "'%s' is %s%s", printable (node->text),
                         i == 2 ? "" : "not one of ", list);
}

static int
check_one_setting (struct decoder *d, const struct yaml_node *node,
                   const char *name)
{
  const struct field *f;
  size_t i;

  for (f = provider_settings; f->name; ++f)
    if (strcmp (f->name, name) == 0)
      break;
  if (f->name == NULL)
    return decode_problem (d, PROBLEM_ADVISORY, "SettingNotUsed", node, name,
                           NULL, "nbdlift does not know this setting");
  if (f->flags & FIELD_UNUSED)
    return decode_problem (d, PROBLEM_ADVISORY, "SettingNotUsed", node, name,
                           NULL, "%s; nbdlift does not use it", f->note);
  if (f->check)
    return f->check (d, node, NULL);
  if (f->type != FIELD_ENUM || node->type != YAML_STRING)
    return 0;
  for (i = 0; f->words[i].name; ++i)
    if (strcmp (f->words[i].name, node->text) == 0)
      return 0;
  return bad_setting (d, node, name, f->words);
}

static int
check_settings (struct decoder *d, const struct yaml_node *node, void *base)
{
  size_t i;

  for (i = 0; node->type == YAML_MAP && i < node->nr; ++i)
    if (check_one_setting (d, node->pairs[i].value,
                           node->pairs[i].key) == -1)
      return -1;
  return 0;
}

static const struct field provider_spec_fields[] = {
  { .name = "type", .type = FIELD_STRING, .flags = FIELD_REQUIRED,
    .offset = offsetof (struct plan_provider, type),
    .condition = "TypeNotSupported", .check = check_provider_type },
  { .name = "url", .type = FIELD_STRING,
    .offset = offsetof (struct plan_provider, url),
    .condition = "UrlNotValid" },
  { .name = "secret", .type = FIELD_REF,
    .offset = offsetof (struct plan_provider, secret),
    .flags = FIELD_NAME_NEEDED, .condition = "SecretNotValid" },
  { .name = "settings", .type = FIELD_STRINGS, .fields = provider_settings,
    .offset = offsetof (struct plan_provider, settings),
    .condition = "SettingsNotValid", .check = check_settings },
  { .name = NULL }
};

static const struct field provider_fields[] = {
  COMMON_FIELDS (plan_provider, metadata_fields),
  { .name = "spec", .type = FIELD_OBJECT, .flags = FIELD_REQUIRED,
    .fields = provider_spec_fields },
  { .name = NULL }
};

/* "nfs://SERVER/PATH", "SERVER:/PATH", an absolute path. */
static bool
is_ova_url (const char *url)
{
  const char *colon;

  if (strncmp (url, "nfs://", 6) == 0)
    return url[6] != '\0' && url[6] != '/' && strchr (url + 6, '/');
  if (url[0] == '/')
    return true;
  /* An IPv6 address stands in brackets. */
  colon = url[0] == '[' ? strstr (url, "]:") : strchr (url, ':');
  if (colon && url[0] == '[')
    colon++;
  return colon && colon != url && colon[1] == '/' && colon[2] != ':' &&
    colon[2] != '/' && colon[2] != '\0';
}

static int
check_url (struct decoder *d, const struct yaml_node *spec,
           const struct plan_provider *p)
{
  const struct yaml_node *url = yaml_get (spec, "url");
  const bool https_only =
    strcmp (p->type, "vsphere") == 0 || strcmp (p->type, "ovirt") == 0;
  const char *host = NULL;

  if (p->url == NULL || *p->url == '\0') {
    if (strcmp (p->type, "openshift") == 0 || yaml_given (spec, "url"))
      return 0;                 /* the cluster itself; reported already */
    return decode_problem (d, PROBLEM_CRITICAL, "UrlNotValid",
                           url ? url : spec, "spec.url", NULL,
                           "is required");
  }
  if (strchr (p->url, '@') && strstr (p->url, "://"))
    return decode_problem (d, PROBLEM_CRITICAL, "UrlNotValid", url,
                           "spec.url", "put user and password into the "
                           "Secret", "holds a user name or password");
  if (strcmp (p->type, "ova") == 0) {
    if (is_ova_url (p->url))
      return 0;
    return decode_problem (d, PROBLEM_CRITICAL, "UrlNotValid", url,
                           "spec.url", "write NFS_SERVER:/NFS_PATH, "
                           "nfs://SERVER/PATH, or an absolute path",
                           "'%s' is no place of OVA files",
                           printable (p->url));
  }
  if (strncmp (p->url, "https://", 8) == 0)
    host = p->url + 8;
  else if (!https_only && strncmp (p->url, "http://", 7) == 0)
    host = p->url + 7;
  if (host && *host != '\0' && *host != '/' && !strpbrk (host, " \t\r\n"))
    return 0;
  return decode_problem (d, PROBLEM_CRITICAL, "UrlNotValid", url,
                         "spec.url",
                         strcmp (p->type, "vsphere") == 0
                         ? "write https://HOST/sdk"
                         : strcmp (p->type, "ovirt") == 0
                         ? "write https://HOST/ovirt-engine/api"
                         : strcmp (p->type, "openstack") == 0
                         ? "write https://HOST:5000/v3"
                         : "write https://HOST:6443",
                         "'%s' is not the URL of a provider of type %s",
                         printable (p->url), p->type);
}

static int
check_provider (struct decoder *d, const struct yaml_node *node,
                void *object)
{
  const struct plan_provider *p = object;
  const struct yaml_node *spec = yaml_get (node, "spec");
  bool local;

  if (spec == NULL || spec->type != YAML_MAP || p->type == NULL ||
      !is_known_type (p->type))
    return 0;
  if (check_url (d, spec, p) == -1)
    return -1;
  local = strcmp (p->type, "openshift") == 0 && (!p->url || !*p->url);
  if (!yaml_given (spec, "secret") && !local)
    return decode_problem (d, PROBLEM_CRITICAL, "SecretNotValid", spec,
                           "spec.secret", "name the Secret with the "
                           "credentials", "is required");
  return 0;
}

const struct plan_kind plan_kind_provider = {
  .kind = "Provider", .group = "forklift.konveyor.io", .version = "v1beta1",
  .fields = provider_fields, .size = sizeof (struct plan_provider),
  .offset = offsetof (struct plan_set, providers),
  .check = check_provider,
};

/* Host */

/* "10.0.0.1:8443", "[fd00::1]:8443": for hosts behind a port forwarding;
 * Forklift has no port.
 */
static bool
is_address_and_port (const char *text)
{
  const char *colon = strrchr (text, ':');
  unsigned char addr[16];
  char host[64];
  uint64_t port;
  size_t len;
  int family = AF_INET;

  if (colon == NULL || !parse_u64 (colon + 1, &port) || port < 1 ||
      port > 65535)
    return false;
  len = colon - text;
  if (*text == '[' && len > 2 && text[len - 1] == ']') {
    family = AF_INET6;
    text++;
    len -= 2;
  }
  if (len >= sizeof host)
    return false;
  memcpy (host, text, len);
  host[len] = '\0';
  return inet_pton (family, host, addr) == 1;
}

static int
check_ip_address (struct decoder *d, const struct yaml_node *node,
                  void *base)
{
  unsigned char addr[16];

  if (node->type != YAML_STRING ||
      inet_pton (AF_INET, node->text, addr) == 1 ||
      inet_pton (AF_INET6, node->text, addr) == 1 ||
      is_address_and_port (node->text))
    return 0;
  return decode_problem (d, PROBLEM_CRITICAL, "IpNotValid", node, NULL,
                         NULL, "'%s' is not an IP address",
                         printable (node->text));
}

static const struct field host_spec_fields[] = {
  { .name = "provider", .type = FIELD_REF, .flags = FIELD_REQUIRED,
    .offset = offsetof (struct plan_host, provider),
    .condition = "ProviderNotValid" },
  { .name = "id", .type = FIELD_STRING,
    .offset = offsetof (struct plan_host, id),
    .condition = "RefNotValid" },
  { .name = "name", .type = FIELD_STRING,
    .offset = offsetof (struct plan_host, name),
    .condition = "RefNotValid" },
  { .name = "namespace", .type = FIELD_ANY, .flags = FIELD_INTERNAL },
  { .name = "type", .type = FIELD_ANY, .flags = FIELD_INTERNAL },
  { .name = "ipAddress", .type = FIELD_STRING, .flags = FIELD_REQUIRED,
    .offset = offsetof (struct plan_host, ip_address),
    .condition = "IpNotValid", .check = check_ip_address },
  { .name = "secret", .type = FIELD_REF,
    .offset = offsetof (struct plan_host, secret),
    .condition = "SecretNotValid" },
  { .name = NULL }
};

static const struct field host_fields[] = {
  COMMON_FIELDS (plan_host, metadata_fields),
  { .name = "spec", .type = FIELD_OBJECT, .flags = FIELD_REQUIRED,
    .fields = host_spec_fields },
  { .name = NULL }
};

static int
check_host (struct decoder *d, const struct yaml_node *node, void *object)
{
  const struct plan_host *host = object;
  const struct yaml_node *spec = yaml_get (node, "spec");

  if (spec == NULL || spec->type != YAML_MAP)
    return 0;
  if (!yaml_given (spec, "id") && !yaml_given (spec, "name") &&
      decode_problem (d, PROBLEM_CRITICAL, "RefNotValid", spec, "spec.id",
                      "name the ESXi host by id (host-44) or name",
                      "is required") == -1)
    return -1;
  if (host->secret.name == NULL)
    return decode_problem (d, PROBLEM_ADVISORY, "SecretNotValid", spec,
                           "spec.secret", NULL, "is not given; the "
                           "credentials of the Provider are used (Forklift "
                           "wants a Secret here)");
  return 0;
}

const struct plan_kind plan_kind_host = {
  .kind = "Host", .group = "forklift.konveyor.io", .version = "v1beta1",
  .fields = host_fields, .size = sizeof (struct plan_host),
  .offset = offsetof (struct plan_set, hosts),
  .check = check_host,
};
