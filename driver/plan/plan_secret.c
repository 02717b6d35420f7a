/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The keys of Secrets by type of provider.  Forklift looks them up by
 * name and ignores all others, so that a misspelt key is found only when
 * the login fails; here every key that no one reads is named.
 */
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/plan/decode.h"
#include "driver/plan/plan_secret.h"

enum key_use { OPTIONAL, REQUIRED, IGNORED };

struct secret_key {
  const char *name;
  enum key_use use;
};

struct secret_type {
  const char *type;
  const struct secret_key *keys;        /* ends with name NULL */
};

static const struct secret_key vsphere_keys[] = {
  { "user", REQUIRED }, { "password", REQUIRED }, { "url", OPTIONAL },
  { "cacert", OPTIONAL }, { "ca.crt", OPTIONAL },
  { "insecureSkipVerify", OPTIONAL }, { "thumbprint", OPTIONAL },
  { NULL, 0 }
};

static const struct secret_key ovirt_keys[] = {
  { "user", REQUIRED }, { "password", REQUIRED }, { "url", OPTIONAL },
  { "cacert", OPTIONAL }, { "ca.crt", OPTIONAL },
  { "insecureSkipVerify", OPTIONAL },
  { NULL, 0 }
};

/* The manual of MTV says user, Forklift reads username: both. */
static const struct secret_key openstack_keys[] = {
  { "user", OPTIONAL }, { "username", OPTIONAL }, { "userID", OPTIONAL },
  { "password", OPTIONAL }, { "url", OPTIONAL }, { "authType", OPTIONAL },
  { "regionName", OPTIONAL }, { "applicationCredentialID", OPTIONAL },
  { "applicationCredentialName", OPTIONAL },
  { "applicationCredentialSecret", OPTIONAL }, { "token", OPTIONAL },
  { "systemScope", OPTIONAL }, { "projectName", OPTIONAL },
  { "projectID", OPTIONAL }, { "userDomainName", OPTIONAL },
  { "userDomainID", OPTIONAL }, { "projectDomainName", OPTIONAL },
  { "projectDomainID", OPTIONAL }, { "domainName", OPTIONAL },
  { "domainID", OPTIONAL }, { "defaultDomain", OPTIONAL },
  { "availability", OPTIONAL }, { "cacert", OPTIONAL },
  { "ca.crt", OPTIONAL }, { "insecureSkipVerify", OPTIONAL },
  { NULL, 0 }
};

static const struct secret_key openshift_keys[] = {
  { "token", REQUIRED }, { "password", IGNORED }, { "url", OPTIONAL },
  { "cacert", OPTIONAL }, { "ca.crt", OPTIONAL },
  { "insecureSkipVerify", OPTIONAL },
  { NULL, 0 }
};

static const struct secret_key ova_keys[] = {
  { "url", REQUIRED }, { "insecureSkipVerify", OPTIONAL },
  { NULL, 0 }
};

static const struct secret_key host_keys[] = {
  { "user", REQUIRED }, { "password", REQUIRED }, { "provider", OPTIONAL },
  { "ip", OPTIONAL }, { "cacert", OPTIONAL }, { "ca.crt", OPTIONAL },
  { "insecureSkipVerify", OPTIONAL }, { "thumbprint", OPTIONAL },
  { NULL, 0 }
};

static const struct secret_type types[] = {
  { "vsphere", vsphere_keys }, { "ovirt", ovirt_keys },
  { "openstack", openstack_keys }, { "openshift", openshift_keys },
  { "ova", ova_keys }, { "host", host_keys },
};

static const struct secret_key *
keys_of_type (const char *type)
{
  size_t i;

  for (i = 0; i < ARRAY_SIZE (types); ++i)
    if (strcmp (types[i].type, type) == 0)
      return types[i].keys;
  return NULL;
}

void
plan_secret_list_keys (FILE *fp)
{
  const struct secret_key *k;
  size_t i;

  for (i = 0; i < ARRAY_SIZE (types); ++i)
    for (k = types[i].keys; k->name; ++k)
      fprintf (fp, "Secret %s.%s string %s\n", types[i].type, k->name,
               k->use == REQUIRED ? "required"
               : k->use == IGNORED ? "unused" : "-");
}

/* What all reports on SECRET have in common. */
struct report {
  problem_vector *problems;
  const struct plan_secret *secret;
  char *object;
};

