// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
	"github.com/vmware/govmomi/vim25/xml"
)

// One call of the API on its way through a front.
type call struct {
	method  *simulator.Method
	body    []byte // with the simulator's names for objects
	request *http.Request
	session *session
	rule    rule
	// For the answer.
	header http.Header
}

// A handler answers a call instead of the simulator, or, if it returns
// neither a result nor a fault, leaves it to the simulator.
type handler func(f *front, c *call) (interface{}, types.BaseMethodFault)

var handlers = map[string]handler{
	"Login":  login,
	"Logout": logout,
}

const (
	envelopeStart = xml.Header + `<soapenv:Envelope ` +
		`xmlns:soapenc="http://schemas.xmlsoap.org/soap/encoding/" ` +
		`xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" ` +
		`xmlns:xsd="http://www.w3.org/2001/XMLSchema" ` +
		`xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">` +
		"\n<soapenv:Body>\n"
	envelopeEnd = "\n</soapenv:Body>\n</soapenv:Envelope>"
	// How Go writes a name that it has no prefix for.
	goNamespace = ` xmlns:XMLSchema-instance=` +
		`"http://www.w3.org/2001/XMLSchema-instance"`
	goPrefix = ` XMLSchema-instance:type=`
)

// typeByName is govmomi's table, for names with or without a prefix.
func typeByName(name string) (reflect.Type, bool) {
	return types.TypeFunc()(name[strings.IndexByte(name, ':')+1:])
}

func (f *front) serveVersions(w http.ResponseWriter) {
	about := f.inv.client.ServiceContent.About
	fmt.Fprintf(w, xml.Header+`<namespaces version="1.0"><namespace>`+
		`<name>urn:vim25</name><version>%s</version><priorVersions>`+
		`<version>6.5</version><version>5.5</version></priorVersions>`+
		`</namespace></namespaces>`, about.ApiVersion)
}

func (f *front) serveSDK(w http.ResponseWriter, r *http.Request) {
	f.counters.add(f.name, "soap_requests", 1)
	if r.Method != http.MethodPost {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 16<<20))
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	body = f.toInner(body)
	method, err := simulator.UnmarshalBody(typeByName, body)
	if err != nil {
		f.writeFault(w, err.Error(), &types.InvalidRequest{})
		return
	}
	f.counters.add(f.name, "soap:"+method.Name, 1)
	sleepMS(f.controls.get().SOAPDelayMS)
	rule := f.controls.find("sdk", f.name, method.Name, method.This.Value,
		"")
	if f.fail(w, &rule) {
		return
	}
	c := &call{method: method, body: body, request: r, rule: rule,
		session: f.sessions.find(r, true), header: w.Header()}
	if rule.Fault != "" {
		f.writeFault(w, rule.Message, faultByName(rule.Fault))
		return
	}
	if (c.session == nil || c.session.basic) && method.Name != "Login" &&
		method.Name != "RetrieveServiceContent" {
		fault := &types.NotAuthenticated{}
		fault.Object, fault.PrivilegeId = method.This, "System.View"
		f.writeFault(w, "The session is not authenticated.", fault)
		return
	}
	if strings.HasSuffix(method.Name, "_Task") {
		f.counters.add(f.name, "tasks", 1)
	}
	if rule.TaskFault != "" {
		task := failedTask(method, faultByName(rule.TaskFault))
		f.writeResult(w, method.Name, taskResponse(task))
		return
	}
	if h := handlers[method.Name]; h != nil {
		result, fault := h(f, c)
		if fault != nil {
			f.writeFault(w, faultText(fault), fault)
			return
		}
		if p, ok := result.(*passed); ok {
			f.write(w, p.status, p.answer)
			return
		}
		if result != nil {
			f.writeResult(w, method.Name, result)
			return
		}
	}
	status, answer := f.ask(c)
	f.write(w, status, answer)
}

// ask lets the simulator answer.
func (f *front) ask(c *call) (int, []byte) {
	r, err := http.NewRequest(http.MethodPost, "/sdk",
		bytes.NewReader(c.body))
	if err != nil {
		return http.StatusInternalServerError, nil
	}
	r.RemoteAddr = c.request.RemoteAddr
	if c.session != nil {
		r.AddCookie(&http.Cookie{Name: cookieName, Value: c.session.id})
	}
	w := &recorder{header: make(http.Header), status: http.StatusOK}
	f.inv.service.ServeSDK(w, r)
	for _, cookie := range (&http.Response{Header: w.header}).Cookies() {
		if cookie.Name == cookieName {
			c.header.Set("Login-Session", cookie.Value)
		}
	}
	return w.status, w.body.Bytes()
}

// recorder is an http.ResponseWriter into memory.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *recorder) Header() http.Header            { return w.header }
func (w *recorder) WriteHeader(status int)         { w.status = status }
func (w *recorder) Write(data []byte) (int, error) { return w.body.Write(data) }

func (f *front) writeResult(w http.ResponseWriter, method string,
	result interface{}) {
	var b bytes.Buffer
	b.WriteString(envelopeStart)
	err := xml.NewEncoder(&b).EncodeElement(result, xml.StartElement{
		Name: xml.Name{Space: "urn:vim25", Local: method + "Response"}})
	if err != nil {
		f.writeFault(w, err.Error(), &types.RuntimeFault{})
		return
	}
	b.WriteString(envelopeEnd)
	f.write(w, http.StatusOK, b.Bytes())
}

