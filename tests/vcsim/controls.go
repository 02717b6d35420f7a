// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"encoding/json"
	"math"
	"strings"
	"sync"
	"time"
)

// How the fronts behave.  Settings hold until they are changed; a rule
// makes single requests go wrong.  Both come from the configuration and
// can be changed in mid-run through the debug port.
type settings struct {
	// Wait before each answer on /folder and /nfc; before each on /sdk.
	DelayMS     int `json:"delay_ms"`
	SOAPDelayMS int `json:"soap_delay_ms"`
	// Bytes a second that one connection sends; 0 is no limit.
	Rate int64 `json:"rate"`
	// Connections beyond this many are closed at once; 0 is no limit.
	MaxConnections int `json:"max_connections"`
	// dcPath and dsName are to be escaped twice.
	DoubleEscape bool `json:"double_escape"`
	// SOAP sessions end after this much time without a call; 0 never.
	SessionIdleS float64 `json:"session_idle_s"`
	// Which files of a VM that is on answer 500: all; top: only the
	// topmost of each chain; none.
	Lock string `json:"lock"`
	// Show another certificate from now on.
	OtherCertificate bool `json:"other_certificate"`
	// Objects in one answer of the property collector.
	PageSize int `json:"page_size"`
	// Properties that the user may not read: "VirtualMachine:config".
	Missing []string `json:"missing"`
	// Array elements without xsi:type, as govmomi's simulator has them.
	NoArrayTypes bool `json:"no_array_types"`
	// QueryChangedDiskAreas: areas in one answer; the fault it gives.
	AreasPerReply int    `json:"areas_per_reply"`
	AreasFault    string `json:"areas_fault"`
	// What CreateSnapshot makes: seSparse or vmfsSparse.
	DeltaFormat string `json:"delta_format"`
	// ShutdownGuest takes this long; never ends if negative.
	ShutdownS float64 `json:"shutdown_s"`
	// Tasks stay queued and running for this long.
	TaskDelayMS int `json:"task_delay_ms"`
	// Seconds without progress after which a lease ends.
	LeaseTimeoutS int `json:"lease_timeout_s"`
	// The time a lease is initializing; what its URLs have for the host:
	// nothing for that of the front, the name of another, "*".
	LeaseReadyMS int    `json:"lease_ready_ms"`
	LeaseHost    string `json:"lease_host"`
	// What goes wrong in a lease: wrong-sha1, no-manifest, no-disk-url,
	// error (it never is ready).
	LeaseFault string `json:"lease_fault"`
}

// A rule fits some requests: the first `skip` of them are let through,
// then each, or each `every`th, is answered as it says, until that was
// done `count` times, if that is not 0.
type rule struct {
	Where    string `json:"where"` // folder (default), sdk, nfc
	Endpoint string `json:"endpoint"`
	Path     string `json:"path"`   // part of the file's path
	Method   string `json:"method"` // of SOAP, or GET, HEAD
	Skip     int    `json:"skip"`
	Count    int    `json:"count"`
	Every    int    `json:"every"`
	// Only requests for a range with this byte of the file.
	Offset *int64 `json:"offset"`

	DelayMS    int    `json:"delay_ms"`
	Reset      bool   `json:"reset"`
	Expire     bool   `json:"expire"`
	Status     int    `json:"status"`
	RetryAfter string `json:"retry_after"`
	Body       string `json:"body"`
	Location   string `json:"location"`
	// Of answers with data: send this many bytes, then close; leave the
	// range out of account; lie about where it starts, ends, its total.
	Truncate    *int64 `json:"truncate"`
	StallMS     int    `json:"stall_ms"` // before that close
	IgnoreRange bool   `json:"ignore_range"`
	StartOff    int64  `json:"start_off"`
	TotalOff    int64  `json:"total_off"`
	NoRange     bool   `json:"no_content_range"`
	// Of SOAP: this fault; a task that ends in this fault.
	Fault     string `json:"fault"`
	Message   string `json:"message"`
	TaskFault string `json:"task_fault"`
	// A 200 answer with this text for a body.
	Garbage string `json:"garbage"`

	Seen  int `json:"seen"`
	Fired int `json:"fired"`
}

type controls struct {
	mutex    sync.Mutex
	settings settings
	rules    []*rule
}

func newControls(c *config) (*controls, error) {
	controls := &controls{settings: settings{Lock: "all", PageSize: 100,
		AreasPerReply: 2000, DeltaFormat: "seSparse", ShutdownS: 1,
		LeaseTimeoutS: 300}}
	if len(c.Settings) > 0 {
		if err := controls.change(c.Settings); err != nil {
			return nil, err
		}
	}
	for _, text := range c.Rules {
		if err := controls.addRule(text); err != nil {
			return nil, err
		}
	}
	return controls, nil
}

func (c *controls) get() settings {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.settings
}

// change takes over the settings that the JSON text names.
func (c *controls) change(text []byte) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	changed := c.settings
	if err := decodeStrict(text, &changed); err != nil {
		return err
	}
	c.settings = changed
	return nil
}

func (c *controls) addRule(text []byte) error {
	r := &rule{}
	if err := decodeStrict(text, r); err != nil {
		return err
	}
	setDefault(&r.Where, "folder")
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.rules = append(c.rules, r)
	return nil
}

func (c *controls) clearRules() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.rules = nil
}

func (c *controls) rulesJSON() []byte {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	text, _ := json.Marshal(c.rules)
	return text
}

// find returns a copy of the first rule that fires for a request; one
// that does nothing if there is none.
func (c *controls) find(where, endpoint, method, path, span string) rule {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for _, r := range c.rules {
		if r.Where != where ||
			r.Endpoint != "" && r.Endpoint != endpoint ||
			r.Method != "" && r.Method != method ||
			!strings.Contains(path, r.Path) || !r.covers(span) ||
			r.Count > 0 && r.Fired >= r.Count {
			continue
		}
		r.Seen++
		if n := r.Seen - r.Skip; n > 0 && (r.Every == 0 || n%r.Every == 0) {
			r.Fired++
			return *r
		}
	}
	return rule{}
}

func (r *rule) covers(span string) bool {
	if r.Offset == nil {
		return true
	}
	start, end, ok := parseRange(span, math.MaxInt64)
	return ok && start <= *r.Offset && *r.Offset < end
}

func sleepMS(ms int) {
	time.Sleep(time.Duration(ms) * time.Millisecond)
}
