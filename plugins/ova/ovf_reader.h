/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the files of the OVF parser share.  Private to them.
 */
#ifndef NBDLIFT_OVA_OVF_READER_H
#define NBDLIFT_OVA_OVF_READER_H

#include <libxml/tree.h>

#include "plugins/ova/ovf.h"

#define OVF_NS_1 "http://schemas.dmtf.org/ovf/envelope/1"
#define OVF_NS_2 "http://schemas.dmtf.org/ovf/envelope/2"
#define VMW_NS "http://www.vmware.com/schema/ovf"
#define VBOX_NS "http://www.virtualbox.org/ovf/machine"

/* Common start of the namespaces of rasd:, vssd:, epasd: and sasd:, with
 * or without ".xsd" at the end.
 */
#define CIM_NS_PREFIX \
  "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_"

struct ovf_reader {
  struct ovf *ovf;              /* being filled */
  const char *ns;               /* OVF_NS_1 or OVF_NS_2 */
  xmlNodePtr envelope;
  char *configuration;          /* the default one, or NULL */
  char digest[65];              /* SHA-256 of the text, hex */
};

/* Report "NAME:LINE: ..." and return -1 with errno EINVAL. */
extern int ovf_error (const struct ovf_reader *r, xmlNodePtr node,
                      const char *fmt, ...)
  __attribute__ ((format (printf, 3, 4)));
extern void ovf_warning (const struct ovf_reader *r, xmlNodePtr node,
                         const char *fmt, ...)
  __attribute__ ((format (printf, 3, 4)));

/* The attribute's text, or a report that it is missing. */
extern char *ovf_required_attribute (const struct ovf_reader *r,
                                     xmlNodePtr node, const char *name);

/* ovf_values.c */

/* Find the default configuration of DeploymentOptionSection. */
extern void ovf_read_configuration (struct ovf_reader *r);

/* True if NODE (or its ovf:configuration list) is part of the default
 * configuration.  *NAMED is set to whether it has such a list.
 */
extern bool ovf_in_configuration (const struct ovf_reader *r,
                                  xmlNodePtr node, bool *named);

/* A number with units, in bytes, that fits into an int64_t.  TEXT may be
 * "${property}".  UNITS NULL means bytes.  WHAT is for messages.
 */
extern int ovf_read_quantity (const struct ovf_reader *r, xmlNodePtr node,
                              const char *what, const char *text,
                              const char *units, uint64_t *bytes);

/* ovf_hardware.c: VirtualHardwareSection HW into SYSTEM. */
extern int ovf_read_hardware (struct ovf_reader *r, xmlNodePtr hw,
                              struct ovf_system *system);

/* A device model as we name it: the first word, lower case, VMware's names
 * made plain.  The caller frees.  NULL when memory is short.
 */
extern char *ovf_canonical_model (const char *model);

/* The bus of a canonical model (which may be NULL); OTHER if it does not
 * tell.
 */
extern enum vm_bus ovf_bus_of_model (const char *model, enum vm_bus other);

/* ovf_vendor.c: extensions of VMware and VirtualBox.  The hardware has
 * been read.
 */
extern int ovf_read_vmware (struct ovf_reader *r, xmlNodePtr node,
                            xmlNodePtr hw, struct ovf_system *system);
extern int ovf_read_virtualbox (struct ovf_reader *r, xmlNodePtr node,
                                struct ovf_system *system);

#endif /* NBDLIFT_OVA_OVF_READER_H */
