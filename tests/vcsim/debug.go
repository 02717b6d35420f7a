// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
)

// The debug port: plain HTTP on the loopback interface, for tests to look
// at the counters and to change how the fronts behave in mid-run.
func (s *server) startDebug() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/counters", s.debugCounters)
	mux.HandleFunc("/debug/settings", s.debugSettings)
	mux.HandleFunc("/debug/rules", s.debugRules)
	mux.HandleFunc("/debug/expire", s.debugExpire)
	mux.HandleFunc("/debug/power", s.debugPower)
	mux.HandleFunc("/debug/vms", s.debugVMs)
	go func() { _ = http.Serve(listener, mux) }()
	return "http://" + listener.Addr().String() + "/debug", nil
}

func (s *server) debugCounters(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodDelete {
		s.counters.reset()
	}
	_, _ = w.Write(s.counters.json())
}

func (s *server) debugSettings(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		body, _ := io.ReadAll(r.Body)
		if err := s.controls.change(body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	_ = json.NewEncoder(w).Encode(s.controls.get())
}

// POST adds a rule, DELETE removes all of them.
func (s *server) debugRules(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodPost:
		body, _ := io.ReadAll(r.Body)
		if err := s.controls.addRule(body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	case http.MethodDelete:
		s.controls.clearRules()
	}
	_, _ = w.Write(append(s.controls.rulesJSON(), '\n'))
}

func (s *server) debugExpire(w http.ResponseWriter, r *http.Request) {
	for _, f := range s.fronts {
		f.sessions.expireAll()
	}
}

// POST {"vm": NAME, "state": "on"|"off"} does what a person would do at
// the console.
func (s *server) debugPower(w http.ResponseWriter, r *http.Request) {
	var body struct{ VM, State string }
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	for _, m := range s.inv.machines {
		if m.config.Name == body.VM {
			m.setPower(s.fronts[0], body.State == "on")
			return
		}
	}
	http.Error(w, fmt.Sprintf("no VM %q", body.VM), http.StatusNotFound)
}

func (s *server) debugVMs(w http.ResponseWriter, r *http.Request) {
	_ = json.NewEncoder(w).Encode(s.describeVMs())
}
