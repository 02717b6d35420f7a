/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which parts of an NBD export hold data, read as zeroes, or (in a delta)
 * have not changed: asked in windows ahead of the reads, forgotten behind
 * them.
 */
#ifndef NBDLIFT_ALLOC_MAP_H
#define NBDLIFT_ALLOC_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/util/vector.h"
#include "driver/copy/nbd_client.h"

enum extent_kind {
  EXTENT_DATA,                  /* must be read */
  EXTENT_ZERO,                  /* NBD_STATE_ZERO: need not be read */
  EXTENT_UNCHANGED,             /* of a delta: is not touched */
};

struct alloc_run {
  uint64_t end;                 /* it begins where the one before ends */
  enum extent_kind kind;
};
DEFINE_VECTOR_TYPE (alloc_runs, struct alloc_run);

enum { ALLOC_BASE, ALLOC_DELTA, ALLOC_NR_CONTEXTS };

/* Used by the one thread that drives the client. */
struct alloc_map {
  struct nbd_client *client;
  const char *name;             /* of the disk, for messages; borrowed */
  bool delta;
  alloc_runs runs;
  /* What each context has said to the question in flight: runs that
   * begin where it began.
   */
  alloc_runs answers[ALLOC_NR_CONTEXTS];
  size_t first;                 /* the first run that is still needed */
  uint64_t known;               /* bytes from the beginning that runs tell */
  uint64_t asked;               /* where the last question began */
  bool asking;                  /* a command is in flight */
  bool sending;                 /* in nbd_aio_block_status */
  bool failed;                  /* the server does not tell: all is data */
};

/* CLIENT must stay until alloc_map_free, and be closed before it.
 *
 * Without DELTA nothing is EXTENT_UNCHANGED: HOLE without ZERO is data.
 * With it, HOLE alone is unchanged; or, if the client has negotiated a
 * delta context (nbd_client_open), what that context does not flag (bit
 * 0, NBD "qemu:dirty-bitmap:"), and base:allocation tells which of the
 * rest is zero.
 */
extern void alloc_map_init (struct alloc_map *m, struct nbd_client *client,
                            const char *name, bool delta);
extern void alloc_map_free (struct alloc_map *m);

/* Ask for more if what is known ends soon after OFFSET.  Never waits.
 * An error of the server is not one of ours: the rest is then taken as
 * data, which is slow but right (in a delta too: an export of one still
 * reads as the whole disk).
 */
extern void alloc_map_ask (struct alloc_map *m, uint64_t offset);

/* True if all of [0, END) is known. */
static inline bool
alloc_map_knows (const struct alloc_map *m, uint64_t end)
{
  return m->failed || m->known >= end;
}

/* The run that holds OFFSET, which must be known and never less than in
 * an earlier call: its end, and its kind in *KIND.
 */
extern uint64_t alloc_map_find (struct alloc_map *m, uint64_t offset,
                                enum extent_kind *kind);

#endif /* NBDLIFT_ALLOC_MAP_H */
