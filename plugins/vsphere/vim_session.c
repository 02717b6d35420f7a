/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A session: service content, login, logout, and the calls between.
 *
 * The cookie of the session belongs to the HTTP client, which logs in
 * through our hook: at first, on status 401 (from /folder), and when a
 * SOAP fault says that we are not authenticated.  It lets one thread at
 * a time do that.  A server refuses a login that carries the cookie of a
 * live session, so cookies are dropped before.
 *
 * The server ends a session after half an hour without a call; reading
 * /folder is no call.  So a thread asks for the time every ten minutes.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/blob.h"
#include "plugins/vsphere/vim_private.h"

#define KEEP_ALIVE_SECONDS 600
#define KEEP_ALIVE_TIMEOUT 30
#define LOGOUT_SECONDS 10
#define MAX_CA_SIZE MIB

static void
logout (struct vim *vim)
{
  const struct vim_request request = {
    .method = "Logout", .type = "SessionManager", .id = vim->session_manager,
    .no_login = true, .timeout = LOGOUT_SECONDS,
  };
  CLEANUP_VIM_FAULT struct vim_fault fault = { 0 };
  struct vim_reply reply = { 0 };

  /* A session that has ended before is as good. */
  if (vim_soap_send (vim, &request, &reply, &fault) == 0)
    xmlFreeDoc (reply.doc);
}

static int
login (struct http_client *http, void *opaque)
{
  struct vim *vim = opaque;
  CLEANUP_STRBUF struct strbuf args = { 0 };
  CLEANUP_XMLDOC xmlDocPtr doc = NULL;
  CLEANUP_VIM_FAULT struct vim_fault fault = { 0 };
  struct vim_reply reply = { 0 };
  struct vim_request request = {
    .method = "Login", .type = "SessionManager", .id = vim->session_manager,
    .no_login = true,
  };
  CLEANUP_FREE char *what = NULL;
  int r;

  /* What looked like the end of the session may be a fault on the way: then
   * it would stay behind.
   */
  if (http_client_generation (http) > 0)
    logout (vim);
  http_client_clear_cookies (http);
  if (vim_add_text (&args, "userName", vim->user) == -1 ||
      vim_add_text (&args, "password", vim->password) == -1)
    r = -1;
  else {
    request.args = args.ptr;
    r = vim_soap_send (vim, &request, &reply, &fault);
  }
  if (args.ptr)
    explicit_bzero (args.ptr, args.cap);
  doc = reply.doc;
  if (r != 1)
    return r;
  if (asprintf (&what, "login of user '%s'", printable (vim->user)) == -1) {
    what = NULL;
    log_oom ();
    return -1;
  }
  vim_fault_report (LOG_LEVEL_ERROR, vim, what, &fault);
  return -1;
}

int
vim_invoke (struct vim *vim, enum log_level level, const char *method,
            const char *type, const char *id, const char *args,
            xmlDocPtr *doc, xmlNodePtr *returnval, struct vim_fault *out)
{
  const struct vim_request request = {
    .method = method, .type = type, .id = id, .args = args,
  };
  CLEANUP_VIM_FAULT struct vim_fault fault = { 0 };
  CLEANUP_FREE char *what = NULL;
  struct vim_reply reply = { 0 };
  int r;

  r = vim_soap_send (vim, &request, &reply, &fault);
  if (r == 1 && vim_fault_is (&fault, "NotAuthenticated")) {
    vim_fault_free (&fault);
    if (http_client_login (vim->http, reply.generation) == -1)
      return -1;
    r = vim_soap_send (vim, &request, &reply, &fault);
  }
  if (r == -1)
    return -1;
  if (r == 0) {
    if (returnval)
      *returnval = reply.returnval;
    if (doc)
      *doc = reply.doc;
    else
      xmlFreeDoc (reply.doc);
    return 0;
  }
  if (out) {
    *out = fault;
    memset (&fault, 0, sizeof fault);
    return 1;
  }
  if (asprintf (&what, "%s of %s %s", method, printable (type),
                printable (id)) == -1) {
    what = NULL;
    log_oom ();
    return -1;
  }
  vim_fault_report (level, vim, what, &fault);
  return -1;
}

int
vim_call (struct vim *vim, const char *method, const char *type,
          const char *id, const char *args, xmlDocPtr *reply,
          xmlNodePtr *returnval)
{
  return vim_invoke (vim, LOG_LEVEL_ERROR, method, type, id, args, reply,
                     returnval, NULL);
}

/*---- opening ----*/

static int
read_version (const char *s, unsigned version[2])
{
  size_t i, n;
  uint64_t v;

  for (i = 0; i < 2; i++) {
    n = strspn (s, "0123456789");
    if (!parse_u64_n (s, n, 10, &v) || v > 1000)
      return -1;
    version[i] = v;
    s += n;
    s += *s == '.';
  }
  return 0;
}

