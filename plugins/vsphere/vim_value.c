/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reading values of the API out of their XML.  What is not of the type
 * that is asked for counts as absent.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "plugins/vsphere/vim_private.h"

xmlNodePtr
vim_child (xmlNodePtr node, const char *name)
{
  return xml_child (node, VIM_NS, name);
}

xmlNodePtr
vim_next (xmlNodePtr node, const char *name)
{
  return node ? xml_next_element (node->next, VIM_NS, name) : NULL;
}

char *
vim_child_text (xmlNodePtr node, const char *name)
{
  return xml_text (vim_child (node, name));
}

bool
vim_node_bool (xmlNodePtr node)
{
  CLEANUP_FREE char *text = xml_text (node);

  return text && (strcmp (text, "true") == 0 || strcmp (text, "1") == 0);
}

bool
vim_child_bool (xmlNodePtr node, const char *name)
{
  return vim_node_bool (vim_child (node, name));
}

bool
vim_node_u64 (xmlNodePtr node, uint64_t *r)
{
  CLEANUP_FREE char *text = xml_text (node);

  return text && parse_u64 (text, r);
}

bool
vim_child_u64 (xmlNodePtr node, const char *name, uint64_t *r)
{
  return vim_node_u64 (vim_child (node, name), r);
}

bool
vim_child_int (xmlNodePtr node, const char *name, int *r)
{
  CLEANUP_FREE char *text = vim_child_text (node, name);
  const bool negative = text && text[0] == '-';
  uint64_t v;

  if (text == NULL || !parse_u64 (text + negative, &v) || v > INT32_MAX)
    return false;
  *r = negative ? -(int) v : (int) v;
  return true;
}

char *
vim_xsi_type (xmlNodePtr node)
{
  CLEANUP_FREE char *type = xml_attribute (node, VIM_XSI_NS, "type");
  const char *colon;

  if (type == NULL)
    return NULL;
  colon = strchr (type, ':');
  return strdup (colon ? colon + 1 : type);
}

bool
vim_node_is_a (xmlNodePtr node, const char *type)
{
  CLEANUP_FREE char *actual = vim_xsi_type (node);

  return actual && strcmp (actual, type) == 0;
}

/* The attribute of no namespace: xsi:type is another one. */
static char *
plain_type (xmlNodePtr node)
{
  xmlAttrPtr attr;
  xmlChar *value;
  char *ret;

  for (attr = node->properties; attr; attr = attr->next)
    if (attr->ns == NULL && strcmp ((const char *) attr->name, "type") == 0)
      break;
  if (attr == NULL || attr->children == NULL)
    return NULL;
  value = xmlNodeListGetString (node->doc, attr->children, 1);
  if (value == NULL)
    return NULL;
  ret = strdup ((const char *) value);
  xmlFree (value);
  return ret;
}

int
vim_node_ref (xmlNodePtr node, struct vim_ref *ref)
{
  struct vim_ref r = { NULL, NULL };

  if (node) {
    r.type = plain_type (node);
    r.id = xml_text (node);
  }
  if (r.type == NULL || r.id == NULL) {
    vim_ref_free (&r);
    errno = EINVAL;
    return -1;
  }
  *ref = r;
  return 0;
}

void
vim_ref_free (struct vim_ref *ref)
{
  free (ref->type);
  free (ref->id);
  ref->type = ref->id = NULL;
}
