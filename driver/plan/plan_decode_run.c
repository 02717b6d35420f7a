/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Hook and Migration: what is run.
 */
#include <errno.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/plan/base64.h"
#include "driver/plan/decode.h"

/* Hook */

/* The grammar of a reference to a container image: optional registry with
 * port, path of lower-case components, tag, digest.
 */
static const char image_pattern[] =
  "^([A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]+)?/)?"
  "[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*"
  "(/[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*)*"
  "(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?"
  "(@[a-z0-9]+([+._-][a-z0-9]+)*:[0-9a-fA-F]{32,128})?$";

#define MAX_IMAGE 512

static int
check_image (struct decoder *d, const struct yaml_node *node, void *base)
{
  regex_t re;
  bool fits;

  if (node->type != YAML_STRING || node->len == 0)
    return 0;
  if (regcomp (&re, image_pattern, REG_EXTENDED | REG_NOSUB) != 0) {
    log_oom ();
    return -1;
  }
  fits = node->len <= MAX_IMAGE &&
    regexec (&re, node->text, 0, NULL, 0) == 0;
  regfree (&re);
  if (fits)
    return 0;
  return decode_problem (d, PROBLEM_CRITICAL, "InvalidImage", node, NULL,
                         "write REGISTRY/NAME:TAG",
                         "'%s' is no reference to a container image",
                         printable (node->text));
}

static int
check_playbook (struct decoder *d, const struct yaml_node *node, void *base)
{
  struct plan_hook *hook = base;
  CLEANUP_FREE char *data = NULL;
  size_t len;
  int r;

  hook->playbook = NULL;        /* was the base64 text */
  if (node->type != YAML_STRING)
    return 0;
  r = base64_decode (node->text, node->len, &data, &len);
  if (r == -1 && errno == ENOMEM)
    return -1;
  if (r == -1)
    return decode_problem (d, PROBLEM_CRITICAL, "InvalidPlaybook", node,
                           NULL, "encode the playbook with base64 -w0",
                           "is not base64");
  if (len == 0)
    return 0;
  if (memchr (data, '\0', len))
    return decode_problem (d, PROBLEM_CRITICAL, "InvalidPlaybook", node,
                           NULL, NULL, "is no text, once decoded");
  hook->playbook = yaml_arena_copy (d->arena, data, len);
  return hook->playbook ? 0 : -1;
}

static int
check_service_account (struct decoder *d, const struct yaml_node *node,
                       void *base)
{
  if (node->type != YAML_STRING || dns1123_subdomain (node->text))
    return 0;
  return decode_problem (d, PROBLEM_CRITICAL, "HookServiceAccountNotValid",
                         node, NULL, "name a ServiceAccount of the target "
                         "cluster", "'%s' is not a DNS-1123 name",
                         printable (node->text));
}

static const struct field hook_spec_fields[] = {
  { .name = "image", .type = FIELD_STRING,
    .offset = offsetof (struct plan_hook, image),
    .condition = "InvalidImage", .check = check_image },
  { .name = "serviceAccount", .type = FIELD_STRING,
    .offset = offsetof (struct plan_hook, service_account),
    .condition = "HookServiceAccountNotValid",
    .check = check_service_account },
  { .name = "playbook", .type = FIELD_STRING,
    .offset = offsetof (struct plan_hook, playbook),
    .condition = "InvalidPlaybook", .check = check_playbook },
  { .name = "deadline", .type = FIELD_SECONDS,
    .offset = offsetof (struct plan_hook, deadline) },
  { .name = "aap", .type = FIELD_ANY, .flags = FIELD_UNUSED,
    .note = "known to Forklift from 2.12 (a job of Ansible Automation "
    "Platform)" },
  { .name = NULL }
};

static const struct field hook_fields[] = {
  COMMON_FIELDS (plan_hook, metadata_fields),
  { .name = "spec", .type = FIELD_OBJECT, .flags = FIELD_REQUIRED,
    .fields = hook_spec_fields },
  { .name = NULL }
};

static int
check_hook (struct decoder *d, const struct yaml_node *node, void *object)
{
  const struct yaml_node *spec = yaml_get (node, "spec");

  if (spec == NULL || spec->type != YAML_MAP ||
      yaml_given (spec, "image") ||
      yaml_given (spec, "playbook"))
    return 0;
  return decode_problem (d, PROBLEM_CRITICAL, "InvalidHookExecute", spec,
                         "spec", NULL,
                         "has neither an image nor a playbook to run");
}

const struct plan_kind plan_kind_hook = {
  .kind = "Hook", .group = "forklift.konveyor.io", .version = "v1beta1",
  .fields = hook_fields, .size = sizeof (struct plan_hook),
  .offset = offsetof (struct plan_set, hooks),
  .check = check_hook,
};

/* Migration */

