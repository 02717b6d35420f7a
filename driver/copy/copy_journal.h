/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which blocks of one disk are on stable storage at the target: a file
 * that only grows while a copy runs, so that a copy that was killed, or
 * whose machine lost power, goes on where it was.
 *
 * File: a header of 4200 bytes (magic, version, whether it is of a delta,
 * size, block size, type and key of the digests, the source's identity,
 * SHA-256), then records: magic, number of runs, per run of blocks that
 * have one digest (zeroes) the first, their number and the digest, and
 * SHA-256 over that of the record before and this one.  A record without
 * runs says that the copy is complete.  Numbers are little endian.  What
 * follows the first record that is cut or broken was never promised, and
 * is cut off when the journal is opened.  A file that holds no more than a
 * broken header is begun anew.
 */
#ifndef NBDLIFT_COPY_JOURNAL_H
#define NBDLIFT_COPY_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "driver/copy/digest_tree.h"

/* Bytes of an identity, without NUL. */
#define COPY_IDENTITY_MAX 4096

struct copy_journal;

/* Open or create the journal at PATH of a copy whose source is TREE's
 * size, and IDENTITY ("" if nothing is known): text that changes when
 * the source does (change id, modification time).  TREE is new: it is
 * given the key of a journal that is there, and the digests of the
 * blocks that it claims; the type of its digests must be the same.  It must
 * live as long as the journal, and is of no use if this fails.  Locks the
 * file (flock) until it is closed.
 *
 * NULL with errno and a report that names the file and the remedy:
 * ESTALE when it is of another source (which part differs: size,
 * identity, delta or not, digest type); EBUSY when another process has
 * it; EINVAL if it is not a journal, or its header is broken, or of a
 * newer version; or what the system said.
 */
extern struct copy_journal *
copy_journal_open (const char *path, struct digest_tree *tree,
                   const char *identity, bool delta);
/* The file stays. NULL is allowed. */
extern void copy_journal_close (struct copy_journal *j);

/* Was there a journal to go on with (with at least one block)? */
extern bool copy_journal_resumed (const struct copy_journal *j);
/* Has the copy been finished? */
extern bool copy_journal_complete (const struct copy_journal *j);

/* Is BLOCK claimed; how many blocks are.  Any thread. */
extern bool copy_journal_has (const struct copy_journal *j, uint64_t block);
extern uint64_t copy_journal_count (const struct copy_journal *j);

/* A claimed BLOCK is not what it should be: it will be copied again.  In
 * memory only (its digest in the tree is forgotten too): a later record of
 * the block replaces the claim, and until then each opening finds the
 * same.
 */
extern void copy_journal_drop (struct copy_journal *j, uint64_t block);

/* Claim NR blocks, with their digests (digest_tree_digest_size bytes each,
 * one after the other; the tree is not touched): on stable storage when it
 * returns 0 (one write, fdatasync).  -1 reported with path and errno: then
 * nothing is claimed, and the file ends with its last good record.  One
 * thread at a time; may run beside copy_journal_has.
 */
extern int copy_journal_append (struct copy_journal *j,
                                const uint64_t *blocks,
                                const uint8_t *digests, size_t nr);

/* The copy is complete and flushed.  As copy_journal_append. */
extern int copy_journal_finish (struct copy_journal *j);

#endif /* NBDLIFT_COPY_JOURNAL_H */
