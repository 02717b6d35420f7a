/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What is next: what went wrong and how to go on, the manifests to apply,
 * and what must not be done with the source.  First for the whole run, a
 * command for all VMs that are in the same state, and then in the section
 * of each VM its own.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/include/cleanup.h"
#include "common/json/json.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/journal.h"
#include "driver/report.h"
#include "driver/run.h"

#define LINE_WORDS 6            /* of a command that stands on one line */

static int
add_word (string_vector *words, const char *option, const char *value)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };

  if (value == NULL)
    return 0;
  if (strbuf_append (&b, option) == -1 ||
      strbuf_append_shell_quoted (&b, value) == -1 ||
      string_vector_append_dup (words, b.ptr) == -1) {
    log_oom ();
    return -1;
  }
  return 0;
}

/* A command in a box of its own; a long one has a line for each option, and
 * the box can be scrolled.
 */
static int
print_command (FILE *fp, const char *command, const string_vector *words)
{
  size_t i;

  fprintf (fp, "<pre class=\"command\" tabindex=\"0\">%s", command);
  for (i = 0; i < words->len; i++) {
    fputs (words->len > LINE_WORDS ? " \\\n  " : " ", fp);
    if (html_element (fp, "span", NULL, words->ptr[i]) == -1)
      return -1;
  }
  fputs ("</pre>\n", fp);
  return 0;
}

static const char *
vm_id (const json_t *vm)
{
  return json_get_string (vm, "id", report_vm_name (vm));
}

/* "nbdlift COMMAND PLAN... --output=DIR ..."; VM is one or NULL, else those
 * of the states in MASK, none of them for all VMs.
 */
static int
print_nbdlift (FILE *fp, const struct report *r, const char *command,
               const json_t *only, unsigned mask)
{
  CLEANUP_STRING_VECTOR string_vector words = EMPTY_VECTOR;
  char name[32];
  const json_t *vm;
  size_t i;

  for (i = 0; i < r->nr_files; i++)
    if (add_word (&words, "", r->files[i]) == -1)
      return -1;
  if (add_word (&words, "--output=", r->output) == -1 ||
      add_word (&words, "--state=", r->state) == -1 ||
      add_word (&words, "--plan=", r->plan) == -1 ||
      (only && add_word (&words, "--vm=", vm_id (only)) == -1))
    return -1;
  json_array_foreach (report_vms (r), i, vm)
    if ((mask >> report_vm_state (r, vm) & 1) &&
        add_word (&words, "--vm=", vm_id (vm)) == -1)
      return -1;
  snprintf (name, sizeof name, "nbdlift %s", command);
  return print_command (fp, name, &words);
}

/* The manifest of a VM that was migrated, malloc'ed; NULL: not known. */
static char *
manifest_of (const struct report *r, const json_t *vm)
{
  CLEANUP_FREE char *folder = report_vm_folder (r, vm);
  struct journal *j = folder ? journal_load (folder) : NULL;
  char *manifest = j ? journal_published (j) : NULL;

  journal_close (j);
  return manifest;
}

/* One command for the manifests of VM, or with NULL of all. */
static int
print_apply (FILE *fp, const struct report *r, const json_t *only)
{
  CLEANUP_STRING_VECTOR string_vector words = EMPTY_VECTOR;
  const json_t *vm;
  size_t i;

  json_array_foreach (report_vms (r), i, vm) {
    CLEANUP_FREE char *manifest = NULL;

    if ((only && vm != only) || report_vm_state (r, vm) != STATE_SUCCEEDED)
      continue;
    manifest = manifest_of (r, vm);
    if (add_word (&words, "-f ", manifest) == -1)
      return -1;
  }
  if (words.len > 0)
    return print_command (fp, "kubectl apply", &words);
  fputs ("<p class=\"soft\">The state of what was migrated is not there any "
         "more; the manifests are in the target folder.</p>\n", fp);
  return 0;
}

