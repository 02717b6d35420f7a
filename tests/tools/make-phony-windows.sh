#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Make a disk that looks like Windows Server 2019 to libguestfs and is
# converted by virt-v2v: the registry, the program by which the architecture
# is told, and NTFS.  Not a byte of Windows is in it, so it cannot boot.
#
# usage: make-phony-windows.sh [--virtio FOLDER] FILE
#
#   --virtio FOLDER   make stand-ins there for what virt-v2v installs: the
#                     drivers of virtio-win, for VIRTIO_WIN=FOLDER, and the
#                     programs for VIRT_TOOLS_DATA_DIR=FOLDER/virt-tools
#
# Needs ntfs-3g and FUSE.

set -euo pipefail
virtio=''
if [ "${1:-}" = --virtio ]; then
  virtio=$2
  shift 2
fi
out=$1
tools=$(dirname "$(realpath "$0")")

work=$(mktemp -d "${TMPDIR:-/tmp}/windows.XXXXXX")
mounted=''
finish () {
  [ -z "$mounted" ] || fusermount -u "$work/mnt" || umount "$work/mnt" || true
  rm -rf "$work"
  rm -f "$out.new"
}
trap finish EXIT

# A PE32+ header for x86-64 and the console; nothing runs it.
make_cmd_exe () {
  perl -e '
    my $coff = pack "a4 v v V3 v v", "PE", 0x8664, 1, 0, 0, 0, 240, 0x22;
    my $optional = pack "v x66 v x170", 0x20b, 3;
    my $section = pack "a8 x32", ".text";
    print pack ("a2 x58 V x64", "MZ", 128), $coff, $optional, $section,
      "\0" x 600;' >"$work/cmd.exe"
}

/usr/bin/python3 "$tools/make-registry.py" "$work"
make_cmd_exe

size_mib=255
truncate -s ${size_mib}M "$work/ntfs"
mkntfs -q -Q -F -s 512 -p 2048 -H 255 -S 63 -L Windows "$work/ntfs" >/dev/null 2>&1
mkdir "$work/mnt"
ntfs-3g "$work/ntfs" "$work/mnt"
mounted=1
system=$work/mnt/Windows/System32
mkdir -p "$system/config" "$system/drivers" "$work/mnt/Windows/INF" \
  "$work/mnt/Program Files"
cp "$work/SOFTWARE" "$work/SYSTEM" "$system/config/"
cp "$work/cmd.exe" "$system/"
fusermount -u "$work/mnt" || umount "$work/mnt"
mounted=''

# One partition at 1 MiB; the registry knows the disk by its signature.
rm -f "$out.new"
truncate -s $((size_mib + 2))M "$out.new"
printf '%s\n' 'label: dos' 'label-id: 0x11223344' \
  "start=2048, size=$((size_mib * 2048)), type=7, bootable" |
  sfdisk -q "$out.new"
dd if="$work/ntfs" of="$out.new" bs=1M seek=1 conv=notrunc,sparse status=none
mv "$out.new" "$out"

# DRIVER/WINDOWS/ARCHITECTURE/FILE, as on the ISO of virtio-win.
if [ -n "$virtio" ]; then
  while read -r driver file; do
    mkdir -p "$virtio/$driver/2k19/amd64"
    for kind in inf cat sys; do
      echo "stand-in for $file.$kind" >"$virtio/$driver/2k19/amd64/$file.$kind"
    done
  done <<'END'
viostor viostor
vioscsi vioscsi
NetKVM netkvm
Balloon balloon
vioserial vioser
viorng viorng
END
  mkdir -p "$virtio/guest-agent"
  mkdir -p "$virtio/virt-tools"
  for file in guest-agent/qemu-ga-x86_64.msi virt-tools/rhsrvany.exe \
              virt-tools/pnp_wait.exe; do
    echo "stand-in for $file" >"$virtio/$file"
  done
fi
