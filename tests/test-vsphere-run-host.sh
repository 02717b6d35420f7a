#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# A Host resource: disks come straight from the ESXi host.

source ./tests/functions.sh
source ./tests/vcsim-functions.sh
source ./tests/driver-functions.sh
source ./tests/vsphere-functions.sh
requires jq
tmpdir

make_disk "$tmp/a.raw" 24M 9M
cat >"$tmp/vc.json" <<EOF
{"vms": [{"name": "web", "power": "on", "tools": "running",
   "disks": [{"file": "$tmp/a.raw"}], "nics": [{}]}], "esx": [{}],
 "settings": {"shutdown_s": 1}}
EOF
start_vcsim "$tmp/vc.json"
vsphere_plan "name: web" >"$tmp/plan.yaml"
host=$("$NBDLIFT" describe -o json "$tmp/plan.yaml" web | jq -r .host)
vcsim_reset_counters

# host_resource KEY SECRET: a Host with "id: X" or "name: X", and the lines
# of its secret.
host_resource () {
  vsphere_hosts="apiVersion: forklift.konveyor.io/v1beta1
kind: Host
metadata: {name: h0, namespace: mig}
spec:
  $1
  ipAddress: $esx_host
  provider: {name: vcenter, namespace: mig}"
  [ -z "$2" ] || vsphere_hosts="$vsphere_hosts
  secret: {name: esx, namespace: mig}
---
apiVersion: v1
kind: Secret
metadata: {name: esx, namespace: mig, labels: {createdForResourceType: hosts}}
stringData: {$2}"
  vsphere_plan "name: web" >"$tmp/plan.yaml"
}

run () {
  "$NBDLIFT" run "$tmp/plan.yaml" --output "$tmp/out" "$@"
}

login="user: \"$esx_user\", password: \"$esx_password\""

# By id, with the thumbprint of the host in its Secret.
host_resource "id: $host" "$login, thumbprint: \"$esx_thumbprint\""
expect_status 0 run
same_disk "$tmp/a.raw" "$(volume_of "$tmp/out" web 0)"
[ "$(vcsim_counter folder_bytes esx0)" -gt $((9 << 20)) ]
[ "$(vcsim_counter folder_requests vc)" -eq 0 ] ||
  fail "files were read by way of vCenter"
[ "$(power_of web)" = off ]
expect_no_sessions

# By name.
plan_name=plan2
host_resource 'name: DC0_H0' "$login, thumbprint: \"$esx_thumbprint\""
vcsim_reset_counters
expect_status 0 run
[ "$(vcsim_counter folder_requests vc)" -eq 0 ]
same_disk "$tmp/a.raw" "$(volume_of "$tmp/out" web 0)"

# Another host: not for this VM.
plan_name=plan3
host_resource 'id: host-9999' "$login"
vcsim_reset_counters
expect_status 0 run
[ "$(vcsim_counter folder_requests esx0)" -eq 0 ]
same_disk "$tmp/a.raw" "$(volume_of "$tmp/out" web 0)"

# What can be wrong with it.  The VM was shut down for that: it is on again.
plan_name=plan4
vcsim_power web on
host_resource "id: $host" "$login, thumbprint: \"$vc_other_thumbprint\""
expect_status 4 run
expect_output "$esx_thumbprint"
expect_output "$vc_other_thumbprint"
[ "$(power_of web)" = on ]
host_resource "id: $host" \
  "user: \"$esx_user\", password: wrong, thumbprint: \"$esx_thumbprint\""
expect_status 4 run
expect_output 'refuses the user name or the password'
[ "$(power_of web)" = on ]
! grep -rqs -- "$esx_password" "$tmp/out" || fail "a password is in a file"
expect_no_sessions
