#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# A source VM that we have shut down is on again when the migration does
# not come to its end: cancelled, failed, killed and started again.

source ./tests/functions.sh
source ./tests/vcsim-functions.sh
source ./tests/driver-functions.sh
source ./tests/vsphere-functions.sh
requires jq
tmpdir
export TMPDIR=$tmp              # what is killed leaves its files there

make_disk "$tmp/a.raw" 64M 50M
cat >"$tmp/vc.json" <<EOF
{"vms": [{"name": "web", "power": "on", "tools": "running",
   "disks": [{"file": "$tmp/a.raw"}], "nics": [{}]},
  {"name": "old", "power": "off",
   "disks": [{"file": "$tmp/a.raw"}], "nics": [{}]}]}
EOF
start_vcsim "$tmp/vc.json"
vsphere_plan "name: web" >"$tmp/plan.yaml"

# The copy takes long enough to be interrupted.
slow () {
  "$NBDLIFT" run "$tmp/plan.yaml" --output "$tmp/out" --rate=14M \
    >"$tmp/log" 2>&1 &
  pid=$!
}

copies () {
  [ -n "$(find "$tmp/out" -name disk-0.journal -size +4300c 2>/dev/null)" ]
}

journal () {
  jq -r "$1" "$tmp/out/.nbdlift/mig/$plan_name/vms/web/journal.json"
}

# ------------------------------------------------- cancelled in the middle

slow
wait_for 60 copies
[ "$(power_of web)" = off ]
[ "$(journal .power.poweredOff)" = true ]
kill -INT $pid
status=0
wait $pid || status=$?
[ $status -eq 8 ] || { cat "$tmp/log"; fail "status $status"; }
grep -q 'powered on again' "$tmp/log"
[ "$(power_of web)" = on ] || fail "a cancelled VM stays off"
[ "$(journal .power)" = null ]
[ -z "$(find "$tmp/out" -name 'disk.img*')" ] ||
  fail "copies that are of no use any more are still there"
wait_no_servers
expect_no_sessions

# ------------------------------------------------- killed, and begun again

slow
wait_for 60 copies
kill -KILL $pid
wait $pid || true
wait_no_servers
[ "$(power_of web)" = off ]
requests=$(vcsim_counter folder_bytes)
expect_status 0 "$NBDLIFT" run "$tmp/plan.yaml" --output "$tmp/out"
expect_output 'already there and right'
same_disk "$tmp/a.raw" "$(volume_of "$tmp/out" web 0)"
[ "$(power_of web)" = off ]
grep -q 'runStrategy: Always' "$tmp/out/target/web.yaml" ||
  fail "the second run has forgotten that the VM was on"
[ $(($(vcsim_counter folder_bytes) - requests)) -lt 67108864 ]

# ------------------------------- killed, begun again, and cancelled then

plan_name=plan2
vsphere_plan "name: web" >"$tmp/plan.yaml"
vcsim_power web on
slow
wait_for 60 copies
kill -KILL $pid
wait $pid || true
wait_no_servers
[ "$(power_of web)" = off ]
slow
sleep 1
kill -INT $pid
wait $pid || true
[ "$(power_of web)" = on ] || { cat "$tmp/log"; fail "web stays off"; }

# Who is killed cannot log out, nor can his nbdkit: the server ends these
# sessions when they have been idle for long enough.
killed=$(vcsim_counter sessions)
[ "$killed" -le 4 ] || fail "$killed sessions are open after two kills"

# ------------------------------------------- the source fails in the middle

vcsim_rule '{"where": "folder", "status": 403, "skip": 20, "count": 1000}'
expect_status 4 "$NBDLIFT" run "$tmp/plan.yaml" --output "$tmp/out"
expect_output 'powered on again'
[ "$(power_of web)" = on ]
vcsim_clear_rules
vcsim_rule '{"where": "folder", "status": 403, "skip": 20, "count": 1000}'
expect_status 4 "$NBDLIFT" run "$tmp/plan.yaml" --output "$tmp/out" \
  --leave-off
expect_output 'stays off'
[ "$(power_of web)" = off ]
vcsim_clear_rules
expect_status 0 "$NBDLIFT" run "$tmp/plan.yaml" --output "$tmp/out"
same_disk "$tmp/a.raw" "$(volume_of "$tmp/out" web 0)"

[ "$(vcsim_counter sessions)" -eq "$killed" ] ||
  fail "$(vcsim_counter sessions) sessions are open, $killed of killed runs"

# ----------------------------------- somebody powers it on while it is read

plan_name=plan3
vsphere_plan "name: old" >"$tmp/plan.yaml"
slow
wait_for 60 copies
vcsim_power old on
status=0
wait $pid || status=$?
[ $status -eq 4 ] || { cat "$tmp/log"; fail "status $status"; }
grep -q 'was powered on, not by nbdlift' "$tmp/log" ||
  { cat "$tmp/log"; fail "the reason is not told"; }
[ "$(power_of old)" = on ]
