#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Extents say exactly which grains hold data; a raw image in a file shows
# the file's holes.

source ./tests/functions.sh
requires nbdinfo
tmpdir

# 64 grains of 64 KiB; data in grains 0, 3, 4, 5 and 63.
"$PYTHON" - "$tmp/disk.raw" <<'PY'
import sys
with open(sys.argv[1], "wb") as f:
    f.truncate(64 << 16)
    for grain in (0, 3, 4, 5, 63):
        f.seek((grain << 16) + 1000)
        f.write(b"data")
PY
cat >"$tmp/want" <<'END'
0 65536 0
65536 131072 3
196608 196608 0
393216 3735552 3
4128768 65536 0
END

map () {
  # shellcheck disable=SC2016
  nbdkit_ova -U - "$@" --run 'nbdinfo --map "$uri"' |
    awk '{ print $1, $2, $3 }'
}

for format in stream stream-front sparse two-gb-sparse; do
  tests/tools/make-ova.py --format $format "$tmp/$format.ova" "$tmp/disk.raw"
  map "$tmp/$format.ova" >"$tmp/got"
  diff -u "$tmp/want" "$tmp/got" || fail "$format: wrong extents"
done

# A raw file beside the OVF: the file system's holes, never less data
# than there is.
tests/tools/make-ova.py --format raw --name vm "$tmp/raw" "$tmp/disk.raw"
map "$tmp/raw" >"$tmp/got"
"$PYTHON" - "$tmp/got" <<'PY'
import sys
pos, data = 0, []
for line in open(sys.argv[1]):
    offset, length, kind = map(int, line.split())
    assert offset == pos and kind in (0, 3), line
    if kind == 0:
        data.append((offset, offset + length))
    pos += length
assert pos == 64 << 16, pos
for grain in (0, 3, 4, 5, 63):
    at = (grain << 16) + 1000
    assert any(a <= at and at + 4 <= b for a, b in data), grain
assert sum(b - a for a, b in data) < 32 << 16, data
PY

# An empty disk is one hole.
tests/tools/make-ova.py --empty 1048576 "$tmp/e.ova"
map "$tmp/e.ova" >"$tmp/got"
echo 0 1048576 3 | diff -u - "$tmp/got"

# nbdinfo asks for all at once; nbdcopy for one piece after the other.
# shellcheck disable=SC2016
nbdkit_ova -U - "$tmp/stream.ova" \
  --run 'nbdcopy --request-size=65536 -C 1 "$uri" '"$tmp/out.raw"
same_bytes "$tmp/disk.raw" "$tmp/out.raw"
[ "$(allocated "$tmp/out.raw")" -le $((5 * 65536)) ] ||
  fail "holes were written"
