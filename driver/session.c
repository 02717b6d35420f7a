/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Joins the plan with the table of sources.  What is passed to a source
 * are pointers into the plan_set, which lives as long as the session.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/driver_log.h"
#include "driver/session.h"

int
session_load (struct session *s, const char *const *files, size_t nr_files)
{
  if (plan_load (files, nr_files, &s->set, &s->problems) == -1)
    return -1;
  return plan_check (&s->set, &s->problems);
}

bool
session_print_problems (const struct session *s)
{
  problem_print (stderr, &s->problems);
  return problem_any_critical (&s->problems);
}

/* True if NAME, "name" or "namespace/name", means the object META. */
static bool
names_object (const char *name, const struct object_meta *meta)
{
  const char *slash = strchr (name, '/');

  if (meta->name == NULL)
    return false;
  if (slash == NULL)
    return strcmp (name, meta->name) == 0;
  return meta->namespace_ != NULL &&
    strlen (meta->namespace_) == (size_t) (slash - name) &&
    strncmp (meta->namespace_, name, slash - name) == 0 &&
    strcmp (slash + 1, meta->name) == 0;
}

static bool
same_namespace (const char *a, const char *b)
{
  return a == NULL || b == NULL || strcmp (a, b) == 0;
}

/* The newest way to run a plan wins: the last Migration of the file. */
static const struct plan_migration *
find_migration (const struct plan_set *set, const struct plan *p)
{
  const struct plan_migration *r = NULL;
  size_t i;

  for (i = 0; i < set->migrations.len; i++) {
    const struct plan_migration *m = &set->migrations.ptr[i];
    const char *ns =
      m->plan.namespace_ ? m->plan.namespace_ : m->meta.namespace_;

    if (m->plan.name && p->meta.name &&
        strcmp (m->plan.name, p->meta.name) == 0 &&
        same_namespace (ns, p->meta.namespace_))
      r = m;
  }
  return r;
}

void
session_take_plan (struct session *s, const struct plan *p)
{
  const char *ns = p->meta.namespace_;

  s->plan = p;
  snprintf (s->plan_label, sizeof s->plan_label, "%s%s%s", ns ? ns : "",
            ns ? "/" : "", p->meta.name ? p->meta.name : "?");
  s->migration = find_migration (&s->set, p);
  s->networks = plan_find_network_map (&s->set, &p->network_map, ns);
  s->storages = plan_find_storage_map (&s->set, &p->storage_map, ns);
  s->provider = plan_find_provider (&s->set, &p->source, ns);
  s->ops = s->provider && s->provider->type ?
    source_find (s->provider->type) : NULL;
}

static int
append_name (struct strbuf *b, const struct object_meta *meta)
{
  return strbuf_printf (b, "%s%s%s%s", b->len > 0 ? ", " : "",
                        meta->namespace_ ? meta->namespace_ : "",
                        meta->namespace_ ? "/" : "",
                        meta->name ? meta->name : "?");
}

int
session_choose_plan (struct session *s, const char *name)
{
  CLEANUP_STRBUF struct strbuf names = { 0 };
  const struct plan *found = NULL;
  size_t i, nr_found = 0;

  for (i = 0; i < s->set.plans.len; i++) {
    const struct plan *p = &s->set.plans.ptr[i];

    append_name (&names, &p->meta);
    if (name == NULL || names_object (name, &p->meta)) {
      found = p;
      nr_found++;
    }
  }
  if (s->set.plans.len == 0)
    log_error ("the files hold no Plan: give the file with kind: Plan too");
  else if (nr_found == 0)
    log_error ("the files hold no Plan called '%s', only: %s",
               printable (name), printable (names.ptr));
  else if (nr_found > 1)
    log_error ("the files hold several Plans (%s): choose one with "
               "--plan=NAMESPACE/NAME", printable (names.ptr));
  else {
    session_take_plan (s, found);
    return 0;
  }
  errno = EINVAL;
  return -1;
}

/* Providers of type openshift are destinations unless a plan says
 * otherwise.
 */
static bool
is_source (const struct plan_provider *p)
{
  return p->type != NULL && strcmp (p->type, "openshift") != 0;
}

int
session_choose_provider (struct session *s, const char *name)
{
  CLEANUP_STRBUF struct strbuf names = { 0 };
  const struct plan_provider *found = NULL;
  size_t i, nr_found = 0;

  if (name == NULL && s->set.plans.len == 1) {
    session_take_plan (s, &s->set.plans.ptr[0]);
    if (s->provider)
      return 0;
  }
  for (i = 0; i < s->set.providers.len; i++) {
    const struct plan_provider *p = &s->set.providers.ptr[i];

    append_name (&names, &p->meta);
    if (name ? names_object (name, &p->meta) : is_source (p)) {
      found = p;
      nr_found++;
    }
  }
  if (s->set.providers.len == 0)
    log_error ("the files hold no Provider");
  else if (nr_found == 0 && name)
    log_error ("the files hold no Provider called '%s', only: %s",
               printable (name), printable (names.ptr));
  else if (nr_found == 0)
    log_error ("the files hold no source Provider, only: %s",
               printable (names.ptr));
  else if (nr_found > 1)
    log_error ("the files hold several Providers that fit (%s): name one "
               "as NAMESPACE/NAME", printable (names.ptr));
  else {
    s->provider = found;
    s->ops = found->type ? source_find (found->type) : NULL;
    return 0;
  }
  errno = EINVAL;
  return -1;
}

int
session_load_plan (struct session *s, const char *const *files,
                   size_t nr_files, const char *name)
{
  if (session_load (s, files, nr_files) == -1)
    return -1;
  if (session_choose_plan (s, name) == 0)
    return 0;
  session_print_problems (s);
  return -1;
}

