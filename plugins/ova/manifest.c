/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reads a manifest line by line.  The file name ends at the last ')'
 * before the '=' that precedes the digest, as a name may itself hold
 * parentheses and equal signs; a digest cannot.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "plugins/ova/manifest.h"

void
manifest_free (manifest_entry_vector *entries)
{
  size_t i;

  for (i = 0; i < entries->len; ++i)
    free (entries->ptr[i].file);
  manifest_entry_vector_reset (entries);
}

static bool
is_blank (char c)
{
  return c == ' ' || c == '\t' || c == '\r' || c == '\0';
}

/* A piece of the text. */
struct span {
  const char *ptr;
  size_t len;
};

static struct span
trim (const char *start, const char *end)
{
  while (start < end && is_blank (*start))
    start++;
  while (end > start && is_blank (end[-1]))
    end--;
  return (struct span) { start, end - start };
}

/* Split "ALG (FILE) = HEX". */
static bool
split_line (struct span line, struct span *alg, struct span *file,
            struct span *hex)
{
  const char *end = line.ptr + line.len;
  const char *open = memchr (line.ptr, '(', line.len);
  const char *equal = memrchr (line.ptr, '=', line.len);
  struct span before;

  if (open == NULL || equal == NULL || equal < open)
    return false;
  before = trim (line.ptr, equal);
  if (before.ptr[before.len - 1] != ')' ||
      before.ptr + before.len - 1 <= open)
    return false;
  *alg = trim (line.ptr, open);
  *file = trim (open + 1, before.ptr + before.len - 1);
  *hex = trim (equal + 1, end);
  return file->len > 0 && memchr (file->ptr, '\0', file->len) == NULL;
}

/* Fill all of E but the line.  Reports. */
static int
parse_line (struct span line, const char *name, unsigned long nr,
            struct manifest_entry *e)
{
  struct span alg, file, hex;

  if (!split_line (line, &alg, &file, &hex)) {
    log_error ("%s:%lu: is not of the form 'SHA256(FILE)= DIGEST': the "
               "manifest is damaged, copy or export the package again",
               printable (name), nr);
    goto invalid;
  }
  if (!digest_type_of_name (alg.ptr, alg.len, &e->type)) {
    CLEANUP_FREE char *text = strndup (alg.ptr, alg.len);

    log_error ("%s:%lu: digest '%s' is not supported, only SHA1, SHA256 and "
               "SHA512 are", printable (name), nr,
               printable (text ? text : ""));
    goto invalid;
  }
  if (!bytes_of_hex (hex.ptr, hex.len, e->digest, digest_size (e->type))) {
    log_error ("%s:%lu: a %s digest has %zu hexadecimal digits, this line "
               "does not: the manifest is damaged, copy or export the "
               "package again", printable (name), nr, digest_name (e->type),
               2 * digest_size (e->type));
    goto invalid;
  }
  e->file = strndup (file.ptr, file.len);
  if (e->file == NULL) {
    log_oom ();
    return -1;
  }
  return 0;

 invalid:
  errno = EINVAL;
  return -1;
}

/* Order by file, then by digest type, then by line. */
static int
compare_entries (const void *a, const void *b)
{
  const struct manifest_entry *ea = a, *eb = b;
  int r = strcmp (ea->file, eb->file);

  if (r == 0)
    r = (ea->type > eb->type) - (ea->type < eb->type);
  return r ? r : (ea->line > eb->line) - (ea->line < eb->line);
}

static int
compare_lines (const void *a, const void *b)
{
  const struct manifest_entry *ea = a, *eb = b;

  return (ea->line > eb->line) - (ea->line < eb->line);
}

/* Drop lines that say the same again; refuse those that contradict. */
static int
drop_duplicates (manifest_entry_vector *v, const char *name)
{
  size_t i, n = 0;
  int r = 0;

  if (v->len == 0)
    return 0;
  qsort (v->ptr, v->len, sizeof *v->ptr, compare_entries);
  for (i = 0; i < v->len; ++i) {
    struct manifest_entry *e = &v->ptr[i];
    struct manifest_entry *last = n > 0 ? &v->ptr[n - 1] : NULL;

    if (last == NULL || strcmp (last->file, e->file) != 0 ||
        last->type != e->type) {
      v->ptr[n++] = *e;
      continue;
    }
    if (memcmp (last->digest, e->digest, digest_size (e->type)) == 0)
      log_warning ("%s:%lu: '%s' is listed twice, first in line %lu",
                   printable (name), e->line, printable (e->file),
                   last->line);
    else if (r == 0) {
      log_error ("%s:%lu: '%s' is listed twice with different digests, first "
                 "in line %lu: the manifest is damaged, copy or export the "
                 "package again", printable (name), e->line,
                 printable (e->file), last->line);
      errno = EINVAL;
      r = -1;
    }
    free (e->file);
  }
  v->len = n;
  qsort (v->ptr, v->len, sizeof *v->ptr, compare_lines);
  return r;
}

int
manifest_parse (const char *text, size_t len, const char *name,
                manifest_entry_vector *entries)
{
  const char *end = text + len, *eol;
  unsigned long nr;
  int err;

  if (len >= 3 && memcmp (text, "\xef\xbb\xbf", 3) == 0)
    text += 3;                  /* byte order mark */

  for (nr = 1; text < end; text = eol + 1, ++nr) {
    struct manifest_entry e = { .line = nr };
    struct span line;

    eol = memchr (text, '\n', end - text);
    if (eol == NULL)
      eol = end;
    line = trim (text, eol);
    if (line.len > 0) {
      if (parse_line (line, name, nr, &e) == -1)
        goto err;
      if (manifest_entry_vector_append (entries, e) == -1) {
        free (e.file);
        log_oom ();
        goto err;
      }
    }
    if (eol == end)
      break;
  }
  if (drop_duplicates (entries, name) == 0)
    return 0;

 err:
  err = errno;
  manifest_free (entries);
  errno = err;
  return -1;
}
