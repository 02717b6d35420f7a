// SPDX-License-Identifier: BSD-3-Clause

package main

import "strings"

// One template a line; "\n" means a newline.
const lines = `
plain text

{{.VmName}}
{{ .VmName }}-{{ .DiskIndex }}
{{.VmName}}-disk-{{.DiskIndex}}
{{if eq .DiskIndex .RootDiskIndex}}root{{else}}data{{end}}-{{.DiskIndex}}
{{if .Shared}}shared-{{end}}{{.VmName}}-{{.DiskIndex}}
{{if .Yes}}shared-{{end}}{{.VmName}}-{{.DiskIndex}}
{{trunc 15 .PlanName}}-{{trunc 15 .VmName}}-disk-{{.DiskIndex}}
{{.FileName | trimSuffix ".vmdk" | replace "_" "-"}}
{{mustRegexReplaceAll "^.*/([^.]+)\\.vmdk$" .FileName "${1}"}}
{{.Missing}}
{{ .Missing }}
a\n{{.Missing}}
a\n  {{.VmName}} {{.Missing}}
{{if false}}{{.Missing}}{{end}}ok
{{.VmName.X}}
{{.VmName.X.Y}}
{{.DiskIndex.X}}
{{.Nil}}
{{.Nil.X}}
{{.Map.a}} {{.Map.b}} {{.Map.c.d}} {{.Map.nope}} {{.Map.c.nope.more}}
{{.Map.a 1}}
{{.Map}}
{{.List}}
{{.NoList}}
{{.Size}} {{.Big}} {{.Yes}} {{.Shared}} [{{.Empty}}]
{{$.VmName}} {{$}}x
{{.}}x
{{. | len}}
{{.VmName 1}}
{{.VmName "x" 2}}
{{1 | .VmName}}
{{.vmname}}
{{.VmName .}}
{{ (.VmName) }}
{{(.Map.c).d}}
{{(.Map).c.d}}
{{(.Map.c).nope}}
{{(.VmName).X}}
{{(print "a").X}}
{{print.X}}
{{"a".X}}
{{1.X}}
{{true.X}}
{{nil.X}}
{{nil}}
{{.X.}}
{{..}}
{{. .}}
{{.VmName.}}
{{$x.Y}}
{{$x}}
{{$x := 1}}{{$x}}
{{$x := 1}}{{$x = 2}}{{$x}}
{{$x = 2}}
{{$x := 1}}{{if true}}{{$x := 2}}{{$x}}{{end}}{{$x}}
{{$x := 1}}{{if true}}{{$x = 2}}{{$x}}{{end}}{{$x}}
{{if $x := .VmName}}{{$x}}{{end}}
{{if $x := .VmName}}{{$x}}{{end}}{{$x}}
{{with $x := .VmName}}{{$x}}-{{.}}{{end}}
{{with .Map}}{{.a}}{{$.VmName}}{{end}}
{{with .Empty}}x{{else}}{{.VmName}}{{end}}
{{with .Nil}}x{{end}}
{{with .Map.c}}{{.d}}{{end}}
{{with 1}}{{.}}{{else with 2}}{{.}}{{end}}
{{$m := .Map}}{{$m.c.d}}
{{$m := .Map}}{{$m.c.d.e}}
{{$x := 1 | add 2}}{{$x}}
{{$x, $y := 1}}
{{$x, $y}}
{{$x := }}
{{$x :=1}}{{$x}}
{{$x:= 1}}{{$x}}
{{$x:=1}}{{$x}}
{{$ := 1}}{{$}}
{{$x : 1}}
{{$x + 1}}
{{$x+1}}
{{ $x := "a" }}{{ $y := "b" }}{{ $x }}{{ $y }}{{print $x $y}}
{{range .List}}[{{.}}]{{end}}
{{range $i, $e := .List}}{{$i}}={{$e}} {{end}}
{{range $e := .List}}{{$e}}{{end}}
{{range $i, $e := .Map}}{{$i}}={{$e}} {{end}}
{{range .NoList}}x{{else}}none{{end}}
{{range .Nil}}x{{else}}none{{end}}
{{range .Map}}{{.}};{{end}}
{{range .List}}{{if eq . 1}}{{break}}{{end}}{{.}}{{end}}
{{range .List}}{{if eq . "a"}}{{continue}}{{end}}<{{.}}>{{end}}
{{range $i, $e := .List}}{{range $.List}}{{$i}}{{end}} {{end}}
{{range $i, $_ := .List}}{{range $j, $_ := $.List}}{{if gt $j $i}}{{break}}{{end}}{{$j}}{{end}};{{end}}
{{range .VmName}}x{{end}}
{{range 3}}x{{end}}
{{range .DiskIndex}}x{{end}}
{{range true}}x{{end}}
{{range $i, $j, $k := .List}}{{end}}
{{range $i, 1 := .List}}{{end}}
{{range index .List 5}}{{.}}{{end}}
{{range slice .List 0 2}}{{.}}{{end}}
{{range}}{{end}}
{{range .List}}
{{range .List}}{{else}}{{else}}{{end}}
{{break}}
{{continue}}
{{if true}}{{break}}{{end}}
{{break 1}}
{{if}}{{end}}
{{if .Yes}}
{{if .Yes}}a{{else}}b
{{if .Yes}}a{{else}}b{{else}}c{{end}}
{{if .Shared}}a{{else if .Yes}}b{{else}}c{{end}}
{{if .Shared}}a{{else if .Empty}}b{{else}}c{{end}}
{{if .Shared}}a{{else if .Empty}}b{{else if .Yes}}d{{end}}
{{if .Shared}}a{{else if}}b{{end}}
{{if .Shared}}a{{else .Yes}}b{{end}}
{{else}}
{{end}}
{{end 1}}
a{{end}}b
a\nb{{end}}
{{if 0}}y{{else}}n{{end}}{{if 1}}y{{else}}n{{end}}{{if ""}}y{{else}}n{{end}}{{if "a"}}y{{else}}n{{end}}
{{if 0.0}}y{{else}}n{{end}}{{if 0.1}}y{{else}}n{{end}}{{if .List}}y{{else}}n{{end}}{{if .NoList}}y{{else}}n{{end}}
{{if .Map}}y{{else}}n{{end}}{{if .Nil}}y{{else}}n{{end}}{{if .Map.x}}y{{else}}n{{end}}{{if .}}y{{else}}n{{end}}
{{if nil}}y{{else}}n{{end}}
{{if not .Yes}}y{{else}}n{{end}}
{{if and .Yes .Shared}}y{{else}}n{{end}}
{{if or .Yes .Shared}}y{{else}}n{{end}}
  a  {{- .VmName -}}  b
  a  {{- .VmName}}  b
  a  {{.VmName -}}  b
a\n\n {{- .VmName -}} \n\n b
a{{-.VmName}}
a{{- .VmName-}}b
a {{- 3}} b
a {{-3}} b
a {{- -3 -}} b
a {{-  3  -}} b
{{-}}
{{- }}
{{- -}}
a {{- /* c */ -}} b
a {{/* c */}} b
a {{- /* c */}} b
a {{/* c */ -}} b
a {{ /* c */ }} b
a {{/* c */ }} b
a {{/* c
a {{/* c */
a {{/* c */-}} b
a {{/* }} */}} b
a {{/*\n\n*/}} b {{.Missing}}
a {{/* a * / b */}}c
{{"\n"}}x
{{"a\tb\x41\u00e9\U0001F600\101\\\"\a"}}
{{"\x00"}}
{{"\xff"}}
{{"\q"}}
{{"\400"}}
{{"\ud800"}}
{{"unterminated}}
{{"a
{{'a'}} {{'é'}} {{'\n'}} {{'\''}} {{'\x41'}}
{{'ab'}}
{{''}}
{{'a
{{'\q'}}
{{"'"}}{{"\'"}}
{{0x1F}} {{0X1f}} {{0o17}} {{017}} {{0b101}} {{1_000}} {{0x_1F}} {{-5}} {{+5}}
{{1.5}} {{.5}} {{1e3}} {{1E3}} {{1.5e-7}} {{0x1p4}} {{0x1.8p1}} {{1e100}} {{1_0.5}} {{100000.0}} {{1000000.0}} {{123456789.0}} {{0.0001}} {{0.00001}}
{{1.0}} {{3.14159265358979}} {{1e21}} {{1e20}} {{0.1}} {{-0.0}} {{5e-324}} {{1.7976931348623157e308}}
{{9223372036854775807}} {{-9223372036854775808}}
{{9223372036854775808}}
{{18446744073709551615}}
{{18446744073709551616}}
{{99999999999999999999}}
{{1e400}}
{{089}}
{{08}}
{{0x}}
{{0b2}}
{{0o8}}
{{1__0}}
{{1_}}
{{_1}}
{{1a}}
{{1.2.3}}
{{0x1.8}}
{{+}}
{{-}}
{{--1}}
{{.}}
{{.`

