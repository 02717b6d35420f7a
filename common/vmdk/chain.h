/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reading a disk with snapshots as ESXi keeps it: a chain of links, each a
 * descriptor with its extents.  The first link is the disk as it is now,
 * the last one the base, which has no parent.  A chain of one link is a
 * disk without snapshots.
 *
 * Extents can be VMFS and FLAT, ZERO, VMFSSPARSE (COWD), SESPARSE and
 * VMFSRDM.
 */
#ifndef NBDLIFT_VMDK_CHAIN_H
#define NBDLIFT_VMDK_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/extents/extents.h"
#include "common/util/blob.h"

struct vmdk_chain;

/* Where the files are.  Called by vmdk_chain_open alone. */
struct vmdk_chain_files {
  /* The descriptor of link LINK, 0 first; NULL with errno and a report. */
  struct blob *(*open_descriptor) (void *opaque, size_t link);
  /* The extent NAME of link LINK, which holds no directory part (checked
   * before the call).  NULL with errno and a report.
   */
  struct blob *(*open_extent) (void *opaque, size_t link, const char *name);
  /* LINK has a parent, by its descriptor the file HINT (NULL if it does
   * not say).  Find link LINK + 1: 0, or -1 with errno and a report.
   */
  int (*find_parent) (void *opaque, size_t link, const char *hint);
  void *opaque;
};

/* Open all links and check that they fit together: sizes, and the CID of
 * each parent.  Descriptors, headers and directories are read.  NULL with
 * errno (EINVAL broken, ENOTSUP a kind that is refused, EIO, ...) and a
 * report that names the file and the remedy.
 */
extern struct vmdk_chain *
vmdk_chain_open (const struct vmdk_chain_files *files);
extern void vmdk_chain_close (struct vmdk_chain *chain);

/* Capacity in bytes. */
extern uint64_t vmdk_chain_size (const struct vmdk_chain *chain);
/* How many links there are; 1 without snapshots. */
extern size_t vmdk_chain_links (const struct vmdk_chain *chain);
/* "VMFS", "VMFS, 2 snapshots (seSparse)": for people. */
extern const char *vmdk_chain_kind (const struct vmdk_chain *chain);

/* Read all tables and find out where each byte of the disk is stored.  To
 * be called once, before the functions below.  ALLOCATED, unless NULL, is
 * what the platform knows of the disk (as large as it): where it is a
 * HOLE, what no snapshot holds is zero, and the base is not read.
 *
 * Memory is 24 bytes for each run of grains that are stored together, and
 * 32 more while a link is read, at most as many as the tables in the files
 * have entries.  0, or -1 with errno and a report; it can then be called
 * again.
 */
extern int vmdk_chain_load (struct vmdk_chain *chain,
                            const struct extents *allocated);

/* Read exactly COUNT bytes; zeroes are not read from anywhere.  Thread
 * safe.  0, or -1 with errno, reported.
 */
extern int vmdk_chain_pread (struct vmdk_chain *chain, void *buf,
                             size_t count, uint64_t offset);

/* As vmdk_extents. */
extern int vmdk_chain_extents (const struct vmdk_chain *chain,
                               uint64_t count, uint64_t offset, bool one,
                               int (*fn) (void *opaque, uint64_t offset,
                                          uint64_t length, uint32_t type),
                               void *opaque);

/* Call FN for each piece of a plain (FLAT) file BLOB, which open_extent
 * gave, that the disk shows, in ascending order; stop when it returns -1 and
 * return -1.
 */
extern int vmdk_chain_used (const struct vmdk_chain *chain,
                            int (*fn) (void *opaque, struct blob *blob,
                                       uint64_t offset, uint64_t length),
                            void *opaque);

static inline void
cleanup_vmdk_chain (struct vmdk_chain **chain)
{
  vmdk_chain_close (*chain);
}
#define CLEANUP_VMDK_CHAIN __attribute__ ((cleanup (cleanup_vmdk_chain)))

#endif /* NBDLIFT_VMDK_CHAIN_H */
