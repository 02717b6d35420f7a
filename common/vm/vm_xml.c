/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A struct vm as a libvirt domain, for virt-v2v -i libvirtxml (2.2 and
 * later).  Only the elements that virt-v2v reads are written.  libxml2's
 * writer does the escaping.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <libxml/xmlwriter.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "common/vm/vm.h"

/* The writer and whether anything failed so far: libxml2 has no sticky
 * error, and a check after each of 60 calls would hide what is written.
 */
struct writer {
  xmlTextWriterPtr w;
  bool failed;
};

static void
start (struct writer *x, const char *name)
{
  if (xmlTextWriterStartElement (x->w, BAD_CAST name) == -1)
    x->failed = true;
}

static void
end (struct writer *x)
{
  if (xmlTextWriterEndElement (x->w) == -1)
    x->failed = true;
}

static void
attribute (struct writer *x, const char *name, const char *value)
{
  if (xmlTextWriterWriteAttribute (x->w, BAD_CAST name,
                                   BAD_CAST value) == -1)
    x->failed = true;
}

static void
attribute_number (struct writer *x, const char *name, uint64_t value)
{
  char text[24];

  snprintf (text, sizeof text, "%" PRIu64, value);
  attribute (x, name, text);
}

/* VALUE is for people and may hold characters that XML forbids. */
static void
attribute_text (struct writer *x, const char *name, const char *value)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };

  if (strbuf_append_printable (&b, value, SIZE_MAX) == -1)
    x->failed = true;
  else
    attribute (x, name, b.ptr ? b.ptr : "");
}

static void
element_text (struct writer *x, const char *name, const char *value)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };

  if (strbuf_append_printable (&b, value, SIZE_MAX) == -1 ||
      xmlTextWriterWriteElement (x->w, BAD_CAST name,
                                 BAD_CAST (b.ptr ? b.ptr : "")) == -1)
    x->failed = true;
}

static void
element_number (struct writer *x, const char *name, const char *unit,
                uint64_t value)
{
  start (x, name);
  if (unit)
    attribute (x, "unit", unit);
  if (xmlTextWriterWriteFormatString (x->w, "%" PRIu64, value) == -1)
    x->failed = true;
  end (x);
}

/* virt-v2v 2.2 takes the firmware from the loader's type, later ones
 * from os/@firmware as well.
 */
static void
write_os (struct writer *x, const struct vm *vm)
{
  start (x, "os");
  if (vm->firmware == VM_FIRMWARE_UEFI)
    attribute (x, "firmware", "efi");
  else if (vm->firmware == VM_FIRMWARE_BIOS)
    attribute (x, "firmware", "bios");
  start (x, "type");
  attribute (x, "arch", "x86_64");
  if (xmlTextWriterWriteString (x->w, BAD_CAST "hvm") == -1)
    x->failed = true;
  end (x);
  if (vm->firmware != VM_FIRMWARE_UNKNOWN) {
    start (x, "loader");
    if (vm->firmware == VM_FIRMWARE_UEFI) {
      attribute (x, "readonly", "yes");
      attribute (x, "secure", vm->secure_boot ? "yes" : "no");
      attribute (x, "type", "pflash");
    }
    else
      attribute (x, "type", "rom");
    end (x);
  }
  end (x);
}

static void
write_cpu (struct writer *x, const struct vm *vm)
{
  element_number (x, "vcpu", NULL, vm->cpus);
  start (x, "cpu");
  start (x, "topology");
  attribute_number (x, "sockets",
                    MAX (vm->cpus / vm->cores_per_socket /
                         vm->threads_per_core, 1U));
  attribute_number (x, "cores", vm->cores_per_socket);
  attribute_number (x, "threads", vm->threads_per_core);
  end (x);
  end (x);
}

/* "sda" ... "sdz", "sdaa" ...: the letters are a number in base 26
 * without a zero.
 */
static void
target_name (size_t i, char name[16])
{
  char letters[8];
  size_t n = 0, len = 0;

  for (i++; i > 0 && n < sizeof letters; i = (i - 1) / 26)
    letters[n++] = 'a' + (i - 1) % 26;
  name[len++] = 's';
  name[len++] = 'd';
  while (n > 0)
    name[len++] = letters[--n];
  name[len] = '\0';
}

