/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the files of common/http share.
 *
 * Two ways lead to the server.  Requests and streams run on the thread
 * that calls, with an easy handle from a small pool (request.c).  Ranged
 * reads are fetches in a queue that one thread works off with a multi
 * handle (worker.c): it joins neighbours into transfers (transfer.c).
 * Blocks are fetches that several readers share, or that are read ahead
 * of one (block.c, ahead.c).
 */
#ifndef NBDLIFT_HTTP_PRIVATE_H
#define NBDLIFT_HTTP_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include <curl/curl.h>

#include "common/http/http.h"
#include "common/util/strbuf.h"
#include "common/util/vector.h"

#define HTTP_CAUSE_MAX 640      /* bytes of a cause, with the NUL */
#define HTTP_HEADERS_MAX 65536  /* bytes of the headers of one answer */
#define HTTP_RUN_MAX (4U << 20) /* bytes of one ranged GET */
#define HTTP_PIN_MAX 32         /* bytes of a SHA-256 */
#define HTTP_STREAMS 16         /* sequential readers told apart, a file */
#define HTTP_BUCKETS 256        /* of the hash table of blocks */
/* For one request: the session of the first may end at once, if many
 * threads find it at its end.
 */
#define HTTP_MAX_LOGINS 2

/* Why something failed. */
struct http_failure {
  int err;                      /* errno; ESHUTDOWN and ECANCELED are not
                                   reported */
  bool again;                   /* worth another try */
  bool reported;                /* somebody else did */
  char cause[HTTP_CAUSE_MAX];
};

/*---- client.c ----*/

struct http_handle {            /* of the pool for requests */
  CURL *easy;
  struct http_handle *next;
};

enum http_trust { TRUST_SYSTEM, TRUST_CA, TRUST_PIN, TRUST_NOTHING };

struct fetch;
struct block;
struct spare_buffer;
struct transfer;
TAILQ_HEAD (fetch_list, fetch);
TAILQ_HEAD (block_list, block);
LIST_HEAD (block_bucket, block);
LIST_HEAD (transfer_list, transfer);

struct http_client {
  /* These stay as http_client_new made them. */
  char *origin, *host;
  bool https;
  enum http_trust trust;
  char *ca_pem, *ca_file;
  uint8_t pin[HTTP_PIN_MAX];
  size_t pin_len;
  char *user, *password;
  http_login login;
  void *login_opaque;
  char *proxy;
  bool proxy_from_environment;
  unsigned connections, connect_timeout, stall_timeout;
  unsigned retries, retry_delay_ms, retry_after_max;
  size_t block;
  uint64_t memory;
  bool no_readahead;

  CURLSH *share;                /* the cookies */
  pthread_mutex_t share_locks[CURL_LOCK_DATA_LAST];

  atomic_bool closing;
  atomic_bool reached;          /* the server has answered before */

  pthread_mutex_t lock;         /* for all that follows */
  struct http_handle *idle;     /* pool of handles */
  unsigned nr_idle, nr_requests;
  pthread_cond_t request_done;
  unsigned calls;               /* functions that are running */
  pthread_cond_t changed;       /* calls, closing */
  string_vector headers;        /* "Name: value" */
  char presented[3 * HTTP_PIN_MAX]; /* thumbprint that was refused */
  char accepted[3 * HTTP_PIN_MAX]; /* SHA-1 of the one that was not */
  unsigned seed;                /* of the jitter */
  struct http_stats stats;

  /* session.c */
  bool logging_in;
  unsigned generation, login_attempts;
  pthread_cond_t login_done;
  int login_err;                /* of the last one, 0 if it succeeded */
  int64_t login_refused_at;     /* monotonic_ms */

  /* worker.c */
  bool started;
  pthread_t thread;
  CURLM *multi;
  struct fetch_list demand, ahead; /* queued */
  struct fetch_list waiting;    /* for the time of their next try */
  struct transfer_list active, spare;
  unsigned nr_active;
  unsigned limit;               /* of nr_active, <= connections */
  unsigned since_shrink;        /* successes */
  uint64_t epoch;               /* counts shrinks: transfers started
                                   before one do not shrink again */
  int64_t paused_until;         /* monotonic_ms, by a Retry-After */
  unsigned nr_wanted;           /* fetches that a reader waits for */
  uint64_t queued_bytes;

