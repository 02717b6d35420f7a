#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# nbdlift inventory, describe and check against a simulated vCenter and
# ESXi host: what they show, in all ways to name a VM, over pages, with
# gaps, and what is said when the server cannot be asked.  No session stays
# open, and no password is shown.

source ./tests/functions.sh
source ./tests/vcsim-functions.sh
requires jq
tmpdir

truncate -s 8M "$tmp/a.raw"
truncate -s 4M "$tmp/b.raw"
bios_uuid=564d1a2b-0000-1111-2222-333344445555
instance_uuid=502a1a2b-0000-1111-2222-333344446666
cat >"$tmp/vc.json" <<JSON
{"datacenters": [{"name": "DC0", "folder": "eu",
   "hosts": [{"name": "h1"}],
   "datastores": [{"name": "ds1"}, {"name": "ds 2", "maintenance": true}],
   "networks": [{"name": "VM Network"}, {"name": "dvpg", "dvs": "dvs0"},
                {"name": "nsx", "opaque": true}]}],
 "esx": [{}],
 "vms": [
  {"name": "web", "folder": "a/b", "power": "on", "hostName": "web.example.org",
   "gateway": "192.0.2.1", "cpus": 4, "coresPerSocket": 2, "memoryMB": 2048,
   "firmware": "efi", "secureBoot": true, "tpm": true,
   "guestId": "rhel9_64Guest",
   "uuid": "$bios_uuid", "instanceUuid": "$instance_uuid",
   "disks": [{"file": "$tmp/a.raw"},
             {"file": "$tmp/b.raw", "bus": "sata", "datastore": "ds 2"}],
   "nics": [{"mac": "00:50:56:aa:bb:01",
             "ips": [{"address": "192.0.2.7", "prefix": 24}]},
            {"network": "dvpg", "type": "e1000"},
            {"network": "nsx", "connected": false}]},
  {"name": "twin", "folder": "a", "dir": "twin-a", "disks": [{"file": "$tmp/b.raw"}]},
  {"name": "twin", "folder": "b", "dir": "twin-b", "disks": [{"file": "$tmp/b.raw"}]},
  {"name": "sla/sh%\\\\", "power": "on", "tools": "notRunning",
   "disks": [{"file": "$tmp/b.raw", "name": "nv", "bus": "nvme",
              "sharing": "sharingMultiWriter"},
             {"file": "$tmp/b.raw", "name": "lun", "rdm": "physical",
              "mode": "independent_persistent"}]}]}
JSON
start_vcsim "$tmp/vc.json"

# provider URL USER PASSWORD [MORE SECRET LINES]: $tmp/p.yaml
provider () {
  cat >"$tmp/p.yaml" <<YAML
apiVersion: v1
kind: Secret
metadata: {name: s, namespace: m}
stringData:
  user: "$2"
  password: "$3"
${4:-}
---
apiVersion: forklift.konveyor.io/v1beta1
kind: Provider
metadata: {name: vc, namespace: m}
spec:
  type: vsphere
  url: $1
  secret: {name: s, namespace: m}
${5:-}
YAML
}
thumbprint="  thumbprint: \"$vc_thumbprint\""

inventory () {
  "$NBDLIFT" inventory "$tmp/p.yaml" vc "$1" -o json >"$tmp/$1.json"
}

# is COLLECTION FILTER EXPECTED
is () {
  local got
  got=$(jq -c "$2" "$tmp/$1.json")
  [ "$got" = "$3" ] || fail "$1: $2 is $got instead of $3"
}

describe () {
  "$NBDLIFT" describe "$tmp/p.yaml" "$1" -o json >"$tmp/vm.json"
}

moref=$(vcsim_vm web .moref)

# All collections, by thumbprint.
provider "$vc_url" "$vc_user" "$vc_password" "$thumbprint"
for c in vms networks storages disks hosts; do
  inventory $c
done
expect_no_sessions
is vms 'map(.name)' '["sla/sh%\\","twin","twin","web"]'
is vms '.[3] | [.id, .path, .parent.kind, .selfLink]' \
  "[\"$moref\",\"/eu/DC0/vm/a/b/web\",\"Folder\",\"providers/vsphere/vc/vms/$moref\"]"
is vms '.[0].path' '"/eu/DC0/vm/sla%2fsh%25%5c"'
is vms '.[3] | [.powerState, .firmware, .cpuCount, .coresPerSocket, .memoryMB, .tpmEnabled, .secureBoot]' \
  '["On","uefi",4,2,2048,true,true]'
is vms '.[3].disks | map([.key, .bus, .datastore.name, .capacity])' \
  '[[16000,"sata","ds 2",4194304],[2000,"scsi","ds1",8388608]]'
is vms '.[3].nics | map([.mac, .network.name, .model, .startConnected])[0]' \
  '["00:50:56:aa:bb:01","VM Network","vmxnet3",true]'
is vms '.[3].nics | map(.network.name)' '["VM Network","dvpg","nsx"]'
is vms '.[3].nics[0].ips[0] | [.ip, .prefix, .gateway, .origin]' \
  '["192.0.2.7",24,"192.0.2.1","manual"]'
