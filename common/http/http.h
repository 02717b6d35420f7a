/* SPDX-License-Identifier: BSD-3-Clause
 *
 * HTTP for every source: one wrapper over libcurl.
 *
 * A client is one server (scheme, host, port) with one way to log in:
 * requests, streams and ranged reads share its cookies, its credentials,
 * its TLS checks, its limit of connections and its counters.  Another
 * host (an ESXi host that vCenter names, the host of a lease) is another
 * client.
 *
 * HTTP/1.1 only: the bytes come over many connections, which beats many
 * streams over one.  TLS 1.2 or later.  A redirect to another host, port
 * or scheme is never followed.  The proxy variables of the environment
 * are ignored unless asked for.
 *
 * Errors are reported once, here, with method, path, status and remedy
 * (common/util/log.h), on the thread that called.  errno is EPERM (401,
 * 403, TLS checks), ENOENT (404, 410), ETIMEDOUT, ECONNREFUSED, EHOSTUNREACH
 * (no such host), ESHUTDOWN (the client is being closed), ECANCELED,
 * ENOMEM, or EIO.
 */
#ifndef NBDLIFT_HTTP_H
#define NBDLIFT_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/util/blob.h"

struct http_client;

/* Log in on the given client with http_request (no_login set, and
 * idempotent, so that a lost connection does not end everything), then
 * keep what it gives: a cookie is kept by itself, a token is handed to
 * http_client_set_header.  0, or -1 with errno and a report.  Called by
 * one thread at a time; every other request waits for it.
 */
typedef int (*http_login) (struct http_client *client, void *opaque);

/* What is 0 or NULL has the default in brackets.  Strings are copied. */
struct http_options {
  const char *url;              /* "https://HOST[:PORT]", http too; path
                                   and query are ignored, a user or a
                                   password is refused */

  /* How the server proves who it is: the first that is set counts. */
  bool insecure;                /* no check at all */
  const char *thumbprint;       /* SHA-1 or SHA-256 of the certificate, in
                                   hex with or without colons, any case;
                                   replaces chain and name checks */
  const char *ca_pem;           /* certificates in PEM, as text */
  const char *ca_file;          /* the same in a file [the system's] */

  const char *user;             /* basic authentication with each request */
  const char *password;
  http_login login;             /* or NULL */
  void *login_opaque;

  const char *proxy;            /* URL of a proxy [none] */
  bool proxy_from_environment;  /* https_proxy, no_proxy, ... */

  unsigned connections;         /* ranged reads at once [8] */
  unsigned connect_timeout;     /* seconds [30] */
  unsigned stall_timeout;       /* seconds without progress [120] */
  unsigned retries;             /* tries after the first [8]; HTTP_NO_RETRY
                                   for none */
  unsigned retry_delay_ms;      /* before the first retry; it doubles, up
                                   to 10 s, with jitter [250] */
  unsigned retry_after_max;     /* longest Retry-After that is obeyed,
                                   seconds [30] */
  size_t block;                 /* ranged reads are cut at multiples of
                                   this, a power of two from 64 KiB to
                                   4 MiB [1 MiB] */
  uint64_t memory;              /* of read-ahead and of shared blocks, all
                                   files together [64 MiB] */
  bool no_readahead;
};
#define HTTP_NO_RETRY UINT32_MAX

/* Once per process, before any thread. 0, or -1 reported. */
extern int http_global_init (void);

/* No connection is made and no thread is started yet.  NULL with errno
 * EINVAL (a bad URL, thumbprint or CA) or ENOMEM, reported.
 */
extern struct http_client *http_client_new (const struct http_options *o);

/* Start the thread that does the ranged reads.  nbdkit forks after its
 * configuration: call this from .after_fork, and http_file_pread not
 * before.  (http_request and http_file_open run on their caller's thread
 * and can be used earlier.)  0, or -1 with errno and a report.  Calling
 * it again does nothing; without it the first http_file_pread does it.
 */
extern int http_client_start (struct http_client *client);

/* Make everything that is under way fail with ESHUTDOWN (unreported)
 * within a second, and wait for that; then everything that is called
 * later fails so too.  Thread safe.
 */
extern void http_client_shutdown (struct http_client *client);

/* http_client_shutdown, then free.  Its files are closed before (after a
 * http_client_shutdown of one's own, if they may be in use).  NULL is
 * allowed.
 */
extern void http_client_free (struct http_client *client);

