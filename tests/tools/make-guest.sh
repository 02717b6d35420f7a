#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Make a real, bootable Debian 12 guest as a raw disk, such as one finds on
# a VMware host: its initrd knows VMware's disk controllers and no virtio, so
# it cannot boot under KubeVirt before it is converted.
#
# usage: make-guest.sh [--firmware bios|uefi] [--network HOW] [--data FILE]
#          FILE
#
#   --firmware    bios (default): GRUB in a BIOS boot partition;
#                 uefi: GRUB on an EFI system partition
#   --network     dhcp (default): an address on any network card;
#                 networkd, ifupdown: the addresses 10.0.2.50/24 and
#                 fd00::50/64 on ens192, as a VMware host's first network card
#                 is called, by systemd-networkd or by Debian's ifupdown;
#                 mixed: those by netplan, 10.0.3.50/24 and fd01::50/64 on
#                 ens224 by NetworkManager, and 10.0.4.50/24 and fd02::50/64
#                 by systemd-networkd on what is called ens25*, which
#                 a drop-in says
#   --data FILE   make a second disk too, with a file system that the guest
#                 mounts on /data
#
# After every boot the guest reports on its first serial port what a test
# wants to know, in lines "beacon: KEY=VALUE" (see write_beacon).  Root's
# password is "nbdlift".
#
# Works without loop devices, device mapper and virtual machines: mmdebstrap
# makes the tree, once, and keeps it as a tar file in $NBDLIFT_CACHE (by
# default ~/.cache/nbdlift); mke2fs -d and mtools write the file systems;
# GRUB's two stages are put in their places by hand.  Without root it all
# happens in a user namespace.

set -euo pipefail
export LC_ALL=C TZ=UTC
umask 022

firmware=bios network=dhcp data='' out='' inside=''
while [ $# -gt 0 ]; do
  case $1 in
    --firmware) firmware=$2; shift ;;
    --network) network=$2; shift ;;
    --data) data=$2; shift ;;
    --inside) inside=$2; shift ;;
    -*) sed -n '3,/^$/s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    *) out=$1 ;;
  esac
  shift
done
case $firmware in bios | uefi) ;; *) echo "$0: --firmware?" >&2; exit 2 ;; esac
case $network in
  dhcp | networkd | ifupdown | mixed) ;;
  *) echo "$0: --network?" >&2; exit 2 ;;
esac
[ -n "$out" ] || { echo "$0: no file to make" >&2; exit 2; }

packages=systemd-sysv,udev,kmod,dbus,iproute2,e2fsprogs,initramfs-tools
packages=$packages,linux-image-cloud-amd64
# Both kinds of GRUB, so that one tree serves both kinds of guest.
packages=$packages,grub2-common,grub-pc-bin,grub-efi-amd64-bin
case $network in
  ifupdown) packages=$packages,ifupdown ;;
  mixed) packages=$packages,netplan.io,network-manager ;;
esac

# Sectors of 512 bytes.
mib=2048
disk_size=$((3072 * mib))
boot_start=$mib                 # BIOS boot partition or ESP
boot_size=$((64 * mib))
root_start=$((boot_start + boot_size))
root_size=$((disk_size - root_start - mib))
data_size=$((256 * mib))

# The same every time, so that the same guest comes out.
root_uuid=2f0c61f0-6f4b-4a12-9f53-2b7d0f1a9c01
data_uuid=2f0c61f0-6f4b-4a12-9f53-2b7d0f1a9c02
esp_id=1A2B3C4D

say () {
  printf 'make-guest: %s\n' "$*"
}

# ---------------------------------------------------------------- the tree

# A mirror that this machine uses already, rather than the public one.
host_mirror () {
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' \
    'Codename: bookworm' 'Component: main' 2>/dev/null | head -n 1
}