is vms '.[3].guestNetworks | map([.device, .mac, .ip, .prefix, .origin])' \
  '[["0","00:50:56:aa:bb:01","192.0.2.7",24,"manual"]]'
is vms '.[3].guestIpStacks | map([.device, .gateway])' '[["0","192.0.2.1"]]'
is vms '[.[3].devices[].kind] | map(select(. == "VirtualTPM" or . == "VirtualVmxnet3"))' \
  '["VirtualVmxnet3","VirtualVmxnet3","VirtualTPM"]'
is storages 'map([.name, .path, .maintenance])' \
  '[["ds 2","/eu/DC0/datastore/ds 2","inMaintenance"],["ds1","/eu/DC0/datastore/ds1","normal"]]'
is networks '[.[] | select(.name == "dvpg" or .name == "nsx" or .name == "VM Network") | [.name, .variant]]' \
  '[["VM Network","Standard"],["dvpg","DvPortGroup"],["nsx","OpaqueNetwork"]]'
is hosts 'map([.name, .path])' '[["h1","/eu/DC0/host/h1/h1"]]'
is disks 'length' 6
is disks '[.[] | select(.rdm)] | map([.name, .mode])' \
  '[["[ds1] sla_sh%\\/lun.vmdk","independent_persistent"]]'
# The ids of networks and datastores are those that disks and NICs have.
is storages '.[1].id' "$(jq -c '.[3].disks[1].datastore.id' "$tmp/vms.json")"
is networks '[.[] | select(.name == "nsx")][0].id' \
  "$(jq -c '.[3].nics[2].network.id' "$tmp/vms.json")"

# The same in pages of two.
cp "$tmp/vms.json" "$tmp/vms-1.json"
vcsim_set '{"page_size": 2}'
inventory vms
same_bytes "$tmp/vms-1.json" "$tmp/vms.json"
[ "$(vcsim_counter soap:ContinueRetrievePropertiesEx)" -gt 0 ] ||
  fail "there was only one page"
vcsim_set '{"page_size": 100}'

# A VM by everything that it can be called.
for name in "$moref" web "/eu/DC0/vm/a/b/web" "eu/DC0/vm/a/b/web" \
            $bios_uuid $instance_uuid; do
  describe "$name"
  is vm .id "\"$moref\""
done
describe "sla/sh%\\"
is vm '[.concerns[].id] | map(select(startswith("vmware.disk") or startswith("vmware.nbdlift")))' \
  '["vmware.nbdlift.tools.not_running","vmware.disk.rdm.detected","vmware.disk_mode.independent","vmware.disk.nvme.detected","vmware.disk.shared.detected"]'
expect_error "2 VMs fit 'twin': /eu/DC0/vm/[ab]/twin \(vm-[0-9]+\), /eu" \
  "$NBDLIFT" describe "$tmp/p.yaml" twin
[ "$status" -eq 1 ] || fail "status $status"
expect_error "no VM with the name 'none'" \
  "$NBDLIFT" describe "$tmp/p.yaml" none
expect_no_sessions

# The session ends in the middle: it is opened again.
logins=$(vcsim_counter logins)
vcsim_rule '{"where": "sdk", "method": "RetrievePropertiesEx", "expire": true, "skip": 1, "count": 1}'
inventory vms
same_bytes "$tmp/vms-1.json" "$tmp/vms.json"
[ $(($(vcsim_counter logins) - logins)) -eq 2 ] ||
  fail "not two logins: $(vcsim_counters)"
expect_no_sessions
vcsim_clear_rules

# Trouble that passes, and trouble that stays.
vcsim_rule '{"where": "sdk", "method": "RetrievePropertiesEx", "status": 503, "count": 2}'
inventory vms
same_bytes "$tmp/vms-1.json" "$tmp/vms.json"
vcsim_clear_rules
vcsim_rule '{"where": "sdk", "method": "RetrievePropertiesEx", "garbage": "<html>", "count": 1}'
expect_error 'answer to RetrievePropertiesEx.*not well-formed XML' \
  "$NBDLIFT" inventory "$tmp/p.yaml" vc vms
[ "$status" -eq 4 ] || fail "status $status"
vcsim_clear_rules
vcsim_rule '{"where": "sdk", "method": "CreateContainerView", "fault": "NoPermission", "message": "no", "count": 1}'
expect_error "CreateContainerView.*no permission: user '$vc_user'" \
  "$NBDLIFT" inventory "$tmp/p.yaml" vc vms
[ "$status" -eq 4 ] || fail "status $status"
vcsim_clear_rules
expect_no_sessions

# What the user may not see.
vcsim_set '{"missing": ["VirtualMachine:config.hardware"]}'
expect_error 'may not read its hardware.*System\.Read' \
  "$NBDLIFT" describe "$tmp/p.yaml" web
inventory vms
is vms '.[3].concerns | map(.id)' '["vmware.nbdlift.unreachable"]'
vcsim_set '{"missing": []}'

# Who we speak with.
provider "$vc_url" "$vc_user" "$vc_password" \
  "$(printf '  cacert: |\n'; sed 's/^/    /' "$vc_cafile")"