int
session_load_provider (struct session *s, const char *const *files,
                       size_t nr_files, const char *name)
{
  if (session_load (s, files, nr_files) == -1)
    return -1;
  if (session_choose_provider (s, name) == 0)
    return 0;
  session_print_problems (s);
  return -1;
}

/* The pairs as a source takes them, FIRST before them. */
static int
copy_pairs (const struct source_secret *first, size_t nr_first,
            const key_value_vector *from, struct source_secret **to,
            size_t *n)
{
  struct source_secret *list;
  size_t i;

  list = calloc (nr_first + from->len + 1, sizeof *list);
  if (list == NULL) {
    log_oom ();
    return -1;
  }
  for (i = 0; i < nr_first; i++)
    list[i] = first[i];
  for (i = 0; i < from->len; i++) {
    list[nr_first + i].key = from->ptr[i].key;
    list[nr_first + i].value = from->ptr[i].value;
  }
  *to = list;
  *n = nr_first + from->len;
  return 0;
}

void
session_set (struct session *s, const char *key, const char *value)
{
  s->overrides[s->nr_overrides].key = key;
  s->overrides[s->nr_overrides++].value = value;
}

/* One Host resource as the source takes it. */
static int
copy_host (const struct session *s, const struct plan_host *from,
           struct source_host *to)
{
  const struct plan_secret *secret =
    plan_find_secret (&s->set, &from->secret, from->meta.namespace_);
  struct source_secret *list = s->secrets;

  to->id = from->id;
  to->name = from->name;
  to->address = from->ip_address;
  to->nr_secrets = s->endpoint.nr_secrets;
  if (secret && copy_pairs (NULL, 0, &secret->data, &list,
                            &to->nr_secrets) == -1)
    return -1;
  to->secrets = list;
  return 0;
}

/* Those of the provider. */
static int
copy_hosts (struct session *s)
{
  size_t i;

  s->hosts = calloc (s->set.hosts.len + 1, sizeof *s->hosts);
  if (s->hosts == NULL) {
    log_oom ();
    return -1;
  }
  s->endpoint.hosts = s->hosts;
  for (i = 0; i < s->set.hosts.len; i++) {
    const struct plan_host *h = &s->set.hosts.ptr[i];

    if (plan_find_provider (&s->set, &h->provider,
                            h->meta.namespace_) != s->provider)
      continue;
    if (copy_host (s, h, &s->hosts[s->endpoint.nr_hosts]) == -1)
      return -1;
    s->endpoint.nr_hosts++;
  }
  return 0;
}

static void
free_hosts (struct session *s)
{
  size_t i;

  for (i = 0; i < s->endpoint.nr_hosts; i++)
    if (s->hosts[i].secrets != s->secrets)
      free ((struct source_secret *) s->hosts[i].secrets);
  free (s->hosts);
  s->hosts = NULL;
}

/* As Go's strconv.ParseBool, which Forklift uses. */
static bool
is_true (const char *s)
{
  static const char *const words[] =
    { "1", "t", "T", "true", "True", "TRUE" };
  size_t i;

  for (i = 0; s && i < sizeof words / sizeof words[0]; i++)
    if (strcmp (s, words[i]) == 0)
      return true;
  return false;
}

int
session_open (struct session *s)
{
  const struct plan_provider *p = s->provider;
  const struct plan_secret *secret;
  const char *url = p->url;

  if (s->ops == NULL) {
    log_error ("Provider %s: this build has no source of type '%s'",
               printable (p->meta.name), p->type ? printable (p->type) : "");
    errno = ENOTSUP;
    return -1;
  }

  secret = plan_find_secret (&s->set, &p->secret, p->meta.namespace_);
  if (secret &&
      copy_pairs (NULL, 0, &secret->data, &s->secrets,
                  &s->endpoint.nr_secrets) == -1)
    return -1;
  if (copy_pairs (s->overrides, s->nr_overrides, &p->settings, &s->settings,
                  &s->endpoint.nr_settings) == -1 ||
      copy_hosts (s) == -1)
    return -1;
  s->endpoint.secrets = s->secrets;
  s->endpoint.settings = s->settings;
  s->endpoint.provider = p->meta.name;
  s->endpoint.type = p->type;
  if (url == NULL)
    url = source_endpoint_secret (&s->endpoint, "url");
  s->endpoint.url = url;
  s->endpoint.insecure_skip_verify =
    is_true (source_endpoint_secret (&s->endpoint, "insecureSkipVerify"));

  s->source = s->ops->open (&s->endpoint);
  return s->source ? 0 : -1;
}

void
session_close_source (struct session *s)
{
  if (s->source)
    s->ops->close (s->source);
  s->source = NULL;
  free_hosts (s);
  free (s->secrets);
  free (s->settings);
  s->secrets = s->settings = NULL;
  memset (&s->endpoint, 0, sizeof s->endpoint);
}

void
session_free (struct session *s)
{
  session_close_source (s);
  problem_vector_free (&s->problems);
  plan_set_free (&s->set);
}

int
session_describe (const struct session *s, const char *name, struct vm *vm)
{
  const struct source_ref by_id = { .id = name };
  const struct source_ref by_name = { .name = name };
  struct log_scope scope = { .hold = true };
  int r;

  log_scope_enter (&scope);
  r = s->ops->describe (s->source, &by_id, vm);
  if (r == -1 && errno == ENOENT)
    log_scope_drop (&scope);
  log_scope_leave (&scope);
  if (r == -1 && errno == ENOENT)
    r = s->ops->describe (s->source, &by_name, vm);
  return r;
}
