/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Concerns: what the checks before the run have said of the plan and of
 * its VMs, and what the steps of the run and the conversion warned of.
 */
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/json/json.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/journal.h"
#include "driver/report.h"
#include "driver/run.h"

static const struct {
  const char *name, *colour;
} categories[] = {
  { "Critical", "bad" },
  { "Warning", "warn" },
  { "Information", "quiet" },
};
enum { CRITICAL, WARNING, INFORMATION };

/* Also from a condition's "Warn" and "Advisory". */
static size_t
category_of (const json_t *j)
{
  const char *name = json_get_string (j, "category", "");

  if (strcmp (name, "Critical") == 0 || strcmp (name, "Error") == 0)
    return CRITICAL;
  return strncmp (name, "Warn", 4) == 0 ? WARNING : INFORMATION;
}

/* Add to GROUPS, an array of concerns with their VMs. */
static int
add_concern (json_t *groups, size_t category, const char *title,
             const char *text, const char *suggestion, const char *vm)
{
  CLEANUP_JSON json_t *key =
    json_pack ("[i, s, s, s]", (int) category, title ? title : "",
               text ? text : "", suggestion ? suggestion : "");
  json_t *group = NULL, *vms;
  size_t i;

  if (key == NULL)
    goto oom;
  json_array_foreach (groups, i, group)
    if (json_equal (json_array_get (group, 0), key))
      break;
  if (i == json_array_size (groups)) {
    group = json_pack ("[O, []]", key);
    if (group == NULL || json_array_append_new (groups, group) == -1)
      goto oom;
  }
  vms = json_array_get (group, 1);
  if (vm == NULL || json_array_append_new (vms, json_string (vm)) == 0)
    return 0;

 oom:
  log_oom ();
  return -1;
}

/* The warnings of the conversion, if an earlier run has made it. */
static int
add_conversion (json_t *groups, const struct report *r, const json_t *vm)
{
  CLEANUP_FREE char *folder = report_vm_folder (r, vm);
  CLEANUP_JSON json_t *conversion = NULL;
  struct journal *j = folder ? journal_load (folder) : NULL;
  const json_t *text;
  size_t i;

  if (folder == NULL)
    return -1;
  if (j == NULL)
    return 0;
  conversion = journal_conversion (j);
  journal_close (j);
  json_array_foreach (json_object_get (conversion, "warnings"), i, text)
    if (add_concern (groups, WARNING, run_step_name (STEP_IMAGE_CONVERSION),
                     json_string_value (text), NULL,
                     report_vm_name (vm)) == -1)
      return -1;
  return 0;
}

static int
add_warnings (json_t *groups, const struct report *r, const json_t *vm)
{
  const json_t *step, *text;
  bool converted = false;
  size_t i, k;

  json_array_foreach (json_object_get (vm, "pipeline"), i, step) {
    const char *name = json_get_string (step, "name", "");
    const json_t *reasons =
      json_object_get (json_object_get (step, "warning"), "reasons");

    if (json_array_size (reasons) > 0 &&
        strcmp (name, run_step_name (STEP_IMAGE_CONVERSION)) == 0)
      converted = true;
    json_array_foreach (reasons, k, text)
      if (add_concern (groups, WARNING, name, json_string_value (text), NULL,
                       report_vm_name (vm)) == -1)
        return -1;
  }
  return converted ? 0 : add_conversion (groups, r, vm);
}

static int
add_vm (json_t *groups, const struct report *r, const json_t *vm)
{
  const json_t *c;
  size_t i;

  json_array_foreach (json_object_get (vm, "concerns"), i, c) {
    const char *id = json_get_string (c, "id", "");

    if (add_concern (groups, category_of (c),
                     json_get_string (c, "label", id),
                     json_get_string (c, "assessment", NULL),
                     json_get_string (c, "suggestion", NULL),
                     report_vm_name (vm)) == -1)
      return -1;
  }
  return add_warnings (groups, r, vm);
}

/* Those of the plan; its own state, Succeeded and so on, is none. */
static int
add_plan (json_t *groups, const struct report *r)
{
  const json_t *c;
  size_t i;

  json_array_foreach (json_object_get (json_object_get (r->status, "status"),
                                       "conditions"), i, c) {
    const char *message = json_get_string (c, "message", NULL);

    if (message &&
        add_concern (groups, category_of (c),
                     json_get_string (c, "type", NULL), message,
                     json_get_string (c, "suggestion", NULL), NULL) == -1)
      return -1;
  }
  return 0;
}

/* What --ask-source has found today. */
static int
add_asked (json_t *groups, const problem_vector *problems)
{
  size_t i;

  for (i = 0; i < problems->len; i++) {
    const struct problem *p = &problems->ptr[i];

    if (add_concern (groups, p->category == PROBLEM_CRITICAL ? CRITICAL :
                     p->category == PROBLEM_WARN ? WARNING : INFORMATION,
                     p->type, printable (p->message), p->suggestion,
                     NULL) == -1)
      return -1;
  }
  return 0;
}