inventory hosts
provider "$vc_url" "$vc_user" "$vc_password" '  insecureSkipVerify: "true"'
inventory hosts
provider "$vc_url" "$vc_user" "$vc_password" \
  "  thumbprint: \"$vc_other_thumbprint\""
expect_error "$vc_thumbprint" "$NBDLIFT" inventory "$tmp/p.yaml" vc hosts
expect_output "$vc_other_thumbprint"
[ "$status" -eq 4 ] || fail "status $status"
provider "$vc_url" "$vc_user" "$vc_password"
expect_error 'certificate' "$NBDLIFT" inventory "$tmp/p.yaml" vc hosts
expect_no_sessions

# Who they speak with.
provider "$vc_url" "$vc_user" 'wrong!"secret' "$thumbprint"
sed -i "s/wrong!\"secret/wrong!secret/" "$tmp/p.yaml"
expect_error "login of user '$vc_user': the server refuses" \
  "$NBDLIFT" inventory -v "$tmp/p.yaml" vc hosts
[ "$status" -eq 4 ] || fail "status $status"
! grep -q 'wrong!secret' <<<"$output" || fail "the password was shown"
provider "$vc_url" "$vc_user" "$vc_password" "$thumbprint"
"$NBDLIFT" inventory -v "$tmp/p.yaml" vc hosts >"$tmp/out" 2>&1
! grep -F "$vc_password" "$tmp/out" || fail "the password was shown"
expect_no_sessions

# Settings that do not fit.
provider "$vc_url" "$vc_user" "$vc_password" "$thumbprint" \
  '  settings: {sdkEndpoint: esxi}'
expect_error 'sdkEndpoint is esxi, but .* is VMware vCenter' \
  "$NBDLIFT" inventory "$tmp/p.yaml" vc hosts
expect_no_sessions

# A plan: one VM by id, one by path; maps by id and by name.
cat >"$tmp/plan.yaml" <<YAML
apiVersion: forklift.konveyor.io/v1beta1
kind: Provider
metadata: {name: host, namespace: m}
spec: {type: openshift}
---
apiVersion: forklift.konveyor.io/v1beta1
kind: NetworkMap
metadata: {name: nets, namespace: m}
spec:
  provider: {source: {name: vc, namespace: m}, destination: {name: host, namespace: m}}
  map:
  - {source: {name: VM Network}, destination: {type: pod}}
  - {source: {id: $(jq -r '.[3].nics[1].network.id' "$tmp/vms-1.json")}, destination: {type: multus, name: nad, namespace: m}}
  - {source: {name: nsx}, destination: {type: ignored}}
---
apiVersion: forklift.konveyor.io/v1beta1
kind: StorageMap
metadata: {name: stores, namespace: m}
spec:
  provider: {source: {name: vc, namespace: m}, destination: {name: host, namespace: m}}
  map:
  - {source: {id: $(jq -r '.[3].disks[1].datastore.id' "$tmp/vms-1.json")}, destination: {storageClass: fast}}
  - {source: {name: ds 2}, destination: {storageClass: slow}}
---
apiVersion: forklift.konveyor.io/v1beta1
kind: Plan
metadata: {name: plan, namespace: m}
spec:
  provider: {source: {name: vc, namespace: m}, destination: {name: host, namespace: m}}
  map: {network: {name: nets, namespace: m}, storage: {name: stores, namespace: m}}
  targetNamespace: m
  vms:
  - id: $moref
  - name: /eu/DC0/vm/a/twin
YAML
provider "$vc_url" "$vc_user" "$vc_password" "$thumbprint"
expect_status 0 "$NBDLIFT" check "$tmp/p.yaml" "$tmp/plan.yaml"
expect_output '^ready: 0 critical'
expect_output 'VM web: The VM has a TPM'
sed -i '/name: nsx/d; /name: ds 2/d' "$tmp/plan.yaml"
expect_status 3 "$NBDLIFT" check "$tmp/p.yaml" "$tmp/plan.yaml"
expect_output "NIC 3 is on network 'nsx' \(id opaquenetwork-[0-9]+\)"
expect_output "is on storage 'ds 2' \(id datastore-[0-9]+\)"
sed -i 's,/eu/DC0/vm/a/twin,twin,' "$tmp/plan.yaml"
expect_status 3 "$NBDLIFT" check "$tmp/p.yaml" "$tmp/plan.yaml"
expect_output 'DuplicateVM|2 VMs fit'
provider "$vc_url" "$vc_user" wrong "$thumbprint"
expect_status 4 "$NBDLIFT" check "$tmp/p.yaml" "$tmp/plan.yaml"
expect_output 'refuses the user name or the password'
expect_no_sessions

# An ESXi host by itself.
provider "$esx_url" "$esx_user" "$esx_password" \
  "  thumbprint: \"$esx_thumbprint\"" '  settings: {sdkEndpoint: esxi}'
inventory vms
is vms 'map(.name)' '["sla/sh%\\","twin","twin","web"]'
describe web
is vm '.disks | map(.name)' \
  '["[ds 2] web/web_1.vmdk","[ds1] web/web.vmdk"]'
expect_no_sessions
