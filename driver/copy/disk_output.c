/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Writing a disk to a file or block device.
 *
 * Dirty pages: each range is handed to the storage as soon as it is
 * written; when DISK_OUTPUT_WINDOWS others have followed it, we wait for it,
 * and some way behind that we drop its pages.  So a copy never floods the
 * page cache, and the fsync at the end finds little to do.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/include/minmax.h"
#include "common/util/log.h"
#include "common/util/pread_full.h"
#include "common/util/strbuf.h"
#include "driver/copy/disk_output.h"
#include "driver/copy/is_zero.h"

/* A file system block: nothing smaller can be a hole. */
#define HOLE_GRANULARITY (4 * KIB)

/* Each zero range of a block device is a request that waits: short ones
 * cost more than writing them.
 */
#define DEVICE_GRANULARITY (64 * KIB)

/* Pages are dropped in multiples of this: a folio of the page cache that
 * is asked for in parts stays (seen with ext4 of Linux 6.18).
 */
#define DROP_STEP (32 * MIB)

/* From best to worst. */
enum zero_method { ZERO_PUNCH, ZERO_RANGE, ZERO_DEVICE, ZERO_WRITE };

int
disk_output_failed (struct disk_output *o, const char *what, uint64_t offset)
{
  const int err = errno;

  pthread_mutex_lock (&o->lock);
  if (o->error == 0) {
    o->error = err;
    o->error_what = what;
    o->error_offset = offset;
  }
  pthread_mutex_unlock (&o->lock);
  errno = err;
  return -1;
}

int
disk_output_read_back (struct disk_output *o, void *buf, size_t len,
                       uint64_t offset)
{
  size_t got;
  int r = pread_full (o->fd, buf, len, offset, &got);

  if (r == 0 && got == len)
    return 0;
  if (r == 0)
    errno = ESTALE;
  return disk_output_failed (o, "read", offset + got);
}

void
disk_output_report (const struct disk_output *o)
{
  const char *remedy = "";

  if (o->error == 0)
    return;
  if (o->error == ENOSPC || o->error == EDQUOT)
    remedy = "; make room there, or choose another place, and start again";
  else if (o->error == EFBIG)
    remedy = "; the file system or \"ulimit -f\" does not allow a file of "
             "this size";
  else if (o->error == ESTALE)
    remedy = "; somebody else changes it: see who, and begin again without "
             "its journal";
  else if (o->error == EIO)
    remedy = "; the storage below the target is broken (see dmesg)";
  errno = o->error;
  log_error ("disk %s: target %s: cannot %s at offset %" PRIu64 ": %m%s",
             printable (o->disk), printable (o->target), o->error_what,
             o->error_offset, remedy);
}

/* Look at what FD is. */
static int
prepare (struct disk_output *o, uint64_t size, uint64_t *have)
{
  struct stat st;

  if (fstat (o->fd, &st) == -1)
    return disk_output_failed (o, "stat", 0);
  o->block = S_ISBLK (st.st_mode);
  if (o->block) {
    if (ioctl (o->fd, BLKGETSIZE64, have) == -1)
      return disk_output_failed (o, "get the size of the device", 0);
    if (*have >= size)
      return 0;
    log_error ("disk %s: target %s has only %" PRIu64 " bytes, the disk "
               "has %" PRIu64 ": choose a larger device",
               printable (o->disk), printable (o->target), *have, size);
    errno = ENOSPC;
    return -1;
  }
  if (S_ISREG (st.st_mode)) {
    *have = st.st_size;
    o->size = MAX (*have, size);
    if (*have < size && ftruncate (o->fd, size) == -1)
      return disk_output_failed (o, "set the size of the file", size);
    return 0;
  }
  log_error ("disk %s: target %s is neither a regular file nor a block "
             "device", printable (o->disk), printable (o->target));
  errno = EINVAL;
  return -1;
}

int
disk_output_open (struct disk_output *o, int fd, const char *disk,
                  const char *target, uint64_t size, bool is_zero)
{
  uint64_t have = 0;
  int err;

  memset (o, 0, sizeof *o);
  o->fd = fd;
  o->disk = disk;
  o->target = target;
  o->is_zero = is_zero;
  pthread_mutex_init (&o->lock, NULL);

  if (prepare (o, size, &have) == 0) {
    o->granularity = o->block && !is_zero ? DEVICE_GRANULARITY
                                          : HOLE_GRANULARITY;
    if (o->block || have <= size ||
        disk_output_zero (o, size, have - size) == 0)
      return 0;
  }
  err = errno;
  disk_output_report (o);
  disk_output_close (o);
  errno = err;
  return -1;
}

void
disk_output_close (struct disk_output *o)
{
  pthread_mutex_destroy (&o->lock);
}

static int
write_fully (struct disk_output *o, uint64_t offset, const uint8_t *data,
             size_t len)
{
  while (len > 0) {
    ssize_t r = pwrite (o->fd, data, len, offset);

    if (r == -1) {
      if (errno == EINTR)
        continue;
      return -1;
    }
    if (r == 0) {
      errno = ENOSPC;
      return -1;
    }
    data += r;
    offset += r;
    len -= r;
  }
  return 0;
}

/* Send the range to the storage, and wait for and forget the one that
 * was sent DISK_OUTPUT_WINDOWS ranges ago.
 */
