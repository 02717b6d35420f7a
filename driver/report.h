/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The report of a run as one page of HTML that needs nothing else: style
 * and drawings are in it, there are no scripts, and nothing is loaded.
 * It is well-formed XML too, so that programs can read it.
 */
#ifndef NBDLIFT_REPORT_H
#define NBDLIFT_REPORT_H

#include <stdbool.h>
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
  bool asked;                   /* the session's problems are of today, the
                                   source's concerns among them */
  bool running;                 /* the run goes on */
  time_t now;
  time_t from, to;              /* the run; TO is when it ended, or when it
                                   last wrote its status */
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
/* S in an element NAME of class CLASS (NULL: none); nothing without S. */
extern int html_element (FILE *fp, const char *name, const char *class,
                         const char *s);
/* TEXT in a list (dl), with the name WHAT; nothing without TEXT. */
extern int html_fact (FILE *fp, const char *what, const char *text);
/* All up to the first heading, and the end. */
extern int html_begin (FILE *fp, const char *title);
extern void html_end (FILE *fp);
/* "2026-11-23 00:35:41 UTC", or a dash for 0. */
extern void html_time (FILE *fp, time_t t);
/* "00:35:41", with the day if that is not the one of BASE. */
extern void html_clock (FILE *fp, time_t t, time_t base);
/* "1 h 2 min", "12 s". */
extern void html_duration (FILE *fp, time_t seconds);
/* "12.5 GiB", from MiB. */
extern void html_mib (FILE *fp, uint64_t mib);
/* Colours: "good", "bad", "busy", "warn" or "quiet". */
extern void html_badge (FILE *fp, const char *colour, const char *word);

/* report_style.c */
extern const char report_style[];

/* report_read.c: how a VM is.  First what asks for attention. */
enum report_state {
  STATE_FAILED,
  STATE_INTERRUPTED,            /* begun, and its run is gone */
  STATE_CANCELED,
  STATE_EXECUTING,
  STATE_PENDING,                /* not begun */
  STATE_SUCCEEDED,
  NR_STATES,
};
extern enum report_state report_vm_state (const struct report *r,
                                          const json_t *vm);
/* What a VM that is not begun waits for, or NULL. */
extern const char *report_vm_waits (const json_t *vm);
/* True if the VM is not of this run, but of one before. */
extern bool report_is_earlier (const struct report *r, const json_t *vm);
extern const char *report_state_name (enum report_state state);
extern const char *report_state_colour (enum report_state state);
/* The VMs of the run, and of the run as a whole. */
extern const json_t *report_vms (const struct report *r);
extern enum report_state report_run_state (const struct report *r);

/* The member KEY, RFC 3339, of J; 0 if there is none. */
extern time_t report_time (const json_t *j, const char *key);
/* Of a VM, step or task: when it ended, or the end of the report's time if
 * it has not; 0 if it never began.
 */
extern time_t report_end (const struct report *r, const json_t *j);
/* The folder of a VM's state, malloc'ed, NULL reported. */
extern char *report_vm_folder (const struct report *r, const json_t *vm);
/* The name that people know it by; never NULL. */
extern const char *report_vm_name (const json_t *vm);
/* The step of the VM's pipeline, or NULL. */
extern const json_t *report_step (const json_t *vm, const char *name);
/* One word for a step or a task, and its colour. */
extern const char *report_step_state (const json_t *step);
extern const char *report_step_colour (const char *state);
/* Write "52 MiB of 323 MiB", or the size alone when all is done. */
extern void report_progress (FILE *fp, const json_t *step);

/* report_vms.c: all VMs in one table, each with its steps as a bar. */
extern int report_overview (FILE *fp, const struct report *r);
/* One bar in the time from FROM to TO, of STEP alone or, with NULL, of all
 * steps of the VM.
 */
extern void report_bar (FILE *fp, const struct report *r, const json_t *vm,
                        const json_t *step, time_t from, time_t to);

/* report_vm.c: the section of VM number N.  0, or -1 reported. */
extern int report_vm (FILE *fp, const struct report *r, const json_t *vm,
                      size_t n, bool open);

/* report_concerns.c: those of all VMs, each once; and those of one VM,
 * with the warnings of its steps.  0, or -1 reported.
 */
extern int report_concerns (FILE *fp, const struct report *r);
extern int report_vm_concerns (FILE *fp, const struct report *r,
                               const json_t *vm);

/* report_next.c: what is to be done now, in all and for one VM.  0, or -1
 * reported.
 */
extern int report_next (FILE *fp, const struct report *r);
extern int report_vm_next (FILE *fp, const struct report *r,
                           const json_t *vm);

/* report_chart.c: what was read of a disk, or of several, over time.  All
 * charts of a VM have the same scales.
 */
#define CHART_SLOTS 120
struct chart {
  time_t from, to;
  size_t nr_slots;
  double bytes[CHART_SLOTS];
  double ms[CHART_SLOTS];       /* of the slot, that samples tell of */
};
extern void chart_init (struct chart *c, time_t from, time_t to);
/* Add the samples of a disk.  Samples that are missing are none. */
extern void chart_read (struct chart *c, const char *vm_folder, size_t disk);
extern void chart_add (struct chart *sum, const struct chart *c);
/* MiB per second; both 0 if there is nothing to draw. */
extern double chart_mean (const struct chart *c);
extern double chart_peak (const struct chart *c);
/* Draw it.  PEAK is what its scale must hold. */
extern int chart_draw (FILE *fp, const struct chart *c, const char *name,
                       double peak);

#endif /* NBDLIFT_REPORT_H */
