#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# nbdlift copy --delta: what has changed is written, and not a byte of the
# rest.  The target holds bytes in unchanged areas that the source does not
# have, so each of them that is touched shows.

source ./tests/functions.sh
requires nbdkit
requires jq
tmpdir
cd "$tmp"

sock=$tmp/sock
uri="nbd+unix:///?socket=$sock"
copy=("$NBDLIFT" copy --no-progress -f json)

serve () {
  [ ! -e server.pid ] || stop_nbdkit "$tmp/server.pid"
  start_nbdkit -P "$tmp/server.pid" -U "$sock" "$@"
}

result () {
  jq -r ".$1" out
}

refused () {
  local want=$1 pattern=$2 status=0
  shift 2
  "${copy[@]}" "$@" >out 2>err </dev/null || status=$?
  cat out err
  [ "$status" -eq "$want" ] || fail "status $status, not $want, from: $*"
  grep -Eq -- "$pattern" err || fail "no '$pattern' from: $*"
}

# --- All kinds of areas, most of them not on block boundaries (1 MiB).
#
# new.raw is the disk, extents what the server says of it, base.raw the
# target before and want.raw after.
size=$((12 * 1048576 + 1536))
"$PYTHON" - $size <<'END'
import os, random, sys
size = int(sys.argv[1])
M = 1 << 20
random.seed(3)
new = bytearray(os.urandom(size))
base = bytearray(os.urandom(size))
areas = [                       # length and type, in order
    (M, "hole"),                # a whole block
    (M, ""),                    # a whole block of data
    (M, "hole,zero"),           # and of zeroes
    (700 * 1024, "hole"),       # the rest straddles
    (512, ""),
    (1, "hole"),                # a server may say so, to the byte
    (100 * 1024 + 511, ""),
    (400 * 1024, "zero"),
    (3000, "hole"),
    (M, ""),
    (5 * 512, "hole,zero"),
    (2 * M + 12345, "hole"),
    (77, "hole,zero"),
    (4096, ""),                 # data that is zero
    (300, "hole"),
    (M + 4096, "zero"),
]
rest = size - 2000 - sum(length for length, _ in areas)
areas += [(rest, "hole"), (2000, "")]
want = bytearray(base)
offset = data = 0
lines = []
for i, (length, kind) in enumerate(areas):
    end = offset + length
    if "zero" in kind or length == 4096:
        new[offset:end] = bytes(length)
    if kind != "hole":
        want[offset:end] = new[offset:end]
    if kind == "":
        data += length
    lines.append("%d %d %s\n" % (offset, length, kind))
    offset = end
assert offset == size
for name, content in ("new", new), ("base", base), ("want", want):
    open(name + ".raw", "wb").write(content)
open("extents", "w").writelines(lines)
open("data", "w").write("%d\n" % data)
END

serve_delta () {
  serve eval get_size="echo $(stat -c %s new.raw)" can_extents='exit 0' \
    pread="dd if=$tmp/new.raw skip=\$4 count=\$3 iflag=skip_bytes,count_bytes \
           status=none" \
    extents="cat $tmp/extents"
}
serve_delta

for options in --cache=none --cache=writeback --request-size=64K \
  '--request-size=32M --requests=2' --memory=1M --connections=1 \
  --journal=j --digest=dg '--digest=dg --digest-type=sha256 --journal=j'; do
  rm -f j dg
  cp base.raw target
  inode=$(stat -c %i target)
  # shellcheck disable=SC2086
  "${copy[@]}" "$uri" target --delta $options >out
  same_bytes want.raw target
  [ "$(stat -c %i target)" -eq "$inode" ] || fail 'not changed in place'
  [ ! -e target.partial ] || fail 'a delta has no partial file'
  # Whole pages may be read, and what lies between two pieces of data.
  if [ "$(result read)" -gt $(($(cat data) + 18 * 8192)) ] ||
     [ "$(result read)" -lt "$(cat data)" ]; then
    fail "$options: read $(result read) for $(cat data) changed bytes"
  fi
  [ ! -e dg ] || "$NBDLIFT" verify -q --digest=dg target >out.verify
  if [ -e j ]; then
    # shellcheck disable=SC2086
    "${copy[@]}" "$uri" target --delta $options >out
    same_bytes want.raw target
    [ "$(result read)" -eq 0 ] || fail 'a finished delta was copied again'
  fi