/* The source VM after the end of the migration. */
static int
print_source (FILE *fp, const struct report *r, const json_t *vm,
              bool succeeded)
{
  CLEANUP_FREE char *folder = report_vm_folder (r, vm);
  struct journal *j = folder ? journal_load (folder) : NULL;
  bool ours = false;
  const enum vm_power before = j ? journal_power (j, &ours) :
    VM_POWER_UNKNOWN;

  journal_close (j);
  if (folder == NULL)
    return -1;
  if (before == VM_POWER_UNKNOWN)
    return 0;
  if (succeeded)
    fputs ("<p>The VM is left powered off on the source. Do not power it on "
           "while the new one runs.</p>\n", fp);
  else if (ours)
    fputs ("<p><strong>The VM was shut down on the source by nbdlift, and "
           "that is not undone yet.</strong> Cancelling it powers it on "
           "again.</p>\n", fp);
  return 0;
}

int
report_vm_next (FILE *fp, const struct report *r, const json_t *vm)
{
  const enum report_state state = report_vm_state (r, vm);

  fputs ("<h3>Next</h3>\n", fp);
  if (state == STATE_SUCCEEDED) {
    fputs ("<p>Put its volumes where the claims of the manifest find them, "
           "and create it in the cluster:</p>\n", fp);
    return print_apply (fp, r, vm) == 0 ?
      print_source (fp, r, vm, true) : -1;
  }
  if (r->running)
    fputs ("<p>See how far it is:</p>\n", fp);
  else if (state == STATE_FAILED)
    fputs ("<p>Remove the cause, and run it again alone:</p>\n", fp);
  else if (state == STATE_CANCELED)
    fputs ("<p>To migrate it after all:</p>\n", fp);
  else
    fputs ("<p>Go on with it where it was:</p>\n", fp);
  if (r->running ? print_nbdlift (fp, r, "status", NULL, 0) == -1 :
      print_nbdlift (fp, r, "run", vm, 0) == -1)
    return -1;
  if (state == STATE_CANCELED)
    return print_source (fp, r, vm, false);
  fputs ("<p>To give it up, and remove what was made for it:</p>\n", fp);
  if (print_nbdlift (fp, r, "cancel", vm, 0) == -1)
    return -1;
  return print_source (fp, r, vm, false);
}

/* The VMs in STATE with their first errors. */
static int
print_reasons (FILE *fp, const struct report *r, enum report_state state)
{
  const json_t *vm;
  size_t i;

  fputs ("<ul class=\"reasons\">\n", fp);
  json_array_foreach (report_vms (r), i, vm) {
    const json_t *reasons =
      json_object_get (json_object_get (vm, "error"), "reasons");
    const char *reason = json_string_value (json_array_get (reasons, 0));

    if (report_vm_state (r, vm) != state)
      continue;
    fprintf (fp, "<li><a href=\"#vm-%zu\">", i);
    if (html_text (fp, report_vm_name (vm)) == -1)
      return -1;
    fputs (reason ? "</a>: " : "</a>", fp);
    if (html_text (fp, reason) == -1)
      return -1;
    fputs ("</li>\n", fp);
  }
  fputs ("</ul>\n", fp);
  return 0;
}

#define MASK(state) (1u << (state))

