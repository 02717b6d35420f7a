/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The envelope of an OVF descriptor: References, DiskSection,
 * NetworkSection and the tree of VirtualSystems.
 *
 * The text becomes a libxml2 tree (common/xml: no DTD, no entity, a size
 * limit), which is walked once, section by section.  References are
 * resolved to indexes while reading, so that a name that points nowhere
 * is reported where it is used.  Hardware is read in ovf_hardware.c,
 * extensions of exporters in ovf_vendor.c, numbers in ovf_values.c.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/include/cleanup.h"
#include "common/util/digest.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "common/xml/xml.h"
#include "plugins/ova/ovf_reader.h"

/* Files and disks of one package; a real one has a few dozen. */
#define MAX_ELEMENTS 10000

static void
report (const struct ovf_reader *r, enum log_level level, xmlNodePtr node,
        const char *fmt, va_list args)
{
  CLEANUP_FREE char *text = NULL;

  if (vasprintf (&text, fmt, args) == -1)
    text = NULL;
  if (level == LOG_LEVEL_ERROR)
    log_error ("%s:%lu: %s", r->ovf->name, xml_line (node),
               text ? text : fmt);
  else
    log_warning ("%s:%lu: %s", r->ovf->name, xml_line (node),
                 text ? text : fmt);
}

int
ovf_error (const struct ovf_reader *r, xmlNodePtr node, const char *fmt, ...)
{
  va_list args;

  va_start (args, fmt);
  report (r, LOG_LEVEL_ERROR, node, fmt, args);
  va_end (args);
  errno = EINVAL;
  return -1;
}

void
ovf_warning (const struct ovf_reader *r, xmlNodePtr node,
             const char *fmt, ...)
{
  va_list args;

  va_start (args, fmt);
  report (r, LOG_LEVEL_WARNING, node, fmt, args);
  va_end (args);
}

char *
ovf_required_attribute (const struct ovf_reader *r, xmlNodePtr node,
                        const char *name)
{
  char *value = xml_attribute (node, NULL, name);

  if (value == NULL)
    ovf_error (r, node, "%s has no attribute ovf:%s",
               (const char *) node->name, name);
  return value;
}

const char *
ovf_exporter_name (enum ovf_exporter exporter)
{
  switch (exporter) {
  case OVF_EXPORTER_VMWARE: return "VMware";
  case OVF_EXPORTER_VIRTUALBOX: return "VirtualBox";
  case OVF_EXPORTER_XEN: return "Xen";
  case OVF_EXPORTER_OVIRT: return "oVirt";
  case OVF_EXPORTER_UNKNOWN: return "Unknown";
  }
  abort ();
}

/* Forklift's rule: the namespaces tell.  VMware's own is declared by
 * others as well, so it decides only when no other is there.
 */
static enum ovf_exporter
guess_exporter (xmlNodePtr envelope)
{
  enum ovf_exporter exporter = OVF_EXPORTER_UNKNOWN;
  xmlNsPtr ns;

  for (ns = envelope->nsDef; ns; ns = ns->next) {
    const char *uri = (const char *) ns->href;

    if (uri == NULL)
      continue;
    if (strncmp (uri, VBOX_NS, strlen (VBOX_NS)) == 0)
      return OVF_EXPORTER_VIRTUALBOX;
    if (strncmp (uri, "http://www.ovirt.org/ovf", 24) == 0)
      return OVF_EXPORTER_OVIRT;
    if (strncmp (uri, "http://schemas.citrix.com/ovf", 29) == 0 ||
        strncmp (uri, "http://www.citrix.com/xenclient", 31) == 0)
      return OVF_EXPORTER_XEN;
    if (strncmp (uri, "http://www.vmware.com/schema/ovf", 32) == 0)
      exporter = OVF_EXPORTER_VMWARE;
  }
  return exporter;
}

