// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"regexp"
)

// Names of objects as govmomi's simulator has them, and as clients see
// them.  The simulator numbers its objects itself and puts folders of the
// host into the names of datastores; a moRef that a test chooses, or that
// an ESXi host would have, is put in and out of the text of each message.
type aliases struct {
	outer map[string]string
	inner map[string]string
}

func newAliases() *aliases {
	return &aliases{outer: make(map[string]string),
		inner: make(map[string]string)}
}

func (a *aliases) add(inner, outer string) {
	a.outer[inner] = outer
	a.inner[outer] = inner
}

// choose gives an object the name that the configuration has for it, if
// any, and returns the name that clients know.
func (a *aliases) choose(inner, outer string) string {
	if outer != "" {
		a.add(inner, outer)
	}
	if name, ok := a.outer[inner]; ok {
		return name
	}
	return inner
}

// Names are always the whole text of an element.
var elementText = regexp.MustCompile(`>[^<>]+</`)

func translate(text []byte, names map[string]string) []byte {
	return elementText.ReplaceAllFunc(text, func(found []byte) []byte {
		name, ok := names[string(found[1:len(found)-2])]
		if !ok {
			return found
		}
		return []byte(">" + name + "</")
	})
}

func (a *aliases) toOuter(text []byte) []byte {
	return translate(text, a.outer)
}

func (a *aliases) toInner(text []byte) []byte {
	return translate(text, a.inner)
}
