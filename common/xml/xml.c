/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reading XML from people we do not trust.
 *
 * The parser is stopped by its own callback at "<!DOCTYPE", before it
 * has read the first declaration: an entity bomb is never defined, much
 * less expanded.  What is left to libxml2's own limits is depth (256) and
 * the length of one text (10 MB), both on because XML_PARSE_HUGE is not
 * given.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <libxml/parser.h>
#include <libxml/parserInternals.h>

#include "common/include/cleanup.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "common/xml/xml.h"

static xmlParserInputPtr
refuse_external_entity (const char *url, const char *id,
                        xmlParserCtxtPtr ctxt)
{
  return NULL;
}

void
xml_global_init (void)
{
  LIBXML_TEST_VERSION
  xmlInitParser ();
  xmlSetExternalEntityLoader (refuse_external_entity);
}

/* Called by the parser at "<!DOCTYPE". */
static void
refuse_dtd (void *ctx, const xmlChar *name, const xmlChar *external_id,
            const xmlChar *system_id)
{
  xmlParserCtxtPtr ctxt = ctx;
  bool *has_dtd = ctxt->_private;

  *has_dtd = true;
  xmlStopParser (ctxt);
}

/* libxml2's message without the newline at its end. */
static void
report_error (xmlParserCtxtPtr ctxt, const char *name)
{
  const xmlError *err = xmlCtxtGetLastError (ctxt);
  CLEANUP_FREE char *text = NULL;

  if (err && err->code == XML_ERR_NO_MEMORY) {
    log_oom ();
    return;
  }
  if (err && err->message)
    text = strndup (err->message, strcspn (err->message, "\n"));
  log_error ("%s:%d: is not well-formed XML: %s", printable (name),
             err ? err->line : 0, text ? printable (text) : "unknown error");
  errno = EINVAL;
}

static void
cleanup_ctxt (xmlParserCtxtPtr *ctxt)
{
  if (*ctxt)
    xmlFreeParserCtxt (*ctxt);
}

xmlDocPtr
xml_parse (const char *data, size_t len, const char *name)
{
  __attribute__ ((cleanup (cleanup_ctxt))) xmlParserCtxtPtr ctxt = NULL;
  CLEANUP_XMLDOC xmlDocPtr doc = NULL;
  bool has_dtd = false;
  xmlDocPtr ret;

  if (len > XML_MAX_SIZE) {
    log_error ("%s: has %zu bytes, more than the %u that are allowed for an "
               "XML document", printable (name), len, XML_MAX_SIZE);
    errno = EINVAL;
    return NULL;
  }
  if (len == 0) {
    log_error ("%s: is empty, expected an XML document", printable (name));
    errno = EINVAL;
    return NULL;
  }

  ctxt = xmlNewParserCtxt ();
  if (ctxt == NULL) {
    log_oom ();
    return NULL;
  }
  ctxt->_private = &has_dtd;
  ctxt->sax->internalSubset = refuse_dtd;
  doc = xmlCtxtReadMemory (ctxt, data, len, NULL, NULL,
                           XML_PARSE_NONET | XML_PARSE_NOERROR |
                           XML_PARSE_NOWARNING | XML_PARSE_NOCDATA |
                           XML_PARSE_BIG_LINES);
  if (has_dtd || (doc && doc->intSubset)) {
    log_error ("%s: has a document type declaration (DOCTYPE), which is "
               "refused because it can define entities: remove it",
               printable (name));
    errno = EINVAL;
    return NULL;
  }
  if (doc == NULL || xmlDocGetRootElement (doc) == NULL) {
    report_error (ctxt, name);
    return NULL;
  }

  ret = doc;
  doc = NULL;
  return ret;
}

static bool
has_name (const xmlChar *local, const xmlNs *node_ns, const char *ns,
          const char *name)
{
  if (name && strcmp ((const char *) local, name) != 0)
    return false;
  if (ns == NULL)
    return true;
  return node_ns && node_ns->href &&
    strcmp ((const char *) node_ns->href, ns) == 0;
}

xmlNodePtr
xml_next_element (xmlNodePtr node, const char *ns, const char *name)
{
  for (; node != NULL; node = node->next)
    if (node->type == XML_ELEMENT_NODE &&
        has_name (node->name, node->ns, ns, name))
      return node;
  return NULL;
}

xmlNodePtr
xml_child (xmlNodePtr parent, const char *ns, const char *name)
{
  return parent ? xml_next_element (parent->children, ns, name) : NULL;
}

/* XML's white space. */
#define XML_SPACE " \t\r\n"

char *
xml_text (xmlNodePtr node)
{
  xmlChar *content;
  const char *start;
  size_t len;
  char *ret;

  if (node == NULL)
    return NULL;
  content = xmlNodeGetContent (node);
  if (content == NULL)
    return NULL;

  start = (const char *) content + strspn ((char *) content, XML_SPACE);
  len = strlen (start);
  while (len > 0 && strchr (XML_SPACE, start[len - 1]))
    len--;
  ret = len > 0 ? strndup (start, len) : NULL;
  xmlFree (content);
  return ret;
}

char *
xml_child_text (xmlNodePtr parent, const char *ns, const char *name)
{
  return xml_text (xml_child (parent, ns, name));
}

char *
xml_attribute (xmlNodePtr node, const char *ns, const char *name)
{
  xmlAttrPtr attr;
  xmlChar *value;
  char *ret;

  if (node == NULL || node->type != XML_ELEMENT_NODE)
    return NULL;
  for (attr = node->properties; attr != NULL; attr = attr->next)
    if (has_name (attr->name, attr->ns, ns, name))
      break;
  if (attr == NULL)
    return NULL;
  if (attr->children == NULL)   /* name="" */
    return strdup ("");

  value = xmlNodeListGetString (node->doc, attr->children, 1);
  if (value == NULL)
    return NULL;
  ret = strdup ((char *) value);
  xmlFree (value);
  return ret;
}

unsigned long
xml_line (xmlNodePtr node)
{
  long line = xmlGetLineNo (node);

  return line > 0 ? line : 0;
}
