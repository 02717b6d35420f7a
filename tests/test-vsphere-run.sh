#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# nbdlift run with VMs on (a simulated) vCenter: bytes, power, sessions.

source ./tests/functions.sh
source ./tests/vcsim-functions.sh
source ./tests/driver-functions.sh
source ./tests/vsphere-functions.sh
requires jq
requires nbdcopy --version
tmpdir

make_disk "$tmp/a.raw" 48M 20M
make_disk "$tmp/b.raw" 20M 5M
make_disk "$tmp/c.raw" 16M 3M
cat >"$tmp/vc.json" <<EOF
{"vms": [
  {"name": "web", "power": "on", "tools": "running", "firmware": "efi",
   "cpus": 4, "coresPerSocket": 2, "memoryMB": 3072,
   "disks": [{"file": "$tmp/a.raw"}, {"file": "$tmp/b.raw"}],
   "nics": [{"mac": "00:50:56:aa:bb:01"}]},
  {"name": "db", "power": "off", "disks": [{"file": "$tmp/c.raw"}],
   "nics": [{}]},
  {"name": "deaf", "power": "on", "tools": "notRunning",
   "disks": [{"file": "$tmp/c.raw"}], "nics": [{}]}],
 "settings": {"shutdown_s": 1}}
EOF
start_vcsim "$tmp/vc.json"
web=$(vcsim_vm web .moref)

run () {
  "$NBDLIFT" run "$tmp/plan.yaml" --output "$tmp/out" "$@"
}

# ------------------------------------------------- one by id, one by name

vsphere_plan "id: $web" "name: db" >"$tmp/plan.yaml"
expect_status 0 run
expect_output 'web: .*guest is asked to shut down'
expect_output 'by way of folder'
same_disk "$tmp/a.raw" "$(volume_of "$tmp/out" web 0)"
same_disk "$tmp/b.raw" "$(volume_of "$tmp/out" web 1)"
same_disk "$tmp/c.raw" "$(volume_of "$tmp/out" db 0)"
[ "$(power_of web)" = off ] || fail "the source of a migrated VM is on"
expect_no_sessions

manifest () {
  "$PYTHON" -c '
import json, sys, yaml
print(json.dumps([d for d in yaml.safe_load_all(open(sys.argv[1]))
                  if d["kind"] == "VirtualMachine"][0]))' \
    "$tmp/out/target/$1.yaml" | jq -r "$2"
}
[ "$(manifest web .spec.runStrategy)" = Always ] ||
  fail "web was on, and its runStrategy is $(manifest web .spec.runStrategy)"
[ "$(manifest db .spec.runStrategy)" = Halted ]
[ "$(manifest web '.spec.template.spec.domain |
  "\(.cpu.sockets) \(.cpu.cores) \(.memory.guest)"')" = "2 2 3Gi" ]
[ "$(manifest web \
  '.spec.template.spec.domain.devices.interfaces[0].macAddress')" = \
  00:50:56:aa:bb:01 ]
[ "$(manifest web \
  '.spec.template.spec.domain.firmware.bootloader | has("efi")')" = true ]

# Again: nothing to do, and the source is left alone.
expect_status 0 run
expect_output 'nothing to copy'
[ "$(power_of web)" = off ]

# targetPowerState wins over the source's.
vcsim_power web on
plan_name=plan2 plan_spec='skipGuestConversion: true
targetPowerState: "off"' vsphere_plan "id: $web" >"$tmp/plan.yaml"
expect_status 0 "$NBDLIFT" run "$tmp/plan.yaml" --output "$tmp/out2"
grep -q 'runStrategy: Halted' "$tmp/out2/target/web.yaml"
expect_no_sessions

# ------------------------------------------------- a guest that cannot hear

vsphere_plan "name: deaf" >"$tmp/plan.yaml"
expect_status 4 run
expect_output 'no guest tools run'
[ "$(power_of deaf)" = on ] || fail "the VM was powered off unasked"
expect_status 0 run --force-power-off
expect_output 'is powered off'
same_disk "$tmp/c.raw" "$(volume_of "$tmp/out" deaf 0)"

# One that takes too long.
vcsim_power web on
vcsim_set '{"shutdown_s": -1}'
plan_name=plan3 vsphere_plan "name: web" >"$tmp/plan.yaml"
expect_status 4 run --output "$tmp/out3" --shutdown-timeout=1
expect_output 'has not shut down within 1 seconds'
[ "$(power_of web)" = on ]
expect_no_sessions

# ------------------------------------------------- trust

vsphere_secret="thumbprint: \"$vc_other_thumbprint\"" \
  vsphere_plan "name: db" >"$tmp/plan.yaml"
expect_status 4 run --output "$tmp/out4"
expect_output "$vc_thumbprint"
expect_output "$vc_other_thumbprint"

echo "ok"
