/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The digests of what a file or an NBD export holds now.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/log.h"
#include "common/util/pread_full.h"
#include "common/util/strbuf.h"
#include "driver/copy/copy.h"
#include "driver/copy/digest_tree_private.h"
#include "driver/copy/nbd_client.h"
#include "driver/copy/reader.h"
#include "driver/copy/workers.h"

#define NBD_CONNECTIONS 4

/* Threads that read a file: reading takes longer than the digests, so that
 * two keep the disk or the memory busy.
 */
#define FILE_WORKERS 2

/* Of what is read once, no more than about twice this stays in the page
 * cache.  Large steps: the kernel's folios can be larger than a block, and
 * those that are only partly dropped stay (measured with Linux 6.18 and
 * ext4: all of a file stayed when block after block was dropped, and
 * reading it took twice as long).
 */
#define DROP_STEP (UINT64_C (32) << 20)

struct scan {
  struct digest_tree *tree;
  bool (*progress) (void *opaque, uint64_t done, uint64_t total);
  void *opaque;

  /* Of a file: */
  int fd;
  _Atomic uint64_t done;
  atomic_bool stop;
  int read_error;               /* the first, or 0; set by who set stop */
  uint64_t read_error_offset;
  pthread_mutex_t lock;         /* of: */
  uint64_t next;                /* the first byte that no thread has */
  uint64_t data_end;            /* end of the data that next is in */
  uint64_t dropped;             /* the first byte that the cache may have */
};

static int
scan_data (void *opaque, uint64_t offset, const uint8_t *data, size_t len)
{
  struct scan *scan = opaque;

  return digest_tree_add (scan->tree, offset, data, len);
}

static int
scan_zero (void *opaque, uint64_t offset, uint64_t len)
{
  struct scan *scan = opaque;

  return digest_tree_add_zero (scan->tree, offset, len);
}

static bool
scan_tick (void *opaque, const struct copy_progress *progress)
{
  const struct scan *scan = opaque;

  return scan->progress (scan->opaque, progress->done, progress->size);
}

struct digest_tree *
digest_tree_of_nbd (const char *uri, const struct digest_tree *like,
                    const char *name,
                    bool (*progress) (void *opaque, uint64_t done,
                                      uint64_t total), void *opaque)
{
  struct scan scan = { .progress = progress, .opaque = opaque };
  const struct reader_consumer consumer = {
    .data = scan_data, .zero = scan_zero, .opaque = &scan };
  const struct copy_options options = {
    .progress = progress ? scan_tick : NULL, .opaque = &scan };
  struct copy_result result = { 0 };
  struct nbd_client client;
  int err;

  if (nbd_client_open (&client, uri, NBD_CONNECTIONS, NULL,
                       NBD_CLIENT_STALL_SECONDS, NULL, NULL) == -1) {
    log_error ("disk %s: %s", printable (name), client.failure);
    return NULL;
  }
  scan.tree = digest_tree_make (client.size, digest_tree_type (like),
                                digest_tree_key (like));
  if (scan.tree == NULL ||
      reader_run (&client, name, &consumer, &options, &result) == -1) {
    err = errno;
    digest_tree_free (scan.tree);
    scan.tree = NULL;
    errno = err;
  }
  err = errno;
  nbd_client_close (&client);
  errno = err;
  return scan.tree;
}

/* Go to the next block that may hold data.  0, or -1 with errno. */
static int
skip_hole (struct scan *scan)
{
  const uint64_t size = digest_tree_size (scan->tree);
  uint64_t data = scan->next;
  off_t r;

  r = lseek (scan->fd, scan->next, SEEK_DATA);
  if (r >= 0)
    data = MIN ((uint64_t) r / DIGEST_BLOCK * DIGEST_BLOCK, size);
  else if (errno == ENXIO)      /* only a hole follows */
    data = size;
  if (digest_tree_add_zero (scan->tree, scan->next, data - scan->next) == -1)
    return -1;
  atomic_fetch_add (&scan->done, data - scan->next);
  scan->next = data;
  r = lseek (scan->fd, r >= 0 ? r : (off_t) data, SEEK_HOLE);
  scan->data_end = r >= 0 ? (uint64_t) r : size;
  return 0;
}

/* The next block that may hold data; those before it are holes.  False
 * when there is none left.
 */
static bool
claim_block (struct scan *scan, uint64_t *offset, uint64_t *len, int *error)
{
  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&scan->lock);
  const uint64_t size = digest_tree_size (scan->tree);

  if (atomic_load (&scan->stop))
    return false;
  if (scan->next >= scan->data_end && scan->next < size &&
      skip_hole (scan) == -1) {
    *error = errno;
    return false;
  }
  *offset = scan->next;
  *len = MIN (DIGEST_BLOCK, size - *offset);
  scan->next += *len;
  return *len > 0;
}