# $root_tar: the tree as Debian's packages make it.
make_root_tar () {
  local cache=${NBDLIFT_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/nbdlift}
  local key
  key=$(printf '%s' "1 $packages" | sha256sum | cut -c 1-12)
  root_tar=$cache/debian-12-$key.tar
  mkdir -p "$cache"
  exec 9>"$cache/lock"
  flock 9
  if [ ! -s "$root_tar" ]; then
    say "installing Debian 12 into $root_tar (once)"
    # Only a complete file gets the name.
    # shellcheck disable=SC2046 # no mirror: no argument
    mmdebstrap --quiet --format=tar --variant=minbase --include="$packages" \
      --aptopt='APT::Install-Recommends "false"' \
      --dpkgopt='path-exclude=/usr/share/doc/*' \
      --dpkgopt='path-exclude=/usr/share/man/*' \
      --dpkgopt='path-exclude=/usr/share/locale/*' \
      --skip=check/qemu bookworm "$root_tar.new" $(host_mirror) >&2
    mv "$root_tar.new" "$root_tar"
  fi
  flock -u 9
}

# in_root COMMAND...: in the tree, with /proc and /dev while it lasts.
in_root () {
  # shellcheck disable=SC2016 # expanded by the inner shell
  unshare --mount sh -c '
    root=$1; shift
    mount --rbind /proc "$root/proc"
    mount --rbind /dev "$root/dev"
    exec chroot "$root" "$@"' sh "$root" "$@"
}

write_identity () {
  local hash
  echo guest >"$root/etc/hostname"
  printf '127.0.0.1 localhost\n127.0.1.1 guest\n' >"$root/etc/hosts"
  : >"$root/etc/machine-id"
  hash=$(openssl passwd -6 -salt nbdlift nbdlift)
  sed -i "s|^root:[^:]*|root:$hash|" "$root/etc/shadow"
  rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin
}

write_fstab () {
  {
    echo "UUID=$root_uuid / ext4 errors=remount-ro 0 1"
    if [ "$firmware" = uefi ]; then
      echo "UUID=${esp_id:0:4}-${esp_id:4} /boot/efi vfat umask=0077 0 1"
    fi
    if [ -n "$data" ]; then
      echo "UUID=$data_uuid /data ext4 nofail 0 2"
    fi
  } >"$root/etc/fstab"
  mkdir -p "$root/boot/efi" "$root/data"
}

write_network () {
  "write_network_$network"
}

write_network_networkd () {
  cat >"$root/etc/systemd/network/lan.network" <<'END'
[Match]
Name=ens192

[Network]
Address=10.0.2.50/24
Address=fd00::50/64
Gateway=10.0.2.2
END
  in_root systemctl -q enable systemd-networkd
}

write_network_ifupdown () {
  cat >"$root/etc/network/interfaces" <<'END'
auto lo
iface lo inet loopback

auto ens192
iface ens192 inet static
  address 10.0.2.50
  netmask 255.255.255.0
  gateway 10.0.2.2
iface ens192 inet6 static
  address fd00::50/64
END
}

# Three ways to configure a network in one guest, which saves two guests.
write_network_mixed () {
  cat >"$root/etc/netplan/lan.yaml" <<'END'
network:
  version: 2
  renderer: networkd
  ethernets:
    ens192:
      addresses: [10.0.2.50/24, "fd00::50/64"]
      routes: [{to: default, via: 10.0.2.2}]
END
  cat >"$root/etc/NetworkManager/system-connections/dmz.nmconnection" <<'END'
[connection]
id=dmz
uuid=2f0c61f0-6f4b-4a12-9f53-2b7d0f1a9c10
type=ethernet
interface-name=ens224

[ipv4]
method=manual
address1=10.0.3.50/24

[ipv6]
method=manual
address1=fd01::50/64
END
  chmod 600 "$root/etc/netplan/lan.yaml" \
    "$root/etc/NetworkManager/system-connections/dmz.nmconnection"
  # NetworkManager would give the third a DHCP connection of its own.
  cat >"$root/etc/NetworkManager/conf.d/dmz-only.conf" <<'END'
[main]
no-auto-default=*
END
  mkdir -p "$root/usr/lib/systemd/network" \
    "$root/etc/systemd/network/50-back.network.d"
  cat >"$root/usr/lib/systemd/network/50-back.network" <<'END'
[Match]
Driver=vmxnet3

[Network]
Address=10.0.4.50/24
END
  cat >"$root/etc/systemd/network/50-back.network.d/which.conf" <<'END'
[Match]
Name=ens25*

[Network]
Address=fd02::50/64
END
  echo 3 >"$root/etc/beacon-addresses"
  in_root systemctl -q enable systemd-networkd NetworkManager
  # As long as it waits, the report of the boot does.
  in_root systemctl -q disable NetworkManager-wait-online.service \
    systemd-networkd-wait-online.service
}

