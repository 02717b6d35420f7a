/* SPDX-License-Identifier: BSD-3-Clause
 *
 * In place of common/http, for tests and fuzzers of the vSphere client:
 * answers come from the test, nothing goes over a wire.  Defining what the
 * client calls keeps the linker from taking the real ones.
 */
#ifndef NBDLIFT_TESTS_FAKE_HTTP_H
#define NBDLIFT_TESTS_FAKE_HTTP_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/http/http.h"
#include "common/include/minmax.h"
#include "common/util/log.h"

#define ENVELOPE(body)                                                  \
  "<?xml version=\"1.0\"?><s:Envelope"                                  \
  " xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\""              \
  " xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\"><s:Body>"     \
  body "</s:Body></s:Envelope>"

/* What a server answers to METHOD. */
#define ANSWER(method, returnval)                                       \
  ENVELOPE ("<" method "Response xmlns=\"urn:vim25\">" returnval        \
            "</" method "Response>")

#define FAULT(type, content)                                            \
  ENVELOPE ("<s:Fault><faultcode>ServerFaultCode</faultcode>"           \
            "<faultstring>words of the server</faultstring><detail>"    \
            "<" type "Fault xmlns=\"urn:vim25\" i:type=\"" type "\">"   \
            content "</" type "Fault></detail></s:Fault>")

#define SERVICE_CONTENT                                                 \
  ANSWER ("RetrieveServiceContent",                                     \
          "<returnval>"                                                 \
          "<rootFolder type=\"Folder\">group-d1</rootFolder>"           \
          "<propertyCollector type=\"PropertyCollector\">PC"            \
          "</propertyCollector>"                                        \
          "<viewManager type=\"ViewManager\">VM</viewManager>"          \
          "<about><fullName>VMware vCenter Server 8.0.2</fullName>"     \
          "<apiType>VirtualCenter</apiType>"                            \
          "<apiVersion>8.0.2.0</apiVersion>"                            \
          "<instanceUuid>u-u-i-d</instanceUuid></about>"                \
          "<sessionManager type=\"SessionManager\">SM</sessionManager>" \
          "<searchIndex type=\"SearchIndex\">SI</searchIndex>"          \
          "</returnval>")

struct fake_step {
  const char *method;           /* of SOAP, which must be asked for next */
  unsigned status;
  const char *body;
};

/* The answers to come; RetrieveServiceContent, Login and Logout have
 * answers of their own if the next step is another.
 */
static const struct fake_step *fake_steps;
static char fake_request[65536];        /* the last one */
static char fake_ca_pem[64];    /* of the last client */
static unsigned fake_logins, fake_logouts, fake_clears;
/* If set, answers everything. */
static const char *(*fake_answer) (const char *method, unsigned *status);

struct http_client {
  http_login login;
  void *opaque;
  unsigned generation;
};

static inline const char *
fake_next (const char *method, unsigned *status)
{
  *status = 200;
  if (fake_answer)
    return fake_answer (method, status);
  if (fake_steps && fake_steps->method &&
      strcmp (fake_steps->method, method) == 0) {
    *status = fake_steps->status;
    return fake_steps++->body;
  }
  if (strcmp (method, "RetrieveServiceContent") == 0)
    return SERVICE_CONTENT;
  if (strcmp (method, "Login") == 0)
    return ANSWER ("Login", "<returnval><key>k</key></returnval>");
  if (strcmp (method, "Logout") == 0)
    return ANSWER ("Logout", "");
  fprintf (stderr, "unexpected %s, the next step is %s\n", method,
           fake_steps && fake_steps->method ? fake_steps->method : "none");
  abort ();
}

int
http_request (struct http_client *client, const struct http_request *request,
              struct http_response *response)
{
  static const char mark[] = ":Body><";
  const char *start;
  const char *body;
  char method[64];
  size_t len;

  snprintf (fake_request, sizeof fake_request, "%.*s",
            (int) request->body_len, (const char *) request->body);
  start = strstr (fake_request, mark) + strlen (mark);
  len = strcspn (start, " >");
  snprintf (method, sizeof method, "%.*s", (int) len, start);
  fake_logins += strcmp (method, "Login") == 0;
  fake_logouts += strcmp (method, "Logout") == 0;
  body = fake_next (method, &response->status);
  if (body == NULL) {
    log_error ("the connection was lost");
    errno = EIO;
    return -1;
  }
  response->len = strlen (body);
  response->body = strdup (body);
  response->headers = strdup ("");
  response->generation = client->generation;
  return 0;
}

void
http_response_free (struct http_response *response)
{
  free (response->body);
  free (response->headers);
  memset (response, 0, sizeof *response);
}

int
http_check_status (struct http_client *client,
                   const struct http_request *request,
                   const struct http_response *response)
{
  if (response->status / 100 == 2)
    return 0;
  log_error ("status %u", response->status);
  errno = EIO;
  return -1;
}

int
http_global_init (void)
{
  return 0;
}

struct http_client *
http_client_new (const struct http_options *o)
{
  struct http_client *client = calloc (1, sizeof *client);

  snprintf (fake_ca_pem, sizeof fake_ca_pem, "%s",
            o->ca_pem ? o->ca_pem : "");
  client->login = o->login;
  client->opaque = o->login_opaque;
  return client;
}

void
http_client_free (struct http_client *client)
{
  free (client);
}

int
http_client_login (struct http_client *client, unsigned generation)
{
  if (client->generation != generation)
    return 0;
  if (client->login (client, client->opaque) == -1)
    return -1;
  client->generation++;
  return 0;
}

unsigned
http_client_generation (struct http_client *client)
{
  return client->generation;
}

void
http_client_clear_cookies (struct http_client *client)
{
  fake_clears++;
}

const char *
http_client_origin (const struct http_client *client)
{
  return "https://vc";
}

/* Only so that what is linked is complete. */

char *
http_client_thumbprint (struct http_client *client)
{
  return NULL;
}

int
http_stream (struct http_client *client, const struct http_request *request,
             const struct http_sink *sink)
{
  abort ();
}

#endif /* NBDLIFT_TESTS_FAKE_HTTP_H */
