#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# slow
# limit: 600
#
# nbdlift-guest on a root that is encrypted, wants SELinux labels, and in
# which files of the network configuration are what they should not be:
# links out of the guest, devices, folders, loops, too large.  And units of
# systemd in parts, of which some are taken away by links to /dev/null.

source ./tests/functions.sh
requires jq
requires qemu-img --version
requires debugfs -V
requires_root

tmpdir
root=$tmp/root
mkdir -p "$root"/{bin,dev,lib,etc/netplan,etc/systemd/network,etc/selinux} \
  "$root"/etc/{NetworkManager/system-connections,network,default} \
  "$root/usr/lib/systemd/network"
echo 'ID=debian' >"$root/etc/os-release"
printf 'PRETTY_NAME="Debian 12"\nVERSION_ID="12"\n' >>"$root/etc/os-release"
echo 12.1 >"$root/etc/debian_version"
echo '/dev/root / ext4 defaults 0 1' >"$root/etc/fstab"
echo guest >"$root/etc/hostname"
echo '[Link]' >"$root/usr/lib/systemd/network/99-default.link"
printf '# x\nSELINUX=enforcing\nSELINUXTYPE=targeted\n' \
  >"$root/etc/selinux/config"

# Only this one is what it seems; the address would be in the others too.
printf '[Match]\nName=ens192\n[Network]\nAddress=10.0.2.50/24\n' \
  >"$root/etc/lan"
ln -s /etc/lan "$root/etc/systemd/network/lan.network"
ln -s loop.network "$root/etc/systemd/network/loop.network"
mkdir "$root/etc/systemd/network/folder.network"
mknod "$root/etc/systemd/network/null.network" c 1 3
mkdir -p "$root"/etc/systemd/network/{lan,loop}.network.d \
  "$root/usr/lib/systemd/network/lan.network.d"
printf '[Network]\nAddress=fd00::50/64\n' \
  >"$root/usr/lib/systemd/network/lan.network.d/more.conf"
printf '[Network]\nAddress=10.0.2.51/24\n' |
  tee "$root/usr/lib/systemd/network/lan.network.d/masked.conf" \
    >"$root/etc/systemd/network/loop.network.d/lan.conf"
ln -s /dev/null "$root/etc/systemd/network/lan.network.d/masked.conf"
ln -s . "$root/usr/lib/systemd/network/loop.network.d"
printf '[Match]\nName=ens224\n[Network]\nAddress=10.0.3.50/24\n' \
  >"$root/usr/lib/systemd/network/masked.network"
ln -s /dev/null "$root/etc/systemd/network/masked.network"
mknod "$root/etc/netplan/disk.yaml" b 8 0
mkfifo "$root/etc/NetworkManager/system-connections/pipe"
truncate -s 2G "$root/etc/netplan/huge.yaml"
printf 'iface ens192 inet static\n address 10.0.2.50\n' >"$tmp/outside"
ln -s "../../../../../../../..$tmp/outside" "$root/etc/network/interfaces"

mke2fs -q -t ext4 -d "$root" "$tmp/ext4" 32M
for ((i = 0; i < 20; i++)); do
  # It counts how many iterations it takes, and on a busy machine cannot.
  ! qemu-img convert -f raw --object secret,id=key,data=sesame -O luks \
    -o key-secret=key,iter-time=10 "$tmp/ext4" "$tmp/luks" || break
done
truncate -s 40M "$tmp/disk"
echo '2048,,L' | sfdisk -q --label dos "$tmp/disk"
dd if="$tmp/luks" of="$tmp/disk" bs=1M seek=1 conv=notrunc status=none
qemu-img create -q -f qcow2 -b "$tmp/disk" -F raw "$tmp/overlay"

mkdir "$tmp/tmpdir"
request () {
  jq -n --arg disk "$tmp/overlay" --argjson keys "$1" '{
    disks: [$disk], root: "first", keys: $keys,
    nics: [{mac: "00:50:56:aa:bb:01", ips: []}]}' |
    TMPDIR=$tmp/tmpdir LIBGUESTFS_BACKEND=direct \
      "$BUILD/nbdlift-guest" >"$tmp/answer"
}
request '["wrong", "sesame"]'
jq . "$tmp/answer"
jq -e '.kept == [
    "00:50:56:aa:bb:01: 10.0.2.50/24, fd00::50/64 stay on ens192"] and
  .lost == ["/etc/netplan/huge.yaml in the guest is too large to be read: " +
    "what it says of addresses is not looked at"]' "$tmp/answer"
[ -z "$(ls "$tmp/tmpdir")" ] || fail "files are left: $(ls -R "$tmp/tmpdir")"

qemu-img convert -f qcow2 -O raw "$tmp/overlay" "$tmp/after"
dd if="$tmp/after" of="$tmp/luks" bs=1M skip=1 status=none
qemu-img convert --object secret,id=key,data=sesame --image-opts \
  "driver=luks,key-secret=key,file.driver=file,file.filename=$tmp/luks" \
  -O raw "$tmp/ext4"
debugfs -R 'cat /etc/udev/rules.d/70-nbdlift-net.rules' "$tmp/ext4" |
  grep 'ATTR{address}=="00:50:56:aa:bb:01".*NAME="ens192"$'
debugfs -R 'stat /.autorelabel' "$tmp/ext4" | grep 'Type: regular'

# Without the passphrase there is no guest.
expect_error 'no operating system is found' request '["wrong"]'
