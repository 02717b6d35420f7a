// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"fmt"
	"path"
	"sort"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// A simulated VM: govmomi's, and what belongs to it in our datastores.
type machine struct {
	config *vmConfig
	ref    types.ManagedObjectReference
	vm     *simulator.VirtualMachine
	dc     *datacenter
	disks  []*disk

	// Guards what the fronts change: chains, snapshots, generations.
	mutex     sync.Mutex
	snapshots []*snapshot
}

// One virtual disk with its chain of files, base first.
type disk struct {
	config   *diskConfig
	key      int32
	ds       *datastore
	capacity int64
	uuid     string
	links    []*link
	// The last that a changeId was made of.
	generation int
}

// One link of a chain: a descriptor and its extent, in the datastore.
type link struct {
	descriptor string // below the datastore
	extent     string // the same; "" for a disk without one
	kind       string // flat, vmfsSparse, seSparse, rdm
	cid        uint32
	changeID   string
	// Of a delta made here: what the disk holds at this level, what of it
	// is in this extent, and if nothing is.
	content string
	areas   [][2]int64
	empty   bool
}

func (d *disk) top() *link {
	return d.links[len(d.links)-1]
}

func (inv *inventory) addMachine(c *vmConfig) error {
	ctx := context.Background()
	dc := inv.datacenterByName(c.Datacenter)
	if dc == nil {
		return fmt.Errorf("no datacenter %q", c.Datacenter)
	}
	setDefault(&c.Host, firstHost(dc))
	setDefault(&c.Datastore, dc.datastores[0].name)
	host, ok := dc.hosts[c.Host]
	if !ok {
		return fmt.Errorf("no host %q", c.Host)
	}
	ds := dc.datastoreByName(c.Datastore)
	if ds == nil {
		return fmt.Errorf("no datastore %q", c.Datastore)
	}
	folder, err := inv.makeFolders(dc.folders.VmFolder, c.Folder)
	if err != nil {
		return err
	}
	pool, err := object.NewHostSystem(inv.client, host).ResourcePool(ctx)
	if err != nil {
		return err
	}
	vmx := path.Join(c.Dir, c.Dir+".vmx")
	task, err := folder.CreateVM(ctx, types.VirtualMachineConfigSpec{
		Name: escapeName(c.Name),
		// The simulator looks for the stored form of the name.
		Files: &types.VirtualMachineFileInfo{
			VmPathName: fmt.Sprintf("[%s] %s", escapeName(ds.name), vmx)},
		Uuid:         c.UUID,
		InstanceUuid: c.InstanceUUID,
		NumCPUs:      c.CPUs, NumCoresPerSocket: c.CoresPerSocket,
		MemoryMB: int64(c.MemoryMB),
		Firmware: c.Firmware, Version: c.HardwareVersion,
		Annotation: c.Annotation,
	}, pool, object.NewHostSystem(inv.client, host))
	if err != nil {
		return err
	}
	info, err := task.WaitForResult(ctx, nil)
	if err != nil {
		return err
	}
	ref := info.Result.(types.ManagedObjectReference)
	m := &machine{config: c, ref: ref, dc: dc,
		vm: simulator.Map.Get(ref).(*simulator.VirtualMachine)}
	m.ref.Value = inv.aliases.choose(ref.Value, c.Moref)
	m.vm.Config.Files.VmPathName = ds.path(vmx)
	m.vm.Summary.Config.VmPathName = ds.path(vmx)
	if err := m.addDevices(); err != nil {
		return err
	}
	m.describe()
	for _, name := range c.Snapshots {
		m.addSnapshot(name, "", false)
	}
	if err := m.writeVMX(ds, vmx); err != nil {
		return err
	}
	m.updateLayout()
	inv.machines = append(inv.machines, m)
	return nil
}

func firstHost(dc *datacenter) string {
	var names []string
	for name := range dc.hosts {
		names = append(names, name)
	}
	sort.Strings(names)
	return names[0]
}

