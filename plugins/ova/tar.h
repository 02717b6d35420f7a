/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Where the members of a tar archive lie.  Nothing but the headers is
 * read.
 *
 * Format: POSIX.1-2017 pax(1) "ustar Interchange Format" and "pax Interchange
 * Format"; the GNU forms (base-256 numbers, 'L' and 'K' long names) as
 * in "Basic Tar Format" of the GNU tar manual.
 */
#ifndef NBDLIFT_TAR_H
#define NBDLIFT_TAR_H

#include <stdint.h>

#include "common/util/blob.h"
#include "common/util/vector.h"

/* Limits: far above any OVA, but they bound memory and time. */
#define TAR_MAX_MEMBERS 100000          /* headers of any kind */
#define TAR_MAX_EXTENDED (1U << 20)     /* bytes of one pax header */
#define TAR_MAX_NAME 4096               /* bytes of one name */
#define TAR_MAX_NAMES (16U << 20)       /* bytes of all names */

enum tar_kind {
  TAR_FILE,
  TAR_FOLDER,
  TAR_LINK,                     /* hard or symbolic */
  TAR_OTHER,                    /* device, FIFO, a vendor's type */
};

struct tar_member {
  char *name;                   /* as it stands in the archive */
  enum tar_kind kind;
  uint64_t header;              /* offset of its header, in bytes */
  uint64_t offset, size;        /* of its data, in bytes */
};
DEFINE_VECTOR_TYPE (tar_member_vector, struct tar_member);

/* Free the names and the vector. */
extern void tar_members_free (tar_member_vector *members);
#define CLEANUP_TAR_MEMBERS __attribute__ ((cleanup (tar_members_free)))

/* Walk the headers of BLOB up to the end-of-archive mark and append all
 * members in their order, duplicates included, to MEMBERS (empty at the
 * start and on error).
 *
 * 0, or -1 with errno and a report that names the member and the offset:
 * EINVAL if it is not a tar, is cut short, has a wrong checksum, a size
 * past the end of BLOB or a sparse member, or exceeds a limit above; EIO,
 * ENOMEM.
 */
extern int tar_list (struct blob *blob, tar_member_vector *members);

#endif /* NBDLIFT_TAR_H */
