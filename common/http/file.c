/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Opening a file for ranged reads.
 *
 * The first byte is asked for instead of the headers alone: some servers
 * refuse HEAD, some say that they accept ranges and do not, and the answer
 * shows both the size and that ranges work.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/http/http_private.h"
#include "common/include/cleanup.h"
#include "common/util/log.h"

static int
refuse (const struct http_file *f, int err, const char *why)
{
  log_error ("%s%s: %s", f->client->origin, http_printable_path (f->path),
             why);
  errno = err;
  return -1;
}

/* Fill REPLY from the text of the headers. */
static void
read_reply (const struct http_response *response,
            struct http_range_reply *reply)
{
  const char *line = response->headers;

  memset (reply, 0, sizeof *reply);
  reply->status = response->status;
  while (*line) {
    const size_t len = strcspn (line, "\n");

    http_range_reply_add (reply, line, len);
    line += len + (line[len] == '\n');
  }
}

/* Take size and identity from the answer to "bytes=0-0". */
static int
take_answer (struct http_file *f, const struct http_request *request,
             const struct http_response *response)
{
  struct http_range_reply reply;
  const struct http_content_range *range = &reply.range;

  read_reply (response, &reply);
  if (reply.encoded)
    return refuse (f, EIO, "the answer has a Content-Encoding that was not "
                   "asked for");
  if (response->status == 416 && reply.has_range && !range->has_range &&
      range->total == 0)
    f->size = 0;
  else if (response->status == 200 && reply.has_length &&
           reply.length <= 1 && !reply.bad_length)
    f->size = reply.length;
  else if (response->status == 200)
    return refuse (f, ENOTSUP, "the server ignores ranges (it answers 200 "
                   "with the whole file), so it cannot be read at random");
  else if (response->status != 206)
    return http_check_status (f->client, request, response) == -1 ? -1 :
      refuse (f, EIO, "the answer is neither 206 nor an error");
  else if (reply.bad_range || !reply.has_range || !range->has_range ||
           range->first != 0 || range->last != 0 || response->len != 1)
    return refuse (f, EIO, "the first byte was asked for, and the answer "
                   "206 has another range or length");
  else if (!range->has_total)
    return refuse (f, ENOTSUP, "the server does not say how large it is");
  else if (range->total > INT64_MAX)
    return refuse (f, EIO, "the size that the server gives is larger than "
                   "any file can be");
  else
    f->size = range->total;

  memcpy (f->etag, reply.etag, sizeof f->etag);
  memcpy (f->modified, reply.modified, sizeof f->modified);
  return 0;
}

static int
copy_headers (struct http_file *f, const char *const *headers)
{
  for (; headers && *headers; ++headers)
    if (string_vector_append_dup (&f->headers, *headers) == -1)
      return -1;
  return string_vector_append (&f->headers, NULL);
}

/* 1: not there, try the next path. */
static int
try_path (struct http_file *f, const struct http_file_options *o,
          const char *path, bool last)
{
  CLEANUP_HTTP_RESPONSE struct http_response response = { 0 };
  CLEANUP_FREE const char **headers = NULL;
  const size_t n = f->headers.len - 1;
  struct http_request request = {
    .path = path, .follow = o->follow, .max_body = 65536,
  };

  headers = calloc (n + 2, sizeof *headers);
  if (headers == NULL) {
    log_oom ();
    return -1;
  }
  memcpy (headers, f->headers.ptr, n * sizeof *headers);
  headers[n] = "Range: bytes=0-0";
  request.headers = headers;
  free (f->path);
  f->path = NULL;
  if (http_exchange (f->client, &request, NULL, true, &response,
                     &f->path) == -1)
    return -1;
  if (response.status == 404 && !last)
    return 1;
  return take_answer (f, &request, &response);
}

struct http_file *
http_file_open (struct http_client *client,
                const struct http_file_options *o)
{
  CLEANUP_HTTP_FILE struct http_file *f = calloc (1, sizeof *f);
  struct http_file *ret;
  size_t i;
  int r = 1;

  if (f == NULL) {
    log_oom ();
    return NULL;
  }
  f->client = client;
  f->hopeless = o->hopeless;
  f->stopped = o->stopped;
  f->opaque = o->opaque;
  if (copy_headers (f, o->headers) == -1) {
    log_oom ();
    return NULL;
  }
  for (i = 0; i < o->nr_paths && r == 1; ++i) {
    r = try_path (f, o, o->paths[i], i + 1 == o->nr_paths);
    f->path_index = i;
  }
  if (r != 0)
    return NULL;
  ret = f;
  f = NULL;
  return ret;
}

void
http_file_close (struct http_file *f)
{
  {
    ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&f->client->lock);

    f->closing = true;
    http_blocks_drop (f, 0, UINT64_MAX, true);
    if (f->transfers > 0)
      http_wake (f->client);
    while (f->transfers > 0)
      pthread_cond_wait (&f->client->changed, &f->client->lock);
    if (f->client->held == 0)
      http_buffers_free (f->client);
  }
  string_vector_free (&f->headers);
  free (f->path);
  free (f);
}

uint64_t
http_file_size (const struct http_file *f)
{
  return f->size;
}

size_t
http_file_path_index (const struct http_file *f)
{
  return f->path_index;
}

void
http_file_set_allocated (struct http_file *f, http_allocated fn,
                         void *opaque)
{
  f->allocated = fn;
  f->allocated_opaque = opaque;
}

struct file_blob {
  struct blob blob;
  struct http_file *file;
};

static int
blob_read (struct blob *blob, void *buf, size_t count, uint64_t offset)
{
  struct file_blob *b = (struct file_blob *) blob;

  return http_file_pread (b->file, buf, count, offset);
}

static void
blob_free (struct blob *blob)
{
  struct file_blob *b = (struct file_blob *) blob;

  http_file_close (b->file);
  free (b);
}

static const struct blob_ops file_blob_ops = {
  .pread = blob_read,
  .close = blob_free,
};

struct blob *
http_file_blob (struct http_file *f)
{
  struct file_blob *b = calloc (1, sizeof *b);

  if (b == NULL || asprintf (&b->blob.name, "%s%.*s", f->client->origin,
                             (int) strcspn (f->path, "?"), f->path) == -1) {
    free (b);
    http_file_close (f);
    log_oom ();
    return NULL;
  }
  b->blob.ops = &file_blob_ops;
  b->blob.size = f->size;
  b->file = f;
  return &b->blob;
}