// path is how VMware names a file of a datastore.
func (ds *datastore) path(file string) string {
	return fmt.Sprintf("[%s] %s", ds.name, file)
}

// describe fills the properties that are not devices.
func (m *machine) describe() {
	c, vm := m.config, m.vm
	vm.Config.GuestId, vm.Config.GuestFullName = c.GuestID, c.GuestFullName
	vm.Summary.Config.GuestId = c.GuestID
	vm.Summary.Config.GuestFullName = c.GuestFullName
	vm.Config.Template, vm.Summary.Config.Template = c.Template, c.Template
	vm.Config.ChangeTrackingEnabled = types.NewBool(c.ChangeTracking)
	vm.Config.BootOptions.EfiSecureBootEnabled = types.NewBool(c.SecureBoot)
	vm.Config.CpuHotAddEnabled = types.NewBool(c.HotAdd)
	vm.Config.CpuHotRemoveEnabled = types.NewBool(false)
	vm.Config.MemoryHotAddEnabled = types.NewBool(c.HotAdd)
	vm.Config.NestedHVEnabled = types.NewBool(false)
	vm.Config.CpuAffinity = &types.VirtualMachineAffinityInfo{}
	if c.Encrypted {
		vm.Config.KeyId = &types.CryptoKeyId{KeyId: "key-1",
			ProviderId: &types.KeyProviderId{Id: "kms"}}
	}
	vm.Capability.ChangeTrackingSupported = types.NewBool(true)
	vm.Summary.Config.TpmPresent = types.NewBool(c.TPM)
	vm.Summary.Config.NumEthernetCards = int32(len(c.NICs))
	vm.Summary.Config.NumVirtualDisks = int32(len(c.Disks))
	vm.Runtime.ConsolidationNeeded = types.NewBool(c.Consolidation)
	state := map[string]types.VirtualMachinePowerState{
		"on":        types.VirtualMachinePowerStatePoweredOn,
		"suspended": types.VirtualMachinePowerStateSuspended,
	}[c.Power]
	if state != "" {
		vm.Runtime.PowerState = state
		now := time.Now()
		vm.Runtime.BootTime = &now
	}
	vm.Summary.Runtime = vm.Runtime
	var keys []string
	for key := range c.ExtraConfig {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	for _, key := range keys {
		vm.Config.ExtraConfig = append(vm.Config.ExtraConfig,
			&types.OptionValue{Key: key, Value: c.ExtraConfig[key]})
	}
	m.describeGuest(c.Power == "on")
}

// describeGuest fills what the tools in the guest say; most of it is known
// only while the guest runs.
func (m *machine) describeGuest(running bool) {
	c := m.config
	guest := &types.GuestInfo{
		ToolsStatus: types.VirtualMachineToolsStatusToolsNotRunning,
		ToolsRunningStatus: string(
			types.VirtualMachineToolsRunningStatusGuestToolsNotRunning),
		ToolsVersionStatus2: string(
			types.VirtualMachineToolsVersionStatusGuestToolsUnmanaged),
		GuestState: string(types.VirtualMachineGuestStateNotRunning),
		GuestId:    c.GuestID,
	}
	if c.Tools == "notInstalled" {
		guest.ToolsStatus = types.VirtualMachineToolsStatusToolsNotInstalled
		guest.ToolsVersionStatus2 = string(
			types.VirtualMachineToolsVersionStatusGuestToolsNotInstalled)
	}
	if running && c.Tools == "running" {
		guest.ToolsStatus = types.VirtualMachineToolsStatusToolsOk
		guest.ToolsRunningStatus = string(
			types.VirtualMachineToolsRunningStatusGuestToolsRunning)
		guest.GuestState = string(types.VirtualMachineGuestStateRunning)
		guest.GuestFullName, guest.HostName = c.GuestFullName, c.HostName
		m.describeNetwork(guest)
	}
	m.vm.Guest = guest
	m.vm.Summary.Guest = &types.VirtualMachineGuestSummary{
		GuestId: c.GuestID, ToolsStatus: guest.ToolsStatus,
		ToolsRunningStatus: guest.ToolsRunningStatus,
		HostName:           guest.HostName, IpAddress: guest.IpAddress,
	}
}

func (m *machine) describeNetwork(guest *types.GuestInfo) {
	for i, nic := range m.config.NICs {
		info := types.GuestNicInfo{
			Network: nic.Network, MacAddress: nic.MAC, Connected: true,
			DeviceConfigId: int32(4000 + i),
			IpConfig:       &types.NetIpConfigInfo{},
		}
		for _, ip := range nic.IPs {
			setDefault(&ip.Origin, "manual")
			setDefault(&guest.IpAddress, ip.Address)
			info.IpAddress = append(info.IpAddress, ip.Address)
			info.IpConfig.IpAddress = append(info.IpConfig.IpAddress,
				types.NetIpConfigInfoIpAddress{IpAddress: ip.Address,
					PrefixLength: ip.Prefix, Origin: ip.Origin,
					State: "preferred"})
		}
		guest.Net = append(guest.Net, info)
	}
	if m.config.Gateway == "" {
		return
	}
	guest.IpStack = []types.GuestStackInfo{{
		DnsConfig: &types.NetDnsConfigInfo{HostName: m.config.HostName},
		IpRouteConfig: &types.NetIpRouteConfigInfo{
			IpRoute: []types.NetIpRouteConfigInfoIpRoute{{
				Network: "0.0.0.0",
				Gateway: types.NetIpRouteConfigInfoGateway{
					IpAddress: m.config.Gateway, Device: "0"},
			}}}}}
}

func (m *machine) powerState() types.VirtualMachinePowerState {
	var state types.VirtualMachinePowerState
	simulator.Map.WithLock(m.vm, func() { state = m.vm.Runtime.PowerState })
	return state
}

func (m *machine) poweredOn() bool {
	return m.powerState() != types.VirtualMachinePowerStatePoweredOff
}

// change runs what alters chains, snapshots or properties.
func (m *machine) change(alter func()) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	simulator.Map.WithLock(m.vm, alter)
}

