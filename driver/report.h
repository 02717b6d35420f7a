/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The report of a run as one page of HTML that needs nothing else: style
 * and drawings are in it, there are no scripts, and nothing is loaded.
 * It is well-formed XML too, so that programs can read it.
 */
#ifndef NBDLIFT_REPORT_H
#define NBDLIFT_REPORT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <jansson.h>

#include "driver/session.h"

struct report {
  const struct session *session;        /* with its plan chosen */
  const json_t *status;         /* what `nbdlift status -f json' prints */
  const char *folder;           /* of the plan, in the state folder */
  const char *const *files;     /* of the command line, for the commands */
  size_t nr_files;              /* that the page proposes */
  const char *output, *state, *plan;    /* options, state and plan or NULL */
  time_t now;
};

/* Write the page to FP, whose error flag tells of failures to write.  0,
 * or -1 reported.
 */
extern int report_write (FILE *fp, const struct report *r);

/* The parts of the page.  These are only for report*.c and tests. */

/* report_html.c: S, which may be NULL and come from anywhere, as text for
 * content and attributes: escaped, on one line, and what cannot be printed
 * as \xNN.  0, or -1 reported.
 */
extern int html_text (FILE *fp, const char *s);
/* All up to the first heading, and the end. */
extern int html_begin (FILE *fp, const char *title);
extern void html_end (FILE *fp);
/* "2026-11-23 00:35:41 UTC", or a dash for 0. */
extern void html_time (FILE *fp, time_t t);
/* "1 h 2 min", "12 s". */
extern void html_duration (FILE *fp, time_t seconds);
/* Colours: "good", "bad", "busy" or "quiet". */
extern void html_badge (FILE *fp, const char *colour, const char *word);

/* The member KEY, RFC 3339, of J; 0 if there is none. */
extern time_t report_time (const json_t *j, const char *key);
/* How the VM ended: "Succeeded", "Failed", "Canceled", or "Executing". */
extern const char *report_outcome (const json_t *vm);
extern const char *report_colour (const char *outcome);
/* The folder of a VM's state, malloc'ed, NULL reported. */
extern char *report_vm_folder (const struct report *r, const json_t *vm);
/* The step of the VM's pipeline, or NULL. */
extern const json_t *report_step (const json_t *vm, const char *name);

/* report_vm.c: the section of VM number N.  0, or -1 reported. */
extern int report_vm (FILE *fp, const struct report *r, const json_t *vm,
                      size_t n);

/* report_next.c: what is to be done now.  0, or -1 reported. */
extern int report_next (FILE *fp, const struct report *r);

/* report_chart.c: throughput over time of disk I of VM number N, from the
 * samples in FOLDER between FROM and TO.  1: drawn; 0: there are too few
 * of them; -1 reported.
 */
extern int report_chart (FILE *fp, const char *folder, size_t n, size_t i,
                         const char *name, time_t from, time_t to);

#endif /* NBDLIFT_REPORT_H */
