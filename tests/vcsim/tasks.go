// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

type taskBody func(*simulator.Task) (types.AnyType, types.BaseMethodFault)

// startTask makes a task of our own on an object; it is done after the
// delay that the settings ask for, or at once.
func (f *front) startTask(this types.ManagedObjectReference, name string,
	body taskBody) types.ManagedObjectReference {
	task := simulator.CreateTask(this, name, body)
	delay := f.controls.get().TaskDelayMS
	if delay == 0 {
		return task.Run()
	}
	go func() {
		sleepMS(delay / 2)
		simulator.Map.WithLock(task, func() {
			now := time.Now()
			task.Info.StartTime = &now
			task.Info.State = types.TaskInfoStateRunning
			task.Info.Progress = 50
		})
		sleepMS(delay - delay/2)
		simulator.Map.WithLock(task, func() { task.Run() })
	}()
	return task.Self
}

// failedTask is a task that ends in a fault.
func failedTask(method *simulator.Method,
	fault types.BaseMethodFault) types.ManagedObjectReference {
	return simulator.CreateTask(method.This, method.Name,
		func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
			return nil, fault
		}).Run()
}

// taskResponse is what every method that makes a task, or a lease, answers.
func taskResponse(task types.ManagedObjectReference) interface{} {
	return &struct {
		Returnval types.ManagedObjectReference `xml:"returnval"`
	}{task}
}
