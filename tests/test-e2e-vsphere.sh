#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# slow
# limit: 1500
#
# The seed's vSphere manifests, as in examples/vsphere, against a simulated
# vCenter with a real UEFI guest: two disks, two network cards.  The guest
# is on; its host has a Host resource, so that its disks come from there.

source ./tests/functions.sh
source ./tests/vcsim-functions.sh
source ./tests/driver-functions.sh
source ./tests/e2e-functions.sh
source ./tests/vsphere-functions.sh

requires_file /usr/share/OVMF/OVMF_CODE_4M.fd
tmpdir
guest uefi
mac1=00:50:56:aa:bb:01
mac2=00:50:56:aa:bb:02

make_disk "$tmp/files.raw" 8M 2M
cat >"$tmp/vc.json" <<EOF
{"datacenters": [{"name": "DC0", "hosts": [{"name": "DC0_H0"}],
   "datastores": [{"name": "datastore1"}],
   "networks": [{"name": "VM Network"}, {"name": "DMZ"}]}],
 "vms": [
  {"name": "Mail Server", "power": "on", "tools": "running", "firmware": "efi",
   "cpus": 4, "coresPerSocket": 2, "memoryMB": 2048, "hostName": "guest",
   "guestId": "debian12_64Guest", "changeTracking": true,
   "disks": [{"file": "$guest"}, {"file": "${guest%uefi.raw}data.raw"}],
   "nics": [{"network": "VM Network", "mac": "$mac1"},
            {"network": "DMZ", "mac": "$mac2"}]},
  {"name": "files", "power": "off", "disks": [{"file": "$tmp/files.raw"}],
   "nics": [{"network": "VM Network"}]}],
 "esx": [{}], "settings": {"shutdown_s": 1}}
EOF
start_vcsim "$tmp/vc.json"

# What people write into the manifests is what `inventory' tells.
# shellcheck disable=SC2001
password=$(sed 's/[&|\\]/\\&/g' <<<"$vc_password")
cat >"$tmp/login.yaml" <<EOF
$(sed -e "s|https://vcenter.example.com/sdk|$vc_url|" \
  -e "s|migration@vsphere.local|$vc_user|" \
  -e "s|change-me|\"$password\"|" \
  -e "s|0A:1B:[0-9A-F:]*|$vc_thumbprint|" \
  examples/vsphere/secret.yaml)
---
$(sed "s|https://vcenter.example.com/sdk|$vc_url|" \
  examples/vsphere/provider.yaml)
EOF
inventory () {
  "$NBDLIFT" inventory "$tmp/login.yaml" vcenter "$1" -o json |
    jq -r --arg name "$2" '.[] | select (.name == $name) | .id'
}
mail=$(inventory vms 'Mail Server')
{
  cat "$tmp/login.yaml"
  echo ---
  cat <<EOF
apiVersion: v1
kind: Secret
metadata: {name: esxi-1, namespace: migration,
           labels: {createdForResourceType: hosts}}
stringData: {user: "$esx_user", password: "$esx_password",
             thumbprint: "$esx_thumbprint"}
---
EOF
  sed -e "s/host-15/$(inventory hosts DC0_H0)/" -e "s/192.0.2.15/$esx_host/" \
    examples/vsphere/host.yaml
  echo '  secret: {name: esxi-1, namespace: migration}'
  echo ---
  sed "s/network-31/$(inventory networks DMZ)/" \
    examples/vsphere/networkmap.yaml
  echo ---
  sed "s/datastore-11/$(inventory datastores datastore1)/" \
    examples/vsphere/storagemap.yaml
  echo ---
  sed "s/vm-102/$mail/" examples/vsphere/plan-only.yaml
  echo ---
  cat examples/vsphere/migration.yaml
} >"$tmp/plan.yaml"

expect_status 0 "$NBDLIFT" check "$tmp/plan.yaml"
[ "$(power_of 'Mail Server')" = on ]
before=$(vcsim_counter folder_requests vc)

# Only that one is converted: the other has no system.
"$NBDLIFT" run -q "$tmp/plan.yaml" --output "$tmp/out" --vm "$mail"
expect_no_sessions
[ "$(power_of 'Mail Server')" = off ]
[ "$(vcsim_counter folder_bytes esx0)" -gt $((64 << 20)) ] ||
  fail "the disks were not read from the host"
[ $(($(vcsim_counter folder_requests vc) - before)) -eq 0 ] ||
  fail "files were read by way of vCenter, though there is a Host"

sed 's/^  targetNamespace:/  skipGuestConversion: true\n&/' \
  "$tmp/plan.yaml" >"$tmp/plain.yaml"
"$NBDLIFT" run -q "$tmp/plain.yaml" --output "$tmp/out" --vm files
plan_name=first-wave
journal=$tmp/out/.nbdlift/migration/first-wave/vms
same_disk "$tmp/files.raw" \
  "$(jq -r '.disks[0].volume' "$journal/file-server/journal.json")"

volume () {
  jq -r ".disks[$1].volume" "$journal/mail-server/journal.json"
}
[ -e "$journal/mail-server/journal.json" ] || ls -R "$tmp/out"
boots "$tmp/virtio.log" --firmware uefi --nic $mac1 --nic $mac2 \
  "$(volume 0)" "$(volume 1)"
reported "$tmp/virtio.log" 'firmware=uefi'
reported "$tmp/virtio.log" 'root=/dev/vda2'
reported "$tmp/virtio.log" "nic=[a-z0-9]+ mac=$mac1 drivers=virtio_net,.*"
reported "$tmp/virtio.log" "nic=[a-z0-9]+ mac=$mac2 drivers=virtio_net,.*"
reported "$tmp/virtio.log" 'payload=ok'
reported "$tmp/virtio.log" 'data=/dev/vdb1 data-payload=ok'
reported "$tmp/virtio.log" 'failed-units= *'

vm='.[] | select (.kind == "VirtualMachine")'
manifest "$tmp/out/machines/mail-server.yaml" "$vm"' |
  .metadata.name == "mail-server" and
  .metadata.annotations["openshift.io/display-name"] == "Mail Server" and
  .spec.runStrategy == "Always" and
  (.spec.template.spec | (.domain.firmware.bootloader | has ("efi")) and
  .domain.cpu.sockets == 2 and .domain.cpu.cores == 2 and
  .domain.memory.guest == "2Gi" and
  ([.domain.devices.disks[].disk.bus] == ["virtio", "virtio"]) and
  ([.domain.devices.interfaces[].macAddress] == ["'$mac1'", "'$mac2'"]) and
  (.networks[0] | has ("pod")) and
  .networks[1].multus.networkName == "machines/dmz")'
manifest "$tmp/out/machines/file-server.yaml" "$vm"' |
  .spec.runStrategy == "Halted"'
