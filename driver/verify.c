/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Digests tell which block of 1 MiB differs.  If the guest was not
 * converted, source and volume held the same bytes, and comparing that
 * block of both gives the exact offset.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libnbd.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/json/json.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/cancel.h"
#include "driver/copy/digest_tree.h"
#include "driver/driver_log.h"
#include "driver/run.h"
#include "driver/serve.h"
#include "driver/verify.h"

static inline void
cleanup_tree (struct digest_tree **t)
{
  digest_tree_free (*t);
}
#define CLEANUP_TREE __attribute__ ((cleanup (cleanup_tree)))

/* One disk that is looked at. */
struct look {
  const struct verify_options *options;
  struct progress_line *line;
  struct progress_item *item;   /* of the side that is read */
  size_t i;
  char *name;
  const char *uri;              /* NULL: no source */
  char *volume;                 /* path */
  bool converted;
  const char *source_result, *volume_result;
  uint64_t offset;              /* of the first difference */
  bool differs;
};

static bool
read_progress (void *opaque, uint64_t done, uint64_t total)
{
  struct look *look = opaque;

  if (look->item == NULL)
    look->item = progress_item_new (look->line, look->name, PROGRESS_BYTES,
                                    total);
  progress_set (look->item, done);
  return !cancel_requested ();
}

static int
read_source (const char *uri, void *buf, size_t len, uint64_t offset)
{
  struct nbd_handle *nbd = nbd_create ();
  int r = -1;

  if (nbd && nbd_connect_uri (nbd, uri) == 0)
    r = nbd_pread (nbd, buf, len, offset, 0);
  if (r == -1)
    log_debug ("%s", nbd_get_error ());
  nbd_close (nbd);
  return r;
}

static int
read_volume (const char *path, void *buf, size_t len, uint64_t offset)
{
  CLEANUP_CLOSE int fd = open (path, O_RDONLY | O_CLOEXEC);
  size_t done = 0;
  ssize_t n;

  if (fd == -1)
    return -1;
  while (done < len) {
    n = pread (fd, (char *) buf + done, len - done, offset + done);
    if (n <= 0)
      return -1;
    done += n;
  }
  return 0;
}

/* The first byte at which source and volume differ in BLOCK of TREE, or
 * the block's beginning when that cannot be said.
 */
static uint64_t
exact_offset (const struct look *look, const struct digest_tree *tree,
              uint64_t block, bool *exact)
{
  const uint64_t offset = block * DIGEST_BLOCK;
  const size_t len = MIN (DIGEST_BLOCK, digest_tree_size (tree) - offset);
  CLEANUP_FREE unsigned char *a = malloc (len), *b = malloc (len);
  size_t i;

  *exact = false;
  if (look->converted || look->uri == NULL || a == NULL || b == NULL ||
      read_source (look->uri, a, len, offset) == -1 ||
      read_volume (look->volume, b, len, offset) == -1)
    return offset;
  for (i = 0; i < len; i++)
    if (a[i] != b[i]) {
      *exact = true;
      return offset + i;
    }
  return offset;
}

/* Compare what a side holds NOW with what was RECORDED. */
static const char *
compare (struct look *look, const struct digest_tree *recorded,
         const struct digest_tree *now, const char *what)
{
  const int64_t block = digest_tree_compare (recorded, now);
  uint64_t offset;
  bool exact;

  if (block == -1)
    return "same";
  if (block == -2) {
    log_error ("disk %s: %s has %" PRIu64 " bytes, and had %" PRIu64
               " when it was copied", printable (look->name), what,
               digest_tree_size (now), digest_tree_size (recorded));
    return "differs";
  }
  offset = exact_offset (look, recorded, block, &exact);
  if (exact)
    log_error ("disk %s: %s differs from what was copied, first at offset "
               "%" PRIu64, printable (look->name), what, offset);
  else
    log_error ("disk %s: %s differs from what was copied, first in the 1 MiB "
               "at offset %" PRIu64, printable (look->name), what, offset);
  if (!look->differs || offset < look->offset)
    look->offset = offset;
  look->differs = true;
  return "differs";
}

/* What was added to reach a whole MiB must still be zero. */
static bool
tail_is_zero (int fd, uint64_t from)
{
  unsigned char buf[65536];
  ssize_t n, i;

  while ((n = pread (fd, buf, sizeof buf, from)) > 0) {
    for (i = 0; i < n; i++)
      if (buf[i])
        return false;
    from += n;
  }
  return n == 0;
}

