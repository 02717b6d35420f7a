#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# 20 disks at once: driver and servers together need less than 256 MiB.
#
# limit: 300

source ./tests/functions.sh
source ./tests/driver-functions.sh
requires jq
requires nbdkit
skip_if_sanitizer "memory is not the program's own"
requires_file /proc/self/smaps_rollup

tmpdir
export TMPDIR=$tmp
limit=$((256 * 1024))           # KiB

# 5 VMs with 4 disks each, which are all that run at once of one VM.
mkdir "$tmp/ova"
make_disk "$tmp/disk.raw" 64M 24M
for vm in vm1 vm2 vm3 vm4 vm5; do
  make_ova --name $vm --mf none "$tmp/ova/$vm.ova" "$tmp/disk.raw" \
    "$tmp/disk.raw" "$tmp/disk.raw" "$tmp/disk.raw"
done
make_plan "$tmp/ova" vm1 vm2 vm3 vm4 vm5 >"$tmp/plan.yaml"
out=$tmp/out

# One at a time would need too little to tell anything.
"$NBDLIFT" run "$tmp/plan.yaml" --output "$out" --rate 60M >"$tmp/log" 2>&1 &
pid=$!

# Proportional set sizes: pages that are shared count once.
peak=0
most=0
while kill -0 "$pid" 2>/dev/null; do
  sum=0
  for p in $pid $(our_servers); do
    kib=$(awk '/^Pss:/ { print $2 }' "/proc/$p/smaps_rollup" 2>/dev/null) ||
      continue
    sum=$((sum + ${kib:-0}))
  done
  [ "$sum" -le "$peak" ] || peak=$sum
  running=$(jq '[.status.migration.vms[].pipeline[].tasks[]? |
      select (.phase == "Running")] | length' \
    "$out/.nbdlift/mig/plan1/status.json" 2>/dev/null) || running=
  [ "${running:-0}" -le "$most" ] || most=$running
  sleep 0.1
done
wait "$pid" || { cat "$tmp/log"; fail "the run failed"; }
echo "$most disks at once, at most $peak KiB"
[ "$most" -eq 20 ] || fail "not all disks were copied at once"
[ "$peak" -gt 10240 ] || fail "that was not measured"
[ "$peak" -lt "$limit" ] || fail "too much memory"
for vm in vm1 vm2 vm3 vm4 vm5; do
  for i in 0 1 2 3; do
    same_disk "$tmp/disk.raw" "$(volume_of "$out" $vm $i)"
  done
done
