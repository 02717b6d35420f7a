/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the files of common/vmdk share.
 *
 * A disk (vmdk.c) is a row of parts; each part is a flat file, a run of
 * zeroes or a sparse file.  vmdk_sparse.c knows a sparse file's header,
 * directory and tables; vmdk_stream.c finds them at the end of a stream;
 * vmdk_grain.c inflates grains; descriptor.c reads the text that says
 * which files make up the disk.
 */
#ifndef NBDLIFT_VMDK_PRIVATE_H
#define NBDLIFT_VMDK_PRIVATE_H

#include <endian.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/include/minmax.h"
#include "common/util/blob.h"
#include "common/util/vector.h"
#include "common/vmdk/vmdk.h"

/* Bounds.  Known writers use grains of 64 KiB and tables of 512 entries;
 * the limits leave room for others and keep the buffers small.
 */
#define VMDK_MIN_GRAIN_SIZE (4 * KIB)
#define VMDK_MAX_GRAIN_SIZE MIB
#define VMDK_MAX_TABLE_ENTRIES 4096
#define VMDK_MAX_DESCRIPTOR_SIZE MIB
#define VMDK_MAX_TABLES (UINT64_C (1) << 21)    /* 64 TiB as usual */
#define VMDK_MAX_PARTS 16384
#define VMDK_MAX_SIZE ((uint64_t) INT64_MAX)    /* as in NBD */

#define VMDK_GD_AT_END UINT64_MAX       /* gdOffset: read the footer */
#define VMDK_GRAIN_HEADER_SIZE 12       /* u64 LBA, u32 size */

/* The sparse extent header, decoded.  Offsets are in sectors. */
struct vmdk_header {
  uint32_t version;
  uint32_t flags;
  uint64_t capacity;
  uint64_t grain_sectors;
  uint64_t descriptor_offset, descriptor_sectors;
  uint32_t table_entries;
  uint64_t gd_offset;
  uint64_t overhead;            /* where the first grain may be */
  uint16_t compression;
  bool unclean;
};

#define VMDK_FLAG_NEWLINE_TEST (1U << 0)
#define VMDK_FLAG_ZEROED_GRAIN (1U << 2)
#define VMDK_FLAG_COMPRESSED (1U << 16)
#define VMDK_FLAG_MARKERS (1U << 17)

#define VMDK_COMPRESSION_NONE 0
#define VMDK_COMPRESSION_DEFLATE 1

/* Decoded grains, for reads of less than a grain.  It is shared by all
 * threads because nbdkit gives one client's requests to any of them.  A
 * slot's lock is held while its grain is inflated, so that others who
 * want the same grain wait for it instead of doing the work again.
 */
#define VMDK_CACHE_SLOTS 16

struct vmdk_sparse;
struct vmdk_decoder;

struct vmdk_cache_slot {
  pthread_mutex_t lock;         /* of all below */
  const struct vmdk_sparse *sparse; /* NULL: the slot is empty */
  uint64_t grain;
  unsigned char *data;
  size_t size;
};

struct vmdk_cache {
  struct vmdk_cache_slot slots[VMDK_CACHE_SLOTS];

  pthread_mutex_t lock;         /* of: */
  struct vmdk_decoder *idle;    /* vmdk_grain.c */
};

/* A sparse file.  Constant after open, except for the table pointers,
 * each of which changes once, from NULL.
 */
struct vmdk_sparse {
  struct blob *blob;            /* owned */
  struct vmdk_cache *cache;     /* of the disk */
  struct vmdk_header header;
  uint64_t capacity;            /* bytes */
  uint64_t grain_size;          /* bytes, a power of two */
  uint64_t nr_grains;
  uint64_t nr_tables;
  uint64_t data_end;            /* bytes; the footer's or the file's end */
  bool compressed;
  uint32_t *directory;          /* sector of each table; 0 = no table, all
                                   of its grains are zero */
  _Atomic (uint32_t *) *tables; /* sector of each grain */
};

#define VMDK_IS_HOLE(sparse, entry)                                     \
  ((entry) == 0 ||                                                      \
   ((entry) == 1 && ((sparse)->header.flags & VMDK_FLAG_ZEROED_GRAIN)))

static inline uint32_t
get_le32 (const unsigned char *p)
{
  uint32_t v;

  memcpy (&v, p, sizeof v);
  return le32toh (v);
}

