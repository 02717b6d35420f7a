// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

const esxDatacenter = "ha-datacenter"

type esxFront struct {
	name    string
	dc      *datacenter
	ref     types.ManagedObjectReference
	aliases *aliases
}

func newESX(inv *inventory, name string) (*esxFront, error) {
	for _, dc := range inv.datacenters {
		if ref, ok := dc.hosts[name]; ok {
			return &esxFront{name: name, dc: dc, ref: ref,
				aliases: newAliases()}, nil
		}
	}
	return nil, fmt.Errorf("no host %q for an ESXi endpoint", name)
}

// announce puts the host's certificate into what vCenter says of it.
func (e *esxFront) announce(f *front) {
	host := simulator.Map.Get(e.ref).(*simulator.HostSystem)
	host.Summary.Config.SslThumbprint = thumbprint(&f.certs[0])
}

func (e *esxFront) rewrite(text []byte) []byte {
	return e.aliases.toOuter(text)
}
