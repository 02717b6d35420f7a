/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Fuzz what a vSphere server answers: the first byte chooses what is asked
 * for, the rest is the answer to all of it.  Any answer is refused, or
 * gives what callers rely on.
 */
#include <stddef.h>
#include <stdint.h>

#include "common/xml/xml.h"
#include "plugins/vsphere/inventory.h"
#include "plugins/vsphere/vsphere.h"
#include "tests/unit/fake_http.h"

extern int LLVMFuzzerInitialize (int *argc, char ***argv);
extern int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

#define CAPACITY (UINT64_C (1) << 40)

static char answer[65536];
static bool is_fault, is_open;

static void
drop (enum log_level level, const char *text, void *opaque)
{
}

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  log_set_sink (drop, NULL);
  xml_global_init ();
  return 0;
}

/* The session itself is opened and closed without trouble. */
static const char *
answer_all (const char *method, unsigned *status)
{
  if (strcmp (method, "Login") == 0)
    return ANSWER ("Login", "");
  if (strcmp (method, "Logout") == 0)
    return ANSWER ("Logout", "");
  if (strcmp (method, "RetrieveServiceContent") == 0 && !is_open)
    return SERVICE_CONTENT;
  if (strcmp (method, "CreateContainerView") == 0)
    return ANSWER ("CreateContainerView", "<returnval>view-1</returnval>");
  if (strcmp (method, "ExportVm") == 0)
    return ANSWER ("ExportVm", "<returnval>lease-1</returnval>");
  if (is_fault)
    *status = 500;
  return answer;
}

static void
describe (struct vim *vim)
{
  const struct source_ref ref = { .id = "vm-1" };
  struct vsphere_vm vm;
  size_t i;

  vsphere_vm_init (&vm);
  if (vsphere_describe (vim, &ref, &vm) == 0) {
    if (vm.vm.id == NULL || vm.vm.name == NULL || vm.vm.path == NULL ||
        vm.datacenter == NULL || vm.vm.cpus == 0 ||
        vm.vm.cores_per_socket == 0 ||
        vm.vm.cpus % vm.vm.cores_per_socket != 0 ||
        vm.disks.len != vm.vm.disks.len)
      abort ();
    for (i = 0; i < vm.disks.len; i++)
      if (vm.disks.ptr[i].chain.len == 0 || vm.vm.disks.ptr[i].name == NULL ||
          vm.vm.disks.ptr[i].allocated > vm.vm.disks.ptr[i].capacity)
        abort ();
  }
  vsphere_vm_free (&vm);
}

static int
check_area (void *opaque, uint64_t offset, uint64_t length)
{
  uint64_t *end = opaque;

  /* merged: never touching the one before */
  if (length == 0 || (*end > 0 && offset <= *end) || offset >= CAPACITY ||
      length > CAPACITY - offset)
    abort ();
  *end = offset + length;
  return 0;
}

static void
inventory (struct vim *vim, enum source_collection collection)
{
  json_decref (vsphere_inventory (vim, "p", collection));
}

static void
lease (struct vim *vim)
{
  struct vim_lease *l = vim_lease_open (vim, "vm-1");
  char sha1[41];
  uint64_t size;

  if (l == NULL)
    return;
  vim_lease_checksum (l, "k", sha1, &size);
  vim_lease_close (l, false);
}

static void
find (struct vim *vim, const char *name)
{
  const struct source_ref ref = { .name = name };
  char *id;

  if (vim_find_vm (vim, &ref, &id) == 0)
    free (id);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  const struct vim_options options = {
    .url = "https://vc", .user = "u", .password = "p",
  };
  uint64_t end = 0;
  struct vim *vim;

  if (size < 1 || size - 1 >= sizeof answer)
    return 0;
  memcpy (answer, data + 1, size - 1);
  answer[size - 1] = '\0';
  is_fault = data[0] >= 'A' && data[0] <= 'Z';
  is_open = data[0] == 's' || data[0] == 'S';
  fake_answer = answer_all;
  vim = vim_open (&options);
  if (vim == NULL)
    return 0;
  switch (data[0] | 0x20) {
  case 'a':
    vim_changed_areas (vim, "vm-1", NULL, 2000, CAPACITY, "*", check_area,
                       &end);
    break;
  case 'd':
    describe (vim);
    break;
  case 'f':
    find (vim, "/a/b");
    find (vim, "564d1a2b-0000-1111-2222-333344445555");
    find (vim, "a");
    break;
  case 'i':
    inventory (vim, SOURCE_VMS);
    inventory (vim, SOURCE_NETWORKS);
    inventory (vim, SOURCE_STORAGES);
    inventory (vim, SOURCE_DISKS);
    inventory (vim, SOURCE_HOSTS);
    break;
  case 'l':
    if (strstr (answer, "initializing") == NULL)        /* waits */
      lease (vim);
    break;
  }
  vim_close (vim);
  return 0;
}
