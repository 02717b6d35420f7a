// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
)

// makeDelta makes the extent of a link from what the disk holds there.
func (d *disk) makeDelta(l *link, data string) error {
	return fmt.Errorf("%s: a link needs a file", l.descriptor)
}
