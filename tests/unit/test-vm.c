/* SPDX-License-Identifier: BSD-3-Clause
 *
 * common/vm: life, MAC addresses, JSON and libvirt XML.
 */
#include "tests/unit/capture.h"

#include <errno.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/json/json.h"
#include "common/source.h"
#include "common/vm/vm.h"
#include "common/xml/xml.h"

static void
test_life (void **state)
{
  struct vm vm;

  vm_init (&vm);
  assert_int_equal (vm.cpus, 1);
  assert_int_equal (vm.cores_per_socket, 1);
  assert_int_equal (vm.threads_per_core, 1);
  assert_int_equal (vm_add_concern (&vm, "a.b", "label", "Warning", "why"),
                    0);
  assert_string_equal (vm.concerns.ptr[0].category, "Warning");
  vm_free (&vm);
  assert_int_equal (vm.concerns.len, 0);
  assert_int_equal (vm.cpus, 1);
  vm_free (&vm);
}

static void
check_mac (const char *in, const char *out)
{
  CLEANUP_FREE char *mac = vm_canonical_mac (in);

  if (out)
    assert_string_equal (mac, out);
  else {
    assert_null (mac);
    assert_int_equal (errno, EINVAL);
  }
}

static void
test_mac (void **state)
{
  check_mac ("00:50:56:AA:bb:01", "00:50:56:aa:bb:01");
  check_mac ("00-50-56-AA-BB-01", "00:50:56:aa:bb:01");
  check_mac ("0050.56aa.bb01", "00:50:56:aa:bb:01");
  check_mac ("005056AABB01", "00:50:56:aa:bb:01");
  check_mac ("", NULL);
  check_mac ("00:50:56:aa:bb", NULL);
  check_mac ("00:50:56:aa:bb:01:02", NULL);
  check_mac ("00:50:56-aa:bb:01", NULL);
  check_mac ("00:50:56:aa:bb:0g", NULL);
  check_mac ("0:50:56:aa:bb:01", NULL);
  check_mac ("00.50.56.aa.bb.01", NULL);
  check_mac ("005056AABB01 ", NULL);
  check_mac ("005056AABB:01", NULL);
}

static void
test_names (void **state)
{
  assert_string_equal (vm_firmware_name (VM_FIRMWARE_UEFI), "uefi");
  assert_string_equal (vm_power_name (VM_POWER_SUSPENDED), "Suspended");
  assert_string_equal (vm_bus_name (VM_BUS_NVME), "nvme");
}

/* Two disks, three NICs of which two are on one network. */
static void
make_vm (struct vm *vm)
{
  struct vm_ip ip = { 0 };
  struct vm_disk *disk;
  struct vm_nic *nic;

  vm_init (vm);
  vm->id = strdup ("vm-1");
  vm->name = strdup ("web <\"1\"> & more");
  vm->uuid = strdup ("564d1f2a-0000-abcd-ef01-23456789abcd");
  vm->firmware = VM_FIRMWARE_UEFI;
  vm->secure_boot = true;
  vm->power = VM_POWER_ON;
  vm->cpus = 8;
  vm->cores_per_socket = 2;
  vm->threads_per_core = 2;
  vm->memory = 3 * GIB;

  disk = vm_add_disk (vm);
  disk->id = strdup ("d1");
  disk->name = strdup ("disk1");
  disk->capacity = 16 * GIB;
  disk->bus = VM_BUS_SCSI;
  disk->storage.name = strdup ("ds1");
  disk = vm_add_disk (vm);
  disk->bus = VM_BUS_NVME;
  disk->serial = strdup ("s<1>");

  nic = vm_add_nic (vm);
  nic->network.name = strdup ("VM Network");
  nic->mac = strdup ("00:50:56:aa:bb:01");
  nic->model = strdup ("vmxnet3");
  ip.address = strdup ("10.0.2.50");
  ip.prefix = 24;
  ip.is_static = true;
  string_vector_append_dup (&ip.dns, "10.0.2.3");
  vm_ip_vector_append (&nic->ips, ip);
  nic = vm_add_nic (vm);
  nic->network.id = strdup ("net-2");
  nic = vm_add_nic (vm);
  nic->network.name = strdup ("VM Network");
}

