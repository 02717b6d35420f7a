/* SPDX-License-Identifier: BSD-3-Clause
 *
 * nbdlift copy: one NBD export to a file or a block device, by the copy
 * loop of the other commands (driver/copy/).
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/json/json.h"
#include "common/util/log.h"
#include "common/util/monotonic.h"
#include "common/util/strbuf.h"
#include "driver/cancel.h"
#include "driver/command.h"
#include "driver/copy/copy.h"
#include "driver/copy/copy_journal.h"
#include "driver/copy/nbd_client.h"
#include "driver/copy_target.h"
#include "driver/options.h"

static const char help[] =
"Usage: nbdlift copy NBD-URI TARGET [OPTION]...\n"
"Copy a disk from an NBD server to a file or a block device.\n"
"\n"
"      --cache=auto|none|writeback\n"
"                           how TARGET is written (default: auto)\n"
"      --connections=N      to the server, if it allows several (default: 4)\n"
"      --delta[=CONTEXT]    TARGET holds an earlier state: copy only what the\n"
"                           server says has changed since, by base:allocation\n"
"                           or by CONTEXT, such as qemu:dirty-bitmap:NAME\n"
"      --digest=FILE        write the digests of all blocks to FILE\n"
"      --digest-type=poly1305|sha256\n"
"                           their type (default: poly1305)\n"
"  -f, --format=table|json|yaml\n"
"                           how to print the result (default: table)\n"
"      --identity=TEXT      what tells this state of the source from others\n"
"      --journal=FILE       keep in FILE what is copied, and go on with it\n"
"      --machine-readable[=FD]\n"
"                           JSON lines to FD (default: 2)\n"
"      --memory=SIZE        buffers (default: 96M)\n"
"      --no-progress        do not show progress\n"
"      --progress           show progress, with --quiet too\n"
"      --rate=SIZE          read at most SIZE bytes per second\n"
"      --request-size=SIZE  of a read, 64K to 32M (default: 2M)\n"
"      --requests=N         in flight at once (default: 16)\n"
"      --stall=SECONDS      give up a server that sends nothing for so long\n"
"                           (default: 120)\n"
"      --target-is-zero     TARGET reads as zeroes: do not write any\n"
"  -q, --quiet              only warnings and errors\n"
"  -v, --verbose            debug messages too\n"
"      --help               print this text\n"
"\n"
"SIZE can end with K, M, G or T.\n"
"\n"
"Exit status: 0 copied; 1 failed; 2 wrong usage; 4 source failed; 5 target\n"
"failed; 8 cancelled.\n";

enum {
  OPTION_CACHE = OPTION_OWN,
  OPTION_CONNECTIONS,
  OPTION_DELTA,
  OPTION_DIGEST,
  OPTION_DIGEST_TYPE,
  OPTION_IDENTITY,
  OPTION_JOURNAL,
  OPTION_NO_PROGRESS,
  OPTION_PROGRESS,
  OPTION_REQUEST_SIZE,
  OPTION_REQUESTS,
  OPTION_STALL,
  OPTION_TARGET_IS_ZERO,
};

static const struct option options[] = {
  { "cache", required_argument, NULL, OPTION_CACHE },
  { "connections", required_argument, NULL, OPTION_CONNECTIONS },
  { "delta", optional_argument, NULL, OPTION_DELTA },
  { "digest", required_argument, NULL, OPTION_DIGEST },
  { "digest-type", required_argument, NULL, OPTION_DIGEST_TYPE },
  { "format", required_argument, NULL, 'f' },
  { "identity", required_argument, NULL, OPTION_IDENTITY },
  { "journal", required_argument, NULL, OPTION_JOURNAL },
  { "machine-readable", optional_argument, NULL, OPTION_MACHINE_READABLE },
  { "memory", required_argument, NULL, OPTION_MEMORY },
  { "no-progress", no_argument, NULL, OPTION_NO_PROGRESS },
  { "progress", no_argument, NULL, OPTION_PROGRESS },
  { "rate", required_argument, NULL, OPTION_RATE },
  { "request-size", required_argument, NULL, OPTION_REQUEST_SIZE },
  { "requests", required_argument, NULL, OPTION_REQUESTS },
  { "stall", required_argument, NULL, OPTION_STALL },
  { "target-is-zero", no_argument, NULL, OPTION_TARGET_IS_ZERO },
  { "quiet", no_argument, NULL, 'q' },
  { "verbose", no_argument, NULL, 'v' },
  { "help", no_argument, NULL, OPTION_HELP },
  { NULL, 0, NULL, 0 }
};

static const struct output_column columns[] = {
  { "TARGET", "target", COLUMN_TEXT },
  { "SIZE", "size", COLUMN_SIZE },
  { "READ", "read", COLUMN_SIZE },
  { "WRITTEN", "written", COLUMN_SIZE },
  { "KEPT", "kept", COLUMN_SIZE },
  { "MS", "milliseconds", COLUMN_TEXT },
  { "CACHE", "cache", COLUMN_TEXT },
  { "DIGEST", "digest", COLUMN_TEXT },
  { NULL, NULL, COLUMN_TEXT }
};

struct copy_command {
  struct common_options common;
  struct copy_options copy;
  bool has_digest_type;
  bool progress, no_progress;   /* the last one given */
  const char *uri, *target;
  int argc;                     /* of the command line, for copying it */
  char **argv;
};

