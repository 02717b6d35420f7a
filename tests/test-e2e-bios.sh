#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# slow
# limit: 1500
#
# A real guest of a VMware host, as an OVA, becomes a virtual machine that
# boots on virtio: the whole way.  Also, before that: the guest is sound on
# the hardware of VMware, and does not boot on virtio as it is; without
# that a boot afterwards would prove nothing.

source ./tests/functions.sh
source ./tests/driver-functions.sh
source ./tests/e2e-functions.sh

tmpdir
guest bios
mac=00:50:56:aa:bb:01

boots "$tmp/vmware.log" --hardware vmware --nic $mac "$guest"
reported "$tmp/vmware.log" 'root=/dev/sda2'
reported "$tmp/vmware.log" 'disk=sda drivers=.*vmw_pvscsi.*'

make_ova --name web --firmware bios --nic "VM Network,$mac" "$tmp/web.ova" \
  "$guest"
plan_spec='description: one BIOS guest'
make_plan "$tmp/web.ova" web >"$tmp/plan.yaml"
"$NBDLIFT" run "$tmp/plan.yaml" --output "$tmp/out"

disk=$(volume_of "$tmp/out" web 0)
boots "$tmp/virtio.log" --nic $mac "$disk"
reported "$tmp/virtio.log" 'firmware=bios'
reported "$tmp/virtio.log" 'root=/dev/vda2'
reported "$tmp/virtio.log" 'disk=vda drivers=virtio_blk,.*'
reported "$tmp/virtio.log" "nic=[a-z0-9]+ mac=$mac drivers=virtio_net,.* address=10[.].*"
reported "$tmp/virtio.log" 'payload=ok'
reported "$tmp/virtio.log" 'failed-units= *'

# The virtual machine gives the guest what it was booted with here.
vm='.[] | select (.kind == "VirtualMachine") | .spec.template.spec'
manifest "$tmp/out/target/web.yaml" "$vm"' |
  (.domain.firmware.bootloader | has ("bios")) and
  .domain.devices.disks[0].disk.bus == "virtio" and
  .domain.devices.disks[0].bootOrder == 1 and
  .domain.devices.interfaces[0].model == "virtio" and
  .domain.devices.interfaces[0].macAddress == "'$mac'"'

# Once more: there is nothing left to do, and the disk stays as it is.
before=$(sha256sum "$disk" "$tmp/out/target/web.yaml")
"$NBDLIFT" run "$tmp/plan.yaml" --output "$tmp/out"
[ "$before" = "$(sha256sum "$disk" "$tmp/out/target/web.yaml")" ] ||
  fail "the second run changed the result"