static int
read_file (struct ovf_reader *r, xmlNodePtr node)
{
  CLEANUP_FREE char *id = ovf_required_attribute (r, node, "id");
  CLEANUP_FREE char *href = NULL, *size = NULL, *chunk = NULL;
  CLEANUP_FREE char *compression = NULL;
  struct ovf_file file = { .line = xml_line (node) };
  size_t i;

  if (id == NULL)
    return -1;
  href = ovf_required_attribute (r, node, "href");
  if (href == NULL)
    return -1;
  for (i = 0; i < r->ovf->files.len; i++) {
    if (strcmp (r->ovf->files.ptr[i].id, id) == 0)
      return ovf_error (r, node, "the file id '%s' is already that of "
                        "line %lu", printable (id),
                        r->ovf->files.ptr[i].line);
  }

  size = xml_attribute (node, NULL, "size");
  if (size && ovf_read_quantity (r, node, "the size of a File", size, NULL,
                                 &file.size) == -1)
    return -1;
  chunk = xml_attribute (node, NULL, "chunkSize");
  if (chunk) {
    if (ovf_read_quantity (r, node, "chunkSize", chunk, NULL,
                           &file.chunk_size) == -1)
      return -1;
    if (file.chunk_size == 0)
      return ovf_error (r, node, "chunkSize of file '%s' is 0",
                        printable (href));
  }
  compression = xml_attribute (node, NULL, "compression");
  if (compression && strcmp (compression, "gzip") == 0)
    file.gzip = true;
  else if (compression && strcmp (compression, "identity") != 0)
    return ovf_error (r, node, "file '%s' has the unknown compression '%s' "
                      "(known are gzip and identity)", printable (href),
                      printable (compression));

  file.id = id;
  file.href = href;
  if (ovf_file_vector_append (&r->ovf->files, file) == -1) {
    log_oom ();
    return -1;
  }
  id = href = NULL;
  return 0;
}

static int
read_references (struct ovf_reader *r)
{
  xmlNodePtr refs = xml_child (r->envelope, r->ns, "References"), node;

  if (refs == NULL)
    return 0;
  for (node = xml_child (refs, r->ns, "File"); node;
       node = xml_next_element (node->next, r->ns, "File")) {
    if (r->ovf->files.len >= MAX_ELEMENTS)
      return ovf_error (r, node, "more than %d files", MAX_ELEMENTS);
    if (read_file (r, node) == -1)
      return -1;
  }
  return 0;
}

static size_t
find_file (const struct ovf *ovf, const char *id)
{
  size_t i;

  for (i = 0; i < ovf->files.len; i++) {
    if (strcmp (ovf->files.ptr[i].id, id) == 0)
      return i;
  }
  return OVF_NO_FILE;
}

static char *
lower_uuid (char *text)
{
  size_t i, len;

  if (text == NULL)
    return NULL;
  len = strlen (text);
  if (len > 2 && text[0] == '{' && text[len - 1] == '}') {
    text[len - 1] = '\0';
    memmove (text, text + 1, len - 1);
  }
  if (!is_uuid (text)) {
    free (text);
    return NULL;
  }
  for (i = 0; text[i]; i++) {
    if (text[i] >= 'A' && text[i] <= 'F')
      text[i] += 'a' - 'A';
  }
  return text;
}

