#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# nbdlift verify --digest: what nbdlift copy wrote is proved with its digests,
# which another program can make too; any difference is named by its offset.

source ./tests/functions.sh
source ./tests/driver-functions.sh
requires jq
requires nbdkit

tmpdir
export TMPDIR=$tmp
make_disk "$tmp/source.raw" 6553700 3000000
cp "$tmp/source.raw" "$tmp/good.raw"
uri="nbd+unix:///?socket=$tmp/sock"
start_nbdkit -P "$tmp/pid" -U "$tmp/sock" -r file "$tmp/source.raw"
volume=$tmp/volume
digests=$tmp/digests

# flip FILE OFFSET
flip () {
  "$PYTHON" - "$1" "$2" <<'PY'
import sys
with open(sys.argv[1], "r+b") as f:
    f.seek(int(sys.argv[2]))
    b = f.read(1)
    f.seek(int(sys.argv[2]))
    f.write(bytes([b[0] ^ 1]))
PY
}

# check_digests TYPE ROOT: make the digests of the source, and find them and
# the root in the file.
check_digests () {
  "$PYTHON" - "$digests" "$tmp/good.raw" "$1" "$2" <<'PY'
import hashlib, sys

def poly1305(key, data):
    r = int.from_bytes(key[:16], "little") & 0x0ffffffc0ffffffc0ffffffc0fffffff
    s = int.from_bytes(key[16:], "little")
    h = 0
    for i in range(0, len(data), 16):
        part = data[i:i + 16] + b"\1"
        h = (h + int.from_bytes(part, "little")) * r % ((1 << 130) - 5)
    return ((h + s) & ((1 << 128) - 1)).to_bytes(16, "little")

file, disk = (open(name, "rb").read() for name in sys.argv[1:3])
MIB = 1 << 20
number, size = {"poly1305": (0, 16), "sha256": (1, 32)}[sys.argv[3]]
n = -(-len(disk) // MIB)
assert len(file) == 72 + n * size + 32, len(file)
header, digests, root = file[:72], file[72:-32], file[-32:]
want = b"NBDLIFTD" + b"".join(i.to_bytes(8, "little")
                              for i in (2, number, len(disk), MIB))
assert header[:40] == want, header
key = header[40:]
assert (key != bytes(32)) == (sys.argv[3] == "poly1305"), key
for i in range(n):
    data = disk[i * MIB:(i + 1) * MIB]
    digest = poly1305(key, data) if number == 0 else \
        hashlib.sha256(data).digest()
    assert digests[i * size:(i + 1) * size] == digest, i
assert root == hashlib.sha256(file[:-32]).digest()
assert root.hex() == sys.argv[4], (root.hex(), sys.argv[4])
PY
}

# verify ARGS...: of the volume alone; verify_both: with the source.
verify () {
  "$NBDLIFT" verify --digest "$digests" -q "$@" "$volume"
}
verify_both () {
  verify --source "$uri" "$@"
}

for type in poly1305 sha256; do
  echo "== $type"
  rm -f "$volume" "$digests"
  "$NBDLIFT" copy -q --digest "$digests" --digest-type "$type" -f json \
    "$uri" "$volume" >"$tmp/copy.json"
  cmp "$tmp/good.raw" "$volume" || fail "the copy is wrong"
  check_digests "$type" "$(jq -r .digest "$tmp/copy.json")"

  verify >"$tmp/table"
  diff -u - "$tmp/table" <<'TXT' || fail "verify prints something else"
VM  DISK    SOURCE  VOLUME  OFFSET
-   volume  -       same    -
TXT
  verify_both -f json >"$tmp/json"
  jq -e '. == [{disk: "volume", source: "same", volume: "same"}]' \
    "$tmp/json" >"$tmp/verdict" || { cat "$tmp/json"; fail "json"; }

  # Every block, first and last byte, data and hole.
  for at in 0 1048575 1048576 2500000 4200000 5242879 6291456 6553699; do
    flip "$volume" $at
    expect_error "error: disk volume: $volume .*, first at offset $at\$" \
      verify_both -f json
    [ "$status" -eq 1 ] || fail "status $status"
    expect_output "\"offset\": $at\$"
    expect_error "in the 1 MiB at offset $((at / 1048576 * 1048576))\$" \
      verify
    flip "$volume" $at
  done
  expect_status 0 verify_both
done

echo "== the source"
flip "$tmp/source.raw" 2345678
expect_error 'disk volume: the source differs .* first at offset 2345678$' \
  verify_both
[ "$status" -eq 1 ] || fail "status $status"
expect_output '^- +volume +differs +same +2345678$'
expect_status 0 verify
# When both have changed in one block, neither tells where the other has.
flip "$volume" 2345679
expect_error "$volume .* in the 1 MiB at offset 2097152\$" verify_both
expect_output 'the source .* in the 1 MiB at offset 2097152$'
flip "$volume" 2345679
flip "$tmp/source.raw" 2345678
expect_status 0 verify_both

echo "== the end"
truncate -s 7M "$volume"
expect_status 0 verify_both
flip "$volume" 7340031
expect_error "error: disk volume: $volume is not zero after" verify_both
truncate -s 6553699 "$volume"
expect_error "$volume has been cut to 6553699 bytes" verify_both
[ "$status" -eq 1 ] || fail "status $status"
expect_output '^- +volume +same +differs +-$'
cp "$tmp/good.raw" "$volume"
truncate -s 7000000 "$tmp/source.raw"
stop_nbdkit "$tmp/pid"
expect_error 'error: .*sock' verify_both
[ "$status" -eq 4 ] || fail "status $status"
expect_output '^- +volume +unknown +same +-$'
start_nbdkit -P "$tmp/pid" -U "$tmp/sock" -r file "$tmp/source.raw"
expect_error 'the source has 7000000 bytes, and had 6553700' verify_both
[ "$status" -eq 1 ] || fail "status $status"
truncate -s 6553700 "$tmp/source.raw"

truncate -s 7M "$volume"
if [ "$(id -u)" -eq 0 ] &&
   loop=$(losetup --find --show "$volume" 2>"$tmp/log"); then
  echo "== a block device"
  cleanup_fn losetup --detach "$loop"
  volume=$loop
  expect_status 0 verify
  # What the device has after the disk's end is not ours.
  flip "$loop" 7000000
  expect_status 0 verify
  flip "$loop" 3000000
  expect_error "$loop differs .* in the 1 MiB at offset 2097152\$" verify
  flip "$loop" 3000000
  truncate -s 1M "$tmp/volume"
  losetup --set-capacity "$loop"
  expect_error "$loop has been cut to 1048576 bytes" verify
  volume=$tmp/volume
fi
cp "$tmp/good.raw" "$volume"

echo "== no volume, no digests"
volume=$tmp/none
expect_error "error: disk none: cannot open $volume: No such file" verify
[ "$status" -eq 1 ] || fail "status $status"
expect_output '^- +none +- +missing +-$'
mkfifo "$tmp/pipe"
volume=$tmp/pipe
expect_error "$volume is neither a file nor a block device" verify
volume=$tmp/
expect_error "$volume is neither a file nor a block device" verify
volume=$tmp/volume
cp "$digests" "$tmp/kept"
flip "$digests" 200
expect_error "error: $digests: not a digest file of nbdlift, or damaged" verify
[ "$status" -eq 1 ] || fail "status $status"
expect_output '^- +volume +- +unknown +-$'
{ printf 'NBDLIFTD\1'; head -c 100 /dev/zero; } >"$digests"
expect_error "$digests: made by an older nbdlift; copy the disk again" verify
rm "$digests"
expect_error "$digests: No such file" verify
cp "$tmp/kept" "$digests"

echo "== usage"
expect_status 2 "$NBDLIFT" verify --digest "$digests"
expect_output 'which volume'
expect_status 2 "$NBDLIFT" verify --digest "$digests" "$volume" another
expect_output "what is 'another'"
expect_status 2 "$NBDLIFT" verify --source "$uri" "$volume"
expect_output '--source goes with --digest'
for option in --no-source --vm=a --plan=a --state=a --output=a; do
  expect_status 2 "$NBDLIFT" verify --digest "$digests" "$option" "$volume"
  expect_output 'for a volume alone'
done

echo "== cancelled"
stop_nbdkit "$tmp/pid"
start_nbdkit -P "$tmp/pid" -U "$tmp/sock" -r --filter=delay file \
  "$tmp/source.raw" rdelay=60
"$NBDLIFT" verify --digest "$digests" --source "$uri" "$volume" \
  >"$tmp/log" 2>&1 &
pid=$!
# Its progress says that it reads the source: the second line.
for ((i = 0; i < 200; i++)); do
  sleep 0.1
  [ ! -s "$tmp/log" ] || break
done
kill -INT $pid
status=0
wait $pid || status=$?
cat "$tmp/log"
[ "$status" -eq 8 ] || fail "status $status"
