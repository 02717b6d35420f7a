/* SPDX-License-Identifier: BSD-3-Clause
 *
 * SOAP as the vSphere Web Services API speaks it: one method in, one
 * returnval or one fault out.
 *
 * Elements of a reply are found by name and namespace, never by prefix:
 * servers choose their own.  Faults are the exception, because some
 * servers put the detail into the namespace of the envelope.  A fault
 * comes with HTTP status 500.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <libxml/xmlstring.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "plugins/vsphere/vim_private.h"

#define SOAP_NS "http://schemas.xmlsoap.org/soap/envelope/"

char *
vim_escape (const char *text)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };
  char *ret;
  int r = 0;

  if (!xmlCheckUTF8 ((const xmlChar *) text)) {
    log_error ("a text for the vSphere API is not in UTF-8");
    errno = EINVAL;
    return NULL;
  }
  for (; *text && r == 0; text++) {
    const unsigned char c = *text;

    if (c < 0x20 && c != '\t' && c != '\n' && c != '\r') {
      log_error ("a text for the vSphere API has the control character "
                 "\\x%02x in it", c);
      errno = EINVAL;
      return NULL;
    }
    if (c < 0x20 || strchr ("<>&\"'", c))
      r = strbuf_printf (&b, "&#%d;", c);
    else
      r = strbuf_append_char (&b, c);
  }
  ret = r == 0 ? strbuf_steal (&b) : NULL;
  if (ret == NULL)
    log_oom ();
  return ret;
}

int
vim_add_text (struct strbuf *b, const char *name, const char *text)
{
  CLEANUP_FREE char *escaped = vim_escape (text);

  if (escaped == NULL)
    return -1;
  if (strbuf_printf (b, "<%s>%s</%s>", name, escaped, name) == -1) {
    log_oom ();
    return -1;
  }
  return 0;
}

int
vim_add_ref (struct strbuf *b, const char *name, const char *type,
             const char *id)
{
  CLEANUP_FREE char *escaped_type = vim_escape (type);
  CLEANUP_FREE char *escaped_id = vim_escape (id);

  if (escaped_type == NULL || escaped_id == NULL)
    return -1;
  if (strbuf_printf (b, "<%s type=\"%s\">%s</%s>", name, escaped_type,
                     escaped_id, name) == -1) {
    log_oom ();
    return -1;
  }
  return 0;
}

/*---- faults ----*/

void
vim_fault_free (struct vim_fault *fault)
{
  free (fault->type);
  free (fault->message);
  free (fault->name);
  vim_ref_free (&fault->object);
  memset (fault, 0, sizeof *fault);
}

bool
vim_fault_is (const struct vim_fault *fault, const char *type)
{
  return fault->type && strcmp (fault->type, type) == 0;
}

/* "NoPermissionFault" is an element of type NoPermission. */
static char *
type_of_element (xmlNodePtr node)
{
  const char *name = (const char *) node->name;
  const size_t len = strlen (name), suffix = strlen ("Fault");

  if (len > suffix && strcmp (name + len - suffix, "Fault") == 0)
    return strndup (name, len - suffix);
  return strdup (name);
}

int
vim_fault_read (xmlNodePtr node, const char *message,
                struct vim_fault *fault)
{
  CLEANUP_VIM_FAULT struct vim_fault f = { 0 };
  xmlNodePtr object = xml_child (node, NULL, "object");

  if (object == NULL)           /* ManagedObjectNotFound */
    object = xml_child (node, NULL, "obj");
  f.type = vim_xsi_type (node);
  if (f.type == NULL)
    f.type = type_of_element (node);
  if (message)
    f.message = strdup (message);
  f.name = xml_child_text (node, NULL, "privilegeId");
  if (f.name == NULL)
    f.name = xml_child_text (node, NULL, "name");
  if (f.type == NULL || (message && f.message == NULL) ||
      (object && vim_node_ref (object, &f.object) == -1 &&
       errno == ENOMEM)) {
    log_oom ();
    return -1;
  }
  *fault = f;
  memset (&f, 0, sizeof f);
  return 0;
}