static int
read_disk (struct ovf_reader *r, xmlNodePtr node)
{
  CLEANUP_FREE char *id = ovf_required_attribute (r, node, "diskId");
  CLEANUP_FREE char *file_ref = NULL, *capacity = NULL, *units = NULL;
  CLEANUP_FREE char *parent_ref = NULL, *populated = NULL;
  struct ovf_disk disk = { .file = OVF_NO_FILE, .line = xml_line (node) };
  size_t i;

  if (id == NULL)
    return -1;
  for (i = 0; i < r->ovf->disks.len; i++) {
    if (strcmp (r->ovf->disks.ptr[i].id, id) == 0)
      return ovf_error (r, node, "the diskId '%s' is already that of "
                        "line %lu", printable (id),
                        r->ovf->disks.ptr[i].line);
  }
  parent_ref = xml_attribute (node, NULL, "parentRef");
  if (parent_ref)
    return ovf_error (r, node, "disk '%s' holds only the differences from "
                      "disk '%s' (parentRef): export the VM again without "
                      "snapshots", printable (id), printable (parent_ref));

  file_ref = xml_attribute (node, NULL, "fileRef");
  if (file_ref) {
    disk.file = find_file (r->ovf, file_ref);
    if (disk.file == OVF_NO_FILE)
      return ovf_error (r, node, "disk '%s' refers to the file id '%s', "
                        "which References does not have",
                        printable (id), printable (file_ref));
  }

  capacity = xml_attribute (node, NULL, "capacity");
  units = xml_attribute (node, NULL, "capacityAllocationUnits");
  if (capacity && ovf_read_quantity (r, node, "the capacity of a Disk",
                                     capacity, units, &disk.capacity) == -1)
    return -1;
  if (file_ref == NULL && disk.capacity == 0)
    return ovf_error (r, node, "disk '%s' has neither a file nor a capacity",
                      printable (id));
  /* Advice only: a wrong number in it must not stop anything. */
  populated = xml_attribute (node, NULL, "populatedSize");
  if (populated && parse_u64 (populated, &disk.populated) &&
      disk.populated > disk.capacity)
    disk.populated = disk.capacity;

  disk.id = id;
  disk.format = xml_attribute (node, NULL, "format");
  disk.uuid = lower_uuid (xml_attribute (node, VBOX_NS, "uuid"));
  if (ovf_disk_vector_append (&r->ovf->disks, disk) == -1) {
    free (disk.format);
    free (disk.uuid);
    log_oom ();
    return -1;
  }
  id = NULL;
  return 0;
}

static int
read_disks (struct ovf_reader *r)
{
  xmlNodePtr section, node;

  for (section = xml_child (r->envelope, r->ns, "DiskSection"); section;
       section = xml_next_element (section->next, r->ns, "DiskSection")) {
    for (node = xml_child (section, r->ns, "Disk"); node;
         node = xml_next_element (node->next, r->ns, "Disk")) {
      if (r->ovf->disks.len >= MAX_ELEMENTS)
        return ovf_error (r, node, "more than %d disks", MAX_ELEMENTS);
      if (read_disk (r, node) == -1)
        return -1;
    }
  }
  return 0;
}

static int
read_networks (struct ovf_reader *r)
{
  xmlNodePtr section, node;

  section = xml_child (r->envelope, r->ns, "NetworkSection");
  if (section == NULL)
    return 0;
  for (node = xml_child (section, r->ns, "Network"); node;
       node = xml_next_element (node->next, r->ns, "Network")) {
    CLEANUP_FREE char *name = ovf_required_attribute (r, node, "name");
    struct ovf_network network = { 0 };

    if (name == NULL)
      return -1;
    network.name = name;
    network.description = xml_child_text (node, r->ns, "Description");
    if (ovf_network_vector_append (&r->ovf->networks, network) == -1) {
      free (network.description);
      log_oom ();
      return -1;
    }
    name = NULL;
  }
  return 0;
}

static void
system_free (struct ovf_system *system)
{
  size_t i;

  if (system == NULL)
    return;
  for (i = 0; i < system->drives.len; i++) {
    free (system->drives.ptr[i].instance);
    free (system->drives.ptr[i].controller_model);
  }
  ovf_drive_vector_reset (&system->drives);
  vm_free (&system->vm);
  free (system->id);
  free (system);
}

static void
cleanup_system (struct ovf_system **system)
{
  system_free (*system);
}
#define CLEANUP_SYSTEM __attribute__ ((cleanup (cleanup_system)))

/* OperatingSystemSection: the exporter's own id of the guest rather than
 * the CIM number, which has no Linux distribution younger than 2010.
 */
static void
read_os (const struct ovf_reader *r, xmlNodePtr node, struct vm *vm)
{
  xmlNodePtr os = xml_child (node, r->ns, "OperatingSystemSection");

  if (os == NULL)
    return;
  vm->os = xml_attribute (os, VMW_NS, "osType");
  if (vm->os == NULL)
    vm->os = xml_child_text (os, VBOX_NS, "OSType");
  if (vm->os == NULL)
    vm->os = xml_attribute (os, NULL, "id");
  vm->os_name = xml_child_text (os, r->ns, "Description");
}

