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
#include "common/util/pread_full.h"
#include "common/util/strbuf.h"
#include "driver/cancel.h"
#include "driver/copy/digest_tree.h"
#include "driver/copy/is_zero.h"
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
  struct progress_line *line;
  struct progress_item *item;   /* of the side that is read */
  const char *vm;               /* or NULL */
  const char *name;
  const char *source;           /* NBD URI; NULL: no source */
  const char *volume;           /* path */
  /* What was recorded of each side; NULL: it is not to be looked at. */
  const char *source_digests, *volume_digests;
  bool converted;

  const char *source_result, *volume_result;
  uint64_t offset;              /* of the first difference */
  bool differs, source_failed;
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
  size_t got;

  if (fd == -1 || pread_full (fd, buf, len, offset, &got) == -1 || got < len)
    return -1;
  return 0;
}

enum side { SOURCE, VOLUME };

/* The first byte of BLOCK of SIDE that is not as TREE was made of, or the
 * block's beginning when that cannot be said: the other side tells, if it
 * still holds what was copied.
 */
static uint64_t
exact_offset (const struct look *look, enum side side,
              const struct digest_tree *tree, uint64_t block, bool *exact)
{
  const uint64_t offset = block * DIGEST_BLOCK;
  const size_t len = MIN (DIGEST_BLOCK, digest_tree_size (tree) - offset);
  CLEANUP_FREE unsigned char *source = malloc (len), *volume = malloc (len);
  size_t i;

  *exact = false;
  if (look->converted || look->source == NULL || source == NULL ||
      volume == NULL ||
      read_source (look->source, source, len, offset) == -1 ||
      read_volume (look->volume, volume, len, offset) == -1 ||
      !digest_tree_matches (tree, block, side == VOLUME ? source : volume,
                            len))
    return offset;
  for (i = 0; i < len; i++)
    if (source[i] != volume[i]) {
      *exact = true;
      return offset + i;
    }
  return offset;
}

/* Compare what SIDE, called WHAT, holds NOW with what was RECORDED. */
static const char *
compare (struct look *look, enum side side,
         const struct digest_tree *recorded, const struct digest_tree *now,
         const char *what)
{
  const int64_t block = digest_tree_compare (recorded, now);
  uint64_t offset;
  bool exact;

  if (block == -1)
    return "same";
  if (block == -2) {
    log_error ("disk %s: %s has %" PRIu64 " bytes, and had %" PRIu64
               " when it was copied", printable (look->name),
               printable (what), digest_tree_size (now),
               digest_tree_size (recorded));
    return "differs";
  }
  offset = exact_offset (look, side, recorded, block, &exact);
  if (exact)
    log_error ("disk %s: %s differs from what was copied, first at offset "
               "%" PRIu64, printable (look->name), printable (what), offset);
  else
    log_error ("disk %s: %s differs from what was copied, first in the 1 MiB "
               "at offset %" PRIu64, printable (look->name),
               printable (what), offset);
  if (!look->differs || offset < look->offset)
    look->offset = offset;
  look->differs = true;
  return "differs";
}

/* What a file was enlarged by to reach a whole MiB must still be zero. */
static bool
tail_is_zero (int fd, uint64_t from)
{
  unsigned char buf[65536];
  ssize_t n;
  off_t data;

  do {
    data = lseek (fd, from, SEEK_DATA);
    if (data == -1 && errno == ENXIO)
      return true;              /* only a hole follows */
    if (data > 0 && (uint64_t) data > from)
      from = data;
    n = pread (fd, buf, sizeof buf, from);
    if (n > 0 && !is_all_zero (buf, n))
      return false;
    from += MAX (n, 0);
  } while (n > 0 && !cancel_requested ());
  return n >= 0;
}

