/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The parts of the contract of a source that are the same for all.
 */
#include <stdlib.h>
#include <string.h>

#include "common/source.h"

static const char *
find_value (const struct source_secret *list, size_t n, const char *key)
{
  size_t i;

  for (i = 0; i < n; ++i)
    if (strcmp (list[i].key, key) == 0)
      return list[i].value;
  return NULL;
}

const char *
source_endpoint_secret (const struct source_endpoint *e, const char *key)
{
  return find_value (e->secrets, e->nr_secrets, key);
}

const char *
source_endpoint_setting (const struct source_endpoint *e, const char *key)
{
  return find_value (e->settings, e->nr_settings, key);
}

/* Overwrite the secrets before their memory is given back. */
static void
forget (string_vector *secrets)
{
  size_t i;

  for (i = 0; i < secrets->len; ++i)
    if (secrets->ptr[i])
      explicit_bzero (secrets->ptr[i], strlen (secrets->ptr[i]));
  string_vector_free (secrets);
}

void
source_servers_free (struct source_servers *s)
{
  size_t i;

  for (i = 0; i < s->servers.len; ++i) {
    string_vector_free (&s->servers.ptr[i].argv);
    string_vector_free (&s->servers.ptr[i].secret_keys);
    forget (&s->servers.ptr[i].secret_values);
    string_vector_free (&s->servers.ptr[i].file_keys);
    string_vector_free (&s->servers.ptr[i].file_values);
  }
  source_server_vector_reset (&s->servers);
  for (i = 0; i < s->exports.len; ++i)
    free (s->exports.ptr[i].name);
  source_export_vector_reset (&s->exports);
}

void
source_path_free (struct source_path *path)
{
  free (path->name);
  free (path->reason);
  path->name = path->reason = NULL;
}