done

# base:allocation can be named too.
cp base.raw target
"${copy[@]}" "$uri" target --delta=base:allocation >out
same_bytes want.raw target

# --- Digests: of the target before the delta, or none.  The root is that
# of a full copy of what has become of it.
serve file want.raw
"${copy[@]}" "$uri" full --digest=full.dg --digest-type=sha256 >out
root=$(result digest)
serve file base.raw
for type in sha256 poly1305; do
  rm -f target base.dg
  "${copy[@]}" "$uri" target --digest=base.dg --digest-type=$type >out
  cp base.dg "base.dg.$type"
done
serve_delta
for type in sha256 poly1305; do
  cp base.raw target
  cp "base.dg.$type" dg
  "${copy[@]}" "$uri" target --delta --digest=dg --digest-type=$type >out
  same_bytes want.raw target
  [ $type = poly1305 ] || [ "$(result digest)" = "$root" ] ||
    fail 'the root is not that of the new content'
  "$NBDLIFT" verify -q --digest=dg target >out.verify
  # It is looked at: one changed byte anywhere is found.
  printf x | dd of=target bs=1 seek=$((11 * 1048576 + 5)) conv=notrunc \
    status=none
  cmp -s want.raw target || refused_offset=$((11 * 1048576))
  status=0
  "$NBDLIFT" verify -q --digest=dg target >out.verify || status=$?
  [ "$status" -eq 1 ] || fail "verify: status $status after a flipped byte"
  grep -q "${refused_offset:-}" out.verify || fail 'verify: no offset'
done

# --- The whole disk is data where the server cannot tell: never wrong.
cp base.raw target
serve eval get_size="echo $(stat -c %s new.raw)" can_extents='exit 0' \
  pread="dd if=$tmp/new.raw skip=\$4 count=\$3 iflag=skip_bytes,count_bytes \
         status=none" \
  extents="echo EIO cannot >&2; exit 1"
"${copy[@]}" "$uri" target --delta >out 2>err
cat err
grep -q 'warning: .*can not tell from offset 0 on which parts are unchanged' \
  err || fail 'no warning'
same_bytes new.raw target

# --- Sizes: the disk has grown; the target is larger.
serve_delta
head -c 5000000 base.raw >target
"$PYTHON" - <<'END'
base = open("base.raw", "rb").read()
want = bytearray(base[:5000000].ljust(len(base), b"\0"))
new = open("new.raw", "rb").read()
for line in open("extents"):
    offset, length, *kind = line.split()
    offset, end = int(offset), int(offset) + int(length)
    if kind != ["hole"]:
        want[offset:end] = new[offset:end]
open("grown.raw", "wb").write(want)
END
"${copy[@]}" "$uri" target --delta >out
same_bytes grown.raw target

cp base.raw target
truncate -s 14M target
printf tail | dd of=target bs=1 seek=$((size + 5)) conv=notrunc status=none
"${copy[@]}" "$uri" target --delta --digest=dg2 >out
cmp -n "$size" want.raw target || fail 'a larger target: other bytes'
[ "$(stat -c %s target)" -eq $((14 << 20)) ] || fail 'its size changed'
cmp -i $size:0 -n $(((14 << 20) - size)) target /dev/zero ||
  fail 'not zero after the end'

# --- What is refused; the target stays as it is.
refused 5 'nothere is not there: .*copy without --delta first' "$uri" \
  nothere --delta
[ ! -e nothere ] || fail 'a delta made a target'
cp base.raw target
refused 4 'no metadata context qemu:dirty-bitmap:x.*has: base:allocation' \
  "$uri" target --delta=qemu:dirty-bitmap:x
serve --no-sr file new.raw
refused 4 'base:allocation' "$uri" target --delta
same_bytes base.raw target

# --- A source that fails in the middle: in place, and said so.
serve eval get_size="echo $size" can_extents='exit 0' \
  extents="echo 0 $size" \
  pread="[ \$4 -lt 8000000 ] || { echo EIO here >&2; exit 1; }
    dd if=$tmp/new.raw skip=\$4 count=\$3 iflag=skip_bytes,count_bytes \
    status=none"
refused 4 'cannot read at offset 8388608' "$uri" target --delta --requests=1
grep -q 'warning: target is neither the old nor the new state' err ||
  fail 'it does not say so'

