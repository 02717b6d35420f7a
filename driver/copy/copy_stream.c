/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What comes is gathered in a block of the size that digests have, which
 * is written when another one is begun.  A block that was written before
 * is read back first: that happens when a stream is not in order.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/include/minmax.h"
#include "common/util/log.h"
#include "driver/copy/copy_stream.h"
#include "driver/copy/digest_tree.h"
#include "driver/copy/disk_output.h"

#define NO_BLOCK UINT64_MAX

struct copy_stream {
  struct disk_output output;
  struct digest_tree *digests;
  uint64_t size;
  uint8_t *buf;                 /* of: */
  uint64_t block;
};

struct copy_stream *
copy_stream_begin (int fd, const struct copy_stream_options *o)
{
  struct copy_stream *s = calloc (1, sizeof *s);

  if (s == NULL) {
    log_oom ();
    return NULL;
  }
  if (disk_output_open (&s->output, fd, o->disk, o->target, o->size,
                        o->target_is_zero) == -1) {
    free (s);
    return NULL;
  }
  s->size = o->size;
  s->block = NO_BLOCK;
  s->buf = malloc (DIGEST_BLOCK);
  s->digests = digest_tree_new (o->size, BLOCK_DIGEST_POLY1305);
  if (s->buf == NULL)
    log_oom ();
  if (s->buf == NULL || s->digests == NULL)
    goto err;
  if (disk_output_zero (&s->output, 0, o->size) == -1) {
    disk_output_report (&s->output);
    goto err;
  }
  /* Now it is. */
  s->output.is_zero = true;
  return s;

 err:
  copy_stream_free (s);
  return NULL;
}

void
copy_stream_free (struct copy_stream *s)
{
  const int err = errno;

  if (s == NULL)
    return;
  disk_output_close (&s->output);
  digest_tree_free (s->digests);
  free (s->buf);
  free (s);
  errno = err;
}

static uint64_t
block_len (const struct copy_stream *s, uint64_t block)
{
  return MIN (DIGEST_BLOCK, s->size - block * DIGEST_BLOCK);
}

static int
write_block (struct copy_stream *s)
{
  const uint64_t block = s->block;

  if (block == NO_BLOCK)
    return 0;
  s->block = NO_BLOCK;
  if (disk_output_data (&s->output, block * DIGEST_BLOCK, s->buf,
                        block_len (s, block)) == -1) {
    disk_output_report (&s->output);
    return -1;
  }
  return digest_tree_set (s->digests, block, s->buf, block_len (s, block));
}

/* To the buffer what the target has of BLOCK. */
static int
read_back (struct copy_stream *s, uint64_t block)
{
  const uint64_t len = block_len (s, block), begin = block * DIGEST_BLOCK;

  if (disk_output_read_back (&s->output, s->buf, len, begin) == -1) {
    disk_output_report (&s->output);
    return -1;
  }
  return 0;
}

static int
begin_block (struct copy_stream *s, uint64_t block)
{
  if (write_block (s) == -1)
    return -1;
  if (digest_tree_get (s->digests, block) == NULL)
    memset (s->buf, 0, DIGEST_BLOCK);
  else if (read_back (s, block) == -1)
    return -1;
  s->block = block;
  return 0;
}

int
copy_stream_data (struct copy_stream *s, uint64_t offset, const void *buf,
                  size_t len)
{
  const uint8_t *p = buf;
  size_t n;

  for (; len > 0; p += n, offset += n, len -= n) {
    const uint64_t block = offset / DIGEST_BLOCK;
    const uint64_t at = offset % DIGEST_BLOCK;

    if (offset >= s->size) {
      log_error ("disk %s: %zu bytes past its end", s->output.disk, len);
      errno = EINVAL;
      return -1;
    }
    if (block != s->block && begin_block (s, block) == -1)
      return -1;
    n = MIN ((uint64_t) len, block_len (s, block) - at);
    memcpy (s->buf + at, p, n);
  }
  return 0;
}

int
copy_stream_finish (struct copy_stream *s, const char *digest_file)
{
  uint64_t block;

  if (write_block (s) == -1)
    return -1;
  for (block = 0; block < digest_tree_blocks (s->digests); block++)
    if (digest_tree_get (s->digests, block) == NULL &&
        digest_tree_set_zero (s->digests, block) == -1)
      return -1;
  if (disk_output_flush (&s->output) == -1) {
    disk_output_report (&s->output);
    return -1;
  }
  return digest_tree_save (s->digests, digest_file);
}