/* The newest version that both sides know.  Without it a server leaves out
 * what is newer than version 2.
 */
static const char *
choose_action (const char *api_version)
{
  static const struct {
    unsigned version[2];
    const char *action;
  } known[] = {
    { { 7, 0 }, "urn:vim25/7.0" },
    { { 6, 7 }, "urn:vim25/6.7" },
    { { 6, 5 }, "urn:vim25/6.5" },
    { { 6, 0 }, "urn:vim25/6.0" },
    { { 5, 5 }, "urn:vim25/5.5" },
  };
  unsigned v[2];
  size_t i;

  if (read_version (api_version, v) == 0)
    for (i = 0; i < ARRAY_SIZE (known); i++)
      if (v[0] > known[i].version[0] ||
          (v[0] == known[i].version[0] && v[1] >= known[i].version[1]))
        return known[i].action;
  return "urn:vim25/5.0";
}

static int
read_content (struct vim *vim)
{
  const struct vim_request request = {
    .method = "RetrieveServiceContent", .type = "ServiceInstance",
    .id = "ServiceInstance", .no_login = true,
  };
  struct {
    const char *name;
    char **value;
  } parts[] = {
    { "sessionManager", &vim->session_manager },
    { "propertyCollector", &vim->property_collector },
    { "viewManager", &vim->view_manager },
    { "searchIndex", &vim->search_index },
    { "rootFolder", &vim->root_folder },
  };
  CLEANUP_VIM_FAULT struct vim_fault fault = { 0 };
  CLEANUP_XMLDOC xmlDocPtr doc = NULL;
  CLEANUP_FREE char *api_type = NULL;
  struct vim_reply reply = { 0 };
  xmlNodePtr about;
  size_t i;
  int r;

  r = vim_soap_send (vim, &request, &reply, &fault);
  doc = reply.doc;
  if (r == 1)
    vim_fault_report (LOG_LEVEL_ERROR, vim, request.method, &fault);
  if (r != 0)
    return -1;
  for (i = 0; i < ARRAY_SIZE (parts); i++) {
    *parts[i].value = vim_child_text (reply.returnval, parts[i].name);
    if (*parts[i].value == NULL) {
      log_error ("%s%s: the service has no %s: is this a vCenter Server or "
                 "an ESXi host?", http_client_origin (vim->http), vim->path,
                 parts[i].name);
      errno = EINVAL;
      return -1;
    }
  }
  about = vim_child (reply.returnval, "about");
  api_type = vim_child_text (about, "apiType");
  vim->vcenter = api_type && strcmp (api_type, "VirtualCenter") == 0;
  vim->product = vim_child_text (about, "fullName");
  vim->api_version = vim_child_text (about, "apiVersion");
  vim->instance_uuid = vim_child_text (about, "instanceUuid");
  if (vim->product == NULL)
    vim->product = strdup ("unknown product");
  if (vim->api_version == NULL)
    vim->api_version = strdup ("5.0");
  if (vim->product == NULL || vim->api_version == NULL) {
    log_oom ();
    return -1;
  }
  vim->action = choose_action (vim->api_version);
  return 0;
}

static struct vim *
vim_new (const struct vim_options *options)
{
  struct vim *vim = calloc (1, sizeof *vim);

  if (vim == NULL) {
    log_oom ();
    return NULL;
  }
  pthread_mutex_init (&vim->lock, NULL);
  pthread_cond_init (&vim->wake, NULL);
  vim->action = "urn:vim25/5.0";
  vim->timeout = options->timeout;
  vim->user = strdup (options->user);
  vim->password = strdup (options->password);
  if (vim->user == NULL || vim->password == NULL) {
    log_oom ();
    vim_close (vim);
    return NULL;
  }
  return vim;
}

/* "/sdk" unless the URL says another path. */
static int
read_url (struct vim *vim, const char *url)
{
  CLEANUP_FREE char *origin = NULL;
  size_t len;

  if (http_split_url (url, &origin, &vim->path) == -1)
    return -1;
  len = strcspn (vim->path, "?#");
  while (len > 0 && vim->path[len - 1] == '/')
    len--;
  vim->path[len] = '\0';
  if (len == 0) {
    free (vim->path);
    vim->path = strdup ("/sdk");
  }
  vim->host = strdup (strstr (origin, "://") + 3);
  if (vim->path == NULL || vim->host == NULL) {
    log_oom ();
    return -1;
  }
  return 0;
}

/* The text of the file, malloc'ed: it may be gone when a connection is
 * made later.  NULL reported.
 */
static char *
read_ca (const char *path)
{
  CLEANUP_BLOB struct blob *blob = blob_open_file (path);
  char *text;

  if (blob == NULL)
    return NULL;
  if (blob->size > MAX_CA_SIZE) {
    log_error ("%s: has %" PRIu64 " bytes, too many for certificates",
               printable (path), blob->size);
    errno = EINVAL;
    return NULL;
  }
  text = malloc (blob->size + 1);
  if (text == NULL) {
    log_oom ();
    return NULL;
  }
  if (blob_pread (blob, text, blob->size, 0) == -1) {
    free (text);
    return NULL;
  }
  text[blob->size] = '\0';
  return text;
}

