// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
	"hash/crc32"
	"path"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// The virtual hardware of a VM, in objects of the API.

// Where a kind of controller has its keys and those of its disks.
type bus struct {
	controllerKey int32
	diskKey       int32
	units         int32
}

var buses = map[string]bus{
	"pvscsi":   {1000, 2000, 16},
	"lsi":      {1000, 2000, 16},
	"lsisas":   {1000, 2000, 16},
	"buslogic": {1000, 2000, 16},
	"ide":      {200, 3000, 2},
	"sata":     {15000, 16000, 30},
	"nvme":     {31000, 32000, 15},
}

func (m *machine) addDevices() error {
	c := m.config
	for i := range c.Disks {
		if err := m.addDisk(i, &c.Disks[i]); err != nil {
			return fmt.Errorf("disk %d: %v", i, err)
		}
	}
	for i := range c.NICs {
		if err := m.addNIC(i, &c.NICs[i]); err != nil {
			return fmt.Errorf("NIC %d: %v", i, err)
		}
	}
	if c.CDROM {
		m.addDevice(&types.VirtualCdrom{VirtualDevice: types.VirtualDevice{
			Key: 3002, ControllerKey: 201, UnitNumber: types.NewInt32(0),
			DeviceInfo: label("CD/DVD drive 1", "Remote ATAPI"),
			Backing: &types.VirtualCdromRemoteAtapiBackingInfo{
				VirtualDeviceRemoteDeviceBackingInfo: types.
					VirtualDeviceRemoteDeviceBackingInfo{
					UseAutoDetect: types.NewBool(false)}}}})
	}
	if c.TPM {
		m.addDevice(&types.VirtualTPM{VirtualDevice: types.VirtualDevice{
			Key:        11000,
			DeviceInfo: label("Virtual TPM", "Trusted Platform Module")}})
	}
	return nil
}

func (m *machine) addDevice(device types.BaseVirtualDevice) {
	hardware := &m.vm.Config.Hardware
	hardware.Device = append(hardware.Device, device)
}

func label(name, summary string) *types.Description {
	return &types.Description{Label: name, Summary: summary}
}

func (m *machine) hasDevice(key int32) bool {
	for _, device := range m.vm.Config.Hardware.Device {
		if device.GetVirtualDevice().Key == key {
			return true
		}
	}
	return false
}

// addController makes sure that the disk's controller is there (IDE ones
// always are) and returns its key.
func (m *machine) addController(c *diskConfig) (int32, error) {
	kind, ok := buses[c.Bus]
	if !ok {
		return 0, fmt.Errorf("no bus %q", c.Bus)
	}
	key := kind.controllerKey + c.BusNumber
	if m.hasDevice(key) {
		return key, nil
	}
	base := types.VirtualController{
		VirtualDevice: types.VirtualDevice{Key: key, ControllerKey: 100,
			DeviceInfo: label(fmt.Sprintf("%s controller %d", c.Bus,
				c.BusNumber), c.Bus)},
		BusNumber: c.BusNumber,
	}
	sharing := types.VirtualSCSISharingNoSharing
	if c.SharedBus != "" {
		sharing = types.VirtualSCSISharing(c.SharedBus)
	}
	scsi := types.VirtualSCSIController{VirtualController: base,
		SharedBus: sharing, ScsiCtlrUnitNumber: 7}
	switch c.Bus {
	case "pvscsi":
		m.addDevice(&types.ParaVirtualSCSIController{
			VirtualSCSIController: scsi})
	case "lsi":
		m.addDevice(&types.VirtualLsiLogicController{
			VirtualSCSIController: scsi})
	case "lsisas":
		m.addDevice(&types.VirtualLsiLogicSASController{
			VirtualSCSIController: scsi})
	case "buslogic":
		m.addDevice(&types.VirtualBusLogicController{
			VirtualSCSIController: scsi})
	case "sata":
		m.addDevice(&types.VirtualAHCIController{
			VirtualSATAController: types.VirtualSATAController{
				VirtualController: base}})
	case "nvme":
		m.addDevice(&types.VirtualNVMEController{VirtualController: base})
	}
	return key, nil
}

