#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# nbdlift run from end to end, without conversion: several VMs and disks
# at once, the bytes that arrive, where they arrive, and what is said.

source ./tests/functions.sh
source ./tests/driver-functions.sh
requires jq
requires nbdkit

tmpdir
export TMPDIR=$tmp
mkdir "$tmp/ova"
make_disk "$tmp/a.raw" 24M 5000000
make_disk "$tmp/b.raw" 10500K 700000
make_disk "$tmp/c.raw" 3M 3000000
make_ova --name web --mf sha256 "$tmp/ova/web.ova" "$tmp/a.raw" "$tmp/b.raw"
make_ova --name Db_One --mf sha1 --empty 3000000 "$tmp/ova/db.ova" \
  "$tmp/c.raw"
make_ova --name raw --mf none --format raw "$tmp/ova/raw.ova" "$tmp/b.raw"
make_plan "$tmp/ova" web Db_One raw >"$tmp/plan.yaml"

out=$tmp/out
expect_status 0 "$NBDLIFT" run "$tmp/plan.yaml" --output "$out"
expect_output '^web: Succeeded'
expect_output "^  disk +$out/target/[^ ]*/disk.img \(24 MiB\)"
expect_output "^  manifest +$out/target/web.yaml"
expect_output 'nbdlift: web: DiskTransfer: done in'

same_disk "$tmp/a.raw" "$(volume_of "$out" web 0)"
same_disk "$tmp/b.raw" "$(volume_of "$out" web 1)"
same_disk "$tmp/c.raw" "$(volume_of "$out" db-one 0)"
truncate -s 3000000 "$tmp/empty"
same_disk "$tmp/empty" "$(volume_of "$out" db-one 1)"
same_disk "$tmp/b.raw" "$(volume_of "$out" raw 0)"
no_servers

# Holes stay holes.
[ "$(allocated "$(volume_of "$out" web 0)")" -lt 8000000 ] ||
  fail "the copy of web's first disk is not sparse"

# Layout: five volumes and three manifests under their final names.
(cd "$out/target" && find . -type f | sort) >"$tmp/files"
[ "$(grep -c '/disk\.img$' "$tmp/files")" -eq 5 ] || fail "not five disk.img"
for vm in web db-one raw; do
  grep -qx "./$vm.yaml" "$tmp/files" || fail "no $vm.yaml"
  grep -q 'kind: VirtualMachine' "$out/target/$vm.yaml"
done
cat "$tmp/files"

# The status is that of a succeeded Plan.
"$NBDLIFT" status "$tmp/plan.yaml" --output "$out" -f json >"$tmp/status"
jq -e '.kind == "Plan" and
  (.status.migration.vms | length) == 3 and
  (.status.migration.vms[0].pipeline | map (.name)) ==
    ["Initialize", "DiskTransfer", "VirtualMachineCreation"] and
  all (.status.migration.vms[].pipeline[]; .phase == "Completed" and
       .progress.completed == .progress.total) and
  all (.status.migration.vms[]; .conditions[0].type == "Succeeded") and
  .status.migration.vms[1].newName == "db-one" and
  .status.migration.vms[0].pipeline[1].annotations.unit == "MB" and
  .status.migration.vms[0].pipeline[1].tasks[0].progress.total == 24' \
  "$tmp/status" >"$tmp/verdict" || { cat "$tmp/status"; fail "status"; }

# Again: nothing is copied, nothing is changed, and that is said.
find "$out/target" -type f -printf '%p %i %s %T@\n' | sort >"$tmp/before"
expect_status 0 "$NBDLIFT" run "$tmp/plan.yaml" --output "$out" \
  --machine-readable=5 5>"$tmp/json"
expect_output 'web: nothing to copy'
expect_output '^Db_One: Succeeded, nothing to copy'
tail -n 1 "$tmp/json" | jq -e '.type == "result" and
  .status == "succeeded" and (.vms | length) == 3 and
  all (.vms[]; .bytesRead == 0 and .nothingToCopy)' >"$tmp/verdict"
find "$out/target" -type f -printf '%p %i %s %T@\n' | sort >"$tmp/after"
cmp "$tmp/before" "$tmp/after" || fail "the second run changed something"

# A volume that is gone is made again, alone.
rm "$(volume_of "$out" web 1)"
expect_status 0 "$NBDLIFT" run "$tmp/plan.yaml" --output "$out" \
  --machine-readable=5 5>"$tmp/json"
expect_output 'is gone: it is made again'
same_disk "$tmp/b.raw" "$(volume_of "$out" web 1)"
tail -n 1 "$tmp/json" | jq -e '
  (.vms[0].bytesRead | . > 0 and . < 10752000) and
  .vms[1].bytesRead == 0' >"$tmp/verdict"

# One VM of the plan; the number of disks at once; another state folder.
expect_status 0 "$NBDLIFT" run "$tmp/plan.yaml" --output "$tmp/one" \
  --vm db-one --max-inflight 1 --state "$tmp/state" -q
[ ! -e "$tmp/one/target/web.yaml" ] || fail "--vm is not obeyed"
[ -e "$tmp/one/target/db-one.yaml" ] || fail "db-one was not migrated"
[ -e "$tmp/state/mig/plan1/vms/db-one/journal.json" ] || fail "--state"
! grep -q 'DiskTransfer' <<<"$output" || fail "-q is not quiet"
expect_error "the plan has no such VM" \
  "$NBDLIFT" run "$tmp/plan.yaml" --output "$tmp/one" --vm none
[ "$status" -eq 3 ] || fail "status $status"
