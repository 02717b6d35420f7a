/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Memory of a template or of a run: a list of blocks, each as large as
 * was asked for, and a limit for all of them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/checked.h"
#include "common/util/log.h"
#include "common/util/vector.h"
#include "common/template/private.h"

struct pool_block {
  struct pool_block *next;
  _Alignas (max_align_t) char data[];
};

void *
pool_alloc (struct pool *pool, size_t n)
{
  struct pool_block *block;
  size_t size;

  if (!checked_add (n, sizeof *block, &size) ||
      (pool->max && (size > pool->max || pool->used > pool->max - size))) {
    errno = E2BIG;
    return NULL;
  }
  block = calloc (1, size);
  if (block == NULL) {
    log_oom ();
    return NULL;
  }
  block->next = pool->blocks;
  pool->blocks = block;
  pool->used += size;
  return block->data;
}

void
pool_free (struct pool *pool)
{
  struct pool_block *block, *next;

  for (block = pool->blocks; block; block = next) {
    next = block->next;
    free (block);
  }
  memset (pool, 0, sizeof *pool);
}

bool
text_is (struct text a, const char *b)
{
  return a.len == strlen (b) && memcmp (a.ptr, b, a.len) == 0;
}

int
text_append (struct strbuf *b, struct text s, size_t n)
{
  uint64_t size;

  if (!checked_mul (s.len, n, &size) || !checked_add (size, b->len, &size) ||
      size > TEMPLATE_MAX_STRING) {
    errno = E2BIG;
    return -1;
  }
  for (; s.len && n > 0; --n)
    if (strbuf_append_bytes (b, s.ptr, s.len) == -1)
      return -1;
  return 0;
}