  /* block.c */
  struct block_bucket buckets[HTTP_BUCKETS];
  struct block_list lru;        /* next to evict first */
  uint64_t held;                /* bytes in blocks */
  struct spare_buffer *spare_buffers; /* of former blocks */
};

/* Every public function that takes time is between these two.  -1 with
 * errno ESHUTDOWN.
 */
extern int http_enter (struct http_client *client);
extern void http_leave (struct http_client *client);

static inline void
cleanup_http_leave (struct http_client **client)
{
  if (*client)
    http_leave (*client);
}
#define CLEANUP_HTTP_LEAVE __attribute__ ((cleanup (cleanup_http_leave)))

/* A handle of the pool, or a new one; NULL with errno, reported unless
 * ESHUTDOWN.  Waits while too many are in use, unless URGENT.
 */
extern struct http_handle *http_handle_get (struct http_client *client,
                                            bool urgent);
extern void http_handle_put (struct http_client *client,
                             struct http_handle *handle);

/* Forget all options; connections and cookies stay. */
extern void http_reset (CURL *easy);
/* Set all that is the same for every use of EASY on this client. */
extern CURLcode http_setup (struct http_client *client, CURL *easy,
                            const char *path, unsigned stall_timeout);

/* Wipe and free; NULL is allowed. */
extern void http_free_secret (char *s);

/* How long to wait before try TRY (1 is the first retry), given the
 * Retry-After of the answer in seconds.
 */
extern unsigned http_backoff_ms (struct http_client *client, unsigned try,
                                 uint64_t retry_after);

/* Count a transfer that ended. */
extern void http_count_transfer (struct http_client *client, CURL *easy,
                                 bool retry);

/*---- tls.c ----*/

/* Read a thumbprint.  Number of bytes (20 or 32), 0 if it is none. */
extern size_t http_parse_thumbprint (const char *text, uint8_t *pin);
/* 0 if CLIENT's CA text or file can be read, else -1 reported. */
extern int http_tls_check (struct http_client *client);
extern CURLcode http_tls_setup (struct http_client *client, CURL *easy);
/* Words for a certificate that was refused. */
extern void http_tls_explain (struct http_client *client,
                              const char *curl_error,
                              struct http_failure *failure);

/*---- failure.c ----*/

extern void http_fail (struct http_failure *failure, int err, bool again,
                       const char *fmt, ...)
  __attribute__ ((format (printf, 4, 5)));

/* What CODE means; ERROR is CURLOPT_ERRORBUFFER. */
extern void http_fail_curl (struct http_client *client, CURL *easy,
                            CURLcode code, const char *error,
                            struct http_failure *failure);

/* What a status that is not a success means.  LOCATION may be NULL. */
extern void http_fail_status (unsigned status, const char *location,
                              struct http_failure *failure);

/* PATH without its query, printable, in a static thread-local buffer as
 * those of printable.
 */
extern const char *http_printable_path (const char *path);

/*---- header.c ----*/

/* Cut one header line (CR LF at its end allowed).  False if it has no
 * colon or a bad name.
 */
extern bool http_header_split (const char *line, size_t len,
                               const char **name, size_t *name_len,
                               const char **value, size_t *value_len);

struct http_content_range {
  bool has_range;               /* false for "bytes *" "/TOTAL" */
  uint64_t first, last;
  bool has_total;               /* false for ".../" "*" */
  uint64_t total;
};
/* RFC 9110 14.4.  False, and *R untouched, unless all of it is right and
 * first <= last < total.
 */
extern bool http_parse_content_range (const char *value, size_t len,
                                      struct http_content_range *r);

/* What a ranged reply says of itself. */
struct http_range_reply {
  unsigned status;
  bool has_range, bad_range;
  struct http_content_range range;
  bool has_length, bad_length;
  uint64_t length;              /* Content-Length */
  bool encoded;                 /* Content-Encoding is not identity */
  char etag[256], modified[64]; /* "" if absent; hashed if longer */
};
/* Take one header line (a status line begins a new reply). */
extern void http_range_reply_add (struct http_range_reply *reply,
                                  const char *line, size_t len);