# --- Killed, and gone on with: a delta of about 100 MB in many pieces.
"$PYTHON" - <<'END'
import os
M = 1 << 20
size = 128 * M
base = bytearray(os.urandom(M)) * 128
new = bytearray(os.urandom(M)) * 128
want = bytearray(base)
lines = []
data = 0
for i in range(128):
    offset = i * M
    cut = (i * 37 % 1000 + 1) * 512
    for at, length, kind in ((offset, cut, "hole"),
                             (offset + cut, M - cut, "")):
        lines.append("%d %d %s\n" % (at, length, kind))
        if kind == "":
            data += length
            want[at:at + length] = new[at:at + length]
for name, content in ("new", new), ("base", base), ("want", want):
    open(name + ".raw", "wb").write(content)
open("extents", "w").writelines(lines)
open("data", "w").write("%d\n" % data)
END
serve_delta
cp base.raw target
rm -f j
"${copy[@]}" "$uri" target --delta --journal=j --identity=change-7 \
  --rate=16M --request-size=64K >out 2>err &
pid=$!
# Until it has claimed something.
for ((i = 0; i < 150; i++)); do
  [ "$(stat -c %s j 2>/dev/null || echo 0)" -le 4500 ] || break
  sleep 0.1
done
kill -KILL $pid
wait $pid || true
! cmp -s want.raw target || fail 'it was not killed in the middle'
# Another change, or a full copy, is another copy.
refused 1 'j: belongs to another copy' "$uri" target --delta --journal=j \
  --identity=change-8
refused 1 'j: belongs to another copy' "$uri" target --journal=j \
  --identity=change-7
[ ! -e target.partial ] || fail 'a partial file was left'
"${copy[@]}" "$uri" target --delta --journal=j --identity=change-7 >out 2>err
cat out err
same_bytes want.raw target
[ "$(result kept)" -gt 0 ] || fail 'nothing was kept'
[ "$(result read)" -lt $(($(cat data) - 8000000)) ] ||
  fail "read $(result read) of $(cat data)"

# --- A dirty bitmap of a qcow2 behind qemu-nbd.
requires qemu-nbd
requires qemu-img
requires qemu-io
stop_nbdkit "$tmp/server.pid"
rm -f server.pid
qemu-img create -q -f qcow2 image.qcow2 256M
qemu-io -f qcow2 image.qcow2 -c 'write -P 1 0 96M' \
  -c 'write -P 2 200M 20M' >/dev/null
qemu-img convert -O raw image.qcow2 base.raw
qemu-img bitmap --add --enable image.qcow2 since
qemu-io -f qcow2 image.qcow2 \
  -c 'write -P 3 1M 100k' -c 'write -P 4 33333333 5000' \
  -c 'write -z 40M 3M' -c 'write -z -u 50M 64k' -c 'discard 60M 2M' \
  -c 'write -P 5 150M 1M' -c 'write -P 6 255M 1M' \
  -c 'write -P 7 8191k 2k' >/dev/null
qemu-img convert -O raw image.qcow2 new.raw
qemu-nbd -r -t -k "$sock" -e 16 -f qcow2 -B since --fork \
  --pid-file=qemu.pid image.qcow2
qemu_pid=$(cat qemu.pid)
cleanup_fn kill "$qemu_pid"

for options in --cache=none --cache=writeback --digest=qdg; do
  cp base.raw target
  "${copy[@]}" "$uri" target --delta=qemu:dirty-bitmap:since $options >out
  cat out
  same_bytes new.raw target
  # 3.1 MiB of data were written; a bitmap tells whole 64 KiB.
  [[ $(result read) -ge 2200000 && $(result read) -le 4000000 ]] ||
    fail "read $(result read)"
done
"$NBDLIFT" verify -q --digest=qdg --source="$uri" target >out.verify

# Unchanged means not touched, here too.
cp base.raw target
printf mark | dd of=target bs=1 seek=$((90 << 20)) conv=notrunc status=none
cp new.raw want.raw
printf mark | dd of=want.raw bs=1 seek=$((90 << 20)) conv=notrunc status=none
"${copy[@]}" "$uri" target --delta=qemu:dirty-bitmap:since >out
same_bytes want.raw target

refused 4 'no metadata context qemu:dirty-bitmap:other .*qemu:dirty-bitmap:since' \
  "$uri" target --delta=qemu:dirty-bitmap:other
same_bytes want.raw target
