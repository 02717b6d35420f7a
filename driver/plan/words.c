/* SPDX-License-Identifier: BSD-3-Clause
 *
 * "Did you mean": the nearest of several words by edit distance
 * (insertions, deletions, replacements, swapped neighbours), case
 * ignored.
 */
#include <ctype.h>
#include <string.h>

#include "common/include/minmax.h"
#include "driver/plan/decode.h"

/* No field or kind has a longer name. */
#define MAX_WORD 48

static unsigned
distance (const char *a, const char *b)
{
  const size_t n = strlen (a), m = strlen (b);
  unsigned row[3][MAX_WORD + 1];
  unsigned *older = row[0], *old = row[1], *now = row[2], *t;
  size_t i, j;
  bool same;

  for (j = 0; j <= m; ++j)
    old[j] = j;
  for (i = 1; i <= n; ++i) {
    now[0] = i;
    for (j = 1; j <= m; ++j) {
      same = tolower ((unsigned char) a[i-1]) ==
        tolower ((unsigned char) b[j-1]);
      now[j] = MIN (old[j] + 1, now[j-1] + 1);
      now[j] = MIN (now[j], old[j-1] + !same);
      if (i > 1 && j > 1 &&
          tolower ((unsigned char) a[i-1]) ==
          tolower ((unsigned char) b[j-2]) &&
          tolower ((unsigned char) a[i-2]) ==
          tolower ((unsigned char) b[j-1]))
        now[j] = MIN (now[j], older[j-2] + 1);
    }
    t = older;
    older = old;
    old = now;
    now = t;
  }
  return old[m];
}

const char *
closest_word (const char *s, const char *const *words, size_t nr)
{
  const char *best = NULL;
  unsigned d, best_distance;
  size_t i;

  if (strlen (s) > MAX_WORD)
    return NULL;
  best_distance = strlen (s) / 3 + 1;   /* farther is another word */
  for (i = 0; i < nr; ++i) {
    if (strlen (words[i]) > MAX_WORD)
      continue;
    d = distance (s, words[i]);
    if (d < best_distance || (d == best_distance && best == NULL)) {
      best = words[i];
      best_distance = d;
    }
  }
  return best;
}
