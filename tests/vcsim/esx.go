// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/simulator/esx"
	"github.com/vmware/govmomi/vim25/types"
)

// An ESXi host's own endpoint: the same VMs and datastores as in vCenter,
// by the names that a host has for them.  A VM there is a plain number.

const esxDatacenter = "ha-datacenter"

type esxFront struct {
	name     string
	dc       *datacenter
	ref      types.ManagedObjectReference
	content  types.ServiceContent
	aliases  *aliases
	machines map[string]string // number to the simulator's name
}

func init() {
	handlers["RetrieveServiceContent"] = retrieveServiceContent
	handlers["SessionIsActive"] = sessionIsActive
	handlers["FindByInventoryPath"] = findByInventoryPath
}

func newESX(inv *inventory, name string) (*esxFront, error) {
	for _, dc := range inv.datacenters {
		ref, ok := dc.hosts[name]
		if !ok {
			continue
		}
		e := &esxFront{name: name, dc: dc, ref: ref,
			aliases: newAliases(), machines: make(map[string]string)}
		e.addContent(inv)
		e.addNames(inv)
		return e, nil
	}
	return nil, fmt.Errorf("no host %q for an ESXi endpoint", name)
}

// addContent maps the singletons of vCenter to those of a host.
func (e *esxFront) addContent(inv *inventory) {
	about := inv.client.ServiceContent.About
	e.content = esx.ServiceContent
	e.content.About.Version = about.Version
	e.content.About.ApiVersion = about.ApiVersion
	e.content.About.FullName = "VMware ESXi " + about.Version +
		" build-20036589"
	e.content.About.Build = "20036589"
	ours := reflect.ValueOf(inv.client.ServiceContent)
	theirs := reflect.ValueOf(e.content)
	for i := 0; i < ours.NumField(); i++ {
		from, ok := reference(ours.Field(i))
		to, known := reference(theirs.Field(i))
		if ok && known {
			e.aliases.add(from.Value, to.Value)
		}
	}
}

func reference(v reflect.Value) (types.ManagedObjectReference, bool) {
	switch ref := v.Interface().(type) {
	case types.ManagedObjectReference:
		return ref, true
	case *types.ManagedObjectReference:
		if ref != nil {
			return *ref, true
		}
	}
	return types.ManagedObjectReference{}, false
}

func (e *esxFront) addNames(inv *inventory) {
	host := simulator.Map.Get(e.ref).(*simulator.HostSystem)
	outer := func(ref types.ManagedObjectReference) string {
		if name, ok := inv.aliases.outer[ref.Value]; ok {
			return name
		}
		return ref.Value
	}
	e.aliases.add(e.dc.ref.Value, esxDatacenter)
	e.aliases.outer[e.dc.name] = esxDatacenter
	folders := e.dc.folders
	e.aliases.add(folders.VmFolder.Reference().Value, "ha-folder-vm")
	e.aliases.add(folders.HostFolder.Reference().Value, "ha-folder-host")
	e.aliases.add(folders.DatastoreFolder.Reference().Value,
		"ha-folder-datastore")
	e.aliases.add(folders.NetworkFolder.Reference().Value,
		"ha-folder-network")
	e.aliases.add(e.ref.Value, "ha-host")
	e.aliases.add(host.Parent.Value, "ha-compute-res")
	number := 0
	for _, m := range inv.machines {
		if *m.vm.Runtime.Host != e.ref {
			continue
		}
		number++
		id := fmt.Sprint(number)
		e.machines[id] = m.vm.Self.Value
		e.aliases.outer[outer(m.vm.Self)] = id
	}
}

// announce puts the host's certificate into what vCenter says of it; the
// host itself says nothing there.
func (e *esxFront) announce(f *front) {
	host := simulator.Map.Get(e.ref).(*simulator.HostSystem)
	host.Summary.Config.SslThumbprint = thumbprint(&f.certs[0])
	e.aliases.outer[thumbprint(&f.certs[0])] = ""
}

// Numbers are names only where the type says so.
var machineNumber = regexp.MustCompile(
	`(type=["']VirtualMachine["'][^<>]*>)([0-9]+)(</)`)

func (e *esxFront) toInner(text []byte) []byte {
	text = machineNumber.ReplaceAllFunc(text, func(found []byte) []byte {
		part := machineNumber.FindSubmatch(found)
		name, ok := e.machines[string(part[2])]
		if !ok {
			return found
		}
		return []byte(string(part[1]) + name + string(part[3]))
	})
	return e.aliases.toInner(text)
}

// visible says if an object is there at all for the host's clients.
func (e *esxFront) visible(ref types.ManagedObjectReference) bool {
	switch ref.Type {
	case "HostSystem":
		return ref == e.ref
	case "VirtualMachine":
		vm, ok := simulator.Map.Get(ref).(*simulator.VirtualMachine)
		return ok && *vm.Runtime.Host == e.ref
	case "Datacenter":
		return ref == e.dc.ref
	}
	return true
}

func retrieveServiceContent(f *front, c *call) (interface{},
	types.BaseMethodFault) {
	if f.esx == nil {
		return nil, nil
	}
	return &types.RetrieveServiceContentResponse{
		Returnval: f.esx.content}, nil
}

// A host has no such call.
func sessionIsActive(f *front, c *call) (interface{},
	types.BaseMethodFault) {
	if f.esx == nil {
		return nil, nil
	}
	return nil, &types.NotImplemented{}
}

// findByInventoryPath knows that a host keeps its VMs in one folder.
func findByInventoryPath(f *front, c *call) (interface{},
	types.BaseMethodFault) {
	request := c.method.Body.(*types.FindByInventoryPath)
	path := strings.Trim(request.InventoryPath, "/")
	prefix := esxDatacenter + "/vm/"
	if f.esx == nil || !strings.HasPrefix(path, prefix) {
		return nil, nil
	}
	response := &types.FindByInventoryPathResponse{}
	for _, m := range f.inv.machines {
		if *m.vm.Runtime.Host == f.esx.ref &&
			m.vm.Name == strings.TrimPrefix(path, prefix) {
			response.Returnval = &m.vm.Self
		}
	}
	return response, nil
}