# An address on whatever the network card is called.
write_network_dhcp () {
  cat >"$root/etc/systemd/network/ethernet.network" <<'END'
[Match]
Type=ether

[Network]
DHCP=ipv4
END
  in_root systemctl -q enable systemd-networkd
}

# What only a guest that booted can tell.
write_beacon () {
  cat >"$root/usr/local/sbin/beacon" <<'END'
#!/bin/sh
# Report to the serial port, one fact a line.

# Drivers between a device and the machine, nearest first.
drivers () {
  path=$(readlink -f "$1/device")
  list=
  while [ "$path" != /sys/devices ] && [ "$path" != / ]; do
    [ -e "$path/driver" ] && list=$list,$(basename "$(readlink "$path/driver")")
    path=$(dirname "$path")
  done
  echo "${list#,}"
}

sums () {
  if (cd "$1" && sha256sum --quiet -c SHA256SUMS) >&2; then
    echo ok
  else
    echo bad
  fi
}

report () {
  echo
  echo begin
  echo "kernel=$(uname -r)"
  if [ -d /sys/firmware/efi ]; then echo firmware=uefi
  else echo firmware=bios; fi
  echo "root=$(findmnt -n -o SOURCE /)"
  for disk in /sys/block/[sv]d* /sys/block/nvme*; do
    [ -e "$disk" ] || continue
    echo "disk=${disk##*/} drivers=$(drivers "$disk")"
  done
  for nic in /sys/class/net/*; do
    [ -e "$nic/device" ] || continue
    echo "nic=${nic##*/} mac=$(cat "$nic/address")" \
      "drivers=$(drivers "$nic")" \
      "address=$(ip -4 -o address show dev "${nic##*/}" |
        awk '{ print $4 }')" \
      "address6=$(ip -6 -o address show dev "${nic##*/}" scope global |
        awk '{ print $4 }')" \
      "gateway=$(ip -4 route show default dev "${nic##*/}" |
        awk '{ print $3 }')"
  done
  echo "payload=$(sums /srv)"
  if grep -q ' /data ' /etc/fstab; then
    echo "data=$(findmnt -n -o SOURCE /data) data-payload=$(sums /data)"
  fi
  echo "failed-units=$(systemctl list-units --failed --plain --no-legend |
    awk '{ print $1 }' | tr '\n' ' ')"
  echo end
}

# Not network-online.target: it has a limit of two minutes where there is
# no network card.
n=0
want=$(cat /etc/beacon-addresses 2>/dev/null || echo 1)
while [ "$n" -lt 20 ] &&
      [ "$(ip -4 -o address show scope global | wc -l)" -lt "$want" ]; do
  sleep 1
  n=$((n + 1))
done
report | sed '/./s/^/beacon: /' >/run/beacon
# agetty hangs up whoever had the port open before it took it, and throws away
# what was not sent yet; on a slow machine, at any time.
for n in 1 2 3 4 5 6; do
  sleep "$n"
  cat /run/beacon >/dev/ttyS0
done
END
  chmod 755 "$root/usr/local/sbin/beacon"
  cat >"$root/etc/systemd/system/beacon.service" <<'END'
[Unit]
Description=Report to the serial port
After=network.target serial-getty@ttyS0.service