/* -1: go on; else the exit status. */
static int
parse_option (int opt, char **argv, struct copy_command *c)
{
  struct copy_options *o = &c->copy;
  uint64_t n = 0;
  int r = 0;

  switch (opt) {
  case OPTION_CACHE:
    if (strcmp (optarg, "auto") == 0)
      o->cache = COPY_CACHE_AUTO;
    else if (strcmp (optarg, "none") == 0)
      o->cache = COPY_CACHE_NONE;
    else if (strcmp (optarg, "writeback") == 0)
      o->cache = COPY_CACHE_WRITEBACK;
    else
      return usage_error (argv, "--cache=%s: it is auto, none or writeback",
                          printable (optarg));
    break;
  case OPTION_CONNECTIONS:
    r = number_option (argv, "connections", optarg, 1, NBD_CLIENT_MAX, &n);
    o->connections = n;
    break;
  case OPTION_DELTA:
    o->delta = true;
    o->delta_context = optarg;
    if (optarg && optarg[strcspn (optarg, ":")] == '\0')
      return usage_error (argv, "--delta=%s: a context is called "
                          "NAMESPACE:NAME, such as qemu:dirty-bitmap:NAME",
                          printable (optarg));
    break;
  case OPTION_DIGEST:
    o->digest_file = optarg;
    break;
  case OPTION_DIGEST_TYPE:
    c->has_digest_type = true;
    if (!block_digest_of_name (optarg, &o->digest))
      return usage_error (argv, "--digest-type=%s: it is poly1305 or sha256",
                          printable (optarg));
    break;
  case OPTION_IDENTITY:
    o->identity = optarg;
    if (strlen (optarg) > COPY_IDENTITY_MAX)
      return usage_error (argv, "--identity has more than %d bytes",
                          COPY_IDENTITY_MAX);
    break;
  case OPTION_JOURNAL:
    o->journal_file = optarg;
    break;
  case OPTION_PROGRESS:
  case OPTION_NO_PROGRESS:
    c->progress = opt == OPTION_PROGRESS;
    c->no_progress = !c->progress;
    break;
  case OPTION_REQUEST_SIZE:
    r = size_option (argv, "request-size", optarg, 64 * KIB, 32 * MIB, &n);
    o->request_size = n;
    break;
  case OPTION_REQUESTS:
    r = number_option (argv, "requests", optarg, 1, 1024, &n);
    o->requests = n;
    break;
  case OPTION_STALL:
    r = number_option (argv, "stall", optarg, 1, 86400, &n);
    o->stall_seconds = n;
    break;
  case OPTION_TARGET_IS_ZERO:
    o->target_is_zero = true;
    break;
  default:
    return common_option (opt, argv, &c->common);
  }
  return r == 0 ? -1 : r;
}

/* PATH, which need not be there, as realpath tells it; or as it is. */
static char *
full_path (const char *path)
{
  const char *slash = strrchr (path, '/');
  CLEANUP_FREE char *folder = NULL, *full = NULL;
  char *r = realpath (path, NULL);

  if (r)
    return r;
  folder = slash ? strndup (path, slash + 1 - path) : strdup (".");
  full = folder ? realpath (folder, NULL) : NULL;
  if (full == NULL)
    return strdup (path);
  if (asprintf (&r, "%s/%s", full, slash ? slash + 1 : path) == -1)
    return NULL;
  return r;
}

/* True if both paths are, or will be, one file. */
static bool
is_same (const char *a, const char *b)
{
  CLEANUP_FREE char *full_a = full_path (a), *full_b = full_path (b);
  struct stat sa, sb;

  return (full_a && full_b && strcmp (full_a, full_b) == 0) ||
    (stat (a, &sa) == 0 && stat (b, &sb) == 0 && sa.st_dev == sb.st_dev &&
     sa.st_ino == sb.st_ino);
}

