/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The problems that check and preflight have found, as JSON that is kept
 * with the run: a report of it shows what was said then, not what would be
 * said today.  A problem is of a VM if its path in the plan is below that
 * VM's entry.
 */
#include <stdio.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/json/json.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/run_status.h"

/* In which entry of the plan's VMs is PATH?  False: in none. */
static bool
vm_of_path (const char *path, uint64_t *index)
{
  static const char prefix[] = "spec.vms[";
  const char *p, *end;

  if (path == NULL || strncmp (path, prefix, sizeof prefix - 1) != 0)
    return false;
  p = path + sizeof prefix - 1;
  end = strchr (p, ']');
  return end && parse_u64_n (p, end - p, 10, index);
}

/* Those of a concern, whose words differ from those of a condition. */
static const char *
concern_category (enum problem_category category)
{
  switch (category) {
  case PROBLEM_CRITICAL: return "Critical";
  case PROBLEM_WARN: return "Warning";
  case PROBLEM_ADVISORY: break;
  }
  return "Information";
}

/* The text without "VM NAME: ", which the object it is in says. */
static const char *
without_name (const char *message, const struct preflight_vm *pre)
{
  const char *name = printable (pre->vm.name);
  const size_t n = strlen (name);

  if (strncmp (message, "VM ", 3) == 0 &&
      strncmp (message + 3, name, n) == 0 &&
      strncmp (message + 3 + n, ": ", 2) == 0)
    return message + 3 + n + 2;
  return message;
}

/* The source's own label of the concern, or NULL. */
static const struct vm_concern *
find_concern (const struct preflight_vm *pre, const char *id)
{
  const vm_concern_vector *concerns = &pre->vm.concerns;
  size_t i;

  for (i = 0; i < concerns->len; i++)
    if (strcmp (concerns->ptr[i].id, id) == 0)
      return &concerns->ptr[i];
  return NULL;
}

/* ASSESSMENT without "LABEL: ". */
static const char *
without_label (const char *assessment, const char *label)
{
  const size_t n = strlen (label);

  return strncmp (assessment, label, n) == 0 &&
    strncmp (assessment + n, ": ", 2) == 0 ? assessment + n + 2 : assessment;
}

static json_t *
concern_to_json (const struct problem *p, const struct preflight_vm *pre)
{
  CLEANUP_JSON json_t *j = json_object ();
  const struct vm_concern *concern = find_concern (pre, p->type);
  const char *text = without_name (p->message, pre);

  if (j == NULL) {
    log_oom ();
    return NULL;
  }
  if (concern && concern->label)
    text = without_label (text, concern->label);
  if (json_set_string (j, "id", p->type) == -1 ||
      json_set_string (j, "label", concern ? concern->label : NULL) == -1 ||
      json_set_string (j, "category",
                       concern_category (p->category)) == -1 ||
      json_set_string (j, "assessment", text) == -1 ||
      json_set_string (j, "suggestion", p->suggestion) == -1)
    return NULL;
  return json_incref (j);
}

json_t *
run_vm_concerns (const problem_vector *problems,
                 const struct preflight_vm *pre)
{
  CLEANUP_JSON json_t *list = json_array ();
  uint64_t index;
  size_t i;

  for (i = 0; list && i < problems->len; i++) {
    const struct problem *p = &problems->ptr[i];
    json_t *j;

    if (!vm_of_path (p->path, &index) || index != pre->index)
      continue;
    j = concern_to_json (p, pre);
    if (j == NULL)
      return NULL;
    if (json_array_append_new (list, j) == -1) {
      log_oom ();
      return NULL;
    }
  }
  return json_incref (list);
}

static json_t *
condition_to_json (const struct problem *p, const char *when)
{
  CLEANUP_FREE char *message = NULL;
  CLEANUP_JSON json_t *j = json_object ();

  if (j == NULL ||
      asprintf (&message, "%s%s%s%s%s", p->object ? p->object : "",
                p->object ? ": " : "", p->path ? p->path : "",
                p->path ? ": " : "", p->message) == -1) {
    message = NULL;
    log_oom ();
    return NULL;
  }
  if (json_set_string (j, "type", p->type) == -1 ||
      json_set_string (j, "status", "True") == -1 ||
      json_set_string (j, "category",
                       problem_category_name (p->category)) == -1 ||
      json_set_string (j, "message", message) == -1 ||
      json_set_string (j, "suggestion", p->suggestion) == -1 ||
      json_set_string (j, "lastTransitionTime", when) == -1)
    return NULL;
  return json_incref (j);
}

int
run_plan_conditions (const problem_vector *problems, time_t when,
                     json_t *conditions)
{
  char text[32];
  uint64_t index;
  size_t i;

  format_rfc3339 (when, text);
  for (i = 0; i < problems->len; i++) {
    const struct problem *p = &problems->ptr[i];
    json_t *j;

    if (vm_of_path (p->path, &index))
      continue;
    j = condition_to_json (p, text);
    if (j == NULL)
      return -1;
    if (json_array_append_new (conditions, j) == -1) {
      log_oom ();
      return -1;
    }
  }
  return 0;
}