static inline uint64_t
get_le64 (const unsigned char *p)
{
  uint64_t v;

  memcpy (&v, p, sizeof v);
  return le64toh (v);
}

/* vmdk_sparse.c */

/* Open a sparse file; BLOB is owned from the call on, also on failure.
 * NULL with errno, reported.
 */
extern struct vmdk_sparse *vmdk_sparse_open (struct blob *blob,
                                             struct vmdk_cache *cache);
extern void vmdk_sparse_close (struct vmdk_sparse *s);

/* Decode and check 512 bytes found at OFFSET of BLOB.  0, or -1 with
 * errno EINVAL or ENOTSUP, reported.
 */
extern int vmdk_header_decode (const struct blob *blob, uint64_t offset,
                               const unsigned char sector[512],
                               struct vmdk_header *header);

/* The table that holds grain INDEX * header.table_entries and those
 * after it, loaded if need be, into *TABLE; NULL there when all of its
 * grains are zero.  Thread safe.  0, or -1 with errno EIO or ENOMEM,
 * reported.
 */
extern int vmdk_sparse_table (struct vmdk_sparse *s, uint64_t index,
                              const uint32_t **table);

/* The sector of GRAIN into *ENTRY, 0 if it is zero.  As above. */
extern int vmdk_sparse_entry (struct vmdk_sparse *s, uint64_t grain,
                              uint32_t *entry);

/* Bytes of GRAIN that lie inside of the disk: less than a grain only for
 * the last one.
 */
static inline uint64_t
vmdk_sparse_grain_bytes (const struct vmdk_sparse *s, uint64_t grain)
{
  return MIN (s->grain_size, s->capacity - grain * s->grain_size);
}

/* Read inside of [0, capacity). */
extern int vmdk_sparse_pread (struct vmdk_sparse *s, void *buf,
                              uint64_t count, uint64_t offset);

/* Call FN for the runs of [offset, offset+count), inside of [0,
 * capacity).  Runs of one type can follow each other.  0 or what FN
 * returned when it was not 0; -1 with errno, reported.
 */
typedef int (*vmdk_run_fn) (void *opaque, uint64_t offset, uint64_t length,
                            uint32_t type);
extern int vmdk_sparse_runs (struct vmdk_sparse *s, uint64_t count,
                             uint64_t offset, vmdk_run_fn fn, void *opaque);

/* vmdk_stream.c */

/* Look for the footer of a stream.  1 if it is there, with *HEADER and
 * *MARKER_OFFSET (bytes) set; 0 if the file does not end in one; -1 with
 * errno, reported.
 */
extern int vmdk_stream_footer (struct blob *blob, struct vmdk_header *header,
                               uint64_t *marker_offset);

/* Build all tables of S, whose header fields and nr_tables are set and
 * whose tables are all NULL, from the markers of the stream.  0, or -1
 * with errno, reported.
 */
extern int vmdk_stream_scan (struct vmdk_sparse *s);

/* vmdk_grain.c */

/* Read inside of [0, capacity) of a compressed file. */
extern int vmdk_grain_pread (struct vmdk_sparse *s, unsigned char *buf,
                             uint64_t count, uint64_t offset);

extern void vmdk_cache_init (struct vmdk_cache *cache);
extern void vmdk_cache_destroy (struct vmdk_cache *cache);

/* descriptor.c */

enum vmdk_part_type {
  VMDK_PART_SPARSE,
  VMDK_PART_FLAT,               /* also "VMFS" */
  VMDK_PART_ZERO,
  /* Only in chains: */
  VMDK_PART_COWD,               /* "VMFSSPARSE" */
  VMDK_PART_SESPARSE,
};

/* An extent line. */
struct vmdk_descriptor_part {
  enum vmdk_part_type type;
  uint64_t sectors;             /* never 0 */
  char *name;                   /* file, unchecked; NULL: zeroes */
  uint64_t offset;              /* sectors, FLAT only */
};

DEFINE_VECTOR_TYPE (vmdk_part_vector, struct vmdk_descriptor_part);

struct vmdk_descriptor {
  char *create_type;            /* NULL: not given */
  char *cid;                    /* in a chain; NULL: not given */
  char *parent_cid;             /* NULL: it has no parent */
  char *parent_hint;            /* file of the parent, NULL: not given */
  vmdk_part_vector parts;
};

