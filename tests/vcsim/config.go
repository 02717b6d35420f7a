// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// The file given with -config: what the simulated vCenter holds.  A field
// that is left out has a default, so that {"vms": [{"name": "a", "disks":
// [{"file": "a.raw"}]}]} is enough.  README.md describes every field.
type config struct {
	Version     string             `json:"version"`
	User        string             `json:"user"`
	Password    string             `json:"password"`
	Datacenters []datacenterConfig `json:"datacenters"`
	ESX         []esxConfig        `json:"esx"`
	VMs         []vmConfig         `json:"vms"`
	Settings    json.RawMessage    `json:"settings"`
	Rules       []json.RawMessage  `json:"rules"`
}

type datacenterConfig struct {
	Name       string            `json:"name"`
	Moref      string            `json:"moref"`
	Folder     string            `json:"folder"`
	Hosts      []hostConfig      `json:"hosts"`
	Clusters   []clusterConfig   `json:"clusters"`
	Datastores []datastoreConfig `json:"datastores"`
	Networks   []networkConfig   `json:"networks"`
}

type hostConfig struct {
	Name        string `json:"name"`
	Moref       string `json:"moref"`
	Cluster     string `json:"cluster"`
	Maintenance bool   `json:"maintenance"`
}

// A cluster that a host names, and what it does for its VMs.
type clusterConfig struct {
	Name  string       `json:"name"`
	HA    bool         `json:"ha"`
	DRS   bool         `json:"drs"`
	DPM   bool         `json:"dpm"`
	Rules []ruleConfig `json:"rules"`
}

// Type: affinity, antiAffinity (of VMs), hostAffinity, hostAntiAffinity.
type ruleConfig struct {
	Name     string   `json:"name"`
	Type     string   `json:"type"`
	VMs      []string `json:"vms"`
	Disabled bool     `json:"disabled"`
}

type datastoreConfig struct {
	Name        string `json:"name"`
	Moref       string `json:"moref"`
	Type        string `json:"type"`
	Maintenance bool   `json:"maintenance"`
}

// A standard portgroup, or that of a distributed switch.
type networkConfig struct {
	Name   string `json:"name"`
	Moref  string `json:"moref"`
	DVS    string `json:"dvs"`
	Opaque bool   `json:"opaque"`
}

type esxConfig struct {
	Host     string `json:"host"`
	User     string `json:"user"`
	Password string `json:"password"`
}

type vmConfig struct {
	Name            string            `json:"name"`
	Moref           string            `json:"moref"`
	Datacenter      string            `json:"datacenter"`
	Folder          string            `json:"folder"`
	Host            string            `json:"host"`
	Datastore       string            `json:"datastore"`
	Dir             string            `json:"dir"`
	UUID            string            `json:"uuid"`
	InstanceUUID    string            `json:"instanceUuid"`
	CPUs            int32             `json:"cpus"`
	CoresPerSocket  int32             `json:"coresPerSocket"`
	MemoryMB        int32             `json:"memoryMB"`
	GuestID         string            `json:"guestId"`
	GuestFullName   string            `json:"guestFullName"`
	Firmware        string            `json:"firmware"`
	SecureBoot      bool              `json:"secureBoot"`
	TPM             bool              `json:"tpm"`
	Encrypted       bool              `json:"encrypted"`
	Power           string            `json:"power"`
	Tools           string            `json:"tools"`
	HostName        string            `json:"hostName"`
	Template        bool              `json:"template"`
	ChangeTracking  bool              `json:"changeTracking"`
	HardwareVersion string            `json:"hardwareVersion"`
	Annotation      string            `json:"annotation"`
	CDROM           bool              `json:"cdrom"`
	Consolidation   bool              `json:"consolidationNeeded"`
	HotAdd          bool              `json:"hotAdd"`
	ExtraConfig     map[string]string `json:"extraConfig"`
	Gateway         string            `json:"gateway"`
	Disks           []diskConfig      `json:"disks"`
	NICs            []nicConfig       `json:"nics"`
	// Only for what the inventory shows of it; links of the disks make
	// the files.
	Snapshots []string `json:"snapshots"`
}

