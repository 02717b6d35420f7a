#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# qcow2, VHD, VHDX and VDI images: the plugin refuses them with a command
# line, and that command serves the disk.  A qcow2 image that names other
# files is refused altogether.

source ./tests/functions.sh
requires nbdinfo
requires nbdcopy
requires qemu-nbd
requires qemu-img
tmpdir

"$PYTHON" - "$tmp/disk.raw" <<'PY'
import random, sys
with open(sys.argv[1], "wb") as f:
    f.truncate(5 << 20)
    f.seek(1 << 20)
    f.write(random.Random(2).randbytes(300000))
PY

# use_command: run the qemu-nbd command of $output on a socket of ours and
# compare what it serves.
use_command () {
  local command pid
  command=$(sed -n 's/.*serve it with: \(qemu-nbd .*\)/\1/p' <<<"$output")
  [ -n "$command" ] || fail "no command in the error"
  rm -f "$tmp/sock" "$tmp/pid" "$tmp/out.raw"
  command=${command/\/tmp\/disk.sock/$tmp/sock}
  eval "exec $command --pid-file=$tmp/pid" &
  pid=$!
  for _ in $(seq 100); do
    [ ! -s "$tmp/pid" ] || break
    sleep 0.1
  done
  timeout 60 nbdcopy "nbd+unix:///?socket=$tmp/sock" "$tmp/out.raw"
  kill "$pid"
  wait "$pid" || true
  same_bytes "$tmp/disk.raw" "$tmp/out.raw"
}

for format in qcow2 vhd vhdx vdi; do
  tests/tools/make-ova.py --format $format --name "it's $format" \
    "$tmp/$format.ova" "$tmp/disk.raw"
  expect_error "only qemu reads; serve it with: qemu-nbd" \
    nbdkit_ova -U - "$tmp/$format.ova" --run 'exit 0'
  use_command

  # Beside its OVF, under a name that a shell would take apart.
  tests/tools/make-ova.py --format $format --name "it's \$x" \
    "$tmp/$format" "$tmp/disk.raw"
  expect_error "serve it with: qemu-nbd" \
    nbdkit_ova -U - "$tmp/$format" --run 'exit 0'
  use_command
done

# Beside a VMDK: that one is served, the other one is not listed, and
# asking for it gives the command.
tests/tools/make-ova.py --format stream,qcow2 --name mixed \
  "$tmp/mixed.ova" "$tmp/disk.raw" "$tmp/disk.raw"
# shellcheck disable=SC2016
nbdkit_ova -U - "$tmp/mixed.ova" --run 'nbdinfo --list "$uri"' >"$tmp/list"
grep -q 'export="mixed-disk1.vmdk"' "$tmp/list"
grep -c export= "$tmp/list" | grep -qx 1
# shellcheck disable=SC2016
expect_error "mixed-disk2.qcow2.*serve it with: qemu-nbd" \
  nbdkit_ova -U - "$tmp/mixed.ova" --run \
  'nbdinfo "nbd+unix:///mixed-disk2.qcow2?socket=$unixsocket"'
use_command
expect_error "serve it with: qemu-nbd" \
  nbdkit_ova -U - "$tmp/mixed.ova" disk=1 --run 'exit 0'

# Images that need other files, or a password.
echo secret of the host >"$tmp/secret"
truncate -s 5M "$tmp/secret"
make_package () {
  rm -rf "$tmp/refuse"
  tests/tools/make-ova.py --format qcow2 --name vm "$tmp/refuse" \
    "$tmp/disk.raw"
}
make_package
qemu-img create -q -f qcow2 -b "$tmp/secret" -F raw \
  "$tmp/refuse/vm-disk1.qcow2" 5M
expect_error "refused: it needs a backing file" \
  nbdkit_ova -U - "$tmp/refuse" --run 'exit 0'
if grep -q qemu-nbd <<<"$output"; then
  fail "a command for an image with a backing file"
fi
qemu-img create -q -f qcow2 -o "data_file=$tmp/secret,data_file_raw=on" \
  "$tmp/refuse/vm-disk1.qcow2" 5M
expect_error "refused: its data is in another file" \
  nbdkit_ova -U - "$tmp/refuse" --run 'exit 0'
qemu-img create -q --object secret,id=s,data=x -f qcow2 \
  -o encrypt.format=aes,encrypt.key-secret=s \
  "$tmp/refuse/vm-disk1.qcow2" 5M
expect_error "refused: it is encrypted" \
  nbdkit_ova -U - "$tmp/refuse" --run 'exit 0'

# What qemu cannot be given.
tests/tools/make-ova.py --format qcow2 --gzip "$tmp/gz.ova" "$tmp/disk.raw"
expect_error "is a qcow2 image that is compressed: unpack" \
  nbdkit_ova -U - "$tmp/gz.ova" --run 'exit 0'
tests/tools/make-ova.py --format vhdx --chunk 1000000 "$tmp/chunk.ova" \
  "$tmp/disk.raw"
expect_error "is a vhdx image that is split into chunks: unpack" \
  nbdkit_ova -U - "$tmp/chunk.ova" --run 'exit 0'
