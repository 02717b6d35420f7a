/* SPDX-License-Identifier: BSD-3-Clause
 *
 * An arena is a list of chunks.  Small requests are cut from the newest
 * chunk, a large one gets a chunk of its own.
 */
#include <errno.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/checked.h"
#include "common/util/log.h"
#include "driver/plan/arena.h"

/* The first chunk is small, for small documents; each one is twice as
 * large as the one before, up to this.
 */
#define MIN_CHUNK ((size_t) 2 * 1024)
#define MAX_CHUNK ((size_t) 64 * 1024)

struct chunk {
  struct chunk *next;
  size_t used, size;            /* of data */
  alignas (max_align_t) unsigned char data[];
};

struct yaml_arena {
  struct chunk *chunks;         /* the newest first */
  size_t next_size;
};

struct yaml_arena *
yaml_arena_new (void)
{
  struct yaml_arena *arena = calloc (1, sizeof *arena);

  if (arena == NULL) {
    log_oom ();
    return NULL;
  }
  arena->next_size = MIN_CHUNK;
  return arena;
}

void
yaml_arena_free (struct yaml_arena *arena)
{
  struct chunk *chunk, *next;

  if (arena == NULL)
    return;
  for (chunk = arena->chunks; chunk; chunk = next) {
    next = chunk->next;
    explicit_bzero (chunk->data, chunk->used);
    free (chunk);
  }
  free (arena);
}

static struct chunk *
add_chunk (struct yaml_arena *arena, size_t size)
{
  const bool large = size > arena->next_size / 4;
  struct chunk *chunk;

  if (!large) {
    size = arena->next_size;
    if (arena->next_size < MAX_CHUNK)
      arena->next_size *= 2;
  }
  chunk = calloc (1, sizeof *chunk + size);
  if (chunk == NULL)
    return NULL;
  chunk->size = size;

  /* The room left in the newest chunk stays in use after a large
   * request.
   */
  if (arena->chunks && large) {
    chunk->next = arena->chunks->next;
    arena->chunks->next = chunk;
  }
  else {
    chunk->next = arena->chunks;
    arena->chunks = chunk;
  }
  return chunk;
}

void *
yaml_arena_alloc (struct yaml_arena *arena, size_t nr, size_t size)
{
  struct chunk *chunk = arena->chunks;
  uint64_t bytes;
  void *ret;

  if (!checked_mul (nr, size, &bytes) ||
      !checked_round_up (bytes, alignof (max_align_t), &bytes) ||
      bytes > PTRDIFF_MAX / 2) {
    errno = ENOMEM;
    log_oom ();
    return NULL;
  }
  if (chunk == NULL || chunk->size - chunk->used < bytes) {
    chunk = add_chunk (arena, bytes);
    if (chunk == NULL) {
      log_oom ();
      return NULL;
    }
  }
  ret = chunk->data + chunk->used;
  chunk->used += bytes;
  return ret;
}

char *
yaml_arena_copy (struct yaml_arena *arena, const char *s, size_t len)
{
  char *ret = yaml_arena_alloc (arena, len + 1, 1);

  if (ret && len > 0)
    memcpy (ret, s, len);
  return ret;
}
