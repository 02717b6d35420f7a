#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Boot disks in qemu and watch the first serial port.
#
# usage: boot-guest.sh --log FILE [--hardware virtio|vmware]
#          [--network-cards virtio|vmware] [--firmware bios|uefi]
#          [--nic MAC]... [--until PATTERN] [--limit SECONDS] DISK...
#
#   --log        what comes over the serial port
#   --hardware   virtio (default): disks and network cards as KubeVirt gives
#                them; vmware: as a VMware host does (pvscsi and vmxnet3, for
#                UEFI NVMe, since OVMF has no driver for pvscsi)
#   --network-cards   the same for the network cards alone
#   --nic MAC    a network card, in this order; one with a default MAC if
#                there is none
#   --until      stop at a line that fits this extended regular expression;
#                by default when the guest has reported (see make-guest.sh)
#                and asks for a login
#
# The disks stay as they are: writes go to temporary overlays.  Exit 0 if
# what was waited for came within the limit (400 s), else 1.

set -eu
log='' hardware=virtio cards='' firmware=bios until='' limit=400 nics=()
while [ $# -gt 0 ]; do
  case $1 in
    --log) log=$2; shift ;;
    --hardware) hardware=$2; shift ;;
    --network-cards) cards=$2; shift ;;
    --firmware) firmware=$2; shift ;;
    --nic) nics+=("$2"); shift ;;
    --until) until=$2; shift ;;
    --limit) limit=$2; shift ;;
    -*) sed -n '3,/^$/s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    *) break ;;
  esac
  shift
done
if [ -z "$log" ] || [ $# -eq 0 ]; then
  echo "$0: no log, or no disk" >&2
  exit 2
fi
[ "${#nics[@]}" -gt 0 ] || nics=(00:50:56:aa:bb:01)

work=$(mktemp -d "${TMPDIR:-/tmp}/boot.XXXXXX")
qemu=''
finish () {
  if [ -n "$qemu" ]; then
    kill "$qemu" 2>/dev/null || true
    wait "$qemu" 2>/dev/null || true
  fi
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 143' TERM INT

args=(-machine q35 -m 768 -nodefaults -display none -no-reboot -snapshot
      -serial "file:$log")
if "$(dirname "$0")/kvm-works"; then
  args+=(-accel kvm -cpu host)
else
  args+=(-accel tcg,thread=multi -cpu qemu64)
fi
if [ "$firmware" = uefi ]; then
  cp /usr/share/OVMF/OVMF_VARS_4M.fd "$work/vars"
  args+=(-drive if=pflash,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd
         -drive "if=pflash,format=raw,file=$work/vars")
fi
if [ "$hardware" = vmware ]; then
  # So that the slot numbers below name the network cards, as on VMware.
  args+=(-global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off)
  [ "$firmware" = uefi ] ||
    args+=(-device pcie-root-port,id=scsi-port,chassis=1,slot=160
           -device pvscsi,id=scsi,bus=scsi-port)
fi

n=0
for disk; do
  args+=(-drive "file=${disk//,/,,},format=raw,if=none,id=disk$n")
  case $hardware/$firmware in
    virtio/*)
      args+=(-device "pcie-root-port,id=disk-port$n,chassis=$((n + 10))"
             -device "virtio-blk-pci,bus=disk-port$n,drive=disk$n,bootindex=$((n + 1))") ;;
    vmware/bios)
      args+=(-device "scsi-hd,bus=scsi.0,scsi-id=$n,drive=disk$n,bootindex=$((n + 1))") ;;
    vmware/uefi)
      args+=(-device "nvme,serial=disk$n,drive=disk$n,bootindex=$((n + 1))") ;;
  esac
  n=$((n + 1))
done

n=0
for mac in "${nics[@]}"; do
  case ${cards:-$hardware} in
    virtio) model=virtio-net-pci slot=$((n + 1)) ;;
    vmware) model=vmxnet3 slot=$((192 + 32 * n)) ;;
  esac
  # romfile= keeps the firmware from trying the network when no disk boots.
  args+=(-netdev "user,id=net$n,restrict=on"
         -device "pcie-root-port,id=nic-port$n,chassis=$((n + 100)),slot=$slot"
         -device "$model,bus=nic-port$n,netdev=net$n,mac=$mac,romfile=")
  n=$((n + 1))
done

seen () {
  grep -aEq -- "$1" "$log" 2>/dev/null
}
done_yet () {
  if [ -n "$until" ]; then
    seen "$until"
  else
    # The guest reports some times; one of them may be cut.
    tr -d '\0' <"$log" | LC_ALL=C awk '
      /^beacon: begin/ { begun = 1 }
      /^beacon: end/ && begun { whole = 1 }
      END { exit !whole }' && seen 'login: '
  fi
}

: >"$log"
qemu-system-x86_64 "${args[@]}" </dev/null &
qemu=$!
start=$SECONDS
while [ $((SECONDS - start)) -lt "$limit" ]; do
  if done_yet; then
    exit 0
  fi
  if ! kill -0 "$qemu" 2>/dev/null && ! done_yet; then
    echo "$0: the guest went off" >&2
    exit 1
  fi
  sleep 0.5
done
echo "$0: not seen within $limit s: ${until:-a login}; the last lines:" >&2
tail -n 5 "$log" >&2 || true
exit 1