[Service]
Type=oneshot
ExecStart=/usr/local/sbin/beacon

[Install]
WantedBy=multi-user.target
END
  in_root systemctl -q enable beacon.service
}

# payload FOLDER MIB SEED: bytes that do not compress, text that does, and
# their checksums.
payload () {
  mkdir -p "$1"
  { openssl enc -aes-128-ctr -nosalt -pbkdf2 -pass "pass:$3" \
      </dev/zero 2>/dev/null || true; } | head -c "$2M" >"$1/random"
  seq -f "line %.0f of the text that came with seed $3" 1 200000 >"$1/text"
  (cd "$1" && sha256sum random text >SHA256SUMS)
}

# Only the drivers that a VMware host needs, nothing of virtio.
make_initrd () {
  sed -i 's/^MODULES=.*/MODULES=list/' \
    "$root/etc/initramfs-tools/initramfs.conf"
  printf '%s\n' vmw_pvscsi ata_piix sd_mod nvme ext4 \
    >"$root/etc/initramfs-tools/modules"
  rm -f "$root"/boot/initrd.img-*
  in_root update-initramfs -c -k "$kernel" >"$work/initrd.log" 2>&1 || {
    cat "$work/initrd.log" >&2
    exit 1
  }
}

# ---------------------------------------------------------------- the disk

write_grub_cfg () {
  cat >"$root/etc/default/grub" <<'END'
GRUB_DEFAULT=0
GRUB_TIMEOUT=0
GRUB_DISTRIBUTOR=Debian
GRUB_CMDLINE_LINUX="console=tty0 console=ttyS0,115200"
GRUB_TERMINAL=console
END
  mkdir -p "$root/boot/grub"
  cat >"$root/boot/grub/grub.cfg" <<END
set default=0
set timeout=0
insmod part_gpt
insmod ext2
search --no-floppy --fs-uuid --set=root $root_uuid
menuentry 'Debian GNU/Linux' --class debian --class gnu-linux {
  linux /boot/vmlinuz-$kernel root=UUID=$root_uuid ro console=tty0 console=ttyS0,115200
  initrd /boot/initrd.img-$kernel
}
END
}

