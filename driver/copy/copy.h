/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The copy loop: one NBD export into one file or block device.  Knows
 * NBD and a file descriptor, nothing of plans or VMs.
 */
#ifndef NBDLIFT_COPY_H
#define NBDLIFT_COPY_H

#include <stdbool.h>
#include <stdint.h>

#include "driver/copy/budget.h"
#include "driver/copy/digest_tree.h"

/* Where the bytes come from. */
struct copy_source {
  const char *uri;              /* NBD URI */
  const char *name;             /* for messages: the disk, not the socket */
};

struct copy_progress {
  uint64_t size;                /* bytes of the disk */
  uint64_t done;                /* bytes dealt with, holes included */
  uint64_t read;                /* bytes that crossed NBD */
  uint64_t written;             /* bytes written (zeroes not counted) */
  uint64_t kept;                /* bytes of blocks that an earlier copy had
                                   written, and that were checked */
};

/* How the target is written. */
enum copy_cache {
  COPY_CACHE_AUTO,              /* COPY_CACHE_NONE where it works and pays */
  COPY_CACHE_NONE,              /* O_DIRECT, with io_uring */
  COPY_CACHE_WRITEBACK,         /* through the page cache, which is kept
                                   small */
};

struct copy_options {
  unsigned connections;         /* 0: 4, or 1 without multi-conn */
  unsigned requests;            /* in flight in all; 0: 16 */
  uint64_t request_size;        /* bytes, 64 KiB to 32 MiB; 0: 2 MiB */
  unsigned workers;             /* threads that write and make digests where
                                   the loop does not; 0: 2 */
  unsigned stall_seconds;       /* give up a server that sends nothing for
                                   so long; 0: 120 */
  enum copy_cache cache;
  bool target_is_zero;          /* the target reads as zeroes: do not write
                                   or punch zeroes */

  /* The target holds an earlier state of the disk; only what the source
   * says has changed is written: data is, HOLE|ZERO is zeroed, and HOLE
   * alone is left as it is.  (base:allocation of an export with delta=.)
   */
  bool delta;
  /* With delta: take what has changed from this context instead, e.g.
   * qemu:dirty-bitmap:NAME; base:allocation tells what of it is zero.
   */
  const char *delta_context;

  const char *digest_file;      /* write the block digests here
                                   (digest_tree.h); NULL: none.  With delta,
                                   the digests of the target before it, if
                                   it is there */
  enum block_digest digest;

  const char *journal_file;     /* copy_journal.h; NULL: none */
  const char *identity;         /* of the source, for the journal; or NULL */

  struct copy_budget *budget;   /* shared with other copies; NULL: own */

  /* Called from the copying thread about 5 times a second and at the
   * end; false cancels.  May be NULL.
   */
  bool (*progress) (void *opaque, const struct copy_progress *progress);
  void *opaque;
};

enum copy_side { COPY_SIDE_NONE, COPY_SIDE_SOURCE, COPY_SIDE_TARGET };

struct copy_result {
  struct copy_progress progress;
  enum copy_side failed_side;   /* which side an error came from */
  bool direct;                  /* O_DIRECT and io_uring were used */
};

/* Copy all of SOURCE to FD, which is open for writing and is the
 * target's beginning.  A regular file that is smaller than the source is
 * given its size; one that is larger (a volume is a multiple of 1 MiB)
 * keeps its size and reads as zeroes after the source's end.  A block
 * device must be at least as large as the source; what it has after the
 * source's end is left as it is.  TARGET is its name for messages.
 * fsync'ed when it returns 0.
 *
 * With a journal: what was copied becomes durable, and is claimed, at
 * least every 64 MiB and every 5 seconds; blocks that an earlier copy has
 * claimed are read from the target and compared with their digests, and
 * copied again only if they differ.  A copy that fails leaves the journal
 * as it is; one that succeeds marks it complete.
 *
 * 0; or -1 with errno (EIO, ETIMEDOUT, ENOSPC, ECANCELED unreported,
 * ...) and one report that names the disk, the side and the offset.  *RESULT is
 * always set.  Runs in the calling thread; several copies can run in
 * several threads.
 */
extern int copy_disk (const struct copy_source *source, int fd,
                      const char *target,
                      const struct copy_options *options,
                      struct copy_result *result);

#endif /* NBDLIFT_COPY_H */
