// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// A front is what clients connect to: the HTTPS port of the vCenter, or
// that of one of its ESXi hosts.
type front struct {
	name     string // vc, or esx0, esx1, ...
	esx      *esxFront
	user     string
	password string
	inv      *inventory
	controls *controls
	counters *counters
	sessions *sessions
	leases   *leases
	listener net.Listener
	server   *http.Server
	certs    [2]tls.Certificate
	caFile   string
	pages    pages
}

// listenAddress is where all endpoints are (-listen).
var listenAddress = "127.0.0.1"

func (f *front) start(dir string) error {
	var err error
	f.sessions = newSessions(f)
	for i := range f.certs {
		name := fmt.Sprintf("%s-%d", f.name, i)
		if f.certs[i], err = makeCertificate(name); err != nil {
			return err
		}
	}
	f.caFile = filepath.Join(dir, f.name+"-ca.pem")
	err = os.WriteFile(f.caFile, pem.EncodeToMemory(&pem.Block{
		Type: "CERTIFICATE", Bytes: f.certs[0].Certificate[0]}), 0600)
	if err != nil {
		return err
	}
	inner, err := net.Listen("tcp", listenAddress+":0")
	if err != nil {
		return err
	}
	f.listener = &countingListener{Listener: inner, front: f}
	f.server = &http.Server{
		Handler:  f,
		ErrorLog: log.Default(),
		// No HTTP/2: the real ones that offer it gain nothing by it.
		TLSNextProto: make(map[string]func(*http.Server, *tls.Conn,
			http.Handler)),
	}
	config := &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			if f.controls.get().OtherCertificate {
				return &f.certs[1], nil
			}
			return &f.certs[0], nil
		},
	}
	go func() { _ = f.server.Serve(tls.NewListener(f.listener, config)) }()
	return nil
}

func (f *front) host() string {
	return f.listener.Addr().String()
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.counters.open(f.name, "requests")
	defer f.counters.close(f.name, "requests")
	switch {
	case r.URL.Path == "/sdk/vimServiceVersions.xml":
		f.serveVersions(w)
	case r.URL.Path == "/sdk" || r.URL.Path == "/sdk/" ||
		r.URL.Path == "/sdk/vimService":
		f.serveSDK(w, r)
	case strings.HasPrefix(r.URL.Path, "/folder/"):
		f.serveFolder(w, r)
	case strings.HasPrefix(r.URL.Path, "/nfc/"):
		f.serveNFC(w, r)
	default:
		http.NotFound(w, r)
	}
}

// fail answers as a rule says; false if it asks for nothing that can be
// done before the request is looked at.
func (f *front) fail(w http.ResponseWriter, ru *rule) bool {
	if ru.Fired > 0 {
		f.counters.add(f.name, "rules_fired", 1)
	}
	sleepMS(ru.DelayMS)
	if ru.Expire {
		f.sessions.expireAll()
	}
	if ru.Reset {
		reset(w)
		return true
	}
	if ru.Garbage != "" {
		_, _ = io.WriteString(w, ru.Garbage)
		return true
	}
	if ru.Status == 0 {
		return false
	}
	if ru.RetryAfter != "" {
		w.Header().Set("Retry-After", ru.RetryAfter)
	}
	if ru.Location != "" {
		w.Header().Set("Location", ru.Location)
	}
	if ru.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="VMware"`)
	}
	w.WriteHeader(ru.Status)
	_, _ = io.WriteString(w, ru.Body)
	return true
}

// reset closes the connection of a request without an answer.
func reset(w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		if t, ok := conn.(*tls.Conn); ok {
			conn = t.NetConn()
		}
		_ = conn.Close()
	}
}

func makeCertificate(name string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(240 * time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature |
			x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		DNSNames:    []string{"localhost"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template,
		&key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

func colons(sum []byte) string {
	return strings.ReplaceAll(fmt.Sprintf("% X", sum), " ", ":")
}

func thumbprint(c *tls.Certificate) string {
	sum := sha1.Sum(c.Certificate[0])
	return colons(sum[:])
}

func thumbprint256(c *tls.Certificate) string {
	sum := sha256.Sum256(c.Certificate[0])
	return colons(sum[:])
}

// countingListener counts connections, refuses those beyond the limit and
// holds each to its rate.
type countingListener struct {
	net.Listener
	front *front
}

func (l *countingListener) Accept() (net.Conn, error) {
	f := l.front
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		limit := f.controls.get().MaxConnections
		if limit > 0 &&
			f.counters.get(f.name, "connections_open") >= int64(limit) {
			f.counters.add(f.name, "connections_refused", 1)
			_ = conn.(*net.TCPConn).SetLinger(0)
			_ = conn.Close()
			continue
		}
		f.counters.open(f.name, "connections")
		return &countedConn{Conn: conn, front: f}, nil
	}
}

type countedConn struct {
	net.Conn
	front *front
	once  sync.Once
	// When what was written so far would have gone out at the rate, and
	// when the last write was over.
	due, last time.Time
}

func (c *countedConn) Write(data []byte) (int, error) {
	rate := c.front.controls.get().Rate
	if rate == 0 {
		return c.Conn.Write(data)
	}
	now := time.Now()
	// Sleeping is coarse: what one sleep is too long is made up for in
	// the same stream of writes, but a pause earns nothing.
	if c.due.Before(now) && now.Sub(c.last) > 2*time.Millisecond {
		c.due = now
	}
	if earliest := now.Add(-20 * time.Millisecond); c.due.Before(earliest) {
		c.due = earliest
	}
	c.due = c.due.Add(time.Duration(
		float64(len(data)) / float64(rate) * float64(time.Second)))
	if wait := c.due.Sub(now); wait > 3*time.Millisecond {
		time.Sleep(wait)
	}
	n, err := c.Conn.Write(data)
	c.last = time.Now()
	return n, err
}

func (c *countedConn) Close() error {
	c.once.Do(func() {
		c.front.counters.close(c.front.name, "connections")
	})
	return c.Conn.Close()
}