const more = `
{{true}} {{false}} {{true | not}}
{{1 2}}
{{"a" "b"}}
{{true 1}}
{{. 1}}
{{1 | 2}}
{{1 | "a"}}
{{.VmName | 1}}
{{.VmName | true}}
{{.VmName | .}}
{{.VmName | nil}}
{{.VmName | .VmName}}
{{.VmName | $}}
{{.VmName | upper | lower | title}}
{{.VmName|upper}}
{{.VmName |upper}}
{{.VmName | upper | }}
{{| upper}}
{{.VmName | | upper}}
{{.VmName | (upper)}}
{{(.VmName | upper) | lower}}
{{(upper .VmName) 1}}
{{upper (lower (upper .VmName))}}
{{upper (.VmName}}
{{upper .VmName)}}
{{(}}
{{)}}
{{()}}
{{(1)}}
{{((1))}}
{{(1) (2)}}
{{print (1) (2)}}
{{print(1)(2)}}
{{print(1) 2}}
{{print 1(2)}}
{{print 1,2}}
{{print 1 , 2}}
{{print "a""b"}}
{{print 1"b"}}
{{print .A"b"}}
{{print "a".B}}
{{foo}}
{{foo .VmName}}
{{.VmName | foo}}
{{if foo}}{{end}}
{{quote .VmName}}
{{default "a" .VmName}}
{{a-b}}
{{a+b}}
{{a.b}}
{{print-1}}
{{.Vm-Name}}
{{.VmName-1}}
{{@}}
{{#}}
{{é}}
{{.é}}
{{"é" | upper}}
{{€}}
{{\}}
{{&}}
{{print %}}
{{;}}
{{=}}
{{:=}}
{{:}}
{{print :}}
{{print = 1}}
{{,}}
{{[}}
{{
{{ 
{{\n
{{.VmName
{{.VmName }
{{.VmName\n}}
a\nb\n{{.VmName
a\nb\n{{.VmName\n
{{print\n1\n2}}
{{print\n1\n(add "x"\n.Missing)}}
{{\nif true\n}}a{{\nend\n}}
{{if true\n}}a
{{if\ntrue
{{print 1\n2\n"abc
a}}b
{a}
{ {.VmName} }
{{{.VmName}}}
{{"}}"}}
{{"{{"}}
{{"{{"}}{{"}}"}}
}}{{.VmName}}{{
{{print "0123456789" 0123456789012345678901}}
{{print abcdefghijklmnop}}
{{if end}}
{{if else}}
{{with}}{{end}}
{{print if}}
{{print end}}
{{end end}}
{{range .List}}{{end
{{nil | print}}
{{print nil}}
{{eq nil nil}}
{{eq .Nil nil}}
{{eq nil .VmName}}
{{len nil}}
{{not nil}}
{{and nil 1}}
{{or nil 1}}
{{index nil 1}}
{{lower nil}}
{{add nil 1}}
{{trunc nil "a"}}
{{lower .Nil}}
{{.Nil | lower}}
{{.Map.nope | lower}}
{{lower .Map.nope}}
{{lower .Map.a}}
{{lower .Map.b}}
{{trunc .Map.a "abc"}}
{{trunc .Size "abc"}}
{{trunc (add 1 1) "abc"}}
{{trunc (len "ab") "abc"}}
{{trunc "1" "abc"}}
{{trunc 1.0 "abc"}}
{{trunc 1e0 "abc"}}
{{trunc 1.5 "abc"}}
{{trunc true "abc"}}
{{trunc .Yes "abc"}}
{{trunc '\x02' "abc"}}
{{trunc 9223372036854775808 "abc"}}
{{repeat .RootDiskIndex "ab"}}
{{lower .}}
{{lower $}}
{{lower print}}
{{lower (print)}}
{{lower true}}
{{lower 1}}
{{lower .List}}
{{lower 'a'}}
{{upper}}
{{upper "a" "b"}}
{{"a" | upper "b"}}
{{replace "a" "b"}}
{{"aaa" | replace "a" "b"}}
{{"aaa" | replace "a" "b" "c"}}
{{1 | lower}}
{{round 1.5}}
{{round 2.5 0}} {{round -2.5 0}} {{round 1.2345 2}} {{round "1.55" 1}} {{round 1.2345 2 0.1}} {{round 5 -1}} {{round 0 0}}
{{round 1.5 "1"}}
{{round 1.5 1.5}}
{{round 1.5 0 1}}
{{round 1.5 0 "1"}}
{{round 1.5 0 .DiskIndex}}
{{round 1.5 0 .Size}}
{{round 123.456 400}}
{{round 123.456 -400}}
{{div 7 2}} {{div -7 2}} {{mod 7 3}} {{mod -7 3}} {{mod 7 -3}}
{{div 1 0}}
{{mod 1 0}}
{{div 1 "x"}}
{{div -9223372036854775808 -1}} {{mod -9223372036854775808 -1}}
{{add}} {{add 1}} {{add 1 2 3}} {{add "7" true 1.9}} {{add .Big 1}} {{add1 .Big}} {{sub -9223372036854775808 1}} {{mul .Big 2}}
{{add "010" 1}} {{add "0x10" 1}} {{add "1_000" 1}} {{add "7.0" 1}} {{add "7.5" 1}} {{add " 7" 1}} {{add "" 1}} {{add "-3" 1}} {{add "+3" 1}} {{add "1.00" 0}} {{add ".0" 0}} {{add "0.0" 0}}
{{add .List 1}} {{add .Map 1}} {{add . 1}} {{add 1e300 0}} {{add -1e300 0}}
{{add .Digits 1}}
{{index "a" 0 | add 1}}
{{add '\x41' 1}}
{{max 1 2 3}} {{max 3}} {{max "5" 4.9}} {{min 1 2 -3}} {{min 1}} {{max -1 "x"}}
{{max}}
{{mul 2}} {{mul 2 3 4}}
{{mul}}
{{sub 1}}
{{floor 1.5}} {{floor -1.5}} {{floor "1.9"}} {{floor "x"}} {{floor true}} {{floor 1e30}} {{floor "inf"}} {{floor "-Inf"}} {{floor "nan"}} {{floor "1e400"}} {{floor "0x1p-2"}} {{floor "0x10"}} {{floor "1_0"}} {{floor ""}}
{{ceil 1.2}} {{ceil -1.2}} {{ceil "1.1"}} {{ceil 5}} {{ceil -0.5}}
{{substr 0 3 "web01"}} {{substr 1 -1 "web01"}} {{substr -1 2 "web01"}} {{substr 2 99 "web01"}} {{substr 5 5 "web01"}}
{{substr 9 12 "web01"}}
{{substr 3 1 "web01"}}
{{substr -1 -1 "web01"}}
{{substr -1 9 "web01"}}
{{substr 9 2 "web01"}}
{{substr 0 2 "éa"}}x
{{substr 0 1 "éa"}}x
{{trunc 3 "web01"}} {{trunc -2 "web01"}} {{trunc 0 "web01"}}| {{trunc 99 "web01"}} {{trunc -99 "web01"}} {{trunc -5 "web01"}}
{{trunc 1 "éa"}}
{{repeat 0 "ab"}}|{{repeat 3 "ab"}}
{{repeat -1 "ab"}}
{{repeat 3 ""}}
{{initials "First Try"}} {{initials " a  b\tc"}} {{initials .Unicode}} {{initials ""}}
{{nospace .Spaces}} {{nospace "a b\u00a0c"}} {{nospace "é"}} {{nospace "é b"}} {{nospace ""}}
{{title "hello world foo-bar_baz 1st o'neil"}} {{title .Unicode}} {{title "ǆ ß ﬁ"}}
{{untitle "Hello World Foo-Bar"}} {{untitle .Unicode}} {{untitle "ÀB"}}
{{upper .Unicode}} {{lower .Unicode}} {{upper "ﬁ ı ſ ÿ µ"}} {{lower "İ K Å Σ"}}
{{upper "\xff"}}
{{trim .Spaces}}| {{trim "\u00a0\u2003a\u3000"}}| {{trim ""}}|
{{trimAll "-." "--.a.b.--"}} {{trimAll "" "a"}} {{trimAll "é" "éaé"}} {{trimAll "abc" "abc"}}|
{{trimPrefix "a" "aab"}} {{trimPrefix "x" "aab"}} {{trimPrefix "" "aab"}} {{trimSuffix "b" "abb"}} {{trimSuffix "abb" "abb"}}|
{{contains "e" "web"}} {{contains "" "web"}} {{contains "x" "web"}} {{contains "web0" "web"}}
{{hasPrefix "w" "web"}} {{hasPrefix "" ""}} {{hasSuffix "b" "web"}} {{hasSuffix "webb" "web"}}
{{replace "" "-" "aé"}} {{replace "a" "" "banana"}} {{replace "an" "x" "banana"}} {{replace "" "" "a"}} {{replace "" "x" ""}}
{{len "é"}} {{len .List}} {{len .Map}} {{len .NoList}} {{len ""}}
{{len 1}}
{{len .}}
{{len true}}
{{len}}
{{index .List 0}} {{index .List 5 1}} {{index .Map "c" "d"}} {{index .Map "nope"}} {{index "abc" 1}} {{index .List}}
{{index .List 6}}
{{index .List 7}}
{{index .List -1}}
{{index .List "a"}}
{{index .List 1.5}}
{{index .List nil}}
{{index .Map 1}}
{{index .Map nil}}
{{index .Map "nope" "x"}}
{{index .List 4 0}}
{{index 1 0}}
{{index "abc" 3}}
{{index "abc" 4}}
{{index . 1}}
{{index}}
{{index .List 0 0}}
{{slice "abcdef" 1 3}} {{slice "abcdef" 2}} {{slice "abcdef"}} {{slice .List 1 3}} {{slice .List 4}} {{slice (slice .List 1) 1 2}} {{slice .List 0 1 2}}
{{slice "abc" 2 1}}
{{slice "abc" 4}}
{{slice "abc" -1}}
{{slice "abc" 1 2 3}}
{{slice .List 0 2 1}}
{{slice .List 0 1 2 3}}
{{slice nil}}
{{slice 1 0}}
{{slice .Map 0}}
{{slice "abc" "a"}}
{{eq 1 1}} {{eq 1 2}} {{eq 1 2 1}} {{eq "a" "a"}} {{eq "a" "b" "a"}} {{eq true true}} {{eq 1.5 .Size}} {{eq .DiskIndex 0}} {{eq (add 1 1) 2}} {{eq (index "a" 0) 97}} {{eq 97 (index "a" 0)}}
{{eq 1 "1"}}
{{eq 1 1.0}}
{{eq 1 true}}
{{eq 1}}
{{eq}}
{{eq 1 1 "a"}}
{{eq 1 2 "a"}}
{{eq .List .List}}
{{eq .Map .Map}}
{{eq .List 1}}
{{eq .List nil}}
{{eq . .}}
{{1 | eq 1}}
{{ne 1 2}} {{ne "a" "a"}} {{ne nil 1}}
{{ne 1 "a"}}
{{ne 1}}
{{ne 1 2 3}}
{{lt 1 2}} {{lt 2 1}} {{lt "a" "b"}} {{lt "a" "ab"}} {{lt 1.5 2.5}} {{le 1 1}} {{le 2 1}} {{gt 2 1}} {{gt 1 1}} {{ge 1 1}} {{ge 0 1}} {{lt -1 (index "a" 0)}} {{lt (index "a" 0) -1}}
{{lt 1 "a"}}
{{lt 1 1.5}}
{{lt true false}}
{{lt nil 1}}
{{lt .List 1}}
{{le 1 nil}}
{{gt "a" 1}}
{{ge true true}}
{{lt 1}}
{{lt 1 2 3}}
{{not 1}} {{not 0}} {{not ""}} {{not .List}} {{not .}}
{{not}}
{{not 1 2}}
{{and 1 0 2}} {{and 1 2}} {{and ""}} {{or 0 "" "x"}} {{or 1 2}} {{or 0 ""}}| {{and 1 .VmName}} {{or .Empty .VmName}}
{{and false (div 1 0)}} {{or true (div 1 0)}}
{{and true (div 1 0)}}
{{and}}
{{or}}
{{1 | and 2}} {{0 | or 0}} {{.Nil | or 0}}
{{or .Nil}}
{{print}}|{{print 1 2}}|{{print "a" 1 2 "b"}}|{{print 1.5 true nil}}|{{print .List}}|{{print .Map}}
{{println}}|{{println 1 "a"}}|
{{html "<a href='x'>&\"</a>"}} {{html 1 "a"}} {{html nil}} {{"\x00" | html}}
{{js "it's \"q\" <b>&=\\ \n é"}} {{js 1}}
{{urlquery "a b/c?d=é&~_-."}} {{urlquery 1 "x"}}
{{html}}|{{js}}|{{urlquery}}
{{printf "%d-%s" 1 "a"}} {{printf "%03d" 7}} {{printf "%5d|%-5d|%+d|% d|%x|%X|%#x|%o|%#o|%O|%b|%c|%q|%U|%#U" 42 42 42 42 255 255 255 8 8 8 5 65 65 65 65}}
{{printf "%s|%10s|%-10s|%.2s|%q|%x|%X|% x|%#x|%v|%+q|%#q" "abc" "abc" "abc" "abc" "a\"b" "abc" "abc" "abc" "abc" "abc" "é" "a"}}
{{printf "%f|%.2f|%8.3f|%-8.1f|%e|%g|%G|%v|%+f|%08.2f|%E|% f" 1.5 1.5 1.5 1.5 1.5 1e6 1e-7 100000.0 1.5 -1.5 1.5 1.5}}
{{printf "%t|%v|%5t" true false true}}
{{printf "%d" "x"}} {{printf "%s" 1}} {{printf "%t" 1}} {{printf "%f" 1}} {{printf "%d" 1.5}} {{printf "%z" 1}} {{printf "%d" true}} {{printf "%d" nil}} {{printf "%s" nil}} {{printf "%v" nil}}
{{printf "%s"}} {{printf "%d %d" 1}} {{printf "x" 1}} {{printf "%d" 1 2 "a"}} {{printf "%"}} {{printf "%%"}} {{printf "a%"}} {{printf "%!"}} {{printf "100%%"}}
{{printf "%*d|%-*d|%.*f" 5 42 5 42 2 3.14159}} {{printf "%*d" "a" 1}} {{printf "%*d" -5 1}}|{{printf "%.*f" -1 1.5}} {{printf "%.*f" "a" 1.5}}
{{printf "%[2]d %[1]d" 1 2}} {{printf "%[3]d" 1}} {{printf "%[x]d" 1}} {{printf "%[1]d %d" 1 2}} {{printf "%[0]d" 1}} {{printf "%[1" 1}} {{printf "%[]d" 1}}
{{printf "%v %v %v" .List .Map .Size}} {{printf "%s" .List}} {{printf "%d" .List}} {{printf "%T %T %T %T %T %T %T" 1 "a" 1.5 true .List .Map nil}}
{{printf "%05s|%-05d|%+05d|%5c|%-5q|%05.1f|%+.1e" "ab" 1 1 65 65 1.25 12345.678}}
{{printf "%.0f %.0f %.0f %.1f" 0.5 1.5 2.5 0.25}} {{printf "%6.2f%%" 99.5}} {{printf "%g %g %g %g" 1e20 1e21 123456.0 1234567.0}} {{printf "%.3g %.10g" 1234.5678 1234.5678}}
{{printf "%d %s" (add 1 2) (upper "a")}} {{printf "%d" (index "a" 0)}} {{printf "%v" (index "a" 0)}} {{printf "%c" (index "a" 0)}} {{printf "%#v" "a"}} {{printf "%#v" 1}} {{printf "%+v" 1}} {{printf "%x" -255}} {{printf "%.5d" 42}} {{printf "%8.5d" -42}} {{printf "%.0d" 0}}|
{{printf 1}}
{{printf}}
{{printf nil}}
{{printf .Missing}}
{{printf "%s-%d" .VmName .DiskIndex | upper}}
{{printf "%s" .}}{{.Missing}}
{{mustRegexReplaceAll "a(x*)b" "-ab-axxb-" "${1}W"}} {{mustRegexReplaceAll "a(x*)b" "-ab-axxb-" "$1W"}}| {{mustRegexReplaceAll "a(x*)b" "-ab-axxb-" "$1"}}
{{mustRegexReplaceAll "(?P<n>a+)" "baaac" "[$n]"}} {{mustRegexReplaceAll "(?P<n>a+)" "baaac" "[${n}]$$"}} {{mustRegexReplaceAll "a" "banana" "$"}} {{mustRegexReplaceAll "a" "banana" "$x"}} {{mustRegexReplaceAll "a" "banana" "${"}} {{mustRegexReplaceAll "a" "banana" "$0$0"}} {{mustRegexReplaceAll "(a)" "banana" "$01"}} {{mustRegexReplaceAll "(a)" "ba" "$2"}}|
{{mustRegexReplaceAll "" "abc" "-"}} {{mustRegexReplaceAll "x*" "abc" "-"}} {{mustRegexReplaceAll "b*" "abbc" "-"}} {{mustRegexReplaceAll "x*" "éa" "-"}} {{mustRegexReplaceAll "$" "ab" "-"}} {{mustRegexReplaceAll "^" "ab" "-"}} {{mustRegexReplaceAll "a|ab" "abab" "x"}} {{mustRegexReplaceAll "" "" "x"}}
{{mustRegexReplaceAll "[^a-z0-9-]" "Web_01.x y" "-"}} {{mustRegexReplaceAll "(?i)WEB" "web Web" "x"}} {{mustRegexReplaceAll "\\s+" "a \t\nb\vc" "_"}} {{mustRegexReplaceAll "\\S" "a \vb" "_"}} {{mustRegexReplaceAll "[\\S]" "a \vb" "_"}} {{mustRegexReplaceAll "[\\s]" "a \vb" "_"}} {{mustRegexReplaceAll "\\d+" "a12b3" "#"}} {{mustRegexReplaceAll "[[:upper:]]" "aBcD" "_"}} {{mustRegexReplaceAll "[[:^upper:]]" "aBcD" "_"}} {{mustRegexReplaceAll "\\pL" "a1é" "_"}} {{mustRegexReplaceAll "\\p{Greek}" "aα" "_"}} {{mustRegexReplaceAll "\\PL" "a1é" "_"}} {{mustRegexReplaceAll "." "é\na" "_"}} {{mustRegexReplaceAll "(?s)." "é\na" "_"}} {{mustRegexReplaceAll "(?m)^" "a\nb" ">"}} {{mustRegexReplaceAll "\\bfoo\\b" "foo foobar" "x"}} {{mustRegexReplaceAll "\\x41\\x{e9}\\101" "AéA" "x"}} {{mustRegexReplaceAll "\\Qa.b\\E" "a.b axb" "x"}} {{mustRegexReplaceAll "a{2}" "aaaa" "x"}} {{mustRegexReplaceAll "a{,2}" "a{,2}" "x"}} {{mustRegexReplaceAll "a{2,}" "aaab" "x"}} {{mustRegexReplaceAll "a+?" "aaa" "x"}} {{mustRegexReplaceAll "(?U)a+" "aaa" "x"}} {{mustRegexReplaceAll "a$" "a\n" "x"}} {{mustRegexReplaceAll "[]a]" "]a" "x"}} {{mustRegexReplaceAll "[a-]" "a-b" "x"}} {{mustRegexReplaceAll "[^\\d]" "1a" "x"}} {{mustRegexReplaceAll "(?:ab)+" "abab" "x"}} {{mustRegexReplaceAll "\\_\\-" "_-" "x"}} {{mustRegexReplaceAll "a{" "a{" "x"}} {{mustRegexReplaceAll "\\Aa" "aa" "x"}} {{mustRegexReplaceAll "a\\z" "aa" "x"}} {{mustRegexReplaceAll "(a)|(b)" "ab" "[$1|$2]"}}
`

