#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# A tar whose headers lie about sizes: refused, without reading past the
# end of anything, or using much memory.

source ./tests/functions.sh
requires nbdcopy
tmpdir

truncate -s 1M "$tmp/disk.raw"
echo data >"$tmp/data"
dd if="$tmp/data" of="$tmp/disk.raw" conv=notrunc status=none
tests/tools/make-ova.py --name vm "$tmp/vm.ova" "$tmp/disk.raw"

# lie MEMBER SIZE-FIELD: set the size field of that member (12 bytes, with
# Python's escapes) and correct the header's checksum.
lie () {
  "$PYTHON" - "$tmp/vm.ova" "$tmp/lie.ova" "$1" "$2" <<'PY'
import sys, tarfile
data = bytearray(open(sys.argv[1], "rb").read())
for m in tarfile.open(sys.argv[1]):
    if m.name.endswith(sys.argv[3]):
        at = m.offset
field = sys.argv[4].encode().decode("unicode_escape").encode("latin-1")
assert len(field) == 12, len(field)
data[at + 124:at + 136] = field
data[at + 148:at + 156] = b" " * 8
data[at + 148:at + 156] = b"%06o\0 " % sum(data[at:at + 512])
open(sys.argv[2], "wb").write(data)
PY
}

for member in vm.ovf vm-disk1.vmdk; do
  for field in '77777777777\0' \
               '\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff' \
               '\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff' \
               'not a size\0\0' '-0000000100\0' '00040000000\0'; do
    lie $member "$field"
    # shellcheck disable=SC2016
    expect_error "lie.ova" timeout 60 "$NBDKIT" "$OVA_PLUGIN" -U - \
      "$tmp/lie.ova" --run 'nbdcopy --synchronous -C 1 "$uri" '"$tmp/out.raw"
  done
done

# Too small: the rest of the image is taken for headers.
lie vm-disk1.vmdk '00000001000\0'
# shellcheck disable=SC2016
expect_error "vm-disk1.vmdk|lie.ova" timeout 60 "$NBDKIT" "$OVA_PLUGIN" \
  -U - "$tmp/lie.ova" --run 'nbdcopy --synchronous -C 1 "$uri" '"$tmp/out.raw"
lie vm.ovf '00000000000\0'
# shellcheck disable=SC2016
expect_error "lie.ova" timeout 60 "$NBDKIT" "$OVA_PLUGIN" \
  -U - "$tmp/lie.ova" --run 'nbdcopy --synchronous -C 1 "$uri" '"$tmp/out.raw"
