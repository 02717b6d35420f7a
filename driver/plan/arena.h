/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Memory that is freed all at once: the trees of yaml.h and the strings
 * of a plan_set.  It is overwritten with zeroes before it is freed, for
 * the sake of the Secrets in it.  Not thread safe.
 */
#ifndef NBDLIFT_ARENA_H
#define NBDLIFT_ARENA_H

#include <stddef.h>

struct yaml_arena;

/* NULL with errno ENOMEM, reported. */
extern struct yaml_arena *yaml_arena_new (void);
/* NULL is allowed. */
extern void yaml_arena_free (struct yaml_arena *arena);

/* NR elements of SIZE bytes, all zero, aligned for any type.  NULL with
 * errno ENOMEM, reported; never NULL for another reason.
 */
extern void *yaml_arena_alloc (struct yaml_arena *arena, size_t nr,
                               size_t size);

/* A copy of the LEN bytes at S, NUL-terminated. */
extern char *yaml_arena_copy (struct yaml_arena *arena, const char *s,
                              size_t len);

static inline void
cleanup_yaml_arena (struct yaml_arena **arena)
{
  yaml_arena_free (*arena);
}
#define CLEANUP_YAML_ARENA __attribute__ ((cleanup (cleanup_yaml_arena)))

#endif /* NBDLIFT_ARENA_H */
