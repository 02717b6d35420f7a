/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Numbers of an OVF: units of DSP0004, values that stand in a property
 * of a ProductSection, and the choice of a configuration of the
 * DeploymentOptionSection (always the default one: there is nobody to
 * ask).
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/include/checked.h"
#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/strbuf.h"
#include "common/xml/xml.h"
#include "plugins/ova/ovf_reader.h"

static const char *
skip_spaces (const char *s)
{
  return s + strspn (s, " \t\r\n");
}

/* A run of digits at *S, which is moved behind it. */
static bool
take_number (const char **s, uint64_t *r)
{
  size_t n = strspn (*s, "0123456789");

  if (n == 0 || !parse_u64_n (*s, n, 10, r))
    return false;
  *s += n;
  return true;
}

/* "NUMBER" or "BASE ^ EXPONENT" at *S. */
static bool
take_factor (const char **s, uint64_t *r)
{
  uint64_t base, exponent, v = 1;
  const char *p = *s;

  if (!take_number (&p, &base))
    return false;
  p = skip_spaces (p);
  if (*p == '^') {
    p = skip_spaces (p + 1);
    /* 2^63 is the largest power that fits; a bound keeps 1^(10^18) from
     * running for ever.
     */
    if (!take_number (&p, &exponent) || exponent > 63)
      return false;
    for (; exponent > 0; exponent--) {
      if (!checked_mul (v, base, &v))
        return false;
    }
  }
  else
    v = base;
  *s = p;
  *r = v;
  return true;
}

bool
ovf_parse_units (const char *text, uint64_t *bytes)
{
  /* From before DSP0004 2.6, and what VirtualBox and others write. */
  static const struct {
    const char *name;
    unsigned shift;
  } names[] = {
    { "byte", 0 }, { "bytes", 0 }, { "b", 0 },
    { "kilobytes", 10 }, { "kilobyte", 10 }, { "kb", 10 }, { "kib", 10 },
    { "megabytes", 20 }, { "megabyte", 20 }, { "mb", 20 }, { "mib", 20 },
    { "gigabytes", 30 }, { "gigabyte", 30 }, { "gb", 30 }, { "gib", 30 },
    { "terabytes", 40 }, { "terabyte", 40 }, { "tb", 40 }, { "tib", 40 },
  };
  const char *p = skip_spaces (text);
  size_t i, n;
  uint64_t v = 1, factor;

  for (n = 0; (p[n] >= 'a' && p[n] <= 'z') || (p[n] >= 'A' && p[n] <= 'Z');)
    n++;
  for (i = 0; i < ARRAY_SIZE (names); i++) {
    if (strlen (names[i].name) == n && strncasecmp (p, names[i].name, n) == 0)
      break;
  }
  if (i == ARRAY_SIZE (names))
    return false;
  v = UINT64_C (1) << names[i].shift;
  p = skip_spaces (p + n);

  while (*p == '*') {
    p = skip_spaces (p + 1);
    if (!take_factor (&p, &factor) || !checked_mul (v, factor, &v))
      return false;
    p = skip_spaces (p);
  }
  if (*p != '\0' || v == 0)
    return false;
  *bytes = v;
  return true;
}

/* True if the white-space separated LIST holds WORD. */
static bool
list_holds (const char *list, const char *word)
{
  const size_t len = strlen (word);
  size_t n;

  for (list = skip_spaces (list); *list; list = skip_spaces (list + n)) {
    n = strcspn (list, " \t\r\n");
    if (n == len && memcmp (list, word, n) == 0)
      return true;
  }
  return false;
}

bool
ovf_in_configuration (const struct ovf_reader *r, xmlNodePtr node,
                      bool *named)
{
  CLEANUP_FREE char *list = xml_attribute (node, NULL, "configuration");

  *named = list != NULL;
  if (list == NULL)
    return true;
  return r->configuration && list_holds (list, r->configuration);
}

/* DSP0243, "DeploymentOptionSection": the one with default="true", else
 * the first one.
 */
void
ovf_read_configuration (struct ovf_reader *r)
{
  xmlNodePtr section, conf;

  section = xml_child (r->envelope, r->ns, "DeploymentOptionSection");
  if (section == NULL)
    return;
  for (conf = xml_child (section, r->ns, "Configuration"); conf;
       conf = xml_next_element (conf->next, r->ns, "Configuration")) {
    CLEANUP_FREE char *is_default = xml_attribute (conf, NULL, "default");
    bool chosen = is_default && (strcmp (is_default, "true") == 0 ||
                                 strcmp (is_default, "1") == 0);

    if (chosen || r->configuration == NULL) {
      free (r->configuration);
      r->configuration = xml_attribute (conf, NULL, "id");
    }
    if (chosen)
      return;
  }
}

