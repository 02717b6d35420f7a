/* SPDX-License-Identifier: BSD-3-Clause
 *
 * driver/progress.c with a clock of its own: what is drawn when, rates,
 * and JSON lines.
 */
#include "tests/unit/capture.h"

#include <jansson.h>

#include "common/json/json.h"
#include "driver/progress.h"

#define SECOND UINT64_C (1000000000)
#define MIB (UINT64_C (1) << 20)

static char *text;
static size_t text_len;

/* What was written to FP since the last call. */
static const char *
written (FILE *fp)
{
  static char copy[16384];

  fflush (fp);
  snprintf (copy, sizeof copy, "%s", text);
  rewind (fp);
  memset (text, 0, text_len);
  return copy;
}

static struct progress *
make (enum progress_style style, FILE *human, FILE *machine)
{
  const struct progress_options o = {
    .style = style, .human = human, .machine = machine, .columns = 100,
    .rows = 6,
  };
  struct progress *p = progress_new (&o);

  assert_non_null (p);
  progress_set_plan (p, "mig/p");
  return p;
}

static FILE *
open_text (void)
{
  FILE *fp = open_memstream (&text, &text_len);

  assert_non_null (fp);
  return fp;
}

static void
close_text (FILE *fp)
{
  fclose (fp);
  free (text);
  text = NULL;
}

static void
test_plain (void **state)
{
  FILE *fp = open_text ();
  struct progress *p = make (PROGRESS_PLAIN, fp, NULL);
  struct progress_line *line;
  struct progress_item *a, *b;

  progress_tick (p, SECOND);
  line = progress_begin (p, "web", "DiskTransfer");
  a = progress_item_new (line, "a", PROGRESS_BYTES, 600 * MIB);
  b = progress_item_new (line, "b", PROGRESS_BYTES, 400 * MIB);
  progress_tick (p, 2 * SECOND);
  assert_string_equal (written (fp), "");

  /* 4 % is not worth a line, 5 % is. */
  progress_set (a, 40 * MIB);
  progress_tick (p, 3 * SECOND);
  assert_string_equal (written (fp), "");
  progress_set (b, 10 * MIB);
  progress_tick (p, 4 * SECOND);
  assert_string_equal (written (fp), "nbdlift: web: DiskTransfer: 5 %, "
                       "50 MiB of 1000 MiB, 25 MiB/s, ETA 0:38\n");

  /* Then one after 10 s even if hardly anything has happened. */
  progress_tick (p, 13 * SECOND);
  assert_string_equal (written (fp), "");
  progress_tick (p, 14 * SECOND);
  assert_non_null (strstr (written (fp), "5 %, 50 MiB of 1000 MiB"));

  progress_set (a, 600 * MIB);
  progress_set (b, 400 * MIB);
  progress_tick (p, 21 * SECOND);
  assert_string_equal (written (fp), "");
  progress_finish (line, true);
  assert_string_equal (written (fp), "nbdlift: web: DiskTransfer: done in "
                       "0:20, 1000 MiB, 50 MiB/s\n");
  progress_free (p);
  close_text (fp);
}

/* The rate is of the last ten seconds: a stall shows. */
static void
test_stall (void **state)
{
  FILE *fp = open_text ();
  struct progress *p = make (PROGRESS_PLAIN, fp, NULL);
  struct progress_line *line;
  struct progress_item *a;
  unsigned i;

  progress_tick (p, SECOND);
  line = progress_begin (p, "web", "DiskTransfer");
  a = progress_item_new (line, "a", PROGRESS_BYTES, 1000 * MIB);
  for (i = 2; i < 12; i++) {
    progress_set (a, 10 * MIB * (i - 1));
    progress_tick (p, i * SECOND);
  }
  assert_non_null (strstr (written (fp), "10 MiB/s"));
  for (; i < 40; i++)
    progress_tick (p, i * SECOND);
  assert_non_null (strstr (written (fp), "10 %, 100 MiB of 1000 MiB\n"));
  progress_finish (line, false);
  assert_string_equal (written (fp), "");
  progress_free (p);
  close_text (fp);
}

static unsigned
count (const char *s, const char *what)
{
  unsigned n = 0;

  for (; (s = strstr (s, what)) != NULL; s++)
    n++;
  return n;
}

