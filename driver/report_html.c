/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The frame of the report and its small parts.
 */
#include <inttypes.h>
#include <string.h>

#include "common/include/checked.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/report.h"
#include "driver/run_status.h"

#define TEXT_MAX 16000          /* bytes of one text from outside */
#define DASH "\xe2\x80\x93"

int
html_text (FILE *fp, const char *s)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };
  const char *p;

  if (s == NULL)
    return 0;
  if (strbuf_append_printable (&b, s, TEXT_MAX) == -1) {
    log_oom ();
    return -1;
  }
  for (p = b.ptr ? b.ptr : ""; *p; p++)
    switch (*p) {
    case '&': fputs ("&amp;", fp); break;
    case '<': fputs ("&lt;", fp); break;
    case '>': fputs ("&gt;", fp); break;
    case '"': fputs ("&quot;", fp); break;
    case '\'': fputs ("&#39;", fp); break;
    default:
      /* U+FFFE and U+FFFF are UTF-8, but not XML. */
      if (strncmp (p, "\xef\xbf\xbe", 3) == 0 ||
          strncmp (p, "\xef\xbf\xbf", 3) == 0) {
        fputs ("\xef\xbf\xbd", fp);
        p += 2;
      }
      else
        putc (*p, fp);
    }
  return 0;
}

int
html_element (FILE *fp, const char *name, const char *class, const char *s)
{
  if (s == NULL)
    return 0;
  fprintf (fp, "<%s", name);
  if (class)
    fprintf (fp, " class=\"%s\"", class);
  putc ('>', fp);
  if (html_text (fp, s) == -1)
    return -1;
  fprintf (fp, "</%s>", name);
  return 0;
}

int
html_fact (FILE *fp, const char *what, const char *text)
{
  if (text == NULL)
    return 0;
  fprintf (fp, "<div><dt>%s</dt>", what);
  if (html_element (fp, "dd", NULL, text) == -1)
    return -1;
  fputs ("</div>\n", fp);
  return 0;
}

int
html_begin (FILE *fp, const char *title)
{
  fputs ("<!DOCTYPE html>\n"
         "<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\" "
         "xml:lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
         "<meta http-equiv=\"Content-Security-Policy\" "
         "content=\"default-src 'none'; style-src 'unsafe-inline'\"/>\n"
         "<meta name=\"viewport\" content=\"width=device-width\"/>\n"
         "<meta name=\"color-scheme\" content=\"light dark\"/>\n"
         "<title>Migration report: ", fp);
  if (html_text (fp, title) == -1)
    return -1;
  fprintf (fp, "</title>\n<style>\n%s</style>\n</head>\n<body>\n<main>\n",
           report_style);
  return 0;
}

void
html_end (FILE *fp)
{
  fputs ("</main>\n</body>\n</html>\n", fp);
}

/* For programs, around what people read. */
static void
begin_time (FILE *fp, time_t t)
{
  char text[32];

  format_rfc3339 (t, text);
  fprintf (fp, "<time datetime=\"%s\">", text);
}

void
html_time (FILE *fp, time_t t)
{
  struct tm tm;
  char buf[64];

  if (t == 0 || gmtime_r (&t, &tm) == NULL) {
    fputs (DASH, fp);
    return;
  }
  begin_time (fp, t);
  strftime (buf, sizeof buf, "%Y-%m-%d %H:%M:%S UTC", &tm);
  fprintf (fp, "%s</time>", buf);
}

void
html_clock (FILE *fp, time_t t, time_t base)
{
  struct tm tm, day;
  char buf[64];

  if (t == 0 || gmtime_r (&t, &tm) == NULL ||
      gmtime_r (&base, &day) == NULL) {
    fputs (DASH, fp);
    return;
  }
  begin_time (fp, t);
  strftime (buf, sizeof buf,
            tm.tm_yday == day.tm_yday && tm.tm_year == day.tm_year ?
            "%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &tm);
  fprintf (fp, "%s</time>", buf);
}

void
html_duration (FILE *fp, time_t seconds)
{
  const intmax_t s = seconds < 0 ? 0 : seconds;

  if (s == 0)
    fputs ("under 1 s", fp);
  else if (s < 60)
    fprintf (fp, "%" PRIdMAX " s", s);
  else if (s < 3600)
    fprintf (fp, "%" PRIdMAX " min %" PRIdMAX " s", s / 60, s % 60);
  else
    fprintf (fp, "%" PRIdMAX " h %" PRIdMAX " min", s / 3600, s / 60 % 60);
}

void
html_mib (FILE *fp, uint64_t mib)
{
  uint64_t bytes;

  if (checked_mul (mib, UINT64_C (1) << 20, &bytes))
    fputs (human_size (bytes), fp);
  else
    fputs ("?", fp);
}

void
html_badge (FILE *fp, const char *colour, const char *word)
{
  fprintf (fp, "<span class=\"badge %s\">%s</span>", colour, word);
}