// updateLayout fills layoutEx from the chains; govmomi's own way of doing
// so knows flat disks only.
func (m *machine) updateLayout() {
	layout := &types.VirtualMachineFileLayoutEx{Timestamp: time.Now()}
	add := func(name, kind string, size int64) int32 {
		key := int32(len(layout.File))
		layout.File = append(layout.File,
			types.VirtualMachineFileLayoutExFileInfo{
				Key: key, Name: name, Type: kind, Size: size,
				UniqueSize: size, Accessible: types.NewBool(true)})
		return key
	}
	add(m.vm.Config.Files.VmPathName, "config", 2048)
	for _, d := range m.disks {
		one := types.VirtualMachineFileLayoutExDiskLayout{Key: d.key}
		for _, l := range d.links {
			unit := types.VirtualMachineFileLayoutExDiskUnit{
				FileKey: []int32{add(d.ds.path(l.descriptor),
					"diskDescriptor", 600)}}
			if l.extent != "" {
				unit.FileKey = append(unit.FileKey,
					add(d.ds.path(l.extent), "diskExtent",
						d.ds.size(l.extent)))
			}
			one.Chain = append(one.Chain, unit)
		}
		layout.Disk = append(layout.Disk, one)
	}
	m.vm.LayoutEx = layout
	m.vm.Summary.Storage = &types.VirtualMachineStorageSummary{
		Timestamp: layout.Timestamp}
	for _, file := range layout.File {
		m.vm.Summary.Storage.Committed += file.Size
	}
}

func newUUID(text string) string {
	return uuid.NewSHA1(uuid.NameSpaceOID, []byte(text)).String()
}