static void
test_terminal (void **state)
{
  static const char *const vms[] =
    { "vm0", "vm1", "vm2", "vm3", "vm4", "vm5", "vm6" };
  FILE *fp = open_text ();
  struct progress *p = make (PROGRESS_TERMINAL, fp, NULL);
  struct progress_line *lines[7];
  struct log_scope scope = { .vm = "vm0", .step = "Initialize" };
  const char *s;
  size_t i;

  for (i = 0; i < 7; i++)
    lines[i] = progress_begin (p, vms[i], "Initialize");
  progress_tick (p, SECOND);
  s = written (fp);

  /* Six rows: four VMs, a line about the rest, the cursor's line. */
  assert_string_equal (s, "vm0: Initialize\nvm1: Initialize\n"
                       "vm2: Initialize\nvm3: Initialize\nand 3 more\n");
  progress_tick (p, 2 * SECOND);
  s = written (fp);
  assert_int_equal (strncmp (s, "\033[5A\r\033[J", 8), 0);
  assert_int_equal (count (s, "\n"), 5);

  /* A message goes above the lines, which are gone until the next tick. */
  progress_message (LOG_LEVEL_WARNING, &scope, "hot", p);
  assert_string_equal (written (fp), "\033[5A\r\033[J"
                       "nbdlift: warning: vm0: Initialize: hot\n");
  progress_message (LOG_LEVEL_INFO, &scope, "cold", p);
  assert_string_equal (written (fp), "nbdlift: vm0: cold\n");
  for (i = 0; i < 7; i++)
    progress_finish (lines[i], false);
  progress_free (p);
  close_text (fp);
}

/* A line is cut so that it does not wrap. */
static void
test_narrow (void **state)
{
  FILE *fp = open_text ();
  const struct progress_options o = {
    .style = PROGRESS_TERMINAL, .human = fp, .columns = 24, .rows = 6,
  };
  struct progress *p = progress_new (&o);
  struct progress_line *line =
    progress_begin (p, "w\xc3\xa4" "b-server-number-1", "DiskTransfer");

  progress_tick (p, SECOND);
  assert_string_equal (written (fp), "w\xc3\xa4" "b-server-number-1: Di\n");
  progress_finish (line, true);
  progress_free (p);
  close_text (fp);
}

static json_t *
parse (const char *line)
{
  json_error_t error;
  json_t *j = json_loads (line, 0, &error);

  if (j == NULL)
    fail_msg ("not JSON: %s: %s", error.text, line);
  assert_string_equal (json_get_string (j, "plan", ""), "mig/p");
  assert_int_equal (strlen (json_get_string (j, "ts", "")), 24);
  return j;
}

static void
test_machine (void **state)
{
  FILE *fp = open_text ();
  struct progress *p = make (PROGRESS_PLAIN, NULL, fp);
  struct progress_line *line;
  struct progress_item *a;
  json_t *j;

  progress_tick (p, SECOND);
  line = progress_begin (p, "w\xff", "DiskTransfer");
  j = parse (written (fp));
  assert_string_equal (json_get_string (j, "type", ""), "phase");
  assert_string_equal (json_get_string (j, "vm", ""), "w\\xff");
  assert_string_equal (json_get_string (j, "phase", ""), "Running");
  json_decref (j);

  a = progress_item_new (line, "a", PROGRESS_BYTES, 100 * MIB);
  progress_tick (p, SECOND + 1);
  assert_string_equal (written (fp), "");
  progress_set (a, 10 * MIB);
  progress_tick (p, 2 * SECOND + 1);
  j = parse (written (fp));
  assert_string_equal (json_get_string (j, "type", ""), "progress");
  assert_string_equal (json_get_string (j, "disk", ""), "a");
  assert_int_equal (json_get_u64 (j, "bytes", 0), 10 * MIB);
  assert_int_equal (json_get_u64 (j, "total", 0), 100 * MIB);
  assert_int_equal (json_get_u64 (j, "rate", 0), 10 * MIB);
  assert_int_equal (json_get_u64 (j, "eta", 0), 9);
  json_decref (j);

  /* Not more than one a second. */
  progress_set (a, 11 * MIB);
  progress_tick (p, 2 * SECOND + 2);
  assert_string_equal (written (fp), "");

  /* The end is told, and more than the total is never done. */
  progress_set (a, 1000 * MIB);
  progress_finish (line, true);
  assert_int_equal (count (written (fp), "\n"), 2);
  progress_message (LOG_LEVEL_ERROR, NULL, "lost \"it\"\n", p);
  j = parse (written (fp));
  assert_string_equal (json_get_string (j, "type", ""), "error");
  assert_string_equal (json_get_string (j, "message", ""), "lost \"it\"\n");
  json_decref (j);
  progress_free (p);
  close_text (fp);
}

/* Short of memory, there are no lines and items: nothing breaks. */
static void
test_null (void **state)
{
  assert_null (progress_item_new (NULL, NULL, PROGRESS_BYTES, 1));
  progress_set (NULL, 1);
  progress_finish (NULL, true);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_plain),
    cmocka_unit_test (test_stall),
    cmocka_unit_test (test_terminal),
    cmocka_unit_test (test_narrow),
    cmocka_unit_test (test_machine),
    cmocka_unit_test (test_null),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