static const char *
verify_volume (struct look *look)
{
  CLEANUP_FREE char *digest_file =
    journal_disk_text (look->options->journal, look->i, "digestFile");
  CLEANUP_TREE struct digest_tree *recorded = NULL, *now = NULL;
  CLEANUP_CLOSE int fd = -1;
  const char *r;
  struct stat st;

  if (look->volume == NULL || digest_file == NULL) {
    log_error ("disk %s: is not complete; 'nbdlift run' goes on with it",
               printable (look->name));
    return "incomplete";
  }
  fd = open (look->volume, O_RDONLY | O_CLOEXEC);
  if (fd == -1) {
    log_error ("disk %s: cannot open %s: %m", printable (look->name),
               look->volume);
    return "missing";
  }
  recorded = digest_tree_load (digest_file);
  if (recorded == NULL)
    return "unknown";
  if (fstat (fd, &st) == 0 && S_ISREG (st.st_mode) &&
      (uint64_t) st.st_size < digest_tree_size (recorded)) {
    log_error ("disk %s: %s has been cut to %" PRIu64 " bytes",
               printable (look->name), look->volume, (uint64_t) st.st_size);
    return "differs";
  }
  look->item = NULL;
  now = digest_tree_of_fd (fd, recorded, look->volume, read_progress, look);
  if (now == NULL)
    return "unknown";
  r = compare (look, recorded, now, look->volume);
  if (strcmp (r, "same") == 0 &&
      !tail_is_zero (fd, digest_tree_size (recorded))) {
    log_error ("disk %s: %s is not zero after the disk's end",
               printable (look->name), look->volume);
    return "differs";
  }
  return r;
}

static const char *
verify_source (struct look *look)
{
  CLEANUP_FREE char *path = NULL;
  CLEANUP_TREE struct digest_tree *recorded = NULL, *now = NULL;

  if (look->uri == NULL ||
      journal_disk_state (look->options->journal, look->i) <
      JOURNAL_DISK_COPIED)
    return "-";
  path = run_digest_path (look->options->folder, look->i);
  recorded = path ? digest_tree_load (path) : NULL;
  if (recorded == NULL)
    return "unknown";
  look->item = NULL;
  now = digest_tree_of_nbd (look->uri, recorded, look->name, read_progress,
                            look);
  return now ? compare (look, recorded, now, "the source") : "unknown";
}

static int
append_row (json_t *rows, const struct look *look)
{
  json_t *row = json_object ();

  if (row == NULL || json_array_append_new (rows, row) == -1) {
    log_oom ();
    return -1;
  }
  if (json_set_string (row, "vm", journal_vm_text (look->options->journal,
                                                   "name")) == -1 ||
      json_set_string (row, "disk", look->name) == -1 ||
      json_set_string (row, "source", look->source_result) == -1 ||
      json_set_string (row, "volume", look->volume_result) == -1)
    return -1;
  return look->differs ? json_set_u64 (row, "offset", look->offset) : 0;
}

/* Both sides of one disk.  True if they are as they were. */
static bool
verify_disk (struct look *look, json_t *rows)
{
  const struct journal *j = look->options->journal;
  bool ok;

  look->name = journal_disk_text (j, look->i, "name");
  look->volume = journal_disk_text (j, look->i, "volume");
  look->converted = journal_disk_converted (j, look->i);
  look->volume_result = verify_volume (look);
  look->source_result = verify_source (look);
  ok = strcmp (look->volume_result, "same") == 0 &&
    (strcmp (look->source_result, "same") == 0 ||
     strcmp (look->source_result, "-") == 0);
  if (append_row (rows, look) == -1)
    ok = false;
  free (look->name);
  free (look->volume);
  return ok;
}

/* The journal's disks against the exports of SERVED (or none). */
static enum exit_status
verify_disks (const struct verify_options *options,
              const struct served_vm *served, json_t *rows)
{
  struct progress_line *line =
    progress_begin (options->progress, journal_vm_text (options->journal,
                                                        "name"), "Verify");
  bool ok = true;
  size_t i;

  for (i = 0; i < journal_nr_disks (options->journal) &&
         !cancel_requested (); i++) {
    struct look look = {
      .options = options,
      .line = line,
      .i = i,
      .uri = served ? served_uri (served, i) : NULL,
    };

    ok = verify_disk (&look, rows) && ok;
  }
  progress_finish (line, ok);
  return ok ? STATUS_OK : STATUS_FAILED;
}

static enum exit_status
verify_with_source (const struct verify_options *options, json_t *rows)
{
  const struct session *s = options->session;
  const struct source_ref ref = {
    .id = journal_vm_text (options->journal, "id"),
  };
  const struct serve_options serve_options = { .log_dir = NULL };
  CLEANUP_VM struct vm vm;
  struct served_vm *served;
  enum exit_status status;

  vm_init (&vm);
  if (s->ops->describe (s->source, &ref, &vm) == -1)
    return STATUS_SOURCE;
  if (vm.disks.len != journal_nr_disks (options->journal)) {
    log_error ("the VM has %zu disks on the source, and had %zu when it was "
               "copied", vm.disks.len, journal_nr_disks (options->journal));
    return STATUS_FAILED;
  }
  served = serve_vm (s->ops, s->source, &vm, &serve_options);
  if (served == NULL)
    return STATUS_SOURCE;
  status = verify_disks (options, served, rows);
  serve_stop (served);
  return status;
}

enum exit_status
verify_vm (const struct verify_options *options, json_t *rows)
{
  struct log_scope scope = {
    .vm = journal_vm_text (options->journal, "name"),
  };
  enum exit_status status;

  log_scope_enter (&scope);
  status = options->session ? verify_with_source (options, rows) :
    verify_disks (options, NULL, rows);
  log_scope_leave (&scope);
  return cancel_requested () ? STATUS_CANCELLED : status;
}
