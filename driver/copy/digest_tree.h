/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The digests of a disk: one of each block of DIGEST_BLOCK bytes (an
 * all-zero block is never hashed twice), and one root over them.  Stored
 * as a file beside the volume, so that a copy can be proved right later
 * without the source.
 */
#ifndef NBDLIFT_DIGEST_TREE_H
#define NBDLIFT_DIGEST_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIGEST_BLOCK (UINT64_C (1) << 20)

/* The longest digest of a block, and the longest key, in bytes. */
#define DIGEST_BYTES_MAX 32
#define DIGEST_KEY_BYTES 32

enum block_digest {
  /* Poly1305 (RFC 8439) with a random key per copy, kept beside the
   * digests: two given blocks that differ have the same digest with a
   * probability below 2^-80, at a seventh of the cost of SHA-256.  It
   * proves against accidents of every kind.  As with any digest that
   * lies beside its data, who can write both can make them agree.
   */
  BLOCK_DIGEST_POLY1305,
  /* SHA-256: has no key, so the root of equal disks is equal. */
  BLOCK_DIGEST_SHA256,
};

struct digest_tree;

/* "poly1305", "sha256"; false if NAME is none of them. */
extern bool block_digest_of_name (const char *name, enum block_digest *type);
extern const char *block_digest_name (enum block_digest type);

/* For a disk of SIZE bytes, all blocks unknown, with a new key if TYPE
 * has one.  NULL reported.
 */
extern struct digest_tree *digest_tree_new (uint64_t size,
                                            enum block_digest type);

/* The same size, type and key as T, all blocks unknown: what is to be
 * compared with T.  NULL reported.
 */
extern struct digest_tree *digest_tree_new_like (const struct digest_tree *t);

/* For another size, with type and key of T (whose blocks are taken as far
 * as both have them, if whole).  NULL reported.
 */
extern struct digest_tree *digest_tree_resized (const struct digest_tree *t,
                                                uint64_t size);
extern void digest_tree_free (struct digest_tree *t);

extern uint64_t digest_tree_size (const struct digest_tree *t);
extern uint64_t digest_tree_blocks (const struct digest_tree *t);
extern enum block_digest digest_tree_type (const struct digest_tree *t);
/* Bytes of one digest: 16 or 32. */
extern size_t digest_tree_digest_size (const struct digest_tree *t);

/* DIGEST_KEY_BYTES, zero for a type without a key.  Setting one is for
 * those who stored it; no block may be known then.
 */
extern const uint8_t *digest_tree_key (const struct digest_tree *t);
extern void digest_tree_set_key (struct digest_tree *t, const uint8_t *key);

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

/* The digest of any LEN bytes with the type and key of T, to OUT
 * (digest_tree_digest_size bytes).  Any thread.  0, or -1 reported.
 */
extern int digest_tree_compute (const struct digest_tree *t,
                                const void *data, size_t len, uint8_t *out);

/* What was recorded of BLOCK: its digest, or NULL if it is unknown. */
extern const uint8_t *digest_tree_get (const struct digest_tree *t,
                                       uint64_t block);
/* Record a digest that was stored elsewhere; forget one. */
extern void digest_tree_restore (struct digest_tree *t, uint64_t block,
                                 const uint8_t *digest);
extern void digest_tree_forget (struct digest_tree *t, uint64_t block);

/* True if BLOCK of T has this content. */
extern bool digest_tree_matches (const struct digest_tree *t, uint64_t block,
                                 const void *data, uint64_t len);

/* Number of the first block that differs between A and B, or -1 if none
 * does, or -2 if they can not be compared (size, type, key).
 */
extern int64_t digest_tree_compare (const struct digest_tree *a,
                                    const struct digest_tree *b);

/* Hex of the root digest (SHA-256 over what the file holds before it; 65
 * bytes with NUL) once all blocks are set; -1 reported if some are not.
 */
extern int digest_tree_root (const struct digest_tree *t, char *hex);

/* Written whole or not at all (temporary file, fsync, rename), mode 0644; a
 * header with magic, version, type, size, block size and key, then the
 * digests, then the root, which load checks.  0 / NULL reported with the
 * path.
 */
extern int digest_tree_save (const struct digest_tree *t, const char *path);
extern struct digest_tree *digest_tree_load (const char *path);

/* Digests of what FD holds now (holes are not read), with the size, type
 * and key of LIKE. NULL reported, or errno ECANCELED when PROGRESS said
 * false.
 */
extern struct digest_tree *
digest_tree_of_fd (int fd, const struct digest_tree *like, const char *name,
                   bool (*progress) (void *opaque, uint64_t done,
                                     uint64_t total), void *opaque);

/* The same of an NBD export (extents first, holes are not read), with the
 * type and key of LIKE; the size is the export's.
 */
extern struct digest_tree *
digest_tree_of_nbd (const char *uri, const struct digest_tree *like,
                    const char *name,
                    bool (*progress) (void *opaque, uint64_t done,
                                      uint64_t total), void *opaque);

#endif /* NBDLIFT_DIGEST_TREE_H */
