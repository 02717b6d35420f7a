/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A library for LD_PRELOAD: the power fails at one moment of a program, and
 * what it had not flushed is lost.
 *
 * What a write replaces is kept in memory until the file is flushed with
 * fsync or fdatasync, and the name of a new or renamed file until a folder
 * is.  At the power cut all that is still kept is put back, or a random
 * part of it, since kernel and disk may have written any of it in any
 * order; then the process ends with status 113.  A flush covers only what
 * was written before it began, and takes some milliseconds.
 *
 *   LOSE_WRITES_AT=N      the cut is after the N-th write, or before it if it
 *                         is a flush or rename; 0: never
 *   LOSE_WRITES_AT=sync:N the cut is before the N-th flush
 *   LOSE_WRITES_KEEP=P    P of 100 sectors that were not flushed are kept
 *   LOSE_WRITES_SEED=N    for what is random
 *   LOSE_WRITES_LOG=FILE  if the program ends well, the number of writes
 *                         and flushes, and of flushes, are put there
 *
 * Only what nbdlift copy --cache=writeback uses is known here: no stdio, no
 * mmap, no io_uring.  Build with cc -shared -fPIC.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE (1 << 20)         /* bytes that one record keeps */
#define FLUSH_US 3000
#define FILES_MAX 8
#define CUT_STATUS 113

enum kind { BYTES, SIZE, CREATED, RENAMED };

