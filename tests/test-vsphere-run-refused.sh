#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# What must stop a run before anything is touched: the VMs stay on, no file
# is read, nothing is made at the target.

source ./tests/functions.sh
source ./tests/vcsim-functions.sh
source ./tests/driver-functions.sh
source ./tests/vsphere-functions.sh
requires jq
tmpdir

make_disk "$tmp/a.raw" 8M 2M
cat >"$tmp/vc.json" <<EOF
{"datacenters": [{"name": "DC0", "hosts": [{"name": "DC0_H0"}],
   "datastores": [{"name": "datastore1"}, {"name": "other"}],
   "networks": [{"name": "VM Network"}, {"name": "DMZ"}]}],
 "vms": [
  {"name": "nic", "power": "on", "tools": "running",
   "disks": [{"file": "$tmp/a.raw"}],
   "nics": [{"network": "VM Network"}, {"network": "DMZ"}]},
  {"name": "store", "power": "on", "tools": "running", "datastore": "other",
   "disks": [{"file": "$tmp/a.raw", "datastore": "other"}], "nics": [{}]},
  {"name": "sleeping", "power": "suspended", "tools": "running",
   "disks": [{"file": "$tmp/a.raw"}], "nics": [{}]},
  {"name": "fine", "power": "on", "tools": "running",
   "disks": [{"file": "$tmp/a.raw"}], "nics": [{}]}]}
EOF
start_vcsim "$tmp/vc.json"

# refused PATTERN VM...: with a VM that is fine before it, which is not
# touched either.
refused () {
  local pattern=$1
  shift
  vsphere_plan "name: fine" "$@" >"$tmp/plan.yaml"
  expect_status 3 "$NBDLIFT" run "$tmp/plan.yaml" --output "$tmp/out"
  expect_output "$pattern"
  expect_error "$pattern" "$NBDLIFT" check "$tmp/plan.yaml"
  [ ! -e "$tmp/out" ] || fail "something was made at the target"
  [ "$(vcsim_counter power_changes)" -eq 0 ] || fail "a VM was touched"
  # The first bytes, to see whether files can be read, are all.
  [ "$(vcsim_counter folder_bytes)" -le 100 ] || fail "files were read"
  expect_no_sessions
}

refused "error: .*NIC 2 is on network 'DMZ'.*does not map" 'name: nic'
refused "error: .*is on storage 'other'.*does not map" 'name: store'
refused 'error: .*is suspended' 'name: sleeping'
refused 'error: .*no .*nobody|error: .*nobody' 'name: nobody'

# Two NICs for the pod network.
vsphere_networks='[{source: {name: VM Network}, destination: {type: pod}},
  {source: {name: DMZ}, destination: {type: pod}}]'
refused 'NICs are mapped to the pod network' 'name: nic'

# The one that was fine is.
vsphere_networks='[{source: {name: VM Network}, destination: {type: pod}}]'
vsphere_plan "name: fine" >"$tmp/plan.yaml"
expect_status 0 "$NBDLIFT" run "$tmp/plan.yaml" --output "$tmp/out"
same_disk "$tmp/a.raw" "$(volume_of "$tmp/out" fine 0)"
