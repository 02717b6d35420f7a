// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// Export leases: the disks of a VM that is off, or of a snapshot, as
// streams that cannot be sought in.

func init() {
	handlers["ExportVm"] = exportVM
	handlers["ExportSnapshot"] = exportSnapshot
	handlers["HttpNfcLeaseProgress"] = leaseProgress
	handlers["HttpNfcLeaseComplete"] = leaseComplete
	handlers["HttpNfcLeaseAbort"] = leaseAbort
	handlers["HttpNfcLeaseGetManifest"] = leaseManifest
}

type leases struct {
	mutex sync.Mutex
	all   map[string]*lease // by the key in URLs
	hosts func(string) *front
}

type lease struct {
	object   *simulator.HttpNfcLease
	key      string
	m        *machine
	s        *snapshot // of which the disks are; nil: as they are now
	front    *front
	timer    *time.Timer
	timeout  time.Duration
	ended    bool
	manifest []types.HttpNfcLeaseManifestEntry
}

func newLeases() *leases {
	return &leases{all: make(map[string]*lease)}
}

func (l *leases) find(ref types.ManagedObjectReference) *lease {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	for _, one := range l.all {
		if one.object.Self == ref {
			return one
		}
	}
	return nil
}

// of says if a VM is being exported.
func (l *leases) of(m *machine) bool {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	for _, one := range l.all {
		if one.m == m && !one.ended {
			return true
		}
	}
	return false
}

func exportVM(f *front, c *call) (interface{}, types.BaseMethodFault) {
	m := f.inv.machineByRef(c.method.This)
	if m == nil {
		return nil, &types.ManagedObjectNotFound{Obj: c.method.This}
	}
	if m.poweredOn() {
		return nil, &types.InvalidPowerState{
			RequestedState: types.VirtualMachinePowerStatePoweredOff,
			ExistingState:  m.powerState()}
	}
	return taskResponse(f.newLease(m, nil).object.Self), nil
}

// exportSnapshot is for VMs that run, too.
func exportSnapshot(f *front, c *call) (interface{}, types.BaseMethodFault) {
	m, s := f.inv.snapshotByRef(c.method.This)
	if m == nil {
		return nil, &types.ManagedObjectNotFound{Obj: c.method.This}
	}
	return taskResponse(f.newLease(m, s).object.Self), nil
}

func (f *front) newLease(m *machine, s *snapshot) *lease {
	set := f.controls.get()
	l := &lease{object: &simulator.HttpNfcLease{}, m: m, s: s, front: f,
		key:     uuid.New().String(),
		timeout: time.Duration(set.LeaseTimeoutS) * time.Second}
	l.object.State = types.HttpNfcLeaseStateInitializing
	simulator.Map.Put(l.object)
	f.leases.mutex.Lock()
	f.leases.all[l.key] = l
	l.timer = time.AfterFunc(l.timeout+time.Duration(set.LeaseReadyMS)*
		time.Millisecond, func() { l.end("leases_timed_out", true) })
	f.leases.mutex.Unlock()
	f.counters.add(f.name, "leases", 1)
	f.counters.add(f.name, "leases_open", 1)
	ready := func() {
		simulator.Map.WithLock(l.object, func() { l.becomeReady(set) })
	}
	if set.LeaseReadyMS > 0 {
		time.AfterFunc(time.Duration(set.LeaseReadyMS)*time.Millisecond,
			ready)
	} else {
		ready()
	}
	return l
}