struct record {
  enum kind kind;
  uint64_t number;
  int file;                     /* -1 for names */
  off64_t offset;               /* BYTES; SIZE: the old size */
  size_t len;
  char *data;                   /* NULL: zeroes */
  char *name, *old_name;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct record *records;
static size_t nr_records, cap_records;
static uint64_t next_number;

static struct { dev_t dev; ino_t ino; int fd; } files[FILES_MAX];
static int nr_files;

static bool only_syncs;
static uint64_t cut_at, keep_percent;
static uint64_t nr_ops, nr_syncs;

static void
die (const char *what)
{
  perror (what);
  abort ();
}

static uint64_t
number_from_env (const char *name)
{
  const char *s = getenv (name);

  return s ? strtoull (s, NULL, 10) : 0;
}

__attribute__ ((constructor))
static void
init (void)
{
  const char *at = getenv ("LOSE_WRITES_AT");

  if (at) {
    only_syncs = strncmp (at, "sync:", 5) == 0;
    cut_at = strtoull (only_syncs ? at + 5 : at, NULL, 10);
  }
  keep_percent = number_from_env ("LOSE_WRITES_KEEP");
  srandom (number_from_env ("LOSE_WRITES_SEED"));
}

__attribute__ ((destructor))
static void
end (void)
{
  const char *name = getenv ("LOSE_WRITES_LOG");
  FILE *fp = name ? fopen (name, "w") : NULL;

  if (fp) {
    fprintf (fp, "%llu %llu\n", (unsigned long long) nr_ops,
             (unsigned long long) nr_syncs);
    fclose (fp);
  }
}

/* The functions of the C library. */
#define REAL(function)                                                  \
  ({ static __typeof__ (&function) real_;                               \
     if (real_ == NULL)                                                 \
       real_ = (__typeof__ (&function)) dlsym (RTLD_NEXT, #function);   \
     real_; })

static bool
by_chance (void)
{
  return (uint64_t) (random () % 100) < keep_percent;
}

static struct record *
add_record (enum kind kind, int file)
{
  if (nr_records == cap_records) {
    cap_records = cap_records * 2 + 64;
    records = realloc (records, cap_records * sizeof *records);
    if (records == NULL)
      die ("realloc");
  }
  records[nr_records] = (struct record) {
    .kind = kind, .number = next_number++, .file = file,
  };
  return &records[nr_records++];
}

/* FILE was flushed: forget what is older than record NUMBER. */
static void
drop_records (int file, uint64_t number)
{
  size_t i, n = 0;

  for (i = 0; i < nr_records; i++)
    if (records[i].file == file && records[i].number < number) {
      free (records[i].data);
      free (records[i].name);
      free (records[i].old_name);
    }
    else
      records[n++] = records[i];
  nr_records = n;
}

/* The number of the file that FD is, or -1 if it is none that matters. */
static int
file_of (int fd)
{
  char path[64];
  struct stat st;
  int i;

  if (fstat (fd, &st) == -1 || !S_ISREG (st.st_mode))
    return -1;
  for (i = 0; i < nr_files; i++)
    if (files[i].dev == st.st_dev && files[i].ino == st.st_ino)
      return i;
  if (nr_files == FILES_MAX)
    abort ();
  /* Not dup: it would share the program's locks. */
  snprintf (path, sizeof path, "/proc/self/fd/%d", fd);
  files[i].fd = REAL (open64) (path, O_RDWR | O_CLOEXEC);
  if (files[i].fd == -1)
    die (path);
  files[i].dev = st.st_dev;
  files[i].ino = st.st_ino;
  nr_files++;
  return i;
}

static off64_t
size_of (int file)
{
  struct stat st;

  if (fstat (files[file].fd, &st) == -1)
    die ("fstat");
  return st.st_size;
}

static void
keep_size (int file)
{
  add_record (SIZE, file)->offset = size_of (file);
}

/* Keep what [offset, offset+len) is now. */
static void
keep_bytes (int file, off64_t offset, off64_t len)
{
  const off64_t size = size_of (file);
  struct record *r;
  ssize_t n;

  if (offset + len > size)
    len = size - offset;
  for (; len > 0; offset += n, len -= n) {
    char *data = malloc (PIECE);

    if (data == NULL)
      die ("malloc");
    n = pread64 (files[file].fd, data, len < PIECE ? len : PIECE, offset);
    if (n <= 0)
      die ("pread");
    if (data[0] == 0 && memcmp (data, data + 1, n - 1) == 0) {
      free (data);
      data = NULL;
    }
    r = add_record (BYTES, file);
    r->offset = offset;
    r->len = n;
    r->data = data;
  }
}

static void
put_back_bytes (const struct record *r)
{
  static const char zeroes[PIECE];
  const int fd = files[r->file].fd;
  const char *data = r->data ? r->data : zeroes;
  const size_t sector = r->len > 65536 ? 4096 : 512;
  const off64_t size = size_of (r->file);
  size_t at, n;

  for (at = 0; at < r->len; at += n) {
    if (keep_percent == 0)
      n = r->len;
    else {
      n = sector - (r->offset + at) % sector;
      if (n > r->len - at)
        n = r->len - at;
      if (by_chance ())
        continue;
    }
    if (r->offset + (off64_t) at >= size)
      break;
    if (r->offset + (off64_t) (at + n) > size)
      n = size - r->offset - at;
    if (REAL (pwrite64) (fd, data + at, n, r->offset + at) != (ssize_t) n)
      die ("pwrite");
  }
}

/* Called with the lock, which nobody gets any more. */
static void
power_cut (void)
{
  size_t i;

  for (i = nr_records; i-- > 0; ) {
    const struct record *r = &records[i];

    if (r->kind == BYTES)
      put_back_bytes (r);
    else if (by_chance ())
      continue;
    else if (r->kind == SIZE) {
      if (REAL (ftruncate64) (files[r->file].fd, r->offset) == -1)
        die ("ftruncate");
    }
    else if (r->kind == CREATED)
      unlink (r->name);
    else if (REAL (rename) (r->name, r->old_name) == -1)
      die ("rename");
  }
  _exit (CUT_STATUS);
}

/* Is the cut at this call?  Called once for each, with the lock. */
static bool
is_cut (bool sync)
{
  nr_ops++;
  nr_syncs += sync;
  return cut_at > 0 &&
    (only_syncs ? sync && nr_syncs == cut_at : nr_ops == cut_at);
}

ssize_t
pwrite64 (int fd, const void *buf, size_t n, off64_t offset)
{
  ssize_t r;
  int file;

  pthread_mutex_lock (&lock);
  file = file_of (fd);
  if (file >= 0) {
    if (offset + (off64_t) n > size_of (file))
      keep_size (file);
    keep_bytes (file, offset, n);
  }
  r = REAL (pwrite64) (fd, buf, n, offset);
  if (file >= 0 && is_cut (false))
    power_cut ();
  pthread_mutex_unlock (&lock);
  return r;
}

ssize_t
pwrite (int fd, const void *buf, size_t n, off_t offset)
{
  return pwrite64 (fd, buf, n, offset);
}

int
ftruncate64 (int fd, off64_t length)
{
  int r, file;

  pthread_mutex_lock (&lock);
  file = file_of (fd);
  if (file >= 0) {
    if (length < size_of (file))
      keep_bytes (file, length, size_of (file) - length);
    keep_size (file);
  }
  r = REAL (ftruncate64) (fd, length);
  if (file >= 0 && is_cut (false))
    power_cut ();
  pthread_mutex_unlock (&lock);
  return r;
}

int
ftruncate (int fd, off_t length)
{
  return ftruncate64 (fd, length);
}

int
fallocate64 (int fd, int mode, off64_t offset, off64_t len)
{
  int r, file;

  pthread_mutex_lock (&lock);
  file = file_of (fd);
  if (file >= 0) {
    if (!(mode & FALLOC_FL_KEEP_SIZE) && offset + len > size_of (file))
      keep_size (file);
    keep_bytes (file, offset, len);
  }
  r = REAL (fallocate64) (fd, mode, offset, len);
  if (file >= 0 && is_cut (false))
    power_cut ();
  pthread_mutex_unlock (&lock);
  return r;
}

int
fallocate (int fd, int mode, off_t offset, off_t len)
{
  return fallocate64 (fd, mode, offset, len);
}

/* Of a file, or of a folder. */
static int
flush (int fd)
{
  struct stat st;
  uint64_t number;
  int file;

  pthread_mutex_lock (&lock);
  if (fstat (fd, &st) == -1) {
    pthread_mutex_unlock (&lock);
    return -1;
  }
  file = S_ISDIR (st.st_mode) ? -1 : file_of (fd);
  number = next_number;
  if (is_cut (true))
    power_cut ();
  pthread_mutex_unlock (&lock);

  usleep (FLUSH_US);
  pthread_mutex_lock (&lock);
  drop_records (file, number);
  pthread_mutex_unlock (&lock);
  return 0;
}

int
fsync (int fd)
{
  return flush (fd);
}

int
fdatasync (int fd)
{
  return flush (fd);
}

int
open64 (const char *path, int flags, ...)
{
  mode_t mode = 0;
  bool is_new;
  va_list args;
  int fd;

  if (!(flags & O_CREAT))
    return REAL (open64) (path, flags);
  va_start (args, flags);
  mode = va_arg (args, mode_t);
  va_end (args);
  pthread_mutex_lock (&lock);
  is_new = access (path, F_OK) == -1;
  fd = REAL (open64) (path, flags, mode);
  if (is_new && fd >= 0) {
    add_record (CREATED, -1)->name = strdup (path);
    if (is_cut (false))
      power_cut ();
  }
  pthread_mutex_unlock (&lock);
  return fd;
}

int
open (const char *path, int flags, ...)
{
  mode_t mode = 0;
  va_list args;

  if (flags & O_CREAT) {
    va_start (args, flags);
    mode = va_arg (args, mode_t);
    va_end (args);
  }
  return open64 (path, flags, mode);
}

/* The new name must be free: there is no way back otherwise. */
int
rename (const char *old_name, const char *new_name)
{
  struct record *record;
  int r;

  pthread_mutex_lock (&lock);
  if (is_cut (false))
    power_cut ();
  if (access (new_name, F_OK) == 0)
    abort ();
  r = REAL (rename) (old_name, new_name);
  if (r == 0) {
    record = add_record (RENAMED, -1);
    record->name = strdup (new_name);
    record->old_name = strdup (old_name);
  }
  pthread_mutex_unlock (&lock);
  return r;
}