/* Do the options fit together?  As parse. */
static int
check_options (char **argv, const struct copy_command *c)
{
  const struct copy_options *o = &c->copy;
  CLEANUP_FREE char *target = full_path (c->target), *partial = NULL;
  const char *const names[] = { "--journal", "--digest" };
  const char *const files[] = { o->journal_file, o->digest_file };
  size_t i;

  if (o->delta && o->target_is_zero)
    return usage_error (argv, "--delta and --target-is-zero exclude each "
                        "other: a delta changes a TARGET that has content");
  if (o->identity && !o->journal_file)
    return usage_error (argv, "--identity is kept in a journal: give "
                        "--journal too");
  if (c->has_digest_type && !o->digest_file && !o->journal_file)
    return usage_error (argv, "--digest-type is of use with --digest or "
                        "--journal only");

  if (target == NULL || asprintf (&partial, "%s.partial", target) == -1) {
    partial = NULL;
    log_oom ();
    return STATUS_FAILED;
  }
  for (i = 0; i < ARRAY_SIZE (files); i++)
    if (files[i] && (is_same (files[i], c->target) ||
                     is_same (files[i], partial)))
      return usage_error (argv, "%s=%s is the target itself: give another "
                          "file", names[i], printable (files[i]));
  if (files[0] && files[1] && is_same (files[0], files[1]))
    return usage_error (argv, "--journal and --digest are one file: give "
                        "two");
  return -1;
}

/* -1: go on; else the exit status. */
static int
parse (int argc, char **argv, struct copy_command *c)
{
  int opt, status;

  while ((opt = getopt_long (argc, argv, "f:qv", options, NULL)) != -1) {
    status = parse_option (opt, argv, c);
    if (status != -1)
      return status;
  }
  if (argc - optind != 2) {
    usage_error (argv, "give an NBD URI and a target");
    return STATUS_USAGE;
  }
  c->uri = argv[optind];
  c->target = argv[optind + 1];
  c->argc = argc;
  c->argv = argv;
  if (strstr (c->uri, "://") == NULL)
    return usage_error (argv, "'%s' is no NBD URI, such as nbd://HOST or "
                        "nbd+unix:///?socket=PATH", printable (c->uri));
  return check_options (argv, c);
}

struct shown_progress {
  struct progress_line *line;
  struct progress_item *item;   /* NULL until the size is known */
};

static bool
show_progress (void *opaque, const struct copy_progress *progress)
{
  struct shown_progress *shown = opaque;

  if (shown->item == NULL && progress->size > 0)
    shown->item = progress_item_new (shown->line, NULL, PROGRESS_BYTES,
                                     progress->size);
  progress_set (shown->item, progress->done);
  return !cancel_requested ();
}

/* The command that was given, for the user to give it again. */
static char *
command_line (const struct copy_command *c)
{
  CLEANUP_FREE char *uri = nbd_client_safe_uri (c->uri);
  CLEANUP_STRBUF struct strbuf b = { 0 };
  int i;

  if (uri == NULL || strbuf_append (&b, c->argv[0]) == -1)
    return NULL;
  for (i = 1; i < c->argc; i++)
    if (strbuf_append_char (&b, ' ') == -1 ||
        strbuf_append_shell_quoted (&b, c->argv[i] == c->uri ? uri :
                                    c->argv[i]) == -1)
      return NULL;
  return strbuf_steal (&b);
}

static enum exit_status
copy_failed (const struct copy_command *c, struct copy_target *t,
             const struct copy_result *result, int err)
{
  const struct copy_options *o = &c->copy;
  const struct copy_progress *p = &result->progress;
  const bool keep = o->journal_file && access (o->journal_file, F_OK) == 0 &&
    (p->written > 0 || p->kept > 0);
  CLEANUP_FREE char *command = NULL;

  copy_target_abandon (t, keep);
  if (keep && (command = command_line (c)) != NULL)
    log_info ("what was copied is kept; this goes on with it: %s",
              printable (command));
  else if (o->delta && p->done > 0)
    log_warning ("%s is neither the old nor the new state now: give the "
                 "same command again", printable (c->target));
  if (err == ECANCELED || cancel_requested ())
    return STATUS_CANCELLED;
  switch (result->failed_side) {
  case COPY_SIDE_SOURCE:
    return STATUS_SOURCE;
  case COPY_SIDE_TARGET:
    return STATUS_TARGET;
  default:
    return STATUS_FAILED;
  }
}

/* Root of the digests that were written, hex; NULL reported. */
static char *
root_of (const char *digest_file)
{
  struct digest_tree *tree = digest_tree_load (digest_file);
  char hex[65];
  int r;

  if (tree == NULL)
    return NULL;
  r = digest_tree_root (tree, hex);
  digest_tree_free (tree);
  if (r == -1)
    return NULL;
  return strdup (hex);
}

