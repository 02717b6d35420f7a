/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How much had been read of each disk when: for the report, which draws the
 * throughput from it.  Nothing else depends on these files.
 */
#ifndef NBDLIFT_RUN_SAMPLES_H
#define NBDLIFT_RUN_SAMPLES_H

#include <stddef.h>

struct run;

/* Where the samples of a disk are: lines of milliseconds since the epoch,
 * a space, and bytes that the run has read of the disk; a later run begins
 * at zero again.  malloc'ed, NULL reported.
 */
extern char *run_samples_path (const char *vm_folder, size_t disk);

/* Append a sample for each disk that is being copied.  To be called once a
 * second by one thread.  A failure is silent: the report has less to show.
 */
extern void run_samples_take (const struct run *run);

#endif /* NBDLIFT_RUN_SAMPLES_H */
