#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# nbdlift check on vSphere: Hosts that the source does not have, hosts in
# maintenance, rows of maps for what it does not have.

source ./tests/functions.sh
source ./tests/vcsim-functions.sh
tmpdir

truncate -s 1M "$tmp/a.raw"
cat >"$tmp/vc.json" <<EOF
{"datacenters": [{"name": "DC0",
   "hosts": [{"name": "h1"}, {"name": "h2", "maintenance": true}]}],
 "vms": [{"name": "web", "host": "h1", "disks": [{"file": "$tmp/a.raw"}]},
         {"name": "db", "host": "h2", "disks": [{"file": "$tmp/a.raw"}]}]}
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
---
apiVersion: forklift.konveyor.io/v1beta1
kind: Host
metadata: {name: right, namespace: m}
spec: {provider: {name: vc}, name: h1, ipAddress: 192.0.2.1,
       secret: {name: s}}
---
apiVersion: forklift.konveyor.io/v1beta1
kind: Host
metadata: {name: resting, namespace: m}
spec: {provider: {name: vc}, name: h2, ipAddress: 192.0.2.2,
       secret: {name: s}}
---
apiVersion: forklift.konveyor.io/v1beta1
kind: Host
metadata: {name: gone, namespace: m}
spec: {provider: {name: vc}, id: host-777, ipAddress: 192.0.2.3,
       secret: {name: s}}
---
apiVersion: forklift.konveyor.io/v1beta1
kind: NetworkMap
metadata: {name: nets, namespace: m}
spec:
  provider: {source: {name: vc}, destination: {name: host}}
  map:
  - {source: {id: network-777}, destination: {type: pod}}
---
apiVersion: forklift.konveyor.io/v1beta1
kind: StorageMap
metadata: {name: disks, namespace: m}
spec:
  provider: {source: {name: vc}, destination: {name: host}}
  map:
  - {source: {name: datastore1}, destination: {storageClass: fast}}
  - {source: {name: nowhere}, destination: {storageClass: slow}}
---
apiVersion: forklift.konveyor.io/v1beta1
kind: Plan
metadata: {name: p, namespace: m}
spec:
  provider: {source: {name: vc}, destination: {name: host}}
  map: {network: {name: nets}, storage: {name: disks}}
  targetNamespace: t
  vms: [{name: web}, {name: db}]
EOF
"$NBDLIFT" inventory "$tmp/p.yaml" vc datastores
"$NBDLIFT" check "$tmp/p.yaml" >"$tmp/said" || true
cat "$tmp/said"
said () {
  grep -Eq -- "$1" "$tmp/said" || fail "check does not say '$1'"
}
said "warning: Host m/gone: spec.id: the source has no host 'host-777'"
said "warning: Host m/resting: the host 'h2' is in maintenance mode"
said 'warning: Plan m/p: spec.vms\[1\]: VM db: its host h2 is in maintenance'
said "warning: NetworkMap m/nets: spec.map\[0\].source: the source has no net"
said "StorageMap m/disks: spec.map\[1\].source: the source has no storage with"
if grep -E 'Host m/right|VM web: its host|spec.map\[0\].source: .* storage' \
     "$tmp/said"; then
  fail "of what is right"
fi
