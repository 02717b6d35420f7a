/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The digest file of a copy.  After a delta most digests are those of the
 * file that was there before; those of touched blocks are made from what
 * the target holds now, which is cheaper than reading from the source
 * what has not changed.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/log.h"
#include "driver/copy/copy_private.h"

/* Is [offset, offset+len) of the target a hole?  It need not be read. */
static bool
is_hole (const struct copy *copy, uint64_t offset, uint64_t len)
{
  const off_t data = lseek (copy->output.fd, offset, SEEK_DATA);

  if (copy->output.block)
    return false;
  return data == -1 ? errno == ENXIO : (uint64_t) data >= offset + len;
}

static int
digest_block (struct copy *copy, struct digest_tree *tree, uint64_t block,
              uint8_t *buf)
{
  const uint64_t offset = block * DIGEST_BLOCK;
  const uint64_t len = MIN (DIGEST_BLOCK, digest_tree_size (tree) - offset);

  if (is_hole (copy, offset, len))
    return digest_tree_set_zero (tree, block);
  if (disk_output_read_back (&copy->output, buf, len, offset) == -1)
    return -1;
  return digest_tree_add (tree, offset, buf, len);
}

/* The digests of the target as it is now. */
static struct digest_tree *
digests_of_target (struct copy *copy, const struct digest_tree *base,
                   uint64_t size)
{
  struct digest_tree *tree = digest_tree_resized (base, size);
  CLEANUP_FREE uint8_t *buf = malloc (DIGEST_BLOCK);
  uint64_t block;
  int err;

  if (tree == NULL || buf == NULL) {
    if (buf == NULL)
      log_oom ();
    digest_tree_free (tree);
    errno = ENOMEM;
    return NULL;
  }
  for (block = 0; block < digest_tree_blocks (tree); block++)
    if ((copy->touched[block] || digest_tree_get (tree, block) == NULL) &&
        digest_block (copy, tree, block, buf) == -1) {
      err = errno;
      digest_tree_free (tree);
      errno = err;
      return NULL;
    }
  return tree;
}

static int
save_delta (struct copy *copy)
{
  const char *path = copy->options->digest_file;
  struct digest_tree *base, *tree = NULL;
  int ret = -1, err;

  if (access (path, F_OK) == 0)
    base = digest_tree_load (path);
  else
    base = digest_tree_new (copy->size, copy->options->digest);
  if (base)
    tree = digests_of_target (copy, base, copy->size);
  if (tree)
    ret = digest_tree_save (tree, path);
  err = errno;
  digest_tree_free (base);
  digest_tree_free (tree);
  errno = err;
  return ret;
}

int
copy_save_digests (struct copy *copy)
{
  if (copy->options->delta)
    return save_delta (copy);
  return digest_tree_save (copy->digests, copy->options->digest_file);
}
