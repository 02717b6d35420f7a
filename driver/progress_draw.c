/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Progress for people: the lines, drawn on a terminal or written elsewhere.
 */
#include <inttypes.h>
#include <sys/ioctl.h>

#include "common/include/cleanup.h"
#include "common/util/strbuf.h"
#include "driver/progress_private.h"

#define PLAIN_INTERVAL (10 * SECOND)
#define PLAIN_PERCENT 5

static unsigned
percent_of (uint64_t done, uint64_t total)
{
  return total == 0 ? 0 : (unsigned) ((double) done * 100 / total);
}

/* "1:02:03" or "2:03". */
static void
format_time (char *buf, size_t len, uint64_t seconds)
{
  if (seconds >= 3600)
    snprintf (buf, len, "%" PRIu64 ":%02u:%02u", seconds / 3600,
              (unsigned) (seconds / 60 % 60), (unsigned) (seconds % 60));
  else
    snprintf (buf, len, "%u:%02u", (unsigned) (seconds / 60),
              (unsigned) (seconds % 60));
}

/* "web: DiskTransfer: 45 %, 4.5 GiB of 10 GiB, 312 MiB/s, ETA 0:18". */
static void
format_line (struct strbuf *b, const struct progress_line *line,
             uint64_t now)
{
  const struct progress_sum sum = progress_sum_of (line);
  const uint64_t rate = progress_rate (line, sum.done, now);
  char eta[32];

  strbuf_printf (b, "%s: %s", printable (line->vm), line->step);
  if (sum.items == 0)
    return;
  strbuf_printf (b, ": %u %%", percent_of (sum.done, sum.total));
  if (sum.unit == PROGRESS_PERCENT)
    return;
  strbuf_printf (b, ", %s of %s", human_size (sum.done),
                 human_size (sum.total));
  if (rate > 0) {
    format_time (eta, sizeof eta, (sum.total - sum.done) / rate);
    strbuf_printf (b, ", %s/s, ETA %s", human_size (rate), eta);
  }
}

void
progress_erase (struct progress *p)
{
  if (p->drawn > 0)
    fprintf (p->options.human, "\033[%uA\r\033[J", p->drawn);
  p->drawn = 0;
}

static void
terminal_size (const struct progress *p, unsigned *columns, unsigned *rows)
{
  struct winsize ws;

  *columns = p->options.columns;
  *rows = p->options.rows;
  if (*columns == 0 &&
      ioctl (fileno (p->options.human), TIOCGWINSZ, &ws) == 0) {
    *columns = ws.ws_col;
    *rows = ws.ws_row;
  }
  if (*columns < 20)
    *columns = 80;
  if (*rows < 3)
    *rows = 24;
}

/* Cut to COLUMNS characters: a line that wraps would spoil erase. */
static void
print_cut (FILE *fp, const char *s, unsigned columns)
{
  for (; *s; s++) {
    if ((*s & 0xc0) != 0x80 && columns-- == 0)
      break;
    fputc (*s, fp);
  }
  fputc ('\n', fp);
}

void
progress_draw_terminal (struct progress *p, uint64_t now)
{
  const struct progress_line *line;
  unsigned columns, rows, hidden = 0;

  terminal_size (p, &columns, &rows);
  progress_erase (p);
  for (line = p->lines; line; line = line->next) {
    CLEANUP_STRBUF struct strbuf b = { 0 };

    if (p->drawn + 2 >= rows) {
      hidden++;
      continue;
    }
    format_line (&b, line, now);
    print_cut (p->options.human, b.ptr ? b.ptr : "", columns - 1);
    p->drawn++;
  }
  if (hidden > 0) {
    fprintf (p->options.human, "and %u more\n", hidden);
    p->drawn++;
  }
  fflush (p->options.human);
}

void
progress_draw_plain (struct progress_line *line, uint64_t now)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };
  const struct progress_sum sum = progress_sum_of (line);
  const unsigned percent = percent_of (sum.done, sum.total);

  if (sum.items == 0 || sum.done == sum.total ||
      (now - line->last_plain < PLAIN_INTERVAL &&
       percent < line->last_percent + PLAIN_PERCENT))
    return;
  format_line (&b, line, now);
  fprintf (line->p->options.human, "nbdlift: %s\n", b.ptr ? b.ptr : "");
  fflush (line->p->options.human);
  line->last_plain = now;
  line->last_percent = percent;
}

void
progress_print_finished (const struct progress_line *line, uint64_t now)
{
  const struct progress_sum sum = progress_sum_of (line);
  const uint64_t time = now - line->started;
  FILE *fp = line->p->options.human;
  char buf[32];

  format_time (buf, sizeof buf, time / SECOND);
  fprintf (fp, "nbdlift: %s: %s: done in %s", printable (line->vm),
           line->step, buf);
  if (sum.items > 0 && sum.unit == PROGRESS_BYTES) {
    fprintf (fp, ", %s", human_size (sum.done));
    if (time >= SECOND)
      fprintf (fp, ", %s/s",
               human_size ((double) sum.done * SECOND / time));
  }
  fputc ('\n', fp);
  fflush (fp);
}
