// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"bytes"
	"fmt"
	"strings"
	"sync"

	"github.com/vmware/govmomi/vim25/types"
	"github.com/vmware/govmomi/vim25/xml"
)

// The property collector as a real server has it: answers in pages, and
// properties that the user may not read in missingSet.

func init() {
	handlers["RetrievePropertiesEx"] = retrieve
	handlers["ContinueRetrievePropertiesEx"] = continueRetrieve
	handlers["CancelRetrievePropertiesEx"] = cancelRetrieve
	handlers["RetrieveProperties"] = retrieveAll
}

// What is still to be fetched, by token, of each session.
type pages struct {
	mutex sync.Mutex
	next  int
	rest  map[string]page
}

type page struct {
	session string
	objects []types.ObjectContent
}

// collect has the simulator answer, then hides what is to be hidden.
func (f *front) collect(c *call) ([]types.ObjectContent, []byte, int) {
	status, answer := f.ask(c)
	var reply struct {
		Body struct {
			Ex  types.RetrievePropertiesExResponse `xml:"RetrievePropertiesExResponse"`
			Old types.RetrievePropertiesResponse   `xml:"RetrievePropertiesResponse"`
		}
	}
	decoder := xml.NewDecoder(bytes.NewReader(answer))
	decoder.TypeFunc = typeByName
	if status != 200 || decoder.Decode(&reply) != nil {
		return nil, answer, status
	}
	objects := reply.Body.Old.Returnval
	if reply.Body.Ex.Returnval != nil {
		objects = reply.Body.Ex.Returnval.Objects
	}
	var shown []types.ObjectContent
	missing := f.controls.get().Missing
	for _, o := range objects {
		if f.esx != nil && !f.esx.visible(o.Obj) {
			continue
		}
		shown = append(shown, hide(o, missing))
	}
	return shown, nil, status
}

// hide moves properties that may not be read to missingSet.  What is
// hidden is TYPE:PATH, with all below it.
func hide(o types.ObjectContent, missing []string) types.ObjectContent {
	var shown []types.DynamicProperty
	for _, p := range o.PropSet {
		hidden := false
		for _, m := range missing {
			path := strings.TrimPrefix(m, o.Obj.Type+":")
			if path != m && (p.Name == path ||
				strings.HasPrefix(p.Name, path+".")) {
				hidden = true
			}
		}
		if !hidden {
			shown = append(shown, p)
			continue
		}
		fault := &types.NoPermission{Object: o.Obj,
			PrivilegeId: "System.Read"}
		o.MissingSet = append(o.MissingSet, types.MissingProperty{
			Path: p.Name, Fault: types.LocalizedMethodFault{Fault: fault,
				LocalizedMessage: "Permission to perform this operation" +
					" was denied."}})
	}
	o.PropSet = shown
	return o
}

// The simulator's answer to a call whose fault or text we only pass on.
type passed struct {
	status int
	answer []byte
}

func retrieve(f *front, c *call) (interface{}, types.BaseMethodFault) {
	request := c.method.Body.(*types.RetrievePropertiesEx)
	objects, answer, status := f.collect(c)
	if answer != nil {
		return &passed{status, answer}, nil
	}
	size := f.controls.get().PageSize
	if max := int(request.Options.MaxObjects); max > 0 && max < size {
		size = max
	}
	response := &types.RetrievePropertiesExResponse{}
	if len(objects) > 0 {
		response.Returnval = f.pages.turn(c.session.id, objects, size)
	}
	return response, nil
}

// turn returns the first page and keeps the others.  The first token of a
// front is "0", which is as good as any.
func (p *pages) turn(session string, objects []types.ObjectContent,
	size int) *types.RetrieveResult {
	if len(objects) <= size {
		return &types.RetrieveResult{Objects: objects}
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.rest == nil {
		p.rest = make(map[string]page)
	}
	token := fmt.Sprint(p.next)
	p.next++
	p.rest[token] = page{session, objects[size:]}
	return &types.RetrieveResult{Token: token, Objects: objects[:size]}
}

func (p *pages) take(session, token string) ([]types.ObjectContent, bool) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	rest, ok := p.rest[token]
	if !ok || rest.session != session {
		return nil, false
	}
	delete(p.rest, token)
	return rest.objects, true
}

func continueRetrieve(f *front, c *call) (interface{},
	types.BaseMethodFault) {
	request := c.method.Body.(*types.ContinueRetrievePropertiesEx)
	objects, ok := f.pages.take(c.session.id, request.Token)
	if !ok {
		return nil, &types.InvalidArgument{InvalidProperty: "token"}
	}
	return &types.ContinueRetrievePropertiesExResponse{
		Returnval: *f.pages.turn(c.session.id, objects,
			f.controls.get().PageSize)}, nil
}

func cancelRetrieve(f *front, c *call) (interface{},
	types.BaseMethodFault) {
	request := c.method.Body.(*types.CancelRetrievePropertiesEx)
	f.pages.take(c.session.id, request.Token)
	return &types.CancelRetrievePropertiesExResponse{}, nil
}

// retrieveAll is the older call, which has no pages.
func retrieveAll(f *front, c *call) (interface{}, types.BaseMethodFault) {
	objects, answer, status := f.collect(c)
	if answer != nil {
		return &passed{status, answer}, nil
	}
	return &types.RetrievePropertiesResponse{Returnval: objects}, nil
}
