/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Files of a datastore.
 *
 * Names are percent-encoded.  Some servers decode the arguments twice, so
 * that a name with a space or a percent sign must be encoded twice: where
 * that makes a difference both spellings are tried, once, and the one that
 * was found is the first to be tried for the next file.
 *
 * A file that a running VM has open gives status 500, as do some faults
 * of the server.  Which of them it is we learn from the power state and
 * from the words of the answer; a file that is locked is not tried again.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "plugins/vsphere/folder.h"
#include "plugins/vsphere/vsphere.h"

#define NR_SPELLINGS 2          /* arguments encoded once, and twice */

struct folder {
  struct http_client *http;
  char *datacenter;
  struct vim *vim;
  char *vm;
  bool snapshot;
  bool (*stopped) (void *opaque);
  bool started;
  atomic_uint spelling;         /* the first to try */
};

struct folder_blob {
  struct blob blob;             /* its name is "[ds] dir/file" */
  struct folder *folder;
  struct http_file *file;
  char *path;                   /* "/folder/..." */
  struct extents *used;         /* by folder_will_read, or NULL */
};

struct folder *
folder_new (const struct folder_options *o)
{
  struct folder *folder = calloc (1, sizeof *folder);

  if (folder == NULL) {
    log_oom ();
    return NULL;
  }
  folder->http = vim_http (o->files);
  folder->vim = o->vim;
  folder->snapshot = o->snapshot;
  folder->stopped = o->stopped;
  folder->vm = strdup (o->vm);
  folder->datacenter = strdup (vim_is_vcenter (o->files) ? o->datacenter
                                                         : "ha-datacenter");
  if (folder->vm == NULL || folder->datacenter == NULL) {
    folder_free (folder);
    log_oom ();
    return NULL;
  }
  return folder;
}

void
folder_free (struct folder *folder)
{
  if (folder == NULL)
    return;
  free (folder->vm);
  free (folder->datacenter);
  free (folder);
}

int
folder_start (struct folder *folder)
{
  if (http_client_start (folder->http) == -1)
    return -1;
  folder->started = true;
  return 0;
}

/*---- spelling ----*/

/* TEXT encoded TIMES times, malloc'ed; NULL with errno ENOMEM. */
static char *
escape (const char *text, unsigned times)
{
  char *once = http_escape (text, ""), *twice;

  if (once == NULL || times == 1)
    return once;
  twice = http_escape (once, "");
  free (once);
  return twice;
}

static char *
spell (const struct folder *folder, const char *datastore, const char *file,
       unsigned times)
{
  CLEANUP_FREE char *path = http_escape (file, "/");
  CLEANUP_FREE char *dc = escape (folder->datacenter, times);
  CLEANUP_FREE char *ds = escape (datastore, times);
  char *ret;

  if (path == NULL || dc == NULL || ds == NULL ||
      asprintf (&ret, "/folder/%s?dcPath=%s&dsName=%s", path, dc, ds) == -1)
    return NULL;
  return ret;
}

/* The spellings of "[datastore] file" in the order to try, *N of them. */
static int
spell_all (struct folder *folder, const char *path,
           char *spellings[NR_SPELLINGS], size_t *n)
{
  CLEANUP_FREE char *datastore = NULL, *file = NULL;
  const unsigned first = folder->spelling;

  if (vsphere_split_path (path, &datastore, &file) == -1)
    return -1;
  spellings[0] = spell (folder, datastore, file, 1 + first);
  spellings[1] = spell (folder, datastore, file, 2 - first);
  if (spellings[0] == NULL || spellings[1] == NULL) {
    log_oom ();
    return -1;
  }
  *n = strcmp (spellings[0], spellings[1]) == 0 ? 1 : NR_SPELLINGS;
  return 0;
}

/*---- reading ----*/

enum refusal { NOT_REFUSED, REFUSED, REFUSED_AS_LOCKED };

