#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# slow
# limit: 1500
#
# A real UEFI guest with two disks and two network cards, one for the pod
# network and one for multus.

source ./tests/functions.sh
source ./tests/driver-functions.sh
source ./tests/e2e-functions.sh

requires_file /usr/share/OVMF/OVMF_CODE_4M.fd
tmpdir
guest uefi
mac1=00:50:56:aa:bb:01
mac2=00:50:56:aa:bb:02

make_ova --name db --firmware efi --nic "VM Network,$mac1" \
  --nic "DMZ,$mac2" "$tmp/db.ova" "$guest" "${guest%uefi.raw}data.raw"
plan_spec='description: a UEFI guest'
# Used by make_plan.
# shellcheck disable=SC2034
networks='
  - {source: {name: VM Network}, destination: {type: pod}}
  - source: {name: DMZ}
    destination: {type: multus, name: dmz, namespace: target}'
make_plan "$tmp/db.ova" db >"$tmp/plan.yaml"
"$NBDLIFT" run -q "$tmp/plan.yaml" --output "$tmp/out"

boots "$tmp/virtio.log" --firmware uefi --nic $mac1 --nic $mac2 \
  "$(volume_of "$tmp/out" db 0)" "$(volume_of "$tmp/out" db 1)"
reported "$tmp/virtio.log" 'firmware=uefi'
reported "$tmp/virtio.log" 'root=/dev/vda2'
reported "$tmp/virtio.log" 'disk=vdb drivers=virtio_blk,.*'
reported "$tmp/virtio.log" "nic=[a-z0-9]+ mac=$mac1 drivers=virtio_net,.*"
reported "$tmp/virtio.log" "nic=[a-z0-9]+ mac=$mac2 drivers=virtio_net,.*"
reported "$tmp/virtio.log" 'payload=ok'
reported "$tmp/virtio.log" 'data=/dev/vdb1 data-payload=ok'
reported "$tmp/virtio.log" 'failed-units= *'

vm='.[] | select (.kind == "VirtualMachine") | .spec.template.spec'
manifest "$tmp/out/target/db.yaml" "$vm"' |
  (.domain.firmware.bootloader | has ("efi")) and
  ([.domain.devices.disks[].disk.bus] == ["virtio", "virtio"]) and
  ([.domain.devices.interfaces[].macAddress] == ["'$mac1'", "'$mac2'"]) and
  (.networks[0] | has ("pod")) and
  .networks[1].multus.networkName == "target/dmz"'
