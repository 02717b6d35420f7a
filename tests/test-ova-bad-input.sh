#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Broken and hostile packages: each is refused with an error that names
# the file and what is wrong, or a read of the bad part fails.  No crash,
# and never a byte of another file.

source ./tests/functions.sh
requires nbdcopy
tmpdir
pause=0.2
[ "${SAN:-}" != valgrind ] || pause=3

truncate -s 2M "$tmp/disk.raw"
"$PYTHON" -c 'import random, sys
open(sys.argv[1], "r+b").write(random.Random(3).randbytes(1000000))' \
  "$tmp/disk.raw"

# refused PATTERN PACKAGE [ARG...]: nbdkit does not start.
refused () {
  local pattern=$1
  shift
  expect_error "$pattern" timeout 60 "$NBDKIT" "$OVA_PLUGIN" -U - "$@" \
    --run 'echo started'
  if grep -q started <<<"$output"; then
    fail "the server started"
  fi
}

# read_fails PATTERN PACKAGE: it starts, but copying the disk fails.
# (One request at a time, and time for nbdkit to notice that the client has
# gone: nbdkit 1.32 may abort when a client leaves with replies on the way,
# and leaks a connection that is open when it ends.)
read_fails () {
  local pattern=$1
  shift
  # shellcheck disable=SC2016
  expect_error "$pattern" timeout 60 "$NBDKIT" "$OVA_PLUGIN" -U - "$@" \
    --run 'nbdcopy --synchronous -C 1 "$uri" '"$tmp/out.raw"'
           status=$?; sleep '"$pause"'; exit $status'
}

# package SED: a fresh folder package vm whose OVF is changed by SED.
package () {
  rm -rf "$tmp/vm"
  tests/tools/make-ova.py --name vm "$tmp/vm" "$tmp/disk.raw"
  sed -i "$1" "$tmp/vm/vm.ovf"
}

# 1. Parameters.
refused "the path of an OVA is missing" vm=x
refused "unknown parameter 'file'" file=x
refused "nfs-version must be 3 or 4" "$tmp/x.ova" nfs-version=5
# With ASan's runtime preloaded, nbdkit 1.32 of Debian 12 hangs at exit in
# libp11-kit's freelocale once anything has called strerror, whatever the
# plugin (glibc's locale lock is miscounted before plugins are loaded).
[ "${SAN:-}" = address ] ||
  refused "/absent.ova.*No such file" "$tmp/absent.ova"
mkdir "$tmp/empty"
refused "/empty" "$tmp/empty"
echo hello >"$tmp/text.ova"
refused "text.ova" "$tmp/text.ova"
: >"$tmp/nothing.ova"
refused "nothing.ova" "$tmp/nothing.ova"
: >"$tmp/nothing.ovf"
refused "nothing.ovf" "$tmp/nothing.ovf"
tar -C "$tmp" --format=ustar -cf "$tmp/no-ovf.ova" disk.raw
refused "no-ovf.ova" "$tmp/no-ovf.ova"

# 2. The descriptor.  (All refusals of the parser are in test-ovf; here it
# matters that they come through.)
for f in entity-bomb doctype duplicate-disk-id capacity-2-63 parent-ref \
         not-well-formed; do
  rm -rf "$tmp/vm"
  mkdir "$tmp/vm"
  cp "tests/data/ovf/invalid/$f.ovf" "$tmp/vm/"
  refused "$f\.ovf" "$tmp/vm"
done
cp tests/data/ovf/valid/no-disks.ovf "$tmp/"
refused "the VMs in it have no disks" "$tmp/no-disks.ovf"
refused "VM 'test' has no disks" "$tmp/no-disks.ovf" vm=test

# 3. Names that lead out of the package.
for href in ../../../../../../etc/passwd /etc/passwd file:///etc/passwd \
            http://127.0.0.1/x.vmdk %2e%2e/%2e%2e/etc/passwd \
            sub/../../vm.raw; do
  package "s|ovf:href=\"[^\"]*\"|ovf:href=\"$href\"|"
  cp "$tmp/disk.raw" "$tmp/vm.raw"
  refused "." "$tmp/vm"
  if grep -q root: <<<"$output"; then
    fail "/etc/passwd was read"
  fi
