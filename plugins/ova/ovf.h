/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What an OVF descriptor says: files, disks, networks, and the virtual
 * systems with their hardware.  Text in, checked structs out; no file
 * but the text is looked at.
 *
 * OVF 1.x and 2.0 (DMTF DSP0243), elements told apart by namespace and
 * devices by CIM ResourceType, never by their English captions.
 */
#ifndef NBDLIFT_OVA_OVF_H
#define NBDLIFT_OVA_OVF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/util/vector.h"
#include "common/vm/vm.h"

/* Which program wrote it, guessed by the XML namespaces that it
 * declares.
 */
enum ovf_exporter {
  OVF_EXPORTER_UNKNOWN,
  OVF_EXPORTER_VMWARE,
  OVF_EXPORTER_VIRTUALBOX,
  OVF_EXPORTER_XEN,
  OVF_EXPORTER_OVIRT,
};

/* References/File. */
struct ovf_file {
  char *id;
  char *href;                   /* as written; see package_find */
  uint64_t size;                /* bytes, 0 if not given */
  uint64_t chunk_size;          /* bytes, 0 if not split */
  bool gzip;                    /* compression="gzip" */
  unsigned long line;
};
DEFINE_VECTOR_TYPE (ovf_file_vector, struct ovf_file);

#define OVF_NO_FILE SIZE_MAX

/* DiskSection/Disk, or a file that a hardware item uses as a disk
 * without one (then capacity is 0).
 */
struct ovf_disk {
  char *id;                     /* diskId; unique */
  char *format;                 /* URI, or NULL */
  char *uuid;                   /* vbox:uuid, lower case, or NULL */
  size_t file;                  /* index into files, or OVF_NO_FILE: a
                                   new empty disk */
  uint64_t capacity;            /* bytes, at most INT64_MAX; 0 if the OVF
                                   does not say */
  uint64_t populated;           /* bytes of data, 0 if not given */
  unsigned long line;
};
DEFINE_VECTOR_TYPE (ovf_disk_vector, struct ovf_disk);

struct ovf_network {
  char *name;
  char *description;            /* or NULL */
};
DEFINE_VECTOR_TYPE (ovf_network_vector, struct ovf_network);

/* A disk of a virtual system and where it is attached. */
struct ovf_drive {
  size_t disk;                  /* index into disks */
  char *instance;               /* InstanceID of the item */
  enum vm_bus bus;
  char *controller_model;       /* "pvscsi", "ahci", ... or NULL */
  unsigned controller;          /* number of the controller on its bus */
  unsigned unit;                /* AddressOnParent */
};
DEFINE_VECTOR_TYPE (ovf_drive_vector, struct ovf_drive);

struct ovf_system {
  char *id;                     /* ovf:id */
  struct vm vm;                 /* all but path, disks and what only the
                                   files tell */
  ovf_drive_vector drives;      /* boot disk first */
  unsigned long line;
};
DEFINE_VECTOR_TYPE (ovf_system_vector, struct ovf_system *);

struct ovf {
  char *name;                   /* of the descriptor, for messages */
  unsigned version;             /* 1 or 2 */
  enum ovf_exporter exporter;
  ovf_file_vector files;
  ovf_disk_vector disks;
  ovf_network_vector networks;
  ovf_system_vector systems;    /* in document order */
};

/* Parse LEN bytes of TEXT.  NAME stands before the line number in
 * messages.
 *
 * The drives of a system are in boot order: those that
 * vmw:BootOrderSection names come first; the others follow by controller
 * (kinds of controllers by their lowest InstanceID, controllers of one
 * kind by Address) and then by AddressOnParent, as VMware numbers them.
 * vm.id is the system's own UUID (VirtualSystemIdentifier, vbox:Machine
 * or ovf:id) or else is made from the text's digest and ovf:id, so that
 * it stays when the file moves.
 *
 * NULL with errno EINVAL or ENOMEM, reported as NAME:LINE.
 */
extern struct ovf *ovf_parse (const char *text, size_t len,
                              const char *name);
extern void ovf_free (struct ovf *ovf);

static inline void
cleanup_ovf (struct ovf **ovf)
{
  ovf_free (*ovf);
}
#define CLEANUP_OVF __attribute__ ((cleanup (cleanup_ovf)))

/* "VMware", "VirtualBox", "Xen", "oVirt", "Unknown". */
extern const char *ovf_exporter_name (enum ovf_exporter exporter);

/* The bytes that one unit of capacityAllocationUnits or AllocationUnits
 * has: a programmatic unit of DSP0004 ("byte * 2^20", "byte * 1024 *
 * 1024") or one of the older names ("MegaBytes", "MB", ...; powers of
 * 1024).  False if it is something else or does not fit.
 */
extern bool ovf_parse_units (const char *text, uint64_t *bytes);

#endif /* NBDLIFT_OVA_OVF_H */
