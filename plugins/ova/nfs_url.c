/* SPDX-License-Identifier: BSD-3-Clause
 *
 * libnfs has a parser of URLs of its own, but it splits the path where it
 * likes, does not decode it, takes any text for a number, and passes over
 * arguments that it does not know.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "plugins/ova/nfs_url.h"
#include "plugins/ova/package_private.h"

void
nfs_place_free (struct nfs_place *place)
{
  free (place->server);
  free (place->path);
  free (place->args);
  memset (place, 0, sizeof *place);
}

static int
invalid (const char *text, const char *why)
{
  log_error ("%s: %s", printable (text), why);
  errno = EINVAL;
  return -1;
}

/* Append the components of PATH to OUT. */
static int
add_path (struct strbuf *out, const char *path, const char *text)
{
  size_t n;

  for (; *path != '\0'; path += n) {
    if (*path == '/') {
      n = 1;
      continue;
    }
    n = strcspn (path, "/");
    if (n == 1 && path[0] == '.')
      continue;
    if (n == 2 && path[0] == '.' && path[1] == '.')
      return invalid (text, "a path on an NFS server may not contain '..'");
    if (strbuf_append_char (out, '/') == -1 ||
        strbuf_append_bytes (out, path, n) == -1) {
      log_oom ();
      return -1;
    }
  }
  return 0;
}

/* One "KEY=VALUE" of the arguments; see nfsc/libnfs.h. */
static int
add_argument (struct nfs_place *p, struct strbuf *args, const char *key,
              const char *value, const char *text)
{
  static const struct {
    const char *key;
    uint64_t max;
  } numbers[] = {
    { "nfsport", 65535 }, { "mountport", 65535 },
    { "uid", UINT32_MAX }, { "gid", UINT32_MAX },
    { "tcp-syncnt", 255 }, { "readahead", 1 << 20 }, { "debug", 9 },
    { "auto-traverse-mounts", 1 }, { "dircache", 1 },
    { "autoreconnect", 0 },
  };
  uint64_t n;
  size_t i;

  if (strcmp (key, "version") == 0) {
    if (strcmp (value, "3") != 0 && strcmp (value, "4") != 0)
      return invalid (text, "version must be 3 or 4");
    p->version = value[0] - '0';
    return 0;
  }
  for (i = 0; i < ARRAY_SIZE (numbers); ++i) {
    if (strcmp (key, numbers[i].key) != 0)
      continue;
    if (!parse_u64 (value, &n) || n > numbers[i].max) {
      log_error ("%s: '%s' must be a number up to %lu", printable (text),
                 numbers[i].key, (unsigned long) numbers[i].max);
      errno = EINVAL;
      return -1;
    }
    break;
  }
  if (i == ARRAY_SIZE (numbers) && strcmp (key, "if") != 0) {
    log_error ("%s: unknown argument '%s' (known are version, nfsport, "
               "mountport, uid, gid, if)", printable (text),
               printable (key));
    errno = EINVAL;
    return -1;
  }
  if (strbuf_printf (args, "%s%s=%s", args->len > 0 ? "&" : "", key,
                     value) == -1) {
    log_oom ();
    return -1;
  }
  return 0;
}

static int
add_arguments (struct nfs_place *p, struct strbuf *args, const char *query,
               const char *text)
{
  CLEANUP_FREE char *copy = strdup (query);
  char *next, *arg, *value;

  if (copy == NULL) {
    log_oom ();
    return -1;
  }
  next = copy;
  while ((arg = strsep (&next, "&")) != NULL) {
    if (arg[0] == '\0')
      continue;
    value = strchr (arg, '=');
    if (value == NULL)
      return invalid (text, "arguments of the URL must be KEY=VALUE");
    *value++ = '\0';
    if (add_argument (p, args, arg, value, text) == -1)
      return -1;
  }
  return 0;
}

/* Split "SERVER", "SERVER:PORT", "[IPv6]", "[IPv6]:PORT".  *PORT is set to
 * what follows the ':', or NULL.
 */
static int
split_server (char *host, char **server, char **port, const char *text)
{
  char *end;

  *port = NULL;
  if (host[0] == '[') {
    end = strchr (host, ']');
    if (end == NULL || (end[1] != '\0' && end[1] != ':'))
      return invalid (text, "the address of the server has no ']'");
    *server = host + 1;
    *end++ = '\0';
  }
  else {
    end = host + strcspn (host, ":");
    *server = host;
  }
  if (*end == ':') {
    *end = '\0';
    *port = end + 1;
  }
  if ((*server)[0] == '\0')
    return invalid (text, "the name of the server is missing: give "
                    "nfs://SERVER/EXPORT/PATH or SERVER:/EXPORT/PATH");
  return 0;
}

int
nfs_url_parse (const char *text, struct nfs_place *place)
{
  CLEANUP_NFS_PLACE struct nfs_place p = { 0 };
  CLEANUP_STRBUF struct strbuf args = { 0 }, path = { 0 };
  CLEANUP_FREE char *copy = strdup (text);
  char *rest, *slash, *query, *server = NULL, *port = NULL;
  const bool is_url = strncmp (text, "nfs://", 6) == 0;
  int r;

  if (copy == NULL) {
    log_oom ();
    return -1;
  }
  if (is_url) {
    rest = copy + 6;
    query = strchr (rest, '?');
    if (query) {
      *query++ = '\0';
      if (add_arguments (&p, &args, query, text) == -1)
        return -1;
    }
    slash = strchr (rest, '/');
  }
  else {
    rest = copy;
    slash = strstr (rest, rest[0] == '[' ? "]:/" : ":/");
    if (slash)
      slash = strchr (slash, '/');
    if (slash)
      slash[-1] = '\0';
  }

  if (slash) {
    CLEANUP_FREE char *decoded = strdup (slash);

    if (decoded == NULL) {
      log_oom ();
      return -1;
    }
    if (is_url && !package_percent_decode (slash, decoded))
      return invalid (text, "the path contains a NUL");
    r = add_path (&path, decoded, text);
    *slash = '\0';
    if (r == -1)
      return -1;
  }

  if (split_server (rest, &server, &port, text) == -1 ||
      (port && add_argument (&p, &args, "nfsport", port, text) == -1))
    return -1;
  p.server = strdup (server);
  p.path = strbuf_steal (&path);
  p.args = strbuf_steal (&args);
  if (!p.server || !p.path || !p.args) {
    log_oom ();
    return -1;
  }
  *place = p;
  memset (&p, 0, sizeof p);
  return 0;
}
