#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# An OVA cut at 20 random places, and an image beside its OVF cut at 20
# others, is refused, or what is read of it is either right or an error.
# SEED=N repeats a run.
# limit: 300

source ./tests/functions.sh
requires nbdcopy
tmpdir
pause=0.2
[ "${SAN:-}" != valgrind ] || pause=3

seed=${SEED:-$RANDOM}
echo "SEED=$seed"

"$PYTHON" - "$tmp/disk.raw" "$seed" <<'PY'
import random, sys
r = random.Random(int(sys.argv[2]))
with open(sys.argv[1], "wb") as f:
    f.truncate(6 << 20)
    for i in range(0, 96, 2):
        f.seek(i << 16)
        f.write(r.randbytes(40000))
PY

# try_cut PACKAGE WHAT COMPLETE: it must not give a wrong disk, and give
# the right one only if COMPLETE is not 0.
# (One request at a time, and a pause: see test-ova-bad-input.sh.)
try_cut () {
  local status=0
  rm -f "$tmp/out.raw"
  # shellcheck disable=SC2016
  timeout 60 "$NBDKIT" "$OVA_PLUGIN" -U - "$1" \
    --run 'nbdcopy --synchronous -C 1 "$uri" '"$tmp/out.raw"'
           status=$?; sleep '"$pause"'; exit $status' >"$tmp/log" 2>&1 || status=$?
  if [ "$status" -eq 0 ]; then
    cmp "$tmp/disk.raw" "$tmp/out.raw" || fail "$2: success, but wrong data"
    [ "$3" -ne 0 ] || fail "$2: success without all data"
  else
    [ "$status" -lt 124 ] || { cat "$tmp/log"; fail "$2: status $status"; }
    grep -q "error: " "$tmp/log" || fail "$2: no message"
  fi
  echo "$2: status $status: $(grep -m1 error: "$tmp/log" || true)"
}

# places N SIZE: random ones below SIZE, a fifth of them in the headers.
places () {
  "$PYTHON" -c 'import random, sys
r = random.Random(sys.argv[1])
n, size = int(sys.argv[2]), int(sys.argv[3])
print(*sorted(r.randrange(size if i % 5 else min(size, 8192))
              for i in range(n)))' "$seed$format$2" "$1" "$2"
}

for format in stream sparse; do
  tests/tools/make-ova.py --format $format --name vm "$tmp/vm.ova" \
    "$tmp/disk.raw"
  size=$(stat -c %s "$tmp/vm.ova")
  # Where the last member's data ends.
  end=$("$PYTHON" -c 'import sys, tarfile
m = tarfile.open(sys.argv[1]).getmembers()[-1]
print(m.offset_data + m.size)' "$tmp/vm.ova")
  for place in $(places 10 "$size"); do
    head -c "$place" "$tmp/vm.ova" >"$tmp/cut.ova"
    try_cut "$tmp/cut.ova" "$format OVA cut at $place" \
      $((place >= end))
  done

  rm -rf "$tmp/vm"
  tests/tools/make-ova.py --format $format --name vm "$tmp/vm" \
    "$tmp/disk.raw"
  image=$tmp/vm/vm-disk1.vmdk
  mv "$image" "$tmp/whole"
  for place in $(places 10 "$(stat -c %s "$tmp/whole")"); do
    head -c "$place" "$tmp/whole" >"$image"
    # The padding of the last grain may be missing.
    try_cut "$tmp/vm" "$format image cut at $place" 1
  done
done
