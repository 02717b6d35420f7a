/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which way to take, in this order: VDDK where it is installed, which
 * VMware supports and which reads every kind of datastore; /folder, which
 * needs nothing and is read at random by many connections; the export of a
 * lease where a datastore has no files (vSAN, vVol): one stream per disk,
 * which begins again after a failure.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/util/log.h"
#include "common/util/strbuf.h"
#include "plugins/vsphere/folder.h"
#include "plugins/vsphere/transport.h"

static const char *const names[] = {
  [VSPHERE_VDDK] = "vddk",
  [VSPHERE_FOLDER] = "folder",
  [VSPHERE_EXPORT] = "export",
};

struct choice {
  enum vsphere_transport transport;
  char *reason;                 /* malloc'ed */
};

static void
choice_free (struct choice *choice)
{
  free (choice->reason);
}

/* What settings.transport says; -1: nothing. */
static int
forced (const struct vsphere_session *s, int *transport)
{
  const char *name = source_endpoint_setting (s->endpoint, "transport");
  size_t i;

  *transport = -1;
  if (name == NULL || *name == '\0' || strcmp (name, "auto") == 0)
    return 0;
  for (i = 0; i < ARRAY_SIZE (names); i++)
    if (strcmp (name, names[i]) == 0) {
      *transport = i;
      return 0;
    }
  log_error ("transport: '%s' is not one of auto, vddk, folder, export",
             printable (name));
  errno = EINVAL;
  return -1;
}

/* The name of the first disk that has no plain files, or NULL. */
static const char *
first_without_files (const struct vsphere_vm *vm)
{
  size_t i;

  for (i = 0; i < vm->disks.len; i++)
    if (!vm->disks.ptr[i].has_extents && !vm->vm.disks.ptr[i].lun)
      return vm->vm.disks.ptr[i].name;
  return NULL;
}

static int
set_reason (struct choice *choice, enum vsphere_transport transport,
            char *reason)
{
  if (reason == NULL)
    return -1;
  choice->transport = transport;
  choice->reason = reason;
  return 0;
}

static int
refuse (const char *way, const char *why)
{
  log_error ("the disks cannot be read by way of %s, which 'transport' asks "
             "for: %s", way, why);
  errno = ENOTSUP;
  return -1;
}

/* Is /folder refused for this VM?  Its descriptors tell: the files of the
 * data are locked while it runs.  A host may refuse what vCenter allows: it
 * is not asked.  *STATUS is 0 if all is well.  0, or -1 reported.
 */
static int
probe_folder (const struct vsphere_session *s, const struct vsphere_vm *vm,
              unsigned *status)
{
  const struct folder_options options = {
    .files = s->vim, .datacenter = vm->datacenter, .vim = s->vim,
    .vm = vm->vm.id,
  };
  CLEANUP_FREE char *thumbprint = NULL;
  const struct source_host *host;
  struct folder *folder;
  unsigned answer;
  size_t i = 0;
  int r;

  *status = 0;
  while (i < vm->disks.len && vm->vm.disks.ptr[i].lun)
    i++;
  if (i == vm->disks.len)
    return 0;
  if (vsphere_host_of (s, &vm->vm, &host, &thumbprint) == -1)
    return -1;
  if (host)
    return 0;
  folder = folder_new (&options);
  if (folder == NULL)
    return -1;
  r = folder_probe (folder, vm->disks.ptr[i].chain.ptr[0], &answer);
  folder_free (folder);
  if (r == 0 && (answer == 403 || answer == 404 ||
                 (answer == 500 && vm->vm.power == VM_POWER_OFF)))
    *status = answer;
  return r;
}