static int
ask_first_byte (struct folder *folder, const char *path,
                struct http_response *response)
{
  static const char *const headers[] = { "Range: bytes=0-0", NULL };
  const struct http_request request = {
    .path = path, .headers = headers, .max_body = 64 * KIB,
  };

  return http_request (folder->http, &request, response);
}

/* Is the file at PATH answered 500 now? */
static enum refusal
ask_again (struct folder *folder, const char *path)
{
  CLEANUP_HTTP_RESPONSE struct http_response response = { 0 };

  if (ask_first_byte (folder, path, &response) == -1 ||
      response.status != 500)
    return NOT_REFUSED;
  return strcasestr (response.body, "lock") ? REFUSED_AS_LOCKED : REFUSED;
}

static void
report_lock (const char *name, enum vm_power state)
{
  if (state == VM_POWER_ON)
    log_error ("%s: the VM is powered on, and then its host keeps this "
               "file locked; shut the VM down, or use the VDDK transport",
               printable (name));
  else
    log_error ("%s: the file is locked: the VM is suspended, or another "
               "VM, a backup or a running task has it open",
               printable (name));
}

/* Add to the error that was reported what it means if this is a lock. */
static void
explain (struct folder *folder, const char *name, const char *path)
{
  const int err = errno;
  enum vm_power state = VM_POWER_UNKNOWN;

  if (err == EIO && ask_again (folder, path) != NOT_REFUSED) {
    vim_power_state (folder->vim, folder->vm, &state);
    report_lock (name, state);
  }
  errno = err;
}

/* Of struct http_file_options: no lock is given up while we wait. */
static bool
is_hopeless (void *opaque, unsigned status)
{
  struct folder_blob *b = opaque;
  struct folder *folder = b->folder;
  enum vm_power state = VM_POWER_UNKNOWN;
  enum refusal refusal;

  if (status != 500)
    return false;
  refusal = ask_again (folder, b->path);
  if (refusal == NOT_REFUSED)
    return false;
  vim_power_state (folder->vim, folder->vm, &state);
  /* With a snapshot the VM may run, and the server may fail for a while. */
  if (refusal == REFUSED && (folder->snapshot || state != VM_POWER_ON))
    return false;
  report_lock (b->blob.name, state);
  return true;
}

static bool
is_stopped (void *opaque)
{
  struct folder_blob *b = opaque;

  return b->folder->stopped && b->folder->stopped (NULL);
}

/* One request, for the little that is read before there are threads. */
static int
read_early (struct folder_blob *b, void *buf, size_t count, uint64_t offset)
{
  CLEANUP_HTTP_RESPONSE struct http_response response = { 0 };
  CLEANUP_FREE char *range = NULL, *header = NULL, *want = NULL;
  const char *headers[2] = { NULL, NULL };
  const struct http_request request = {
    .path = b->path, .headers = headers, .max_body = count,
  };

  if (asprintf (&range, "Range: bytes=%" PRIu64 "-%" PRIu64, offset,
                offset + count - 1) == -1 ||
      asprintf (&want, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, offset,
                offset + count - 1, b->blob.size) == -1) {
    log_oom ();
    return -1;
  }
  headers[0] = range;
  if (http_request (b->folder->http, &request, &response) == -1 ||
      http_check_status (b->folder->http, &request, &response) == -1)
    return -1;
  header = http_response_header (&response, "Content-Range");
  if (response.status != 206 || response.len != count || header == NULL ||
      strcmp (header, want) != 0) {
    log_error ("%s: the server answered status %u, %zu bytes, range \"%s\" "
               "where %s was asked for", printable (b->blob.name),
               response.status, response.len, header ? printable (header)
               : "", want);
    errno = EIO;
    return -1;
  }
  memcpy (buf, response.body, count);
  return 0;
}

