#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Shared disks of (simulated) vSphere: known by their file, whether the
# server says that they are shared or not; all their VMs are off before they
# are read.

source ./tests/functions.sh
source ./tests/vcsim-functions.sh
source ./tests/driver-functions.sh
source ./tests/vsphere-functions.sh
requires jq
requires nbdkit
tmpdir

for i in 1 2 3 s t; do
  make_disk "$tmp/$i.raw" 8M 2000000
done
shared="\"file\": \"$tmp/s.raw\", \"dir\": \"quorum\", \"name\": \"s\",
        \"sharing\": \"sharingMultiWriter\""
plain="\"file\": \"$tmp/t.raw\", \"dir\": \"quorum\", \"name\": \"t\""
cat >"$tmp/vc.json" <<EOF
{"vms": [
  {"name": "one", "power": "on", "tools": "running", "nics": [{}],
   "disks": [{"file": "$tmp/1.raw"}, {$shared}, {$plain}]},
  {"name": "two", "power": "on", "tools": "running", "nics": [{}],
   "disks": [{"file": "$tmp/2.raw"}, {$plain}, {$shared}]},
  {"name": "three", "power": "on", "tools": "running", "nics": [{}],
   "disks": [{"file": "$tmp/3.raw"}, {$shared}]}],
 "settings": {"shutdown_s": 1}}
EOF
start_vcsim "$tmp/vc.json"

# shellcheck disable=SC2120 # expect_status gives arguments
run () {
  "$NBDLIFT" run "$tmp/plan.yaml" --output "$out" "$@"
}

# claim VM DISK: "PVC shareable".
claim () {
  "$PYTHON" -c '
import sys, yaml
for d in yaml.safe_load_all(open(sys.argv[1])):
    if d["kind"] == "VirtualMachine":
        s = d["spec"]["template"]["spec"]
        n = int(sys.argv[2])
        print(s["volumes"][n]["persistentVolumeClaim"]["claimName"],
              s["domain"]["devices"]["disks"][n].get("shareable"))' \
    "$out/target/$1.yaml" "$2"
}

images () {
  find "$out/target" -name disk.img | wc -l
}

echo "== a VM that is on and shares the disk is not in the plan"
out=$tmp/out
vsphere_plan "name: one" "name: two" >"$tmp/plan.yaml"
expect_status 3 run
expect_output 'shared disk .*quorum/s.vmdk is used by VM three, which is on'
[ ! -e "$out" ] || fail "something was made"
[ "$(power_of one)" = on ]
"$NBDLIFT" check -o json "$tmp/plan.yaml" >"$tmp/check.json" || true
jq -e '[.problems[] | select (.type | startswith ("SharedDisks-vm-")) |
        select (.category == "Critical")] | length == 2' \
  "$tmp/check.json" >"$tmp/verdict" || fail "$(cat "$tmp/check.json")"

echo "== it is off: each disk is copied once, when both VMs are off"
vcsim_power three off
expect_status 0 run --machine-readable=5 5>"$tmp/json"
[ "$(images)" -eq 4 ] || fail "$(images) volumes"
[ "$(claim one 1)" = "$(claim two 2)" ] || fail "s is not one disk"
[ "$(claim one 2)" = "$(claim two 1)" ] || fail "t is not one disk"
[[ $(claim one 1) == *" True" && $(claim one 2) == *" True" ]] ||
  fail "not shareable: $(claim one 1), $(claim one 2)"
[[ $(claim one 0) == *" None" ]] || fail "shareable: $(claim one 0)"
for disk in "one 0 1" "one 1 s" "one 2 t" "two 0 2" "two 1 t" "two 2 s"; do
  read -r vm number file <<<"$disk"
  same_disk "$tmp/$file.raw" "$(volume_of "$out" "$vm" "$number")"
done
read=$(tail -n 1 "$tmp/json" | jq '[.vms[].bytesRead] | add')
[ "$read" -le $((4 * 8 * 1048576)) ] || fail "$read bytes were read"
[ "$(power_of one) $(power_of two)" = "off off" ]
expect_no_sessions

echo "== again"
expect_status 0 run
[ "$(grep -c 'nothing to copy: all' <<<"$output")" -eq 2 ]

echo "== the second plan"
plan_name=plan2 plan_spec='skipGuestConversion: true
migrateSharedDisks: false' vsphere_plan "name: three" >"$tmp/plan.yaml"
expect_status 0 run
[ "$(claim one 1)" = "$(claim three 1)" ] || fail "s is not one disk"
[ "$(images)" -eq 5 ] || fail "$(images) volumes"
expect_status 0 "$NBDLIFT" verify "$tmp/plan.yaml" --output "$out"

echo "== true, where it is there: it is not copied again"
plan_name=plan3 vsphere_plan "name: three" >"$tmp/plan.yaml"
rm "$out/target/three.yaml"
expect_status 0 run
expect_output 'attached as .*copied already'
[ "$(claim one 1)" = "$(claim three 1)" ] || fail "s is not one disk"
[ "$(images)" -eq 6 ] || fail "$(images) volumes"

echo "== one VM fails: it is powered on again, the disk is not torn"
out=$tmp/out2
vcsim_power one on
vcsim_power two on
vcsim_rule '{"where": "folder", "path": "two-flat.vmdk", "status": 404}'
vsphere_plan "name: one" "name: two" >"$tmp/plan.yaml"
status=0
# shellcheck disable=SC2119
run >"$tmp/log" 2>&1 || status=$?
cat "$tmp/log"
[ "$status" -eq 7 ] || [ "$status" -eq 4 ] || fail "status $status"
[ "$(power_of two)" = on ] || fail "two is off"
if [ -e "$out/target/one.yaml" ]; then
  same_disk "$tmp/s.raw" "$(volume_of "$out" one 1)"
  same_disk "$tmp/t.raw" "$(volume_of "$out" one 2)"
else
  grep -q 'two, which has this shared disk too, is not off' "$tmp/log" ||
    fail "why did one fail?"
  [ "$(power_of one)" = on ] || fail "one is off"
fi
vcsim_clear_rules
expect_no_sessions

echo "== one disk in flight at a time"
out=$tmp/out3
vcsim_power one on
vcsim_power two on
expect_status 0 run --max-inflight=1
[ "$(images)" -eq 4 ] || fail "$(images) volumes"
same_disk "$tmp/s.raw" "$(volume_of "$out" two 2)"
expect_no_sessions

echo "== alone, while the other is on"
out=$tmp/out4
vcsim_power two on
expect_status 3 run --vm one
expect_output 'is used by VM two, which is on'
vcsim_power two off
expect_status 0 run --vm one
expect_status 0 run --vm two
[ "$(images)" -eq 4 ] || fail "$(images) volumes"
[ "$(claim one 1)" = "$(claim two 2)" ] || fail "s is not one disk"

echo "ok"