/* The row of the result.  NULL reported. */
static json_t *
make_row (const struct copy_command *c, const struct copy_result *result,
          int64_t milliseconds)
{
  const struct copy_progress *p = &result->progress;
  CLEANUP_FREE char *root = NULL;
  json_t *row;

  if (c->copy.digest_file &&
      (root = root_of (c->copy.digest_file)) == NULL)
    return NULL;
  row = json_object ();
  if (row &&
      json_set_string (row, "target", printable (c->target)) == 0 &&
      json_set_u64 (row, "size", p->size) == 0 &&
      json_set_u64 (row, "read", p->read) == 0 &&
      json_set_u64 (row, "written", p->written) == 0 &&
      json_set_u64 (row, "kept", p->kept) == 0 &&
      json_set_u64 (row, "milliseconds", milliseconds) == 0 &&
      json_set_string (row, "cache",
                       result->direct ? "none" : "writeback") == 0 &&
      json_set_string (row, "digest", root) == 0)
    return row;
  json_decref (row);
  log_oom ();
  return NULL;
}

static void
tell_kept (const struct copy_command *c, const struct copy_progress *p)
{
  if (p->kept == 0)
    return;
  if (p->read == 0 && p->written == 0)
    log_info ("%s is complete: %s were checked, and nothing was copied",
              printable (c->target), human_size (p->kept));
  else
    log_info ("%s of %s were there already, and were checked",
              human_size (p->kept), printable (c->target));
}

/* *ROW is the result if there is one. */
static enum exit_status
copy (struct copy_command *c, struct progress *p, json_t **row)
{
  CLEANUP_COPY_TARGET struct copy_target t = COPY_TARGET_INIT;
  const char *slash = strrchr (c->target, '/');
  const char *name = slash ? slash + 1 : c->target;
  const struct copy_source source = { .uri = c->uri, .name = name };
  const int64_t started = monotonic_ms ();
  struct shown_progress shown = { .item = NULL };
  struct copy_options o = c->copy;
  struct copy_budget budget;
  struct copy_result result;
  int r, err;

  if (copy_target_open (&t, c->target, &o) == -1)
    return STATUS_TARGET;
  o.target_is_zero = o.target_is_zero || t.created;
  shown.line = progress_begin (p, name, "copy");
  o.progress = show_progress;
  o.opaque = &shown;
  budget_init (&budget, c->common.memory, c->common.rate);
  o.budget = &budget;

  r = copy_disk (&source, t.fd, c->target, &o, &result);
  err = errno;
  budget_destroy (&budget);
  progress_finish (shown.line, r == 0);
  if (r == -1)
    return copy_failed (c, &t, &result, err);

  if (copy_target_finish (&t) == -1)
    return STATUS_TARGET;
  tell_kept (c, &result.progress);
  *row = make_row (c, &result, monotonic_ms () - started);
  return *row ? STATUS_OK : STATUS_FAILED;
}

/* The last JSON line. */
static void
report_result (struct progress *p, enum exit_status status,
               const json_t *row)
{
  CLEANUP_JSON json_t *j =
    json_pack ("{s:s, s:i}", "status", status == STATUS_OK ? "succeeded" :
               status == STATUS_CANCELLED ? "canceled" : "failed",
               "exitStatus", (int) status);

  if (j && row)
    json_object_update (j, (json_t *) row);
  if (j)
    progress_event (p, "result", j);
}

static int
print_row (json_t *row, enum output_format format)
{
  CLEANUP_JSON json_t *rows = json_pack ("[O]", row);

  if (rows == NULL) {
    log_oom ();
    return -1;
  }
  return format == OUTPUT_TABLE ? output_table (rows, columns) :
    output_document (row, format);
}

static int
main_copy (int argc, char **argv)
{
  struct copy_command c = { .common = { COMMON_OPTIONS_INIT,
                                        .help = help } };
  CLEANUP_JSON json_t *row = NULL;
  struct common_options shown;
  struct progress *p;
  int status;

  status = parse (argc, argv, &c);
  if (status != -1)
    return status;
  shown = c.common;
  shown.quiet = c.no_progress || (c.common.quiet && !c.progress);
  p = common_progress (&shown);
  if (p == NULL)
    return STATUS_FAILED;
  status = copy (&c, p, &row);
  report_result (p, status, row);
  common_progress_end (p);
  if (row && c.common.machine_fd != STDOUT_FILENO &&
      print_row (row, c.common.format) == -1)
    status = STATUS_FAILED;
  return finish_stdout (status);
}

const struct command command_copy = {
  "copy", "copy a disk from an NBD server", help, main_copy
};