static const struct {
  const char *type;
  int err;
  const char *text;
} faults[] = {
  { "InvalidLogin", EPERM,
    "the server refuses the user name or the password: check both" },
  { "NotAuthenticated", EPERM,
    "the server ended the session, and a new one as well" },
  { "RestrictedVersion", EPERM,
    "the licence of this host does not allow it: go through vCenter" },
  { "ManagedObjectNotFound", ENOENT,
    "the server has no such object (any more)" },
  { "InvalidPowerState", EBUSY, "the VM is in another power state" },
  { "TaskInProgress", EBUSY,
    "another task is at work on this object: try again when it is done" },
  { "FileLocked", EBUSY, "the file is locked: something else uses it" },
  { "ConcurrentAccess", EBUSY,
    "somebody else changed the object at the same time: try again" },
  { "ToolsUnavailable", ENOTSUP,
    "VMware Tools do not run in the guest: shut the guest down by hand" },
  { "MethodNotFound", ENOTSUP, "the server does not know this method" },
  { "NotSupported", ENOTSUP, "the server cannot do that here" },
  { "NotImplemented", ENOTSUP, "the server cannot do that here" },
  { "InvalidArgument", EINVAL, "the server refuses an argument" },
  { "InvalidRequest", EINVAL, "the server does not understand the request" },
  { "InvalidProperty", EINVAL, "the server does not know a property" },
  { "Timedout", ETIMEDOUT, "the server gave up waiting" },
};

void
vim_log (enum log_level level, const char *fmt, ...)
{
  va_list args;

  va_start (args, fmt);
  log_message (level, fmt, args);
  va_end (args);
}

static void
report_no_permission (enum log_level level, const struct vim *vim,
                      const char *what, const struct vim_fault *fault)
{
  vim_log (level, "%s: %s: no permission: user '%s' needs %s%s on %s %s: "
           "grant it there or above", http_client_origin (vim->http), what,
           printable (vim->user),
           fault->name ? "the privilege " : "a privilege that the server "
           "does not name", fault->name ? printable (fault->name) : "",
           fault->object.type ? printable (fault->object.type) : "the",
           fault->object.id ? printable (fault->object.id) : "object");
  errno = EPERM;
}

void
vim_fault_report (enum log_level level, const struct vim *vim,
                  const char *what, const struct vim_fault *fault)
{
  const char *text = "the server reports a fault", *message = "";
  int err = EIO;
  size_t i;

  if (vim_fault_is (fault, "NoPermission")) {
    report_no_permission (level, vim, what, fault);
    return;
  }
  for (i = 0; i < ARRAY_SIZE (faults); i++) {
    if (vim_fault_is (fault, faults[i].type)) {
      err = faults[i].err;
      text = faults[i].text;
    }
  }
  if (fault->message) {
    message = printable (fault->message);
    if (strcasestr (fault->message, "out of http sessions"))
      text = "too many sessions are open on the server: end those that "
        "nobody uses, or raise config.vmacore.soap.maxSessionCount";
  }
  vim_log (level, "%s: %s: %s (%s%s%s)", http_client_origin (vim->http),
           what, text, printable (fault->type), *message ? ": " : "",
           message);
  errno = err;
}

/*---- requests ----*/

/* Tries of the others while the server is too busy to take them, with
 * pauses that double.
 */
#define BUSY_TRIES 5
#define BUSY_PAUSE_MS 250

/* Methods that can be asked twice: they change nothing, or twice is as
 * once.
 */
static const char *const idempotent[] = {
  "RetrieveServiceContent", "CurrentTime", "RetrievePropertiesEx",
  "FindByInventoryPath", "FindByUuid", "FindAllByUuid",
  "CreateContainerView", "DestroyView", "QueryChangedDiskAreas",
  "HttpNfcLeaseProgress", "HttpNfcLeaseGetManifest", "Logout",
};

static bool
is_idempotent (const char *method)
{
  size_t i;

  for (i = 0; i < ARRAY_SIZE (idempotent); i++)
    if (strcmp (idempotent[i], method) == 0)
      return true;
  return false;
}

/* The text holds the password when it is a login's. */
static void
free_envelope (struct strbuf *b)
{
  if (b->ptr)
    explicit_bzero (b->ptr, b->cap);
  strbuf_free (b);
}

static int
write_envelope (struct strbuf *b, const struct vim_request *request)
{
  if (strbuf_printf (b, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
                     "<soapenv:Envelope xmlns:soapenv=\"" SOAP_NS "\""
                     " xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\""
                     " xmlns:xsi=\"" VIM_XSI_NS "\"><soapenv:Body>"
                     "<%s xmlns=\"" VIM_NS "\">", request->method) == -1)
    goto oom;
  if (vim_add_ref (b, "_this", request->type, request->id) == -1)
    return -1;
  if (strbuf_printf (b, "%s</%s></soapenv:Body></soapenv:Envelope>",
                     request->args ? request->args : "",
                     request->method) == -1)
    goto oom;
  return 0;

 oom:
  log_oom ();
  return -1;
}

static int
not_soap (const struct vim *vim, const struct vim_request *request,
          const char *why)
{
  log_error ("%s%s: %s: %s: is this a vCenter Server or an ESXi host?",
             http_client_origin (vim->http), vim->path, request->method, why);
  errno = EINVAL;
  return -1;
}