/* Open the volume; -1 reported. */
static int
open_volume (const struct look *look, struct stat *st)
{
  /* Never wait for a pipe. */
  int fd = open (look->volume, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

  if (fd == -1 || fstat (fd, st) == -1)
    log_error ("disk %s: cannot open %s: %m", printable (look->name),
               printable (look->volume));
  else if (!S_ISREG (st->st_mode) && !S_ISBLK (st->st_mode))
    log_error ("disk %s: %s is neither a file nor a block device",
               printable (look->name), printable (look->volume));
  else
    return fd;
  if (fd >= 0)
    close (fd);
  return -1;
}

static const char *
look_at_volume (struct look *look)
{
  CLEANUP_TREE struct digest_tree *recorded = NULL, *now = NULL;
  CLEANUP_CLOSE int fd = -1;
  const char *r;
  struct stat st;
  off_t size;

  if (look->volume == NULL || look->volume_digests == NULL) {
    log_error ("disk %s: is not complete; 'nbdlift run' goes on with it",
               printable (look->name));
    return "incomplete";
  }
  fd = open_volume (look, &st);
  if (fd == -1)
    return "missing";
  recorded = digest_tree_load (look->volume_digests);
  if (recorded == NULL)
    return "unknown";
  size = lseek (fd, 0, SEEK_END);
  if (size >= 0 && (uint64_t) size < digest_tree_size (recorded)) {
    log_error ("disk %s: %s has been cut to %" PRIu64 " bytes",
               printable (look->name), printable (look->volume),
               (uint64_t) size);
    return "differs";
  }
  look->item = NULL;
  now = digest_tree_of_fd (fd, recorded, look->volume, read_progress, look);
  if (now == NULL)
    return "unknown";
  r = compare (look, VOLUME, recorded, now, look->volume);
  /* What a device has after the disk's end is not ours. */
  if (strcmp (r, "same") == 0 && S_ISREG (st.st_mode) &&
      !tail_is_zero (fd, digest_tree_size (recorded))) {
    log_error ("disk %s: %s is not zero after the disk's end",
               printable (look->name), printable (look->volume));
    return "differs";
  }
  return r;
}

static const char *
look_at_source (struct look *look)
{
  CLEANUP_TREE struct digest_tree *recorded = NULL, *now = NULL;

  if (look->source == NULL || look->source_digests == NULL)
    return "-";
  recorded = digest_tree_load (look->source_digests);
  if (recorded == NULL)
    return "unknown";
  look->item = NULL;
  now = digest_tree_of_nbd (look->source, recorded, look->name,
                            read_progress, look);
  if (now == NULL) {
    look->source_failed = true;
    return "unknown";
  }
  return compare (look, SOURCE, recorded, now, "the source");
}

static int
append_row (json_t *rows, const struct look *look)
{
  json_t *row = json_object ();

  if (row == NULL || json_array_append_new (rows, row) == -1) {
    log_oom ();
    return -1;
  }
  if (json_set_string (row, "vm", look->vm) == -1 ||
      json_set_string (row, "disk", look->name) == -1 ||
      json_set_string (row, "source", look->source_result) == -1 ||
      json_set_string (row, "volume", look->volume_result) == -1)
    return -1;
  return look->differs ? json_set_u64 (row, "offset", look->offset) : 0;
}

/* Both sides of one disk.  STATUS_OK if they are as they were. */
static enum exit_status
verify_disk (struct look *look, json_t *rows)
{
  bool volume_ok, source_ok;

  look->volume_result = look_at_volume (look);
  look->source_result = look_at_source (look);
  if (append_row (rows, look) == -1)
    return STATUS_FAILED;
  volume_ok = strcmp (look->volume_result, "same") == 0;
  source_ok = strcmp (look->source_result, "same") == 0 ||
    strcmp (look->source_result, "-") == 0;
  if (volume_ok && look->source_failed)
    return STATUS_SOURCE;
  return volume_ok && source_ok ? STATUS_OK : STATUS_FAILED;
}

/* Disk I of the journal, with the export at SOURCE (or NULL). */
static enum exit_status
verify_vm_disk (const struct verify_options *options,
                struct progress_line *line, size_t i, const char *source,
                json_t *rows)
{
  const struct journal *j = options->journal;
  CLEANUP_FREE char *name = journal_disk_text (j, i, "name");
  CLEANUP_FREE char *volume = journal_disk_text (j, i, "volume");
  CLEANUP_FREE char *digests = journal_disk_text (j, i, "digestFile");
  CLEANUP_FREE char *copied = NULL;
  struct look look = {
    .line = line,
    .vm = journal_vm_text (j, "name"),
    .name = name,
    .source = source,
    .volume = volume,
    .volume_digests = digests,
    .converted = journal_disk_converted (j, i),
  };

  if (journal_disk_state (j, i) >= JOURNAL_DISK_COPIED) {
    copied = run_digest_path (options->folder, i);
    if (copied == NULL)
      return STATUS_FAILED;
    look.source_digests = copied;
  }
  return verify_disk (&look, rows);
}

/* The journal's disks against the exports of SERVED (or none). */
static enum exit_status
verify_disks (const struct verify_options *options,
              const struct served_vm *served, json_t *rows)
{
  struct progress_line *line =
    progress_begin (options->progress, journal_vm_text (options->journal,
                                                        "name"), "Verify");
  enum exit_status status = STATUS_OK, r;
  size_t i;

  for (i = 0; i < journal_nr_disks (options->journal) &&
         !cancel_requested (); i++) {
    if (journal_disk_left_out (options->journal, i))
      continue;                 /* the new VM does not have it */
    r = verify_vm_disk (options, line, i,
                        served ? served_uri (served, i) : NULL, rows);
    if (r != STATUS_OK && status != STATUS_FAILED)
      status = r;
  }
  progress_finish (line, status == STATUS_OK);
  return status;
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

enum exit_status
verify_volume (const struct verify_volume_options *options, json_t *rows)
{
  const char *slash = strrchr (options->volume, '/');
  struct look look = {
    .name = slash && slash[1] ? slash + 1 : options->volume,
    .source = options->source,
    .volume = options->volume,
    .source_digests = options->digest_file,
    .volume_digests = options->digest_file,
  };
  enum exit_status status;

  look.line = progress_begin (options->progress, look.name, "Verify");
  status = verify_disk (&look, rows);
  progress_finish (look.line, status == STATUS_OK);
  return cancel_requested () ? STATUS_CANCELLED : status;
}