# grub_image FORMAT OUT MODULE...: GRUB with its first commands built in.
grub_image () {
  local format=$1 image=$2
  shift 2
  mkdir -p "$root/boot/grub/$format"
  cp "$root/usr/lib/grub/$format"/*.mod "$root/usr/lib/grub/$format"/*.lst \
    "$root/boot/grub/$format/"
  cat >"$root/tmp/early.cfg" <<END
search --no-floppy --fs-uuid --set=root $root_uuid
set prefix=(\$root)/boot/grub
configfile \$prefix/grub.cfg
END
  in_root grub-mkimage --format="$format" --prefix=/boot/grub \
    --config=/tmp/early.cfg --output=/tmp/grub.img \
    part_gpt ext2 search search_fs_uuid normal configfile linux echo test \
    gzio "$@"
  mv "$root/tmp/grub.img" "$image"
  rm "$root/tmp/early.cfg"
}

# put FILE IMAGE SECTOR
put () {
  dd if="$1" of="$2" bs=512 seek="$3" conv=notrunc,sparse status=none
}

# put_le64 NUMBER FILE OFFSET
put_le64 () {
  perl -e 'print pack "Q<", shift' "$1" |
    dd of="$2" bs=1 seek="$3" conv=notrunc status=none
}

# The master boot record loads the first sector of core.img, and that one
# the rest; each holds the place of what it loads.  Offsets: GRUB's
# include/grub/i386/pc/boot.h (KERNEL_SECTOR) and the block list at the end
# of core.img's first sector, in grub-core/boot/i386/pc/diskboot.S.
install_grub_bios () {
  grub_image i386-pc "$work/core.img" biosdisk
  cp "$root/usr/lib/grub/i386-pc/boot.img" "$work/boot.img"
  put_le64 $boot_start "$work/boot.img" $((0x5c))
  put_le64 $((boot_start + 1)) "$work/core.img" $((0x1f4))
  # Not the last 72 bytes of the sector: they are the partition table.
  dd if="$work/boot.img" of="$out" bs=440 count=1 conv=notrunc status=none
  put "$work/core.img" "$out" $boot_start
}

install_grub_uefi () {
  grub_image x86_64-efi "$work/grubx64.efi" fat efi_gop
  truncate -s $((boot_size * 512)) "$work/esp"
  mkfs.vfat -F 32 -i $esp_id -n EFI "$work/esp" >/dev/null
  # What grub-install leaves there; virt-v2v finds the boot loader by it.
  cat >"$work/grub.cfg" <<END
search.fs_uuid $root_uuid root
set prefix=(\$root)'/boot/grub'
configfile \$prefix/grub.cfg
END
  mmd -i "$work/esp" ::EFI ::EFI/BOOT ::EFI/debian
  mcopy -i "$work/esp" "$work/grubx64.efi" ::EFI/BOOT/BOOTX64.EFI
  mcopy -i "$work/esp" "$work/grubx64.efi" ::EFI/debian/grubx64.efi
  mcopy -i "$work/esp" "$work/grub.cfg" ::EFI/debian/grub.cfg
  put "$work/esp" "$out" $boot_start
}

# make_ext4 TREE IMAGE START SECTORS UUID LABEL.  Leaves holes where
# nothing is.
make_ext4 () {
  mke2fs -q -t ext4 -d "$1" -U "$5" -L "$6" \
    -E "offset=$(($3 * 512)),hash_seed=$5,lazy_itable_init=1" \
    "$2" "$(($4 / 2))k"
}

# partition IMAGE SECTORS "START,SIZE,TYPE"...
partition () {
  local image=$1 sectors=$2
  shift 2
  rm -f "$image"
  truncate -s $((sectors * 512)) "$image"
  { echo 'label: gpt'; printf '%s\n' "$@"; } | sfdisk -q "$image"
}

make_disks () {
  local boot_type=21686148-6449-6E6F-744E-656564454649
  [ "$firmware" = bios ] || boot_type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B
  partition "$out" $disk_size "$boot_start,$boot_size,$boot_type" \
    "$root_start,$root_size,L"
  "install_grub_$firmware"
  make_ext4 "$root" "$out" $root_start $root_size $root_uuid root
  if [ -n "$data" ]; then
    partition "$data" $data_size "$mib,$((data_size - 2 * mib)),L"
    payload "$work/data" 24 data
    make_ext4 "$work/data" "$data" $mib $((data_size - 2 * mib)) \
      $data_uuid data
  fi
}

# ---------------------------------------------------------------- all of it

if [ -z "$inside" ]; then
  make_root_tar
  # Again, in a namespace: mounts go away with it, and a user who is not
  # root can own the files of the tree there.
  user=()
  [ "$(id -u)" -eq 0 ] || user=(--user --map-root-user --map-auto)
  exec unshare "${user[@]}" --mount --pid --fork --kill-child --mount-proc \
    "$0" --inside "$root_tar" --firmware "$firmware" --network "$network" \
    ${data:+--data "$data"} "$out"
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/guest.XXXXXX")
trap 'rm -rf "$work"; rm -f "$out.new" ${data:+"$data.new"}' EXIT
# Only complete files get their names.
final=$out final_data=$data
out=$out.new data=${data:+$data.new}

root=$work/root
mkdir "$root"
tar -C "$root" --numeric-owner --exclude='./dev/*' -xf "$inside"
kernel=$(basename "$root"/lib/modules/*)
write_identity
write_fstab
write_network
write_beacon
payload "$root/srv" 16 root
make_initrd
write_grub_cfg
make_disks
mv "$out" "$final"
[ -z "$data" ] || mv "$data" "$final_data"
say "$final: Debian 12, $firmware, $(du -m "$final" | cut -f 1) MiB on disk"
