/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The frame of the report and its small parts.  Colours are variables with
 * two sets of values, for light and dark; contrast is at least 4.5 to 1 in
 * both, and no colour says what no word says.
 */
#include <inttypes.h>
#include <string.h>

#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/report.h"

#define TEXT_MAX 4000           /* bytes of one text from outside */

static const char style[] =
":root { color-scheme: light dark;\n"
"  --page: #f6f7f9; --card: #ffffff; --line: #dfe3e8; --text: #1b1f24;\n"
"  --soft: #57606a; --good: #1a6f3c; --bad: #b3261e; --busy: #1d5fa8;\n"
"  --quiet: #6a5a1c; --fill: #e9edf2; }\n"
"@media (prefers-color-scheme: dark) { :root {\n"
"  --page: #111418; --card: #191d23; --line: #2f363f; --text: #e4e8ed;\n"
"  --soft: #a3adb8; --good: #63c98a; --bad: #ff8f87; --busy: #7ab8ff;\n"
"  --quiet: #d9c46a; --fill: #262c34; } }\n"
"* { box-sizing: border-box; }\n"
"body { margin: 0; background: var(--page); color: var(--text);\n"
"  font: 15px/1.5 system-ui, sans-serif; }\n"
"main { max-width: 60rem; margin: 0 auto; padding: 2rem 1.25rem 3rem; }\n"
"h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .25rem; }\n"
"h2 { font-size: 1.15rem; margin: 0 0 .75rem; }\n"
"h3 { font-size: .95rem; margin: 1.25rem 0 .4rem; }\n"
"h1, h2, td, dd, li { overflow-wrap: anywhere; }\n"
"section { background: var(--card); border: 1px solid var(--line);\n"
"  border-radius: 8px; padding: 1.1rem 1.25rem; margin: 1.25rem 0; }\n"
"dl { display: grid; grid-template-columns: max-content 1fr;\n"
"  gap: .2rem 1.25rem; margin: 0; }\n"
"dt, caption, .soft { color: var(--soft); } dd { margin: 0; }\n"
".lead { margin: 0 0 1.25rem; color: var(--soft); }\n"
".wide { overflow-x: auto; }\n"
"table { border-collapse: collapse; width: 100%; }\n"
"caption { text-align: left; padding-bottom: .4rem; font-size: .9rem; }\n"
"th, td { text-align: left; vertical-align: top; padding: .35rem .9rem\n"
"  .35rem 0; border-top: 1px solid var(--line); }\n"
"tr > :last-child { padding-right: 0; }\n"
"thead th { color: var(--soft); font-weight: 600; font-size: .85rem;\n"
"  border-top: 0; white-space: nowrap; } tbody th { font-weight: 600; }\n"
".number { text-align: right; white-space: nowrap;\n"
"  font-variant-numeric: tabular-nums; }\n"
".badge { font-weight: 600; white-space: nowrap; }\n"
".badge::before { content: '\\25CF'; margin-right: .4em; font-size: .8em; }\n"
".good { color: var(--good); fill: var(--good); }\n"
".bad { color: var(--bad); fill: var(--bad); }\n"
".busy { color: var(--busy); fill: var(--busy); }\n"
".quiet { color: var(--quiet); fill: var(--quiet); }\n"
"code, pre { font: .9em/1.5 ui-monospace, monospace; }\n"
"pre { background: var(--fill); border-radius: 5px; margin: .35rem 0;\n"
"  padding: .5rem .7rem; white-space: pre-wrap; overflow-wrap: anywhere; }\n"
".disk { margin: .6rem 0 .2rem; }\n"
"ol, ul { padding-left: 1.3rem; margin: 0; } li { margin: .5rem 0; }\n"
"svg { display: block; width: 100%; height: auto; margin: .25rem 0 .75rem; }\n"
"svg text { font: 12px system-ui, sans-serif; fill: var(--soft); }\n"
"svg .label { fill: var(--text); }\n"
"svg .grid { stroke: var(--line); } svg .track { fill: var(--fill); }\n"
"svg .curve { fill: none; stroke: var(--busy); stroke-width: 1.75;\n"
"  stroke-linejoin: round; }\n"
"svg .area { fill: var(--busy); opacity: .14; }\n"
"footer { color: var(--soft); font-size: .85rem; }\n"
"@media print { :root { color-scheme: light; --page: #fff; --card: #fff;\n"
"  --line: #bbb; --text: #000; --soft: #444; --good: #14602f;\n"
"  --bad: #a01810; --busy: #174f8f; --quiet: #57490f; --fill: #eee; }\n"
"  main { max-width: none; padding: 0; }\n"
"  section { padding: .5rem 0; border: 0; }\n"
"  tr, svg, li, pre { break-inside: avoid; } h2, h3 { break-after: avoid; }\n"
"  svg, .badge { print-color-adjust: exact; } }\n";

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
           style);
  return 0;
}

void
html_end (FILE *fp)
{
  fputs ("</main>\n</body>\n</html>\n", fp);
}

void
html_time (FILE *fp, time_t t)
{
  struct tm tm;
  char buf[64];

  if (t == 0 || gmtime_r (&t, &tm) == NULL) {
    fputs ("\xe2\x80\x93", fp); /* en dash */
    return;
  }
  strftime (buf, sizeof buf, "%Y-%m-%d %H:%M:%S UTC", &tm);
  fputs (buf, fp);
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
html_badge (FILE *fp, const char *colour, const char *word)
{
  fprintf (fp, "<span class=\"badge %s\">%s</span>", colour, word);
}
