/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Names as Kubernetes wants them: RFC 1123 labels, joined by dots for a
 * subdomain.  A part of a subdomain may be longer than 63 characters
 * (apimachinery's validation checks the whole only).
 */
#include <string.h>

#include "driver/plan/plan.h"

static bool
is_alphanumeric (char c)
{
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* One label of N bytes, whatever its length. */
static bool
is_label (const char *s, size_t n)
{
  size_t i;

  if (n == 0 || !is_alphanumeric (s[0]) || !is_alphanumeric (s[n - 1]))
    return false;
  for (i = 0; i < n; ++i)
    if (!is_alphanumeric (s[i]) && s[i] != '-')
      return false;
  return true;
}

bool
dns1123_label (const char *s)
{
  const size_t n = strlen (s);

  return n <= 63 && is_label (s, n);
}

bool
dns1123_subdomain (const char *s)
{
  size_t n;

  if (strlen (s) > 253)
    return false;
  for (;;) {
    n = strcspn (s, ".");
    if (!is_label (s, n))
      return false;
    if (s[n] == '\0')
      return true;
    s += n + 1;
  }
}
