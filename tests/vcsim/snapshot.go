// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// Snapshots: the simulator has a tree of them only; a real one also puts
// a delta on top of each disk and takes it away again.

func init() {
	handlers["CreateSnapshot_Task"] = createSnapshot
	handlers["RemoveSnapshot_Task"] = removeSnapshot
	handlers["RemoveAllSnapshots_Task"] = removeAllSnapshots
	handlers["ConsolidateVMDisks_Task"] = consolidate
	handlers["ReconfigVM_Task"] = reconfigure
}

type snapshot struct {
	ref  types.ManagedObjectReference
	tree types.VirtualMachineSnapshotTree
	// Of each disk: the links that are the snapshot's, and the delta that
	// was made on top of them.
	depth map[int32]int
	delta map[int32]*link
}

// addSnapshot adds the newest snapshot, a child of the one before.
func (m *machine) addSnapshot(name, description string,
	quiesced bool) *snapshot {
	s := &snapshot{depth: make(map[int32]int), delta: make(map[int32]*link)}
	object := &simulator.VirtualMachineSnapshot{}
	object.Vm = m.vm.Self
	object.Config = *m.vm.Config
	object.Config.Hardware.Device = nil
	for _, device := range m.vm.Config.Hardware.Device {
		for _, d := range m.disks {
			if v, ok := device.(*types.VirtualDisk); ok && v.Key == d.key {
				copied := *v
				copied.Backing = m.backing(d, len(d.links))
				device = &copied
				s.depth[d.key] = len(d.links)
			}
		}
		object.Config.Hardware.Device = append(
			object.Config.Hardware.Device, device)
	}
	simulator.Map.Put(object)
	s.ref = object.Self
	s.tree = types.VirtualMachineSnapshotTree{
		Snapshot: s.ref, Vm: m.vm.Self, Name: name,
		Description: description, Id: int32(len(m.snapshots) + 1),
		CreateTime: time.Now(), State: m.vm.Runtime.PowerState,
		Quiesced: quiesced}
	m.snapshots = append(m.snapshots, s)
	m.refreshTree()
	return s
}

// refreshTree makes the VM say which snapshots there are: one chain.
func (m *machine) refreshTree() {
	var info *types.VirtualMachineSnapshotInfo
	var list []types.VirtualMachineSnapshotTree
	for i := len(m.snapshots) - 1; i >= 0; i-- {
		tree := m.snapshots[i].tree
		tree.ChildSnapshotList = list
		list = []types.VirtualMachineSnapshotTree{tree}
	}
	if len(list) > 0 {
		newest := m.snapshots[len(m.snapshots)-1].ref
		info = &types.VirtualMachineSnapshotInfo{CurrentSnapshot: &newest,
			RootSnapshotList: list}
		simulator.Map.Update(m.vm, []types.PropertyChange{
			{Name: "snapshot", Val: *info}})
		return
	}
	m.vm.Snapshot = nil
}

// newChangeID is the next of the disk: "52 .. ../N".
func (d *disk) newChangeID() string {
	d.generation++
	return fmt.Sprintf("%s/%d", spacedUUID(newUUID(d.uuid)), d.generation)
}

func createSnapshot(f *front, c *call) (interface{}, types.BaseMethodFault) {
	request := c.method.Body.(*types.CreateSnapshot_Task)
	m := f.inv.machineByRef(request.This)
	if m == nil {
		return nil, nil
	}
	format := f.controls.get().DeltaFormat
	return taskResponse(f.startTask(m.vm.Self, "createSnapshot",
		func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
			var s *snapshot
			var fault types.BaseMethodFault
			m.change(func() { s, fault = m.takeSnapshot(request, format) })
			if fault != nil {
				return nil, fault
			}
			f.counters.add(f.name, "snapshots_created", 1)
			return s.ref, nil
		})), nil
}