/* Does REPLY hold [FIRST, FIRST+LENGTH) of a file with this SIZE and
 * identity?  True, or false with FAILURE filled.
 */
extern bool http_range_reply_check (const struct http_range_reply *reply,
                                    uint64_t first, uint64_t length,
                                    uint64_t size, const char *etag,
                                    const char *modified,
                                    struct http_failure *failure);

/*---- url.c ----*/

/* http_split_url without a report: NULL, or why not. */
extern const char *http_split (const char *url, char **origin,
                               char **path);

/*---- request.c ----*/

/* http_request and http_stream in one.  CUT: a body longer than max_body
 * is cut off there, without an error.  *FINAL_PATH, if not NULL: the path
 * after redirects, malloc'ed.
 */
extern int http_exchange (struct http_client *client,
                          const struct http_request *request,
                          const struct http_sink *sink, bool cut,
                          struct http_response *response,
                          char **final_path);

/*---- session.c ----*/

/* The headers of the client, then EXTRA (or NULL).  NULL: no memory or
 * none (*OOM tells).
 */
extern struct curl_slist *http_header_list (struct http_client *client,
                                            const char *const *extra,
                                            bool *oom);

/* Wait while somebody logs in.  The generation then. */
extern unsigned http_wait_login (struct http_client *client);

/*---- worker.c, transfer.c ----*/

enum fetch_state {
  FETCH_QUEUED,                 /* in demand or ahead */
  FETCH_ACTIVE,                 /* in a transfer: buf, done and entry are
                                   the worker's, without the lock */
  FETCH_WAITING,
  FETCH_LOGIN,                  /* its reader has to log in */
  FETCH_DONE,
  FETCH_FAILED,
};

struct fetch {
  struct http_file *file;
  struct block *block;          /* that it is part of, or NULL */
  uint64_t offset;
  size_t length;
  uint8_t *buf;
  size_t done;                  /* bytes of buf that are right */
  enum fetch_state state;
  bool ahead;                   /* no reader waits for it */
  bool abandoned;               /* do not try again */
  bool aborted;                 /* nor wait for what is under way */
  unsigned logins;              /* for its sake */
  unsigned generation;          /* of the login it was last sent with */
  unsigned tries, wrong;        /* that failed; by our checks */
  bool fresh;                   /* on a connection of its own next time */
  unsigned status;              /* of the answer that failed last, or 0 */
  bool asked;                   /* whether that is hopeless */
  int64_t due;                  /* monotonic_ms: FETCH_WAITING ends */
  struct http_failure *failure; /* FETCH_FAILED; NULL: no memory for it */
  int err;                      /* FETCH_FAILED */
  pthread_cond_t *changed;      /* the state, as far as readers see it */
  TAILQ_ENTRY (fetch) entry;
};

/* All of these with the lock held. */
extern void http_fetch_queue (struct http_client *client, struct fetch *f);
/* Forget one that is not active. */
extern void http_fetch_remove (struct http_client *client, struct fetch *f);
/* A reader has begun to wait for one that was read ahead. */
extern void http_fetch_promote (struct http_client *client,
                                struct fetch *f);
extern void http_fetch_done (struct http_client *client, struct fetch *f);
/* FAILURE is copied; it may be NULL. */
extern void http_fetch_fail (struct http_client *client, struct fetch *f,
                             int err, const struct http_failure *failure);
/* The same, as soon as it is not active: it is not tried again. */
extern void http_fetch_give_up (struct http_client *client, struct fetch *f,
                                int err, const struct http_failure *failure);
/* Try again after DELAY milliseconds. */
extern void http_fetch_again (struct http_client *client, struct fetch *f,
                              unsigned delay);
extern void http_wake (struct http_client *client);