/* Read SIZE bytes of descriptor text at OFFSET of BLOB.  The text ends
 * at the first NUL.  Descriptors of encrypted disks are refused, and,
 * unless this is a link of a CHAIN, those of delta disks.  0, or -1 with
 * errno (EINVAL, ENOTSUP, ENOMEM, EIO), reported; *DESCRIPTOR is then
 * empty.
 */
extern int vmdk_descriptor_read (struct blob *blob, uint64_t offset,
                                 uint64_t size, bool chain,
                                 struct vmdk_descriptor *descriptor);
extern void vmdk_descriptor_free (struct vmdk_descriptor *descriptor);
#define CLEANUP_VMDK_DESCRIPTOR                                         \
  __attribute__ ((cleanup (vmdk_descriptor_free)))

/* vmdk.c */

/* Extents are looked for next to the descriptor BLOB and nowhere else.
 * 0, or -1 with errno EINVAL, reported.
 */
extern int vmdk_check_name (const struct blob *blob, const char *name);

/* vmdk_delta.c, delta_walk.c, cowd.c, sesparse.c */

/* What a grain of a delta is: that of the parent, zeroes, or stored. */
enum vmdk_grain {
  VMDK_GRAIN_PARENT,
  VMDK_GRAIN_ZERO,
  VMDK_GRAIN_DATA,
};

struct vmdk_delta;

/* Of which kind the entry P of a table is, and where its grain is stored
 * (bytes in the file, unchecked, DATA only).  False if it is no entry.
 */
typedef bool (*vmdk_entry_decode) (const struct vmdk_delta *delta,
                                   const unsigned char *p,
                                   enum vmdk_grain *kind, uint64_t *where);

/* An ESXi snapshot's extent, open.  Constant after that. */
struct vmdk_delta {
  struct blob *blob;            /* owned */
  const char *kind;             /* "COWD", for messages */
  uint64_t capacity;            /* bytes */
  uint64_t grain_size;          /* bytes, a power of two */
  uint64_t nr_tables;           /* that the capacity needs */
  uint32_t table_entries;
  size_t entry_size;            /* bytes */
  vmdk_entry_decode decode;
  uint64_t grains_start;        /* no grain is stored before that, bytes */
  uint64_t *directory;          /* where each table is, bytes; 0: none, all
                                   of its grains are the parent's */
};

/* Open the extent of a snapshot of type COWD or SESPARSE.  BLOB is owned
 * from the call on, also on failure.  Memory is 8 bytes for each table
 * that the file has room for in its directory.  NULL with errno (EINVAL,
 * ENOTSUP, EIO, ENOMEM), reported.
 */
extern struct vmdk_delta *vmdk_delta_open (struct blob *blob,
                                           enum vmdk_part_type type);
extern void vmdk_delta_close (struct vmdk_delta *delta);

/* Call FN for the runs of all grains in order, from 0 to the capacity.
 * WHERE is that of the first byte of a DATA run, whose bytes lie together
 * in the file, all inside of it.  Several threads read the tables; FN is
 * called by this one.  0, or -1 with errno, reported (or FN returned -1).
 */
typedef int (*vmdk_delta_fn) (void *opaque, uint64_t offset,
                              uint64_t length, enum vmdk_grain kind,
                              uint64_t where);
extern int vmdk_delta_walk (struct vmdk_delta *delta, vmdk_delta_fn fn,
                            void *opaque);

static inline uint64_t
vmdk_delta_table_bytes (const struct vmdk_delta *delta)
{
  return delta->table_entries * delta->entry_size;
}

/* For the two kinds: fill DELTA, whose blob is set, from the header. */
extern int vmdk_cowd_load (struct vmdk_delta *delta);
extern int vmdk_sesparse_load (struct vmdk_delta *delta);

/* Read COUNT bytes of metadata called WHAT.  -1 with errno EINVAL,
 * reported, if they are not inside of the file.
 */
extern int vmdk_delta_read (struct vmdk_delta *delta, const char *what,
                            void *buf, uint64_t count, uint64_t offset);
/* WHAT in the header is VALUE, which cannot be.  Returns -1, EINVAL. */
extern int vmdk_delta_bad (const struct vmdk_delta *delta, const char *what,
                           uint64_t value);

#endif /* NBDLIFT_VMDK_PRIVATE_H */
