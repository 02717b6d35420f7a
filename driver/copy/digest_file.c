/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The digests of a disk as a file: the header, one digest for each
 * block, and the root over both.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/include/checked.h"
#include "common/include/cleanup.h"
#include "common/util/atomic_file.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "driver/copy/digest_tree_private.h"
#include "driver/copy/is_zero.h"

/* The version of the format. */
#define DIGEST_FILE_VERSION 2

/* Digests tell no more than what whoever has the disk knows already, and
 * the key of Poly1305 is no secret once the copy is made: it kept the
 * digests apart from the data that they were made of, and guards against
 * accidents, not against people.  Checking may be another user's work.
 */
#define DIGEST_FILE_MODE 0644

static const uint8_t magic[8] = "NBDLIFTD";

void
digest_header_make (const struct digest_tree *t, struct digest_header *header)
{
  memcpy (header->magic, magic, sizeof magic);
  header->version = htole64 (DIGEST_FILE_VERSION);
  header->type = htole64 (t->type);
  header->size = htole64 (t->size);
  header->block = htole64 (DIGEST_BLOCK);
  memcpy (header->key, t->key, sizeof header->key);
}

int
digest_tree_save (const struct digest_tree *t, const char *path)
{
  CLEANUP_ATOMIC_FILE struct atomic_file f = { 0 };
  struct digest_header header;
  uint8_t root[ROOT_BYTES];

  if (digest_tree_raw_root (t, root) == -1 ||
      atomic_file_open (&f, path, DIGEST_FILE_MODE) == -1)
    return -1;
  digest_header_make (t, &header);
  /* commit finds the error of any of these. */
  fwrite (&header, sizeof header, 1, f.fp);
  fwrite (t->digests, t->digest_size, t->blocks, f.fp);
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

static struct digest_tree *
other_version (const char *path, bool older)
{
  if (older)
    log_error ("%s: made by an older nbdlift; copy the disk again",
               printable (path));
  else
    log_error ("%s: made by a newer nbdlift; use that one to read it",
               printable (path));
  errno = EINVAL;
  return NULL;
}

/* A type without a key has zeroes there. */
static bool
key_is_valid (const struct digest_header *header, enum block_digest type)
{
  return block_digest_has_key (type) ||
    is_all_zero (header->key, sizeof header->key);
}

/* The tree of a file of FILE_SIZE bytes, which must be what the header
 * says: nothing larger than the file is ever allocated.
 */
static struct digest_tree *
new_tree (const char *path, FILE *fp, uint64_t file_size)
{
  struct digest_header header;
  uint64_t version, type, size, blocks, expected;
  const size_t until_type = offsetof (struct digest_header, type);

  /* Other versions may have shorter headers. */
  if (fread (&header, until_type, 1, fp) != 1)
    return broken (path, "too short");
  if (memcmp (header.magic, magic, sizeof magic) != 0)
    return broken (path, "wrong magic");
  version = le64toh (header.version);
  if (version != DIGEST_FILE_VERSION)
    return other_version (path, version < DIGEST_FILE_VERSION);
  if (fread ((uint8_t *) &header + until_type, sizeof header - until_type, 1,
             fp) != 1)
    return broken (path, "too short");
  type = le64toh (header.type);
  if (type != BLOCK_DIGEST_POLY1305 && type != BLOCK_DIGEST_SHA256)
    return broken (path, "unknown type of digests");
  if (le64toh (header.block) != DIGEST_BLOCK)
    return broken (path, "another block size");
  if (!key_is_valid (&header, type))
    return broken (path, "a key where none belongs");
  size = le64toh (header.size);
  blocks = size / DIGEST_BLOCK + (size % DIGEST_BLOCK != 0);
  if (!checked_mul (blocks, block_digest_size (type), &expected) ||
      !checked_add (expected, sizeof header + ROOT_BYTES, &expected) ||
      expected != file_size)
    return broken (path, "its length does not fit the size of the disk");
  return digest_tree_make (size, type, header.key);
}

/* Open PATH, which must be a regular file (never wait for a pipe), and say
 * how many bytes it has.
 */
static FILE *
open_file (const char *path, uint64_t *size)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat st;
  FILE *fp;

  if (fd == -1 || fstat (fd, &st) == -1) {
    log_error ("%s: %m", printable (path));
    goto err;
  }
  if (!S_ISREG (st.st_mode)) {
    broken (path, "not a regular file");
    goto err;
  }
  fp = fdopen (fd, "r");
  if (fp != NULL) {
    *size = st.st_size;
    return fp;
  }
  log_oom ();

 err:
  if (fd >= 0)
    close (fd);
  return NULL;
}

struct digest_tree *
digest_tree_load (const char *path)
{
  uint64_t size = 0;
  CLEANUP_FCLOSE FILE *fp = open_file (path, &size);
  uint8_t saved[ROOT_BYTES], root[ROOT_BYTES];
  struct digest_tree *t;

  if (fp == NULL)
    return NULL;
  t = new_tree (path, fp, size);
  if (t == NULL)
    return NULL;

  memset (t->known, 1, t->blocks);
  if (fread (t->digests, t->digest_size, t->blocks, fp) != t->blocks ||
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
