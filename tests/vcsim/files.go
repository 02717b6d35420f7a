// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// What lies in the simulated datastores, each of which is a folder:
// extents are symbolic links to files of the host, so nothing big is ever
// copied; descriptors and .vmx files are real text.

const sectorSize = 512

func (ds *datastore) file(name string) string {
	return filepath.Join(ds.dir, filepath.FromSlash(path.Clean("/"+name)))
}

func (ds *datastore) write(name, text string) error {
	file := ds.file(name)
	if err := os.MkdirAll(filepath.Dir(file), 0700); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(text), 0600)
}

func (ds *datastore) link(name, target string) error {
	target, err := filepath.Abs(target)
	if err != nil {
		return err
	}
	if _, err := os.Stat(target); err != nil {
		return err
	}
	file := ds.file(name)
	if err := os.MkdirAll(filepath.Dir(file), 0700); err != nil {
		return err
	}
	// A disk that VMs share is one file.
	if there, err := os.Readlink(file); err == nil && there == target {
		return nil
	}
	return os.Symlink(target, file)
}

func (ds *datastore) size(name string) int64 {
	info, err := os.Stat(ds.file(name))
	if err != nil {
		return 0
	}
	return info.Size()
}

// makeFiles puts the disk's chain into its datastore.
func (d *disk) makeFiles() error {
	c := d.config
	links := c.Links
	if c.File != "" || len(links) == 0 {
		links = append([]linkConfig{{File: c.File}}, links...)
	}
	d.capacity = c.Capacity
	if d.capacity == 0 {
		info, err := os.Stat(links[0].File)
		if err != nil {
			return err
		}
		d.capacity = info.Size()
	}
	for i := range links {
		if err := d.addLink(&links[i]); err != nil {
			return err
		}
	}
	if c.ChangeID != "" {
		d.links[len(d.links)-1].changeID = c.ChangeID
	}
	return nil
}

// addLink adds a file on top of the disk's chain.
func (d *disk) addLink(c *linkConfig) error {
	n := len(d.links)
	stem := path.Join(d.config.Dir, d.config.Name)
	if n > 0 {
		stem = fmt.Sprintf("%s-%06d", stem, n)
	}
	l := &link{descriptor: stem + ".vmdk", kind: c.Type,
		changeID: c.ChangeID, content: c.File}
	for d.isLink(stem + ".vmdk") { // of a snapshot that went away
		n++
		stem = fmt.Sprintf("%s-%06d", path.Join(d.config.Dir,
			d.config.Name), n)
		l.descriptor = stem + ".vmdk"
	}
	n = len(d.links)
	l.cid = crc32.ChecksumIEEE([]byte(d.ds.dir + l.descriptor))
	switch {
	case d.config.NoExtent:
		l.kind = "flat"
	case d.config.RDM != "":
		l.kind = "rdm"
	case n == 0:
		l.kind = "flat"
		l.extent = stem + "-flat.vmdk"
	case l.kind == "seSparse":
		l.extent = stem + "-sesparse.vmdk"
	case l.kind == "vmfsSparse" || l.kind == "":
		l.kind = "vmfsSparse"
		l.extent = stem + "-delta.vmdk"
	default:
		return fmt.Errorf("no type of link %q", l.kind)
	}
	if l.extent != "" {
		if err := d.makeExtent(l, c); err != nil {
			return err
		}
	}
	d.links = append(d.links, l)
	return d.ds.write(l.descriptor, d.descriptor(n))
}

func (d *disk) makeExtent(l *link, c *linkConfig) error {
	if c.File != "" {
		return d.ds.link(l.extent, c.File)
	}
	if l.kind == "flat" {
		return fmt.Errorf("the base of %s needs a file", l.descriptor)
	}
	return d.makeDelta(l, c.Data)
}

func (d *disk) isLink(descriptor string) bool {
	for _, l := range d.links {
		if l.descriptor == descriptor {
			return true
		}
	}
	return false
}

// rewriteDescriptors makes each name the link that is now below it.
func (d *disk) rewriteDescriptors() {
	for i, l := range d.links {
		_ = d.ds.write(l.descriptor, d.descriptor(i))
	}
}

func (d *disk) removeFiles(l *link) {
	_ = os.Remove(d.ds.file(l.descriptor))
	_ = os.Remove(d.ds.file(l.extent))
}

