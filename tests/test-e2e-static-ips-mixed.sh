#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# slow
# limit: 1200
#
# A real guest with three network cards, of which netplan configures one,
# NetworkManager one, and systemd-networkd one, by a unit of which parts are
# in /usr/lib and in a drop-in: after nbdlift-guest each has its addresses on
# network cards that are of another kind, and elsewhere on the bus.  The
# disk is not converted, since that costs minutes and is not what this is
# about: it stays on the controller that the guest's initrd knows.

source ./tests/functions.sh
source ./tests/e2e-functions.sh

requires jq
requires qemu-img --version
requires debugfs -V
tmpdir
guest static-mixed
lan=00:50:56:aa:bb:01 dmz=00:50:56:aa:bb:02 back=00:50:56:aa:bb:03
lan_has="address=10.0.2.50/24 address6=fd00::50/64 gateway=10.0.2.2"
dmz_has="address=10.0.3.50/24 address6=fd01::50/64 gateway="
back_has="address=10.0.4.50/24 address6=fd02::50/64 gateway="

# It is as it would be on a VMware host.
boots "$tmp/vmware.log" --hardware vmware --nic $lan --nic $dmz --nic $back \
  "$guest"
reported "$tmp/vmware.log" "nic=ens192 mac=$lan drivers=vmxnet3,.* $lan_has"
reported "$tmp/vmware.log" "nic=ens224 mac=$dmz drivers=vmxnet3,.* $dmz_has"
reported "$tmp/vmware.log" "nic=ens256 mac=$back drivers=vmxnet3,.* $back_has"

# As the driver does it after virt-v2v, on an overlay.
cp --sparse=always "$guest" "$tmp/disk"
qemu-img create -q -f qcow2 -b "$tmp/disk" -F raw "$tmp/overlay"
jq -n --arg disk "$tmp/overlay" --arg lan $lan --arg dmz $dmz \
  --arg back $back '
  def ip(a; n): {address: a, prefix: n, static: true};
  {disks: [$disk], root: "first", keys: [], nics: [
    {mac: $lan, ips: [ip("10.0.2.50"; 24), ip("fd00::50"; 64)]},
    {mac: $dmz, ips: [ip("10.0.3.50"; 24), ip("fd01::50"; 64)]},
    {mac: $back, ips: [ip("10.0.4.50"; 24), ip("fd02::50"; 64)]}]}' |
  LIBGUESTFS_BACKEND=direct "$BUILD/nbdlift-guest" >"$tmp/answer"
jq . "$tmp/answer"
unit=/etc/systemd/network/50-back.network
jq -e --arg lan $lan --arg dmz $dmz --arg back $back --arg unit $unit '
  .lost == [] and (.kept | sort) == ([
    "\($lan): 10.0.2.50/24, fd00::50/64 stay on ens192",
    "\($dmz): 10.0.3.50/24, fd01::50/64 stay on ens224",
    "\($back): 10.0.4.50/24, fd02::50/64 stay: \($unit) now goes by the " +
    "MAC address"] | sort)' "$tmp/answer"
qemu-img commit -q "$tmp/overlay"

# in_guest DISK REQUEST: debugfs in its root file system, which is at 65 MiB
# (see make-guest.sh).
in_guest () {
  debugfs -R "$2" "$1?offset=$((65 << 20))" 2>/dev/null
}
# What is not nbdlift's stays as it is; secrets stay secret.
for file in /usr/lib/systemd/network/50-back.network /etc/netplan/lan.yaml \
    /etc/NetworkManager/system-connections/dmz.nmconnection; do
  in_guest "$guest" "cat $file" >"$tmp/before"
  [ -s "$tmp/before" ] || fail "$file is not in the guest"
  in_guest "$tmp/disk" "cat $file" | cmp - "$tmp/before"
done
in_guest "$tmp/disk" \
  'stat /etc/NetworkManager/system-connections/dmz.nmconnection' |
  grep -q 'Mode:  0600'
[ -z "$(in_guest "$guest" "cat $unit")" ] || fail "$unit was there before"
in_guest "$tmp/disk" "cat $unit" | grep -q "^MACAddress=$back\$"
in_guest "$tmp/disk" "cat $unit.d/which.conf" | grep -q '^Name=' &&
  fail "the drop-in still asks for a name"

# In another order, at other places.
boots "$tmp/virtio.log" --hardware vmware --network-cards virtio \
  --nic $back --nic $lan --nic $dmz "$tmp/disk"
reported "$tmp/virtio.log" "nic=ens192 mac=$lan drivers=virtio_net,.* $lan_has"
reported "$tmp/virtio.log" "nic=ens224 mac=$dmz drivers=virtio_net,.* $dmz_has"
reported "$tmp/virtio.log" "nic=en[a-z0-9]+ mac=$back drivers=virtio_net,.*\
 $back_has"
reported "$tmp/virtio.log" 'failed-units= *'
