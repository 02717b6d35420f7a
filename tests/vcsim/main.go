// SPDX-License-Identifier: BSD-3-Clause

// Command vcsim is a vCenter for tests: govmomi's simulator behind TLS
// fronts of our own that add what it lacks.  README.md says how to use it.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

type server struct {
	config   *config
	inv      *inventory
	controls *controls
	counters *counters
	fronts   []*front
}

// What is printed, on one line, when all ports are open.
type endpoint struct {
	URL              string `json:"url"`
	Host             string `json:"host"`
	Thumbprint       string `json:"thumbprint"`
	Thumbprint256    string `json:"thumbprint_sha256"`
	OtherThumbprint  string `json:"other_thumbprint"`
	CAFile           string `json:"ca_file"`
	User             string `json:"user"`
	Password         string `json:"password"`
	HostOfDatacenter string `json:"esx_host,omitempty"`
}

type ready struct {
	endpoint
	Debug string     `json:"debug_url"`
	PID   int        `json:"pid"`
	Dir   string     `json:"dir"`
	ESX   []endpoint `json:"esx"`
	VMs   []vmInfo   `json:"vms"`
	// moRefs by name; of the last, if a name is there twice.
	Datacenters map[string]string `json:"datacenters"`
	Hosts       map[string]string `json:"hosts"`
	Datastores  map[string]string `json:"datastores"`
	Networks    map[string]string `json:"networks"`
}

type vmInfo struct {
	Name         string     `json:"name"`
	Moref        string     `json:"moref"`
	UUID         string     `json:"uuid"`
	InstanceUUID string     `json:"instanceUuid"`
	Path         string     `json:"path"`
	VMX          string     `json:"vmx"`
	DCPath       string     `json:"dcPath"`
	Power        string     `json:"power"`
	Snapshots    int        `json:"snapshots"`
	Disks        []diskInfo `json:"disks"`
}

type diskInfo struct {
	Key      int32    `json:"key"`
	File     string   `json:"file"`
	Capacity int64    `json:"capacity"`
	UUID     string   `json:"uuid"`
	Chain    []string `json:"chain"`
}

func main() {
	log.SetFlags(log.Lmicroseconds)
	configFile := flag.String("config", "", "JSON `file` of VMs and more")
	logFile := flag.String("log", "", "write a log to this `file`")
	dir := flag.String("dir", "", "`folder` for datastores; must not exist")
	flag.StringVar(&listenAddress, "listen", listenAddress,
		"`address` of the endpoints")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "vcsim: arguments that are not options")
		os.Exit(2)
	}
	log.SetOutput(io.Discard)
	if *logFile != "" {
		file, err := os.Create(*logFile)
		if err != nil {
			die(err)
		}
		log.SetOutput(file)
	}
	if err := run(*configFile, *dir); err != nil {
		die(err)
	}
}

func die(err error) {
	fmt.Fprintln(os.Stderr, "vcsim:", err)
	os.Exit(1)
}

func run(configFile, dir string) error {
	parent := os.Getppid()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)

	c, err := readConfig(configFile)
	if err != nil {
		return err
	}
	if dir == "" {
		dir, err = os.MkdirTemp("", "vcsim-")
	} else if dir, err = filepath.Abs(dir); err == nil {
		err = os.Mkdir(dir, 0700)
	}
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	s := &server{config: c, counters: newCounters()}
	if err := s.start(dir); err != nil {
		return err
	}
	// A test that is killed leaves no simulator behind.
	for {
		select {
		case <-signals:
			return nil
		case <-time.After(200 * time.Millisecond):
			if os.Getppid() != parent {
				return nil
			}
		}
	}
}

