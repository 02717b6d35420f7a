/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The plain kinds of blob: local file, window, several joined, memory.
 * blob_pread checks the range once for all of them; the kinds that refer
 * to other blobs read through blob_pread again, so that each level checks
 * its own limits.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/include/checked.h"
#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/blob.h"
#include "common/util/log.h"
#include "common/util/pread_full.h"
#include "common/util/strbuf.h"

int
blob_pread (struct blob *blob, void *buf, size_t count, uint64_t offset)
{
  if (!range_inside (offset, count, blob->size)) {
    log_error ("%s: read of %zu bytes at offset %" PRIu64
               " is outside of the file, which has %" PRIu64
               " bytes: it is damaged or was cut short",
               printable (blob->name), count, offset, blob->size);
    errno = EIO;
    return -1;
  }
  if (count == 0)
    return 0;
  return blob->ops->pread (blob, buf, count, offset);
}

void
blob_close (struct blob *blob)
{
  if (blob == NULL)
    return;
  free (blob->name);
  blob->ops->close (blob);
}

/* Local files. */

struct file_blob {
  struct blob blob;
  int fd;
};

static int
file_pread (struct blob *blob, void *buf, size_t count, uint64_t offset)
{
  struct file_blob *f = (struct file_blob *) blob;
  size_t got;

  if (pread_full (f->fd, buf, count, offset, &got) == -1) {
    log_error ("%s: read of %zu bytes at offset %" PRIu64 ": %m",
               printable (blob->name), count - got, offset + got);
    return -1;
  }
  if (got < count) {
    log_error ("%s: ends at offset %" PRIu64 ", but had %" PRIu64
               " bytes when it was opened: something changes the file, "
               "try again when that is over",
               printable (blob->name), offset + got, blob->size);
    errno = EIO;
    return -1;
  }
  return 0;
}

static void
file_close (struct blob *blob)
{
  struct file_blob *f = (struct file_blob *) blob;

  close (f->fd);
  free (f);
}

static const struct blob_ops file_ops = {
  .pread = file_pread,
  .close = file_close,
};

/* Size of the open file, or -1, reported. */
static int64_t
size_of_fd (int fd, const char *path)
{
  struct stat st;
  off_t end;

  if (fstat (fd, &st) == -1) {
    log_error ("%s: %m", printable (path));
    return -1;
  }
  if (S_ISREG (st.st_mode))
    return st.st_size;
  if (S_ISBLK (st.st_mode)) {
    end = lseek (fd, 0, SEEK_END);
    if (end == -1)
      log_error ("%s: cannot find the size of the device: %m",
                 printable (path));
    return end;
  }
  log_error ("%s: neither a file nor a block device", printable (path));
  errno = S_ISDIR (st.st_mode) ? EISDIR : EINVAL;
  return -1;
}

struct blob *
blob_open_file (const char *path)
{
  /* O_NONBLOCK: a FIFO put there must not hang us. */
  CLEANUP_CLOSE int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct file_blob *f;
  int64_t size;

  if (fd == -1) {
    log_error ("%s: %m", printable (path));
    return NULL;
  }
  size = size_of_fd (fd, path);
  if (size == -1)
    return NULL;

  f = calloc (1, sizeof *f);
  if (f == NULL || (f->blob.name = strdup (path)) == NULL) {
    free (f);
    log_oom ();
    return NULL;
  }
  f->blob.ops = &file_ops;
  f->blob.size = size;
  f->fd = fd;
  fd = -1;
  return &f->blob;
}

/* Windows. */

struct window_blob {
  struct blob blob;
  struct blob *parent;
  bool own_parent;
  uint64_t offset;
};

static int
window_pread (struct blob *blob, void *buf, size_t count, uint64_t offset)
{
  struct window_blob *w = (struct window_blob *) blob;

  /* Cannot overflow: the window was checked to be inside the parent. */
  return blob_pread (w->parent, buf, count, w->offset + offset);
}

static void
window_close (struct blob *blob)
{
  struct window_blob *w = (struct window_blob *) blob;

  if (w->own_parent)
    blob_close (w->parent);
  free (w);
}

static const struct blob_ops window_ops = {
  .pread = window_pread,
  .close = window_close,
};