// Patterns that are wrong, and what a regular expression cannot be in Go.
var patterns = strings.Split("( ) (a)) a** a++ a+* a{2}{3} * + ? |* (* (?:* "+
	"[a [ [] [^ [z-a] [[:foo:]] \\q \\ \\1 \\12 \\8 \\x \\x4 \\xzz \\x{} "+
	"\\x{110000} \\p \\pX \\p{Foo} \\p{ \\C \\Z \\h \\R \\K \\G \\X \\N "+
	"(?=a) (?!a) (?<=a) (?<!a) (?>a) (?R) (?1) (?#c) (?|a) (?P=n) (?P<>a) "+
	"(?P<n (?P<1-2>a) (?<n>a) (?'n'a) (?x)a (?i (?i- (?i-) (?-i)a (*ACCEPT) "+
	"a{1001} a{2,1} a{1000}{2} (a{100}){100} ((a{10}){10}){10} "+
	"((a{10}){10}){11} a{0} a*? a?? (?i:A) (?i-s:A) (?ims)A \\bA ^* a|*b "+
	"(|a)* \\Q( [\\Q] [\\b] [a-\\d] [--/] [\\]] [\\x41-\\x43] a{01} a{1,02}",
	" ")

// Functions and how many arguments they take.
var arities = map[string]int{
	"lower": 1, "upper": 1, "trim": 1, "title": 1, "untitle": 1,
	"nospace": 1, "initials": 1, "len": 1, "not": 1, "add1": 1, "floor": 1,
	"ceil": 1, "contains": 2, "trimAll": 2, "trimSuffix": 2,
	"trimPrefix": 2, "hasPrefix": 2, "hasSuffix": 2, "repeat": 2, "trunc": 2,
	"sub": 2, "div": 2, "mod": 2, "max": 2, "eq": 2, "lt": 2, "index": 2,
	"slice": 2, "round": 2, "replace": 3, "substr": 3,
	"mustRegexReplaceAll": 3, "print": 1, "html": 1,
}

