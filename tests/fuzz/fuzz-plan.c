/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Fuzz the plan: any bytes through the YAML loader, the decoder and the
 * checks.  The input is put into a memory file, since plan_load reads
 * files.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/util/log.h"
#include "driver/plan/plan.h"

extern int LLVMFuzzerInitialize (int *argc, char ***argv);
extern int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static int fd = -1;
static char path[64];
static FILE *null;

static void
silent (enum log_level level, const char *text, void *opaque)
{
}

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  log_set_sink (silent, NULL);
  fd = memfd_create ("plan", MFD_CLOEXEC);
  null = fopen ("/dev/null", "w");
  if (fd == -1 || null == NULL)
    abort ();
  snprintf (path, sizeof path, "/proc/self/fd/%d", fd);
  return 0;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  const char *files[] = { path };
  problem_vector problems = EMPTY_VECTOR;
  struct plan_set set;
  json_t *j;

  if (ftruncate (fd, 0) == -1 ||
      pwrite (fd, data, size, 0) != (ssize_t) size)
    abort ();
  if (plan_load (files, 1, &set, &problems) == -1 ||
      plan_check (&set, &problems) == -1)
    abort ();
  problem_print (null, &problems);
  /* Messages are UTF-8, or this fails. */
  j = problem_to_json (&problems);
  if (j == NULL)
    abort ();
  json_decref (j);
  problem_vector_free (&problems);
  plan_set_free (&set);
  return 0;
}
