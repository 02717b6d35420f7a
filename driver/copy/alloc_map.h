/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which parts of an NBD export read as zeroes: base:allocation, asked in
 * windows ahead of the reads, forgotten behind them.
 */
#ifndef NBDLIFT_ALLOC_MAP_H
#define NBDLIFT_ALLOC_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/util/vector.h"
#include "driver/copy/nbd_client.h"

struct alloc_run {
  uint64_t end;                 /* it begins where the one before ends */
  bool zero;                    /* NBD_STATE_ZERO: need not be read */
};
DEFINE_VECTOR_TYPE (alloc_runs, struct alloc_run);

/* Used by the one thread that drives the client. */
struct alloc_map {
  struct nbd_client *client;
  const char *name;             /* of the disk, for messages; borrowed */
  alloc_runs runs;
  size_t first;                 /* the first run that is still needed */
  uint64_t known;               /* bytes from the beginning that runs tell */
  uint64_t asked;               /* where the last question began */
  bool asking;                  /* a command is in flight */
  bool sending;                 /* in nbd_aio_block_status */
  bool failed;                  /* the server does not tell: all is data */
};

/* CLIENT must stay until alloc_map_free, and be closed before it. */
extern void alloc_map_init (struct alloc_map *m, struct nbd_client *client,
                            const char *name);
extern void alloc_map_free (struct alloc_map *m);

/* Ask for more if what is known ends soon after OFFSET.  Never waits.
 * An error of the server is not one of ours: the rest is then taken as
 * data, which is slow but right.
 */
extern void alloc_map_ask (struct alloc_map *m, uint64_t offset);

/* True if all of [0, END) is known. */
static inline bool
alloc_map_knows (const struct alloc_map *m, uint64_t end)
{
  return m->failed || m->known >= end;
}

/* The run that holds OFFSET, which must be known and never less than in
 * an earlier call: its end, and its kind in *ZERO.
 */
extern uint64_t alloc_map_find (struct alloc_map *m, uint64_t offset,
                                bool *zero);

#endif /* NBDLIFT_ALLOC_MAP_H */
