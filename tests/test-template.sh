#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Names by templates: nbdlift template, what check says of templates in a
# plan, and the names in what nbdlift run writes.

source ./tests/functions.sh
source ./tests/driver-functions.sh
requires jq
requires nbdkit

tmpdir
export TMPDIR=$tmp

# nbdlift template.
cat >"$tmp/data.json" <<'JSON'
{"VmName": "Web_01", "PlanName": "plan1", "DiskIndex": 0,
 "RootDiskIndex": 1, "Shared": true}
JSON
# gives WANT TEMPLATE
gives () {
  local got
  got=$("$NBDLIFT" template --data "$tmp/data.json" -- "$2"; echo .) ||
    fail "$2: failed"
  [ "$got" = "$1"$'\n.' ] || fail "$2 gives '$got' instead of '$1'"
}
gives 'Web_01-disk-0' '{{.VmName}}-disk-{{.DiskIndex}}'
gives 'data-0' '{{if eq .DiskIndex .RootDiskIndex}}root{{else}}data{{end}}-{{.DiskIndex}}'
gives 'shared-web-01' \
  '{{if .Shared}}shared-{{end}}{{.VmName | lower | replace "_" "-"}}'
gives 'web-01' '{{mustRegexReplaceAll "[^a-z0-9]+" (lower .VmName) "-"}}'
gives '-3' '{{sub 1 4}}'
gives '' ''
gives 'ab' $'{{- "a" -}} \n {{- "b" -}} \n'

# wrong TEXT TEMPLATE: exit status 3, the words and position of Go
wrong () {
  expect_status 3 "$NBDLIFT" template --data "$tmp/data.json" -- "$2"
  grep -qF -- "$1" <<<"$output" || fail "$2: not '$1'"
}
wrong 'template: template:1:4: executing "template" at <.Nope>: can'\''t evaluate field Nope in type *template.Data' 'a-{{.Nope}}'
wrong "template: template:2: bad character U+007D '}'" $'a\n{{.VmName}'
wrong 'template: template:1: function "nope" not defined' '{{nope}}'
wrong 'template: template:1: unclosed action' '{{'
wrong 'error calling div: runtime error: integer divide by zero' '{{div 1 0}}'

[ "$(echo '{"VmName": "x"}' |
  "$NBDLIFT" template --data - -- '{{.VmName}}')" = x ] ||
  fail "no data from standard input"
expect_status 0 "$NBDLIFT" template -- '{{print 1 2}}'
expect_output '^1 2$'
expect_status 2 "$NBDLIFT" template
expect_status 2 "$NBDLIFT" template a b
expect_status 1 "$NBDLIFT" template --data "$tmp/none.json" -- a
echo '[1]' >"$tmp/list.json"
expect_status 1 "$NBDLIFT" template --data "$tmp/list.json" -- a
expect_output 'is no JSON object'
echo '{' >"$tmp/broken.json"
expect_status 1 "$NBDLIFT" template --data "$tmp/broken.json" -- a
expect_status 0 "$NBDLIFT" template --help

# Plans.
mkdir "$tmp/ova"
make_disk "$tmp/a.raw" 3M 100000
make_disk "$tmp/b.raw" 2M 100000
make_ova --name web --nic 'VM Network' --nic Storage \
  "$tmp/ova/web.ova" "$tmp/a.raw" "$tmp/b.raw"
make_ova --name db.Two --nic 'VM Network' "$tmp/ova/db.ova" "$tmp/b.raw"
networks='[{source: {name: VM Network}, destination: {type: pod}},
  {source: {name: Storage}, destination: {type: multus, name: nad,
   namespace: nets}}]'
out=$tmp/out
plan=$tmp/plan.yaml

# names VM KIND: what a manifest calls its claims, volumes or networks.
names () {
  "$PYTHON" - "$out/target/$1.yaml" "$2" <<'PY'
import sys, yaml
claims, spec = [], None
for d in yaml.safe_load_all(open(sys.argv[1])):
    for o in d["items"] if d["kind"] == "List" else [d]:
        if o["kind"] == "PersistentVolumeClaim":
            claims.append(o["metadata"]["name"])
        else:
            spec = o["spec"]["template"]["spec"]
devices = spec["domain"]["devices"]
volumes = [v["name"] for v in spec["volumes"]]
networks = [n["name"] for n in spec["networks"]]
assert volumes == [d["name"] for d in devices["disks"]]
assert networks == [i["name"] for i in devices["interfaces"]]
assert claims == [v["persistentVolumeClaim"]["claimName"]
                  for v in spec["volumes"]]
print(*{"claims": claims, "volumes": volumes, "networks": networks}[
    sys.argv[2]])
PY
}
# named VM KIND WANT
named () {
  local got
  got=$(names "$1" "$2") || fail "$1: no names of $2"
  [[ $got =~ ^$3$ ]] || fail "$1: $2 are called $got"
}