func (m *machine) takeSnapshot(request *types.CreateSnapshot_Task,
	format string) (*snapshot, types.BaseMethodFault) {
	for _, d := range m.disks {
		if d.config.RDM == "physical" {
			return nil, &types.InvalidSnapshotFormat{}
		}
		tracked := m.vm.Config.ChangeTrackingEnabled
		if tracked != nil && *tracked && !d.independent() {
			d.top().changeID = d.newChangeID()
		}
	}
	s := m.addSnapshot(request.Name, request.Description, request.Quiesce)
	for _, d := range m.disks {
		if d.independent() || d.links[0].extent == "" {
			continue
		}
		if err := d.addLink(&linkConfig{Type: format}); err != nil {
			return nil, &types.FileFault{File: err.Error()}
		}
		s.delta[d.key] = d.top()
	}
	m.refreshBackings()
	m.updateLayout()
	return s, nil
}

// dropSnapshot removes one snapshot; its delta goes too if nothing is in
// it, else the disks need consolidation.
func (m *machine) dropSnapshot(number int) {
	s := m.snapshots[number]
	m.snapshots = append(m.snapshots[:number:number],
		m.snapshots[number+1:]...)
	for _, d := range m.disks {
		delta := s.delta[d.key]
		if delta == nil {
			if len(d.links) > 1 {
				m.vm.Runtime.ConsolidationNeeded = types.NewBool(true)
			}
			continue
		}
		for i, l := range d.links {
			if l == delta {
				d.links = append(d.links[:i:i], d.links[i+1:]...)
				d.removeFiles(l)
				d.rewriteDescriptors()
				break
			}
		}
	}
	simulator.Map.Remove(s.ref)
	m.refreshTree()
	m.refreshBackings()
	m.updateLayout()
}

func removeSnapshot(f *front, c *call) (interface{}, types.BaseMethodFault) {
	request := c.method.Body.(*types.RemoveSnapshot_Task)
	m, _ := f.inv.snapshotByRef(request.This)
	if m == nil {
		return nil, &types.ManagedObjectNotFound{Obj: request.This}
	}
	return taskResponse(f.startTask(m.vm.Self, "removeSnapshot",
		func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
			return nil, f.drop(m, request.This)
		})), nil
}

func (inv *inventory) snapshotByRef(ref types.ManagedObjectReference) (
	*machine, *snapshot) {
	for _, m := range inv.machines {
		m.mutex.Lock()
		found := m.snapshots
		m.mutex.Unlock()
		for _, s := range found {
			if s.ref == ref {
				return m, s
			}
		}
	}
	return nil, nil
}

func (f *front) drop(m *machine,
	ref types.ManagedObjectReference) types.BaseMethodFault {
	var fault types.BaseMethodFault = &types.ManagedObjectNotFound{Obj: ref}
	m.change(func() {
		for i, s := range m.snapshots {
			if s.ref == ref {
				m.dropSnapshot(i)
				f.counters.add(f.name, "snapshots_removed", 1)
				fault = nil
				return
			}
		}
	})
	return fault
}

func removeAllSnapshots(f *front, c *call) (interface{},
	types.BaseMethodFault) {
	m := f.inv.machineByRef(c.method.This)
	if m == nil {
		return nil, nil
	}
	return taskResponse(f.startTask(m.vm.Self, "removeAllSnapshots",
		func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
			m.change(func() {
				for len(m.snapshots) > 0 {
					m.dropSnapshot(len(m.snapshots) - 1)
					f.counters.add(f.name, "snapshots_removed", 1)
				}
			})
			return nil, nil
		})), nil
}

func consolidate(f *front, c *call) (interface{}, types.BaseMethodFault) {
	m := f.inv.machineByRef(c.method.This)
	if m == nil {
		return nil, nil
	}
	return taskResponse(f.startTask(m.vm.Self, "consolidateVMDisks",
		func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
			m.change(func() {
				m.vm.Runtime.ConsolidationNeeded = types.NewBool(false)
			})
			return nil, nil
		})), nil
}

// reconfigure turns change tracking on or off; the simulator does the
// rest, except with disks that it does not know.
func reconfigure(f *front, c *call) (interface{}, types.BaseMethodFault) {
	request := c.method.Body.(*types.ReconfigVM_Task)
	m := f.inv.machineByRef(request.This)
	if m == nil || request.Spec.ChangeTrackingEnabled == nil {
		return nil, nil
	}
	return taskResponse(f.startTask(m.vm.Self, "reconfigVm",
		func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
			m.change(func() {
				m.vm.Config.ChangeTrackingEnabled =
					request.Spec.ChangeTrackingEnabled
			})
			return nil, nil
		})), nil
}