// becomeReady fills in what a client waits for.
func (l *lease) becomeReady(set settings) {
	if set.LeaseFault == "error" {
		l.object.State = types.HttpNfcLeaseStateError
		l.object.Error = &types.LocalizedMethodFault{
			Fault:            &types.SystemError{Reason: "no"},
			LocalizedMessage: "A general system error occurred"}
		return
	}
	serves, host := l.front, ""
	switch {
	case set.LeaseHost == "*":
		host = "*"
	case set.LeaseHost != "":
		serves = l.front.leases.hosts(set.LeaseHost)
		host = serves.host()
	default:
		host = serves.host()
	}
	info := &types.HttpNfcLeaseInfo{Lease: l.object.Self,
		Entity: l.m.vm.Self, LeaseTimeout: int32(set.LeaseTimeoutS)}
	for i, d := range l.m.disks {
		if d.config.RDM == "physical" {
			continue
		}
		info.TotalDiskCapacityInKB += d.capacity / 1024
		info.DeviceUrl = append(info.DeviceUrl, types.HttpNfcLeaseDeviceUrl{
			Key: l.deviceKey(d),
			Url: fmt.Sprintf("https://%s/nfc/%s/disk-%d.vmdk", host, l.key,
				i),
			SslThumbprint: thumbprint(&serves.certs[0]),
			Disk:          types.NewBool(true),
			TargetId:      fmt.Sprintf("disk-%d.vmdk", i)})
	}
	// Not a disk, as there is one of each VM.
	info.DeviceUrl = append(info.DeviceUrl, types.HttpNfcLeaseDeviceUrl{
		Key: fmt.Sprintf("/%s/nvram", l.m.vm.Self.Value),
		Url: fmt.Sprintf("https://%s/nfc/%s/file-0.nvram", host,
			l.key),
		SslThumbprint: thumbprint(&serves.certs[0]),
		Disk:          types.NewBool(false), FileSize: 8684,
		TargetId: "file-0.nvram"})
	if set.LeaseFault == "no-disk-url" {
		info.DeviceUrl = info.DeviceUrl[len(l.m.disks):]
	}
	l.object.Info = info
	l.object.State = types.HttpNfcLeaseStateReady
}

// deviceKey is like "/vm-12/ParaVirtualSCSIController0:0".
func (l *lease) deviceKey(d *disk) string {
	names := map[string]string{"pvscsi": "ParaVirtualSCSIController",
		"lsi": "VirtualLsiLogicController", "sata": "VirtualAHCIController",
		"lsisas":   "VirtualLsiLogicSASController",
		"buslogic": "VirtualBusLogicController",
		"ide":      "VirtualIDEController", "nvme": "VirtualNVMEController"}
	return fmt.Sprintf("/%s/%s%d:%d", l.m.ref.Value, names[d.config.Bus],
		d.config.BusNumber, *d.config.Unit)
}

// end closes a lease, once.
func (l *lease) end(counter string, timedOut bool) {
	l.front.leases.mutex.Lock()
	was := l.ended
	l.ended = true
	l.front.leases.mutex.Unlock()
	if was {
		return
	}
	l.timer.Stop()
	l.front.counters.add(l.front.name, counter, 1)
	l.front.counters.add(l.front.name, "leases_open", -1)
	simulator.Map.WithLock(l.object, func() {
		l.object.State = types.HttpNfcLeaseStateDone
		if timedOut {
			l.object.State = types.HttpNfcLeaseStateError
			l.object.Error = &types.LocalizedMethodFault{
				Fault: &types.Timedout{}, LocalizedMessage: "The operation" +
					" timed out: no progress was reported."}
		}
	})
}

// leaseOf finds the lease that a call is about; one that has ended is as
// good as none.
func (f *front) leaseOf(c *call) (*lease, types.BaseMethodFault) {
	l := f.leases.find(c.method.This)
	if l == nil {
		return nil, &types.ManagedObjectNotFound{Obj: c.method.This}
	}
	if l.isEnded() {
		return nil, &types.InvalidState{}
	}
	return l, nil
}

func (l *lease) isEnded() bool {
	l.front.leases.mutex.Lock()
	defer l.front.leases.mutex.Unlock()
	return l.ended
}

func leaseProgress(f *front, c *call) (interface{}, types.BaseMethodFault) {
	request := c.method.Body.(*types.HttpNfcLeaseProgress)
	l, fault := f.leaseOf(c)
	if fault != nil {
		return nil, fault
	}
	if request.Percent < 0 || request.Percent > 100 {
		return nil, &types.InvalidArgument{InvalidProperty: "percent"}
	}
	l.timer.Reset(l.timeout)
	simulator.Map.WithLock(l.object, func() {
		l.object.TransferProgress = request.Percent
	})
	return &types.HttpNfcLeaseProgressResponse{}, nil
}

func leaseComplete(f *front, c *call) (interface{}, types.BaseMethodFault) {
	l, fault := f.leaseOf(c)
	if fault != nil {
		return nil, fault
	}
	l.end("leases_completed", false)
	return &types.HttpNfcLeaseCompleteResponse{}, nil
}

