/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reading XML from people we do not trust, with libxml2.
 *
 * No network, no external entity, no DTD at all, at most XML_MAX_SIZE
 * bytes, depth 256 (libxml2's own limit, since XML_PARSE_HUGE is never
 * given).
 */
#ifndef NBDLIFT_XML_H
#define NBDLIFT_XML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libxml/tree.h>

#define XML_MAX_SIZE (64U << 20)

/* Once per process, before any thread: xmlInitParser, and an external
 * entity loader that refuses everything.
 */
extern void xml_global_init (void);

/* Parse LEN bytes.  NAME is used in messages ("NAME:LINE: ...").  NULL
 * with errno EINVAL (not well formed, has a DTD, too large) or ENOMEM,
 * reported.  The caller frees with xmlFreeDoc.
 */
extern xmlDocPtr xml_parse (const char *data, size_t len, const char *name);

/* The next element at or after NODE among its siblings with this local
 * name (and namespace, unless NS is NULL), or NULL.  NAME NULL takes
 * any element.
 */
extern xmlNodePtr xml_next_element (xmlNodePtr node, const char *ns,
                                    const char *name);

/* First child element so named, or NULL. */
extern xmlNodePtr xml_child (xmlNodePtr parent, const char *ns,
                             const char *name);

/* Text of NODE without white space at its ends, or NULL when it is
 * absent, empty or memory is short.  The caller frees with free.
 */
extern char *xml_text (xmlNodePtr node);

/* Text of the named child, as xml_text. */
extern char *xml_child_text (xmlNodePtr parent, const char *ns,
                             const char *name);

/* Attribute by local name; NS NULL takes the attribute of any or no
 * namespace.  NULL when absent.  The caller frees with free.
 */
extern char *xml_attribute (xmlNodePtr node, const char *ns,
                            const char *name);

/* Line of NODE in the source text, 1-based. */
extern unsigned long xml_line (xmlNodePtr node);

static inline void
cleanup_xmldoc (xmlDocPtr *doc)
{
  if (*doc)
    xmlFreeDoc (*doc);
}
#define CLEANUP_XMLDOC __attribute__ ((cleanup (cleanup_xmldoc)))

#endif /* NBDLIFT_XML_H */