static void
test_json (void **state)
{
  CLEANUP_VM struct vm vm;
  CLEANUP_JSON json_t *j = NULL;
  json_t *disk, *nic;

  make_vm (&vm);
  vm_add_concern (&vm, "x", "Label", "Critical", "Do this");
  j = vm_to_json (&vm);
  assert_non_null (j);
  assert_string_equal (json_get_string (j, "id", ""), "vm-1");
  assert_string_equal (json_get_string (j, "firmware", ""), "uefi");
  assert_string_equal (json_get_string (j, "powerState", ""), "On");
  assert_null (json_object_get (j, "path"));
  assert_int_equal (json_get_bool (j, "secureBoot", 0), 1);
  assert_int_equal (json_get_u64 (j, "cpuCount", 0), 8);
  assert_int_equal (json_get_u64 (j, "coresPerSocket", 0), 2);
  assert_int_equal (json_get_u64 (j, "memoryMB", 0), 3072);

  assert_int_equal (json_array_size (json_object_get (j, "disks")), 2);
  disk = json_array_get (json_object_get (j, "disks"), 0);
  assert_string_equal (json_get_string (disk, "name", ""), "disk1");
  assert_int_equal (json_get_u64 (disk, "capacity", 0), 16 * GIB);
  assert_string_equal (json_get_string (disk, "bus", ""), "scsi");
  assert_string_equal (json_get_string (json_object_get (disk, "datastore"),
                                        "name", ""), "ds1");

  assert_int_equal (json_array_size (json_object_get (j, "nics")), 3);
  assert_int_equal (json_array_size (json_object_get (j, "networks")), 2);
  nic = json_array_get (json_object_get (j, "nics"), 0);
  assert_string_equal (json_get_string (nic, "mac", ""),
                       "00:50:56:aa:bb:01");
  assert_string_equal (json_get_string (nic, "model", ""), "vmxnet3");
  assert_string_equal
    (json_get_string (json_array_get (json_object_get (nic, "ips"), 0),
                      "ip", ""), "10.0.2.50");
  assert_int_equal (json_array_size (json_object_get (j, "concerns")), 1);
}

static void
check_attribute (xmlNodePtr node, const char *name, const char *expect)
{
  CLEANUP_FREE char *value = xml_attribute (node, NULL, name);

  assert_string_equal (value, expect);
}

static void
check_child_text (xmlNodePtr node, const char *name, const char *expect)
{
  CLEANUP_FREE char *value = xml_child_text (node, NULL, name);

  assert_string_equal (value, expect);
}

static void
test_xml (void **state)
{
  static const struct vm_xml_disk disks[] = {
    { .file = "/a & b/disk'1\".qcow2", .format = "qcow2" },
    { .nbd_host = "localhost", .nbd_port = 10809, .format = "raw" },
  };
  CLEANUP_VM struct vm vm;
  CLEANUP_FREE char *text = NULL;
  CLEANUP_XMLDOC xmlDocPtr doc = NULL;
  xmlNodePtr domain, os, devices, disk, source, nic;

  make_vm (&vm);
  text = vm_to_libvirt_xml (&vm, disks);
  doc = xml_parse (text, strlen (text), "domain");
  assert_non_null (doc);
  domain = xmlDocGetRootElement (doc);
  check_child_text (domain, "name", "web <\"1\"> & more");
  check_child_text (domain, "memory", "3145728");
  check_child_text (domain, "vcpu", "8");
  check_attribute (xml_child (xml_child (domain, NULL, "cpu"), NULL,
                              "topology"), "sockets", "2");
  os = xml_child (domain, NULL, "os");
  check_attribute (os, "firmware", "efi");
  check_attribute (xml_child (os, NULL, "loader"), "type", "pflash");
  check_attribute (xml_child (os, NULL, "loader"), "secure", "yes");

  devices = xml_child (domain, NULL, "devices");
  disk = xml_child (devices, NULL, "disk");
  check_attribute (disk, "type", "file");
  check_attribute (xml_child (disk, NULL, "driver"), "type", "qcow2");
  check_attribute (xml_child (disk, NULL, "source"), "file",
                   "/a & b/disk'1\".qcow2");
  check_attribute (xml_child (disk, NULL, "target"), "dev", "sda");
  check_attribute (xml_child (disk, NULL, "target"), "bus", "scsi");

  disk = xml_next_element (disk->next, NULL, "disk");
  check_attribute (disk, "type", "network");
  source = xml_child (disk, NULL, "source");
  check_attribute (source, "protocol", "nbd");
  check_attribute (xml_child (source, NULL, "host"), "name", "localhost");
  check_attribute (xml_child (source, NULL, "host"), "port", "10809");
  check_attribute (xml_child (disk, NULL, "target"), "dev", "sdb");
  check_child_text (disk, "serial", "s<1>");

  nic = xml_child (devices, NULL, "interface");
  check_attribute (xml_child (nic, NULL, "mac"), "address",
                   "00:50:56:aa:bb:01");
  check_attribute (xml_child (nic, NULL, "source"), "network",
                   "VM Network");
  check_attribute (xml_child (nic, NULL, "model"), "type", "vmxnet3");
}

