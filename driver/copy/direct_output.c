/* SPDX-License-Identifier: BSD-3-Clause
 *
 * O_DIRECT and io_uring.  Each run of data of a chunk is one write.  What
 * is not aligned (the end of a disk, a delta of a strange server) goes
 * through the page cache, in pages that no direct write touches.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "common/include/minmax.h"
#include "common/util/log.h"
#include "driver/copy/direct_output.h"

bool
direct_output_pays (int fd, const char **why)
{
  static const struct {
    long type;
    const char *name;
  } others[] = {
    { TMPFS_MAGIC, "tmpfs" }, { RAMFS_MAGIC, "ramfs" },
    { NFS_SUPER_MAGIC, "NFS" }, { SMB2_SUPER_MAGIC, "SMB" },
    { CIFS_SUPER_MAGIC, "CIFS" }, { CEPH_SUPER_MAGIC, "CephFS" },
    { FUSE_SUPER_MAGIC, "FUSE" }, { V9FS_MAGIC, "9p" },
  };
  struct statfs fs;
  struct stat st;
  size_t i;

  if (fstat (fd, &st) == -1 || fstatfs (fd, &fs) == -1) {
    *why = "fstatfs failed";
    return false;
  }
  if (S_ISBLK (st.st_mode))
    return true;
  for (i = 0; i < sizeof others / sizeof others[0]; i++)
    if ((long) fs.f_type == others[i].type) {
      *why = others[i].name;
      return false;
    }
  return true;
}

#ifdef HAVE_LIBURING

#include <liburing.h>

/* Writes in flight: more wait in the queue of the next system call. */
#define RING_ENTRIES 128

/* One write. */
struct op {
  struct op *next;              /* while it is free */
  struct chunk *chunk;
  uint64_t offset;
  const uint8_t *data;
  uint32_t len;
};

struct direct_output {
  struct disk_output *output;
  int fd;                       /* of the same file, with O_DIRECT */
  struct io_uring ring;
  unsigned queued;              /* writes that the kernel has not got */
  unsigned in_flight;           /* writes that have not ended, queued too */
  struct op *free_ops;
  struct job *ended;
};

static void reap (struct direct_output *d);

/* The same file with a description of its own: O_DIRECT is a flag of
 * that, and the other one must not have it.
 */
static int
open_direct (int fd)
{
  char path[64];

  if ((fcntl (fd, F_GETFL) & O_ACCMODE) == O_RDONLY) {
    errno = EBADF;
    return -1;
  }
  snprintf (path, sizeof path, "/proc/self/fd/%d", fd);
  return open (path, O_WRONLY | O_DIRECT | O_CLOEXEC);
}

struct direct_output *
direct_output_open (struct disk_output *o, int wake_fd, const char **why)
{
  struct io_uring_params params = { .flags = IORING_SETUP_CLAMP };
  struct direct_output *d = calloc (1, sizeof *d);
  int r;

  *why = "no memory";
  if (d == NULL)
    return NULL;
  d->output = o;
  d->fd = open_direct (o->fd);
  if (d->fd == -1) {
    *why = "the file system has no O_DIRECT";
    free (d);
    return NULL;
  }
  r = io_uring_queue_init_params (RING_ENTRIES, &d->ring, &params);
  if (r == 0) {
    r = io_uring_register_eventfd (&d->ring, wake_fd);
    if (r == 0)
      return d;
    io_uring_queue_exit (&d->ring);
  }
  *why = "io_uring is not allowed here";
  close (d->fd);
  free (d);
  errno = -r;
  return NULL;
}

void
direct_output_close (struct direct_output *d)
{
  struct op *op;

  if (d == NULL)
    return;
  while (d->in_flight > 0) {
    if (io_uring_submit_and_wait (&d->ring, 1) < 0 && errno != EINTR)
      log_debug ("io_uring: %m");
    reap (d);
  }
  io_uring_queue_exit (&d->ring);
  close (d->fd);
  while ((op = d->free_ops) != NULL) {
    d->free_ops = op->next;
    free (op);
  }
  free (d);
}

static void
fail_chunk (struct chunk *chunk, int err)
{
  if (chunk->job.error == 0)
    chunk->job.error = err;
}

/* One of the writes of CHUNK has ended, or all have been queued. */
static void
write_ended (struct direct_output *d, struct chunk *chunk)
{
  if (--chunk->writes > 0)
    return;
  chunk->job.next = d->ended;
  d->ended = &chunk->job;
}

static void
hand_over (struct direct_output *d)
{
  int r;

  if (d->queued == 0)
    return;
  r = io_uring_submit (&d->ring);
  if (r > 0)
    d->queued -= MIN ((unsigned) r, d->queued);
}

