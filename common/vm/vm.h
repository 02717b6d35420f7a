/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What any source says of one virtual machine.
 *
 * All strings are UTF-8, malloc'ed and owned by the struct; NULL means
 * that the source does not say.  The struct is plain data: a source
 * fills it, the driver reads it, nobody changes it afterwards.
 */
#ifndef NBDLIFT_VM_H
#define NBDLIFT_VM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "common/util/vector.h"

enum vm_firmware {
  VM_FIRMWARE_UNKNOWN,
  VM_FIRMWARE_BIOS,
  VM_FIRMWARE_UEFI,
};

enum vm_power {
  VM_POWER_UNKNOWN,
  VM_POWER_OFF,
  VM_POWER_ON,
  VM_POWER_SUSPENDED,
};

enum vm_bus {
  VM_BUS_UNKNOWN,
  VM_BUS_IDE,
  VM_BUS_SCSI,
  VM_BUS_SATA,
  VM_BUS_NVME,
  VM_BUS_VIRTIO,
};

/* Reference to a network, a datastore, ...: an id, a name or both. */
struct vm_ref {
  char *id;
  char *name;
};

struct vm_disk {
  char *id;                     /* the source's own, or made from stable
                                   facts (uuid_of_strings) */
  char *name;                   /* canonical export name; unique in the VM */
  char *file;                   /* where it is on the source, for people */
  char *version;                /* text that changes when the content does
                                   (size and time of a file, a change id) */
  char *format;                 /* "vmdk", "raw", "qcow2", ... */
  struct vm_ref storage;
  uint64_t capacity;            /* bytes, size of the export */
  uint64_t allocated;           /* bytes of data if known, else 0 */
  enum vm_bus bus;
  char *controller_model;       /* "pvscsi", "lsilogic", "ahci", ... */
  unsigned controller, unit;    /* address on the source */
  char *serial;
  char *drive_letter;           /* of Windows, "c"; the first if several are on
                                   the disk, NULL if that is not known */
  char *identity;               /* the same text in all VMs of the source that
                                   have this very disk attached, and in no
                                   other; NULL: no other can have it */
  bool shared;                  /* attached to other VMs as well */
  bool lun;                     /* a direct LUN: not copied */
  bool blank;                   /* the source has no content for it: a new
                                   empty disk of this capacity */
  bool left_out;                /* set by the driver: the new VM is made
                                   without this shared disk */
};
DEFINE_VECTOR_TYPE (vm_disk_vector, struct vm_disk);

/* True if the new VM has a volume for this disk. */
static inline bool
vm_disk_has_volume (const struct vm_disk *disk)
{
  return !disk->lun && !disk->left_out;
}

/* An address that the guest has on a NIC. */
struct vm_ip {
  char *address;                /* "10.0.2.50", "fd00::5" */
  unsigned prefix;              /* bits */
  char *gateway;                /* or NULL */
  string_vector dns;
  bool is_static;
};
DEFINE_VECTOR_TYPE (vm_ip_vector, struct vm_ip);

struct vm_nic {
  char *id;
  char *name;                   /* "Network adapter 1" */
  struct vm_ref network;
  char *mac;                    /* "00:50:56:aa:bb:01", lower case, or NULL */
  char *model;                  /* "vmxnet3", "e1000", ... lower case */
  bool connected;               /* at power-on */
  vm_ip_vector ips;
};
DEFINE_VECTOR_TYPE (vm_nic_vector, struct vm_nic);

/* Forklift's concern (inventory VM concerns[]). */
struct vm_concern {
  char *id;                     /* "ova.source.unsupported" */
  char *label;
  char *category;               /* "Critical", "Warning", "Information" */
  char *assessment;             /* what it means and what to do */
};
DEFINE_VECTOR_TYPE (vm_concern_vector, struct vm_concern);

struct vm {
  char *id;
  char *name;
  char *uuid;                   /* BIOS UUID, lower case, or NULL */
  char *path;                   /* inventory path, or the OVF's */
  char *description;
  char *os;                     /* the source's guest id, "debian12_64Guest" */
  char *os_name;                /* for people */
  char *hostname;
  char *timezone;
  char *host;                   /* id of the hypervisor host, or NULL */
  enum vm_power power;
  enum vm_firmware firmware;
  bool secure_boot;
  bool tpm;
  bool nested_virt;
  unsigned cpus;                /* all of them; at least 1 */
  unsigned cores_per_socket;    /* at least 1, divides cpus */
  unsigned threads_per_core;    /* at least 1 */
  uint64_t memory;              /* bytes */
  vm_disk_vector disks;         /* boot disk first, then in bus order */
  vm_nic_vector nics;           /* in the order of the source */
  vm_concern_vector concerns;
};

/* Set *VM to an empty VM: all NULL and 0, but 1 CPU, core and thread. */
extern void vm_init (struct vm *vm);

/* Free what *VM holds (not VM itself) and make it empty. */
extern void vm_free (struct vm *vm);
#define CLEANUP_VM __attribute__ ((cleanup (vm_free)))

/* Append a zeroed element and return it, to be filled; NULL with errno
 * ENOMEM, reported.  The pointer holds until the next append.
 */
extern struct vm_disk *vm_add_disk (struct vm *vm);
extern struct vm_nic *vm_add_nic (struct vm *vm);

/* Append a concern; the strings are copied.  0, or -1 reported. */
extern int vm_add_concern (struct vm *vm, const char *id, const char *label,
                           const char *category, const char *assessment);

/* Canonical lower-case "aa:bb:cc:dd:ee:ff" of a MAC address written with
 * colons, dashes, dots or nothing between the digits.  The caller frees.
 * NULL with errno EINVAL (not reported) or ENOMEM.
 */
extern char *vm_canonical_mac (const char *text);

/* "bios", "uefi", "unknown"; "On", "Off", "Suspended", "Unknown"; "scsi". */
extern const char *vm_firmware_name (enum vm_firmware firmware);
extern const char *vm_power_name (enum vm_power power);
extern const char *vm_bus_name (enum vm_bus bus);

/* The VM as a JSON object, in the shape of `nbdlift describe -o json`
 * and of `inventory ... vms` (reference: nbdlift(1), INVENTORY).  A new
 * reference; NULL with errno ENOMEM, reported.
 */
extern json_t *vm_to_json (const struct vm *vm);

/* One disk of the libvirt XML: where the consumer finds it. */
struct vm_xml_disk {
  const char *file;             /* a local file or block device, or NULL: */
  const char *nbd_host;         /* NBD over TCP (virt-v2v 2.2 takes only the
                                   literal "localhost") */
  unsigned nbd_port;
  const char *format;           /* "raw" or "qcow2" */
  bool block;                   /* FILE is a block device */
};

/* The VM as a libvirt domain, as virt-v2v -i libvirtxml reads it.
 * DISKS has one entry per vm->disks.  Target names run sda..sdz, sdaa..
 * The caller frees.  NULL with errno ENOMEM, reported.
 */
extern char *vm_to_libvirt_xml (const struct vm *vm,
                                const struct vm_xml_disk *disks);

#endif /* NBDLIFT_VM_H */
