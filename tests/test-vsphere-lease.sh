#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Reading by way of a lease (HttpNfcLease): datastores without files,
# streams that end early, lie or do not match their checksum; what is left
# on the source afterwards.

source ./tests/functions.sh
source ./tests/vcsim-functions.sh
source ./tests/driver-functions.sh
source ./tests/vsphere-functions.sh
requires jq
tmpdir

make_disk "$tmp/a.raw" 40M 20M
make_disk "$tmp/b.raw" 12M 2M
cat >"$tmp/vc.json" <<EOF
{"vms": [{"name": "san", "power": "on", "tools": "running",
   "disks": [{"file": "$tmp/a.raw", "noExtent": true},
             {"file": "$tmp/b.raw", "noExtent": true, "bus": "sata"}],
   "nics": [{}]},
  {"name": "plain", "power": "off",
   "disks": [{"file": "$tmp/b.raw"}], "nics": [{}]}],
 "esx": [{}]}
EOF
start_vcsim "$tmp/vc.json"
# In the order of the VM as we have it: SATA first.
vsphere_plan "name: san" >"$tmp/plan.yaml"

run () {
  "$NBDLIFT" run "$tmp/plan.yaml" --output "$tmp/out" "$@"
}

nothing_left () {
  [ "$(vcsim_counter leases_open)" -eq 0 ] ||
    fail "$(vcsim_counter leases_open) leases are open"
  expect_no_sessions
}

# ------------------------------------------------- chosen by itself

expect_status 0 run
expect_output 'by way of export: .*no files that /folder shows'
same_disk "$tmp/b.raw" "$(volume_of "$tmp/out" san 0)"
same_disk "$tmp/a.raw" "$(volume_of "$tmp/out" san 1)"
[ "$(vcsim_counter leases_completed)" -eq 2 ]
[ "$(vcsim_counter folder_requests)" -eq 0 ]
nothing_left
# Zeroes are holes, and digests are those of the disk.
[ "$(allocated "$(volume_of "$tmp/out" san 1)")" -lt $((24 << 20)) ]
expect_status 0 "$NBDLIFT" verify "$tmp/plan.yaml" --output "$tmp/out" \
  --no-source

# ------------------------------------------------- forced

expect_status 3 run --transport=folder
expect_output 'use export or vddk'
plan_name=plan2
vsphere_plan "name: plain" >"$tmp/plan.yaml"
expect_status 0 run --transport=export
same_disk "$tmp/b.raw" "$(volume_of "$tmp/out" plain 0)"
# Nothing can serve it.
expect_error 'can be copied, but not served' "$NBDLIFT" serve \
  "$tmp/plan.yaml" plain --transport=export --run true
nothing_left

# ------------------------------------------------- /folder is refused

plan_name=plan0
vsphere_plan "name: plain" >"$tmp/plan.yaml"
for code in 403 404 500; do
  rm -rf "$tmp/out"
  vcsim_rule "{\"status\": $code}"
  expect_status 0 run
  expect_output "by way of export: .*refuses /folder .*status $code"
  same_disk "$tmp/b.raw" "$(volume_of "$tmp/out" plain 0)"
  nothing_left
  vcsim_clear_rules
done

# ------------------------------------------------- what goes wrong

plan_name=plan3
vsphere_plan "name: plain" >"$tmp/plan.yaml"
bad () {
  local aborted
  aborted=$(vcsim_counter leases_aborted)
  expect_status 4 run --transport=export
  expect_output "$1"
  [ ! -e "$tmp/out/target/plain.yaml" ] || rm "$tmp/out/target/plain.yaml"
  [ "$(vcsim_counter leases_aborted)" -eq $((aborted + 1)) ] ||
    fail "the lease was not aborted"
  nothing_left
}
rm -rf "$tmp/out"
vcsim_rule '{"where": "nfc", "truncate": 700000, "count": 1}'
bad 'ended|ends before|closed|partial|incomplete|transfer'
vcsim_set '{"lease_fault": "wrong-sha1"}'
bad 'the export is damaged: .* with SHA-1'
vcsim_set '{"lease_fault": "no-disk-url"}'
bad 'has no disks'
vcsim_set '{"lease_fault": ""}'
vcsim_rule '{"where": "nfc", "status": 404, "count": 1}'
bad '404'
vcsim_set '{"lease_fault": "no-manifest"}'
expect_status 0 run --transport=export
expect_output 'gives no checksum'
same_disk "$tmp/b.raw" "$(volume_of "$tmp/out" plain 0)"
vcsim_set '{"lease_fault": "", "lease_host": "*"}'
rm -rf "$tmp/out"
expect_status 0 run --transport=export
same_disk "$tmp/b.raw" "$(volume_of "$tmp/out" plain 0)"
vcsim_set '{"lease_host": "esx0"}'
rm -rf "$tmp/out"
expect_status 0 run --transport=export
same_disk "$tmp/b.raw" "$(volume_of "$tmp/out" plain 0)"
nothing_left

# A server that stops within its answer is given up after the time that the
# Provider's settings say; one that has not begun is asked once more.
rm -rf "$tmp/out"
vcsim_set '{"lease_host": ""}'
vsphere_settings='{timeout: "2"}'
vsphere_plan "name: plain" >"$tmp/plan.yaml"
stalls='too slow.* last 2 seconds; .* longer timeout'
SECONDS=0
vcsim_rule '{"where": "nfc", "truncate": 700000, "stall_ms": 30000, "count": 1}'
bad "$stalls"
vcsim_clear_rules
vcsim_rule '{"where": "nfc", "delay_ms": 30000, "count": 1}'
expect_status 0 run --transport=export
same_disk "$tmp/b.raw" "$(volume_of "$tmp/out" plain 0)"
vcsim_clear_rules
[ "$SECONDS" -lt 30 ] || fail "it took $SECONDS seconds"
vsphere_settings='{}'
vsphere_plan "name: plain" >"$tmp/plan.yaml"

# ------------------------------------------------- cancelled

rm -rf "$tmp/out"
vcsim_set '{"lease_host": ""}'
"$NBDLIFT" run "$tmp/plan.yaml" --output "$tmp/out" --transport=export \
  --rate=200K >"$tmp/log" 2>&1 &
pid=$!
leases () {
  [ "$(vcsim_counter leases_open)" -gt 0 ]
}
wait_for 30 leases
sleep 1
kill -INT $pid
status=0
wait $pid || status=$?
[ $status -eq 8 ] || { cat "$tmp/log"; fail "status $status"; }
nothing_left
