#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# A disk of 2 TiB opens at once, and memory stays far below what its size
# would suggest, also while all of a disk is read.

source ./tests/functions.sh
requires nbdcopy
skip_if_sanitizer "memory is not the program's own"
tmpdir

truncate -s 256M "$tmp/disk.raw"
"$PYTHON" -c 'import random, sys
r = random.Random(5)
with open(sys.argv[1], "r+b") as f:
    for i in range(64):
        f.write(r.randbytes(1 << 20))' "$tmp/disk.raw"

# peak PACKAGE: write to $tmp/peak how many KiB of memory the server needed
# at most while all of the disk was read.
peak () {
  start_nbdkit -P "$tmp/pid" -U "$tmp/sock" "$OVA_PLUGIN" "$1"
  nbdcopy "nbd+unix:///?socket=$tmp/sock" null:
  awk '/VmHWM/ { print $2 }' "/proc/$(cat "$tmp/pid")/status" >"$tmp/peak"
  stop_nbdkit "$tmp/pid"
}
for format in stream sparse; do
  tests/tools/make-ova.py --format $format --name big \
    --vmdk-option=--capacity=2199023255552 "$tmp/big.ova" "$tmp/disk.raw"
  start=$(date +%s%N)
  nbdkit_ova -U - "$tmp/big.ova" --run "nbdinfo --size \"\$uri\"" >"$tmp/size"
  end=$(date +%s%N)
  echo "$format: 2 TiB opened in $(((end - start) / 1000000)) ms"
  grep -qx 2199023255552 "$tmp/size"

  # 2 TiB have 32 Mi grains of 4 bytes in the tables: 128 MiB in the sparse
  # image, which has all of them.
  limit=$((64 * 1024))
  [ $format = stream ] || limit=$((limit + 128 * 1024))
  peak "$tmp/big.ova"
  echo "$format: peak $(cat "$tmp/peak") KiB"
  [ "$(cat "$tmp/peak")" -lt $limit ] || fail "too much memory"
  rm "$tmp/big.ova"
done

# 20 disks read at once by a server with as many threads as the driver
# gives it.  Each thread has a buffer of the largest request, 1 MiB, and
# those at work another: at most 2 MiB for each of 40, with what the server
# is without them.
disks=()
for ((i = 0; i < 20; i++)); do
  dd if="$tmp/disk.raw" of="$tmp/$i.raw" bs=1M skip=$i count=8 status=none
  disks+=("$tmp/$i.raw")
done
tests/tools/make-ova.py --name many "$tmp/many.ova" "${disks[@]}"
start_nbdkit -P "$tmp/pid" -U "$tmp/sock" -t 2 "$OVA_PLUGIN" "$tmp/many.ova"
copies=()
for ((i = 0; i < 20; i++)); do
  nbdcopy --connections=1 --request-size=1048576 \
    "nbd+unix:///$i?socket=$tmp/sock" "$tmp/$i.out" &
  copies+=($!)
done
for i in "${!copies[@]}"; do
  wait "${copies[$i]}" || fail "nbdcopy of disk $i"
  cmp "$tmp/$i.raw" "$tmp/$i.out"
done
peak=$(awk '/VmHWM/ { print $2 }' "/proc/$(cat "$tmp/pid")/status")
stop_nbdkit "$tmp/pid"
echo "20 disks at once: peak $peak KiB"
[ "$peak" -lt $((112 * 1024)) ] || fail "too much memory"
