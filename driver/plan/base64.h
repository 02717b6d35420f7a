/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Base64 (RFC 4648, section 4) as Secrets and playbooks use it.
 */
#ifndef NBDLIFT_BASE64_H
#define NBDLIFT_BASE64_H

#include <stddef.h>

/* Decode the LEN bytes at TEXT.  Line ends are skipped, as Kubernetes
 * does; anything else that is not of the alphabet, wrong padding or
 * leftover bits are refused.  0 with *DATA (malloc'ed, a NUL behind it)
 * and *DATA_LEN; or -1 with errno EINVAL (not reported) or ENOMEM
 * (reported).
 */
extern int base64_decode (const char *text, size_t len, char **data,
                          size_t *data_len);

#endif /* NBDLIFT_BASE64_H */