// descriptor is the text of the n-th link's .vmdk file.
func (d *disk) descriptor(n int) string {
	l := d.links[n]
	var b strings.Builder
	kind, extent := "vmfs", ""
	sectors := d.capacity / sectorSize
	switch l.kind {
	case "flat":
		name := path.Base(l.extent)
		if l.extent == "" {
			name = "vsan://" + newUUID(l.descriptor)
		}
		extent = fmt.Sprintf("RW %d VMFS \"%s\"", sectors, name)
	case "vmfsSparse":
		kind = "vmfsSparse"
		extent = fmt.Sprintf("RW %d VMFSSPARSE \"%s\"", sectors,
			path.Base(l.extent))
	case "seSparse":
		kind = "seSparse"
		extent = fmt.Sprintf("RW %d SESPARSE \"%s\"", sectors,
			path.Base(l.extent))
	case "rdm":
		kind = "vmfsRawDeviceMap"
		if d.config.RDM == "physical" {
			kind = "vmfsPassthroughRawDeviceMap"
		}
		extent = fmt.Sprintf("RW %d VMFSRDM \"%s-rdm.vmdk\"", sectors,
			d.config.Name)
	}
	parent := uint32(0xffffffff)
	if n > 0 {
		parent = d.links[n-1].cid
	}
	fmt.Fprintf(&b, "# Disk DescriptorFile\nversion=1\n"+
		"encoding=\"UTF-8\"\nCID=%08x\nparentCID=%08x\n"+
		"isNativeSnapshot=\"no\"\ncreateType=\"%s\"\n", l.cid, parent, kind)
	if n > 0 {
		fmt.Fprintf(&b, "parentFileNameHint=\"%s\"\n",
			path.Base(d.links[n-1].descriptor))
	}
	fmt.Fprintf(&b, "\n# Extent description\n%s\n\n"+
		"# The Disk Data Base \n#DDB\n\n", extent)
	if n == 0 {
		fmt.Fprintf(&b, "ddb.adapterType = \"lsilogic\"\n"+
			"ddb.geometry.cylinders = \"%d\"\n"+
			"ddb.geometry.heads = \"255\"\n"+
			"ddb.geometry.sectors = \"63\"\n", sectors/(255*63))
		if d.config.Thin {
			b.WriteString("ddb.thinProvisioned = \"1\"\n")
		}
		fmt.Fprintf(&b, "ddb.uuid = \"%s\"\nddb.virtualHWVersion = \"13\"\n",
			spacedUUID(d.uuid))
	}
	fmt.Fprintf(&b, "ddb.longContentID = \"%032x\"\n", l.cid)
	return b.String()
}

// spacedUUID writes a UUID as descriptors have it: "60 00 ... -xx ...".
func spacedUUID(text string) string {
	raw, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	if err != nil || len(raw) != 16 {
		return text
	}
	spaced := fmt.Sprintf("% x", raw)
	return spaced[:23] + "-" + spaced[24:]
}

// vmxGuestOS is the guestId as the .vmx file has it: "debian11-64".
func vmxGuestOS(id string) string {
	id = strings.ToLower(strings.TrimSuffix(id, "Guest"))
	if stem := strings.TrimSuffix(id, "64"); stem != id {
		id = strings.TrimRight(stem, "_-") + "-64"
	}
	return id
}

// writeVMX writes the VM's configuration as virt-v2v and libvirt read it.
func (m *machine) writeVMX(ds *datastore, name string) error {
	c := m.config
	var b strings.Builder
	set := func(key string, value interface{}) {
		fmt.Fprintf(&b, "%s = \"%v\"\n", key, value)
	}
	set(".encoding", "UTF-8")
	set("config.version", 8)
	set("virtualHW.version", strings.TrimPrefix(c.HardwareVersion, "vmx-"))
	set("displayName", c.Name)
	set("guestOS", vmxGuestOS(c.GuestID))
	set("numvcpus", c.CPUs)
	set("cpuid.coresPerSocket", c.CoresPerSocket)
	set("memSize", c.MemoryMB)
	set("uuid.bios", spacedUUID(m.vm.Config.Uuid))
	set("vc.uuid", spacedUUID(m.vm.Config.InstanceUuid))
	// libvirt's parser knows this key for EFI only.
	if c.Firmware == "efi" {
		set("firmware", "efi")
		if c.SecureBoot {
			set("uefi.secureBoot.enabled", "TRUE")
		}
	}
	set("pciBridge0.present", "TRUE")
	models := map[string]string{"pvscsi": "pvscsi", "lsi": "lsilogic",
		"lsisas": "lsisas1068", "buslogic": "buslogic"}
	for _, d := range m.disks {
		bus := d.config.Bus
		if models[bus] != "" {
			bus = "scsi"
		}
		controller := fmt.Sprintf("%s%d", bus, d.config.BusNumber)
		if bus != "ide" && !strings.Contains(b.String(),
			controller+".present") {
			set(controller+".present", "TRUE")
			if bus == "scsi" {
				set(controller+".virtualDev", models[d.config.Bus])
			}
		}
		slot := fmt.Sprintf("%s:%d", controller, *d.config.Unit)
		set(slot+".present", "TRUE")
		set(slot+".deviceType", map[bool]string{true: "ata-hardDisk",
			false: "scsi-hardDisk"}[bus == "ide"])
		file := d.links[len(d.links)-1].descriptor
		if path.Dir(file) == path.Dir(name) && d.ds == ds {
			file = path.Base(file)
		} else {
			file = "/vmfs/volumes/" + d.ds.name + "/" + file
		}
		set(slot+".fileName", file)
	}
	for i, nic := range c.NICs {
		set(fmt.Sprintf("ethernet%d.present", i), "TRUE")
		set(fmt.Sprintf("ethernet%d.virtualDev", i), nic.Type)
		if m.dc.dvs[nic.Network] == "" {
			set(fmt.Sprintf("ethernet%d.networkName", i), nic.Network)
		}
		set(fmt.Sprintf("ethernet%d.addressType", i), "static")
		set(fmt.Sprintf("ethernet%d.address", i), nic.MAC)
	}
	return ds.write(name, b.String())
}
