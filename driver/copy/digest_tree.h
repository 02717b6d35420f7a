/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The digests of a disk: SHA-256 of each block of DIGEST_BLOCK bytes (an
 * all-zero block has a known digest and is never hashed twice), and one
 * root over them.  Stored as a file beside the volume, so that a copy
 * can be proved right later without the source.
 */
#ifndef NBDLIFT_DIGEST_TREE_H
#define NBDLIFT_DIGEST_TREE_H

#include <stdbool.h>
#include <stdint.h>

#define DIGEST_BLOCK (UINT64_C (1) << 20)

struct digest_tree;

/* For a disk of SIZE bytes, all blocks unknown.  NULL reported. */
extern struct digest_tree *digest_tree_new (uint64_t size);
extern void digest_tree_free (struct digest_tree *t);
extern uint64_t digest_tree_size (const struct digest_tree *t);

/* Give block number BLOCK its content: DATA of LEN bytes (DIGEST_BLOCK, or
 * less for the last), or all zero.  Different blocks can be set from
 * different threads.  0, or -1 reported.
 */
extern int digest_tree_set (struct digest_tree *t, uint64_t block,
                            const void *data, uint64_t len);
extern int digest_tree_set_zero (struct digest_tree *t, uint64_t block);

/* The same for a range that begins at a multiple of DIGEST_BLOCK and
 * ends at one or at the end of the disk.
 */
extern int digest_tree_add (struct digest_tree *t, uint64_t offset,
                            const uint8_t *data, uint64_t len);
extern int digest_tree_add_zero (struct digest_tree *t, uint64_t offset,
                                 uint64_t len);

/* True if BLOCK of T has this content. */
extern bool digest_tree_matches (const struct digest_tree *t, uint64_t block,
                                 const void *data, uint64_t len);

/* Number of the first block that differs between A and B, or -1 if none
 * does, or -2 if the sizes differ.
 */
extern int64_t digest_tree_compare (const struct digest_tree *a,
                                    const struct digest_tree *b);

/* Hex of the root digest (65 bytes with NUL) once all blocks are set; -1
 * reported if some are not.
 */
extern int digest_tree_root (const struct digest_tree *t, char *hex);

/* Written whole or not at all (temporary file, fsync, rename); a header
 * with magic, version, size and block size, then the digests, then the
 * root, which load checks.  0 / NULL reported with the path.
 */
extern int digest_tree_save (const struct digest_tree *t, const char *path);
extern struct digest_tree *digest_tree_load (const char *path);

/* Digests of what FD holds now (holes are not read). NULL reported, or
 * errno ECANCELED when PROGRESS said false.
 */
extern struct digest_tree *
digest_tree_of_fd (int fd, uint64_t size, const char *name,
                   bool (*progress) (void *opaque, uint64_t done,
                                     uint64_t total), void *opaque);

/* The same of an NBD export (extents first, holes are not read). */
extern struct digest_tree *
digest_tree_of_nbd (const char *uri, const char *name,
                    bool (*progress) (void *opaque, uint64_t done,
                                      uint64_t total), void *opaque);

#endif /* NBDLIFT_DIGEST_TREE_H */