func (s *server) start(dir string) error {
	var err error
	if s.controls, err = newControls(s.config); err != nil {
		return err
	}
	if s.inv, err = newInventory(s.config, dir); err != nil {
		return err
	}
	if err := s.addFronts(dir); err != nil {
		return err
	}
	debug, err := s.startDebug()
	if err != nil {
		return err
	}
	r := ready{endpoint: s.fronts[0].describe(), Debug: debug,
		PID: os.Getpid(), Dir: dir, VMs: s.describeVMs(),
		ESX: []endpoint{}}
	for _, f := range s.fronts[1:] {
		r.ESX = append(r.ESX, f.describe())
	}
	r.nameObjects(s.inv)
	return json.NewEncoder(os.Stdout).Encode(r)
}

func (r *ready) nameObjects(inv *inventory) {
	r.Datacenters, r.Hosts = make(map[string]string), make(map[string]string)
	r.Datastores, r.Networks = make(map[string]string),
		make(map[string]string)
	for _, dc := range inv.datacenters {
		r.Datacenters[dc.name] = inv.aliases.choose(dc.ref.Value, "")
		for name, ref := range dc.hosts {
			r.Hosts[name] = inv.aliases.choose(ref.Value, "")
		}
		for _, ds := range dc.datastores {
			r.Datastores[ds.name] = inv.aliases.choose(ds.ref.Value, "")
		}
		for name, ref := range dc.networks {
			r.Networks[name] = inv.aliases.choose(ref.Value, "")
		}
	}
}

func (s *server) addFronts(dir string) error {
	shared := newLeases()
	shared.hosts = s.front
	vc := &front{name: "vc", user: s.config.User,
		password: s.config.Password}
	s.fronts = []*front{vc}
	for i, c := range s.config.ESX {
		esx, err := newESX(s.inv, c.Host)
		if err != nil {
			return err
		}
		s.fronts = append(s.fronts, &front{name: fmt.Sprintf("esx%d", i),
			esx: esx, user: c.User, password: c.Password})
	}
	for _, f := range s.fronts {
		f.inv, f.controls, f.counters = s.inv, s.controls, s.counters
		f.leases = shared
		if err := f.start(dir); err != nil {
			return err
		}
		if f.esx != nil {
			f.esx.announce(f)
		}
	}
	return nil
}

func (s *server) front(name string) *front {
	for _, f := range s.fronts {
		if f.name == name {
			return f
		}
	}
	return s.fronts[0]
}

func (f *front) describe() endpoint {
	e := endpoint{
		URL: "https://" + f.host() + "/sdk", Host: f.host(),
		Thumbprint:      thumbprint(&f.certs[0]),
		Thumbprint256:   thumbprint256(&f.certs[0]),
		OtherThumbprint: thumbprint(&f.certs[1]),
		CAFile:          f.caFile, User: f.user, Password: f.password,
	}
	if f.esx != nil {
		e.HostOfDatacenter = f.esx.name
	}
	return e
}

func (s *server) describeVMs() []vmInfo {
	all := []vmInfo{}
	for _, m := range s.inv.machines {
		m.change(func() { all = append(all, m.info()) })
	}
	return all
}

func (m *machine) info() vmInfo {
	path := m.dc.path + "/vm/"
	if m.config.Folder != "" {
		path += m.config.Folder + "/"
	}
	one := vmInfo{Name: m.config.Name, Moref: m.ref.Value,
		UUID:         m.vm.Config.Uuid,
		InstanceUUID: m.vm.Config.InstanceUuid,
		Path:         path + escapeName(m.config.Name),
		VMX:          m.vm.Config.Files.VmPathName,
		DCPath:       m.dc.path,
		Power:        string(m.vm.Runtime.PowerState),
		Snapshots:    len(m.snapshots)}
	for _, d := range m.disks {
		info := diskInfo{Key: d.key, Capacity: d.capacity, UUID: d.uuid}
		for _, l := range d.links {
			info.Chain = append(info.Chain, l.extent)
			info.File = d.ds.path(l.descriptor)
		}
		one.Disks = append(one.Disks, info)
	}
	return one
}
