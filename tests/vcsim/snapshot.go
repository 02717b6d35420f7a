// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"github.com/vmware/govmomi/vim25/types"
)

type snapshot struct {
	ref types.ManagedObjectReference
}

func (m *machine) addSnapshot(name, description string, quiesced bool) {
}
