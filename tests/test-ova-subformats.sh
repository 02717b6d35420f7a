#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Every kind of image, in every kind of package, is read byte for byte as
# qemu-img reads the extracted member, and its holes are holes.
# limit: 600

source ./tests/functions.sh
requires nbdcopy
requires qemu-img
tmpdir

# 40 MiB with data in odd places: whole grains, parts of grains, random
# and compressible, at the very end.
"$PYTHON" - "$tmp/disk.raw" <<'PY'
import random, sys
r = random.Random(1)
size = (40 << 20) + 3 * 512
with open(sys.argv[1], "wb") as f:
    f.truncate(size)
    for offset, length in ((0, 512), (65536, 65536), (1 << 20, 3 << 20),
                           ((9 << 20) + 512, 100), ((20 << 20) - 1, 2),
                           ((30 << 20) + 7, 200000), (size - 10, 10)):
        f.seek(offset)
        if offset == 1 << 20:
            f.write(b"all work and no play\n" * (length // 21))
        else:
            f.write(r.randbytes(length))
PY
size=$(stat -c %s "$tmp/disk.raw")

# check PACKAGE WHAT: its only disk must be disk.raw.
check () {
  local want got
  rm -f "$tmp/out.raw"
  # shellcheck disable=SC2016
  nbdkit_ova -U - "$1" --run 'nbdcopy "$uri" '"$tmp/out.raw"
  same_bytes "$tmp/disk.raw" "$tmp/out.raw"
  # Holes: what is on the disk is no more than qemu-img makes of it.
  want=$(allocated "$tmp/want.raw")
  got=$(allocated "$tmp/out.raw")
  [ "$got" -le $((want + want / 50 + 65536)) ] ||
    fail "$2: $got bytes allocated, qemu-img: $want"
  echo "ok: $2 ($got of $size bytes allocated)"
}

# member FOLDER: the disk's first file, without a manifest or OVF.
for format in stream stream-front sparse flat vmfs two-gb-sparse \
              two-gb-flat raw; do
  rm -rf "$tmp/package"
  tests/tools/make-ova.py --format $format --name vm "$tmp/package" \
    "$tmp/disk.raw"
  member=$tmp/package/vm-disk1.vmdk
  qfmt=vmdk
  case $format in
    raw) member=$tmp/package/vm-disk1.img qfmt=raw ;;
  esac
  if [ "$format" != vmfs ]; then
    qemu-img convert -f $qfmt -O raw "$member" "$tmp/want.raw"
    cmp "$tmp/disk.raw" "$tmp/want.raw" ||
      fail "qemu-img reads the generated $format image differently"
  fi

  check "$tmp/package" "$format in a folder"
  check "$tmp/package/vm.ovf" "$format, by its .ovf"
  for tar in ustar gnu pax; do
    tests/tools/make-ova.py --format $format --tar $tar --name vm \
      "$tmp/vm.ova" "$tmp/disk.raw"
    check "$tmp/vm.ova" "$format in a $tar OVA"
  done
done

# What a reference can add.
for options in --gzip "--chunk 100000" "--gzip --chunk 70001" \
               "--order disks,mf,ovf" "--order ovf,disks,mf" \
               "--prefix sub/dir" "--layout virtualbox" "--layout ovf2" \
               "--controller sata" "--controller ide" "--controller nvme"; do
  for format in stream raw; do
    # shellcheck disable=SC2086
    tests/tools/make-ova.py --format $format $options --name vm \
      "$tmp/vm.ova" "$tmp/disk.raw"
    check "$tmp/vm.ova" "$format $options"
  done
done
rm -rf "$tmp/package"
tests/tools/make-ova.py --gzip --chunk 100000 --name vm "$tmp/package" \
  "$tmp/disk.raw"
check "$tmp/package" "gzip chunks in a folder"

# qemu's own streamOptimized image.
rm -rf "$tmp/package"
tests/tools/make-ova.py --name vm "$tmp/package" "$tmp/disk.raw"
qemu-img convert -O vmdk -o subformat=streamOptimized "$tmp/disk.raw" \
  "$tmp/package/vm-disk1.vmdk"
check "$tmp/package" "streamOptimized by qemu-img"
