/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Description of a VM from canned properties, in the form that vCenter 8
 * sends: its own prefixes, types on the elements of arrays.
 */
#include "tests/unit/capture.h"
#include "tests/unit/fake_http.h"

#include <jansson.h>

#include "common/include/cleanup.h"
#include "common/util/strbuf.h"
#include "plugins/vsphere/inventory.h"
#include "plugins/vsphere/vsphere.h"

#define PROP(name, type, value)                                         \
  "<propSet><name>" name "</name><val i:type=\"" type "\">" value       \
  "</val></propSet>"
#define TEXT(name, value) PROP (name, "xsd:string", value)
#define REF(name, type, id)                                             \
  "<propSet><name>" name "</name><val i:type=\"ManagedObjectReference\""\
  " type=\"" type "\">" id "</val></propSet>"
#define HARDWARE(devices)                                               \
  PROP ("config.hardware", "VirtualHardware",                           \
        "<numCPU>8</numCPU><numCoresPerSocket>4</numCoresPerSocket>"    \
        "<memoryMB>6144</memoryMB>" devices)
#define DEVICE(type, key, rest)                                         \
  "<device i:type=\"" type "\"><key>" #key "</key>" rest "</device>"
#define DISK(key, controller, unit, backing, rest)                      \
  DEVICE ("VirtualDisk", key, backing "<controllerKey>" #controller     \
          "</controllerKey><unitNumber>" #unit "</unitNumber>" rest)
#define BACKING(type, rest) "<backing i:type=\"" type "\">" rest "</backing>"
#define FLAT(file, rest)                                                \
  BACKING ("VirtualDiskFlatVer2BackingInfo", "<fileName>" file          \
           "</fileName><datastore type=\"Datastore\">datastore-1"       \
           "</datastore><diskMode>persistent</diskMode>" rest)
#define BYTES(n) "<capacityInBytes>" #n "</capacityInBytes>"

#define OBJECT(type, id, rest)                                          \
  "<objects><obj type=\"" type "\">" id "</obj>" rest "</objects>"
#define REPLY(objects)                                                  \
  ANSWER ("RetrievePropertiesEx", "<returnval>" objects "</returnval>")
#define STEP(objects) { "RetrievePropertiesEx", 200, REPLY (objects) }

#define FOLDERS                                                         \
  OBJECT ("Folder", "group-v3", TEXT ("name", "vm")                     \
          REF ("parent", "Datacenter", "datacenter-2"))                 \
  OBJECT ("Datacenter", "datacenter-2", TEXT ("name", "DC0")            \
          REF ("parent", "Folder", "group-d1"))

/* The calls of vsphere_describe with an id, for a VM on no network. */
#define DESCRIBE(properties)                                            \
  STEP (OBJECT ("VirtualMachine", "vm-1", TEXT ("name", "web"))),       \
  STEP (OBJECT ("VirtualMachine", "vm-1", TEXT ("name", "web%2f1")      \
                REF ("parent", "Folder", "group-v3") properties)),      \
  STEP (FOLDERS)

static int
describe (const struct fake_step *steps, struct vsphere_vm *vm)
{
  const struct vim_options o = {
    .url = "https://vc", .user = "u", .password = "p",
  };
  const struct source_ref ref = { .id = "vm-1" };
  struct vim *vim;
  int r, err;

  fake_steps = steps;
  capture_start ();
  vim = vim_open (&o);
  assert_non_null (vim);
  captured[0] = '\0';
  r = vsphere_describe (vim, &ref, vm);
  err = errno;
  vim_close (vim);
  errno = err;
  return r;
}

static bool
has_concern (const struct vsphere_vm *vm, const char *id)
{
  size_t i;

  for (i = 0; i < vm->vm.concerns.len; i++)
    if (strcmp (vm->vm.concerns.ptr[i].id, id) == 0)
      return true;
  return false;
}

#define assert_concern(vm, id)                                          \
  do {                                                                  \
    if (!has_concern (vm, id))                                          \
      fail_msg ("no concern %s", id);                                   \
  } while (0)

/*---- disks ----*/

#define CONTROLLERS                                                     \
  DEVICE ("VirtualIDEController", 200, "<busNumber>0</busNumber>")      \
  DEVICE ("VirtualIDEController", 201, "<busNumber>1</busNumber>")      \
  DEVICE ("ParaVirtualSCSIController", 1000, "<busNumber>0</busNumber>" \
          "<sharedBus>noSharing</sharedBus>")                           \
  DEVICE ("VirtualLsiLogicSASController", 1001,                         \
          "<busNumber>1</busNumber>"                                    \
          "<sharedBus>physicalSharing</sharedBus>")                     \
  DEVICE ("VirtualAHCIController", 15000, "<busNumber>0</busNumber>")   \
  DEVICE ("VirtualNVMEController", 31000, "<busNumber>0</busNumber>")

static void
test_disks (void **state)
{
  static const struct fake_step steps[] = {
    DESCRIBE (
      PROP ("config.changeTrackingEnabled", "xsd:boolean", "true")
      PROP ("config.extraConfig", "ArrayOfOptionValue",
            "<OptionValue i:type=\"OptionValue\"><key>scsi0:0.ctkEnabled"
            "</key><value i:type=\"xsd:string\">TRUE</value></OptionValue>"
            "<OptionValue i:type=\"OptionValue\"><key>nvme0:3.ctkEnabled"
            "</key><value i:type=\"xsd:string\">FALSE</value></OptionValue>"
            "<OptionValue i:type=\"OptionValue\"><key>disk.enableUUID</key>"
            "<value>true</value></OptionValue>")
      PROP ("layoutEx", "VirtualMachineFileLayoutEx",
            "<file><key>0</key><type>diskDescriptor</type></file>"
            "<file><key>1</key><type>diskExtent</type><size>900</size>"
            "<uniqueSize>512</uniqueSize></file>"
            "<file><key>2</key><type>diskExtent</type><size>100</size>"
            "</file>"
            "<disk><key>2000</key><chain><fileKey>0</fileKey>"
            "<fileKey>1</fileKey></chain><chain><fileKey>2</fileKey>"
            "</chain></disk>"
            "<disk><key>16000</key><chain><fileKey>0</fileKey></chain>"
            "</disk>")
      HARDWARE (
        CONTROLLERS
        DISK (32003, 31000, 3, FLAT ("[ds1] web/n.vmdk", ""), BYTES (4096))
        DISK (2001, 1000, 1,
              BACKING ("VirtualDiskRawDiskMappingVer1BackingInfo",
                       "<fileName>[ds1] web/rdm.vmdk</fileName>"
                       "<datastore type=\"Datastore\">datastore-1"
                       "</datastore><compatibilityMode>physicalMode"
                       "</compatibilityMode><diskMode>"
                       "independent_persistent</diskMode>"),
              "<capacityInKB>8</capacityInKB>")
        DISK (2000, 1000, 0,
              FLAT ("[ds1] web/web-000002.vmdk",
                    "<uuid>6000C29a-1111</uuid><contentId>cafe</contentId>"
                    "<changeId>52 de/7</changeId>"
                    "<deltaDiskFormat>redoLogFormat</deltaDiskFormat>"
                    "<parent i:type=\"VirtualDiskFlatVer2BackingInfo\">"
                    "<fileName>[ds1] web/web-000001.vmdk</fileName>"
                    "<parent><fileName>[ds1] web/web.vmdk</fileName>"
                    "</parent></parent>"),
              BYTES (1073741824) "<capacityInKB>1048576</capacityInKB>"
              "<diskObjectId>1-2000</diskObjectId>")
        DISK (2016, 1001, 0,
              BACKING ("VirtualDiskSeSparseBackingInfo",
                       "<fileName>[ds 2] q/q.vmdk</fileName>"
                       "<datastore type=\"Datastore\">datastore-2"
                       "</datastore><keyId><keyId>k</keyId></keyId>"),
              BYTES (512))
        DISK (3001, 200, 1, FLAT ("[ds1] web/ide.vmdk",
                                  "<sharing>sharingMultiWriter</sharing>"),
              BYTES (512))
        DISK (16000, 15000, 0, FLAT ("[vsan] x/s.vmdk", ""), BYTES (512))
        DISK (2002, 1000, 2,
              BACKING ("VirtualDiskLocalPMemBackingInfo", ""),
              BYTES (512)))),
    { 0 }
  };
  static const char *const names[] = {
    "[vsan] x/s.vmdk", "[ds1] web/ide.vmdk", "[ds1] web/web-000002.vmdk",
    "[ds1] web/rdm.vmdk", "disk with key 2002", "[ds 2] q/q.vmdk",
    "[ds1] web/n.vmdk",
  };
  CLEANUP_VSPHERE_VM struct vsphere_vm vm;
  const struct vsphere_disk *d;
  const struct vm_disk *v;
  size_t i, found;

  vsphere_vm_init (&vm);
  assert_int_equal (describe (steps, &vm), 0);
  assert_null (fake_steps->method);
  assert_int_equal (captured_errors, 0);
  assert_int_equal (vm.disks.len, ARRAY_SIZE (names));
  assert_int_equal (vm.vm.disks.len, ARRAY_SIZE (names));
  for (i = 0; i < ARRAY_SIZE (names); i++)
    assert_string_equal (vm.vm.disks.ptr[i].name, names[i]);

  d = &vm.disks.ptr[2];
  v = &vm.vm.disks.ptr[2];
  assert_int_equal (d->key, 2000);
  assert_int_equal (d->backing, VSPHERE_BACKING_FLAT);
  assert_int_equal (d->chain.len, 3);
  assert_string_equal (d->chain.ptr[2], "[ds1] web/web.vmdk");
  assert_string_equal (d->change_id, "52 de/7");
  assert_string_equal (d->object_id, "1-2000");
  assert_true (d->change_tracking);
  assert_true (d->has_extents);
  assert_string_equal (v->id, "vm-1:2000");
  assert_string_equal (v->serial, "6000C29a-1111");
  assert_string_equal (v->controller_model, "pvscsi");
  assert_string_equal (v->storage.id, "datastore-1");
  assert_string_equal (v->storage.name, "ds1");
  assert_int_equal (v->capacity, 1 << 30);
  assert_int_equal (v->allocated, 612);
  assert_non_null (strstr (v->version, "cafe"));
  assert_non_null (strstr (v->version, "52 de/7"));
  assert_false (v->shared);

  assert_false (vm.disks.ptr[0].has_extents);
  assert_true (vm.vm.disks.ptr[1].shared);
  assert_int_equal (vm.disks.ptr[3].backing, VSPHERE_BACKING_RDM_PHYSICAL);
  assert_true (vm.vm.disks.ptr[3].lun);
  assert_int_equal (vm.vm.disks.ptr[3].capacity, 8192);
  assert_int_equal (vm.disks.ptr[4].backing, VSPHERE_BACKING_OTHER);
  assert_int_equal (vm.disks.ptr[5].backing, VSPHERE_BACKING_SESPARSE);
  assert_true (vm.vm.disks.ptr[5].shared);
  assert_true (vm.disks.ptr[5].encrypted);
  assert_string_equal (vm.vm.disks.ptr[5].storage.name, "ds 2");
  assert_false (vm.disks.ptr[6].change_tracking);

  assert_concern (&vm, "vmware.disk.nvme.detected");
  assert_concern (&vm, "vmware.disk.rdm.detected");
  assert_concern (&vm, "vmware.disk.shared.detected");
  assert_concern (&vm, "vmware.disk_mode.independent");
  assert_concern (&vm, "vmware.nbdlift.disk.encrypted");
  assert_concern (&vm, "vmware.nbdlift.disk.backing");
  assert_concern (&vm, "vmware.nbdlift.disk.no_extent");
  assert_concern (&vm, "vmware.disk_serial.truncated");
  assert_concern (&vm, "vmware.changed_block_tracking.disk.disabled");
  assert_false (has_concern (&vm, "vmware.changed_block_tracking.disabled"));
  assert_false (has_concern (&vm, "vmware.datastore.missing"));

  assert_int_equal (vsphere_find_disk (&vm, "2", &found), 0);
  assert_int_equal (found, 2);
  assert_int_equal (vsphere_find_disk (&vm, "2000", &found), 0);
  assert_int_equal (found, 2);
  assert_int_equal (vsphere_find_disk (&vm, "key=16000", &found), 0);
  assert_int_equal (found, 0);
  assert_int_equal (vsphere_find_disk (&vm, "6000c29A-1111", &found), 0);
  assert_int_equal (found, 2);
  assert_int_equal (vsphere_find_disk (&vm, "[ds1] web/web.vmdk", &found),
                    0);
  assert_int_equal (found, 2);
  assert_int_equal (vsphere_find_disk (&vm, names[6], &found), 0);
  assert_int_equal (found, 6);
  capture_start ();
  found = 77;
  assert_int_equal (vsphere_find_disk (&vm, "7", &found), -1);
  assert_int_equal (errno, ENOENT);
  assert_int_equal (found, 77);
  assert_error ("VM /DC0/vm/web%2f1 has no disk '7'; it has: 0: [vsan] "
                "x/s.vmdk (key=16000)");
}

/*---- everything else ----*/

#define NIC(type, key, mac, backing, rest)                              \
  DEVICE (type, key, "<deviceInfo><label>Network adapter</label>"       \
          "</deviceInfo>" backing rest "<macAddress>" mac               \
          "</macAddress>")

static void
test_rest (void **state)
{
  static const struct fake_step steps[] = {
    STEP (OBJECT ("VirtualMachine", "vm-1", TEXT ("name", "web"))),
    STEP (OBJECT (
      "VirtualMachine", "vm-1",
      TEXT ("name", "web")
      REF ("parent", "Folder", "group-v3")
      TEXT ("config.uuid", "564D1A2B-0000-1111-2222-333344445555")
      TEXT ("config.guestId", "rhel9_64Guest")
      TEXT ("config.guestFullName", "RHEL 9")
      TEXT ("config.annotation", "a &lt;b&gt;&#10;c")
      TEXT ("config.firmware", "efi")
      PROP ("config.bootOptions", "VirtualMachineBootOptions",
            "<efiSecureBootEnabled>true</efiSecureBootEnabled>")
      PROP ("config.memoryHotAddEnabled", "xsd:boolean", "true")
      PROP ("config.nestedHVEnabled", "xsd:boolean", "true")
      PROP ("config.cpuAffinity", "VirtualMachineAffinityInfo",
            "<affinitySet>1</affinitySet>")
      PROP ("config.ftInfo", "FaultToleranceConfigInfo", "<role>1</role>")
      PROP ("config.keyId", "CryptoKeyId", "<keyId>k</keyId>")
      PROP ("runtime.consolidationNeeded", "xsd:boolean", "true")
      PROP ("config.extraConfig", "ArrayOfOptionValue",
            "<OptionValue><key>numa.nodeAffinity</key><value>0,1</value>"
            "</OptionValue>")
      REF ("runtime.host", "HostSystem", "host-9")
      TEXT ("runtime.powerState", "poweredOn")
      TEXT ("runtime.connectionState", "connected")
      TEXT ("guest.toolsRunningStatus", "guestToolsNotRunning")
      TEXT ("guest.hostName", "localhost.localdomain")
      PROP ("snapshot", "VirtualMachineSnapshotInfo",
            "<currentSnapshot type=\"VirtualMachineSnapshot\">snapshot-3"
            "</currentSnapshot>")
      PROP ("network", "ArrayOfManagedObjectReference",
            "<ManagedObjectReference type=\"Network\">network-7"
            "</ManagedObjectReference>"
            "<ManagedObjectReference type=\"DistributedVirtualPortgroup\">"
            "dvportgroup-8</ManagedObjectReference>"
            "<ManagedObjectReference type=\"OpaqueNetwork\">network-o9"
            "</ManagedObjectReference>")
      HARDWARE (
        DEVICE ("VirtualTPM", 11000, "")
        DEVICE ("VirtualUSBXHCIController", 14000, "")
        DEVICE ("VirtualPCIPassthrough", 13000, "")
        NIC ("VirtualVmxnet3", 4000, "00:50:56:AA:BB:01",
             BACKING ("VirtualEthernetCardNetworkBackingInfo",
                      "<deviceName>VM Network</deviceName>"
                      "<network type=\"Network\">network-7</network>"),
             "<connectable><startConnected>true</startConnected>"
             "</connectable>")
        NIC ("VirtualE1000e", 4001, "00:50:56:aa:bb:02",
             BACKING ("VirtualEthernetCardDistributedVirtualPortBackingInfo",
                      "<port><portgroupKey>dvportgroup-8</portgroupKey>"
                      "<switchUuid>50 0b</switchUuid></port>"),
             "<connectable><startConnected>false</startConnected>"
             "</connectable>")
        NIC ("VirtualSriovEthernetCard", 4002, "00:50:56:aa:bb:03",
             BACKING ("VirtualEthernetCardOpaqueNetworkBackingInfo",
                      "<opaqueNetworkId>nsx-1</opaqueNetworkId>"), "")
        NIC ("VirtualVmxnet9", 4003, "00:50:56:aa:bb:04",
             BACKING ("VirtualEthernetCardNetworkBackingInfo",
                      "<deviceName>gone</deviceName>"), ""))
      PROP ("guest.net", "ArrayOfGuestNicInfo",
            "<GuestNicInfo><macAddress>00:50:56:aa:bb:02</macAddress>"
            "<dnsConfig><ipAddress>9.9.9.9</ipAddress></dnsConfig>"
            "<ipConfig><ipAddress><ipAddress>fe80::1</ipAddress>"
            "<prefixLength>64</prefixLength><origin>linklayer</origin>"
            "</ipAddress><ipAddress><ipAddress>10.1.0.5</ipAddress>"
            "<prefixLength>16</prefixLength><origin>dhcp</origin>"
            "</ipAddress></ipConfig></GuestNicInfo>"
            "<GuestNicInfo><macAddress>00:50:56:aa:bb:01</macAddress>"
            "<ipConfig><ipAddress><ipAddress>192.0.2.7</ipAddress>"
            "<prefixLength>24</prefixLength><origin>manual</origin>"
            "</ipAddress><ipAddress><ipAddress>2001:db8::7</ipAddress>"
            "<prefixLength>64</prefixLength><origin>manual</origin>"
            "</ipAddress></ipConfig></GuestNicInfo>"
            "<GuestNicInfo><macAddress>nonsense</macAddress></GuestNicInfo>")
      PROP ("guest.ipStack", "ArrayOfGuestStackInfo",
            "<GuestStackInfo><dnsConfig><ipAddress>192.0.2.53</ipAddress>"
            "</dnsConfig><ipRouteConfig>"
            "<ipRoute><network>0.0.0.0</network><prefixLength>0"
            "</prefixLength><gateway><ipAddress>10.1.0.1</ipAddress>"
            "<device>0</device></gateway></ipRoute>"
            "<ipRoute><network>0.0.0.0</network><prefixLength>0"
            "</prefixLength><gateway><ipAddress>192.0.2.1</ipAddress>"
            "<device>1</device></gateway></ipRoute>"
            "<ipRoute><network>::</network><prefixLength>0</prefixLength>"
            "<gateway><ipAddress>fe80::ff</ipAddress><device>1</device>"
            "</gateway></ipRoute></ipRouteConfig></GuestStackInfo>")
      PROP ("guest.disk", "ArrayOfGuestDiskInfo",
            "<GuestDiskInfo><diskPath>/boot</diskPath>"
            "<freeSpace>1048576</freeSpace></GuestDiskInfo>"
            "<GuestDiskInfo><diskPath>/</diskPath>"
            "<freeSpace>104857600</freeSpace></GuestDiskInfo>"))),
    STEP (FOLDERS),
    STEP (OBJECT ("Network", "network-7", TEXT ("name", "VM Network"))
          OBJECT ("DistributedVirtualPortgroup", "dvportgroup-8",
                  TEXT ("name", "dv%2fpg"))
          OBJECT ("OpaqueNetwork", "network-o9", TEXT ("name", "nsx")
                  PROP ("summary", "OpaqueNetworkSummary",
                        "<opaqueNetworkId>nsx-1</opaqueNetworkId>"))),
    STEP (OBJECT ("HostSystem", "host-9",
                  PROP ("config.dateTimeInfo", "HostDateTimeInfo",
                        "<timeZone><key>UTC</key><name>CET</name>"
                        "</timeZone>"))),
    { 0 }
  };
  CLEANUP_VSPHERE_VM struct vsphere_vm vm;
  const struct vm *v = &vm.vm;

  vsphere_vm_init (&vm);
  assert_int_equal (describe (steps, &vm), 0);
  assert_null (fake_steps->method);
  assert_string_equal (v->path, "/DC0/vm/web");
  assert_string_equal (vm.datacenter, "DC0");
  assert_string_equal (v->uuid, "564d1a2b-0000-1111-2222-333344445555");
  assert_string_equal (v->description, "a <b>\nc");
  assert_int_equal (v->power, VM_POWER_ON);
  assert_int_equal (v->firmware, VM_FIRMWARE_UEFI);
  assert_true (v->secure_boot);
  assert_true (v->tpm);
  assert_true (v->nested_virt);
  assert_int_equal (v->cpus, 8);
  assert_int_equal (v->cores_per_socket, 4);
  assert_int_equal (v->memory, UINT64_C (6) << 30);
  assert_string_equal (v->host, "host-9");
  assert_string_equal (v->timezone, "CET");
  assert_string_equal (vm.snapshot, "snapshot-3");

  assert_int_equal (v->nics.len, 4);
  assert_string_equal (v->nics.ptr[0].mac, "00:50:56:aa:bb:01");
  assert_string_equal (v->nics.ptr[0].network.id, "network-7");
  assert_string_equal (v->nics.ptr[0].network.name, "VM Network");
  assert_string_equal (v->nics.ptr[0].model, "vmxnet3");
  assert_true (v->nics.ptr[0].connected);
  assert_int_equal (v->nics.ptr[0].ips.len, 2);
  assert_string_equal (v->nics.ptr[0].ips.ptr[0].address, "192.0.2.7");
  assert_int_equal (v->nics.ptr[0].ips.ptr[0].prefix, 24);
  assert_string_equal (v->nics.ptr[0].ips.ptr[0].gateway, "192.0.2.1");
  assert_string_equal (v->nics.ptr[0].ips.ptr[0].dns.ptr[0], "192.0.2.53");
  assert_true (v->nics.ptr[0].ips.ptr[0].is_static);
  assert_string_equal (v->nics.ptr[0].ips.ptr[1].gateway, "fe80::ff");
  assert_string_equal (v->nics.ptr[1].network.id, "dvportgroup-8");
  assert_string_equal (v->nics.ptr[1].network.name, "dv/pg");
  assert_false (v->nics.ptr[1].connected);
  assert_int_equal (v->nics.ptr[1].ips.len, 1);
  assert_false (v->nics.ptr[1].ips.ptr[0].is_static);
  assert_string_equal (v->nics.ptr[1].ips.ptr[0].gateway, "10.1.0.1");
  assert_string_equal (v->nics.ptr[1].ips.ptr[0].dns.ptr[0], "9.9.9.9");
  assert_string_equal (v->nics.ptr[2].network.id, "network-o9");
  assert_string_equal (v->nics.ptr[2].network.name, "nsx");
  assert_string_equal (v->nics.ptr[3].model, "unknown");
  assert_null (v->nics.ptr[3].network.id);
  assert_string_equal (v->nics.ptr[3].network.name, "gone");

  assert_concern (&vm, "vmware.tpm.detected");
  assert_concern (&vm, "vmware.usb_controller.detected");
  assert_concern (&vm, "vmware.passthrough_device.detected");
  assert_concern (&vm, "vmware.device.sriov.detected");
  assert_concern (&vm, "vmware.snapshot.detected");
  assert_concern (&vm, "vmware.consolidation_needed");
  assert_concern (&vm, "vmware.cpu_memory.hotplug.enabled");
  assert_concern (&vm, "vmware.cpu_affinity.detected");
  assert_concern (&vm, "vmware.numa_affinity.detected");
  assert_concern (&vm, "vmware.fault_tolerance.enabled");
  assert_concern (&vm, "vmware.nbdlift.encrypted");
  assert_concern (&vm, "vmware.nbdlift.tools.not_running");
  assert_concern (&vm, "vmware.hostname.default");
  assert_concern (&vm, "vmware.guestDisks.freespace");
  assert_concern (&vm, "vmware.changed_block_tracking.disabled");
  assert_false (has_concern (&vm, "vmware.os.unsupported"));
  assert_false (has_concern (&vm, "vmware.vm.name.invalid"));
  assert_false (has_concern (&vm, "vmware.vm_missing_ip.detected"));
  assert_false (has_concern (&vm, "vmware.vm_powered_off.detected"));
}

static void
test_windows (void **state)
{
#define DRIVE(path, rest)                                               \
  "<GuestDiskInfo><diskPath>" path "</diskPath><freeSpace>1</freeSpace>"\
  rest "</GuestDiskInfo>"
  static const struct fake_step steps[] = {
    DESCRIBE (HARDWARE (CONTROLLERS
                        DISK (2000, 1000, 0, FLAT ("[d] a.vmdk", ""),
                              BYTES (512))
                        DISK (2001, 1000, 1, FLAT ("[d] b.vmdk", ""),
                              BYTES (512)))
              TEXT ("config.guestId", "windows2019srv_64Guest")
              TEXT ("runtime.powerState", "suspended")
              PROP ("guest.disk", "ArrayOfGuestDiskInfo",
                    DRIVE ("D:\\", "<mappings><key>2000</key></mappings>")
                    DRIVE ("C:\\", "<mappings><key>2000</key></mappings>"
                           "<mappings><key>2009</key></mappings>")
                    DRIVE ("/", "<mappings><key>2001</key></mappings>")
                    DRIVE ("E:\\", ""))),
    { 0 }
  };
  CLEANUP_VSPHERE_VM struct vsphere_vm vm;

  vsphere_vm_init (&vm);
  assert_int_equal (describe (steps, &vm), 0);
  assert_concern (&vm, "vmware.guestDisks.key.not_found");
  assert_concern (&vm, "vmware.guestDisks.freespace");
  assert_concern (&vm, "vmware.nbdlift.suspended");
  assert_false (has_concern (&vm, "vmware.os.unsupported"));
  assert_int_equal (vm.vm.disks.len, 2);
  assert_string_equal (vm.vm.disks.ptr[0].drive_letter, "c");
  assert_null (vm.vm.disks.ptr[1].drive_letter);
}

/*---- what cannot be ----*/

static void
refused (const struct fake_step *steps, int err, const char *text)
{
  struct vsphere_vm vm;

  vsphere_vm_init (&vm);
  vm.vm.cpus = 77;
  assert_int_equal (describe (steps, &vm), -1);
  assert_int_equal (errno, err);
  assert_error (text);
  assert_int_equal (vm.vm.cpus, 77);
}

static void
test_refused (void **state)
{
  static const struct fake_step no_capacity[] = {
    DESCRIBE (HARDWARE (CONTROLLERS
                        DISK (2000, 1000, 0, FLAT ("[d] a.vmdk", ""), ""))),
    { 0 }
  };
  static const struct fake_step huge[] = {
    DESCRIBE (HARDWARE (DISK (2000, 1000, 0, FLAT ("[d] a.vmdk", ""),
                              "<capacityInKB>18446744073709551615"
                              "</capacityInKB>"))),
    { 0 }
  };
  static const struct fake_step twice[] = {
    DESCRIBE (HARDWARE (DISK (2000, 1000, 0, FLAT ("[d] a.vmdk", ""),
                              BYTES (512))
                        DISK (2000, 1000, 1, FLAT ("[d] b.vmdk", ""),
                              BYTES (512)))),
    { 0 }
  };
  static const struct fake_step no_key[] = {
    DESCRIBE (HARDWARE ("<device i:type=\"VirtualDisk\"/>")), { 0 }
  };
  static const struct fake_step bad_mac[] = {
    DESCRIBE (HARDWARE (NIC ("VirtualE1000", 4000, "zz:00", "", ""))),
    { 0 }
  };
  static const struct fake_step no_cpus[] = {
    DESCRIBE (PROP ("config.hardware", "VirtualHardware",
                    "<numCPU>0</numCPU>")), { 0 }
  };
  static const struct fake_step much_memory[] = {
    DESCRIBE (PROP ("config.hardware", "VirtualHardware",
                    "<numCPU>1</numCPU>"
                    "<memoryMB>18446744073709551615</memoryMB>")), { 0 }
  };
  static const struct fake_step no_hardware[] = {
    DESCRIBE (TEXT ("runtime.connectionState", "orphaned")), { 0 }
  };
  static const struct fake_step denied[] = {
    DESCRIBE ("<missingSet><path>config.hardware</path><fault><fault"
              " i:type=\"NoPermission\"/></fault></missingSet>"), { 0 }
  };

  refused (no_capacity, EINVAL, "disk [d] a.vmdk: the server does not say "
           "its capacity");
  refused (huge, EINVAL, "capacity");
  refused (twice, EINVAL, "two disks with the key 2000");
  refused (no_key, EINVAL, "a disk without a key");
  refused (bad_mac, EINVAL, "'zz:00' is not a MAC address");
  refused (no_cpus, EINVAL, "it has 0 CPUs");
  refused (much_memory, EINVAL, "18446744073709551615 MiB");
  refused (no_hardware, EINVAL, "connection state is 'orphaned'");
  refused (denied, EPERM, "System.Read");
}

static void
test_many_devices (void **state)
{
  CLEANUP_STRBUF struct strbuf b = { 0 };
  struct fake_step steps[] = { DESCRIBE (""), { 0 } };
  unsigned i;

  strbuf_append (&b, "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/"
                 "envelope/\"><s:Body><RetrievePropertiesExResponse "
                 "xmlns=\"urn:vim25\"><returnval><objects>"
                 "<obj type=\"VirtualMachine\">vm-1</obj><propSet>"
                 "<name>parent</name><val type=\"Folder\">group-v3</val>"
                 "</propSet><propSet><name>config.hardware</name><val>");
  for (i = 0; i < 4097; i++)
    strbuf_append (&b, "<device/>");
  strbuf_append (&b, "</val></propSet></objects></returnval>"
                 "</RetrievePropertiesExResponse></s:Body></s:Envelope>");
  steps[1].body = b.ptr;
  refused (steps, EINVAL, "4097 devices");
}

static void
test_split_path (void **state)
{
  static const char *const bad[] = {
    "", "x", "[ds", "[] a", "[ds]", "[ds]  ", "ds] a",
  };
  char *datastore = NULL, *file = NULL;
  size_t i;

  assert_int_equal (vsphere_split_path ("[ds 1] a b/c.vmdk", &datastore,
                                        &file), 0);
  assert_string_equal (datastore, "ds 1");
  assert_string_equal (file, "a b/c.vmdk");
  free (datastore);
  free (file);
  datastore = file = NULL;
  for (i = 0; i < ARRAY_SIZE (bad); i++) {
    capture_start ();
    assert_int_equal (vsphere_split_path (bad[i], &datastore, &file), -1);
    assert_int_equal (errno, EINVAL);
    assert_error ("is not a path on a datastore");
    assert_null (datastore);
  }
}

/* One VM that cannot be read does not hide the others. */
static void
test_inventory (void **state)
{
#define VIEW                                                            \
  { "CreateContainerView", 200,                                         \
    ANSWER ("CreateContainerView", "<returnval type=\"ContainerView\">" \
            "view-1</returnval>") }
#define VIEW_GONE                                                       \
  { "DestroyView", 200, ANSWER ("DestroyView", "") }
  static const struct fake_step steps[] = {
    VIEW, STEP (FOLDERS), VIEW_GONE,
    VIEW,
    STEP (OBJECT ("VirtualMachine", "vm-2", TEXT ("name", "b")
                  REF ("parent", "Folder", "group-v3")
                  HARDWARE (DISK (2000, 1000, 0, FLAT ("[d] b.vmdk", ""),
                                  "")))
          OBJECT ("VirtualMachine", "vm-1", TEXT ("name", "a%2f")
                  REF ("parent", "Folder", "group-v3")
                  HARDWARE (DISK (2000, 1000, 0, FLAT ("[d] a.vmdk", ""),
                                  BYTES (512))))
          OBJECT ("VirtualMachine", "vm-3", TEXT ("name", "c")
                  REF ("parent", "Folder", "group-v3"))),
    VIEW_GONE,
    VIEW, STEP (""), VIEW_GONE,
    VIEW, STEP (""), VIEW_GONE,
    VIEW, STEP (""), VIEW_GONE,
    { 0 }
  };
  const struct vim_options o = {
    .url = "https://vc", .user = "u", .password = "p",
  };
  struct vim *vim;
  json_t *vms, *vm;

  fake_steps = steps;
  capture_start ();
  vim = vim_open (&o);
  assert_non_null (vim);
  vms = vsphere_inventory (vim, "prov", SOURCE_VMS);
  vim_close (vim);
  assert_non_null (vms);
  assert_error ("disk [d] b.vmdk: the server does not say its capacity");
  assert_int_equal (json_array_size (vms), 3);
  vm = json_array_get (vms, 0);
  assert_string_equal (json_string_value (json_object_get (vm, "name")),
                       "a/");
  assert_string_equal (json_string_value (json_object_get (vm, "path")),
                       "/DC0/vm/a%2f");
  assert_string_equal (json_string_value (json_object_get (vm, "selfLink")),
                       "providers/vsphere/prov/vms/vm-1");
  assert_int_equal (json_array_size (json_object_get (vm, "disks")), 1);
  vm = json_array_get (vms, 1);
  assert_string_equal (json_string_value (json_object_get (vm, "id")),
                       "vm-2");
  assert_null (json_object_get (vm, "disks"));
  vm = json_array_get (vms, 2);
  assert_int_equal (json_array_size (json_object_get (vm, "concerns")), 1);
  json_decref (vms);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_disks),
    cmocka_unit_test (test_rest),
    cmocka_unit_test (test_windows),
    cmocka_unit_test (test_refused),
    cmocka_unit_test (test_many_devices),
    cmocka_unit_test (test_split_path),
    cmocka_unit_test (test_inventory),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
