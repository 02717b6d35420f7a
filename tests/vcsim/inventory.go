// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/simulator/vpx"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// The simulated vCenter behind the fronts: govmomi's simulator, and what
// we must know of its objects to answer what it cannot.
type inventory struct {
	service     *simulator.Service
	client      *vim25.Client
	dir         string
	datacenters []*datacenter
	machines    []*machine
	aliases     *aliases
}

type datacenter struct {
	name string
	// Below the root folder, as in dcPath=.
	path       string
	ref        types.ManagedObjectReference
	folders    *object.DatacenterFolders
	hosts      map[string]types.ManagedObjectReference
	datastores []*datastore
	networks   map[string]types.ManagedObjectReference
	dvs        map[string]string // uuid of the switch of a portgroup
}

type datastore struct {
	name string
	dir  string
	ref  types.ManagedObjectReference
}

// escapeName is what vCenter stores for a name that has one of the three
// characters that paths need.
func escapeName(name string) string {
	return strings.NewReplacer("%", "%25", "/", "%2f", "\\", "%5c").
		Replace(name)
}

func newInventory(c *config, dir string) (*inventory, error) {
	content := vpx.ServiceContent
	content.About.Version = c.Version
	content.About.ApiVersion = c.Version + ".0"
	content.About.FullName = "VMware vCenter Server " + c.Version +
		" build-20395099"
	content.About.Build = "20395099"

	service := simulator.New(
		simulator.NewServiceInstance(content, vpx.RootFolder))
	// Login compares nothing then; the fronts do.
	service.Listen = &url.URL{User: simulator.DefaultLogin}
	service.RegisterSDK(simulator.Map)
	client, err := vim25.NewClient(context.Background(), service)
	if err != nil {
		return nil, err
	}
	inv := &inventory{service: service, client: client, dir: dir,
		aliases: newAliases()}
	for i := range c.Datacenters {
		if err := inv.addDatacenter(&c.Datacenters[i]); err != nil {
			return nil, fmt.Errorf("datacenter %s: %v",
				c.Datacenters[i].Name, err)
		}
	}
	for i := range c.VMs {
		if err := inv.addMachine(&c.VMs[i]); err != nil {
			return nil, fmt.Errorf("VM %s: %v", c.VMs[i].Name, err)
		}
	}
	for i := range c.Datacenters {
		for j := range c.Datacenters[i].Clusters {
			err := inv.setCluster(inv.datacenters[i],
				&c.Datacenters[i].Clusters[j])
			if err != nil {
				return nil, err
			}
		}
	}
	return inv, nil
}

func (inv *inventory) addDatacenter(c *datacenterConfig) error {
	ctx := context.Background()
	dc := &datacenter{
		name:     c.Name,
		hosts:    make(map[string]types.ManagedObjectReference),
		networks: make(map[string]types.ManagedObjectReference),
		dvs:      make(map[string]string),
	}
	folder, err := inv.makeFolders(object.NewRootFolder(inv.client), c.Folder)
	if err != nil {
		return err
	}
	dc.path = escapeName(c.Name)
	if c.Folder != "" {
		dc.path = c.Folder + "/" + dc.path
	}
	created, err := folder.CreateDatacenter(ctx, escapeName(c.Name))
	if err != nil {
		return err
	}
	dc.ref = created.Reference()
	if dc.folders, err = created.Folders(ctx); err != nil {
		return err
	}
	inv.aliases.choose(dc.ref.Value, c.Moref)
	for _, host := range c.Hosts {
		if err := dc.addHost(inv.client, host); err != nil {
			return fmt.Errorf("host %s: %v", host.Name, err)
		}
		inv.aliases.choose(dc.hosts[host.Name].Value, host.Moref)
	}
	for _, ds := range c.Datastores {
		if err := inv.addDatastore(dc, ds); err != nil {
			return fmt.Errorf("datastore %s: %v", ds.Name, err)
		}
	}
	known := simulator.Map.Get(dc.ref).(*simulator.Datacenter).Network
	for _, ref := range known {
		network := simulator.Map.Get(ref).(*mo.Network)
		dc.networks[network.Name] = ref
	}
	for _, network := range c.Networks {
		if err := dc.addNetwork(inv.client, network); err != nil {
			return fmt.Errorf("network %s: %v", network.Name, err)
		}
		inv.aliases.choose(dc.networks[network.Name].Value, network.Moref)
	}
	inv.datacenters = append(inv.datacenters, dc)
	return nil
}