/* SHA-1 of the certificate that the server has shown in the last handshake
 * that was accepted, "AA:BB:..", malloc'ed; NULL if there was none (or no
 * memory), not reported.  For those who must tell it to others.
 */
extern char *http_client_thumbprint (struct http_client *client);

/* "https://HOST:PORT" without a slash at its end, for messages. */
extern const char *http_client_origin (const struct http_client *client);

/* Send NAME: VALUE with all requests and reads from now on; NULL removes
 * it.  For tokens: "Authorization", "Bearer ...".  0, or -1 with errno
 * EINVAL (a control character) or ENOMEM, reported.  Thread safe.
 */
extern int http_client_set_header (struct http_client *client,
                                   const char *name, const char *value);

/* The cookies that the server set, for its host.  Values are verbatim,
 * with the quotes of vmware_soap_session="...".  get gives malloc'ed text
 * or NULL (not reported).  set: 0, or -1 with errno and a report.  clear
 * forgets all.  Thread safe.
 */
extern char *http_client_get_cookie (struct http_client *client,
                                     const char *name);
extern int http_client_set_cookie (struct http_client *client,
                                   const char *name, const char *value);
extern void http_client_clear_cookies (struct http_client *client);

/* Logging in.  The generation is 0 until the first login succeeded and
 * then counts logins.  A request that is answered 401 logs in and is
 * repeated, twice at most, without the caller.  Where "not authenticated"
 * is said in another way (a SOAP fault with status 500), the caller hands
 * in the generation of that response and then repeats the request itself:
 * no login is done if somebody else did it since.  Use generation 0 for
 * the first login.  0, or -1 with errno, reported (EPERM if there is no
 * login hook).  Thread safe; not to be called by the hook.
 */
extern int http_client_login (struct http_client *client,
                              unsigned generation);
extern unsigned http_client_generation (struct http_client *client);

struct http_stats {
  uint64_t requests;            /* sent, of all kinds, with retries */
  uint64_t bytes;               /* of bodies received */
  uint64_t retries;
  uint64_t logins;              /* that succeeded */
  uint64_t connections;         /* opened */
  uint64_t shrinks;             /* the limit was halved (429, 503) */
  uint64_t ahead_blocks;        /* read ahead */
  uint64_t ahead_hits;          /* of these, later asked for */
  uint64_t copied;              /* bytes copied out of blocks */
  uint64_t memory_max;          /* the most bytes held in blocks */
  unsigned active_max;          /* the most ranged reads at once */
};
extern void http_client_stats (struct http_client *client,
                               struct http_stats *stats);

/*---- one request ----*/

struct http_request {
  const char *method;           /* GET, HEAD, POST, PUT, DELETE [GET] */
  const char *path;             /* "/sdk?x=y", escaped by the caller */
  const char *const *headers;   /* "Name: value", NULL-terminated; or NULL */
  const void *body;             /* NULL if none */
  size_t body_len;
  size_t max_body;              /* of the answer [16 MiB] */
  bool idempotent;              /* can be repeated after a failure; GET,
                                   HEAD always can */
  bool no_login;                /* 401 is the answer; set by login hooks */
  bool follow;                  /* a GET follows redirects to the same
                                   scheme, host and port */
  unsigned stall_timeout;       /* seconds [the client's] */
  unsigned timeout;             /* seconds in all [none] */
};

struct http_response {
  unsigned status;
  char *body;                   /* NUL-terminated; never NULL on success */
  size_t len;
  char *headers;                /* "Name: value\n"..., of the last answer */
  unsigned generation;          /* of the login it was sent with */
};

/* Send and wait.  0 with *RESPONSE filled whatever the status is (after
 * the login and the retries that it calls for; 429, 502, 503 and 504 are
 * retried if it is idempotent), or -1 with errno and a report.  Free with
 * http_response_free.  Thread safe.
 */
extern int http_request (struct http_client *client,
                         const struct http_request *request,
                         struct http_response *response);
extern void http_response_free (struct http_response *response);
#define CLEANUP_HTTP_RESPONSE                                           \
  __attribute__ ((cleanup (http_response_free)))

/* 0 if the status is 2xx, else -1 with errno and a report in the words
 * of the status.
 */
extern int http_check_status (struct http_client *client,
                              const struct http_request *request,
                              const struct http_response *response);

/* Value of the first header NAME (any case) without spaces around it,
 * malloc'ed; NULL if absent (or no memory).
 */
extern char *http_response_header (const struct http_response *response,
                                   const char *name);