done
package 's|vm-disk1.vmdk|link.vmdk|'
ln -s /etc/passwd "$tmp/vm/link.vmdk"
refused "link.vmdk" "$tmp/vm"
package 's|vm-disk1.vmdk|absent.vmdk|'
refused "absent.vmdk" "$tmp/vm"

# 4. The image is not what the OVF says.
package ''
head -c 100000 /dev/zero >"$tmp/vm/vm-disk1.vmdk"
refused "says that this is a VMDK image, but it does not begin like one" \
  "$tmp/vm"
: >"$tmp/vm/vm-disk1.vmdk"
refused "vm-disk1.vmdk" "$tmp/vm"
package ''
gzip "$tmp/vm/vm-disk1.vmdk"
mv "$tmp/vm/vm-disk1.vmdk.gz" "$tmp/vm/vm-disk1.vmdk"
refused 'compressed with gzip, but the OVF' "$tmp/vm"
package 's|ovf:size|ovf:compression="gzip" ovf:size|'
refused "vm-disk1.vmdk" "$tmp/vm"
package 's|ovf:capacity="2"|ovf:capacity="3"|'
# shellcheck disable=SC2016
nbdkit_ova -U - "$tmp/vm" --run 'nbdcopy --synchronous -C 1 "$uri" '"$tmp/out.raw" \
  2>"$tmp/log"
same_bytes "$tmp/disk.raw" "$tmp/out.raw"
grep -q "3145728 bytes, but its image .* 2097152: the image is right" \
  "$tmp/log"

# 5. Chunks.
chunks () {
  rm -rf "$tmp/vm"
  tests/tools/make-ova.py --chunk 300000 --name vm "$tmp/vm" "$tmp/disk.raw"
}
chunks
rm "$tmp/vm/vm-disk1.vmdk.000000001"
refused "vm-disk1.vmdk.000000001" "$tmp/vm"
chunks
rm "$tmp/vm/vm-disk1.vmdk.000000000"
refused "vm-disk1.vmdk.000000000" "$tmp/vm"
chunks
truncate -s -1 "$tmp/vm/vm-disk1.vmdk.000000001"
refused "vm-disk1.vmdk.000000001" "$tmp/vm"

# 6. A VMDK that breaks in the middle: what is whole can still be read.
tests/tools/make-ova.py --vmdk-option=--damage=grain-lba "$tmp/lba.ova" \
  "$tmp/disk.raw"
read_fails "lba-disk1.vmdk" "$tmp/lba.ova"
tests/tools/make-ova.py --vmdk-option=--damage=grain-adler "$tmp/a.ova" \
  "$tmp/disk.raw"
read_fails "a-disk1.vmdk" "$tmp/a.ova"
tests/tools/make-ova.py --vmdk-option=--damage=grain-size "$tmp/s.ova" \
  "$tmp/disk.raw"
read_fails "s-disk1.vmdk" "$tmp/s.ova"
tests/tools/make-ova.py --vmdk-option=--damage=gd-past-end "$tmp/gd.ova" \
  "$tmp/disk.raw"
refused "gd-disk1.vmdk" "$tmp/gd.ova"
tests/tools/make-ova.py --vmdk-option=--damage=header-capacity-bytes \
  "$tmp/cap.ova" "$tmp/disk.raw"
refused "cap-disk1.vmdk" "$tmp/cap.ova"

# 7. In a folder, a broken package does not hide the others.
mkdir "$tmp/f"
tests/tools/make-ova.py --name good "$tmp/f/good.ova" "$tmp/disk.raw"
cp "$tmp/text.ova" "$tmp/f/bad.ova"
cp tests/data/ovf/invalid/not-ovf.ovf "$tmp/f/bad.ovf"
# shellcheck disable=SC2016
nbdkit_ova -U - "$tmp/f" --run 'nbdcopy --synchronous -C 1 "$uri" '"$tmp/out.raw" 2>"$tmp/log"
cat "$tmp/log"
same_bytes "$tmp/disk.raw" "$tmp/out.raw"
grep -q bad.ova "$tmp/log"
grep -q "bad.ovf" "$tmp/log"
