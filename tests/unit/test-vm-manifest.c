/* SPDX-License-Identifier: BSD-3-Clause
 *
 * driver/vm_manifest: every rule of the VirtualMachine and its claims.
 * With an argument: print the objects that tests/test-crd.sh checks
 * against the CRDs, one JSON array a line.
 */
#include "tests/unit/capture.h"

#include <errno.h>

#include "common/include/cleanup.h"
#include "common/include/minmax.h"
#include "common/json/json.h"
#include "driver/vm_manifest.h"

#define UUID "564d1f2a-0000-abcd-ef01-23456789abcd"

/* A VM with two disks and three NICs, one of which is dropped; tests
 * change what they are about.
 */
struct fixture {
  struct vm_disk disks[2];
  struct vm_nic nics[3];
  struct network_map_row network_rows[3];
  struct storage_map_row storage_rows[2];
  struct key_value labels[1];
  struct vm vm;
  struct plan plan;
  struct plan_vm pvm;
  struct plan_provider provider;
  struct plan_network_map networks;
  struct plan_storage_map storages;
  struct vm_names names;
  struct vm_manifest_input in;
};

static char *pvc_names[] = {
  (char *) "p-web-disk-0", (char *) "p-web-disk-1"
};
static char *volume_names[] = { (char *) "vol-0", (char *) "vol-1" };

/* The first NIC is dropped. */
static char *network_names[] = {
  NULL, (char *) "net-0", (char *) "net-1"
};

#define S(text) ((char *) (text))

static void
make (struct fixture *f)
{
  memset (f, 0, sizeof *f);
  f->disks[0] = (struct vm_disk) {
    .id = S ("disk-a"), .name = S ("disk0"), .file = S ("/ova/web.ova"),
    .capacity = 10 * GIB, .storage.name = S ("ds1"), .serial = S ("S1"),
  };
  f->disks[1] = (struct vm_disk) {
    .id = S ("disk-b"), .name = S ("disk1"), .capacity = GIB + 1,
    .storage.name = S ("ds2"),
  };
  f->nics[0] = (struct vm_nic) {
    .network.name = S ("dropped"), .connected = true,
  };
  f->nics[1] = (struct vm_nic) {
    .network.name = S ("VM Network"), .mac = S ("00:50:56:aa:bb:01"),
    .connected = true,
  };
  f->nics[2] = (struct vm_nic) { .network.name = S ("storage") };
  f->network_rows[0] = (struct network_map_row) {
    .source.name = S ("storage"), .kind = NETWORK_MULTUS,
    .name = S ("nad"), .namespace_ = S ("ns"),
  };
  f->network_rows[1] = (struct network_map_row) {
    .source.name = S ("VM Network"), .kind = NETWORK_POD,
  };
  f->network_rows[2] = (struct network_map_row) {
    .source.name = S ("dropped"), .kind = NETWORK_IGNORED,
  };
  f->storage_rows[0] = (struct storage_map_row) {
    .source.name = S ("ds1"), .storage_class = S ("fast"),
  };
  f->storage_rows[1] = (struct storage_map_row) {
    .source.name = S ("ds2"), .storage_class = S ("slow"),
    .access_mode = S ("ReadWriteMany"), .volume_mode = S ("Block"),
  };
  f->vm = (struct vm) {
    .id = S ("vm-69"), .name = S ("web"), .uuid = S (UUID),
    .firmware = VM_FIRMWARE_BIOS, .cpus = 4, .cores_per_socket = 2,
    .threads_per_core = 1, .memory = 4 * GIB,
    .disks = { f->disks, 2, 2 }, .nics = { f->nics, 3, 3 },
  };
  f->plan = (struct plan) {
    .meta = { .name = S ("p"), .namespace_ = S ("mig") },
    .target_namespace = S ("target"), .use_compatibility_mode = true,
  };
  f->provider.meta.name = S ("prov");
  f->networks = (struct plan_network_map) {
    .meta.name = S ("nm"), .rows = { f->network_rows, 3, 3 },
  };
  f->storages = (struct plan_storage_map) {
    .meta.name = S ("sm"), .rows = { f->storage_rows, 2, 2 },
  };
  f->names = (struct vm_names) {
    .vm = S ("web"), .pvc = pvc_names, .volume = volume_names,
    .nr_disks = 2, .network = network_names, .nr_nics = 3,
  };
  f->in = (struct vm_manifest_input) {
    .plan = &f->plan, .pvm = &f->pvm, .provider = &f->provider,
    .networks = &f->networks, .storages = &f->storages, .vm = &f->vm,
    .names = &f->names, .firmware = VM_FIRMWARE_BIOS, .converted = true,
    .virtio = true,
  };
}