static int
write_back (struct disk_output *o, uint64_t offset, uint64_t length)
{
  uint64_t old_offset, old_length, from, to;

  if (atomic_load (&o->no_writeback))
    return 0;
  if (sync_file_range (o->fd, offset, length,
                       SYNC_FILE_RANGE_WRITE) == -1)
    goto error;

  pthread_mutex_lock (&o->lock);
  old_offset = o->window[o->next_window].offset;
  old_length = o->window[o->next_window].length;
  o->window[o->next_window].offset = offset;
  o->window[o->next_window].length = length;
  o->next_window = (o->next_window + 1) % DISK_OUTPUT_WINDOWS;
  pthread_mutex_unlock (&o->lock);

  if (old_length == 0)
    return 0;
  if (sync_file_range (o->fd, old_offset, old_length,
                       SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                       SYNC_FILE_RANGE_WAIT_AFTER) == -1) {
    offset = old_offset;
    goto error;
  }

  /* Ranges come nearly in order; what is dirty still is not dropped. */
  to = old_offset - MIN (old_offset, DROP_STEP);
  to -= to % DROP_STEP;
  pthread_mutex_lock (&o->lock);
  from = o->dropped;
  o->dropped = MAX (from, to);
  pthread_mutex_unlock (&o->lock);
  if (to > from)
    posix_fadvise (o->fd, from, to - from, POSIX_FADV_DONTNEED);
  return 0;

 error:
  if (errno == EIO || errno == ENOSPC || errno == EDQUOT)
    return disk_output_failed (o, "write", offset);
  atomic_store (&o->no_writeback, true);
  return 0;
}

size_t
disk_output_run (const uint8_t *data, size_t len, uint64_t granularity,
                 bool *zero)
{
  size_t end, n;

  n = MIN (granularity, len);
  *zero = is_all_zero (data, n);
  for (end = n; end < len; end += n) {
    n = MIN (granularity, len - end);
    if (is_all_zero (data + end, n) != *zero)
      break;
  }
  return end;
}

int
disk_output_data (struct disk_output *o, uint64_t offset, const uint8_t *data,
             size_t len)
{
  size_t at, n;
  bool zero;

  for (at = 0; at < len; at += n) {
    n = disk_output_run (data + at, len - at, o->granularity, &zero);
    if (zero) {
      if (disk_output_zero (o, offset + at, n) == -1)
        return -1;
    }
    else {
      if (write_fully (o, offset + at, data + at, n) == -1)
        return disk_output_failed (o, "write", offset + at);
      atomic_fetch_add (&o->written, n);
    }
  }
  return write_back (o, offset, len);
}

static int
write_zeroes (struct disk_output *o, uint64_t offset, uint64_t len)
{
  static const uint8_t zeroes[64 * 1024];
  uint64_t n;

  for (; len > 0; offset += n, len -= n) {
    n = MIN (len, sizeof zeroes);
    if (write_fully (o, offset, zeroes, n) == -1)
      return -1;
  }
  return 0;
}

/* Zero one range with METHOD. */
static int
zero_once (struct disk_output *o, enum zero_method method, uint64_t offset,
           uint64_t len)
{
  uint64_t range[2] = { offset, len };

  switch (method) {
  case ZERO_PUNCH:
    return fallocate (o->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                      offset, len);
  case ZERO_RANGE:
    return fallocate (o->fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
                      offset, len);
  case ZERO_DEVICE:
    if (!o->block) {
      errno = EOPNOTSUPP;
      return -1;
    }
    return ioctl (o->fd, BLKZEROOUT, range);
  case ZERO_WRITE:
    break;
  }
  return write_zeroes (o, offset, len);
}

static bool
means_unsupported (int err)
{
  return err == EOPNOTSUPP || err == ENOSYS || err == ENOTTY ||
    err == EINVAL || err == EPERM || err == ENODEV;
}

int
disk_output_zero (struct disk_output *o, uint64_t offset, uint64_t len)
{
  int method;

  if (o->is_zero || len == 0)
    return 0;

  method = atomic_load (&o->zero_method);
  while (zero_once (o, method, offset, len) == -1) {
    if (errno == EINTR)
      continue;
    if (method == ZERO_WRITE || !means_unsupported (errno))
      return disk_output_failed (o, "make a hole", offset);
    /* A device refuses what is not aligned to its sectors: that says
     * nothing of other ranges.
     */
    method++;
    if (offset % HOLE_GRANULARITY == 0 && len % HOLE_GRANULARITY == 0)
      atomic_store (&o->zero_method, method);
  }
  return 0;
}

/* Is the file still as long as it was made? */
static int
check_size (struct disk_output *o)
{
  struct stat st;

  if (o->block)
    return 0;
  if (fstat (o->fd, &st) == -1)
    return disk_output_failed (o, "stat", 0);
  if ((uint64_t) st.st_size >= o->size)
    return 0;
  errno = ESTALE;
  return disk_output_failed (o, "keep what was written: the file was cut",
                             st.st_size);
}

int
disk_output_checkpoint (struct disk_output *o)
{
  if (check_size (o) == -1)
    return -1;
  if (fdatasync (o->fd) == -1)
    return disk_output_failed (o, "flush what was written", 0);
  return check_size (o);
}

int
disk_output_flush (struct disk_output *o)
{
  if (fsync (o->fd) == -1)
    return disk_output_failed (o, "flush what was written", 0);
  posix_fadvise (o->fd, 0, 0, POSIX_FADV_DONTNEED);
  return check_size (o);
}
