// SPDX-License-Identifier: BSD-3-Clause

// Command template-cases makes tests/data/template-cases.json: what Go's
// own text/template, with the functions of sprig that Forklift offers,
// makes of each template of a table.  tests/unit/test-template.c holds ours
// against it.
//
// It needs golang-go and golang-github-masterminds-sprig-dev of Debian 12
// ("make template-cases" runs it); the test needs the file alone.
package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"text/template"
	"unicode/utf8"

	"github.com/Masterminds/sprig"
)

// Data has a field of each type.
type Data struct {
	VmName        string
	PlanName      string
	DiskIndex     int
	RootDiskIndex int
	Shared        bool
	Yes           bool
	FileName      string
	Empty         string
	Unicode       string
	Spaces        string
	Digits        string
	Size          float64
	Big           int
	List          []interface{}
	NoList        []interface{}
	Map           map[string]interface{}
	Nil           interface{}
}

var data = &Data{
	VmName: "web01", PlanName: "Plan_A", DiskIndex: 0, RootDiskIndex: 2,
	Yes: true, FileName: "[ds1] web/web-000001.vmdk",
	Unicode: "Ünï ǆ ß 日本", Spaces: " \t a b\n", Digits: "0x1f",
	Size: 1.5, Big: 9223372036854775807,
	List:   []interface{}{"a", 1, 2.5, true, nil, []interface{}{"x", "y"}},
	NoList: []interface{}{},
	Map: map[string]interface{}{
		"b": "two", "a": 1, "c": map[string]interface{}{"d": "deep"},
	},
}

var names = strings.Fields(`lower upper contains replace trim trimAll
	trimSuffix trimPrefix title untitle repeat substr nospace trunc initials
	hasPrefix hasSuffix mustRegexReplaceAll
	add add1 sub div mod mul max min floor ceil round`)

type result struct {
	Template string  `json:"template"`
	Output   *string `json:"output,omitempty"`
	Hex      string  `json:"output_hex,omitempty"`
	Error    string  `json:"error,omitempty"`
}

func run(text string, funcs template.FuncMap) result {
	r := result{Template: text}
	var out bytes.Buffer
	t, err := template.New("template").Funcs(funcs).Parse(text)
	if err == nil {
		err = t.Execute(&out, data)
	}
	if err != nil {
		r.Error = strings.ReplaceAll(err.Error(), "main.Data",
			"template.Data")
		return r
	}
	s := out.String()
	if utf8.ValidString(s) && !strings.Contains(s, "\x00") {
		r.Output = &s
	} else {
		r.Hex = hex.EncodeToString(out.Bytes())
	}
	return r
}

func main() {
	all := sprig.TxtFuncMap()
	funcs := template.FuncMap{}
	for _, name := range names {
		funcs[name] = all[name]
	}
	seen := map[string]bool{}
	results := []result{}
	for _, text := range cases() {
		if !seen[text] {
			seen[text] = true
			results = append(results, run(text, funcs))
		}
	}
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	fmt.Print("{\"data\":\n")
	_ = out.Encode(data)
	fmt.Print(",\"cases\": [\n")
	for i, r := range results {
		if i > 0 {
			fmt.Print(",")
		}
		if err := out.Encode(r); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	fmt.Print("]}\n")
}