struct blob *
blob_open_window (struct blob *parent, bool own_parent, uint64_t offset,
                  uint64_t size, const char *name)
{
  struct window_blob *w = NULL;
  int err;

  if (!range_inside (offset, size, parent->size)) {
    log_error ("%s: %" PRIu64 " bytes at offset %" PRIu64
               " are not inside of %s, which has %" PRIu64
               " bytes: it is damaged or was cut short", printable (name),
               size, offset, printable (parent->name), parent->size);
    err = EINVAL;
    goto err;
  }
  w = calloc (1, sizeof *w);
  if (w == NULL || (w->blob.name = strdup (name)) == NULL) {
    log_oom ();
    err = ENOMEM;
    goto err;
  }
  w->blob.ops = &window_ops;
  w->blob.size = size;
  w->parent = parent;
  w->own_parent = own_parent;
  w->offset = offset;
  return &w->blob;

 err:
  free (w);
  if (own_parent)
    blob_close (parent);
  errno = err;
  return NULL;
}

/* Several, one after the other. */

struct joined_blob {
  struct blob blob;
  struct blob **parts;
  uint64_t *starts;             /* offset of each part; n + 1 entries */
  size_t n;
};

static int
joined_pread (struct blob *blob, void *buf, size_t count, uint64_t offset)
{
  struct joined_blob *j = (struct joined_blob *) blob;
  size_t low = 0, high = j->n, mid;
  char *p = buf;

  /* The last part that starts at or before OFFSET. */
  while (high - low > 1) {
    mid = low + (high - low) / 2;
    if (j->starts[mid] <= offset)
      low = mid;
    else
      high = mid;
  }

  while (count > 0) {
    uint64_t n = MIN ((uint64_t) count, j->starts[low + 1] - offset);

    if (n > 0 &&
        blob_pread (j->parts[low], p, n, offset - j->starts[low]) == -1)
      return -1;
    p += n;
    count -= n;
    offset += n;
    low++;
  }
  return 0;
}

static void
joined_close (struct blob *blob)
{
  struct joined_blob *j = (struct joined_blob *) blob;
  size_t i;

  for (i = 0; i < j->n; ++i)
    blob_close (j->parts[i]);
  free (j->parts);
  free (j->starts);
  free (j);
}

static const struct blob_ops joined_ops = {
  .pread = joined_pread,
  .close = joined_close,
};

struct blob *
blob_open_joined (struct blob **parts, size_t n, const char *name)
{
  struct joined_blob *j;
  uint64_t total = 0;
  size_t i;
  int err = ENOMEM;

  j = calloc (1, sizeof *j);
  if (j == NULL)
    goto oom;
  /* calloc checks the multiplication; + 1 cannot overflow for an array
   * that exists.
   */
  j->parts = calloc (n + 1, sizeof *j->parts);
  j->starts = calloc (n + 1, sizeof *j->starts);
  j->blob.name = strdup (name);
  if (!j->parts || !j->starts || !j->blob.name)
    goto oom;

  for (i = 0; i < n; ++i) {
    j->parts[i] = parts[i];
    j->starts[i] = total;
    if (!checked_add (total, parts[i]->size, &total)) {
      log_error ("%s: its %zu pieces are larger than 2^64 bytes",
                 printable (name), n);
      err = EINVAL;
      goto err;
    }
  }
  j->starts[n] = total;
  j->n = n;
  j->blob.ops = &joined_ops;
  j->blob.size = total;
  return &j->blob;

 oom:
  log_oom ();
 err:
  if (j) {
    free (j->parts);
    free (j->starts);
    free (j->blob.name);
    free (j);
  }
  for (i = 0; i < n; ++i)
    blob_close (parts[i]);
  errno = err;
  return NULL;
}

/* Memory. */

struct memory_blob {
  struct blob blob;
  char *data;
};

static int
memory_pread (struct blob *blob, void *buf, size_t count, uint64_t offset)
{
  struct memory_blob *m = (struct memory_blob *) blob;

  memcpy (buf, m->data + offset, count);
  return 0;
}

static void
memory_close (struct blob *blob)
{
  struct memory_blob *m = (struct memory_blob *) blob;

  free (m->data);
  free (m);
}

static const struct blob_ops memory_ops = {
  .pread = memory_pread,
  .close = memory_close,
};

struct blob *
blob_open_memory (const void *data, size_t size, const char *name)
{
  struct memory_blob *m;

  m = calloc (1, sizeof *m);
  if (m == NULL)
    goto oom;
  m->data = malloc (MAX (size, (size_t) 1));
  m->blob.name = strdup (name);
  if (!m->data || !m->blob.name)
    goto oom;
  if (size > 0)
    memcpy (m->data, data, size);
  m->blob.ops = &memory_ops;
  m->blob.size = size;
  return &m->blob;

 oom:
  if (m) {
    free (m->data);
    free (m->blob.name);
    free (m);
  }
  log_oom ();
  return NULL;
}