/* Does the Property PROP of PRODUCT have the key KEY of LEN bytes?  With
 * a class and an instance the full name is class.key.instance.
 */
static bool
property_is (xmlNodePtr product, xmlNodePtr prop, const char *key,
             size_t len)
{
  CLEANUP_FREE char *class = xml_attribute (product, NULL, "class");
  CLEANUP_FREE char *instance = xml_attribute (product, NULL, "instance");
  CLEANUP_FREE char *own = xml_attribute (prop, NULL, "key");
  CLEANUP_STRBUF struct strbuf full = { 0 };

  if (own == NULL)
    return false;
  if (strlen (own) == len && memcmp (own, key, len) == 0)
    return true;
  if (class == NULL ||
      strbuf_printf (&full, "%s.%s%s%s", class, own, instance ? "." : "",
                     instance ? instance : "") == -1)
    return false;
  return full.len == len && memcmp (full.ptr, key, len) == 0;
}

/* The value that PROP has in the default configuration, or NULL. */
static char *
property_value (const struct ovf_reader *r, xmlNodePtr prop)
{
  xmlNodePtr value;
  bool named;

  for (value = xml_child (prop, r->ns, "Value"); value;
       value = xml_next_element (value->next, r->ns, "Value")) {
    if (ovf_in_configuration (r, value, &named) && named)
      return xml_attribute (value, NULL, "value");
  }
  return xml_attribute (prop, NULL, "value");
}

/* Look for KEY in the ProductSections at and below NODE.  The value goes
 * to *VALUE; *DIFFER is set when two of them do not agree.
 */
static void
find_property (const struct ovf_reader *r, xmlNodePtr node, const char *key,
               size_t len, char **value, bool *differ)
{
  xmlNodePtr child, prop;

  for (child = xml_child (node, r->ns, NULL); child;
       child = xml_next_element (child->next, r->ns, NULL)) {
    if (strcmp ((const char *) child->name, "ProductSection") == 0) {
      for (prop = xml_child (child, r->ns, "Property"); prop;
           prop = xml_next_element (prop->next, r->ns, "Property")) {
        CLEANUP_FREE char *v = NULL;

        if (!property_is (child, prop, key, len))
          continue;
        v = property_value (r, prop);
        if (v && *value && strcmp (v, *value) != 0)
          *differ = true;
        else if (v && *value == NULL) {
          *value = v;
          v = NULL;
        }
      }
    }
    else if (strcmp ((const char *) child->name, "VirtualSystem") == 0 ||
             strcmp ((const char *) child->name,
                     "VirtualSystemCollection") == 0)
      find_property (r, child, key, len, value, differ);
  }
}

int
ovf_read_quantity (const struct ovf_reader *r, xmlNodePtr node,
                   const char *what, const char *text, const char *units,
                   uint64_t *bytes)
{
  CLEANUP_FREE char *property = NULL;
  const size_t len = strlen (text);
  uint64_t n, unit = 1, v;
  bool differ = false;

  if (len > 3 && strncmp (text, "${", 2) == 0 && text[len - 1] == '}') {
    find_property (r, r->envelope, text + 2, len - 3, &property, &differ);
    if (property == NULL)
      return ovf_error (r, node, "%s is the property %s, which has no "
                        "default value in a ProductSection: set ovf:value "
                        "of that Property", what, printable (text));
    if (differ)
      return ovf_error (r, node, "%s is the property %s, which several "
                        "ProductSections give different values",
                        what, printable (text));
    text = property;
  }
  if (!parse_u64 (text, &n))
    return ovf_error (r, node, "%s '%s' is not a number",
                      what, printable (text));
  if (units && !ovf_parse_units (units, &unit))
    return ovf_error (r, node, "%s has the unknown unit '%s' (expected a "
                      "form like 'byte * 2^20' or 'MegaBytes')",
                      what, printable (units));
  if (!checked_mul (n, unit, &v) || v > INT64_MAX)
    return ovf_error (r, node, "%s %s%s%s is more than 2^63-1 bytes", what,
                      printable (text), units ? " x " : "",
                      units ? printable (units) : "");
  *bytes = v;
  return 0;
}