/* Without VDDK, which WHY says. */
static int
choose_plain (const struct vsphere_session *s, const struct vsphere_vm *vm,
              const char *why, struct choice *choice)
{
  const char *disk = first_without_files (vm);
  unsigned status;

  if (disk)
    return set_reason (choice, VSPHERE_EXPORT, format_text
                       ("%s, and disk %s has no files that /folder shows (it "
                        "is on vSAN or a vVol): each disk comes as one "
                        "stream, which begins again after a failure", why,
                        printable (disk)));
  if (probe_folder (s, vm, &status) == -1)
    return -1;
  if (status != 0)
    return set_reason (choice, VSPHERE_EXPORT, format_text
                       ("%s, and the server refuses /folder for this VM "
                        "(status %u; it wants the privilege "
                        "Datastore.Browse): each disk comes as one stream, "
                        "which begins again after a failure", why, status));
  return set_reason (choice, VSPHERE_FOLDER, format_text
                     ("%s; the datastores' files are read over HTTPS",
                      why));
}

static int
choose_forced (const struct vsphere_session *s, const struct vsphere_vm *vm,
               enum vsphere_transport wanted, struct choice *choice)
{
  CLEANUP_FREE char *libdir = NULL, *why = NULL;
  const char *disk;
  int r;

  switch (wanted) {
  case VSPHERE_VDDK:
    r = vsphere_vddk_find (s, &libdir, &why);
    if (r != 1)
      return r == 0 ? refuse (names[wanted], why) : -1;
    break;
  case VSPHERE_FOLDER:
    disk = first_without_files (vm);
    if (disk) {
      why = format_text ("disk %s has no files that /folder shows (it is on "
                         "vSAN or a vVol); use export or vddk",
                         printable (disk));
      return refuse (names[wanted], why ? why : "no memory");
    }
    break;
  case VSPHERE_EXPORT:
    break;
  }
  return set_reason (choice, wanted,
                     format_text ("'transport' asks for it"));
}

static int
choose (const struct vsphere_session *s, const struct vm *vm,
        struct choice *choice)
{
  CLEANUP_FREE char *libdir = NULL, *why = NULL;
  CLEANUP_VSPHERE_VM struct vsphere_vm all;
  const struct source_ref ref = { .id = vm->id };
  int wanted, r;

  vsphere_vm_init (&all);
  if (forced (s, &wanted) == -1 ||
      vsphere_describe (s->vim, &ref, &all) == -1)
    return -1;
  if (wanted >= 0)
    return choose_forced (s, &all, wanted, choice);
  r = vsphere_vddk_find (s, &libdir, &why);
  if (r == -1)
    return -1;
  if (r == 1)
    return set_reason (choice, VSPHERE_VDDK, format_text
                       ("VDDK is in %s", printable (libdir)));
  return choose_plain (s, &all, why, choice);
}

int
vsphere_transport_path (void *session, const struct vm *vm,
                        struct source_path *path)
{
  __attribute__ ((cleanup (choice_free))) struct choice choice = { 0 };
  char *name;

  if (choose (session, vm, &choice) == -1)
    return -1;
  name = strdup (names[choice.transport]);
  if (name == NULL) {
    log_oom ();
    return -1;
  }
  path->name = name;
  path->reason = choice.reason;
  path->import = choice.transport == VSPHERE_EXPORT;
  choice.reason = NULL;
  return 0;
}

int
vsphere_transport_servers (void *session, const struct vm *vm,
                           const char *snapshot,
                           struct source_servers *servers)
{
  __attribute__ ((cleanup (choice_free))) struct choice choice = { 0 };

  if (choose (session, vm, &choice) == -1)
    return -1;
  switch (choice.transport) {
  case VSPHERE_VDDK:
    return vsphere_vddk_servers (session, vm, snapshot, servers);
  case VSPHERE_FOLDER:
    return vsphere_source_servers (session, vm, snapshot, servers);
  case VSPHERE_EXPORT:
    break;
  }
  log_error ("the disks of %s can be copied, but not served: %s",
             printable (vm->name), choice.reason);
  errno = ENOTSUP;
  return -1;
}