/*---- a body of unknown length ----*/

struct http_sink {
  /* The next bytes of a body with status 200.  0, or -1 with errno and a
   * report: the stream ends.  Takes as long as it likes; this is the
   * caller's own thread.
   */
  int (*data) (void *opaque, const void *buf, size_t count);
  /* Asked at least once a second; true ends the stream with ECANCELED,
   * unreported.  Or NULL.
   */
  bool (*cancelled) (void *opaque);
  void *opaque;
};

/* GET (or what the request says) and hand the body over as it comes.  No
 * byte at all for stall_timeout is a stall; a slow server is not.  A body
 * that ends before the server said so is an error, and so is a status
 * other than 200.  Retried, and logged in again, only while nothing was
 * handed over.  0, or -1 with errno and a report.
 */
extern int http_stream (struct http_client *client,
                        const struct http_request *request,
                        const struct http_sink *sink);

/*---- ranged reads ----*/

struct http_file;

struct http_file_options {
  const char *const *paths;     /* other spellings of one path: the next
                                   is tried when one gives 404 */
  size_t nr_paths;
  const char *const *headers;   /* sent with each read; or NULL */
  bool follow;                  /* redirects to the same host, while
                                   opening */

  /* Asked on a reader's own thread, without a lock; both may be NULL. */

  /* The server answered STATUS, which is worth another try as far as HTTP
   * goes.  True, after a report, if it is of no use here: the read fails
   * with EBUSY.  Once for each part of a read.
   */
  bool (*hopeless) (void *opaque, unsigned status);
  /* Is nobody interested any more?  Asked each second while a reader
   * waits; true ends its read with ECANCELED, unreported.
   */
  bool (*stopped) (void *opaque);
  void *opaque;
};

/* Ask for the first byte to learn the size, that ranges work, and what
 * ETag and Last-Modified are: they must stay as they are until the file
 * is closed.  NULL with errno and a report (ENOENT: none of the paths;
 * ENOTSUP: the server ignores Range).
 */
extern struct http_file *http_file_open (struct http_client *client,
                                         const struct http_file_options *o);
extern void http_file_close (struct http_file *f);

extern uint64_t http_file_size (const struct http_file *f);
/* Which of options.paths it was. */
extern size_t http_file_path_index (const struct http_file *f);

/* Fill BUF with exactly COUNT bytes from OFFSET.  Each reply is checked:
 * status 206, Content-Range, total, length, ETag, Last-Modified; what
 * fails is repeated on another connection, from the first byte that is
 * missing.  Large reads are spread over the connections; small ones that
 * are neighbours share a request; sequential readers are read ahead for.
 * 0, or -1 with errno and a report that names path, offset, status and
 * cause.  BUF then holds anything.  Thread safe.
 */
extern int http_file_pread (struct http_file *f, void *buf, size_t count,
                            uint64_t offset);

/* Of the COUNT bytes from OFFSET, how many hold data?  Called with a lock
 * held: it must be quick, and must not call anything of this header.
 */
typedef uint64_t (*http_allocated) (void *opaque, uint64_t offset,
                                    uint64_t count);

/* Tell which parts of a sparse file are worth reading ahead: by default
 * all of them.  Any bytes can still be read.  To be called before the
 * first read; OPAQUE is used until the file is closed.
 */
extern void http_file_set_allocated (struct http_file *f, http_allocated fn,
                                     void *opaque);

/* The file as a blob, which owns it (also when this fails).  NULL with
 * errno and a report.
 */
extern struct blob *http_file_blob (struct http_file *f);

static inline void
cleanup_http_file (struct http_file **f)
{
  if (*f)
    http_file_close (*f);
}
#define CLEANUP_HTTP_FILE __attribute__ ((cleanup (cleanup_http_file)))

/*---- URLs ----*/

/* Cut "https://HOST[:PORT]/PATH?QUERY" into "https://HOST:PORT" and
 * "/PATH?QUERY" (at least "/"), both malloc'ed.  A user or password in it
 * is refused.  0, or -1 with errno EINVAL or ENOMEM, reported.
 */
extern int http_split_url (const char *url, char **origin, char **path);

/* Percent-encode all but letters, digits, "-._~" and the characters of
 * KEEP ("/" for paths, "" for the value of a query).  malloc'ed; NULL
 * with errno ENOMEM, not reported.
 */
extern char *http_escape (const char *s, const char *keep);

#endif /* NBDLIFT_HTTP_H */
