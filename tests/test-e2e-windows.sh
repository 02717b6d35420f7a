#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# slow
# limit: 900
#
# A disk that virt-v2v takes for Windows Server 2019 (it is none, and cannot
# boot): with drivers where VIRTIO_WIN points they are put into it, and the
# virtual machine has a virtio disk; without them it has not.  The addresses
# that a vCenter knows are in a script that Windows runs at its first boot.

source ./tests/functions.sh
source ./tests/vcsim-functions.sh
source ./tests/driver-functions.sh
source ./tests/e2e-functions.sh
source ./tests/vsphere-functions.sh

requires_root
requires ntfs-3g --version
requires_file /dev/fuse
tmpdir
guest windows
stand_ins=$BUILD/guests/virtio-win
export VIRT_TOOLS_DATA_DIR=$stand_ins/virt-tools
vm='.[] | select (.kind == "VirtualMachine") | .spec.template'

mac=00:50:56:aa:bb:01
cat >"$tmp/vc.json" <<EOF
{"datacenters": [{"name": "DC0", "hosts": [{"name": "DC0_H0"}],
   "datastores": [{"name": "datastore1"}],
   "networks": [{"name": "VM Network"}]}],
 "vms": [
  {"name": "win", "power": "on", "tools": "running", "gateway": "10.0.2.2",
   "guestId": "windows2019srv_64Guest", "hostName": "win",
   "disks": [{"file": "$guest"}],
   "nics": [{"network": "VM Network", "mac": "$mac",
             "ips": [{"address": "10.0.2.50", "prefix": 24},
                     {"address": "fd00::50", "prefix": 64}]}]}],
 "settings": {"shutdown_s": 1}}
EOF
start_vcsim "$tmp/vc.json"
plan_spec='preserveStaticIPs: true' vsphere_plan "name: win" >"$tmp/vc.yaml"
export VIRTIO_WIN=$stand_ins
expect_status 0 "$NBDLIFT" run "$tmp/vc.yaml" --output "$tmp/out"
expect_output "$mac: 10\.0\.2\.50/24"
expect_output "fd00::50.*virt-v2v takes none without a gateway"

# Its partition begins at 1 MiB.
dd if="$(volume_of "$tmp/out" win 0)" of="$tmp/ntfs" bs=1M skip=1 \
  conv=sparse status=none
mkdir "$tmp/mnt"
ntfs-3g -o ro "$tmp/ntfs" "$tmp/mnt"
cleanup_fn umount "$tmp/mnt"
cat "$tmp/mnt/Windows/System32/drivers/viostor.sys"
find "$tmp/mnt/Windows/Drivers/VirtIO" -name netkvm.inf | grep .
find "$tmp/mnt/Program Files/Guestfs/Firstboot" -type f | grep .
# virt-v2v's script: the card is found by its MAC, and gets the address.
ps1=$(find "$tmp/mnt" -name v2vnetcf.ps1)
cat "$ps1"
grep -q "${mac//:/-}" "$ps1"
grep '10\.0\.2\.50' "$ps1" | grep -w 10.0.2.2 | grep -qw 24
# The service that loads the driver, in the registry's UTF-16.
grep -aq 'viostor' "$tmp/mnt/Windows/System32/config/SYSTEM" ||
  fail "viostor is not in the registry"

manifest "$tmp/out/target/win.yaml" "$vm"' |
  .spec.domain.devices.disks[0].disk.bus == "virtio" and
  .metadata.annotations["vm.kubevirt.io/os"] == "win2k19"'

make_ova --name win --os windows2019srv_64Guest "$tmp/win.ova" "$guest"
plan_spec='description: a phony Windows'
make_plan "$tmp/win.ova" win >"$tmp/plan.yaml"
mkdir "$tmp/none"
VIRTIO_WIN=$tmp/none \
  "$NBDLIFT" run -q "$tmp/plan.yaml" --output "$tmp/out2"
manifest "$tmp/out2/target/win.yaml" "$vm"' |
  .spec.domain.devices.disks[0].disk.bus == "sata"'
