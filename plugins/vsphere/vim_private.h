/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the parts of the API client share (vim_*.c).
 */
#ifndef NBDLIFT_VIM_PRIVATE_H
#define NBDLIFT_VIM_PRIVATE_H

#include <pthread.h>

#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "common/xml/xml.h"
#include "plugins/vsphere/vim.h"

struct vim {
  struct http_client *http;
  char *path;                   /* "/sdk" */
  char *host;                   /* "[::1]:8989", as in the URL */
  char *user, *password;
  const char *action;           /* value of SOAPAction */
  unsigned timeout;             /* seconds without an answer, 0: default */

  /* Of the service content: names differ between products. */
  char *session_manager, *property_collector, *view_manager, *search_index;
  char *root_folder;
  char *product, *api_version, *instance_uuid;
  bool vcenter;

  /* The thread that keeps the session alive. */
  pthread_mutex_t lock;         /* guards the rest */
  pthread_cond_t wake;
  pthread_t thread;
  bool has_thread, closing;
};

/*---- vim_soap.c ----*/

struct vim_fault {
  char *type;                   /* "NoPermission"; never NULL */
  char *message;                /* the server's words, or NULL */
  char *name;                   /* of the privilege or property that the
                                   fault is about, or NULL */
  struct vim_ref object;        /* that it is about, or NULLs */
};
extern void vim_fault_free (struct vim_fault *fault);
#define CLEANUP_VIM_FAULT __attribute__ ((cleanup (vim_fault_free)))

/* Fill *FAULT from an element whose xsi:type (or name) is that of the
 * fault.  MESSAGE is copied.  0, or -1 with errno ENOMEM, reported.
 */
extern int vim_fault_read (xmlNodePtr node, const char *message,
                           struct vim_fault *fault);
extern bool vim_fault_is (const struct vim_fault *fault, const char *type);

/* Report at LEVEL that WHAT failed with FAULT, and what to do; sets errno
 * by the type of the fault.
 */
extern void vim_fault_report (enum log_level level, const struct vim *vim,
                              const char *what,
                              const struct vim_fault *fault);

struct vim_request {
  const char *method, *type, *id, *args;
  bool no_login;                /* send as we are: for the login itself */
  unsigned timeout;             /* seconds in all, or 0 */
};

struct vim_reply {
  xmlDocPtr doc;
  xmlNodePtr returnval;         /* or NULL */
  unsigned generation;          /* of the login it was sent with */
};

/* Send one request.  0 with *REPLY, whose document the caller frees; 1
 * with *FAULT, unreported, and REPLY->generation; -1 with errno and a
 * report.
 */
extern int vim_soap_send (struct vim *vim, const struct vim_request *request,
                          struct vim_reply *reply, struct vim_fault *fault);

/*---- vim_session.c ----*/

/* vim_call, with faults reported at LEVEL; FAULT, unless NULL, takes them
 * instead (vim_fault_free) and the result is then 1, unreported.
 */
extern int vim_invoke (struct vim *vim, enum log_level level,
                       const char *method, const char *type, const char *id,
                       const char *args, xmlDocPtr *reply,
                       xmlNodePtr *returnval, struct vim_fault *fault);

/* log_message with arguments. */
extern void vim_log (enum log_level level, const char *fmt, ...)
  __attribute__ ((format (printf, 2, 3)));

/* Append "<NAME>TEXT</NAME>" with TEXT escaped.  0, or -1 reported. */
extern int vim_add_text (struct strbuf *b, const char *name,
                         const char *text);
/* Append "<NAME type="TYPE">ID</NAME>". */
extern int vim_add_ref (struct strbuf *b, const char *name, const char *type,
                        const char *id);

/*---- vim_wait.c ----*/

extern void vim_sleep_ms (unsigned ms);
/* With LOCK held: wait until *CLOSING (COND is signalled then), which is
 * returned, or for SECONDS.
 */
extern bool vim_cond_wait (pthread_cond_t *cond, pthread_mutex_t *lock,
                           const bool *closing, unsigned seconds);

/*---- vim_property.c ----*/

/* As vim_get; but 1 with *FAULT, unreported, if the server says one (of type
 * ManagedObjectNotFound also if it just says nothing).
 */
extern int vim_try_get (struct vim *vim, const char *type, const char *id,
                        const char *const *paths,
                        struct vim_objects *objects,
                        struct vim_fault *fault);

#endif /* NBDLIFT_VIM_PRIVATE_H */
