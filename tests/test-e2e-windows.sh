#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# slow
# limit: 900
#
# A disk that virt-v2v takes for Windows Server 2019 (it is none, and cannot
# boot): with drivers where VIRTIO_WIN points they are put into it, and the
# virtual machine has a virtio disk; without them it has not.

source ./tests/functions.sh
source ./tests/driver-functions.sh
source ./tests/e2e-functions.sh

requires_root
requires ntfs-3g --version
requires_file /dev/fuse
tmpdir
guest windows
make_ova --name win --os windows2019srv_64Guest "$tmp/win.ova" "$guest"
plan_spec='description: a phony Windows'
make_plan "$tmp/win.ova" win >"$tmp/plan.yaml"
stand_ins=$BUILD/guests/virtio-win
export VIRT_TOOLS_DATA_DIR=$stand_ins/virt-tools
vm='.[] | select (.kind == "VirtualMachine") | .spec.template'

VIRTIO_WIN=$stand_ins \
  "$NBDLIFT" run -q "$tmp/plan.yaml" --output "$tmp/out"

# Its partition begins at 1 MiB.
dd if="$(volume_of "$tmp/out" win 0)" of="$tmp/ntfs" bs=1M skip=1 \
  conv=sparse status=none
mkdir "$tmp/mnt"
ntfs-3g -o ro "$tmp/ntfs" "$tmp/mnt"
cleanup_fn umount "$tmp/mnt"
cat "$tmp/mnt/Windows/System32/drivers/viostor.sys"
find "$tmp/mnt/Windows/Drivers/VirtIO" -name netkvm.inf | grep .
find "$tmp/mnt/Program Files/Guestfs/Firstboot" -type f | grep .
# The service that loads the driver, in the registry's UTF-16.
grep -aq 'viostor' "$tmp/mnt/Windows/System32/config/SYSTEM" ||
  fail "viostor is not in the registry"

manifest "$tmp/out/target/win.yaml" "$vm"' |
  .spec.domain.devices.disks[0].disk.bus == "virtio" and
  .metadata.annotations["vm.kubevirt.io/os"] == "win2k19"'

mkdir "$tmp/none"
VIRTIO_WIN=$tmp/none \
  "$NBDLIFT" run -q "$tmp/plan.yaml" --output "$tmp/out2"
manifest "$tmp/out2/target/win.yaml" "$vm"' |
  .spec.domain.devices.disks[0].disk.bus == "sata"'
