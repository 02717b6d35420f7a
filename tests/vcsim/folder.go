// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
)

// GET and HEAD of /folder/FILE?dcPath=&dsName=: the data of datastores.

var buffers = sync.Pool{New: func() interface{} {
	buffer := make([]byte, 256<<10)
	return &buffer
}}

func (f *front) serveFolder(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/folder/")
	f.counters.add(f.name, "folder_requests", 1)
	f.counters.add(f.name, "folder:"+name, 1)
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	sleepMS(f.controls.get().DelayMS)
	rule := f.controls.find("folder", f.name, r.Method, name,
		r.Header.Get("Range"))
	if f.fail(w, &rule) {
		return
	}
	if !f.authenticate(w, r) {
		return
	}
	ds := f.datastoreOf(r.URL.RawQuery)
	if ds == nil {
		http.NotFound(w, r)
		return
	}
	m, d, i := f.inv.diskOf(ds, name)
	if m != nil && f.locked(m, d, i, name) {
		f.counters.add(f.name, "locked", 1)
		http.Error(w, "Failed to lock the file", 500)
		return
	}
	file, err := os.Open(ds.file(name))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer file.Close()
	f.serveFile(w, r, file, &rule)
}

// datastoreOf finds the datastore that a query names.
func (f *front) datastoreOf(rawQuery string) *datastore {
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return nil
	}
	dcPath, dsName := query.Get("dcPath"), query.Get("dsName")
	double := f.controls.get().DoubleEscape
	for _, dc := range f.inv.datacenters {
		if f.esx != nil {
			if dc != f.esx.dc || dcPath != "" && dcPath != esxDatacenter {
				continue
			}
		} else if !sameName(dcPath, dc.path, double) &&
			!sameName(dcPath, unescapeName(dc.path), double) {
			continue
		}
		for _, ds := range dc.datastores {
			if sameName(dsName, ds.name, double) {
				return ds
			}
		}
	}
	return nil
}

func unescapeName(name string) string {
	return strings.NewReplacer("%2f", "/", "%5c", "\\", "%25", "%").
		Replace(name)
}

// sameName compares a value of a query, unescaped once by now, with a name.
func sameName(value, name string, double bool) bool {
	if !double {
		return value == name
	}
	again, err := url.PathUnescape(value)
	plain := strings.ReplaceAll(url.PathEscape(name), "%2F", "/") == name
	return err == nil && again == name && (plain || value != name)
}

// locked says if the host would refuse to open an extent of a VM that is
// on.  Descriptors can be read all the same.
func (f *front) locked(m *machine, d *disk, number int, name string) bool {
	if !m.poweredOn() {
		return false
	}
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if number >= len(d.links) || name == d.links[number].descriptor {
		return false
	}
	switch f.controls.get().Lock {
	case "none":
		return false
	case "top":
		return number == len(d.links)-1
	default:
		return true
	}
}

// serveFile answers with a file or a range of it, as a rule says.
func (f *front) serveFile(w http.ResponseWriter, r *http.Request,
	file *os.File, ru *rule) {
	info, err := file.Stat()
	if err != nil || info.IsDir() {
		http.NotFound(w, r)
		return
	}
	size := info.Size()
	start, end, status := int64(0), size, http.StatusOK
	header := w.Header()
	if text := r.Header.Get("Range"); text != "" && !ru.IgnoreRange {
		var ok bool
		if start, end, ok = parseRange(text, size); !ok {
			header.Set("Content-Range", fmt.Sprintf("bytes */%d", size))
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
			return
		}
		status = http.StatusPartialContent
		if !ru.NoRange {
			header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d",
				start+ru.StartOff, end-1+ru.StartOff, size+ru.TotalOff))
		}
	}
	if ru.StartOff != 0 || ru.TotalOff != 0 || ru.IgnoreRange || ru.NoRange {
		f.counters.add(f.name, "lies", 1)
	}
	header.Set("Accept-Ranges", "bytes")
	header.Set("Content-Type", "application/octet-stream")
	header.Set("Content-Length", strconv.FormatInt(end-start, 10))
	header.Set("Last-Modified",
		info.ModTime().UTC().Format(http.TimeFormat))
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	if ru.Truncate != nil && *ru.Truncate < end-start {
		f.send(w, io.NewSectionReader(file, start, *ru.Truncate))
		w.(http.Flusher).Flush()
		sleepMS(ru.StallMS)
		reset(w)
		return
	}
	f.send(w, io.NewSectionReader(file, start, end-start))
}

func (f *front) send(w io.Writer, from *io.SectionReader) {
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	// Without its ReadFrom, which has a small buffer of its own.
	n, _ := io.CopyBuffer(struct{ io.Writer }{w},
		struct{ io.Reader }{from}, *buffer)
	f.counters.add(f.name, "folder_bytes", n)
}

// parseRange understands "bytes=A-B", "bytes=A-" and "bytes=-N".
func parseRange(text string, size int64) (int64, int64, bool) {
	text = strings.TrimPrefix(text, "bytes=")
	dash := strings.IndexByte(text, '-')
	if dash < 0 {
		return 0, 0, false
	}
	first, last := text[:dash], text[dash+1:]
	if first == "" {
		n, err := strconv.ParseInt(last, 10, 64)
		if err != nil || n <= 0 {
			return 0, 0, false
		}
		if n > size {
			n = size
		}
		return size - n, size, true
	}
	start, err := strconv.ParseInt(first, 10, 64)
	if err != nil || start >= size {
		return 0, 0, false
	}
	end := size
	if last != "" {
		n, err := strconv.ParseInt(last, 10, 64)
		if err != nil || n < start {
			return 0, 0, false
		}
		if n+1 < size {
			end = n + 1
		}
	}
	return start, end, true
}
