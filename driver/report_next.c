/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What is next: the manifests to apply, the VMs to run again, and what
 * must not be done with the source.
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

static int
append_option (struct strbuf *b, const char *option, const char *value)
{
  if (value == NULL)
    return 0;
  return strbuf_append (b, option) == -1 ||
    strbuf_append_shell_quoted (b, value) == -1 ? -1 : 0;
}

/* A command in a box of its own. */
static int
print_command (FILE *fp, const struct strbuf *b)
{
  fputs ("<pre>", fp);
  if (html_text (fp, b->ptr) == -1)
    return -1;
  fputs ("</pre>\n", fp);
  return 0;
}

/* "nbdlift COMMAND PLAN... --output=DIR ...", for VM or with NULL all. */
static int
print_nbdlift (FILE *fp, const struct report *r, const char *command,
               const char *vm)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };
  size_t i;
  int failed = strbuf_printf (&b, "nbdlift %s", command);

  for (i = 0; failed == 0 && i < r->nr_files; i++)
    failed = append_option (&b, " ", r->files[i]);
  if (failed == -1 ||
      append_option (&b, " --output=", r->output) == -1 ||
      append_option (&b, " --state=", r->state) == -1 ||
      append_option (&b, " --plan=", r->plan) == -1 ||
      append_option (&b, " --vm=", vm) == -1) {
    log_oom ();
    return -1;
  }
  return print_command (fp, &b);
}

/* The source VM after the end of the migration. */
static void
print_source (FILE *fp, const struct journal *j, bool succeeded)
{
  bool ours = false;
  const enum vm_power before = j ? journal_power (j, &ours) :
    VM_POWER_UNKNOWN;

  if (before == VM_POWER_UNKNOWN)
    return;
  if (succeeded)
    fputs (" <span class=\"soft\">The source VM was shut down for the "
           "migration and is left powered off; do not power it on while "
           "the new one runs.</span>\n", fp);
  else if (ours)
    fputs (" <span class=\"soft\">The source VM was shut down by nbdlift, "
           "and that is not undone yet: see whether it is to be powered on "
           "again.</span>\n", fp);
}

static int
next_of_vm (FILE *fp, const struct report *r, const json_t *vm)
{
  const char *outcome = report_outcome (vm);
  const bool succeeded = strcmp (outcome, "Succeeded") == 0;
  const char *name = json_get_string (vm, "name", "");
  CLEANUP_FREE char *folder = report_vm_folder (r, vm);
  CLEANUP_FREE char *manifest = NULL;
  CLEANUP_STRBUF struct strbuf b = { 0 };
  struct journal *j;
  int result = 0;

  if (folder == NULL)
    return -1;
  j = journal_load (folder);
  manifest = j ? journal_published (j) : NULL;

  fputs ("<li><strong>", fp);
  if (html_text (fp, name) == -1)
    result = -1;
  if (strcmp (outcome, "Executing") == 0)
    fputs ("</strong>: has not ended. If no nbdlift is running it, start it "
           "again; it goes on where it was.\n", fp);
  else if (!succeeded)
    fprintf (fp, "</strong>: %s. Remove the cause, then run it again%s.\n",
             strcmp (outcome, "Failed") == 0 ? "failed" : "was cancelled",
             strcmp (outcome, "Failed") == 0 ? " alone" : "");
  else if (manifest)
    fputs ("</strong>: put its volumes where its claims find them, and "
           "create it in the cluster.\n", fp);
  else
    fputs ("</strong>: its manifest is not known any more.\n", fp);
  print_source (fp, j, succeeded);
  if (j)
    journal_close (j);

  if (result == 0 && !succeeded)
    result = print_nbdlift (fp, r, "run", json_get_string (vm, "id", name));
  else if (result == 0 && manifest) {
    if (append_option (&b, "kubectl apply -f ", manifest) == -1) {
      log_oom ();
      return -1;
    }
    result = print_command (fp, &b);
  }
  fputs ("</li>\n", fp);
  return result;
}

int
report_next (FILE *fp, const struct report *r)
{
  const json_t *migration =
    json_object_get (json_object_get (r->status, "status"), "migration");
  const json_t *vm;
  bool any = false;
  size_t i;

  fputs ("<section>\n<h2>What is next</h2>\n<ol>\n", fp);
  json_array_foreach (json_object_get (migration, "vms"), i, vm) {
    any |= strcmp (report_outcome (vm), "Succeeded") == 0;
    if (next_of_vm (fp, r, vm) == -1)
      return -1;
  }
  if (any) {
    fputs ("<li>Prove that the volumes still hold what was migrated:\n", fp);
    if (print_nbdlift (fp, r, "verify", NULL) == -1)
      return -1;
    fputs ("</li>\n", fp);
  }
  fputs ("</ol>\n</section>\n", fp);
  return 0;
}