struct vim *
vim_open (const struct vim_options *options)
{
  CLEANUP_FREE char *ca = NULL;

  struct http_options http_options = {
    .url = options->url, .insecure = options->insecure,
    .thumbprint = options->thumbprint, .ca_pem = options->ca_pem,
    .proxy = options->proxy,
    .connections = options->connections, .block = options->block,
    .stall_timeout = options->timeout,
    .login = login,
  };
  struct vim *vim;
  int err;

  if (options->user == NULL || options->password == NULL) {
    log_error ("vSphere: %s is missing",
               options->user ? "the password" : "the user name");
    errno = EINVAL;
    return NULL;
  }
  if (options->ca_file && options->ca_pem == NULL) {
    ca = read_ca (options->ca_file);
    if (ca == NULL)
      return NULL;
    http_options.ca_pem = ca;
  }
  xml_global_init ();
  vim = vim_new (options);
  if (vim == NULL)
    return NULL;
  http_options.login_opaque = vim;
  if (read_url (vim, options->url) == -1)
    goto err;
  vim->http = http_client_new (&http_options);
  if (vim->http == NULL || read_content (vim) == -1 ||
      http_client_login (vim->http, 0) == -1)
    goto err;
  log_debug ("%s: %s, API %s, logged in as '%s'",
             http_client_origin (vim->http), printable (vim->product),
             printable (vim->api_version), printable (vim->user));
  return vim;

 err:
  err = errno;
  vim_close (vim);
  errno = err;
  return NULL;
}

/*---- keeping it alive, and closing ----*/

/* Whoever closes us waits for this. */
static void
ask_for_time (struct vim *vim)
{
  const struct vim_request request = {
    .method = "CurrentTime", .type = "ServiceInstance",
    .id = "ServiceInstance", .timeout = KEEP_ALIVE_TIMEOUT,
  };
  CLEANUP_VIM_FAULT struct vim_fault fault = { 0 };
  struct vim_reply reply = { 0 };
  const int r = vim_soap_send (vim, &request, &reply, &fault);

  if (r == 0)
    xmlFreeDoc (reply.doc);
  else if (r == 1 && vim_fault_is (&fault, "NotAuthenticated"))
    http_client_login (vim->http, reply.generation);
}

static void *
keep_alive (void *opaque)
{
  struct vim *vim = opaque;

  pthread_mutex_lock (&vim->lock);
  while (!vim_cond_wait (&vim->wake, &vim->lock, &vim->closing,
                         KEEP_ALIVE_SECONDS)) {
    pthread_mutex_unlock (&vim->lock);
    ask_for_time (vim);
    pthread_mutex_lock (&vim->lock);
  }
  pthread_mutex_unlock (&vim->lock);
  return NULL;
}

int
vim_start (struct vim *vim)
{
  int err = 0;

  ACQUIRE_LOCK_FOR_CURRENT_SCOPE (&vim->lock);
  if (!vim->has_thread)
    err = pthread_create (&vim->thread, NULL, keep_alive, vim);
  if (err != 0) {
    errno = err;
    log_error ("%s: cannot start a thread to keep the session alive: %m",
               http_client_origin (vim->http));
    return -1;
  }
  vim->has_thread = true;
  return 0;
}

void
vim_close (struct vim *vim)
{
  if (vim == NULL)
    return;
  if (vim->has_thread) {
    pthread_mutex_lock (&vim->lock);
    vim->closing = true;
    pthread_cond_signal (&vim->wake);
    pthread_mutex_unlock (&vim->lock);
    pthread_join (vim->thread, NULL);
  }
  if (vim->http && http_client_generation (vim->http) > 0)
    logout (vim);
  http_client_free (vim->http);
  if (vim->password)
    explicit_bzero (vim->password, strlen (vim->password));
  free (vim->password);
  free (vim->user);
  free (vim->path);
  free (vim->host);
  free (vim->session_manager);
  free (vim->property_collector);
  free (vim->view_manager);
  free (vim->search_index);
  free (vim->root_folder);
  free (vim->product);
  free (vim->api_version);
  free (vim->instance_uuid);
  pthread_cond_destroy (&vim->wake);
  pthread_mutex_destroy (&vim->lock);
  free (vim);
}

bool
vim_is_vcenter (const struct vim *vim)
{
  return vim->vcenter;
}

const char *
vim_product (const struct vim *vim)
{
  return vim->product;
}

const char *
vim_api_version (const struct vim *vim)
{
  return vim->api_version;
}

const char *
vim_instance_uuid (const struct vim *vim)
{
  return vim->instance_uuid;
}

struct http_client *
vim_http (struct vim *vim)
{
  return vim->http;
}