static int __attribute__ ((format (printf, 7, 8)))
report (const struct report *r, enum problem_category category,
        const char *type, const struct key_value *kv, const char *key,
        const char *suggestion, const char *fmt, ...)
{
  CLEANUP_FREE char *message = NULL, *path = NULL;
  va_list args;

  va_start (args, fmt);
  message = vformat_text (fmt, args);
  va_end (args);
  if (message == NULL)
    return -1;
  if (key) {
    path = format_text ("stringData.%s", printable (key));
    if (path == NULL)
      return -1;
  }
  return problem_add (r->problems, category, type,
                      kv ? &kv->where : &r->secret->meta.where, r->object,
                      path, suggestion, "%s", message);
}

static const struct key_value *
find_key (const struct plan_secret *secret, const char *key)
{
  size_t i;

  for (i = 0; i < secret->data.len; ++i)
    if (strcmp (secret->data.ptr[i].key, key) == 0)
      return &secret->data.ptr[i];
  return NULL;
}

static int
check_missing (const struct report *r, const struct secret_key *keys)
{
  const struct secret_key *k;
  const struct key_value *kv;

  for (k = keys; k->name; ++k) {
    if (k->use != REQUIRED)
      continue;
    kv = find_key (r->secret, k->name);
    if (kv && (kv->len > 0 || kv->broken))
      continue;
    if (report (r, PROBLEM_CRITICAL, "SecretNotValid", kv, k->name, NULL,
                "is required%s", kv ? ", but empty" : "") == -1)
      return -1;
  }
  return 0;
}

static int
check_unread (const struct report *r, const struct secret_key *keys,
              const char *type)
{
  const char *names[32], *near;
  CLEANUP_FREE char *suggestion = NULL;
  const struct key_value *kv;
  const struct secret_key *k;
  size_t i, nr = 0;

  for (k = keys; k->name; ++k)
    names[nr++] = k->name;
  for (i = 0; i < r->secret->data.len; ++i) {
    kv = &r->secret->data.ptr[i];
    for (k = keys; k->name; ++k)
      if (strcmp (k->name, kv->key) == 0)
        break;
    if (k->name && k->use != IGNORED)
      continue;
    near = k->name ? NULL : closest_word (kv->key, names, nr);
    free (suggestion);
    suggestion = NULL;
    if (near && asprintf (&suggestion, "did you mean %s?", near) == -1) {
      suggestion = NULL;
      log_oom ();
      return -1;
    }
    if (report (r, near ? PROBLEM_WARN : PROBLEM_ADVISORY, "KeyNotUsed",
                kv, kv->key, suggestion, "is not used for %s%s",
                strcmp (type, "host") == 0 ? "a Host"
                : "a provider of type ",
                strcmp (type, "host") == 0 ? "" : type) == -1)
      return -1;
  }
  return 0;
}

/* Go's strconv.ParseBool.  -1 for anything else. */
static int
go_bool (const char *s)
{
  static const char *const yes[] =
    { "1", "t", "T", "true", "TRUE", "True" };
  static const char *const no[] =
    { "0", "f", "F", "false", "FALSE", "False" };
  size_t i;

  for (i = 0; i < ARRAY_SIZE (yes); ++i) {
    if (strcmp (s, yes[i]) == 0)
      return 1;
    if (strcmp (s, no[i]) == 0)
      return 0;
  }
  return -1;
}

bool
plan_secret_insecure (const struct plan_secret *secret)
{
  const struct key_value *kv = find_key (secret, "insecureSkipVerify");

  return kv && go_bool (kv->value) == 1;
}

