// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// Power: tasks that take time, and a guest that shuts down slowly or not
// at all.

func init() {
	handlers["PowerOnVM_Task"] = powerOn
	handlers["PowerOffVM_Task"] = powerOff
	handlers["ShutdownGuest"] = shutdownGuest
}

// setPower turns a VM on or off, now.
func (m *machine) setPower(f *front, on bool) {
	state := types.VirtualMachinePowerStatePoweredOff
	var boot interface{}
	if on {
		state = types.VirtualMachinePowerStatePoweredOn
		boot = time.Now()
	}
	simulator.Map.WithLock(m.vm, func() {
		if m.vm.Runtime.PowerState == state {
			return
		}
		simulator.Map.Update(m.vm, []types.PropertyChange{
			{Name: "runtime.powerState", Val: state},
			{Name: "runtime.bootTime", Val: boot},
			{Name: "summary.runtime.powerState", Val: state},
		})
		m.describeGuest(on)
		f.counters.add(f.name, "power_changes", 1)
		f.counters.add(f.name, "power:"+m.config.Name, 1)
	})
}

// refusal is the fault that a change of power meets, if any.
func (m *machine) refusal(on bool) types.BaseMethodFault {
	state := m.powerState()
	want := types.VirtualMachinePowerStatePoweredOff
	if on {
		want = types.VirtualMachinePowerStatePoweredOn
	}
	if state == want {
		return &types.InvalidPowerState{RequestedState: want,
			ExistingState: state}
	}
	return nil
}

func (f *front) powerTask(c *call, on bool) (interface{},
	types.BaseMethodFault) {
	m := f.inv.machineByRef(c.method.This)
	if m == nil {
		return nil, nil
	}
	task := f.startTask(m.vm.Self, c.method.Name,
		func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
			if fault := m.refusal(on); fault != nil {
				return nil, fault
			}
			if f.leases.of(m) {
				return nil, &types.InvalidState{}
			}
			m.setPower(f, on)
			return nil, nil
		})
	return taskResponse(task), nil
}

func powerOn(f *front, c *call) (interface{}, types.BaseMethodFault) {
	return f.powerTask(c, true)
}

func powerOff(f *front, c *call) (interface{}, types.BaseMethodFault) {
	return f.powerTask(c, false)
}

// shutdownGuest returns at once; the VM is off some time later.
func shutdownGuest(f *front, c *call) (interface{}, types.BaseMethodFault) {
	m := f.inv.machineByRef(c.method.This)
	if m == nil {
		return nil, nil
	}
	if fault := m.refusal(false); fault != nil {
		return nil, fault
	}
	if m.config.Tools != "running" {
		return nil, &types.ToolsUnavailable{}
	}
	if seconds := f.controls.get().ShutdownS; seconds >= 0 {
		time.AfterFunc(time.Duration(seconds*float64(time.Second)),
			func() { m.setPower(f, false) })
	}
	return &types.ShutdownGuestResponse{}, nil
}