static void
queue (struct direct_output *d, struct op *op)
{
  struct io_uring_sqe *sqe;

  while ((sqe = io_uring_get_sqe (&d->ring)) == NULL) {
    hand_over (d);
    reap (d);
  }
  io_uring_prep_write (sqe, d->fd, op->data, op->len, op->offset);
  io_uring_sqe_set_data (sqe, op);
  d->queued++;
}

/* Through the page cache. */
static void
write_cached (struct direct_output *d, struct chunk *chunk, uint64_t offset,
              const uint8_t *data, size_t len)
{
  if (disk_output_data (d->output, offset, data, len) == -1)
    fail_chunk (chunk, errno);
}

static void
write_run (struct direct_output *d, struct chunk *chunk, uint64_t offset,
           const uint8_t *data, size_t len)
{
  const size_t tail = len % DIRECT_ALIGN;
  struct op *op = d->free_ops;

  if (tail > 0)
    write_cached (d, chunk, offset + (len - tail), data + (len - tail), tail);
  len -= tail;
  if (len == 0)
    return;
  if (op)
    d->free_ops = op->next;
  else if ((op = malloc (sizeof *op)) == NULL) {
    log_oom ();
    fail_chunk (chunk, ENOMEM);
    return;
  }
  op->chunk = chunk;
  op->offset = offset;
  op->data = data;
  op->len = len;
  chunk->writes++;
  d->in_flight++;
  queue (d, op);
}

static void
write_part (struct direct_output *d, struct chunk *chunk, uint64_t offset,
            uint64_t len)
{
  struct disk_output *o = d->output;
  const uint8_t *data = chunk->buf + (offset - chunk->offset);
  uint64_t at, n;
  bool zero;

  if (offset % DIRECT_ALIGN != 0) {
    write_cached (d, chunk, offset, data, len);
    return;
  }
  for (at = 0; at < len && chunk->job.error == 0; at += n) {
    n = disk_output_run (data + at, len - at,
                         MAX (o->granularity, DIRECT_ALIGN), &zero);
    if (!zero)
      write_run (d, chunk, offset + at, data + at, n);
    else if (disk_output_zero (o, offset + at, n) == -1)
      fail_chunk (chunk, errno);
  }
}

void
direct_output_give (struct direct_output *d, struct chunk *chunk)
{
  size_t i;

  chunk->writes = 1;
  for (i = 0; i < chunk->parts.len; i++) {
    const struct chunk_part *part = &chunk->parts.ptr[i];

    if (part->kind == EXTENT_DATA)
      write_part (d, chunk, part->offset, part->len);
    else if (part->kind == EXTENT_ZERO &&
             disk_output_zero (d->output, part->offset, part->len) == -1)
      fail_chunk (chunk, errno);
  }
  write_ended (d, chunk);
}

/* One completion. */
static void
op_ended (struct direct_output *d, struct op *op, int res)
{
  struct chunk *chunk = op->chunk;

  if (res == -EINTR || res == -EAGAIN) {
    queue (d, op);
    return;
  }
  if (res == -EINVAL || (res > 0 && res % DIRECT_ALIGN != 0)) {
    /* What this file system wants is more than we know. */
    write_cached (d, chunk, op->offset, op->data, op->len);
    res = op->len;
  }
  if (res > 0 && (uint32_t) res < op->len) {
    op->offset += res;
    op->data += res;
    op->len -= res;
    atomic_fetch_add (&d->output->written, res);
    queue (d, op);
    return;
  }
  if (res > 0)
    atomic_fetch_add (&d->output->written, res);
  else {
    errno = res == 0 ? ENOSPC : -res;
    disk_output_failed (d->output, "write", op->offset);
    fail_chunk (chunk, errno);
  }
  op->next = d->free_ops;
  d->free_ops = op;
  d->in_flight--;
  write_ended (d, chunk);
}

static void
reap (struct direct_output *d)
{
  struct io_uring_cqe *cqe;

  while (io_uring_peek_cqe (&d->ring, &cqe) == 0) {
    struct op *op = io_uring_cqe_get_data (cqe);
    const int res = cqe->res;

    io_uring_cqe_seen (&d->ring, cqe);
    op_ended (d, op, res);
  }
}

struct job *
direct_output_ended (struct direct_output *d)
{
  struct job *ended;

  hand_over (d);
  reap (d);
  hand_over (d);
  ended = d->ended;
  d->ended = NULL;
  return ended;
}

#else /* !HAVE_LIBURING */

struct direct_output *
direct_output_open (struct disk_output *o, int wake_fd, const char **why)
{
  *why = "this nbdlift was built without liburing";
  errno = ENOSYS;
  return NULL;
}

void
direct_output_close (struct direct_output *d)
{
}

void
direct_output_give (struct direct_output *d, struct chunk *chunk)
{
}

struct job *
direct_output_ended (struct direct_output *d)
{
  return NULL;
}

#endif /* !HAVE_LIBURING */