plan_spec='skipGuestConversion: true
pvcNameTemplateUseGenerateName: false
pvcNameTemplate: "{{.PlanName}}-{{.VmName}}-{{if eq .DiskIndex .RootDiskIndex}}root{{else}}data{{end}}-{{.DiskIndex}}"
volumeNameTemplate: "v-{{.VolumeIndex}}-{{.PVCName}}"
networkNameTemplate: "{{.NetworkType}}{{.NetworkName}}{{.NetworkNamespace}}-{{.NetworkIndex}}"' \
  vm_spec='rootDisk: /dev/sda' make_plan "$tmp/ova" web db.Two >"$plan"
expect_status 0 "$NBDLIFT" check "$plan"
expect_status 0 "$NBDLIFT" run "$plan" --output "$out"
named web claims 'plan1-web-root-0 plan1-web-data-1'
named web volumes 'v-0-plan1-web-root-0 v-1-plan1-web-data-1'
named web networks 'pod-0 multusnadnets-1'
named db.two claims 'plan1-db-two-root-0'
same_disk "$tmp/b.raw" "$out/target/plan1-web-data-1/disk.img"
rm -rf "$out"

# A VM's own templates; names that the API server would generate, and the
# same ones each time.
plan_spec='skipGuestConversion: true
pvcNameTemplate: plan
networkNameTemplate: plan-{{.NetworkIndex}}' \
  vm_spec='pvcNameTemplate: "{{.FileName | trimSuffix \".vmdk\" | lower | replace \".\" \"-\"}}"' \
  make_plan "$tmp/ova" web >"$plan"
expect_status 0 "$NBDLIFT" run "$plan" --output "$out"
named web claims 'web-disk1-[a-z0-9]{5} web-disk2-[a-z0-9]{5}'
named web volumes 'vol-0 vol-1'
named web networks 'plan-0 plan-1'
before=$(names web claims)
rm -rf "$out"
expect_status 0 "$NBDLIFT" run "$plan" --output "$out"
[ "$(names web claims)" = "$before" ] || fail "other names in another run"
rm -rf "$out"

# refused TEXT: run and check say so, and nothing is there.
refused () {
  expect_status 3 "$NBDLIFT" run "$plan" --output "$out"
  expect_output "$1"
  [ ! -e "$out/target" ] || [ -z "$(find "$out/target" -type f)" ] ||
    fail "something was made"
  rm -rf "$out"
  expect_status 3 "$NBDLIFT" check "$plan"
  expect_output "$1"
}
exact='skipGuestConversion: true
pvcNameTemplateUseGenerateName: false'
vm_spec=

# Syntax and unknown fields: at the place of the field, without a source.
plan_spec="$exact
pvcNameTemplate: 'a{{.VmName}'" make_plan "$tmp/ova" web >"$plan"
line=$(grep -n 'pvcNameTemplate:' "$plan" | cut -d: -f1)
column=$(sed -n "${line}p" "$plan" | grep -bo "'" | head -1 | cut -d: -f1)
refused "^$plan:$line:$((column + 1)): error: .*spec.pvcNameTemplate: line 1, column 4 of the template: template: template:1: bad character"
expect_status 3 "$NBDLIFT" check --schema-only "$plan"
plan_spec="$exact
volumeNameTemplate: '{{.VmName}}'" make_plan "$tmp/ova" web >"$plan"
refused 'spec.volumeNameTemplate: line 1, column 3 of .*field VmName .*are .PVCName'
vm_spec="networkNameTemplate: '{{.PVCName}}'" \
  make_plan "$tmp/ova" web >"$plan"
refused 'spec.vms\[0\].networkNameTemplate: .*field PVCName'

# What depends on the VMs.
plan_spec="$exact
pvcNameTemplate: '{{.PlanName}}'" make_plan "$tmp/ova" web >"$plan"
refused "VM web: disk 1: pvcNameTemplate .*gives 'plan1', which is the name of disk 0"
plan_spec="$exact
pvcNameTemplate: 'disk-{{.DiskIndex}}'" \
  make_plan "$tmp/ova" web db.Two >"$plan"
refused 'VM db.Two: the volume of disk 0 would be called disk-0, as that of disk 0 of VM web \(spec.vms\[0\]\)'
plan_spec="$exact
pvcNameTemplate: '{{.VmName | upper}}-{{.DiskIndex}}'" \
  make_plan "$tmp/ova" web >"$plan"
refused "gives 'WEB-0', which is no name"
plan_spec="$exact
pvcNameTemplate: '{{repeat 16 .VmName}}{{repeat 16 \"x\"}}'" \
  make_plan "$tmp/ova" web >"$plan"
refused 'which is no name: a name has 1 to 63'
plan_spec="$exact
networkNameTemplate: 'net'" make_plan "$tmp/ova" web >"$plan"
refused "VM web: NIC 1: networkNameTemplate .*'net', which is the name of NIC 0"
plan_spec="$exact
pvcNameTemplate: '{{substr 9 12 .VmName}}'" make_plan "$tmp/ova" web >"$plan"
refused 'slice bounds out of range \[9:3\]'

# targetName is what .VmName is.
plan_spec="$exact
pvcNameTemplate: '{{.VmName}}-{{.DiskIndex}}'" \
  vm_spec='targetName: shop.front' make_plan "$tmp/ova" web >"$plan"
expect_status 0 "$NBDLIFT" run "$plan" --output "$out"
named shop.front claims 'shop-front-0 shop-front-1'