/* The first element in the body of the envelope, or NULL. */
static xmlNodePtr
body_of (xmlDocPtr doc)
{
  xmlNodePtr root = xml_next_element (xmlDocGetRootElement (doc), SOAP_NS,
                                      "Envelope");

  return xml_child (xml_child (root, SOAP_NS, "Body"), NULL, NULL);
}

static int
read_fault (xmlNodePtr node, struct vim_fault *fault)
{
  CLEANUP_FREE char *message = xml_child_text (node, NULL, "faultstring");
  xmlNodePtr detail = xml_child (node, NULL, "detail");
  xmlNodePtr first = xml_child (detail, NULL, NULL);

  return vim_fault_read (first ? first : node, message, fault);
}

static bool
too_many_sessions (const struct http_response *response)
{
  return strcasestr (response->body, "out of http sessions") != NULL;
}

/* Of an answer that is no SOAP message. */
static int
report_status (const struct vim *vim, const struct vim_request *request,
               const struct http_request *req,
               const struct http_response *response)
{
  if (too_many_sessions (response)) {
    log_error ("%s%s: status %u: too many sessions are open on the server: "
               "end those that nobody uses, or raise "
               "config.vmacore.soap.maxSessionCount",
               http_client_origin (vim->http), vim->path, response->status);
    errno = EIO;
    return -1;
  }
  if (http_check_status (vim->http, req, response) == -1)
    return -1;
  return not_soap (vim, request, "the status is neither 200 nor 500");
}

static int
read_reply (const struct vim *vim, const struct vim_request *request,
            const struct http_response *response, struct vim_reply *reply,
            struct vim_fault *fault)
{
  CLEANUP_XMLDOC xmlDocPtr doc = NULL;
  CLEANUP_FREE char *name = NULL;
  xmlNodePtr first;
  const size_t len = strlen (request->method);

  if (asprintf (&name, "%s%s: answer to %s", http_client_origin (vim->http),
                vim->path, request->method) == -1) {
    name = NULL;
    log_oom ();
    return -1;
  }
  doc = xml_parse (response->body, response->len, name);
  if (doc == NULL)
    return -1;
  first = body_of (doc);
  if (first == NULL)
    return not_soap (vim, request, "the answer is not a SOAP envelope");
  if (xml_next_element (first, SOAP_NS, "Fault") == first)
    return read_fault (first, fault) == -1 ? -1 : 1;
  if (response->status != 200 ||
      strncmp ((const char *) first->name, request->method, len) != 0 ||
      strcmp ((const char *) first->name + len, "Response") != 0 ||
      xml_next_element (first, VIM_NS, NULL) != first)
    return not_soap (vim, request, "the answer is that to something else");
  reply->returnval = xml_child (first, VIM_NS, "returnval");
  reply->doc = doc;
  doc = NULL;
  return 0;
}

/* Status 503 means that nothing was done, so that any method can be sent
 * again.
 */
static int
send_request (struct vim *vim, const struct http_request *req,
              struct http_response *response)
{
  unsigned pause = BUSY_PAUSE_MS, tries;

  for (tries = 1; ; tries++) {
    if (http_request (vim->http, req, response) == -1)
      return -1;
    if (response->status != 503 || req->idempotent || tries == BUSY_TRIES ||
        too_many_sessions (response))
      return 0;
    http_response_free (response);
    vim_sleep_ms (pause);
    pause *= 2;
  }
}

int
vim_soap_send (struct vim *vim, const struct vim_request *request,
               struct vim_reply *reply, struct vim_fault *fault)
{
  __attribute__ ((cleanup (free_envelope))) struct strbuf envelope = { 0 };
  CLEANUP_HTTP_RESPONSE struct http_response response = { 0 };
  CLEANUP_FREE char *action = NULL;
  const char *headers[] = {
    "Content-Type: text/xml; charset=utf-8", "Accept: text/xml", NULL, NULL
  };
  struct http_request req = {
    .method = "POST", .path = vim->path, .headers = headers,
    .max_body = XML_MAX_SIZE, .no_login = request->no_login,
    .stall_timeout = vim->timeout, .timeout = request->timeout,
    .idempotent = is_idempotent (request->method),
  };

  if (asprintf (&action, "SOAPAction: \"%s\"", vim->action) == -1) {
    action = NULL;
    log_oom ();
    return -1;
  }
  headers[2] = action;
  if (write_envelope (&envelope, request) == -1)
    return -1;
  req.body = envelope.ptr;
  req.body_len = envelope.len;

  if (send_request (vim, &req, &response) == -1)
    return -1;
  reply->generation = response.generation;
  if (response.status != 200 &&
      (response.status != 500 || strstr (response.body, "Envelope") == NULL))
    return report_status (vim, request, &req, &response);
  return read_reply (vim, request, &response, reply, fault);
}
