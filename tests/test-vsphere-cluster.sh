#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Concerns of the cluster that a VM runs in, by describe and by inventory:
# DRS, DPM, HA, rules that bind it to hosts or to other VMs.

source ./tests/functions.sh
source ./tests/vcsim-functions.sh
requires jq
tmpdir

truncate -s 1M "$tmp/a.raw"
disks='"disks": [{"file": "'$tmp/a.raw'"}]'
cat >"$tmp/vc.json" <<EOF
{"datacenters": [{"name": "DC0",
   "hosts": [{"name": "h1", "cluster": "c1"}, {"name": "h2", "cluster": "c2"},
             {"name": "h3"}],
   "clusters": [
     {"name": "c1", "drs": true, "dpm": true, "ha": true, "rules": [
       {"name": "apart", "type": "antiAffinity", "vms": ["web", "db"]},
       {"name": "near", "type": "affinity", "vms": ["db", "log"]},
       {"name": "licence", "type": "hostAffinity", "vms": ["db"]},
       {"name": "not there", "type": "hostAntiAffinity", "vms": ["log"]},
       {"name": "old", "type": "affinity", "vms": ["plain"],
        "disabled": true}]},
     {"name": "c2"}]}],
 "vms": [{"name": "web", "host": "h1", $disks},
         {"name": "db", "host": "h1", $disks},
         {"name": "log", "host": "h1", $disks},
         {"name": "plain", "host": "h1", $disks},
         {"name": "quiet", "host": "h2", $disks},
         {"name": "alone", "host": "h3", $disks}]}
EOF
start_vcsim "$tmp/vc.json"
# shellcheck disable=SC2154
cat >"$tmp/p.yaml" <<EOF
apiVersion: v1
kind: Secret
metadata: {name: s, namespace: m}
stringData: {user: "$vc_user", password: "$vc_password",
             thumbprint: "$vc_thumbprint"}
---
apiVersion: forklift.konveyor.io/v1beta1
kind: Provider
metadata: {name: vc, namespace: m}
spec: {type: vsphere, url: "$vc_url", secret: {name: s, namespace: m}}
EOF

"$NBDLIFT" inventory "$tmp/p.yaml" vc vms -o json >"$tmp/vms.json"
# cluster NAME: category, id and label of what its cluster is about.
filter='.concerns | map (select (.id | test
  ("drs|dpm|\\.ha\\.|affinity"))) | .[] | "\(.category) \(.id) \(.label)"'
# expect_cluster NAME, with the lines that are wanted on stdin.
expect_cluster () {
  cat >"$tmp/want"
  jq -r ".[] | select (.name == \"$1\") | $filter" "$tmp/vms.json" >"$tmp/got"
  diff -u "$tmp/want" "$tmp/got" || fail "inventory: $1"
  "$NBDLIFT" describe "$tmp/p.yaml" "$1" -o json |
    jq -r "$filter" >"$tmp/got"
  diff -u "$tmp/want" "$tmp/got" || fail "describe: $1"
}
features='Information vmware.drs.enabled The VM is in a cluster with DRS
Information vmware.dpm.enabled The VM is in a cluster with DPM
Information vmware.nbdlift.ha.enabled The VM is in a cluster with HA'
expect_cluster web <<EOF
$features
Warning vmware.nbdlift.vm_anti_affinity A rule keeps the VM apart from others: apart
EOF
expect_cluster db <<EOF
$features
Warning vmware.nbdlift.vm_anti_affinity A rule keeps the VM apart from others: apart
Warning vmware.nbdlift.vm_affinity A rule keeps the VM together with others: near
Warning vmware.host_affinity.detected A rule binds the VM to hosts or keeps it off them: licence
EOF
expect_cluster log <<EOF
$features
Warning vmware.nbdlift.vm_affinity A rule keeps the VM together with others: near
Warning vmware.host_affinity.detected A rule binds the VM to hosts or keeps it off them: not there
EOF
expect_cluster plain <<<"$features"
: | expect_cluster quiet
: | expect_cluster alone

# Who may not see the cluster migrates without.
vcsim_set '{"missing": ["ClusterComputeResource:configurationEx"]}'
"$NBDLIFT" inventory "$tmp/p.yaml" vc vms -o json >"$tmp/vms.json"
: | expect_cluster db
vcsim_set '{"missing": ["HostSystem:parent"]}'
"$NBDLIFT" inventory "$tmp/p.yaml" vc vms -o json >"$tmp/vms.json"
: | expect_cluster db
expect_no_sessions