/* N digits at *S to *V; moves *S behind them. */
static bool
take_number (const char **s, size_t n, uint64_t *v)
{
  if (strnlen (*s, n) < n || !parse_u64_n (*s, n, 10, v))
    return false;
  *s += n;
  return true;
}

static bool
take_char (const char **s, char c)
{
  if (**s != c)
    return false;
  (*s)++;
  return true;
}

/* RFC 3339, section 5.6: 2024-04-04T01:23:45.678+09:00 */
static bool
is_rfc3339 (const char *s)
{
  static const uint64_t days[] =
    { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
  uint64_t year, month, day, hour, minute, second, last;
  size_t n;

  if (!take_number (&s, 4, &year) || !take_char (&s, '-') ||
      !take_number (&s, 2, &month) || !take_char (&s, '-') ||
      !take_number (&s, 2, &day) ||
      (!take_char (&s, 'T') && !take_char (&s, 't')) ||
      !take_number (&s, 2, &hour) || !take_char (&s, ':') ||
      !take_number (&s, 2, &minute) || !take_char (&s, ':') ||
      !take_number (&s, 2, &second))
    return false;
  if (month < 1 || month > 12)
    return false;
  last = days[month - 1];
  if (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0))
    last++;
  if (day < 1 || day > last || hour > 23 || minute > 59 || second > 59)
    return false;
  if (take_char (&s, '.')) {
    n = strspn (s, "0123456789");
    if (n == 0)
      return false;
    s += n;
  }
  if (take_char (&s, 'Z') || take_char (&s, 'z'))
    return *s == '\0';
  return (take_char (&s, '+') || take_char (&s, '-')) &&
    take_number (&s, 2, &hour) && hour <= 23 && take_char (&s, ':') &&
    take_number (&s, 2, &minute) && minute <= 59 && *s == '\0';
}

static int
check_cutover (struct decoder *d, const struct yaml_node *node, void *base)
{
  if (node->type != YAML_STRING || is_rfc3339 (node->text))
    return 0;
  return decode_problem (d, PROBLEM_CRITICAL, "CutoverNotValid", node, NULL,
                         "write a time with its offset from UTC, such as "
                         "2024-04-04T01:23:45.678+09:00",
                         "'%s' is no time of RFC 3339",
                         printable (node->text));
}

static const struct field cancel_fields[] = {
  { .name = "id", .type = FIELD_STRING,
    .offset = offsetof (struct plan_ref, id) },
  { .name = "name", .type = FIELD_STRING,
    .offset = offsetof (struct plan_ref, name) },
  { .name = "namespace", .type = FIELD_STRING,
    .offset = offsetof (struct plan_ref, namespace_) },
  { .name = "type", .type = FIELD_STRING, .flags = FIELD_INTERNAL,
    .offset = offsetof (struct plan_ref, type) },
  { .name = NULL }
};

static int
check_cancel (struct decoder *d, const struct yaml_node *node,
              void *element)
{
  struct plan_ref *ref = element;

  ref->where = decode_where (d, node);
  if (yaml_given (node, "id") || yaml_given (node, "name"))
    return 0;
  return decode_problem (d, PROBLEM_CRITICAL, "VMRefNotValid", node, NULL,
                         "give the id or the name of the VM",
                         "names no VM");
}

static const struct field migration_spec_fields[] = {
  { .name = "plan", .type = FIELD_REF, .flags = FIELD_REQUIRED,
    .offset = offsetof (struct plan_migration, plan),
    .condition = "PlanNotValid" },
  { .name = "cutover", .type = FIELD_STRING,
    .offset = offsetof (struct plan_migration, cutover),
    .condition = "CutoverNotValid", .check = check_cutover },
  { .name = "cancel", .type = FIELD_LIST,
    .offset = offsetof (struct plan_migration, cancel),
    .fields = cancel_fields, .element = sizeof (struct plan_ref),
    .check = check_cancel },
  { .name = "vmCutover", .type = FIELD_ANY, .flags = FIELD_UNUSED,
    .note = "known to Forklift after 2.12" },
  { .name = "resumeConversion", .type = FIELD_ANY, .flags = FIELD_UNUSED,
    .note = "known to Forklift after 2.12" },
  { .name = NULL }
};

static const struct field migration_fields[] = {
  COMMON_FIELDS (plan_migration, metadata_fields),
  { .name = "spec", .type = FIELD_OBJECT, .flags = FIELD_REQUIRED,
    .fields = migration_spec_fields },
  { .name = NULL }
};

const struct plan_kind plan_kind_migration = {
  .kind = "Migration", .group = "forklift.konveyor.io",
  .version = "v1beta1", .fields = migration_fields,
  .size = sizeof (struct plan_migration),
  .offset = offsetof (struct plan_set, migrations),
};