/* The value at PATH ("spec/template/spec/volumes/0/name"), or NULL. */
static json_t *
at (json_t *j, const char *path)
{
  CLEANUP_FREE char *copy = strdup (path);
  char *save, *part;

  for (part = strtok_r (copy, "/", &save); part && j;
       part = strtok_r (NULL, "/", &save))
    j = json_is_array (j) ? json_array_get (j, strtoul (part, NULL, 10))
      : json_object_get (j, part);
  return j;
}

static void
check_text (json_t *j, const char *path, const char *expect)
{
  json_t *v = at (j, path);

  if (!json_is_string (v) || strcmp (json_string_value (v), expect) != 0)
    fail_msg ("%s: expected '%s', got '%s'", path, expect,
              json_is_string (v) ? json_string_value (v) : "(none)");
}

/* The value at PATH is this JSON, no more and no less. */
static void
check_json (json_t *j, const char *path, const char *expect)
{
  CLEANUP_JSON json_t *e = json_loads (expect, JSON_DECODE_ANY, NULL);
  CLEANUP_FREE char *text = NULL;
  json_t *v = at (j, path);

  assert_non_null (e);
  text = v ? json_dumps (v, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
  if (v == NULL || !json_equal (v, e))
    fail_msg ("%s: expected %s, got %s", path, expect, text);
}

static void
check_absent (json_t *j, const char *path)
{
  if (at (j, path))
    fail_msg ("%s is there", path);
}

#define TEMPLATE "spec/template/spec/"
#define DOMAIN TEMPLATE "domain/"

static void
test_volume_size (void **state)
{
  assert_int_equal (vm_volume_size (0), 0);
  assert_int_equal (vm_volume_size (1), MIB);
  assert_int_equal (vm_volume_size (MIB), MIB);
  assert_int_equal (vm_volume_size (GIB + 1), GIB + MIB);
  assert_int_equal (vm_volume_size (UINT64_MAX), 0);
}

static void
test_pvc (void **state)
{
  struct fixture f;
  CLEANUP_JSON json_t *objects = NULL;
  json_t *pvc;

  make (&f);
  objects = vm_manifest (&f.in);
  assert_int_equal (json_array_size (objects), 3);

  pvc = json_array_get (objects, 0);
  check_text (pvc, "apiVersion", "v1");
  check_text (pvc, "kind", "PersistentVolumeClaim");
  check_text (pvc, "metadata/name", "p-web-disk-0");
  check_text (pvc, "metadata/namespace", "target");
  check_text (pvc, "metadata/labels/vmID", "vm-69");
  check_json (pvc, "metadata/annotations",
              "{\"forklift.konveyor.io/disk-source\": \"/ova/web.ova\","
              " \"forklift.konveyor.io/disk-index\": \"0\","
              " \"cdi.kubevirt.io/storage.populatedFor\":"
              " \"p-web-disk-0\"}");
  /* 10 GiB / 0.9, rounded up. */
  check_json (pvc, "spec",
              "{\"accessModes\": [\"ReadWriteOnce\"],"
              " \"volumeMode\": \"Filesystem\","
              " \"storageClassName\": \"fast\","
              " \"resources\": {\"requests\":"
              " {\"storage\": \"11930464712\"}}}");

  pvc = json_array_get (objects, 1);
  assert_string_equal (json_get_string (at (pvc, "metadata/annotations"),
                                        "forklift.konveyor.io/disk-source",
                                        ""), "disk-b");
  check_json (pvc, "spec",
              "{\"accessModes\": [\"ReadWriteMany\"],"
              " \"volumeMode\": \"Block\","
              " \"storageClassName\": \"slow\","
              " \"resources\": {\"requests\":"
              " {\"storage\": \"1074790400\"}}}");
}

/* By id; and the dummy storage of an OVA provider fits all others. */
static void
test_storage_rows (void **state)
{
  struct fixture f;
  CLEANUP_JSON json_t *objects = NULL;

  make (&f);
  f.storage_rows[0].source.name =
    S ("Dummy storage for source provider prov");
  f.storage_rows[1].source.name = NULL;
  f.storage_rows[1].source.id = S ("disk-b");
  f.disks[1].storage.id = S ("disk-b");
  objects = vm_manifest (&f.in);
  assert_non_null (objects);
  check_text (objects, "0/spec/storageClassName", "fast");
  check_text (objects, "1/spec/storageClassName", "slow");
}

static void
test_vm (void **state)
{
  struct fixture f;
  CLEANUP_JSON json_t *objects = NULL;
  json_t *vm;

  make (&f);
  objects = vm_manifest (&f.in);
  vm = json_array_get (objects, 2);
  check_text (vm, "apiVersion", "kubevirt.io/v1");
  check_text (vm, "kind", "VirtualMachine");
  check_text (vm, "metadata/name", "web");
  check_text (vm, "metadata/labels/guestConverted", "true");
  check_absent (vm, "metadata/annotations");
  check_text (vm, "spec/runStrategy", "Halted");
  check_absent (vm, "spec/running");
  check_json (vm, "spec/template/metadata",
              "{\"labels\": {\"app\": \"web\"}, \"annotations\":"
              " {\"vm.kubevirt.io/flavor\": \"\","
              " \"vm.kubevirt.io/os\": \"\","
              " \"vm.kubevirt.io/workload\": \"\"}}");
  check_json (vm, DOMAIN "cpu", "{\"sockets\": 2, \"cores\": 2}");
  check_json (vm, DOMAIN "memory", "{\"guest\": \"4Gi\"}");
  check_json (vm, DOMAIN "clock", "{\"timezone\": \"UTC\"}");
  check_json (vm, DOMAIN "firmware",
              "{\"uuid\": \"" UUID "\", \"serial\": \"" UUID "\","
              " \"bootloader\": {\"bios\": {}}}");
  check_absent (vm, DOMAIN "features");
  check_json (vm, DOMAIN "devices/tpm", "{\"enabled\": false}");
  check_json (vm, DOMAIN "devices/inputs",
              "[{\"type\": \"tablet\", \"name\": \"tablet\","
              " \"bus\": \"virtio\"}]");
  check_json (vm, DOMAIN "devices/disks",
              "[{\"name\": \"vol-0\", \"bootOrder\": 1, \"serial\": \"S1\","
              " \"disk\": {\"bus\": \"virtio\"}},"
              " {\"name\": \"vol-1\", \"disk\": {\"bus\": \"virtio\"}}]");
  check_json (vm, TEMPLATE "volumes",
              "[{\"name\": \"vol-0\", \"persistentVolumeClaim\":"
              " {\"claimName\": \"p-web-disk-0\"}},"
              " {\"name\": \"vol-1\", \"persistentVolumeClaim\":"
              " {\"claimName\": \"p-web-disk-1\"}}]");
  /* In the VM's order, not the map's; the dropped one is not counted. */
  check_json (vm, DOMAIN "devices/interfaces",
              "[{\"name\": \"net-0\", \"model\": \"virtio\","
              " \"macAddress\": \"00:50:56:aa:bb:01\","
              " \"masquerade\": {}},"
              " {\"name\": \"net-1\", \"model\": \"virtio\","
              " \"state\": \"down\", \"bridge\": {}}]");
  check_json (vm, TEMPLATE "networks",
              "[{\"name\": \"net-0\", \"pod\": {}},"
              " {\"name\": \"net-1\", \"multus\":"
              " {\"networkName\": \"ns/nad\"}}]");
  check_absent (vm, DOMAIN "devices/autoattachPodInterface");
}

static void
test_labels (void **state)
{
  struct plan_migration migration = { .meta.uid = S ("mig-uid") };
  struct fixture f;
  CLEANUP_JSON json_t *first = NULL;
  CLEANUP_JSON json_t *second = NULL;
  json_t *labels;

  make (&f);
  f.labels[0] = (struct key_value) {
    .key = S ("team"), .value = S ("a"), .len = 1
  };
  f.plan.target_labels = (key_value_vector) { f.labels, 1, 1 };
  first = vm_manifest (&f.in);
  labels = at (first, "2/metadata/labels");
  check_text (labels, "team", "a");
  /* Made up, but the same for claim and VM. */
  assert_int_equal (strlen (json_get_string (labels, "plan", "")), 36);
  check_text (first, "0/metadata/labels/plan",
              json_get_string (labels, "plan", ""));
  check_text (first, "0/metadata/labels/migration",
              json_get_string (labels, "migration", ""));

  f.plan.meta.uid = S ("plan-uid");
  f.in.migration = &migration;
  f.vm.id = S ("an id/that is no label");
  second = vm_manifest (&f.in);
  check_text (second, "2/metadata/labels/plan", "plan-uid");
  check_text (second, "2/metadata/labels/migration", "mig-uid");
  assert_int_equal (strlen (json_string_value
                            (at (second, "2/metadata/labels/vmID"))), 36);
}

static void
test_renamed (void **state)
{
  struct fixture f;
  CLEANUP_JSON json_t *objects = NULL;

  make (&f);
  f.vm.name = S ("Web_01");
  f.names.renamed = true;
  objects = vm_manifest (&f.in);
  check_json (objects, "2/metadata/annotations",
              "{\"openshift.io/display-name\": \"Web_01\","
              " \"original-ID\": \"vm-69\"}");
}

static void
check_power (enum power_target target, enum vm_power source,
             const char *expect)
{
  struct fixture f;
  CLEANUP_JSON json_t *objects = NULL;

  make (&f);
  f.pvm.power = target;
  f.vm.power = source;
  objects = vm_manifest (&f.in);
  check_text (objects, "2/spec/runStrategy", expect);
}

static void
test_power (void **state)
{
  check_power (POWER_AUTO, VM_POWER_ON, "Always");
  check_power (POWER_AUTO, VM_POWER_OFF, "Halted");
  check_power (POWER_AUTO, VM_POWER_UNKNOWN, "Halted");
  check_power (POWER_AUTO, VM_POWER_SUSPENDED, "Halted");
  check_power (POWER_ON, VM_POWER_OFF, "Always");
  check_power (POWER_OFF, VM_POWER_ON, "Halted");
}

static void
test_firmware (void **state)
{
  struct fixture f;
  CLEANUP_JSON json_t *plain = NULL;
  CLEANUP_JSON json_t *secure = NULL;
  CLEANUP_JSON json_t *unknown = NULL;

  make (&f);
  f.in.firmware = VM_FIRMWARE_UEFI;
  plain = vm_manifest (&f.in);
  check_json (plain, "2/" DOMAIN "firmware/bootloader",
              "{\"efi\": {\"secureBoot\": false}}");
  check_absent (plain, "2/" DOMAIN "features");

  f.vm.secure_boot = true;
  f.vm.tpm = true;
  f.vm.uuid = S ("not a uuid");
  secure = vm_manifest (&f.in);
  check_json (secure, "2/" DOMAIN "firmware",
              "{\"bootloader\": {\"efi\": {\"secureBoot\": true}}}");
  check_json (secure, "2/" DOMAIN "features",
              "{\"smm\": {\"enabled\": true}}");
  check_json (secure, "2/" DOMAIN "devices/tpm", "{\"persistent\": true}");

  f.in.firmware = f.vm.firmware = VM_FIRMWARE_UNKNOWN;
  unknown = vm_manifest (&f.in);
  check_json (unknown, "2/" DOMAIN "firmware/bootloader",
              "{\"bios\": {}}");
}

static void
check_compatible (bool converted, bool virtio, bool skip, bool mode,
                  bool expect)
{
  struct fixture f;
  CLEANUP_JSON json_t *objects = NULL;

  make (&f);
  f.in.converted = converted;
  f.in.virtio = virtio;
  f.plan.skip_guest_conversion = skip;
  f.plan.use_compatibility_mode = mode;
  objects = vm_manifest (&f.in);
  check_text (objects, "2/" DOMAIN "devices/disks/0/disk/bus",
              expect ? "sata" : "virtio");
  check_text (objects, "2/" DOMAIN "devices/interfaces/0/model",
              expect ? "e1000e" : "virtio");
  check_text (objects, "2/" DOMAIN "devices/inputs/0/bus",
              expect ? "usb" : "virtio");
  check_text (objects, "2/metadata/labels/guestConverted",
              converted ? "true" : "false");
}

static void
test_compatible (void **state)
{
  check_compatible (true, true, false, true, false);
  check_compatible (true, false, false, true, true);
  check_compatible (false, false, true, true, true);
  check_compatible (false, false, true, false, false);
}

/* The boot disk is the plan's, instance types, other CPUs, shared disks,
 * no NICs, and what a LUN leaves out.
 */
static void
test_corners (void **state)
{
  struct key_value selector = {
    .key = S ("zone"), .value = S ("a"), .len = 1
  };
  struct fixture f;
  CLEANUP_JSON json_t *one = NULL;
  CLEANUP_JSON json_t *two = NULL;

  make (&f);
  f.pvm.root_disk = S ("/dev/sdb2");
  f.disks[0].shared = true;
  f.vm.nics.len = 0;
  f.vm.cpus = 8;
  f.vm.threads_per_core = 2;
  f.vm.nested_virt = true;
  f.vm.memory = 1536 * MIB;
  f.vm.timezone = S ("Europe/Berlin");
  f.in.osinfo = "debian12";
  f.plan.target_node_selector = (key_value_vector) { &selector, 1, 1 };
  one = vm_manifest (&f.in);
  check_absent (one, "2/" DOMAIN "devices/disks/0/bootOrder");
  check_json (one, "2/" DOMAIN "devices/disks/1/bootOrder", "1");
  check_json (one, "2/" DOMAIN "devices/disks/0/shareable", "true");
  check_text (one, "2/" DOMAIN "devices/disks/0/cache", "none");
  check_text (one, "0/metadata/labels/shareable", "true");
  check_json (one, "2/" DOMAIN "devices/autoattachPodInterface", "false");
  check_json (one, "2/" DOMAIN "cpu",
              "{\"sockets\": 2, \"cores\": 2, \"threads\": 2,"
              " \"features\": [{\"name\": \"vmx\", \"policy\":"
              " \"optional\"}, {\"name\": \"svm\", \"policy\":"
              " \"optional\"}]}");
  check_text (one, "2/" DOMAIN "memory/guest", "1536Mi");
  check_text (one, "2/" DOMAIN "clock/timezone", "Europe/Berlin");
  check_text (one, "2/" TEMPLATE "nodeSelector/zone", "a");

  f.pvm.root_disk = S ("/dev/sdz");
  f.pvm.instance_type = S ("u1.medium");
  f.disks[1].lun = true;
  two = vm_manifest (&f.in);
  assert_int_equal (json_array_size (two), 2);
  check_json (two, "1/" DOMAIN "devices/disks/0/bootOrder", "1");
  assert_int_equal (json_array_size (at (two, "1/" TEMPLATE "volumes")), 1);
  check_json (two, "1/spec/instancetype",
              "{\"kind\": \"VirtualMachineClusterInstancetype\","
              " \"name\": \"u1.medium\"}");
  check_absent (two, "1/" DOMAIN "cpu");
  check_absent (two, "1/" DOMAIN "memory");
}

static void
test_errors (void **state)
{
  struct fixture f;

  make (&f);
  f.networks.rows.len = 1;
  capture_start ();
  assert_null (vm_manifest (&f.in));
  assert_int_equal (errno, ENOENT);
  assert_error ("no row of NetworkMap nm fits network");

  make (&f);
  f.storages.rows.len = 1;
  capture_start ();
  assert_null (vm_manifest (&f.in));
  assert_int_equal (errno, ENOENT);
  assert_error ("no row of StorageMap sm fits disk disk1");

  make (&f);
  f.disks[1].capacity = UINT64_MAX;
  capture_start ();
  assert_null (vm_manifest (&f.in));
  assert_int_equal (errno, EINVAL);
  assert_error ("disk1: a capacity of 18446744073709551615 bytes");

  make (&f);
  f.disks[0].capacity = UINT64_C (1) << 63;
  capture_start ();
  assert_null (vm_manifest (&f.in));
  assert_error ("capacity");

  make (&f);
  f.vm.memory = 0;
  capture_start ();
  assert_null (vm_manifest (&f.in));
  assert_int_equal (errno, EINVAL);
  assert_error ("memory");
}

static void
print (const struct fixture *f)
{
  CLEANUP_JSON json_t *objects = vm_manifest (&f->in);

  if (objects == NULL || json_dumpf (objects, stdout, JSON_COMPACT) == -1)
    exit (EXIT_FAILURE);
  putchar ('\n');
}

/* Manifests that have every field between them. */
static int
print_samples (void)
{
  struct key_value selector = {
    .key = S ("zone"), .value = S ("a"), .len = 1
  };
  struct fixture f;

  make (&f);
  print (&f);

  make (&f);
  f.in.firmware = VM_FIRMWARE_UEFI;
  f.vm.secure_boot = f.vm.tpm = f.vm.nested_virt = true;
  f.vm.threads_per_core = 2;
  f.disks[1].shared = true;
  f.names.renamed = true;
  f.in.osinfo = "debian12";
  f.plan.target_node_selector = (key_value_vector) { &selector, 1, 1 };
  print (&f);

  make (&f);
  f.in.converted = false;
  f.plan.skip_guest_conversion = true;
  f.vm.nics.len = 0;
  f.pvm.instance_type = S ("u1.medium");
  f.vm.memory = 1537 * KIB;
  print (&f);
  return 0;
}

int
main (int argc, char *argv[])
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_volume_size),
    cmocka_unit_test (test_pvc),
    cmocka_unit_test (test_storage_rows),
    cmocka_unit_test (test_vm),
    cmocka_unit_test (test_labels),
    cmocka_unit_test (test_renamed),
    cmocka_unit_test (test_power),
    cmocka_unit_test (test_firmware),
    cmocka_unit_test (test_compatible),
    cmocka_unit_test (test_corners),
    cmocka_unit_test (test_errors),
  };

  if (argc > 1)
    return print_samples ();
  return cmocka_run_group_tests (tests, NULL, NULL);
}
