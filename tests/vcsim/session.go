// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"net/http"
	"regexp"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Sessions of one front.  Login makes one that is good for both /sdk and
// /folder; Basic authentication makes one for /folder only.
type sessions struct {
	front *front
	mutex sync.Mutex
	live  map[string]*session
}

type session struct {
	id     string
	basic  bool
	active time.Time
}

const cookieName = "vmware_soap_session"

func newSessions(f *front) *sessions {
	return &sessions{front: f, live: make(map[string]*session)}
}

// The value is a quoted string, and clients must send it so.
var cookieValue = regexp.MustCompile(cookieName + `="([-0-9a-f]{36})"`)

func (s *sessions) add(id string, basic bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.live[id] = &session{id: id, basic: basic, active: time.Now()}
	name := "logins"
	if basic {
		name = "basic_logins"
	}
	s.front.counters.add(s.front.name, name, 1)
	s.front.counters.add(s.front.name, "sessions", 1)
}

func setCookie(header http.Header, id string) {
	header.Set("Set-Cookie", cookieName+`="`+id+
		`"; Path=/; HttpOnly; Secure;`)
}

// find returns the live session of a request, or nil.  Only calls of the
// API count as activity; reads of data do not.
func (s *sessions) find(r *http.Request, activity bool) *session {
	idle := s.front.controls.get().SessionIdleS
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, header := range r.Header.Values("Cookie") {
		match := cookieValue.FindStringSubmatch(header)
		if match == nil {
			continue
		}
		found := s.live[match[1]]
		if found == nil {
			continue
		}
		if idle > 0 && time.Since(found.active).Seconds() > idle {
			s.dropLocked(found.id, "sessions_expired")
			continue
		}
		if activity {
			found.active = time.Now()
		}
		return found
	}
	return nil
}

func (s *sessions) drop(id, why string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.dropLocked(id, why)
}

func (s *sessions) dropLocked(id, why string) {
	if s.live[id] == nil {
		return
	}
	delete(s.live, id)
	s.front.counters.add(s.front.name, why, 1)
	s.front.counters.add(s.front.name, "sessions", -1)
}

func (s *sessions) expireAll() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for id := range s.live {
		s.dropLocked(id, "sessions_expired")
	}
}

// authenticate lets a request for data in by its cookie or by Basic
// authentication, which it answers with a cookie; else it answers 401.
func (f *front) authenticate(w http.ResponseWriter, r *http.Request) bool {
	if f.sessions.find(r, false) != nil {
		return true
	}
	user, password, ok := r.BasicAuth()
	if ok && user == f.user && password == f.password {
		id := uuid.New().String()
		f.sessions.add(id, true)
		setCookie(w.Header(), id)
		return true
	}
	if ok {
		f.counters.add(f.name, "failed_logins", 1)
	}
	f.counters.add(f.name, "unauthorized", 1)
	w.Header().Set("WWW-Authenticate", `Basic realm="VMware HTTP server"`)
	w.WriteHeader(http.StatusUnauthorized)
	return false
}