/* Firmware unknown: nothing is said.  Names past sdz; a LUN is left
 * out; a block device; characters that XML cannot hold.
 */
static void
test_xml_corners (void **state)
{
  struct vm_xml_disk disks[30] = { 0 };
  CLEANUP_VM struct vm vm;
  CLEANUP_FREE char *text = NULL;
  CLEANUP_XMLDOC xmlDocPtr doc = NULL;
  xmlNodePtr domain, disk, last = NULL;
  size_t i, n = 0;

  vm_init (&vm);
  vm.name = strdup ("bell\x07\xff");
  for (i = 0; i < ARRAY_SIZE (disks); ++i) {
    assert_non_null (vm_add_disk (&vm));
    disks[i] = (struct vm_xml_disk) {
      .file = "/dev/x", .format = "raw", .block = true
    };
  }
  disks[3].file = NULL;

  text = vm_to_libvirt_xml (&vm, disks);
  doc = xml_parse (text, strlen (text), "domain");
  assert_non_null (doc);
  domain = xmlDocGetRootElement (doc);
  check_child_text (domain, "name", "bell\\x07\\xff");
  assert_null (xml_child (xml_child (domain, NULL, "os"), NULL, "loader"));
  disk = xml_child (xml_child (domain, NULL, "devices"), NULL, "disk");
  check_attribute (disk, "type", "block");
  check_attribute (xml_child (disk, NULL, "source"), "dev", "/dev/x");
  for (; disk; disk = xml_next_element (disk->next, NULL, "disk")) {
    last = disk;
    if (++n == 26)
      check_attribute (xml_child (disk, NULL, "target"), "dev", "sdaa");
  }
  assert_int_equal (n, 29);
  check_attribute (xml_child (last, NULL, "target"), "dev", "sdad");
}

static void
test_source (void **state)
{
  static const struct source_secret secrets[] = {
    { "user", "u" }, { "password", "p" },
  };
  const struct source_endpoint e = { .secrets = secrets, .nr_secrets = 2 };
  CLEANUP_SOURCE_SERVERS struct source_servers s = { 0 };
  struct source_server server = { 0 };
  struct source_export export = { .server = 0, .name = strdup ("disk1") };

  assert_string_equal (source_endpoint_secret (&e, "password"), "p");
  assert_null (source_endpoint_secret (&e, "cacert"));
  assert_null (source_endpoint_setting (&e, "user"));

  string_vector_append_dup (&server.argv, "ova");
  string_vector_append_dup (&server.secret_keys, "password");
  string_vector_append_dup (&server.secret_values, "p");
  source_server_vector_append (&s.servers, server);
  source_export_vector_append (&s.exports, export);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_life),
    cmocka_unit_test (test_mac),
    cmocka_unit_test (test_names),
    cmocka_unit_test (test_json),
    cmocka_unit_test (test_xml),
    cmocka_unit_test (test_xml_corners),
    cmocka_unit_test (test_source),
  };

  xml_global_init ();
  return cmocka_run_group_tests (tests, NULL, NULL);
}
