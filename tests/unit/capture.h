/* SPDX-License-Identifier: BSD-3-Clause
 *
 * For unit tests: keep what is reported through common/util/log.h, so
 * that a test can ask for the words of an error.  Includes cmocka with
 * the headers that it needs.
 */
#ifndef NBDLIFT_TESTS_CAPTURE_H
#define NBDLIFT_TESTS_CAPTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/include/cleanup.h"
#include "common/util/log.h"

/* All messages since capture_start, one a line. */
static char captured[16384];
static unsigned captured_errors;

static void
capture_sink (enum log_level level, const char *text, void *opaque)
{
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  size_t len;

  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&lock);

  len = strlen (captured);
  if (level == LOG_LEVEL_ERROR)
    captured_errors++;
  snprintf (captured + len, sizeof captured - len, "%s\n", text);
}

static inline void
capture_start (void)
{
  captured[0] = '\0';
  captured_errors = 0;
  log_set_sink (capture_sink, NULL);
}

/* Exactly one error was reported, and it holds TEXT. */
#define assert_error(text)                                              \
  do {                                                                  \
    if (captured_errors != 1 || strstr (captured, (text)) == NULL)      \
      fail_msg ("expected one error with '%s', got %u: %s", (text),     \
                captured_errors, captured);                             \
  } while (0)

#define assert_no_error() assert_string_equal (captured, "")

#endif /* NBDLIFT_TESTS_CAPTURE_H */