func (m *machine) addDisk(number int, c *diskConfig) error {
	controller, err := m.addController(c)
	if err != nil {
		return err
	}
	unit := int32(0)
	for _, other := range m.disks {
		if other.config.Bus == c.Bus &&
			other.config.BusNumber == c.BusNumber {
			unit = *other.config.Unit + 1
		}
	}
	if unit == 7 && buses[c.Bus].units == 16 {
		unit++ // that of the controller
	}
	if c.Unit == nil {
		c.Unit = &unit
	}
	setDefault(&c.Datastore, m.config.Datastore)
	d := &disk{config: c, key: c.Key, ds: m.dc.datastoreByName(c.Datastore)}
	if d.ds == nil {
		return fmt.Errorf("no datastore %q", c.Datastore)
	}
	if d.key == 0 {
		kind := buses[c.Bus]
		d.key = kind.diskKey + kind.units*c.BusNumber + *c.Unit
	}
	name := m.config.Dir
	if number > 0 {
		name = fmt.Sprintf("%s_%d", name, number)
	}
	setDefault(&c.Name, name)
	setDefault(&c.UUID, newUUID(m.config.Name+"/"+c.Name))
	d.uuid = c.UUID
	if err := d.makeFiles(); err != nil {
		return err
	}
	m.disks = append(m.disks, d)
	if simulator.FindReference(m.vm.Datastore, d.ds.ref) == nil {
		m.vm.Datastore = append(m.vm.Datastore, d.ds.ref)
	}
	m.addDevice(&types.VirtualDisk{
		VirtualDevice: types.VirtualDevice{Key: d.key,
			ControllerKey: controller, UnitNumber: c.Unit,
			DeviceInfo: label(fmt.Sprintf("Hard disk %d", number+1),
				fmt.Sprintf("%d KB", d.capacity/1024)),
			Backing: m.backing(d, len(d.links))},
		CapacityInKB:    d.capacity / 1024,
		CapacityInBytes: d.capacity,
		DiskObjectId:    d.objectID(number),
	})
	return nil
}

func (d *disk) objectID(number int) string {
	if d.config.ObjectID != "" {
		return d.config.ObjectID
	}
	return fmt.Sprintf("%d-%d", number+1, d.key)
}

// backing describes the first n links of a disk's chain.
func (m *machine) backing(d *disk, n int) types.BaseVirtualDeviceBackingInfo {
	if d.config.RDM != "" {
		return &types.VirtualDiskRawDiskMappingVer1BackingInfo{
			VirtualDeviceFileBackingInfo: m.fileBacking(d, d.links[0]),
			LunUuid:                      "02000000006006016010205500",
			DeviceName:                   "vml.02000000006006016010205500",
			CompatibilityMode:            d.config.RDM + "Mode",
			DiskMode:                     d.config.Mode,
			Uuid:                         d.uuid,
			Sharing:                      d.config.Sharing,
		}
	}
	return m.flatBacking(d, n)
}

func (m *machine) fileBacking(d *disk,
	l *link) types.VirtualDeviceFileBackingInfo {
	return types.VirtualDeviceFileBackingInfo{
		FileName: d.ds.path(l.descriptor), Datastore: &d.ds.ref}
}

func (m *machine) flatBacking(d *disk,
	n int) *types.VirtualDiskFlatVer2BackingInfo {
	l := d.links[n-1]
	backing := &types.VirtualDiskFlatVer2BackingInfo{
		VirtualDeviceFileBackingInfo: m.fileBacking(d, l),
		DiskMode:                     d.config.Mode,
		ThinProvisioned:              types.NewBool(d.config.Thin),
		EagerlyScrub:                 types.NewBool(false),
		Split:                        types.NewBool(false),
		WriteThrough:                 types.NewBool(false),
		Uuid:                         d.uuid,
		ContentId:                    fmt.Sprintf("%032x", l.cid),
		ChangeId:                     l.changeID,
		Sharing:                      d.config.Sharing,
		DigestEnabled:                types.NewBool(false),
	}
	if d.config.Encrypted {
		backing.KeyId = &types.CryptoKeyId{KeyId: "key-1",
			ProviderId: &types.KeyProviderId{Id: "kms"}}
	}
	switch l.kind {
	case "vmfsSparse":
		backing.DeltaDiskFormat = "redoLogFormat"
	case "seSparse":
		backing.DeltaDiskFormat = "seSparseFormat"
	}
	if n > 1 {
		backing.Parent = m.flatBacking(d, n-1)
	}
	return backing
}

