#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Never more disks in flight than allowed, per host where the source has
# hosts; VMs begin in the order of the plan, also when one with many disks
# is among them; a VM that waits says for what.

source ./tests/functions.sh
source ./tests/driver-functions.sh
requires jq
requires nbdkit

tmpdir
export TMPDIR=$tmp
mkdir "$tmp/ova"
for vm in one two four five; do
  make_disk "$tmp/$vm.raw" 8M 7000000
  make_ova --name "$vm" --format raw "$tmp/ova/$vm.ova" "$tmp/$vm.raw"
done
for i in 0 1 2 3 4; do
  make_disk "$tmp/big$i.raw" 4M 3000000
done
make_ova --name big --format raw "$tmp/ova/big.ova" "$tmp"/big?.raw
make_plan "$tmp/ova" one two big four five >"$tmp/plan.yaml"
out=$tmp/out
state=$out/.nbdlift/mig/plan1

# most_at_once: of all samples, which are taken of all disks at once.
most_at_once () {
  cat "$state"/vms/*/*.samples | cut -d ' ' -f 1 | sort -n | uniq -c |
    awk '$1 > n { n = $1 } END { print n + 0 }'
}

# begun: the VMs in the order of their first events.
begun () {
  jq -r 'select (.vm and .step) | .vm' "$1" | awk '!seen[$0]++' |
    paste -s -d ' '
}

# of NAME FILTER: of the status of that VM.
of () {
  jq -r --arg name "$1" ".status.migration.vms[] |
    select (.name == \$name) | $2" "$state/status.json" 2>/dev/null
}

all_right () {
  local vm i
  for vm in one two four five; do
    same_disk "$tmp/$vm.raw" "$(volume_of "$out" "$vm" 0)"
  done
  for i in 0 1 2 3 4; do
    same_disk "$tmp/big$i.raw" "$(volume_of "$out" big "$i")"
  done
}

echo "== three at once; big wants four and is not overtaken"
"$NBDLIFT" run "$tmp/plan.yaml" --output "$out" --max-inflight=3 \
  --rate=4M --machine-readable=5 5>"$tmp/json" 2>"$tmp/log" &
pid=$!
waited=
while kill -0 "$pid" 2>/dev/null; do
  if [ -z "$waited" ] && [ "$(of big '.conditions[0].type')" = Pending ]; then
    waited=$(of big '.conditions[0].message')
    [ "$(of big '[.pipeline[].phase] | unique[]')" = Pending ] ||
      fail "big waits and works"
    [ "$(of five '.conditions[0].type')" = Pending ] ||
      fail "five does not wait"
  fi
  sleep 0.05
done
wait "$pid" || { cat "$tmp/log"; fail "status $?"; }
[ "$waited" = 'At most 3 disks are in flight at once from the provider: the '\
'VM waits for room for 3, after those before it.' ] ||
  fail "it said: '$waited'"
[ "$(most_at_once)" -eq 3 ] || fail "$(most_at_once) disks at once"
# Two that begin at the same time can come in either order.
grep -Eqx '(one two|two one) big (four five|five four)' \
  <<<"$(begun "$tmp/json")" || fail "began as $(begun "$tmp/json")"
[ "$(of big .conditions[0].type)" = Succeeded ] || fail "big still waits"
all_right

echo "== the Provider's setting; the option wins"
rm -r "$out"
sed "s|{type: ova, url: |{type: ova, settings: {maxInflight: \"1\"}, url: |" \
  "$tmp/plan.yaml" >"$tmp/one.yaml"
! cmp -s "$tmp/plan.yaml" "$tmp/one.yaml" || fail "no Provider to change"
expect_status 0 "$NBDLIFT" run "$tmp/one.yaml" --output "$out" --rate=3M \
  --vm one --vm two --vm four -q
[ "$(most_at_once)" -eq 1 ] || fail "$(most_at_once) disks at once"
rm -r "$out"
expect_status 0 "$NBDLIFT" run "$tmp/one.yaml" --output "$out" --rate=3M \
  --vm one --vm two --max-inflight=2 -q
[ "$(most_at_once)" -eq 2 ] || fail "$(most_at_once) disks at once"

echo "== no more than --memory has buffers for"
rm -r "$out"
expect_status 0 "$NBDLIFT" run "$tmp/plan.yaml" --output "$out" --rate=20M \
  --memory=2M -q
[ "$(most_at_once)" -le 2 ] || fail "$(most_at_once) disks at once"
all_right

echo "== a VM that waits is cancelled at once"
rm -r "$out"
"$NBDLIFT" run "$tmp/plan.yaml" --output "$out" --max-inflight=1 --rate=4M \
  --vm one --vm two --vm four >"$tmp/log" 2>&1 &
pid=$!
while [ "$(of four '.conditions[0].type')" != Pending ]; do
  kill -0 "$pid" || { cat "$tmp/log"; fail "it has ended"; }
  sleep 0.05
done
expect_status 0 "$NBDLIFT" cancel "$tmp/plan.yaml" --output "$out" --vm four
expect_output 'four: cancelled by the run'
[ "$(of one '.conditions[0].type // "runs"')" != Succeeded ] ||
  fail "it took until one was done"
kill -INT "$pid"
status=0
wait "$pid" || status=$?
cat "$tmp/log"
[ "$status" -eq 8 ] || fail "status $status"
[ "$(of two '.conditions[0].type')" = Canceled ] || fail "two is not"
no_servers

echo "== what is no limit"
for n in 0 x 1001 -1 ''; do
  expect_status 2 "$NBDLIFT" run "$tmp/plan.yaml" -o "$out" --max-inflight="$n"
  sed "s|\"1\"|\"$n\"|" "$tmp/one.yaml" >"$tmp/bad.yaml"
  expect_status 3 "$NBDLIFT" check "$tmp/bad.yaml"
  expect_output 'maxInflight: '.*' is not a number from 1 to 1000'
  expect_status 3 "$NBDLIFT" run "$tmp/bad.yaml" -o "$out"
done