static const char *
target_bus (enum vm_bus bus)
{
  switch (bus) {
  case VM_BUS_IDE:
    return "ide";
  case VM_BUS_SATA:
    return "sata";
  case VM_BUS_VIRTIO:
    return "virtio";
  case VM_BUS_SCSI:
  case VM_BUS_NVME:             /* libvirt has no such bus for a disk */
  case VM_BUS_UNKNOWN:
    break;
  }
  return "scsi";
}

static void
write_disk (struct writer *x, const struct vm_disk *disk,
            const struct vm_xml_disk *where, size_t index)
{
  char target[16];

  start (x, "disk");
  if (where->file == NULL)
    attribute (x, "type", "network");
  else
    attribute (x, "type", where->block ? "block" : "file");
  attribute (x, "device", "disk");

  start (x, "driver");
  attribute (x, "name", "qemu");
  attribute (x, "type", where->format);
  end (x);

  start (x, "source");
  if (where->file)
    attribute (x, where->block ? "dev" : "file", where->file);
  else {
    attribute (x, "protocol", "nbd");
    start (x, "host");
    attribute (x, "name", where->nbd_host);
    attribute_number (x, "port", where->nbd_port);
    end (x);
  }
  end (x);

  target_name (index, target);
  start (x, "target");
  attribute (x, "dev", target);
  attribute (x, "bus", target_bus (disk->bus));
  end (x);
  if (disk->serial)
    element_text (x, "serial", disk->serial);
  end (x);
}

static void
write_nic (struct writer *x, const struct vm_nic *nic)
{
  const char *network = nic->network.name ? nic->network.name
    : nic->network.id ? nic->network.id : "default";

  start (x, "interface");
  attribute (x, "type", "network");
  if (nic->mac) {
    start (x, "mac");
    attribute (x, "address", nic->mac);
    end (x);
  }
  start (x, "source");
  attribute_text (x, "network", network);
  end (x);
  if (nic->model) {
    start (x, "model");
    attribute_text (x, "type", nic->model);
    end (x);
  }
  end (x);
}

static void
write_domain (struct writer *x, const struct vm *vm,
              const struct vm_xml_disk *disks)
{
  size_t i;

  start (x, "domain");
  attribute (x, "type", "kvm");
  element_text (x, "name", vm->name ? vm->name : vm->id ? vm->id : "vm");
  if (vm->uuid)
    element_text (x, "uuid", vm->uuid);
  element_number (x, "memory", "KiB", vm->memory / KIB);
  element_number (x, "currentMemory", "KiB", vm->memory / KIB);
  write_cpu (x, vm);
  write_os (x, vm);
  start (x, "features");
  start (x, "acpi");
  end (x);
  end (x);
  start (x, "devices");
  for (i = 0; i < vm->disks.len; ++i)
    if (disks[i].file || disks[i].nbd_host)
      write_disk (x, &vm->disks.ptr[i], &disks[i], i);
  for (i = 0; i < vm->nics.len; ++i)
    write_nic (x, &vm->nics.ptr[i]);
  end (x);
  end (x);
}

static void
cleanup_buffer (xmlBufferPtr *buffer)
{
  if (*buffer)
    xmlBufferFree (*buffer);
}

char *
vm_to_libvirt_xml (const struct vm *vm, const struct vm_xml_disk *disks)
{
  __attribute__ ((cleanup (cleanup_buffer))) xmlBufferPtr buffer = NULL;
  struct writer x = { 0 };
  char *text = NULL;

  buffer = xmlBufferCreate ();
  if (buffer)
    x.w = xmlNewTextWriterMemory (buffer, 0);
  if (x.w == NULL) {
    log_oom ();
    return NULL;
  }
  if (xmlTextWriterSetIndent (x.w, 1) == -1 ||
      xmlTextWriterStartDocument (x.w, NULL, "UTF-8", NULL) == -1)
    x.failed = true;
  write_domain (&x, vm, disks);
  if (xmlTextWriterEndDocument (x.w) == -1)
    x.failed = true;
  xmlFreeTextWriter (x.w);

  if (!x.failed)
    text = strdup ((const char *) xmlBufferContent (buffer));
  if (text == NULL)
    log_oom ();
  return text;
}