static int
check_openstack (const struct report *r)
{
  const struct key_value *user = find_key (r->secret, "user");
  const struct key_value *username = find_key (r->secret, "username");
  const struct key_value *auth = find_key (r->secret, "authType");
  const char *type = auth && auth->len > 0 ? auth->value : "password";

  if (user && username && strcmp (user->value, username->value) != 0 &&
      report (r, PROBLEM_WARN, "SecretNotValid", user, "user",
              "remove one of the two", "differs from username, which is "
              "the one that is used") == -1)
    return -1;
  if (strcmp (type, "password") == 0) {
    if ((!user && !username && !find_key (r->secret, "userID")) ||
        !find_key (r->secret, "password"))
      return report (r, PROBLEM_WARN, "SecretNotValid", NULL, NULL, NULL,
                     "authType password needs username (or userID) and "
                     "password");
  }
  else if (strcmp (type, "token") == 0) {
    if (!find_key (r->secret, "token"))
      return report (r, PROBLEM_WARN, "SecretNotValid", NULL, NULL, NULL,
                     "authType token needs token");
  }
  else if (strcmp (type, "applicationcredential") == 0) {
    if ((!find_key (r->secret, "applicationCredentialID") &&
         !find_key (r->secret, "applicationCredentialName")) ||
        !find_key (r->secret, "applicationCredentialSecret"))
      return report (r, PROBLEM_WARN, "SecretNotValid", NULL, NULL, NULL,
                     "authType applicationcredential needs "
                     "applicationCredentialID (or Name) and "
                     "applicationCredentialSecret");
  }
  else
    return report (r, PROBLEM_CRITICAL, "SecretNotValid", auth, "authType",
                   NULL, "is none of password, token and "
                   "applicationcredential");
  return 0;
}

static int
check_values (const struct report *r, const char *type)
{
  const struct key_value *kv = find_key (r->secret, "insecureSkipVerify");
  bool insecure = kv && go_bool (kv->value) == 1;

  if (kv && !kv->broken && go_bool (kv->value) == -1 &&
      report (r, PROBLEM_CRITICAL, "SecretNotValid", kv,
              "insecureSkipVerify", "write \"true\" or \"false\"",
              "is neither true nor false") == -1)
    return -1;

  if (strcmp (type, "ovirt") == 0 && !insecure &&
      !find_key (r->secret, "cacert") && !find_key (r->secret, "ca.crt") &&
      report (r, PROBLEM_ADVISORY, "SecretNotValid", NULL, "cacert", NULL,
              "is not given; the certificate authorities of this system "
              "are used (Forklift refuses such a Secret)") == -1)
    return -1;

  return strcmp (type, "openstack") == 0 ? check_openstack (r) : 0;
}

/* "Secret NS/NAME", malloc'ed.  NULL reported. */
static char *
secret_label (const struct plan_secret *secret)
{
  char *label;

  if (asprintf (&label, "Secret %s/%s", printable (secret->meta.namespace_),
                printable (secret->meta.name)) == -1) {
    log_oom ();
    return NULL;
  }
  return label;
}

int
plan_secret_check (const struct plan_secret *secret, const char *type,
                   problem_vector *problems)
{
  const struct secret_key *keys = keys_of_type (type);
  CLEANUP_FREE char *object = NULL;
  struct report r = { problems, secret, NULL };

  if (keys == NULL)
    return 0;                   /* the Provider's type is refused */
  r.object = object = secret_label (secret);
  if (object == NULL ||
      check_missing (&r, keys) == -1 ||
      check_unread (&r, keys, type) == -1)
    return -1;
  return check_values (&r, type);
}

static int
check_passphrase (const struct report *r, const struct key_value *kv)
{
  const size_t n = strcspn (kv->value, "\n");

  if (kv->broken)
    return 0;
  if (n == 0)
    return report (r, PROBLEM_CRITICAL, "SecretNotValid", kv, kv->key, NULL,
                   "is no passphrase: it is empty");
  /* virt-v2v, too, takes the first line of a file. */
  if (n < kv->len && (kv->value[n] == '\0' || n + 1 != kv->len))
    return report (r, PROBLEM_CRITICAL, "SecretNotValid", kv, kv->key,
                   "give each passphrase a key of its own",
                   "is no passphrase: it has a NUL byte or several lines");
  if (n > PLAN_MAX_PASSPHRASE)
    return report (r, PROBLEM_CRITICAL, "SecretNotValid", kv, kv->key, NULL,
                   "is no passphrase: it has more than %d bytes",
                   PLAN_MAX_PASSPHRASE);
  return 0;
}

int
plan_secret_check_luks (const struct plan_secret *secret,
                        problem_vector *problems)
{
  CLEANUP_FREE char *object = secret_label (secret);
  const struct report r = { problems, secret, object };
  size_t i;

  if (object == NULL)
    return -1;
  if (secret->data.len == 0)
    return report (&r, PROBLEM_CRITICAL, "SecretNotValid", NULL, NULL, NULL,
                   "holds no passphrase, and is named in spec.vms[].luks");
  for (i = 0; i < secret->data.len; ++i)
    if (check_passphrase (&r, &secret->data.ptr[i]) == -1)
      return -1;
  return 0;
}