var order = strings.Fields(`lower upper trim title untitle nospace initials
	len not add1 floor ceil print html contains trimAll trimSuffix trimPrefix
	hasPrefix hasSuffix repeat trunc sub div mod max eq lt index slice round
	replace substr mustRegexReplaceAll`)

var odd = []string{
	`"Ab1 é"`, `""`, "0", "-1", "3", "1.5", "'x'", "true", "nil", ".VmName",
	".List", ".Map", ".Nil", ".Big", "(add 1 1)", "$",
}

func cases() []string {
	var all []string
	for _, l := range strings.Split(strings.Trim(lines+more, "\n"), "\n") {
		all = append(all, strings.ReplaceAll(l, `\n`+"", "\n"))
		// In strings it is an escape, and there both mean the same.
		if strings.Contains(l, `"`) {
			all = append(all, l)
		}
	}
	all = append(all, "{{`raw \\n` | upper}}", "{{`a\nb`}}{{.Missing}}",
		"{{`a", "{{`}}`}}", "{{`a\r\nb`}}", "{{\t.VmName\t}}",
		"{{\r\n.VmName\r\n}}", "a\v{{- .VmName -}}\vb", "{{\v}}",
		"{{\u00a0.VmName}}", "a{{\"x\"}}\n\n{{- if true}}\n{{bad}}")
	for _, p := range patterns {
		all = append(all, "{{mustRegexReplaceAll `"+p+"` \"aAb(B1-/]\" `x`}}")
	}
	for _, f := range order {
		for i, a := range odd {
			switch arities[f] {
			case 1:
				all = append(all, "{{"+f+" "+a+"}}", "{{"+a+" | "+f+"}}")
			case 2:
				all = append(all,
					"{{"+f+" "+a+" "+odd[(i*5+2)%len(odd)]+"}}",
					"{{"+a+" | "+f+" "+odd[(i*7)%len(odd)]+"}}",
					"{{"+f+" "+a+"}}")
			case 3:
				all = append(all,
					"{{"+f+" "+a+" 1 \"abc\"}}",
					"{{"+f+" \"a\" "+a+" \"abc\"}}",
					"{{"+f+" 0 "+a+" \"abc\"}}",
					"{{"+f+" 0 1 "+a+"}}")
			}
		}
	}
	return all
}