// makeFolders returns the folder of a path like "a/b" below another,
// making what is not there.
func (inv *inventory) makeFolders(folder *object.Folder, path string) (
	*object.Folder, error) {
	ctx := context.Background()
	for _, name := range strings.Split(path, "/") {
		if name == "" {
			continue
		}
		self := simulator.Map.Get(folder.Reference()).(*simulator.Folder)
		if e := simulator.Map.FindByName(name, self.ChildEntity); e != nil {
			folder = object.NewFolder(inv.client, e.Reference())
			continue
		}
		var err error
		if folder, err = folder.CreateFolder(ctx, name); err != nil {
			return nil, err
		}
	}
	return folder, nil
}

func (dc *datacenter) addHost(client *vim25.Client, c hostConfig) error {
	ctx := context.Background()
	spec := types.HostConnectSpec{HostName: c.Name}
	var task *object.Task
	var err error
	if c.Cluster == "" {
		task, err = dc.folders.HostFolder.AddStandaloneHost(ctx, spec, true,
			nil, nil)
	} else {
		var cluster *object.ClusterComputeResource
		if cluster, err = dc.cluster(client, c.Cluster); err != nil {
			return err
		}
		task, err = cluster.AddHost(ctx, spec, true, nil, nil)
	}
	if err != nil {
		return err
	}
	info, err := task.WaitForResult(ctx, nil)
	if err != nil {
		return err
	}
	ref := info.Result.(types.ManagedObjectReference)
	host := simulator.Map.Get(ref).(*simulator.HostSystem)
	host.Runtime.InMaintenanceMode = c.Maintenance
	host.Summary.Runtime = &host.Runtime
	dc.hosts[c.Name] = ref
	return nil
}

func (dc *datacenter) cluster(client *vim25.Client, name string) (
	*object.ClusterComputeResource, error) {
	ref := dc.folders.HostFolder.Reference()
	folder := simulator.Map.Get(ref).(*simulator.Folder)
	if e := simulator.Map.FindByName(name, folder.ChildEntity); e != nil {
		return object.NewClusterComputeResource(client, e.Reference()), nil
	}
	return dc.folders.HostFolder.CreateCluster(context.Background(), name,
		types.ClusterConfigSpecEx{})
}

func (inv *inventory) addDatastore(dc *datacenter, c datastoreConfig) error {
	ctx := context.Background()
	number := 1
	for _, other := range append(inv.datacenters, dc) {
		number += len(other.datastores)
	}
	dir := filepath.Join(inv.dir, fmt.Sprintf("ds-%d", number))
	if err := os.Mkdir(dir, 0700); err != nil {
		return err
	}
	ds := &datastore{name: c.Name, dir: dir}
	for _, ref := range dc.hosts {
		system, err := object.NewHostSystem(inv.client, ref).ConfigManager().
			DatastoreSystem(ctx)
		if err != nil {
			return err
		}
		created, err := system.CreateLocalDatastore(ctx,
			escapeName(c.Name), dir)
		if err != nil {
			return err
		}
		ds.ref = created.Reference()
	}
	self := simulator.Map.Get(ds.ref).(*simulator.Datastore)
	self.Summary.Type = c.Type
	self.Summary.MultipleHostAccess = types.NewBool(len(dc.hosts) > 1)
	if c.Maintenance {
		self.Summary.MaintenanceMode =
			string(types.DatastoreSummaryMaintenanceModeStateInMaintenance)
	}
	// The simulator has the path of the folder in both.
	setDefault(&c.Moref, fmt.Sprintf("datastore-%d", 1000+number))
	inv.aliases.add(ds.ref.Value, c.Moref)
	inv.aliases.add(dir, fmt.Sprintf(
		"ds:///vmfs/volumes/5f3e%04x-8a51c0de-aa11-000c29d0e5%02x/",
		number, number))
	dc.datastores = append(dc.datastores, ds)
	return nil
}