func leaseAbort(f *front, c *call) (interface{}, types.BaseMethodFault) {
	l, fault := f.leaseOf(c)
	if fault != nil {
		return nil, fault
	}
	l.end("leases_aborted", false)
	return &types.HttpNfcLeaseAbortResponse{}, nil
}

func leaseManifest(f *front, c *call) (interface{}, types.BaseMethodFault) {
	l, fault := f.leaseOf(c)
	if fault != nil {
		return nil, fault
	}
	if f.controls.get().LeaseFault == "no-manifest" {
		return nil, &types.NotSupported{}
	}
	f.leases.mutex.Lock()
	defer f.leases.mutex.Unlock()
	return &types.HttpNfcLeaseGetManifestResponse{
		Returnval: l.manifest}, nil
}

// serveNFC sends a file of a lease: /nfc/KEY/NAME.  The key is what lets
// one in.
func (f *front) serveNFC(w http.ResponseWriter, r *http.Request) {
	f.counters.add(f.name, "nfc_requests", 1)
	set := f.controls.get()
	sleepMS(set.DelayMS)
	rule := f.controls.find("nfc", f.name, r.Method, r.URL.Path, "")
	if f.fail(w, &rule) {
		return
	}
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/nfc/"), "/")
	f.leases.mutex.Lock()
	l := f.leases.all[parts[0]]
	f.leases.mutex.Unlock()
	if l == nil || len(parts) != 2 || l.isEnded() {
		http.NotFound(w, r)
		return
	}
	if parts[1] == "file-0.nvram" {
		_, _ = w.Write(make([]byte, 8684))
		return
	}
	var number int
	_, err := fmt.Sscanf(parts[1], "disk-%d.vmdk", &number)
	if err != nil || number < 0 || number >= len(l.m.disks) {
		http.NotFound(w, r)
		return
	}
	f.sendDisk(w, l, l.m.disks[number], parts[1], &rule)
}

func (f *front) sendDisk(w http.ResponseWriter, l *lease, d *disk,
	name string, ru *rule) {
	l.m.mutex.Lock()
	top := d.top()
	if l.s != nil {
		top = d.links[l.s.depth[d.key]-1]
	}
	l.m.mutex.Unlock()
	file, err := os.Open(top.content)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer file.Close()
	w.Header().Set("Content-Type", "application/x-vnd.vmware-streamVmdk")
	w.WriteHeader(http.StatusOK)
	w.(http.Flusher).Flush() // so that there is no length, but chunks
	sum := sha1.New()
	s := &streamWriter{to: &leaseWriter{lease: l, limit: ru.Truncate,
		to: io.MultiWriter(w, sum), front: f}}
	if err := s.writeStream(file, d.capacity, name); err != nil {
		w.(http.Flusher).Flush()
		sleepMS(ru.StallMS)
		reset(w)
		return
	}
	entry := types.HttpNfcLeaseManifestEntry{Key: l.deviceKey(d),
		Sha1: hex.EncodeToString(sum.Sum(nil)), Size: s.written, Disk: true,
		Capacity: d.capacity, PopulatedSize: s.populated}
	if f.controls.get().LeaseFault == "wrong-sha1" {
		entry.Sha1 = strings.Repeat("0", 40)
	}
	f.leases.mutex.Lock()
	defer f.leases.mutex.Unlock()
	for i := range l.manifest {
		if l.manifest[i].Key == entry.Key {
			l.manifest[i] = entry
			return
		}
	}
	l.manifest = append(l.manifest, entry)
}

// leaseWriter ends a stream when its lease does, or where a rule says.
type leaseWriter struct {
	lease *lease
	limit *int64
	sent  int64
	to    io.Writer
	front *front
}

func (w *leaseWriter) Write(data []byte) (int, error) {
	if w.lease.isEnded() {
		return 0, fmt.Errorf("the lease has ended")
	}
	if w.limit != nil && w.sent+int64(len(data)) > *w.limit {
		return 0, fmt.Errorf("cut off by a rule")
	}
	n, err := w.to.Write(data)
	w.sent += int64(n)
	w.front.counters.add(w.front.name, "nfc_bytes", int64(n))
	return n, err
}
