/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Preloaded next to ASan's runtime, which sets itself up at the first
 * malloc.  In nbdkit that is by p11-kit's constructor, inside of newlocale,
 * and leaves a lock of libc locked: nbdkit then hangs at its end if
 * anything has called strerror.  Linked with -z initfirst, this comes
 * before all constructors.
 */
#include <stdlib.h>

static void __attribute__ ((constructor))
first_malloc (void)
{
  free (malloc (1));
}