func (f *front) writeFault(w http.ResponseWriter, text string,
	fault types.BaseMethodFault) {
	var b bytes.Buffer
	kind := reflect.TypeOf(fault).Elem().Name()
	b.WriteString(envelopeStart + "<soapenv:Fault>" +
		"<faultcode>ServerFaultCode</faultcode><faultstring>")
	_ = xml.EscapeText(&b, []byte(text))
	b.WriteString("</faultstring><detail>")
	_ = xml.NewEncoder(&b).EncodeElement(fault, xml.StartElement{
		Name: xml.Name{Local: kind + "Fault"},
		Attr: []xml.Attr{
			{Name: xml.Name{Local: "xmlns"}, Value: "urn:vim25"},
			{Name: xml.Name{Local: "xsi:type"}, Value: kind}}})
	b.WriteString("</detail></soapenv:Fault>" + envelopeEnd)
	f.write(w, http.StatusInternalServerError, b.Bytes())
}

// write sends an answer with the names that clients know.
func (f *front) write(w http.ResponseWriter, status int, answer []byte) {
	answer = bytes.ReplaceAll(answer, []byte(goNamespace), nil)
	answer = bytes.ReplaceAll(answer, []byte(goPrefix), []byte(" xsi:type="))
	if !f.controls.get().NoArrayTypes {
		answer = addArrayTypes(answer)
	}
	answer = f.toOuter(answer)
	w.Header().Del("Login-Session")
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(answer)
}

func (f *front) toInner(text []byte) []byte {
	if f.esx != nil {
		text = f.esx.toInner(text)
	}
	return f.inv.aliases.toInner(text)
}

func (f *front) toOuter(text []byte) []byte {
	text = f.inv.aliases.toOuter(text)
	if f.esx != nil {
		text = f.esx.aliases.toOuter(text)
	}
	return text
}

// addArrayTypes gives the elements of arrays the xsi:type that those of a
// real server have, and that libvirt's driver wants.
func addArrayTypes(text []byte) []byte {
	decoder := xml.NewDecoder(bytes.NewReader(text))
	var out bytes.Buffer
	var arrays []string // of each open element: what its children are
	copied := int64(0)
	for {
		before := decoder.InputOffset()
		token, err := decoder.RawToken()
		if err != nil {
			break
		}
		switch t := token.(type) {
		case xml.StartElement:
			kind := ""
			for _, a := range t.Attr {
				if a.Name.Space == "xsi" && a.Name.Local == "type" {
					kind = a.Value
				}
			}
			n := len(arrays)
			if n > 0 && arrays[n-1] != "" && kind == "" {
				end := before + int64(len("<")+len(t.Name.Local))
				out.Write(text[copied:end])
				fmt.Fprintf(&out, ` xsi:type="%s"`, arrays[n-1])
				copied = end
			}
			arrays = append(arrays, elementType(kind))
		case xml.EndElement:
			if len(arrays) > 0 {
				arrays = arrays[:len(arrays)-1]
			}
		}
	}
	out.Write(text[copied:])
	return out.Bytes()
}

func elementType(array string) string {
	if !strings.HasPrefix(array, "ArrayOf") {
		return ""
	}
	switch name := strings.TrimPrefix(array, "ArrayOf"); name {
	case "String", "Int", "Long", "Short", "Byte", "Boolean":
		return "xsd:" + strings.ToLower(name)
	default:
		return name
	}
}

func faultByName(name string) types.BaseMethodFault {
	if kind, ok := typeByName(name); ok {
		fault, ok := reflect.New(kind).Interface().(types.BaseMethodFault)
		if ok {
			return fault
		}
	}
	return &types.RuntimeFault{}
}

func faultText(fault types.BaseMethodFault) string {
	switch fault.(type) {
	case *types.InvalidLogin:
		return "Cannot complete login due to an incorrect user name or" +
			" password."
	default:
		return "A general system error occurred: " +
			reflect.TypeOf(fault).Elem().Name()
	}
}

// login checks the user and the password; the simulator, which takes any,
// makes the session.
func login(f *front, c *call) (interface{}, types.BaseMethodFault) {
	request := c.method.Body.(*types.Login)
	if request.UserName != f.user || request.Password != f.password ||
		c.session != nil {
		f.counters.add(f.name, "failed_logins", 1)
		return nil, &types.InvalidLogin{}
	}
	_, answer := f.ask(c)
	id := c.header.Get("Login-Session")
	var reply struct {
		Body struct {
			Response types.LoginResponse `xml:"LoginResponse"`
		}
	}
	decoder := xml.NewDecoder(bytes.NewReader(answer))
	decoder.TypeFunc = typeByName
	if err := decoder.Decode(&reply); err != nil || id == "" {
		return nil, &types.RuntimeFault{}
	}
	c.header.Del("Login-Session")
	f.sessions.add(id, false)
	setCookie(c.header, id)
	return &reply.Body.Response, nil
}

func logout(f *front, c *call) (interface{}, types.BaseMethodFault) {
	f.sessions.drop(c.session.id, "logouts")
	return nil, nil
}
