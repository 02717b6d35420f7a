// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"encoding/json"
	"sync"
)

// What happened so far, for tests to look at: names and numbers, of all
// fronts together and of each.
type counters struct {
	mutex sync.Mutex
	total map[string]int64
	parts map[string]map[string]int64
}

func newCounters() *counters {
	c := &counters{}
	c.reset()
	return c
}

func (c *counters) reset() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	now := make(map[string]int64)
	for _, name := range []string{"logins", "failed_logins", "logouts",
		"sessions", "sessions_expired", "soap_requests", "folder_requests",
		"folder_bytes", "nfc_requests", "nfc_bytes", "connections",
		"connections_open", "connections_max", "connections_refused",
		"requests", "requests_open", "requests_max", "tasks", "rules_fired",
		"leases", "leases_open", "leases_completed", "leases_aborted",
		"leases_timed_out", "snapshots_created", "snapshots_removed",
		"power_changes", "locked"} {
		// What is open now stays so.
		switch name {
		case "sessions", "connections_open", "requests_open", "leases_open":
			now[name] = c.total[name]
		default:
			now[name] = 0
		}
	}
	for part, values := range c.parts {
		c.parts[part] = map[string]int64{
			"sessions":         values["sessions"],
			"connections_open": values["connections_open"],
			"requests_open":    values["requests_open"]}
	}
	if c.parts == nil {
		c.parts = make(map[string]map[string]int64)
	}
	c.total = now
}

// add adds n to a counter of all and of one front.
func (c *counters) add(front, name string, n int64) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.addLocked(front, name, n)
}

func (c *counters) addLocked(front, name string, n int64) {
	c.total[name] += n
	if c.parts[front] == nil {
		c.parts[front] = make(map[string]int64)
	}
	c.parts[front][name] += n
}

// open adds to NAME_open, keeping NAME_max; close takes it back.
func (c *counters) open(front, name string) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.addLocked(front, name, 1)
	c.addLocked(front, name+"_open", 1)
	for _, values := range []map[string]int64{c.total, c.parts[front]} {
		if values[name+"_open"] > values[name+"_max"] {
			values[name+"_max"] = values[name+"_open"]
		}
	}
}

func (c *counters) close(front, name string) {
	c.add(front, name+"_open", -1)
}

func (c *counters) get(front, name string) int64 {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.parts[front][name]
}

func (c *counters) json() []byte {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	all := make(map[string]interface{})
	for name, value := range c.total {
		all[name] = value
	}
	all["endpoints"] = c.parts
	text, _ := json.Marshal(all)
	return append(text, '\n')
}