/* "web, db and 12 more". */
static int
print_names (FILE *fp, const json_t *vms)
{
  const size_t n = json_array_size (vms), shown = n > 6 ? 5 : n;
  size_t i;

  if (n == 0)
    fputs ("the plan", fp);
  for (i = 0; i < shown; i++) {
    fputs (i ? ", " : "", fp);
    if (html_text (fp, json_string_value (json_array_get (vms, i))) == -1)
      return -1;
  }
  if (shown < n)
    fprintf (fp, " and %zu more", n - shown);
  return 0;
}

static size_t
group_category (const json_t *group)
{
  return json_integer_value (json_array_get (json_array_get (group, 0), 0));
}

static int
print_group (FILE *fp, const json_t *group, bool names)
{
  const json_t *key = json_array_get (group, 0);
  const size_t category = group_category (group);
  const char *suggestion = json_string_value (json_array_get (key, 3));

  fputs ("<li>", fp);
  html_badge (fp, categories[category].colour, categories[category].name);
  fputs (" ", fp);
  if (html_element (fp, "strong", NULL,
                    json_string_value (json_array_get (key, 1))) == -1)
    return -1;
  if (names) {
    fputs (" <span class=\"soft\">(", fp);
    if (print_names (fp, json_array_get (group, 1)) == -1)
      return -1;
    fputs (")</span>", fp);
  }
  fputs ("<br/>", fp);
  if (html_text (fp, json_string_value (json_array_get (key, 2))) == -1)
    return -1;
  if (suggestion && *suggestion) {
    fputs (" \xe2\x86\x92 ", fp);       /* an arrow */
    if (html_text (fp, suggestion) == -1)
      return -1;
  }
  fputs ("</li>\n", fp);
  return 0;
}

/* Those from category FIRST to LAST, the worst first. */
static int
print_groups (FILE *fp, const json_t *groups, size_t first, size_t last,
              bool names)
{
  const json_t *group;
  size_t category, i;

  fputs ("<ul class=\"plain\">\n", fp);
  for (category = first; category <= last; category++)
    json_array_foreach (groups, i, group)
      if (group_category (group) == category &&
          print_group (fp, group, names) == -1)
        return -1;
  fputs ("</ul>\n", fp);
  return 0;
}

static size_t
count_notes (const json_t *groups)
{
  const json_t *group;
  size_t i, n = 0;

  json_array_foreach (groups, i, group)
    n += group_category (group) == INFORMATION;
  return n;
}

static int
print_asked (FILE *fp, const struct report *r)
{
  CLEANUP_JSON json_t *groups = json_array ();

  if (groups == NULL || add_asked (groups, &r->session->problems) == -1)
    return -1;
  fputs ("<h3>Today, asked anew</h3>\n", fp);
  if (json_array_size (groups) > 0)
    return print_groups (fp, groups, CRITICAL, INFORMATION, false);
  fputs ("<p class=\"soft\">None.</p>\n", fp);
  return 0;
}

int
report_concerns (FILE *fp, const struct report *r)
{
  CLEANUP_JSON json_t *groups = json_array ();
  const json_t *vm;
  size_t i, notes;

  if (groups == NULL) {
    log_oom ();
    return -1;
  }
  if (add_plan (groups, r) == -1)
    return -1;
  json_array_foreach (report_vms (r), i, vm)
    if (add_vm (groups, r, vm) == -1)
      return -1;
  fputs ("<section class=\"card\">\n<h2>Concerns</h2>\n", fp);
  notes = count_notes (groups);
  if (json_array_size (groups) == notes)
    fputs ("<p class=\"soft\">Nothing critical, and no warnings.</p>\n", fp);
  else if (print_groups (fp, groups, CRITICAL, WARNING, true) == -1)
    return -1;
  if (notes > 0) {
    fprintf (fp, "<details><summary>Information (%zu)</summary>\n<div>\n",
             notes);
    if (print_groups (fp, groups, INFORMATION, INFORMATION, true) == -1)
      return -1;
    fputs ("</div>\n</details>\n", fp);
  }
  if (r->asked && print_asked (fp, r) == -1)
    return -1;
  fputs ("</section>\n", fp);
  return 0;
}

int
report_vm_concerns (FILE *fp, const struct report *r, const json_t *vm)
{
  CLEANUP_JSON json_t *groups = json_array ();

  if (groups == NULL) {
    log_oom ();
    return -1;
  }
  if (add_vm (groups, r, vm) == -1)
    return -1;
  if (json_array_size (groups) == 0)
    return 0;
  fputs ("<h3>Concerns</h3>\n", fp);
  return print_groups (fp, groups, CRITICAL, INFORMATION, false);
}
