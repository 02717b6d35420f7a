/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The file of a copy journal and its header.
 *
 * The header has the same length whatever it holds.  So a broken header in
 * a file that is not longer was never made durable, and nothing was
 * promised; with anything behind it, it was, and is damaged now.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/include/minmax.h"
#include "common/util/atomic_file.h"
#include "common/util/digest.h"
#include "common/util/log.h"
#include "common/util/pread_full.h"
#include "common/util/strbuf.h"
#include "driver/copy/copy_journal_private.h"
#include "driver/copy/is_zero.h"

#define VERSION 1
#define FLAG_DELTA 1

static const uint8_t header_magic[8] = "NBDLIFTJ";

ssize_t
journal_read_at (const struct copy_journal *j, void *data, size_t n,
                 uint64_t offset)
{
  size_t got;

  if (pread_full (j->fd, data, n, offset, &got) == -1) {
    log_error ("%s: the journal cannot be read at offset %" PRIu64 ": %m",
               printable (j->path), offset + got);
    return -1;
  }
  return got;
}

static int
write_failed (const struct copy_journal *j, uint64_t offset)
{
  const char *remedy = "";

  if (errno == ENOSPC || errno == EDQUOT)
    remedy = "; make room there and start again";
  else if (errno == EFBIG)
    remedy = "; the file system or \"ulimit -f\" does not allow a file of "
             "this size";
  else if (errno == EIO)
    remedy = "; the storage below it is broken (see dmesg)";
  log_error ("%s: the journal cannot be written at offset %" PRIu64 ": %m%s",
             printable (j->path), offset, remedy);
  return -1;
}

int
journal_write_at (const struct copy_journal *j, const void *data, size_t n,
                  uint64_t offset)
{
  size_t done = 0;
  ssize_t r;

  while (done < n) {
    r = pwrite (j->fd, (const char *) data + done, n - done, offset + done);
    if (r == -1 && errno == EINTR)
      continue;
    if (r == -1)
      return write_failed (j, offset + done);
    done += r;
  }
  return 0;
}

int
journal_sync (const struct copy_journal *j)
{
  if (fdatasync (j->fd) == -1)
    return write_failed (j, j->end);
  return 0;
}

int
journal_cut (const struct copy_journal *j, uint64_t length)
{
  if (ftruncate (j->fd, length) == -1)
    return write_failed (j, length);
  return 0;
}

/* Make the file one with this header and nothing else. */
static int
begin (struct copy_journal *j, struct journal_header *h, const char *identity,
       bool delta)
{
  memset (h, 0, sizeof *h);
  memcpy (h->magic, header_magic, sizeof h->magic);
  h->version = htole32 (VERSION);
  h->flags = htole32 (delta ? FLAG_DELTA : 0);
  h->size = htole64 (digest_tree_size (j->tree));
  h->block_size = htole64 (DIGEST_BLOCK);
  h->digest_type = htole32 (digest_tree_type (j->tree));
  h->identity_length = htole32 (strlen (identity));
  memcpy (h->key, digest_tree_key (j->tree), sizeof h->key);
  memcpy (h->identity, identity, strlen (identity));
  if (digest_once (DIGEST_SHA256, h, offsetof (struct journal_header, sum),
                   h->sum) == -1)
    return -1;

  if (journal_cut (j, 0) == -1 || journal_write_at (j, h, sizeof *h, 0) == -1)
    return -1;
  return journal_sync (j);
}

static int
refuse (const struct copy_journal *j, const char *why)
{
  log_error ("%s: %s; move it away to copy from the beginning, or name "
             "another file", printable (j->path), why);
  errno = EINVAL;
  return -1;
}

/* Look at the header.  1 if it is whole, 0 if the file is one that was
 * never begun, -1 reported.
 */