/* The VM's name and id.  VMware puts the VM's name into
 * VirtualSystemIdentifier, oVirt its UUID.
 */
static int
read_identity (const struct ovf_reader *r, xmlNodePtr node, xmlNodePtr hw,
               struct ovf_system *system)
{
  CLEANUP_FREE char *identifier = NULL, *vbox_uuid = NULL, *id = NULL;
  xmlNodePtr sys = hw ? xml_child (hw, r->ns, "System") : NULL;
  xmlNodePtr machine = xml_child (node, VBOX_NS, "Machine");
  struct vm *vm = &system->vm;
  char made[UUID_TEXT_SIZE];

  if (sys)
    identifier = xml_child_text (sys, NULL, "VirtualSystemIdentifier");
  vm->name = xml_child_text (node, r->ns, "Name");
  if (vm->name == NULL && machine)
    vm->name = xml_attribute (machine, NULL, "name");
  if (vm->name == NULL && identifier && !is_uuid (identifier))
    vm->name = strdup (identifier);
  if (vm->name == NULL)
    vm->name = strdup (system->id);

  if (machine)
    vbox_uuid = lower_uuid (xml_attribute (machine, NULL, "uuid"));
  if (identifier)
    id = lower_uuid (strdup (identifier));
  if (id == NULL && vbox_uuid) {
    id = vbox_uuid;
    vbox_uuid = NULL;
  }
  if (id)
    vm->uuid = strdup (id);
  else
    id = lower_uuid (strdup (system->id));
  if (id == NULL) {
    const char *strings[] = { r->digest, system->id };

    if (uuid_of_strings (strings, 2, made) == -1)
      return -1;
    id = strdup (made);
  }
  vm->id = id;
  id = NULL;
  if (vm->name == NULL || vm->id == NULL) {
    log_oom ();
    return -1;
  }
  return 0;
}

static int
read_system (struct ovf_reader *r, xmlNodePtr node)
{
  CLEANUP_SYSTEM struct ovf_system *system = NULL;
  xmlNodePtr hw, annotation;
  size_t i;

  system = calloc (1, sizeof *system);
  if (system == NULL) {
    log_oom ();
    return -1;
  }
  vm_init (&system->vm);
  system->vm.power = VM_POWER_OFF;
  system->line = xml_line (node);
  system->id = ovf_required_attribute (r, node, "id");
  if (system->id == NULL)
    return -1;
  for (i = 0; i < r->ovf->systems.len; i++) {
    if (strcmp (r->ovf->systems.ptr[i]->id, system->id) == 0)
      return ovf_error (r, node, "the VirtualSystem id '%s' is already that "
                        "of line %lu", printable (system->id),
                        r->ovf->systems.ptr[i]->line);
  }

  /* DSP0243 allows alternatives for several hypervisors; the first is the
   * exporter's own.
   */
  hw = xml_child (node, r->ns, "VirtualHardwareSection");
  if (read_identity (r, node, hw, system) == -1)
    return -1;
  read_os (r, node, &system->vm);
  annotation = xml_child (node, r->ns, "AnnotationSection");
  if (annotation)
    system->vm.description = xml_child_text (annotation, r->ns,
                                             "Annotation");
  if (hw) {
    if (ovf_read_hardware (r, hw, system) == -1)
      return -1;
  }
  else
    ovf_warning (r, node, "VM '%s' has no VirtualHardwareSection: it has "
                 "no disks", printable (system->vm.name));
  if (ovf_read_virtualbox (r, node, system) == -1 ||
      ovf_read_vmware (r, node, hw, system) == -1)
    return -1;

  if (ovf_system_vector_append (&r->ovf->systems, system) == -1) {
    log_oom ();
    return -1;
  }
  system = NULL;
  return 0;
}

