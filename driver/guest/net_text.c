/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the readers of network configurations share: text in lines, and
 * the lists that they fill.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "driver/guest/net_private.h"

/* More interfaces than any kernel is given by hand. */
#define MAX_IFACES 4096

int
net_set (char **p, const char *text)
{
  char *copy = strdup (text);

  if (copy == NULL) {
    log_oom ();
    return -1;
  }
  free (*p);
  *p = copy;
  return 0;
}

struct net_iface *
net_add_iface (struct guest_net *g, const char *file, const char *id)
{
  struct net_iface new = { 0 };

  if (g->ifaces.len >= MAX_IFACES) {
    log_error ("%s: the guest configures more than %d network interfaces",
               printable (file), MAX_IFACES);
    errno = EINVAL;
    return NULL;
  }
  if (net_set (&new.file, file) == -1 || net_set (&new.id, id) == -1)
    goto err;
  if (net_iface_vector_append (&g->ifaces, new) == -1) {
    log_oom ();
    goto err;
  }
  return &g->ifaces.ptr[g->ifaces.len - 1];

 err:
  free (new.file);
  free (new.id);
  return NULL;
}

int
net_add_pair (net_pair_vector *v, const char *a, const char *b)
{
  struct net_pair new = { strdup (a), strdup (b) };

  if (new.a && new.b && net_pair_vector_append (v, new) == 0)
    return 0;
  free (new.a);
  free (new.b);
  log_oom ();
  return -1;
}

/* The length of a prefix of FAMILY in TEXT, or -1. */
static int
prefix_length (int family, const char *text)
{
  struct in_addr mask;
  uint64_t n;
  uint32_t bits;

  if (parse_u64 (text, &n))
    return n <= (family == AF_INET ? 32 : 128) ? (int) n : -1;
  if (family != AF_INET || inet_pton (AF_INET, text, &mask) != 1)
    return -1;
  bits = ntohl (mask.s_addr);
  for (n = 0; bits & UINT32_C (0x80000000); n++)
    bits <<= 1;
  return bits == 0 ? (int) n : -1;
}

/* The part of TEXT before the slash, as bytes.  AF_INET, AF_INET6 or 0. */
static int
parse_address (const char *text, unsigned char *bytes)
{
  const size_t n = strcspn (text, "/");
  char copy[INET6_ADDRSTRLEN];

  if (n >= sizeof copy)
    return 0;
  memcpy (copy, text, n);
  copy[n] = '\0';
  if (inet_pton (AF_INET, copy, bytes) == 1)
    return AF_INET;
  if (inet_pton (AF_INET6, copy, bytes) == 1)
    return AF_INET6;
  return 0;
}

bool
net_same_address (const char *a, const char *b)
{
  unsigned char x[16] = { 0 }, y[16] = { 0 };
  const int family = parse_address (a, x);

  return family != 0 && family == parse_address (b, y) &&
    memcmp (x, y, sizeof x) == 0;
}

int
net_add_address (struct net_iface *iface, const char *address,
                 const char *mask)
{
  unsigned char bytes[16];
  const int family = parse_address (address, bytes);
  const char *slash = strchr (address, '/');
  char text[INET6_ADDRSTRLEN];
  int length = -1, r;

  /* 0.0.0.0 stands for any that is free. */
  if (family == 0 || net_same_address (address, "0.0.0.0") ||
      net_same_address (address, "::"))
    return 0;
  if (slash)
    length = prefix_length (family, slash + 1);
  else if (mask)
    length = prefix_length (family, mask);
  inet_ntop (family, bytes, text, sizeof text);
  if (length >= 0)
    r = string_vector_append_format (&iface->addresses, "%s/%d", text,
                                     length);
  else
    r = string_vector_append_dup (&iface->addresses, text);
  if (r == -1)
    log_oom ();
  return r;
}

bool
net_is_name (const char *text)
{
  const size_t n = strlen (text);

  return n > 0 && n < IF_NAMESIZE && strcmp (text, ".") != 0 &&
    strcmp (text, "..") != 0 &&
    strspn (text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
            "0123456789_.-") == n;
}

int
net_read (struct guest_net *g, const char *path, char **text)
{
  *text = g->files->read (g->files->opaque, path);
  if (*text)
    return 1;
  if (errno == ENOENT)
    return 0;
  return errno == EFBIG ? net_too_large (g, path) : -1;
}

int
net_too_large (struct guest_net *g, const char *path)
{
  if (string_vector_append_format (&g->report->lost, "%s in the guest is too "
                                   "large to be read: what it says of "
                                   "addresses is not looked at",
                                   printable (path)) == -1) {
    log_oom ();
    return -1;
  }
  return 0;
}

bool
net_ends_in (const char *name, const char *suffix)
{
  const size_t n = strlen (name), m = strlen (suffix);

  return n > m && strcmp (name + n - m, suffix) == 0;
}

