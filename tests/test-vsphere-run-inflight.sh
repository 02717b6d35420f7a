#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The limit of disks in flight is one per ESXi host: a host whose VMs wait
# stops none of another.  A VM that waits is still on.

source ./tests/functions.sh
source ./tests/vcsim-functions.sh
source ./tests/driver-functions.sh
source ./tests/vsphere-functions.sh
requires jq
tmpdir
export TMPDIR=$tmp

make_disk "$tmp/a.raw" 16M 12M
vm () {
  echo "{\"name\": \"$1\", \"host\": \"$2\", \"power\": \"on\",
    \"tools\": \"running\", \"nics\": [{}],
    \"disks\": [{\"file\": \"$tmp/a.raw\"}]}"
}
cat >"$tmp/vc.json" <<EOF
{"datacenters": [{"hosts": [{"name": "DC0_H0", "moref": "host-21"},
                            {"name": "DC0_H1", "moref": "host-22"}]}],
 "vms": [$(vm a1 DC0_H0), $(vm a2 DC0_H0), $(vm b1 DC0_H1), $(vm b2 DC0_H1)]}
EOF
start_vcsim "$tmp/vc.json"
vsphere_plan 'name: a1' 'name: a2' 'name: b1' 'name: b2' >"$tmp/plan.yaml"
out=$tmp/out
state=$out/.nbdlift/mig/plan1

# most_at_once VM...: of the samples of these VMs.
most_at_once () {
  local vm
  for vm; do
    cat "$state/vms/$vm"/*.samples
  done | cut -d ' ' -f 1 | sort -n | uniq -c |
    awk '$1 > n { n = $1 } END { print n + 0 }'
}

waits='disks are in flight at once on host'
room='the VM waits for room for 1, after those before it.'
expected="a2 At most 1 $waits host-21: $room|b2 At most 1 $waits host-22: $room"
pending () {
  [ "$(jq -r '[.status.migration.vms[] | select (.conditions[0].type ==
    "Pending") | .name + " " + .conditions[0].message] | join ("|")' \
    "$state/status.json" 2>/dev/null)" = "$expected" ]
}

"$NBDLIFT" run "$tmp/plan.yaml" --output "$out" --max-inflight=1 --rate=4M \
  >"$tmp/log" 2>&1 &
pid=$!
wait_for 30 pending
[ "$(power_of a2) $(power_of b2)" = 'on on' ] || fail "one that waits is off"
wait "$pid" || { cat "$tmp/log"; fail "status $?"; }
[ "$(most_at_once a1 a2)" -eq 1 ] || fail "$(most_at_once a1 a2) of host-21"
[ "$(most_at_once b1 b2)" -eq 1 ] || fail "$(most_at_once b1 b2) of host-22"
[ "$(most_at_once a1 a2 b1 b2)" -eq 2 ] || fail "the hosts take turns"
for name in a1 a2 b1 b2; do
  same_disk "$tmp/a.raw" "$(volume_of "$out" "$name" 0)"
  [ "$(power_of "$name")" = off ] || fail "$name is on"
done
jq -e 'all (.status.migration.vms[]; .restorePowerState == "On")' \
  "$state/status.json" >"$tmp/verdict" || fail "it was not on, they say"
expect_no_sessions
no_servers