func (dc *datacenter) addNetwork(client *vim25.Client, c networkConfig) error {
	ctx := context.Background()
	ref := dc.folders.NetworkFolder.Reference()
	folder := simulator.Map.Get(ref).(*simulator.Folder)
	_, known := dc.networks[c.Name]
	switch {
	case c.Opaque:
		err := folder.AddOpaqueNetwork(types.OpaqueNetworkSummary{
			NetworkSummary:    types.NetworkSummary{Name: c.Name},
			OpaqueNetworkId:   newUUID(c.Name),
			OpaqueNetworkType: "nsx.LogicalSwitch"})
		if err != nil {
			return err
		}
	case c.DVS != "":
		if err := dc.addPortgroup(client, c); err != nil {
			return err
		}
	case !known:
		// The first host stands for all: this is about names.
		for _, host := range dc.hosts {
			system, err := object.NewHostSystem(client, host).
				ConfigManager().NetworkSystem(ctx)
			if err != nil {
				return err
			}
			err = system.AddPortGroup(ctx, types.HostPortGroupSpec{
				Name: c.Name, VswitchName: "vSwitch0"})
			if err != nil {
				return err
			}
			break
		}
	}
	made := simulator.Map.FindByName(c.Name, folder.ChildEntity)
	dc.networks[c.Name] = made.Reference()
	return nil
}

func (dc *datacenter) addPortgroup(client *vim25.Client,
	c networkConfig) error {
	ctx := context.Background()
	ref := dc.folders.NetworkFolder.Reference()
	folder := simulator.Map.Get(ref).(*simulator.Folder)
	var dvs *object.DistributedVirtualSwitch
	if e := simulator.Map.FindByName(c.DVS, folder.ChildEntity); e != nil {
		dvs = object.NewDistributedVirtualSwitch(client, e.Reference())
	} else {
		task, err := dc.folders.NetworkFolder.CreateDVS(ctx,
			types.DVSCreateSpec{ConfigSpec: &types.VMwareDVSConfigSpec{
				DVSConfigSpec: types.DVSConfigSpec{Name: c.DVS}}})
		if err != nil {
			return err
		}
		info, err := task.WaitForResult(ctx, nil)
		if err != nil {
			return err
		}
		ref := info.Result.(types.ManagedObjectReference)
		dvs = object.NewDistributedVirtualSwitch(client, ref)
		for _, host := range dc.hosts {
			add := types.DistributedVirtualSwitchHostMemberConfigSpec{
				Operation: string(types.ConfigSpecOperationAdd), Host: host}
			task, err := dvs.Reconfigure(ctx, &types.DVSConfigSpec{
				Host: []types.DistributedVirtualSwitchHostMemberConfigSpec{
					add}})
			if err != nil {
				return err
			}
			if err := task.Wait(ctx); err != nil {
				return err
			}
		}
	}
	task, err := dvs.AddPortgroup(ctx,
		[]types.DVPortgroupConfigSpec{{Name: c.Name}})
	if err != nil {
		return err
	}
	switch self := simulator.Map.Get(dvs.Reference()).(type) {
	case *simulator.DistributedVirtualSwitch:
		dc.dvs[c.Name] = self.Uuid
	}
	return task.Wait(ctx)
}

func (inv *inventory) datacenterByName(name string) *datacenter {
	for _, dc := range inv.datacenters {
		if dc.name == name {
			return dc
		}
	}
	return nil
}

func (dc *datacenter) datastoreByName(name string) *datastore {
	for _, ds := range dc.datastores {
		if ds.name == name {
			return ds
		}
	}
	return nil
}

// machineByRef finds the VM of an object reference as the simulator has it.
func (inv *inventory) machineByRef(ref types.ManagedObjectReference) *machine {
	for _, m := range inv.machines {
		if m.vm.Self == ref {
			return m
		}
	}
	return nil
}