static bool
is_leftover (const char *name)
{
  static const char *const suffixes[] = {
    "~", ".bak", ".orig", ".old", ".save", ".augsave", ".rpmnew",
    ".rpmsave", ".rpmorig", ".dpkg-new", ".dpkg-old", ".dpkg-dist", NULL
  };
  size_t i;

  for (i = 0; suffixes[i]; i++)
    if (net_ends_in (name, suffixes[i]))
      return true;
  return name[0] == '.';
}

int
net_read_folder (struct guest_net *g, const char *folder,
                 const char *suffix,
                 int (*read) (struct guest_net *g, const char *path))
{
  CLEANUP_STRING_VECTOR string_vector names = EMPTY_VECTOR;
  size_t i, nr = 0;
  int r;

  if (g->files->list (g->files->opaque, folder, &names) == -1)
    return -1;
  for (i = 0; i < names.len && nr < NET_MAX_FILES; i++) {
    CLEANUP_FREE char *path = NULL;

    if (is_leftover (names.ptr[i]) ||
        (suffix && !net_ends_in (names.ptr[i], suffix)))
      continue;
    nr++;
    r = asprintf (&path, "%s/%s", folder, names.ptr[i]);
    if (r == -1) {
      path = NULL;
      log_oom ();
      return -1;
    }
    if (read (g, path) == -1)
      return -1;
  }
  return 0;
}

/* Cut off space at both ends. */
static char *
trim (char *s)
{
  char *end;

  s += strspn (s, " \t\r\f\v");
  end = s + strlen (s);
  while (end > s && isspace ((unsigned char) end[-1]))
    end--;
  *end = '\0';
  return s;
}

char *
net_line (char **text)
{
  char *line = *text;

  if (line == NULL || *line == '\0')
    return NULL;
  *text = strchr (line, '\n');
  if (*text)
    *(*text)++ = '\0';
  return trim (line);
}

char *
net_word (char **line, const char *delimiters)
{
  char *word = *line + strspn (*line, delimiters);
  char *end = word + strcspn (word, delimiters);

  if (*word == '\0') {
    *line = word;
    return NULL;
  }
  *line = *end ? end + 1 : end;
  *end = '\0';
  return word;
}

bool
net_key_value (char *line, char **key, char **value)
{
  char *equals = strchr (line, '=');

  if (equals == NULL || *line == '#' || *line == ';')
    return false;
  *equals = '\0';
  *key = trim (line);
  *value = trim (equals + 1);
  return true;
}

/* True if LINE of N bytes is "KEY=...". */
static bool
line_has_key (const char *line, size_t n, const char *key)
{
  const size_t m = strlen (key);
  size_t i = 0;

  while (i < n && isblank ((unsigned char) line[i]))
    i++;
  if (n - i < m || strncasecmp (line + i, key, m) != 0)
    return false;
  for (i += m; i < n && isblank ((unsigned char) line[i]); i++)
    ;
  return i < n && line[i] == '=';
}

/* True if LINE of N bytes is "[SECTION]". */
static bool
line_is_section (const char *line, size_t n, const char *section)
{
  const size_t m = strlen (section);

  while (n > 0 && isspace ((unsigned char) line[n - 1]))
    n--;
  for (; n > 0 && isblank ((unsigned char) *line); n--)
    line++;
  return n == m + 2 && line[0] == '[' && line[n - 1] == ']' &&
    memcmp (line + 1, section, m) == 0;
}

char *
net_rewrite_ini (const char *text, const char *section,
                 const char *const *keys, const char *new_section,
                 const char *new_key, const char *value)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };
  bool inside = false, inside_new = false, done = new_key == NULL, drop;
  const char *p, *eol;
  size_t n, i;

  for (p = text; *p; p = eol) {
    n = strcspn (p, "\n");
    eol = p + n + (p[n] == '\n');
    if (p[strspn (p, " \t")] == '[') {
      inside = line_is_section (p, n, section);
      inside_new = new_key && line_is_section (p, n, new_section);
    }
    drop = inside_new && line_has_key (p, n, new_key);
    for (i = 0; inside && keys[i]; i++)
      drop |= line_has_key (p, n, keys[i]);
    if (drop)
      continue;
    if (strbuf_append_bytes (&b, p, n) == -1 ||
        strbuf_append_char (&b, '\n') == -1)
      goto oom;
    if (inside_new && !done) {
      if (strbuf_printf (&b, "%s=%s\n", new_key, value) == -1)
        goto oom;
      done = true;
    }
  }
  if (!done && strbuf_printf (&b, "\n[%s]\n%s=%s\n", new_section, new_key,
                              value) == -1)
    goto oom;
  {
    char *ret = strbuf_steal (&b);

    if (ret)
      return ret;
  }

 oom:
  log_oom ();
  return NULL;
}
