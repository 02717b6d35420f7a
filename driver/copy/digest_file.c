/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The digests of a disk as a file: the header, one digest for each
 * block, and the root over both.
 */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/include/checked.h"
#include "common/include/cleanup.h"
#include "common/util/atomic_file.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/copy/digest_tree_private.h"

/* Who can read the digests can tell whether a disk holds a block that he
 * knows: as secret as the disk itself.
 */
#define DIGEST_FILE_MODE 0660

static const uint8_t magic[8] = "NBDLIFTD";

void
digest_header_make (const struct digest_tree *t, struct digest_header *header)
{
  memcpy (header->magic, magic, sizeof magic);
  header->version = htole64 (1);
  header->size = htole64 (t->size);
  header->block = htole64 (DIGEST_BLOCK);
}

int
digest_tree_save (const struct digest_tree *t, const char *path)
{
  CLEANUP_ATOMIC_FILE struct atomic_file f = { 0 };
  struct digest_header header;
  uint8_t root[DIGEST_BYTES];

  if (digest_tree_raw_root (t, root) == -1 ||
      atomic_file_open (&f, path, DIGEST_FILE_MODE) == -1)
    return -1;
  digest_header_make (t, &header);
  /* commit finds the error of any of these. */
  fwrite (&header, sizeof header, 1, f.fp);
  fwrite (t->digest, DIGEST_BYTES, t->blocks, f.fp);
  fwrite (root, sizeof root, 1, f.fp);
  return atomic_file_commit (&f);
}

static struct digest_tree *
broken (const char *path, const char *how)
{
  log_error ("%s: not a digest file of nbdlift, or damaged: %s",
             printable (path), how);
  errno = EINVAL;
  return NULL;
}

/* The tree of a file whose length says that its header may be true. */
static struct digest_tree *
new_tree (const char *path, FILE *fp, uint64_t file_size)
{
  struct digest_header header;
  uint64_t size, blocks, expected;

  if (fread (&header, sizeof header, 1, fp) != 1)
    return broken (path, "too short");
  if (memcmp (header.magic, magic, sizeof magic) != 0)
    return broken (path, "wrong magic");
  if (le64toh (header.version) != 1 || le64toh (header.block) != DIGEST_BLOCK)
    return broken (path, "another version or block size");
  size = le64toh (header.size);
  blocks = size / DIGEST_BLOCK + (size % DIGEST_BLOCK != 0);
  if (!checked_mul (blocks, DIGEST_BYTES, &expected) ||
      !checked_add (expected, sizeof header + DIGEST_BYTES, &expected) ||
      expected != file_size)
    return broken (path, "its length does not fit the size of the disk");
  return digest_tree_new (size);
}

struct digest_tree *
digest_tree_load (const char *path)
{
  CLEANUP_FCLOSE FILE *fp = fopen (path, "re");
  uint8_t saved[DIGEST_BYTES], root[DIGEST_BYTES];
  struct digest_tree *t;
  struct stat st;

  if (fp == NULL || fstat (fileno (fp), &st) == -1) {
    log_error ("%s: %m", printable (path));
    return NULL;
  }
  t = new_tree (path, fp, st.st_size);
  if (t == NULL)
    return NULL;

  memset (t->known, 1, t->blocks);
  if (fread (t->digest, DIGEST_BYTES, t->blocks, fp) != t->blocks ||
      fread (saved, sizeof saved, 1, fp) != 1) {
    digest_tree_free (t);
    return broken (path, "cannot be read to its end");
  }
  if (digest_tree_raw_root (t, root) == -1) {
    digest_tree_free (t);
    return NULL;
  }
  if (memcmp (saved, root, sizeof root) != 0) {
    digest_tree_free (t);
    return broken (path, "its content and its checksum differ");
  }
  return t;
}