struct transfer {
  struct http_client *client;
  CURL *easy;
  struct curl_slist *headers;
  char error[CURL_ERROR_SIZE];
  struct fetch_list run;        /* neighbours */
  struct fetch *current;        /* that the next byte belongs to */
  struct http_file *file;
  uint64_t first, end, pos;     /* offsets in the file */
  bool retry, fresh;            /* fresh: on a connection of its own */
  uint64_t epoch;
  unsigned generation;
  struct http_range_reply reply;
  bool checked, exact;          /* reply is right; and its length known */
  size_t ignored;               /* bytes of the body of an error */
  struct http_failure failure;  /* of the check; err 0: none */
  LIST_ENTRY (transfer) entry;
};

/* A spare or a new one; NULL: no memory. */
extern struct transfer *http_transfer_new (struct http_client *client);
extern void http_transfer_free (struct transfer *t);
/* Take F and the queued neighbours after it, WANTED bytes in all or a
 * little more; with the lock held.
 */
extern void http_transfer_take (struct transfer *t, struct fetch *f,
                                size_t wanted);
/* Without the lock.  CURLE_OK, or it could not be begun. */
extern CURLcode http_transfer_begin (struct transfer *t);
/* It is over; decides what becomes of its fetches.  Without the lock. */
extern void http_transfer_end (struct transfer *t, CURLcode code);

/*---- file.c, read.c, block.c, ahead.c ----*/

struct http_stream_pos {        /* one sequential reader */
  uint64_t next;                /* it is expected to go on here */
  uint64_t ahead;               /* blocks were read ahead up to here */
  unsigned window;              /* blocks */
  unsigned hits;
  uint64_t depth;               /* bytes asked for at once, of late */
  uint64_t used;                /* tick of its last read */
};

struct http_file {
  struct http_client *client;
  char *path;
  size_t path_index;
  string_vector headers;        /* with a NULL at its end */
  uint64_t size;
  char etag[256], modified[64];
  bool (*hopeless) (void *opaque, unsigned status); /* or NULL, as in */
  bool (*stopped) (void *opaque); /* struct http_file_options */
  void *opaque;
  http_allocated allocated;     /* or NULL */
  void *allocated_opaque;

  /* The client's lock. */
  unsigned transfers;           /* that use it */
  bool closing;                 /* they are to end */
  uint64_t reading;             /* bytes that readers wait for */
  struct http_stream_pos streams[HTTP_STREAMS];
  uint64_t tick;
};

struct block {
  struct fetch fetch;
  pthread_cond_t changed;
  uint64_t index;
  unsigned users;               /* readers that hold it */
  int64_t born;                 /* monotonic_ms */
  bool hit;                     /* somebody asked for it */
  size_t consumed;              /* bytes that were copied out */
  bool hashed;                  /* false: freed by its last user */
  LIST_ENTRY (block) bucket;
  TAILQ_ENTRY (block) lru;
};

/* With the lock held. */
extern struct block *http_block_find (struct http_file *f, uint64_t index);
/* Does the block hold enough data to be read as a whole? */
extern bool http_block_worth (struct http_file *f, uint64_t index);
/* Make one and queue its fetch; NULL if there is no memory for it. */
extern struct block *http_block_new (struct http_file *f, uint64_t index,
                                     bool ahead);
/* A user is done with it, after it copied CONSUMED bytes. */
extern void http_block_put (struct http_client *client, struct block *b,
                            size_t consumed);
/* Free it, or let its last user or its transfer do so. */
extern void http_block_drop (struct http_client *client, struct block *b);
/* Its fetch has ended, well or not; may free B. */
extern void http_block_settle (struct http_client *client, struct block *b);
/* Free the buffers that are kept for new blocks. */
extern void http_buffers_free (struct http_client *client);
/* Those of F with FIRST <= index < LAST, and hit or not. */
extern void http_blocks_drop (struct http_file *f, uint64_t first,
                              uint64_t last, bool also_hit);

/* Note a read of [OFFSET, OFFSET+COUNT).  The stream that it continues,
 * or NULL.
 */
extern struct http_stream_pos *http_ahead_note (struct http_file *f,
                                                uint64_t offset,
                                                size_t count);
/* Queue blocks ahead of S, if there are idle connections for them. */
extern void http_ahead_plan (struct http_file *f,
                             struct http_stream_pos *s);

#endif /* NBDLIFT_HTTP_PRIVATE_H */