// refreshBackings makes the devices say what the chains are now.
func (m *machine) refreshBackings() {
	for _, device := range m.vm.Config.Hardware.Device {
		for _, d := range m.disks {
			if self := device.GetVirtualDevice(); self.Key == d.key {
				self.Backing = m.backing(d, len(d.links))
			}
		}
	}
}

func (m *machine) addNIC(number int, c *nicConfig) error {
	ref, ok := m.dc.networks[c.Network]
	if !ok {
		return fmt.Errorf("no network %q", c.Network)
	}
	hash := crc32.ChecksumIEEE([]byte(m.config.Name))
	setDefault(&c.MAC, fmt.Sprintf("00:50:56:%02x:%02x:%02x",
		hash>>24&0x3f, hash&0xff, number))
	var backing types.BaseVirtualDeviceBackingInfo
	switch ref.Type {
	case "DistributedVirtualPortgroup":
		backing = &types.VirtualEthernetCardDistributedVirtualPortBackingInfo{
			Port: types.DistributedVirtualSwitchPortConnection{
				SwitchUuid:   m.dc.dvs[c.Network],
				PortgroupKey: ref.Value}}
	case "OpaqueNetwork":
		backing = &types.VirtualEthernetCardOpaqueNetworkBackingInfo{
			OpaqueNetworkId:   newUUID(c.Network),
			OpaqueNetworkType: "nsx.LogicalSwitch"}
	default:
		backing = &types.VirtualEthernetCardNetworkBackingInfo{
			VirtualDeviceDeviceBackingInfo: types.
				VirtualDeviceDeviceBackingInfo{DeviceName: c.Network,
				UseAutoDetect: types.NewBool(false)},
			Network: &ref}
	}
	if simulator.FindReference(m.vm.Network, ref) == nil {
		m.vm.Network = append(m.vm.Network, ref)
	}
	connected := c.Connected == nil || *c.Connected
	card := types.VirtualEthernetCard{
		VirtualDevice: types.VirtualDevice{Key: int32(4000 + number),
			ControllerKey: 100, UnitNumber: types.NewInt32(int32(7 + number)),
			DeviceInfo: label(fmt.Sprintf("Network adapter %d", number+1),
				c.Network),
			Backing: backing,
			Connectable: &types.VirtualDeviceConnectInfo{
				StartConnected: connected, AllowGuestControl: true,
				Connected: connected && m.config.Power == "on"}},
		AddressType: string(types.VirtualEthernetCardMacTypeManual),
		MacAddress:  c.MAC,
	}
	switch c.Type {
	case "vmxnet3":
		m.addDevice(&types.VirtualVmxnet3{VirtualVmxnet: types.VirtualVmxnet{
			VirtualEthernetCard: card}})
	case "e1000":
		m.addDevice(&types.VirtualE1000{VirtualEthernetCard: card})
	case "e1000e":
		m.addDevice(&types.VirtualE1000e{VirtualEthernetCard: card})
	default:
		return fmt.Errorf("no type %q", c.Type)
	}
	return nil
}

// diskOf finds the disk that a file of a datastore belongs to, and which
// link of its chain it is.
func (inv *inventory) diskOf(ds *datastore, file string) (*machine, *disk,
	int) {
	file = path.Clean(file)
	for _, m := range inv.machines {
		if d, i := m.diskOf(ds, file); d != nil {
			return m, d, i
		}
	}
	return nil, nil, 0
}

func (m *machine) diskOf(ds *datastore, file string) (*disk, int) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	for _, d := range m.disks {
		if d.ds != ds {
			continue
		}
		for i, l := range d.links {
			if file == l.descriptor || file == l.extent {
				return d, i
			}
		}
	}
	return nil, 0
}