static int
read_header (const struct copy_journal *j, struct journal_header *h,
             uint64_t file_size)
{
  uint8_t sum[SUM_BYTES];
  size_t magic_bytes;
  ssize_t n;

  memset (h, 0, sizeof *h);
  n = journal_read_at (j, h, sizeof *h, 0);
  if (n == -1)
    return -1;
  magic_bytes = MIN ((size_t) n, sizeof h->magic);
  if (memcmp (h->magic, header_magic, magic_bytes) != 0 &&
      !is_all_zero (h->magic, magic_bytes))
    return refuse (j, "this is not a journal of a copy");
  if (le32toh (h->version) > VERSION)
    return refuse (j, "this journal is of a newer version of nbdlift");

  if (digest_once (DIGEST_SHA256, h, offsetof (struct journal_header, sum),
                   sum) == -1)
    return -1;
  if (memcmp (sum, h->sum, sizeof sum) != 0)
    return file_size <= sizeof *h ? 0
      : refuse (j, "the header of this journal is damaged");
  if (le32toh (h->version) != VERSION ||
      le32toh (h->flags) & ~FLAG_DELTA ||
      le64toh (h->block_size) != DIGEST_BLOCK ||
      le32toh (h->digest_type) > BLOCK_DIGEST_SHA256 ||
      le32toh (h->identity_length) > COPY_IDENTITY_MAX)
    return refuse (j, "the header of this journal makes no sense");
  return 1;
}

static int
stale (const struct copy_journal *j, const char *what, const char *was,
       const char *now)
{
  log_error ("%s: belongs to another copy: its %s is %s, that of this copy "
             "is %s; remove the file to copy from the beginning",
             printable (j->path), what, was, now);
  errno = ESTALE;
  return -1;
}

/* Is it a journal of this copy? */
static int
check_header (const struct copy_journal *j, const struct journal_header *h,
              const char *identity, bool delta)
{
  const bool was_delta = le32toh (h->flags) & FLAG_DELTA;
  const enum block_digest type = le32toh (h->digest_type);
  char was[COPY_IDENTITY_MAX + 1] = "", now[32];

  if (le64toh (h->size) != digest_tree_size (j->tree)) {
    snprintf (was, sizeof was, "%" PRIu64, le64toh (h->size));
    snprintf (now, sizeof now, "%" PRIu64, digest_tree_size (j->tree));
    return stale (j, "size of the source in bytes", was, now);
  }
  if (type != digest_tree_type (j->tree))
    return stale (j, "kind of digests", block_digest_name (type),
                  block_digest_name (digest_tree_type (j->tree)));
  if (was_delta != delta)
    return stale (j, "kind", was_delta ? "a delta" : "a full copy",
                  delta ? "a delta" : "a full copy");
  memcpy (was, h->identity, le32toh (h->identity_length));
  if (strlen (was) != le32toh (h->identity_length) ||
      strcmp (was, identity) != 0)
    return stale (j, "state of the source",
                  was[0] ? printable (was) : "(unknown)",
                  identity[0] ? printable (identity) : "(unknown)");
  return 0;
}

/* Open and lock it.  *CREATED: it was not there. */
static int
open_locked (struct copy_journal *j, struct stat *st, bool *created)
{
  j->fd = open (j->path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
  *created = j->fd == -1 && errno == ENOENT;
  if (*created)
    j->fd = open (j->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (j->fd == -1 || fstat (j->fd, st) == -1) {
    log_error ("%s: the journal cannot be opened: %m", printable (j->path));
    return -1;
  }
  if (!S_ISREG (st->st_mode))
    return refuse (j, "this is not a regular file");
  if (flock (j->fd, LOCK_EX | LOCK_NB) == -1) {
    if (errno == EWOULDBLOCK) {
      log_error ("%s: another copy is using this journal; wait until it has "
                 "ended", printable (j->path));
      errno = EBUSY;
    }
    else
      log_error ("%s: the journal cannot be locked: %m",
                 printable (j->path));
    return -1;
  }
  /* Only now is it sure that nobody is writing to it. */
  if (fstat (j->fd, st) == -1) {
    log_error ("%s: the journal cannot be opened: %m", printable (j->path));
    return -1;
  }
  return 0;
}

int
journal_open_file (struct copy_journal *j, const char *identity, bool delta,
                   struct journal_header *h, uint64_t *size)
{
  struct stat st;
  bool created;
  int r, err;

  if (open_locked (j, &st, &created) == -1)
    return -1;
  r = read_header (j, h, st.st_size);
  if (r == 1)
    r = check_header (j, h, identity, delta);
  else if (r == 0) {
    r = begin (j, h, identity, delta);
    st.st_size = sizeof *h;
  }
  /* Always: who began the file may have been killed before this. */
  if (r == 0)
    r = sync_folder_of (j->path);
  if (r == -1 && created) {
    err = errno;
    unlink (j->path);
    errno = err;
  }
  if (r == 0)
    *size = st.st_size;
  return r;
}
