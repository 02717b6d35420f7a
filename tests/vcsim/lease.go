// SPDX-License-Identifier: BSD-3-Clause

package main

import "net/http"

type leases struct{}

func newLeases() *leases { return &leases{} }

func (f *front) serveNFC(w http.ResponseWriter, r *http.Request) {
	http.NotFound(w, r)
}