/* VMs that a run can go on with. */
static int
next_run (FILE *fp, const struct report *r, const size_t *counts)
{
  const unsigned unfinished = MASK (STATE_INTERRUPTED) | MASK (STATE_PENDING);

  if (counts[STATE_FAILED] > 0) {
    fprintf (fp, "<li><strong>%zu failed.</strong> Remove the cause, and run "
             "%s again:\n", counts[STATE_FAILED],
             counts[STATE_FAILED] == 1 ? "it" : "them");
    if (print_reasons (fp, r, STATE_FAILED) == -1 ||
        (!r->running &&
         print_nbdlift (fp, r, "run", NULL, MASK (STATE_FAILED)) == -1))
      return -1;
    fputs (r->running ? "<p>When the run has ended, as it still goes on."
           "</p></li>\n" : "</li>\n", fp);
  }
  if (!r->running &&
      counts[STATE_INTERRUPTED] + counts[STATE_PENDING] > 0) {
    fprintf (fp, "<li><strong>%zu not done.</strong> The run was ended "
             "before it could say how. Start it again, it goes on where it "
             "was:\n", counts[STATE_INTERRUPTED] + counts[STATE_PENDING]);
    if (print_nbdlift (fp, r, "run", NULL, unfinished) == -1)
      return -1;
    fputs ("</li>\n", fp);
  }
  if (r->running) {
    fputs ("<li><strong>The run goes on.</strong> See how far it is:\n", fp);
    if (print_nbdlift (fp, r, "status", NULL, 0) == -1)
      return -1;
    fputs ("</li>\n", fp);
  }
  if (!r->running && counts[STATE_CANCELED] > 0) {
    fprintf (fp, "<li><strong>%zu cancelled.</strong> To migrate %s after "
             "all:\n", counts[STATE_CANCELED],
             counts[STATE_CANCELED] == 1 ? "it" : "them");
    if (print_nbdlift (fp, r, "run", NULL, MASK (STATE_CANCELED)) == -1)
      return -1;
    fputs ("</li>\n", fp);
  }
  return 0;
}

/* VMs that are migrated. */
static int
next_apply (FILE *fp, const struct report *r, size_t n, bool all)
{
  fprintf (fp, "<li><strong>%zu migrated.</strong> Prove that the volumes "
           "still hold what was copied:\n", n);
  if (print_nbdlift (fp, r, "verify", NULL,
                     all ? 0 : MASK (STATE_SUCCEEDED)) == -1)
    return -1;
  fputs ("<p>Put them where the claims of the manifests find them, and "
         "create the VMs in the cluster:</p>\n", fp);
  if (print_apply (fp, r, NULL) == -1)
    return -1;
  fputs ("</li>\n", fp);
  if (!all)
    return 0;
  fputs ("<li><strong>When the new VMs have proved themselves,</strong> "
         "remove the state of the migration; volumes and manifests stay:\n",
         fp);
  if (print_nbdlift (fp, r, "cleanup", NULL, 0) == -1)
    return -1;
  fputs ("</li>\n", fp);
  return 0;
}

static bool
is_relative (const char *path)
{
  return path && path[0] != '/' && strcmp (path, "-") != 0;
}

/* Where the commands are right. */
static int
print_place (FILE *fp, const struct report *r)
{
  bool relative = is_relative (r->output) || is_relative (r->state);
  CLEANUP_FREE char *cwd = NULL;
  size_t i;

  for (i = 0; i < r->nr_files; i++)
    relative |= is_relative (r->files[i]);
  cwd = relative ? getcwd (NULL, 0) : NULL;
  if (cwd == NULL)
    return 0;
  fputs ("<p class=\"soft\">The commands are for the folder ", fp);
  if (html_text (fp, cwd) == -1)
    return -1;
  fputs (".</p>\n", fp);
  return 0;
}

int
report_next (FILE *fp, const struct report *r)
{
  size_t counts[NR_STATES] = { 0 }, i;
  const json_t *vm;

  json_array_foreach (report_vms (r), i, vm)
    counts[report_vm_state (r, vm)]++;
  fputs ("<section class=\"card\">\n<h2>What is next</h2>\n", fp);
  if (print_place (fp, r) == -1)
    return -1;
  fputs ("<ol>\n", fp);
  if (next_run (fp, r, counts) == -1 ||
      (counts[STATE_SUCCEEDED] > 0 &&
       next_apply (fp, r, counts[STATE_SUCCEEDED],
                   counts[STATE_SUCCEEDED] == i) == -1))
    return -1;
  fputs ("</ol>\n</section>\n", fp);
  return 0;
}
