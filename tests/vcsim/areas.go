// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"os"
	"sort"
	"strings"
	"syscall"

	"github.com/vmware/govmomi/vim25/types"
)

// Changed block tracking: which areas of a disk are allocated ('*'), or
// have changed since a changeId that we gave out.

func init() {
	handlers["QueryChangedDiskAreas"] = queryChangedDiskAreas
}

const areaUnit = 64 << 10

func queryChangedDiskAreas(f *front, c *call) (interface{},
	types.BaseMethodFault) {
	request := c.method.Body.(*types.QueryChangedDiskAreas)
	m := f.inv.machineByRef(request.This)
	if m == nil {
		return nil, &types.ManagedObjectNotFound{Obj: request.This}
	}
	set := f.controls.get()
	if set.AreasFault != "" {
		return nil, faultByName(set.AreasFault)
	}
	m.mutex.Lock()
	defer m.mutex.Unlock()
	d, n, fault := m.diskAt(request)
	if fault != nil {
		return nil, fault
	}
	areas, fault := d.changed(request.ChangeId, n)
	if fault != nil {
		return nil, fault
	}
	info := types.DiskChangeInfo{StartOffset: request.StartOffset,
		Length: d.capacity - request.StartOffset}
	for _, a := range areas {
		start, end := a[0], a[0]+a[1]
		if start < request.StartOffset {
			start = request.StartOffset
		}
		if end <= start {
			continue
		}
		if len(info.ChangedArea) == set.AreasPerReply {
			last := info.ChangedArea[len(info.ChangedArea)-1]
			info.Length = last.Start + last.Length - request.StartOffset
			break
		}
		info.ChangedArea = append(info.ChangedArea,
			types.DiskChangeExtent{Start: start, Length: end - start})
	}
	return &types.QueryChangedDiskAreasResponse{Returnval: info}, nil
}

// diskAt finds the disk that is asked about, and how many links of its
// chain belong to the snapshot.
func (m *machine) diskAt(request *types.QueryChangedDiskAreas) (*disk, int,
	types.BaseMethodFault) {
	for _, d := range m.disks {
		if d.key != request.DeviceKey {
			continue
		}
		if request.StartOffset < 0 || request.StartOffset >= d.capacity {
			return nil, 0, &types.InvalidArgument{
				InvalidProperty: "startOffset"}
		}
		tracked := m.vm.Config.ChangeTrackingEnabled
		if tracked == nil || !*tracked || d.independent() ||
			d.links[0].extent == "" {
			return nil, 0, &types.FileFault{
				File: d.ds.path(d.links[0].descriptor)}
		}
		if request.Snapshot == nil {
			if m.poweredOn() {
				return nil, 0, &types.FileLocked{FileFault: types.FileFault{
					File: d.ds.path(d.links[0].descriptor)}}
			}
			return d, len(d.links), nil
		}
		for _, s := range m.snapshots {
			if s.ref == *request.Snapshot {
				return d, s.depth[d.key], nil
			}
		}
		return nil, 0, &types.ManagedObjectNotFound{Obj: *request.Snapshot}
	}
	return nil, 0, &types.InvalidArgument{InvalidProperty: "deviceKey"}
}

func (d *disk) independent() bool {
	return strings.HasPrefix(d.config.Mode, "independent_") ||
		d.config.RDM == "physical"
}

// changed returns areas in ascending order, none next to another.
func (d *disk) changed(changeID string, n int) ([][2]int64,
	types.BaseMethodFault) {
	first := 0
	if changeID != "*" {
		for first < n && d.links[first].changeID != changeID {
			first++
		}
		if first == n {
			return nil, &types.InvalidArgument{InvalidProperty: "changeId"}
		}
		first++
	} else if d.config.Areas != nil {
		return d.config.Areas, nil
	}
	var areas [][2]int64
	for i := first; i < n; i++ {
		l := d.links[i]
		switch {
		case l.kind == "flat":
			areas = append(areas, dataOf(d.ds.file(l.extent))...)
		case l.areas != nil || l.empty:
			areas = append(areas, l.areas...)
		default: // a delta made elsewhere
			areas = append(areas, [2]int64{0, d.capacity})
		}
	}
	return merge(areas, d.capacity), nil
}

const seekData, seekHole = 3, 4

// nextData is where data begins at or after an offset, or -1.
func nextData(file *os.File, offset int64) int64 {
	start, err := syscall.Seek(int(file.Fd()), offset, seekData)
	if err != nil {
		return -1
	}
	return start
}

// dataOf lists what is allocated in a file.
func dataOf(name string) [][2]int64 {
	file, err := os.Open(name)
	if err != nil {
		return nil
	}
	defer file.Close()
	var areas [][2]int64
	fd := int(file.Fd())
	for offset := int64(0); ; {
		start, err := syscall.Seek(fd, offset, seekData)
		if err != nil {
			return areas
		}
		if offset, err = syscall.Seek(fd, start, seekHole); err != nil {
			return areas
		}
		areas = append(areas, [2]int64{start, offset - start})
	}
}

// merge rounds areas to what VMFS tracks and joins those that touch.
func merge(areas [][2]int64, capacity int64) [][2]int64 {
	sort.Slice(areas, func(i, j int) bool { return areas[i][0] < areas[j][0] })
	var merged [][2]int64
	for _, a := range areas {
		start := a[0] / areaUnit * areaUnit
		end := (a[0] + a[1] + areaUnit - 1) / areaUnit * areaUnit
		if end > capacity {
			end = capacity
		}
		if n := len(merged); n > 0 && start <= merged[n-1][0]+merged[n-1][1] {
			if end > merged[n-1][0]+merged[n-1][1] {
				merged[n-1][1] = end - merged[n-1][0]
			}
			continue
		}
		merged = append(merged, [2]int64{start, end - start})
	}
	return merged
}