/* Drop from the page cache what was read some time ago. */
static void
drop_cache (struct scan *scan)
{
  uint64_t from, len;

  {
    ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&scan->lock);
    from = scan->dropped;
    len = scan->next - from;
    if (len < 2 * DROP_STEP)
      return;
    len = (len - DROP_STEP) / DROP_STEP * DROP_STEP;
    scan->dropped += len;
  }
  posix_fadvise (scan->fd, from, len, POSIX_FADV_DONTNEED);
}

static int
scan_block (struct scan *scan, uint8_t *buf, uint64_t offset, uint64_t len)
{
  size_t got;
  int r = pread_full (scan->fd, buf, len, offset, &got);

  if (r == -1 || got < len) {
    if (r == 0)
      errno = ENODATA;
    if (!atomic_exchange (&scan->stop, true)) {
      scan->read_error = errno;
      scan->read_error_offset = offset + got;
    }
    return -1;
  }
  if (digest_tree_add (scan->tree, offset, buf, len) == -1)
    return -1;
  atomic_fetch_add (&scan->done, len);
  return 0;
}

/* One of several threads that go through the file together. */
static int
scan_file (void *opaque, struct job *job)
{
  struct scan *scan = opaque;
  CLEANUP_FREE uint8_t *buf = malloc (DIGEST_BLOCK);
  uint64_t offset, len;
  int error = 0;

  if (buf == NULL) {
    log_oom ();
    error = ENOMEM;
  }
  while (error == 0 && claim_block (scan, &offset, &len, &error)) {
    if (scan_block (scan, buf, offset, len) == -1)
      error = errno;
    drop_cache (scan);
  }
  if (error == 0)
    return 0;
  atomic_store (&scan->stop, true);
  errno = error;
  return -1;
}

/* Wait for the threads and tell of the progress.  0, or an errno. */
static int
watch_scan (struct scan *scan, struct workers *workers)
{
  struct pollfd pollfd = { .fd = workers->wake_fd, .events = POLLIN };
  struct job *job;
  unsigned ended = 0;
  int error = 0;

  while (ended < FILE_WORKERS) {
    poll (&pollfd, 1, READER_TICK_MS);
    for (job = workers_ended (workers); job; job = job->next) {
      if (error == 0)
        error = job->error;
      ended++;
    }
    if (scan->progress && !atomic_load (&scan->stop) &&
        !scan->progress (scan->opaque, atomic_load (&scan->done),
                         digest_tree_size (scan->tree))) {
      error = ECANCELED;
      atomic_store (&scan->stop, true);
    }
  }
  return error;
}

/* Has FD, called NAME, SIZE bytes?  -1 reported. */
static int
check_size (int fd, uint64_t size, const char *name)
{
  const off_t end = lseek (fd, 0, SEEK_END);

  if (end == -1) {
    log_error ("%s: %m", printable (name));
    return -1;
  }
  if ((uint64_t) end < size) {
    log_error ("%s has %jd bytes, the disk has %" PRIu64 ": it was cut",
               printable (name), (intmax_t) end, size);
    errno = EINVAL;
    return -1;
  }
  return 0;
}

/* Run the threads.  0, or an errno. */
static int
run_scan (struct scan *scan)
{
  struct job jobs[FILE_WORKERS];
  struct workers workers;
  int error;
  unsigned i;

  if (workers_start (&workers, FILE_WORKERS, scan_file, scan, -1) == -1)
    return errno;
  for (i = 0; i < FILE_WORKERS; ++i)
    workers_give (&workers, &jobs[i]);
  error = watch_scan (scan, &workers);
  workers_stop (&workers);
  posix_fadvise (scan->fd, scan->dropped, 0, POSIX_FADV_DONTNEED);
  return error;
}

struct digest_tree *
digest_tree_of_fd (int fd, const struct digest_tree *like, const char *name,
                   bool (*progress) (void *opaque, uint64_t done,
                                     uint64_t total), void *opaque)
{
  const uint64_t size = digest_tree_size (like);
  struct scan scan = { .progress = progress, .opaque = opaque, .fd = fd };
  int error;

  if (check_size (fd, size, name) == -1)
    return NULL;
  scan.tree = digest_tree_new_like (like);
  if (scan.tree == NULL)
    return NULL;
  pthread_mutex_init (&scan.lock, NULL);
  error = run_scan (&scan);
  pthread_mutex_destroy (&scan.lock);

  if (scan.read_error != 0)
    log_error ("%s: cannot read at offset %" PRIu64 ": %s",
               printable (name), scan.read_error_offset,
               scan.read_error == ENODATA ? "the file ends there"
                                          : strerror (scan.read_error));
  /* What is cut meanwhile looks like a hole. */
  else if (error == 0 && check_size (fd, size, name) == -1)
    error = errno;
  if (error == 0)
    return scan.tree;
  digest_tree_free (scan.tree);
  errno = error;
  return NULL;
}
