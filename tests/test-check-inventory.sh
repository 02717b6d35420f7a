#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# nbdlift check holds maps against what the source has, and looks for NICs
# that get in each other's way.  All that are warnings, and a run does not
# ask for them.

source ./tests/functions.sh
source ./tests/driver-functions.sh
tmpdir
mkdir "$tmp/in"
make_disk "$tmp/a.raw" 1M 4096
make_ova "$tmp/in/web.ova" "$tmp/a.raw" --name web \
  --nic 'lan,00:50:56:aa:00:01' --nic 'dmz,00:50:56:aa:00:02'
make_ova "$tmp/in/db.ova" "$tmp/a.raw" --name db \
  --nic 'lan,00:50:56:AA:00:02' --nic 'gone,00:50:56:aa:00:01'

networks='[{source: {name: lan},
            destination: {type: multus, namespace: net, name: nad}},
           {source: {name: dmz},
            destination: {type: multus, namespace: net, name: nad}},
           {source: {name: gone}, destination: {type: ignored}}]'
make_plan "$tmp/in" web db >"$tmp/plan.yaml"
expect_status 0 "$NBDLIFT" check "$tmp/plan.yaml"
expect_output \
  'warning: .*VM web: NICs 1 and 2 both go to NetworkAttachmentDefinition nad$'
expect_output \
  'warning: .*VM db: NIC 1 has the MAC address 00:50:56:aa:00:02, as NIC 2 of V'
# the other twin is ignored
[ "$(grep -c 'has the MAC address' <<<"$output")" -eq 1 ] || fail "MACs"
expect_output '^ready: 0 critical, 2 warnings, '

# of VMs that are to be migrated only
sed "/^  - name: \"web\"$/d" "$tmp/plan.yaml" >"$tmp/one.yaml"
grep -q 'name: "web"' "$tmp/one.yaml" && fail "web is still in the plan"
expect_status 0 "$NBDLIFT" check "$tmp/one.yaml"
expect_output '^ready: 0 critical, 0 warnings, '

# Rows for what is not there.
networks='[{source: {name: lan}, destination: {type: pod}},
           {source: {name: Lan}, destination: {type: pod}},
           {source: {id: 0b6c}, destination: {type: pod}},
           {source: {name: dmz}, destination: {type: ignored}},
           {source: {name: gone}, destination: {type: ignored}}]'
storages='[{source: {name: Dummy storage for source provider ova},
            destination: {storageClass: fast}},
           {source: {id: datastore-30}, destination: {storageClass: slow}}]'
make_plan "$tmp/in" db >"$tmp/plan.yaml"
expect_status 0 "$NBDLIFT" check "$tmp/plan.yaml"
expect_output "$tmp/plan.yaml:[0-9]+:[0-9]+: warning: NetworkMap mig/networks:"
expect_output "spec.map\[1\].source: the source has no network with name 'Lan'"
expect_output "spec.map\[2\].source: the source has no network with id '0b6c'"
expect_output "StorageMap .*spec.map\[1\].source: the source has no storage"
expect_output "\('nbdlift inventory FILE networks' lists them\)"
expect_output '^ready: 0 critical, 3 warnings, '

expect_status 0 "$NBDLIFT" run "$tmp/plan.yaml" --output "$tmp/out"
grep -q 'the source has no' <<<"$output" && fail "a run says it, too"
[ -s "$tmp/out/target/db.yaml" ] || fail "no VM"