/* The systems at and below NODE; collections can hold collections. */
static int
read_systems (struct ovf_reader *r, xmlNodePtr node)
{
  xmlNodePtr child;
  int ret = 0;

  for (child = xml_child (node, r->ns, NULL); child && ret == 0;
       child = xml_next_element (child->next, r->ns, NULL)) {
    const char *name = (const char *) child->name;

    if (r->ovf->systems.len >= MAX_ELEMENTS)
      ret = ovf_error (r, child, "more than %d virtual systems",
                       MAX_ELEMENTS);
    else if (strcmp (name, "VirtualSystem") == 0)
      ret = read_system (r, child);
    else if (strcmp (name, "VirtualSystemCollection") == 0)
      ret = read_systems (r, child);
  }
  return ret;
}

static int
read_envelope (struct ovf_reader *r, xmlDocPtr doc)
{
  const char *uri;

  r->envelope = xmlDocGetRootElement (doc);
  if (r->envelope == NULL ||
      strcmp ((const char *) r->envelope->name, "Envelope") != 0)
    return ovf_error (r, r->envelope, "this is not an OVF descriptor: its "
                      "root element is not Envelope");
  uri = r->envelope->ns ? (const char *) r->envelope->ns->href : "";
  if (strcmp (uri, OVF_NS_1) == 0) {
    r->ns = OVF_NS_1;
    r->ovf->version = 1;
  }
  else if (strcmp (uri, OVF_NS_2) == 0) {
    r->ns = OVF_NS_2;
    r->ovf->version = 2;
  }
  else
    return ovf_error (r, r->envelope, "the OVF namespace '%s' is not "
                      "supported (known are %s and %s): export the VM again "
                      "as OVF 1.x or 2.0", printable (uri), OVF_NS_1,
                      OVF_NS_2);
  r->ovf->exporter = guess_exporter (r->envelope);
  ovf_read_configuration (r);

  if (read_references (r) == -1 || read_disks (r) == -1 ||
      read_networks (r) == -1 || read_systems (r, r->envelope) == -1)
    return -1;
  if (r->ovf->systems.len == 0)
    return ovf_error (r, r->envelope, "there is no VirtualSystem in it");
  return 0;
}

struct ovf *
ovf_parse (const char *text, size_t len, const char *name)
{
  CLEANUP_OVF struct ovf *ovf = NULL;
  CLEANUP_XMLDOC xmlDocPtr doc = NULL;
  struct ovf_reader r = { 0 };
  uint8_t digest[DIGEST_MAX_SIZE];
  struct ovf *ret;
  int rc;

  ovf = calloc (1, sizeof *ovf);
  if (ovf == NULL || (ovf->name = strdup (name)) == NULL) {
    log_oom ();
    return NULL;
  }
  r.ovf = ovf;
  if (digest_once (DIGEST_SHA256, text, len, digest) == -1)
    return NULL;
  hex_of_bytes (digest, digest_size (DIGEST_SHA256), r.digest);
  doc = xml_parse (text, len, name);
  if (doc == NULL)
    return NULL;
  rc = read_envelope (&r, doc);
  free (r.configuration);
  if (rc == -1)
    return NULL;
  ret = ovf;
  ovf = NULL;
  return ret;
}

void
ovf_free (struct ovf *ovf)
{
  size_t i;

  if (ovf == NULL)
    return;
  for (i = 0; i < ovf->files.len; i++) {
    free (ovf->files.ptr[i].id);
    free (ovf->files.ptr[i].href);
  }
  ovf_file_vector_reset (&ovf->files);
  for (i = 0; i < ovf->disks.len; i++) {
    free (ovf->disks.ptr[i].id);
    free (ovf->disks.ptr[i].format);
    free (ovf->disks.ptr[i].uuid);
  }
  ovf_disk_vector_reset (&ovf->disks);
  for (i = 0; i < ovf->networks.len; i++) {
    free (ovf->networks.ptr[i].name);
    free (ovf->networks.ptr[i].description);
  }
  ovf_network_vector_reset (&ovf->networks);
  for (i = 0; i < ovf->systems.len; i++)
    system_free (ovf->systems.ptr[i]);
  ovf_system_vector_reset (&ovf->systems);
  free (ovf->name);
  free (ovf);
}
