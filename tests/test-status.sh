#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# status.migration has Forklift's shape; a run of some VMs keeps what is
# known of the others, and each run is in the history.

source ./tests/functions.sh
source ./tests/driver-functions.sh
requires jq
requires nbdkit

tmpdir
export TMPDIR=$tmp
mkdir "$tmp/ova"
make_disk "$tmp/web.raw" 4M 1000000
make_disk "$tmp/db.raw" 32M 30000000
make_disk "$tmp/app.raw" 4M 1000000
for vm in web db; do
  make_ova --name "$vm" --format raw "$tmp/ova/$vm.ova" "$tmp/$vm.raw"
done
make_ova --name app "$tmp/ova/app.ova" "$tmp/app.raw"
vm_spec='rootDisk: /dev/sda'
make_plan "$tmp/ova" web db app >"$tmp/plan.yaml"
cat >>"$tmp/plan.yaml" <<EOF
---
apiVersion: forklift.konveyor.io/v1beta1
kind: Migration
metadata: {name: migration1, namespace: mig, uid: u-1}
spec: {plan: {name: plan1, namespace: mig}}
EOF
out=$tmp/out

status_of () {
  "$NBDLIFT" status "$tmp/plan.yaml" --output "$out" -f json
}

# is FILTER: it holds for the status.
is () {
  status_of | jq -e "$1" >"$tmp/verdict" ||
    { status_of; fail "not so: $1"; }
}

echo "== one VM, with all fields"
expect_status 0 "$NBDLIFT" run "$tmp/plan.yaml" --output "$out" --vm db -q
is '.status.migration.vms | map (.name) == ["db"]'
is '.status.migration.vms[0] | .restorePowerState == "Off" and
  .rootDisk == "/dev/sda" and .conditions[0].type == "Succeeded" and
  ([.pipeline[].name] == ["Initialize", "DiskTransfer",
                          "VirtualMachineCreation"]) and
  all (.pipeline[]; .phase == "Completed" and .started and .completed and
    .description and .progress.completed == .progress.total)'
is '.status.migration.vms[0].pipeline[1] |
  .annotations.unit == "MB" and .progress.total == 32 and
  (.tasks | length) == 1 and .tasks[0].progress.total == 32'
is '.status.migration.history | length == 1 and (.[0] |
  .provider.source.name == "ova" and .provider.destination.name == "host" and
  .plan.name == "plan1" and .map.network.name == "networks" and
  .map.storage.name == "storages" and
  .migration == {namespace: "mig", name: "migration1", uid: "u-1"})'

echo "== another one: the first stays"
status_of | jq '.status.migration.vms[0]' >"$tmp/db.json"
expect_status 0 "$NBDLIFT" run "$tmp/plan.yaml" --output "$out" --vm web -q
is '.status.migration.vms | map (.name) == ["db", "web"]'
is '.status.migration.history | length == 2'
status_of | jq '.status.migration.vms[0]' | diff -u "$tmp/db.json" -

echo "== one that fails: in which phase, and why"
cp "$tmp/ova/app.ova" "$tmp/app.ova"
head -c 100000 /dev/zero | dd of="$tmp/ova/app.ova" conv=notrunc bs=1000 \
  seek=500 status=none
expect_status 4 "$NBDLIFT" run "$tmp/plan.yaml" --output "$out" --vm app \
  --no-verify-manifest -q
cp "$tmp/app.ova" "$tmp/ova/app.ova"
is '.status.migration.vms | map (.name) == ["db", "web", "app"]'
is '.status.migration.vms[2] | .phase == "Completed" and
  .conditions[0].type == "Failed" and
  .error.phase == "CopyDisks" and (.error.reasons | length) >= 1 and
  .pipeline[1].error.phase == "Running" and
  .pipeline[1].error == .pipeline[1].tasks[0].error and
  .pipeline[1].error.reasons == .error.reasons and
  .pipeline[2].phase == "Pending" and (.pipeline[2] | has ("error") | not)'

echo "== one that is killed; nothing runs any more when others have run"
rm -r "$out"
"$NBDLIFT" run "$tmp/plan.yaml" --output "$out" --vm db --rate 4M -q &
pid=$!
running='.status.migration.vms[0].pipeline[1].tasks[0].phase == "Running"'
until status_of 2>/dev/null | jq -e "$running" >/dev/null; do
  kill -0 "$pid" || fail "it ended too early"
  sleep 0.1
done
kill -KILL "$pid"
wait "$pid" || true
wait_no_servers
expect_status 0 "$NBDLIFT" run "$tmp/plan.yaml" --output "$out" --vm web -q
is '.status.migration.vms | map (.name) == ["db", "web"]'
is '[.. | select (type == "object" and .phase == "Running")] | length == 0'
is '.status.migration.vms[0].pipeline[1].tasks[0].phase == "Pending"'
expect_status 0 "$NBDLIFT" run "$tmp/plan.yaml" --output "$out" -q
is '.status.migration.vms | map (.name) == ["db", "web", "app"] and
  all (.[]; .conditions[0].type == "Succeeded")'
same_disk "$tmp/db.raw" "$(volume_of "$out" db 0)"