type diskConfig struct {
	// The flat file: that of the host is served, not a copy.
	File string `json:"file"`
	// Or a chain, base first; then File must be empty.
	Links     []linkConfig `json:"links"`
	Capacity  int64        `json:"capacity"`
	Name      string       `json:"name"`
	Datastore string       `json:"datastore"`
	Dir       string       `json:"dir"`
	Bus       string       `json:"bus"`
	BusNumber int32        `json:"busNumber"`
	SharedBus string       `json:"sharedBus"`
	Unit      *int32       `json:"unit"`
	Key       int32        `json:"key"`
	Mode      string       `json:"mode"`
	Sharing   string       `json:"sharing"`
	RDM       string       `json:"rdm"`
	Thin      bool         `json:"thin"`
	UUID      string       `json:"uuid"`
	ObjectID  string       `json:"objectId"`
	ChangeID  string       `json:"changeId"`
	Encrypted bool         `json:"encrypted"`
	// No extent that /folder could serve, as on vSAN or vVol.
	NoExtent bool `json:"noExtent"`
	// What QueryChangedDiskAreas answers for '*', instead of what is
	// allocated in the file: [[start, length], ...].
	Areas [][2]int64 `json:"areas"`
}

// One file of a chain.  Either a delta extent is given (file), or made
// from what the disk is to contain at this level (data).
type linkConfig struct {
	File     string `json:"file"`
	Data     string `json:"data"`
	Type     string `json:"type"`
	ChangeID string `json:"changeId"`
}

type nicConfig struct {
	MAC       string     `json:"mac"`
	Network   string     `json:"network"`
	Type      string     `json:"type"`
	Connected *bool      `json:"connected"`
	IPs       []ipConfig `json:"ips"`
}

type ipConfig struct {
	Address string `json:"address"`
	Prefix  int32  `json:"prefix"`
	Origin  string `json:"origin"`
}

// decodeStrict is json.Unmarshal that refuses unknown fields: a misspelt
// option would otherwise be a test that tests nothing.
func decodeStrict(data []byte, into interface{}) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

func readConfig(name string) (*config, error) {
	c := &config{}
	if name != "" {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		if err := decodeStrict(data, c); err != nil {
			return nil, fmt.Errorf("%s: %v", name, err)
		}
	}
	setDefault(&c.Version, "7.0.3")
	setDefault(&c.User, "administrator@vsphere.local")
	setDefault(&c.Password, "p@ss:w/rd&<>")
	if len(c.Datacenters) == 0 {
		c.Datacenters = []datacenterConfig{{Name: "DC0"}}
	}
	for i := range c.Datacenters {
		c.Datacenters[i].setDefaults()
	}
	for i := range c.ESX {
		setDefault(&c.ESX[i].Host, c.Datacenters[0].Hosts[0].Name)
		setDefault(&c.ESX[i].User, "root")
		setDefault(&c.ESX[i].Password, "esx!secret#1")
	}
	for i := range c.VMs {
		c.VMs[i].setDefaults(c.Datacenters[0].Name)
	}
	return c, nil
}

func (dc *datacenterConfig) setDefaults() {
	if len(dc.Hosts) == 0 {
		dc.Hosts = []hostConfig{{Name: dc.Name + "_H0"}}
	}
	if len(dc.Datastores) == 0 {
		dc.Datastores = []datastoreConfig{{Name: "datastore1"}}
	}
	for i := range dc.Datastores {
		setDefault(&dc.Datastores[i].Type, "VMFS")
	}
}

func (vm *vmConfig) setDefaults(datacenter string) {
	setDefault(&vm.Datacenter, datacenter)
	// What a host makes of a name that no file can have.
	setDefault(&vm.Dir, strings.ReplaceAll(vm.Name, "/", "_"))
	setDefault(&vm.GuestID, "otherLinux64Guest")
	setDefault(&vm.GuestFullName, "Other Linux (64-bit)")
	setDefault(&vm.Firmware, "bios")
	setDefault(&vm.Power, "off")
	setDefault(&vm.HardwareVersion, "vmx-13")
	if vm.CPUs == 0 {
		vm.CPUs = 1
	}
	if vm.CoresPerSocket == 0 {
		vm.CoresPerSocket = 1
	}
	if vm.MemoryMB == 0 {
		vm.MemoryMB = 1024
	}
	if vm.Power == "on" {
		setDefault(&vm.Tools, "running")
	}
	setDefault(&vm.Tools, "notRunning")
	for i := range vm.Disks {
		disk := &vm.Disks[i]
		setDefault(&disk.Bus, "pvscsi")
		setDefault(&disk.Mode, "persistent")
		setDefault(&disk.Dir, vm.Dir)
	}
	for i := range vm.NICs {
		setDefault(&vm.NICs[i].Network, "VM Network")
		setDefault(&vm.NICs[i].Type, "vmxnet3")
	}
}

func setDefault(s *string, value string) {
	if *s == "" {
		*s = value
	}
}