static int
folder_pread (struct blob *blob, void *buf, size_t count, uint64_t offset)
{
  struct folder_blob *b = (struct folder_blob *) blob;

  if (count == 0)
    return 0;
  if ((b->folder->started ? http_file_pread (b->file, buf, count, offset)
                          : read_early (b, buf, count, offset)) == 0)
    return 0;
  if (errno == EBUSY)           /* is_hopeless has reported it */
    errno = EIO;
  else
    explain (b->folder, blob->name, b->path);
  return -1;
}

static void
folder_close (struct blob *blob)
{
  struct folder_blob *b = (struct folder_blob *) blob;

  if (b->file)
    http_file_close (b->file);
  extents_free (b->used);
  free (b->path);
  free (b);
}

static const struct blob_ops folder_blob_ops = {
  .pread = folder_pread,
  .close = folder_close,
};

/* B is empty but for its folder and its name. */
static int
open_file (struct folder_blob *b)
{
  char *spellings[NR_SPELLINGS] = { NULL, NULL };
  struct http_file_options options = {
    .paths = (const char *const *) spellings,
    .hopeless = is_hopeless, .stopped = is_stopped, .opaque = b,
  };
  struct folder *folder = b->folder;
  size_t i, found;

  if (spell_all (folder, b->blob.name, spellings, &options.nr_paths) == 0) {
    b->file = http_file_open (folder->http, &options);
    if (b->file) {
      found = http_file_path_index (b->file);
      b->blob.size = http_file_size (b->file);
      b->path = spellings[found];
      spellings[found] = NULL;
      if (found == 1)
        folder->spelling ^= 1;
    }
    else
      explain (folder, b->blob.name, spellings[0]);
  }
  for (i = 0; i < NR_SPELLINGS; i++)
    free (spellings[i]);
  return b->file ? 0 : -1;
}

struct blob *
folder_open (struct folder *folder, const char *path)
{
  struct folder_blob *b = calloc (1, sizeof *b);
  int err;

  if (b == NULL) {
    log_oom ();
    return NULL;
  }
  b->blob.ops = &folder_blob_ops;
  b->folder = folder;
  b->blob.name = strdup (path);
  if (b->blob.name == NULL)
    log_oom ();
  else if (open_file (b) == 0)
    return &b->blob;
  err = errno;
  blob_close (&b->blob);
  errno = err;
  return NULL;
}

int
folder_probe (struct folder *folder, const char *path, unsigned *status)
{
  char *spellings[NR_SPELLINGS] = { NULL, NULL };
  unsigned answer = 404;
  size_t i, n = 0;
  int r = spell_all (folder, path, spellings, &n);

  for (i = 0; i < n && r == 0 && answer == 404; i++) {
    CLEANUP_HTTP_RESPONSE struct http_response response = { 0 };

    r = ask_first_byte (folder, spellings[i], &response);
    answer = response.status;
  }
  for (i = 0; i < NR_SPELLINGS; i++)
    free (spellings[i]);
  if (r == 0)
    *status = answer;
  return r;
}

/*---- reading ahead ----*/

static int
add_data (void *opaque, uint64_t offset, uint64_t length, uint32_t type)
{
  uint64_t *data = opaque;

  if (!(type & EXTENT_HOLE))
    *data += length;
  return 0;
}

static uint64_t
count_used (void *opaque, uint64_t offset, uint64_t count)
{
  const struct folder_blob *b = opaque;
  uint64_t data = 0;

  extents_foreach (b->used, offset, count, false, add_data, &data);
  return data;
}

int
folder_will_read (struct blob *blob, uint64_t offset, uint64_t length)
{
  struct folder_blob *b = (struct folder_blob *) blob;

  if (b->used == NULL) {
    b->used = extents_new (blob->size, EXTENT_HOLE | EXTENT_ZERO);
    if (b->used == NULL)
      return -1;
    http_file_set_allocated (b->file, count_used, b);
  }
  return extents_set (b->used, offset, length, EXTENT_DATA);
}
