#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# nbdlift cancel and cleanup of a VM that a run has shut down: it is on
# again on the source, or nothing that tells of it is forgotten.

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
   "disks": [{"file": "$tmp/a.raw"}], "nics": [{}]}]}
EOF
start_vcsim "$tmp/vc.json"
vsphere_plan "name: web" >"$tmp/plan.yaml"
out=$tmp/out

# start: a run that takes long enough, until it copies.
start () {
  "$NBDLIFT" run "$tmp/plan.yaml" --output "$out" --rate=14M \
    >"$tmp/log" 2>&1 &
  pid=$!
  wait_for 60 copies
  [ "$(power_of web)" = off ] || fail "web is on"
}

copies () {
  [ -n "$(find "$out" -name disk-0.journal -size +4300c 2>/dev/null)" ]
}

killed () {
  kill -KILL $pid
  wait $pid || true
  wait_no_servers
  [ "$(power_of web)" = off ] || fail "web is on"
}

nothing_is_left () {
  [ -z "$(find "$out" -name 'disk*' -o -name '.disk*' -o -name '*web*')" ] ||
    fail "left behind: $(find "$out")"
}

echo "== a run that goes on"
start
expect_status 0 "$NBDLIFT" cancel "$tmp/plan.yaml" --output "$out" --vm web
[ "$(power_of web)" = on ] || fail "web stays off"
status=0
wait $pid || status=$?
[ $status -eq 8 ] || { cat "$tmp/log"; fail "status $status"; }
grep -q 'powered on again' "$tmp/log" || fail "not said"
nothing_is_left

echo "== one that was killed; at first the source refuses"
start
killed
find "$out" -name journal.json -exec cp {} "$tmp/journal" \;
sed 's/^\( *password: \).*/\1wrong/' "$tmp/plan.yaml" >"$tmp/wrong.yaml"
! cmp -s "$tmp/plan.yaml" "$tmp/wrong.yaml" || fail "no password in the plan"
expect_status 4 "$NBDLIFT" cancel "$tmp/wrong.yaml" --output "$out"
expect_status 4 "$NBDLIFT" cleanup "$tmp/wrong.yaml" --output "$out" --force
find "$out" -name journal.json -exec cmp {} "$tmp/journal" \; |
  diff /dev/null -
[ -n "$(find "$out" -name journal.json)" ] || fail "the journal is gone"
[ "$(power_of web)" = off ] || fail "web is on"
expect_status 0 "$NBDLIFT" cancel "$tmp/plan.yaml" --output "$out"
[ "$(power_of web)" = on ] || fail "web stays off"
nothing_is_left

echo "== the Migration of the next run cancels it"
start
killed
cat >"$tmp/cancel.yaml" <<EOF
apiVersion: forklift.konveyor.io/v1beta1
kind: Migration
metadata: {name: migration1, namespace: mig}
spec:
  plan: {name: ${plan_name:?}, namespace: mig}
  cancel: [{id: $(vcsim_vm web .moref)}]
EOF
expect_status 8 "$NBDLIFT" run "$tmp/plan.yaml" "$tmp/cancel.yaml" \
  --output "$out"
expect_output 'web: cancelled; what was made for it is removed'
[ "$(power_of web)" = on ] || fail "web stays off"
nothing_is_left

echo "== cleanup --force"
start
killed
expect_status 1 "$NBDLIFT" cleanup "$tmp/plan.yaml" --output "$out"
[ "$(power_of web)" = off ] || fail "web is on"
expect_status 0 "$NBDLIFT" cleanup "$tmp/plan.yaml" --output "$out" --force
[ "$(power_of web)" = on ] || fail "web stays off"
nothing_is_left
